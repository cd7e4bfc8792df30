//! The words of `lem op`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use super::place::Where;
use crate::coordination::kind::Kind;
use crate::coordination::operation::Priority;
use crate::coordination::permit::Patience;
use crate::duration::Time;

/// Do something to a container without getting into anybody's way.
///
/// What would repeat or contradict an operation that runs is refused (exit code 75), what makes
/// sense after one waits for it, the rest runs at once. lem ends with the exit code of the command;
/// without one, it runs the `docker compose` command of the kind.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// What is done to it
    #[arg(value_enum, ignore_case = true, value_name = "KIND")]
    pub(super) kind: Kind,
    /// A service of the Compose project here, a container, `project:NAME`, `engine`, or any name
    /// that all who use it agree on
    #[arg(value_name = "CONTAINER", required_unless_present = "project")]
    pub(super) container: Option<String>,
    /// The whole Compose project here
    #[arg(long, conflicts_with = "container")]
    pub(super) project: bool,
    #[command(flatten)]
    pub(super) place: Where,
    /// How urgent it is, 1 to 10; 10 is the most
    #[arg(short = 'P', long, value_name = "1-10", default_value = "5", value_parser = priority)]
    pub(super) priority: Priority,
    /// Who asks, for others to read; otherwise `LEM_AGENT`, the job of a CI system, or you
    #[arg(long, value_name = "NAME")]
    pub(super) agent: Option<String>,
    /// Why, for others to read
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// How long it will take, for those who wait for it
    #[arg(long, value_name = "TIME")]
    pub(super) expect: Option<Time>,
    /// How long to wait for its turn
    #[arg(long, value_name = "TIME", default_value = "300")]
    pub(super) wait: Time,
    /// Don't wait: exit 75 where it would have to
    #[arg(long, conflicts_with_all = ["wait", "queue", "join"])]
    pub(super) no_wait: bool,
    /// Where somebody does the very same, wait for that and take its result instead
    #[arg(long, conflicts_with = "queue")]
    pub(super) join: bool,
    /// Wait for its turn even where it repeats or contradicts what runs
    #[arg(long)]
    pub(super) queue: bool,
    /// Only say how it gets on with everything that runs or waits
    #[arg(long)]
    pub(super) explain: bool,
    /// Only say what would be done
    #[arg(long, conflicts_with = "explain")]
    pub(super) dry_run: bool,
    /// How long it may take from its start on; then it is ended: TERM, and KILL 10 seconds later
    #[arg(long, value_name = "TIME", default_value = "300")]
    pub(super) timeout: Time,
    /// How long the engine may go on by itself when everybody who has this operation was killed
    #[arg(long, value_name = "TIME")]
    pub(super) settle: Option<Time>,
    /// A key of the configuration that is changed, for `config`; two that change other keys get on
    #[arg(long = "key", value_name = "KEY")]
    pub(super) keys: Vec<String>,
    /// How many, for `scale`
    #[arg(long, value_name = "N")]
    pub(super) replicas: Option<u32>,
    /// Leave alone what it needs, for `deploy` and `restart`
    #[arg(long)]
    pub(super) no_deps: bool,
    /// One JSON document on standard output; after that of the command, if it ran
    #[arg(long)]
    pub(super) json: bool,
    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}

impl Arguments {
    /// How long it waits for its turn.
    pub(super) fn patience(&self) -> Patience {
        match self.wait.0 {
            Duration::ZERO => Patience::None,
            _ if self.no_wait => Patience::None,
            wait => Patience::For(wait),
        }
    }
}

fn priority(text: &str) -> Result<Priority, String> {
    let number = text.parse::<u8>().ok();
    number.and_then(Priority::new).ok_or_else(|| "it is a number from 1 to 10".to_owned())
}
