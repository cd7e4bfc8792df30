//! `lem experiment` as its user sees it: files, the last line, exit codes.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "what supports a test may end it, start the program and poll it with a deadline"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use predicates::prelude::*;
use predicates::str::{contains, ends_with, is_empty, starts_with};
use serde_json::Value;
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/experiments").join(name)
}

/// `lem experiment` in an empty directory, with none of the variables that it reads.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(TempDir::new().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.path("experiment.yaml");
        fs::write(&path, text).expect("written");
        path
    }

    fn plain(&self, file: &Path) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lem"));
        for name in [
            "LEM_CAMPAIGN_ID",
            "LEM_CAMPAIGN_NAME",
            "LEM_EXPERIMENT_ID",
            "LEM_RUN_ID",
            "LEM_CYCLE",
            "LEM_TOTAL_CYCLES",
            "LEM_RESULT_PATH",
            "LLM_ENERGY_RESULTS_DIR",
        ] {
            command.env_remove(name);
        }
        command.current_dir(self.0.path()).arg("experiment").arg(file);
        command
    }

    fn lem(&self, file: &Path) -> Command {
        Command::from_std(self.plain(file))
    }

    /// Runs with `--result` and reads the result.
    fn result(&self, file: &Path) -> Value {
        let path = self.path("result.json");
        self.lem(file).arg("--result").arg(&path).assert().success();
        read(&path)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("a directory");
        let name = |e: std::io::Result<fs::DirEntry>| e.expect("an entry").file_name();
        let mut names: Vec<_> = entries.map(|e| name(e).into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a result")).expect("JSON")
}

/// Asserts that the experiment was refused with `code` and left nothing behind.
fn refused(place: &Place, file: &Path, code: i32) -> Assert {
    let before = place.names();
    let assert = place.lem(file).assert().code(code).stdout(is_empty());
    assert_eq!(place.names(), before);
    assert
}

#[test]
fn a_synthetic_experiment_writes_what_it_did() {
    let place = Place::new();
    let path = place.path("made/for/it/result.json");
    place
        .lem(&fixture("synthetic.yaml"))
        .args(["--yes", "--fresh", "--result"])
        .arg(&path)
        .assert()
        .success()
        .stdout(is_empty())
        .stderr(
            starts_with("synthetic: 96 tokens in ")
                .and(contains(" tokens/s), result: "))
                .and(ends_with(format!("{}\n", path.display()))),
        );
    let result = read(&path);
    assert_eq!(result["schema_version"], 1);
    assert_eq!(result["config_name"], "synthetic-tiny");
    assert_eq!(result["backend"], "pytorch");
    assert_eq!(result["config"]["workload"]["synthetic"]["seed"], 7);
    assert_eq!(result["dataset"], "made-up");
    assert_eq!(result["sample_size"], 3);
    assert_eq!((&result["workload"], &result["synthetic"]), (&"synthetic".into(), &true.into()));
    assert!(result["note"].as_str().is_some_and(|n| n.contains("not a language model")));
    let settings = serde_json::json!({
        "hidden": 128, "layers": 2, "tokens": 16, "batch_size": 2, "samples": 3, "seed": 7,
    });
    assert_eq!(result["settings"], settings);
    assert_eq!(result["work"]["amount"], 96);
    assert_eq!(result["work"]["unit"], "tokens");
    assert!(result["wall_seconds"].as_f64().is_some_and(|s| s > 0.0));
    assert!(result["peak_memory_bytes"].as_u64().is_some_and(|b| b > 128 * 128 * 2 * 4));
    assert!(result["started_at"].as_str().is_some_and(|t| t.ends_with('Z')));
    assert_eq!(result["lem_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(result.get("run_id"), None, "outside a campaign");
}

#[test]
fn the_same_experiment_does_the_same_work_and_another_seed_does_not() {
    let place = Place::new();
    let checksum = |file: &Path| place.result(file)["checksum"].clone();
    let first = checksum(&fixture("synthetic.yaml"));
    assert!(first.is_string());
    assert_eq!(checksum(&fixture("synthetic.yaml")), first);
    let text = fs::read_to_string(fixture("synthetic.yaml")).expect("the fixture");
    assert_ne!(checksum(&place.file(&text.replace("seed: 7", "seed: 8"))), first);
}

#[test]
fn options_win_over_the_keys_of_the_file() {
    let place = Place::new();
    let path = place.path("result.json");
    place
        .lem(&fixture("synthetic.yaml"))
        .args(["--dataset", "other", "--sample-size", "1", "--result"])
        .arg(&path)
        .assert()
        .success();
    let result = read(&path);
    assert_eq!((&result["dataset"], &result["sample_size"]), (&"other".into(), &1.into()));
    assert_eq!(result["work"]["amount"], 32);
    assert_eq!(result["config"]["dataset"], "made-up", "the file is recorded as it is");
}

#[test]
fn the_environment_names_the_run_and_the_place_of_its_result() {
    let place = Place::new();
    let path = place.path("kept.json");
    place
        .lem(&fixture("synthetic.yaml"))
        .env("LEM_RESULT_PATH", &path)
        .env("LEM_CAMPAIGN_ID", "c1")
        .env("LEM_CAMPAIGN_NAME", "first")
        .env("LEM_EXPERIMENT_ID", "e1")
        .env("LEM_RUN_ID", "r1")
        .env("LEM_CYCLE", "2")
        .env("LEM_TOTAL_CYCLES", "3")
        .assert()
        .success();
    let result = read(&path);
    assert_eq!(result["campaign_id"], "c1");
    assert_eq!(result["campaign_name"], "first");
    assert_eq!(result["experiment_id"], "e1");
    assert_eq!(result["run_id"], "r1");
    assert_eq!((&result["cycle"], &result["total_cycles"]), (&2.into(), &3.into()));
}

#[test]
fn without_a_path_results_gather_in_a_directory_under_new_names() {
    let place = Place::new();
    for _ in 0..2 {
        place.lem(&fixture("synthetic.yaml")).assert().success();
    }
    let results = fs::read_dir(place.path("results")).expect("the default directory");
    let names: Vec<_> = results.map(|e| e.expect("an entry").file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let name = starts_with("synthetic-tiny-20").and(ends_with("Z.json"));
    assert!(names.iter().all(|n| name.eval(n.to_str().expect("UTF-8"))), "{names:?}");

    place.lem(&fixture("synthetic.yaml")).args(["--results-dir", "mine"]).assert().success();
    assert_eq!(place.names(), ["mine", "results"]);
}

#[test]
fn a_command_runs_with_its_experiment_and_the_environment() {
    let place = Place::new();
    let file = place.file(
        "num_samples: 5\nworkload:\n  command:\n    - sh\n    - -c\n    - |\n      \
         echo \"$LEM_EXPERIMENT_CONFIG $LEM_DATASET $LEM_SAMPLE_SIZE $OWN\"; cat\n",
    );
    place
        .lem(Path::new("experiment.yaml"))
        .args(["--dataset", "d", "--result", "result.json"])
        .env("OWN", "kept")
        .write_stdin("not for the command")
        .assert()
        .success()
        .stdout(format!("{} d 5 kept\n", file.display()))
        .stderr(contains("command: done in ").and(contains("result: result.json")));
    let result = read(&place.path("result.json"));
    assert_eq!((&result["workload"], &result["synthetic"]), (&"command".into(), &false.into()));
    assert_eq!(result["exit_code"], 0);
    assert_eq!(result["work"]["unit"], "commands");
    assert_eq!(result["work"]["amount"], 1);
    assert_eq!(result.get("checksum"), None);
}

#[test]
fn the_time_of_the_commands_own_children_is_counted() {
    let place = Place::new();
    let loops = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
    let file = place.file(&format!("workload: {{command: [sh, -c, '({loops}); true']}}"));
    let result = place.result(&file);
    let number = |pointer: &str| result.pointer(pointer).and_then(Value::as_f64).expect(pointer);
    assert!(number("/cpu_seconds/user") + number("/cpu_seconds/system") > 0.0);
    assert!(number("/cpu_seconds/user") <= number("/wall_seconds") * 1.5 + 0.1);
    assert!(number("/peak_memory_bytes") > 100_000.0);
}

#[test]
fn a_failed_command_gives_its_code_and_no_result() {
    for (script, code, message) in [
        ("exit 3", 3, "`sh` ended with exit code 3"),
        ("kill -KILL $$", 137, "`sh` was ended by SIGKILL"),
    ] {
        let place = Place::new();
        let file = place.file(&format!("workload: {{command: [sh, -c, '{script}']}}"));
        place
            .lem(&file)
            .args(["--result", "result.json"])
            .assert()
            .code(code)
            .stderr(contains(message));
        assert_eq!(place.names(), ["experiment.yaml"]);
    }
}

#[test]
fn a_command_that_cannot_start_is_told_apart_as_a_shell_does() {
    let place = Place::new();
    let missing = place.lem(&fixture("missing-program.yaml")).assert().code(127);
    missing.stderr(contains("`a-program-that-nobody-has`: no such program in PATH"));
    let file = place.file("workload: {command: [./experiment.yaml]}");
    place.lem(&file).assert().code(126).stderr(contains("cannot execute `./experiment.yaml`"));
}

#[test]
fn an_experiment_without_a_workload_shows_both_forms() {
    refused(&Place::new(), &fixture("no-workload.yaml"), 2).stderr(
        contains("has no `workload`")
            .and(contains("workload: {command: ["))
            .and(contains("workload: synthetic")),
    );
}

#[test]
fn mistakes_in_the_file_are_refused_before_anything_is_made() {
    for (name, message) in [
        ("unknown-setting.yaml", ":4:5"),
        ("unknown-setting.yaml", "`hiden`"),
        ("command-string.yaml", ":3:12"),
        ("command-string.yaml", "must be a list"),
        ("zero-tokens.yaml", "`tokens` is 0, but must be between 1 and 1000000"),
        ("too-large.yaml", "`hidden` 16384, `layers` 2"),
        ("there-is-no-such-file.yaml", "cannot read"),
    ] {
        refused(&Place::new(), &fixture(name), 2).stderr(contains(message));
    }
}

#[test]
fn a_cycle_that_is_no_number_is_refused() {
    let place = Place::new();
    let mut lem = place.lem(&fixture("synthetic.yaml"));
    lem.env("LEM_CYCLE", "first").assert().code(2).stderr(contains("`LEM_CYCLE` is `first`"));
    assert!(place.names().is_empty());
}

#[test]
fn a_result_that_cannot_be_written_stops_the_experiment_before_its_work() {
    let place = Place::new();
    let file = place.file("workload: {command: [touch, worked]}");
    fs::create_dir(place.path("taken")).expect("a directory");
    let long = "long".repeat(100);
    for path in ["experiment.yaml/under-a-file.json", "taken", "/proc/result.json", &long] {
        let assert = place.lem(&file).args(["--result", path]).assert().code(1);
        assert.stderr(contains("the result"));
    }
    assert_eq!(place.names(), ["experiment.yaml", "taken"]);
}

/// An experiment that was started and has said that it is running.
fn started(command: &mut std::process::Command) -> Child {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("started");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("a line");
    assert_eq!(line, "running\n");
    child
}

fn signal(child: &Child, signal: nix::sys::signal::Signal) {
    let id = i32::try_from(child.id()).expect("an id");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), signal).expect("sent");
}

fn ended(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("still running after 30 s");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_signal_is_passed_on_to_the_command_and_leaves_no_result() {
    use nix::sys::signal::Signal;
    for (sent, name, code) in [(Signal::SIGTERM, "TERM", 143), (Signal::SIGINT, "INT", 130)] {
        let place = Place::new();
        // The read never ends by itself: both ends of the pipe are the shell's own.
        let script = format!(
            "mkfifo pipe; trap \"touch told; exit 0\" {name}; exec 3<>pipe; echo running; \
             while :; do read line <&3; done"
        );
        let file = place.file(&format!("workload: {{command: [sh, -c, '{script}']}}"));
        let mut lem = place.plain(&file);
        let mut child = started(lem.args(["--result", "result.json"]));
        // Until the signals are watched one would end the experiment as any other program.
        watched(&child);
        signal(&child, sent);
        assert_eq!(ended(&mut child).code(), Some(code));
        assert_eq!(place.names(), ["experiment.yaml", "pipe", "told"]);
    }
}

#[test]
fn synthetic_work_stops_when_it_is_told_to() {
    let place = Place::new();
    let file = place.file("workload: {synthetic: {tokens: 1000000}}\nnum_samples: 1000000\n");
    let mut lem = place.plain(&file);
    let mut child = lem.arg("--result").arg("r.json").stderr(Stdio::null()).spawn().expect("lem");
    watched(&child);
    signal(&child, nix::sys::signal::Signal::SIGTERM);
    assert_eq!(ended(&mut child).code(), Some(143));
    assert_eq!(place.names(), ["experiment.yaml"]);
}

/// Waits until the process has blocked SIGTERM, as it does to watch for it. All signals at once are
/// blocked by the C library for the moment of starting a program; that one does not count.
fn watched(child: &Child) {
    use nix::sys::signal::Signal;
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("running");
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).expect("a mask");
        let mask = u64::from_str_radix(mask.trim(), 16).expect("hexadecimal");
        let blocked = |signal: Signal| mask & (1 << (signal as i32 - 1)) != 0;
        if blocked(Signal::SIGTERM) && !blocked(Signal::SIGUSR1) {
            return;
        }
        assert!(Instant::now() < deadline, "never watched");
        std::thread::sleep(Duration::from_millis(2));
    }
}
