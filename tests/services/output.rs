//! What programs read: one document on standard output, and lines of the journal (F36, F37).

use serde_json::Value;

use crate::world::{Kind, World};

// F36
#[test]
fn every_verb_prints_one_document_and_nothing_else() {
    let mut world = World::native();
    let keys = "evict: {kind: vllm-sleep}, pipeline_phases: [1]";
    let _a = world.service(Kind::Native, "a", 50_000, "--load 50ms", keys);
    let _b = world.service(Kind::Native, "b", 50_000, "", "");
    let _sick = world.service(Kind::Native, "sick", 50_000, "--crash-loop", "retry: {attempts: 1}");
    let _large = world.service(Kind::Native, "large", 90_000, "", "");
    for (words, code) in [
        (&["service", "status"][..], 0),
        (&["service", "ensure", "a", "--dry-run"], 0),
        (&["service", "ensure", "a"], 0),
        (&["service", "ensure", "a"], 0),
        (&["service", "status", "a"], 0),
        (&["service", "status", "b"], 3),
        (&["service", "evict", "a", "--dry-run"], 0),
        (&["service", "evict", "a"], 0),
        (&["service", "evict", "b"], 2),
        (&["switch", "b", "--dry-run"], 0),
        (&["switch", "b"], 0),
        (&["switch", "large"], 4),
        (&["phase", "1", "--preempt"], 0),
        (&["switch", "sick"], 1),
        (&["service", "status"], 0),
        (&["service", "stop", "--all", "--dry-run"], 0),
        (&["service", "stop", "--all"], 0),
        (&["service", "stop", "a"], 0),
        (&["service", "stats"], 0),
    ] {
        let ended = world.lem(&[words, &["--json"]].concat());
        assert_eq!(ended.code, Some(code), "{words:?}: {}", ended.stderr);
        let document: Result<Value, _> = serde_json::from_str(&ended.stdout);
        assert!(document.is_ok(), "{words:?}: `{}`", ended.stdout);
    }
}

// F37
#[test]
fn the_journal_tells_who_did_what_to_which_service_and_what_became_of_its_memory() {
    let mut world = World::native();
    let _a = world.service(Kind::Native, "a", 50_000, "", "");
    let _b = world.service(Kind::Native, "b", 40_000, "", "");
    world.ensure(&["a"]);
    let mut command = world.scene.command(&["switch", "b"]);
    let switched = world.fake.furnish(&mut command).env("LEM_AGENT", "nightly").status().unwrap();
    assert!(switched.success());
    let journal = world.journal();
    let [.., stop, start] = journal.as_slice() else { panic!("{journal:?}") };
    assert_eq!(stop["operation"], start["operation"]);
    for (line, act, service, from, to, before, after) in [
        (stop, "stop", "a", "ready", "stopped", 50_600, 600),
        (start, "start", "b", "stopped", "ready", 50_600, 40_600),
    ] {
        assert_eq!(line["agent"], "nightly");
        assert_eq!((&line["verb"], &line["outcome"]), (&"switch".into(), &"done".into()));
        let told = ["act", "service", "from", "to"].map(|key| line[key].as_str().unwrap());
        assert_eq!(told, [act, service, from, to]);
        assert_eq!(line["mib_after"]["0"], after, "{line}");
        assert_eq!(line["mib_before"]["0"], before, "{line}");
        assert!(line["seconds"].as_f64().unwrap() > 0.0 && line["at"].is_string(), "{line}");
    }
}

// F36
#[test]
fn what_fails_before_anything_is_done_is_a_document_too() {
    let mut world = World::native();
    world.service(Kind::Native, "a", 90_000, "", "pipeline_phases: [1]");
    for (words, code) in [
        (&["service", "ensure", "nosuch"][..], 2),
        (&["switch", "nosuch"], 2),
        (&["phase", "9"], 2),
        (&["switch", "a"], 4),
        (&["switch", "a", "--dry-run"], 4),
        (&["service", "ensure", "a", "--registry", "nowhere.yaml"], 2),
        (&["service", "stop", "nosuch"], 2),
        (&["service", "stop", "nosuch", "--dry-run"], 2),
        (&["service", "evict", "nosuch"], 2),
        (&["service", "evict", "a", "--registry", "nowhere.yaml"], 2),
    ] {
        let document = world.document(words, code);
        assert_eq!(document["exit_code"], code, "{words:?}: {document}");
        assert!(document["error"].as_str().is_some_and(|error| !error.is_empty()), "{document}");
    }
}
