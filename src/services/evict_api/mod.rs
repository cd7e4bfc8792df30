//! Having a service free its memory without ending it. Whether it did is judged by the GPUs, or by
//! what the service itself lists, never by a 200: servers answer so and keep their memory.

mod line;
mod memory;
mod ollama;
mod requests;

use std::time::Duration;

use line::Line;
use memory::Figures;

use super::error::ServiceError;
use super::health::ask::ask;
use super::service::{Evict, Probe, Service};
use crate::cancel::Cancel;
use crate::mebibytes::Mebibytes;

/// How long it may take in all, where nothing else is said.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// Beyond a limit that every request keeps by itself.
const SLACK: Duration = Duration::from_millis(250);

/// What a service held of its GPUs, where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Freed {
    pub before: Option<Mebibytes>,
    pub after: Option<Mebibytes>,
}

/// Asks the service to free its memory, and waits until it has. `memory` is what it holds at the
/// moment, if anybody knows. A service that holds nothing has freed all of it.
///
/// # Errors
/// [`ServiceError::NothingToEvict`], [`ServiceError::NotEvicted`] or [`ServiceError::Cancelled`].
pub(crate) async fn evict<M>(
    service: &Service,
    memory: M,
    limit: Duration,
    cancel: &Cancel,
) -> Result<Freed, ServiceError>
where
    M: AsyncFnMut() -> Option<Mebibytes>,
{
    let name = || service.name.clone();
    let Some(evict) = &service.evict else {
        return Err(ServiceError::NothingToEvict { name: name() });
    };
    let work = tokio::time::timeout(limit + SLACK, asked(evict, memory, limit));
    let freed = tokio::select! {
        biased;
        signal = cancel.raised() => return Err(ServiceError::Cancelled { signal }),
        freed = work => freed.unwrap_or_else(|_| Err("it takes too long".to_owned())),
    };
    freed.map_err(|why| ServiceError::NotEvicted { name: name(), why })
}

async fn asked<M>(evict: &Evict, memory: M, limit: Duration) -> Result<Freed, String>
where
    M: AsyncFnMut() -> Option<Mebibytes>,
{
    let mut figures = Figures::start(memory).await;
    match evict {
        Evict::Ollama { base } => {
            ollama::unload(&Line::new(base, limit)).await?;
            figures.settled().await;
        }
        Evict::VllmSleep { base, level } => {
            let line = Line::new(base, limit);
            requests::sleep(&line, *level).await?;
            if figures.show_any() {
                figures.fallen(&line).await?;
            } else {
                requests::sleeps(&line).await?;
            }
        }
        Evict::ComfyuiFree { base } => {
            let line = Line::new(base, limit);
            if figures.show_any() {
                requests::free(&line).await?;
                figures.fallen(&line).await?;
            } else {
                let mut own = Figures::start(async || requests::reserved(&line).await).await;
                if !own.are_known() && !figures.are_known() {
                    return Err("neither the GPUs nor its `/system_stats` say what it holds".into());
                }
                requests::free(&line).await?;
                if own.are_known() {
                    own.fallen(&line).await?;
                    return Ok(own.freed());
                }
            }
        }
        Evict::Http(probe) => http(probe, &mut figures, limit).await?,
    }
    Ok(figures.freed())
}

/// The registry's own request.
async fn http<M>(probe: &Probe, figures: &mut Figures<M>, limit: Duration) -> Result<(), String>
where
    M: AsyncFnMut() -> Option<Mebibytes>,
{
    let line = Line::new(&probe.url, limit);
    let found = ask(probe, line.left()).await;
    if !found.is_content() {
        return Err(found.in_full());
    }
    if figures.are_known() {
        figures.fallen(&line).await
    } else if probe.expect.is_empty() {
        Err("it answers as it should, but no GPU says what it holds, and without `expect` \
             nothing else does"
            .to_owned())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
