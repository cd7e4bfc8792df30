//! `lem init`: a starter project that runs as it is written.

mod choices;
mod files;
mod questions;
mod write;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use self::choices::{Choices, Load, RESULTS, default_name, gaps};
use self::files::{IGNORED, ProjectFile, REGISTRY};
use self::questions::NoAnswers;
use self::write::{GitIgnore, look};
use super::exit;
use super::render;
use super::runtime::block_on;
use crate::campaign::error::CampaignError;
use crate::campaign::file::ContainerStrategy;
use crate::cancel::Signal;
use crate::engine::invocation::quoted;

pub(super) use self::write::InitError;

/// Write a starter project: a campaign, its experiments and its Compose file; or with --services a
/// registry of GPU services.
///
/// Asks for what no option says; with `--yes`, or for `--dry-run`, takes the defaults instead. Nothing
/// is overwritten: where one of the files is there already, it is named and nothing is written (exit
/// code 2).
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where [default: this folder]; made if it is not there
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The campaign's name [default: the folder's]
    #[arg(long, value_parser = choices::name_of_campaign)]
    name: Option<String>,
    /// An image of your own [default: an empty one, built in a second]
    #[arg(long, value_parser = choices::line)]
    image: Option<String>,
    /// What runs in that image, as one argument [default: lem's built-in load]
    #[arg(long, value_name = "LINE", value_parser = checked_command, requires = "image")]
    command: Option<String>,
    /// A fresh container for every run, or one per service for the whole campaign
    #[arg(long, value_enum)]
    strategy: Option<ContainerStrategy>,
    /// Pause after a run [default: 1, with a command of your own 60]
    #[arg(long, value_name = "TIME", value_parser = choices::time)]
    config_gap: Option<String>,
    /// Pause at the end of a cycle [default: 2, with a command of your own 300]
    #[arg(long, value_name = "TIME", value_parser = choices::time)]
    cycle_gap: Option<String>,
    /// Where results go, relative to the project
    #[arg(long, value_name = "DIR", default_value = RESULTS, value_parser = choices::line)]
    results_dir: String,
    /// Where to send word of campaigns
    #[arg(long, value_name = "URL", value_parser = choices::line)]
    webhook_url: Option<String>,
    /// Instead of a project: `services.yaml`, a registry of GPU services to begin with
    #[arg(
        long,
        conflicts_with_all = [
            "name", "image", "command", "strategy", "config_gap", "cycle_gap", "results_dir",
            "webhook_url"
        ]
    )]
    services: bool,
    /// Take the defaults
    #[arg(short, long)]
    yes: bool,
    /// Print the files as a shell script, and write nothing
    #[arg(long)]
    dry_run: bool,
}

fn checked_command(line: &str) -> Result<String, String> {
    choices::words(line).map(|_| line.to_owned())
}

