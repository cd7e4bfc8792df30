//! What lem says about itself: settings and where they come from, schemas, completions, pages.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Running, Scene};

fn rows(scene: &Scene, words: &[&str], variables: &[(&str, &str)]) -> BTreeMap<String, Value> {
    let mut command = scene.command(&[&["config", "show", "--json"], words].concat());
    let ended = Running::start(command.envs(variables.iter().copied())).wait().expect(0);
    let rows: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap();
    rows.into_iter().map(|row| (row["key"].as_str().unwrap().to_owned(), row)).collect()
}

#[test]
fn each_setting_says_where_it_comes_from() {
    let scene = Scene::without_containers();
    scene.write("a.yaml", "x: 1\n");
    let url = "https://hooks.example/T0/B0/secret";
    scene.write("user/lem/config.yaml", "docker: {warmup_delay: 9, health_timeout: 7}\n");
    scene.write(
        ".lem-config.yaml",
        &format!(
            "docker: {{warmup_delay: 5, strategy: persistent}}\n\
             notifications: {{webhook_url: '{url}'}}\n"
        ),
    );
    scene.write(
        "campaign.yaml",
        "campaign_name: x\nconfigs: [a.yaml]\nexecution: {cycles: 2, retry: {max_attempts: 4}}\n\
         health_check: {max_used_before_run: 2GiB}\n",
    );
    let variables = [("LEM_CONTAINER_STRATEGY", "ephemeral"), ("LLM_ENERGY_VERBOSITY", "verbose")];
    let rows = rows(&scene, &["--config-gap", "3"], &variables);
    for (key, value, source) in [
        ("execution.config_gap_seconds", Value::from(3.0), "command line"),
        ("docker.strategy", "ephemeral".into(), "LEM_CONTAINER_STRATEGY"),
        ("verbosity", "verbose".into(), "LLM_ENERGY_VERBOSITY"),
        ("execution.cycles", 2.into(), "campaign file"),
        ("execution.retry.max_attempts", 4.into(), "campaign file"),
        ("execution.retry.factor", 2.0.into(), "default"),
        ("health_check.max_used_before_run", "2048 MiB".into(), "campaign file"),
        ("docker.warmup_delay", 5.0.into(), ".lem-config.yaml"),
        ("docker.health_timeout", 7.0.into(), "user configuration"),
        ("execution.structure", "interleaved".into(), "default"),
        ("notifications.webhook_url", "(set)".into(), ".lem-config.yaml"),
    ] {
        assert_eq!((&rows[key]["value"], &rows[key]["source"]), (&value, &source.into()), "{key}");
    }
    let shown = scene.lem(&["config", "show"]).expect(0);
    assert!(!shown.stdout.contains("secret") && !shown.stderr.contains("secret"));
}

#[test]
fn settings_can_be_seen_without_a_campaign_and_a_wrong_file_is_an_error() {
    let scene = Scene::without_containers();
    scene.lem(&["config", "show"]).expect(0).says(&["campaign file       none"]);
    scene.lem(&["config", "show", "other.yaml"]).expect(2).says(&["`", "other.yaml`"]);
    scene.write(".lem-config.yaml", "thermal_gap: {}\n");
    scene.lem(&["config", "show"]).expect(2).says(&["did you mean `thermal_gaps`?"]);
}

#[test]
fn a_schema_knows_the_keys_that_lem_knows_and_refuses_what_lem_refuses() {
    let scene = Scene::without_containers();
    for (kind, key) in [
        ("campaign", "/properties/execution"),
        ("campaign", "/$defs/Retry/properties/max_attempts"),
        ("config", "/properties/thermal_gaps"),
        ("experiment", "/properties/workload"),
        ("result", "/properties/wall_seconds"),
        ("services", "/properties/recovery_timeout"),
    ] {
        let ended = scene.lem(&["schema", kind]).expect(0);
        let schema: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert!(schema.pointer(key).is_some(), "{kind} {key}");
        let closed = schema["additionalProperties"] == false;
        assert_eq!(closed, ["campaign", "config", "services"].contains(&kind), "{kind}");
    }
    scene
        .lem(&["schema", "nothing"])
        .expect(2)
        .says(&["campaign, config, experiment, services, result"]);
}

#[test]
fn shells_and_man_get_what_they_read() {
    let scene = Scene::without_containers();
    for (shell, word) in [("bash", "_lem()"), ("zsh", "#compdef lem"), ("fish", "complete -c lem")]
    {
        let ended = scene.lem(&["completions", shell]).expect(0);
        assert!(ended.stdout.contains(word) && ended.stdout.contains("container-strategy"));
    }
    assert!(scene.lem(&["man"]).expect(0).stdout.contains(".TH lem 1"));
    scene.lem(&["man", "--dir", "pages"]).expect(0);
    let page = std::fs::read_to_string(scene.path("pages/lem-campaign.1")).unwrap();
    assert!(page.contains("container\\-strategy"));
    scene.write("file", "");
    scene.lem(&["man", "--dir", "file/pages"]).expect(3).says(&["can't be written"]);
}

#[test]
fn json_verbose_and_quiet_may_stand_before_the_verb() {
    let scene = Scene::without_containers();
    scene.scripts(&["true"], "");
    let ended = scene.lem(&["--json", "campaign", "--yes", "--runner", "local"]).expect(0);
    assert_eq!(ended.verdicts(), ["completed"]);
    scene.lem(&["--quiet", "gpu"]).expect(2).says(&["stand after it"]);
}
