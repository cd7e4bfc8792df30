//! The user's wish to stop, as something a wait can race against. It has two degrees: the first
//! signal asks everything to end in order, the second insists, and no grace is left.

use std::sync::Arc;

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

#[derive(Debug, Clone, Copy, Default)]
struct Wish {
    signal: Option<Signal>,
    insists: bool,
}

/// Raised once, perhaps insisted on later; every clone sees it.
#[derive(Debug, Clone)]
pub(crate) struct Cancel(watch::Receiver<Wish>);

/// Raises a [`Cancel`].
#[derive(Debug)]
pub(crate) struct Raise(watch::Sender<Wish>);

/// A wish that nobody has had yet.
pub(crate) fn pair() -> (Raise, Cancel) {
    let (sender, receiver) = watch::channel(Wish::default());
    (Raise(sender), Cancel(receiver))
}

impl Raise {
    /// Asks everything to stop; the first signal is the one that counts.
    pub(crate) fn raise(&self, signal: Signal) {
        self.0.send_if_modified(|wish| {
            let first = wish.signal.is_none();
            wish.signal.get_or_insert(signal);
            first
        });
    }

    /// Wants the end now. Only after [`Self::raise`]. Whether this was the first time.
    pub(crate) fn insist(&self) -> bool {
        self.0.send_if_modified(|wish| !std::mem::replace(&mut wish.insists, true))
    }
}

impl Cancel {
    /// The signal, if one came.
    pub(crate) fn now(&self) -> Option<Signal> {
        self.0.borrow().signal
    }

    /// Whether a second signal came: what is being ended gets no more time.
    pub(crate) fn insists(&self) -> bool {
        self.0.borrow().insists
    }

    /// The same for what has to be done after the first signal: raised by the second one alone.
    /// Only within a runtime.
    pub(crate) fn last_word(&self) -> Self {
        let (raise, last) = pair();
        let first = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = first.insisted() => {
                    raise.raise(first.now().unwrap_or(Signal::Interrupt));
                    raise.insist();
                }
                // Nobody listens any more.
                () = raise.0.closed() => {}
            }
        });
        last
    }

    /// Another one that is raised with this one, or by itself. Only within a runtime.
    pub(crate) fn with_own(&self) -> (Arc<Raise>, Self) {
        let (raise, own) = pair();
        let raise = Arc::new(raise);
        let (outer, passing_on) = (self.clone(), Arc::clone(&raise));
        tokio::spawn(async move {
            let pass = async {
                passing_on.raise(outer.raised().await);
                outer.insisted().await;
                passing_on.insist();
            };
            tokio::select! {
                () = pass => {}
                // Nobody listens any more.
                () = passing_on.0.closed() => {}
            }
        });
        (raise, own)
    }

    /// Waits for the signal; for ever, if none comes.
    pub(crate) async fn raised(&self) -> Signal {
        let mut receiver = self.0.clone();
        let wish = receiver.wait_for(|wish| wish.signal.is_some()).await;
        match wish.ok().and_then(|wish| wish.signal) {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }

    /// Waits for the second signal; for ever, if none comes.
    pub(crate) async fn insisted(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|wish| wish.insists).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
