//! `lem init` writes a project, or nothing. That what it writes runs is in `tests/containers`.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::wait::WaitStatus;
use rexpect::session::{PtySession, spawn_command};

use crate::support::{Scene, wait};

const WRITTEN: [&str; 7] = [
    ".gitignore",
    ".lem-config.yaml",
    "campaign.yaml",
    "compose.yaml",
    "configs/large.yaml",
    "configs/small.yaml",
    "image/Dockerfile",
];

/// The files below `p`, by their paths in it, with their texts.
fn project(scene: &Scene) -> Vec<(String, String)> {
    let folder = scene.path("p");
    let files = scene.listing().into_iter().filter(|path| path.is_file());
    let name = |path: PathBuf| {
        let name = path.strip_prefix(&folder).ok()?.to_str().unwrap().to_owned();
        Some((name, std::fs::read_to_string(path).unwrap()))
    };
    files.filter_map(name).collect()
}

fn names(project: &[(String, String)]) -> Vec<&str> {
    project.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_project_is_written_and_the_next_commands_are_said() {
    let scene = Scene::without_containers();
    let ended = scene.lem(&["init", "p", "--yes"]).expect(0);
    ended.says(&["cd p\n", "lem doctor\n", "lem campaign\n"]);
    assert_eq!(ended.stdout, "");
    let project = project(&scene);
    assert_eq!(names(&project), WRITTEN);
    assert!(project[2].1.contains("\ncampaign_name: p\n"), "named after its folder");
}

#[test]
fn a_dry_run_writes_nothing_and_its_script_writes_the_same() {
    let (scene, other) = (Scene::without_containers(), Scene::without_containers());
    let before = scene.listing();
    let words = ["init", "p", "--image", "a:1", "--command", "run '{batch_size}'", "--yes"];
    let script = scene.lem(&[&words[..], &["--dry-run"]].concat()).expect(0).stdout;
    assert_eq!(scene.listing(), before);

    other.lem(&words).expect(0);
    let sh = Command::new("sh").args(["-c", &script]).current_dir(scene.path("")).status();
    assert!(sh.unwrap().success());
    assert_eq!(project(&scene), project(&other));
}

#[test]
fn what_is_in_the_way_is_named_and_nothing_is_written() {
    for (file, named) in [
        ("p/campaign.yaml", "`campaign.yaml`"),
        ("p/configs/small.yaml", "`configs/small.yaml`"),
        ("p/configs", "`configs`"),
        ("p", "`p`"),
        // Compose would prefer ours: the user's own project would be another one.
        ("p/docker-compose.yml", "`docker-compose.yml`"),
    ] {
        let scene = Scene::without_containers();
        scene.write(file, "theirs");
        let before = scene.listing();
        scene.lem(&["init", "p", "--yes"]).expect(2).says(&[named, "nothing was written"]);
        assert_eq!(scene.listing(), before);
        assert_eq!(std::fs::read_to_string(scene.path(file)).unwrap(), "theirs");
    }
}

#[test]
fn what_was_written_is_removed_when_the_rest_cannot_be() {
    let scene = Scene::without_containers();
    std::fs::create_dir(scene.path("p")).unwrap();
    // There no file can be made, by root neither; campaign.yaml comes before.
    symlink("/proc", scene.path("p/configs")).unwrap();
    let before = scene.listing();
    scene.lem(&["init", "p", "--yes"]).expect(3).says(&["configs/small.yaml", "can't be written"]);
    assert_eq!(scene.listing(), before);

    scene.lem(&["init", "/proc/lem/p", "--yes"]).expect(3);
}

#[test]
fn a_gitignore_of_the_users_own_stays() {
    let scene = Scene::without_containers();
    scene.write("p/.gitignore", "theirs\n");
    let ended = scene.lem(&["init", "p", "--yes", "--results-dir", "out"]).expect(0);
    ended.says(&[".gitignore is as it was", "/out/ /.state/"]);
    let project = project(&scene);
    assert_eq!((names(&project), project[0].1.as_str()), (WRITTEN.to_vec(), "theirs\n"));
}

#[test]
fn of_two_at_once_one_writes_everything_and_the_other_nothing() {
    let scene = Scene::without_containers();
    let mut all: Vec<_> = (0..4).map(|_| scene.start(&["init", "p", "--yes"])).collect();
    let mut codes: Vec<_> = all.iter_mut().map(|lem| lem.wait().code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(2), Some(2), Some(2)]);
    assert_eq!(names(&project(&scene)), WRITTEN);
}

