//! A command of the user's that lem stands beside: it has lem's terminal, its group and its
//! streams, and lem only waits for it.

use std::ffi::OsString;
use std::io;
use std::sync::Arc;

use duct::{Expression, Handle};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::watch;

use super::Exit;

/// A running command. It is not ended with lem: a signal to the terminal reaches it by itself.
#[derive(Debug)]
pub(crate) struct Attended {
    handle: Arc<Handle>,
    ended: watch::Receiver<Option<Exit>>,
}

impl Attended {
    /// Starts a command with more in its environment.
    ///
    /// # Errors
    /// It can't be executed.
    pub(crate) fn start_with(
        program: &OsString,
        arguments: &[OsString],
        environment: &[(String, String)],
    ) -> io::Result<Self> {
        let expression = duct::cmd(program, arguments).unchecked();
        let add =
            |expression: Expression, (name, value): &(String, String)| expression.env(name, value);
        let handle = Arc::new(environment.iter().fold(expression, add).start()?);
        let (sender, ended) = watch::channel(None);
        std::thread::Builder::new().name("attended".to_owned()).spawn({
            let handle = Arc::clone(&handle);
            move || {
                let exit = handle.wait().map_or(Exit::Signal(0), |output| output.status.into());
                let _ = sender.send(Some(exit));
            }
        })?;
        Ok(Self { handle, ended })
    }

    /// Waits for its end. May be dropped and called again.
    pub(crate) async fn ended(&self) -> Exit {
        let mut ended = self.ended.clone();
        ended.wait_for(Option::is_some).await.ok().and_then(|exit| *exit).unwrap_or(Exit::Signal(0))
    }

    /// Passes a signal on to it.
    fn signal(&self, signal: Signal) {
        if self.ended.borrow().is_some() {
            return;
        }
        for pid in self.handle.pids() {
            if let Ok(pid) = i32::try_from(pid) {
                let _ = kill(Pid::from_raw(pid), signal);
            }
        }
    }

    /// Asks it to end.
    pub(crate) fn ask_to_end(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Ends it.
    pub(crate) fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }
}
