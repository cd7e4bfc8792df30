//! What docker answers, as values. Pure: text in, values or an error out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// The columns of [`Container`], separated by tabs: no name, id or label value of ours holds one.
pub(crate) const CONTAINER_FORMAT: &str = concat!(
    "{{.ID}}\t{{.Names}}\t{{.State}}\t{{.Label \"com.docker.compose.project\"}}\t",
    "{{.Label \"com.docker.compose.service\"}}\t{{.Label \"com.docker.compose.oneoff\"}}\t",
    "{{.Label \"dev.lem.owner\"}}\t{{.Label \"dev.lem.campaign\"}}\t{{.Label \"dev.lem.run\"}}\t",
    "{{.CreatedAt}}"
);

/// The columns of [`State`]. `.ID`, not `.Id`: the latter makes docker fall back to the raw answer,
/// in which a container without a healthcheck has no `.State.Health` to ask for.
pub(crate) const STATE_FORMAT: &str = "{{.ID}}\t{{json .State}}";

/// The columns of [`names`].
pub(crate) const NAME_FORMAT: &str = "{{.ID}}\t{{.Names}}";

/// An answer that is not what docker prints.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("docker answered something unexpected: `{0}`")]
pub(crate) struct Unexpected(String);

impl Unexpected {
    pub(super) fn from_text(text: &str) -> Self {
        Self(text.trim().chars().take(200).collect())
    }
}

/// A container as `docker ps` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Container {
    pub id: String,
    pub name: String,
    /// `created`, `running`, `paused`, `restarting`, `exited`, `removing` or `dead`.
    pub state: String,
    pub project: String,
    pub service: String,
    /// Made by `compose run`.
    pub one_off: bool,
    /// The project of the lem that made it; absent for everybody else's containers.
    pub owner: Option<String>,
    pub campaign: Option<String>,
    pub run: Option<String>,
    pub created: String,
}

impl Container {
    /// Whether lem made it for this project.
    pub(crate) fn belongs_to(&self, owner: &str) -> bool {
        self.owner.as_deref() == Some(owner)
    }

    /// Whether the engine is removing it, or has given up in the middle. Nothing runs in it.
    pub(crate) fn is_being_removed(&self) -> bool {
        matches!(self.state.as_str(), "removing" | "dead")
    }
}

/// Parses the lines of `docker ps` in [`CONTAINER_FORMAT`].
pub(crate) fn containers(text: &str) -> Result<Vec<Container>, Unexpected> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [id, name, state, project, service, one_off, owner, campaign, run, created] =
                columns[..]
            else {
                return Err(Unexpected::from_text(line));
            };
            Ok(Container {
                id: id.to_owned(),
                name: name.to_owned(),
                state: state.to_owned(),
                project: project.to_owned(),
                service: service.to_owned(),
                one_off: one_off.eq_ignore_ascii_case("true"),
                owner: some(owner),
                campaign: some(campaign),
                run: some(run),
                created: created.to_owned(),
            })
        })
        .collect()
}

/// Parses the lines of `docker ps` in [`NAME_FORMAT`]: names by id. What is no such line is nobody.
pub(crate) fn names(text: &str) -> BTreeMap<String, String> {
    let columns = text.lines().filter_map(|line| line.split_once('\t'));
    columns.map(|(id, name)| (id.to_owned(), name.to_owned())).collect()
}

/// The health of a container that has a healthcheck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    None,
    Starting,
    Healthy,
    Unhealthy,
}

/// The state of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub id: String,
    /// As in [`Container::state`].
    pub status: String,
    pub health: Health,
    pub exit_code: i64,
}

/// Parses the lines of `docker inspect` in [`STATE_FORMAT`].
pub(crate) fn states(text: &str) -> Result<Vec<State>, Unexpected> {
    text.lines().filter(|line| !line.is_empty()).map(state).collect()
}

