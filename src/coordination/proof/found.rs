//! What the rules written a second time, and a hostile reading, have found: each as a short story.

use std::time::Duration;

use tempfile::TempDir;

use crate::coordination::kind::Kind;
use crate::coordination::ledger::{Answer, Change, Ending, Known, Ledger, Turn};
use crate::coordination::operation::{OnConflict, OperationId, Priority, Token, Wish};
use crate::coordination::owner::Own;
use crate::coordination::part::{Act, Part};
use crate::coordination::resource::Resource;

struct Story {
    ledger: Ledger,
    own: Own,
    _folder: TempDir,
}

impl Story {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let ledger = Ledger::open_in(folder.path()).unwrap();
        let own = Own::new(&ledger.owners()).unwrap();
        Self { ledger, own, _folder: folder }
    }

    fn ask(&mut self, wish: &Wish) -> Answer {
        self.ledger.ask(wish, &self.own.owner, true).unwrap()
    }

    fn begin(&mut self, wish: &Wish) -> (OperationId, Token) {
        match self.ask(wish) {
            Answer::Started(started) => (started.id, started.token),
            other => panic!("{} did not begin: {other:?}", wish.what),
        }
    }

    fn queue(&mut self, wish: &Wish) -> OperationId {
        match self.ask(wish) {
            Answer::Queued { id, .. } => id,
            other => panic!("{} was not queued: {other:?}", wish.what),
        }
    }

    fn begins(&mut self, id: OperationId) -> bool {
        matches!(self.ledger.turn(id).unwrap(), Turn::Started(_))
    }

    fn finish(&mut self, (id, token): (OperationId, Token)) {
        assert!(self.ledger.finish(id, token, &Ending::done()).unwrap());
    }
}

fn wish(act: Act, name: &str) -> Wish {
    Wish {
        parts: vec![Part::new(Resource::name(name), act)],
        what: format!("{} {name}", act.word()),
        command: None,
        agent: "somebody".to_owned(),
        reason: None,
        priority: Priority::default(),
        expect: None,
        limit: None,
        settle: Duration::ZERO,
        on_conflict: OnConflict::Refuse,
        over_shared: false,
        parent: None,
    }
}

fn within(parent: (OperationId, Token), wish: Wish) -> Wish {
    Wish { parent: Some(parent.0), ..wish }
}

fn config(name: &str, key: &str) -> Wish {
    let mut wish = wish(Act::Kind(Kind::Config), name);
    wish.parts[0].keys.push(key.to_owned());
    wish
}

#[test]
fn what_is_part_of_an_operation_does_not_wait_for_who_waits_for_that() {
    let mut story = Story::new();
    let held = story.begin(&wish(Act::Exclusive, "api"));
    story.queue(&wish(Act::Kind(Kind::Scale), "api"));
    let part = story.begin(&within(held, wish(Act::Kind(Kind::Config), "api")));
    story.finish(part);
}

#[test]
fn the_second_of_two_that_would_wait_for_each_others_parts_is_told_so() {
    let mut story = Story::new();
    let one = story.begin(&wish(Act::Exclusive, "one"));
    let two = story.begin(&wish(Act::Exclusive, "two"));
    let waiting = story.queue(&within(one, wish(Act::Exclusive, "two")));
    let answer = story.ask(&within(two, wish(Act::Exclusive, "one")));
    assert!(matches!(answer, Answer::Nested { .. }), "{answer:?}");
    story.finish(two);
    assert!(story.begins(waiting));
}

#[test]
fn what_is_part_of_an_operation_changes_within_it_and_beyond_it_is_told_so() {
    let mut story = Story::new();
    let held = story.begin(&wish(Act::Kind(Kind::Start), "api"));
    let (id, token) = story.begin(&within(held, wish(Act::Kind(Kind::Restart), "api")));
    let mut change = |act| {
        let parts = [Part::new(Resource::name("api"), act)];
        story.ledger.change(id, token, &parts, false, "something else").unwrap()
    };
    assert_eq!(change(Act::Kind(Kind::Stop)), Change::Done);
    assert_eq!(change(Act::Exclusive), Change::Nested(held.0));
}

#[test]
fn a_part_that_waits_for_its_own_operation_after_that_changed_leaves_the_queue() {
    let mut story = Story::new();
    let held = story.begin(&wish(Act::Exclusive, "api"));
    let other = story.begin(&within(held, wish(Act::Kind(Kind::Deploy), "api")));
    let waiting = story.queue(&within(held, wish(Act::Kind(Kind::Scale), "api")));
    story.finish(other);
    let (id, token) = held;
    let parts = [Part::new(Resource::name("api"), Act::Shared)];
    assert_eq!(story.ledger.change(id, token, &parts, false, "use").unwrap(), Change::Done);
    assert!(matches!(story.ledger.turn(waiting).unwrap(), Turn::Over(_)));
    assert_eq!(story.ledger.snapshot().unwrap().live.len(), 1);
}