/// What the options say.
struct Said {
    name: Option<String>,
    load: Option<Load>,
    strategy: Option<ContainerStrategy>,
    config_gap: Option<String>,
    cycle_gap: Option<String>,
    results_dir: String,
    webhook_url: Option<String>,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> ExitCode {
    block_on::<_, CampaignError>(async |cancel| {
        let named = arguments.folder.clone();
        let shown = named.clone().unwrap_or_else(|| ".".into());
        let folder = std::path::absolute(&shown)
            .map_err(|source| CampaignError::Unwritable { path: shown.clone(), source })?;
        if arguments.services {
            let put = put(&folder, named.as_deref(), &files::registry(), arguments.dry_run);
            return Ok(put.map_or_else(|error| render::init_error(&error), |()| exit::DONE));
        }
        let name = default_name(&folder);
        let (asks, dry_run) = (!arguments.yes && !arguments.dry_run, arguments.dry_run);
        let said = arguments.said();
        // Before the questions: answers that lead nowhere are a waste of somebody's time.
        if let Err(error) = look(&folder, &files::of(&said.defaults(&name))) {
            return Ok(render::init_error(&error));
        }
        let choices = if asks {
            if !render::can_ask() {
                return Err(CampaignError::NoAnswer);
            }
            let asking = tokio::task::spawn_blocking(move || questions::ask(said, &name));
            tokio::select! {
                answers = asking => answers.unwrap_or(Err(NoAnswers::NoTerminal)).map_err(unanswered)?,
                signal = cancel.raised() => return Err(CampaignError::Cancelled { signal }),
            }
        } else {
            said.defaults(&name)
        };
        let files = files::of(&choices);
        Ok(match put(&folder, named.as_deref(), &files, dry_run) {
            Ok(()) => exit::DONE,
            Err(error) => return Ok(render::init_error(&error)),
        })
    })
}

/// The terminal's Ctrl-C may be read here before the signal of the same key is seen.
fn unanswered(reason: NoAnswers) -> CampaignError {
    match reason {
        NoAnswers::BrokenOff => CampaignError::Cancelled { signal: Signal::Interrupt },
        NoAnswers::NoTerminal => CampaignError::NoAnswer,
    }
}

impl Arguments {
    fn said(self) -> Said {
        let words = |line: String| choices::words(&line).unwrap_or_default();
        let load = match (self.image, self.command) {
            (Some(image), Some(line)) => Some(Load::Command { image, words: words(line) }),
            (Some(image), None) => Some(Load::Image(image)),
            (None, _) => None,
        };
        Said {
            name: self.name,
            load,
            strategy: self.strategy,
            config_gap: self.config_gap,
            cycle_gap: self.cycle_gap,
            results_dir: self.results_dir,
            webhook_url: self.webhook_url,
        }
    }
}

impl Said {
    /// With the default of whatever is not said.
    fn defaults(&self, name: &str) -> Choices {
        let load = self.load.clone().unwrap_or(Load::BuiltIn);
        let (config_gap, cycle_gap) = gaps(&load);
        Choices {
            name: self.name.clone().unwrap_or_else(|| name.to_owned()),
            strategy: self.strategy.unwrap_or_default(),
            config_gap: self.config_gap.clone().unwrap_or_else(|| config_gap.to_owned()),
            cycle_gap: self.cycle_gap.clone().unwrap_or_else(|| cycle_gap.to_owned()),
            results_dir: self.results_dir.clone(),
            webhook_url: self.webhook_url.clone(),
            load,
        }
    }
}

/// Writes the files, or prints them, and says what comes next.
fn put(
    folder: &Path,
    named: Option<&Path>,
    files: &[ProjectFile],
    dry_run: bool,
) -> Result<(), InitError> {
    let ignore = look(folder, files)?;
    let wanted: Vec<&ProjectFile> =
        files.iter().filter(|file| file.path != IGNORED || ignore == GitIgnore::Written).collect();
    if dry_run {
        script(named, &wanted);
        return Ok(());
    }
    write::write(folder, &wanted)?;
    let written: Vec<&str> = wanted.iter().map(|file| file.path).collect();
    render::say(&format!("wrote to {}: {}", folder.display(), written.join(", ")));
    if ignore == GitIgnore::Kept && files.iter().any(|file| file.path == IGNORED) {
        let lines = files.iter().filter(|file| file.path == IGNORED).flat_map(|f| f.text.lines());
        let lines: Vec<&str> = lines.filter(|line| !line.starts_with('#')).collect();
        render::say(&format!("your {IGNORED} is as it was; it should have: {}", lines.join(" ")));
    }
    let enter = named.map(|folder| format!("cd {}\n  ", quoted(&folder.to_string_lossy())));
    let enter = enter.unwrap_or_default();
    let next = if files.iter().any(|file| file.path == REGISTRY) {
        "lem service check"
    } else {
        "lem doctor\n  lem campaign"
    };
    render::say(&format!("next:\n  {enter}{next}"));
    Ok(())
}

/// The same as a shell script, which overwrites nothing either.
fn script(named: Option<&Path>, files: &[&ProjectFile]) {
    let folder = named.unwrap_or(Path::new("."));
    let mut text = String::from("set -eC\n");
    let mut last = None;
    for file in files {
        let path = folder.join(file.path);
        let above = path.parent().unwrap_or(folder).to_string_lossy().into_owned();
        if last.as_ref() != Some(&above) {
            text.push_str(&format!("mkdir -p -- {}\n", quoted(&above)));
            last = Some(above);
        }
        let path = quoted(&path.to_string_lossy());
        text.push_str(&format!("cat >{path} <<'END'\n{}END\n", file.text));
    }
    render::out(text.trim_end());
}
