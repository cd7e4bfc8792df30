//! An operation: what is asked for, by whom, and what became of it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::part::{Act, Part};

/// The number of an operation; never used twice in a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct OperationId(pub i64);

impl std::fmt::Display for OperationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// How urgent it is: 1 to 10, 10 is the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct Priority(u8);

impl Priority {
    /// None beyond 1 to 10.
    pub(crate) fn new(number: u8) -> Option<Self> {
        (1..=10).contains(&number).then_some(Self(number))
    }

    pub(crate) fn number(self) -> u8 {
        self.0
    }

    /// The place in the queue, in milliseconds of the ledger's clock: smaller is sooner.
    ///
    /// 2026-11-21: aging as a fixed key. A level of priority is worth a minute of waiting, so one
    /// of 10 can overtake one of 1 only within nine minutes, and then nobody can.
    pub(crate) fn rank(self, queued: Moment) -> i64 {
        const LEVEL: i64 = 60_000;
        queued.0 - i64::from(self.0) * LEVEL
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(5)
    }
}

/// A moment on the clock of the ledger, in milliseconds; of no use to anybody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub i64);

impl Moment {
    pub(crate) fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(millis(time)))
    }

    /// How long it is from an earlier moment to this one.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

pub(crate) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// What somebody wants to do.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub parts: Vec<Part>,
    /// For people: `restart shop/api`.
    pub what: String,
    /// What is run, for people.
    pub command: Option<String>,
    pub agent: String,
    pub reason: Option<String>,
    pub priority: Priority,
    /// How long it will take, as far as who asks knows.
    pub expect: Option<Duration>,
    /// How long it may take; none: as long as it likes.
    pub limit: Option<Duration>,
    /// How long the engine may go on when everybody who has it is dead and no step was noted.
    pub settle: Duration,
    pub on_conflict: OnConflict,
    /// Whether what others use is changed all the same: shared claims don't count.
    pub over_shared: bool,
    /// The operation that this one is part of.
    pub parent: Option<OperationId>,
}

/// What becomes of a wish that repeats or contradicts an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnConflict {
    /// It is refused, as the matrix has it.
    Refuse,
    /// It waits for its turn like everybody else.
    Queue,
}

impl Wish {
    /// The kind that stands for it in statistics: that of its first part.
    pub(crate) fn kind(&self) -> Option<Kind> {
        main_kind(&self.parts)
    }
}

fn main_kind(parts: &[Part]) -> Option<Kind> {
    // 2026-11-21: of the first alone: a campaign deploys too, and takes hours, which says nothing
    // about deployments.
    match parts.first()?.act {
        Act::Kind(kind) => Some(kind),
        Act::Shared | Act::Exclusive => None,
    }
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It waits for its turn.
    Queued,
    /// It is being done.
    Active,
    Done,
    Failed,
    /// It took longer than it may.
    TimedOut,
    Cancelled,
    /// Who did it, or waited, died; or somebody took it away. It is not done again by itself.
    Lost,
    /// It was refused at once.
    Rejected,
    /// It waited as long as it would.
    Expired,
}

impl State {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Active => "active",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }

    /// Whether nothing follows it any more.
    pub(crate) fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Active)
    }
}

/// An operation as the ledger has it.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub id: OperationId,
    pub state: State,
    pub parts: Vec<Part>,
    pub what: String,
    pub command: Option<String>,
    pub agent: String,
    pub reason: Option<String>,
    pub priority: u8,
    /// See [`Priority::rank`].
    pub rank: i64,
    /// The project that the limit of the queue counts it to.
    pub group: String,
    pub on_conflict: OnConflict,
    pub over_shared: bool,
    pub parent: Option<OperationId>,
    /// When it was asked for, on people's clock.
    pub requested_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub queued: Moment,
    pub started: Option<Moment>,
    /// How long it ran, once it has ended.
    pub took: Option<Duration>,
    /// How long it waited, once it began or ended.
    pub waited: Option<Duration>,
    pub expect: Option<Duration>,
    pub limit: Option<Duration>,
    /// Who has it: the id of the owner, and for people.
    pub owner: String,
    pub who: String,
    pub token: Option<Token>,
    /// What the engine was asked to do last, and until when it may be at it.
    pub step: Option<Step>,
    pub settle: Duration,
    /// When it was found that nobody has it any more.
    pub freed: Option<Moment>,
    /// Who wants it to end, and why.
    pub cancel: Option<String>,
    pub exit_code: Option<i32>,
    /// What there is to say about it: why it failed, whom it ran beside.
    pub note: Option<String>,
}

impl Operation {
    /// The kind that stands for it in statistics: that of its first part.
    pub(crate) fn kind(&self) -> Option<Kind> {
        main_kind(&self.parts)
    }

    /// Until when nobody may follow an operation whose owner is dead.
    pub(crate) fn settled(&self, freed: Moment) -> Moment {
        match &self.step {
            Some(step) => step.until,
            None => freed.after(self.settle),
        }
    }
}

/// A word to the engine that may outlive who said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub what: String,
    pub until: Moment,
}

/// A number that grows from grant to grant, across crashes and reboots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct Token(pub i64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_of_priority_is_worth_a_minute_and_there_are_ten() {
        let rank = |number, queued| Priority::new(number).unwrap().rank(Moment(queued));
        assert!(rank(10, 539_999) < rank(1, 0) && rank(10, 540_001) > rank(1, 0));
        assert!(rank(5, 0) < rank(5, 1));
        assert_eq!((Priority::new(0), Priority::new(11)), (None, None));
    }
}
