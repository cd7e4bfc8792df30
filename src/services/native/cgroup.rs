//! A control group (version 2) for one start of a service, where lem may make one: its processes
//! can leave their parents and their session, but not this.
//!
//! It is made inside of lem's own group, where the service would be anyway.

use std::fs::{DirEntry, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::Pid;
use procfs::process::Process;

/// What the name of such a group begins with.
const PREFIX: &str = "lem-";
/// How long a group without processes may be that of a start.
const NEW: Duration = Duration::from_secs(60);

/// Makes a group for the start with this id. None where there is no such hierarchy, or it is not
/// ours to divide.
pub(super) fn make(id: &str) -> Option<PathBuf> {
    let own = own()?;
    sweep(&own);
    let group = own.join(format!("{PREFIX}{id}"));
    std::fs::create_dir(&group).ok()?;
    Some(group)
}

/// Removes the groups of services that ended while no lem was there; the kernel keeps one that has
/// processes. A new one may belong to a start whose program has not joined yet.
fn sweep(own: &Path) {
    let is_old = |entry: &DirEntry| {
        let made = entry.metadata().and_then(|it| it.modified()).ok();
        made.and_then(|made| made.elapsed().ok()).is_some_and(|age| age > NEW)
    };
    for entry in std::fs::read_dir(own).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_old(&entry) {
            remove(&entry.path());
        }
    }
}

/// What `/proc` shows of a group.
pub(super) fn name(group: &Path) -> Option<String> {
    Some(group.file_name()?.to_string_lossy().into_owned())
}

/// What a process writes its number into to join.
pub(super) fn door(group: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(group.join("cgroup.procs"))
}

/// The processes in a group and in those below it.
pub(super) fn members(group: &Path) -> Vec<Pid> {
    let mut found = Vec::new();
    let mut open = vec![group.to_owned()];
    while let Some(group) = open.pop() {
        let list = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        found.extend(list.lines().filter_map(|line| line.parse().ok()).map(Pid::from_raw));
        let below = std::fs::read_dir(&group).into_iter().flatten().flatten();
        // A service that is started by another is not part of it.
        let is_inner = |name: &std::ffi::OsStr| !name.to_string_lossy().starts_with(PREFIX);
        open.extend(
            below
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .filter(|entry| is_inner(&entry.file_name()))
                .map(|entry| entry.path()),
        );
    }
    found
}

/// Removes an empty group, and those below it; one that is in use stays.
pub(super) fn remove(group: &Path) {
    if !members(group).is_empty() {
        return;
    }
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(group);
}

/// The group that lem is in, as a folder. A lem inside of a service makes the next one's group
/// beside that of the service.
fn own() -> Option<PathBuf> {
    let me = Process::myself().ok()?;
    let path = me.cgroups().ok()?.0.into_iter().find(|group| group.hierarchy == 0)?.pathname;
    let mounts = me.mountinfo().ok()?;
    let mount = mounts.0.into_iter().find(|mount| mount.fs_type == "cgroup2")?;
    let inside = Path::new(&path).strip_prefix(&mount.root).ok()?;
    let group = mount.mount_point.join(inside);
    let is_services =
        group.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
    if is_services { group.parent().map(Path::to_owned) } else { Some(group) }
}

/// Ends everything in a group at once, also what forks without end. Since Linux 5.14.
pub(super) fn kill(group: &Path) {
    let _ = std::fs::write(group.join("cgroup.kill"), "1");
}
