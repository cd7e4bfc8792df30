//! A look at the GPUs for callers that wait for other things meanwhile.

use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use super::error::GpuError;
use super::nvml::Nvml;
use super::reading::Reading;

/// Opening may take seconds where no process keeps the driver awake; a driver that hangs never ends.
const LIMIT: Duration = Duration::from_secs(20);

/// The driver's connection, opened at the first look and kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lookout(Arc<Mutex<Option<Nvml>>>);

impl Lookout {
    /// Looks at every GPU, in a thread of its own; at most 20 s.
    pub(crate) async fn look(&self) -> Result<Reading, GpuError> {
        let connection = Arc::clone(&self.0);
        let looking = tokio::task::spawn_blocking(move || read(&connection));
        match tokio::time::timeout(LIMIT, looking).await {
            Ok(Ok(reading)) => reading,
            Ok(Err(panicked)) => Err(GpuError::Failed { reason: panicked.to_string() }),
            Err(_) => Err(hung()),
        }
    }
}

fn hung() -> GpuError {
    GpuError::Hung { seconds: LIMIT.as_secs() }
}

fn read(connection: &Mutex<Option<Nvml>>) -> Result<Reading, GpuError> {
    let mut connection = match connection.try_lock() {
        Ok(connection) => connection,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        // The look before this one was given up, and still hangs.
        Err(TryLockError::WouldBlock) => return Err(hung()),
    };
    match &mut *connection {
        Some(open) => open.read(),
        none => none.insert(Nvml::open()?).read(),
    }
}
