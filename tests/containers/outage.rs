//! The engine goes away in the middle of a run, hangs, or talks nonsense: it is waited for, the run
//! has its word, the old try is gone before the next one begins, and the campaign goes on.

use std::time::{Duration, Instant};

use crate::support::scene::campaign_words;
use crate::support::stubborn::let_go;
use crate::support::{
    Proxy, Running, Scene, Strategy, Way, engine, eventually, in_both_strategies, processes,
};

in_both_strategies!(
    a_run_that_loses_the_engine_is_tried_again_where_that_is_configured,
    without_retries_the_campaign_goes_on_and_a_resume_does_the_run_again,
    an_engine_that_stays_away_ends_the_campaign_and_loses_nothing,
    a_run_that_ends_while_the_engine_is_away_keeps_its_verdict,
);

/// A second run that goes on for ever, until a later try finds that it may end; that one looks
/// whether the heart of another try still beats.
const ENDLESS: &str = "if [ -e $GO ]; then \
                       a=$(wc -l <../beats); sleep 0.3; \
                       [ $a = $(wc -l <../beats) ] || touch ../overlapped; exit 0; fi; \
                       touch here; while :; do echo >>../beats; sleep 0.05; done";

fn scene(second: &str, execution: &str, engine_timeout: u32) -> Scene {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&["touch first", second, "touch third"], execution);
    scene.write(
        ".lem-config.yaml",
        &format!(
            "thermal_gaps: {{between_experiments: 0, between_cycles: 0}}\n\
             docker: {{compose_file: compose.yaml, engine_timeout: {engine_timeout}}}\n"
        ),
    );
    scene
}

/// A campaign that reaches the engine by `proxy` and is in its second run.
fn begun(scene: &Scene, strategy: Strategy, proxy: &Proxy) -> Running {
    let mut command = scene.command(&campaign_words(strategy));
    let lem = Running::start(command.env("DOCKER_HOST", proxy.host()));
    eventually("the second run has begun", || {
        scene.runs("nightly").get(1)?.join("here").exists().then_some(())
    });
    lem
}

fn tried_again(scene: &Scene, strategy: Strategy) -> Running {
    let proxy = Proxy::new();
    let mut lem = begun(scene, strategy, &proxy);
    proxy.set(Way::Cut);
    let_go(scene);
    lem.event("engine_away");
    proxy.set(Way::Open);
    lem.event("engine_back");
    lem.event("campaign_ended");
    lem
}

fn a_run_that_loses_the_engine_is_tried_again_where_that_is_configured(strategy: Strategy) {
    let retry = "retry: {on: [engine_lost], max_attempts: 2, base_delay: 0.05}";
    let scene = scene(ENDLESS, retry, 60);

    let ended = tried_again(&scene, strategy).wait().expect(0);

    assert_eq!(ended.verdicts(), ["completed", "engine_lost", "completed", "completed"]);
    assert!(!scene.path("results/nightly/overlapped").exists());
    assert_eq!(engine::containers(&scene.project), []);
}

fn without_retries_the_campaign_goes_on_and_a_resume_does_the_run_again(strategy: Strategy) {
    let scene = scene(ENDLESS, "", 60);

    let ended = tried_again(&scene, strategy).wait().expect(1);

    assert_eq!(ended.verdicts(), ["completed", "engine_lost", "completed"]);
    assert_eq!(ended.summary()["remaining"], 1);
    let resumed = scene.lem(&["resume", "--yes", "--json"]).expect(0);
    assert_eq!(resumed.started(), [2]);
    assert!(!scene.path("results/nightly/overlapped").exists());
    assert_eq!(engine::containers(&scene.project), []);
}

fn an_engine_that_stays_away_ends_the_campaign_and_loses_nothing(strategy: Strategy) {
    let scene = scene(ENDLESS, "", 1);
    let proxy = Proxy::new();
    let mut lem = begun(&scene, strategy, &proxy);

    proxy.set(Way::Cut);
    let ended = lem.wait().expect(3);

    ended.says(&["the engine did not come back within 1.0s", "`docker.engine_timeout`"]);
    assert_eq!(ended.summary()["completed"], 1);
    let_go(&scene);
    let resumed = scene.lem(&["resume", "--yes", "--json"]).expect(0);
    assert_eq!(resumed.started(), [2, 3]);
    assert!(!scene.path("results/nightly/overlapped").exists());
    assert_eq!(engine::containers(&scene.project), []);
}

