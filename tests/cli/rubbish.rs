//! Runs that leave something else where lem looks for files: none of it hangs, leads or loses.

use std::path::Path;

use crate::support::Scene;

const WORDS: [&str; 6] = ["campaign", "campaign.yaml", "--yes", "--json", "--runner", "local"];

#[test]
fn a_pipe_a_device_and_a_link_are_no_results_and_are_not_waited_for() {
    let scene = Scene::without_containers();
    let scripts = [
        "mkfifo result.json",
        "ln -s /dev/zero result.json",
        "echo '{}' >../elsewhere; ln -s ../elsewhere result.json",
        "rm -f started.json ended.json; mkfifo started.json; echo '{}' >result.json",
    ];
    scene.scripts(&scripts, "require_result: true, timeout: 20s");
    let ended = scene.lem(&WORDS).expect(1);
    let verdicts = ended.verdicts();
    assert_eq!(&verdicts[..3], ["no_result"; 3]);
    assert_eq!(verdicts.len(), 4);
}

#[test]
fn what_a_try_leaves_is_kept_whatever_it_is_and_no_link_is_followed() {
    let scene = Scene::without_containers();
    let planted = scene.path("planted");
    let first = format!(
        "[ -e again ] && exit 0; touch again; rm -f output.log; ln -s {} output.log; \
         mkdir result.json; exit 1",
        planted.display()
    );
    let retry = "retry: {max_attempts: 2, base_delay: 0.01, on: [failed]}";
    scene.scripts(&[&first, "echo '{\"hours\": 8}' >result.json; exit 3"], retry);

    let ended = scene.lem(&WORDS).expect(1);
    assert_eq!(ended.verdicts(), ["failed", "completed", "failed", "failed"]);
    assert!(!planted.exists(), "the link of the first try was not followed");
    let runs = scene.runs("nightly");
    assert!(runs[0].join("result-a1.json").is_dir());
    let kept = std::fs::read_to_string(runs[1].join("result-a1.json")).unwrap();
    assert_eq!(kept, "{\"hours\": 8}\n");
}

#[test]
fn a_temporary_name_that_somebody_took_is_not_written_through() {
    let scene = Scene::without_containers();
    let victim = scene.path("victim");
    std::fs::write(&victim, "precious").unwrap();
    let script = format!(
        "[ -e again ] && exit 0; touch again; \
         for n in $(ps -o ppid= -p $PPID) $PPID; do \
         ln -s {0} .config.yaml.$n.tmp; ln -s {0} .config.yaml.$n-0.tmp; done; exit 1",
        victim.display()
    );
    scene.scripts(&[&script], "retry: {max_attempts: 2, base_delay: 0.01, on: [failed]}");
    scene.lem(&WORDS).expect(0);
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    let config = scene.runs("nightly")[0].join("config.yaml");
    assert!(!Path::is_symlink(&config));
}

#[test]
fn a_result_elsewhere_that_names_this_run_counts_and_one_that_names_another_does_not() {
    let scene = Scene::without_containers();
    std::fs::create_dir_all(scene.path("results/raw")).unwrap();
    let write = |id: &str| format!("echo '{{\"run_id\": \"'{id}'\"}}' >../../raw/$LEM_RUN_ID.json");
    scene.scripts(&[&write("$LEM_RUN_ID"), &write("other")], "require_result: true");
    assert_eq!(scene.lem(&WORDS).expect(1).verdicts(), ["completed", "no_result"]);
}
