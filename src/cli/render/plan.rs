//! What a campaign is going to do, before it does it.

use comfy_table::{Table, presets};

use super::super::settings::Source;
use super::{counted, say};
use crate::campaign::decided::Campaign;
use crate::campaign::file::{ContainerStrategy, Structure};
use crate::campaign::plan::Run;
use crate::campaign::site::Making;
use crate::duration::human;

/// Rows of the plan that are shown; the rest is counted.
const SHOWN: usize = 12;

/// Summary, plan and checks.
pub(in crate::cli) fn plan(campaign: &Campaign, runs: &[Run], source: Source) {
    let plan = &campaign.plan;
    let order = match (plan.structure, plan.seed) {
        (Structure::Shuffled, Some(seed)) => format!("shuffled, seed {seed}"),
        (structure, _) => structure.to_string(),
    };
    let missing = match (runs.len() == plan.runs.len(), campaign.past.is_empty()) {
        (true, _) => String::new(),
        (false, true) => format!(", {} now", runs.len()),
        (false, false) => format!(", {} still to do", runs.len()),
    };
    say(&format!(
        "campaign {}: {} × {} = {}{missing}, {order}",
        campaign.name,
        counted(plan.experiments.len(), "experiment"),
        counted(plan.cycles as usize, "cycle"),
        counted(plan.runs.len(), "run"),
    ));
    say(&table(campaign, runs));
    let line = |name: &str, value: &str| say(&format!("  {name:<9} {value}"));
    line("file", &campaign.file.display().to_string());
    match campaign.site {
        Some(_) => line("strategy", &format!("{} ({source})", campaign.strategy_name())),
        None => line("strategy", &campaign.strategy_name()),
    }
    if let Some(site) = &campaign.site {
        line(
            "engine",
            &format!("docker {}, Compose {}", site.engine.version, site.engine.compose_version),
        );
        let services = site.services().join(", ");
        line("project", &format!("{}, services {services}", site.owner));
        if !site.dependencies.is_empty() {
            let names: Vec<&str> = site.dependencies.iter().map(|d| d.0.as_str()).collect();
            line("needs", &names.join(", "));
        }
        for said in site.without_inner() {
            line("service", &said);
        }
        for image in site.missing_images() {
            let how = match image.how {
                Making::Build => "to be built",
                Making::Pull => "to be pulled",
            };
            line("image", &format!("{} is missing: {how}", image.image));
        }
    }
    line("results", &campaign.results.display().to_string());
    let gaps = plan.gaps(runs);
    if !gaps.is_zero() {
        line("pauses", &format!("{} together", human(gaps)));
    }
}

fn table(campaign: &Campaign, runs: &[Run]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["  run", "experiment", "cycle", "service"]);
    for run in runs.iter().take(SHOWN) {
        let service = campaign.site.as_ref().map(|site| site.service_of[run.experiment].clone());
        table.add_row([
            format!("  {}", run.position),
            campaign.plan.experiment(*run).name.clone(),
            run.cycle.to_string(),
            service.unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    let text = table.to_string();
    let mut lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
    if runs.len() > SHOWN {
        lines.push(format!("   … and {} more", runs.len() - SHOWN));
    }
    lines.join("\n")
}

/// What persistent containers trade for their speed.
pub(in crate::cli) fn persistent_mode(source: Source) {
    say(&format!(
        "\n{} containers ({source}): one per service, for all its runs\n\
         \x20 + no container starts between runs\n\
         \x20 - less isolation: files and GPU memory that a run leaves behind meet the next one\n\
         \x20 `--container-strategy ephemeral` gives every run a fresh container",
        ContainerStrategy::Persistent
    ));
}
