//! `--dry-run` says what would be done, changes nothing, and says the truth.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::{Scene, Strategy, engine, in_both_strategies};

in_both_strategies!(
    a_dry_run_changes_nothing_and_asks_nothing,
    a_dry_run_piped_into_a_shell_does_the_runs,
);

fn furnished(strategy: Strategy) -> (Scene, Vec<&'static str>) {
    let scene = Scene::new();
    scene.services(
        "  bench: {image: <busybox>, network_mode: none, depends_on: [other]}\n\
         \x20 other: {image: <busybox>, network_mode: none, init: true}\n",
    );
    // Quotes, dollars and line ends have to come through two shells.
    scene.scripts(&["echo \"it's $((1 + 1))\" >said\n echo '{}' >result.json", "exit 3"], "");
    let words =
        vec!["campaign", "campaign.yaml", "--dry-run", "--container-strategy", strategy.word()];
    (scene, words)
}

fn a_dry_run_changes_nothing_and_asks_nothing(strategy: Strategy) {
    let (scene, words) = furnished(strategy);
    let before = scene.listing();

    let said = scene.lem(&words).expect(0).stdout;

    assert!(said.contains("docker compose"), "{said}");
    assert_eq!(scene.listing(), before);
    assert_eq!(engine::containers(&scene.project), []);
    assert_eq!(engine::networks(&scene.project), Vec::<String>::new());
}

fn a_dry_run_piped_into_a_shell_does_the_runs(strategy: Strategy) {
    let (scene, words) = furnished(strategy);
    let script = scene.lem(&words).expect(0).stdout;

    let mut shell = Command::new("sh");
    let shell = scene.furnish(&mut shell).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut shell = shell.spawn().unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();

    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "one run fails: {complaint}\n{script}");
    let runs = scene.runs("nightly");
    assert_eq!(runs.len(), 2, "{complaint}\n{script}");
    let read = |name: &str| std::fs::read_to_string(runs[0].join(name)).unwrap();
    assert_eq!((read("said").as_str(), read("result.json").as_str()), ("it's 2\n", "{}\n"));
    assert_eq!(engine::containers(&scene.project), []);
}
