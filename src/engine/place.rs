//! Where the engine is, as seen from this machine. Pure, but for looking at this machine.
//!
//! Bind mounts, GPUs and process ids mean the engine's machine. An engine on another machine has
//! another kernel or another name, and one on this machine keeps its files where it says.

use std::path::PathBuf;

use super::about::About;

/// The place where the client looks for the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Socket(PathBuf),
    /// `tcp://…`, `ssh://…`.
    Remote(String),
    Unknown,
}

impl Endpoint {
    /// Reads the answer to [`super::container::Docker::endpoint`].
    pub(crate) fn read(text: &str) -> Self {
        let text = text.trim();
        match text.split_once("://") {
            Some(("unix", path)) => Self::Socket(path.into()),
            Some(_) if !text.contains(char::is_whitespace) => Self::Remote(text.to_owned()),
            Some(_) | None => Self::Unknown,
        }
    }
}

/// This machine, as far as an engine can be compared with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Here {
    pub kernel: String,
    pub name: String,
    /// Whether the engine's own folder is seen.
    pub sees_engine_files: bool,
}

impl Here {
    /// Looks.
    pub(crate) fn look(about: &About) -> Self {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default().trim().to_owned();
        Self {
            kernel: read("/proc/sys/kernel/osrelease"),
            name: read("/proc/sys/kernel/hostname"),
            sees_engine_files: about.docker_root_dir.is_dir(),
        }
    }
}

/// Where an engine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this machine, whose folders reach its containers.
    Here,
    /// In a virtual machine of this one, which shares some folders with it.
    Desktop,
    /// On this machine, but lem sees other files than the engine: it is in a container itself.
    Beside,
    /// Another kernel runs it.
    OtherKernel,
    /// A machine of another name runs it.
    OtherName,
}

impl Place {
    /// Judges.
    pub(crate) fn of(about: &About, endpoint: &Endpoint, here: &Here) -> Self {
        if about.operating_system.contains("Docker Desktop") {
            Self::Desktop
        } else if about.kernel_version != here.kernel {
            Self::OtherKernel
        } else if matches!(endpoint, Endpoint::Remote(_)) && about.name != here.name {
            Self::OtherName
        } else if here.sees_engine_files {
            Self::Here
        } else {
            Self::Beside
        }
    }

    /// Whether it is another machine, whose GPUs and files are its own.
    pub(crate) fn is_elsewhere(self) -> bool {
        match self {
            Self::OtherKernel | Self::OtherName => true,
            Self::Here | Self::Desktop | Self::Beside => false,
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn an_engine_is_here_if_its_kernel_and_its_files_are() {
        let socket = Endpoint::read("unix:///var/run/docker.sock\n");
        let tcp = Endpoint::read("tcp://10.0.0.1:2375");
        let hidden = Here { sees_engine_files: false, ..here() };
        for (about, endpoint, here, place) in [
            (about("Debian", "6.1", "box"), &socket, here(), Place::Here),
            // A host that was renamed after the engine started.
            (about("Debian", "6.1", "old"), &socket, here(), Place::Here),
            (about("Debian", "6.1", "box"), &tcp, here(), Place::Here),
            (about("Debian", "6.1", "other"), &tcp, here(), Place::OtherName),
            (about("Debian", "5.4", "box"), &socket, here(), Place::OtherKernel),
            (about("Docker Desktop", "6.10-linuxkit", "d"), &socket, here(), Place::Desktop),
            (about("Debian", "6.1", "box"), &socket, hidden, Place::Beside),
        ] {
            assert_eq!(Place::of(&about, endpoint, &here), place, "{about:?} {endpoint:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_no_endpoint() {
        for text in ["", "\n", "what is this?", "error: a://b c"] {
            assert_eq!(Endpoint::read(text), Endpoint::Unknown, "{text}");
        }
    }
}
