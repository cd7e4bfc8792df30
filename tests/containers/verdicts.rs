//! What became of a run, in a word; and that the next run follows whatever it was.

use crate::support::{Scene, Strategy, engine, in_both_strategies, processes};

in_both_strategies!(
    every_end_of_a_run_has_its_word_and_the_campaign_goes_on,
    a_run_past_its_time_limit_is_timed_out_and_nothing_of_it_is_left,
    a_program_that_is_missing_is_not_found,
    a_server_that_takes_no_command_is_not_started_and_the_hint_says_what_to_do,
);

fn every_end_of_a_run_has_its_word_and_the_campaign_goes_on(strategy: Strategy) {
    let scene = Scene::new();
    scene.services(
        "  bench: {image: <busybox>, network_mode: none, mem_limit: 48m, memswap_limit: 48m}\n",
    );
    scene.scripts(
        &[
            "echo about to fail; exit 3",
            "dd if=/dev/zero of=/dev/null bs=400M count=1",
            "exec no-such-program",
            "true",
            "kill -9 $$",
            "echo '{}' >result.json",
        ],
        "require_result: true",
    );

    let ended = scene.campaign(strategy, &[]).expect(1);

    assert_eq!(
        ended.verdicts(),
        ["failed", "oom_killed", "not_found", "no_result", "killed", "completed"]
    );
    let codes: Vec<_> = ended.all("run_ended").iter().map(|end| end["exit_code"].clone()).collect();
    assert_eq!(codes[0], 3);
    assert_eq!(ended.all("run_ended")[0]["last_lines"], serde_json::json!(["about to fail"]));
    let summary = ended.summary();
    assert_eq!((&summary["completed"], &summary["failed"]), (&1.into(), &5.into()));
    assert_eq!(summary["state"], "finished");
    assert_eq!(engine::containers(&scene.project), []);
}

fn a_run_past_its_time_limit_is_timed_out_and_nothing_of_it_is_left(strategy: Strategy) {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(
        &["trap '' TERM; setsid sleep 1000 & sleep 1000", "true"],
        "timeout: 2s, stop_grace_period: 1s",
    );

    let ended = scene.campaign(strategy, &[]).expect(1);

    assert_eq!(ended.verdicts(), ["timed_out", "completed"]);
    let id = ended.summary()["campaign_id"].as_str().unwrap().to_owned();
    assert_eq!(processes::of_campaign(&id).len(), 0);
    assert_eq!(engine::containers(&scene.project), []);
}

fn a_program_that_is_missing_is_not_found(strategy: Strategy) {
    let scene = Scene::new();
    scene.services("  bench: {image: <empty>, network_mode: none}\n");
    scene.scripts(&["true"], "");

    let ended = scene.campaign(strategy, &[]).expect(1);

    assert_eq!(ended.verdicts(), ["not_found"]);
    assert_eq!(ended.all("run_ended")[0]["exit_code"], 127);
    ended.says(&["check `command`"]);
}

fn a_server_that_takes_no_command_is_not_started_and_the_hint_says_what_to_do(strategy: Strategy) {
    let scene = Scene::new();
    scene.services("  bench: {image: <server>, network_mode: none}\n");
    scene.scripts(&["true"], "start_timeout: 2s");

    let ended = scene.campaign(strategy, &[]).expect(1);

    assert_eq!(ended.verdicts(), ["not_started"]);
    ended.says(&["x-lem: {entrypoint: none}"]);
    assert_eq!(engine::containers(&scene.project), []);
}
