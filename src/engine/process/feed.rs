//! A command of the user's that is told something: it gets an input, a time limit, and as much
//! to say as is kept, which is the end of it.

use std::io::{PipeReader, Read};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{EngineError, Exit, Invocation, expression, not_started, signal_group, spawn_apart};

/// Bytes of output that are kept.
const KEPT: usize = 8 * 1024;
/// How often the wish to stop is looked at.
const TICK: Duration = Duration::from_millis(50);

/// Runs a command that reads `input`, at most `limit` and until `stop` says so, and then kills it
/// with its group. Returns how it ended and the end of what it said.
///
/// # Errors
/// It can't be started, or it was killed.
pub(crate) fn feed_blocking(
    invocation: &Invocation,
    input: &[u8],
    limit: Duration,
    stop: impl Fn() -> bool,
) -> Result<(Exit, String), EngineError> {
    let failed = |source| not_started(invocation, source);
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let both = writer.try_clone().map_err(failed)?;
    let handle = {
        let expression =
            expression(invocation).stdin_bytes(input).stdout_file(writer).stderr_file(both);
        // The expression holds the pipe open, and ends here.
        spawn_apart(&expression, invocation)?
    };
    let said = Tail::of(reader);
    let deadline = Instant::now() + limit;
    loop {
        match handle.wait_timeout(TICK) {
            Ok(Some(output)) => return Ok((output.status.into(), said.text_within(TICK))),
            Ok(None) if stop() || Instant::now() >= deadline => {
                signal_group(&handle, Signal::SIGKILL);
                return Err(EngineError::TimedOut { command: invocation.to_string(), limit });
            }
            Ok(None) => {}
            Err(source) => return Err(failed(source)),
        }
    }
}

/// The end of a stream, read as it comes: one that talks without end fills no memory.
pub(super) struct Tail {
    kept: Arc<Mutex<Vec<u8>>>,
    ended: mpsc::Receiver<()>,
}

impl Tail {
    pub(super) fn of(mut stream: PipeReader) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (sender, ended) = mpsc::channel();
        let writing = Arc::clone(&kept);
        std::thread::spawn(move || {
            let mut bytes = [0; KEPT];
            while let Ok(read @ 1..) = stream.read(&mut bytes) {
                let Ok(mut kept) = writing.lock() else { return };
                kept.extend_from_slice(&bytes[..read]);
                let surplus = kept.len().saturating_sub(KEPT);
                kept.drain(..surplus);
            }
            let _ = sender.send(());
        });
        Self { kept, ended }
    }

    /// What it holds when the stream has ended, or after `patience`: something that the command
    /// left behind may hold the stream open.
    pub(super) fn text_within(&self, patience: Duration) -> String {
        let _ = self.ended.recv_timeout(patience);
        let kept = self.kept.lock().map(|kept| kept.clone()).unwrap_or_default();
        String::from_utf8_lossy(&kept).into_owned()
    }
}
