//! lem killed between the end of a run and the record of it, on a real engine.

use crate::support::scene::campaign_words;
use crate::support::{Scene, Strategy, cut, engine, in_both_strategies};

in_both_strategies!(a_run_that_had_ended_when_lem_was_killed_is_recorded_and_not_done_again);

fn a_run_that_had_ended_when_lem_was_killed_is_recorded_and_not_done_again(strategy: Strategy) {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&[&cut::waits("echo {} >result.json"), "true"], "");
    cut::before_it_is_recorded(&scene, &campaign_words(strategy));

    let resumed = scene.lem(&["resume", "--yes", "--json"]).expect(0);

    assert_eq!(resumed.started(), [2]);
    assert_eq!(resumed.all("run_found")[0]["verdict"], "completed");
    assert_eq!(resumed.summary()["completed"], 2);
    assert_eq!(scene.runs("nightly").len(), 2);
    assert_eq!(engine::containers(&scene.project), []);
}
