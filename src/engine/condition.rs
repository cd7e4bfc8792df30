//! How containers are, whoever made them, in as much detail as tells one that was stopped from one
//! that broke. Pure: text in, values or an error out.

use jiff::Timestamp;
use serde::Deserialize;

use super::reply::Unexpected;

/// The columns of [`Condition`].
pub(crate) const FORMAT: &str = "{{.ID}}\t{{json .State}}\t{{.HostConfig.RestartPolicy.Name}}";

/// How a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub id: String,
    /// `created`, `running`, `paused`, `restarting`, `exited`, `removing` or `dead`.
    pub status: String,
    /// `starting`, `healthy` or `unhealthy`; none without a healthcheck.
    pub health: Option<String>,
    pub exit_code: i64,
    pub out_of_memory: bool,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// `no`, `on-failure`, `always` or `unless-stopped`.
    pub restart_policy: String,
}

/// What a condition comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sum {
    Stopped,
    Running,
    Restarting,
    Error,
}

impl Sum {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Error => "error",
        }
    }
}

impl Condition {
    /// What it comes to.
    pub(crate) fn sum(&self) -> Sum {
        match self.status.as_str() {
            "running" | "paused" => Sum::Running,
            "restarting" => Sum::Restarting,
            _ if self.fault().is_some() => Sum::Error,
            _ => Sum::Stopped,
        }
    }

    /// Why it counts as broken, if it does.
    ///
    /// One that ended by a signal that asks or makes a program end was stopped by somebody. An
    /// engine that would start it again says `restarting`, so one that is `exited` has no policy
    /// left.
    pub(crate) fn fault(&self) -> Option<String> {
        const STOPPED: [i64; 5] = [0, 129, 130, 137, 143];
        match self.status.as_str() {
            "dead" => Some("it is dead: the engine could not remove it".to_owned()),
            "exited" if self.out_of_memory => Some("it ran out of memory".to_owned()),
            "exited" if !STOPPED.contains(&self.exit_code) => {
                Some(format!("it ended with exit code {}", self.exit_code))
            }
            _ => None,
        }
    }
}

/// Parses the lines of `docker inspect` in [`FORMAT`].
pub(crate) fn conditions(text: &str) -> Result<Vec<Condition>, Unexpected> {
    text.lines().filter(|line| !line.is_empty()).map(condition).collect()
}

fn condition(line: &str) -> Result<Condition, Unexpected> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct State {
        status: String,
        #[serde(default)]
        exit_code: i64,
        #[serde(rename = "OOMKilled", default)]
        out_of_memory: bool,
        #[serde(default)]
        started_at: String,
        #[serde(default)]
        finished_at: String,
        health: Option<Health>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Health {
        status: String,
    }
    let wrong = || Unexpected::from_text(line);
    let columns: Vec<&str> = line.split('\t').collect();
    let [id, state, policy] = columns[..] else { return Err(wrong()) };
    let state: State = serde_json::from_str(state).map_err(|_| wrong())?;
    let health = state.health.map(|health| health.status);
    // What has not happened yet is in the year 1.
    let time = |text: &str| {
        let time: Option<Timestamp> = text.parse().ok();
        time.filter(|time| *time > Timestamp::UNIX_EPOCH)
    };
    Ok(Condition {
        id: id.to_owned(),
        status: state.status,
        health: health.filter(|health| !matches!(health.as_str(), "" | "none")),
        exit_code: state.exit_code,
        out_of_memory: state.out_of_memory,
        started_at: time(&state.started_at),
        finished_at: time(&state.finished_at),
        restart_policy: policy.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(state: &str) -> (Sum, Option<String>) {
        let line = format!("abc\t{{{state}}}\tno\n");
        let found = conditions(&line).unwrap().remove(0);
        (found.sum(), found.fault())
    }

    #[test]
    fn one_that_was_stopped_is_not_one_that_broke() {
        assert_eq!(sum(r#""Status":"running""#).0, Sum::Running);
        assert_eq!(sum(r#""Status":"restarting","ExitCode":1"#).0, Sum::Restarting);
        for code in [0, 130, 137, 143] {
            let exited = sum(&format!(r#""Status":"exited","ExitCode":{code}"#));
            assert_eq!(exited, (Sum::Stopped, None), "{code}");
        }
        assert_eq!(sum(r#""Status":"created""#).0, Sum::Stopped);
        let broken = sum(r#""Status":"exited","ExitCode":3"#);
        assert_eq!(broken, (Sum::Error, Some("it ended with exit code 3".to_owned())));
        assert_eq!(sum(r#""Status":"exited","ExitCode":137,"OOMKilled":true"#).0, Sum::Error);
        assert_eq!(sum(r#""Status":"dead""#).0, Sum::Error);
    }

    #[test]
    fn times_that_have_not_come_are_none() {
        let line = "abc\t{\"Status\":\"running\",\"StartedAt\":\"2026-11-21T10:00:00.5Z\",\
                    \"FinishedAt\":\"0001-01-01T00:00:00Z\",\"Health\":{\"Status\":\"healthy\"}}\t\
                    always";
        let found = conditions(line).unwrap().remove(0);
        assert_eq!(found.health.as_deref(), Some("healthy"));
        assert!(found.started_at.is_some() && found.finished_at.is_none());
        for rubbish in ["a", "a\tb\tc", "a\t{}\tno", "a\tnull\tno\t", "\t\t"] {
            assert!(conditions(rubbish).is_err(), "{rubbish}");
        }
    }
}