fn state(line: &str) -> Result<State, Unexpected> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Raw {
        status: String,
        #[serde(default)]
        exit_code: i64,
        health: Option<RawHealth>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct RawHealth {
        status: String,
    }
    let wrong = || Unexpected::from_text(line);
    let (id, json) = line.split_once('\t').ok_or_else(wrong)?;
    let raw: Raw = serde_json::from_str(json).map_err(|_| wrong())?;
    let health = match raw.health.map(|health| health.status).as_deref() {
        None | Some("" | "none") => Health::None,
        Some("starting") => Health::Starting,
        Some("healthy") => Health::Healthy,
        Some("unhealthy") => Health::Unhealthy,
        Some(_) => return Err(wrong()),
    };
    Ok(State { id: id.to_owned(), status: raw.status, health, exit_code: raw.exit_code })
}

/// What of an image decides how a command starts in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Image {
    pub id: String,
    pub names: Vec<String>,
    pub entrypoint: Vec<String>,
}

/// Parses `docker image inspect`.
pub(crate) fn images(text: &str) -> Result<Vec<Image>, Unexpected> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Raw {
        id: String,
        repo_tags: Option<Vec<String>>,
        repo_digests: Option<Vec<String>>,
        config: Option<Config>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Config {
        entrypoint: Option<Vec<String>>,
    }
    let raw: Vec<Raw> = serde_json::from_str(text).map_err(|_| Unexpected::from_text(text))?;
    let image = |raw: Raw| Image {
        id: raw.id,
        names: [raw.repo_tags, raw.repo_digests].into_iter().flatten().flatten().collect(),
        entrypoint: raw.config.and_then(|c| c.entrypoint).unwrap_or_default(),
    };
    Ok(raw.into_iter().map(image).collect())
}

/// Engine and client, as far as lem depends on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    /// The engine's own id, the same for every client; empty when it doesn't answer.
    pub engine_id: String,
    pub engine_version: String,
    /// Why the engine doesn't answer.
    pub error: Option<String>,
    /// The version of the Compose plugin, where there is one.
    pub compose: Option<String>,
    /// Where the engine keeps images and containers, on its machine.
    pub root: PathBuf,
}

/// Parses `docker info --format '{{json .}}'`.
pub(crate) fn machine(text: &str) -> Result<Machine, Unexpected> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Raw {
        #[serde(rename = "ID", default)]
        id: String,
        #[serde(default)]
        server_version: String,
        #[serde(default)]
        server_errors: Option<Vec<String>>,
        #[serde(default)]
        docker_root_dir: PathBuf,
        client_info: Option<Client>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Client {
        plugins: Option<Vec<Plugin>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Plugin {
        name: String,
        #[serde(default)]
        version: String,
        #[serde(default)]
        err: Option<serde_json::Value>,
    }
    let raw: Raw = serde_json::from_str(text).map_err(|_| Unexpected::from_text(text))?;
    let plugins = raw.client_info.and_then(|c| c.plugins).unwrap_or_default();
    let compose = plugins.into_iter().find(|p| p.name == "compose" && p.err.is_none());
    Ok(Machine {
        engine_id: raw.id,
        engine_version: raw.server_version,
        error: raw.server_errors.and_then(|errors| errors.into_iter().next()),
        compose: compose.map(|p| p.version),
        root: raw.docker_root_dir,
    })
}

/// A version as its first two numbers; `v2.26.1-4` is (2, 26).
pub(crate) fn version(text: &str) -> Option<(u32, u32)> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let mut numbers = text[start..].split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

/// One line of the event stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub action: String,
    pub container: String,
    pub name: String,
    pub exit_code: Option<i32>,
    /// Unix time with nanoseconds, as docker prints it for `--since`.
    pub time: String,
}

