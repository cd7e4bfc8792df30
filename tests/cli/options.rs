//! Every option of a campaign reaches its runs, and wins over the file.

use crate::support::Scene;

/// Settings that the options below contradict.
const CAMPAIGN: &str = "
campaign_name: options
dataset: of-the-file
num_samples: 1
configs: [a.yaml, b.yaml]
command: [sh, -c, 'echo {dataset} {num_samples} $LEM_WARMUP_PROMPTS $LEM_WARMUP_TIMEOUT
  $LEM_COLD_START $LEM_TOTAL_CYCLES $LLM_ENERGY_VERBOSITY {backend}']
execution:
  {cycles: 1, structure: shuffled, warmup_prompts: 2, warmup_timeout_seconds: 3,
   config_gap_seconds: 1h, cycle_gap_seconds: 1h}
cold_start: {force_cold_start: false}
io: {results_dir: elsewhere, state_dir: state, manifest_filename: own.json}
";

fn said(scene: &Scene, results: &str, words: &[&str]) -> Vec<String> {
    let words = [&["campaign", "--fresh", "--yes", "--runner", "local", "--json"], words].concat();
    let ended = scene.lem(&words).expect(0);
    let logs = ended.all("run_ended").into_iter().map(|event| {
        let log = event["log"].as_str().unwrap().to_owned();
        assert!(log.starts_with(scene.path(results).to_str().unwrap()), "{log}");
        format!("{} {}", event["experiment"], std::fs::read_to_string(log).unwrap().trim())
    });
    logs.collect()
}

#[test]
fn what_the_command_line_says_wins_over_the_file_and_reaches_the_runs() {
    let scene = Scene::without_containers();
    scene.write("a.yaml", "x: 1\n");
    scene.write("b.yaml", "x: 2\nbackend: own\n");
    scene.write("campaign.yaml", CAMPAIGN);
    let gaps = ["--config-gap", "0", "--cycle-gap", "0"];
    let words = [
        &gaps[..],
        &["-d", "data", "-n", "9", "--warmup-prompts", "7", "--warmup-timeout", "11"],
        &["--force-cold-start", "--cycles", "2", "--structure", "grouped", "-o", "out"],
        &["--backend", "given", "--quiet"],
    ];
    let line = "data 9 7 11 true 2 quiet";
    let expected = [
        format!("\"a\" {line} given"),
        format!("\"a\" {line} given"),
        format!("\"b\" {line} own"),
        format!("\"b\" {line} own"),
    ];
    assert_eq!(said(&scene, "out", &words.concat()), expected);

    let text = CAMPAIGN.replace("force_cold_start: false", "force_cold_start: true");
    scene.write("campaign.yaml", &text);
    let words = [&gaps[..], &["--structure", "interleaved", "--no-force-cold-start"]].concat();
    let of_the_file = said(&scene, "elsewhere", &words);
    assert_eq!(of_the_file[0], "\"a\" of-the-file 1 2 3 false 1 normal");
    assert!(scene.path("state/own.json").is_file() && scene.path("state/lem.db").is_file());
}

#[test]
fn a_seed_fixes_the_order_also_if_it_is_zero_and_another_gives_another() {
    let scene = Scene::without_containers();
    scene.write(
        "campaign.yaml",
        "campaign_name: seeds\ngrid: {backends: [x], shared: {n: [1, 2, 3, 4, 5, 6, 7, 8]}}\n\
         command: ['true']\nexecution: {cycles: 1}\n",
    );
    let words = |seed| ["--structure", "shuffled", "--seed", seed];
    let first = said(&scene, "results", &words("0"));
    assert_eq!(said(&scene, "results", &words("0")), first);
    assert_ne!(said(&scene, "results", &words("1")), first);
    assert_ne!(said(&scene, "results", &["--structure", "balanced"]), first);
}
