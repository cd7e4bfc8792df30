//! What a campaign makes can be found by name and by label.

use crate::support::{Scene, Strategy, engine, eventually};

#[test]
fn a_runs_container_carries_its_run_in_name_and_labels() {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&["while [ ! -e $GO ]; do sleep 0.1; done"], "");
    let mut lem = scene.start_campaign(Strategy::Ephemeral, &[]);
    let campaign = lem.event("campaign_started")["campaign_id"].clone();
    let run = lem.event("run_started")["run"].as_str().unwrap().to_owned();

    let container = eventually("the run's container runs", || {
        engine::owned(&scene.project).into_iter().find(|found| found.state == "running")
    });
    assert_eq!(container.name, format!("lem-{run}-a1"));
    assert_eq!((container.service.as_str(), &container.owner), ("bench", &scene.project));
    assert_eq!((&container.campaign, &container.run), (&campaign.as_str().unwrap().into(), &run));

    scene.write("results/nightly/go", "");
    lem.wait().expect(0);
}
