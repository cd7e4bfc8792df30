//! What a person sees of an operation that waits, is refused, or runs beside others.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{counted, say};
use crate::coordination::admission::Obstacle;
use crate::coordination::error::Met;
use crate::coordination::kind::Kind;
use crate::coordination::operation::{Operation, State};
use crate::coordination::owner::Life;
use crate::coordination::permit::Waiting;
use crate::coordination::severity::Severity;
use crate::duration::human;

/// Somebody who is in the way, and what else is known of the place.
#[derive(Debug, Clone)]
pub(in crate::cli) struct InTheWay<'a> {
    pub(in crate::cli) met: &'a Met,
    /// How long the engine may still be at it, where its owner is dead.
    pub(in crate::cli) settles: Option<Duration>,
    /// How many wait for the same place.
    pub(in crate::cli) waiting: usize,
}

impl InTheWay<'_> {
    /// The lines below the error: who it is, since when, until when.
    pub(in crate::cli) fn lines(&self) -> Vec<String> {
        let Some(holder) = &self.met.holder else { return Vec::new() };
        let command = holder.command.as_ref().map_or(String::new(), |it| format!(": `{it}`"));
        let state = if holder.state == State::Queued { ", which waits itself" } else { "" };
        let mut lines = vec![
            format!("operation {}: {}{command}{state}", holder.id, holder.what),
            by(holder),
            self.times(holder),
        ];
        lines.extend(self.life());
        if self.waiting > 0 {
            lines.push(format!("{} already", waits(self.waiting)));
        }
        lines
    }

    fn times(&self, holder: &Operation) -> String {
        let begun = holder.started_at.unwrap_or(holder.requested_at);
        let since = format!("since {} ({} ago)", clock(begun), human(age(begun)));
        match self.met.left {
            Some(Duration::ZERO) => format!("{since}, expected to have ended by now"),
            Some(left) => {
                let end = Timestamp::now().checked_add(left).map(clock).unwrap_or_default();
                format!("{since}, expected to end at {end} (in {})", human(left))
            }
            None => since,
        }
    }

    fn life(&self) -> Option<String> {
        Some(match (self.met.life?, self.settles) {
            (Life::Lives | Life::Elsewhere, _) => return None,
            (Life::Outlived, _) => "its lem is dead; what that started has it".to_owned(),
            (Life::Dead, Some(left)) => {
                format!("its lem is dead; the engine settles, {} left", human(left))
            }
            (Life::Dead | Life::OfAnotherBoot, _) => "its lem is dead".to_owned(),
        })
    }

    /// The same for programs.
    pub(in crate::cli) fn document(&self) -> Value {
        json!({
            "severity": self.met.severity,
            "reason": self.met.reason,
            "waiting": self.waiting,
            "holder": self.met.holder.as_ref().map(|holder| json!({
                "operation": holder.id,
                "state": holder.state,
                "kind": holder.kind().map(Kind::word),
                "what": holder.what,
                "command": holder.command,
                "resource": holder.parts.first().map(|part| part.resource.to_string()),
                "agent": holder.agent,
                "who": holder.who,
                "reason": holder.reason,
                "priority": holder.priority,
                "since": holder.started_at.unwrap_or(holder.requested_at),
                "expected_left_s": self.met.left.map(|left| left.as_secs_f64()),
                "liveness": self.met.life.map(life_word),
                "settles_s": self.settles.map(|left| left.as_secs_f64()),
                "step": holder.step.as_ref().map(|step| &step.what),
            })),
        })
    }
}

/// A word for programs.
fn life_word(life: Life) -> &'static str {
    match life {
        Life::Lives => "lives",
        Life::Outlived => "descendant",
        Life::Dead => "dead",
        Life::OfAnotherBoot => "another-boot",
        Life::Elsewhere => "elsewhere",
    }
}

fn by(holder: &Operation) -> String {
    let reason = holder.reason.as_ref().map_or(String::new(), |it| format!(": {it}"));
    if holder.who.starts_with(&holder.agent) {
        return format!("by {}{reason}", holder.who);
    }
    format!("by {} ({}){reason}", holder.agent, holder.who)
}

/// `2 operations wait`.
fn waits(count: usize) -> String {
    let s = if count == 1 { "s" } else { "" };
    format!("{} wait{s} for it", counted(count, "operation"))
}

/// One that waits, said once of each that it waits for.
pub(in crate::cli) fn waiting(waiting: &Waiting) {
    let met = &waiting.met;
    let before = match &met.holder {
        Some(holder) => format!("operation {} ({}, {})", holder.id, holder.what, holder.agent),
        None => "one that is just ending".to_owned(),
    };
    let left = match met.left {
        Some(left) if !left.is_zero() => format!(", expected to end in {}", human(left)),
        _ => String::new(),
    };
    let place = if waiting.position > 0 {
        format!(", place {} in the queue", waiting.position)
    } else {
        String::new()
    };
    say(&format!("operation {} waits for {before}{left}{place}: {}", waiting.id, met.reason));
}

/// What runs beside an operation and may mislead it.
pub(in crate::cli) fn cautions(beside: &[Obstacle]) {
    for it in beside.iter().filter(|it| it.severity == Severity::Medium) {
        say(&format!("warning: beside operation {}: {}", it.operation, it.reason));
    }
}

fn age(since: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_since(since)).unwrap_or_default()
}

/// The time of day here, with the day where it is another.
fn clock(moment: Timestamp) -> String {
    let zone = TimeZone::system();
    let (then, now) = (moment.to_zoned(zone.clone()), Timestamp::now().to_zoned(zone));
    let form = if then.date() == now.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    then.strftime(form).to_string()
}
