//! `docker compose` command lines of one project.
//!
//! Every call of a campaign names the same project, files and directory: a file left out recreates
//! the container under a running exec, and two checkouts in folders of the same name are otherwise
//! one project.

use std::path::PathBuf;

use super::invocation::Invocation;

/// How Compose is started on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ComposeProgram {
    /// `docker compose`, the plugin.
    Plugin { docker: PathBuf },
    /// A standalone `docker-compose` of version 2 or newer.
    Standalone { program: PathBuf },
}

/// One Compose project, as it is named on every command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Project {
    /// How Compose is started.
    pub compose: ComposeProgram,
    /// `-p`; absent only for the first `config`, which asks Compose which project it would choose.
    pub name: Option<String>,
    /// `-f`, in order; the generated override is the last.
    pub files: Vec<PathBuf>,
    /// `--env-file`.
    pub env_files: Vec<PathBuf>,
    /// `--profile`.
    pub profiles: Vec<String>,
    /// `--project-directory`.
    pub directory: PathBuf,
}

/// A run of a service's container, as `compose run` and `compose exec` both need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command<'a> {
    /// The Compose service.
    pub service: &'a str,
    /// `-e NAME=VALUE`, and `-e NAME` for values that stay out of the argument list.
    pub environment: &'a [String],
    /// What to run.
    pub words: Vec<String>,
}

impl Project {
    pub(super) fn line(&self) -> Invocation {
        self.words("quiet")
    }

    /// For what takes long enough to be watched.
    pub(super) fn talkative(&self) -> Invocation {
        self.words("plain")
    }

    fn words(&self, progress: &str) -> Invocation {
        let (program, mut words) = match &self.compose {
            ComposeProgram::Plugin { docker } => (docker, vec!["compose".to_owned()]),
            ComposeProgram::Standalone { program } => (program, Vec::new()),
        };
        let mut option =
            |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
        if let Some(name) = &self.name {
            option("-p", name);
        }
        for file in &self.files {
            option("-f", &file.to_string_lossy());
        }
        for file in &self.env_files {
            option("--env-file", &file.to_string_lossy());
        }
        for profile in &self.profiles {
            option("--profile", profile);
        }
        option("--project-directory", &self.directory.to_string_lossy());
        option("--progress", progress);
        option("--ansi", "never");
        Invocation::new(program, words)
    }

    /// The resolved file, with the services of every profile. YAML: the JSON form drops a
    /// service's `x-…` keys before Compose 2.30.
    pub(crate) fn config(&self) -> Invocation {
        let mut every = self.clone();
        every.profiles = vec!["*".to_owned()];
        every.line().with(["config"])
    }

    /// What Compose would note on the service's container about its settings: `NAME HASH`.
    pub(crate) fn hash(&self, service: &str) -> Invocation {
        self.line().with(["config", "--hash", service])
    }

    /// Starts services in the background, building and pulling nothing.
    pub(crate) fn up(&self, services: &[&str], existing: Existing) -> Invocation {
        let line = self.line().with(["up", "--detach", "--no-build"]);
        let line = match existing {
            Existing::UsedAsItIs => line.with(["--no-recreate"]),
            Existing::BroughtUpToDate => line.with(["--no-deps"]),
            Existing::Recreated => line.with(["--no-deps", "--force-recreate"]),
        };
        line.with(services.iter().copied())
    }

    /// A fresh container that is removed when its command ends.
    pub(crate) fn run(
        &self,
        name: &str,
        labels: &[String],
        entrypoint: Option<&str>,
        command: &Command<'_>,
    ) -> Invocation {
        let mut line = self.line().with(["run", "--rm", "-T", "--no-deps", "--name", name]);
        for label in labels {
            line = line.with(["--label", label]);
        }
        if let Some(entrypoint) = entrypoint {
            line = line.with(["--entrypoint", entrypoint]);
        }
        command.on(line)
    }

    /// A command in the service's container.
    pub(crate) fn exec(&self, command: &Command<'_>) -> Invocation {
        command.on(self.line().with(["exec", "-T"]))
    }

