//! The protocol in every order of events: who asks, is stopped or killed, alone or with everybody
//! that it started, while a client of its own or the engine goes on.
//!
//! What decides is the code that the ledger runs, [`fate`] and [`again`]; around it are the
//! processes, the engine and the clock. The rule of the ledger holds: the lock is that of all who
//! were started, and after the last of them the engine gets as long as it may need for what it was
//! told. Each weaker rule is shown to break in the same model, so the model can see it.
//!
//! 2026-11-21: the time for the engine counts from when everybody is found dead, not from when the
//! call was noted: a client that was stopped in between, and then killed, told the engine later.

use std::time::Duration;

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::made_up::operation;
use crate::coordination::admission::Decision;
use crate::coordination::dependency::Graph;
use crate::coordination::kind::Kind;
use crate::coordination::ledger::{Fate, fate};
use crate::coordination::nesting::again;
use crate::coordination::operation::{Moment, Operation, State};
use crate::coordination::owner::Life;
use crate::coordination::part::{Act, Part};
use crate::coordination::resource::Resource;

const AGENTS: usize = 2;
/// How long the engine is at what it was told, at most.
const LONGEST: u8 = 2;
/// A lease that was not renewed for so long has run out.
const LEASE: u8 = 1;
/// The end of the world.
const END: u8 = 5;

/// What is taken for the death of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// It has not been heard of for a while.
    Silence,
    /// Its process, or a lock that only it has, is gone.
    Process,
    /// The lock that its children have too is free.
    Tree,
}

/// How long nobody follows one that is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settling {
    None,
    FromNote,
    FromDeath,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    sign: Sign,
    settling: Settling,
}

/// Whether a process goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Process {
    Runs,
    Stopped,
    Dead,
}

/// A client of the engine that an agent has started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Client {
    None,
    /// It has said nothing yet.
    Started,
    /// It waits for the answer.
    Told,
}

/// An agent with its one operation, what it has started, and what the engine does for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Agent {
    process: Process,
    client: Client,
    /// How much longer.
    engine: u8,
    /// None: it has not asked.
    state: Option<State>,
    asked: u8,
    noted: Option<u8>,
    freed: Option<u8>,
    heard: u8,
    has_called: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    now: u8,
    agents: [Agent; AGENTS],
    kills: u8,
    stops: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Ask(usize),
    Turn(usize),
    /// Notes what the engine will be told.
    Note(usize),
    /// Starts the client.
    Call(usize),
    /// The client tells the engine.
    Tell(usize),
    /// The client has its answer.
    Answered(usize),
    Finish(usize),
    /// The process alone, or with what it started.
    Kill(usize),
    KillAll(usize),
    Stop(usize),
    GoOn(usize),
    Tick,
}

impl World {
    /// The operation as the ledger has it.
    fn row(&self, at: usize, rule: Rule) -> Option<Operation> {
        let agent = &self.agents[at];
        let state = agent.state?;
        let parts = vec![Part::new(Resource::name("api"), Act::Kind(Kind::Restart))];
        let mut row = operation(at, parts, 5, i64::from(agent.asked));
        let left = |noted: u8| (noted + LONGEST).saturating_sub(agent.freed.unwrap_or(self.now));
        let settle = match (rule.settling, agent.noted) {
            (Settling::FromDeath, Some(_)) => LONGEST,
            (Settling::FromNote, Some(noted)) => left(noted),
            _ => 0,
        };
        row.settle = Duration::from_millis(settle.into());
        row.freed = agent.freed.map(|freed| Moment(freed.into()));
        row.state = state;
        Some(row)
    }

    fn life(&self, at: usize, rule: Rule) -> Life {
        let agent = &self.agents[at];
        let is_silent = self.now > agent.heard + LEASE;
        match rule.sign {
            Sign::Silence if is_silent => Life::Dead,
            Sign::Process | Sign::Tree if agent.process != Process::Dead => Life::Lives,
            Sign::Tree if agent.client != Client::None => Life::Outlived,
            Sign::Silence => Life::Lives,
            Sign::Process | Sign::Tree => Life::Dead,
        }
    }

    /// As the ledger begins every transaction that writes: what the dead had is taken back.
    fn living(&mut self, rule: Rule) -> Vec<Operation> {
        let mut living = Vec::new();
        for at in 0..AGENTS {
            let Some(mut row) = self.row(at, rule).filter(|row| !row.state.is_over()) else {
                continue;
            };
            match fate(&row, self.life(at, rule), Moment(self.now.into())) {
                Fate::Lives => living.push(row),
                Fate::Settles { freed } => {
                    self.agents[at].freed = u8::try_from(freed.0).ok();
                    row.freed = Some(freed);
                    living.push(row);
                }
                Fate::Lost { .. } => self.agents[at].state = Some(State::Lost),
            }
        }
        living
    }

    /// One that waits looks whether it is its turn.
    fn turn(&mut self, at: usize, rule: Rule) {
        let living = self.living(rule);
        let Some(own) = living.iter().find(|row| row.id.0 == i64::try_from(at).unwrap()) else {
            return;
        };
        if let Decision::Start { .. } = again(own, &living, &Graph::default()) {
            self.agents[at].state = Some(State::Active);
        }
    }

    /// Whether somebody has what the engine still works on for one that has lost it.
    fn is_shared(&self) -> bool {
        let has = |agent: &Agent| agent.state == Some(State::Active);
        let at_it = |agent: &Agent| agent.engine > 0;
        let busy = self.agents.iter().filter(|it| at_it(it)).count();
        let gone = self.agents.iter().any(|it| at_it(it) && !has(it));
        busy > 1 || (gone && self.agents.iter().any(has))
    }
}

