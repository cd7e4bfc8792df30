//! Permits, as two agents of one ledger get them.

use tempfile::TempDir;

use super::*;
use crate::cancel::{self, Raise, Signal};
use crate::coordination::kind::Kind;
use crate::coordination::operation::{OnConflict, Priority};
use crate::coordination::part::Act;
use crate::coordination::resource::Resource;

struct World {
    folder: TempDir,
    cancel: Cancel,
    _raise: Raise,
}

impl World {
    fn new() -> Self {
        let (raise, cancel) = cancel::pair();
        Self { folder: tempfile::tempdir().unwrap(), cancel, _raise: raise }
    }

    async fn agent(&self, name: &str) -> Arc<Agent> {
        Agent::in_folder(name, self.folder.path()).await
    }

    async fn ask(&self, agent: &Arc<Agent>, wish: Wish) -> Result<Permit, CoordinationError> {
        Permit::take(agent, wish, Patience::None, &self.cancel, &mut |_| {}).await
    }

    async fn wait(&self, agent: &Arc<Agent>, wish: Wish) -> Result<Permit, CoordinationError> {
        let patience = Patience::For(Duration::from_secs(20));
        Permit::take(agent, wish, patience, &self.cancel, &mut |_| {}).await
    }
}

fn wish(kind: Kind, name: &str) -> Wish {
    Wish {
        parts: vec![Part::new(Resource::name(name), Act::Kind(kind))],
        what: format!("{kind} {name}"),
        command: None,
        agent: "tester".to_owned(),
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

#[tokio::test]
async fn a_second_restart_is_blocked_and_told_who_is_at_it() {
    let world = World::new();
    let (one, two) = (world.agent("one").await, world.agent("two").await);
    let held = world.ask(&one, wish(Kind::Restart, "api")).await.unwrap();
    let refused = world.wait(&two, wish(Kind::Restart, "api")).await.unwrap_err();
    let CoordinationError::Blocked { blocked } = refused else { panic!("{refused}") };
    assert_eq!(blocked.holder.unwrap().id, held.id);
    held.end(Ending::done()).await.unwrap();
    world.ask(&two, wish(Kind::Restart, "api")).await.unwrap().end(Ending::done()).await.unwrap();
}

#[tokio::test]
async fn who_waits_begins_when_the_one_before_it_has_ended_and_tokens_grow() {
    let world = World::new();
    let (one, two) = (world.agent("one").await, world.agent("two").await);
    let held = world.ask(&one, wish(Kind::Restart, "api")).await.unwrap();
    let waiting = world.wait(&two, wish(Kind::Config, "api"));
    tokio::pin!(waiting);
    tokio::select! {
        taken = &mut waiting => panic!("{taken:?}"),
        () = sleep(Duration::from_millis(100)) => {}
    }
    let first = held.token;
    held.end(Ending::done()).await.unwrap();
    let next = waiting.await.unwrap();
    assert!(next.token > first);
}

#[tokio::test]
async fn two_that_look_overlap_and_a_cancelled_wait_leaves_the_queue() {
    let world = World::new();
    let one = world.agent("one").await;
    let a = world.ask(&one, wish(Kind::Read, "api")).await.unwrap();
    let b = world.ask(&one, wish(Kind::Read, "api")).await.unwrap();
    drop((a, b));
    let _held = world.ask(&one, wish(Kind::Deploy, "api")).await.unwrap();
    let (raise, cancel) = cancel::pair();
    let patience = Patience::Endless;
    let mut told = Vec::new();
    let mut tell = |it: &Waiting| told.push((it.position, it.met.reason.clone()));
    let waiting = Permit::take(&one, wish(Kind::Scale, "api"), patience, &cancel, &mut tell);
    let (gone, ()) = tokio::join!(waiting, async {
        sleep(Duration::from_millis(50)).await;
        raise.raise(Signal::Interrupt);
    });
    assert!(matches!(gone, Err(CoordinationError::Cancelled { .. })));
    assert_eq!(told, [(1, "replicas come and go under the deployment".to_owned())]);
    let left = one.call(|ledger, _| ledger.snapshot()).await.unwrap().live;
    assert_eq!(left.len(), 1);
}

#[tokio::test]
async fn what_a_change_gives_back_is_free_at_once() {
    let world = World::new();
    let (one, two) = (world.agent("one").await, world.agent("two").await);
    let api = Resource::name("api");
    let held = world.ask(&one, wish(Kind::Deploy, "api")).await.unwrap();
    let shared = vec![Part::new(api.clone(), Act::Shared)];
    let patience = Patience::None;
    held.change(shared.clone(), "use api", false, patience, &world.cancel, &mut |_| {})
        .await
        .unwrap();
    let lease = Wish { parts: shared, ..wish(Kind::Read, "api") };
    let other = world.ask(&two, lease).await.unwrap();
    let stop = vec![Part::new(api, Act::Kind(Kind::Stop))];
    let refused = held
        .change(stop.clone(), "stop api", false, patience, &world.cancel, &mut |_| {})
        .await
        .unwrap_err();
    assert!(matches!(refused, CoordinationError::Expired { .. }));
    held.change(stop, "stop api", true, patience, &world.cancel, &mut |_| {}).await.unwrap();
    drop(other);
}

#[tokio::test]
async fn who_gives_up_waiting_for_an_answer_leaves_nothing() {
    let world = World::new();
    let (one, two) = (world.agent("one").await, world.agent("two").await);
    for round in 0..40_u64 {
        let asking = world.wait(&one, wish(Kind::Restart, "api"));
        let _ = tokio::time::timeout(Duration::from_micros(round * 50), asking).await;
    }
    let next = world.wait(&two, Wish { on_conflict: OnConflict::Queue, ..wish(Kind::Stop, "api") });
    next.await.unwrap().end(Ending::done()).await.unwrap();
    assert!(one.call(|ledger, _| ledger.snapshot()).await.unwrap().live.is_empty());
}
