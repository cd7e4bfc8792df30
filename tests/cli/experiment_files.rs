//! Campaigns of experiment files, and experiment files that extend others.

use serde_json::json;

use crate::support::Scene;

fn scene() -> Scene {
    let scene = Scene::without_containers();
    for name in ["b", "a"] {
        let workload = format!("config_name: {name}\nworkload: {{command: [sh, -c, 'true']}}\n");
        scene.write(&format!("configs/{name}.yaml"), &workload);
    }
    scene
}

#[test]
fn experiment_files_with_a_name_are_a_campaign_and_its_resume_finds_them() {
    let scene = scene();
    let words = ["campaign", "configs/*.yaml", "--campaign-name", "several", "--cycles", "2"];
    let local = ["--yes", "--json", "--runner", "local"];
    let ended = scene.lem(&[&words[..], &local].concat()).expect(0);
    let names: Vec<_> =
        ended.all("run_started").iter().map(|event| event["experiment"].clone()).collect();
    assert_eq!(names, ["a", "b", "a", "b"], "a pattern is expanded in order");
    assert_eq!(scene.runs("several").len(), 4);

    scene.write("configs/b.yaml", "config_name: b\nworkload: {command: [sh, -c, 'sleep 1000']}\n");
    let words = ["campaign", "configs/b.yaml", "configs/a.yaml", "--campaign-name", "slow"];
    let words = [&words[..], &["--cycles", "1"], &local].concat();
    let mut lem = scene.start(&words);
    lem.event("run_started");
    lem.signal(nix::sys::signal::Signal::SIGINT);
    lem.wait().expect(130);
    let resumed = scene.start(&["resume", "--yes", "--json", "--timeout", "1s"]).wait();
    let resumed = resumed.expect(1);
    assert_eq!(resumed.verdicts(), ["timed_out", "completed"]);
}

#[test]
fn experiment_files_without_a_name_and_patterns_without_files_are_refused() {
    let scene = scene();
    let refused = scene.lem(&["campaign", "configs/a.yaml", "configs/b.yaml"]).expect(2);
    refused.says(&["2 experiment files", "--campaign-name"]);
    scene.lem(&["campaign", "none/*.yaml"]).expect(2).says(&["no file matches `none/*.yaml`"]);
    scene.write("campaign.yaml", "campaign_name: x\nconfigs: [configs/a.yaml]\n");
    let words = ["campaign", "campaign.yaml", "configs/a.yaml", "--campaign-name", "y"];
    scene.lem(&words).expect(2).says(&["is a campaign of its own"]);
    scene.lem(&["campaign", "campaign.yaml", "--campaign-name", "y"]).expect(2);
}

#[test]
fn an_experiment_file_is_laid_over_the_one_that_it_extends() {
    let scene = scene();
    scene.write("base/base.yaml", "config_name: base\na: {b: 1, c: 2}\nlist: [1, 2]\n");
    scene.write("configs/own.yaml", "_extends: ../base/base.yaml\na: {c: 3}\nlist: [9]\n");
    scene.write(
        "campaign.yaml",
        "campaign_name: extends\nconfigs: [configs/own.yaml]\nexecution: {cycles: 1}\n\
         command: [sh, -c, 'echo {a.b} {a.c} \"{list}\"']\n",
    );
    let ended = scene.lem(&["campaign", "--yes", "--json", "--runner", "local"]).expect(0);
    assert_eq!(ended.all("run_started")[0]["experiment"], json!("own"));
    let log = std::fs::read_to_string(scene.runs("extends")[0].join("output.log")).unwrap();
    assert_eq!(log, "1 3 [9]\n");

    scene.write("base/base.yaml", "_extends: ../configs/own.yaml\n");
    scene.lem(&["campaign", "--validate-only"]).expect(2).says(&["extends itself"]);
}

