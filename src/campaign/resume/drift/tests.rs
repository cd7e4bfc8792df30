//! A recorded campaign against the same campaign with something changed.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::campaign::plan::{Candidate, identify};
use crate::record::RunState;

/// Experiments of a name and a batch size; the same pair twice is a repetition.
fn plan(experiments: &[(&str, u32)], cycles: u32, structure: Structure) -> Plan {
    let candidate = |(name, batch): &(&str, u32)| Candidate {
        name: Some((*name).to_owned()),
        config: json!({"config_name": name, "vllm": {"batch": batch, "api_key": "k"}})
            .as_object()
            .unwrap()
            .clone(),
        ..Candidate::default()
    };
    let experiments = identify(experiments.iter().map(candidate).collect());
    Plan {
        runs: Plan::order(&experiments, cycles, structure, Some(7)),
        experiments,
        cycles,
        structure,
        seed: Some(7),
        config_gap: Duration::ZERO,
        cycle_gap: Duration::ZERO,
    }
}

/// The record of a plan of which the first `done` runs completed.
fn record(plan: &Plan, done: usize) -> Recorded {
    let run = |run: &Run| {
        let experiment = plan.experiment(*run);
        RecordedRun {
            position: run.position,
            run: format!("4f2a9c1b-{:04}", run.position),
            experiment: experiment.hash.clone(),
            repetition: experiment.repetition,
            cycle: run.cycle,
            name: experiment.name.clone(),
            state: if usize::try_from(run.position).unwrap() <= done {
                RunState::Completed
            } else {
                RunState::Pending
            },
            ..RecordedRun::pending()
        }
    };
    let experiment = |e: &Experiment| RecordedExperiment {
        hash: e.hash.clone(),
        name: e.name.clone(),
        backend: None,
        config: serde_json::to_string(&hidden(&e.config)).unwrap(),
        source: None,
    };
    Recorded {
        instance: Instance {
            id: "4f2a9c1b".into(),
            campaign: "nightly".into(),
            file: String::new(),
            plan: plan.fingerprint(),
            seed: plan.seed,
            settings: String::new(),
            started_at: String::new(),
            structure: Some(plan.structure.to_string()),
            cycles: Some(plan.cycles),
            basis: None,
        },
        runs: plan.runs.iter().map(run).collect(),
        experiments: plan.experiments.iter().map(experiment).collect(),
    }
}

fn lines(then: &Plan, now: &Plan) -> Vec<String> {
    drift(now, None, &record(then, 1)).lines(20)
}

/// `name+cycle@position`, in the order of the runs.
fn shown(plan: &Plan, runs: &[Run]) -> String {
    let show = |run: &Run| format!("{}{}@{}", plan.experiment(*run).name, run.cycle, run.position);
    runs.iter().map(show).collect::<Vec<_>>().join(" ")
}

const INTERLEAVED: Structure = Structure::Interleaved;

#[test]
fn the_same_campaign_has_not_drifted() {
    let same = plan(&[("a", 1), ("b", 1), ("b", 1)], 2, INTERLEAVED);
    let recorded = record(&same, 1);
    assert_eq!(drift(&same, None, &recorded), Drift::default());
    let placed = place(&same, &recorded.runs);
    assert_eq!((placed.runs, placed.added.len()), (same.runs, 0));
}

#[test]
fn added_removed_and_changed_experiments_are_told_apart() {
    let then = plan(&[("a", 1), ("b", 1), ("c", 1)], 2, INTERLEAVED);
    let now = plan(&[("c", 8), ("b", 1), ("d", 1), ("d", 1)], 2, INTERLEAVED);
    assert_eq!(
        lines(&then, &now),
        ["- a (1 of 2 done; results stay)", "~ c: vllm.batch 1 → 8", "+ d (2 times)"]
    );
    assert!(drift(&now, None, &record(&then, 1)).needs_word(CyclesSaid::Now));
    let placed = place(&now, &record(&then, 1).runs);
    assert_eq!(shown(&now, &placed.runs), "b1@2 b2@5 c1@7 d1@8 d1@9 c2@10 d2@11 d2@12");
    assert_eq!(placed.dropped, [1, 3, 4, 6]);
}

#[test]
fn what_was_dropped_and_comes_back_has_its_old_place_and_outcome() {
    let whole = plan(&[("a", 1), ("b", 1)], 1, INTERLEAVED);
    let mut recorded = record(&whole, 2);
    recorded.runs[0].standing = Standing::Dropped;
    let placed = place(&whole, &recorded.runs);
    assert_eq!((shown(&whole, &placed.runs).as_str(), placed.revived), ("a1@1 b1@2", vec![1]));
    assert!(placed.added.is_empty() && placed.dropped.is_empty());
}

