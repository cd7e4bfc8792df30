//! `lem run`: one command, from the first mark to the last process gone.
//!
//! Whatever ends a run — the command, the time limit, the lifeline, a signal — takes the same way
//! out: everything the command started is ended, then the ended mark is written.

use std::error::Error;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::entry;
use super::mark::{EndedMark, STARTED_FILE, StartedMark};
use super::oom;
use super::sweep::{Swept, sweep};
use super::tree::{self, RootError, Tree};
use super::verdict::Verdict;
use super::wake::{Wake, WakeError, Woken};
use crate::durable;
use crate::process_tree::Reach;

/// What to run, and under which limits.
#[derive(Debug)]
pub(crate) struct Order {
    /// The run's name, the value of its marker.
    pub(crate) run: Option<String>,
    /// The results directory; without one no mark is written.
    pub(crate) dir: Option<PathBuf>,
    /// Where the command was asked to leave its result.
    pub(crate) result: Option<PathBuf>,
    pub(crate) time_limit: Option<Duration>,
    /// Between TERM and KILL.
    pub(crate) grace: Duration,
    /// Whether the end of the standard input ends the run. One that is `/dev/null` is at its end
    /// from the start.
    pub(crate) lifeline: bool,
    /// The command: a program and its arguments.
    pub(crate) command: Vec<OsString>,
}

/// The run could not begin; the command was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The started mark can't be written, so neither could the results.
    #[error("cannot write the results of this run to `{}`", dir.display())]
    Unwritable { dir: PathBuf, source: io::Error },
    /// Somebody restarted the container: the command would do its work a second time.
    #[error("this run has begun before (`{}` is there), so it is not begun again", mark.display())]
    BegunBefore { mark: PathBuf },
    /// Without signals no end would be noticed.
    #[error(transparent)]
    Deaf(#[from] WakeError),
    /// The processes could not be ended for sure.
    #[error(transparent)]
    Rootless(#[from] RootError),
}

/// What a run's log should say while the run goes on; the run itself takes its course.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Notice {
    /// The time limit ends the run.
    #[error("time limit of {}s reached, stopping the run", limit.as_secs_f64())]
    TimeLimit { limit: Duration },
    /// The lifeline ends the run.
    #[error("stopping the run: the lem that started it ends it, or is gone itself")]
    LifelineCut,
    /// The run is over, but its result may not be there after a power cut.
    #[error("cannot flush the result `{}` to the disk", result.display())]
    Unkept { result: PathBuf, source: io::Error },
    /// The run is over, but its mark is missing.
    #[error("cannot write how this run ended to `{}`", dir.display())]
    EndUnwritable { dir: PathBuf, source: io::Error },
}

/// Runs the order to its end and returns the exit code.
///
/// # Errors
/// Only before the command starts. What fails later is told to `tell`, and the exit code stays
/// what it would have been.
pub(crate) fn run(order: &Order, tell: &mut dyn FnMut(&dyn Error)) -> Result<u8, RunError> {
    // Before all else: a stop that comes while the mark is flushed to a slow disk counts too.
    let wake = Wake::new()?;
    let mut tree = Tree::new()?;
    if let Some(dir) = &order.dir {
        // Whoever starts another try puts the marks of the last one aside.
        let mark = dir.join(STARTED_FILE);
        if mark.symlink_metadata().is_ok() {
            return Err(RunError::BegunBefore { mark });
        }
        StartedMark::of_this_process(order.run.as_deref())
            .write(dir)
            .map_err(|source| RunError::Unwritable { dir: dir.clone(), source })?;
    }
    let oom_before = oom::kills();

    let verdict = run_command(order, &wake, &mut tree);
    match (&verdict, order.time_limit) {
        (Verdict::TimeLimit, Some(limit)) => tell(&Notice::TimeLimit { limit }),
        (Verdict::LifelineCut, _) => tell(&Notice::LifelineCut),
        (Verdict::NotStarted(why), _) => tell(why),
        _ => {}
    }
    // Who cut the lifeline asked as well: a signal after that insists.
    let asked = matches!(verdict, Verdict::Stopped(_) | Verdict::LifelineCut);
    let reach = Reach::tree(order.run.as_deref().map(entry));
    let swept = sweep(&reach, order.grace, asked, &wake, &mut tree);
    if let Some(trouble) = &swept.trouble {
        tell(trouble);
    }
    if let Some(dir) = &order.dir {
        let oom_kills = oom::kills().saturating_sub(oom_before);
        write_end(order, dir, &ended(order, &verdict, &tree, &swept, oom_kills), tell);
    }
    Ok(verdict.exit_code())
}

/// Starts the command, unless the run is over already, and waits for what ends it.
fn run_command(order: &Order, wake: &Wake, tree: &mut Tree) -> Verdict {
    if let Some(verdict) = stopped_by(&wake.wait(order.lifeline, Some(Duration::ZERO))) {
        return verdict;
    }
    if let Err(why) = tree.start(&order.command) {
        return Verdict::NotStarted(why);
    }
    // A limit beyond what the clock can express is none.
    let deadline = order.time_limit.and_then(|limit| Instant::now().checked_add(limit));
    loop {
        let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let woken = wake.wait(order.lifeline, rest);
        tree.reap();
        // A stop often ends the command in the same moment; the stop is why. Otherwise a command
        // that came to its end has ended by itself, however close the limit was.
        if let Some(signal) = woken.stop {
            return Verdict::Stopped(signal);
        }
        if let Some(end) = tree.command_end() {
            return Verdict::Ended(end);
        }
        if let Some(verdict) = stopped_by(&woken) {
            return verdict;
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Verdict::TimeLimit;
        }
    }
}

fn stopped_by(woken: &Woken) -> Option<Verdict> {
    let cut = woken.lifeline_cut.then_some(Verdict::LifelineCut);
    woken.stop.map(Verdict::Stopped).or(cut)
}

fn ended(
    order: &Order,
    verdict: &Verdict,
    tree: &Tree,
    swept: &Swept,
    oom_kills: u64,
) -> EndedMark {
    let end = tree.command_end();
    let spent = tree::spent();
    EndedMark {
        run: order.run.clone(),
        reason: verdict.reason(),
        exit_code: end.and_then(tree::CommandEnd::code),
        signal: verdict.signal(end),
        wall_seconds: tree.wall().as_secs_f64(),
        cpu_seconds: Some(spent.cpu_seconds),
        peak_memory_bytes: Some(spent.peak_memory_bytes),
        oom_kills,
        leftovers: swept.leftovers,
        ended_at: Timestamp::now(),
    }
}

fn write_end(order: &Order, dir: &Path, mark: &EndedMark, tell: &mut dyn FnMut(&dyn Error)) {
    // Who finds the mark after a power cut must find the result too.
    if let Some((result, Err(source))) = order.result.as_deref().map(|it| (it, keep(it))) {
        // One that can't be read, say. How the command ended is known all the same.
        tell(&Notice::Unkept { result: result.to_owned(), source });
    }
    if let Err(source) = mark.write(dir) {
        tell(&Notice::EndUnwritable { dir: dir.to_owned(), source });
    }
}

/// Puts a result on the disk, if there is one.
fn keep(result: &Path) -> io::Result<()> {
    // A pipe of that name would be waited for.
    if !result.symlink_metadata().is_ok_and(|it| it.is_file()) {
        return Ok(());
    }
    durable::keep(&std::fs::File::open(result)?, result)
}
