//! Folders that lem writes to: whether it may, and how much room there is. Nothing is left behind.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;

use super::finding::{Check, Finding, Status};
use crate::room::{self, Files, Room};

/// A network file system that went away answers never.
const PATIENCE: Duration = Duration::from_secs(5);

const MIB: u64 = 1 << 20;

/// How much is little, and how much too little.
#[derive(Debug, Clone, Copy)]
struct Need {
    warning: u64,
    failure: u64,
}

/// Logs and results of runs.
const WRITING: Need = Need { warning: 1024 * MIB, failure: 16 * MIB };
/// Images of an LLM stack have 10 GiB and more; an empty one nothing.
const IMAGES: Need = Need { warning: 10 * 1024 * MIB, failure: 64 * MIB };

/// Whether lem can write to a folder, which may not be there yet.
pub(super) async fn writable(check: Check, folder: PathBuf) -> Finding {
    let shown = folder.clone();
    bounded(check, shown, move || probe(check, &folder)).await
}

/// Whether the engine has room for images and containers.
pub(super) async fn engine_disk(folder: PathBuf) -> Finding {
    let check = Check::EngineDisk;
    let shown = folder.clone();
    bounded(check, shown, move || match room::of(&folder) {
        Some(room) => judged(check, &folder.display().to_string(), room, IMAGES),
        None => Finding::not_applicable(check, format!("{} can't be looked at", folder.display())),
    })
    .await
}

async fn bounded(
    check: Check,
    folder: PathBuf,
    look: impl FnOnce() -> Finding + Send + 'static,
) -> Finding {
    match tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(look)).await {
        Ok(Ok(finding)) => finding,
        Ok(Err(_)) | Err(_) => Finding::failure(
            check,
            format!("{} does not answer within {} s", folder.display(), PATIENCE.as_secs()),
            "is it on a network file system that is away? see `mount`",
        ),
    }
}

fn probe(check: Check, folder: &Path) -> Finding {
    let elsewhere = match check {
        Check::LocksFolder => "name another: LEM_STATE_DIR=DIR",
        Check::RecordFolder => "name another: `io: {state_dir: …}` in the campaign",
        _ => "name another: `--results-dir DIR`, or `results_dir` in .lem-config.yaml",
    };
    let there = |path: &&Path| path.symlink_metadata().is_ok();
    let nearest = folder.ancestors().find(there).unwrap_or(Path::new("/"));
    let shown = nearest.display();
    if !nearest.is_dir() {
        let what =
            if nearest.is_symlink() { "a link that leads to no folder" } else { "no folder" };
        return Finding::failure(check, format!("{shown} is {what}"), elsewhere);
    }
    // A file without a name: nothing is left of it, even if lem is killed here.
    if let Err(error) = tempfile::tempfile_in(nearest) {
        let fix = format!("check its owner, mode and mount, or {elsewhere}");
        return Finding::failure(check, format!("{shown} can't be written: {error}"), fix);
    }
    let what = if nearest == folder {
        format!("{shown} can be written")
    } else {
        format!("{} can be made", folder.display())
    };
    match room::of(nearest) {
        Some(room) => judged(check, &what, room, WRITING),
        None => Finding::fine(check, what),
    }
}

fn judged(check: Check, what: &str, room: Room, need: Need) -> Finding {
    let (status, words) = verdict(room, need);
    let fix = match check {
        Check::EngineDisk => "make room: `docker system df` shows what takes it",
        _ => "make room: `df -h` and `df -i` show what takes it",
    };
    let fix = (status != Status::Fine).then(|| fix.to_owned());
    Finding { check, status, found: format!("{what}, {words}"), fix }
}

fn verdict(room: Room, need: Need) -> (Status, String) {
    let free = format!("{} free", ByteSize(room.free).display().iec());
    match room {
        Room { files: Files::NoneLeft, .. } => {
            (Status::Failure, format!("{free}, and no file can be made: no inodes are left"))
        }
        Room { free: bytes, .. } if bytes < need.failure => (Status::Failure, free),
        Room { free: bytes, .. } if bytes < need.warning => (Status::Warning, free),
        Room { .. } => (Status::Fine, free),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_a_warning_and_no_room_a_failure() {
        for (free, files, status) in [
            (2048 * MIB, Files::Left, Status::Fine),
            (1023 * MIB, Files::Left, Status::Warning),
            (15 * MIB, Files::Left, Status::Failure),
            (2048 * MIB, Files::NoneLeft, Status::Failure),
        ] {
            assert_eq!(verdict(Room { free, files }, WRITING).0, status, "{free} {files:?}");
        }
    }
}
