//! A disk that a test can fill: a tmpfs of its own, which takes root.

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::geteuid;

/// Unmounted when it is dropped.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of `size` (`1m`) at a folder; none, and a word about it, for who may not.
    pub(crate) fn mount(at: &Path, size: &str) -> Option<Self> {
        if !geteuid().is_root() {
            return skipped("only root mounts a small disk");
        }
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={size},mode=0755");
        let words = ["-t", "tmpfs", "-o", &options, "lem-test", at.to_str().unwrap()];
        if !Command::new("mount").args(words).status().unwrap().success() {
            return skipped("this machine mounts no tmpfs, not even for root");
        }
        Some(Self(at.to_owned()))
    }

    /// Makes it larger.
    pub(crate) fn grow(&self, size: &str) {
        self.remount(&format!("size={size}"));
    }

    /// Changes its options.
    pub(crate) fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let words = ["-o", &options, self.0.to_str().unwrap()];
        assert!(Command::new("mount").args(words).status().unwrap().success(), "{options}");
    }
}

/// Says why a test tests nothing here.
#[allow(clippy::print_stderr, reason = "for who reads the output of the tests")]
pub(crate) fn skipped<T>(reason: &str) -> Option<T> {
    eprintln!("skipped: {reason}");
    None
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
