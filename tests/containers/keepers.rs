//! Runs without the inner lem: kept by the image's own `sh`, or by nobody in the container.

use nix::sys::signal::Signal;

use crate::support::scene::campaign_words;
use crate::support::stubborn::let_go;
use crate::support::{
    Ended, Scene, Strategy, Stubborn, engine, eventually, in_both_strategies, processes,
};
use std::io::Write;
use std::process::{Command, Stdio};

in_both_strategies!(
    a_shell_tells_every_end_of_a_run,
    without_a_shell_every_end_of_a_run_is_told_from_outside,
    a_bare_run_fails_with_any_code_and_whatever_it_says,
    a_shell_ends_a_run_past_its_time_limit,
    without_a_shell_lem_ends_a_run_past_its_time_limit,
    a_shell_says_that_a_program_is_missing,
    without_a_shell_the_engine_says_that_a_program_is_missing,
    ctrl_c_ends_all_that_a_shell_keeps,
    ctrl_c_ends_what_nobody_keeps,
    a_shell_ends_its_run_when_lem_is_killed_and_a_resume_finishes,
    a_resume_ends_what_nobody_kept_when_lem_was_killed,
    the_default_command_needs_a_lem_in_the_image,
    a_second_ctrl_c_takes_the_grace_away_whoever_keeps_the_run,
    a_second_try_meets_nothing_of_the_first,
    a_run_that_says_nothing_is_ended_whoever_keeps_it,
    a_dry_run_piped_into_a_shell_does_the_runs,
);

const RESUME: [&str; 4] = ["resume", "--yes", "--json", "campaign.yaml"];

/// A place whose service has a shell and no inner lem.
fn shell() -> Scene {
    let scene = Scene::new();
    scene.bench_without_inner_lem();
    scene
}

/// A place whose service has neither.
fn nobody() -> Scene {
    let scene = Scene::new();
    scene.bench_without_anybody();
    scene
}

/// Each strategy with one of the two, for what is the same with the other one: that is
/// [`each_keeper_does_the_same_with_the_other_strategy`].
fn one_keeper(strategy: Strategy) -> Scene {
    match strategy {
        Strategy::Ephemeral => shell(),
        Strategy::Persistent => nobody(),
    }
}

#[test]
#[ignore = "takes minutes: make test-slow"]
fn each_keeper_does_the_same_with_the_other_strategy() {
    for (keeper, strategy) in
        [(shell as fn() -> Scene, Strategy::Persistent), (nobody, Strategy::Ephemeral)]
    {
        for does_the_same in [second_ctrl_c, second_try, says_nothing, piped_dry_run] {
            does_the_same(&keeper(), strategy);
        }
    }
}

fn limited(scene: &Scene) {
    let compose = std::fs::read_to_string(scene.path("compose.yaml")).unwrap();
    let limits = "network_mode: none, mem_limit: 48m, memswap_limit: 48m";
    scene.write("compose.yaml", &compose.replace("network_mode: none", limits));
}

fn a_shell_tells_every_end_of_a_run(strategy: Strategy) {
    let scene = shell();
    ends(&scene, strategy);
    let ended = std::fs::read_to_string(scene.runs("nightly")[0].join("ended.json")).unwrap();
    let ended: serde_json::Value = serde_json::from_str(&ended).unwrap();
    assert_eq!((&ended["reason"], &ended["exit_code"]), (&"exited".into(), &3.into()));
    assert!(ended["cpu_seconds"].is_number() && ended["peak_memory_bytes"].is_null(), "{ended}");
}

fn without_a_shell_every_end_of_a_run_is_told_from_outside(strategy: Strategy) {
    ends(&nobody(), strategy);
}

fn ends(scene: &Scene, strategy: Strategy) {
    limited(scene);
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
    let first = &ended.all("run_ended")[0];
    assert_eq!(first["exit_code"], 3);
    assert_eq!(first["last_lines"], serde_json::json!(["about to fail"]));
    assert_eq!(ended.summary()["state"], "finished");
    assert_eq!(engine::containers(&scene.project), []);
}

fn a_bare_run_fails_with_any_code_and_whatever_it_says(strategy: Strategy) {
    let scene = nobody();
    let lies = "echo the server is not running; exit 1";
    scene.scripts(&["exit 255", "exit 125", "exit 255", lies], "require_result: false");
    let ended = scene.campaign(strategy, &[]).expect(1);
    assert_eq!(ended.verdicts(), ["failed"; 4]);
}

fn a_shell_ends_a_run_past_its_time_limit(strategy: Strategy) {
    let scene = shell();
    let ended = past_its_limit(&scene, strategy);
    assert_eq!(ended.summary()["restarts"], serde_json::json!([]));
}

