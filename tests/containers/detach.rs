//! `--detach` with containers: asked on a terminal, which then closes; ended from elsewhere.

use nix::sys::signal::Signal;
use rexpect::session::spawn_command;

use crate::support::detached::Detached;
use crate::support::{Scene, Strategy, engine, eventually, in_both_strategies};

in_both_strategies!(a_detached_campaign_goes_on_without_its_terminal_and_removes_its_containers);

fn a_detached_campaign_goes_on_without_its_terminal_and_removes_its_containers(strategy: Strategy) {
    let scene = Scene::new();
    scene.bench();
    let waits = "touch here; while :; do sleep 0.1; done";
    scene.scripts(&[waits, "true"], "stop_grace_period: 1s");
    let words = ["campaign", "--detach", "--container-strategy", strategy.word()];
    let mut terminal = spawn_command(scene.command(&words), Some(60_000)).unwrap();
    if strategy == Strategy::Persistent {
        terminal.exp_string("Start?").unwrap();
        terminal.send("y").unwrap();
        terminal.flush().unwrap();
    }
    let detached = Detached::announced(&mut terminal);
    drop(terminal);
    eventually("the run is there", || {
        scene.runs("nightly").first()?.join("here").exists().then_some(())
    });
    assert_eq!(engine::containers(&scene.project).len(), 1);

    detached.signal(Signal::SIGTERM);
    detached.has_ended();
    assert_eq!(engine::containers(&scene.project), []);
    let ended = scene.lem(&["status", "--json"]).expect(0);
    assert!(ended.stdout.contains(r#""state":"interrupted""#), "{}", ended.stdout);
}
