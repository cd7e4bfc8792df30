//! Random histories on a real ledger, step by step against the rules written a second time.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

use super::events::{Event, OWNERS, Request, event};
use super::postgres::Postgres;
use super::reference::{Asked, Expected, Reference};
use crate::coordination::kind::Kind;
use crate::coordination::ledger::{Answer, Change, Ending, Known, Ledger, Server, Turn};
use crate::coordination::operation::{OnConflict, OperationId, Priority, State, Token, Wish};
use crate::coordination::owner::Own;
use crate::coordination::part::{Act, Part};
use crate::coordination::resource::Resource;

/// A ledger, its owners, and the second opinion.
struct World {
    ledger: Ledger,
    owners: Vec<Own>,
    reference: Reference,
    last_token: i64,
    clock: usize,
    _place: TempDir,
}

impl World {
    /// With nobody in it.
    fn new(open: impl Fn(&TempDir) -> Ledger) -> Self {
        let folder = TempDir::new().unwrap();
        let mut ledger = open(&folder);
        let chain: Vec<Resource> = (0..3).map(place).collect();
        let known = |at: usize| Known {
            resource: chain[at].clone(),
            names: Vec::new(),
            ports: Vec::new(),
            needs: Some(chain[at + 1..].iter().take(1).cloned().collect()),
            source: "the test".to_owned(),
        };
        ledger.learn(&(0..3).map(known).collect::<Vec<_>>()).unwrap();
        let owners = (0..OWNERS).map(|_| owner(&ledger)).collect();
        let reference = Reference { all: Vec::new(), chain };
        Self { ledger, owners, reference, last_token: 0, clock: 0, _place: folder }
    }

    fn happen(&mut self, event: &Event) {
        self.clock += 1;
        let live = |it: &Asked| !it.state.is_over() && !it.is_dead;
        let (waiting, running) = (
            self.ids(|it| it.state == State::Queued),
            self.ids(|it| live(it) && it.state == State::Active),
        );
        match event {
            Event::Ask(request) => self.ask(request),
            Event::Turn(which) => chosen(&waiting, *which).into_iter().for_each(|id| self.turn(id)),
            Event::Finish(which) => {
                let Some(id) = chosen(&running, *which) else { return };
                let token = Token(self.reference.get(id).token.unwrap());
                assert!(self.ledger.finish(id, token, &Ending::done()).unwrap());
                self.reference.get_mut(id).state = State::Done;
                let again = self.ledger.finish(id, token, &Ending::done()).unwrap();
                assert!(!again, "I12: {id} ended twice");
            }
            Event::FinishAsAnother(which) => {
                let Some(id) = chosen(&running, *which) else { return };
                let token = Token(self.reference.get(id).token.unwrap() - 1);
                let ended = self.ledger.finish(id, token, &Ending::done()).unwrap();
                assert!(!ended, "I12: {id} was ended by somebody else");
            }
            Event::Withdraw(which) => {
                let Some(id) = chosen(&waiting, *which) else { return };
                assert!(self.ledger.withdraw(id, State::Expired, None).unwrap());
                self.reference.get_mut(id).state = State::Expired;
            }
            Event::Cancel(which) => {
                let Some(id) = chosen(&waiting, *which) else { return };
                assert!(self.ledger.cancel(id, "enough").unwrap().is_some());
                self.reference.get_mut(id).state = State::Cancelled;
            }
            Event::TakeAway(which) => {
                let Some(id) = chosen(&running, *which) else { return };
                assert!(self.ledger.take_away(id, "mine").unwrap().is_some());
                self.reference.get_mut(id).state = State::Lost;
            }
            Event::Change(which, part, over_shared) => {
                let Some(id) = chosen(&running, *which) else { return };
                self.change(id, vec![to_part(part)], *over_shared);
            }
            Event::Kill(at) => {
                let file = self.owners[*at].owner.file.clone();
                self.owners[*at] = owner(&self.ledger);
                // The dead leave theirs, and nobody has it.
                std::fs::write(file, "").unwrap();
                self.reference.dies(*at);
            }
            Event::Bell(from) => self.bell(*from),
        }
    }

    fn ids(&self, which: impl Fn(&Asked) -> bool) -> Vec<OperationId> {
        self.reference.all.iter().filter(|it| which(it)).map(|it| it.id).collect()
    }

