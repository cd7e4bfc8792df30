//! `lem ops`, `lem queue`, `lem locks`, `lem why` and `lem ops stats`: what is being done, by whom,
//! who waits for whom, and what became of it.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{eventually, within};
use crate::world::{Held, World};

/// The number of the only one that waits.
fn waiting(world: &World) -> i64 {
    eventually("one waits", || world.document(&["queue", "--json"], 0)[0]["id"].as_i64())
}

fn operation(world: &World, id: i64) -> Value {
    world.document(&["why", &id.to_string(), "--json"], 0)["operation"].clone()
}

#[test]
fn where_nothing_was_ever_asked_for_there_is_nothing_to_see_and_no_ledger_is_made() {
    let world = World::of_names_in_a_file();
    let seen = world.document(&["ops", "--json"], 0);
    for part in ["containers", "operations", "queue", "locks"] {
        assert_eq!(seen[part], Value::Array(Vec::new()), "{part}");
    }
    assert_eq!(seen["today"]["requested"], 0);
    for words in [&["queue"][..], &["locks"], &["ops"], &["ops", "--all"], &["ops", "stats"]] {
        world.lem(words).expect(0);
    }
    world.lem(&["why", "1"]).expect(2).says(&["there is no operation 1"]);
    assert!(!world.scene.path("machine").exists());
}

#[test]
fn one_look_shows_who_acts_who_waits_for_whom_and_what_is_held() {
    let world = World::of_names();
    let held = world.hold(&[
        "restart",
        "api",
        "--agent",
        "ci-42",
        "--expect",
        "100s",
        "--reason",
        "a new certificate",
    ]);
    let queued = world.queue(&["config", "api", "--agent", "coder-1", "--priority", "8"]);
    let id = waiting(&world);

    let seen = world.document(&["ops", "--json"], 0);
    let active = &seen["operations"][0];
    assert_eq!(active["id"], held.id);
    assert_eq!((&active["kind"], &active["agent"]), (&"restart".into(), &"ci-42".into()));
    assert_eq!((&active["liveness"], &active["state"]), (&"lives".into(), &"active".into()));
    assert_eq!(active["reason"], "a new certificate");
    assert!(active["left_seconds"].as_f64().unwrap() > 60.0, "{active}");
    let waits = &seen["queue"][0];
    assert_eq!((&waits["id"], &waits["position"]), (&id.into(), &1.into()));
    assert_eq!((&waits["agent"], &waits["priority"]), (&"coder-1".into(), &8.into()));
    assert_eq!(waits["behind"][0]["id"], held.id);
    assert_eq!(waits["behind"][0]["severity"], "high");
    assert!(waits["expected_wait_seconds"].as_f64().unwrap() > 60.0, "{waits}");
    let lock = &seen["locks"][0];
    assert_eq!((&lock["operation"], &lock["name"]), (&held.id.into(), &"api".into()));
    assert_eq!(lock["mode"], "exclusive");
    assert_eq!(seen["today"]["requested"], 2);

    let text = world.lem(&["ops"]).expect(0).stdout;
    for word in ["restart api", "ci-42", "config api", "coder-1", "today: 2 requested"] {
        assert!(text.contains(word), "no `{word}` in:\n{text}");
    }
    assert!(world.lem(&["queue"]).expect(0).stdout.contains("config api"));
    assert!(world.lem(&["locks"]).expect(0).stdout.contains("exclusive"));

    held.end().expect(0);
    queued.end().expect(0);
    let seen = world.document(&["ops", "--json"], 0);
    assert_eq!((&seen["today"]["done"], &seen["today"]["lost"]), (&2.into(), &0.into()));
    assert_eq!(seen["operations"], Value::Array(Vec::new()));
}

#[test]
fn why_names_the_verdict_the_reason_and_who_is_in_the_way() {
    let world = World::of_names();
    let held = world.hold(&["restart", "api", "--agent", "ci-42"]);
    let refused = world.document(&["op", "restart", "api", "--json", "--", "true"], 75);
    let _config = world.queue(&["config", "api"]);
    let _scale = world.queue(&["scale", "api"]);
    let scale = eventually("two wait", || {
        let queue = world.document(&["queue", "--json"], 0);
        let row = queue.as_array().unwrap().iter().find(|it| it["kind"] == "scale")?;
        (queue.as_array().unwrap().len() == 2).then(|| row["id"].as_i64().unwrap())
    });
    let told = world.document(&["why", &scale.to_string(), "--json"], 0);
    assert_eq!(told["behind"][0]["operation"]["id"], held.id);
    assert_eq!(told["behind"][0]["severity"], "high");
    assert_eq!(told["behind"][0]["reason"], "replicas come and go under the restart");
    // A restart that nobody said more of takes half a minute.
    let wait = told["expected_wait_seconds"].as_f64().unwrap();
    assert!((20.0..36.0).contains(&wait), "{told}");
    assert_eq!(told["history"][0]["what"], "queued");

    // Refused ones get a number too.
    let all = world.document(&["ops", "--all", "--json"], 0);
    let rows = all.as_array().unwrap();
    let own = rows.iter().find(|row| row["state"] == "rejected").unwrap();
    assert_eq!(refused["state"], "rejected");
    let id = own["id"].to_string();
    let told = world.document(&["why", &id, "--json"], 0);
    let met = &told["behind"][0];
    assert_eq!((&met["severity"], &met["wants"]), (&"critical".into(), &"restart api".into()));
    assert_eq!(met["reason"], "a second restart repeats the first");
    assert_eq!(met["operation"]["agent"], "ci-42");
    let text = world.lem(&["why", &id]).expect(0).stdout;
    for word in ["rejected", "critical: a second restart repeats", "ci-42", "restart api"] {
        assert!(text.contains(word), "no `{word}` in:\n{text}");
    }
}

