//! Client, socket, engine and Compose: what was answered, judged. Pure, but for looking at the
//! socket.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use nix::unistd::{AccessFlags, Group, User, access, geteuid, getgroups};

use super::asked::{Answer, Asked};
use super::finding::{Check, Finding};
use crate::cancel::Cancel;
use crate::cli::exit;
use crate::engine::about::{About, Plugin};
use crate::engine::compose::ComposeProgram;
use crate::engine::error::EngineError;
use crate::engine::place::Endpoint;
use crate::engine::{OLDEST_COMPOSE, OLDEST_ENGINE, reply, standalone};

/// The newest engine that lem is tested with; a major version beyond it is only unknown.
const NEWEST_TESTED: (u32, u32) = (28, 5);

/// An error as a failure of a check, with its way out.
pub(super) fn failed(check: Check, error: &EngineError) -> Finding {
    let fix = exit::engine_hint(error).unwrap_or_else(|| "try `docker info`".to_owned());
    Finding::failure(check, error.to_string(), fix)
}

/// Whether there is a client.
pub(super) fn client(asked: Option<&Asked>) -> Finding {
    let check = Check::DockerClient;
    let Some(asked) = asked else { return failed(check, &EngineError::DockerMissing) };
    let path = asked.docker.0.display();
    match &asked.client {
        Ok(client) => match &client.version {
            Some(version) => Finding::fine(check, format!("{version} ({path})")),
            None => Finding::fine(check, path.to_string()),
        },
        Err(error) => failed(check, error),
    }
}

/// Whether this user may speak to the engine.
pub(super) fn socket(asked: Option<&Asked>) -> Finding {
    let check = Check::DockerSocket;
    match asked.map(|asked| &asked.endpoint) {
        None | Some(Endpoint::Unknown) => {
            Finding::not_applicable(check, "where the engine would be is not known")
        }
        Some(Endpoint::Remote(address)) => {
            Finding::not_applicable(check, format!("the engine is at {address}"))
        }
        Some(Endpoint::Socket(path)) => socket_at(path),
    }
}

fn socket_at(path: &Path) -> Finding {
    let (check, shown) = (Check::DockerSocket, path.display());
    let start = "start the engine (`systemctl start docker`, `service docker start`), or check \
                 DOCKER_HOST and `docker context ls`";
    match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Finding::failure(check, format!("this user can't reach {shown}"), may_use())
        }
        Err(_) => Finding::failure(check, format!("{shown} does not exist"), start),
        Ok(file) if !file.file_type().is_socket() => {
            Finding::failure(check, format!("{shown} is no socket"), start)
        }
        Ok(_) if access(path, AccessFlags::R_OK | AccessFlags::W_OK).is_err() => {
            Finding::failure(check, format!("this user may not use {shown}"), may_use())
        }
        Ok(_) => Finding::fine(check, format!("{shown} is open to this user")),
    }
}

/// How this user gets at the socket.
fn may_use() -> String {
    let user = User::from_uid(geteuid()).ok().flatten().map(|user| user.name);
    let group = Group::from_name("docker").ok().flatten();
    let listed = |group: &Group| user.as_ref().is_some_and(|name| group.mem.contains(name));
    let has = |group: &Group| getgroups().is_ok_and(|groups| groups.contains(&group.gid));
    match group {
        Some(group) if listed(&group) && !has(&group) => {
            "this user is in group `docker` since the last login: log in again, or `newgrp docker`"
                .to_owned()
        }
        _ => {
            let user = user.unwrap_or_else(|| "USER".to_owned());
            format!("join the group: `sudo usermod -aG docker {user}`, then log in again")
        }
    }
}

/// Whether the engine answers, and is new enough.
pub(super) fn engine(answer: Option<&Answer>) -> Finding {
    let check = Check::Engine;
    let Some(answer) = answer else {
        return Finding::not_applicable(check, "there is no docker client to ask it");
    };
    let about = match &answer.engine {
        Ok(about) => about,
        Err(error) => return failed(check, error),
    };
    let version = about.server_version.clone();
    if about.os_type == "windows" {
        let fix = "switch to Linux containers";
        return Finding::failure(check, format!("docker {version} runs Windows containers"), fix);
    }
    match reply::version(&version) {
        Some(found) if found < OLDEST_ENGINE => failed(check, &EngineError::TooOld { version }),
        Some(found) if found.0 > NEWEST_TESTED.0 => {
            let (major, minor) = NEWEST_TESTED;
            Finding::fine(check, format!("docker {version}; lem is tested up to {major}.{minor}"))
        }
        _ => Finding::fine(check, format!("docker {version} on {}", about.operating_system)),
    }
}

