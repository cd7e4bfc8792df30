//! What the verbs of services have in common.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::duration::Time;
use crate::services::permit::Patience;

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
    /// How long to wait for somebody else who acts on the same service or GPU
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub wait: Time,
    /// Don't wait: exit 75 where somebody else is at work
    #[arg(long, conflicts_with = "wait")]
    pub no_wait: bool,
}

impl Manner {
    /// The same as a value.
    pub(super) fn patience(&self) -> Patience {
        let wait = self.wait.0;
        if self.no_wait || wait == Duration::ZERO { Patience::None } else { Patience::For(wait) }
    }
}
