//! A project has one campaign at a time, and what is measured stays as it is.

use crate::support::scene::campaign_words;
use crate::support::{Running, Scene, Strategy, engine, eventually, in_both_strategies};
use nix::sys::signal::Signal;

in_both_strategies!(
    a_second_campaign_waits_for_the_first_one_in_its_project_and_gets_it_when_that_dies,
    a_campaign_that_waits_has_started_nothing_when_it_is_ended,
    a_cancelled_campaign_ends_as_if_it_were_sent_a_signal,
);

/// A project with a campaign in the middle of its first run, and a second campaign file.
fn measuring(strategy: Strategy) -> (Scene, Running) {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&["touch $GO; sleep 1000"], "stop_grace_period: 0");
    scene.campaign_of("second.yaml", "weekly", &["true"], "");
    let lem = scene.start_campaign(strategy, &[]);
    eventually("the run began", || scene.path("results/nightly/go").exists().then_some(()));
    (scene, lem)
}

fn second(strategy: Strategy) -> [&'static str; 6] {
    let [_, _, rest @ ..] = campaign_words(strategy);
    ["campaign", "second.yaml", rest[0], rest[1], rest[2], rest[3]]
}

fn a_second_campaign_waits_for_the_first_one_in_its_project_and_gets_it_when_that_dies(
    strategy: Strategy,
) {
    let (scene, mut first) = measuring(strategy);
    let mut second = scene.start(&second(strategy));
    let waiting = second.event("turn_waiting");
    assert_eq!((&waiting["what"], &waiting["position"]), (&"campaign `nightly`".into(), &1.into()));
    assert!(waiting["reason"].as_str().unwrap().contains(&scene.project), "{waiting}");

    first.kill();
    let ended = second.wait().expect(0);

    assert_eq!(ended.verdicts(), ["completed"]);
    let turn = ended.summary()["time"]["turn"].as_f64().unwrap();
    assert!(turn > 0.0 && turn < 30.0, "{turn}");
    ended.says(&["waits for operation", "campaign `nightly`", "since"]);
    assert_eq!(engine::containers(&scene.project), []);
}

fn a_campaign_that_waits_has_started_nothing_when_it_is_ended(strategy: Strategy) {
    let (scene, _first) = measuring(strategy);
    let before = scene.listing();
    let mut waiting = scene.start(&second(strategy));
    waiting.event("turn_waiting");
    waiting.signal(Signal::SIGINT);
    waiting.wait().expect(130);
    for more in [&["--no-wait"][..], &["--wait", "0.3"]] {
        let words = [&second(strategy)[..], more].concat();
        scene.lem(&words).expect(75).says(&["campaign `weekly`"]);
    }
    let results = |listing: Vec<std::path::PathBuf>| -> Vec<_> {
        listing.into_iter().filter(|path| path.to_string_lossy().contains("weekly")).collect()
    };
    assert_eq!(results(scene.listing()), results(before));
    // The same campaign twice is a mistake, not a wait.
    scene.campaign(strategy, &[]).expect(75).says(&["campaign `nightly`"]);
}

fn a_cancelled_campaign_ends_as_if_it_were_sent_a_signal(strategy: Strategy) {
    let (scene, mut first) = measuring(strategy);
    let mut second = scene.start(&second(strategy));
    let id = second.event("turn_waiting")["behind"].to_string();
    scene.lem(&["cancel", &id, "--reason", "the GPU is wanted", "--no-wait"]).expect(0);
    let ended = first.wait().expect(143);
    assert_eq!(ended.verdicts(), ["interrupted"]);
    ended.says(&["cancelled", "the GPU is wanted", "lem resume"]);
    second.wait().expect(0);
    assert_eq!(engine::containers(&scene.project), []);
}

#[test]
fn a_service_that_is_measured_is_not_restarted_before_the_end() {
    let (scene, mut first) = measuring(Strategy::Persistent);
    let before = engine::containers(&scene.project);
    let mut restart = scene.start(&["op", "restart", "bench", "--", "sh", "-c", "touch restarted"]);
    eventually("it waits", || restart.stderr().contains("campaign `nightly`").then_some(()));
    assert_eq!(engine::containers(&scene.project), before);
    assert!(!restart.has_ended() && !scene.path("restarted").exists());
    scene.lem(&["op", "read", "bench", "--", "true"]).expect(0);
    first.signal(Signal::SIGINT);
    first.wait().expect(130);
    restart.wait().expect(0);
    assert!(scene.path("restarted").exists());
}

#[test]
fn a_ledger_that_fails_ends_no_campaign() {
    for strategy in [Strategy::Ephemeral, Strategy::Persistent] {
        let scene = Scene::new();
        scene.bench();
        let script = "touch $GO; while [ ! -e $GO.on ]; do sleep 0.05; done";
        scene.scripts(&[script, "true"], "");
        let mut lem = scene.start_campaign(strategy, &[]);
        eventually("the run began", || scene.path("results/nightly/go").exists().then_some(()));
        let folder = scene.path("machine/local/coordination");
        assert!(folder.is_dir(), "{:?}", scene.listing());
        std::fs::remove_dir_all(folder).unwrap();
        std::fs::write(scene.path("results/nightly/go.on"), "").unwrap();
        let ended = lem.wait().expect(0);
        assert_eq!(ended.verdicts(), ["completed"; 2]);
        assert_eq!(engine::containers(&scene.project), []);
    }
}
