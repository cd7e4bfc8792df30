//! One start of a native service, from the moment that it was started or found again.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use duct::Handle;
use jiff::Timestamp;
use tokio::sync::watch;

use super::evidence::Evidence;
use super::how::How;
use super::note::Note;
use super::{cgroup, log, pid_file};
use crate::process_tree::{Identity, Pidfd, ScanError};
use crate::services::error::ServiceError;

/// How often a process is looked at that is no child of ours.
const TICK: Duration = Duration::from_millis(25);
/// How often it is looked whether anything is left.
const LOOK: Duration = Duration::from_millis(100);
/// How long a program that went into the background may take to say where it is.
const LAUNCH: Duration = Duration::from_secs(5);

/// A start of a native service. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(super) note: Arc<Note>,
    pub(super) folder: PathBuf,
    /// The program that was started.
    pub(super) program: Identity,
    child: Option<Child>,
    /// A process of it that lived when it was last looked.
    witness: Arc<Mutex<Option<Identity>>>,
}

/// The program as long as lem is its parent, which nobody else can reap.
#[derive(Debug, Clone)]
pub(super) struct Child(watch::Receiver<Option<How>>);

impl Child {
    /// Waits for its end in a thread that does not keep lem from ending.
    pub(super) fn watch(handle: Handle) -> Self {
        let (sender, receiver) = watch::channel(None);
        let wait = move || {
            let how = handle.wait().map_or(How::Unseen, |output| output.status.into());
            let _ = sender.send(Some(how));
        };
        // Without a thread nobody waits, and the end is seen in `/proc`.
        let _ = std::thread::Builder::new().name("native".to_owned()).spawn(wait);
        Self(receiver)
    }

    fn how(&self) -> Option<How> {
        *self.0.borrow()
    }

    async fn ended(&self) -> Option<How> {
        self.0.clone().wait_for(Option::is_some).await.ok().and_then(|how| *how)
    }
}

impl Instance {
    pub(super) fn new(
        note: Note,
        program: Identity,
        folder: PathBuf,
        child: Option<Child>,
    ) -> Self {
        Self { note: Arc::new(note), folder, program, child, witness: Arc::default() }
    }

    /// What lem called this start, and no other.
    pub(crate) fn id(&self) -> &str {
        &self.note.id
    }

    /// The program that was started: the leader of its session.
    pub(crate) fn pid(&self) -> u32 {
        self.program.pid.as_raw().unsigned_abs()
    }

    /// All of its processes that live, the oldest first.
    pub(crate) fn pids(&self) -> Result<Vec<u32>, ServiceError> {
        let members = self.members().map_err(|source| self.unseen(source))?;
        Ok(members.iter().map(|id| id.pid.as_raw().unsigned_abs()).collect())
    }

    /// When it was started.
    pub(crate) fn since(&self) -> Timestamp {
        self.note.started_at
    }

    /// How much it has said so far, in bytes.
    pub(crate) fn said(&self) -> u64 {
        log::length(&self.note.log)
    }

    /// The last lines that it said.
    pub(crate) fn tail(&self, lines: usize) -> Vec<String> {
        log::tail(&self.note.log, lines)
    }

    /// Whether the service goes on: its program does, or what that has left in the background.
    pub(crate) fn is_alive(&self) -> bool {
        match self.program_end() {
            None => true,
            Some(How::Exited(0) | How::Unseen) if self.note.daemon => self.has_members(),
            Some(_) => false,
        }
    }

    /// Waits for the end of the service. May be dropped and called again.
    pub(crate) async fn ended(&self) -> How {
        let how = self.program_ended().await;
        if self.note.daemon && matches!(how, How::Exited(0) | How::Unseen) {
            self.background_ended().await;
        }
        self.conclude(how);
        how
    }

    /// Writes down which processes it has now, so that they are known as its own even when every
    /// sign of that is lost.
    pub(crate) fn remember(&self) -> Result<(), ServiceError> {
        let members = self.members().map_err(|source| self.unseen(source))?;
        let mut note = (*self.note).clone();
        note.seen = members.into_iter().map(Into::into).collect();
        self.write(&note)
    }

