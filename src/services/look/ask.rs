//! The question to those that run: how are you, and are you as you would be started now?

use std::collections::BTreeMap;

use super::glance::Glance;
use crate::cancel::Cancel;
use crate::services::container;
use crate::services::health::pulse;
use crate::services::instance::Instance;
use crate::services::machine::Machine;
use crate::services::note::Note;
use crate::services::service::Service;
use crate::services::state::Life;

/// Asks those that run how they are, all at once.
pub(super) async fn ask(
    machine: &Machine,
    services: &[&Service],
    asked: &[String],
    glances: &mut BTreeMap<String, Glance>,
) {
    let mut asking = tokio::task::JoinSet::new();
    for service in services.iter().filter(|service| asked.contains(&service.name)) {
        let Some(glance) = glances.get(&service.name) else { continue };
        if glance.life != Life::Running {
            continue;
        }
        let (service, cancel) = ((*service).clone(), machine.cancel.clone());
        let id = glance.instance.as_ref().map(Instance::id);
        let note = glance.note.clone();
        let life = match &glance.instance {
            Some(Instance::Container(container)) => Some(container.clone()),
            _ => None,
        };
        asking.spawn(async move {
            let pulse = pulse::once(&service);
            let stale = is_stale(&service, life, id, &note, &cancel);
            let (pulse, stale) = tokio::join!(pulse, stale);
            (service.name.clone(), pulse, stale)
        });
    }
    while let Some(answered) = asking.join_next().await {
        let Ok((name, pulse, stale)) = answered else { continue };
        if let Some(glance) = glances.get_mut(&name) {
            glance.pulse = Some(pulse);
            glance.stale = stale;
        }
    }
}

/// Whether it runs with other settings than it would be started with now, where there is telling.
async fn is_stale(
    service: &Service,
    container: Option<container::Instance>,
    id: Option<String>,
    note: &Note,
    cancel: &Cancel,
) -> bool {
    match container {
        Some(container) => {
            let Ok(Some(life)) = container.life().await else { return false };
            container::stale(service, &life, cancel).await.ok().flatten().unwrap_or(false)
        }
        None => note.started.as_ref().is_some_and(|started| {
            Some(&started.instance) == id.as_ref() && started.settings != service.fingerprint()
        }),
    }
}
