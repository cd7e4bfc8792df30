//! Every choice before a campaign starts: its settings, its experiments, their order, its place.

use super::named::Named;
use crate::campaign::decided::{Campaign, Past};
use crate::campaign::error::CampaignError;
use crate::campaign::file::Structure;
use crate::campaign::grid::MOST_RUNS;
use crate::campaign::plan::{Plan, Run};
use crate::campaign::settings::RunnerKind;
use crate::campaign::site::survey;
use crate::campaign::{experiments, run_folder};
use crate::cancel::Cancel;
use crate::cli::flags::Flags;
use crate::cli::notifications::Audience;
use crate::cli::settings::{Chosen, Layers, Manners, Row};
use crate::record::Instance;

/// A campaign's plan and settings; no engine was asked.
pub(in crate::cli) struct Decided {
    pub plan: Plan,
    pub chosen: Chosen,
    pub audience: Audience,
    pub flags: Flags,
}

/// Makes every choice that the files, the flags and an earlier execution determine.
pub(in crate::cli) fn decide(
    manners: Manners,
    flags: Flags,
    named: &Named,
    resumed: Option<&Instance>,
) -> Result<Decided, CampaignError> {
    decide_with(&Layers::read()?, manners, flags, named, resumed)
}

/// The same with configurations that were read already.
pub(in crate::cli) fn decide_with(
    layers: &Layers,
    manners: Manners,
    flags: Flags,
    named: &Named,
    resumed: Option<&Instance>,
) -> Result<Decided, CampaignError> {
    let mut flags = flags.absolute();
    if let Some(instance) = resumed {
        flags = flags.or(serde_json::from_str(&instance.settings).unwrap_or_default());
    }
    let chosen = layers.resolve(&named.file, &named.base, &flags, manners);
    let wanted = &chosen.settings.notifications;
    let audience = Audience::check(wanted, &chosen.rows, &named.path, &named.base)?;
    let order = &chosen.order;
    let experiments = experiments::gather(&named.file, &named.base, flags.backend.as_deref())?;
    let runs = experiments.len().saturating_mul(order.cycles as usize);
    if runs > MOST_RUNS {
        return Err(CampaignError::Senseless {
            path: named.path.clone(),
            key: "execution.cycles".to_owned(),
            reason: format!("{runs} runs; at most {MOST_RUNS} make sense"),
        });
    }
    let recorded_seed = resumed.and_then(|instance| instance.seed);
    let seed = match order.structure {
        Structure::Shuffled => {
            Some(order.seed.or(recorded_seed).unwrap_or_else(rand::random::<u64>))
        }
        Structure::Interleaved | Structure::Grouped | Structure::Balanced => order.seed,
    };
    let plan = Plan {
        runs: Plan::order(&experiments, order.cycles, order.structure, seed),
        experiments,
        cycles: order.cycles,
        structure: order.structure,
        seed,
        config_gap: order.config_gap,
        cycle_gap: order.cycle_gap,
    };
    Ok(Decided { plan, chosen, audience, flags })
}

/// Finds the place of the campaign on this machine.
pub(super) async fn locate(
    decided: Decided,
    named: Named,
    past: Past,
    runs: &[Run],
    cancel: &Cancel,
) -> Result<(Campaign, Vec<Row>), CampaignError> {
    let Decided { plan, chosen, flags, .. } = decided;
    let Chosen { settings, rows, .. } = chosen;
    let Named { file, path, .. } = named;
    let results = run_folder::of_campaign(&settings.results_dir, &file.campaign_name);
    let site = match settings.runner {
        RunnerKind::Docker => {
            Some(survey(&plan, runs, &file.services, &settings, &results, cancel).await?)
        }
        RunnerKind::Local => None,
    };
    let campaign = Campaign {
        name: file.campaign_name,
        file: path,
        plan,
        settings,
        results,
        site,
        flags: serde_json::to_string(&flags).unwrap_or_default(),
        past,
    };
    Ok((campaign, rows))
}
