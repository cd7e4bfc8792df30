//! The daemon goes away in the middle of a run and comes back: the try is lost, the next one follows
//! when nothing is left of it, and the campaign goes on.

use std::time::Duration;

use crate::support::daemon::{Daemon, LiveRestore};
use crate::support::{Running, Scene, Strategy, eventually, processes, wait};

crate::slowly_in_both_strategies!(
    a_daemon_that_is_restarted_costs_a_try,
    a_daemon_that_is_killed_and_started_again_costs_a_try,
    a_daemon_that_is_away_for_30_seconds_costs_a_try,
    a_daemon_whose_containers_live_on_costs_a_try,
    a_daemon_that_is_killed_while_its_containers_live_on_costs_a_try,
    without_a_retry_the_campaign_goes_on_and_leaves_the_run_to_a_resume,
);

/// Beats, one line a beat: the first try until it is ended, each later one for a second.
const BEATING: &str = "n=$(ls .. | grep -c try-); touch ../try-$n; i=0; \
    while [ $n = 0 ] || [ $i -lt 10 ]; do echo $n >>../beats; i=$((i+1)); sleep 0.1; done";

const RETRIED: &str = "stop_grace_period: 1s, \
    retry: {max_attempts: 3, base_delay: 100ms, on: [engine_lost]}";

/// A campaign of three runs on a daemon of its own, in the middle of the second.
struct Beating {
    lem: Running,
    campaign: String,
    // Before the daemon: what is dropped first still has its engine.
    scene: Scene,
    daemon: Daemon,
}

impl Beating {
    fn start(strategy: Strategy, live_restore: LiveRestore, execution: &str) -> Self {
        let daemon = Daemon::start(live_restore);
        let scene = Scene::on(&daemon);
        scene.bench();
        scene.scripts(&["echo first", BEATING, "echo third"], execution);
        let mut lem = scene.start_campaign(strategy, &[]);
        let campaign = lem.event("campaign_started")["campaign_id"].as_str().unwrap().to_owned();
        let begun = Self { lem, campaign, scene, daemon };
        eventually("the second run beats", || (begun.beats().len() > 3).then_some(()));
        begun
    }

    /// The number of the try, from 0, of every beat.
    fn beats(&self) -> Vec<u32> {
        let text = std::fs::read_to_string(self.scene.path("results/nightly/beats"));
        text.unwrap_or_default().lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Fails unless the campaign ends with these verdicts, one try at a time, and leaves nothing.
    #[track_caller]
    fn ends_with(mut self, code: i32, verdicts: &[&str], remaining: usize) {
        let ended = self.lem.wait();
        assert_eq!(ended.verdicts(), verdicts, "{}", ended.stderr);
        let summary = ended.expect(code).summary();
        assert_eq!(summary["remaining"], remaining);
        let beats = self.beats();
        assert!(beats.is_sorted(), "two tries at once: {beats:?}");
        assert_eq!(self.daemon.containers(), [] as [String; 0]);
        assert_eq!(processes::of_campaign(&self.campaign), [] as [u32; 0]);
    }

    #[track_caller]
    fn ends_after_a_second_try(self) {
        self.ends_with(0, &["completed", "engine_lost", "completed", "completed"], 0);
    }
}

fn a_daemon_that_is_restarted_costs_a_try(strategy: Strategy) {
    let mut run = Beating::start(strategy, LiveRestore::Off, RETRIED);
    run.daemon.restart();
    run.ends_after_a_second_try();
}

fn a_daemon_that_is_killed_and_started_again_costs_a_try(strategy: Strategy) {
    let mut run = Beating::start(strategy, LiveRestore::Off, RETRIED);
    run.daemon.kill();
    run.daemon.run();
    run.ends_after_a_second_try();
}

fn a_daemon_that_is_away_for_30_seconds_costs_a_try(strategy: Strategy) {
    let mut run = Beating::start(strategy, LiveRestore::Off, RETRIED);
    run.daemon.stop();
    // The time itself is what is tested.
    wait::until(Duration::from_secs(30), || None::<()>);
    run.daemon.run();
    run.ends_after_a_second_try();
}

fn a_daemon_whose_containers_live_on_costs_a_try(strategy: Strategy) {
    let mut run = Beating::start(strategy, LiveRestore::On, RETRIED);
    run.daemon.restart();
    run.ends_after_a_second_try();
}

fn a_daemon_that_is_killed_while_its_containers_live_on_costs_a_try(strategy: Strategy) {
    let mut run = Beating::start(strategy, LiveRestore::On, RETRIED);
    run.daemon.kill();
    run.daemon.run();
    run.ends_after_a_second_try();
}

fn without_a_retry_the_campaign_goes_on_and_leaves_the_run_to_a_resume(strategy: Strategy) {
    let mut run = Beating::start(strategy, LiveRestore::Off, "stop_grace_period: 1s");
    run.daemon.restart();
    run.ends_with(1, &["completed", "engine_lost", "completed"], 1);
}
