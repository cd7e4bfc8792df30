//! The world of an experiment in a container: the same for both strategies. Pure.
//!
//! Its paths: the results reach the container by the service's own bind mount where one covers
//! them, else by a mount that the override adds. Its entrypoint: `exec` bypasses it, so what `run`
//! gets from the image is put before the command by hand.

use std::path::{Path, PathBuf};

use super::keeper::tools::Tools;
use super::keeper::{Keeper, Without};
use crate::engine::lem_keys::NoEntrypoint;
use crate::engine::reply::Image;
use crate::engine::resolved::{Bind, Service};

/// Where the container build of lem is mounted.
pub(crate) const INNER: &str = "/.lem/lem";
const RESULTS: &str = "/.lem/results";
const CONFIGS: &str = "/.lem/configs";

/// The results can't be written from the container.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("service `{service}` mounts the results read-only at `{}`", target.display())]
pub(crate) struct ReadOnlyResults {
    pub service: String,
    pub target: PathBuf,
}

/// How the inner lem is started in a container of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// As the arguments of this entrypoint; empty when there is none.
    Through(Vec<String>),
    /// In place of the entrypoint.
    Instead,
}

/// What a service's containers look like from inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct World {
    pub service: String,
    pub entry: Entry,
    pub keeper: Keeper,
    /// Why it is not the inner lem.
    pub without: Option<Without>,
    /// The campaign's results folder, in the container.
    pub results: PathBuf,
    /// The experiment files' folder, in the container.
    pub configs: Option<PathBuf>,
    /// Mounts that the override adds.
    pub mounts: Vec<Bind>,
    /// In persistent mode the service keeps its own command.
    pub keeps_command: bool,
    /// What the engine keeps of what its containers say.
    pub kept: Kept,
    /// Variables to hand over by name.
    pub pass: Vec<String>,
}

/// What the engine keeps of a container's output until it is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// What the Compose file says.
    AsTheFileSays,
    /// The end of it: lem has all of it in the run's log.
    TheEnd,
}

/// What the host offers to every container.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// The static container build, or why it can't be mounted.
    pub inner: Result<PathBuf, Without>,
    /// The campaign's results folder.
    pub results: PathBuf,
    /// The experiment files' folder, where it exists.
    pub configs: Option<PathBuf>,
    /// Variables that are set here and should reach the runs.
    pub pass: Vec<String>,
}

impl World {
    /// The world of a service. Without its image the entrypoint is taken to be the file's alone.
    pub(crate) fn of(
        name: &str,
        service: &Service,
        image: Option<&Image>,
        tools: Option<Tools>,
        host: &Host,
    ) -> Result<Self, ReadOnlyResults> {
        let (keeper, without) = Keeper::of(service, &host.inner, tools);
        let mut mounts = Vec::new();
        if let (Keeper::InnerLem, Ok(build)) = (keeper, &host.inner) {
            mounts.push(bind(build, INNER, true));
        }
        let results = match covering(service, &host.results) {
            Some((bind, _)) if bind.read_only => {
                return Err(ReadOnlyResults { service: name.to_owned(), target: bind.target });
            }
            Some((_, inside)) => inside,
            None => {
                mounts.push(bind(&host.results, RESULTS, false));
                RESULTS.into()
            }
        };
        let configs = host.configs.as_ref().map(|configs| {
            if let Some((_, inside)) = covering(service, configs) {
                return inside;
            }
            mounts.push(bind(configs, CONFIGS, true));
            CONFIGS.into()
        });
        let entry = match service.lem.entrypoint {
            Some(NoEntrypoint::None) => Entry::Instead,
            None => Entry::Through(
                service
                    .entrypoint()
                    .or_else(|| image.map(|image| image.entrypoint.clone()))
                    .unwrap_or_default(),
            ),
        };
        Ok(Self {
            service: name.to_owned(),
            entry,
            keeper,
            without,
            results,
            configs,
            mounts,
            keeps_command: service.lem.keep_command,
            kept: if service.says_logging() { Kept::AsTheFileSays } else { Kept::TheEnd },
            pass: host.pass.iter().filter(|name| !service.sets(name)).cloned().collect(),
        })
    }
}

