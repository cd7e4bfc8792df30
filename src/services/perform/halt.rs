//! Services stopped on request: one after the other, those that need others first. One that can't
//! be stopped does not keep the rest from it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::claims::add;
use super::{Did, Order, Report, SoFar};
use crate::coordination::kind::Kind;
use crate::coordination::permit::Patience;
use crate::services::claim;
use crate::services::error::ServiceError;
use crate::services::event::Tell;
use crate::services::health;
use crate::services::journal::Verb;
use crate::services::leave::Leave;
use crate::services::look::Seen;
use crate::services::machine::Machine;
use crate::services::note;
use crate::services::plan::{Plan, Step, Wish};
use crate::services::service::{AfterGrace, Service};
use crate::services::state::Life;

/// The wish that services don't run.
#[derive(Debug)]
pub(crate) struct Halt<'a> {
    pub machine: &'a Machine,
    pub names: Vec<String>,
    /// Leases don't count, and what is still there after its grace is killed.
    pub force: bool,
    /// In place of each service's own.
    pub grace: Option<Duration>,
    /// Whether what needs them is stopped too.
    pub cascade: bool,
    pub patience: Patience,
    pub operation: Uuid,
}

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    All,
    /// What needs it and began to run in between.
    MoreToStop,
}

/// What would be stopped now, and why the rest would not. Claims nothing and changes
/// nothing.
pub(crate) async fn foresee(halt: &Halt<'_>) -> Result<(Plan, Vec<ServiceError>), ServiceError> {
    let seen = Seen::look(halt.machine, None, &[]).await?;
    let (mut steps, mut refusals, mut gone) = (Vec::new(), Vec::new(), BTreeSet::new());
    for name in halt.order(&seen)? {
        let service = halt.machine.registry.get(&name)?;
        match halt.step(service, &seen, &gone) {
            Ok(Some(step)) => {
                steps.push(step);
                gone.insert(name);
            }
            Ok(None) => {}
            Err(error) => refusals.push(error),
        }
    }
    Ok((Plan { steps, previous: Vec::new() }, refusals))
}

/// Stops them. The report tells what was done, the errors what was not.
pub(crate) async fn halt(halt: &Halt<'_>, tell: Tell<'_>) -> (Report, Vec<ServiceError>) {
    let begun = Instant::now();
    let mut report =
        Report { operation: halt.operation, steps: Vec::new(), restored: Vec::new(), seconds: 0.0 };
    let mut failures = Vec::new();
    let seen = match Seen::look(halt.machine, None, &[]).await {
        Ok(seen) => seen,
        Err(error) => return (report, vec![error]),
    };
    let order = match halt.order(&seen) {
        Ok(order) => order,
        Err(error) => return (report, vec![error]),
    };
    let mut tried = BTreeSet::new();
    for name in order {
        if let Err(error) = halt.one(&name, &seen, &tried, &mut report, tell).await {
            let over = error.is_cut_off();
            failures.push(error);
            if over {
                break;
            }
        }
        tried.insert(name);
    }
    report.seconds = begun.elapsed().as_secs_f64();
    (report, failures)
}

