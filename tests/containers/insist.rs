//! A second Ctrl-C: no grace is waited for any more, and still nothing is left.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::scene::campaign_words;
use crate::support::{Scene, Strategy, Stubborn, engine, in_both_strategies};

in_both_strategies!(
    a_second_ctrl_c_ends_a_run_that_has_an_hour_to_end,
    a_second_ctrl_c_ends_a_teardown_that_waits_for_a_service,
);

/// As long as nobody waits.
const AN_HOUR: &str = "stop_grace_period: 1h";
const SOON: Duration = Duration::from_secs(30);

fn a_second_ctrl_c_ends_a_run_that_has_an_hour_to_end(strategy: Strategy) {
    let scene = Scene::new();
    scene.bench();
    let mut run = Stubborn::with(&scene, &campaign_words(strategy), AN_HOUR);

    run.signal_twice(Signal::SIGINT);

    run.leaves_nothing();
    let ended = run.lem.wait().expect(130);
    assert_eq!(ended.verdicts(), ["completed", "interrupted"]);
    assert_eq!(engine::containers(&scene.project), []);
}

#[test]
fn a_container_that_stays_is_free_of_a_run_that_had_no_grace() {
    let scene = Scene::new();
    scene.bench();
    let keep = [&campaign_words(Strategy::Persistent)[..], &["--auto-teardown", "false"]].concat();
    let mut run = Stubborn::with(&scene, &keep, AN_HOUR);

    run.signal_twice(Signal::SIGTERM);

    run.leaves_nothing();
    run.lem.wait().expect(143);
    let left = engine::containers(&scene.project);
    assert_eq!(left.iter().map(|it| it.state.as_str()).collect::<Vec<_>>(), ["running"]);
}

fn a_second_ctrl_c_ends_a_teardown_that_waits_for_a_service(strategy: Strategy) {
    let scene = Scene::new();
    // As its container's first process a shell is deaf to TERM.
    scene.services(
        "  bench: {image: <busybox>, network_mode: none, depends_on: [db]}\n\
         \x20 db:\n\
         \x20   image: <busybox>\n\
         \x20   network_mode: none\n\
         \x20   stop_grace_period: 1h\n\
         \x20   command: [sh, -c, 'while :; do sleep 1; done']\n",
    );
    scene.scripts(&["true"], "");
    let mut lem = scene.start_campaign(strategy, &[]);
    lem.event("teardown_started");
    let asked = Instant::now();

    lem.insist(Signal::SIGINT);

    lem.wait().expect(0);
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    assert_eq!(engine::containers(&scene.project), []);
}
