//! Which ledger the settings name.

use std::path::Path;
use std::sync::Arc;

use super::settings::{PROJECT_FILE, shared_ledger, user_file};
use crate::coordination::agent::Agent;
use crate::coordination::error::CoordinationError;
use crate::coordination::ledger::{LedgerError, Place};

/// Where the ledger is, by the environment and the configuration files.
pub(super) fn place() -> Result<Place, LedgerError> {
    let project = Path::new(PROJECT_FILE);
    shared_ledger(project, user_file().as_deref())
}

/// This process as one that acts.
pub(super) async fn agent(name: Option<&str>) -> Result<Arc<Agent>, CoordinationError> {
    Agent::open(name, &place()?).await
}
