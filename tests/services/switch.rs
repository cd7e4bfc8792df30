//! One service after the other: who stops first, who stays, who is not touched (F2, F5, F8, F20–F22,
//! F25, F35).

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::support::engine;
use crate::world::{Kind, World, of_both_kinds};

of_both_kinds!(
    every_verb_does_the_same_for_both_kinds,
    a_stop_that_fails_leaves_the_next_one_unstarted_and_force_ends_it,
);

/// Seconds since 1970, as `docker events` takes them.
fn now() -> String {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64().to_string()
}

// F8: asked of the engine, not of lem.
#[test]
fn the_engine_sees_the_previous_one_die_before_the_next_one_starts() {
    let mut world = World::with_containers();
    let a = world.service(Kind::Container, "a", 50_000, "--stop 300ms", "");
    let b = world.service(Kind::Container, "b", 50_000, "", "");
    world.ensure(&["a"]);
    assert!(a.pid().is_some());
    let since = now();
    world.lem(&["switch", "b"]).expect(0);
    let until = now();
    let label = format!("label=com.docker.compose.project={}", world.scene.project);
    let format = r#"{{.Action}} {{index .Actor.Attributes "com.docker.compose.service"}}"#;
    let words = ["events", "--since", &since, "--until", &until, "--filter", &label];
    let events = engine::docker(&[&words[..], &["--format", format]].concat());
    let events: Vec<&str> = events.lines().filter(|it| ["die a", "start b"].contains(it)).collect();
    assert_eq!(events, ["die a", "start b"]);
    assert!(a.pid().is_none() && b.pid().is_some());
}

// F2, F18, F22, F36
fn every_verb_does_the_same_for_both_kinds(kind: Kind) {
    let mut world = World::for_kind(kind);
    let a = world.service(kind, "a", 20_000, "", "evict: {kind: vllm-sleep}");
    let _b = world.service(kind, "b", 20_000, "", "pipeline_phases: [1]");
    let steps = |words: &[&str]| {
        let document = world.document(words, 0);
        assert_eq!(document["exit_code"], 0, "{document}");
        let step = |it: &serde_json::Value| format!("{} {}", it["step"], it["service"]);
        let steps: Vec<String> = document["steps"].as_array().unwrap().iter().map(step).collect();
        steps.join(", ").replace('"', "")
    };
    world.lem(&["service", "status", "a"]).expect(3);
    assert_eq!(steps(&["service", "ensure", "a"]), "start a");
    assert_eq!(steps(&["service", "ensure", "a"]), "reuse a");
    world.lem(&["service", "status", "a"]).expect(0);
    let row = world.status("a");
    assert_eq!((&row["state"], &row["health"]), (&json!("ready"), &json!("healthy")), "{row}");
    let lives = if kind == Kind::Native { "pid" } else { "container_id" };
    let before = row[lives].clone();
    assert!(!before.is_null(), "{row}");
    let freed = world.document(&["service", "evict", "a"], 0);
    assert_eq!(freed["services"][0]["service"], "a", "{freed}");
    assert_eq!(world.status("a")[lives], before);

    assert_eq!(steps(&["switch", "b"]), "stop a, start b");
    assert_eq!(steps(&["switch", "b"]), "reuse b");
    assert!(a.pid().is_none());
    assert_eq!(steps(&["phase", "1"]), "reuse b");
    world.lem(&["lock", "--needs", "b", "--", "true"]).expect(0);
    assert_eq!(steps(&["service", "stop", "b"]), "stop b");
    assert_eq!(steps(&["service", "stop", "b"]), "");
    assert_eq!(steps(&["service", "stop", "--all"]), "");
    assert_eq!((world.state("a"), world.state("b")), ("stopped".into(), "stopped".into()));
    let stats = world.document(&["service", "stats"], 0);
    assert!(stats.to_string().contains("\"a\""), "{stats}");
    assert_eq!(world.containers(), []);
}

// F8, F20, F21
fn a_stop_that_fails_leaves_the_next_one_unstarted_and_force_ends_it(kind: Kind) {
    let mut world = World::for_kind(kind);
    let a = world.service(kind, "a", 50_000, "--ignore-term", "stop_grace_period: 300ms");
    let b = world.service(kind, "b", 50_000, "", "");
    world.ensure(&["a"]);
    let failed = world.document(&["switch", "b"], 1);
    assert!(failed["error"].as_str().unwrap().contains("`a` did not stop"), "{failed}");
    assert_eq!(world.count("b", "started"), 0);
    assert!(a.pid().is_some());
    assert_eq!((world.state("a"), world.state("b")), ("ready".into(), "stopped".into()));

    let forced = world.document(&["service", "stop", "a", "--force"], 0);
    assert_eq!(forced["steps"][0]["escalated"], true, "{forced}");
    assert_eq!((world.state("a"), a.pid()), ("stopped".into(), None));
    world.lem(&["switch", "b"]).expect(0);
    assert!(b.pid().is_some());
}