fn bind(source: &Path, target: &str, read_only: bool) -> Bind {
    Bind { source: source.to_owned(), target: target.into(), read_only }
}

/// The service's mount that holds `host`, and where `host` is in the container.
fn covering(service: &Service, host: &Path) -> Option<(Bind, PathBuf)> {
    service
        .binds()
        .filter_map(|bind| {
            let below = host.strip_prefix(&bind.source).ok()?;
            // `join("")` would leave a slash at the end.
            let inside = if below.as_os_str().is_empty() {
                bind.target.clone()
            } else {
                bind.target.join(below)
            };
            Some((bind, inside))
        })
        .max_by_key(|(bind, _)| bind.source.components().count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::resolved::parse;

    fn host() -> Host {
        Host {
            inner: Ok("/opt/lem-container".into()),
            results: "/w/results/nightly".into(),
            configs: Some("/w/configs".into()),
            pass: vec!["HF_TOKEN".into(), "OTHER".into()],
        }
    }

    fn world(service: &str) -> Result<World, ReadOnlyResults> {
        let resolved = parse(&format!("name: p\nservices:\n  s: {service}\n")).unwrap();
        let image = Image { entrypoint: vec!["/entry".into()], ..Image::default() };
        World::of("s", &resolved.services["s"], Some(&image), None, &host())
    }

    #[test]
    fn what_the_services_mounts_do_not_cover_the_override_adds() {
        let world = world("{image: i}").unwrap();
        assert_eq!(world.results, Path::new("/.lem/results"));
        assert_eq!(world.configs.as_deref(), Some(Path::new("/.lem/configs")));
        let targets: Vec<_> = world.mounts.iter().map(|m| m.target.to_str().unwrap()).collect();
        assert_eq!(targets, ["/.lem/lem", "/.lem/results", "/.lem/configs"]);
        assert!(world.mounts[0].read_only && !world.mounts[1].read_only);
    }

    #[test]
    fn a_service_without_the_inner_lem_has_the_other_mounts_all_the_same() {
        let world = world("{image: i, x-lem: {inner: false}}").unwrap();
        let targets: Vec<_> = world.mounts.iter().map(|m| m.target.to_str().unwrap()).collect();
        assert_eq!(targets, ["/.lem/results", "/.lem/configs"]);
    }

    #[test]
    fn the_nearest_mount_of_the_service_translates_the_path() {
        let world = world(
            "{image: i, volumes: [{type: bind, source: /w, target: /app}, \
             {type: bind, source: /w/results, target: /out}]}",
        )
        .unwrap();
        assert_eq!(world.results, Path::new("/out/nightly"));
        assert_eq!(world.configs.as_deref(), Some(Path::new("/app/configs")));
        assert_eq!(world.mounts.len(), 1);
    }

    #[test]
    fn results_that_are_mounted_read_only_are_an_error() {
        let service =
            "{image: i, volumes: [{type: bind, source: /w, target: /app, read_only: true}]}";
        assert!(world(service).is_err());
    }

    #[test]
    fn the_files_entrypoint_wins_over_the_images_and_none_replaces_both() {
        let entry = |service: &str| world(service).unwrap().entry;
        assert_eq!(entry("{image: i}"), Entry::Through(vec!["/entry".into()]));
        assert_eq!(entry("{image: i, entrypoint: [/own]}"), Entry::Through(vec!["/own".into()]));
        assert_eq!(entry("{image: i, entrypoint: []}"), Entry::Through(vec![]));
        assert_eq!(entry("{image: i, x-lem: {entrypoint: none}}"), Entry::Instead);
    }

    #[test]
    fn a_service_that_says_what_becomes_of_its_output_keeps_that() {
        let kept = |service: &str| world(service).unwrap().kept;
        assert_eq!(kept("{image: i}"), Kept::TheEnd);
        assert_eq!(kept("{image: i, logging: null}"), Kept::TheEnd);
        assert_eq!(kept("{image: i, logging: {driver: none}}"), Kept::AsTheFileSays);
    }

    #[test]
    fn a_variable_that_the_service_sets_itself_is_not_handed_over() {
        let world = world("{image: i, environment: {HF_TOKEN: mine, OTHER: null}}").unwrap();
        assert_eq!(world.pass, ["OTHER"]);
    }
}
