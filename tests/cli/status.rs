//! `lem status`: what runs is seen from anywhere, by who lives, and seeing it changes nothing.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::stubborn::let_go;
use crate::support::{Ended, Running, Scene, Stubborn};

const WORDS: [&str; 6] = ["campaign", "campaign.yaml", "--yes", "--json", "--runner", "local"];

/// `lem` with these words, in a folder that has nothing to do with the campaign.
fn elsewhere(scene: &Scene, words: &[&str]) -> Ended {
    std::fs::create_dir_all(scene.path("elsewhere")).unwrap();
    let mut command = scene.command(words);
    Running::start(command.current_dir(scene.path("elsewhere"))).wait()
}

/// The campaigns that `lem status` shows.
#[track_caller]
fn shown(scene: &Scene, words: &[&str]) -> Vec<Value> {
    let ended = elsewhere(scene, &[&["status", "--json"], words].concat()).expect(0);
    serde_json::from_str(&ended.stdout).unwrap()
}

#[test]
fn a_campaign_that_runs_is_seen_from_anywhere_and_no_file_is_made() {
    let scene = Scene::without_containers();
    let run = Stubborn::start(&scene, &WORDS);
    std::fs::create_dir_all(scene.path("elsewhere")).unwrap();
    let before = scene.listing();

    let rows = shown(&scene, &[]);

    assert_eq!(scene.listing(), before);
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((&row["campaign"], &row["state"]), (&"nightly".into(), &"running".into()));
    assert_eq!(
        (&row["campaign_id"], &row["pid"]),
        (&run.campaign.clone().into(), &run.lem.pid().into())
    );
    assert_eq!(
        (&row["total"], &row["completed"], &row["failed"]),
        (&3.into(), &1.into(), &0.into())
    );
    assert_eq!((&row["now"]["cycle"], &row["now"]["attempt"]), (&1.into(), &1.into()));
    assert_eq!(row["now"]["run"], format!("{}-0002", &run.campaign[..8]));
    assert!(row["seconds_left"].is_number(), "{row}");
    assert_eq!(PathBuf::from(row["results"].as_str().unwrap()), scene.path("results/nightly"));
    let text = elsewhere(&scene, &["status"]).expect(0).stdout;
    for word in [&format!("nightly  running, pid {}", run.lem.pid()), "1 of 3 done", "left"] {
        assert!(text.contains(word), "no `{word}` in {text}");
    }
}

#[test]
fn a_campaign_whose_lem_was_killed_is_interrupted() {
    let scene = Scene::without_containers();
    let mut run = Stubborn::start(&scene, &WORDS);
    run.lem.kill();
    std::fs::create_dir_all(scene.path("elsewhere")).unwrap();
    let before = scene.listing();
    let rows = shown(&scene, &[]);
    assert_eq!(scene.listing(), before);
    assert_eq!((&rows[0]["state"], &rows[0]["pid"]), (&"interrupted".into(), &Value::Null));
    assert_eq!(rows[0]["now"], Value::Null, "nobody saw the end of that run");

    run.leaves_nothing();
    let_go(&scene);
    scene.lem(&["resume", "--yes", "--json"]).expect(0);
    assert_eq!(shown(&scene, &[]), Vec::<Value>::new());
    let rows = shown(&scene, &["--all"]);
    assert_eq!((&rows[0]["state"], &rows[0]["completed"]), (&"finished".into(), &3.into()));
}

#[test]
fn where_nothing_was_ever_started_nothing_is_shown_and_nothing_is_made() {
    let scene = Scene::without_containers();
    let before = scene.listing();
    let ended = scene.lem(&["status"]).expect(0);
    ended.says(&["no campaign runs"]);
    assert_eq!((ended.stdout.as_str(), scene.listing()), ("", before));
    assert_eq!(scene.lem(&["status", "--json"]).expect(0).stdout, "[]\n");
}

#[test]
fn a_record_that_is_gone_or_broken_is_a_note_beside_the_others() {
    let scene = Scene::without_containers();
    for (folder, name) in [("a", "gone"), ("b", "broken"), ("c", "whole")] {
        scene.campaign_of(&format!("{folder}/campaign.yaml"), name, &["true"], "");
        let file = format!("{folder}/campaign.yaml");
        scene.lem(&["campaign", &file, "--runner", "local"]).expect(0);
    }
    std::fs::remove_dir_all(scene.path("a")).unwrap();
    scene.write("b/.state/lem.db", "this is no database, however long one looks at it");
    let ended = elsewhere(&scene, &["status", "--all"]).expect(0);
    assert!(ended.stdout.starts_with("whole  finished"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("broken  "), "{}", ended.stdout);
    ended.says(&["the record is not there any more", "b/.state/lem.db", "not a database"]);
}

#[test]
fn many_who_look_keep_nobody_from_starting() {
    let scene = Scene::without_containers();
    scene.scripts(&["true"], "");
    scene.lem(&WORDS).expect(0);
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    scene.lem(&["status", "--all"]).expect(0);
                }
            });
        }
        let ended: Vec<_> = (0..8).map(|_| scene.lem(&WORDS).code).collect();
        enough.store(true, Ordering::Relaxed);
        assert_eq!(ended, [Some(0); 8]);
    });
}

#[test]
fn a_campaign_that_is_named_is_shown_with_each_of_its_runs() {
    let scene = Scene::without_containers();
    scene.scripts(&["true", "exit 3"], "stop_after_failures: 1");
    scene.lem(&[&WORDS[..], &["--structure", "grouped", "--cycles", "2"]].concat()).expect(1);

    let rows = shown(&scene, &["nightly"]);

    let runs = rows[0]["runs"].as_array().unwrap();
    let states: Vec<&str> = runs.iter().map(|run| run["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["completed", "completed", "failed", "pending"]);
    let text = elsewhere(&scene, &["status", "nightly"]).expect(0).stdout;
    assert!(text.contains("#3  ") && text.contains("script=exit 3 (cycle 1)  failed"), "{text}");
    elsewhere(&scene, &["status", "weekly"]).expect(2).says(&["no campaign `weekly`"]);
}
