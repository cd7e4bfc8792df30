//! One try of a run as a value: what every strategy needs to make a command line of it. Pure.

use std::path::PathBuf;
use std::time::Duration;

use super::keeper::Keeper;

/// One try of a run, as every strategy needs it.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// The run's id, on its own and in names: `4f2a9c1b-0001`.
    pub run: String,
    /// The name of its container, where it has one of its own: `lem-4f2a9c1b-0001-a1`.
    pub container: String,
    /// The campaign's instance.
    pub instance: String,
    /// The Compose service; absent in local runs.
    pub service: Option<String>,
    /// Who keeps it where it runs.
    pub keeper: Keeper,
    /// `NAME=VALUE`.
    pub environment: Vec<String>,
    /// What runs, its places filled in.
    pub command: Vec<String>,
    /// The run's own results folder on the host.
    pub folder: PathBuf,
    /// The same folder as the run sees it.
    pub folder_inside: PathBuf,
    /// Time limit of the command.
    pub timeout: Option<Duration>,
    /// Between TERM and KILL.
    pub grace: Duration,
}

/// Whether a run ends with the lem that started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifeline {
    /// The run ends when its input is closed.
    Held,
    /// Nobody holds it: the run goes on until its end.
    None,
}

impl Attempt {
    /// The words after `lem`, in the container or on the host.
    pub(crate) fn inner_words(&self, lifeline: Lifeline) -> Vec<String> {
        let mut words = vec![
            "run".to_owned(),
            "--dir".to_owned(),
            self.folder_inside.to_string_lossy().into_owned(),
            "--grace".to_owned(),
            self.grace.as_secs_f64().to_string(),
        ];
        if let Some(limit) = self.timeout {
            words.extend(["--time-limit".to_owned(), limit.as_secs_f64().to_string()]);
        }
        if lifeline == Lifeline::None {
            words.push("--no-lifeline".to_owned());
        }
        words.push("--".to_owned());
        words.extend(self.command.iter().cloned());
        words
    }
}
