//! Another lem that goes on when this one has ended.
//!
//! It is no child in the sense of the others: it stays in this process group until it opens a
//! session of its own, and nothing kills it. Until it has begun it talks to this lem over two pipes.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, PipeReader};
use std::time::Duration;

use duct::Handle;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Exit;
use super::feed::Tail;

/// A lem that is about to go on by itself.
pub(crate) struct Leaving {
    handle: Handle,
    line: PipeReader,
    errors: Tail,
}

/// How a lem is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// In order.
    ToEnd,
    AtOnce,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Left {
    /// It has begun, and said so in this line.
    Begun(String),
    /// It ended before it began, with these words.
    Ended(Exit, String),
}

impl Leaving {
    /// Starts this program with other arguments. Its environment and folder are the same.
    ///
    /// # Errors
    /// The program can't be started again.
    pub(crate) fn start(arguments: Vec<OsString>) -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let (line, announcing) = io::pipe()?;
        let (errors, complaining) = io::pipe()?;
        let handle = {
            let expression = duct::cmd(program, arguments)
                .stdin_null()
                .stdout_file(announcing)
                .stderr_file(complaining)
                .unchecked();
            // The expression holds the pipes open, and ends here.
            expression.start()?
        };
        Ok(Self { handle, line, errors: Tail::of(errors) })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.handle.pids().first().copied().unwrap_or_default()
    }

    /// Asks the one with this process id to end. Only while it is waited for.
    pub(crate) fn signal(pid: u32, ask: Ask) {
        let signal = match ask {
            Ask::ToEnd => Signal::SIGTERM,
            Ask::AtOnce => Signal::SIGKILL,
        };
        if let Ok(pid) = i32::try_from(pid) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Blocks until it has begun or ended.
    pub(crate) fn wait(self) -> io::Result<Left> {
        let mut line = String::new();
        BufReader::new(self.line).read_line(&mut line)?;
        if line.ends_with('\n') {
            return Ok(Left::Begun(line));
        }
        let exit = self.handle.wait()?.status.into();
        Ok(Left::Ended(exit, self.errors.text_within(Duration::from_secs(1))))
    }
}