#[test]
fn validation_counts_and_starts_nothing() {
    let scene = scene();
    scene.write(
        "campaign.yaml",
        "campaign_name: x\nconfigs: [configs/a.yaml, configs/b.yaml]\nexecution: {cycles: 3}\n",
    );
    let before = scene.listing();
    let ended = scene.lem(&["campaign", "--validate-only"]).expect(0);
    assert!(ended.stdout.contains("2 experiments × 3 cycles = 6 runs"), "{}", ended.stdout);
    assert_eq!(scene.listing(), before);

    let text = "campaign_name: x\nconfigs: [configs/a.yaml]\ncommand: [echo, '{nothing.here}']\n";
    scene.write("campaign.yaml", text);
    scene.lem(&["campaign", "--validate-only"]).expect(2).says(&["`{nothing.here}`"]);
}

#[test]
fn the_summary_is_grouped_by_the_keys_that_are_named() {
    let scene = Scene::without_containers();
    scene.write(
        "campaign.yaml",
        "campaign_name: groups\ngrid: {backends: [x, y], shared: {size: [1, 2], s.t: [3]}}\n\
         command: ['true']\nexecution: {cycles: 2}\ngroup_by: [backend]\n",
    );
    let words = ["campaign", "--yes", "--json", "--runner", "local"];
    let groups = |more: &[&str]| {
        let summary = scene.lem(&[&words[..], more].concat()).expect(0).summary();
        let rows = summary["experiments"].as_array().unwrap().clone();
        rows.iter().map(|row| format!("{} {}", row["experiment"], row["runs"])).collect::<Vec<_>>()
    };
    assert_eq!(groups(&[]), ["\"backend=x\" 4", "\"backend=y\" 4"]);
    let by = groups(&["--group-by", "size,s.t,none"]);
    let rest = "s.t=3, none=unknown";
    assert_eq!(by, [format!("\"size=1, {rest}\" 4"), format!("\"size=2, {rest}\" 4")]);
}

#[test]
fn quiet_shows_failures_and_the_summary_alone() {
    let scene = Scene::without_containers();
    scene.scripts(&["echo fine", "echo trouble; exit 3"], "");
    let ended = scene.lem(&["campaign", "--quiet", "--yes", "--runner", "local"]).expect(1);
    assert!(ended.stderr.contains("trouble") && ended.stderr.contains("failed(3)"));
    assert!(!ended.stderr.contains("completed"), "{}", ended.stderr);
    assert!(ended.stdout.contains("1 of 2 runs completed, 1 failed"), "{}", ended.stdout);
}

#[test]
fn secrets_are_in_no_name_and_in_no_record() {
    let scene = scene();
    let secrets = ["hf_FIRST", "hf_SECOND", "key_THIRD", "key_FOURTH", "Bearer FIFTH", "SIXTH"];
    scene.write(
        "campaign.yaml",
        "campaign_name: nightly\nexecution: {cycles: 1}\ncommand: ['true']\nexperiments:\n\
         - {config: configs/b.yaml, overrides: {hf_token: hf_FIRST, batch: 8}}\n\
         - {config: configs/b.yaml, overrides: {hf_token: hf_SECOND, batch: 8}}\n\
         - {config: configs/b.yaml, overrides: {server: {auth: Bearer FIFTH, hosts: [{userPassword: SIXTH}]}}}\n\
         grid: {backends: [bench], shared: {api_key: [key_THIRD, key_FOURTH]}}\n",
    );
    let words = ["campaign", "campaign.yaml", "--yes", "--json", "--runner", "local"];
    let ended = scene.lem(&words).expect(0);
    let started = ended.all("run_started");
    let names: Vec<_> = started.iter().map(|event| &event["experiment"]).collect();
    let expected = [
        "b-hf_token=hidden-batch=8",
        "b-hf_token=hidden-batch=8-2",
        r#"b-server={"auth":"(hidden)","hosts":[{"userPassword":"(hidden)"}]}"#,
        "bench-api_key=hidden",
        "bench-api_key=hidden-2",
    ];
    assert_eq!(names, expected);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    let files = scene.listing().into_iter();
    let files =
        files.filter(|path| !path.ends_with("campaign.yaml") && !path.ends_with("config.yaml"));
    for secret in secrets {
        assert!(!said.contains(secret), "{secret}: {said}");
        for path in files.clone() {
            let bytes = std::fs::read(&path).unwrap_or_default();
            let holds = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!holds && !path.to_string_lossy().contains(secret), "{secret}: {path:?}");
        }
    }
}
