//! A lem that is killed between the end of a run and the record of it.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{Running, Scene, eventually};

/// A script that ends as `end` says once the file that it knows as `$GO` is there.
pub(crate) fn waits(end: &str) -> String {
    format!("while [ ! -e $GO ]; do sleep 0.05; done; {end}")
}

/// Lets the first run of a campaign end while its lem can do nothing, and kills lem then.
pub(crate) fn before_it_is_recorded(scene: &Scene, words: &[&str]) {
    let mut lem: Running = scene.start(words);
    eventually("the run has begun", || {
        scene.runs("nightly").first()?.join("started.json").exists().then_some(())
    });
    lem.signal(Signal::SIGSTOP);
    scene.write("results/nightly/go", "");
    eventually("the run has ended", || mark(scene));
    lem.kill();
}

/// How the first run ended, by its own account.
pub(crate) fn mark(scene: &Scene) -> Option<Value> {
    let text = std::fs::read(scene.runs("nightly").first()?.join("ended.json")).ok()?;
    serde_json::from_slice(&text).ok()
}
