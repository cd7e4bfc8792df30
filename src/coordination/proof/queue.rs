//! The rule of the queue in every order of arrivals, turns and ends: nobody meets whom it would not
//! get on with, nobody gets past who is in its way, and everybody's turn comes, also that of parts
//! of operations that ask in opposite order.

use stateright::{Checker, Model, Property};

use super::made_up::operation;
use super::reference::Reference;
use crate::coordination::admission::Decision;
use crate::coordination::dependency::Graph;
use crate::coordination::kind::Kind;
use crate::coordination::nesting::again;
use crate::coordination::operation::{Operation, OperationId, State};
use crate::coordination::part::{Act, Part};
use crate::coordination::resource::Resource;

/// A wish: what, how urgent, and the wish that it is part of.
type Wish = (&'static [(&'static str, Act)], u8, Option<usize>);

/// Everybody who will ask, in any order.
#[derive(Debug, Clone)]
struct Queue {
    wishes: Vec<Wish>,
    /// Each needs the next.
    chain: Vec<&'static str>,
}

/// How far a wish has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    NotAsked,
    /// With the place in the order of arrivals.
    Waits(u8),
    Runs(u8),
    Ended,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Moment {
    steps: Vec<Step>,
    asked: u8,
    /// Somebody began past who waited before it, or beside whom it does not get on with.
    is_unfair: bool,
    is_unsafe: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Ask(usize),
    Turn(usize),
    End(usize),
}

impl Queue {
    fn rows(&self, moment: &Moment) -> Vec<Operation> {
        let row = |(at, step): (usize, &Step)| {
            let (parts, priority, parent) = &self.wishes[at];
            let (state, place) = match step {
                Step::Waits(place) => (State::Queued, *place),
                Step::Runs(place) => (State::Active, *place),
                Step::NotAsked | Step::Ended => return None,
            };
            let parts = parts.iter().map(|(name, act)| Part::new(Resource::name(name), *act));
            let mut row = operation(at, parts.collect(), *priority, place.into());
            row.state = state;
            row.parent = parent.map(|parent| OperationId(i64::try_from(parent).unwrap()));
            Some(row)
        };
        moment.steps.iter().enumerate().filter_map(row).collect()
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph::default();
        for pair in self.chain.windows(2) {
            graph.add(Resource::name(pair[0]), [Resource::name(pair[1])]);
        }
        graph
    }

    /// Whether two don't get on, by the rules written a second time.
    fn clash(&self, new: usize, old: usize) -> bool {
        let chain = self.chain.iter().map(|name| Resource::name(name)).collect();
        let reference = Reference { all: Vec::new(), chain };
        let parts = |at: usize| self.wishes[at].0.iter();
        parts(new).any(|(name, act)| {
            let new = Part::new(Resource::name(name), *act);
            parts(old).any(|(name, act)| {
                reference.meet(&new, &Part::new(Resource::name(name), *act)) >= 3
            })
        })
    }

    fn turn(&self, moment: &mut Moment, at: usize) {
        let rows = self.rows(moment);
        let id = OperationId(i64::try_from(at).unwrap());
        let Some(own) = rows.iter().find(|row| row.id == id) else { return };
        match again(own, &rows, &self.graph()) {
            Decision::Start { .. } => {
                let parent = self.wishes[at].2;
                for other in &rows {
                    let index = usize::try_from(other.id.0).unwrap();
                    if index == at || Some(index) == parent {
                        continue;
                    }
                    let passed = other.state == State::Queued && parent.is_none();
                    let before = (other.rank, other.id) < (own.rank, own.id);
                    moment.is_unfair |= passed && before && self.clash(at, index);
                    moment.is_unsafe |= other.state == State::Active && self.clash(at, index);
                }
                let Step::Waits(place) = moment.steps[at] else { return };
                moment.steps[at] = Step::Runs(place);
            }
            // Told that it would wait for ever, it gives up.
            Decision::Nested { .. } => moment.steps[at] = Step::Ended,
            Decision::Wait { .. } | Decision::Refuse { .. } => {}
        }
    }
}

