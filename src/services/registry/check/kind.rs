//! Where a service lives, and the keys that go with it.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use nix::sys::signal::Signal;

use super::{Refusal, is_name};
use crate::engine::compose::Project;
use crate::services::registry::keys::{KindKey, ServiceKeys};
use crate::services::service::{CommandLine, ComposeService, Kind, Life, Native};

/// Programs that end other programs by a part of their names.
const BY_NAME: [&str; 2] = ["pkill", "killall"];

/// What the service's own keys say it is; keys of the other kind are refused.
pub(super) fn of_own_keys(keys: &ServiceKeys) -> Result<KindKey, Refusal> {
    let docker =
        [("service", keys.service.is_some()), ("container_name", keys.container_name.is_some())];
    let native = [
        ("start_cmd", keys.start_cmd.is_some()),
        ("stop_cmd", keys.stop_cmd.is_some()),
        ("directory", keys.directory.is_some()),
        ("environment", keys.environment.is_some()),
        ("pid_file", keys.pid_file.is_some()),
        ("daemon", keys.daemon.is_some()),
        ("stop_signal", keys.stop_signal.is_some()),
    ];
    let first =
        |keys: &[(&'static str, bool)]| keys.iter().find(|(_, said)| *said).map(|(key, _)| *key);
    let kind = match (keys.kind, first(&docker), first(&native)) {
        (Some(kind), _, _) => kind,
        (None, Some(_), _) => KindKey::Docker,
        (None, None, Some(_)) => KindKey::Native,
        (None, None, None) => {
            let way = "it has none of `service`, `container_name` and `start_cmd`";
            return Err(Refusal::new("type", way));
        }
    };
    let (wrong, reason) = match kind {
        KindKey::Native => (first(&docker), "a native service lives in no container"),
        KindKey::Docker => (
            first(&native),
            "a container has its own, in its image or its Compose file; only a native service is \
             started by lem itself",
        ),
    };
    match wrong {
        Some(key) => Err(Refusal::new(key, reason)),
        None => Ok(kind),
    }
}

/// Where it lives; `project` is that of the Compose file.
pub(super) fn kind(
    kind: KindKey,
    keys: ServiceKeys,
    project: &Project,
    base: &Path,
) -> Result<Kind, Refusal> {
    match (kind, keys.service.clone(), keys.container_name.clone()) {
        (KindKey::Native, ..) => native(keys, base).map(Kind::Native),
        (KindKey::Docker, None, None) => Err(Refusal::new(
            "type",
            "a docker service needs a `service` of the Compose file, or a `container_name`",
        )),
        (KindKey::Docker, Some(_), Some(_)) => {
            Err(Refusal::new("container_name", "name one: a Compose `service`, or a container"))
        }
        (KindKey::Docker, Some(service), None) if is_name(&service) => {
            Ok(Kind::Compose(ComposeService { project: project.clone(), service }))
        }
        (KindKey::Docker, None, Some(name)) if is_name(&name) => Ok(Kind::Container { name }),
        (KindKey::Docker, Some(service), None) => {
            Err(Refusal::new("service", format!("`{service}` is no name of a Compose service")))
        }
        (KindKey::Docker, None, Some(name)) => {
            Err(Refusal::new("container_name", format!("`{name}` is no name of a container")))
        }
    }
}

fn native(keys: ServiceKeys, base: &Path) -> Result<Native, Refusal> {
    let Some(start) = keys.start_cmd else {
        return Err(Refusal::new("type", "a native service needs a `start_cmd`"));
    };
    let life = if keys.daemon == Some(true) { Life::Daemon } else { Life::Foreground };
    if life == Life::Daemon && keys.pid_file.is_none() {
        let why = "its program leaves a process behind, and only a `pid_file` says which";
        return Err(Refusal::new("daemon", why));
    }
    let environment = keys.environment.unwrap_or_default();
    if let Some((name, _)) = environment
        .iter()
        .find(|(name, value)| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0'))
    {
        return Err(Refusal::new("environment", format!("`{name}` is no variable")));
    }
    let absolute = |path: PathBuf| base.join(path);
    Ok(Native {
        start: command("start_cmd", start)?,
        stop: keys.stop_cmd.map(stop).transpose()?,
        directory: keys.directory.map_or_else(|| base.to_owned(), absolute),
        environment,
        pid_file: keys.pid_file.map(absolute),
        life,
    })
}

fn command(key: &'static str, line: CommandLine) -> Result<CommandLine, Refusal> {
    let words: Vec<&str> = match &line {
        CommandLine::Shell(line) => vec![line],
        CommandLine::Words(words) => words.iter().map(String::as_str).collect(),
    };
    if words.first().is_none_or(|first| first.trim().is_empty()) {
        return Err(Refusal::new(key, "the command is empty"));
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err(Refusal::new(key, "a word of a command holds no `\\0`"));
    }
    Ok(line)
}

fn stop(line: CommandLine) -> Result<CommandLine, Refusal> {
    let line = command("stop_cmd", line)?;
    let text = match &line {
        CommandLine::Shell(line) => line.clone(),
        CommandLine::Words(words) => words.join(" "),
    };
    let mut words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c)));
    match words.find(|word| BY_NAME.contains(word)) {
        Some(program) => Err(Refusal::new(
            "stop_cmd",
            format!(
                "`{program}` ends whatever has the word in its command line (`vidi` is in `nvidia` \
                 too); leave `stop_cmd` out: lem ends what it started, all of it, by `stop_signal`"
            ),
        )),
        None => Ok(line),
    }
}

/// The name of a signal, without `SIG`.
pub(super) fn signal(written: Option<&str>) -> Result<String, Refusal> {
    let name = written.unwrap_or("TERM").trim().to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    if Signal::from_str(&format!("SIG{name}")).is_ok() {
        return Ok(name.to_owned());
    }
    let reason = format!("there is no signal `{}`", written.unwrap_or_default());
    Err(Refusal::new("stop_signal", reason))
}
