//! A campaign's end as a table.

use comfy_table::{CellAlignment, Table, presets};

use super::{counted, out};
use crate::campaign::event::Summary;
use crate::duration::{human, measured};

/// Failed runs that are listed; the rest is counted.
const SHOWN: usize = 10;

/// The summary, on standard output.
pub(in crate::cli) fn summary(summary: &Summary) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let first = match summary.grouped_by.as_slice() {
        [] => "experiment".to_owned(),
        keys => keys.join(", "),
    };
    table.set_header([first.as_str(), "runs", "completed", "failed", "mean", "± 95 %"]);
    for experiment in &summary.experiments {
        table.add_row([
            experiment.experiment.clone(),
            experiment.runs.to_string(),
            experiment.completed.to_string(),
            experiment.failed.to_string(),
            seconds(experiment.mean_seconds),
            seconds(experiment.confidence_seconds),
        ]);
    }
    for column in 1..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    out(&format!("\n{}\n", lines.join("\n")));
    let remaining = match summary.remaining {
        0 => String::new(),
        n => format!(", {n} still to do"),
    };
    failures(summary);
    let state = if summary.state == "partial" { "partly done" } else { summary.state };
    out(&format!(
        "{} {}: {} of {} runs completed, {} failed{remaining}, in {}",
        summary.campaign,
        state,
        summary.completed,
        summary.total,
        summary.failed,
        human(measured(summary.seconds)),
    ));
    if summary.left_out > 0 {
        out(&format!(
            "left out by --only and --skip: {}; `lem resume` does them",
            summary.left_out
        ));
    }
    if summary.without_result > 0 {
        out(&format!("completed without a result: {}", summary.without_result));
    }
    for (service, restarts) in &summary.restarts {
        out(&format!("{service} was started again {restarts} times"));
    }
    let time = &summary.time;
    out(&format!(
        "time: runs {}, containers {}, services {}, pauses {}{}{}{}{}",
        of(time.runs),
        of(time.containers),
        of(time.services),
        of(time.gaps),
        unless_none(", waiting for its turn", time.turn),
        unless_none(", gate", time.gate),
        unless_none(", retries", time.retries),
        unless_none(", waiting for the engine", time.engine),
    ));
    // One strategy alone has nothing to be compared with.
    let compared = summary.completed > 0 && summary.overheads.len() > 1;
    for overhead in summary.overheads.iter().filter(|_| compared || summary.advice.is_some()) {
        let share =
            overhead.share.map(|share| format!(", {:.0} % of the commands' time", share * 100.0));
        out(&format!(
            "{}: {:.2} s around each command{} ({})",
            overhead.strategy,
            overhead.seconds,
            share.unwrap_or_default(),
            counted(overhead.runs as usize, "run"),
        ));
    }
    if let Some(advice) = &summary.advice {
        out(&format!("advice: {advice}"));
    }
    out(&format!("results: {}", summary.results.display()));
}

/// The runs that failed, and how to try them again.
fn failures(summary: &Summary) {
    for run in summary.failures.iter().take(SHOWN) {
        let code = run.exit_code.filter(|_| run.verdict == "failed");
        let code = code.map(|code| format!("({code})")).unwrap_or_default();
        let (id, name, cycle) = (&run.run, &run.experiment, run.cycle);
        out(&format!("  ✗ {id}  {name} (cycle {cycle})  {}{code}", run.verdict));
    }
    match summary.failures.len() {
        0 => {}
        n if n > SHOWN => out(&format!("  … and {} more", n - SHOWN)),
        _ => {}
    }
    if !summary.failures.is_empty() {
        out("try them again: `lem resume --retry-failed`; see why: `lem logs RUN`\n");
    }
}

fn unless_none(what: &str, seconds: f64) -> String {
    if seconds < 0.05 { String::new() } else { format!("{what} {}", of(seconds)) }
}

fn of(seconds: f64) -> String {
    human(measured(seconds))
}

fn seconds(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3} s"))
}
