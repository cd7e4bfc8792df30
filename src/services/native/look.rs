//! How a native service is now, from `/proc` and the note of its last start.

use std::io;
use std::path::Path;

use super::evidence::Evidence;
use super::how::How;
use super::instance::Instance;
use super::note::{Boot, Note};
use crate::process_tree::Identity;
use crate::services::error::ServiceError;

/// What is there of a service.
#[derive(Debug)]
pub(crate) enum Looked {
    NeverStarted,
    /// Its last start is over.
    Ended {
        /// Where that is known.
        how: Option<How>,
        /// Processes that it left: the service does not run in them, but they are its own.
        left: Option<Instance>,
    },
    Running(Instance),
}

impl Looked {
    /// What has living processes: the service, or what its last start has left.
    pub(crate) fn living(self) -> Option<Instance> {
        match self {
            Self::Running(instance) | Self::Ended { left: Some(instance), .. } => Some(instance),
            Self::NeverStarted | Self::Ended { left: None, .. } => None,
        }
    }
}

/// Looks how the service is whose note is in `folder`. Changes nothing.
///
/// # Errors
/// There is no telling: the note can't be read, `/proc` can't, or its processes belong to another
/// container.
pub(crate) fn look(name: &str, folder: &Path) -> Result<Looked, ServiceError> {
    let unseen = |source| ServiceError::Unseen { name: name.to_owned(), source };
    let note = Note::read(folder)
        .map_err(|source| ServiceError::State { path: folder.to_owned(), source })?;
    let Some(mut note) = note else { return Ok(Looked::NeverStarted) };
    let boot = Boot::now().map_err(unseen)?;
    if note.boot.id != boot.id {
        return Ok(Looked::Ended { how: note.ended.or(Some(How::Rebooted)), left: None });
    }
    if note.ended == Some(How::Stopped) {
        return Ok(Looked::Ended { how: note.ended, left: None });
    }
    if note.boot.namespace != boot.namespace {
        let why = "it was started in another container, or outside of this one";
        return Err(unseen(io::Error::other(why)));
    }
    let program = note.program.map(Identity::from);
    let instance = |note, program| Instance::new(note, program, folder.to_owned(), None);
    if let Some(program) = program.filter(|program| program.is_alive()) {
        return Ok(Looked::Running(instance(note, program)));
    }
    let members = Evidence::of(&note).members().map_err(|it| unseen(io::Error::other(it)))?;
    // A lem that did not live to see what it had started.
    let is_adopted = program.is_none();
    let Some(program) = program.or(members.first().copied()) else {
        return Ok(Looked::Ended { how: note.ended, left: None });
    };
    note.program = Some(program.into());
    let failed = note.ended.is_some_and(|how| how != How::Exited(0));
    let lives_on = is_adopted || (note.daemon && !failed);
    let how = note.ended;
    Ok(match (members.is_empty(), lives_on) {
        (true, _) => Looked::Ended { how, left: None },
        (false, true) => Looked::Running(instance(note, program)),
        (false, false) => Looked::Ended { how, left: Some(instance(note, program)) },
    })
}
