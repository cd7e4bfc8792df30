//! `docker` command lines about single containers, images and the event stream.

use std::path::{Path, PathBuf};

use super::invocation::Invocation;
use super::reply::CONTAINER_FORMAT;

/// Every container that lem creates carries this; its value is the Compose project.
pub(crate) const OWNER: &str = "dev.lem.owner";
/// On the containers of single runs: the campaign's instance.
pub(crate) const CAMPAIGN: &str = "dev.lem.campaign";
/// On the containers of single runs: the run.
pub(crate) const RUN: &str = "dev.lem.run";
/// Compose's own label of a container's project.
pub(crate) const COMPOSE_PROJECT: &str = "com.docker.compose.project";

/// The `docker` program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Docker(pub PathBuf);

impl Docker {
    fn line<const N: usize>(&self, arguments: [&str; N]) -> Invocation {
        Invocation::new(&self.0, arguments)
    }

    /// Engine, client and plugins in one call.
    pub(crate) fn info(&self) -> Invocation {
        self.line(["info", "--format", "{{json .}}"])
    }

    /// The engine's version: the shortest question that only the engine can answer.
    pub(crate) fn server_version(&self) -> Invocation {
        self.line(["version", "--format", "{{.Server.Version}}"])
    }

    /// The client and its plugins; the engine is not asked.
    pub(crate) fn client(&self) -> Invocation {
        self.line(["info", "--format", "{{json .ClientInfo}}"])
    }

    /// Where the client looks for the engine: `unix:///var/run/docker.sock`, `ssh://…`.
    pub(crate) fn endpoint(&self) -> Invocation {
        self.line(["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"])
    }

