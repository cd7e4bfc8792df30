//! The script that takes the inner lem's place in a shell, in each of the usual shells.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::scene::{Running, Scene, eventually, is_alive, program, signal};

const SCRIPT: &str = include_str!("../../src/campaign/keeper/keeper.sh");
const BUSYBOX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/fixtures/busybox");
const FOREVER: &str = "echo $$ >$T/command; while :; do sleep 60; done";
/// Deaf, and forks away from its parents in each of the usual ways.
const DEAF: &str = "trap '' TERM INT HUP; setsid sh -c 'echo $$ >$T/session; sleep 60' & \
                    (env -i T=$T sh -c 'echo $$ >$T/bare; sleep 60' & ); \
                    echo $$ >$T/command; while :; do sleep 60; done";

/// A shell, and the programs that it finds.
#[derive(Debug, Clone, Copy)]
enum Shell {
    Dash,
    Bash,
    Busybox,
}

/// Makes a test of each function for each shell.
macro_rules! in_every_shell {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[test]
            fn dash() {
                super::$name(super::Shell::Dash);
            }

            #[test]
            fn bash() {
                super::$name(super::Shell::Bash);
            }

            #[test]
            fn busybox() {
                super::$name(super::Shell::Busybox);
            }
        }
    )*};
}

in_every_shell!(
    the_command_gets_its_words_and_its_exit_code_is_passed_on,
    the_command_finds_signals_and_files_as_the_engine_would_leave_them,
    a_signal_that_ended_the_command_is_in_the_mark,
    a_command_that_is_missing_is_127_and_one_that_is_none_126,
    the_cut_lifeline_ends_everything_also_what_is_deaf_and_hidden,
    the_time_limit_holds_when_the_host_is_gone,
    the_time_limit_holds_when_nobody_reads_and_the_pipes_are_full,
    what_a_command_leaves_behind_is_ended_and_counted,
    without_a_results_folder_nothing_is_started,
    a_run_that_has_begun_before_is_not_begun_again,
    the_killer_ends_the_run_from_beside_it_and_nothing_else,
    what_is_held_ends_when_it_is_asked_to,
);

/// Only busybox's own programs.
fn applets() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let make = || {
        assert!(Path::new(BUSYBOX).exists(), "no {BUSYBOX}: `scripts/setup.sh --for-tests`");
        let folder = TempDir::new().unwrap();
        for name in ["sh", "sleep", "grep", "tr", "date", "mv", "setsid", "env", "yes", "ls"] {
            symlink(BUSYBOX, folder.path().join(name)).unwrap();
        }
        folder
    };
    FOLDER.get_or_init(make).path()
}

impl Shell {
    /// A scene that no other shell's test has.
    fn scene(self, name: &str) -> Scene {
        Scene::new(&format!("{name}-{self:?}"))
    }

