//! A word to the engine that may outlive who says it, as the ledger notes it before it is said.
//!
//! 2026-11-21: dockerd goes on with what a killed client asked for. So nobody follows a dead lem
//! before the longest that may take has passed, or the container shows that it is done. Native
//! services need none of this: nothing is under way any more when lem and what it forked are dead.

use std::time::Duration;

use super::container::Looked;
use crate::coordination::operation::Step;
use crate::coordination::resource::Resource;
use crate::engine::life::{Life, Status};

/// What the engine is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Start,
    /// Which may take as long as the grace.
    Stop {
        grace: Duration,
    },
    Kill,
    Remove,
}

/// For the engine itself, beside what the container takes.
const ENGINE: Duration = Duration::from_secs(5);

impl Word {
    /// How long the engine may be at it, whoever dies.
    pub(crate) fn longest(self) -> Duration {
        match self {
            Self::Start => Duration::from_secs(30),
            Self::Stop { grace } => grace.saturating_add(ENGINE),
            Self::Kill => Duration::from_secs(10).saturating_add(ENGINE),
            Self::Remove => Duration::from_secs(20),
        }
    }

    /// As the ledger has it: `stop shop/api`.
    pub(crate) fn text(self, service: &Resource) -> String {
        let word = match self {
            Self::Start => "start",
            Self::Stop { .. } => "stop",
            Self::Kill => "kill",
            Self::Remove => "remove",
        };
        format!("{word} {}", service.short())
    }
}

/// Whether what there is of a service shows that what was noted is done. Where nothing shows it,
/// only time does.
pub(super) fn shows(looked: &Looked, step: &Step, service: &Resource) -> bool {
    !matches!(looked, Looked::Several(_)) && is_done(step, service, looked.life())
}

fn is_done(step: &Step, service: &Resource, life: Option<&Life>) -> bool {
    let says = |word: Word| step.what == word.text(service);
    let grace = Duration::ZERO;
    if says(Word::Start) {
        life.is_some_and(|life| life.status == Status::Running)
    } else if says(Word::Stop { grace }) || says(Word::Kill) {
        !life.is_some_and(|life| life.status.is_alive())
    } else {
        says(Word::Remove) && life.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordination::operation::Moment;

    fn life(status: Status) -> Life {
        Life {
            id: "4f1c".to_owned(),
            name: "a".to_owned(),
            status,
            health: None,
            started_at: None,
            exit_code: 0,
            oom_killed: false,
            error: String::new(),
            restarts: 0,
            restart_policy: "no".to_owned(),
            config_hash: None,
            service: None,
        }
    }

    #[test]
    fn the_container_shows_what_is_done_and_another_one_shows_nothing() {
        let (a, b) = (Resource::service("E", "shop", "a"), Resource::service("E", "shop", "b"));
        let step = |word: Word| Step { what: word.text(&a), until: Moment(0) };
        let grace = Duration::from_secs(30);
        let (running, exited) = (life(Status::Running), life(Status::Exited));
        for (word, run, exit, gone) in [
            (Word::Start, true, false, false),
            (Word::Stop { grace }, false, true, true),
            (Word::Kill, false, true, true),
            (Word::Remove, false, false, true),
        ] {
            let step = step(word);
            let done = [Some(&running), Some(&exited), None].map(|life| is_done(&step, &a, life));
            assert_eq!(done, [run, exit, gone], "{word:?}");
            assert!(!is_done(&step, &b, Some(&running)) && !is_done(&step, &b, None));
        }
        assert_eq!(Word::Stop { grace }.longest(), Duration::from_secs(35));
    }
}
