//! What follows a failure: what this command started and nobody asked for is ended, all of it where
//! the user wants the end, and what it stopped is started again where the registry wants that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::start::{self, NotReady};
use super::stop::stop;
use super::{Did, Order, Report, SoFar};
use crate::services::error::ServiceError;
use crate::services::event::{Event, Tell};
use crate::services::instance::Instance;
use crate::services::leave::Leave;
use crate::services::look::Seen;
use crate::services::plan::{Plan, Step};
use crate::services::service::{AfterGrace, Service};

/// A command that failed, to be undone as far as that is wanted.
pub(super) struct Undo<'a, 'o> {
    pub order: &'a Order<'o>,
    pub error: &'a ServiceError,
    pub plan: &'a Plan,
    pub leave: &'a Leave,
}

impl Undo<'_, '_> {
    /// The report tells what was done.
    pub(super) async fn run(
        &self,
        so_far: &SoFar<'_>,
        seen: &Seen,
        report: &mut Report,
        tell: Tell<'_>,
    ) {
        let is_cut_off = self.error.is_cut_off();
        let kept = if is_cut_off { BTreeSet::new() } else { self.kept(so_far) };
        let mut running = Vec::new();
        // The last one was ended by its own start.
        for (service, instance) in so_far.started.iter().rev() {
            let stays = kept.contains(&service.name)
                || !self.take_back(service, instance, seen, report, tell).await;
            if stays {
                running.push((*service, instance.clone()));
            }
        }
        if !is_cut_off && self.order.restores() {
            let stopped = so_far.stopped.iter().filter(|name| self.plan.previous.contains(name));
            // The last that was stopped is the one that the others need.
            for name in stopped.rev() {
                if let Ok(service) = self.order.machine.registry.get(name) {
                    let back = self.bring_back(service, so_far, &running, seen, report, tell).await;
                    running.extend(back.map(|instance| (service, instance)));
                }
            }
        }
    }

    /// Of what this command started, that which somebody asked for, and what that needs.
    fn kept(&self, so_far: &SoFar<'_>) -> BTreeSet<String> {
        let asked = |name: &&str| self.order.wish.names.iter().any(|it| it == name);
        let started = so_far.started.iter().map(|(service, _)| service.name.as_str());
        let needed = self.order.machine.registry.start_order(started.filter(asked));
        needed.unwrap_or_default().iter().map(|service| service.name.clone()).collect()
    }

    /// Whether it is gone.
    async fn take_back(
        &self,
        service: &Service,
        instance: &Instance,
        seen: &Seen,
        report: &mut Report,
        tell: Tell<'_>,
    ) -> bool {
        let begun = Instant::now();
        let mut unused = service.clone();
        // Nobody but this command knows of it.
        unused.stop.after_grace = AfterGrace::Kill;
        unused.evict = None;
        let why = if self.error.is_cut_off() {
            "what wanted it is interrupted".to_owned()
        } else {
            "what needs it could not be started".to_owned()
        };
        let stopped = stop(self.order.machine, &unused, instance, &why, self.leave, tell).await;
        let escalated = stopped.as_ref().is_ok_and(|stopped| stopped.escalated);
        let did = Did { escalated, from: Some("ready"), ..Did::default() };
        let result = stopped.map(drop);
        if let Err(error) = &result {
            tell(Event::Warning { text: error.to_string() });
        }
        let name = service.name.clone();
        let step = Step::Stop { service: name, why, frees_mib: BTreeMap::new() };
        self.order.record(&step, service, seen, &result, &did, begun, report).await;
        result.is_ok()
    }

    /// What runs of it then, beside what this command left running.
    async fn bring_back(
        &self,
        service: &Service,
        so_far: &SoFar<'_>,
        running: &[(&Service, Instance)],
        seen: &Seen,
        report: &mut Report,
        tell: Tell<'_>,
    ) -> Option<Instance> {
        let (machine, name, begun) = (self.order.machine, service.name.clone(), Instant::now());
        tell(Event::Restoring { service: name.clone() });
        let headroom = machine.registry.headroom.beside(service.need);
        let running: Vec<(&Service, &Instance)> =
            running.iter().map(|(service, instance)| (*service, instance)).collect();
        // What is back is another instance than that which was seen.
        let started = match seen.room_for(service, headroom, &so_far.stopped, &running) {
            Ok(room) => start::start(machine, service, room.as_ref(), self.leave, tell).await,
            Err(error) => Err(NotReady { error, attempts: 0, pauses: Vec::new() }),
        };
        let (attempts, back, result) = match started {
            Ok(ready) => (ready.attempts, Some(ready.instance), Ok(())),
            Err(failed) => (failed.attempts, None, Err(failed.error)),
        };
        match &result {
            Ok(()) => report.restored.push(name.clone()),
            Err(error) => tell(Event::Warning {
                text: format!("service `{name}` could not be brought back: {error}"),
            }),
        }
        let (needs_mib, spare_mib) = (BTreeMap::new(), headroom.0);
        let step = Step::Start { service: name, needs_mib, spare_mib };
        let did = Did { attempts, from: Some("stopped"), ..Did::default() };
        self.order.record(&step, service, seen, &result, &did, begun, report).await;
        back
    }
}
