//! The end of a run's processes: the tree and whoever else carries the marker.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::tree::Tree;
use super::wake::Wake;
use crate::process_tree::{Ending, Manner, Progress, Reach, ScanError, Survivors};

/// Until a child that no scan shows is looked for again.
const UNSEEN_PAUSE: Duration = Duration::from_millis(1);

/// What is known once a run's processes are gone.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    /// How many processes had to be ended after the command itself had ended.
    pub(crate) leftovers: u64,
    /// Why something may be left.
    pub(crate) trouble: Option<Trouble>,
}

/// Something may be left of the run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// Not everything could be ended.
    #[error(transparent)]
    Survived(Survivors),
    /// The tree can't be followed.
    #[error("cannot look for what this run left over")]
    Blind { source: ScanError },
}

/// Ends everything that belongs to the run, and reaps it. Returns at once where nothing is left.
///
/// `asked` says whether a stop signal has come already: the second one ends the grace.
pub(crate) fn sweep(
    reach: &Reach,
    grace: Duration,
    asked: bool,
    wake: &Wake,
    tree: &mut Tree,
) -> Swept {
    // Without a child there is no descendant, so that one scan for the marker is enough.
    if !tree.reap() && reach.is_empty() {
        return Swept::default();
    }
    let mut ending = Ending::new(Manner::default(), grace, Instant::now());
    let mut leftovers = HashSet::new();
    let mut asked = asked;
    let trouble = loop {
        let has_children = tree.reap();
        let command_ended = !tree.command_runs();
        let progress = ending.round(reach, &mut |process, _| {
            if command_ended {
                leftovers.insert(process.id);
            }
        });
        let pause = match progress {
            Ok(Progress::Again(pause)) => pause,
            // A child that no scan shows was born during one, or a debugger holds its remains.
            Ok(Progress::Done) if has_children && !ending.gives_up(Instant::now()) => UNSEEN_PAUSE,
            Ok(Progress::Done) => break None,
            Ok(Progress::Failed(survivors)) => break Some(Trouble::Survived(survivors)),
            Err(source) => break Some(Trouble::Blind { source }),
        };
        if wake.wait(false, Some(pause)).stop.is_some() && std::mem::replace(&mut asked, true) {
            ending.insist(Instant::now());
        }
    };
    Swept { leftovers: u64::try_from(leftovers.len()).unwrap_or(u64::MAX), trouble }
}
