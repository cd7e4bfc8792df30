//! Campaigns that want the same GPU.

use nix::sys::signal::Signal;

use crate::place::Place;
use crate::support::{Running, Scene, Strategy, engine, eventually, in_both_strategies, scene};

in_both_strategies!(
    two_campaigns_that_reserve_one_gpu_run_one_after_the_other,
    campaigns_that_share_a_gpu_or_have_other_ones_run_side_by_side,
    the_gpu_of_a_campaign_that_was_killed_is_free_once_nothing_of_it_runs,
);

/// A campaign of a project of its own, whose run waits in a service with these GPUs.
struct Lab {
    place: Place,
}

impl Lab {
    fn on(gpus: &str, script: &str) -> Self {
        let place = Place::in_containers(2);
        place.scene.services(&format!(
            "  bench: {{image: <busybox>, network_mode: none, user: <me>, \
             environment: [NVIDIA_VISIBLE_DEVICES={gpus}]}}\n"
        ));
        place.campaign(&[script], "wait: 0");
        Self { place }
    }

    /// Starts it with the ledger and the GPUs of another one.
    fn start(&self, strategy: Strategy, with: &Self, more: &[&str]) -> Running {
        let words = scene::campaign_words(strategy);
        let mut command = self.place.scene.command(&[&words[..], more].concat());
        command.env("LEM_STATE_DIR", with.place.scene.path("machine"));
        Running::start(with.place.fake.furnish(&mut command))
    }

    fn scene(&self) -> &Scene {
        &self.place.scene
    }

    fn has_begun(&self) {
        let go = self.scene().path("results/nightly/go");
        eventually("the run began", || go.exists().then_some(()));
    }

    fn go_on(&self) {
        self.scene().write("results/nightly/go.on", "");
    }
}

const WAITS: &str = "touch $GO; while [ ! -e $GO.on ]; do sleep 0.05; done";

fn two_campaigns_that_reserve_one_gpu_run_one_after_the_other(strategy: Strategy) {
    let (one, two) = (Lab::on("0", WAITS), Lab::on("all", "true"));
    let mut first = one.start(strategy, &one, &[]);
    one.has_begun();
    let mut second = two.start(strategy, &one, &[]);
    let waiting = second.event("turn_waiting");
    assert!(waiting["reason"].as_str().unwrap().contains("GPU-00000000-fake"), "{waiting}");
    assert_eq!(waiting["what"], "campaign `nightly`");
    assert_eq!(engine::containers(&two.scene().project), [], "one that waits has nothing");
    one.go_on();
    assert_eq!(first.wait().expect(0).verdicts(), ["completed"]);
    let ended = second.wait().expect(0);
    assert_eq!(ended.verdicts(), ["completed"]);
    assert!(ended.all("turn_came")[0]["seconds"].as_f64().unwrap() > 0.0);
}

fn campaigns_that_share_a_gpu_or_have_other_ones_run_side_by_side(strategy: Strategy) {
    for (gpus, more) in [("0", &["--no-exclusive"][..]), ("1", &[])] {
        let (one, two) = (Lab::on("0", WAITS), Lab::on(gpus, "true"));
        let mut first = one.start(strategy, &one, more);
        one.has_begun();
        let ended = two.start(strategy, &one, more).wait().expect(0);
        assert_eq!(
            (ended.verdicts(), ended.all("turn_waiting")),
            (vec!["completed".to_owned()], vec![])
        );
        if !more.is_empty() {
            // Who wants it alone waits for those who share it.
            two.start(strategy, &one, &["--fresh", "--no-wait"]).wait().expect(75);
        }
        one.go_on();
        first.wait().expect(0);
    }
}

fn the_gpu_of_a_campaign_that_was_killed_is_free_once_nothing_of_it_runs(strategy: Strategy) {
    let (one, two) = (Lab::on("0", "touch $GO; sleep 1000"), Lab::on("0", "true"));
    let mut first = one.start(strategy, &one, &[]);
    one.has_begun();
    let mut second = two.start(strategy, &one, &[]);
    second.event("turn_waiting");
    first.kill();
    let ended = second.wait().expect(0);
    assert_eq!(ended.verdicts(), ["completed"]);
}

#[test]
fn a_local_campaign_claims_a_gpu_where_it_is_told_to() {
    let one = Place::local(1);
    one.campaign(&[crate::place::WAITS], "wait: 0");
    let start = |more: &[&str]| {
        let words = ["campaign", "campaign.yaml", "--runner", "local", "--json"];
        let mut command = one.scene.command(&[&words[..], more].concat());
        Running::start(one.fake.furnish(&mut command))
    };
    let mut first = start(&["--exclusive"]);
    one.run_is_there(0);
    one.scene.campaign_of("second.yaml", "weekly", &["true"], "");
    let second = |more: &[&str]| {
        let words = ["campaign", "second.yaml", "--runner", "local", "--json"];
        let mut command = one.scene.command(&[&words[..], more].concat());
        Running::start(one.fake.furnish(&mut command))
    };
    let ended = second(&[]).wait().expect(0);
    assert_eq!(ended.all("turn_waiting"), Vec::<serde_json::Value>::new(), "it wants none");
    let mut waits = second(&["--fresh", "--exclusive"]);
    waits.event("turn_waiting");
    waits.signal(Signal::SIGTERM);
    waits.wait().expect(143);
    one.go();
    first.wait().expect(0);
}
