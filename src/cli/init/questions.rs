//! The questions of `lem init`: only about what no option says.

use dialoguer::{Input, Select};

use super::Said;
use super::choices::{self, Choices, Load, gaps};
use crate::campaign::file::ContainerStrategy;

/// Why there are no answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoAnswers {
    /// The user pressed Ctrl-C.
    BrokenOff,
    /// The terminal went away.
    NoTerminal,
}

impl From<dialoguer::Error> for NoAnswers {
    fn from(dialoguer::Error::IO(error): dialoguer::Error) -> Self {
        // A selection that is broken off leaves the cursor hidden.
        let _ = dialoguer::console::Term::stderr().show_cursor();
        match error.kind() {
            std::io::ErrorKind::Interrupted => Self::BrokenOff,
            _ => Self::NoTerminal,
        }
    }
}

/// Asks for what `said` leaves open.
pub(super) fn ask(said: Said, default_name: &str) -> Result<Choices, NoAnswers> {
    let name = match said.name {
        Some(name) => name,
        None => checked("Name of the campaign", Some(default_name), choices::name_of_campaign)?,
    };
    let load = match said.load {
        Some(load) => load,
        None => load()?,
    };
    let strategy = match said.strategy {
        Some(strategy) => strategy,
        None => strategy()?,
    };
    let (config_gap, cycle_gap) = gaps(&load);
    let time = |said: Option<String>, prompt: &str, default: &str| match said {
        Some(time) => Ok(time),
        None => checked(prompt, Some(default), choices::time),
    };
    Ok(Choices {
        name,
        strategy,
        config_gap: time(said.config_gap, "Pause after a run, in seconds or as 2m", config_gap)?,
        cycle_gap: time(said.cycle_gap, "Pause after a cycle", cycle_gap)?,
        load,
        results_dir: said.results_dir,
        webhook_url: said.webhook_url,
    })
}

fn load() -> Result<Load, NoAnswers> {
    let chosen = Select::new()
        .with_prompt("What runs in the containers (arrow keys, Enter)")
        .items([
            "lem's built-in load, in an empty image: runs anywhere",
            "a program in an image of your own",
        ])
        .default(0)
        .interact()?;
    if chosen == 0 {
        return Ok(Load::BuiltIn);
    }
    let image = checked("Image", None, choices::line)?;
    let line =
        checked("Its command ({batch_size}, {config}, {result} are filled in)", None, |text| {
            choices::words(text).map(|_| text.to_owned())
        })?;
    let words = choices::words(&line).unwrap_or_default();
    Ok(Load::Command { image, words })
}

fn strategy() -> Result<ContainerStrategy, NoAnswers> {
    let chosen = Select::new()
        .with_prompt("Which containers (arrow keys, Enter)")
        .items([
            "ephemeral: a fresh one for every run",
            "persistent: one per service for the whole campaign",
        ])
        .default(0)
        .interact()?;
    Ok(if chosen == 0 { ContainerStrategy::Ephemeral } else { ContainerStrategy::Persistent })
}

/// Asks until the answer will do.
fn checked(
    prompt: &str,
    default: Option<&str>,
    check: impl Fn(&str) -> Result<String, String>,
) -> Result<String, NoAnswers> {
    let mut input = Input::<String>::new()
        .with_prompt(prompt)
        .validate_with(|text: &String| check(text).map(drop));
    if let Some(default) = default {
        input = input.default(default.to_owned());
    }
    let text = input.interact_text()?;
    Ok(check(&text).unwrap_or(text))
}
