//! How a container is, in all that matters to who keeps it running. Pure but for the words asked.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::container::Docker;
use super::invocation::Invocation;
use super::reply::Unexpected;

/// The columns of [`Life`]; `.ID` as in [`super::reply::STATE_FORMAT`].
const FORMAT: &str = concat!(
    "{{.ID}}\t{{json .Name}}\t{{json .State}}\t{{json .HostConfig.RestartPolicy}}\t",
    "{{json .RestartCount}}\t{{json .Config.Labels}}"
);

/// What Compose notes on a container about the settings that it was made with.
const CONFIG_HASH: &str = "com.docker.compose.config-hash";
/// What Compose notes about whose container it is.
const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const ONE_OFF: &str = "com.docker.compose.oneoff";

/// A container.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Life {
    pub id: String,
    pub name: String,
    pub status: Status,
    /// Of a healthcheck that it has.
    pub health: Option<Checked>,
    /// When it was started last; absent if never.
    pub started_at: Option<Timestamp>,
    /// Of the last end.
    pub exit_code: i64,
    /// Whether the kernel killed it for its memory.
    pub oom_killed: bool,
    /// What the engine says where it could not be started.
    pub error: String,
    /// How often the engine has started it again by itself.
    pub restarts: u64,
    /// `no`, `always`, `unless-stopped` or `on-failure`.
    pub restart_policy: String,
    pub config_hash: Option<String>,
    /// The Compose project and the service of it that it is a container of; none of `compose run`.
    pub service: Option<(String, String)>,
}

/// What a container does. `Running` of docker is also true of those that are paused or about to be
/// started again, so lem goes by the status alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Created,
    Running,
    Paused,
    Restarting,
    Exited,
    Removing,
    Dead,
}

/// What a container's own healthcheck says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checked {
    Starting,
    Healthy,
    Unhealthy,
}

impl Status {
    /// Its word in docker's answers.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
            Self::Removing => "removing",
            Self::Dead => "dead",
        }
    }

    /// Whether processes of it may be there, or come back without anybody's doing.
    pub(crate) fn is_alive(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }

    fn read(word: &str) -> Option<Self> {
        [
            Self::Created,
            Self::Running,
            Self::Paused,
            Self::Restarting,
            Self::Exited,
            Self::Removing,
            Self::Dead,
        ]
        .into_iter()
        .find(|status| status.word() == word)
    }
}

impl Docker {
    /// How containers are, by id or name; those that are gone are left out, and make it exit 1.
    pub(crate) fn lives(&self, ids: &[&str]) -> Invocation {
        Invocation::new(&self.0, ["inspect", "--type", "container", "--format", FORMAT])
            .with(ids.iter().copied())
    }

    /// Every container of the engine, whatever its state.
    pub(crate) fn every(&self) -> Invocation {
        let format = super::reply::CONTAINER_FORMAT;
        Invocation::new(&self.0, ["ps", "--all", "--no-trunc", "--format", format])
    }

    /// Prints the exit code when the container ends.
    pub(crate) fn wait(&self, id: &str) -> Invocation {
        Invocation::new(&self.0, ["wait", id])
    }

    /// Starts a container that exists.
    pub(crate) fn start(&self, id: &str) -> Invocation {
        Invocation::new(&self.0, ["start", id])
    }

    /// The container's own stop signal, and no KILL however long it takes.
    pub(crate) fn ask_to_stop(&self, id: &str) -> Invocation {
        Invocation::new(&self.0, ["stop", "-t", "-1", id])
    }

    /// KILL, at once.
    pub(crate) fn kill(&self, id: &str) -> Invocation {
        Invocation::new(&self.0, ["kill", id])
    }

    /// Removes a container that does not run, with its anonymous volumes.
    pub(crate) fn remove_stopped(&self, id: &str) -> Invocation {
        Invocation::new(&self.0, ["rm", "--volumes", id])
    }

    /// The last lines that a container has said since then.
    pub(crate) fn logs_since(&self, since: Timestamp, lines: u32, id: &str) -> Invocation {
        let (since, lines) = (since.to_string(), lines.to_string());
        Invocation::new(&self.0, ["logs", "--since", &since, "--tail", &lines, id])
    }

    /// What a container has said since `since`, of that the last `lines` lines; with `on`, what it
    /// says from then on too.
    pub(crate) fn logs_of(
        &self,
        id: &str,
        since: Option<Timestamp>,
        lines: Option<usize>,
        on: bool,
    ) -> Invocation {
        let lines = lines.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let invocation = Invocation::new(&self.0, ["logs", "--tail", &lines]);
        let since = since.map(|since| format!("--since={since}"));
        let flags = since.iter().map(String::as_str).chain(on.then_some("--follow"));
        invocation.with(flags).with([id])
    }
}

