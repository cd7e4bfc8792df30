//! A campaign's end in numbers, from its record.

use super::decided::Campaign;
use super::event::{ExperimentSummary, Summary, TimeSpent};
use super::runner::Instance;
use crate::record::{CampaignState, RecordedRun, RunState};

/// The summary of an instance; its times are the caller's to add.
pub(crate) fn of(
    campaign: &Campaign,
    instance: &Instance,
    runs: &[RecordedRun],
    state: CampaignState,
) -> Summary {
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
        remaining: runs.len() - completed - failed,
        without_result: runs
            .iter()
            .filter(|run| run.state == RunState::Completed && !run.has_result)
            .count(),
        seconds: 0.0,
        experiments: experiments(runs),
        restarts: Vec::new(),
        time: TimeSpent::default(),
        results: instance.results.clone(),
    }
}

fn experiments(runs: &[RecordedRun]) -> Vec<ExperimentSummary> {
    let mut names: Vec<&str> = Vec::new();
    let mut groups: std::collections::HashMap<&str, Vec<&RecordedRun>> =
        std::collections::HashMap::new();
    for run in runs {
        groups.entry(&run.name).or_insert_with(|| {
            names.push(&run.name);
            Vec::new()
        });
        if let Some(group) = groups.get_mut(run.name.as_str()) {
            group.push(run);
        }
    }
    names.into_iter().map(|name| experiment(name, &groups[name])).collect()
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
