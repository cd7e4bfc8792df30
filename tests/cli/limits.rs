//! Limits of runs and of campaigns, and runs that are tried again.

use std::time::Instant;

use serde_json::json;

use crate::support::Scene;

const WORDS: [&str; 6] = ["campaign", "campaign.yaml", "--yes", "--json", "--runner", "local"];

#[test]
fn a_run_that_says_nothing_is_stopped_and_one_that_goes_on_talking_is_not() {
    let scene = Scene::without_containers();
    let talks = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.25; done";
    scene.scripts(&["echo once; sleep 1000", talks], "idle_timeout: 1, stop_grace_period: 1");
    let began = Instant::now();
    let ended = scene.lem(&WORDS).expect(1);
    assert_eq!(ended.verdicts(), ["idle", "completed"]);
    assert!(began.elapsed().as_secs() < 60);
    ended.says(&["`execution.idle_timeout`"]);
}

#[test]
fn a_run_is_tried_again_after_the_verdicts_that_are_named_and_each_try_keeps_its_log() {
    let scene = Scene::without_containers();
    let third = "echo try >>tries; echo said $(wc -l <tries); [ $(wc -l <tries) = 3 ]";
    let retry = "retry: {max_attempts: 3, base_delay: 0.05, on: [failed]}";
    scene.scripts(&[third, "exec no-such-program"], retry);

    let ended = scene.lem(&WORDS).expect(1);
    assert_eq!(ended.verdicts(), ["failed", "failed", "completed", "not_found"]);
    let waits = ended.all("retry_waiting");
    let attempts: Vec<_> = waits.iter().map(|event| event["attempt"].clone()).collect();
    assert_eq!(attempts, [2, 3]);
    assert!(waits[1]["seconds"].as_f64() > waits[0]["seconds"].as_f64(), "{waits:?}");
    let retried: Vec<_> = ended.all("run_ended").iter().map(|e| e["retried"].clone()).collect();
    assert_eq!(retried, [true, true, false, false]);

    let folder = &scene.runs("nightly")[0];
    for (log, said) in [("output-a1.log", "1"), ("output-a2.log", "2"), ("output.log", "3")] {
        assert_eq!(std::fs::read_to_string(folder.join(log)).unwrap(), format!("said {said}\n"));
    }
    let summary = ended.summary();
    assert_eq!((&summary["completed"], &summary["failed"]), (&json!(1), &json!(1)));
}

#[test]
fn a_campaign_ends_after_as_many_failures_as_it_may_have() {
    let scene = Scene::without_containers();
    for (limit, started) in [("2", 3), ("50%", 3), ("100%", 4)] {
        scene.scripts(&["false", "true", "exit 2", "exit 3"], "stop_after_failures: 1");
        let ended = scene.lem(&[&WORDS[..], &["--fresh", "--stop-after-failures", limit]].concat());
        let ended = ended.expect(1);
        assert_eq!(ended.started().len(), started, "{limit}");
        assert_eq!(ended.summary()["remaining"], 4 - started, "{limit}");
    }
    scene.lem(&["resume", "--yes", "--json"]).expect(2).says(&["nothing to resume"]);
}

#[test]
fn a_campaign_whose_every_run_was_tried_is_finished_whatever_ended_it() {
    let scene = Scene::without_containers();
    scene.scripts(&["false", "exit 3"], "stop_after_failures: 2");
    let ended = scene.lem(&WORDS).expect(1);
    assert_eq!(ended.summary()["state"], "finished");
    scene.lem(&["resume", "--yes"]).expect(2).says(&["--retry-failed"]);
}

#[test]
fn what_makes_no_sense_is_refused_and_named() {
    let scene = Scene::without_containers();
    scene.write("a.yaml", "backend: x\n");
    for (text, reason) in [
        ("execution: {retry: {max_attempts: 0}}", "`execution.retry.max_attempts`"),
        ("execution: {retry: {factor: 0.5}}", "`execution.retry.factor`"),
        ("execution: {retry: {on: [completed]}}", "`execution.retry.on`"),
        ("execution: {retry: {on: [sometimes]}}", "unknown value `sometimes`"),
        ("execution: {stop_after_failures: 0}", "expected a number of runs from 1"),
        ("execution: {stop_after_failures: 120%}", "such as `50%`"),
        ("execution: {idle_timeout: 0}", "`execution.idle_timeout`"),
        ("health_check: {gpu_memory_threshold_pct: 20}", "a share from 50 to 100"),
        ("health_check: {max_used_before_run: 2000}", "as in `2GiB`"),
        ("health_check: {max_idle_power: -1}", "`health_check.max_idle_power`"),
        ("execution: {timeout: 18446744073709551615}", "at most 100 years"),
        ("execution: {cycles: 4294967295}", "4294967295 runs; at most 1000000"),
        ("io: {manifest_filename: lem.db}", "ends in `.json`"),
        ("group_by: ['']", "`group_by`"),
        ("io: {manifest_filename: ../x.json}", "`io.manifest_filename`"),
        ("notifications: {command: []}", "`notifications.command`"),
        ("cold_start: {force_cold_start: maybe}", "expected `true` or `false`"),
    ] {
        scene.write("campaign.yaml", &format!("campaign_name: x\nconfigs: [a.yaml]\n{text}\n"));
        scene.lem(&["campaign", "--validate-only"]).expect(2).says(&[reason]);
    }
}

#[test]
fn a_grid_that_fits_nowhere_is_counted_and_not_made() {
    let scene = Scene::without_containers();
    let values: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let values_of_all = values.join(", ");
    let axes: Vec<String> = (0..8).map(|n| format!("a{n}: [{values_of_all}]")).collect();
    let axes = axes.join(", ");
    let grid = format!("grid: {{backends: [x], shared: {{{axes}}}}}");
    scene.write("campaign.yaml", &format!("campaign_name: huge\n{grid}\n"));
    scene.lem(&["campaign", "--validate-only"]).expect(2).says(&["10000000000000000 combinations"]);
}
