//! The services of a registry as tables: how they are, and what became of them.

use comfy_table::{Cell, Table, presets};
use jiff::Timestamp;

use super::out;
use crate::cli::service::Row;
use crate::duration::human;
use crate::services::memory::measured::Other;
use crate::services::stats::Stats;

/// How services are, and below who else holds GPU memory.
pub(in crate::cli) fn table(rows: &[Row], others: &[Other]) {
    let mut table = plain();
    table.set_header([
        "SERVICE", "STATE", "HEALTH", "VRAM", "USED", "PRIORITY", "GPUS", "WHERE", "SINCE",
    ]);
    for row in rows {
        let used = row.vram_used_mib.as_ref().map(|used| used.values().sum::<u64>());
        let place = match (&row.container, row.pid) {
            (Some(container), _) => container.clone(),
            (None, Some(pid)) => format!("pid {pid}"),
            (None, None) => String::new(),
        };
        let pinned = if row.pinned { " pinned" } else { "" };
        table.add_row([
            row.service.clone(),
            row.state.word().to_owned(),
            row.health.unwrap_or("-").to_owned(),
            mebibytes(Some(row.vram_mib)),
            mebibytes(used),
            format!("{}{pinned}", row.priority),
            row.gpus.join(","),
            place,
            row.since.as_deref().map_or_else(String::new, ago),
        ]);
    }
    out(&table.trim_fmt());
    for row in rows {
        if let Some(detail) = row.detail.as_deref().filter(|_| row.health != Some("healthy")) {
            out(&format!("{}: {detail}", row.service));
        }
        if row.stale {
            out(&format!("{}: runs with other settings than the registry has now", row.service));
        }
        if let Some(holder) = &row.holder {
            out(&format!("{}: {holder}", row.service));
        }
        if !row.leases.is_empty() {
            out(&format!("{}: used by {}", row.service, row.leases.join(", ")));
        }
    }
    if !others.is_empty() {
        out("GPU memory that no service of the registry holds:");
    }
    for other in others {
        out(&format!("  {other}"));
    }
}

/// What became of services.
pub(in crate::cli) fn stats(all: &[(String, Stats)]) {
    let mut table = plain();
    table.set_header([
        "SERVICE",
        "CHECKS",
        "REUSED",
        "SWITCHES",
        "FAILED SWITCHES",
        "STARTS",
        "FAILED STARTS",
        "STOPS",
        "FAILED STOPS",
        "MEAN START",
        "LAST USED",
    ]);
    for (name, stats) in all {
        let number = |number: u64| Cell::new(number);
        table.add_row([
            Cell::new(name),
            number(stats.availability_checks),
            number(stats.reused),
            number(stats.successful_switches),
            number(stats.failed_switches),
            number(stats.starts),
            number(stats.failed_starts),
            number(stats.stops),
            number(stats.failed_stops),
            Cell::new(stats.mean_start_seconds.map_or("-".to_owned(), |it| format!("{it:.1}s"))),
            Cell::new(stats.last_used.map_or("never".to_owned(), |at| ago(&at.to_string()))),
        ]);
    }
    out(&table.trim_fmt());
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

fn mebibytes(amount: Option<u64>) -> String {
    match amount {
        Some(0) => "-".to_owned(),
        Some(mib) => format!("{mib} MiB"),
        None => "?".to_owned(),
    }
}

/// How long ago that was.
fn ago(at: &str) -> String {
    let Ok(at) = at.parse::<Timestamp>() else { return at.to_owned() };
    let age = Timestamp::now().duration_since(at);
    if age.is_negative() {
        "just now".to_owned()
    } else {
        format!("{} ago", human(age.unsigned_abs()))
    }
}
