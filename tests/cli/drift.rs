//! A campaign that goes on although something changed: its files, its cycles, the user's mind.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::stubborn::let_go;
use crate::support::{Ended, Scene, Stubborn};

const WORDS: [&str; 6] = ["campaign", "campaign.yaml", "--yes", "--json", "--runner", "local"];

/// A campaign of experiment files, each with a `batch`, that all do the same.
fn of_files(scene: &Scene, files: &[(&str, u32)], execution: &str) {
    for (name, batch) in files {
        let text = format!("backend: bench\nvllm: {{batch: {batch}, hf_token: secret-{batch}}}\n");
        scene.write(&format!("{name}.yaml"), &text);
    }
    let names: Vec<String> = files.iter().map(|(name, _)| format!("{name}.yaml")).collect();
    scene.write(
        "campaign.yaml",
        &format!(
            "campaign_name: nightly\nconfigs: [{}]\n\
             command: [sh, -c, 'echo {{vllm.batch}} > {{results}}/said']\n\
             execution: {{{execution}}}\n",
            names.join(", ")
        ),
    );
}

fn more(scene: &Scene, words: &[&str]) -> Ended {
    scene.lem(&[&WORDS[..], words].concat())
}

/// Experiments with their cycles, as they were started.
fn did(ended: &Ended) -> Vec<String> {
    let name = |event: &Value| {
        format!("{}{}@{}", event["experiment"].as_str().unwrap(), event["cycle"], event["position"])
    };
    ended.all("run_started").iter().map(name).collect()
}

#[test]
fn a_changed_campaign_goes_on_only_with_the_users_word() {
    let scene = Scene::without_containers();
    let mut run = Stubborn::start(&scene, &WORDS);
    run.lem.kill();
    run.leaves_nothing();
    scene.scripts(&["touch first", "touch third", "touch fourth"], "");

    let refused = scene.lem(&["resume", "--yes"]).expect(2);
    refused.says(&["`nightly` has changed since it began", "- bench-script=", "--accept-changes"]);
    refused.says(&["+ bench-script=touch fourth"]);
    scene.lem(&["resume", "--dry-run"]).expect(2);

    let resumed = scene.lem(&["resume", "--yes", "--json", "--accept-changes"]).expect(0);
    assert_eq!(resumed.started(), [3, 4], "the second is no part of it any more");
    let summary = resumed.summary();
    assert_eq!((&summary["total"], &summary["completed"]), (&3.into(), &3.into()));
    assert_eq!(summary["state"], "finished");
    let status = scene.lem(&["status", "--all", "--json"]).expect(0).stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!((&status[0]["total"], &status[0]["completed"]), (&3.into(), &3.into()));
    scene.lem(&["resume", "campaign.yaml"]).expect(2).says(&["`nightly` is finished"]);
    assert_eq!(scene.runs("nightly").len(), 4, "what was done stays");
}

#[test]
fn a_changed_experiment_shows_its_keys_and_no_secret() {
    let scene = Scene::without_containers();
    of_files(&scene, &[("a", 1), ("b", 1)], "cycles: 1");
    more(&scene, &["--only", "a"]).expect(0);
    of_files(&scene, &[("a", 1), ("b", 8)], "cycles: 1");
    let refused = more(&scene, &["--resume"]).expect(2);
    refused.says(&["~ b: vllm.batch 1 → 8"]);
    assert!(!refused.stderr.contains("secret"), "{}", refused.stderr);
    let resumed = more(&scene, &["--accept-changes"]).expect(0);
    assert_eq!(did(&resumed), ["b1@3"]);
    for file in ["lem.db", "lem.db-wal"] {
        let bytes = std::fs::read(scene.path(".state").join(file)).unwrap_or_default();
        assert!(!bytes.windows(7).any(|window| window == b"secret-"), "{file}");
    }
}

#[test]
fn equal_experiments_keep_names_of_their_own() {
    let scene = Scene::without_containers();
    of_files(&scene, &[("a", 1), ("b", 1)], "cycles: 1");
    more(&scene, &["--only", "a"]).expect(0);
    of_files(&scene, &[("a", 1), ("b", 1), ("c", 1)], "cycles: 1");
    let summary = more(&scene, &["--accept-changes"]).expect(0).summary();
    let names: Vec<&Value> =
        summary["experiments"].as_array().unwrap().iter().map(|e| &e["experiment"]).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(summary["experiments"][2]["completed"], 1);
}

