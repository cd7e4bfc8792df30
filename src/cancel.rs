//! The user's wish to stop, as something a wait can race against.

use tokio::sync::watch;

/// The signal that asked for the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Interrupt,
    Terminate,
    Hangup,
}

impl Signal {
    /// The exit code of a program that this signal ended: 128 + its number.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
            Self::Hangup => 129,
        }
    }
}

impl std::fmt::Display for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
        })
    }
}

/// Raised once; every clone sees it.
#[derive(Debug, Clone)]
pub(crate) struct Cancel(watch::Receiver<Option<Signal>>);

/// Raises a [`Cancel`].
#[derive(Debug)]
pub(crate) struct Raise(watch::Sender<Option<Signal>>);

/// A wish that nobody has had yet.
pub(crate) fn pair() -> (Raise, Cancel) {
    let (sender, receiver) = watch::channel(None);
    (Raise(sender), Cancel(receiver))
}

impl Raise {
    /// Asks everything to stop; the first signal is the one that counts.
    pub(crate) fn raise(&self, signal: Signal) {
        self.0.send_if_modified(|now| {
            let first = now.is_none();
            now.get_or_insert(signal);
            first
        });
    }
}

impl Cancel {
    /// The signal, if one came.
    pub(crate) fn now(&self) -> Option<Signal> {
        *self.0.borrow()
    }

    /// Waits for the signal; for ever, if none comes.
    pub(crate) async fn raised(&self) -> Signal {
        let mut receiver = self.0.clone();
        let signal = receiver.wait_for(Option::is_some).await.ok().and_then(|s| *s);
        match signal {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}
