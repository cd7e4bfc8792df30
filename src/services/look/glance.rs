//! How one service is, by docker or `/proc` and what lem noted of it.

use jiff::Timestamp;

use crate::engine::Engine;
use crate::engine::life::{self, Checked, Status};
use crate::services::container::{self, Looked};
use crate::services::health::{self, pulse::Pulse};
use crate::services::holder::Holder;
use crate::services::instance::Instance;
use crate::services::machine::Machine;
use crate::services::native;
use crate::services::note::Note;
use crate::services::service::Service;
use crate::services::state::Life;

/// How one service is.
#[derive(Debug)]
pub(crate) struct Glance {
    pub life: Life,
    /// What runs of it, or what is left of it.
    pub instance: Option<Instance>,
    /// Since when it runs.
    pub since: Option<Timestamp>,
    /// How it is not, where there is more to say than a word.
    pub detail: Option<String>,
    /// What it answers, where it was asked.
    pub pulse: Option<Pulse>,
    /// What its container's own healthcheck says.
    pub checked: Option<Checked>,
    /// Whether it has shown that it does its work, where it must: what its `ready` asks takes a
    /// while, and is not asked by who only looks.
    pub is_proven: bool,
    /// Whether somebody waited for its health until its time was over.
    pub in_vain: bool,
    pub stale: bool,
    pub leases: Vec<Holder>,
    /// Who acts on it.
    pub holder: Option<Holder>,
    pub note: Note,
}

impl Glance {
    pub(super) fn nothing(life: Life) -> Self {
        Self {
            life,
            instance: None,
            since: None,
            detail: None,
            pulse: None,
            checked: None,
            is_proven: true,
            in_vain: false,
            stale: false,
            leases: Vec::new(),
            holder: None,
            note: Note::default(),
        }
    }

    /// Whether it is as healthy as it can tell.
    pub(crate) fn is_healthy(&self) -> bool {
        let checked = matches!(self.checked, None | Some(Checked::Healthy));
        let answers = match &self.pulse {
            Some(Pulse::Unprobed) | None => checked,
            Some(pulse) => *pulse == Pulse::Healthy,
        };
        answers && self.is_proven
    }

    /// Takes what is noted of the service, as far as it is about what runs now.
    pub(super) fn noted(&mut self, note: Note, service: &Service) {
        if let Some(instance) = &self.instance {
            let started = note.start_of(&instance.id());
            // A container that somebody started again keeps its id.
            let of_this = |at: &Timestamp| self.since.is_none_or(|since| since <= *at);
            let healthy = started.and_then(|it| it.healthy_at).filter(of_this);
            let unhealthy = started.and_then(|it| it.unhealthy_at).filter(of_this);
            self.is_proven = service.health.ready.is_none() || healthy.is_some();
            self.in_vain = unhealthy > healthy;
        }
        self.note = note;
    }

    /// Whether it should have been healthy by now.
    pub(super) fn is_late(&self, service: &Service) -> Option<bool> {
        let age = self.since.map(|since| Timestamp::now().duration_since(since).unsigned_abs())?;
        Some(age > health::longest(&service.health))
    }

    /// Whether it will not become healthy any more: it is late, and nobody listens there, or it was
    /// waited for in vain. One probe that came in a bad moment is no reason to end a service.
    pub(super) fn is_overdue(&self, service: &Service) -> bool {
        let silent = matches!(self.pulse, Some(Pulse::Silent { .. }));
        self.pulse.is_some()
            && !self.is_healthy()
            && (self.in_vain || silent)
            && self.is_late(service) == Some(true)
    }
}

/// Looks at a native service.
pub(super) fn of_native(service: &Service, machine: &Machine) -> Glance {
    match native::look(&service.name, &machine.places.service(service)) {
        Ok(native::Looked::NeverStarted) => Glance::nothing(Life::Gone),
        Ok(native::Looked::Ended { how, left: None }) => {
            // That lem stopped it is what `stopped` says.
            let detail = how.filter(|how| !how.is_by_lem()).map(|how| how.to_string());
            Glance { detail, ..Glance::nothing(Life::Gone) }
        }
        Ok(native::Looked::Ended { how, left: Some(left) }) => Glance {
            detail: how.map(|how| format!("{how}, and processes of it are left")),
            instance: Some(Instance::Native(left)),
            ..Glance::nothing(Life::Remains)
        },
        Ok(native::Looked::Running(instance)) => Glance {
            since: Some(instance.since()),
            instance: Some(Instance::Native(instance)),
            ..Glance::nothing(Life::Running)
        },
        Err(error) => Glance { detail: Some(error.to_string()), ..Glance::nothing(Life::Unseen) },
    }
}

/// Whether a container that does not run ended as it should: never started, done, or by a TERM.
fn is_calm(life: &life::Life) -> bool {
    life.status == Status::Created
        || life.status == Status::Exited && !life.oom_killed && matches!(life.exit_code, 0 | 143)
}

/// What docker said of a service.
pub(super) fn of_container(engine: Option<&Engine>, looked: &Looked) -> Glance {
    let life = match looked {
        Looked::Absent => return Glance::nothing(Life::Gone),
        Looked::Several(several) => {
            let detail = Some(format!("it has {several} containers that run, and lem keeps one"));
            return Glance { detail, ..Glance::nothing(Life::Unseen) };
        }
        Looked::Present(life) => life,
    };
    let state = match life.status {
        Status::Running => Life::Running,
        Status::Paused => Life::Paused,
        Status::Restarting => Life::Restarting,
        Status::Created | Status::Exited | Status::Removing | Status::Dead => Life::Gone,
    };
    let runs = life.status.is_alive();
    Glance {
        life: state,
        instance: engine.filter(|_| runs).map(|engine| {
            Instance::Container(container::Instance::new(engine.docker.clone(), life))
        }),
        since: life.started_at.filter(|_| runs),
        detail: (state != Life::Running && !is_calm(life)).then(|| container::how(life)),
        checked: life.health,
        ..Glance::nothing(state)
    }
}