/// Parses the lines of [`Docker::lives`].
pub(crate) fn lives(text: &str) -> Result<Vec<Life>, Unexpected> {
    text.lines().filter(|line| !line.is_empty()).map(life).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: String,
    #[serde(default)]
    exit_code: i64,
    #[serde(default, rename = "OOMKilled")]
    oom_killed: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    started_at: String,
    health: Option<Health>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    #[serde(default)]
    name: String,
}

fn life(line: &str) -> Result<Life, Unexpected> {
    let wrong = || Unexpected::from_text(line);
    let columns: Vec<&str> = line.splitn(6, '\t').collect();
    let [id, name, state, policy, restarts, labels] = columns[..] else { return Err(wrong()) };
    let name: String = serde_json::from_str(name).map_err(|_| wrong())?;
    let state: State = serde_json::from_str(state).map_err(|_| wrong())?;
    let policy: Policy = serde_json::from_str(policy).map_err(|_| wrong())?;
    let restarts: Option<u64> = serde_json::from_str(restarts).map_err(|_| wrong())?;
    let labels: Option<BTreeMap<String, String>> =
        serde_json::from_str(labels).map_err(|_| wrong())?;
    let mut labels = labels.unwrap_or_default();
    let one_off = labels.get(ONE_OFF).is_some_and(|it| it.eq_ignore_ascii_case("true"));
    let service = labels.remove(PROJECT).zip(labels.remove(SERVICE)).filter(|_| !one_off);
    let health = match state.health.as_ref().map(|health| health.status.as_str()) {
        None | Some("" | "none") => None,
        Some("starting") => Some(Checked::Starting),
        Some("healthy") => Some(Checked::Healthy),
        Some("unhealthy") => Some(Checked::Unhealthy),
        Some(_) => return Err(wrong()),
    };
    // The year 1 stands for never.
    let started_at = state.started_at.parse::<Timestamp>().ok();
    let started_at = started_at.filter(|at| at.as_second() > 0);
    Ok(Life {
        id: id.to_owned(),
        name: name.trim_start_matches('/').to_owned(),
        status: Status::read(&state.status).ok_or_else(wrong)?,
        health,
        started_at,
        exit_code: state.exit_code,
        oom_killed: state.oom_killed,
        error: state.error,
        restarts: restarts.unwrap_or(0),
        restart_policy: policy.name,
        config_hash: labels.remove(CONFIG_HASH),
        service,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: &str = concat!(
        "4f1c\t\"/vllm\"\t{\"Status\":\"running\",\"Running\":true,\"ExitCode\":0,\"Error\":\"\",",
        "\"StartedAt\":\"2026-11-21T15:00:00.5Z\",\"Health\":{\"Status\":\"starting\"}}\t",
        "{\"Name\":\"unless-stopped\",\"MaximumRetryCount\":0}\t2\t",
        "{\"com.docker.compose.config-hash\":\"abc\",\"x\":\"a\\tb\"}\n"
    );

    #[test]
    fn a_container_says_how_it_is() {
        let life = lives(RUNNING).unwrap().remove(0);
        assert_eq!((life.id.as_str(), life.name.as_str()), ("4f1c", "vllm"));
        assert_eq!((life.status, life.health), (Status::Running, Some(Checked::Starting)));
        assert_eq!((life.restarts, life.restart_policy.as_str()), (2, "unless-stopped"));
        assert_eq!(life.config_hash.as_deref(), Some("abc"));
        assert_eq!(life.started_at.unwrap().to_string(), "2026-11-21T15:00:00.5Z");
    }

    #[test]
    fn one_that_never_ran_has_no_start_and_one_without_labels_no_hash() {
        let line = "4f1c\t\"/a\"\t{\"Status\":\"created\",\"StartedAt\":\"0001-01-01T00:00:00Z\"}\t\
                    {\"Name\":\"\"}\tnull\tnull";
        let found = lives(line).unwrap().remove(0);
        assert_eq!((found.status, found.started_at), (Status::Created, None));
        assert_eq!((found.config_hash, found.service), (None, None));
    }

    #[test]
    fn the_labels_of_compose_say_whose_container_it_is_unless_it_was_run_by_itself() {
        let of = |one_off: &str| {
            let line = format!(
                "4f1c\t\"/a\"\t{{\"Status\":\"created\"}}\t{{}}\t0\t\
                 {{\"{PROJECT}\":\"shop\",\"{SERVICE}\":\"api\",\"{ONE_OFF}\":\"{one_off}\"}}"
            );
            lives(&line).unwrap().remove(0).service
        };
        assert_eq!(of("False"), Some(("shop".to_owned(), "api".to_owned())));
        assert_eq!(of("True"), None);
    }

    #[test]
    fn what_docker_does_not_print_is_an_error() {
        for line in ["", "4f1c\t\"/a\"", "4f1c\t\"/a\"\t{\"Status\":\"flying\"}\t{}\t0\t{}"] {
            assert!(line.is_empty() || lives(line).is_err(), "{line}");
        }
    }
}
