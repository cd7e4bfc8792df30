//! The start of a native service: noted before it happens and after.

use std::fs::File;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::unistd::Pid;
use uuid::Uuid;

use super::evidence::Evidence;
use super::instance::{Child, Instance};
use super::look::look;
use super::note::{Boot, Note};
use super::spawn::{self, Start};
use super::{cgroup, log, pid_file};
use crate::process_tree::{Ending, Identity, Manner, Pidfd, Progress, ticks};
use crate::services::error::ServiceError;
use crate::services::service::{Kind, Life, Native, Service};

/// Starts a service whose note, log and lock are in `folder`. It outlives lem.
///
/// # Errors
/// Nothing was started: the program can't be executed, something of an earlier start is still
/// there, or the folder can't be written to.
pub(crate) fn start(service: &Service, folder: &Path) -> Result<Instance, ServiceError> {
    start_in(cgroup::make, service, folder)
}

/// The same with another way to a control group.
pub(super) fn start_in(
    group: Grouping,
    service: &Service,
    folder: &Path,
) -> Result<Instance, ServiceError> {
    let name = &service.name;
    let not_started = |source| ServiceError::NotStarted { name: name.clone(), source };
    let Kind::Native(native) = &service.kind else {
        return Err(not_started(Error::new(ErrorKind::InvalidInput, "it lives in a container")));
    };
    refuse_a_second(name, folder)?;
    let intended = intend(group, name, native, folder)?;
    let (mut note, output) = (intended.note, intended.output);
    let handle = begin(native, &note, &output)
        .inspect_err(|_| forget(&note, folder))
        .map_err(not_started)?;
    let pid = handle.pids().first().and_then(|pid| i32::try_from(*pid).ok()).map(Pid::from_raw);
    // It can't have been reaped yet, so the number is its own.
    let Some(program) = pid.and_then(Identity::of) else {
        undo(&note);
        forget(&note, folder);
        let source = Error::other("what was started is not in `/proc`");
        return Err(ServiceError::Unseen { name: name.clone(), source });
    };
    note.program = Some(program.into());
    if let Some(group) = note.cgroup.take_if(|group| cgroup::members(group).is_empty()) {
        cgroup::remove(&group);
    }
    let named = match &note.pid_file {
        Some(path) if !note.daemon => {
            pid_file::write(path, program.pid).map_err(|source| (path.clone(), source))
        }
        _ => Ok(()),
    };
    let noted = named.and_then(|()| note.write(folder).map_err(|it| (folder.to_owned(), it)));
    let child = Child::watch(handle);
    match noted {
        Ok(()) => Ok(Instance::new(note, program, folder.to_owned(), Some(child))),
        Err((path, source)) => {
            undo(&note);
            forget(&note, folder);
            Err(ServiceError::State { path, source })
        }
    }
}

/// Makes a control group for a start with this id, where it can.
pub(super) type Grouping = fn(&str) -> Option<PathBuf>;

/// What is ready before the program is.
pub(super) struct Intended {
    pub note: Note,
    pub output: File,
}

/// Writes down that a start is about to happen.
pub(super) fn intend(
    group: Grouping,
    name: &str,
    native: &Native,
    folder: &Path,
) -> Result<Intended, ServiceError> {
    let unusable = |source| ServiceError::State { path: folder.to_owned(), source };
    fs_err::create_dir_all(folder).map_err(unusable)?;
    let id = Uuid::new_v4().to_string();
    let boot =
        Boot::now().map_err(|source| ServiceError::Unseen { name: name.to_owned(), source })?;
    let output = log::begin(folder).map_err(unusable)?;
    let note = Note {
        cgroup: group(&id),
        id,
        service: name.to_owned(),
        boot,
        started_at: Timestamp::now(),
        // Where nobody knows the time, the age of a process is no evidence.
        since: Some(ticks()).filter(|ticks| *ticks != u64::MAX).unwrap_or_default(),
        command: spawn::words(&native.start, &native.directory),
        log: log::path(folder),
        daemon: native.life == Life::Daemon,
        pid_file: native.pid_file.clone(),
        program: None,
        seen: Vec::new(),
        ended: None,
    };
    note.write(folder).inspect_err(|_| forget(&note, folder)).map_err(unusable)?;
    Ok(Intended { note, output })
}

/// Starts the program of a note.
pub(super) fn begin(native: &Native, note: &Note, output: &File) -> std::io::Result<duct::Handle> {
    let door = note.cgroup.as_deref().and_then(|group| cgroup::door(group).ok());
    Start {
        command: &native.start,
        directory: &native.directory,
        environment: &native.environment,
        marker: Some(&note.id),
        output,
        door: door.as_ref(),
    }
    .spawn()
}

fn refuse_a_second(name: &str, folder: &Path) -> Result<(), ServiceError> {
    let Some(there) = look(name, folder)?.living() else { return Ok(()) };
    let pids: Vec<String> = there.pids()?.iter().map(u32::to_string).collect();
    let why = format!("processes of its last start are still there: {}", pids.join(", "));
    let source = Error::new(ErrorKind::AlreadyExists, why);
    Err(ServiceError::NotStarted { name: name.to_owned(), source })
}

/// Takes back what could not be noted, which nobody would find again.
fn undo(note: &Note) {
    let reach = Evidence::of(note).reach();
    let manner = Manner { send: Pidfd::send, ..Manner::default() };
    let mut ending = Ending::new(manner, std::time::Duration::ZERO, std::time::Instant::now());
    while let Ok(Progress::Again(pause)) = ending.round(&reach, &mut |_, _| ()) {
        std::thread::park_timeout(pause);
    }
    if let (Some(path), Some(program)) = (&note.pid_file, note.program) {
        pid_file::remove(path, Pid::from_raw(program.pid));
    }
}

fn forget(note: &Note, folder: &Path) {
    if let Some(group) = &note.cgroup {
        cgroup::remove(group);
    }
    Note::remove(folder);
}
