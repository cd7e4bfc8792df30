//! What the container strategies cost, by what their runs took so far, and which one to choose. Pure.

use serde::Serialize;

use super::file::ContainerStrategy;
use crate::record::Taken;

/// Above this part of the commands' time, containers that stay are worth their lesser isolation.
const WORTH_IT: f64 = 0.10;
/// Seconds of a campaign that are worth a thought.
const WORTH_A_THOUGHT: f64 = 30.0;
/// Overheads that differ by less are the same.
const TOO_CLOSE: f64 = 0.9;

/// What the containers of one strategy took around the commands of a campaign, all executions
/// together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Overhead {
    pub strategy: String,
    pub runs: u32,
    /// Around one command, on average.
    pub seconds: f64,
    /// As a part of the commands' time; absent where the commands took none.
    pub share: Option<f64>,
}

impl Overhead {
    /// From what was recorded; local runs have no containers.
    pub(crate) fn of(taken: &[Taken]) -> Vec<Self> {
        let in_containers = taken.iter().filter(|it| it.runs > 0 && it.strategy != "local");
        in_containers
            .map(|it| {
                let around = (it.seconds - it.command_seconds).max(0.0);
                Self {
                    strategy: it.strategy.clone(),
                    runs: it.runs,
                    seconds: around / f64::from(it.runs),
                    share: (it.command_seconds > 0.0).then(|| around / it.command_seconds),
                }
            })
            .collect()
    }
}

/// What to change, if anything, for a campaign that ran with `strategy`.
pub(crate) fn advice(strategy: &str, overheads: &[Overhead]) -> Option<String> {
    let (ephemeral, persistent) =
        (ContainerStrategy::Ephemeral.to_string(), ContainerStrategy::Persistent.to_string());
    let of = |name: &str| overheads.iter().find(|it| it.strategy == name);
    let own = of(&ephemeral).filter(|_| strategy == ephemeral)?;
    let share = own.share.filter(|share| *share > WORTH_IT)?;
    if own.seconds * f64::from(own.runs) < WORTH_A_THOUGHT {
        return None;
    }
    let percent = (share * 100.0).round();
    let measured = match of(&persistent) {
        // It was tried and was no better.
        Some(other) if other.seconds > own.seconds * TOO_CLOSE => return None,
        Some(other) => {
            format!(", where it took {:.2} s instead of {:.2}", other.seconds, own.seconds)
        }
        None => String::new(),
    };
    Some(format!(
        "starting containers takes {percent} % of the commands' time; consider \
         `--container-strategy persistent`{measured}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(strategy: &str, seconds: f64, command_seconds: f64) -> Taken {
        Taken { strategy: strategy.to_owned(), runs: 10, seconds, command_seconds }
    }

    #[test]
    fn an_overhead_is_what_is_around_the_commands() {
        let all = Overhead::of(&[taken("ephemeral", 15.0, 10.0), taken("local", 3.0, 2.0)]);
        assert_eq!(all.len(), 1);
        assert!((all[0].seconds - 0.5).abs() < 1e-9 && all[0].share == Some(0.5), "{all:?}");
        assert_eq!(Overhead::of(&[taken("persistent", 1.0, 0.0)])[0].share, None);
    }

    #[test]
    fn above_a_tenth_of_the_commands_time_persistent_containers_are_advised() {
        let advised = |strategy: &str, all: &[Taken]| advice(strategy, &Overhead::of(all));
        let heavy = taken("ephemeral", 1200.0, 1000.0);
        let said = advised("ephemeral", std::slice::from_ref(&heavy)).unwrap();
        assert!(said.contains("20 %") && said.contains("--container-strategy persistent"));
        assert_eq!(advised("ephemeral", &[taken("ephemeral", 1090.0, 1000.0)]), None);
        assert_eq!(advised("persistent", &[heavy.clone(), taken("persistent", 20.0, 10.0)]), None);
        let better = advised("ephemeral", &[heavy.clone(), taken("persistent", 1050.0, 1000.0)]);
        assert!(better.unwrap().ends_with("where it took 5.00 s instead of 20.00"));
        assert_eq!(advised("ephemeral", &[heavy, taken("persistent", 1250.0, 1000.0)]), None);
        // Half of hardly anything.
        assert_eq!(advised("ephemeral", &[taken("ephemeral", 15.0, 10.0)]), None);
    }
}
