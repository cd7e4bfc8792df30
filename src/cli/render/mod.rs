//! What a person sees: plans, progress and summaries on the terminal, errors with their way out.
//!
//! Standard output is data: summaries, tables, JSON. Standard error is talk.

mod doctor;
mod error;
pub(super) mod gpu;
pub(super) mod operation;
pub(super) mod operations;
mod plan;
mod progress;
mod prompt;
pub(super) mod registry;
pub(super) mod services;
pub(super) mod settings;
mod summary;

use std::io::Write;

use serde::Serialize;

use crate::secret::{hidden_in, hide_in_json};

pub(super) use doctor::findings;
#[cfg(any(test, fuzzing))]
pub(super) use error::told;
pub(super) use error::{error, failure_of_start, init_error, with_causes};
pub(super) use plan::{persistent_mode, plan};
pub(super) use progress::{Progress, Talk};
pub(super) use prompt::{ask_elsewhere, ask_repair, ask_resume, ask_start, can_ask};
pub(super) use summary::summary;

/// Text as it may be shown: what a terminal would obey stands there for a reader, not for it.
pub(super) fn plain(text: &str) -> String {
    let shown = |c: char| if c.is_control() && !"\n\t".contains(c) { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

/// A line of talk. A terminal that is gone is no reason to stop.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", plain(&hidden_in(line)));
}

/// A line of data.
pub(super) fn out(line: &str) {
    let _ = writeln!(std::io::stdout(), "{}", plain(&hidden_in(line)));
}

/// A value as one line of JSON.
pub(super) fn json<T: Serialize>(value: &T) {
    // Numbers and keys stay as they are, whatever a secret looks like.
    if let Ok(mut value) = serde_json::to_value(value) {
        hide_in_json(&mut value);
        let _ = writeln!(std::io::stdout(), "{value}");
    }
}

/// `1 run`, `2 runs`.
pub(super) fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
