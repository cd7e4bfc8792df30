//! Files that are none, folders of any name, and folders that are not what they were.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::{Running, Scene};

const LOCAL: [&str; 5] = ["campaign", "--yes", "--json", "--runner", "local"];

/// Puts at `path` what is no file, one kind after the other, and says what each is called.
fn every_kind_of_no_file(path: &Path, mut look: impl FnMut(&str)) {
    mkfifo(path, Mode::S_IRWXU).unwrap();
    look("a pipe");
    fs::remove_file(path).unwrap();
    let socket = UnixListener::bind(path).unwrap();
    look("a socket");
    drop(socket);
    fs::remove_file(path).unwrap();
    symlink("/dev/zero", path).unwrap();
    look("a device");
    fs::remove_file(path).unwrap();
    fs::create_dir(path).unwrap();
    look("a folder");
    fs::remove_dir(path).unwrap();
}

#[test]
fn what_is_no_file_is_refused_by_name_and_not_waited_for() {
    let scene = Scene::without_containers();
    scene.write("a.yaml", "backend: x\n");
    scene.write("good.yaml", "campaign_name: a\nconfigs: [a.yaml]\n");
    scene.write("bad.yaml", "campaign_name: a\nconfigs: [odd.yaml]\n");
    scene.write("extends.yaml", "campaign_name: a\nconfigs: [b.yaml]\n");
    scene.write("b.yaml", "_extends: odd.yaml\n");
    every_kind_of_no_file(&scene.path("odd.yaml"), |what| {
        let began = Instant::now();
        let said = ["odd.yaml", what];
        for file in ["bad.yaml", "extends.yaml"] {
            scene.lem(&["campaign", file, "--validate-only"]).expect(2).says(&said);
        }
        // A folder may have a campaign of experiment files; this one has none.
        scene.lem(&["campaign", "odd.yaml", "--validate-only"]).expect(2).says(&["odd.yaml"]);
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
    });
    fs::remove_file(scene.path(".lem-config.yaml")).unwrap();
    every_kind_of_no_file(&scene.path(".lem-config.yaml"), |what| {
        let refused = scene.lem(&["campaign", "good.yaml", "--validate-only"]).expect(2);
        refused.says(&[".lem-config.yaml", what]);
    });
}

#[test]
fn a_file_that_nobody_wrote_by_hand_is_too_large() {
    let scene = Scene::without_containers();
    scene.write("campaign.yaml", &format!("campaign_name: a\n#{}\n", "x".repeat(17 << 20)));
    scene.lem(&["campaign", "--validate-only"]).expect(2).says(&["campaign.yaml", "16 MiB"]);
}

#[test]
fn an_experiment_may_come_through_a_pipe_that_ends() {
    let scene = Scene::without_containers();
    let mut shell = Command::new("sh");
    let line = "printf 'workload: {command: [\"true\"]}\\n' | \"$0\" experiment /dev/stdin";
    let words = ["-c", line, env!("CARGO_BIN_EXE_lem")];
    Running::start(scene.furnish(&mut shell).args(words)).wait().expect(0);
    scene.lem(&["experiment", "/dev/zero"]).expect(2).says(&["/dev/zero", "16 MiB"]);
}

#[test]
fn a_campaign_runs_in_folders_of_any_name() {
    for folder in
        ["a b'c\"d $HOME $(touch owned) {config} {{x}}", "é 🦀 %41?q=1#c\\n*", "two\nlines"]
    {
        let scene = Scene::without_containers();
        let file = format!("{folder}/campaign.yaml");
        scene.write(
            &file,
            "campaign_name: nightly\ngrid: {backends: [x]}\nexecution: {cycles: 1}\n\
             command: [sh, -c, 'echo \"it''s $((1 + 1))\" >\"$1/said\"', sh, '{results}']\n",
        );

        let ended = scene.lem(&[&LOCAL[..], &[&file]].concat()).expect(0);
        assert_eq!(ended.verdicts(), ["completed"], "{}", ended.stderr);
        let said = |results: &Path| {
            let run = fs::read_dir(results.join("nightly")).unwrap().flatten().map(|e| e.path());
            let run = run.into_iter().find(|path| path.is_dir()).unwrap();
            fs::read_to_string(run.join("said")).unwrap()
        };
        assert_eq!(said(&scene.path(folder).join("results")), "it's 2\n");
        scene.lem(&["resume", &file, "--yes"]).expect(2).says(&["is finished"]);
        scene.lem(&["status", "--all"]).expect(0);

        fs::remove_dir_all(scene.path(folder).join("results")).unwrap();
        let dry = ["campaign", &file, "--dry-run", "--runner", "local"];
        scene.write("script", &scene.lem(&dry).expect(0).stdout);
        let mut shell = Command::new("sh");
        Running::start(scene.furnish(&mut shell).arg("script")).wait().expect(0);
        assert_eq!(said(&scene.path(folder).join("results")), "it's 2\n");
        assert!(!scene.listing().iter().any(|path: &PathBuf| path.ends_with("owned")));
    }
}

#[test]
fn a_folder_whose_name_is_no_text_is_refused_and_nothing_is_made_beside_it() {
    let scene = Scene::without_containers();
    scene.scripts(&["true"], "");
    let folder = scene.path("").join(std::ffi::OsStr::from_bytes(b"odd-\xff"));
    fs::create_dir(&folder).unwrap();
    fs::copy(scene.path("campaign.yaml"), folder.join("campaign.yaml")).unwrap();
    let before = fs::read_dir(scene.path("")).unwrap().count();
    let mut lem = scene.command(&LOCAL);
    lem.arg(folder.join("campaign.yaml"));
    Running::start(&mut lem).wait().expect(2).says(&["UTF-8"]);
    let new = |entry: &fs::DirEntry| entry.file_name() != "machine";
    let after = fs::read_dir(scene.path("")).unwrap().flatten().filter(new).count();
    assert_eq!(after, before, "{:?}", scene.listing());
}

#[test]
fn a_folder_that_is_gone_under_the_shell_is_no_crash() {
    let scene = Scene::without_containers();
    scene.scripts(&["true"], "");
    for (file, code) in [("campaign.yaml", 2), ("", 2), ("ABSOLUTE", 0)] {
        let absolute = scene.path("campaign.yaml");
        let file = if file == "ABSOLUTE" { absolute.to_str().unwrap() } else { file };
        fs::create_dir(scene.path("gone")).unwrap();
        let mut shell = Command::new("sh");
        let line = "cd gone && rmdir ../gone && exec \"$0\" campaign $1 --yes --runner local";
        let words = ["-c", line, env!("CARGO_BIN_EXE_lem"), file];
        let ended = Running::start(scene.furnish(&mut shell).args(words)).wait();
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        ended.expect(code);
    }
}

#[test]
fn a_folder_that_nobody_may_write_to_is_named() {
    // Root may write everywhere, except where nothing is written to.
    let scene = Scene::without_containers();
    scene.scripts(&["true"], "");
    let text = fs::read_to_string(scene.path("campaign.yaml")).unwrap();
    for (key, place) in [("results_dir", "/proc/lem"), ("state_dir", "/proc/lem")] {
        scene.write("campaign.yaml", &format!("{text}io: {{{key}: {place}}}\n"));
        let refused = scene.lem(&LOCAL).expect(3);
        refused.says(&["/proc"]);
    }
    if !nix::unistd::geteuid().is_root() {
        scene.write("campaign.yaml", &text);
        fs::set_permissions(scene.path(""), fs::Permissions::from_mode(0o555)).unwrap();
        scene.lem(&LOCAL).expect(3);
        fs::set_permissions(scene.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    }
}
