//! The Compose file that lem adds after the user's own, which are never edited. Pure.

use serde_json::{Map, Value, json};

use super::world::{Kept, World};
use crate::engine::container::OWNER;

/// What the containers of the runs' services do between runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Between<'a> {
    /// Nothing: each run has a container of its own.
    Nothing,
    /// They hold: by what their keeper has for it, or by the user's command instead.
    Hold(Option<&'a [String]>),
}

/// The override of a project, as a Compose file.
///
/// Nothing in it changes from run to run or from one instance of a campaign to the next: Compose
/// recreates a container whose settings changed, and with it what a held container keeps warm.
pub(crate) fn compose(
    owner: &str,
    worlds: &[World],
    dependencies: &[String],
    between: &Between<'_>,
) -> Value {
    let mut services = Map::new();
    for name in dependencies {
        services.insert(name.clone(), json!({"labels": {OWNER: owner}}));
    }
    for world in worlds {
        services.insert(world.service.clone(), service(owner, world, between));
    }
    json!({"services": services})
}

fn service(owner: &str, world: &World, between: &Between<'_>) -> Value {
    let volumes: Vec<Value> = world
        .mounts
        .iter()
        .map(|mount| {
            json!({
                "type": "bind",
                "source": escaped(&mount.source.to_string_lossy()),
                "target": escaped(&mount.target.to_string_lossy()),
                "read_only": mount.read_only,
                // They are there. Where Compose may have to make one, it hands them to the engine as
                // one text, which has no place for a colon.
                "bind": {"create_host_path": false},
            })
        })
        .collect();
    let mut service = json!({
        // Without an init, TERM is ignored and a missing command exits 1 instead of 127.
        "init": true,
        // A container that comes back by itself would have lost the run that was in it.
        "restart": "no",
        "labels": {OWNER: owner},
        "volumes": volumes,
    });
    if world.kept == Kept::TheEnd {
        // The engine would keep all of it once more, and take 1.7 times as much room for it.
        service["logging"] =
            json!({"driver": "json-file", "options": {"max-size": "50m", "max-file": "2"}});
    }
    if let (Between::Hold(command), false) = (between, world.keeps_command) {
        let hold = command.map(<[String]>::to_vec).or_else(|| world.keeper.hold());
        let words: Vec<String> = hold.unwrap_or_default().iter().map(|w| escaped(w)).collect();
        service["entrypoint"] = json!(words);
        service["command"] = json!([]);
        // The healthcheck is about the server that does not run now.
        service["healthcheck"] = json!({"disable": true});
    }
    service
}

/// Compose reads `$` as the start of a variable.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::keeper::Keeper;
    use crate::campaign::world::Entry;
    use crate::engine::resolved::Bind;

    fn world(keeps_command: bool) -> World {
        World {
            service: "s".into(),
            entry: Entry::Instead,
            keeper: Keeper::InnerLem,
            without: None,
            results: "/r".into(),
            configs: None,
            mounts: vec![Bind { source: "/a$b".into(), target: "/r".into(), read_only: false }],
            keeps_command,
            kept: Kept::TheEnd,
            pass: vec![],
        }
    }

    #[test]
    fn a_held_service_loses_its_command_and_its_healthcheck() {
        let file = compose("p", &[world(false)], &["db".into()], &Between::Hold(None));
        let service = &file["services"]["s"];
        assert_eq!(service["entrypoint"], json!(["/.lem/lem", "hold"]));
        assert_eq!(service["command"], json!([]));
        assert_eq!(service["healthcheck"], json!({"disable": true}));
        assert_eq!(file["services"]["db"], json!({"labels": {"dev.lem.owner": "p"}}));
    }

    #[test]
    fn a_shell_holds_by_a_script_in_which_compose_finds_no_variables() {
        let world = World { keeper: Keeper::Shell, ..world(false) };
        let file = compose("p", &[world], &[], &Between::Hold(None));
        let words: Vec<&str> = file["services"]["s"]["entrypoint"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!((&words[..2], &words[3..]), (&["sh", "-c"][..], &["lem", "hold"][..]));
        assert!(!words[2].replace("$$", "").contains('$'));
    }

    #[test]
    fn a_service_that_keeps_its_command_and_an_ephemeral_one_are_left_as_they_are() {
        for (keeps, between) in [(true, Between::Hold(None)), (false, Between::Nothing)] {
            let file = compose("p", &[world(keeps)], &[], &between);
            assert!(file["services"]["s"].get("entrypoint").is_none());
        }
    }

    #[test]
    fn the_engine_keeps_no_second_copy_of_a_long_output_unless_the_file_wants_it() {
        let logging = |kept| {
            let world = World { kept, ..world(false) };
            compose("p", &[world], &[], &Between::Nothing)["services"]["s"]["logging"].clone()
        };
        let options = json!({"max-size": "50m", "max-file": "2"});
        assert_eq!(logging(Kept::TheEnd), json!({"driver": "json-file", "options": options}));
        assert_eq!(logging(Kept::AsTheFileSays), Value::Null);
    }

    #[test]
    fn dollars_in_paths_are_not_variables() {
        let file = compose("p", &[world(false)], &[], &Between::Nothing);
        assert_eq!(file["services"]["s"]["volumes"][0]["source"], "/a$$b");
    }
}
