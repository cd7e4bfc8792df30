//! What was done, for the journal and the report.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;

use super::{Did, Done, Order, Report};
use crate::services::error::ServiceError;
use crate::services::journal::{self, Act, Entry, Outcome};
use crate::services::look::Seen;
use crate::services::plan::Step;
use crate::services::service::Service;

impl Order<'_> {
    #[expect(clippy::too_many_arguments, reason = "a line of the journal has many columns")]
    pub(super) async fn record(
        &self,
        step: &Step,
        service: &Service,
        seen: &Seen,
        result: &Result<(), ServiceError>,
        did: &Did,
        begun: Instant,
        report: &mut Report,
    ) {
        let outcome = match result {
            Ok(()) => Outcome::Done,
            Err(error) if error.is_cut_off() => Outcome::Interrupted,
            Err(_) => Outcome::Failed,
        };
        let act = match step {
            Step::Reuse { .. } | Step::Await { .. } => Act::Check,
            Step::Start { .. } => Act::Start,
            Step::Stop { .. } => Act::Stop,
        };
        let error = result.as_ref().err().map(ToString::to_string);
        let seconds = begun.elapsed().as_secs_f64();
        let from = did.from.unwrap_or_else(|| seen.state(service).word());
        let to = match (act, outcome) {
            (Act::Stop, Outcome::Done) | (Act::Start, Outcome::Interrupted) => "stopped",
            (Act::Stop, _) => "stopping",
            (_, Outcome::Done) => "ready",
            (Act::Check, Outcome::Interrupted) => from,
            _ => "error",
        };
        let (mib_before, mib_after) = match step {
            Step::Reuse { .. } => (BTreeMap::new(), BTreeMap::new()),
            _ => (seen.used(service), self.machine.used(service, seen).await),
        };
        let entry = Entry {
            operation: self.operation,
            at: Timestamp::now(),
            agent: self.machine.agent_name(),
            verb: self.wish.verb,
            act,
            asked: self.wish.names.contains(&service.name),
            service: service.name.clone(),
            registry: self.machine.registry.place.clone(),
            from: from.to_owned(),
            to: to.to_owned(),
            outcome,
            error: error.clone(),
            attempts: did.attempts,
            pauses: did.pauses.clone(),
            escalated: did.escalated,
            seconds,
            mib_before,
            mib_after,
        };
        // What was done counts, whether or not there is room for a line about it.
        let _ = journal::append(&self.machine.places.journal(), &entry);
        report.steps.push(Done {
            step: step.clone(),
            outcome,
            error,
            attempts: did.attempts,
            escalated: did.escalated,
            seconds,
        });
    }

    /// Journals that services were wanted in vain, because a step before theirs failed.
    pub(super) fn record_in_vain(&self, error: &ServiceError, seen: &Seen, report: &Report) {
        let reached = |name: &String| report.steps.iter().any(|done| done.step.service() == name);
        let wanted = self.wish.names.iter().filter(|name| !reached(name));
        for service in wanted.filter_map(|name| self.machine.registry.services.get(name)) {
            let state = seen.state(service).word().to_owned();
            let cut_off = error.is_cut_off();
            let entry = Entry {
                operation: self.operation,
                at: Timestamp::now(),
                agent: self.machine.agent_name(),
                verb: self.wish.verb,
                act: Act::Check,
                asked: true,
                service: service.name.clone(),
                registry: self.machine.registry.place.clone(),
                from: state.clone(),
                to: state,
                outcome: if cut_off { Outcome::Interrupted } else { Outcome::Failed },
                error: Some(error.to_string()),
                attempts: 0,
                pauses: Vec::new(),
                escalated: false,
                seconds: 0.0,
                mib_before: BTreeMap::new(),
                mib_after: BTreeMap::new(),
            };
            let _ = journal::append(&self.machine.places.journal(), &entry);
        }
    }
}
