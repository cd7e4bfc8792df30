//! Folders and files of any name, reached in any way.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Ended, Scene, Strategy, engine, in_both_strategies};

in_both_strategies!(
    folders_of_any_name_reach_the_container_and_no_shell,
    links_are_followed_to_the_same_place,
    a_dry_run_of_folders_of_any_name_does_the_runs,
);

/// Names that some shell, YAML reader, Compose file or format string would take apart.
const AWKWARD: [&str; 3] = [
    "a b'c\"d $HOME ${HOME} $(touch owned) `touch owned` {config} {{x}}",
    "é 日本 🦀 \u{202e}x #c: a%41?q=1&x;|*[x]\\n~",
    "two\nlines\t-- -f",
];

/// A campaign of one run, below a folder of that name; the run says what it was given.
fn furnish(scene: &Scene, folder: &str) {
    scene.services("  bench: {image: <busybox>, network_mode: none, user: <me>}\n");
    let compose = fs::read_to_string(scene.path("compose.yaml")).unwrap();
    scene.write(&format!("{folder}/compose.yaml"), &compose);
    scene.write(&format!("{folder}/configs/one.yaml"), "backend: bench\nsaid: it's $HOME\n");
    scene.write(
        &format!("{folder}/campaign.yaml"),
        "campaign_name: \"it's ../$(x) 🦀 {config}\"\n\
         configs: [configs/one.yaml]\n\
         docker: {compose_file: compose.yaml}\n\
         command: [sh, -c, 'cat \"$1\" >\"$2/read\" && echo \"{{}}\" >\"$3\"; \
         echo \"$LEM_CAMPAIGN_NAME\" >\"$2/name\"', sh, '{config}', '{results}', '{result}']\n\
         execution: {cycles: 1, require_result: true}\n",
    );
}

fn words(file: &str, strategy: Strategy) -> Vec<&str> {
    vec!["campaign", file, "--yes", "--json", "--container-strategy", strategy.word()]
}

#[track_caller]
fn has_results(ended: &Ended, folder: &Path) {
    assert_eq!(ended.verdicts(), ["completed"], "{}", ended.stderr);
    let run = only(&only(&folder.join("results")));
    let read = |name: &str| fs::read_to_string(run.join(name)).unwrap();
    assert!(read("read").contains("it's $HOME"), "{}", read("read"));
    assert_eq!(read("name"), "it's ../$(x) 🦀 {config}\n");
    assert_eq!(read("result.json"), "{}\n");
}

/// The only folder in a folder.
#[track_caller]
fn only(folder: &Path) -> std::path::PathBuf {
    let entries = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders.into_iter().next().unwrap()
}

fn folders_of_any_name_reach_the_container_and_no_shell(strategy: Strategy) {
    for folder in AWKWARD {
        let scene = Scene::new();
        furnish(&scene, folder);
        let file = format!("{folder}/campaign.yaml");
        has_results(&scene.lem(&words(&file, strategy)).expect(0), &scene.path(folder));
        assert_eq!(engine::containers(&scene.project), []);
        let owned = |path: &std::path::PathBuf| path.ends_with("owned");
        assert!(!scene.listing().iter().any(owned));
    }
}

fn links_are_followed_to_the_same_place(strategy: Strategy) {
    let scene = Scene::new();
    furnish(&scene, "real");
    for (name, target) in [("real/results", "elsewhere"), ("real/.state", "state")] {
        fs::create_dir(scene.path(target)).unwrap();
        symlink(scene.path(target), scene.path(name)).unwrap();
    }
    fs::rename(scene.path("real/configs"), scene.path("inputs")).unwrap();
    symlink("../inputs", scene.path("real/configs")).unwrap();
    symlink("real", scene.path("folder")).unwrap();
    let ended = scene.lem(&words("folder/../folder/./campaign.yaml", strategy)).expect(0);
    has_results(&ended, &scene.path("real"));
    assert!(scene.path("state/lem.db").is_file());
    assert!(scene.path("elsewhere").read_dir().unwrap().next().is_some());

    // The same campaign, however it is reached.
    let again = scene.lem(&["resume", "real/campaign.yaml", "--yes", "--json"]);
    again.expect(2).says(&["is finished"]);
}

fn a_dry_run_of_folders_of_any_name_does_the_runs(strategy: Strategy) {
    for folder in AWKWARD {
        let scene = Scene::new();
        furnish(&scene, folder);
        let file = format!("{folder}/campaign.yaml");
        let script = scene.lem(&[&words(&file, strategy)[..], &["--dry-run"]].concat());
        scene.write("script", &script.expect(0).stdout);
        let mut shell = Command::new("sh");
        let shell = scene.furnish(&mut shell).arg("script").stdin(Stdio::null());
        let output = shell.output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{complaint}");
        let run = only(&only(&scene.path(folder).join("results")));
        assert_eq!(fs::read_to_string(run.join("result.json")).unwrap(), "{}\n");
        assert_eq!(engine::containers(&scene.project), []);
    }
}

#[test]
fn an_env_file_or_a_compose_file_that_is_none_is_named_and_not_waited_for() {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&["true"], "");
    let words = ["campaign", "--yes"];
    nix::unistd::mkfifo(&scene.path(".env"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    scene.lem(&words).expect(2).says(&[".env", "a pipe"]);
    fs::remove_file(scene.path(".env")).unwrap();
    fs::remove_file(scene.path("compose.yaml")).unwrap();
    symlink("/dev/zero", scene.path("compose.yaml")).unwrap();
    scene.lem(&words).expect(2).says(&["compose.yaml", "a device"]);
}