/// In one strategy: the wait for answers is the test's time.
#[test]
fn an_engine_that_hangs_is_noticed_though_the_run_says_nothing() {
    let strategy = Strategy::Ephemeral;
    let scene = scene(ENDLESS, "", 1);
    let proxy = Proxy::new();
    let mut lem = begun(&scene, strategy, &proxy);

    proxy.set(Way::Blocked);
    let asked = Instant::now();
    let ended = lem.wait().expect(3);

    assert!(asked.elapsed() < Duration::from_secs(90), "{:?}", asked.elapsed());
    ended.says(&["the engine did not come back within 1.0s"]);
    proxy.set(Way::Cut);
    let_go(&scene);
    scene.lem(&["resume", "--yes", "--json"]).expect(0);
    assert!(!scene.path("results/nightly/overlapped").exists());
    assert_eq!(engine::containers(&scene.project), []);
}

/// The client hears nothing of the end, and the run has nothing more to say.
fn a_run_that_ends_while_the_engine_is_away_keeps_its_verdict(strategy: Strategy) {
    let script = "touch here; until [ -e $GO ]; do sleep 0.1; done; echo '{}' >result.json";
    let scene = scene(script, "", 60);
    let proxy = Proxy::new();
    let mut lem = begun(&scene, strategy, &proxy);

    proxy.set(Way::Blocked);
    let_go(&scene);
    let folder = &scene.runs("nightly")[1];
    eventually("the run has ended", || folder.join("ended.json").exists().then_some(()));
    proxy.set(Way::Cut);
    lem.event("engine_away");
    proxy.set(Way::Open);

    let ended = lem.wait().expect(0);
    assert_eq!(ended.verdicts(), ["completed", "completed", "completed"]);
    assert_eq!(engine::containers(&scene.project), []);
}

#[test]
fn an_engine_that_talks_nonsense_is_named_before_anything_starts() {
    let scene = scene(ENDLESS, "", 1);
    let proxy = Proxy::new();
    proxy.set(Way::Nonsense);
    let mut command = scene.command(&campaign_words(Strategy::Ephemeral));
    let began = Instant::now();
    let ended = Running::start(command.env("DOCKER_HOST", proxy.host())).wait().expect(3);
    assert!(began.elapsed() < Duration::from_secs(30));
    assert!(ended.stderr.contains("docker"), "{}", ended.stderr);
    assert_eq!(ended.started(), Vec::<u64>::new());
    assert!(!scene.path("results").exists());
}

#[test]
fn an_engine_that_talks_nonsense_in_the_middle_is_waited_for() {
    let scene = scene(ENDLESS, "", 60);
    let proxy = Proxy::new();
    let mut lem = begun(&scene, Strategy::Ephemeral, &proxy);
    proxy.set(Way::Cut);
    let_go(&scene);
    proxy.set(Way::Nonsense);
    lem.event("engine_away");
    proxy.set(Way::Open);
    let ended = lem.wait().expect(1);
    assert_eq!(ended.verdicts(), ["completed", "engine_lost", "completed"]);
    assert_eq!(engine::containers(&scene.project), []);
}

#[test]
fn ctrl_c_while_the_engine_is_waited_for_ends_the_campaign() {
    let scene = scene(ENDLESS, "", 600);
    let proxy = Proxy::new();
    let mut lem = begun(&scene, Strategy::Ephemeral, &proxy);
    let campaign = lem.event("campaign_started")["campaign_id"].as_str().unwrap().to_owned();
    proxy.set(Way::Cut);
    lem.event("engine_away");

    lem.insist(nix::sys::signal::Signal::SIGINT);

    lem.wait().expect(130).says(&["lem reap"]);
    eventually("the lifeline has ended the run", || {
        processes::of_campaign(&campaign).is_empty().then_some(())
    });
}
