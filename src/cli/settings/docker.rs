//! The `docker` section, whose keys every place can say.

use std::path::Path;

use serde::Serialize;

use super::defaults::{default_pass, plain};
use super::ledger::{Ledger, Said};
use super::{Flags, Layers};
use crate::campaign::file::{CampaignFile, ContainerStrategy, DockerKeys};
use crate::duration::Time;

impl Layers {
    /// The `docker` section with every choice made.
    pub(super) fn docker(
        &self,
        file: &CampaignFile,
        base: &Path,
        flags: &Flags,
        ledger: &mut Ledger,
    ) -> DockerKeys {
        let mut docker = Docker { layers: self, own: in_folder(&file.docker, base), ledger };
        let strategy = docker.or(
            "docker.strategy",
            Said::flag(flags, "LEM_CONTAINER_STRATEGY", flags.container_strategy),
            |keys| keys.strategy,
            ContainerStrategy::Ephemeral,
        );
        let compose_file = docker.choose(
            "docker.compose_file",
            Said::flag(flags, "LEM_COMPOSE_FILE", flags.compose_file.clone()),
            |keys| keys.compose_file.clone(),
        );
        let project_name = docker.choose(
            "docker.project_name",
            Said::flag(flags, "LEM_PROJECT_NAME", flags.project_name.clone()),
            |keys| keys.project_name.clone(),
        );
        let hold_command =
            docker.choose("docker.hold_command", Said::never(), |keys| keys.hold_command.clone());
        let warmup_delay = docker.or(
            "docker.warmup_delay",
            Said::flag(flags, "LEM_WARMUP_DELAY", flags.warmup_delay),
            |keys| keys.warmup_delay,
            Time::seconds(0),
        );
        let auto_teardown = docker.or(
            "docker.auto_teardown",
            Said::flag(flags, "LEM_AUTO_TEARDOWN", flags.auto_teardown),
            |keys| keys.auto_teardown,
            true,
        );
        let health_timeout = docker.or(
            "docker.health_timeout",
            Said::never(),
            |keys| keys.health_timeout,
            Time::seconds(600),
        );
        let engine_timeout = docker.or(
            "docker.engine_timeout",
            Said::never(),
            |keys| keys.engine_timeout,
            Time::seconds(600),
        );
        let pass_environment = docker.or(
            "docker.pass_environment",
            Said::never(),
            |keys| keys.pass_environment.clone(),
            default_pass(),
        );
        DockerKeys {
            strategy: Some(strategy),
            warmup_delay: Some(warmup_delay),
            auto_teardown: Some(auto_teardown),
            compose_file: compose_file.map(|file| plain(&file)),
            project_name,
            hold_command,
            health_timeout: Some(health_timeout),
            engine_timeout: Some(engine_timeout),
            pass_environment: Some(pass_environment),
        }
    }
}

/// The `docker` section, whose keys four places may say.
struct Docker<'a> {
    layers: &'a Layers,
    own: DockerKeys,
    ledger: &'a mut Ledger,
}

impl Docker<'_> {
    fn choose<T: Serialize>(
        &mut self,
        key: &'static str,
        said: Said<T>,
        get: impl Fn(&DockerKeys) -> Option<T>,
    ) -> Option<T> {
        let files =
            [get(&self.own), get(&self.layers.project.docker), get(&self.layers.user.docker)];
        self.ledger.choose(key, said, files)
    }

    fn or<T: Serialize>(
        &mut self,
        key: &'static str,
        said: Said<T>,
        get: impl Fn(&DockerKeys) -> Option<T>,
        default: T,
    ) -> T {
        let files =
            [get(&self.own), get(&self.layers.project.docker), get(&self.layers.user.docker)];
        self.ledger.or(key, said, files, default)
    }
}

fn in_folder(keys: &DockerKeys, base: &Path) -> DockerKeys {
    DockerKeys {
        compose_file: keys.compose_file.as_ref().map(|path| base.join(path)),
        ..keys.clone()
    }
}
