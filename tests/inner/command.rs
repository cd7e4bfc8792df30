//! The command itself: how it starts, what it inherits, how its end is told.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use crate::scene::{Running, Scene};

fn output(mut command: Command) -> Output {
    Running::start(&mut command).output()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_exit_code_is_the_commands_own() {
    for code in [0, 3, 255] {
        let scene = Scene::new("own-code");
        let output = output(scene.run(&[], &format!("exit {code}")));
        assert_eq!(output.status.code(), Some(code));
        let ended = scene.ended();
        assert_eq!(ended["reason"], "exited");
        assert_eq!(ended["exit_code"], code);
        assert_eq!(ended["run"], scene.run.as_str());
        assert_eq!(ended["leftovers"], 0);
    }
}

#[test]
fn a_command_ended_by_a_signal_gives_128_and_the_signal() {
    // 40 is a real-time signal.
    for signal in [9, 15, 40] {
        let scene = Scene::new("signaled");
        let output = output(scene.run(&[], &format!("kill -{signal} $$")));
        assert_eq!(output.status.code(), Some(128 + signal));
        let ended = scene.ended();
        assert_eq!(ended["reason"], "signaled");
        assert_eq!(ended["signal"], signal);
        assert!(ended["exit_code"].is_null());
    }
}

#[test]
fn a_missing_command_is_127_and_one_that_cannot_be_executed_is_126() {
    let scene = Scene::new("not-started");
    let script = |name: &str, text: &str, mode| {
        let path = scene.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cases = [
        ("no-such-command".to_owned(), 127, "not_found", "there is no command"),
        ("/no/such/command".to_owned(), 127, "not_found", "there is no command"),
        (script("a", "#!/no/such/sh\n", 0o755), 127, "not_found", "the interpreter of"),
        (script("b", "#!/bin/sh\n", 0o644), 126, "not_executable", "cannot execute"),
        (script("c", "\u{1}no program", 0o755), 126, "not_executable", "cannot execute"),
        ("/".to_owned(), 126, "not_executable", "cannot execute"),
    ];
    for (word, code, reason, message) in cases {
        let dir = scene.path("");
        let _ = std::fs::remove_file(scene.path("started.json"));
        let output = output(scene.lem(&["run", "--dir", dir.to_str().unwrap(), "--", &word]));
        assert_eq!(output.status.code(), Some(code), "{word}");
        assert_eq!(scene.ended()["reason"], reason, "{word}");
        assert!(stderr(&output).contains(&format!("lem: {message} `{word}`")), "{word}");
    }
}

#[test]
fn the_started_mark_is_there_before_the_command() {
    let scene = Scene::new("started");
    let output = output(scene.run(&[], "cat $T/started.json"));
    let mark: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(mark["run"], scene.run.as_str());
    assert_eq!(mark["uid"], nix::unistd::geteuid().as_raw());
    assert_eq!(mark["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_run_that_cannot_write_its_results_starts_nothing() {
    let scene = Scene::new("unwritable");
    let proof = scene.path("proof");
    let script = format!("touch {}", proof.display());
    let output = output(scene.lem(&["run", "--dir", "/dev/null/x", "--", "sh", "-c", &script]));
    assert_eq!(output.status.code(), Some(119));
    let message = stderr(&output);
    assert!(
        message.starts_with("lem: cannot write the results of this run to `/dev/null/x`: "),
        "{message}"
    );
    assert!(!proof.exists());
}

#[test]
fn without_a_directory_nothing_is_written() {
    let scene = Scene::new("no-dir");
    let output = output(scene.lem(&["run", "--", "sh", "-c", "exit 4"]));
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(std::fs::read_dir(scene.path("")).unwrap().count(), 0);
}

#[test]
fn ten_megabytes_of_output_pass_through() {
    let scene = Scene::new("output");
    let output = output(scene.run(&[], "head -c 10000000 /dev/zero; echo said >&2"));
    assert_eq!(output.stdout.len(), 10_000_000);
    assert_eq!(stderr(&output), "said\n");
}

#[test]
fn the_command_has_its_own_process_group_no_input_and_no_signal_blocked_or_ignored() {
    let scene = Scene::new("inherits");
    let script = "cat; ps -o pgid= -p $$; echo $$; grep -E '^Sig(Blk|Ign)' /proc/self/status";
    let output = output(scene.run(&[], script));
    let text = String::from_utf8(output.stdout).unwrap();
    let words: Vec<_> = text.split_whitespace().collect();
    assert_eq!(words[0], words[1]);
    assert_eq!(words[3], "0000000000000000");
    // The two signals that the C library keeps to itself don't count.
    let ignored = u64::from_str_radix(words[5], 16).unwrap() & !0x1_8000_0000;
    assert_eq!(ignored, 0);
}

#[test]
fn lem_is_this_program_where_the_path_has_no_other() {
    let scene = Scene::new("itself");
    let version = format!("lem {}\n", env!("CARGO_PKG_VERSION"));
    for path in ["", "/no/such/directory"] {
        let mut command = scene.lem(&["run", "--", "lem", "--version"]);
        command.env("PATH", path);
        assert_eq!(String::from_utf8_lossy(&output(command).stdout), version);
    }
    let other = scene.path("lem");
    std::fs::write(&other, "#!/bin/sh\necho another\n").unwrap();
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = scene.lem(&["run", "--", "lem", "--version"]);
    command.env("PATH", scene.path(""));
    assert_eq!(output(command).stdout, b"another\n");
}

#[test]
fn the_time_and_memory_of_grandchildren_count() {
    let scene = Scene::new("spent");
    let script = "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; exit 0";
    assert!(output(scene.run(&[], script)).status.success());
    let ended = scene.ended();
    let cpu = ended["cpu_seconds"].as_f64().unwrap();
    assert!(cpu > 0.01, "{ended}");
    assert!(ended["wall_seconds"].as_f64().unwrap() > 0.01, "{ended}");
    assert!(ended["peak_memory_bytes"].as_u64().unwrap() > 500_000, "{ended}");
}

#[test]
fn a_lifeline_that_is_closed_from_the_start_starts_nothing() {
    let scene = Scene::new("closed");
    let mut command = scene.run(&[], "touch $T/proof");
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(143));
    assert_eq!(scene.ended()["reason"], "lifeline_cut");
    assert!(!scene.path("proof").exists());

    let scene = Scene::new("never-closed");
    let mut command = scene.run(&["--no-lifeline"], "touch $T/proof");
    assert!(command.stdin(Stdio::null()).status().unwrap().success());
    assert!(scene.path("proof").exists());
}

#[test]
fn a_run_that_has_begun_before_is_not_begun_again() {
    let scene = Scene::new("twice");
    assert!(output(scene.run(&[], "touch $T/proof")).status.success());
    std::fs::remove_file(scene.path("proof")).unwrap();
    let again = output(scene.run(&[], "touch $T/proof"));
    assert_eq!(again.status.code(), Some(118));
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("has begun before"), "{said}");
    assert!(!scene.path("proof").exists());
}

#[test]
fn a_run_that_would_not_see_its_command_end_is_refused() {
    let scene = Scene::new("ignored");
    let lem = env!("CARGO_BIN_EXE_lem");
    let script = format!("exec env --ignore-signal=CHLD {lem} run -- sh -c 'touch $T/proof'");
    let output = output(scene.shell(&script));
    assert_eq!(output.status.code(), Some(125));
    assert!(stderr(&output).starts_with("lem: started with SIGCHLD ignored"), "{output:?}");
    assert!(!scene.path("proof").exists());
}

#[test]
fn how_a_run_ended_is_written_also_when_its_result_cannot_be_read() {
    let scene = Scene::new("unreadable-result");
    let result = scene.path("result.json");
    let script = format!("echo '{{}}' > {0} && chmod 0 {0}", result.display());
    let mut run = scene.run(&[], &script);
    if nix::unistd::geteuid().is_root() {
        // Root reads everything unless it is told not to.
        let mut without = scene.without_root_reading();
        without.arg(run.get_program()).args(run.get_args());
        run = without;
    }
    run.env("LEM_RESULT_PATH", &result);
    let output = output(run);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(scene.ended()["exit_code"], 0);
    let message = format!("lem: cannot flush the result `{}` to the disk: ", result.display());
    assert!(stderr(&output).contains(&message), "{}", stderr(&output));
}
