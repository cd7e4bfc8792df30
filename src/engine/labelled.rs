//! Containers with what Compose notes on them: their project and service, what they need, and the
//! files that they were made from. Pure but for the words asked.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::container::Docker;
use super::invocation::Invocation;
use super::reply::Unexpected;

/// The columns of [`Labelled`], separated by tabs.
const FORMAT: &str = concat!(
    "{{.Names}}\t{{.Label \"com.docker.compose.project\"}}\t",
    "{{.Label \"com.docker.compose.service\"}}\t{{.Label \"com.docker.compose.oneoff\"}}\t",
    "{{.Label \"com.docker.compose.depends_on\"}}\t",
    "{{.Label \"com.docker.compose.project.config_files\"}}\t",
    "{{.Label \"com.docker.compose.project.working_dir\"}}\t{{.Ports}}"
);

/// A container of an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Labelled {
    pub name: String,
    /// Its Compose project and service; none for others, and for those of `compose run`.
    pub service: Option<(String, String)>,
    /// The services that it needs, and whether it is restarted with each.
    pub needs: Vec<(String, bool)>,
    /// The Compose files of its project.
    pub files: Vec<PathBuf>,
    pub directory: PathBuf,
    /// The ports of the host that it publishes.
    pub ports: Vec<u16>,
}

impl Docker {
    /// Every container, whatever its state, with its labels.
    pub(crate) fn every_labelled(&self) -> Invocation {
        Invocation::new(&self.0, ["ps", "--all", "--no-trunc", "--format", FORMAT])
    }
}

/// Parses the lines of [`Docker::every_labelled`].
pub(crate) fn labelled(text: &str) -> Result<Vec<Labelled>, Unexpected> {
    text.lines().filter(|line| !line.is_empty()).map(one).collect()
}

fn one(line: &str) -> Result<Labelled, Unexpected> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [name, project, service, one_off, needs, files, directory, ports] = columns[..] else {
        return Err(Unexpected::from_text(line));
    };
    let is_of_a_service =
        !project.is_empty() && !service.is_empty() && !one_off.eq_ignore_ascii_case("true");
    // `db:service_healthy:true`; older ones have no third part.
    let need = |text: &str| {
        let mut words = text.split(':');
        let name = words.next().filter(|name| !name.is_empty())?;
        Some((name.to_owned(), words.nth(1) == Some("true")))
    };
    let mut published: Vec<u16> = ports.split(", ").filter_map(port).collect();
    published.sort_unstable();
    published.dedup();
    Ok(Labelled {
        // A container has more names where others are linked to it; its own comes first.
        name: name.split(',').find(|it| !it.contains('/')).unwrap_or(name).to_owned(),
        service: is_of_a_service.then(|| (project.to_owned(), service.to_owned())),
        needs: needs.split(',').filter_map(need).collect(),
        files: files.split(',').filter(|it| !it.is_empty()).map(PathBuf::from).collect(),
        directory: directory.into(),
        ports: published,
    })
}

/// The port of the host in `127.0.0.1:8000->80/tcp`; of a range the first.
fn port(text: &str) -> Option<u16> {
    let (host, _) = text.split_once("->")?;
    let (_, port) = host.rsplit_once(':')?;
    port.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_tells_its_service_what_it_needs_and_what_it_publishes() {
        let text = "shop-api-1\tshop\tapi\tFalse\tdb:service_started:true,cache:service_healthy\t\
                    /w/compose.yaml,/w/o.yaml\t/w\t127.0.0.1:8000->80/tcp, :::9000-9002->9000-9002/tcp\n\
                    shop-api-run-1\tshop\tapi\tTrue\t\t/w/compose.yaml\t/w\t\n\
                    web,other/alias\t\t\t\t\t\t\t\n";
        let found = labelled(text).unwrap();
        assert_eq!(found[0].service, Some(("shop".to_owned(), "api".to_owned())));
        assert_eq!(found[0].needs, [("db".to_owned(), true), ("cache".to_owned(), false)]);
        assert_eq!((found[0].files.len(), &found[0].ports[..]), (2, &[8000, 9000][..]));
        assert_eq!((found[1].service.as_ref(), found[2].name.as_str()), (None, "web"));
        assert!(labelled("rubbish\n").is_err());
    }
}
