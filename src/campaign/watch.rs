//! A try while it runs: started, watched, stopped where needed, and the evidence collected.

use std::io::{PipeWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::attempt::{Attempt, Lifeline};
use super::error::CampaignError;
use super::event::Event;
use super::keeper::{Keeper, bare};
use super::outage::{self, Patience};
use super::run_folder;
use super::settings::Settings;
use super::strategy::Strategy;
use super::verdict::Stopped;
use crate::cancel::Cancel;
use crate::engine::process::{Child, Exit};
use crate::foreign_file;
use crate::inner::mark::{ENDED_FILE, EndedMark, STARTED_FILE, StartedMark};

/// What is known after a try.
#[derive(Debug)]
pub(crate) struct Observed {
    pub stopped: Option<Stopped>,
    pub started: Option<StartedMark>,
    pub ended: Option<EndedMark>,
    pub exit: Exit,
    pub oom: bool,
    /// The engine was away during the try or right after it.
    pub outage: bool,
    /// How long it was waited for, in seconds.
    pub waited: f64,
    /// From the start of the client to the end of the run.
    pub elapsed: Duration,
    pub log: PathBuf,
}

impl Observed {
    /// A run that was not started; the reason takes the place of what it would have said.
    pub(crate) fn kept_out(
        attempt: &Attempt,
        stopped: Stopped,
        reason: &[String],
    ) -> Result<Self, CampaignError> {
        let log = attempt.folder.join(run_folder::LOG);
        let write = || {
            let mut file = foreign_file::append(&log)?;
            file.write_all(format!("{}\n", reason.join("\n")).as_bytes())
        };
        write().map_err(|source| CampaignError::Unwritable { path: log.clone(), source })?;
        Ok(Self {
            stopped: Some(stopped),
            started: None,
            ended: None,
            exit: Exit::Code(0),
            oom: false,
            outage: false,
            waited: 0.0,
            elapsed: Duration::ZERO,
            log,
        })
    }

    /// Whether there was nothing that could have had an exit code.
    pub(crate) fn is_kept_out(&self) -> bool {
        matches!(self.stopped, Some(Stopped::NotFree | Stopped::NoGpu))
    }
}

/// Bytes of a mark that the inner lem leaves; it has a dozen numbers.
pub(crate) const LONGEST_MARK: u64 = 64 * 1024;
/// How long a client may take to notice that its run is over.
const CLIENT_SLACK: Duration = Duration::from_secs(3);
/// The same where nothing is known to be wrong: the engine may be busy removing the container.
const CLIENT_PATIENCE: Duration = Duration::from_secs(30);
/// How often lem looks whether a run says something.
const SHORTEST_LOOK: Duration = Duration::from_millis(20);
const LONGEST_LOOK: Duration = Duration::from_secs(1);
/// How long after the run's own time limit lem stops it from outside.
const LIMIT_SLACK: Duration = Duration::from_secs(15);

/// Runs it to its end, or to the end that the user or a limit sets.
pub(crate) async fn run(
    attempt: &Attempt,
    strategy: &mut Strategy,
    settings: &Settings,
    report: &mut dyn FnMut(Event),
    cancel: &Cancel,
) -> Result<Observed, CampaignError> {
    let log = attempt.folder.join(run_folder::LOG);
    let unwritable = |source| CampaignError::Unwritable { path: log.clone(), source };
    let file = foreign_file::append(&log).map_err(unwritable)?;
    let (input, lifeline) = std::io::pipe().map_err(unwritable)?;
    let invocation = strategy.invocation(attempt, Lifeline::Held)?;
    let (mark, breaks) = (strategy.mark(), strategy.breaks());
    let began = Instant::now();
    // One that nobody keeps has no use for a lifeline; its input is at its end, like the others'.
    let input = Some(input).filter(|_| attempt.keeper != Keeper::Nobody);
    let mut child = Child::start(&invocation, input, file)?;
    // In this order: a lem that was halted finds several of these at once when it goes on, and what
    // has ended was not stopped.
    let stopped = tokio::select! {
        biased;
        _ = child.ended() => None,
        () = bare::witness(attempt, strategy, mark) => None,
        _ = cancel.raised() => Some(Stopped::User),
        () = no_start(&attempt.folder, settings.start_timeout) => Some(Stopped::NoStart),
        () = silence(attempt, &log, settings.idle_timeout) => Some(Stopped::Silence),
        () = limit(attempt) => Some(Stopped::TimeLimit),
        () = deaf_client(&attempt.folder) => Some(Stopped::DeafClient),
        () = outage::hang(strategy, &log, settings, cancel) => Some(Stopped::EngineHangs),
        () = strategy.end_that_nobody_noticed(attempt, mark) => Some(Stopped::DeafClient),
        what = strategy.disturbance(attempt, mark) => Some(Stopped::Disturbed(what)),
    };
    if stopped == Some(Stopped::User) {
        let (run, grace_seconds) = (attempt.run.clone(), attempt.grace.as_secs_f64());
        report(Event::Stopping { run, grace_seconds });
    }
    if stopped.is_some() {
        strategy.stop(attempt, cancel).await;
    }
    let exit = finish(attempt, strategy, lifeline, &mut child, stopped, cancel).await;
    let elapsed = began.elapsed();
    if matches!(stopped, None | Some(Stopped::DeafClient)) {
        bare::conclude(attempt, strategy, mark, exit, elapsed).await;
    }
    let mut marks = Marks::read(&attempt.folder);
    let client = outage::Client { stopped, exit, marks: &marks, log: &log };
    let outage = outage::happened(strategy, breaks, &client).await;
    let cut_off = client.was_cut_off();
    let mut patience = Patience::new(settings, cancel, report);
    if outage {
        strategy.engine_was_lost();
        patience.wait(strategy).await?;
    }
    if outage || stopped.is_some() || marks.broken_off() || cut_off {
        // The client is not the container: that it is gone proves nothing.
        patience.make_sure_gone(strategy, attempt, &marks).await?;
        // It may have come to its end meanwhile.
        marks = Marks::read(&attempt.folder);
    }
    let (outage, waited) = (outage || patience.outages > 0, patience.waited);
    let Marks { started, ended } = marks;
    let oom = strategy.saw_oom(attempt, mark, ended.as_ref(), exit).await;
    Ok(Observed { stopped, started, ended, exit, oom, outage, waited, elapsed, log })
}

/// Lets go of the lifeline and waits for the client, which is killed if it doesn't notice.
async fn finish(
    attempt: &Attempt,
    strategy: &Strategy,
    lifeline: PipeWriter,
    child: &mut Child,
    stopped: Option<Stopped>,
    cancel: &Cancel,
) -> Exit {
    drop(lifeline);
    let patience = match stopped {
        // Nothing has begun, so nothing needs time to end; the others' clients hear nothing.
        Some(
            Stopped::NoStart | Stopped::DeafClient | Stopped::EngineHangs | Stopped::Disturbed(_),
        ) => CLIENT_SLACK,
        _ => attempt.grace + CLIENT_SLACK,
    };
    tokio::select! {
        exit = child.ended() => return exit,
        () = tokio::time::sleep(patience) => {}
        () = cancel.insisted() => {
            if let Some(exit) = insist(strategy, child).await {
                return exit;
            }
        }
    }
    child.kill();
    child.ended().await
}

/// Takes the run's grace away, where its client is the inner lem itself and hears of it. A docker
/// client passes nothing on.
async fn insist(strategy: &Strategy, child: &mut Child) -> Option<Exit> {
    if !matches!(strategy, Strategy::Local(_)) {
        return None;
    }
    child.ask_to_end();
    tokio::time::timeout(CLIENT_SLACK, child.ended()).await.ok()
}

/// Ends when the run has given no sign of its start for too long; never, once it has.
async fn no_start(folder: &Path, limit: Duration) {
    if tokio::time::timeout(limit, begun(folder)).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

/// Ends when the run has given a sign of its start.
async fn begun(folder: &Path) {
    let mark = folder.join(STARTED_FILE);
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    tick.tick().await;
    while !mark.exists() {
        tick.tick().await;
    }
}

/// Ends when the run is over and its client has had all the time it needs to notice.
async fn deaf_client(folder: &Path) {
    let mark = folder.join(ENDED_FILE);
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    while !mark.exists() {
        tick.tick().await;
    }
    tokio::time::sleep(CLIENT_PATIENCE).await;
}

/// Ends when the run has begun and has said nothing for the limit.
async fn silence(attempt: &Attempt, log: &Path, limit: Option<Duration>) {
    let Some(limit) = limit else { return std::future::pending().await };
    let mark = attempt.folder.join(STARTED_FILE);
    let mut tick = tokio::time::interval((limit / 10).clamp(SHORTEST_LOOK, LONGEST_LOOK));
    let (mut heard, mut said) = (Instant::now(), 0);
    while heard.elapsed() < limit {
        tick.tick().await;
        let length = std::fs::metadata(log).map_or(0, |log| log.len());
        if length != said || !mark.exists() {
            (heard, said) = (Instant::now(), length);
        }
    }
}

/// The limit from outside, should the one inside not hold.
async fn limit(attempt: &Attempt) {
    let Some(timeout) = attempt.timeout else { return std::future::pending().await };
    match attempt.keeper {
        Keeper::InnerLem | Keeper::Shell => {
            tokio::time::sleep(timeout + attempt.grace + LIMIT_SLACK).await;
        }
        // This is the only one, and the start of a container is no part of it.
        Keeper::Nobody => {
            begun(&attempt.folder).await;
            tokio::time::sleep(timeout).await;
        }
    }
}

/// What the inner lem left of a try.
#[derive(Debug)]
pub(crate) struct Marks {
    pub started: Option<StartedMark>,
    pub ended: Option<EndedMark>,
}

impl Marks {
    /// Those in the folder of a run.
    pub(crate) fn read(folder: &Path) -> Self {
        // Written later, read first: there is no end without a beginning.
        let ended = read_mark(&folder.join(ENDED_FILE));
        Self { started: read_mark(&folder.join(STARTED_FILE)), ended }
    }

    /// Whether the inner lem began and left without a word.
    pub(crate) fn broken_off(&self) -> bool {
        self.started.is_some() && self.ended.is_none()
    }
}

fn read_mark<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&foreign_file::read(path, LONGEST_MARK).ok()?).ok()
}

/// The last lines of a log, at most `count`; the log may be large and need not be text.
pub(crate) fn last_lines(log: &Path, count: usize) -> Vec<String> {
    const TAIL: u64 = 64 * 1024;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = foreign_file::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    // Some versions of Compose end with an empty line of their own.
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let printable = |line: &&str| -> String {
        line.chars().filter(|c| !c.is_control() || *c == '\t').take(2000).collect()
    };
    lines[lines.len().saturating_sub(count)..].iter().map(printable).collect()
}