    fn ask(&mut self, request: &Request) {
        let running = self.ids(|it| it.state == State::Active);
        let parent = request.parent.and_then(|which| chosen(&running, which));
        let parts: Vec<Part> = request.parts.iter().map(to_part).collect();
        let wish = wish(request, parts.clone(), parent);
        let mut asked = Asked {
            id: OperationId(-1),
            parts,
            order: (-i64::from(request.priority), self.clock),
            may_be_refused: request.may_be_refused,
            over_shared: request.over_shared,
            parent,
            owner: request.owner,
            settles: request.settles,
            state: State::Queued,
            is_dead: false,
            token: None,
            since: self.clock,
        };
        let expected = self.reference.expects(&asked);
        let owner = &self.owners[request.owner].owner;
        let answer = self.ledger.ask(&wish, owner, request.waits).unwrap();
        let (id, state) = match (expected, &answer) {
            (Expected::Starts, Answer::Started(started)) => {
                asked.token = Some(started.token.0);
                (started.id, State::Active)
            }
            (Expected::Waits, Answer::Queued { id, .. }) if request.waits => (*id, State::Queued),
            (Expected::Waits, Answer::WouldWait { id, .. }) if !request.waits => {
                (*id, State::Rejected)
            }
            (Expected::IsRefused, Answer::Refused { id, .. }) => (*id, State::Rejected),
            (Expected::IsNested, Answer::Nested { .. }) => return,
            _ => panic!("{asked:?}: expected {expected:?}, and it was {answer:?}"),
        };
        asked.id = id;
        asked.state = state;
        let token = asked.token;
        self.reference.all.push(asked);
        if let Some(token) = token {
            self.begun(id, token);
        }
    }

    fn turn(&mut self, id: OperationId) {
        let expected = self.reference.expects(self.reference.get(id));
        let turn = self.ledger.turn(id).unwrap();
        match (expected, &turn) {
            (Expected::Starts, Turn::Started(started)) => self.begun(id, started.token.0),
            (Expected::Waits, Turn::Waiting { .. }) => {}
            (Expected::IsNested, Turn::Over(it)) => {
                assert_eq!(it.state, State::Cancelled);
                self.reference.get_mut(id).state = State::Cancelled;
            }
            _ => panic!("{id}: expected {expected:?}, and it was {turn:?}"),
        }
    }

    /// I3, I7, I8, and what it has: all that it asked for, I10.
    fn begun(&mut self, id: OperationId, token: i64) {
        assert!(token > self.last_token, "I3: {token} after {}", self.last_token);
        self.last_token = token;
        self.clock += 1;
        let clock = self.clock;
        let own = self.reference.get_mut(id);
        (own.token, own.state, own.since) = (Some(token), State::Active, clock);
        let own = self.reference.get(id);
        let row = self.ledger.operation(id).unwrap().unwrap();
        assert_eq!(row.parts, own.parts, "I10");
        let is_part = !self.reference.line(own.parent).is_empty();
        for before in self.reference.in_state(State::Queued).filter(|it| it.order < own.order) {
            let level = self.reference.level(own, before);
            assert!(is_part || level < 3, "I8: {id} got past {}", before.id);
        }
    }

    fn change(&mut self, id: OperationId, parts: Vec<Part>, over_shared: bool) {
        let changed = Asked { parts: parts.clone(), over_shared, ..self.reference.get(id).clone() };
        let line = self.reference.line(changed.parent);
        let others = self.reference.in_state(State::Active).filter(|other| other.id != id);
        let in_the_way: Vec<OperationId> =
            others.filter(|it| self.reference.level(&changed, it) >= 3).map(|it| it.id).collect();
        let token = Token(changed.token.unwrap());
        let change = self.ledger.change(id, token, &parts, over_shared, "something else").unwrap();
        match change {
            Change::Done if in_the_way.is_empty() => {
                let clock = self.clock;
                let own = self.reference.get_mut(id);
                (own.parts, own.since) = (parts, clock);
                own.over_shared |= over_shared;
            }
            Change::Nested(parent) if line.contains(&parent) => {
                assert!(in_the_way.contains(&parent));
            }
            Change::InTheWay(mut those) if !in_the_way.iter().any(|it| line.contains(it)) => {
                those.sort_unstable();
                assert_eq!(those, in_the_way);
            }
            other => panic!("{id}: {in_the_way:?} are in the way, and it was {other:?}"),
        }
    }

    /// Until nobody who waits begins any more: then nobody could, I9, and nobody waits for itself,
    /// I11.
    fn bell(&mut self, from: usize) {
        loop {
            let mut waiting = self.ids(|it| it.state == State::Queued);
            if !waiting.is_empty() {
                let middle = from % waiting.len();
                waiting.rotate_left(middle);
            }
            let count = waiting.len();
            for id in waiting {
                self.turn(id);
            }
            if self.ids(|it| it.state == State::Queued).len() == count {
                break;
            }
        }
        for it in self.reference.in_state(State::Queued) {
            let next = self.reference.next(it.id);
            assert!(!next.is_empty(), "I9: {} could begin", it.id);
            for behind in next {
                let all = self.reference.waits_for(behind, OperationId(-1));
                assert!(!all.contains(&it.id), "I11: {} waits for itself", it.id);
            }
        }
    }

