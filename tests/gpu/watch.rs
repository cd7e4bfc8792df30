//! `lem gpu --watch`.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use rexpect::session::{PtySession, spawn_command};
use serde_json::{Value, json};

use crate::support::gpu::FakeGpu;
use crate::support::{Running, Scene, within};

#[test]
fn each_look_is_a_line_of_json_and_ctrl_c_is_the_usual_end() {
    let (scene, fake) = (Scene::without_containers(), FakeGpu::idle(1));
    let mut command = scene.command(&["gpu", "--json", "--watch=0.1"]);
    let mut lem = Running::start(fake.furnish(&mut command));
    let used = |lem: &Running, mib: i64| {
        within(Duration::from_secs(30), &format!("there is a look with {mib} MiB"), || {
            let lines = lem.stdout();
            let mut looks = lines.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
            looks.any(|look| look["gpus"][0]["memory"]["used_mib"] == mib).then_some(())
        });
    };
    used(&lem, 600);
    fake.set(0, "used_mib", json!(700));
    used(&lem, 700);
    // A driver that is reloaded: refused until it is opened again.
    fake.change(|state| state["generation"] = 1.into());
    fake.set(0, "used_mib", json!(800));
    used(&lem, 800);
    fake.fail("nvmlDeviceGetCount_v2", Some(999));
    within(Duration::from_secs(30), "the failure is said", || {
        lem.stderr().contains("internal driver error").then_some(())
    });
    fake.fail("nvmlDeviceGetCount_v2", None);
    fake.set(0, "used_mib", json!(900));
    used(&lem, 900);
    lem.signal(Signal::SIGINT);
    lem.wait().expect(0);
}

#[test]
fn a_reader_that_is_gone_ends_it() {
    let (scene, fake) = (Scene::without_containers(), FakeGpu::idle(1));
    let mut command = scene.command(&["gpu", "--watch=0.1"]);
    let mut child = fake.furnish(&mut command).stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    drop(reader);
    let status = within(Duration::from_secs(30), "lem ends", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn on_a_terminal_the_table_stays_in_its_place() {
    let (scene, fake) = (Scene::without_containers(), FakeGpu::idle(1));
    let mut command = scene.command(&["gpu", "--watch=0.1"]);
    fake.furnish(&mut command);
    let mut terminal: PtySession = spawn_command(command, Some(30_000)).unwrap();
    terminal.exp_string("\u{1b}[H").unwrap();
    terminal.exp_string("600 / 81920 MiB").unwrap();
    fake.set(0, "used_mib", json!(700));
    terminal.exp_string("\u{1b}[H").unwrap();
    terminal.exp_string("700 / 81920 MiB").unwrap();
    terminal.send_control('c').unwrap();
    let status = terminal.process().wait().unwrap();
    assert_eq!(format!("{status:?}").split(", ").last(), Some("0)"), "it exits with 0");
}

#[test]
fn elsewhere_tables_follow_one_another() {
    let (scene, fake) = (Scene::without_containers(), FakeGpu::idle(1));
    let mut command = scene.command(&["gpu", "--watch=0.1"]);
    let mut child = fake.furnish(&mut command).stdout(Stdio::piped()).spawn().unwrap();
    let mut text = vec![0; 1000];
    child.stdout.take().unwrap().read_exact(&mut text).unwrap();
    let text = String::from_utf8_lossy(&text);
    assert!(text.matches("NVIDIA H200").count() >= 2 && !text.contains('\u{1b}'), "{text}");
    within(Duration::from_secs(30), "lem ends", || child.try_wait().unwrap());
}
