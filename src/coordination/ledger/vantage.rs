//! Where from, and at which moment, a transaction looks at the owners of operations.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::coordination::operation::Moment;
use crate::coordination::owner::Sign;

/// Where and when a transaction takes place.
#[derive(Debug)]
pub(super) struct Vantage {
    /// On the ledger's clock.
    pub now: Moment,
    /// The run of this machine's kernel.
    pub boot: String,
    /// The folder of the files of this machine's owners.
    pub owners: PathBuf,
    /// None where every owner is of this machine.
    pub lease: Option<Duration>,
}

impl Vantage {
    /// Where the file of an owner is, seen from here: a container may have the folder elsewhere.
    ///
    /// 2026-12-01: in no other folder, whatever is noted: what a database says may be anybody's word,
    /// and files of the dead are removed.
    pub(super) fn file(&self, noted: &Path) -> PathBuf {
        self.owners.join(noted.file_name().unwrap_or_default())
    }

    /// What tells whether an owner lives that was heard of then, and has such a lease.
    ///
    /// 2026-11-30: the lock on its file wherever that can be seen, though the ledger be shared: the
    /// kernel can't be wrong. Who can't see it waits a third longer than the lease, which is when
    /// the owner itself has given up for long (`trust`).
    pub(super) fn sign(&self, boot: &str, file: &Path, heard: Moment, lease: Duration) -> Sign {
        if self.lease.is_none() || (boot == self.boot && file.exists()) {
            return Sign::Lock;
        }
        let until = heard.after(lease + lease / 3);
        Sign::Lease { left: until.since(self.now) }
    }
}
