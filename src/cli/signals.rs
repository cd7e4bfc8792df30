//! Signals to this process: the first one asks everything to stop, the second one insists.

use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use super::render;
use crate::cancel::{self, Cancel, Signal};

/// What a SIGHUP means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hangup {
    /// The end; nothing, if it was ignored when lem started: that is what `nohup` asks for.
    Inherited,
    /// Nothing.
    Ignored,
}

/// Two signals in so short a time are one wish: `timeout` and service supervisors signal a process
/// and then its group, which has the process in it.
const ONE_WISH: Duration = Duration::from_millis(300);

/// Watches for signals from here on, for as long as the runtime lives.
pub(super) fn watch(meaning: Hangup) -> std::io::Result<Cancel> {
    let (raise, cancel) = cancel::pair();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
    tokio::spawn(async move {
        let mut first: Option<Instant> = None;
        loop {
            let hung_up = async {
                match &mut hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            let came = tokio::select! {
                _ = interrupt.recv() => Signal::Interrupt,
                _ = terminate.recv() => Signal::Terminate,
                _ = hung_up => match meaning {
                    Hangup::Inherited => Signal::Hangup,
                    Hangup::Ignored => continue,
                },
            };
            let since = first.get_or_insert_with(Instant::now).elapsed();
            // A terminal that closes hangs up on whoever was interrupted in it: no second wish.
            if came != Signal::Hangup && since > ONE_WISH && raise.insist() {
                render::say("… ending everything now, without any grace");
            }
            raise.raise(came);
        }
    });
    Ok(cancel)
}

/// The next SIGINT or SIGTERM from this call on, whatever came before.
pub(super) fn another() -> impl Future<Output = ()> {
    let streams = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = streams else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// Read from `/proc`, because asking the kernel by `sigaction` would change it.
fn hangup_is_ignored() -> bool {
    let ignored = procfs::process::Process::myself()
        .and_then(|process| process.status())
        .map(|status| status.sigign);
    let bit = 1_u64 << (nix::sys::signal::Signal::SIGHUP as u64 - 1);
    ignored.is_ok_and(|mask| mask & bit != 0)
}
