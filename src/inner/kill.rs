//! `lem kill`: ends what carries a run's marker, from outside that run.
//!
//! It sees only environments that it may read: those of its own user or, as root, all. Where a run
//! may have processes of both, it is run once as each. What cleared its environment is not found
//! here; `lem run` ends such processes as their ancestor.

use std::time::{Duration, Instant};

use super::entry;
use super::wake::pause;
use crate::process_tree::{Ending, Manner, Progress, Reach, ScanError, Survivors};

/// What a kill achieved.
#[derive(Debug)]
pub(crate) struct Killed {
    /// How many processes are gone.
    pub(crate) ended: usize,
    pub(crate) survivors: Option<Survivors>,
}

/// Ends every process of this pid namespace whose environment carries exactly the run's marker,
/// except this process and its ancestors: TERM, `grace`, KILL.
pub(crate) fn kill(run: &str, grace: Duration) -> Result<Killed, ScanError> {
    let reach = Reach::carriers(entry(run));
    let mut ending = Ending::new(Manner::default(), grace, Instant::now());
    let survivors = loop {
        match ending.round(&reach, &mut |_, _| ())? {
            Progress::Done => break None,
            Progress::Failed(survivors) => break Some(survivors),
            Progress::Again(time) => pause(time),
        }
    };
    let alive = survivors.as_ref().map_or(0, |survivors| survivors.pids.len());
    Ok(Killed { ended: ending.asked().saturating_sub(alive), survivors })
}
