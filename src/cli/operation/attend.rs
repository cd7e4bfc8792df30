//! A command that is run by an operation: attended until it ends, its time is over, or somebody
//! else wants the operation to end.
//!
//! 2026-11-21: what is ended is the command with all that it started and that did not leave it: a
//! shell that dies of TERM leaves its own commands behind, which go on with what is locked.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal as Sent;
use nix::unistd::getpid;
use tokio::time::{sleep, sleep_until};

use super::error::{GRACE, OperationError};
use crate::cancel::{Cancel, Signal};
use crate::coordination::agent::Agent;
use crate::coordination::permit::{Disturbance, Permit};
use crate::engine::process::{Attended, Exit};
use crate::process_tree::{AfterGrace, Ending, Manner, Progress, Reach, Whose};

/// A command, and what it is run by.
pub(in crate::cli) struct Attending<'a> {
    pub(in crate::cli) agent: &'a Agent,
    pub(in crate::cli) permit: &'a Permit,
    pub(in crate::cli) command: &'a [OsString],
    /// How long it may take; none: as long as it likes.
    pub(in crate::cli) limit: Option<Duration>,
    pub(in crate::cli) cancel: &'a Cancel,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Ended {
    pub(in crate::cli) exit: Exit,
    /// Why lem ended it, if it did.
    pub(in crate::cli) cause: Option<Cause>,
}

/// Why a command was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Cause {
    TookTooLong,
    Disturbed(Disturbance),
    Interrupted(Signal),
}

impl Attending<'_> {
    /// Runs the command. Whatever it starts has the operation too, and keeps it when lem is killed.
    pub(in crate::cli) async fn run(&self) -> Result<Ended, OperationError> {
        self.agent.own().hand_down().map_err(|source| self.unstarted(source))?;
        self.run_alone().await
    }

    /// The same, and what it starts does not have the operation.
    pub(in crate::cli) async fn run_alone(&self) -> Result<Ended, OperationError> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Ok(Ended { exit: Exit::Code(0), cause: None });
        };
        // Nobody has told a command that does not run yet.
        if let Some(signal) = self.cancel.now() {
            return Err(OperationError::Cancelled { signal });
        }
        let environment = self.permit.environment();
        let attended = Attended::start_with(program, arguments, &environment);
        let attended = attended.map_err(|source| self.unstarted(source))?;
        Ok(self.until_it_ends(&attended).await)
    }

    fn unstarted(&self, source: std::io::Error) -> OperationError {
        let program = self.command.first().map(|it| it.to_string_lossy().into_owned());
        OperationError::NoCommand { command: program.unwrap_or_default(), source }
    }

    async fn until_it_ends(&self, attended: &Attended) -> Ended {
        let begun = tokio::time::Instant::now();
        let deadline = self.limit.and_then(|limit| begun.checked_add(limit));
        let disturbed = self.disturbed();
        let ended = attended.ended();
        tokio::pin!(disturbed, ended);
        let mut tree = Tree::new();
        let mut cause = None;
        let exit = loop {
            tokio::select! {
                exit = &mut ended => break exit,
                () = self.cancel.insisted() => {
                    tree.end(Duration::ZERO, AfterGrace::Kill);
                    tree.until_gone().await;
                    break ended.await;
                }
                signal = self.cancel.raised(), if cause.is_none() => {
                    cause = Some(Cause::Interrupted(signal));
                    // A terminal has told it already; it ends, or it does not, as it likes.
                    if signal != Signal::Interrupt {
                        tree.end(Duration::MAX, AfterGrace::GiveUp);
                    }
                }
                () = at(deadline), if cause.is_none() => {
                    cause = Some(Cause::TookTooLong);
                    tree.end(GRACE, AfterGrace::Kill);
                }
                disturbance = &mut disturbed, if cause.is_none() => {
                    let grace = disturbance.grace(GRACE);
                    cause = Some(Cause::Disturbed(disturbance));
                    tree.end(grace, AfterGrace::Kill);
                }
                () = tree.next() => {}
            }
        };
        if matches!(cause, Some(Cause::TookTooLong | Cause::Disturbed(_))) {
            tree.until_gone().await;
        }
        Ended { exit, cause }
    }

    /// Waits until somebody else wants it to end; for ever, where the ledger can't be asked.
    async fn disturbed(&self) -> Disturbance {
        match self.permit.disturbed().await {
            Ok(disturbance) => disturbance,
            Err(_) => std::future::pending().await,
        }
    }
}

async fn at(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// What the command is, with all that it started.
struct Tree {
    reach: Reach,
    ending: Option<Ending>,
    pause: Option<Duration>,
}

impl Tree {
    fn new() -> Self {
        let me = getpid();
        let whose = move |seen: &crate::process_tree::Seen| {
            if seen.process().parent == me { Whose::Ours } else { Whose::Unsaid }
        };
        Self { reach: Reach::known(whose), ending: None, pause: None }
    }

    /// Begins to end it.
    fn end(&mut self, grace: Duration, after_grace: AfterGrace) {
        let manner = Manner { ask: Sent::SIGTERM, after_grace, ..Manner::default() };
        match &mut self.ending {
            Some(ending) if grace.is_zero() => ending.insist(Instant::now()),
            _ => self.ending = Some(Ending::new(manner, grace, Instant::now())),
        }
        self.pause = Some(Duration::ZERO);
    }

    /// The next round, once it is time; for ever, where nothing is left to do.
    async fn next(&mut self) {
        let Some(pause) = self.pause else { return std::future::pending().await };
        sleep(pause).await;
        let round = self.ending.as_mut().map(|it| it.round(&self.reach, &mut |_, _| ()));
        self.pause = match round {
            Some(Ok(Progress::Again(pause))) => Some(pause.max(Duration::from_millis(1))),
            _ => None,
        };
    }

    async fn until_gone(&mut self) {
        while self.pause.is_some() {
            self.next().await;
        }
    }
}
