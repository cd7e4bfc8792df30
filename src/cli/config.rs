//! `lem config show`: every setting, its value, and where it was said.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use serde_json::Value;

use super::campaign::Named;
use super::flags::Flags;
use super::settings::{Layers, Manners, PROJECT_FILE, Row, user_file};
use super::{exit, render};
use crate::campaign::error::CampaignError;
use crate::campaign::file::CampaignFile;

/// Look at settings.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(Box<ShowArguments>),
}

/// Show every setting of a campaign, and where it comes from.
///
/// Without FILE and without a campaign in this folder: what a campaign here would start with.
#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// The campaign file, or experiment files
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    flags: Flags,
    /// An array of objects with `key`, `value` and `source`
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// The flags of a campaign.
    pub(super) fn flags(&mut self) -> &mut Flags {
        let Command::Show(arguments) = &mut self.command;
        &mut arguments.flags
    }
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> ExitCode {
    let Command::Show(arguments) = arguments.command;
    match show(*arguments) {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(error) => render::error(&error),
    }
}

fn show(arguments: ShowArguments) -> Result<(), CampaignError> {
    let mut flags = arguments.flags;
    let here = std::env::current_dir().unwrap_or_default();
    let (file, base, path) = match Named::find(&arguments.files, &mut flags) {
        Ok(named) => (named.file, named.base, Some(named.path)),
        Err(CampaignError::NoCampaignFile { .. }) if arguments.files.is_empty() => {
            (CampaignFile::default(), here.clone(), None)
        }
        Err(error) => return Err(error),
    };
    let flags = flags.absolute();
    let rows = Layers::read()?.resolve(&file, &base, &flags, Manners::default()).rows;
    if arguments.json {
        render::json(&rows);
        return Ok(());
    }
    let read = |path: Option<PathBuf>| match path {
        Some(path) if path.exists() => path.display().to_string(),
        Some(path) => format!("{} (not there)", path.display()),
        None => "none".to_owned(),
    };
    render::say(&format!("campaign file       {}", read(path)));
    render::say(&format!("{PROJECT_FILE}    {}", read(Some(here.join(PROJECT_FILE)))));
    render::say(&format!("user configuration  {}\n", read(user_file())));
    render::out(&table(&rows));
    Ok(())
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["setting", "value", "from"]);
    for row in rows {
        table.add_row([row.key.to_owned(), plain(&row.value), row.source.to_string()]);
    }
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