#[test]
fn settings_that_change_no_run_are_no_change() {
    let scene = Scene::without_containers();
    of_files(&scene, &[("a", 1), ("b", 1)], "cycles: 1");
    more(&scene, &["--only", "1"]).expect(0);
    of_files(&scene, &[("a", 1), ("b", 1)], "cycles: 1, timeout: 1h, config_gap_seconds: 0");
    assert_eq!(more(&scene, &["--resume"]).expect(0).started(), [2]);
}

#[test]
fn more_cycles_are_added_to_a_finished_campaign_and_remembered() {
    let scene = Scene::without_containers();
    of_files(&scene, &[("a", 1), ("b", 1)], "structure: shuffled, seed: 3");
    more(&scene, &["--cycles", "1"]).expect(0);
    more(&scene, &["--resume"]).expect(2).says(&["`nightly` is finished", "--cycles N"]);

    let mut topped =
        scene.start(&[&WORDS[..], &["--resume", "--cycles", "2", "--config-gap", "1h"]].concat());
    topped.event("gap_started");
    topped.signal(Signal::SIGINT);
    let topped = topped.wait().expect(130);
    assert_eq!(topped.started(), [3]);
    topped.says(&["~ cycles: 1 → 2"]);
    let rest = scene.lem(&["resume", "--yes", "--json", "--config-gap", "0"]).expect(0);
    assert_eq!(rest.started(), [4], "two cycles, without saying so again");
    assert_eq!(rest.summary()["total"], 4);

    // The order is that of a campaign which had two cycles from the start.
    let whole = more(&scene, &["--cycles", "2", "--fresh"]).expect(0);
    let names = |ended: &Ended| -> Vec<Value> {
        ended.all("run_started").iter().map(|event| event["experiment"].clone()).collect()
    };
    assert_eq!(names(&whole)[2..], [names(&topped), names(&rest)].concat());
}

#[test]
fn fewer_cycles_leave_runs_out_when_they_are_said() {
    let scene = Scene::without_containers();
    of_files(&scene, &[("a", 1)], "cycles: 3");
    more(&scene, &["--only", "1"]).expect(0);
    of_files(&scene, &[("a", 1)], "cycles: 2");
    more(&scene, &["--resume"]).expect(2).says(&["~ cycles: 3 → 2", "--accept-changes"]);
    let resumed = more(&scene, &["--resume", "--cycles", "2"]).expect(0);
    assert_eq!(did(&resumed), ["a2@2"]);
    assert_eq!(resumed.summary()["total"], 2);
    // And back again: nothing is renumbered, nothing is done twice.
    assert_eq!(did(&more(&scene, &["--resume", "--cycles", "4"]).expect(0)), ["a3@3", "a4@4"]);
}

#[test]
fn failed_runs_are_tried_again_when_that_is_wanted() {
    let scene = Scene::without_containers();
    scene.scripts(&["true", "echo tried; [ -e $GO ]", "true"], "");
    assert_eq!(more(&scene, &[]).expect(1).verdicts(), ["completed", "failed", "completed"]);
    more(&scene, &["--resume"]).expect(2).says(&["is finished", "--retry-failed"]);
    scene.lem(&["resume"]).expect(2).says(&["is finished", "--retry-failed"]);
    more(&scene, &["--fresh", "--retry-failed"]).expect(2);

    let_go(&scene);
    let again = scene.lem(&["resume", "--retry-failed", "--yes", "--json"]).expect(0);
    assert_eq!((again.started(), again.verdicts()), (vec![2], vec!["completed".to_owned()]));
    assert_eq!(again.all("run_started")[0]["attempt"], 2);
    let log = scene.runs("nightly")[1].join("output-a1.log");
    assert_eq!(std::fs::read_to_string(log).unwrap(), "tried\n");
    let summary = again.summary();
    assert_eq!((&summary["failed"], &summary["completed"]), (&0.into(), &3.into()));
    more(&scene, &["--retry-failed"]).expect(2).says(&["is finished"]);
}

