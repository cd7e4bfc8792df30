//! What follows a failure: what this command started is ended where the user wants the end, and
//! what it stopped is started again where the registry wants that.

use super::start;
use super::stop::{end, is_cut_off};
use super::{Order, SoFar};
use crate::services::error::ServiceError;
use crate::services::event::{Event, Tell};
use crate::services::look::Seen;
use crate::services::plan::Plan;

/// A command that failed, to be undone as far as that is wanted.
pub(super) struct Undo<'a, 'o> {
    pub order: &'a Order<'o>,
    pub error: &'a ServiceError,
    pub plan: &'a Plan,
}

impl Undo<'_, '_> {
    /// Returns the services that run again.
    pub(super) async fn run(&self, so_far: &SoFar<'_>, seen: &Seen, tell: Tell<'_>) -> Vec<String> {
        let machine = self.order.machine;
        if is_cut_off(self.error) {
            // The last one was ended by its own start.
            for (service, instance) in so_far.started.iter().rev() {
                if let Err(error) = end(service, instance, &machine.cancel).await {
                    tell(Event::Warning { text: error.to_string() });
                }
            }
            return Vec::new();
        }
        let mut restored = Vec::new();
        if !self.order.restores() {
            return restored;
        }
        let previous = so_far.stopped.iter().filter(|name| self.plan.previous.contains(name));
        // The last that was stopped is the one that the others need.
        for name in previous.rev() {
            let Ok(service) = machine.registry.get(name) else { continue };
            tell(Event::Restoring { service: name.clone() });
            let headroom = machine.registry.headroom.beside(service.need);
            let back: Vec<String> =
                so_far.stopped.iter().filter(|name| !restored.contains(*name)).cloned().collect();
            let room = seen.room_for(service, headroom, &back, &[]).ok().flatten();
            match start::start(machine, service, room.as_ref(), tell).await {
                Ok(_) => restored.push(name.clone()),
                Err(failed) => tell(Event::Warning {
                    text: format!("service `{name}` could not be brought back: {}", failed.error),
                }),
            }
        }
        restored
    }
}
