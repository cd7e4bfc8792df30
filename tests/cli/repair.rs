//! A record that is lost, damaged or behind, and a manifest where there is none.

use std::fs;

use serde_json::{Value, json};

use crate::support::stubborn::let_go;
use crate::support::{Ended, Scene, Stubborn};

const WORDS: [&str; 6] = ["campaign", "campaign.yaml", "--yes", "--json", "--runner", "local"];

fn more(scene: &Scene, words: &[&str]) -> Ended {
    scene.lem(&[&WORDS[..], words].concat())
}

/// A campaign of three runs, killed in its second.
fn killed(scene: &Scene) {
    let mut run = Stubborn::start(scene, &WORDS);
    run.lem.kill();
    run.leaves_nothing();
    let_go(scene);
}

fn lose_record(scene: &Scene) {
    fs::remove_dir_all(scene.path(".state")).unwrap();
}

fn manifest(scene: &Scene) -> Value {
    let text = fs::read(scene.path(".state/campaign_manifest.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn statuses(manifest: &Value) -> Vec<&str> {
    let entries = manifest["experiments"].as_array().unwrap();
    entries.iter().map(|entry| entry["status"].as_str().unwrap()).collect()
}

#[test]
fn a_lost_record_is_made_from_the_results_and_the_rest_is_done() {
    let scene = Scene::without_containers();
    killed(&scene);
    lose_record(&scene);
    more(&scene, &["--resume"]).expect(2).says(&["was never started", "lem repair"]);

    scene.lem(&["repair"]).expect(2).says(&["`--yes` answers it"]);
    let before = scene.listing();
    let said = scene.lem(&["repair", "--dry-run"]).expect(0).stdout;
    assert!(said.contains("3 runs: 1 completed, 0 failed, 2 to do"), "{said}");
    assert_eq!(scene.listing(), before);
    scene.lem(&["repair", "--yes"]).expect(0);
    let again = scene.lem(&["repair", "--yes"]).expect(0).stdout;
    assert!(again.contains("says what its results say"), "{again}");

    let resumed = scene.lem(&["resume", "--yes", "--json"]).expect(0);
    assert_eq!(resumed.started(), [2, 3], "in the same places, the same way");
    assert_eq!(resumed.all("run_started")[0]["attempt"], 2);
    assert_eq!(scene.runs("nightly").len(), 3);
}

#[test]
fn results_of_a_lem_that_left_no_facts_are_recognised_by_their_configuration() {
    let scene = Scene::without_containers();
    scene.scripts(&["true", "exit 3", "true"], "structure: shuffled, seed: 5");
    more(&scene, &["--skip", "3"]).expect(1);
    for run in scene.runs("nightly") {
        fs::remove_file(run.join("lem.json")).unwrap();
    }
    lose_record(&scene);
    let report = scene.lem(&["repair", "--yes", "--json", "--runner", "local"]).expect(0).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["record"], "missing");
    let execution = &report["executions"][0];
    let numbers = ["runs", "completed", "failed"].map(|key| execution[key].as_u64().unwrap());
    assert_eq!(numbers.iter().sum::<u64>(), 3 + 2);
    assert_eq!(more(&scene, &["--resume"]).expect(1).started(), [3]);
}

/// A campaign of two runs of which one is done, and whose record is damaged.
fn damaged(damage: impl Fn(Vec<u8>) -> Vec<u8>) -> (Scene, Vec<u8>) {
    let scene = Scene::without_containers();
    scene.scripts(&["true", "true"], "");
    more(&scene, &["--only", "1"]).expect(0);
    let path = scene.path(".state/lem.db");
    let rest = |end: &str| fs::remove_file(scene.path(&format!(".state/lem.db-{end}")));
    let _ = (rest("wal"), rest("shm"));
    let bytes = damage(fs::read(&path).unwrap());
    fs::write(path, &bytes).unwrap();
    (scene, bytes)
}

/// Repairs it, and goes on.
fn is_repaired(scene: &Scene, bytes: &[u8]) {
    scene.lem(&["repair", "--yes"]).expect(0);
    let kept = scene.listing().into_iter().find(|path| path.to_string_lossy().contains("damaged-"));
    assert!(fs::read(kept.unwrap()).unwrap() == bytes);
    assert_eq!(more(scene, &["--resume"]).expect(0).started(), [2]);
}

#[test]
fn a_damaged_record_is_moved_aside_and_never_deleted() {
    let (scene, bytes) = damaged(|_| b"rubbish ".repeat(1000));
    more(&scene, &["--resume"]).expect(3).says(&["is damaged", "lem repair"]);
    scene.lem(&["resume"]).expect(3).says(&["lem repair"]);
    assert_eq!(fs::read(scene.path(".state/lem.db")).unwrap(), bytes);
    is_repaired(&scene, &bytes);
}

#[test]
fn damage_in_the_middle_of_a_record_is_found_too() {
    let (scene, bytes) = damaged(|mut bytes| {
        let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
        bytes[page..].fill(0xa5);
        bytes
    });
    is_repaired(&scene, &bytes);
}

/// Changes after which `SQLite` can read the record, and lem can't: tables that are not there, and
/// states that are none.
const ALTERATIONS: [&[(&str, &str)]; 4] = [
    &[("tablerunsruns", "tablerunxrunx"), ("TABLE runs", "TABLE runx")],
    &[
        ("tableexperimentsexperiments", "tableexperimentxexperimentx"),
        ("TABLE experiments", "TABLE experimentx"),
    ],
    &[("interrupted", "interruptex")],
    &[("pending", "pendinx")],
];

fn altered(words: &[(&str, &str)]) -> (Scene, Vec<u8>) {
    damaged(|mut bytes| {
        for (old, new) in words {
            let places = bytes.windows(old.len()).enumerate();
            let at: Vec<usize> = places.filter(|w| w.1 == old.as_bytes()).map(|w| w.0).collect();
            assert!(!at.is_empty(), "no {old}");
            for at in at {
                bytes[at..at + old.len()].copy_from_slice(new.as_bytes());
            }
        }
        bytes
    })
}

#[test]
fn a_record_whose_content_makes_no_sense_is_moved_aside_too() {
    for words in ALTERATIONS {
        let (scene, bytes) = altered(words);
        more(&scene, &["--resume"]).expect(3).says(&["lem repair"]);
        is_repaired(&scene, &bytes);
    }
}

#[test]
fn a_damaged_record_does_not_keep_a_campaign_from_starting_anew() {
    for words in ALTERATIONS {
        let (scene, bytes) = altered(words);
        more(&scene, &["--fresh", "--dry-run"]).expect(0);
        assert!(fs::read(scene.path(".state/lem.db")).unwrap() == bytes, "{words:?}");
        let anew = more(&scene, &["--fresh"]).expect(0);
        anew.says(&["it moves to", "lem.db.damaged-", "lem repair"]);
        assert_eq!(anew.started(), [1, 2]);
        let mut kept = scene.listing().into_iter();
        let kept = kept.find(|path| path.to_string_lossy().contains("damaged-")).unwrap();
        assert!(fs::read(kept).unwrap() == bytes, "{words:?}");
    }
}

#[test]
fn a_record_that_is_behind_learns_what_its_folders_prove() {
    let scene = Scene::without_containers();
    killed(&scene);
    // The run ended well, and lem was gone before it could write that down.
    let folder = &scene.runs("nightly")[1];
    let run = folder.file_name().unwrap().to_str().unwrap();
    let mut ended: Value =
        serde_json::from_slice(&fs::read(scene.runs("nightly")[0].join("ended.json")).unwrap())
            .unwrap();
    ended["run"] = run.into();
    fs::write(folder.join("ended.json"), ended.to_string()).unwrap();

    let said = scene.lem(&["repair", "--yes"]).expect(0).stdout;
    assert!(said.contains(&format!("run {run}: completed")), "{said}");
    assert_eq!(scene.lem(&["resume", "--yes", "--json"]).expect(0).started(), [3]);
}

#[test]
fn a_campaign_that_is_going_on_is_not_repaired() {
    let scene = Scene::without_containers();
    let _first = Stubborn::start(&scene, &WORDS).lem;
    scene.lem(&["repair", "--yes"]).expect(75).says(&["campaign `nightly`"]);
    scene.lem(&["repair", "--dry-run"]).expect(75);
}

#[test]
fn a_manifest_tells_other_tools_the_state() {
    let scene = Scene::without_containers();
    scene.scripts(&["echo {} >result.json", "exit 3", "true"], "");
    let ended = more(&scene, &["--skip", "3"]).expect(1);
    let written = manifest(&scene);
    assert_eq!(statuses(&written), ["completed", "failed", "pending"]);
    assert_eq!(written["campaign_id"], ended.summary()["campaign_id"]);
    assert_eq!(
        (&written["campaign_name"], &written["total_experiments"]),
        (&"nightly".into(), &3.into())
    );
    let first = &written["experiments"][0];
    assert_eq!((&first["cycle_index"], &first["backend"]), (&0.into(), &"bench".into()));
    assert!(fs::metadata(first["result_path"].as_str().unwrap()).unwrap().is_file());
    assert_eq!(written["experiments"][1]["error"], "failed");
    more(&scene, &["--resume"]).expect(1);
    assert_eq!(statuses(&manifest(&scene)), ["completed", "failed", "completed"]);
}

#[test]
fn a_manifest_of_another_tool_is_taken_over_once() {
    let scene = Scene::without_containers();
    for name in ["a", "b", "c", "d"] {
        scene.write(&format!("{name}.yaml"), "backend: bench\n");
    }
    scene.write(
        "campaign.yaml",
        "campaign_name: nightly\nconfigs: [a.yaml, b.yaml, c.yaml, d.yaml]\n\
         command: ['true']\nexecution: {cycles: 1}\n",
    );
    scene.write("results/aggregated/0001.json", "{}");
    let entry = |name: &str, cycle: u32, status: &str, result: Value| {
        json!({"exp_id": "0001", "config_name": name, "config_path": "x.yaml",
               "config_hash": "0123456789ab", "backend": "bench", "container": "bench",
               "cycle_index": cycle, "status": status, "result_path": result,
               "started_at": "2026-02-04T10:00:00.5", "completed_at": "2026-02-04T10:00:02",
               "error": null, "retry_count": 0})
    };
    let old = json!({
        "campaign_id": "f3829eb0", "campaign_name": "nightly", "config_hash": "ba9876543210",
        "created_at": "2026-02-04T10:00:00", "updated_at": "2026-02-04T11:00:00",
        "total_experiments": 5, "experiments": [
            entry("a", 0, "completed", "results/aggregated/0001.json".into()),
            entry("b", 0, "completed", "results/aggregated/0002.json".into()),
            entry("c", 0, "completed", Value::Null),
            entry("d", 0, "running", Value::Null),
            entry("other", 0, "completed", Value::Null),
        ]
    });
    scene.write(".state/campaign_manifest.json", &old.to_string());

    more(&scene, &[]).expect(2).says(&["was not finished", "`--resume`"]);
    let resumed = more(&scene, &["--resume"]).expect(0);
    resumed.says(&["2 of 4 runs are done", "1 completed, whose results are not where it says"]);
    resumed.says(&["1 completed, which the campaign does not have"]);
    assert_eq!(resumed.started(), [2, 4]);
    assert_eq!(statuses(&manifest(&scene)), ["completed"; 4]);
    more(&scene, &["--resume"]).expect(2).says(&["is finished"]);
}

#[test]
fn a_manifest_of_another_campaign_is_never_adopted_and_never_lost() {
    let scene = Scene::without_containers();
    scene.scripts(&["true"], "");
    let other = json!({"campaign_id": "1", "campaign_name": "other", "total_experiments": 0,
                       "experiments": []})
    .to_string();
    scene.write(".state/campaign_manifest.json", &other);
    more(&scene, &["--resume"]).expect(2).says(&["was never started"]);
    more(&scene, &[]).expect(0);
    let kept = scene.path(".state/campaign_manifest.other.json");
    assert_eq!(fs::read_to_string(kept).unwrap(), other);
    assert_eq!(manifest(&scene)["campaign_name"], "nightly");
}

#[test]
fn a_manifest_that_is_none_is_refused_and_kept() {
    let scene = Scene::without_containers();
    scene.scripts(&["true"], "");
    for rubbish in ["{\"campaign_name\": ", "[]", "{\"campaign_name\": 3}"] {
        scene.write(".state/campaign_manifest.json", rubbish);
        let refused = more(&scene, &[]).expect(2);
        refused.says(&["campaign_manifest.json` is no campaign manifest", "--fresh"]);
    }
    more(&scene, &["--fresh"]).expect(0);
    let kept =
        scene.listing().into_iter().find(|path| path.to_string_lossy().contains("unreadable"));
    assert_eq!(fs::read_to_string(kept.unwrap()).unwrap(), "{\"campaign_name\": 3}");
}

#[test]
fn executions_of_another_campaign_file_are_left_alone() {
    let scene = Scene::without_containers();
    let of = |folder: &str, words: &[&str]| {
        let file = format!("{folder}/campaign.yaml");
        let known = [&file, "--yes", "--runner", "local", "-o", "shared"];
        scene.lem(&[&words[..1], &known[..], &words[1..]].concat())
    };
    scene.campaign_of("b/campaign.yaml", "nightly", &["true", "touch b"], "");
    of("b", &["campaign", "--only", "1"]).expect(0);
    scene.campaign_of("a/campaign.yaml", "nightly", &["true", "touch a"], "");
    of("a", &["campaign", "--only", "1"]).expect(0);
    fs::remove_dir_all(scene.path("b/.state")).unwrap();

    let repaired = of("b", &["repair"]).expect(0);
    repaired.says(&["1 execution of other campaign files: left alone"]);
    assert!(repaired.stdout.contains("2 runs: 1 completed"), "{}", repaired.stdout);
    assert_eq!(repaired.stdout.matches("execution").count(), 1, "{}", repaired.stdout);
    assert_eq!(of("b", &["resume", "--json"]).expect(0).started(), [2]);
    let listing = scene.listing();
    let has = |name: &str| listing.iter().any(|path| path.is_file() && path.ends_with(name));
    assert!(has("b") && !has("a"), "{listing:?}");
}

#[test]
fn a_campaign_that_was_moved_is_repaired_where_it_is() {
    let scene = Scene::without_containers();
    scene.campaign_of("a/campaign.yaml", "nightly", &["true", "true"], "");
    let of = |words: &[&str]| scene.lem(&[words, &["--yes", "--json"]].concat());
    of(&["campaign", "a/campaign.yaml", "--runner", "local", "--only", "1"]).expect(0);
    fs::remove_dir_all(scene.path("a/.state")).unwrap();
    fs::rename(scene.path("a"), scene.path("b")).unwrap();
    of(&["repair", "b/campaign.yaml"]).expect(0);
    assert_eq!(of(&["resume", "b/campaign.yaml"]).expect(0).started(), [2]);
}

#[test]
fn two_campaigns_never_share_a_results_folder() {
    let scene = Scene::without_containers();
    scene.campaign_of("x.yaml", "a b", &["true"], "");
    scene.campaign_of("y.yaml", "a-b", &["true"], "");
    let run = |file: &str| scene.lem(&["campaign", file, "--yes", "--runner", "local"]);
    run("x.yaml").expect(0);
    run("y.yaml").expect(2).says(&["results/a-b` has the results of another campaign, `a b`"]);
    assert_eq!(scene.runs("a-b").len(), 1);
}

#[test]
fn an_old_execution_of_which_nothing_began_is_not_the_newest() {
    let scene = Scene::without_containers();
    scene.scripts(&["true", "true"], "");
    more(&scene, &[]).expect(0);
    for run in scene.runs("nightly") {
        fs::remove_file(run.join("started.json")).unwrap();
        fs::remove_file(run.join("ended.json")).unwrap();
    }
    more(&scene, &["--fresh"]).expect(0);
    // Somebody's folder, of which nothing is known.
    scene.write("results/nightly/0badc0de-0001/config.yaml", "config_name: other\n");
    lose_record(&scene);
    let report = scene.lem(&["repair", "--yes", "--json"]).expect(0).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["executions"].as_array().unwrap().len(), 2, "{report}");
    more(&scene, &["--resume"]).expect(2).says(&["`nightly` is finished"]);
}

