//! The daemon hangs or is restarted where a campaign can wait for it: that costs time and no run.

use std::time::Duration;

use serde_json::Value;

use crate::support::daemon::{Daemon, LiveRestore};
use crate::support::{Running, Scene, Strategy, eventually, processes, wait};

crate::slowly_in_both_strategies!(
    a_daemon_that_hangs_in_a_run_costs_nothing,
    a_daemon_that_hangs_between_runs_costs_nothing,
    a_daemon_that_hangs_during_teardown_is_waited_for,
    a_daemon_that_is_restarted_between_runs_costs_nothing,
    a_daemon_that_is_killed_during_teardown_is_waited_for,
);

/// Longer than a client waits for anything by itself, shorter than lem waits for an engine.
const HANG: Duration = Duration::from_secs(15);

/// A campaign of three runs, on a daemon of its own.
struct Campaign {
    lem: Running,
    scene: Scene,
    daemon: Daemon,
}

impl Campaign {
    fn start(strategy: Strategy, execution: &str) -> Self {
        let daemon = Daemon::start(LiveRestore::Off);
        let scene = Scene::on(&daemon);
        scene.bench();
        let script = |name: &str| format!("touch {name}; sleep 2; echo '{{}}' >result.json");
        let scripts = ["first", "second", "third"].map(script);
        let scripts: Vec<&str> = scripts.iter().map(String::as_str).collect();
        let execution = format!("stop_grace_period: 1s, require_result: true, {execution}");
        scene.scripts(&scripts, &execution);
        let lem = scene.start_campaign(strategy, &[]);
        Self { lem, scene, daemon }
    }

    fn hang(&self) {
        self.daemon.freeze();
        // The time itself is what is tested.
        wait::until(HANG, || None::<()>);
        self.daemon.thaw();
    }

    /// Fails unless every run is completed the first time that it begins, and nothing is left.
    #[track_caller]
    fn loses_nothing(mut self) {
        let ended = self.lem.wait().expect(0);
        let begun = |end: &Value| end["retried"] != true || !end["command_seconds"].is_null();
        let ends: Vec<Value> = ended.all("run_ended").into_iter().filter(begun).collect();
        let verdicts: Vec<&str> = ends.iter().filter_map(|end| end["verdict"].as_str()).collect();
        assert_eq!(verdicts, ["completed"; 3], "{}", ended.stderr);
        assert_eq!(self.daemon.containers(), [] as [String; 0]);
        let campaign = ended.summary()["campaign_id"].as_str().unwrap().to_owned();
        assert_eq!(processes::of_campaign(&campaign), [] as [u32; 0]);
    }
}

fn a_daemon_that_hangs_in_a_run_costs_nothing(strategy: Strategy) {
    let run = Campaign::start(strategy, "");
    eventually("the second run has begun", || {
        run.scene.runs("nightly").get(1).filter(|run| run.join("second").exists()).map(|_| ())
    });
    run.hang();
    run.loses_nothing();
}

fn a_daemon_that_hangs_between_runs_costs_nothing(strategy: Strategy) {
    let mut run = Campaign::start(strategy, "config_gap_seconds: 2");
    run.lem.event("gap_started");
    run.hang();
    run.loses_nothing();
}

fn a_daemon_that_hangs_during_teardown_is_waited_for(strategy: Strategy) {
    let mut run = Campaign::start(strategy, "");
    run.lem.event("teardown_started");
    run.hang();
    run.loses_nothing();
}

fn a_daemon_that_is_restarted_between_runs_costs_nothing(strategy: Strategy) {
    let mut run = Campaign::start(strategy, "config_gap_seconds: 2");
    run.lem.event("gap_started");
    run.daemon.restart();
    run.loses_nothing();
}

fn a_daemon_that_is_killed_during_teardown_is_waited_for(strategy: Strategy) {
    let mut run = Campaign::start(strategy, "");
    run.lem.event("teardown_started");
    run.daemon.kill();
    run.daemon.run();
    run.loses_nothing();
}
