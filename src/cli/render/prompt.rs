//! Questions, asked only of a person at a terminal.

use std::io::IsTerminal;

use dialoguer::console::Term;
use dialoguer::{Confirm, Select};

/// Whether there is somebody to ask.
pub(in crate::cli) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// The one question before a campaign. No answer is no.
pub(in crate::cli) fn ask_start() -> bool {
    confirm(&Confirm::new().with_prompt("Start?").default(true))
}

fn confirm(question: &Confirm) -> bool {
    let _cursor = Cursor;
    question.clone().interact_opt().ok().flatten().unwrap_or(false)
}

/// Shows the cursor again: a question that Ctrl-C ends leaves it hidden, and the line unfinished.
struct Cursor;

impl Drop for Cursor {
    fn drop(&mut self) {
        let _ = Term::stderr().show_cursor();
    }
}

/// Whether the campaign that was found in another folder is the one that is meant.
pub(in crate::cli) fn ask_elsewhere(what: &str) -> bool {
    let question = format!("No campaign is unfinished here. Go on with {what}?");
    confirm(&Confirm::new().with_prompt(question).default(true))
}

/// Whether the record is changed as it was said.
pub(in crate::cli) fn ask_repair() -> bool {
    confirm(&Confirm::new().with_prompt("Write this into the record?").default(true))
}

/// Whether an unfinished campaign goes on (true) or starts anew (false).
pub(in crate::cli) fn ask_resume(campaign: &str, done: usize, total: usize) -> Option<bool> {
    let _cursor = Cursor;
    let chosen = Select::new()
        .with_prompt(format!("{campaign} was not finished the last time: {done} of {total} done"))
        .items(["go on with it", "start anew (its results stay)", "do nothing"])
        .default(0)
        .interact_opt()
        .ok()
        .flatten();
    match chosen {
        Some(0) => Some(true),
        Some(1) => Some(false),
        _ => None,
    }
}
