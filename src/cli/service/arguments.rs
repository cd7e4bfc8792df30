//! What the verbs of services have in common.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use serde_json::json;

use crate::cli::exit::Failure;
use crate::cli::render;
use crate::coordination::operation::Priority;
use crate::coordination::permit::Patience;
use crate::duration::Time;
use crate::services::error::ServiceError;
use crate::services::journal::Verb;
use crate::services::machine::{Asks, Machine};
use crate::services::service::Service;

/// For whatever else somebody may be doing.
const OTHERS: Duration = Duration::from_secs(600);

/// Which services are meant.
#[derive(Debug, Clone, Args)]
pub(super) struct Where {
    /// The registry, instead of the `services.yaml` here or above
    #[arg(long, value_name = "FILE", env = "LEM_SERVICES")]
    pub registry: Option<PathBuf>,
}

/// How a verb that changes something goes about it.
#[derive(Debug, Clone, Args)]
pub(super) struct Manner {
    /// Show what would be done, in order and with reasons, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// One JSON document on standard output
    #[arg(long)]
    pub json: bool,
    /// How long to wait for somebody else who acts on the same service or GPU; otherwise 10
    /// minutes, and as long as a start of these services may take
    #[arg(long, value_name = "TIME")]
    pub wait: Option<Time>,
    /// Don't wait: exit 75 where somebody else is at work
    #[arg(long, conflicts_with = "wait")]
    pub no_wait: bool,
    #[command(flatten)]
    pub asking: Asking,
}

/// How a verb asks the others for its turn.
#[derive(Debug, Clone, Args)]
pub(super) struct Asking {
    /// How urgent it is where others wait too: 1 to 10, 10 is the most
    #[arg(long, value_name = "1-10", default_value = "5", value_parser = priority)]
    pub priority: Priority,
    /// Who asks, as others read it; otherwise `LEM_AGENT`, the job of a CI system, or you
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// Why, for whoever waits for it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

impl Asking {
    /// As an operation is asked for; a `command` is what the services are used for.
    pub(super) fn asks(&self, command: Option<String>) -> Asks {
        let (agent, reason) = (self.agent.clone(), self.reason.clone());
        Asks { agent, priority: self.priority, reason, command }
    }
}

fn priority(text: &str) -> Result<Priority, &'static str> {
    text.parse().ok().and_then(Priority::new).ok_or("a priority is a number from 1 to 10")
}

impl Manner {
    /// How patient it is about these services.
    pub(super) fn patience(&self, machine: &Machine, names: &[String]) -> Patience {
        if self.no_wait { Patience::None } else { patience(self.wait, machine, names) }
    }
}

/// How long others are waited for: so long, or until they may be done.
pub(super) fn patience(wait: Option<Time>, machine: &Machine, names: &[String]) -> Patience {
    let services = names.iter().filter_map(|name| machine.registry.services.get(name));
    let starts = services.map(Service::longest_start);
    let wait = wait.map_or_else(|| starts.fold(OTHERS, Duration::saturating_add), |wait| wait.0);
    if wait.is_zero() { Patience::None } else { Patience::For(wait) }
}

/// What failed before there was anything to report, as a document where one is wanted.
pub(super) fn told<T>(
    json: bool,
    verb: Verb,
    result: Result<T, ServiceError>,
) -> Result<T, ServiceError> {
    if let (true, Err(error)) = (json, &result) {
        let (verb, code, error) = (verb.word(), error.code(), error.to_string());
        render::json(&json!({ "verb": verb, "exit_code": code, "error": error }));
    }
    result
}
