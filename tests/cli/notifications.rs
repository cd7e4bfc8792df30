//! Who is told of a campaign: a real HTTP server, and a real program of the user's.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::processes::command_lines;
use crate::support::webhook::Manner::{Hangs, Redirect, Status};
use crate::support::webhook::Webhook;
use crate::support::{Ended, Running, Scene, Stubborn, eventually};

const WORDS: [&str; 6] = ["campaign", "campaign.yaml", "--yes", "--json", "--runner", "local"];

/// No webhook may make a campaign longer than the wait at its end, give or take a busy machine.
const BOUNDED: Duration = Duration::from_secs(15 + 15);

/// A scene whose project configuration has these keys under `notifications`.
fn scene(keys: &str, scripts: &[&str]) -> Scene {
    let scene = Scene::without_containers();
    scene.scripts(scripts, "config_gap_seconds: 0, cycle_gap_seconds: 0");
    scene.write(".lem-config.yaml", &format!("notifications: {{{keys}}}\n"));
    scene
}

fn told_by(webhook: &Webhook, scripts: &[&str]) -> Scene {
    scene(&format!("webhook_url: \"{}\"", webhook.url()), scripts)
}

/// Fails if the secret is in any file of the scene, or in what lem said.
#[track_caller]
fn nobody_saw(webhook: &Webhook, scene: &Scene, ended: &Ended) {
    let secret = webhook.secret.as_bytes();
    let holds = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
    assert!(!holds(ended.stdout.as_bytes()) && !holds(ended.stderr.as_bytes()), "{ended:?}");
    for path in scene.listing().iter().filter(|path| path.is_file()) {
        let own = path.ends_with(".lem-config.yaml");
        assert!(own || !holds(&std::fs::read(path).unwrap()), "{}", path.display());
    }
}

#[test]
fn start_failure_and_end_are_told() {
    let webhook = Webhook::start(&[Status(200)]);
    let scene = told_by(&webhook, &["true", "echo a-pass$((1 + 1))word; exit 3"]);

    let ended = scene.lem(&WORDS).expect(1);

    assert_eq!(webhook.events(), ["start", "failure", "complete"]);
    let started = &ended.all("campaign_started")[0];
    let bodies = webhook.bodies(3);
    for body in &bodies {
        assert_eq!(body["campaign_name"], "nightly");
        assert_eq!(body["campaign_id"], started["campaign_id"]);
        assert_eq!(body["text"], body["content"]);
        assert!(body["timestamp"].as_str().unwrap().ends_with('Z'), "{body}");
        assert!(!body.to_string().contains("a-pass2word"), "{body}");
    }
    let (failure, data) = (&bodies[1], &bodies[1]["data"]);
    assert_eq!((&data["exit_code"], &data["verdict"]), (&3.into(), &"failed".into()));
    assert_eq!((&data["cycle"], &data["run"]), (&1.into(), &ended.all("run_ended")[1]["run"]));
    assert_eq!(failure["experiment_id"].as_str().unwrap().len(), 12);
    assert_eq!(bodies[2]["data"]["completed"], 1);
    assert_eq!(bodies[2]["data"]["failed"], 1);
    let request = &webhook.requests()[0];
    assert_eq!(request.line, format!("POST /hooks/{} HTTP/1.1", webhook.secret));
    assert!(
        request
            .headers
            .iter()
            .any(|header| { header.eq_ignore_ascii_case("content-type: application/json") })
    );
    nobody_saw(&webhook, &scene, &ended);
}

#[test]
fn what_is_switched_off_is_not_told() {
    let webhook = Webhook::start(&[Status(200)]);
    let scene = told_by(&webhook, &["exit 3"]);
    let mut campaign = std::fs::read_to_string(scene.path("campaign.yaml")).unwrap();
    campaign.push_str("notifications: {on_start: false, on_complete: false}\n");
    scene.write("campaign.yaml", &campaign);
    scene.lem(&WORDS).expect(1);
    assert_eq!(webhook.events(), ["failure"]);
}

#[test]
fn a_server_with_a_problem_of_its_own_is_asked_again() {
    let webhook = Webhook::start(&[Status(500), Status(503), Status(200)]);
    let scene = told_by(&webhook, &["true"]);
    let ended = scene.lem(&WORDS).expect(0);
    assert_eq!(webhook.events(), ["start", "start", "start", "complete"]);
    assert!(!ended.stderr.contains("warning"), "{}", ended.stderr);
}