    /// I1: nobody runs beside somebody whom it would not get on with.
    fn holds(&self) {
        let running: Vec<&Asked> = self.reference.in_state(State::Active).collect();
        for one in &running {
            for other in running.iter().filter(|it| it.since > one.since) {
                let related = self.reference.line(one.parent).contains(&other.id);
                let level = self.reference.level(other, one);
                assert!(related || level < 3, "I1: {} beside {}", other.id, one.id);
            }
        }
    }

    /// I5: the ledger has everybody who asked, in the state that it should be in.
    fn ends(&mut self) {
        // Whoever writes next takes back what the dead had.
        assert!(self.ledger.cancel(OperationId(-1), "nobody").unwrap().is_none());
        for it in &self.reference.all {
            let row = self.ledger.operation(it.id).unwrap().unwrap();
            assert_eq!(row.state, it.state, "I5: {}", it.id);
            let over =
                [State::Done, State::Lost, State::Cancelled, State::Expired, State::Rejected];
            let history = self.ledger.history(it.id).unwrap();
            let ended = history.iter().filter(|line| over.iter().any(|it| it.word() == line.what));
            assert_eq!(ended.count(), usize::from(it.state.is_over()), "I5: {history:?}");
        }
        let mut live: Vec<OperationId> =
            self.ledger.snapshot().unwrap().live.iter().map(|it| it.id).collect();
        live.sort_unstable();
        assert_eq!(live, self.ids(|it| !it.state.is_over()));
    }
}

/// An owner that is dead once it is dropped, though this process lives on.
fn owner(ledger: &Ledger) -> Own {
    let mut own = Own::new(&ledger.owners()).unwrap();
    own.owner.pid_start += 1;
    own
}

fn chosen(from: &[OperationId], which: usize) -> Option<OperationId> {
    (!from.is_empty()).then(|| from[which % from.len()])
}

fn place(at: usize) -> Resource {
    match at {
        0..3 => Resource::service("E", "shop", ["web", "api", "db"][at]),
        3 => Resource::project("E", "shop"),
        _ => Resource::name("anything"),
    }
}

fn to_part((at, act, keys, implied): &(usize, usize, Vec<usize>, bool)) -> Part {
    let act = match act {
        8 => Act::Shared,
        9 => Act::Exclusive,
        kind => Act::Kind(Kind::ALL[*kind]),
    };
    let is_config = act == Act::Kind(Kind::Config);
    let keys = keys.iter().filter(|_| is_config).map(|key| format!("KEY_{key}")).collect();
    Part { resource: place(*at), act, keys, implied: *implied }
}

fn wish(request: &Request, parts: Vec<Part>, parent: Option<OperationId>) -> Wish {
    let hour = Duration::from_secs(3600);
    let refuses = if request.may_be_refused { OnConflict::Refuse } else { OnConflict::Queue };
    Wish {
        what: "something".to_owned(),
        parts,
        command: None,
        agent: format!("agent {}", request.owner),
        reason: None,
        priority: Priority::new(request.priority).unwrap(),
        expect: None,
        limit: None,
        settle: if request.settles { hour } else { Duration::ZERO },
        on_conflict: refuses,
        over_shared: request.over_shared,
        parent,
    }
}

/// `PROPTEST_CASES` asks for more.
fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let (cases, max_shrink_iters) = (asked.unwrap_or(cases), 600);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters, ..Default::default() }
}

fn does_what_the_rules_say(cases: u32, open: impl Fn(&TempDir) -> Ledger) {
    let histories = proptest::collection::vec(event(), 1..50);
    let run = TestRunner::new(config(cases)).run(&histories, |events| {
        let mut world = World::new(&open);
        for event in &events {
            world.happen(event);
            world.holds();
        }
        world.bell(0);
        world.holds();
        world.ends();
        Ok(())
    });
    run.unwrap_or_else(|found| panic!("{found}"));
}

#[test]
fn the_ledger_does_what_the_rules_say_whatever_happens() {
    does_what_the_rules_say(64, |place| Ledger::open_in(place.path()).unwrap());
}

#[test]
fn the_ledger_on_a_server_does_what_the_rules_say_whatever_happens() {
    let postgres = Postgres::start();
    let server = Server::new(&postgres.database("ledger"), None).unwrap();
    does_what_the_rules_say(24, |place| {
        postgres.ask("ledger", "DROP SCHEMA IF EXISTS lem CASCADE");
        Ledger::open_on(&server, place.path().to_owned()).unwrap()
    });
}