#[test]
fn what_a_killed_lem_leaves_is_shown_as_what_it_is() {
    let world = World::of_names();
    let mut held = world.hold(&["restart", "api", "--settle", "60s"]);
    held.lem.kill();
    let liveness = || operation(&world, held.id)["liveness"].as_str().unwrap_or("-").to_owned();
    within(std::time::Duration::from_secs(5), "its command has it", || {
        (liveness() == "held by a descendant").then_some(())
    });
    held.let_go();
    // Nobody has noted yet that it is free: what settles is shown by who asks next.
    let mut other = world.queue(&["config", "api"]);
    other.says("waits for");
    eventually("it settles", || (liveness() == "settling").then_some(()));
    let seen = world.document(&["ops", "--json"], 0);
    let left = seen["operations"][0]["liveness_seconds"].as_f64().unwrap();
    assert!((30.0..=60.0).contains(&left), "{seen}");
    let place = &seen["queue"][0];
    let wait = place["expected_wait_seconds"].as_f64().unwrap();
    assert!((wait - left).abs() < 2.0, "{place}");
}

#[test]
fn what_a_killed_lem_leaves_runs_out_though_nobody_comes_but_to_look() {
    let world = World::of_names();
    let mut held = world.hold(&["restart", "api", "--settle", "2s"]);
    held.lem.kill();
    held.let_go();
    eventually("nothing runs", || {
        let seen = world.document(&["ops", "--json"], 0);
        (seen["operations"] == Value::Array(Vec::new())).then_some(())
    });
    world.lem(&["op", "restart", "api", "--no-wait", "--", "true"]).expect(0);
    assert_eq!(operation(&world, held.id)["state"], "lost");
}

#[test]
fn an_operation_whose_owner_is_gone_is_lost_before_anybody_has_noted_it() {
    let world = World::of_names();
    let mut held = world.hold(&["read", "api"]);
    held.let_go();
    held.lem.kill();
    eventually("nothing runs", || {
        let seen = world.document(&["ops", "--json"], 0);
        (seen["operations"] == Value::Array(Vec::new())).then_some(())
    });
    let own = operation(&world, held.id);
    // Its command may have ended in the moment before.
    let state = own["state"].as_str().unwrap();
    assert!(matches!(state, "lost" | "done"), "{own}");
    let seen = world.document(&["ops", "--json"], 0);
    assert_eq!(seen["today"][state], 1, "{seen}");
    world.lem(&["wait", &held.id.to_string()]).expect(i32::from(state == "lost"));
}

#[test]
fn an_owner_that_stands_still_is_stalled_after_a_minute_of_silence() {
    let world = World::of_names_in_a_file();
    let held = world.hold(&["restart", "api"]);
    held.lem.signal(Signal::SIGSTOP);
    // Nobody waits a minute here: the last word of the owner is put a minute back.
    let ledger = world.scene.path("machine/local/coordination/ledger.db");
    age_heartbeats(&ledger, 90_000);
    let own = operation(&world, held.id);
    assert_eq!(own["liveness"], "stalled", "{own}");
    assert!(own["liveness_seconds"].as_f64().unwrap() >= 90.0, "{own}");
    let id = held.id.to_string();
    let unlock = ["unlock", "--force", &id, "--reason", "it hangs"];
    world.lem(&unlock).expect(75).says(&["stalled", "--kill-stalled"]);
    let ended = world.lem(&[&unlock[..], &["--kill-stalled"]].concat()).expect(0);
    assert!(ended.stdout.contains("lost") || ended.stdout.contains("cancelled"), "{ended:?}");
    world.lem(&["op", "restart", "api", "--no-wait", "--", "true"]).expect(0);
}

fn age_heartbeats(ledger: &std::path::Path, by: i64) {
    use diesel::prelude::*;
    let mut db = diesel::sqlite::SqliteConnection::establish(ledger.to_str().unwrap()).unwrap();
    let text = format!("UPDATE owners SET heartbeat = heartbeat - {by}");
    diesel::sql_query(text).execute(&mut db).unwrap();
}

#[test]
fn numbers_are_of_each_kind_and_agent() {
    let world = World::of_names();
    let lem = |agent: &str, command: &str, code| {
        let words = ["op", "restart", "api", "--agent", agent, "--", "sh", "-c", command];
        world.lem(&words).expect(code);
    };
    lem("one", "exit 0", 0);
    lem("one", "exit 3", 3);
    let held: Held = world.hold(&["restart", "api", "--agent", "two"]);
    world.lem(&["op", "restart", "api", "--agent", "one", "--", "true"]).expect(75);
    held.end().expect(0);
    let numbers = world.document(&["ops", "stats", "--json"], 0);
    let kind = &numbers["kinds"]["restart"];
    assert_eq!((&kind["requested"], &kind["blocked"]), (&4.into(), &1.into()), "{numbers}");
    assert_eq!((&kind["outcomes"]["done"], &kind["outcomes"]["failed"]), (&2.into(), &1.into()));
    assert!(kind["seconds"]["p50"].as_f64().is_some(), "{numbers}");
    assert_eq!(numbers["agents"]["one"]["requested"], 3);
    assert_eq!(numbers["agents"]["two"]["outcomes"]["done"], 1);
    let text = world.lem(&["ops", "stats"]).expect(0).stdout;
    assert!(text.contains("restart") && text.contains("2 done"), "{text}");
}
