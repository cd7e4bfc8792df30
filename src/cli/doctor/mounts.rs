//! Whether folders of this machine reach the engine's containers. Pure.
//!
//! No container is needed to know: an engine on another machine has another kernel or another name,
//! and one on this machine keeps its files where it says.

use super::asked::Endpoint;
use super::finding::{Check, Finding};
use crate::engine::about::About;

/// This machine, as far as an engine can be compared with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Here {
    pub kernel: String,
    pub name: String,
    /// Whether the engine's own folder is seen.
    pub sees_engine_files: bool,
}

impl Here {
    /// Looks.
    pub(super) fn look(about: &About) -> Self {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default().trim().to_owned();
        Self {
            kernel: read("/proc/sys/kernel/osrelease"),
            name: read("/proc/sys/kernel/hostname"),
            sees_engine_files: about.docker_root_dir.is_dir(),
        }
    }
}

/// Judges.
pub(super) fn mounts(about: &About, endpoint: &Endpoint, here: &Here) -> Finding {
    let check = Check::Mounts;
    let local = "run lem on the engine's machine, or use an engine of this one: `docker context use \
                 default`, `unset DOCKER_HOST`; `lem campaign --runner local` needs none";
    if about.operating_system.contains("Docker Desktop") {
        return Finding::warning(
            check,
            "Docker Desktop runs containers in a virtual machine: only folders that it shares reach \
             them",
            "share the project's folder: Settings, Resources, File sharing",
        );
    }
    if about.kernel_version != here.kernel {
        let found = format!(
            "the engine runs elsewhere (`{}`, kernel {}; here {}): folders of this machine don't \
             reach its containers",
            about.name, about.kernel_version, here.kernel
        );
        return Finding::failure(check, found, local);
    }
    if matches!(endpoint, Endpoint::Remote(_)) && about.name != here.name {
        let found = format!(
            "the engine runs on `{}`, this is `{}`: folders of this machine don't reach its \
             containers",
            about.name, here.name
        );
        return Finding::failure(check, found, local);
    }
    if !here.sees_engine_files {
        let found = format!(
            "the engine's folder {} is not here: lem seems to be in a container, whose folders are \
             not the engine's",
            about.docker_root_dir.display()
        );
        return Finding::warning(
            check,
            found,
            "run lem outside, or mount the project at the same path inside and outside",
        );
    }
    Finding::fine(check, "the engine is on this machine: folders reach its containers")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Status;
    use super::*;

    fn here() -> Here {
        Here { kernel: "6.1".into(), name: "box".into(), sees_engine_files: true }
    }

    fn about(system: &str, kernel: &str, name: &str) -> About {
        let mut about = About::default();
        about.operating_system = system.into();
        about.kernel_version = kernel.into();
        about.name = name.into();
        about
    }

    #[test]
    fn folders_reach_containers_on_this_machine_alone() {
        let socket = Endpoint::Socket("/var/run/docker.sock".into());
        let tcp = Endpoint::Remote("tcp://10.0.0.1:2375".into());
        let hidden = Here { sees_engine_files: false, ..here() };
        for (about, endpoint, here, status) in [
            (about("Debian", "6.1", "box"), &socket, here(), Status::Fine),
            // A host that was renamed after the engine started.
            (about("Debian", "6.1", "old"), &socket, here(), Status::Fine),
            (about("Debian", "6.1", "box"), &tcp, here(), Status::Fine),
            (about("Debian", "6.1", "other"), &tcp, here(), Status::Failure),
            (about("Debian", "5.4", "box"), &socket, here(), Status::Failure),
            (about("Docker Desktop", "6.10-linuxkit", "d"), &socket, here(), Status::Warning),
            (about("Debian", "6.1", "box"), &socket, hidden, Status::Warning),
        ] {
            assert_eq!(mounts(&about, endpoint, &here).status, status, "{about:?} {endpoint:?}");
        }
    }
}
