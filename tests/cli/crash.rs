//! lem killed between two steps: what had ended is recorded by the next one, and nothing is done
//! twice.

use std::fs;

use serde_json::Value;

use crate::support::{Scene, cut};

const WORDS: [&str; 6] = ["campaign", "campaign.yaml", "--yes", "--json", "--runner", "local"];
const RESUME: [&str; 3] = ["resume", "--yes", "--json"];

/// A campaign of two runs, killed when the first had ended as `end` says.
fn cut_off(end: &str, execution: &str) -> Scene {
    let scene = Scene::without_containers();
    scene.scripts(&[&cut::waits(end), "true"], execution);
    cut::before_it_is_recorded(&scene, &WORDS);
    scene
}

#[test]
fn a_run_that_had_ended_when_lem_was_killed_is_recorded_and_not_done_again() {
    for (end, verdict, code) in [
        ("echo {} >result.json", "completed", 0),
        ("exit 3", "failed", 1),
        ("exec no-such-program", "not_found", 1),
    ] {
        let scene = cut_off(end, "");
        let resumed = scene.lem(&RESUME).expect(code);
        assert_eq!(resumed.started(), [2], "{end}");
        let found = resumed.all("run_found");
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0]["verdict"], &found[0]["position"]), (&verdict.into(), &1.into()));
        let summary = resumed.summary();
        assert_eq!((&summary["total"], &summary["remaining"]), (&2.into(), &0.into()));
        assert_eq!(scene.runs("nightly").len(), 2);
    }
}

#[test]
fn when_all_runs_had_ended_there_is_nothing_left_to_do_but_to_say_so() {
    let scene = Scene::without_containers();
    scene.scripts(&[&cut::waits("echo {} >result.json")], "");
    cut::before_it_is_recorded(&scene, &WORDS);
    let resumed = scene.lem(&RESUME).expect(0);
    assert_eq!(resumed.started(), Vec::<u64>::new());
    let summary = resumed.summary();
    assert_eq!((&summary["state"], &summary["completed"]), (&"finished".into(), &1.into()));
    let result = resumed.all("run_found")[0]["result"].as_str().unwrap().to_owned();
    assert!(fs::metadata(result).unwrap().is_file());
    scene.lem(&RESUME).expect(2).says(&["is finished"]);
}

#[test]
fn a_failure_that_another_try_may_help_gets_its_other_try() {
    let retry = "retry: {max_attempts: 2, base_delay: 0.01, on: [failed]}";
    let scene = cut_off("[ -e tried ] || { touch tried; exit 3; }", retry);
    let resumed = scene.lem(&RESUME).expect(0);
    assert_eq!(resumed.all("run_found"), Vec::<Value>::new());
    assert_eq!(resumed.started(), [1, 2]);
}

#[test]
fn an_end_that_nothing_proves_is_no_end() {
    for end in ["printf '{' >result.json", "echo '{\"run_id\": \"another\"}' >result.json", "true"]
    {
        let again = "[ -e tried ] && echo {} >result.json && exit 0";
        let script = format!("{again}; touch tried; {end}");
        let scene = cut_off(&script, "require_result: true");
        let resumed = scene.lem(&[&RESUME[..], &["--only", "1"]].concat()).expect(0);
        assert_eq!(resumed.started(), [1], "{end}");
        assert_eq!(resumed.verdicts(), ["completed"]);
    }
}

#[test]
fn the_marks_of_an_earlier_try_prove_nothing_about_the_last_one() {
    let scene = cut_off("echo {} >result.json", "");
    let facts = scene.runs("nightly")[0].join("lem.json");
    let mut text: Value = serde_json::from_slice(&fs::read(&facts).unwrap()).unwrap();
    assert_eq!(text["attempt"], 1);
    text["attempt"] = 0.into();
    fs::write(&facts, text.to_string()).unwrap();
    let resumed = scene.lem(&RESUME).expect(0);
    assert_eq!(resumed.started(), [1, 2]);
}

#[test]
fn a_dry_run_after_a_kill_shows_what_is_left_and_records_nothing() {
    let scene = cut_off("echo {} >result.json", "");
    let script = scene.lem(&["resume", "--dry-run"]).expect(0).stdout;
    let run = |place: usize| format!("-000{place}");
    assert!(script.contains(&run(2)) && !script.contains(&run(1)), "{script}");
    let resumed = scene.lem(&RESUME).expect(0);
    assert_eq!((resumed.all("run_found").len(), resumed.started()), (1, vec![2]));
}