#[test]
fn without_a_terminal_there_are_no_questions_and_no_files() {
    let scene = Scene::without_containers();
    let before = scene.listing();
    scene.lem(&["init", "p"]).expect(2).says(&["no terminal", "`--yes`"]);
    assert_eq!(scene.listing(), before);
}

#[test]
fn answers_that_would_make_no_campaign_are_refused() {
    let scene = Scene::without_containers();
    for words in [
        ["--name", " "],
        ["--name", "a\nb"],
        ["--command", "true"],
        ["--config-gap", "soon"],
        ["--strategy", "both"],
        ["--results-dir", ""],
    ] {
        scene.lem(&[&["init", "p", "--yes"], &words[..]].concat()).expect(2);
    }
    assert!(!scene.path("p").exists());
}

fn at_a_terminal(scene: &Scene, words: &[&str]) -> PtySession {
    let limit = u64::try_from(wait::PATIENCE.as_millis()).unwrap();
    let mut command = scene.command(words);
    command.env("TERM", "xterm");
    spawn_command(command, Some(limit)).unwrap()
}

fn answer(terminal: &mut PtySession, question: &str, keys: &str) {
    terminal.exp_string(question).unwrap();
    terminal.send(keys).unwrap();
    terminal.flush().unwrap();
}

const DOWN: &str = "\u{1b}[B";

#[test]
fn at_a_terminal_it_asks_for_what_no_option_says() {
    let scene = Scene::without_containers();
    let mut terminal = at_a_terminal(&scene, &["init", "p", "--cycle-gap", "4m"]);
    answer(&mut terminal, "Name of the campaign", "nightly\r");
    answer(&mut terminal, "What runs in the containers (arrow keys, Enter)", &format!("{DOWN}\r"));
    answer(&mut terminal, "Image", "me/bench:1\r");
    answer(&mut terminal, "Its command", "bench --size={batch_size}\r");
    answer(&mut terminal, "Which containers (arrow keys, Enter)", &format!("{DOWN}\r"));
    answer(&mut terminal, "Pause after a run", "\r");
    terminal.exp_string("lem campaign").unwrap();
    assert!(matches!(terminal.process().wait().unwrap(), WaitStatus::Exited(_, 0)));

    let written = project(&scene);
    let text = |name: &str| &written.iter().find(|(path, _)| path == name).unwrap().1;
    let campaign = text("campaign.yaml");
    assert!(campaign.contains("command: [\"bench\", \"--size={batch_size}\"]\n"), "{campaign}");
    assert!(campaign.contains("config_gap_seconds: 60\n  cycle_gap_seconds: 4m\n"), "{campaign}");
    assert!(campaign.contains("campaign_name: nightly\n"), "{campaign}");
    assert!(text("compose.yaml").contains("image: \"me/bench:1\"\n"));
    assert!(text(".lem-config.yaml").contains("strategy: persistent\n"));
}

#[test]
fn ctrl_c_at_a_question_writes_nothing() {
    let scene = Scene::without_containers();
    let before = scene.listing();
    let mut terminal = at_a_terminal(&scene, &["init", "p", "--name", "a"]);
    answer(&mut terminal, "What runs in the containers (arrow keys, Enter)", "\u{3}");
    assert!(matches!(terminal.process().wait().unwrap(), WaitStatus::Exited(_, 130)));
    assert_eq!(scene.listing(), before);
}
