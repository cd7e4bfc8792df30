//! The ledger as `benches/coordination.rs` drives it, from many processes at once. Only with the
//! feature `bench`, and no part of what the crate promises.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use super::agent::Agent;
use super::kind::Kind;
use super::ledger::{Answer, Ending, Ledger, LedgerError, Server};
use super::operation::{OnConflict, OperationId, Priority, Token, Wish};
use super::owner::Own;
use super::part::{Act, Part};
use super::permit::{Patience, Permit};
use super::resource::Resource;
use crate::cancel;

/// What a benchmark meets: it fails, whatever it was.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// One that asks the ledger directly, and never waits.
#[derive(Debug)]
pub struct Contender {
    ledger: Ledger,
    own: Own,
}

/// What a [`Contender`] holds.
#[derive(Debug)]
pub struct Held(OperationId, Token);

impl Contender {
    /// Opens the ledger in this folder.
    ///
    /// # Errors
    /// It can't be used.
    pub fn open(folder: &Path) -> Outcome<Self> {
        let ledger = open(folder)?;
        let own = Own::new(&ledger.owners())?;
        Ok(Self { ledger, own })
    }

    /// Restarts something, as far as the ledger knows.
    ///
    /// # Errors
    /// Somebody else is at it.
    pub fn take(&mut self, name: &str) -> Outcome<Held> {
        match self.ledger.ask(&restart(name, "contender"), &self.own.owner, false)? {
            Answer::Started(started) => Ok(Held(started.id, started.token)),
            other => Err(format!("{name}: {other:?}").into()),
        }
    }

    /// Ends that.
    ///
    /// # Errors
    /// The ledger can't be used, or has forgotten it.
    pub fn give(&mut self, held: &Held) -> Outcome<()> {
        let ours = self.ledger.finish(held.0, held.1, &Ending::done())?;
        if ours { Ok(()) } else { Err("it was taken away".into()) }
    }
}

/// Waits for its turn as `lem op` does, `rounds` times. `waits` hears each time that it is in the
/// queue, `works` that its turn has come; the turn ends when that returns.
///
/// # Errors
/// The ledger can't be used.
pub fn take_turns(
    folder: &Path,
    agent: &str,
    name: &str,
    rounds: usize,
    mut waits: impl FnMut() + Send,
    mut works: impl FnMut(),
) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (_raise, cancel) = cancel::pair();
        let folder = folder.to_owned();
        let agent = Agent::with(agent.to_owned(), move || open(&folder)).await?;
        for _ in 0..rounds {
            let wish = restart(name, agent.name());
            let mut told = |_: &_| waits();
            let permit = Permit::take(&agent, wish, Patience::Endless, &cancel, &mut told).await?;
            works();
            permit.end(Ending::done()).await?;
        }
        Ok(())
    })
}

/// A server to be measured in the place of a file: the URL of a database.
pub const SERVER: &str = "LEM_BENCH_LEDGER";

fn open(folder: &Path) -> Result<Ledger, LedgerError> {
    match std::env::var(SERVER) {
        Ok(url) => Ledger::open_on(&Server::new(&url, None)?, folder.to_owned()),
        Err(_) => Ledger::open_in(folder),
    }
}

fn restart(name: &str, agent: &str) -> Wish {
    Wish {
        parts: vec![Part::new(Resource::name(name), Act::Kind(Kind::Restart))],
        what: format!("restart {name}"),
        command: None,
        agent: agent.to_owned(),
        reason: None,
        priority: Priority::default(),
        expect: None,
        limit: None,
        settle: Duration::ZERO,
        on_conflict: OnConflict::Queue,
        over_shared: false,
        parent: None,
    }
}
