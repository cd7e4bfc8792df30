//! Runs as processes of this machine, under the same loop and the same inner lem.

use std::path::PathBuf;
use std::time::Duration;

use super::containers::end;
use crate::campaign::attempt::{Attempt, Lifeline};
use crate::campaign::error::CampaignError;
use crate::cancel::{self, Cancel};
use crate::engine::invocation::Invocation;
use crate::engine::process::capture;

/// Runs without containers.
#[derive(Debug)]
pub(crate) struct Local {
    /// This program.
    pub lem: PathBuf,
    /// Where the commands start: the campaign file's folder.
    pub directory: PathBuf,
    /// What tells a lem within a run that it is part of the campaign.
    pub within: Vec<(String, String)>,
}

impl Local {
    /// `lem run … -- COMMAND` on the host.
    pub(crate) fn invocation(&self, attempt: &Attempt, lifeline: Lifeline) -> Invocation {
        let mut invocation = Invocation::new(&self.lem, attempt.inner_words(lifeline));
        invocation.environment = attempt
            .environment
            .iter()
            .filter_map(|variable| variable.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .chain(self.within.iter().cloned())
            .collect();
        invocation.directory = Some(self.directory.clone());
        invocation
    }

    /// Kills what carries the run's mark.
    pub(crate) async fn make_sure_gone(
        &self,
        attempt: &Attempt,
        cancel: &Cancel,
    ) -> Result<(), CampaignError> {
        let (_raise, never) = cancel::pair();
        let kill = async |grace: Duration| {
            let grace = grace.as_secs().to_string();
            let kill = Invocation::new(&self.lem, ["kill", &attempt.run, "--grace", &grace]);
            capture(&kill, Duration::from_secs(30), &never).await?.success(&kill)
        };
        end(cancel, kill).await?;
        Ok(())
    }
}
