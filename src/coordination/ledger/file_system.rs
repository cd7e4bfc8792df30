//! Where a ledger in a file can't be: on a file system that other machines, or a virtual machine's
//! host, have too. Locks and shared memory are of one kernel, and each of the others has its own.
//!
//! 2026-11-21: refused, and not warned about: two who both believe to be alone is what the ledger is
//! there to prevent. Folders that a container shares by a bind mount are of this kernel and fine.

use std::path::Path;

use nix::sys::statfs::statfs;

/// The names of such file systems, by the number that each has in `statfs(2)`.
const SHARED: [(u32, &str); 14] = [
    (0x0000_6969, "nfs"),
    (0x0000_517B, "smb"),
    (0xFE53_4D42, "smb2"),
    (0xFF53_4D42, "cifs"),
    (0x0102_1997, "9p"),
    // virtiofs has the same number, and so have sshfs and its like.
    (0x6573_5546, "fuse or virtiofs"),
    (0x00C3_6400, "ceph"),
    (0x5346_414F, "afs"),
    (0x7375_7245, "coda"),
    (0x7461_636F, "ocfs2"),
    (0x0116_1970, "gfs2"),
    (0x0BD0_0BD0, "lustre"),
    (0x4750_4653, "gpfs"),
    (0x786F_4256, "vboxsf"),
];

/// The file system of a folder, if other machines may have it too; none also where the kernel
/// does not tell.
pub(super) fn shared(folder: &Path) -> Option<&'static str> {
    let kind = statfs(folder).ok()?.filesystem_type();
    // As wide as a word of the machine, and with its sign; the numbers have 32 bits.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::unnecessary_cast,
        reason = "the type of the number is another one on each machine"
    )]
    name_of(kind.0 as u32)
}

fn name_of(number: u32) -> Option<&'static str> {
    SHARED.iter().find(|(it, _)| *it == number).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_of_several_machines_are_known_and_those_of_one_are_not() {
        assert_eq!(name_of(0x6969), Some("nfs"));
        assert_eq!(name_of(0xFF53_4D42), Some("cifs"));
        assert_eq!(name_of(0x0102_1997), Some("9p"));
        assert_eq!(name_of(0x6573_5546), Some("fuse or virtiofs"));
        // ext4, xfs, btrfs, tmpfs, overlay, zfs.
        for local in [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x2FC1_2FC1] {
            assert_eq!(name_of(local), None, "{local:x}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(shared(folder.path()), None, "the tests have a disk of this machine");
    }
}
