//! Several lems at once on the same services (F26, F28, F29).

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Running, eventually};
use crate::world::{Kind, World, of_both_kinds};

of_both_kinds!(ten_at_once_are_one_start);

// F26
fn ten_at_once_are_one_start(kind: Kind) {
    let mut world = World::for_kind(kind);
    let x = world.service(kind, "x", 50_000, "--load 300ms", "");
    let all: Vec<Running> = (0..10).map(|_| world.start(&["service", "ensure", "x"])).collect();
    for mut lem in all {
        lem.wait().expect(0);
    }
    assert_eq!(world.count("x", "started"), 1);
    assert!(x.pid().is_some());
    let journal = world.journal();
    assert_eq!(journal.iter().filter(|line| line["act"] == "start").count(), 1, "{journal:?}");
    assert_eq!(world.state("x"), "ready");
}

/// Pairs of an `ensure` and a `stop` at the same moment, for so long.
fn ensure_against_stop(kind: Kind, time: Duration) {
    let mut world = World::for_kind(kind);
    let x = world.service(kind, "x", 20_000, "--load 20ms --stop 20ms", "");
    let begun = Instant::now();
    let mut rounds = 0;
    while rounds < 3 || begun.elapsed() < time {
        rounds += 1;
        let pair = [["service", "ensure", "x"], ["service", "stop", "x"]];
        let pair = if rounds % 2 == 0 { [pair[1], pair[0]] } else { pair };
        let both = pair.map(|words| world.start(&words));
        for mut lem in both {
            lem.wait().expect(0);
        }
        let runs = x.pid().is_some();
        world.lem(&["service", "status", "x"]).expect(if runs { 0 } else { 3 });
        let journal = world.journal();
        let last = journal.iter().rfind(|line| line["act"] != "check");
        let last = last.map_or("stop", |line| line["act"].as_str().unwrap());
        assert_eq!(last, if runs { "start" } else { "stop" }, "round {rounds}");
        match kind {
            Kind::Native => assert_eq!(x.processes().len(), usize::from(runs)),
            Kind::Container => assert_eq!(world.containers().len(), usize::from(runs)),
        }
    }
}

// F26
#[test]
fn an_ensure_against_a_stop_never_contradicts_the_engine() {
    ensure_against_stop(Kind::Container, Duration::from_secs(5));
}

// F26
#[test]
fn an_ensure_against_a_stop_never_contradicts_the_kernel() {
    ensure_against_stop(Kind::Native, Duration::from_secs(5));
}

// F26
#[test]
#[ignore = "takes a minute: make test-slow"]
fn an_ensure_against_a_stop_for_a_minute() {
    ensure_against_stop(Kind::Container, Duration::from_secs(60));
    ensure_against_stop(Kind::Native, Duration::from_secs(60));
}

// F28, F29
#[test]
fn who_can_not_wait_learns_who_is_at_work_and_who_looks_never_waits() {
    let mut world = World::native();
    let a = world.service(Kind::Native, "a", 50_000, "", "");
    let _b = world.service(Kind::Native, "b", 50_000, "--load 50s", "");
    world.ensure(&["a"]);
    let mut switch = world.start(&["switch", "b"]);
    eventually("`b` starts", || (world.count("b", "started") == 1).then_some(()));
    let holder = format!("switch b (pid {}, since ", switch.pid());
    for name in ["a", "b"] {
        let refused = world.lem(&["service", "ensure", name, "--no-wait"]).expect(75);
        refused.says(&[&holder, "is taken"]);
    }
    let begun = Instant::now();
    world.lem(&["service", "stop", "b", "--wait", "1s"]).expect(75).says(&[&holder]);
    assert!(begun.elapsed() >= Duration::from_secs(1));

    let row = world.status("b");
    assert_eq!(row["state"], "starting", "{row}");
    assert!(row["holder"].as_str().unwrap().starts_with(&holder), "{row}");
    assert_eq!(world.state("a"), "stopped");
    world.lem(&["service", "stats"]).expect(0);
    world.lem(&["service", "ensure", "b", "--dry-run"]).expect(0);
    world.lem(&["service", "stop", "b", "--dry-run"]).expect(0);
    assert!(!switch.has_ended() && a.pid().is_none());
    switch.signal(Signal::SIGINT);
    switch.wait().expect(130);
    world.lem(&["service", "ensure", "a", "--no-wait"]).expect(0);
}

/// What acts on a service, and what only looks.
const ACTS: [&[&str]; 6] = [
    &["service", "ensure", "<it>", "--no-wait"],
    &["switch", "<it>", "--no-wait"],
    &["phase", "<phase>", "--no-wait"],
    &["service", "stop", "<it>", "--no-wait"],
    &["service", "evict", "<it>", "--no-wait"],
    &["lock", "--wait", "0", "--needs", "<it>", "--", "true"],
];
const LOOKS: [&[&str]; 3] =
    [&["service", "status"], &["service", "stats"], &["service", "ensure", "other", "--dry-run"]];

// F29: every verb that acts, against every other, in both orders.
#[test]
fn whoever_acts_on_a_service_excludes_everybody_else_from_it_and_from_nothing_more() {
    let mut world = World::native();
    let keys = |phase| {
        format!("sequential: false, pipeline_phases: [{phase}], evict: {{kind: vllm-sleep}}")
    };
    // Slow to start, and slow to free its memory and to end.
    let _slow = world.service(Kind::Native, "slow", 20_000, "--load 50s", &keys(1));
    let lingers = "--stop 50s --evict-lag 50s";
    let lingering = world.service(Kind::Native, "lingers", 20_000, lingers, &keys(2));
    let _other = world.service(Kind::Native, "other", 1_000, "", &keys(3));
    world.ensure(&["lingers", "other"]);
    let words = |act: &[&'static str], name: &'static str, phase: &'static str| {
        let filled = |part: &&'static str| match *part {
            "<it>" => name,
            "<phase>" => phase,
            part => part,
        };
        act.iter().map(filled).collect::<Vec<_>>()
    };
    let [ensure, switch, phase, stop, evict, lock] = ACTS;
    // The stop is the last: nobody undoes it.
    for act in [ensure, switch, phase, lock, evict, stop] {
        let starts = act != evict && act != stop;
        let (name, number) = if starts { ("slow", "1") } else { ("lingers", "2") };
        let mut holder = world.start(&words(act, name, number));
        eventually(&format!("{act:?} has `{name}`"), || {
            (!world.status(name)["holder"].is_null()).then_some(())
        });
        if starts {
            eventually("it runs", || world.status(name)["pid"].as_u64());
        }
        for other in ACTS {
            let refused = world.lem(&words(other, name, number));
            assert_eq!(refused.code, Some(75), "{other:?} while {act:?}: {}", refused.stderr);
            // One that runs and is well needs nothing that the holder has.
            if [ensure, switch, phase, evict].contains(&other) {
                world.lem(&words(other, "other", "3")).expect(0);
            }
        }
        for look in LOOKS {
            world.lem(&words(look, name, number)).expect(0);
        }
        assert!(!holder.has_ended(), "{act:?}: {}", holder.stderr());
        holder.signal(Signal::SIGINT);
        if act == stop {
            holder.insist(Signal::SIGINT);
        }
        holder.wait();
    }
    assert!(lingering.processes().is_empty());
}
