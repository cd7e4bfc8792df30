//! A child that talks as long as lem lives, and not longer.

use std::io::{BufRead, BufReader, PipeWriter};

use uuid::Uuid;

use super::{Exit, expression, not_started, spawn_apart};
use crate::engine::error::EngineError;
use crate::engine::invocation::Invocation;

/// A child that talks until it is ended. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Closed by dropping, or by the kernel when this process is killed.
    _lifeline: PipeWriter,
}

impl Stream {
    /// Starts a command and hands each line of its output to `line`, in a thread of its own;
    /// `line(None)` is the end.
    ///
    /// The command is a child of `lem run`, whose input is the lifeline: a `docker events` would
    /// otherwise outlive a lem that is killed, for ever where nothing happens any more.
    pub(crate) fn start(
        invocation: &Invocation,
        mut line: impl FnMut(Option<&str>) + Send + 'static,
    ) -> Result<Self, EngineError> {
        let failed = |source| not_started(invocation, source);
        let lem = std::env::current_exe().map_err(failed)?;
        let mark = format!("stream-{}", Uuid::new_v4());
        let program = invocation.program.to_string_lossy();
        let kept = Invocation::new(&lem, ["run", "--grace", "0", "--", &program])
            .with(invocation.arguments.iter().map(String::as_str));
        let (input, lifeline) = std::io::pipe().map_err(failed)?;
        let (reader, output) = std::io::pipe().map_err(failed)?;
        let child = expression(&kept)
            .env("LEM_RUN_ID", &mark)
            .stdin_file(input)
            .stdout_file(output)
            .stderr_null();
        let keeper = spawn_apart(&child, &kept)?;
        // It holds an end of the pipe; without it the command's is the last.
        drop(child);
        std::thread::spawn(move || {
            for text in BufReader::new(reader).lines() {
                let Ok(text) = text else { break };
                line(Some(&text));
            }
            line(None);
        });
        std::thread::spawn(move || {
            let exit = keeper.wait().map(|output| Exit::from(output.status));
            if let Ok(Exit::Signal(_)) = exit {
                // It could not take the command with it.
                let kill = Invocation::new(&lem, ["kill", &mark, "--grace", "0"]);
                let _ = expression(&kill).stdin_null().stdout_null().stderr_null().run();
            }
        });
        Ok(Self { _lifeline: lifeline })
    }
}