fn without_a_shell_lem_ends_a_run_past_its_time_limit(strategy: Strategy) {
    past_its_limit(&nobody(), strategy);
}

fn past_its_limit(scene: &Scene, strategy: Strategy) -> Ended {
    scene.scripts(
        &["trap '' TERM; setsid sleep 1000 & sleep 1000", "true"],
        "timeout: 2s, stop_grace_period: 1s",
    );

    let ended = scene.campaign(strategy, &[]).expect(1);

    assert_eq!(ended.verdicts(), ["timed_out", "completed"]);
    let id = ended.summary()["campaign_id"].as_str().unwrap().to_owned();
    assert_eq!(processes::of_campaign(&id).len(), 0);
    assert_eq!(engine::containers(&scene.project), []);
    ended
}

fn a_shell_says_that_a_program_is_missing(strategy: Strategy) {
    missing(&shell(), strategy);
}

fn without_a_shell_the_engine_says_that_a_program_is_missing(strategy: Strategy) {
    missing(&nobody(), strategy);
}

fn missing(scene: &Scene, strategy: Strategy) {
    scene.write(
        "campaign.yaml",
        "campaign_name: nightly\ngrid: {backends: [bench]}\ncommand: [no-such-program]\n\
         execution: {cycles: 1}\n",
    );

    let ended = scene.campaign(strategy, &[]).expect(1);

    assert_eq!(ended.verdicts(), ["not_found"]);
    ended.says(&["check `command`"]);
}

fn ctrl_c_ends_all_that_a_shell_keeps(strategy: Strategy) {
    ctrl_c(&shell(), strategy);
}

fn ctrl_c_ends_what_nobody_keeps(strategy: Strategy) {
    ctrl_c(&nobody(), strategy);
}

fn ctrl_c(scene: &Scene, strategy: Strategy) {
    let mut run = Stubborn::start(scene, &campaign_words(strategy));

    run.lem.signal(Signal::SIGINT);
    run.leaves_nothing();
    let ended = run.lem.wait().expect(130);

    assert_eq!(ended.verdicts(), ["completed", "interrupted"]);
    assert_eq!(engine::containers(&scene.project), []);
    let_go(scene);
    assert_eq!(scene.lem(&RESUME).expect(0).started(), [2, 3]);
}

fn a_shell_ends_its_run_when_lem_is_killed_and_a_resume_finishes(strategy: Strategy) {
    let scene = shell();
    let mut run = Stubborn::start(&scene, &campaign_words(strategy));

    run.lem.kill();
    run.leaves_nothing();

    finishes(&scene);
}

fn a_resume_ends_what_nobody_kept_when_lem_was_killed(strategy: Strategy) {
    let scene = nobody();
    // The first run is the one that is broken off, and the others wait for its end.
    let script = "[ -e $GO ] && exit 0; trap '' TERM; touch here; while :; do sleep 1; done";
    scene.scripts(&[script, "true"], "stop_grace_period: 1s");
    let mut lem = scene.start_campaign(strategy, &[]);
    let campaign = lem.event("campaign_started")["campaign_id"].as_str().unwrap().to_owned();
    eventually("the run has begun", || {
        scene.runs("nightly").first()?.join("here").exists().then_some(())
    });

    lem.kill();
    assert!(!processes::of_campaign(&campaign).is_empty(), "nobody ends it");
    std::fs::write(scene.path("results/nightly/go"), "").unwrap();
    let resumed = scene.lem(&RESUME).expect(0);

    assert_eq!(resumed.started(), [1, 2]);
    assert_eq!(resumed.verdicts(), ["completed"; 2]);
    assert_eq!(processes::of_campaign(&campaign), Vec::<u32>::new());
    assert_eq!(engine::containers(&scene.project), []);
}

fn finishes(scene: &Scene) {
    let_go(scene);
    let resumed = scene.lem(&RESUME).expect(0);
    assert_eq!(resumed.started(), [2, 3]);
    assert_eq!(resumed.summary()["completed"], 3);
    assert_eq!(engine::containers(&scene.project), []);
}

fn the_default_command_needs_a_lem_in_the_image(strategy: Strategy) {
    for scene in [shell(), nobody()] {
        scene.write(
            "campaign.yaml",
            "campaign_name: nightly\n\
             grid: {backends: [bench], shared: {workload: {synthetic: {hidden: 64}}}}\n",
        );
        let refused = scene.campaign(strategy, &[]).expect(2);
        refused.says(&["service `bench` runs without the inner lem", "`x-lem: {inner: false}`"]);
        assert_eq!(refused.stdout, "", "nothing was started");
        assert_eq!(engine::containers(&scene.project), []);
    }
}

