//! The Docker engine, for those who need it: a registry of native services alone never asks.

use tokio::sync::OnceCell;

use crate::cancel::Cancel;
use crate::engine::Engine;
use crate::engine::error::EngineError;

/// Connects at the first use; one that failed is tried again at the next.
#[derive(Debug, Default)]
pub(crate) struct Connection(OnceCell<Engine>);

impl Connection {
    /// The engine.
    pub(crate) async fn engine(&self, cancel: &Cancel) -> Result<&Engine, EngineError> {
        self.0.get_or_try_init(|| Engine::connect(cancel)).await
    }
}
