//! One operation from its words to its end.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::attend::{Attending, Ended};
use super::conclude::conclude;
use super::error::OperationError;
use super::explain::Prospect;
use super::join::join;
use super::look::look;
use super::place::{Site, Strangers};
use super::target::Target;
use super::wish::wish;
use super::work::Work;
use crate::cancel::Cancel;
use crate::cli::exit::{self, Failure};
use crate::cli::ledger;
use crate::cli::render::{self, operation as show};
use crate::cli::runtime::block_on;
use crate::coordination::agent::Agent;
use crate::coordination::error::{CoordinationError, Met};
use crate::coordination::ledger::{Ending, Snapshot};
use crate::coordination::operation::{Operation, State, Wish};
use crate::coordination::permit::Permit;
use crate::engine::process::Exit;

/// Runs `lem op`.
pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    block_on::<_, OperationError>(async |cancel: &Cancel| {
        let mut document = json!({
            "operation": null,
            "kind": arguments.kind,
            "container": arguments.container,
        });
        let done = asked_for(arguments, cancel, &mut document).await;
        if arguments.json {
            match &done {
                Ok(code) => document["exit_code"] = json!(code),
                Err(error) => {
                    document["exit_code"] = json!(error.code());
                    document["error"] = json!(error.to_string());
                    document["hint"] = json!(error.hint());
                }
            }
            render::json(&document);
        }
        done
    })
}

async fn asked_for(
    arguments: &Arguments,
    cancel: &Cancel,
    document: &mut Value,
) -> Result<u8, OperationError> {
    let agent = ledger::agent(arguments.agent.as_deref()).await?;
    let mut site = Site::here(&arguments.place, &agent, cancel).await?;
    let target = target(&mut site, arguments).await?;
    for note in &site.notes {
        render::say(&format!("note: {note}"));
    }
    document["resource"] = json!(target.resource.to_string());
    document["agent"] = json!(agent.name());
    if arguments.explain {
        let wish = wish(arguments, &target, None);
        return explain(&agent, &wish, None, arguments, document).await;
    }
    let work = Work::of(arguments, &mut site, &target).await?;
    let wish = wish(arguments, &target, Some(&work));
    if arguments.dry_run {
        return explain(&agent, &wish, Some(&work), arguments, document).await;
    }
    let asked = Instant::now();
    let mut tell = |it: &_| show::waiting(it);
    let (patience, what) = (arguments.patience(), wish.what.clone());
    let permit = match Permit::take(&agent, wish, patience, cancel, &mut tell).await {
        Ok(permit) => permit,
        Err(error) => return not_taken(&agent, error, arguments, cancel, document).await,
    };
    document["operation"] = json!(permit.id);
    document["waited_s"] = json!(asked.elapsed().as_secs_f64());
    show::cautions(&permit.beside);
    let begun = Instant::now();
    let done = perform(&work, arguments, &site, &agent, &permit, cancel, document).await;
    document["took_s"] = json!(begun.elapsed().as_secs_f64());
    match done {
        Ok(ended) => conclude(permit, &what, &ended, arguments.timeout.0, document).await,
        Err(error) => {
            let state = match error {
                OperationError::Cancelled { .. } => State::Cancelled,
                _ => State::Failed,
            };
            document["state"] = json!(state);
            permit.end(Ending { state, exit_code: None, note: Some(error.to_string()) }).await?;
            Err(error)
        }
    }
}

async fn target(site: &mut Site<'_>, arguments: &Arguments) -> Result<Target, OperationError> {
    let strangers = if arguments.command.is_empty() && !arguments.explain {
        Strangers::Refused
    } else {
        Strangers::Welcome
    };
    match arguments.container.as_deref() {
        Some(name) => site.find(name, strangers).await,
        None => site.whole_project().await,
    }
}

/// Does it. What the engine is told is noted before.
async fn perform(
    work: &Work,
    arguments: &Arguments,
    site: &Site<'_>,
    agent: &Agent,
    permit: &Permit,
    cancel: &Cancel,
    document: &mut Value,
) -> Result<Ended, OperationError> {
    match work {
        Work::Look { docker, containers } => {
            let code = look(site, docker, containers, document, arguments.json).await?;
            Ok(Ended { exit: Exit::Code(code.into()), cause: None })
        }
        Work::Command { words, bound } => {
            if let Some(bound) = bound {
                permit.step(Some((work.text().as_str(), *bound))).await?;
            }
            let limit = Some(arguments.timeout.0);
            let attending = Attending { agent, permit, command: words, limit, cancel };
            let ended = attending.run().await?;
            if bound.is_some() && ended.cause.is_none() && matches!(ended.exit, Exit::Code(_)) {
                // What does not get into the ledger is said with the end.
                let _ = permit.step(None).await;
            }
            Ok(ended)
        }
    }
}

/// Says what would become of it.
async fn explain(
    agent: &Arc<Agent>,
    wish: &Wish,
    work: Option<&Work>,
    arguments: &Arguments,
    document: &mut Value,
) -> Result<u8, OperationError> {
    let snapshot = agent.call(|ledger, _| ledger.snapshot()).await?;
    let prospect = Prospect::of(wish, agent.parent(), &snapshot);
    let command = work.map(Work::text);
    if arguments.json {
        document["prospect"] = prospect.document(&snapshot);
        document["command"] = json!(command);
    } else {
        prospect.show(wish, command.as_deref(), &snapshot);
    }
    Ok(exit::DONE)
}

/// What becomes of one that somebody is in the way of: it joins that one, or is told all about it.
async fn not_taken(
    agent: &Arc<Agent>,
    error: CoordinationError,
    arguments: &Arguments,
    cancel: &Cancel,
    document: &mut Value,
) -> Result<u8, OperationError> {
    use CoordinationError as E;
    let (met, state): (&Met, State) = match &error {
        E::Blocked { blocked } | E::WouldWait { blocked } => (blocked, State::Rejected),
        E::Expired { blocked, .. } => (blocked, State::Expired),
        _ => return Err(error.into()),
    };
    let snapshot = agent.call(|ledger, _| ledger.snapshot()).await?;
    let is_same = |it: &&Operation| {
        it.kind() == Some(arguments.kind)
            && it.parts.first().is_some_and(|it| {
                Some(it.resource.to_string().as_str()) == document["resource"].as_str()
            })
    };
    let same = met.holder.as_ref().filter(is_same);
    if let (E::Blocked { blocked }, Some(holder), true) = (&error, same, arguments.join) {
        return join(agent, blocked, holder, arguments.wait.0, cancel, document).await;
    }
    let can_join = same.is_some();
    let in_the_way = in_the_way(met, &snapshot);
    document["in_the_way"] = in_the_way.document();
    document["state"] = json!(state);
    let lines = in_the_way.lines();
    Err(OperationError::InTheWay { error, lines, can_join })
}

/// With what else is known of it.
fn in_the_way<'a>(met: &'a Met, snapshot: &Snapshot) -> show::InTheWay<'a> {
    let holder = met.holder.as_ref();
    let settled = holder.and_then(|it| it.freed.map(|freed| it.settled(freed)));
    let is_same = |one: &Operation, other: &Operation| {
        one.parts.iter().any(|part| other.parts.iter().any(|it| it.resource == part.resource))
    };
    let waits = |it: &&Operation| {
        it.state == State::Queued && holder.is_some_and(|holder| is_same(holder, it))
    };
    show::InTheWay {
        met,
        settles: settled.map(|settled| settled.since(snapshot.now)),
        waiting: snapshot.live.iter().filter(waits).count(),
    }
}
