//! Who waits for whom, and how long that will take. Pure.
//!
//! 2026-11-21: the queue is played through in its order with the times that its operations are
//! expected to take: as who asked for them said, or else as their kind usually takes. Where an
//! operation has neither, as one that keeps something for a command of unknown length, nobody can
//! say how long those behind it will wait, and nothing is made up.

use std::collections::BTreeMap;
use std::time::Duration;

use super::admission::{Cause, Decision, Obstacle, places};
use super::dependency::Graph;
use super::kind::Kind;
use super::nesting::again;
use super::operation::{Moment, Operation, OperationId, State};

/// What one that waits can expect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// How many in the queue it waits for, and it.
    pub position: usize,
    pub behind: Vec<Obstacle>,
    /// None where nobody can say.
    pub wait: Option<Duration>,
}

/// How long operations of a kind usually take.
pub(crate) type Usual = BTreeMap<Kind, Duration>;

/// How long an operation takes in all; none where nobody can say.
pub(crate) fn length(operation: &Operation, usual: &Usual) -> Option<Duration> {
    let of_kind = |kind: Kind| usual.get(&kind).copied().unwrap_or_else(|| kind.usual());
    operation.expect.or_else(|| operation.kind().map(of_kind))
}

/// How long one that runs still takes, from now; nothing, where it should have ended by now.
pub(crate) fn left(operation: &Operation, usual: &Usual, now: Moment) -> Option<Duration> {
    if let Some(freed) = operation.freed {
        return Some(operation.settled(freed).since(now));
    }
    let ran = operation.started.map(|started| now.since(started)).unwrap_or_default();
    Some(length(operation, usual)?.saturating_sub(ran))
}

/// The places of all that wait. `live` is in the order of the queue.
pub(crate) fn places_of(
    live: &[Operation],
    graph: &Graph,
    usual: &Usual,
    now: Moment,
) -> BTreeMap<OperationId, Place> {
    let running = live.iter().filter(|it| it.state == State::Active);
    let mut ends: BTreeMap<OperationId, Option<Duration>> =
        running.map(|it| (it.id, left(it, usual, now))).collect();
    let mut found = BTreeMap::new();
    for own in live.iter().filter(|it| it.state == State::Queued) {
        let behind = match again(own, live, graph) {
            Decision::Wait { behind } => behind,
            Decision::Refuse { by } | Decision::Nested { by } => vec![by],
            // It has its turn, and only has to hear of it.
            Decision::Start { .. } => Vec::new(),
        };
        let wait = starts(own, &behind, &ends);
        let end = wait.zip(length(own, usual)).map(|(wait, length)| wait + length);
        ends.insert(own.id, end);
        let waits = |it: &&Obstacle| {
            live.iter().any(|other| other.id == it.operation && other.state == State::Queued)
        };
        let position = behind.iter().filter(waits).count() + 1;
        found.insert(own.id, Place { position, behind, wait });
    }
    found
}

/// When one starts that waits for these.
fn starts(
    own: &Operation,
    behind: &[Obstacle],
    ends: &BTreeMap<OperationId, Option<Duration>>,
) -> Option<Duration> {
    let end = |it: &Obstacle| ends.get(&it.operation).copied().flatten();
    let mut all = behind.iter().map(end).collect::<Option<Vec<Duration>>>()?;
    all.sort_unstable();
    let one_place = behind.iter().all(|it| it.cause == Cause::TakesThePlace);
    match (one_place, own.kind()) {
        // One of the places is enough.
        (true, Some(kind)) => {
            let first = all.len().saturating_sub(places(kind.only_looks()));
            Some(all.get(first).copied().unwrap_or_default())
        }
        _ => Some(all.last().copied().unwrap_or_default()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::coordination::operation::{OnConflict, Priority};
    use crate::coordination::part::{Act, Part};
    use crate::coordination::resource::Resource;

    /// One of a name, asked for in the order of its number.
    pub(crate) fn operation(id: i64, kind: Kind, name: &str, state: State) -> Operation {
        Operation {
            id: OperationId(id),
            state,
            parts: vec![Part::new(Resource::name(name), Act::Kind(kind))],
            what: format!("{kind} {name}"),
            command: None,
            agent: "tester".to_owned(),
            reason: None,
            priority: 5,
            rank: Priority::default().rank(Moment(id)),
            group: String::new(),
            on_conflict: OnConflict::Queue,
            over_shared: false,
            parent: None,
            requested_at: Timestamp::UNIX_EPOCH,
            started_at: None,
            ended_at: None,
            queued: Moment(id),
            started: (state == State::Active).then_some(Moment(0)),
            took: None,
            waited: None,
            expect: None,
            limit: None,
            owner: String::new(),
            who: "somebody".to_owned(),
            token: None,
            step: None,
            settle: Duration::ZERO,
            freed: None,
            cancel: None,
            exit_code: None,
            note: None,
        }
    }

    fn waits(live: &[Operation], now: i64) -> Vec<(usize, Option<u64>)> {
        let usual = Usual::from([(Kind::Scale, Duration::from_secs(7))]);
        let places = places_of(live, &Graph::default(), &usual, Moment(now));
        places.values().map(|it| (it.position, it.wait.map(|wait| wait.as_secs()))).collect()
    }

    #[test]
    fn a_wait_is_what_is_left_of_those_ahead_one_after_the_other() {
        use Kind::{Config, Deploy, Restart, Scale};
        use State::{Active, Queued};
        let live = [
            operation(1, Restart, "api", Active),
            operation(2, Scale, "api", Queued),
            operation(3, Config, "api", Queued),
            operation(4, Deploy, "other", Queued),
        ];
        // A restart usually takes 30 s, and ran for 10; a scale takes 7 here.
        assert_eq!(waits(&live, 10_000), [(1, Some(20)), (2, Some(27)), (1, Some(0))]);
        // It should have ended by now.
        assert_eq!(waits(&live, 99_000), [(1, Some(0)), (2, Some(7)), (1, Some(0))]);
        let mut said = live.clone();
        said[0].expect = Some(Duration::from_secs(120));
        assert_eq!(waits(&said[..2], 20_000), [(1, Some(100))]);
    }

    #[test]
    fn behind_something_of_unknown_length_nobody_knows() {
        use State::{Active, Queued};
        let mut lock = operation(1, Kind::Read, "api", Active);
        lock.parts = vec![Part::new(Resource::name("api"), Act::Exclusive)];
        let next = operation(2, Kind::Scale, "api", Queued);
        let last = operation(3, Kind::Scale, "api", Queued);
        let live = [lock.clone(), next.clone(), last.clone()];
        assert_eq!(waits(&live, 0), [(1, None), (2, None)]);
        lock.freed = Some(Moment(0));
        lock.settle = Duration::from_secs(4);
        assert_eq!(waits(&[lock, next, last], 1_000), [(1, Some(3)), (2, Some(10))]);
    }

    #[test]
    fn where_only_a_place_is_missing_the_first_that_ends_gives_it() {
        use State::{Active, Queued};
        let read = |id, seconds| {
            let mut read = operation(id, Kind::Read, "api", Active);
            read.expect = Some(Duration::from_secs(seconds));
            read
        };
        let third = operation(3, Kind::Read, "api", Queued);
        let fourth = operation(4, Kind::Read, "api", Queued);
        let live = [read(1, 40), read(2, 9), third, fourth];
        assert_eq!(waits(&live, 0), [(1, Some(9)), (2, Some(14))]);
    }
}
