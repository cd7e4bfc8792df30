//! A project has one lem at a time.

use std::time::{Duration, Instant};

use crate::support::{Scene, Strategy, in_both_strategies};

in_both_strategies!(a_second_lem_learns_who_has_the_project_and_gets_it_after_the_first_died);

fn a_second_lem_learns_who_has_the_project_and_gets_it_after_the_first_died(strategy: Strategy) {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&["sleep 1000"], "stop_grace_period: 0");
    scene.campaign_of("second.yaml", "weekly", &["true"], "");
    let mut first = scene.start_campaign(strategy, &[]);
    first.event("run_started");
    let words =
        ["campaign", "second.yaml", "--yes", "--json", "--container-strategy", strategy.word()];

    let asked = Instant::now();
    let refused = scene.lem(&words).expect(75);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    refused.says(&[&scene.project, "campaign `nightly`", &format!("pid {}", first.pid())]);
    assert_eq!(refused.stdout, "", "nothing was started");

    first.kill();
    let ended = scene.lem(&words).expect(0);
    assert_eq!(ended.verdicts(), ["completed"]);
}
