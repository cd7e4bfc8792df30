//! What somebody asks the ledger for, by their words. Pure.

use std::time::Duration;

use super::arguments::Arguments;
use super::target::Target;
use super::work::Work;
use crate::coordination::agent::name_of;
use crate::coordination::operation::{OnConflict, Wish};
use crate::coordination::part::{Act, Part};

/// More of a command than people read.
const LONGEST_COMMAND: usize = 200;

/// What is asked for.
pub(super) fn wish(arguments: &Arguments, target: &Target, work: Option<&Work>) -> Wish {
    let part = Part {
        keys: arguments.keys.clone(),
        ..Part::new(target.resource.clone(), Act::Kind(arguments.kind))
    };
    let as_stranger = target.as_stranger.iter().map(|name| Part {
        resource: name.clone(),
        implied: true,
        ..part.clone()
    });
    let as_stranger: Vec<Part> = as_stranger.collect();
    let implied = if arguments.no_deps { Vec::new() } else { target.implied(arguments.kind) };
    Wish {
        what: part.to_string(),
        parts: std::iter::once(part).chain(as_stranger).chain(implied).collect(),
        command: work.map(|work| work.text().chars().take(LONGEST_COMMAND).collect()),
        agent: name_of(arguments.agent.as_deref()),
        reason: arguments.reason.clone(),
        priority: arguments.priority,
        expect: arguments.expect.map(|time| time.0),
        limit: Some(arguments.timeout.0),
        settle: settle(arguments, target, work),
        on_conflict: if arguments.queue { OnConflict::Queue } else { OnConflict::Refuse },
        over_shared: false,
        parent: None,
    }
}

/// How long the engine may go on when everybody has died, before anything else is noted.
fn settle(arguments: &Arguments, target: &Target, work: Option<&Work>) -> Duration {
    match (arguments.settle, work) {
        (Some(time), _) => time.0,
        // Before its first step it has told the engine nothing.
        (None, Some(Work::Command { bound: Some(_), .. } | Work::Look { .. })) => Duration::ZERO,
        (None, _) if target.is_of_an_engine() => arguments.kind.settle(),
        (None, _) => Duration::ZERO,
    }
}
