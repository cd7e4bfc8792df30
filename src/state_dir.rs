//! Where lem keeps what belongs to an engine and not to a project: locks, and the index of campaigns.
//!
//! `/var/lib/lem` where this user may write there (root makes it, for the group `docker`), so that
//! everybody who uses an engine sees the same locks; else the user's own state directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use nix::unistd::{AccessFlags, Group, access, geteuid};

/// Overrides the place; for tests, and for machines where neither place will do.
pub(crate) const VARIABLE: &str = "LEM_STATE_DIR";

const SHARED: &str = "/var/lib/lem";

/// The folder of one engine (by its id), made if need be.
///
/// # Errors
/// The folder can't be made: there is no home, or no permission.
pub(crate) fn of_engine(engine: &str) -> std::io::Result<PathBuf> {
    let folder = root()?.join(name(engine));
    for folder in [folder.clone(), folder.join("locks"), folder.join("campaigns")] {
        make(&folder)?;
    }
    Ok(folder)
}

/// The name of an engine's folder; without an id, of that of this machine itself.
pub(crate) fn name(engine: &str) -> String {
    let name: String =
        engine.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    if name.is_empty() { "local".to_owned() } else { name }
}

/// The folder of all engines, which may not be there yet: for who only looks.
///
/// # Errors
/// There is no home.
pub(crate) fn place() -> std::io::Result<PathBuf> {
    if let Some(folder) = named() {
        return Ok(folder);
    }
    let shared = Path::new(SHARED);
    let nearest = shared.ancestors().find(|folder| folder.exists()).unwrap_or(shared);
    let can = |folder| access(folder, AccessFlags::W_OK | AccessFlags::X_OK).is_ok();
    // Only root makes the shared folder.
    if can(shared) || (geteuid().is_root() && can(nearest)) {
        return Ok(shared.to_owned());
    }
    own()
}

/// The folder of one engine, if it is there: for who only looks.
pub(crate) fn look(engine: &str) -> Option<PathBuf> {
    let folder = place().ok()?.join(engine);
    folder.is_dir().then_some(folder)
}

fn root() -> std::io::Result<PathBuf> {
    if let Some(folder) = named() {
        return Ok(folder);
    }
    let shared = Path::new(SHARED);
    if geteuid().is_root() && make(shared).is_ok() {
        return Ok(shared.to_owned());
    }
    if access(shared, AccessFlags::W_OK | AccessFlags::X_OK).is_ok() {
        return Ok(shared.to_owned());
    }
    own()
}

fn named() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn own() -> std::io::Result<PathBuf> {
    let home = etcetera::choose_base_strategy().map_err(std::io::Error::other)?;
    Ok(home.state_dir().unwrap_or_else(|| home.data_dir()).join("lem"))
}

/// Opens a file of the state to read and write it, and makes it where there is none: for this user
/// and the group, whatever the umask says, since another member of the group is to open it too.
pub(crate) fn file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    loop {
        match options.open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return opened,
        }
        match options.clone().create_new(true).open(path) {
            Ok(file) => {
                file.set_permissions(fs::Permissions::from_mode(0o660))?;
                return Ok(file);
            }
            // Somebody made it in this moment.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes a folder of the state, for whom the state is.
pub(crate) fn make(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let shared = folder.starts_with(SHARED);
    let mode = if shared { 0o2770 } else { 0o700 };
    fs::DirBuilder::new().recursive(true).mode(mode).create(folder)?;
    if shared {
        // Best effort: without the group, the folder is root's alone.
        if let Ok(Some(docker)) = Group::from_name("docker") {
            let _ = chown(folder, None, Some(docker.gid.as_raw()));
        }
        fs::set_permissions(folder, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::{Mode, umask};

    use super::*;

    #[test]
    fn a_file_of_the_state_is_the_groups_too_whatever_the_umask() {
        let folder = tempfile::tempdir().unwrap();
        let before = umask(Mode::from_bits_truncate(0o077));
        let path = folder.path().join("lock");
        let made = file(&path);
        umask(before);
        assert_eq!(made.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o660);
        file(&path).unwrap();
    }
}
