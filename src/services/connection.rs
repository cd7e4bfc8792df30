//! The Docker engine, for those who need it: a registry of native services alone never asks.

use tokio::sync::OnceCell;

use crate::cancel::Cancel;
use crate::engine::Engine;
use crate::engine::error::EngineError;

/// Connects at the first use. Where that failed it stays so, whatever the engine does meanwhile:
/// whose lock and lease a container's are depends on the engine, and must not change on the way.
#[derive(Debug, Default)]
pub(crate) struct Connection(OnceCell<Option<Engine>>);

impl Connection {
    /// The engine.
    pub(crate) async fn engine(&self, cancel: &Cancel) -> Result<&Engine, EngineError> {
        match self.0.get_or_init(|| async { Engine::connect(cancel).await.ok() }).await {
            Some(engine) => Ok(engine),
            // Asked again only for the reason.
            None => Err(Engine::connect(cancel).await.err().unwrap_or_else(|| EngineError::Down {
                reason: "it was away when this command began".to_owned(),
            })),
        }
    }
}
