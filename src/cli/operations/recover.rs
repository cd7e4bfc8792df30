//! A container that broke is started again, as an ordinary operation that anybody may cancel.

use std::time::Duration;

use jiff::Timestamp;

use super::observe::observe;
use crate::cancel::Cancel;
use crate::cli::ledger;
use crate::coordination::error::CoordinationError;
use crate::coordination::kind::Kind;
use crate::coordination::ledger::{Board, Ending, Known};
use crate::coordination::operation::{OnConflict, Operation, OperationId, Priority, State, Wish};
use crate::coordination::part::{Act, Part};
use crate::coordination::permit::{Patience, Permit};
use crate::coordination::recovery::{AGENT, Case, Remedy, TRIES, remedy};
use crate::coordination::resource::Resource;
use crate::engine::condition::{Condition, Sum};
use crate::engine::container::Docker;
use crate::engine::error::EngineError;
use crate::engine::process::capture;
use crate::engine::reply::Container;

/// How long a start may take.
const STARTING: Duration = Duration::from_secs(30);

/// What became of a try.
#[derive(Debug)]
pub(super) enum Tried {
    Started {
        id: OperationId,
    },
    Failed {
        id: OperationId,
        why: String,
    },
    /// Somebody else is at it, or was a moment ago.
    NotNow,
}

/// What is to be done about something that is known; its containers are as they were seen.
pub(super) fn decide(
    resource: &Resource,
    seen: &[&(Container, Condition)],
    lately: &[Operation],
    board: &Board,
    own: Option<OperationId>,
) -> Remedy {
    let broken = seen.iter().find(|(_, it)| it.sum() == Sum::Error);
    let Some((_, condition)) = broken.or(seen.iter().find(|(_, it)| it.sum() == Sum::Stopped))
    else {
        return Remedy::Leave;
    };
    let fault = condition.fault();
    let needs: Vec<&Resource> = board.snapshot.graph.needs(resource).chain([resource]).collect();
    let is_at = |it: &Operation| {
        it.parts.iter().any(|part| {
            let reaches = |of: &&Resource| {
                part.resource == **of || of.above().any(|above| above == part.resource)
            };
            !matches!(part.act, Act::Kind(kind) if kind.only_looks()) && needs.iter().any(reaches)
        })
    };
    let case = Case {
        runs: false,
        fault: fault.as_deref(),
        started_at: condition.started_at,
        finished_at: condition.finished_at,
        is_busy: board.snapshot.live.iter().any(|it| Some(it.id) != own && is_at(it)),
        lately,
    };
    remedy(&case, Timestamp::now())
}

/// Tries to start what is stopped of something.
pub(super) async fn start(
    known: &Known,
    number: usize,
    why: &str,
    cancel: &Cancel,
) -> Result<Tried, CoordinationError> {
    let agent = ledger::agent(Some(AGENT)).await?;
    let part = Part::new(known.resource.clone(), Act::Kind(Kind::Start));
    let wish = Wish {
        what: part.to_string(),
        parts: vec![part],
        command: Some("docker start".to_owned()),
        agent: AGENT.to_owned(),
        reason: Some(format!("{why}; try {number} of {TRIES}")),
        priority: Priority::new(3).unwrap_or_default(),
        expect: None,
        limit: Some(STARTING),
        settle: Kind::Start.settle(),
        on_conflict: OnConflict::Refuse,
        over_shared: false,
        parent: None,
    };
    let taken = Permit::take(&agent, wish, Patience::None, cancel, &mut |_| {}).await;
    let permit = match taken {
        Ok(permit) => permit,
        Err(
            CoordinationError::Blocked { .. }
            | CoordinationError::WouldWait { .. }
            | CoordinationError::QueueFull { .. }
            | CoordinationError::AgentFull { .. },
        ) => return Ok(Tried::NotNow),
        Err(error) => return Err(error),
    };
    let id = permit.id;
    // Somebody may have stopped it, or started it, since it was looked at.
    let resource = known.resource.clone();
    let (lately, board) = agent
        .call(move |ledger, _| Ok((ledger.lately(&resource)?, ledger.board(Timestamp::now())?)))
        .await?;
    let observation = observe(std::slice::from_ref(known), cancel).await;
    let seen = observation.as_ref().and_then(|it| it.of(&known.resource)).unwrap_or_default();
    let still = decide(&known.resource, &seen, &lately, &board, Some(id));
    if !matches!(still, Remedy::Start { .. }) {
        let note = Some("it is not wanted any more".to_owned());
        permit.end(Ending { state: State::Cancelled, exit_code: None, note }).await?;
        return Ok(Tried::NotNow);
    }
    let down = |(_, it): &&&(Container, Condition)| {
        matches!(it.sum(), Sum::Stopped | Sum::Error) && it.status != "dead"
    };
    let ids: Vec<&str> = seen.iter().filter(down).map(|(it, _)| it.id.as_str()).collect();
    let length = STARTING * u32::try_from(ids.len()).unwrap_or(1);
    permit.step(Some(("docker start", length))).await?;
    let started = start_all(&ids, cancel).await;
    permit.step(None).await?;
    match started {
        Ok(()) => {
            permit.end(Ending::done()).await?;
            Ok(Tried::Started { id })
        }
        Err(error) => {
            let why = error.to_string();
            permit.end(Ending::failed(why.clone())).await?;
            Ok(Tried::Failed { id, why })
        }
    }
}

async fn start_all(ids: &[&str], cancel: &Cancel) -> Result<(), EngineError> {
    let docker = Docker(which::which("docker").map_err(|_| EngineError::DockerMissing)?);
    for id in ids {
        let start = docker.start(id);
        capture(&start, STARTING, cancel).await?.success(&start)?;
    }
    Ok(())
}