impl Model for Rule {
    type State = World;
    type Action = Event;

    fn init_states(&self) -> Vec<World> {
        let agent = Agent {
            process: Process::Runs,
            client: Client::None,
            engine: 0,
            state: None,
            asked: 0,
            noted: None,
            freed: None,
            heard: 0,
            has_called: false,
        };
        vec![World { now: 0, agents: [agent; AGENTS], kills: 2, stops: 1 }]
    }

    fn actions(&self, world: &World, events: &mut Vec<Event>) {
        for (at, agent) in world.agents.iter().enumerate() {
            let runs = agent.process == Process::Runs;
            let is_active = agent.state == Some(State::Active);
            // What it believes: nobody tells one that was stopped that it has lost it.
            let acts = runs && agent.noted.is_some();
            let mut may = |condition: bool, event: Event| events.extend(condition.then_some(event));
            // One is like another: the first asks first.
            let may_ask = at == 0 || world.agents[at - 1].state.is_some();
            may(runs && may_ask && agent.state.is_none(), Event::Ask(at));
            may(runs && agent.state == Some(State::Queued), Event::Turn(at));
            may(runs && is_active && agent.noted.is_none(), Event::Note(at));
            may(acts && !agent.has_called, Event::Call(at));
            let moves = agent.process != Process::Stopped;
            may(moves && agent.client == Client::Started, Event::Tell(at));
            let answered = agent.client == Client::Told && agent.engine == 0;
            may(moves && answered, Event::Answered(at));
            let is_done = agent.has_called && agent.client == Client::None;
            may(runs && is_active && is_done, Event::Finish(at));
            let has_asked = agent.state.is_some_and(|state| !state.is_over());
            let can_die = world.kills > 0 && agent.process != Process::Dead && has_asked;
            may(can_die, Event::Kill(at));
            let anything = agent.process != Process::Dead || agent.client != Client::None;
            may(world.kills > 0 && has_asked && anything, Event::KillAll(at));
            may(world.stops > 0 && runs && has_asked, Event::Stop(at));
            may(agent.process == Process::Stopped, Event::GoOn(at));
        }
        if world.now < END {
            events.push(Event::Tick);
        }
    }

    fn next_state(&self, world: &World, event: Event) -> Option<World> {
        let mut next = world.clone();
        let now = world.now;
        match event {
            Event::Ask(at) => {
                let agent = &mut next.agents[at];
                (agent.state, agent.asked, agent.heard) = (Some(State::Queued), now, now);
                next.turn(at, *self);
            }
            Event::Turn(at) => next.turn(at, *self),
            Event::Note(at) => next.agents[at].noted = Some(now),
            Event::Call(at) => {
                (next.agents[at].client, next.agents[at].has_called) = (Client::Started, true);
            }
            Event::Tell(at) => {
                (next.agents[at].client, next.agents[at].engine) = (Client::Told, LONGEST);
            }
            Event::Answered(at) => next.agents[at].client = Client::None,
            Event::Finish(at) => next.agents[at].state = Some(State::Done),
            Event::Kill(at) => {
                (next.agents[at].process, next.kills) = (Process::Dead, world.kills - 1);
            }
            Event::KillAll(at) => {
                (next.agents[at].process, next.kills) = (Process::Dead, world.kills - 1);
                next.agents[at].client = Client::None;
            }
            Event::Stop(at) => {
                (next.agents[at].process, next.stops) = (Process::Stopped, world.stops - 1);
            }
            Event::GoOn(at) => next.agents[at].process = Process::Runs,
            Event::Tick => {
                next.now += 1;
                for agent in &mut next.agents {
                    agent.engine = agent.engine.saturating_sub(1);
                    if agent.process == Process::Runs {
                        agent.heard = next.now;
                    }
                }
            }
        }
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nobody has what another one is at", |_, world: &World| {
                !world.is_shared()
            }),
            Property::sometimes("who waited follows one that died at it", |_, world: &World| {
                let lost = |it: &Agent| it.state == Some(State::Lost) && it.has_called;
                let done = |it: &Agent| it.state == Some(State::Done);
                world.agents.iter().any(lost) && world.agents.iter().any(done)
            }),
        ]
    }
}

fn check(sign: Sign, settling: Settling) -> impl Checker<Rule> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = Rule { sign, settling }.checker().threads(threads);
    checker.finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join()
}

const SAFE: &str = "nobody has what another one is at";

#[test]
fn the_lock_of_all_who_were_started_and_time_for_the_engine_keep_everybody_apart() {
    let checked = check(Sign::Tree, Settling::FromDeath);
    checked.assert_properties();
    assert!(checked.unique_state_count() > 1_000, "{}", checked.unique_state_count());
}

#[test]
fn every_weaker_rule_lets_two_have_it_at_once() {
    for (sign, settling) in [
        // A lease alone, and one with time for the engine: who was stopped goes on.
        (Sign::Silence, Settling::None),
        (Sign::Silence, Settling::FromDeath),
        // The number of a process, or a lock that only it has: its client goes on.
        (Sign::Process, Settling::None),
        (Sign::Process, Settling::FromDeath),
        // The lock of all of them alone: the engine goes on.
        (Sign::Tree, Settling::None),
        // From when the call was noted: the client was stopped before it told the engine.
        (Sign::Tree, Settling::FromNote),
    ] {
        let checked = check(sign, settling);
        let path = checked.discovery(SAFE);
        assert!(path.is_some(), "{sign:?} with {settling:?} holds, and should not");
    }
}
