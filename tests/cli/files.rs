//! A file that is wrong is refused with exit code 2, and the message says where and what to do.

use crate::support::Scene;

/// Refuses the campaign file with these words, and leaves nothing.
#[track_caller]
fn refused(campaign: &str, words: &[&str]) {
    let scene = Scene::without_containers();
    scene.write("campaign.yaml", campaign);
    let before = scene.listing();
    let ended = scene.lem(&["campaign", "--yes", "--json"]).expect(2);
    ended.says(words);
    assert_eq!(ended.stdout, "");
    let new = |path: &std::path::PathBuf| !path.starts_with(scene.path("machine"));
    let after: Vec<_> = scene.listing().into_iter().filter(new).collect();
    assert_eq!(after, before, "only lem's locks are new");
}

#[test]
fn a_misspelt_key_is_found_and_the_right_one_is_named() {
    refused(
        "campaign_name: nightly\nconfigs: [a.yaml]\nexecution:\n  cylces: 3\n",
        &["unknown key `execution.cylces`", "campaign.yaml:4:3", "did you mean `cycles`?"],
    );
}

#[test]
fn a_timetable_is_refused_with_the_way_to_make_one_and_one_that_is_off_is_not() {
    let scene = Scene::without_containers();
    for section in ["daemon: {enabled: true, interval: 6h}", "schedule: {at: '22:00'}"] {
        scene.write("campaign.yaml", &format!("campaign_name: x\nconfigs: [a.yaml]\n{section}\n"));
        scene.lem(&["campaign", "--dry-run"]).expect(2).says(&["systemd timer", "cron"]);
    }
    scene.write("a.yaml", "backend: x\n");
    let off = "daemon: {enabled: false, interval: 6h}\nschedule: {enabled: false, days: [mon]}";
    scene.write("campaign.yaml", &format!("campaign_name: x\nconfigs: [a.yaml]\n{off}\n"));
    scene.lem(&["campaign", "--validate-only"]).expect(0);
}

#[test]
fn a_value_of_the_wrong_type_is_found_where_it_stands() {
    refused(
        "campaign_name: nightly\nconfigs: [a.yaml]\nexecution:\n  cycles: many\n",
        &["expected a whole number", "campaign.yaml:4:11"],
    );
}

#[test]
fn an_axis_without_values_is_no_grid() {
    refused(
        "campaign_name: nightly\ngrid: {backends: [a], shared: {batch_size: []}}\n",
        &["axis `batch_size` has no values"],
    );
}

#[test]
fn a_campaign_without_experiments_has_nothing_to_run() {
    refused("campaign_name: nightly\n", &["nothing to run"]);
}

#[test]
fn an_experiment_file_that_is_missing_is_named() {
    refused(
        "campaign_name: nightly\nconfigs: [absent.yaml]\n",
        &["absent.yaml` does not exist", "relative to the campaign file"],
    );
}

#[test]
fn text_that_is_no_yaml_is_found_where_it_stops_to_be() {
    refused("campaign_name: [\n", &["campaign.yaml:"]);
}

#[test]
fn a_campaign_file_that_is_missing_is_named() {
    let scene = Scene::without_containers();
    scene.lem(&["campaign", "absent.yaml"]).expect(2).says(&["no campaign file", "absent.yaml"]);
    scene.lem(&["campaign"]).expect(2).says(&["campaign.yaml", "lem campaign FILE"]);
}

#[test]
fn there_must_be_something_to_resume() {
    let scene = Scene::without_containers();
    scene.scripts(&["true"], "");
    scene.lem(&["resume"]).expect(2).says(&["nothing to resume"]);
    scene.lem(&["resume", "campaign.yaml"]).expect(2).says(&["`nightly` was never started"]);
}