// F2
#[test]
fn a_switch_leads_from_one_kind_to_the_other_and_back() {
    let mut world = World::with_containers();
    let native = world.service(Kind::Native, "native", 50_000, "", "");
    let contained = world.service(Kind::Container, "contained", 50_000, "", "");
    world.ensure(&["native"]);
    world.lem(&["switch", "contained"]).expect(0);
    assert_eq!((native.processes(), world.containers().len()), (vec![], 1));
    assert!(world.when("contained", "started") >= world.when("native", "stopped"));
    world.lem(&["switch", "native"]).expect(0);
    assert_eq!((native.processes().len(), world.containers().len()), (1, 0));
    assert!(contained.pid().is_none());
    assert!(world.when("native", "started") >= world.when("contained", "stopped"));
}

// F5
#[test]
fn what_is_pinned_and_what_runs_side_by_side_stays() {
    let mut world = World::native();
    let pinned = world.service(Kind::Native, "pinned", 10_000, "", "pinned: true");
    let a = world.service(Kind::Native, "a", 10_000, "", "");
    let beside = world.service(Kind::Native, "beside", 10_000, "", "sequential: false");
    let large = world.service(Kind::Native, "large", 55_000, "", "sequential: false");
    world.ensure(&["pinned", "a"]);
    let pids = (pinned.pid(), a.pid());
    world.lem(&["switch", "beside"]).expect(0);
    assert_eq!((pinned.pid(), a.pid()), pids);
    assert!(beside.pid().is_some());
    world.ensure(&["a"]);
    // Both fit no longer, and the one that was not used the longest goes.
    world.lem(&["switch", "large", "--preempt"]).expect(0);
    assert_eq!((pinned.pid(), a.pid()), pids);
    assert_eq!((beside.pid(), large.pid().is_some()), (None, true));
    world.lem(&["switch", "a"]).expect(0);
    world.lem(&["switch", "beside"]).expect(0);
    world.lem(&["service", "stop", "beside"]).expect(0);
    assert_eq!(pinned.pid(), pids.0);
}

// F25
#[test]
fn a_phase_keeps_what_both_phases_need_and_stops_only_what_is_in_its_way() {
    let mut world = World::native();
    let both = world.service(Kind::Native, "both", 20_000, "", "pipeline_phases: [3, 4]");
    let third = world.service(Kind::Native, "third", 50_000, "", "pipeline_phases: [3]");
    let small = world.service(Kind::Native, "small", 2_000, "", "pipeline_phases: [3]");
    let fourth = world.service(Kind::Native, "fourth", 50_000, "", "pipeline_phases: [4]");
    world.lem(&["phase", "3"]).expect(0);
    let kept = (both.pid(), small.pid());
    assert!(kept.0.is_some() && third.pid().is_some() && kept.1.is_some());
    let planned = world.document(&["phase", "4", "--dry-run"], 0);
    let done = world.document(&["phase", "4"], 0);
    assert_eq!((both.pid(), small.pid()), kept);
    assert!(third.pid().is_none() && fourth.pid().is_some());
    let words = |document: &serde_json::Value| {
        let steps = document["steps"].as_array().unwrap().clone();
        steps.iter().map(|it| format!("{} {}", it["step"], it["service"])).collect::<Vec<_>>()
    };
    // F7
    assert_eq!(words(&planned), words(&done));
    world.lem(&["phase", "7"]).expect(2).says(&["phase 7"]);
}

// F35
#[test]
fn what_a_service_needs_starts_before_it_and_stops_after_it() {
    let mut world = World::native();
    let store = world.service(Kind::Native, "store", 1_000, "--load 300ms", "");
    let model = world.service(Kind::Native, "model", 1_000, "", "depends_on: [store]");
    let front = world.service(Kind::Native, "front", 1_000, "", "depends_on: [model]");
    world.ensure(&["front"]);
    assert!(world.when("model", "started") >= world.when("store", "loaded"));
    assert!(world.when("front", "started") >= world.when("model", "loaded"));
    let pids = (store.pid(), model.pid(), front.pid());

    let refused = world.lem(&["service", "stop", "store"]).expect(75);
    refused.says(&["model", "front", "--cascade"]);
    assert_eq!((store.pid(), model.pid(), front.pid()), pids);
    world.lem(&["service", "stop", "store", "--cascade"]).expect(0);
    assert_eq!((store.pid(), model.pid(), front.pid()), (None, None, None));
    assert!(world.when("front", "stopped") <= world.when("model", "told to stop"));
    assert!(world.when("model", "stopped") <= world.when("store", "told to stop"));

    world.register("one", "type: native, start_cmd: ['true'], depends_on: [other]");
    world.register("other", "type: native, start_cmd: ['true'], depends_on: [one]");
    world.lem(&["service", "ensure", "front"]).expect(2).says(&["one", "other"]);
    assert_eq!(front.pid(), None);
}
