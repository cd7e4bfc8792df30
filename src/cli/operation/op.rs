//! One operation from its words to its end.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::attend::{Attending, Cause, Ended};
use super::error::OperationError;
use super::place::{Site, Strangers, Target};
use crate::cancel::Cancel;
use crate::cli::exit::{self, Failure};
use crate::cli::render::{self, operation as show};
use crate::cli::runtime::block_on;
use crate::coordination::agent::{Agent, name_of};
use crate::coordination::error::{CoordinationError, Met};
use crate::coordination::ledger::Ending;
use crate::coordination::operation::{OnConflict, State, Wish};
use crate::coordination::part::{Act, Part};
use crate::coordination::permit::{Disturbance, Permit};
use crate::duration::human;
use crate::engine::process::Exit;

/// Runs `lem op`.
pub(in crate::cli) fn run(arguments: Arguments) -> ExitCode {
    block_on::<_, OperationError>(async |cancel: &Cancel| {
        let mut document = json!({
            "operation": null,
            "kind": arguments.kind,
            "container": arguments.container,
        });
        let done = asked_for(&arguments, cancel, &mut document).await;
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
    let agent = Agent::open(arguments.agent.as_deref()).await?;
    let mut site = Site::here(&arguments.place, &agent, cancel).await?;
    let target = target(&mut site, arguments).await?;
    for note in &site.notes {
        render::say(&format!("note: {note}"));
    }
    let wish = wish(arguments, &target);
    document["resource"] = json!(target.resource.to_string());
    document["agent"] = json!(wish.agent);
    let what = wish.what.clone();
    let patience = arguments.patience();
    let asked = Instant::now();
    let mut tell = |it: &_| show::waiting(it);
    let permit = match Permit::take(&agent, wish, patience, cancel, &mut tell).await {
        Ok(permit) => permit,
        Err(error) => return Err(in_the_way(&agent, error, arguments, &target, document).await?),
    };
    document["operation"] = json!(permit.id);
    document["waited_s"] = json!(asked.elapsed().as_secs_f64());
    show::cautions(&permit.beside);
    let begun = Instant::now();
    let limit = arguments.timeout.0;
    let attending = Attending {
        agent: &agent,
        permit: &permit,
        command: &arguments.command,
        limit: Some(limit),
        cancel,
    };
    let ended = match attending.run().await {
        Ok(ended) => ended,
        Err(error) => {
            permit.end(Ending::failed(error.to_string())).await?;
            return Err(error);
        }
    };
    document["took_s"] = json!(begun.elapsed().as_secs_f64());
    conclude(permit, &what, &ended, limit, document).await
}

async fn target(site: &mut Site<'_>, arguments: &Arguments) -> Result<Target, OperationError> {
    let strangers =
        if arguments.command.is_empty() { Strangers::Refused } else { Strangers::Welcome };
    match arguments.container.as_deref() {
        Some(name) => site.find(name, strangers).await,
        None => site.whole_project().await,
    }
}

fn wish(arguments: &Arguments, target: &Target) -> Wish {
    let part = Part {
        keys: arguments.keys.clone(),
        ..Part::new(target.resource.clone(), Act::Kind(arguments.kind))
    };
    let words: Vec<_> = arguments.command.iter().map(|word| word.to_string_lossy()).collect();
    let command: String = words.join(" ").chars().take(200).collect();
    let settle = match arguments.settle {
        Some(time) => time.0,
        None if target.is_of_an_engine() => arguments.kind.settle(),
        None => Duration::ZERO,
    };
    let what = part.to_string();
    let implied = if arguments.no_deps { Vec::new() } else { target.implied(arguments.kind) };
    Wish {
        what,
        parts: std::iter::once(part).chain(implied).collect(),
        command: Some(command).filter(|it| !it.is_empty()),
        agent: name_of(arguments.agent.as_deref()),
        reason: arguments.reason.clone(),
        priority: arguments.priority,
        expect: arguments.expect.map(|time| time.0),
        limit: Some(arguments.timeout.0),
        settle,
        on_conflict: if arguments.queue { OnConflict::Queue } else { OnConflict::Refuse },
        over_shared: false,
        parent: None,
    }
}

/// The operation's end, as the command's says.
async fn conclude(
    permit: Permit,
    what: &str,
    ended: &Ended,
    limit: Duration,
    document: &mut Value,
) -> Result<u8, OperationError> {
    let id = permit.id;
    let code = match ended.exit {
        Exit::Code(code) => u8::try_from(code).unwrap_or(u8::MAX),
        Exit::Signal(signal) => 128_u8.saturating_add(u8::try_from(signal).unwrap_or(0)),
    };
    let (state, note) = match &ended.cause {
        Some(Cause::TookTooLong) => {
            (State::TimedOut, Some(format!("it took longer than {}", human(limit))))
        }
        Some(Cause::Disturbed(Disturbance::Cancelled { why })) => {
            (State::Cancelled, Some(why.clone()))
        }
        Some(Cause::Interrupted(signal)) => (State::Cancelled, Some(format!("by {signal}"))),
        Some(Cause::Disturbed(Disturbance::TakenAway { why })) => {
            document["state"] = json!(State::Lost);
            return Err(CoordinationError::TakenAway { id, why: why.clone() }.into());
        }
        None if code == 0 => (State::Done, None),
        None => (State::Failed, Some(ended.exit.to_string())),
    };
    document["state"] = json!(state);
    permit.end(Ending { state, exit_code: Some(i32::from(code)), note }).await?;
    match &ended.cause {
        Some(Cause::TookTooLong) => {
            let limit = human(limit);
            render::say(&format!("error: operation {id} ({what}) took longer than {limit}"));
            render::say("hint: give it longer: `--timeout 30m`");
            Ok(exit::TIME_LIMIT)
        }
        Some(Cause::Disturbed(Disturbance::Cancelled { why })) => {
            Err(CoordinationError::CancelledByOther { id, why: why.clone() }.into())
        }
        _ => Ok(code),
    }
}

/// The same error with all that is known of who is in the way.
async fn in_the_way(
    agent: &Arc<Agent>,
    error: CoordinationError,
    arguments: &Arguments,
    target: &Target,
    document: &mut Value,
) -> Result<OperationError, OperationError> {
    use CoordinationError as E;
    let met: &Met = match &error {
        E::Blocked { blocked } | E::WouldWait { blocked } | E::Expired { blocked, .. } => blocked,
        _ => return Ok(error.into()),
    };
    let snapshot = agent.call(|ledger, _| ledger.snapshot()).await?;
    let same = |part: &Part| part.resource == target.resource;
    let waits = |it: &&_| {
        let it: &crate::coordination::operation::Operation = it;
        it.state == State::Queued && it.parts.iter().any(same)
    };
    let holder = met.holder.as_ref();
    let freed = holder.and_then(|it| it.freed.map(|freed| it.settled(freed)));
    let in_the_way = show::InTheWay {
        met,
        settles: freed.map(|settled| settled.since(snapshot.now)),
        waiting: snapshot.live.iter().filter(waits).count(),
    };
    document["in_the_way"] = in_the_way.document();
    let can_join = holder
        .is_some_and(|it| it.kind() == Some(arguments.kind) && it.parts.first().is_some_and(same));
    let lines = in_the_way.lines();
    document["state"] = json!(match &error {
        E::Expired { .. } => State::Expired,
        _ => State::Rejected,
    });
    Ok(OperationError::InTheWay { source: error, lines, can_join })
}