#[test]
fn chosen_runs_are_done_and_the_others_stay() {
    let scene = Scene::without_containers();
    of_files(&scene, &[("small", 1), ("large", 2), ("huge", 3)], "cycles: 2");
    let typo = more(&scene, &["--only", "lagre"]).expect(2);
    typo.says(&["`--only lagre` matches no run", "did you mean `large`?"]);
    more(&scene, &["--skip", "7-9"]).expect(2).says(&["a position (1-6)"]);
    let script = more(&scene, &["--only", "small", "--dry-run"]).expect(0).stdout;
    assert_eq!(script.matches("# run ").count(), 2, "{script}");
    assert_eq!(scene.runs("nightly").len(), 0);

    let part = more(&scene, &["--only", "*a*", "--skip", "4-5"]).expect(0);
    assert_eq!(did(&part), ["small1@1", "large1@2"]);
    let summary = part.summary();
    assert_eq!((&summary["state"], &summary["left_out"]), (&"partial".into(), &4.into()));
    more(&scene, &["--resume", "--only", "1-2"]).expect(2).says(&["the chosen runs", "are done"]);
    more(&scene, &[]).expect(2).says(&["was not finished"]);
    let rest = more(&scene, &["--resume", "--no-resume", "--resume", "--skip", "bench"]).expect(2);
    rest.says(&["nothing to do"]);
    assert_eq!(more(&scene, &["--resume"]).expect(0).started(), [3, 4, 5, 6]);
}

#[test]
fn a_campaign_that_is_going_on_is_not_resumed() {
    let scene = Scene::without_containers();
    let first = Stubborn::start(&scene, &WORDS).lem;
    let busy = scene.lem(&["resume"]).expect(75);
    busy.says(&["campaign `nightly`", &format!("pid {}", first.pid())]);
}

#[test]
fn a_campaign_of_another_folder_is_named_before_it_goes_on() {
    let scene = Scene::without_containers();
    of_files(&scene, &[("a", 1), ("b", 1)], "cycles: 1");
    more(&scene, &["--only", "a"]).expect(0);
    let elsewhere = scene.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();

    let mut command = scene.command(&["resume", "--runner", "local"]);
    command.current_dir(&elsewhere);
    let mut terminal = rexpect::session::spawn_command(command, Some(20_000)).unwrap();
    terminal
        .exp_string("No campaign is unfinished here. Go on with campaign `nightly` in")
        .unwrap();
    terminal.send("n").unwrap();
    terminal.flush().unwrap();
    terminal.exp_string("nothing was started").unwrap();
    terminal.exp_eof().unwrap();

    let mut command = scene.command(&["resume", "--yes", "--json"]);
    let ended = crate::support::Running::start(command.current_dir(&elsewhere)).wait().expect(0);
    ended.says(&["no campaign is unfinished here; going on with campaign `nightly`"]);
    assert_eq!(ended.started(), [2]);
}

#[test]
fn another_command_or_other_data_need_the_users_word() {
    let scene = Scene::without_containers();
    let with = |command: &str, data: &str| {
        scene.write("a.yaml", "backend: bench\n");
        let campaign = "campaign_name: nightly\nconfigs: [a.yaml]\nexecution: {cycles: 3}\n";
        scene.write("campaign.yaml", &format!("{campaign}command: [{command}]\n{data}"));
    };
    with("sh, -c, 'exit 0', secret-1", "");
    more(&scene, &["--only", "1"]).expect(0);
    with("sh, -c, 'true', secret-2", "");
    let refused = more(&scene, &["--resume"]).expect(2);
    refused.says(&["~ command: not the one that it began with", "--accept-changes"]);
    assert!(!refused.stderr.contains("secret"), "{}", refused.stderr);
    assert_eq!(more(&scene, &["--accept-changes", "--only", "2"]).expect(0).started(), [2]);

    let data = ["--resume", "--dataset", "other", "--sample-size", "7"];
    more(&scene, &data).expect(2).says(&["~ dataset: - → other", "~ num_samples: - → 7"]);
    assert_eq!(more(&scene, &["--resume"]).expect(0).started(), [3], "the new command is known");
}

#[test]
fn a_campaign_goes_on_in_the_results_folder_that_it_began_in() {
    let scene = Scene::without_containers();
    scene.scripts(&["true", "true", "true", "true"], "");
    more(&scene, &["--only", "1"]).expect(0);
    let refused = more(&scene, &["--resume", "-o", "other"]).expect(2);
    refused.says(&["the results of `nightly` are in", "/results`", "--fresh"]);
    assert!(!scene.path("other").exists());
    assert_eq!(
        more(&scene, &["--resume", "-o", "results", "--only", "2"]).expect(0).started(),
        [2]
    );
    // Where they were moved, it goes on, and remembers.
    std::fs::rename(scene.path("results"), scene.path("moved")).unwrap();
    let moved = more(&scene, &["--resume", "-o", "moved", "--only", "3"]).expect(0);
    assert_eq!(moved.started(), [3]);
    assert_eq!(more(&scene, &["--resume"]).expect(0).started(), [4]);
    assert_eq!(std::fs::read_dir(scene.path("moved/nightly")).unwrap().count(), 5);
    assert!(!scene.path("results").exists());
}
