//! The end of a native service: its own way out first, then its signal, and what its registry says
//! for the time after the grace. It is over when nothing of it is left.

use std::path::Path;
use std::time::{Duration, Instant};

use duct::Handle;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::evidence::Evidence;
use super::how::How;
use super::instance::{Instance, pause};
use super::spawn::Start;
use super::{MARKER, cgroup, log, pid_file};
use crate::cancel::Cancel;
use crate::process_tree::{self as tree, Ending, Manner, Pidfd, Progress, Survivors, own_line};
use crate::services::error::ServiceError;
use crate::services::service::{AfterGrace, Kind, Native, Service};
use crate::services::stopped::Stopped;

/// What the command that stops a service said, beside the service's own output.
const STOP_LOG: &str = "stop.log";
/// How often it is looked what a stop command has achieved.
const LOOK: Duration = Duration::from_millis(50);

/// Stops a service with all of its processes. The first wish to end lem changes nothing, since half
/// of a stop is worth nothing; a user who insists gets a KILL at once.
///
/// # Errors
/// Something is left, which the error names, or there is no telling.
pub(crate) async fn stop(
    instance: &Instance,
    service: &Service,
    cancel: &Cancel,
) -> Result<Stopped, ServiceError> {
    let begun = Instant::now();
    let failed = |why: String| ServiceError::NotStopped { name: service.name.clone(), why };
    refuse_from_inside(instance).map_err(failed)?;
    let signal = signal(&service.stop.signal).map_err(failed)?;
    let named = instance.note.pid_file.as_deref().and_then(pid_file::number);
    let members = instance.members().map_err(|source| instance.unseen(source))?;
    if let Kind::Native(native) = &service.kind
        && native.stop.is_some()
        && !members.is_empty()
    {
        by_command(instance, native, service.stop.grace, cancel).await;
    }
    let manner = Manner {
        ask: signal,
        after_grace: match service.stop.after_grace {
            AfterGrace::Fail => tree::AfterGrace::GiveUp,
            AfterGrace::Kill => tree::AfterGrace::Kill,
        },
        send: Pidfd::send,
    };
    let ended =
        by_signals(instance, Ending::new(manner, service.stop.grace, Instant::now()), cancel);
    let escalated = match ended.await? {
        Ok(escalated) => escalated,
        Err(survivors) => return Err(failed(who(&survivors, service.stop.grace))),
    };
    let was_ours = |pid: &Pid| {
        members.iter().any(|id| id.pid == *pid) || instance.note.named().any(|id| id.pid == *pid)
    };
    if let (Some(path), Some(pid)) = (&instance.note.pid_file, named.filter(was_ours)) {
        pid_file::remove(path, pid);
    }
    if let Some(group) = &instance.note.cgroup {
        cgroup::remove(group);
    }
    let mut note = (*instance.note).clone();
    note.ended = Some(How::Stopped);
    instance.write(&note)?;
    Ok(Stopped { escalated, took: begun.elapsed() })
}

/// The processes of lem's own line are never signalled, so that nobody could tell when it is over.
fn refuse_from_inside(instance: &Instance) -> Result<(), String> {
    let is_marked = std::env::var(MARKER).is_ok_and(|id| id == instance.note.id);
    let line = own_line();
    let is_inside = instance
        .note
        .cgroup
        .as_ref()
        .is_some_and(|group| cgroup::members(group).contains(&nix::unistd::getpid()));
    if is_marked
        || is_inside
        || instance.note.named().any(|id| line.contains(&id.pid) && id.is_alive())
    {
        return Err("lem was started by it, so it would end lem itself".to_owned());
    }
    Ok(())
}

fn signal(name: &str) -> Result<Signal, String> {
    let short = name.strip_prefix("SIG").unwrap_or(name);
    format!("SIG{short}").parse().map_err(|_| format!("there is no signal `{name}`"))
}

/// Asks the program to end in its own way, and gives it the grace for that. What the command says
/// about its success proves nothing; that it failed means that there is nothing to wait for.
async fn by_command(instance: &Instance, native: &Native, grace: Duration, cancel: &Cancel) {
    let Some(command) = start_command(instance, native) else { return };
    let deadline = Instant::now().checked_add(grace);
    loop {
        let done = match command.try_wait() {
            Ok(None) => false,
            Ok(Some(output)) if output.status.success() => true,
            Ok(Some(_)) | Err(_) => break,
        };
        let this = instance.clone();
        let left = tokio::task::spawn_blocking(move || this.members()).await;
        let is_over = matches!(left, Ok(Ok(members)) if members.is_empty());
        let is_late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if is_late || cancel.insists() || (is_over && done) {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = cancel.insisted() => {}
        }
    }
    let pid = command.pids().first().and_then(|pid| i32::try_from(*pid).ok());
    if let (Ok(None), Some(pid)) = (command.try_wait(), pid) {
        // Not reaped, so the number of its group, which is its session, is its own.
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    // Reaped by a thread that does not keep lem from ending.
    let _ = std::thread::Builder::new().spawn(move || command.wait().map(|_| ()));
}

fn start_command(instance: &Instance, native: &Native) -> Option<Handle> {
    let path = instance.folder.join(STOP_LOG);
    let output = fresh(&path)?;
    let start = Start {
        command: native.stop.as_ref()?,
        directory: &native.directory,
        environment: &native.environment,
        marker: None,
        output: &output,
        door: None,
    };
    match start.spawn() {
        Ok(handle) => Some(handle),
        Err(error) => {
            let _ = std::io::Write::write_all(&mut &output, format!("{error}\n").as_bytes());
            None
        }
    }
}

fn fresh(path: &Path) -> Option<std::fs::File> {
    let _ = std::fs::remove_file(path);
    log::create(path).ok()
}

/// Rounds of signals until nothing is left. Whether a KILL was needed.
async fn by_signals(
    instance: &Instance,
    mut ending: Ending,
    cancel: &Cancel,
) -> Result<Result<bool, Survivors>, ServiceError> {
    let mut reach = Evidence::of(&instance.note).reach();
    let mut escalated = false;
    loop {
        if cancel.insists() {
            ending.insist(Instant::now());
        }
        let group = instance.note.cgroup.clone();
        let round = move || {
            let mut killed = false;
            let progress =
                ending.round(&reach, &mut |_, signal| killed |= signal == Signal::SIGKILL);
            if let (true, Some(group)) = (killed, group) {
                cgroup::kill(&group);
            }
            (ending, reach, progress, killed)
        };
        let (back, same, progress, killed) = match tokio::task::spawn_blocking(round).await {
            Ok(round) => round,
            Err(panicked) => return Err(instance.unseen(panicked)),
        };
        (ending, reach) = (back, same);
        escalated |= killed;
        let time = match progress.map_err(|source| instance.unseen(source))? {
            Progress::Done => return Ok(Ok(escalated)),
            Progress::Failed(survivors) => return Ok(Err(survivors)),
            Progress::Again(time) => time,
        };
        let living = Some(instance.program).filter(|program| program.is_alive());
        tokio::select! {
            () = pause(living, time) => {}
            () = cancel.insisted(), if !cancel.insists() => {}
        }
    }
}

/// Which processes are left, with their names.
fn who(survivors: &Survivors, grace: Duration) -> String {
    let name = |pid: &Pid| {
        let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let printable: String = comm.chars().filter(|c| !c.is_control()).collect();
        format!("{pid} ({printable})")
    };
    let names: Vec<String> = survivors.pids.iter().map(name).collect();
    let grace = crate::duration::human(grace);
    format!("still there after {grace}: {}", names.join(", "))
}