/// Whether there is a Compose that is new enough.
pub(super) async fn compose(
    asked: Option<&Asked>,
    cancel: &Cancel,
) -> (Finding, Option<ComposeProgram>) {
    let check = Check::Compose;
    let plugin = match asked.map(|asked| (asked, &asked.client)) {
        None => {
            let found = "it is a plugin of the docker client, which is missing";
            return (Finding::not_applicable(check, found), None);
        }
        Some((_, Err(error))) => return (failed(check, error), None),
        Some((asked, Ok(client))) => (asked, &client.compose),
    };
    let (version, program) = match plugin {
        (asked, Plugin::Version(version)) => {
            (version.clone(), ComposeProgram::Plugin { docker: asked.docker.0.clone() })
        }
        other => match standalone(cancel).await {
            Ok((program, version)) => (version, program),
            Err(error) => {
                let mut finding = failed(check, &error);
                if matches!(other, (_, Plugin::Broken)) {
                    finding.found.push_str("; the plugin is there, and docker can't use it");
                }
                return (finding, None);
            }
        },
    };
    if reply::version(&version).is_none_or(|found| found < OLDEST_COMPOSE) {
        return (failed(check, &EngineError::ComposeTooOld { version }), None);
    }
    let found = match &program {
        ComposeProgram::Plugin { .. } => version,
        ComposeProgram::Standalone { program } => format!("{version} ({})", program.display()),
    };
    (Finding::fine(check, found), Some(program))
}

/// Whether the limits of a service have an effect.
pub(super) fn limits(about: Option<&About>) -> Finding {
    let check = Check::Limits;
    let Some(about) = about else { return unanswered(check) };
    let kinds =
        [("memory", about.memory_limit), ("CPU", about.cpu_limit), ("pids", about.pids_limit)];
    let without: Vec<&str> = kinds.iter().filter(|(_, can)| !can).map(|(name, _)| *name).collect();
    let version = about.cgroup_version();
    if without.is_empty() {
        let found = format!("memory, CPU and pids of services can be limited (cgroup v{version})");
        return Finding::fine(check, found);
    }
    Finding::warning(
        check,
        format!("limits on {} have no effect (cgroup v{version})", without.join(", ")),
        "enable these cgroup controllers; a rootless engine needs them delegated to the user",
    )
}

/// Whether the engine's clock is this machine's.
pub(super) fn clock(clock: Option<(f64, f64)>) -> Finding {
    /// Seconds. Events of the last reconnect are asked for by time.
    const MUCH: f64 = 5.0;
    let check = Check::Clock;
    let Some((ahead, uncertain)) = clock else { return unanswered(check) };
    if ahead.abs() <= MUCH + uncertain {
        return Finding::fine(check, "the engine's clock and this one agree");
    }
    let direction = if ahead > 0.0 { "ahead of" } else { "behind" };
    Finding::warning(
        check,
        format!("the engine's clock is {:.0} s {direction} this one", ahead.abs()),
        "set both by NTP: `timedatectl set-ntp true`",
    )
}

/// A check that needs an engine that answers.
pub(super) fn unanswered(check: Check) -> Finding {
    Finding::not_applicable(check, "no engine answers")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Status;
    use super::*;

    #[test]
    fn clocks_may_differ_as_much_as_the_answer_took() {
        for (ahead, uncertain, status) in [
            (0.1, 0.1, Status::Fine),
            (-4.9, 0.0, Status::Fine),
            (6.0, 2.0, Status::Fine),
            (6.0, 0.1, Status::Warning),
            (-3600.0, 0.1, Status::Warning),
        ] {
            assert_eq!(clock(Some((ahead, uncertain))).status, status, "{ahead} ± {uncertain}");
        }
        assert!(clock(Some((-60.0, 0.0))).found.contains("60 s behind"));
    }

    #[test]
    fn a_limit_without_effect_is_named() {
        let all = r#"{"MemoryLimit":true,"CpuCfsQuota":true,"PidsLimit":true,"CgroupVersion":"2"}"#;
        let about = |text: &str| crate::engine::about::engine(text).unwrap();
        assert_eq!(limits(Some(&about(all))).status, Status::Fine);
        let some = limits(Some(&about(r#"{"MemoryLimit":false,"PidsLimit":true}"#)));
        assert_eq!(some.status, Status::Warning);
        assert!(some.found.contains("limits on memory, CPU have no effect (cgroup v1)"));
    }
}