#[test]
fn a_container_has_three_operations_at_once_of_which_two_look() {
    let mut story = Story::new();
    let changes = ["A", "B"].map(|key| story.begin(&config("api", key)));
    let look = wish(Act::Kind(Kind::Read), "api");
    let read = story.begin(&look);
    let waits = story.queue(&look);
    let third = story.queue(&config("api", "C"));
    story.finish(read);
    // Both could; the one that was first does.
    assert!(!story.begins(third) && story.begins(waits) && !story.begins(third));
    story.finish(changes[0]);
    assert!(story.begins(third));
}

#[test]
fn two_that_look_leave_a_place_to_a_restart_however_many_more_want_to_look() {
    let mut story = Story::new();
    let look = wish(Act::Kind(Kind::Read), "api");
    for _ in 0..2 {
        story.begin(&look);
    }
    for _ in 0..5 {
        story.queue(&look);
    }
    story.begin(&wish(Act::Kind(Kind::Restart), "api"));
}

#[test]
fn what_somebody_was_doing_when_it_died_is_waited_for_and_not_a_reason_to_refuse() {
    let mut story = Story::new();
    let restart = wish(Act::Kind(Kind::Restart), "api");
    story.begin(&Wish { settle: Duration::from_millis(300), ..restart.clone() });
    assert!(matches!(story.ask(&restart), Answer::Refused { .. }));
    // The process itself lives on: for the ledger it is another one with that number.
    let mut dead = Own::new(&story.ledger.owners()).unwrap();
    dead.owner.pid_start += 1;
    let begun = story.ledger.ask(
        &Wish { settle: Duration::from_millis(300), ..wish(Act::Kind(Kind::Restart), "web") },
        &dead.owner,
        true,
    );
    assert!(matches!(begun, Ok(Answer::Started(_))));
    drop(dead);
    let waiting = story.queue(&wish(Act::Kind(Kind::Restart), "web"));
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !story.begins(waiting) {
        assert!(std::time::Instant::now() < deadline, "the engine never settles");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn a_restart_that_waits_is_not_passed_by_starts_of_what_it_needs() {
    let mut story = Story::new();
    let known = |name: &str, needs: &[&str]| Known {
        resource: Resource::name(name),
        names: Vec::new(),
        ports: Vec::new(),
        needs: Some(needs.iter().map(|it| Resource::name(it)).collect()),
        source: "the test".to_owned(),
    };
    story.ledger.learn(&[known("web", &["db"]), known("db", &[])]).unwrap();
    let writing = story.begin(&config("web", "A"));
    let restart = story.queue(&wish(Act::Kind(Kind::Restart), "web"));
    let start = story.queue(&wish(Act::Kind(Kind::Start), "db"));
    assert!(!story.begins(start));
    story.finish(writing);
    assert!(story.begins(restart));
}

#[test]
fn the_queue_of_a_project_has_a_hundred_places_and_an_agent_twenty_of_them() {
    let mut story = Story::new();
    story.begin(&wish(Act::Exclusive, "api"));
    let of = |agent: usize| Wish {
        agent: format!("agent {agent}"),
        ..wish(Act::Kind(Kind::Scale), "api")
    };
    for agent in 0..5 {
        for _ in 0..20 {
            story.queue(&of(agent));
        }
        let full = story.ask(&of(agent));
        assert!(matches!(full, Answer::Full { waiting: 20, .. }), "{full:?}");
    }
    let full = story.ask(&of(5));
    assert!(matches!(full, Answer::Full { waiting: 100, .. }), "{full:?}");
    let live = story.ledger.snapshot().unwrap().live.len();
    assert_eq!(live, 101, "I6: who is turned away leaves nothing");
}

#[test]
fn what_outlives_the_operation_that_it_is_part_of_is_part_of_the_one_above() {
    let mut story = Story::new();
    let held = story.begin(&wish(Act::Exclusive, "api"));
    let middle = story.begin(&within(held, wish(Act::Kind(Kind::Deploy), "api")));
    let (id, token) = story.begin(&within(middle, wish(Act::Kind(Kind::Restart), "api")));
    story.finish(middle);
    let parts = [Part::new(Resource::name("api"), Act::Kind(Kind::Stop))];
    assert_eq!(story.ledger.change(id, token, &parts, false, "stop").unwrap(), Change::Done);
}