#[test]
fn the_plan_says_which_service_does_without_the_inner_lem_and_what_is_lost() {
    for (scene, lost) in [(shell(), "its own `sh` keeps the runs"), (nobody(), "has no `sh`")] {
        scene.scripts(&["true"], "");
        let ended = scene.lem(&["campaign", "campaign.yaml", "--yes"]).expect(0);
        ended.says(&["`bench` runs without the inner lem (`x-lem: {inner: false}`)", lost]);
    }
}

#[test]
fn an_image_without_a_shell_can_not_be_held_by_nothing() {
    let scene = nobody();
    scene.write(".lem-config.yaml", "docker: {compose_file: compose.yaml}\n");
    scene.scripts(&["true"], "");
    let refused = scene.campaign(Strategy::Persistent, &[]).expect(2);
    refused.says(&["nothing can hold a container of service `bench`", "docker.hold_command"]);
    assert_eq!(engine::containers(&scene.project), []);
}

#[test]
fn a_container_build_is_not_missed_where_no_service_wants_it() {
    let scene = shell();
    scene.scripts(&["true"], "");
    let mut lem = scene.command(&campaign_words(Strategy::Ephemeral));
    lem.env("LEM_CONTAINER_BIN", scene.path("nowhere"));
    crate::support::Running::start(&mut lem).wait().expect(0);
}

fn a_second_ctrl_c_takes_the_grace_away_whoever_keeps_the_run(strategy: Strategy) {
    second_ctrl_c(&one_keeper(strategy), strategy);
}

fn second_ctrl_c(scene: &Scene, strategy: Strategy) {
    let mut run = Stubborn::with(scene, &campaign_words(strategy), "stop_grace_period: 1h");

    run.signal_twice(Signal::SIGINT);

    run.leaves_nothing();
    assert_eq!(run.lem.wait().expect(130).verdicts(), ["completed", "interrupted"]);
    assert_eq!(engine::containers(&scene.project), []);
}

fn a_second_try_meets_nothing_of_the_first(strategy: Strategy) {
    second_try(&one_keeper(strategy), strategy);
}

fn second_try(scene: &Scene, strategy: Strategy) {
    let script = "[ -e second ] && exit 0; touch second; trap '' TERM; sleep 1000";
    scene.scripts(
        &[script],
        "timeout: 1s, stop_grace_period: 0, retry: {max_attempts: 2, base_delay: 0.1s, on: [timed_out]}",
    );

    let ended = scene.campaign(strategy, &[]).expect(0);

    assert_eq!(ended.verdicts(), ["timed_out", "completed"]);
    let run = &scene.runs("nightly")[0];
    assert!(run.join("started-a1.json").exists() && run.join("ended.json").exists());
    assert_eq!(engine::containers(&scene.project), []);
}

fn a_run_that_says_nothing_is_ended_whoever_keeps_it(strategy: Strategy) {
    says_nothing(&one_keeper(strategy), strategy);
}

fn says_nothing(scene: &Scene, strategy: Strategy) {
    scene.scripts(&["echo something; sleep 1000"], "idle_timeout: 1s, stop_grace_period: 0");

    let ended = scene.campaign(strategy, &[]).expect(1);

    assert_eq!(ended.verdicts(), ["idle"]);
    assert_eq!(engine::containers(&scene.project), []);
}

fn a_dry_run_piped_into_a_shell_does_the_runs(strategy: Strategy) {
    piped_dry_run(&one_keeper(strategy), strategy);
}

fn piped_dry_run(scene: &Scene, strategy: Strategy) {
    scene.scripts(&["echo \"it's $((1 + 1))\" >said", "exit 3"], "");
    let words = ["campaign", "campaign.yaml", "--dry-run", "--container-strategy", strategy.word()];
    let script = scene.lem(&words).expect(0).stdout;

    let mut sh = Command::new("sh");
    let sh = scene.furnish(&mut sh).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut sh = sh.spawn().unwrap();
    sh.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = sh.wait_with_output().unwrap();

    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "one run fails: {complaint}\n{script}");
    let said = scene.runs("nightly").iter().filter(|run| run.join("said").exists()).count();
    assert_eq!(said, 1, "{complaint}");
    assert_eq!(engine::containers(&scene.project), []);
}

#[test]
fn what_nobody_keeps_is_reaped_when_its_lem_is_dead() {
    let scene = nobody();
    scene.scripts(&["touch here; sleep 1000"], "");
    let mut lem = scene.start_campaign(Strategy::Ephemeral, &[]);
    eventually("the run has begun", || {
        scene.runs("nightly").first()?.join("here").exists().then_some(())
    });
    lem.kill();

    scene.lem(&["reap", &scene.project]).expect(75).says(&["`--force` removes it"]);
    scene.lem(&["reap", "--force", &scene.project]).expect(0);
    assert_eq!(engine::owned(&scene.project), []);
}
