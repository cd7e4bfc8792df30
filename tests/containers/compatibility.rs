//! Campaigns that were written for another program: its file, its image, its results.

use crate::support::{Scene, Strategy, in_both_strategies};

const CAMPAIGN: &str = "
schema_version: 1
campaign_name: uat
model: org/gpt2
dataset: alpaca
num_samples: 100
grid:
  backends: [pytorch, vllm]
  axes: {fp_precision: [float16], batch_size: [1, 2]}
  backend_overrides: {vllm: {max_num_seqs: 64}}
execution:
  cycles: 2
  structure: shuffled
  warmup_prompts: 3
  warmup_timeout_seconds: 10
  config_gap_seconds: 0
  cycle_gap_seconds: 0
schedule: {at: null, days: null}
health_check: {enabled: true, interval_experiments: 0, gpu_memory_threshold_pct: 90, max_restarts: 3}
cold_start: {force_cold_start: false, restart_container: false}
daemon: {enabled: false, at: null, interval: 6h, total_duration: null, quiet: true}
io: {results_dir: results, configs_dir: configs, state_dir: .state,
     manifest_filename: campaign_manifest.json}
";

fn an_image_that_brings_its_own_lem_runs_it_and_its_results_count(strategy: Strategy) {
    let scene = Scene::new();
    let service = "{image: <reference>, network_mode: none, user: <me>, \
                    volumes: ['./results:/app/results', './configs:/app/configs']}";
    scene.services(&format!("  pytorch: {service}\n  vllm: {service}\n"));
    std::fs::create_dir_all(scene.path("results")).unwrap();
    scene.write("configs/.keep", "");
    scene.write("campaign.yaml", CAMPAIGN);

    let ended = scene.campaign(strategy, &[]).expect(0);

    assert_eq!(ended.verdicts(), ["completed"; 8]);
    let mut results: Vec<String> = ended
        .all("run_ended")
        .iter()
        .map(|event| event["result"].as_str().unwrap().rsplit('/').next().unwrap().to_owned())
        .collect();
    results.sort();
    results.dedup();
    assert_eq!(results.len(), 8, "each run has a result of its own: {results:?}");
    let log = std::fs::read_to_string(scene.runs("uat")[0].join("output.log")).unwrap();
    let words = "config.yaml --yes --fresh --dataset alpaca --sample-size 100";
    assert!(log.starts_with("own lem: experiment /app/results/uat/"), "{log}");
    assert!(log.trim_end().ends_with(words), "{log}");
}

in_both_strategies!(an_image_that_brings_its_own_lem_runs_it_and_its_results_count);
