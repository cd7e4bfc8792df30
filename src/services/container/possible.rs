//! Whether a container can be started at all, as far as docker knows that before.

use super::ask;
use super::look::{Looked, look};
use crate::cancel::Cancel;
use crate::engine::Engine;
use crate::engine::process::capture;
use crate::engine::resolved;
use crate::services::error::ServiceError;
use crate::services::service::{Kind, Service};

/// Whether there is a container to start, or an image to make one of.
///
/// # Errors
/// [`ServiceError::NoContainer`], [`ServiceError::NoImage`], or docker can't be asked.
pub(crate) async fn possible(
    engine: &Engine,
    service: &Service,
    cancel: &Cancel,
) -> Result<(), ServiceError> {
    let found = look(engine, std::iter::once(service), cancel).await?;
    if !matches!(found.get(&service.name), None | Some(Looked::Absent)) {
        return Ok(());
    }
    let name = service.name.clone();
    match &service.kind {
        Kind::Container { name: container } => {
            Err(ServiceError::NoContainer { name, container: container.clone() })
        }
        Kind::Compose(compose) => {
            let resolved = resolved::parse(&ask(&compose.project.config(), cancel).await?)?;
            let image = resolved.image_of(&compose.service);
            let question = engine.docker.images(&[&image]);
            let reply = capture(&question, crate::engine::ASKING, cancel).await?;
            if !reply.stderr.contains("No such image") {
                // Another complaint is about the engine.
                reply.success(&question)?;
                return Ok(());
            }
            Err(ServiceError::NoImage { name, image })
        }
        Kind::Native(_) => Ok(()),
    }
}