#[test]
fn a_refusal_is_one_warning_and_no_second_try() {
    let webhook = Webhook::start(&[Status(404)]);
    let scene = told_by(&webhook, &["exit 3", "true"]);
    let ended = scene.lem(&WORDS).expect(1);
    assert_eq!(webhook.events(), ["start", "failure", "complete"]);
    assert_eq!(ended.stderr.matches("warning").count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("/… answered 404"), "{}", ended.stderr);
    nobody_saw(&webhook, &scene, &ended);
}

#[test]
fn a_redirect_keeps_the_message() {
    let webhook = Webhook::start(&[Redirect(308, "/new"), Status(204)]);
    let scene = told_by(&webhook, &["true"]);
    scene.lem(&WORDS).expect(0);
    let requests = webhook.requests();
    assert_eq!(requests[1].line, "POST /new HTTP/1.1");
    assert_eq!(requests[1].body["event_type"], "start");
}

#[test]
fn redirects_in_a_circle_end() {
    let webhook = Webhook::start(&[Redirect(307, "/round")]);
    let scene = scene(&format!("on_start: false, webhook_url: \"{}\"", webhook.url()), &["true"]);
    let ended = scene.lem(&WORDS).expect(0);
    ended.says(&["warning", "in circles"]);
    assert_eq!(webhook.requests().len(), 4);
}

#[test]
fn a_webhook_that_is_gone_is_one_warning() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let scene = scene(&format!("webhook_url: 'http://127.0.0.1:{port}/secret'"), &["true"]);
    let ended = scene.lem(&WORDS).expect(0);
    assert_eq!(ended.stderr.matches("warning").count(), 1, "{}", ended.stderr);
    ended.says(&[&format!("http://127.0.0.1:{port}/…"), "refused"]);
    assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
}

#[test]
fn a_webhook_that_hangs_holds_up_no_run_and_the_end_is_bounded() {
    let webhook = Webhook::start(&[Hangs]);
    let scene = told_by(&webhook, &["true", "true", "true"]);
    let began = Instant::now();
    let mut lem = scene.start(&WORDS);
    lem.event("campaign_ended");
    // One try is given up after 10 s.
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    let ended = lem.wait().expect(0);
    assert!(began.elapsed() < BOUNDED, "{:?}", began.elapsed());
    ended.says(&["delivering the last notifications", "left undelivered"]);
    nobody_saw(&webhook, &scene, &ended);
}

#[test]
fn a_second_signal_does_not_wait_for_a_webhook_and_an_interruption_is_told() {
    let webhook = Webhook::start(&[Status(200), Hangs]);
    let scene = Scene::without_containers();
    let mut run = Stubborn::start(&scene, &[&WORDS[..], &[]].concat());
    run.lem.signal(Signal::SIGINT);
    run.lem.wait().expect(130);
    // The webhook is a setting of the moment: this execution was begun without one.
    let mut command = scene.command(&["resume", "--yes", "--json"]);
    let mut lem = Running::start(command.env("LEM_WEBHOOK_URL", webhook.url()));
    eventually("the run began again", || (webhook.requests().len() == 1).then_some(()));
    lem.event("run_started");
    lem.signal(Signal::SIGINT);
    lem.event("campaign_ended");
    let body = webhook.bodies(2).remove(1);
    assert_eq!(body["event_type"], "interrupted");
    assert!(body["data"]["reason"].as_str().unwrap().contains("SIGINT"), "{body}");
    let began = Instant::now();
    lem.signal(Signal::SIGINT);
    let ended = lem.wait().expect(130);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    nobody_saw(&webhook, &scene, &ended);
}

#[test]
fn a_bad_address_is_refused_before_anything_starts_and_is_not_repeated() {
    for (url, reason) in [
        ("https:// test-secret", "a space"),
        ("hooks.example.com/test-secret", "no scheme"),
        ("ftp://example.com/test-secret", "only `https://` and `http://`"),
    ] {
        let scene = scene(&format!("webhook_url: '{url}'"), &["true"]);
        let ended = scene.lem(&WORDS).expect(2);
        ended.says(&["`notifications.webhook_url`", ".lem-config.yaml", reason]);
        assert!(!ended.stderr.contains("test-secret"), "{}", ended.stderr);
        assert!(!scene.path(".state").exists() && !scene.path("results").exists());

        scene.write(".lem-config.yaml", "");
        let mut command = scene.command(&WORDS);
        let ended = Running::start(command.env("LEM_WEBHOOK_URL", url)).wait().expect(2);
        ended.says(&["in `LEM_WEBHOOK_URL`", reason]);
        assert!(!ended.stderr.contains("test-secret"), "{}", ended.stderr);
    }
}

