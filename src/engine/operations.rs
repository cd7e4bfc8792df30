//! What the kinds of operations say to Compose and to the engine.

use super::compose::Project;
use super::container::Docker;
use super::invocation::Invocation;
use super::reply::Unexpected;

/// Whether Compose looks after the services that belong to those that are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    Included,
    LeftAlone,
}

/// Lines of a log that are enough to see what goes on.
const LINES: &str = "100";

impl Project {
    /// Stops services and starts them again; with `others`, those too that are to be restarted
    /// with them. Each has its own grace.
    pub(crate) fn restart_all(&self, services: &[&str], others: Others) -> Invocation {
        on(self.talkative().with(["restart"]), services, others)
    }

    /// Stops services, each within its own grace; all, if none is named.
    pub(crate) fn stop_all(&self, services: &[&str]) -> Invocation {
        self.talkative().with(["stop"]).with(services.iter().copied())
    }

    /// Starts what is there of services, and what that needs.
    pub(crate) fn start_all(&self, services: &[&str]) -> Invocation {
        self.talkative().with(["start"]).with(services.iter().copied())
    }

    /// Makes services anew where their image or settings have changed, and starts them.
    pub(crate) fn deploy(&self, services: &[&str], others: Others) -> Invocation {
        on(self.talkative().with(["up", "--detach"]), services, others)
    }

    /// Has so many containers of a service run; those that do are left alone.
    pub(crate) fn scale(&self, service: &str, replicas: u32) -> Invocation {
        let scale = format!("{service}={replicas}");
        let line = self.talkative().with(["up", "--detach", "--no-deps", "--no-recreate"]);
        line.with(["--scale", &scale, service])
    }

    /// The last lines that services have said.
    pub(crate) fn logs(&self, services: &[&str]) -> Invocation {
        self.line().with(["logs", "--tail", LINES]).with(services.iter().copied())
    }
}

fn on(line: Invocation, services: &[&str], others: Others) -> Invocation {
    let line = match others {
        Others::Included => line,
        Others::LeftAlone => line.with(["--no-deps"]),
    };
    line.with(services.iter().copied())
}

impl Docker {
    /// The last lines that a container has said.
    pub(crate) fn recent_logs(&self, id: &str) -> Invocation {
        Invocation::new(&self.0, ["logs", "--tail", LINES, id])
    }

    /// How long each container may take to stop, in seconds: a line for each.
    pub(crate) fn graces(&self, ids: &[&str]) -> Invocation {
        let format = "{{json .Config.StopTimeout}}";
        Invocation::new(&self.0, ["inspect", "--type", "container", "--format", format])
            .with(ids.iter().copied())
    }

    /// Makes a volume with labels. One that is there already stays as it is, with its own.
    pub(crate) fn create_volume(&self, name: &str, labels: &[(&str, String)]) -> Invocation {
        let labels = labels
            .iter()
            .flat_map(|(label, value)| ["--label".to_owned(), format!("{label}={value}")]);
        Invocation::new(&self.0, ["volume", "create"]).with(labels).with([name])
    }

    /// The labels of a volume, as JSON.
    pub(crate) fn volume_labels(&self, name: &str) -> Invocation {
        Invocation::new(&self.0, ["volume", "inspect", "--format", "{{json .Labels}}", name])
    }

    /// Removes a volume that no container uses.
    pub(crate) fn remove_volume(&self, name: &str) -> Invocation {
        Invocation::new(&self.0, ["volume", "rm", name])
    }

    /// Ids of the containers of a project, or of one service of it, whatever their state.
    pub(crate) fn containers_of(&self, project: &str, service: Option<&str>) -> Invocation {
        let label = |name: &str, value: &str| {
            ["--filter".to_owned(), format!("label=com.docker.compose.{name}={value}")]
        };
        let line = Invocation::new(&self.0, ["ps", "--all", "--no-trunc", "--quiet"]);
        let line = line.with(label("project", project)).with(label("oneoff", "False"));
        match service {
            Some(service) => line.with(label("service", service)),
            None => line,
        }
    }
}

/// How long a container has to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopGrace {
    Seconds(u64),
    /// It is never killed.
    Endless,
}

/// What the engine gives where a container says nothing.
const GRACE: u64 = 10;

/// Parses the answer to [`Docker::graces`].
pub(crate) fn graces(text: &str) -> Result<Vec<StopGrace>, Unexpected> {
    let grace = |line: &str| match serde_json::from_str::<Option<i64>>(line.trim()) {
        Ok(None) => Ok(StopGrace::Seconds(GRACE)),
        Ok(Some(seconds)) => {
            Ok(u64::try_from(seconds).map_or(StopGrace::Endless, StopGrace::Seconds))
        }
        Err(_) => Err(Unexpected::from_text(line)),
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(grace).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::compose::ComposeProgram;

    #[test]
    fn each_kind_has_its_line_and_others_are_left_alone_where_that_is_wanted() {
        let project = Project {
            compose: ComposeProgram::Plugin { docker: "/usr/bin/docker".into() },
            name: Some("shop".into()),
            files: vec!["/w/compose.yaml".into()],
            env_files: Vec::new(),
            profiles: Vec::new(),
            directory: "/w".into(),
        };
        let ends = |line: Invocation, end: &str| {
            let line = line.to_string();
            assert!(line.starts_with("docker compose -p shop -f /w/compose.yaml "), "{line}");
            assert!(line.ends_with(&format!("never {end}")), "{line}");
        };
        ends(project.restart_all(&["api"], Others::Included), "restart api");
        ends(project.restart_all(&["api"], Others::LeftAlone), "restart --no-deps api");
        ends(project.stop_all(&[]), "stop");
        ends(project.start_all(&["api"]), "start api");
        ends(project.deploy(&["api"], Others::LeftAlone), "up --detach --no-deps api");
        ends(project.scale("api", 3), "up --detach --no-deps --no-recreate --scale api=3 api");
        ends(project.logs(&["api"]), "logs --tail 100 api");
    }

    #[test]
    fn a_grace_may_be_unsaid_or_endless() {
        use StopGrace::{Endless, Seconds};
        assert_eq!(graces("null\n30\n-1\n\n").unwrap(), [Seconds(10), Seconds(30), Endless]);
        assert!(graces("<no value>").is_err());
    }
}
