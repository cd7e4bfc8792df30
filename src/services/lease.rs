//! Leases: a service that is used while a command runs is not stopped to make room.
//!
//! A lease is a file that its holder has locked, so it ends with its holder, however that dies.
//! Leases are taken, and counted before a stop, by who has the service's permit; a lease of a dead
//! holder is removed then.

use std::fs;
use std::path::Path;

use uuid::Uuid;

use crate::lock::{self, Holder, Lock, LockError};

/// The folder of a service's leases, in the service's own.
const FOLDER: &str = "leases";

/// A lease. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Lease {
    _lock: Lock,
}

/// Takes a lease of the service with this folder. The caller has the service's permit.
pub(crate) fn take(service: &Path, holder: &Holder) -> Result<Lease, LockError> {
    remove_ended(service);
    let name = format!("{}.lock", Uuid::new_v4());
    Ok(Lease { _lock: lock::take(&service.join(FOLDER).join(name), holder)? })
}

/// Who leases the service with this folder.
pub(crate) fn holders(service: &Path) -> Vec<Holder> {
    let Ok(entries) = fs::read_dir(service.join(FOLDER)) else { return Vec::new() };
    let mut holders: Vec<Holder> =
        entries.flatten().filter_map(|entry| lock::holder(&entry.path())).collect();
    holders.sort_by(|a, b| (&a.since, a.pid).cmp(&(&b.since, b.pid)));
    holders
}

fn remove_ended(service: &Path) {
    let Ok(entries) = fs::read_dir(service.join(FOLDER)) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if lock::holder(&path).is_none() {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_seen_while_it_is_held_and_leaves_nothing_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let first = take(folder.path(), &Holder::this("bench")).unwrap();
        let second = take(folder.path(), &Holder::this("chat")).unwrap();
        assert_eq!(holders(folder.path()).len(), 2);
        drop(first);
        let left = holders(folder.path());
        assert_eq!((left.len(), left[0].what.as_str()), (1, "chat"));
        drop(second);
        assert!(holders(folder.path()).is_empty());
        let _third = take(folder.path(), &Holder::this("third")).unwrap();
        assert_eq!(fs::read_dir(folder.path().join(FOLDER)).unwrap().count(), 1);
    }
}