#[test]
fn a_mistake_beside_the_address_does_not_show_the_address() {
    let scene = scene("webhook_url: 'https://a.example/test-secret', on_fail: true", &["true"]);
    let ended = scene.lem(&WORDS).expect(2);
    ended.says(&["unknown key `notifications.on_fail`", "did you mean `on_failure`?"]);
    assert!(!ended.stderr.contains("test-secret"), "{}", ended.stderr);
}

#[test]
fn a_run_and_the_list_of_processes_do_not_show_the_address() {
    let webhook = Webhook::start(&[Status(200)]);
    let scene = Scene::without_containers();
    scene.scripts(&["env >seen; touch here; while [ ! -e $GO ]; do sleep 0.05; done"], "");
    let mut command = scene.command(&WORDS);
    let mut lem = Running::start(command.env("LEM_WEBHOOK_URL", webhook.url()));
    eventually("the run is there", || {
        scene.runs("nightly").first()?.join("here").exists().then_some(())
    });
    assert!(command_lines().all(|line| !line.contains(&webhook.secret)));
    scene.write("results/nightly/go", "");
    let ended = lem.wait().expect(0);
    assert_eq!(webhook.events(), ["start", "complete"]);
    nobody_saw(&webhook, &scene, &ended);
}

#[test]
fn a_dry_run_tells_nobody() {
    let webhook = Webhook::start(&[Status(200)]);
    let scene = told_by(&webhook, &["true"]);
    let ended = scene.lem(&["campaign", "--dry-run", "--runner", "local"]).expect(0);
    assert!(webhook.requests().is_empty());
    nobody_saw(&webhook, &scene, &ended);
}

#[test]
fn a_program_gets_each_event_as_json_and_in_its_environment() {
    let script = r#"cat >>told; echo " $LEM_EVENT $LEM_CAMPAIGN_NAME $LEM_VERDICT" >>told"#;
    let scene = scene(&format!("command: [sh, -c, '{script}']"), &["exit 3"]);
    scene.lem(&WORDS).expect(1);
    let told = std::fs::read_to_string(scene.path("told")).unwrap();
    let lines: Vec<&str> = told.lines().collect();
    let words = ["start nightly ", "failure nightly failed", "complete nightly "];
    assert_eq!(lines.len(), 3, "{told}");
    for (line, words) in lines.iter().zip(words) {
        let json = line.strip_suffix(words).unwrap_or_else(|| panic!("{line}"));
        let event: Value = serde_json::from_str(json).unwrap();
        assert_eq!(event["event_type"], words.split(' ').next().unwrap());
    }
}

#[test]
fn a_program_that_fails_is_one_warning_with_its_last_words() {
    let keys = "command: [sh, -c, 'yes | head -c 1000000; echo no network >&2; exit 7']";
    let ended = scene(keys, &["true", "exit 1"]).lem(&WORDS).expect(1);
    assert_eq!(ended.stderr.matches("warning").count(), 1, "{}", ended.stderr);
    ended.says(&["`sh` ended with exit code 7: no network"]);
    let ended = scene("command: [no-such-program]", &["true"]).lem(&WORDS).expect(0);
    ended.says(&["`no-such-program` can't be started"]);
}

#[test]
fn a_program_that_does_not_end_is_killed_with_its_group() {
    let scene = Scene::without_containers();
    let argument = format!("sleep {}", scene.number());
    scene.scripts(&["true"], "");
    scene.write(
        ".lem-config.yaml",
        &format!(
            "notifications: {{on_start: false, command: [sh, -c, '{argument} & {argument}']}}"
        ),
    );
    let ended = scene.lem(&WORDS).expect(0);
    ended.says(&["`sh` took longer than 10 s"]);
    eventually("nothing of the program is left", || {
        (!command_lines().any(|line| line.trim_end() == argument)).then_some(())
    });
}
