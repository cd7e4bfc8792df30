//! A wish fulfilled: looked, planned, permitted, looked again, done.
//!
//! 2026-11-21: what was seen before there is leave decides nothing. A plan made without it says only
//! which claims to take; with them, everything is looked at and planned again, and where that plan
//! needs other claims, these are given back and it begins anew.

pub(crate) mod attend;
mod claims;
pub(crate) mod halt;
pub(crate) mod leases;
mod possible;
mod record;
pub(crate) mod release;
mod remains;
pub(crate) mod start;
mod stop;
mod undo;

use std::collections::BTreeSet;
use std::time::Instant;

use serde::Serialize;
use uuid::Uuid;

use super::error::ServiceError;
use super::event::{Event, Tell};
use super::instance::Instance;
use super::journal::{Outcome, Verb};
use super::leave::Leave;
use super::look::Seen;
use super::machine::Machine;
use super::note;
use super::plan::{Plan, Step, Wish, plan};
use super::service::{OnFailure, Service};
use crate::coordination::permit::Patience;
use crate::mebibytes::Mebibytes;
use start::NotReady;

/// A wish, and who has it.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    pub machine: &'a Machine,
    pub wish: Wish,
    pub patience: Patience,
    pub operation: Uuid,
}

/// What became of a wish.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub operation: Uuid,
    pub steps: Vec<Done>,
    /// Services that were stopped and run again, because what they made room for failed.
    pub restored: Vec<String>,
    pub seconds: f64,
}

/// A step that was done, or failed.
#[derive(Debug, Serialize)]
pub(crate) struct Done {
    #[serde(flatten)]
    pub step: Step,
    pub outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    pub attempts: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub escalated: bool,
    pub seconds: f64,
}

/// What a plan for this wish would be now. Claims nothing and changes nothing.
pub(crate) async fn foresee(order: &Order<'_>) -> Result<Plan, ServiceError> {
    let seen = order.look().await?;
    order.plan(&seen)
}

/// Fulfils a wish. The report tells what was done in either case.
pub(crate) async fn fulfil(
    order: &Order<'_>,
    tell: Tell<'_>,
) -> (Report, Result<(), ServiceError>) {
    let begun = Instant::now();
    let mut report = Report {
        operation: order.operation,
        steps: Vec::new(),
        restored: Vec::new(),
        seconds: 0.0,
    };
    let done = match order.fulfil(&mut report, tell).await {
        Ok(None) => Ok(()),
        Ok(Some(leave)) => {
            leave.end(&Ok(()), tell).await;
            Ok(())
        }
        Err(error) => Err(error),
    };
    report.seconds = begun.elapsed().as_secs_f64();
    (report, done)
}