impl Halt<'_> {
    /// What is stopped, in order: dependants that run before what they need.
    fn order(&self, seen: &Seen) -> Result<Vec<String>, ServiceError> {
        let registry = &self.machine.registry;
        let mut all: BTreeSet<String> = self.names.iter().cloned().collect();
        for name in &self.names {
            registry.get(name)?;
            if self.cascade && seen.life(name) != Life::Gone {
                all.extend(self.dependants(name, seen));
            }
        }
        let order = registry.start_order(all.iter().map(String::as_str))?;
        let order = order.into_iter().rev().map(|service| service.name.clone());
        Ok(order.filter(|name| all.contains(name)).collect())
    }

    /// Who needs a service and runs, in the order of stopping.
    fn dependants(&self, name: &str, seen: &Seen) -> Vec<String> {
        let dependants = self.machine.registry.dependants(name).into_iter();
        let names = dependants.map(|service| service.name.clone());
        names.filter(|name| seen.life(name) != Life::Gone).collect()
    }

    /// The stop of one service, where `gone` run no more; none, where it does not run.
    fn step(
        &self,
        service: &Service,
        seen: &Seen,
        gone: &BTreeSet<String>,
    ) -> Result<Option<Step>, ServiceError> {
        let name = service.name.clone();
        match seen.life(&name) {
            Life::Gone => return Ok(None),
            Life::Unseen => return Err(seen.unseen(service)),
            Life::Running | Life::Restarting | Life::Paused | Life::Remains => {}
        }
        let mut dependants = self.dependants(&name, seen);
        dependants.retain(|dependant| !gone.contains(dependant));
        if !dependants.is_empty() {
            return Err(ServiceError::Needed { name, dependants });
        }
        let holders = seen.leases(&name);
        if !holders.is_empty() && !self.force {
            return Err(ServiceError::Leased { name, holders });
        }
        let why = if holders.is_empty() {
            "asked for".to_owned()
        } else {
            format!("asked for with --force, though it is used by {}", holders.join(", "))
        };
        Ok(Some(Step::Stop {
            service: name,
            why,
            frees_mib: seen.held(service).unwrap_or_default(),
        }))
    }

    /// Stops one service, and what needs it and began to run in between. What was `tried` already
    /// is not tried again.
    async fn one(
        &self,
        name: &str,
        before: &Seen,
        tried: &BTreeSet<String>,
        report: &mut Report,
        tell: Tell<'_>,
    ) -> Result<(), ServiceError> {
        let machine = self.machine;
        let what = format!("stop {name}");
        let dependants = machine.registry.dependants(name).into_iter();
        let mut family: Vec<String> = dependants.map(|service| service.name.clone()).collect();
        family.push(name.to_owned());
        let mut along = BTreeSet::from([name.to_owned()]);
        loop {
            let mut parts = Vec::new();
            // The one that is meant stands for the operation.
            for one in std::iter::once(name).chain(along.iter().map(String::as_str)) {
                if let Some(resource) = before.resources().get(one) {
                    add(&mut parts, claim::changed(resource, Kind::Stop));
                }
            }
            let leave = machine.leave(parts, &what, self.patience, before, tell).await?;
            // Nothing that needs it starts while it is claimed.
            let work = self.family(name, &family, &mut along, tried, &leave, report, tell);
            let ended = leave.attend(machine, Box::pin(work)).await;
            match ended {
                Ok(Stopped::MoreToStop) => leave.give_back(tell).await,
                ended => {
                    leave.end(&ended, tell).await;
                    return ended.map(drop);
                }
            }
        }
    }

    /// Stops what is claimed, unless more has to be claimed first.
    #[expect(clippy::too_many_arguments, reason = "a stop depends on all that was before it")]
    async fn family(
        &self,
        name: &str,
        family: &[String],
        along: &mut BTreeSet<String>,
        tried: &BTreeSet<String>,
        leave: &Leave,
        report: &mut Report,
        tell: Tell<'_>,
    ) -> Result<Stopped, ServiceError> {
        let seen = Seen::look(self.machine, Some(family), &[]).await?;
        let mut late = self.dependants(name, &seen);
        late.retain(|dependant| !tried.contains(dependant) && !along.contains(dependant));
        if self.cascade && !late.is_empty() && seen.life(name) != Life::Gone {
            along.extend(late);
            return Ok(Stopped::MoreToStop);
        }
        let mut gone = BTreeSet::new();
        for one in family.iter().filter(|one| along.contains(*one)) {
            self.end(one, &seen, &gone, leave, report, tell).await?;
            gone.insert(one.clone());
        }
        Ok(Stopped::All)
    }

    /// Stops a service that is claimed.
    async fn end(
        &self,
        name: &str,
        seen: &Seen,
        gone: &BTreeSet<String>,
        leave: &Leave,
        report: &mut Report,
        tell: Tell<'_>,
    ) -> Result<(), ServiceError> {
        let machine = self.machine;
        let mut service = machine.registry.get(name)?.clone();
        if let Some(grace) = self.grace {
            service.stop.grace = grace;
        }
        if self.force {
            service.stop.after_grace = AfterGrace::Kill;
        }
        let Some(step) = self.step(&service, seen, gone)? else {
            health::silence::is_silent(&service).await.map_err(|taken| {
                let name = name.to_owned();
                let why = format!("nothing of it runs that lem knows of, and {taken}");
                ServiceError::NotStopped { name, why }
            })?;
            // What failed the last time is past, and somebody knows of it.
            let folder = machine.places.service(&service);
            if note::read(&folder) != note::Note::default() {
                note::change(&folder, |note| *note = note::Note::default())?;
            }
            return Ok(());
        };
        let wish = Wish {
            verb: Verb::Stop,
            names: vec![name.to_owned()],
            phase: None,
            preempt: false,
            recreate: false,
        };
        let order = Order { machine, wish, patience: self.patience, operation: self.operation };
        let begun = Instant::now();
        let mut did = Did::default();
        let so_far = SoFar::default();
        let result = order.step(&step, &service, seen, &so_far, leave, &mut did, tell).await;
        order.record(&step, &service, seen, &result, &did, begun, report).await;
        result
    }
}
