//! Who asks for operations: this process, with the ledger open and a name that people know.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::asking;
use super::ear::Ear;
use super::error::CoordinationError;
use super::ledger::{Ledger, LedgerError, Place, URL};
use super::operation::{OperationId, State};
use super::owner::{Own, Owner, person};
use super::trust::Trust;

/// Who acts, where a person or a program says so.
pub(crate) const VARIABLE: &str = "LEM_AGENT";
/// The operation that a command is run by, and its token: what is given to that command.
pub(crate) const OPERATION: &str = "LEM_OP_ID";
pub(crate) const TOKEN: &str = "LEM_LOCK_TOKEN";
/// The ledger that it is in.
pub(crate) const LEDGER: &str = "LEM_LEDGER_ID";
/// The operation, as `lem unlock` wants it.
pub(crate) const LOCK: &str = "LEM_LOCK_ID";

/// How often an owner says that it is well.
///
/// 2026-11-21: the kernel tells who lives; this only tells who was stopped, which is said of one not
/// heard of for a minute. So that a hundred who wait don't keep the disk awake, it is seldom.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// This process as one that acts.
#[derive(Debug)]
pub(crate) struct Agent {
    ledger: Arc<Mutex<Ledger>>,
    own: Own,
    name: String,
    parent: Option<OperationId>,
    /// None where the kernel tells everybody that this process lives.
    trust: Option<Trust>,
    /// Where the ledger is, if a command that is run by this process would not find it itself.
    url: Option<String>,
    /// Which one it is.
    id: String,
}

impl Agent {
    /// Opens the ledger and becomes an owner. Only within a runtime.
    ///
    /// # Errors
    /// The ledger, or the folder of the owners, can't be used.
    pub(crate) async fn open(
        name: Option<&str>,
        place: &Place,
    ) -> Result<Arc<Self>, CoordinationError> {
        let place = place.clone();
        Self::with(name_of(name), move || Ledger::open(&place)).await
    }

    /// One whose ledger is in this folder.
    #[cfg(test)]
    pub(crate) async fn in_folder(name: &str, folder: &Path) -> Arc<Self> {
        let folder = folder.to_owned();
        Self::with(name.to_owned(), move || Ledger::open_in(&folder)).await.unwrap()
    }

    pub(super) async fn with(
        name: String,
        open: impl FnOnce() -> Result<Ledger, LedgerError> + Send + 'static,
    ) -> Result<Arc<Self>, CoordinationError> {
        let opening = asking::ask(move || {
            let mut ledger = open()?;
            // What can't be forgotten now is forgotten tomorrow.
            let _ = ledger.tidy();
            let owners = ledger.owners();
            let own =
                Own::new(&owners).map_err(|source| LedgerError::Folder { path: owners, source })?;
            let parent = parent(&mut ledger)?;
            let trust = ledger.lease().map(Trust::new);
            let url = ledger.server().map(|server| server.url().to_owned());
            let id = ledger.id()?;
            let ledger = Arc::new(Mutex::new(ledger));
            Ok::<_, LedgerError>(Self { ledger, own, name, parent, trust, url, id })
        });
        let agent = Arc::new(opening.await?);
        let (weak, pace) = (Arc::downgrade(&agent), agent.trust.as_ref().map(Trust::pace));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pace.unwrap_or(HEARTBEAT)).await;
                let Some(agent) = weak.upgrade() else { return };
                let asked = Trust::now();
                let heard = agent.call(Ledger::heartbeat).await;
                // One that the kernel tells about and that is not heard of is only shown as such.
                if matches!(heard, Ok(true)) {
                    agent.was_heard(asked);
                }
            }
        });
        Ok(agent)
    }

    /// As others read it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The operation that this process is part of.
    pub(crate) fn parent(&self) -> Option<OperationId> {
        self.parent
    }

    pub(crate) fn own(&self) -> &Own {
        &self.own
    }

    /// What a `lem` within a command of this process is told of the ledger.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (String, String)> {
        let url = self.url.clone().map(|url| (URL.to_owned(), url));
        url.into_iter().chain([(LEDGER.to_owned(), self.id.clone())])
    }

    /// Hears when something may have changed. Only within a runtime.
    pub(crate) fn ear(&self) -> Ear {
        let owners = self.own.owner.file.parent().unwrap_or(Path::new("."));
        let shared = self.url.is_some().then(|| Arc::clone(&self.ledger));
        Ear::open(owners, shared)
    }

    /// Waits until nobody has heard of this process for so long that it may have lost what it has;
    /// for ever, where that can't be.
    pub(crate) async fn lost_its_lease(&self) -> Duration {
        match &self.trust {
            Some(trust) => trust.is_over().await,
            None => std::future::pending().await,
        }
    }

    /// Asks the ledger something, on a thread where it may block.
    pub(crate) async fn call<T, F>(self: &Arc<Self>, ask: F) -> Result<T, CoordinationError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Ledger, &Owner) -> Result<T, LedgerError> + Send + 'static,
    {
        let agent = Arc::clone(self);
        Ok(asking::ask(move || agent.ask(ask)).await?)
    }

    /// The same, waiting on this thread; of a server, no longer than a farewell may take.
    pub(crate) fn call_blocking<T, F>(self: &Arc<Self>, ask: F) -> Result<T, CoordinationError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Ledger, &Owner) -> Result<T, LedgerError> + Send + 'static,
    {
        if self.url.is_none() {
            return Ok(self.ask(ask)?);
        }
        let agent = Arc::clone(self);
        Ok(asking::briefly(move || agent.ask(ask))?)
    }

    /// A question that was asked then was answered with an operation that runs: the owner was heard.
    pub(super) fn was_heard(&self, asked: i64) {
        if let Some(trust) = &self.trust {
            trust.renew(asked);
        }
    }

    fn ask<T>(
        &self,
        ask: impl FnOnce(&mut Ledger, &Owner) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ask(&mut ledger, &self.own.owner)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let (ledger, owner) = (Arc::clone(&self.ledger), self.own.owner.clone());
        let leave = move || ledger.lock().unwrap_or_else(PoisonError::into_inner).leave(&owner);
        // Left behind, it would be found dead and forgotten.
        let _ = if self.url.is_some() { asking::briefly(leave) } else { leave() };
    }
}

/// The operation that this process is run by, if the ledger has it.
fn parent(ledger: &mut Ledger) -> Result<Option<OperationId>, LedgerError> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<i64>().ok());
    let (Some(id), Some(token)) = (number(OPERATION), number(TOKEN)) else { return Ok(None) };
    // Each ledger counts from one.
    if std::env::var(LEDGER).is_ok_and(|of| ledger.id().is_ok_and(|own| own != of)) {
        return Ok(None);
    }
    let found = ledger.operation(OperationId(id))?.filter(|operation| {
        operation.state == State::Active && operation.token.is_some_and(|it| it.0 == token)
    });
    Ok(found.map(|operation| operation.id))
}

/// Who asks: as given, or by `LEM_AGENT`, or the job of a CI system, or this user of this machine.
pub(crate) fn name_of(given: Option<&str>) -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let job = || {
        const JOBS: [(&str, &str); 4] = [
            ("GITHUB_RUN_ID", "github"),
            ("CI_JOB_ID", "gitlab"),
            ("BUILD_TAG", "jenkins"),
            ("BUILDKITE_JOB_ID", "buildkite"),
        ];
        JOBS.iter().find_map(|(name, of)| Some(format!("{of}-{}", variable(name)?)))
    };
    given.map(str::to_owned).or_else(|| variable(VARIABLE)).or_else(job).unwrap_or_else(person)
}