impl Order<'_> {
    async fn look(&self) -> Result<Seen, ServiceError> {
        let names = self.wish.names.iter().map(String::as_str);
        let wanted = self.machine.registry.start_order(names)?;
        let wanted: Vec<String> = wanted.iter().map(|service| service.name.clone()).collect();
        Seen::look(self.machine, None, &wanted).await
    }

    /// Fulfils the wish, and returns the leave that it was done with, where it took one.
    async fn fulfil(
        &self,
        report: &mut Report,
        tell: Tell<'_>,
    ) -> Result<Option<Leave>, ServiceError> {
        let mut held = None;
        let done = self.with(&mut held, report, tell).await;
        match (done, held) {
            (Ok(()), held) => Ok(held),
            (Err(error), None) => Err(error),
            (Err(error), Some(leave)) => {
                let failed = Err(error);
                leave.end(&failed, tell).await;
                failed.map(|()| None)
            }
        }
    }

    async fn with(
        &self,
        held: &mut Option<Leave>,
        report: &mut Report,
        tell: Tell<'_>,
    ) -> Result<(), ServiceError> {
        let begun = Instant::now();
        self.machine.join().await?;
        let (mut told, mut short_since, mut was_too_large) = (BTreeSet::new(), None, false);
        loop {
            let seen = self.look().await?;
            for text in &seen.warnings {
                if told.insert(text.clone()) {
                    tell(Event::Warning { text: text.clone() });
                }
            }
            let claims = match self.plan(&seen) {
                Ok(plan)
                    if held.is_none()
                        && plan.is_idle()
                        && !self.is_being_worked_on(&plan, &seen) =>
                {
                    return self.reuse(&seen, &plan, report, tell).await;
                }
                Ok(plan) => {
                    let claims = self.claims(&seen, &plan)?;
                    if let Some(leave) = held.as_ref()
                        && leave.covers(&claims)
                    {
                        let run = self.run(&seen, &plan, leave, report, tell);
                        return leave.attend(self.machine, run).await;
                    }
                    claims
                }
                // Who is at work there may be about to make room, or to fail.
                Err(error @ ServiceError::DoesNotFit { .. }) if held.is_none() => {
                    if self.may_change(&error, &seen)? {
                        self.claims_of_wanted(&seen)?
                    } else if was_too_large {
                        return Err(error);
                    } else {
                        // Somebody may have come to an end between the look and the question.
                        was_too_large = true;
                        continue;
                    }
                }
                Err(error) if remains::are_in_the_way(&error, &seen.cards) => {
                    let since = *short_since.get_or_insert_with(Instant::now);
                    remains::wait(since, error, &self.machine.cancel).await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(leave) = held.take() {
                leave.give_back(tell).await;
            }
            let patience = left_of(self.patience, begun);
            let what = format!("{} {}", self.wish.verb.word(), self.wish.names.join(" "));
            *held = Some(self.machine.leave(claims, &what, patience, &seen, tell).await?);
        }
    }

    fn plan(&self, seen: &Seen) -> Result<Plan, ServiceError> {
        let registry = &self.machine.registry;
        let plan = plan(&self.wish, &seen.view(registry)).map_err(|error| match error {
            ServiceError::Leased { name, .. } => {
                ServiceError::Leased { holders: seen.leases(&name), name }
            }
            ServiceError::Unusable { name, state: "unknown", .. } => {
                registry.get(&name).map_or_else(|unknown| unknown, |service| seen.unseen(service))
            }
            error => error,
        })?;
        let starts = |step: &&Step| matches!(step, Step::Start { .. });
        for step in plan.steps.iter().filter(starts) {
            let needs = self.machine.registry.get(step.service())?.need > Mebibytes(0);
            if let (true, Some(ServiceError::Gpu(error))) = (needs, &seen.trouble) {
                return Err(error.clone().into());
            }
        }
        Ok(plan)
    }

    /// Does a plan for which there is nothing to do.
    async fn reuse(
        &self,
        seen: &Seen,
        plan: &Plan,
        report: &mut Report,
        tell: Tell<'_>,
    ) -> Result<(), ServiceError> {
        for step in &plan.steps {
            let (begun, service) = (Instant::now(), self.machine.registry.get(step.service())?);
            reused(step, tell);
            self.record(step, service, seen, &Ok(()), &Did::default(), begun, report).await;
        }
        self.use_now()
    }

    /// Notes that what is wanted is used.
    fn use_now(&self) -> Result<(), ServiceError> {
        for name in &self.wish.names {
            let service = self.machine.registry.get(name)?;
            note::use_now(&self.machine.places.service(service));
        }
        Ok(())
    }

    async fn run(
        &self,
        seen: &Seen,
        plan: &Plan,
        leave: &Leave,
        report: &mut Report,
        tell: Tell<'_>,
    ) -> Result<(), ServiceError> {
        let begun = Instant::now();
        if let Err((step, error)) = possible::all(self.machine, seen, plan).await {
            let service = self.machine.registry.get(step.service())?;
            start::refuse(self.machine, service, seen, &error);
            let result = Err(error);
            self.record(step, service, seen, &result, &Did::default(), begun, report).await;
            return result;
        }
        let mut so_far = SoFar::default();
        for step in &plan.steps {
            let begun = Instant::now();
            let service = self.machine.registry.get(step.service())?;
            let mut did = Did::default();
            let result = self.step(step, service, seen, &so_far, leave, &mut did, tell).await;
            match (&result, step, did.instance.take()) {
                (Ok(()), Step::Stop { .. }, _) => so_far.stopped.push(service.name.clone()),
                (Ok(()), Step::Start { .. }, Some(instance)) => {
                    so_far.started.push((service, instance));
                }
                _ => {}
            }
            self.record(step, service, seen, &result, &did, begun, report).await;
            if let Err(error) = result {
                if self.wish.verb != Verb::Stop {
                    self.record_in_vain(&error, seen, report);
                }
                let undo = undo::Undo { order: self, error: &error, plan, leave };
                undo.run(&so_far, seen, report, tell).await;
                return Err(error);
            }
        }
        self.use_now()
    }

    #[expect(clippy::too_many_arguments, reason = "a step depends on all that was before it")]
    async fn step(
        &self,
        step: &Step,
        service: &Service,
        seen: &Seen,
        so_far: &SoFar<'_>,
        leave: &Leave,
        did: &mut Did,
        tell: Tell<'_>,
    ) -> Result<(), ServiceError> {
        let not_running = || ServiceError::NotRunning { name: service.name.clone() };
        match step {
            Step::Reuse { .. } => {
                reused(step, tell);
                Ok(())
            }
            Step::Await { .. } => {
                let instance = seen.instance(&service.name).ok_or_else(not_running)?;
                attend::noting(self.machine, service, seen, instance, tell).await
            }
            Step::Stop { why, .. } => {
                if let Some(signal) = self.machine.cancel.now() {
                    return Err(ServiceError::Cancelled { signal });
                }
                let instance = seen.instance(&service.name).ok_or_else(not_running)?;
                let stopped = stop::stop(self.machine, service, instance, why, leave, tell).await?;
                did.escalated = stopped.escalated;
                Ok(())
            }
            Step::Start { .. } => {
                let headroom = self.machine.registry.headroom.beside(service.need);
                let started: Vec<(&Service, &Instance)> =
                    so_far.started.iter().map(|(service, it)| (*service, it)).collect();
                let room = seen.room_for(service, headroom, &so_far.stopped, &started)?;
                match start::start(self.machine, service, room.as_ref(), leave, tell).await {
                    Ok(ready) => {
                        (did.attempts, did.pauses) = (ready.attempts, seconds(&ready.pauses));
                        did.instance = Some(ready.instance);
                        Ok(())
                    }
                    Err(NotReady { error, attempts, pauses }) => {
                        (did.attempts, did.pauses) = (attempts, seconds(&pauses));
                        Err(error)
                    }
                }
            }
        }
    }

    /// Whether what was stopped is started again after a failure.
    fn restores(&self) -> bool {
        let mut wanted = self.wish.names.iter().filter_map(|it| self.machine.registry.get(it).ok());
        wanted.any(|service| service.on_failure == OnFailure::Restore)
    }
}

/// Says what is used as it is.
fn reused(step: &Step, tell: Tell<'_>) {
    if let Step::Reuse { service, stale } = step {
        tell(Event::Reused { service: service.clone() });
        if *stale {
            tell(Event::Stale { service: service.clone() });
        }
    }
}

/// What is left of a patience that began then.
fn left_of(patience: Patience, begun: Instant) -> Patience {
    match patience {
        Patience::For(limit) => Patience::For(limit.saturating_sub(begun.elapsed())),
        other => other,
    }
}

/// What the steps so far did.
#[derive(Debug, Default)]
struct SoFar<'a> {
    stopped: Vec<String>,
    started: Vec<(&'a Service, Instance)>,
}

/// What is known of a step beside how it ended.
#[derive(Debug, Default)]
struct Did {
    instance: Option<Instance>,
    /// How the service was, where it was changed since it was seen.
    from: Option<&'static str>,
    attempts: u32,
    pauses: Vec<f64>,
    escalated: bool,
}

/// To the millisecond, as people read it.
fn seconds(pauses: &[std::time::Duration]) -> Vec<f64> {
    pauses.iter().map(|pause| (pause.as_secs_f64() * 1000.0).round() / 1000.0).collect()
}
