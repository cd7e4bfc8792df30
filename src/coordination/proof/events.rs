//! What may happen to a ledger, drawn at random.

use proptest::prelude::*;

pub(super) const OWNERS: usize = 4;

/// What is asked for; the numbers choose among what there is.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub owner: usize,
    pub parts: Vec<(usize, usize, Vec<usize>, bool)>,
    pub priority: u8,
    pub waits: bool,
    pub may_be_refused: bool,
    pub over_shared: bool,
    pub settles: bool,
    pub parent: Option<usize>,
}

/// What happens.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Ask(Request),
    Turn(usize),
    Finish(usize),
    /// By somebody who does not have it.
    FinishAsAnother(usize),
    Withdraw(usize),
    Cancel(usize),
    TakeAway(usize),
    Change(usize, (usize, usize, Vec<usize>, bool), bool),
    Kill(usize),
    /// Everybody who waits looks whether it is its turn, from this one on.
    Bell(usize),
}

fn part() -> impl Strategy<Value = (usize, usize, Vec<usize>, bool)> {
    let place = prop_oneof![5 => 0..3usize, 1 => Just(3usize), 1 => Just(4usize)];
    (place, 0..10usize, proptest::collection::vec(0..3usize, 0..3), proptest::bool::weighted(0.1))
}

fn request() -> impl Strategy<Value = Request> {
    let parts = prop_oneof![
        4 => proptest::collection::vec(part(), 1),
        1 => proptest::collection::vec(part(), 2..4)
    ];
    let parent = prop_oneof![4 => Just(None), 1 => any::<usize>().prop_map(Some)];
    let rarely = || proptest::bool::weighted(0.15);
    let priority = prop_oneof![2 => Just(5u8), 1 => Just(2u8), 1 => Just(9u8)];
    let waits = proptest::bool::weighted(0.85);
    (0..OWNERS, parts, priority, waits, any::<bool>(), rarely(), rarely(), parent).prop_map(
        |(owner, parts, priority, waits, may_be_refused, over_shared, settles, parent)| Request {
            owner,
            parts,
            priority,
            waits,
            may_be_refused,
            over_shared,
            settles,
            parent,
        },
    )
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => request().prop_map(Event::Ask),
        4 => any::<usize>().prop_map(Event::Turn),
        6 => any::<usize>().prop_map(Event::Finish),
        1 => any::<usize>().prop_map(Event::FinishAsAnother),
        1 => any::<usize>().prop_map(Event::Withdraw),
        1 => any::<usize>().prop_map(Event::Cancel),
        1 => any::<usize>().prop_map(Event::TakeAway),
        2 => (any::<usize>(), part(), any::<bool>())
            .prop_map(|(which, part, over)| Event::Change(which, part, over)),
        1 => (0..OWNERS).prop_map(Event::Kill),
        3 => any::<usize>().prop_map(Event::Bell),
    ]
}
