//! `lem completions` and `lem man`: what a shell and `man` want to know, made from the arguments.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use super::{exit, render};
use crate::campaign::error::CampaignError;

/// Print the completions of a shell.
///
/// For bash: `lem completions bash >~/.local/share/bash-completion/completions/lem`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the manual page of lem, or write the pages of all commands into a folder.
#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// Write a page for each command into this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs `lem completions`.
pub(super) fn completions(arguments: &CompletionsArguments, mut definition: Command) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut definition, "lem", &mut text);
    render::out(String::from_utf8_lossy(&text).trim_end());
    ExitCode::from(exit::DONE)
}

/// Runs `lem man`.
pub(super) fn man(arguments: &ManArguments, definition: Command) -> ExitCode {
    let written = match &arguments.dir {
        Some(folder) => std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(definition, folder))
            .map_err(|source| (folder.clone(), source)),
        None => print_page(definition).map_err(|source| (Path::new("-").to_owned(), source)),
    };
    match written {
        Ok(()) => ExitCode::from(exit::DONE),
        Err((path, source)) => render::error(&CampaignError::Unwritable { path, source }),
    }
}

fn print_page(definition: Command) -> std::io::Result<()> {
    let mut text = Vec::new();
    clap_mangen::Man::new(definition).render(&mut text)?;
    render::out(String::from_utf8_lossy(&text).trim_end());
    Ok(())
}
