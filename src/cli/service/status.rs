//! `lem service status`: how the services are, asked now.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::arguments::Where;
use super::machine;
use crate::cancel::Cancel;
use crate::cli::exit;
use crate::cli::render::{self, registry as tables, services as show};
use crate::cli::runtime::block_on;
use crate::services::error::ServiceError;
use crate::services::health::pulse::Pulse;
use crate::services::instance::Instance;
use crate::services::look::Seen;
use crate::services::machine::Machine;
use crate::services::note;
use crate::services::place::Purpose;
use crate::services::service::{GpuChoice, Kind, Service};
use crate::services::state::State;

/// Show how services are: state, health, memory, priority, GPUs and since when.
///
/// With one NAME the exit code says it too, as the LSB has it: 0 ready or busy, 1 error, 3 stopped
/// or not ready, 4 unknown.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only these
    names: Vec<String>,
    /// One JSON array on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// A service, as `--json` shows it.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Row {
    pub service: String,
    /// `native`, `compose` or `container`.
    pub kind: &'static str,
    pub state: State,
    /// `healthy`, `loading`, `silent`, `other`, or absent where nothing was asked.
    pub health: Option<&'static str>,
    /// What there is to say beside the words.
    pub detail: Option<String>,
    /// Of each of its GPUs.
    pub vram_mib: u64,
    /// Used now, by GPU; absent where nobody knows.
    pub vram_used_mib: Option<std::collections::BTreeMap<String, u64>>,
    pub priority: i64,
    pub pinned: bool,
    pub gpus: Vec<String>,
    pub phases: Vec<u32>,
    pub pid: Option<u32>,
    pub container: Option<String>,
    pub container_id: Option<String>,
    /// RFC 3339.
    pub since: Option<String>,
    pub last_used: Option<String>,
    /// Who uses it.
    pub leases: Vec<String>,
    /// Who acts on it now.
    pub holder: Option<String>,
    /// Whether it runs with other settings than it would be started with.
    pub stale: bool,
    /// Why its last start failed.
    pub failed: Option<String>,
}

/// Runs `lem service status`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    block_on::<_, ServiceError>(async |cancel: &Cancel| {
        let registry = arguments.place.registry.as_deref();
        let machine = machine(registry, Purpose::Looking, cancel).await?;
        let names = machine.chosen(&arguments.names)?;
        let seen = Seen::look(&machine, None, &names).await?;
        show::warnings(&machine.registry.warnings);
        show::warnings(&seen.warnings);
        let mut rows = Vec::new();
        for name in &names {
            rows.push(row(&machine, machine.registry.get(name)?, &seen));
        }
        if arguments.json {
            render::json(&rows);
        } else {
            tables::table(&rows, seen.others());
        }
        match (arguments.names.as_slice(), rows.as_slice()) {
            ([_], [row]) => Ok(row.state.exit_code()),
            _ => Ok(exit::DONE),
        }
    })
}

fn row(machine: &Machine, service: &Service, seen: &Seen) -> Row {
    let state = seen.state(service);
    let glance = seen.glance(&service.name);
    let pulse = glance.and_then(|glance| glance.pulse.as_ref());
    let (health, says) = match pulse {
        Some(Pulse::Healthy) if glance.is_some_and(|glance| !glance.is_proven) => {
            (Some("loading"), Some("it answers, and has not passed `ready` yet".to_owned()))
        }
        Some(Pulse::Healthy) => (Some("healthy"), None),
        Some(Pulse::Loading { why }) => (Some("loading"), Some(why.clone())),
        Some(Pulse::Silent { why }) => (Some("silent"), Some(why.clone())),
        Some(Pulse::Other { why }) => (Some("other"), Some(why.clone())),
        Some(Pulse::Unprobed) | None => (None, None),
    };
    let (mut pid, mut container, mut container_id) = (None, None, None);
    match glance.and_then(|glance| glance.instance.as_ref()) {
        Some(Instance::Native(native)) => pid = Some(native.pid()),
        Some(Instance::Container(it)) => {
            (container, container_id) = (Some(it.name.clone()), Some(it.id.clone()));
        }
        None => {}
    }
    let failed = glance.and_then(|glance| glance.note.failed.as_ref());
    let failed = failed.map(|failed| failed.why.clone());
    let detail = says.or_else(|| glance.and_then(|glance| glance.detail.clone()));
    let detail = if state == State::Error { failed.clone().or(detail) } else { detail };
    Row {
        service: service.name.clone(),
        kind: match service.kind {
            Kind::Native(_) => "native",
            Kind::Compose(_) => "compose",
            Kind::Container { .. } => "container",
        },
        state,
        health,
        detail,
        vram_mib: service.need.0,
        vram_used_mib: seen.held(service),
        priority: service.priority,
        pinned: service.pinned,
        gpus: match &service.gpus {
            GpuChoice::All => vec!["all".to_owned()],
            GpuChoice::Named(names) => names.clone(),
        },
        phases: service.phases.iter().copied().collect(),
        pid,
        container,
        container_id,
        since: glance.and_then(|glance| glance.since).map(|since| since.to_string()),
        last_used: note::last_used(&machine.places.service(service)).map(|at| at.to_string()),
        leases: seen.leases(&service.name),
        holder: glance.and_then(|glance| glance.holder.as_ref()).map(ToString::to_string),
        stale: glance.is_some_and(|glance| glance.stale),
        failed,
    }
}
