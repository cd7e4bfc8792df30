//! A campaign's end in numbers, from its record.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::decided::Campaign;
use super::event::{ExperimentSummary, FailedRun, Summary, TimeSpent};
use super::instance::Instance;
use super::plan::Experiment;
use super::verdict::Verdict;
use crate::record::{CampaignState, RecordedRun, RunState, Standing};

/// The summary of an instance; its times are the caller's to add.
pub(crate) fn of(
    campaign: &Campaign,
    instance: &Instance,
    runs: &[RecordedRun],
    state: CampaignState,
) -> Summary {
    // What was dropped from the campaign stays in the record, and is no part of its numbers.
    let planned = runs.iter().filter(|run| run.standing == Standing::Planned);
    let runs: Vec<&RecordedRun> = planned.collect();
    let count = |state: RunState| runs.iter().filter(|run| run.state == state).count();
    let (completed, failed) = (count(RunState::Completed), count(RunState::Failed));
    Summary {
        campaign: campaign.name.clone(),
        campaign_id: instance.id.clone(),
        strategy: campaign.strategy_name(),
        state: match state {
            CampaignState::Finished => "finished",
            CampaignState::Running | CampaignState::Interrupted => "interrupted",
        },
        total: runs.len(),
        completed,
        failed,
        gpu_busy: runs.iter().filter(|run| found_no_gpu(run)).count(),
        remaining: runs.len() - completed - failed,
        left_out: 0,
        without_result: runs
            .iter()
            .filter(|run| run.state == RunState::Completed && run.result.is_none())
            .count(),
        seconds: 0.0,
        grouped_by: campaign.settings.group_by.clone(),
        experiments: experiments(campaign, &runs),
        failures: runs
            .iter()
            .filter(|run| run.state == RunState::Failed)
            .map(|run| failure(run))
            .collect(),
        restarts: Vec::new(),
        time: TimeSpent::default(),
        overheads: Vec::new(),
        advice: None,
        results: instance.results.clone(),
    }
}

fn failure(run: &RecordedRun) -> FailedRun {
    FailedRun {
        run: run.run.clone(),
        experiment: run.name.clone(),
        cycle: run.cycle,
        position: run.position,
        verdict: run.verdict.clone().unwrap_or_default(),
        exit_code: run.exit_code,
    }
}

fn found_no_gpu(run: &RecordedRun) -> bool {
    run.state == RunState::Failed && run.verdict.as_deref() == Some(Verdict::GpuBusy.word())
}

/// A line for each group, in the order of the plan.
fn experiments(campaign: &Campaign, runs: &[&RecordedRun]) -> Vec<ExperimentSummary> {
    let plan = &campaign.plan;
    let mut label_of: HashMap<&str, String> = HashMap::new();
    let mut groups: Vec<(String, Vec<&RecordedRun>)> = Vec::new();
    for experiment in &plan.experiments {
        let label = label(experiment, &campaign.settings.group_by);
        if !groups.iter().any(|(known, _)| *known == label) {
            groups.push((label.clone(), Vec::new()));
        }
        label_of.insert(&experiment.name, label);
    }
    let mut place: HashMap<String, usize> =
        groups.iter().enumerate().map(|(place, (label, _))| (label.clone(), place)).collect();
    for run in runs {
        // A run of an experiment that the plan has no more goes by its own name.
        let label = label_of.get(run.name.as_str()).unwrap_or(&run.name);
        let place = *place.entry(label.clone()).or_insert_with(|| {
            groups.push((label.clone(), Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(run);
    }
    groups.iter().map(|(label, runs)| experiment(label, runs)).collect()
}

/// The group of an experiment: the values of the keys, or its name where there are none.
fn label(experiment: &Experiment, keys: &[String]) -> String {
    if keys.is_empty() {
        return experiment.name.clone();
    }
    let values = keys.iter().map(|key| {
        let value = match key.as_str() {
            "config_name" => Some(experiment.name.clone()),
            key => value_at(&experiment.config, key),
        };
        format!("{key}={}", value.unwrap_or_else(|| "unknown".to_owned()))
    });
    values.collect::<Vec<_>>().join(", ")
}

fn value_at(config: &Map<String, Value>, key: &str) -> Option<String> {
    let mut parts = key.split('.');
    let first = config.get(parts.next()?)?;
    let value = parts.try_fold(first, |value, part| value.get(part))?;
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn experiment(name: &str, runs: &[&RecordedRun]) -> ExperimentSummary {
    let completed: Vec<&&RecordedRun> =
        runs.iter().filter(|run| run.state == RunState::Completed).collect();
    let seconds: Vec<f64> =
        completed.iter().filter_map(|run| run.command_seconds.or(run.seconds)).collect();
    let (mean_seconds, confidence_seconds) = mean_and_confidence(&seconds);
    ExperimentSummary {
        experiment: name.to_owned(),
        runs: runs.len(),
        completed: completed.len(),
        failed: runs.iter().filter(|run| run.state == RunState::Failed).count(),
        mean_seconds,
        confidence_seconds,
    }
}

/// The mean, and half the width of its 95 % confidence interval by Student's t.
fn mean_and_confidence(values: &[f64]) -> (Option<f64>, Option<f64>) {
    use statrs::distribution::{ContinuousCDF, StudentsT};
    use statrs::statistics::Statistics;
    let count = f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX));
    match values {
        [] => (None, None),
        [only] => (Some(*only), None),
        _ => {
            let half = StudentsT::new(0.0, 1.0, count - 1.0)
                .map(|t| t.inverse_cdf(0.975) * values.std_dev() / count.sqrt())
                .ok();
            (Some(values.mean()), half)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_group_is_named_after_the_values_of_its_keys() {
        let config = json!({"backend": "vllm", "a": {"b": 8}, "none": null});
        let experiment = Experiment {
            name: "x".into(),
            hash: String::new(),
            repetition: 0,
            backend: None,
            config: config.as_object().unwrap().clone(),
            source: None,
        };
        let label = |keys: &[&str]| {
            label(&experiment, &keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(label(&[]), "x");
        assert_eq!(label(&["backend", "a.b"]), "backend=vllm, a.b=8");
        assert_eq!(label(&["none", "a.b.c"]), "none=unknown, a.b.c=unknown");
        assert_eq!(label(&["config_name"]), "config_name=x");
    }

    #[test]
    fn the_confidence_interval_is_students() {
        // scipy.stats.t.interval(0.95, 4, mean, sem) of 1, 2, 3, 4, 5: 3 ± 1.9632
        let (mean, half) = mean_and_confidence(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(mean, Some(3.0));
        assert!((half.unwrap() - 1.963_243_16).abs() < 1e-6, "{half:?}");
        assert_eq!(mean_and_confidence(&[2.0]), (Some(2.0), None));
        assert_eq!(mean_and_confidence(&[]), (None, None));
    }
}