    pub(super) fn write(&self, note: &Note) -> Result<(), ServiceError> {
        let path = self.folder.clone();
        note.write(&self.folder).map_err(|source| ServiceError::State { path, source })
    }

    pub(super) fn members(&self) -> Result<Vec<Identity>, ScanError> {
        let members = Evidence::of(&self.note).members()?;
        if let Ok(mut witness) = self.witness.lock() {
            *witness = members.first().copied();
        }
        Ok(members)
    }

    pub(super) fn unseen(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ServiceError {
        let name = self.note.service.clone();
        ServiceError::Unseen { name, source: std::io::Error::other(source) }
    }

    /// How the program ended, if it has.
    fn program_end(&self) -> Option<How> {
        match self.child.as_ref().and_then(Child::how) {
            Some(how) => Some(how),
            None if self.program.is_alive() => None,
            // The child's own end is about to be told.
            None => Some(self.note.ended.unwrap_or(How::Unseen)),
        }
    }

    /// Not where there is no telling: what can't be seen is not over.
    fn has_members(&self) -> bool {
        let witness = self.witness.lock().ok().and_then(|witness| *witness);
        witness.is_some_and(Identity::is_alive)
            || self.members().map_or(true, |members| !members.is_empty())
    }

    async fn program_ended(&self) -> How {
        if let Some(how) = self.note.ended {
            return how;
        }
        if let Some(child) = &self.child
            && let Some(how) = child.ended().await
        {
            return how;
        }
        while self.program.is_alive() {
            pause(Some(self.program), TICK).await;
        }
        How::Unseen
    }

    /// Waits until two looks in a row find nothing of it.
    async fn background_ended(&self) {
        let begun = Instant::now();
        let (mut missed, mut came) = (false, false);
        loop {
            let this = self.clone();
            let looked = tokio::task::spawn_blocking(move || this.has_members()).await;
            let is_there = looked.unwrap_or(true);
            came |= is_there;
            let may_come = !came && self.may_come(begun);
            if !is_there && std::mem::replace(&mut missed, true) && !may_come {
                return;
            }
            missed &= !is_there;
            let witness = self.witness.lock().ok().and_then(|witness| *witness);
            pause(witness.filter(|_| is_there), LOOK).await;
        }
    }

    /// Whether it may still say in its file where it is.
    fn may_come(&self, begun: Instant) -> bool {
        let names_nobody = |path: &PathBuf| {
            pid_file::number(path).and_then(Identity::of_living).is_none()
                && std::fs::metadata(path).and_then(|it| it.modified()).map_or(true, |written| {
                    written < std::time::SystemTime::from(self.note.started_at)
                })
        };
        // Or it was stopped before anybody had seen it.
        let noted = Note::read(&self.folder).ok().flatten();
        let is_over = noted.is_none_or(|note| note.id != self.note.id || note.ended.is_some());
        self.child.is_some()
            && !is_over
            && begun.elapsed() < LAUNCH
            && self.note.pid_file.as_ref().is_some_and(names_nobody)
    }

    /// Writes down how it ended, for those who ask later.
    fn conclude(&self, how: How) {
        // Another start may have taken its place meanwhile.
        let now = Note::read(&self.folder).ok().flatten();
        if let Some(mut note) = now.filter(|note| note.id == self.note.id && note.ended.is_none()) {
            note.ended = Some(how);
            let _ = note.write(&self.folder);
        }
        // Where something is left, it stays.
        if let Some(group) = &self.note.cgroup {
            cgroup::remove(group);
        }
    }
}

/// Waits so long, or until a process has ended.
pub(super) async fn pause(process: Option<Identity>, limit: Duration) {
    let wait = move || process.and_then(Pidfd::open).map(|held| held.wait(limit));
    let held = match process {
        Some(_) => tokio::task::spawn_blocking(wait).await.ok().flatten(),
        None => None,
    };
    if held.is_none() {
        tokio::time::sleep(limit).await;
    }
}