const REMOVES: &str = "rm ../../../.state/lem.db*";

fn removed_meanwhile(scene: &Scene, words: &[&str]) {
    let ended = more(scene, words).expect(3);
    ended.says(&["lem.db` was removed while lem worked", "hint: `lem repair`"]);
    assert_eq!(ended.started(), [1]);
}

#[test]
fn a_record_that_is_removed_while_lem_works_ends_the_campaign_and_nothing_is_done_again_unasked() {
    let scene = Scene::without_containers();
    scene.scripts(&[REMOVES, "true"], "");
    removed_meanwhile(&scene, &[]);
    more(&scene, &[]).expect(2).says(&["has runs of it", "hint: `lem repair`"]);
    // A lem that is killed leaves none.
    fs::remove_file(scene.path(".state/campaign_manifest.json")).unwrap();
    for words in [&WORDS[..], &["resume", "campaign.yaml", "--yes"]] {
        let ended = scene.lem(words).expect(2);
        ended.says(&["results/nightly` has runs of it", "hint: `lem repair`", "--fresh"]);
    }
    assert_eq!(scene.runs("nightly").len(), 1);
    scene.lem(&["repair", "--yes"]).expect(0);
    assert_eq!(scene.lem(&["resume", "--yes", "--json"]).expect(0).started(), [2]);
}

#[test]
fn a_record_that_the_last_run_removes_is_missed_too_and_fresh_starts_anew_without_it() {
    let scene = Scene::without_containers();
    scene.scripts(&[REMOVES], "");
    removed_meanwhile(&scene, &[]);
    removed_meanwhile(&scene, &["--fresh"]);
    assert_eq!(scene.runs("nightly").len(), 2);
}
