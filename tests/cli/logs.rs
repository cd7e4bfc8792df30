//! `lem logs`: a run's words, byte for byte, by any of its names, from anywhere.

use nix::sys::signal::Signal;

use crate::support::{Ended, Running, Scene, Stubborn, eventually};

const WORDS: [&str; 6] = ["campaign", "campaign.yaml", "--yes", "--json", "--runner", "local"];

fn logs(scene: &Scene, words: &[&str]) -> Ended {
    scene.lem(&[&["logs"], words].concat())
}

/// The ids of the runs of a finished campaign.
fn ids(ended: &Ended) -> Vec<String> {
    ended.all("run_ended").iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_run_is_found_by_each_of_its_names_from_any_folder() {
    let scene = Scene::without_containers();
    scene.scripts(&["echo first", "echo second; echo more >&2", "echo third"], "");
    let ids = ids(&scene.lem(&WORDS).expect(0));
    let second = "second\nmore\n";
    for (word, said) in [
        (&[ids[1].as_str()][..], second),
        (&["2"], second),
        (&["bench-script=echo second; echo more >&2"], second),
        (&["2", "-n", "1"], "more\n"),
        (&["2", "--campaign", "nightly"], second),
        (&[], "third\n"),
    ] {
        assert_eq!(logs(&scene, word).expect(0).stdout, said, "{word:?}");
    }
    std::fs::create_dir(scene.path("elsewhere")).unwrap();
    let mut command = scene.command(&["logs", &ids[0]]);
    let ended = Running::start(command.current_dir(scene.path("elsewhere"))).wait();
    assert_eq!(ended.expect(0).stdout, "first\n");

    let several = logs(&scene, &[&ids[0][..8]]).expect(2);
    several.says(&["several runs", &ids[0], &ids[1], &ids[2], "--campaign"]);
    assert_eq!(several.stdout, "");
    logs(&scene, &["absent"]).expect(2).says(&["no run `absent`"]);
    logs(&scene, &["--campaign", "absent"]).expect(2).says(&["no campaign `absent`"]);
}

#[test]
fn without_campaigns_there_is_nothing_to_show_and_nothing_is_made() {
    let scene = Scene::without_containers();
    let before = scene.listing();
    logs(&scene, &[]).expect(2).says(&["no campaign was ever started here"]);
    assert_eq!(scene.listing(), before);
}

#[test]
fn bytes_stay_as_they_are() {
    let scene = Scene::without_containers();
    scene.scripts(&["printf '\\377\\000\\r\\033[1m'"], "");
    scene.lem(&WORDS).expect(0);
    let output = scene.command(&["logs"]).output().unwrap();
    assert_eq!(output.stdout, b"\xff\0\r\x1b[1m");
}

#[test]
fn following_goes_on_over_another_try_until_the_run_ends() {
    let scene = Scene::without_containers();
    let script = "[ -e tried ] && echo again && exit 0; touch tried; echo once; \
                  until [ -e $GO ]; do sleep 0.05; done; echo failing; exit 1";
    scene.scripts(
        &[script, "sleep 1000"],
        "retry: {max_attempts: 2, base_delay: 1s, on: [failed]}, stop_grace_period: 1s",
    );
    let mut lem = scene.start(&WORDS);
    lem.event("run_started");
    let follower = scene.start(&["logs", "1", "-f"]);
    let read = |follower: &Running| follower.stdout();
    eventually("the follower shows what was said", || (read(&follower) == "once\n").then_some(()));
    scene.write("results/nightly/go", "");
    let mut follower = follower;
    assert_eq!(follower.wait().expect(0).stdout, "once\nfailing\nagain\n");
    lem.signal(Signal::SIGINT);
    lem.wait().expect(130);
}

#[test]
fn without_a_run_a_follower_goes_on_with_the_runs_that_follow_until_the_campaign_ends() {
    let scene = Scene::without_containers();
    let script = "echo one; until [ -e $GO ]; do sleep 0.05; done";
    scene.scripts(&[script, "echo two", "echo three"], "config_gap_seconds: 0.5");
    let mut lem = scene.start(&WORDS);
    lem.event("run_started");
    let mut follower = scene.start(&["logs", "-f"]);
    eventually("the follower shows the first run", || (follower.stdout() == "one\n").then_some(()));
    scene.write("results/nightly/go", "");
    assert_eq!(follower.wait().expect(0).stdout, "one\ntwo\nthree\n");
    lem.wait().expect(0);
}

#[test]
fn a_follower_ends_with_the_lem_it_follows_and_quietly_on_ctrl_c() {
    let scene = Scene::without_containers();
    let mut run = Stubborn::start(&scene, &WORDS);
    let mut interrupted = scene.start(&["logs", "-f", "-n", "5"]);
    let mut last = scene.start(&["logs", "2", "--follow"]);
    // The signals are watched from the moment that their handlers are there.
    eventually("the follower catches SIGINT", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", interrupted.pid())).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
        (caught & (1 << (Signal::SIGINT as u64 - 1)) != 0).then_some(())
    });
    interrupted.signal(Signal::SIGINT);
    let ended = interrupted.wait().expect(130);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    run.lem.kill();
    last.wait().expect(0);
}
