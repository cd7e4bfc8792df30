//! Tenures in a ledger of their own.

use std::path::Path;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::claims::Project;
use super::*;
use crate::cancel;
use crate::coordination::operation::State;
use crate::coordination::part::{Act, Part};

fn claims() -> Claims {
    let project = Project {
        engine: "E".to_owned(),
        name: "lab".to_owned(),
        held: vec!["vllm".to_owned()],
        dependencies: Vec::new(),
    };
    Claims { project: Some(project), gpus: Vec::new() }
}

async fn tenure(folder: &Path) -> (Arc<Agent>, Tenure, UnboundedReceiver<Event>) {
    let agent = Agent::in_folder("campaign", folder).await;
    let (says, heard) = unbounded_channel();
    let asking = Asking {
        command: "lem campaign a.yaml".to_owned(),
        campaign: "nightly",
        grace: Duration::ZERO,
        patience: Patience::None,
    };
    let (_raise, never) = cancel::pair();
    let tenure = Tenure::take(&agent, claims(), asking, says, &never).await.unwrap();
    (agent, tenure, heard)
}

/// Somebody who uses the service.
async fn user(folder: &Path) -> Permit {
    let agent = Agent::in_folder("user", folder).await;
    let wish = Wish {
        parts: vec![Part::new(Resource::service("E", "lab", "vllm"), Act::Shared)],
        what: "use lab/vllm".to_owned(),
        command: None,
        agent: "user".to_owned(),
        reason: None,
        priority: Priority::default(),
        expect: None,
        limit: None,
        settle: Duration::ZERO,
        on_conflict: OnConflict::Queue,
        over_shared: false,
        parent: None,
    };
    let (_raise, never) = cancel::pair();
    Permit::take(&agent, wish, Patience::None, &never, &mut |_| {}).await.unwrap()
}

async fn parts(agent: &Arc<Agent>, tenure: &Tenure) -> Vec<String> {
    let id = tenure.id().unwrap();
    let operation = agent.call(move |ledger, _| ledger.operation(id)).await.unwrap().unwrap();
    operation.parts.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_restart_waits_for_who_uses_the_service_and_the_end_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, tenure, mut heard) = tenure(folder.path()).await;
    tenure.measures().await;
    let one = user(folder.path()).await;
    let (_raise, never) = cancel::pair();
    {
        let mut restarting = std::pin::pin!(tenure.restarts(&["vllm"], &never));
        tokio::select! {
            _ = &mut restarting => panic!("it did not wait"),
            event = heard.recv() => {
                let Some(Event::TurnWaiting { what, position, .. }) = event else { panic!("{event:?}") };
                assert_eq!((what.as_deref(), position), (Some("use lab/vllm"), 0));
            }
        }
        one.end(Ending::done()).await.unwrap();
        restarting.await.unwrap();
    }
    assert_eq!(parts(&agent, &tenure).await[1], "restart lab/vllm");
    tenure.measures().await;
    let _two = user(folder.path()).await;
    tenure.ends();
    assert_eq!(parts(&agent, &tenure).await[1], "stop lab/vllm");
    let id = tenure.id().unwrap();
    tenure.end(Ending::done()).await;
    let ended = agent.call(move |ledger, _| ledger.operation(id)).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.step), (State::Done, None));
    assert_eq!(heard.try_recv().ok(), None, "nothing went wrong");
}

#[tokio::test]
async fn a_wait_for_a_restart_ends_with_the_wish_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let (_agent, tenure, mut heard) = tenure(folder.path()).await;
    tenure.measures().await;
    let _user = user(folder.path()).await;
    let (raise, cancel) = cancel::pair();
    let stop = async {
        heard.recv().await;
        raise.raise(Signal::Interrupt);
    };
    let (restarted, ()) = tokio::join!(tenure.restarts(&["vllm"], &cancel), stop);
    assert!(matches!(restarted, Err(CampaignError::Engine(EngineError::Cancelled))));
}

#[tokio::test]
async fn what_is_taken_away_or_cancelled_is_heard_of_and_a_second_end_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, tenure, _heard) = tenure(folder.path()).await;
    let id = tenure.id().unwrap();
    agent.call(move |ledger, _| ledger.cancel(id, "wanted")).await.unwrap();
    let why = "wanted".to_owned();
    assert_eq!(tenure.disturbed().await, (Signal::Terminate, Disturbance::Cancelled { why }));
    agent.call(move |ledger, _| ledger.take_away(id, "unlocked")).await.unwrap();
    let why = "unlocked".to_owned();
    assert_eq!(tenure.disturbed().await, (Signal::Terminate, Disturbance::TakenAway { why }));
    tenure.end(Ending::done()).await;
    let ended = agent.call(move |ledger, _| ledger.operation(id)).await.unwrap().unwrap();
    assert_eq!(ended.state, State::Lost);
}