    /// Restarts the service's container; its dependencies are not looked at.
    pub(crate) fn restart(&self, grace_seconds: u64, service: &str) -> Invocation {
        let grace = grace_seconds.to_string();
        self.line().with(["restart", "--no-deps", "--timeout", &grace, service])
    }

    /// Builds the image of a service, and says how it goes.
    pub(crate) fn build(&self, service: &str) -> Invocation {
        self.talkative().with(["build", service])
    }

    /// Pulls the image of a service, and says how it goes.
    pub(crate) fn pull(&self, service: &str) -> Invocation {
        self.talkative().with(["pull", service])
    }

    /// Removes every container and network of the project; never volumes, images or orphans.
    ///
    /// Without `-f`, so that it needs no file and covers the services of every profile; without a
    /// time, so that each container has its own.
    pub(crate) fn down(&self) -> Invocation {
        let mut bare = self.clone();
        bare.files.clear();
        bare.profiles.clear();
        bare.env_files.clear();
        bare.line().with(["down"])
    }
}

/// What `up` does with a container that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Left alone, even when its settings differ; so are its dependencies.
    UsedAsItIs,
    /// Recreated when its settings differ; its dependencies are not looked at.
    BroughtUpToDate,
    /// Recreated in any case; its dependencies are not looked at.
    Recreated,
}

impl Command<'_> {
    fn on(&self, mut line: Invocation) -> Invocation {
        for variable in self.environment {
            line = line.with(["-e", variable]);
        }
        line.with([self.service]).with(self.words.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> Project {
        Project {
            compose: ComposeProgram::Plugin { docker: "/usr/bin/docker".into() },
            name: Some("nightly".into()),
            files: vec!["/w/compose.yaml".into(), "/w/.state/o.yaml".into()],
            env_files: Vec::new(),
            profiles: Vec::new(),
            directory: "/w".into(),
        }
    }

    const COMMON: &str = "docker compose -p nightly -f /w/compose.yaml -f /w/.state/o.yaml \
                          --project-directory /w --progress quiet --ansi never";

    fn bench(environment: &[String]) -> Command<'_> {
        Command { service: "vllm", environment, words: vec!["bench".into(), "a b".into()] }
    }

    #[test]
    fn exec_never_asks_for_a_terminal() {
        assert_eq!(
            project().exec(&bench(&["A=1".into(), "HF_TOKEN".into()])).to_string(),
            format!("{COMMON} exec -T -e A=1 -e HF_TOKEN vllm bench 'a b'")
        );
    }

    #[test]
    fn run_is_named_labelled_and_starts_nothing_else() {
        assert_eq!(
            project().run("lem-1-a1", &["l=1".into()], Some("/e"), &bench(&[])).to_string(),
            format!(
                "{COMMON} run --rm -T --no-deps --name lem-1-a1 --label l=1 --entrypoint /e \
                 vllm bench 'a b'"
            )
        );
    }

    #[test]
    fn up_builds_nothing_and_says_what_becomes_of_existing_containers() {
        let up = |existing| project().up(&["a", "b"], existing).to_string();
        let expect = |flags: &str| format!("{COMMON} up --detach --no-build{flags} a b");
        assert_eq!(up(Existing::UsedAsItIs), expect(" --no-recreate"));
        assert_eq!(up(Existing::BroughtUpToDate), expect(" --no-deps"));
    }

    #[test]
    fn down_needs_no_file_and_never_touches_volumes_or_orphans() {
        assert_eq!(
            project().down().to_string(),
            "docker compose -p nightly --project-directory /w --progress quiet --ansi never down"
        );
    }

    #[test]
    fn a_standalone_compose_takes_the_same_words() {
        let standalone = Project {
            compose: ComposeProgram::Standalone { program: "/usr/bin/docker-compose".into() },
            name: None,
            ..project()
        };
        assert_eq!(
            standalone.config().to_string(),
            "docker-compose -f /w/compose.yaml -f /w/.state/o.yaml --profile '*' \
             --project-directory /w --progress quiet --ansi never config"
        );
    }
}
