//! The exit code of each error of a service, and its way out.

use super::{
    BUSY, FAILED, Failure, MACHINE, NOT_FREE, WRONG, coordination, coordination_hint, engine,
    engine_hint, gpu, gpu_hint,
};
use crate::cancel::Signal;
use crate::engine::error::EngineError;
use crate::engine::files::FilesError;
use crate::mebibytes::Mebibytes;
use crate::services::error::{Blocker, ServiceError, Untouchable};
use crate::yaml::YamlError;

impl Failure for ServiceError {
    fn code(&self) -> u8 {
        use ServiceError as E;
        match self {
            E::NoRegistry { .. }
            | E::File(_)
            | E::Senseless { .. }
            | E::SenselessFile { .. }
            | E::ComposeFiles(_)
            | E::ComposeFileBroken { .. }
            | E::Cycle { .. }
            | E::Unknown { .. }
            | E::NoPhase { .. }
            | E::NothingToEvict { .. }
            | E::NoGpu { .. } => WRONG,
            E::DoesNotFit { need, headroom, free, blockers, .. }
                if enough(missing(*need, *headroom, *free), blockers, &LEASED).is_some() =>
            {
                BUSY
            }
            E::TooLarge { .. } | E::DoesNotFit { .. } | E::NotRecovered { .. } => NOT_FREE,
            E::Busy { .. } | E::Leased { .. } | E::Needed { .. } => BUSY,
            E::MemoryUntold { .. }
            | E::Foreign { .. }
            | E::NoContainer { .. }
            | E::NoImage { .. }
            | E::EngineAway { .. }
            | E::Unusable { state: "unknown", .. }
            | E::Unseen { .. }
            | E::State { .. } => MACHINE,
            E::EndpointTaken { .. }
            | E::Died { .. }
            | E::Unhealthy { .. }
            | E::NotStopped { .. }
            | E::NotEvicted { .. }
            | E::NoLog { .. }
            | E::NotRunning { .. }
            | E::NotStarted { .. }
            | E::Unusable { .. } => FAILED,
            E::NoCommand { source, .. } if source.kind() == std::io::ErrorKind::NotFound => 127,
            E::NoCommand { .. } => 126,
            E::Engine(error) => engine(error),
            E::Coordination(error) => coordination(error),
            E::Gpu(error) => gpu(error),
            E::Cancelled { signal } => signal.exit_code(),
        }
    }

