//! Which ledger is used: one of several machines, if the environment or a configuration names it.

use std::path::Path;

use super::Layers;
use super::config_file::{ConfigFile, CoordinationKeys};
use super::ledger::{Ledger, Said};
use crate::coordination::ledger::{LedgerError, Place, Server, URL, USUAL_LEASE};
use crate::duration::Time;
use crate::yaml::keys;

/// The ledger that is named by the environment, the project's configuration or the user's.
pub(in crate::cli) fn shared_ledger(
    project: &Path,
    user: Option<&Path>,
) -> Result<Place, LedgerError> {
    let read = |path: &Path| {
        if !path.exists() {
            return Ok(CoordinationKeys::default());
        }
        keys::read::<ConfigFile>(path).map(|file| file.coordination)
    };
    let project = read(project)?;
    let user = user.map(read).transpose()?.unwrap_or_default();
    let url = variable().or(project.url).or(user.url);
    let lease = project.lease.or(user.lease).map(|lease| lease.0);
    match url {
        Some(url) => Ok(Place::Server(Server::new(&url, lease)?)),
        None => Ok(Place::Machine),
    }
}

fn variable() -> Option<String> {
    std::env::var(URL).ok().filter(|url| !url.is_empty())
}

impl Layers {
    /// Notes who names the ledger; a campaign file can't.
    pub(super) fn coordination(&self, ledger: &mut Ledger) {
        let (project, user) = (&self.project.coordination, &self.user.coordination);
        let url = [None, project.url.clone(), user.url.clone()];
        ledger.choose("coordination.url", Said::variable(URL, variable()), url);
        // A password may be in it.
        ledger.redact("coordination.url");
        let lease = [None, project.lease, user.lease];
        ledger.or("coordination.lease", Said::never(), lease, Time(USUAL_LEASE));
    }
}