    /// `nvidia-smi -L` in a container of an image that is here, with all GPUs and no network.
    pub(crate) fn list_gpus(&self, name: &str, owner: &str, image: &str) -> Invocation {
        let label = format!("{OWNER}={owner}");
        self.line(["run", "--rm", "--pull", "never", "--name", name, "--label", &label])
            .with(["--network", "none", "--gpus", "all"])
            .with(["--env", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"])
            .with(["--entrypoint", "nvidia-smi", image, "-L"])
    }

    /// A program of an image that is here, in a container that is gone afterwards, without network.
    pub(crate) fn try_program(
        &self,
        owner: &str,
        image: &str,
        program: &str,
        arguments: &[&str],
    ) -> Invocation {
        let label = format!("{OWNER}={owner}");
        self.line(["run", "--rm", "--pull", "never", "--label", &label, "--network", "none"])
            .with(["--entrypoint", program, image])
            .with(arguments.iter().copied())
    }

    /// Creates a container that mounts `path` and is never started; prints its id.
    pub(crate) fn create_with(&self, owner: &str, image: &str, path: &Path) -> Invocation {
        let label = format!("{OWNER}={owner}");
        // The fields of a mount are those of a line of CSV.
        let source = format!("source={}", path.display()).replace('"', "\"\"");
        let mount = format!("type=bind,\"{source}\",target=/.lem/seen,readonly");
        self.line(["create", "--pull", "never", "--label", &label, "--network", "none"])
            .with(["--mount", &mount, image, "lem"])
    }

    /// What was started in a container beside its own command and still runs there, as JSON.
    pub(crate) fn execs(&self, id: &str) -> Invocation {
        self.line(["inspect", "--type", "container", "--format", "{{json .ExecIDs}}", id])
    }

    /// All containers with a label (`name` or `name=value`), whatever their state.
    pub(crate) fn list(&self, label: &str) -> Invocation {
        let filter = format!("label={label}");
        self.line(["ps", "--all", "--no-trunc", "--filter", &filter, "--format", CONTAINER_FORMAT])
    }

    /// How containers are, one line each. Exits 1 when one is missing, and still prints the others.
    pub(crate) fn conditions(&self, ids: &[&str]) -> Invocation {
        self.line(["inspect", "--type", "container", "--format", super::condition::FORMAT])
            .with(ids.iter().copied())
    }

    /// The engine's own id, the same for every client.
    pub(crate) fn engine_id(&self) -> Invocation {
        self.line(["info", "--format", "{{.ID}}"])
    }

    /// Ids and names of the containers that run.
    pub(crate) fn names(&self) -> Invocation {
        self.line(["ps", "--no-trunc", "--format", super::reply::NAME_FORMAT])
    }

    /// The networks of a project, by id.
    pub(crate) fn networks(&self, project: &str) -> Invocation {
        let filter = format!("label={COMPOSE_PROJECT}={project}");
        self.line(["network", "ls", "--quiet", "--filter", &filter])
    }

    /// Removes networks that no container uses.
    pub(crate) fn remove_networks(&self, ids: &[String]) -> Invocation {
        self.line(["network", "rm"]).with(ids.iter().map(String::as_str))
    }

    /// State, health, start and restarts of containers, one line each.
    pub(crate) fn inspect(&self, ids: &[&str]) -> Invocation {
        self.line(["inspect", "--type", "container", "--format", super::reply::STATE_FORMAT])
            .with(ids.iter().copied())
    }

    /// The last lines that a container said.
    pub(crate) fn logs(&self, lines: u32, id: &str) -> Invocation {
        self.line(["logs", "--tail", &lines.to_string(), id])
    }

    /// Names of the containers that publish a port of the host, as in [`Self::names`].
    pub(crate) fn publishing(&self, port: u16) -> Invocation {
        self.names().with(["--filter", &format!("publish={port}")])
    }

    /// The last line that a container said, after the time at which it did.
    pub(crate) fn last_line(&self, id: &str) -> Invocation {
        self.line(["logs", "--timestamps", "--tail", "1", id])
    }

    /// Images as JSON. Exits 1 when one is missing, and still prints the others.
    pub(crate) fn images(&self, references: &[&str]) -> Invocation {
        self.line(["image", "inspect"]).with(references.iter().copied())
    }

    /// TERM, then KILL after each container's own grace.
    pub(crate) fn stop(&self, ids: &[&str]) -> Invocation {
        self.line(["stop"]).with(ids.iter().copied())
    }

    /// TERM, then KILL after this grace.
    pub(crate) fn stop_within(&self, grace_seconds: u64, id: &str) -> Invocation {
        self.line(["stop", "--time", &grace_seconds.to_string(), id])
    }

    /// Starts a stopped container again with everything in it new.
    pub(crate) fn restart(&self, grace_seconds: u64, id: &str) -> Invocation {
        self.line(["restart", "--time", &grace_seconds.to_string(), id])
    }

    /// Removes containers whether or not they run, with the anonymous volumes that `run --rm`
    /// removes too.
    pub(crate) fn remove(&self, ids: &[&str]) -> Invocation {
        self.line(["rm", "--force", "--volumes"]).with(ids.iter().copied())
    }

    /// A command in a container by id, as this user.
    pub(crate) fn exec(&self, user: &str, id: &str, command: &[&str]) -> Invocation {
        self.line(["exec", "--user", user, id]).with(command.iter().copied())
    }

    /// What happens to the containers of an owner from `since` (Unix seconds) on, until it is ended.
    pub(crate) fn events(&self, owner: &str, since: &str) -> Invocation {
        let label = format!("label={OWNER}={owner}");
        let mut line = self.line(["events", "--since", since, "--filter", "type=container"]);
        line = line.with(["--filter", &label]);
        for event in
            ["start", "die", "oom", "destroy", "pause", "kill", "health_status", "exec_die"]
        {
            line = line.with(["--filter".to_owned(), format!("event={event}")]);
        }
        line.with(["--format", "{{json .}}"])
    }
}

impl From<&Path> for Docker {
    fn from(program: &Path) -> Self {
        Self(program.to_owned())
    }
}
