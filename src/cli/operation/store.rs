//! Which ledger an engine belongs to: a volume on the engine says so. Of all who make it at once
//! the first one's labels stay, and everybody else gets to read those.
//!
//! 2026-11-21: two ledgers for one engine would not see each other's operations: two users whose
//! state is in their own folders, or two machines that share an engine. That is refused. Looked at
//! when an engine is met and once an hour; an engine that can't make volumes is used all the same.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::error::OperationError;
use crate::cancel::Cancel;
use crate::coordination::agent::Agent;
use crate::engine::container::Docker;
use crate::engine::process::ask;

/// `off`: nobody looks. For tests, of which each has a ledger of its own.
const CHECK: &str = "LEM_STORE_CHECK";
/// Another name for the volume; for tests.
const NAME: &str = "LEM_STORE_VOLUME";
/// The id of the ledger.
const STORE: &str = "dev.lem.store";
/// The machine and the file that it is in, or the server.
const PATH: &str = "dev.lem.store.path";

/// Makes an engine this ledger's, unless it is another's.
pub(super) async fn check(
    docker: &Docker,
    agent: &Arc<Agent>,
    cancel: &Cancel,
) -> Result<(), OperationError> {
    if std::env::var_os(CHECK).is_some_and(|value| value == "off") {
        return Ok(());
    }
    let volume = std::env::var(NAME).ok().filter(|name| !name.is_empty());
    let volume = volume.unwrap_or_else(|| "lem-store".to_owned());
    let (store, ours, is_shared) = agent
        .call(|ledger, _| Ok((ledger.id()?, ledger.name(), ledger.server().is_some())))
        .await?;
    let host = agent.own().owner.host.as_str();
    // A server is the same one for all machines.
    let place = if is_shared { ours.clone() } else { format!("{host}:{ours}") };
    let labels = [(STORE, store.clone()), (PATH, place)];
    for attempt in 0..2 {
        let _ = ask(&docker.create_volume(&volume, &labels), cancel).await;
        let Some(found) = labels_of(docker, &volume, cancel).await else { return Ok(()) };
        let Some(theirs) = found.get(STORE) else {
            return Err(OperationError::NotMarked { volume });
        };
        if *theirs == store {
            return Ok(());
        }
        let place = found.get(PATH).map_or("", String::as_str);
        let (machine, path) = match place.split_once(':') {
            Some((machine, path)) if !path.starts_with("//") => (Some(machine), path),
            _ => (None, place),
        };
        let is_here = machine == Some(host);
        if is_here && attempt == 0 && is_gone(Path::new(path)) {
            // Nobody has that ledger any more. Somebody else may have seen that as well and have
            // made the engine theirs: what is there now is looked at again.
            if labels_of(docker, &volume, cancel).await.as_ref() == Some(&found) {
                let _ = ask(&docker.remove_volume(&volume), cancel).await;
            }
            continue;
        }
        let theirs = match machine {
            None => format!("`{path}`"),
            Some(_) if is_here => format!("`{path}` of this machine"),
            Some(machine) => format!("`{path}` of machine {machine}"),
        };
        return Err(OperationError::OtherLedger { theirs, ours, volume });
    }
    Ok(())
}

/// The labels of a volume; none where the engine does not say.
async fn labels_of(
    docker: &Docker,
    volume: &str,
    cancel: &Cancel,
) -> Option<BTreeMap<String, String>> {
    let labels = ask(&docker.volume_labels(volume), cancel).await.ok()?;
    Some(serde_json::from_str(&labels).unwrap_or_default())
}

/// Whether a ledger is no more. One that can't be looked at, as another user's, is there.
fn is_gone(ledger: &Path) -> bool {
    ledger.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_ledger_that_is_known_not_to_be_there_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ledger.db");
        assert!(is_gone(&file));
        std::fs::write(&file, "").unwrap();
        assert!(!is_gone(&file));
        // Not to be looked at, for another reason than that nothing is there.
        assert!(!is_gone(&file.join("ledger.db")));
    }
}