impl Model for Queue {
    type State = Moment;
    type Action = Event;

    fn init_states(&self) -> Vec<Moment> {
        let steps = vec![Step::NotAsked; self.wishes.len()];
        vec![Moment { steps, asked: 0, is_unfair: false, is_unsafe: false }]
    }

    fn actions(&self, moment: &Moment, events: &mut Vec<Event>) {
        for (at, step) in moment.steps.iter().enumerate() {
            let parent_runs = self.wishes[at]
                .2
                .is_none_or(|parent| matches!(moment.steps[parent], Step::Runs(_)));
            let is_part = |part: usize| self.wishes[part].2 == Some(at);
            let parts_ended = (0..moment.steps.len())
                .filter(|part| is_part(*part))
                .all(|part| moment.steps[part] == Step::Ended);
            match step {
                Step::NotAsked if parent_runs => events.push(Event::Ask(at)),
                Step::Waits(_) => events.push(Event::Turn(at)),
                // Its command waits for what it asked for itself.
                Step::Runs(_) if parts_ended => events.push(Event::End(at)),
                _ => {}
            }
        }
    }

    fn next_state(&self, moment: &Moment, event: Event) -> Option<Moment> {
        let mut next = moment.clone();
        match event {
            Event::Ask(at) => {
                next.asked += 1;
                next.steps[at] = Step::Waits(next.asked);
                self.turn(&mut next, at);
            }
            Event::Turn(at) => self.turn(&mut next, at),
            Event::End(at) => next.steps[at] = Step::Ended,
        }
        (next != *moment).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nobody is beside whom it does not get on with", |_, it: &Moment| {
                !it.is_unsafe
            }),
            Property::always("nobody gets past who is in its way", |_, it: &Moment| !it.is_unfair),
            Property::eventually("everybody's turn comes", |_, it: &Moment| {
                it.steps.iter().all(|step| *step == Step::Ended)
            }),
        ]
    }
}

fn check(wishes: Vec<Wish>, chain: &[&'static str]) {
    let checked = Queue { wishes, chain: chain.to_vec() }.checker().spawn_dfs().join();
    checked.assert_properties();
}

const READ: Act = Act::Kind(Kind::Read);
const CONFIG: Act = Act::Kind(Kind::Config);
const RESTART: Act = Act::Kind(Kind::Restart);
const START: Act = Act::Kind(Kind::Start);
const SCALE: Act = Act::Kind(Kind::Scale);

#[test]
fn of_one_container_everybodys_turn_comes_and_nobody_gets_past() {
    let one = |act: &'static [(&'static str, Act)], priority| (act, priority, None);
    check(
        vec![
            one(&[("api", CONFIG)], 5),
            one(&[("api", RESTART)], 2),
            one(&[("api", SCALE)], 9),
            one(&[("api", Act::Shared)], 5),
            one(&[("api", READ)], 1),
        ],
        &[],
    );
}

#[test]
fn of_containers_that_need_each_other_everybodys_turn_comes_and_nobody_gets_past() {
    check(
        vec![
            (&[("web", CONFIG)], 5, None),
            (&[("web", RESTART)], 5, None),
            (&[("db", START)], 9, None),
            (&[("db", RESTART), ("web", START)], 2, None),
            (&[("db", SCALE)], 5, None),
        ],
        &["web", "db"],
    );
}

#[test]
fn operations_whose_parts_ask_in_opposite_order_all_end() {
    check(
        vec![
            (&[("one", Act::Exclusive)], 5, None),
            (&[("two", Act::Exclusive)], 5, None),
            (&[("two", Act::Exclusive)], 5, Some(0)),
            (&[("one", Act::Exclusive)], 5, Some(1)),
            (&[("one", SCALE), ("two", SCALE)], 9, None),
            (&[("one", RESTART)], 5, Some(0)),
        ],
        &[],
    );
}