#[test]
fn more_cycles_follow_the_old_ones_and_need_no_word() {
    let then = plan(&[("a", 1), ("b", 1)], 1, Structure::Grouped);
    let now = plan(&[("a", 1), ("b", 1)], 3, Structure::Grouped);
    let found = drift(&now, None, &record(&then, 2));
    assert_eq!(found.lines(20), ["~ cycles: 1 → 3"]);
    assert!(!found.needs_word(CyclesSaid::Elsewhere));
    let placed = place(&now, &record(&then, 2).runs);
    assert_eq!(shown(&now, &placed.runs), "a1@1 b1@2 a2@3 a3@4 b2@5 b3@6");
}

#[test]
fn fewer_cycles_drop_runs_and_need_a_word_unless_they_are_said_now() {
    let then = plan(&[("a", 1)], 3, INTERLEAVED);
    let now = plan(&[("a", 1)], 1, INTERLEAVED);
    let found = drift(&now, None, &record(&then, 1));
    assert!(found.needs_word(CyclesSaid::Elsewhere) && !found.needs_word(CyclesSaid::Now));
    assert_eq!(place(&now, &record(&then, 1).runs).dropped, [2, 3]);
}

#[test]
fn a_record_of_the_first_version_knows_no_order_and_no_keys() {
    let then = plan(&[("a", 1)], 2, INTERLEAVED);
    let mut recorded = record(&then, 1);
    (recorded.instance.structure, recorded.instance.cycles) = (None, None);
    recorded.experiments.clear();
    assert_eq!(drift(&then, None, &recorded), Drift::default());
    let now = plan(&[("a", 2)], 2, Structure::Grouped);
    assert_eq!(drift(&now, None, &recorded).lines(20), ["~ a: its configuration"]);
}

#[test]
fn another_order_is_said_and_a_shuffle_keeps_the_recorded_places() {
    let then = plan(&[("a", 1), ("b", 1)], 2, Structure::Shuffled);
    let now = plan(&[("a", 1), ("b", 1)], 2, Structure::Grouped);
    assert_eq!(
        lines(&then, &now),
        ["~ order: shuffled, seed 7 → grouped (recorded runs keep their places)"]
    );
    let placed = place(&now, &record(&then, 1).runs);
    assert_eq!(shown(&now, &placed.runs), shown(&then, &then.runs));
}

#[test]
fn a_long_difference_is_cut_and_says_so() {
    let names: Vec<String> = (0..30).map(|n| format!("e{n:02}")).collect();
    let many: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let then = plan(&many[..1], 1, INTERLEAVED);
    let found = drift(&plan(&many, 1, INTERLEAVED), None, &record(&then, 0)).lines(5);
    assert_eq!((found.len(), found[4].as_str()), (5, "… and 25 more"));
}

mod any_change {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn loses_no_run_and_gives_no_place_twice(
            then in proptest::collection::vec((0u32..4, 0u32..3), 1..6),
            now in proptest::collection::vec((0u32..4, 0u32..3), 1..6),
            cycles in (1u32..4, 1u32..4),
            done in 0usize..20,
        ) {
            let name = |n: &u32| ["a", "b", "c", "d"][*n as usize];
            let all = |list: &[(u32, u32)]| -> Vec<(&'static str, u32)> {
                list.iter().map(|(n, batch)| (name(n), *batch)).collect()
            };
            let then = plan(&all(&then), cycles.0, Structure::Shuffled);
            let now = plan(&all(&now), cycles.1, Structure::Balanced);
            let recorded = record(&then, done);
            let placed = place(&now, &recorded.runs);
            prop_assert_eq!(placed.runs.len(), now.runs.len());
            let places: HashSet<u32> = placed.runs.iter().map(|run| run.position).collect();
            prop_assert_eq!(places.len(), now.runs.len());
            let kept = now.runs.len() - placed.added.len();
            prop_assert_eq!(kept + placed.dropped.len(), then.runs.len());
            for run in &placed.runs {
                let experiment = now.experiment(*run);
                if let Some(old) = recorded.runs.iter().find(|old| old.position == run.position) {
                    prop_assert_eq!(&old.experiment, &experiment.hash);
                    prop_assert_eq!((old.repetition, old.cycle), (experiment.repetition, run.cycle));
                }
            }
        }
    }
}
