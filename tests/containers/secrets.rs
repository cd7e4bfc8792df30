//! A token reaches the runs, and nobody else.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::support::scene::campaign_words;
use crate::support::{Running, Scene, Strategy, eventually, in_both_strategies, processes};

in_both_strategies!(a_token_reaches_the_run_and_is_in_no_argument_and_no_file_of_lems);

fn a_token_reaches_the_run_and_is_in_no_argument_and_no_file_of_lems(strategy: Strategy) {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&["echo $HF_TOKEN >token; while [ ! -e $GO ]; do sleep 0.1; done"], "");
    let token = format!("hf_{}", scene.project);
    let lem = |words: &[&str]| Running::start(scene.command(words).env("HF_TOKEN", &token));

    let dry = lem(&["campaign", "--dry-run", "--container-strategy", strategy.word()]).wait();
    let script = dry.expect(0).stdout;
    assert!(script.contains("-e HF_TOKEN ") && !script.contains(&token), "{script}");

    let mut running = lem(&campaign_words(strategy));
    let mut seen: BTreeSet<String> = BTreeSet::new();
    eventually("the run has its token", || {
        seen.extend(processes::command_lines().filter(|line| line.contains(&token)));
        let text = std::fs::read_to_string(scene.runs("nightly").first()?.join("token")).ok()?;
        (text.trim_end() == token).then_some(())
    });
    seen.extend(processes::command_lines().filter(|line| line.contains(&token)));
    scene.write("results/nightly/go", "");
    let ended = running.wait().expect(0);

    assert_eq!(seen, BTreeSet::new(), "in a command line");
    assert!(!ended.stdout.contains(&token) && !ended.stderr.contains(&token));
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(token.len()).any(|window| window == token.as_bytes())
    };
    let files: Vec<PathBuf> = scene.listing().into_iter().filter(holds).collect();
    assert_eq!(files, [scene.runs("nightly")[0].join("token")], "only the run's own file");
}