    /// The script in this shell, in a session of its own like what an engine starts.
    fn keeper(self, scene: &Scene, words: &[&str]) -> Command {
        let said: Vec<&str> =
            SCRIPT.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        let mut command = program("setsid");
        let shell = match self {
            Self::Dash => PathBuf::from("dash"),
            Self::Bash => PathBuf::from("bash"),
            Self::Busybox => applets().join("sh"),
        };
        command.arg(shell).args(["-c", &said.join("\n"), "lem"]).args(words);
        if let Self::Busybox = self {
            command.env("PATH", applets());
            // Found before that PATH is in force.
            let setsid = program("sh").args(["-c", "command -v setsid"]).output().unwrap().stdout;
            let mut found = program(String::from_utf8(setsid).unwrap().trim());
            found.args(command.get_args()).env("PATH", applets());
            command = found;
        }
        command.env("LEM_RUN_ID", &scene.run).env("T", scene.path(""));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(self, scene: &Scene, limits: [&str; 3], command: &[&str]) -> Command {
        let folder = scene.path("").to_str().unwrap().to_owned();
        let words = [&["run", &folder][..], &limits, command].concat();
        self.keeper(scene, &words)
    }
}

const HELD: [&str; 3] = ["100", "none", "held"];

fn the_command_gets_its_words_and_its_exit_code_is_passed_on(shell: Shell) {
    let scene = shell.scene("words");
    let words =
        ["sh", "-c", "printf '<%s>' \"$@\"; read -r _ || exit 3", "0", "a b", "$(id)", "'", ""];
    let mut run = Running::start(&mut shell.run(&scene, HELD, &words));
    assert_eq!(run.exit_code(), Some(3), "its input is at its end");
    assert_eq!(run.output().stdout, b"<a b><$(id)><'><>");

    let started: Value =
        serde_json::from_slice(&std::fs::read(scene.path("started.json")).unwrap()).unwrap();
    assert_eq!((&started["run"], &started["version"]), (&scene.run.as_str().into(), &"sh".into()));
    assert_eq!(started["uid"], nix::unistd::geteuid().as_raw());
    let ended = scene.ended();
    assert_eq!((&ended["reason"], &ended["exit_code"]), (&"exited".into(), &3.into()));
    assert_eq!((&ended["signal"], &ended["leftovers"]), (&Value::Null, &0.into()));
    for mark in [&started["started_at"], &ended["ended_at"]] {
        assert!(mark.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{mark}");
    }
}

fn the_command_finds_signals_and_files_as_the_engine_would_leave_them(shell: Shell) {
    let scene = shell.scene("clean");
    let script = "grep SigIgn /proc/self/status; for n in 3 4 5; do [ -e /proc/$$/fd/$n ] && echo $n; done; :";
    let mut run = Running::start(&mut shell.run(&scene, HELD, &["sh", "-c", script]));
    assert_eq!(run.exit_code(), Some(0));
    let output = run.output();
    let said = String::from_utf8(output.stdout).unwrap();
    let ignored = u64::from_str_radix(said.split_whitespace().nth(1).unwrap(), 16).unwrap();
    // INT, QUIT, USR1, USR2 and TERM; a Rust program leaves PIPE ignored.
    assert_eq!(ignored & (1 << 1 | 1 << 2 | 1 << 9 | 1 << 11 | 1 << 14), 0, "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(output.stderr, b"");
}

fn a_signal_that_ended_the_command_is_in_the_mark(shell: Shell) {
    let scene = shell.scene("signal");
    let mut run = Running::start(&mut shell.run(&scene, HELD, &["sh", "-c", "kill -9 $$"]));
    assert_eq!(run.exit_code(), Some(137));
    let ended = scene.ended();
    assert_eq!((&ended["reason"], &ended["signal"]), (&"signaled".into(), &9.into()));
    assert_eq!(ended["exit_code"], Value::Null);
    assert_eq!(run.output().stderr, b"", "the shell's own words are no output of the command");
}

fn a_command_that_is_missing_is_127_and_one_that_is_none_126(shell: Shell) {
    for (word, code) in [("no-such-program", 127), ("/etc", 126), ("exit", 127)] {
        let scene = shell.scene("missing");
        let mut run = Running::start(&mut shell.run(&scene, HELD, &[word]));
        assert_eq!(run.exit_code(), Some(code), "{word}");
        assert_eq!(scene.ended()["exit_code"], code);
    }
}

fn all_are_gone(scene: &Scene) {
    for name in ["command", "session", "bare"] {
        let pid = scene.pid(name);
        eventually(&format!("{name} is gone"), || (!is_alive(pid)).then_some(()));
    }
}

fn wait_for_all(scene: &Scene) {
    for name in ["command", "session", "bare"] {
        scene.pid(name);
    }
}

fn the_cut_lifeline_ends_everything_also_what_is_deaf_and_hidden(shell: Shell) {
    let scene = shell.scene("cut");
    let mut run = Running::start(&mut shell.run(&scene, HELD, &["sh", "-c", DEAF]));
    wait_for_all(&scene);
    run.cut();
    assert_eq!(run.exit_code(), Some(143));
    all_are_gone(&scene);
    assert_eq!(scene.ended()["reason"], "lifeline_cut");
    let said = String::from_utf8(run.output().stderr).unwrap();
    assert!(said.starts_with("lem: stopping the run"), "{said}");
}

fn the_time_limit_holds_when_the_host_is_gone(shell: Shell) {
    let scene = shell.scene("limit");
    let mut run =
        Running::start(&mut shell.run(&scene, ["30", "150", "none"], &["sh", "-c", DEAF]));
    run.cut();
    run.go_away();
    assert_eq!(run.exit_code(), Some(124));
    all_are_gone(&scene);
    let ended = scene.ended();
    assert_eq!(ended["reason"], "time_limit");
    assert!(ended["wall_seconds"].as_f64().unwrap() >= 1.4, "{ended}");
}

fn the_time_limit_holds_when_nobody_reads_and_the_pipes_are_full(shell: Shell) {
    let scene = shell.scene("full");
    let command = ["sh", "-c", "yes & exec yes >&2"];
    let mut run = Running::start(&mut shell.run(&scene, ["100", "100", "held"], &command));
    assert_eq!(run.exit_code(), Some(124));
    assert_eq!(scene.ended()["reason"], "time_limit");
}

fn what_a_command_leaves_behind_is_ended_and_counted(shell: Shell) {
    let scene = shell.scene("left");
    let script = "setsid sleep 60 & env -i sleep 60 & exit 5";
    let mut run = Running::start(&mut shell.run(&scene, HELD, &["sh", "-c", script]));
    assert_eq!(run.exit_code(), Some(5));
    let ended = scene.ended();
    assert_eq!((&ended["reason"], &ended["exit_code"]), (&"exited".into(), &5.into()));
    assert_eq!(ended["leftovers"], 2);
}

fn without_a_results_folder_nothing_is_started(shell: Shell) {
    let scene = shell.scene("unwritable");
    let words = ["run", "/nowhere/at/all", "100", "none", "held", "sh", "-c", "echo started"];
    let mut run = Running::start(&mut shell.keeper(&scene, &words));
    assert_eq!(run.exit_code(), Some(119));
    let output = run.output();
    assert_eq!(output.stdout, b"");
    assert!(String::from_utf8(output.stderr).unwrap().contains("lem: cannot write the results"));
}

fn the_killer_ends_the_run_from_beside_it_and_nothing_else(shell: Shell) {
    let (scene, other) = (shell.scene("killed"), shell.scene("killed-2"));
    let run = Running::start(&mut shell.run(&scene, HELD, &["sh", "-c", FOREVER]));
    let _others = Running::start(&mut shell.run(&other, HELD, &["sh", "-c", FOREVER]));
    let (command, spared) = (scene.pid("command"), other.pid("command"));

    let mut kill = shell.keeper(&scene, &["kill", &scene.run, "100"]);
    let output = kill.env_remove("LEM_RUN_ID").output().unwrap();

    assert!(output.status.success(), "{output:?}");
    for pid in [command, run.pid()] {
        eventually("it is gone", || (!is_alive(pid)).then_some(()));
    }
    assert!(is_alive(spared));
    signal(spared, Signal::SIGKILL);
}

fn what_is_held_ends_when_it_is_asked_to(shell: Shell) {
    let scene = shell.scene("hold");
    let mut held = Running::start(&mut shell.keeper(&scene, &["hold"]));
    eventually("it holds", || {
        let children = format!("/proc/{0}/task/{0}/children", held.pid());
        let children = std::fs::read_to_string(children).unwrap_or_default();
        (!children.is_empty()).then_some(())
    });
    signal(held.pid(), Signal::SIGTERM);
    assert_eq!(held.exit_code(), Some(0));
}

fn a_run_that_has_begun_before_is_not_begun_again(shell: Shell) {
    let scene = shell.scene("again");
    let script = ["sh", "-c", "echo >>$T/begun"];
    assert_eq!(Running::start(&mut shell.run(&scene, HELD, &script)).exit_code(), Some(0));
    let marks = || ["started.json", "ended.json"].map(|it| std::fs::read(scene.path(it)).unwrap());
    let first = marks();

    let mut again = Running::start(&mut shell.run(&scene, HELD, &script));

    assert_eq!(again.exit_code(), Some(118));
    let said = String::from_utf8(again.output().stderr).unwrap();
    assert!(said.contains("has begun before") && said.contains("started.json` is there"), "{said}");
    assert_eq!(std::fs::read(scene.path("begun")).unwrap(), b"\n");
    assert_eq!(marks(), first);
}
