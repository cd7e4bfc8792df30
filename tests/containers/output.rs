//! Runs that say very much: the log has all of it, lem little in its memory, the engine no second
//! copy.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::scene::campaign_words;
use crate::support::{Scene, Strategy, engine, eventually, in_both_strategies, processes, within};

in_both_strategies!(
    a_log_has_every_byte_and_lem_keeps_none,
    what_a_run_leaves_behind_holds_up_nothing_and_says_nothing_more,
);

/// Most of it on one line, some of it lines, and bytes that are no text.
const MIX: [(&str, u64); 3] = [("/dev/zero", 5), ("lines", 2), ("/dev/urandom", 1)];

fn a_log_has_every_byte_and_lem_keeps_none(strategy: Strategy) {
    says(strategy, 64);
}

#[test]
#[ignore = "a gigabyte takes minutes and 3 GB of disk: `cargo test --test containers -- --ignored`"]
fn a_log_of_a_gigabyte_has_every_byte_and_lem_keeps_none() {
    says(Strategy::Ephemeral, 1024);
    says(Strategy::Persistent, 1024);
}

/// A script that says so many MiB.
fn talk(mebibytes: u64) -> String {
    let parts = MIX.map(|(what, eighths)| {
        let count = mebibytes * eighths / 8;
        match what {
            "lines" => {
                format!("yes 'a line of some length' | dd bs=1M iflag=fullblock count={count}")
            }
            file => format!("dd if={file} bs=1M count={count}"),
        }
    });
    parts.map(|part| format!("{part} 2>/dev/null")).join("; ")
}

fn says(strategy: Strategy, mebibytes: u64) {
    let scene = Scene::new();
    scene.bench();
    let wait = "while [ ! -e $GO ]; do sleep 0.1; done";
    scene.scripts(&[&talk(mebibytes), wait], "");
    let mut lem = scene.start(&[&campaign_words(strategy)[..], &["-v"]].concat());
    lem.event("run_started");
    let mut follower = scene.start(&["logs", "--follow", "1"]);

    let length = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    let patience = Duration::from_secs(60 + mebibytes);
    let mut peak = 0;
    within(patience, "the second run has begun", || {
        peak = peak.max(processes::peak_mebibytes(follower.pid()).unwrap_or_default());
        scene.runs("nightly").get(1)?.join("started.json").exists().then_some(())
    });
    let log = scene.runs("nightly")[0].join("output.log");
    assert_eq!(length(&log), mebibytes << 20);
    let peak_of_lem = processes::peak_mebibytes(lem.pid()).unwrap();
    assert!(peak_of_lem < 100, "lem had {peak_of_lem} MiB");
    assert!(lem.stderr_length() >= mebibytes << 20, "-v shows it all");

    assert_eq!(follower.wait_for_code(), Some(0));
    assert_eq!(follower.stdout_length(), mebibytes << 20);
    assert!(peak < 100, "`lem logs` had {peak} MiB");
    scene.write("results/nightly/go", "");
    assert_eq!(lem.wait_for_code(), Some(0));
}

fn what_a_run_leaves_behind_holds_up_nothing_and_says_nothing_more(strategy: Strategy) {
    let scene = Scene::new();
    scene.bench();
    let left = "setsid sh -c 'while :; do echo more; sleep 0.05; done' & echo early; exit 0";
    scene.scripts(&[left, "while [ ! -e $GO ]; do sleep 0.1; done"], "stop_grace_period: 1");
    let mut lem = scene.start_campaign(strategy, &[]);
    let ended = lem.event("run_ended");
    assert_eq!(ended["verdict"], "completed");
    let log = scene.runs("nightly")[0].join("output.log");
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("early"), "{text}");
    eventually("the next run goes on", || {
        scene.runs("nightly").get(1)?.join("started.json").exists().then_some(())
    });
    assert_eq!(fs::read_to_string(&log).unwrap(), text);
    scene.write("results/nightly/go", "");
    lem.wait().expect(0);
}

#[test]
fn the_engine_keeps_the_end_of_an_output_alone() {
    for (logging, kept) in [
        ("", r#"{"Type":"json-file","Config":{"max-file":"2","max-size":"50m"}}"#),
        (", logging: {driver: none}", r#"{"Type":"none","Config":{}}"#),
    ] {
        let scene = Scene::new();
        scene.services(&format!("  bench: {{image: <busybox>, network_mode: none{logging}}}\n"));
        scene.scripts(&["while [ ! -e $GO ]; do sleep 0.1; done"], "");
        let mut lem = scene.start_campaign(Strategy::Ephemeral, &[]);
        eventually("the run has begun", || {
            scene.runs("nightly").first()?.join("started.json").exists().then_some(())
        });
        let name = engine::owned(&scene.project).remove(0).id;
        let format = ["inspect", "--format", "{{json .HostConfig.LogConfig}}", &name];
        let config: serde_json::Value = serde_json::from_str(&engine::docker(&format)).unwrap();
        assert_eq!(config, serde_json::from_str::<serde_json::Value>(kept).unwrap());
        scene.write("results/nightly/go", "");
        lem.wait().expect(0);
    }
}