    fn hint(&self) -> Option<String> {
        use ServiceError as E;
        let hint = match self {
            E::NoRegistry { .. } => {
                "`lem init --services` writes one; `--registry FILE` names one".to_owned()
            }
            E::ComposeFiles(FilesError::NoComposeFile { .. }) => {
                "name it in the registry: `compose: FILE`".to_owned()
            }
            E::ComposeFiles(FilesError::ComposeFileMissing { .. }) => {
                "`compose` is relative to the file that says it".to_owned()
            }
            E::ComposeFileBroken { .. } => {
                "see it for yourself: `docker compose config`".to_owned()
            }
            E::Unknown { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            E::Unknown { known, .. } => format!("services: {}", known.join(", ")),
            E::NoPhase { known, .. } if known.is_empty() => {
                "no service has `pipeline_phases`, which says what phases need it".to_owned()
            }
            E::NoPhase { known, .. } => {
                let known: Vec<String> = known.iter().map(u32::to_string).collect();
                format!("`pipeline_phases` says which do; phases: {}", known.join(", "))
            }
            E::TooLarge { .. } => {
                "give it more GPUs or a smaller model; `vram` is what it takes of each of its \
                 GPUs, `headroom` what stays free"
                    .to_owned()
            }
            E::DoesNotFit { name, need, headroom, free, blockers, .. } => {
                does_not_fit(name, missing(*need, *headroom, *free), blockers)
            }
            E::NoGpu { .. } => "`lem gpu` lists them".to_owned(),
            E::MemoryUntold { .. } => "say it in the registry: `vram_total: 24GiB`".to_owned(),
            E::EndpointTaken { .. } => {
                "end that server, or give the service another port; it was not started".to_owned()
            }
            E::Died { name, how, .. } if how == "exit code 0" => format!(
                "did it leave the foreground? keep it there, or say `daemon: true` and `pid_file`; \
                 all it said: `lem service logs {name}`"
            ),
            E::Died { name, .. } => format!("all it said: `lem service logs {name}`"),
            E::Unhealthy { name, limit, .. } => {
                format!("`{}` ended the wait; all it said: `lem service logs {name}`", limit.key())
            }
            E::NotStopped { name, .. } => format!(
                "`lem service stop --force {name}` kills it; `stop_grace_period` gives it longer"
            ),
            E::NotEvicted { name, .. } => format!("`lem service stop {name}` ends it"),
            E::NothingToEvict { name } => {
                format!("say how in the registry, or end it: `lem service stop {name}`")
            }
            E::NotRecovered { holders, .. } if !holders.is_empty() => {
                format!("it is held by {}", holders.join(", "))
            }
            E::Busy { holder, .. } => format!(
                "wait for it: `--wait 10m`; `lem why {}` tells more about who has it",
                holder.operation
            ),
            E::Leased { .. } => {
                "wait until it is free, or end it anyway: `lem service stop --force`".to_owned()
            }
            E::Needed { name, .. } => {
                format!("stop them too: `lem service stop {name} --cascade`")
            }
            E::NotRunning { name } | E::NoLog { name } => {
                format!("start it: `lem service ensure {name}`")
            }
            E::EngineAway { .. } => {
                "`docker info` says why; `lem doctor` checks the whole machine".to_owned()
            }
            E::NoContainer { container, .. } => format!(
                "create it (`docker compose create`, `docker create --name {container} …`), or name \
                 its Compose service in the registry: `service:`"
            ),
            E::NoImage { image, .. } => {
                format!("pull it (`docker pull {image}`), or build it: `docker compose build`")
            }
            E::Foreign { .. } => "choose another name, or remove that container".to_owned(),
            E::NotStarted { .. } => "check `start_cmd` and `directory`".to_owned(),
            E::Engine(error) => return engine_hint(error),
            E::Coordination(error) => return coordination_hint(error),
            E::Gpu(error) => gpu_hint(error),
            E::File(_)
            | E::Senseless { .. }
            | E::SenselessFile { .. }
            | E::ComposeFiles(FilesError::NotUtf8 { .. } | FilesError::File(_))
            | E::Cycle { .. }
            | E::Unusable { .. }
            | E::NotRecovered { .. }
            | E::State { .. }
            | E::NoCommand { .. }
            | E::Unseen { .. }
            | E::Cancelled { .. } => return None,
        };
        Some(hint)
    }

    fn last_words(&self) -> Vec<&str> {
        match self {
            Self::Died { tail, .. } | Self::Unhealthy { tail, .. } => {
                tail.iter().map(String::as_str).collect()
            }
            _ => Vec::new(),
        }
    }

    fn yaml(&self) -> Option<&YamlError> {
        match self {
            Self::File(error)
            | Self::ComposeFiles(FilesError::File(error))
            | Self::Engine(EngineError::File(error)) => Some(error),
            _ => None,
        }
    }

    fn is_interruption(&self) -> bool {
        !self.is_cut_off()
    }

    fn cancelled(signal: Signal) -> Self {
        Self::Cancelled { signal }
    }
}

/// Who holds what is missing, and the way to it where there is one.
fn does_not_fit(name: &str, missing: u64, blockers: &[Blocker]) -> String {
    let held: Vec<String> = blockers.iter().map(Blocker::to_string).collect();
    let held = if held.is_empty() { "nobody".to_owned() } else { held.join(", ") };
    let enough = |why: &[Untouchable]| enough(missing, blockers, why);
    let way = if let Some(those) = enough(&LEASED) {
        format!("; wait until {those} is used no more")
    } else if let Some(those) = enough(&[Untouchable::Equal]) {
        format!("; `lem switch {name}` stops {those}")
    } else if let Some(those) = enough(&[Untouchable::Equal, Untouchable::Priority]) {
        format!("; `--preempt` lets `{name}` stop {those}")
    } else {
        String::new()
    };
    format!("the rest is held by {held}{way}")
}

/// What is not free even if everything goes that may, in MiB.
fn missing(need: Mebibytes, headroom: Mebibytes, free: Mebibytes) -> u64 {
    need.0.saturating_add(headroom.0).saturating_sub(free.0)
}

/// What is in nobody's way once its user is done.
const LEASED: [Untouchable; 1] = [Untouchable::Leased];

/// Those that are left alone for these reasons, if their memory would be enough.
fn enough(missing: u64, blockers: &[Blocker], why: &[Untouchable]) -> Option<String> {
    let those: Vec<&Blocker> = blockers.iter().filter(|it| why.contains(&it.why)).collect();
    let freed: u64 = those.iter().filter_map(|it| it.memory).map(|memory| memory.0).sum();
    let names: Vec<&str> = those.iter().map(|it| it.who.as_str()).collect();
    (freed >= missing && !names.is_empty()).then(|| names.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    // F4, F5
    #[test]
    fn a_way_is_named_only_where_it_frees_enough() {
        let hint = |missing, held: &[(&str, u64, Untouchable)]| {
            let blockers = held.iter().map(|(name, mib, why)| Blocker {
                who: format!("service `{name}`"),
                memory: Some(Mebibytes(*mib)),
                why: *why,
            });
            does_not_fit("asks", missing, &blockers.collect::<Vec<_>>())
        };
        let equal = ("equal", 4000, Untouchable::Equal);
        let above = ("above", 2000, Untouchable::Priority);
        let pinned = ("pinned", 9000, Untouchable::Pinned);
        let said = hint(4000, &[equal, above, pinned]);
        assert!(said.ends_with("; `lem switch asks` stops service `equal`"), "{said}");
        let said = hint(6000, &[equal, above, pinned]);
        assert!(said.ends_with("`--preempt` lets `asks` stop service `equal` and service `above`"));
        let said = hint(6001, &[equal, above, pinned]);
        assert!(!said.contains("--preempt") && !said.contains("lem switch"), "{said}");
    }
}
