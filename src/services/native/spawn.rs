//! One process started in a known state: a session of its own, no input, its output in a file, no
//! signal blocked or ignored, and nothing that lem has open.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use duct::{Expression, Handle};
use nix::libc;
use nix::sys::signal::SigSet;

use super::MARKER;
use crate::services::service::{CommandLine, Native};

/// What of lem's own is not for others: the mark of the run that lem may be part of, which would
/// take the service with it, and a secret.
const OWN: [&str; 3] = [MARKER, "LEM_RUN_ID", "LEM_WEBHOOK_URL"];
/// The first descriptor that is not one of the three that every process has.
const FIRST: RawFd = 3;

/// A process that is to be started.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub command: &'a CommandLine,
    pub directory: &'a Path,
    pub environment: &'a BTreeMap<String, String>,
    /// The value of the marker.
    pub marker: Option<&'a str>,
    pub output: &'a File,
    /// The door of the control group that it joins.
    pub door: Option<&'a File>,
}

/// Why a program can't be executed, where the system's own words don't tell.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("its command is empty")]
    Empty,
    #[error("there is no folder `{}` to start it in", _0.display())]
    NoDirectory(PathBuf),
    #[error("there is no program `{0}`")]
    NoProgram(String),
    #[error("the interpreter of `{0}` is missing")]
    NoInterpreter(String),
    #[error("`{0}` can't be executed")]
    NotExecutable(String),
}

/// The words of a command, the first being what is executed: a path is meant from `directory`.
pub(super) fn words(command: &CommandLine, directory: &Path) -> Vec<String> {
    match command {
        CommandLine::Shell(line) => ["/bin/sh", "-c", line].map(str::to_owned).to_vec(),
        CommandLine::Words(words) => {
            let mut words = words.clone();
            if let Some(program) = words.first_mut().filter(|word| word.contains('/')) {
                // Without the `.` of `./start.sh`.
                let path: PathBuf = directory.join(&*program).components().collect();
                *program = path.to_string_lossy().into_owned();
            }
            words
        }
    }
}

/// Whether a program is there, and may be executed.
///
/// # Errors
/// Why it would not start.
pub(crate) fn possible(native: &Native) -> io::Result<()> {
    if !native.directory.is_dir() {
        return Err(refused(Refused::NoDirectory(native.directory.clone())));
    }
    let words = words(&native.start, &native.directory);
    let program = words.first().ok_or_else(|| refused(Refused::Empty))?;
    if finds(program, &native.environment, &native.directory) {
        return Ok(());
    }
    let why = if program.contains('/') && Path::new(program).exists() {
        Refused::NotExecutable
    } else {
        Refused::NoProgram
    };
    Err(refused(why(program.clone())))
}

fn finds(program: &str, environment: &BTreeMap<String, String>, directory: &Path) -> bool {
    let own = environment.get("PATH").map(Into::into);
    which::which_in(program, own.or_else(|| std::env::var_os("PATH")), directory).is_ok()
}

impl Start<'_> {
    /// Starts it.
    ///
    /// # Errors
    /// Also what keeps the program from being executed: then nothing was started.
    pub(super) fn spawn(&self) -> io::Result<Handle> {
        let words = words(self.command, self.directory);
        let (program, arguments) = words.split_first().ok_or_else(|| refused(Refused::Empty))?;
        let error = match self.expression(program, arguments)?.start() {
            Ok(handle) => return Ok(handle),
            Err(error) => error,
        };
        Err(self.explained(program, error))
    }

    fn expression(&self, program: &str, arguments: &[String]) -> io::Result<Expression> {
        let door = self.door.map(AsRawFd::as_raw_fd);
        let mut expression = duct::cmd(program, arguments)
            .dir(self.directory)
            .stdin_null()
            .stdout_file(self.output.try_clone()?)
            .stderr_file(self.output.try_clone()?)
            .before_spawn(move |command| {
                detach(command, door);
                Ok(())
            })
            .unchecked();
        // What is said first counts.
        if let Some(id) = self.marker {
            expression = expression.env(MARKER, id);
        }
        for (name, value) in self.environment {
            expression = expression.env(name, value);
        }
        for name in OWN {
            expression = expression.env_remove(name);
        }
        Ok(expression)
    }

    fn explained(&self, program: &str, error: io::Error) -> io::Error {
        if !self.directory.is_dir() {
            return refused(Refused::NoDirectory(self.directory.to_owned()));
        }
        let named = program.to_owned();
        match error.kind() {
            io::ErrorKind::NotFound if self.finds(program) => {
                refused(Refused::NoInterpreter(named))
            }
            io::ErrorKind::NotFound => refused(Refused::NoProgram(named)),
            // A folder of the PATH that may not be searched.
            io::ErrorKind::PermissionDenied if !program.contains('/') && !self.finds(program) => {
                refused(Refused::NoProgram(named))
            }
            io::ErrorKind::PermissionDenied => refused(Refused::NotExecutable(named)),
            _ => error,
        }
    }

    fn finds(&self, program: &str) -> bool {
        finds(program, self.environment, self.directory)
    }
}

fn refused(why: Refused) -> io::Error {
    let kind = match why {
        Refused::Empty => io::ErrorKind::InvalidInput,
        Refused::NoDirectory(_) | Refused::NoProgram(_) | Refused::NoInterpreter(_) => {
            io::ErrorKind::NotFound
        }
        Refused::NotExecutable(_) => io::ErrorKind::PermissionDenied,
    };
    io::Error::new(kind, why)
}

/// Makes the command one that shares nothing with lem.
#[allow(unsafe_code, reason = "only between fork and exec can a process be given a new session")]
fn detach(command: &mut Command, door: Option<RawFd>) {
    let open = inherited();
    let enter = move || {
        // SAFETY: nothing but system calls on memory that was there before the fork.
        unsafe {
            if let Some(door) = door {
                // A group that it may not join is an empty group.
                libc::write(door, c"0".as_ptr().cast(), 1);
            }
            for signal in 1..=libc::SIGRTMAX() {
                libc::signal(signal, libc::SIG_DFL);
            }
            // Closed by the execution, and not before: its failure is told through one of them.
            let every = (FIRST as libc::c_uint, libc::c_uint::MAX, CLOSE_ON_EXEC);
            if libc::syscall(libc::SYS_close_range, every.0, every.1, every.2) != 0 {
                for descriptor in &open {
                    libc::fcntl(*descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
                }
            }
        }
        SigSet::empty().thread_set_mask()?;
        nix::unistd::setsid()?;
        Ok(())
    };
    // SAFETY: as above; what `nix` does here is one system call each.
    unsafe {
        command.pre_exec(enter);
    }
}

/// `CLOSE_RANGE_CLOEXEC`, since Linux 5.11.
const CLOSE_ON_EXEC: libc::c_uint = 1 << 2;

/// What this process has open, for kernels that can't close a range of it.
fn inherited() -> Vec<RawFd> {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|number| *number >= FIRST).collect()
}
