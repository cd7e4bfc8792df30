//! Where lem keeps what it remembers of a service: its log and its note.
//!
//! 2026-11-21: a native service belongs to its registry (by that file's path) and this machine, a
//! container to its engine. So two checkouts that name the same Compose service of one engine
//! share one folder, and two that name a native service of their own don't.

use std::path::{Path, PathBuf};

use super::error::ServiceError;
use super::service::{Kind, Service};
use crate::digest;
use crate::state_dir;

/// The folders of the services of one registry.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    registry: PathBuf,
    /// Of this machine.
    host: PathBuf,
    /// Of the engine, where one is known.
    engine: Option<PathBuf>,
}

/// Who may look and who may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Nothing is made: what is not there has nothing to say.
    Looking,
    /// Folders are made.
    Acting,
}

impl Places {
    /// The folders of the registry at `registry`, and of an engine by its id.
    pub(crate) fn of(
        registry: &Path,
        engine: Option<&str>,
        purpose: Purpose,
    ) -> Result<Self, ServiceError> {
        let registry = registry.canonicalize().unwrap_or_else(|_| registry.to_owned());
        let folder = |id: &str| {
            let folder = match purpose {
                Purpose::Acting => state_dir::of_engine(id),
                Purpose::Looking => state_dir::place().map(|place| place.join(state_dir::name(id))),
            };
            let unusable =
                |source| ServiceError::State { path: state_dir::VARIABLE.into(), source };
            folder.map_err(unusable)
        };
        let host = folder("")?;
        Ok(Self { registry, host, engine: engine.map(folder).transpose()? })
    }

    /// The folder of one service. It need not be there yet.
    pub(crate) fn service(&self, service: &Service) -> PathBuf {
        let (root, name, identity) = match &service.kind {
            Kind::Native(_) => {
                (self.host.as_path(), &service.name, self.registry.to_string_lossy().into_owned())
            }
            Kind::Compose(compose) => {
                let project = compose.project.name.as_deref().unwrap_or_default();
                (self.of_engine(), &compose.service, format!("{project}\0{}", compose.service))
            }
            Kind::Container { name } => (self.of_engine(), name, format!("\0{name}")),
        };
        let name = format!("{}-{}", plain(name), short_hash(&identity));
        root.join("services").join(name)
    }

    /// The registry, by its path.
    pub(crate) fn registry(&self) -> &Path {
        &self.registry
    }

    /// Where the journal is.
    pub(crate) fn journal(&self) -> PathBuf {
        self.host.join("journal")
    }

    fn of_engine(&self) -> &Path {
        self.engine.as_deref().unwrap_or(&self.host)
    }
}

/// Eight characters that tell one text from another.
pub(super) fn short_hash(text: &str) -> String {
    digest::hex(text.as_bytes(), 8)
}

/// A name as part of a file's name.
fn plain(name: &str) -> String {
    let keeps = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = name.chars().map(|c| if keeps(c) { c } else { '-' }).take(64).collect();
    name.trim_start_matches('.').to_owned()
}
