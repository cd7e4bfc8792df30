//! What a person sees of services: the plan, the timeline, the table.

use std::time::{Duration, Instant};

use super::{out, say};
use crate::duration::human;
use crate::mebibytes::Mebibytes;
use crate::services::event::Event;
use crate::services::plan::{Plan, Step};
use crate::services::registry::Registry;
use crate::services::service::Service;

/// What a registry has that is no error.
pub(in crate::cli) fn warnings(warnings: &[String]) {
    for warning in warnings {
        say(&format!("warning: {warning}"));
    }
}

/// The steps of a plan, on standard output.
pub(in crate::cli) fn plan(plan: &Plan, registry: &Registry) {
    if plan.is_idle() {
        out("nothing to do");
    }
    for (number, step) in plan.steps.iter().enumerate() {
        let service = registry.services.get(step.service());
        out(&format!("{}. {}", number + 1, told(step, service)));
    }
}

fn told(step: &Step, service: Option<&Service>) -> String {
    match step {
        Step::Reuse { service, stale: false } => format!("`{service}` runs and is healthy"),
        Step::Reuse { service, stale: true } => {
            format!("`{service}` runs and is healthy, with other settings than now; `--recreate`")
        }
        Step::Await { service: name } => {
            let limit = service.map(|it| it.health.timeout).unwrap_or_default();
            format!("wait until `{name}`, which runs, is healthy: {} at most", human(limit))
        }
        Step::Stop { service: name, why, frees_mib } => {
            let frees: Vec<String> =
                frees_mib.iter().map(|(gpu, mib)| format!("{mib} MiB on GPU {gpu}")).collect();
            let frees = if frees.is_empty() || why.starts_with("frees ") {
                String::new()
            } else {
                format!(", frees {}", frees.join(", "))
            };
            let evict = if service.is_some_and(|it| it.evict.is_some()) {
                "unload and stop"
            } else {
                "stop"
            };
            let grace = service.map(|it| it.stop.grace).unwrap_or_default();
            format!("{evict} `{name}` within {}: {why}{frees}", human(grace))
        }
        Step::Start { service: name, needs_mib, spare_mib } => {
            let needs: Vec<String> =
                needs_mib.iter().map(|(gpu, mib)| format!("{mib} MiB on GPU {gpu}")).collect();
            let needs = if needs.is_empty() {
                String::new()
            } else {
                format!(" once {} and {spare_mib} MiB to spare are free", needs.join(", "))
            };
            let longest = service.map(Service::longest_start).unwrap_or_default();
            let tries = service.map_or(1, |it| it.retry.attempts);
            let tries = if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
            format!("start `{name}`{needs}: {tries}, {} at most", human(longest))
        }
    }
}

/// What happens, with the time since the beginning, on standard error.
#[derive(Debug)]
pub(in crate::cli) struct Timeline {
    begun: Instant,
}

impl Timeline {
    /// Begins now.
    pub(in crate::cli) fn new() -> Self {
        Self { begun: Instant::now() }
    }

    /// One thing that happened.
    pub(in crate::cli) fn show(&self, event: &Event) {
        let at = self.begun.elapsed().as_secs_f64();
        say(&format!("{at:8.2}s  {}", happened(event)));
    }

    /// The end of it, on standard output.
    pub(in crate::cli) fn close(services: &[String], took: Duration) {
        let names: Vec<String> = services.iter().map(|name| format!("`{name}`")).collect();
        let (is, names) = (if names.len() == 1 { "is" } else { "are" }, names.join(", "));
        out(&format!("{names} {is} ready after {:.2}s", took.as_secs_f64()));
    }
}

fn happened(event: &Event) -> String {
    match event {
        Event::Waiting { what, holder } => format!("{what}: waiting for {holder}"),
        Event::Reused { service } => format!("{service}: runs and is healthy"),
        Event::Stale { service } => {
            format!("{service}: runs with other settings than the registry has now (`--recreate`)")
        }
        Event::Stopping { service, why } => format!("{service}: stopping: {why}"),
        Event::Evicted { service, before: Some(Mebibytes(0)), .. } => {
            format!("{service}: had nothing loaded")
        }
        Event::Evicted { service, before: Some(before), after: Some(after) } => {
            format!("{service}: unloaded its models: {before} → {after}")
        }
        Event::Evicted { service, .. } => format!("{service}: unloaded its models"),
        Event::NotEvicted { service, why } => {
            format!("{service}: models not unloaded: {}", unnamed(service, why))
        }
        Event::Stopped { service, took, escalated } => {
            let how = if *escalated { ", killed" } else { "" };
            format!("{service}: stopped in {:.2}s{how}", took.as_secs_f64())
        }
        Event::Recovered { service, took } => {
            format!("{service}: its memory is free after {:.2}s", took.as_secs_f64())
        }
        Event::Starting { service, attempt: 1, .. } => format!("{service}: starting"),
        Event::Starting { service, attempt, attempts } => {
            format!("{service}: starting, try {attempt} of {attempts}")
        }
        Event::Started { service, took, instance } => {
            format!("{service}: runs after {:.2}s as {instance}", took.as_secs_f64())
        }
        Event::NotYet { service, says } => format!("{service}: not yet: {says}"),
        Event::Healthy { service, took, probes } => format!(
            "{service}: healthy after {:.2}s, {}",
            took.as_secs_f64(),
            super::counted(*probes as usize, "probe")
        ),
        Event::Again { service, why, pause } => {
            format!("{service}: {}; again in {:.1}s", unnamed(service, why), pause.as_secs_f64())
        }
        Event::Restoring { service } => format!("{service}: bringing it back"),
        Event::Warning { text } => format!("warning: {text}"),
    }
}

/// What is said of a service whose name stands before it already.
fn unnamed<'w>(service: &str, why: &'w str) -> &'w str {
    let named = why.strip_prefix("service `").and_then(|rest| rest.strip_prefix(service));
    named.and_then(|rest| rest.strip_prefix("` ")).unwrap_or(why)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    // F16, F23
    #[test]
    fn a_line_names_its_service_once() {
        let (service, pause) = ("slow".to_owned(), Duration::from_secs(2));
        let why = "service `slow` is not healthy after 3s and 9 probes: it answers 503".to_owned();
        let line = happened(&Event::Again { service: service.clone(), why, pause });
        assert_eq!(
            line,
            "slow: is not healthy after 3s and 9 probes: it answers 503; again in 2.0s"
        );
        let nothing = Some(Mebibytes(0));
        let evicted = Event::Evicted { service, before: nothing, after: nothing };
        assert_eq!(happened(&evicted), "slow: had nothing loaded");
    }

    // F7
    #[test]
    fn what_a_stop_frees_is_said_once() {
        let stop = |why: &str| Step::Stop {
            service: "low".to_owned(),
            why: why.to_owned(),
            frees_mib: BTreeMap::from([("0".to_owned(), 18432)]),
        };
        let chosen = told(&stop("frees 18432 MiB on GPU 0; priority 10"), None);
        assert!(chosen.ends_with(": frees 18432 MiB on GPU 0; priority 10"), "{chosen}");
        let previous = told(&stop("`high` takes its place"), None);
        assert!(previous.ends_with("takes its place, frees 18432 MiB on GPU 0"), "{previous}");
    }
}
