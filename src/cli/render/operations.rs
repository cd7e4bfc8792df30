//! What a person sees of operations: containers, who acts, who waits, what is held.

use std::time::Duration;

use comfy_table::{Table, presets};

use super::{out, say};
use crate::cli::operations::stats::{Numbers, Quantiles};
use crate::cli::operations::why::Explained;
use crate::cli::operations::{Document, Lock, Row, Shown, Waiting};
use crate::duration::human;

/// Everything, a table for each part that has something to show.
pub(in crate::cli) fn document(document: &Document) {
    if let Some(error) = &document.engine_error {
        say(&format!("warning: the engine does not say how containers are: {error}"));
    }
    let mut parts = Vec::new();
    if !document.containers.is_empty() {
        parts.push(containers(&document.containers));
    }
    if !document.operations.is_empty() {
        parts.push(operations(&document.operations));
    }
    if !document.queue.is_empty() {
        parts.push(waiting(&document.queue));
    }
    let today = &document.today;
    parts.push(format!(
        "today: {} requested, {} done, {} lost; {} run, {} wait",
        today.requested,
        today.done,
        today.lost,
        document.operations.len(),
        document.queue.len(),
    ));
    out(&parts.join("\n\n"));
}

/// Who waits.
pub(in crate::cli) fn queue(all: &[Waiting]) {
    if all.is_empty() { say("nobody waits") } else { out(&waiting(all)) }
}

/// What is held.
pub(in crate::cli) fn locks(all: &[Lock]) {
    if all.is_empty() {
        return say("nothing is held");
    }
    let mut table = titled(&["OPERATION", "HAS", "HOW", "TO", "AGENT", "WHO", "FOR", "OWNER"]);
    for it in all {
        table.add_row([
            it.operation.to_string(),
            it.name.clone(),
            it.mode.to_owned(),
            it.what.clone(),
            it.agent.clone(),
            it.who.clone(),
            time(it.seconds),
            it.liveness.unwrap_or("-").to_owned(),
        ]);
    }
    out(&table.to_string());
}

/// What is over, and what is not.
pub(in crate::cli) fn history(all: &[Row]) {
    if all.is_empty() {
        return say("nothing was asked for");
    }
    let mut table =
        titled(&["OPERATION", "REQUESTED", "WHAT", "AGENT", "STATE", "WAITED", "TOOK", "NOTE"]);
    for it in all {
        table.add_row([
            it.id.to_string(),
            moment(&it.requested_at),
            it.what.clone(),
            it.agent.clone(),
            it.state.to_owned(),
            time(it.waited_seconds),
            time(it.seconds),
            it.note.clone().unwrap_or_default(),
        ]);
    }
    out(&table.to_string());
}

/// One that has ended, or not yet.
pub(in crate::cli) fn ended(row: &Row) {
    let note = row.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    out(&format!("operation {}, {}, is {}{note}", row.id, row.what, word(row.state)));
}

/// The numbers of each kind and agent.
pub(in crate::cli) fn numbers(numbers: &Numbers) {
    if numbers.kinds.is_empty() {
        return say("nothing was asked for");
    }
    let mut parts = Vec::new();
    for (title, groups) in [("KIND", &numbers.kinds), ("AGENT", &numbers.agents)] {
        let mut table =
            titled(&[title, "REQUESTED", "BLOCKED", "WAITED", "TOOK p50/p95", "WAIT p50/p95", ""]);
        for (name, group) in groups {
            let outcomes: Vec<String> = group
                .outcomes
                .iter()
                .map(|(word, n)| format!("{n} {}", self::word(word)))
                .collect();
            table.add_row([
                name.clone(),
                group.requested.to_string(),
                group.blocked.to_string(),
                group.waited.to_string(),
                both(&group.seconds),
                both(&group.waited_seconds),
                outcomes.join(", "),
            ]);
        }
        parts.push(table.to_string());
    }
    out(&parts.join("\n\n"));
}

