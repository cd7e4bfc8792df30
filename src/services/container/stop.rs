//! Stopping a container, and seeing that it is stopped.

use std::time::{Duration, Instant};

use super::Instance;
use crate::cancel::Cancel;
use crate::engine::error::EngineError;
use crate::engine::process::capture;
use crate::services::error::ServiceError;
use crate::services::leave::Leave;
use crate::services::service::{AfterGrace, Service};
use crate::services::stopped::Stopped;
use crate::services::word::Word;

/// How long the engine has to report what it has done, and a killed container to be gone.
const ENGINE: Duration = Duration::from_secs(10);

/// Stops the container: its own stop signal, `grace`, and only where that is wanted a kill.
///
/// The engine's own `stop` would always kill in the end, so it is asked for one that never does.
/// Its client ends with the container alone, so it holds nothing of a lem that is killed.
pub(crate) async fn stop(
    instance: &Instance,
    service: &Service,
    leave: &Leave,
    cancel: &Cancel,
) -> Result<Stopped, ServiceError> {
    let begun = Instant::now();
    let (_raise, never) = crate::cancel::pair();
    let ask = instance.docker.ask_to_stop(&instance.id);
    let grace = service.stop.grace.max(Duration::from_millis(1));
    let asking = async {
        tokio::select! {
            asked = capture(&ask, grace, &never) => Some(asked),
            // Whoever insists gives no grace.
            () = cancel.insisted() => None,
        }
    };
    let asked = leave.say(Word::Stop { grace }, service, asking).await?;
    let may_kill = service.stop.after_grace == AfterGrace::Kill || asked.is_none();
    let in_time = match asked {
        Some(Ok(reply)) if reply.found_it_gone() => true,
        Some(Ok(reply)) => reply.success(&ask).map(|_| true)?,
        Some(Err(EngineError::TimedOut { .. })) | None => false,
        Some(Err(error)) => return Err(error.into()),
    };
    if !in_time && may_kill {
        let kill = instance.docker.kill(&instance.id);
        let killed = leave.say(Word::Kill, service, capture(&kill, ENGINE, &never)).await??;
        // One that ended by itself in this moment can't be killed, which is as good.
        if is_alive(instance, ENGINE).await? {
            killed.success(&kill)?;
        }
    }
    let patience = if in_time || may_kill { ENGINE } else { Duration::ZERO };
    if is_alive(instance, patience).await? {
        let why = if may_kill {
            "the engine can't kill it".to_owned()
        } else {
            format!("it still runs after {}", crate::duration::human(service.stop.grace))
        };
        return Err(ServiceError::NotStopped { name: service.name.clone(), why });
    }
    Ok(Stopped { escalated: !in_time && may_kill, took: begun.elapsed() })
}

/// Whether it is still alive after this time.
async fn is_alive(instance: &Instance, patience: Duration) -> Result<bool, EngineError> {
    let begun = Instant::now();
    loop {
        let alive = instance.life().await?.is_some_and(|life| life.status.is_alive());
        if !alive || begun.elapsed() >= patience {
            return Ok(alive);
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
