//! What a campaign has to claim, found out.

use tokio::sync::mpsc::UnboundedSender;

use super::claims::{Claims, Project, Share};
use super::gpus::claimed;
use crate::campaign::decided::Campaign;
use crate::campaign::error::CampaignError;
use crate::campaign::event::Event;
use crate::campaign::execute;
use crate::campaign::file::ContainerStrategy;
use crate::campaign::site::Site;
use crate::cancel::Cancel;
use crate::engine::devices::Gpus;
use crate::gpu::look::Lookout;
use crate::gpu::reading::Reading;

/// What a campaign has to claim. `says` hears why its GPUs can't be seen, if they can't.
///
/// # Errors
/// The user wants the end.
pub(crate) async fn search(
    campaign: &Campaign,
    says: &UnboundedSender<Event>,
    cancel: &Cancel,
) -> Result<Claims, CampaignError> {
    let site = campaign.site.as_ref();
    let (share, wanted) = wanted(campaign.settings.exclusive, gpus(campaign));
    let mut claims = Claims { project: site.map(|site| project(site, campaign)), gpus: Vec::new() };
    if wanted.iter().any(Gpus::are_said) {
        let elsewhere = site.is_some_and(|site| site.place.is_elsewhere());
        let seen = if elsewhere { None } else { look(says, cancel).await? };
        let engine = site.map_or("", |site| &site.engine.id);
        let gpus = claimed(&wanted, seen.as_ref(), engine);
        claims.gpus = gpus.into_iter().map(|gpu| (gpu, share)).collect();
    }
    Ok(claims)
}

fn project(site: &Site, campaign: &Campaign) -> Project {
    let held = match campaign.settings.strategy {
        ContainerStrategy::Ephemeral => Vec::new(),
        ContainerStrategy::Persistent => site.services(),
    };
    Project {
        engine: site.engine.id.clone(),
        name: site.owner.clone(),
        held: held.into_iter().map(str::to_owned).collect(),
        dependencies: site.dependencies.iter().map(|it| it.0.clone()).collect(),
    }
}

/// The GPUs of everything that the campaign starts, by what is said of them.
fn gpus(campaign: &Campaign) -> Vec<Gpus> {
    match &campaign.site {
        Some(site) => site.all_gpus(),
        None => execute::gpus(campaign).into_values().collect(),
    }
}

/// What is wanted of GPUs, and how: a campaign that is said to use some has them to itself, unless it
/// says otherwise; one that wants them to itself without naming any means all.
fn wanted(exclusive: Option<bool>, gpus: Vec<Gpus>) -> (Share, Vec<Gpus>) {
    let are_said = gpus.iter().any(Gpus::are_said);
    match exclusive {
        Some(false) => (Share::WithOthers, gpus),
        Some(true) if !are_said => {
            let all = |gpus| if gpus == Gpus::Unsaid { Gpus::All } else { gpus };
            (Share::Alone, gpus.into_iter().map(all).collect())
        }
        Some(true) | None => (Share::Alone, gpus),
    }
}

async fn look(
    says: &UnboundedSender<Event>,
    cancel: &Cancel,
) -> Result<Option<Reading>, CampaignError> {
    let lookout = Lookout::default();
    let seen = tokio::select! {
        seen = lookout.look() => seen,
        signal = cancel.raised() => return Err(CampaignError::Cancelled { signal }),
    };
    match seen {
        Ok(reading) => Ok(Some(reading)),
        Err(error) if error.is_absence() => Ok(None),
        Err(error) => {
            let message = format!(
                "the GPUs can't be seen ({error}): they are kept from others only under the names \
                 that the Compose file has for them"
            );
            let _ = says.send(Event::Warning { message });
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_be_used_is_had_alone_unless_somebody_says_otherwise() {
        let named = Gpus::Named(vec!["0".to_owned()]);
        for (exclusive, gpus, expected) in [
            (None, named.clone(), (Share::Alone, named.clone())),
            (None, Gpus::Unsaid, (Share::Alone, Gpus::Unsaid)),
            (Some(false), Gpus::All, (Share::WithOthers, Gpus::All)),
            (Some(true), Gpus::Unsaid, (Share::Alone, Gpus::All)),
            (Some(true), Gpus::None, (Share::Alone, Gpus::None)),
            (Some(true), named.clone(), (Share::Alone, named)),
        ] {
            let (share, wanted) = wanted(exclusive, vec![gpus]);
            assert_eq!((share, &wanted[..]), (expected.0, &[expected.1][..]), "{exclusive:?}");
        }
    }
}