/// Why one waits, was refused or ended.
pub(in crate::cli) fn explained(explained: &Explained) {
    let row = &explained.operation;
    let mut lines = vec![format!("operation {}: {}, {}", row.id, row.what, word(row.state))];
    let mut line = |name: &str, text: String| lines.push(format!("  {name:<9} {text}"));
    let reason = row.reason.as_ref().map(|it| format!(", “{it}”")).unwrap_or_default();
    let priority = row.priority;
    line("asked by", format!("{} ({}), priority {priority}{reason}", row.agent, row.who));
    if let Some(command) = &row.command {
        line("runs", command.clone());
    }
    if let Some(liveness) = row.liveness {
        line("owner", life(liveness, row.liveness_seconds));
    }
    if let Some(left) = row.left_seconds {
        line("left", format!("about {}", time(Some(left))));
    }
    for met in &explained.behind {
        line("verdict", format!("{}: {}", met.severity, met.reason));
        let other = &met.operation;
        let ran = time(other.seconds.or(other.waited_seconds));
        line(
            "behind",
            format!(
                "operation {} ({}), {} for {ran}, {} ({}), {}",
                other.id,
                other.what,
                word(other.state),
                other.agent,
                other.who,
                expected(other.left_seconds),
            ),
        );
    }
    if let Some(position) = explained.position {
        let wait = match explained.expected_wait_seconds {
            Some(wait) => format!("about {}", time(Some(wait))),
            None => "nobody can say how long".to_owned(),
        };
        line("place", format!("{position} in the queue, {wait}"));
    }
    if let Some(cancel) = &row.cancel {
        line("cancelled", cancel.clone());
    }
    if let Some(note) = &row.note {
        line("note", note.clone());
    }
    for event in &explained.history {
        let detail = event.detail.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
        line("", format!("{}  {}{detail}", moment(&event.at), word(&event.what)));
    }
    out(&lines.join("\n"));
}

fn containers(all: &[Shown]) -> String {
    let mut table = titled(&["CONTAINER", "STATE", "HEALTH", "OPERATION", "ENGINE SAYS", ""]);
    for it in all {
        let says = match (it.observed, it.observed_seconds_ago) {
            (Some(observed), Some(age)) => format!("{observed}, {age:.1}s ago"),
            _ => "-".to_owned(),
        };
        table.add_row([
            it.name.clone(),
            it.state.to_owned(),
            it.health.clone().unwrap_or_else(|| "-".to_owned()),
            it.operation.map_or_else(|| "-".to_owned(), |id| id.to_string()),
            says,
            it.detail.clone().unwrap_or_default(),
        ]);
    }
    table.to_string()
}

fn operations(all: &[Row]) -> String {
    let mut table =
        titled(&["OPERATION", "WHAT", "AGENT", "WHO", "FOR", "EXPECTED", "OWNER", "STEP"]);
    for it in all {
        table.add_row([
            it.id.to_string(),
            it.what.clone(),
            it.agent.clone(),
            it.who.clone(),
            time(it.seconds),
            expected(it.left_seconds),
            it.liveness.map(|word| life(word, it.liveness_seconds)).unwrap_or_default(),
            it.step.clone().unwrap_or_default(),
        ]);
    }
    table.to_string()
}

fn waiting(all: &[Waiting]) -> String {
    let mut table =
        titled(&["WAITING", "PLACE", "WHAT", "AGENT", "PRIORITY", "FOR", "EXPECTED", "BEHIND"]);
    for it in all {
        let behind: Vec<String> = it.behind.iter().map(|it| it.id.to_string()).collect();
        table.add_row([
            it.operation.id.to_string(),
            it.position.to_string(),
            it.operation.what.clone(),
            it.operation.agent.clone(),
            it.operation.priority.to_string(),
            time(it.operation.waited_seconds),
            it.expected_wait_seconds
                .map_or_else(|| "unknown".to_owned(), |wait| format!("in {}", time(Some(wait)))),
            behind.join(", "),
        ]);
    }
    table.to_string()
}

fn titled(titles: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(titles);
    table
}

fn expected(left: Option<f64>) -> String {
    match left {
        Some(0.0) => "overdue".to_owned(),
        Some(left) => format!("{} left", time(Some(left))),
        None => "end unknown".to_owned(),
    }
}

fn life(word: &str, seconds: Option<f64>) -> String {
    match seconds {
        Some(_) => format!("{word}, {}", time(seconds)),
        None => word.to_owned(),
    }
}

fn word(state: &str) -> String {
    state.replace('_', " ")
}

fn both(quantiles: &Quantiles) -> String {
    match quantiles.p50 {
        Some(_) => format!("{} / {}", time(quantiles.p50), time(quantiles.p95)),
        None => "-".to_owned(),
    }
}

fn time(seconds: Option<f64>) -> String {
    let time = seconds.and_then(|it| Duration::try_from_secs_f64(it).ok());
    time.map_or_else(|| "-".to_owned(), human)
}

/// A moment as a clock on the wall here shows it.
fn moment(text: &str) -> String {
    let zoned = text.parse::<jiff::Timestamp>().map(|at| at.to_zoned(jiff::tz::TimeZone::system()));
    zoned.map_or_else(|_| text.to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}