/// Parses one line of `docker events --format '{{json .}}'`.
pub(crate) fn event(line: &str) -> Result<Event, Unexpected> {
    #[derive(Deserialize)]
    struct Raw {
        #[serde(rename = "Action")]
        action: String,
        #[serde(rename = "Actor")]
        actor: Actor,
        #[serde(rename = "timeNano", default)]
        nanoseconds: i64,
    }
    #[derive(Deserialize)]
    struct Actor {
        #[serde(rename = "ID")]
        id: String,
        #[serde(rename = "Attributes", default)]
        attributes: std::collections::HashMap<String, String>,
    }
    let raw: Raw = serde_json::from_str(line).map_err(|_| Unexpected::from_text(line))?;
    let time = Duration::from_nanos(
        u64::try_from(raw.nanoseconds).map_err(|_| Unexpected::from_text(line))?,
    );
    let attribute = |name: &str| raw.actor.attributes.get(name);
    Ok(Event {
        name: attribute("name").cloned().unwrap_or_default(),
        exit_code: attribute("exitCode").and_then(|code| code.parse().ok()),
        container: raw.actor.id,
        action: raw.action,
        time: format!("{}.{:09}", time.as_secs(), time.subsec_nanos()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_leniently() {
        for (text, expected) in [
            ("2.26.1-4", Some((2, 26))),
            ("v2.40.3", Some((2, 40))),
            ("Docker Compose version v5.0.1", Some((5, 0))),
            ("20.10.24+dfsg1", Some((20, 10))),
            ("docker-compose version 1.29.2, build unknown", Some((1, 29))),
            ("", None),
            ("dev", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }

    #[test]
    fn an_engine_that_is_down_is_an_answer_with_a_reason() {
        let text = r#"{"ID":"","ServerVersion":"","ServerErrors":["Cannot connect to the Docker daemon"],
            "ClientInfo":{"Plugins":[{"Name":"compose","Version":"2.26.1-4"}]}}"#;
        let machine = machine(text).unwrap();
        assert_eq!(machine.error.as_deref(), Some("Cannot connect to the Docker daemon"));
        assert_eq!(machine.compose.as_deref(), Some("2.26.1-4"));
    }

    #[test]
    fn containers_of_others_have_no_owner() {
        let text = "abc\tweb-1\trunning\tweb\tapp\tFalse\t\t\t\t2026-11-21\n\
                    def\tlem-1\texited\tweb\tapp\tTrue\tweb\tc\tr\t2026-11-21\n";
        let list = containers(text).unwrap();
        assert!(!list[0].belongs_to("web") && !list[0].one_off);
        assert!(list[1].belongs_to("web") && list[1].one_off);
    }

    #[test]
    fn a_container_without_a_healthcheck_has_a_state_too() {
        let text = "abc\t{\"Status\":\"running\",\"ExitCode\":0}\n\
                    def\t{\"Status\":\"exited\",\"ExitCode\":3,\"Health\":{\"Status\":\"unhealthy\"}}\n";
        let states = states(text).unwrap();
        assert_eq!((states[0].health, states[0].status.as_str()), (Health::None, "running"));
        assert_eq!((states[1].health, states[1].exit_code), (Health::Unhealthy, 3));
    }

    #[test]
    fn an_event_names_what_happened_to_which_container() {
        let line = r#"{"status":"die","id":"abc","Type":"container","Action":"die","Actor":{"ID":"abc",
            "Attributes":{"exitCode":"3","name":"lem-x-a1"}},"timeNano":1700000000000000005}"#;
        let event = event(line).unwrap();
        assert_eq!((event.action.as_str(), event.exit_code), ("die", Some(3)));
        assert_eq!(event.time, "1700000000.000000005");
        assert!(super::event(&line.replace("17000", "-17000")).is_err(), "before 1970");
    }

    #[test]
    fn rubbish_is_an_error_not_a_panic() {
        for text in ["", "null", "[]", "{", "\u{0}", "a\tb", "[{}]"] {
            let _ = (containers(text), states(text), images(text), machine(text), event(text));
        }
    }
}
