//! Services among the operations of the machine: who waits for whom, in what order, and with what
//! in his hands.

use nix::sys::signal::Signal;

use crate::support::{Running, eventually};
use crate::world::{Kind, World};

/// A command that has a service, and its GPU for itself, until it is killed.
fn have(world: &World, name: &str) -> Running {
    let words = ["lock", "--needs", name, "--exclusive", "--", "sh", "-c", "echo in; sleep 60"];
    let lock = world.start(&words);
    eventually("the command runs", || lock.stdout().contains("in").then_some(()));
    lock
}

fn waits(lem: &Running) {
    eventually("it waits", || lem.stderr().contains("waiting for").then_some(()));
}

#[test]
fn of_two_switches_that_wait_the_more_urgent_one_is_first() {
    let mut world = World::native();
    let _held = world.service(Kind::Native, "held", 1_000, "", "");
    let a = world.service(Kind::Native, "a", 1_000, "", "");
    let b = world.service(Kind::Native, "b", 1_000, "", "");
    let mut lock = have(&world, "held");
    let mut first = world.start(&["switch", "a", "--priority", "1"]);
    waits(&first);
    let mut second = world.start(&["switch", "b", "--priority", "10"]);
    waits(&second);
    assert_eq!((world.count("a", "started"), world.count("b", "started")), (0, 0));
    lock.kill();
    first.wait().expect(0);
    second.wait().expect(0);
    assert!(world.when("b", "stopped") <= world.when("a", "started"));
    assert!(a.pid().is_some() && b.pid().is_none());
    world.lem(&["switch", "b", "--priority", "11"]).expect(2).says(&["1 to 10"]);
}

#[test]
fn who_waits_has_nothing_that_a_more_urgent_one_could_wait_for() {
    let mut world = World::native();
    let _held = world.service(Kind::Native, "held", 1_000, "", "");
    let y = world.service(Kind::Native, "y", 1_000, "", "");
    let mut lock = have(&world, "held");
    // It wants the GPU, which somebody has, and `y`, which nobody has.
    let mut waiting = world.start(&["service", "ensure", "y", "--agent", "patient"]);
    waits(&waiting);
    let holder = format!("(pid {}", lock.pid());
    assert!(waiting.stderr().contains(&holder), "{}", waiting.stderr());
    world.lem(&["service", "stop", "y", "--no-wait", "--priority", "10"]).expect(0);
    // One that is as urgent came later.
    world.lem(&["service", "stop", "y", "--no-wait"]).expect(75).says(&["of patient"]);
    lock.kill();
    waiting.wait().expect(0);
    assert!(y.pid().is_some());
}

#[test]
fn what_two_only_reuse_they_reuse_at_once_and_nobody_stops_it_under_them() {
    let mut world = World::native();
    let db = world.service(Kind::Native, "db", 0, "", "gpus: none");
    for name in ["one", "two"] {
        world.service(Kind::Native, name, 0, "--load 50s", "depends_on: [db], gpus: none");
    }
    world.ensure(&["db"]);
    let (mut one, mut two) =
        (world.start(&["service", "ensure", "one"]), world.start(&["service", "ensure", "two"]));
    for name in ["one", "two"] {
        eventually("it starts", || (world.count(name, "started") == 1).then_some(()));
    }
    for stop in [
        &["service", "stop", "db", "--no-wait"][..],
        &["service", "stop", "db", "--force", "--no-wait"],
    ] {
        world.lem(stop).expect(75).says(&["service `db` is taken"]);
    }
    assert!(db.pid().is_some());
    for lem in [&mut one, &mut two] {
        lem.signal(Signal::SIGINT);
        lem.wait().expect(130);
    }
    world.lem(&["service", "stop", "db", "--no-wait"]).expect(0);
}

#[test]
fn a_container_has_one_claim_by_whatever_name_a_registry_has_it() {
    let mut world = World::with_containers();
    let a = world.service(Kind::Container, "a", 1_000, "--load 50s", "");
    let container = format!("{}-a-1", world.scene.project);
    world.scene.write(
        "by-name/services.yaml",
        &format!("services: {{alias: {{container_name: {container}, vram: 0GiB, gpus: none}}}}\n"),
    );
    let mut ensure = world.start(&["service", "ensure", "a"]);
    let pid = a.answers();
    let by_name = ["--registry", "by-name/services.yaml"];
    let words = [&["service", "stop", "alias", "--no-wait"], &by_name[..]].concat();
    let holder = format!("ensure a (pid {}", ensure.pid());
    world.lem(&words).expect(75).says(&["service `alias` is taken", &holder]);
    let row = world.document(&[&["service", "status", "alias"], &by_name[..]].concat(), 0);
    assert!(row[0]["holder"].as_str().unwrap().starts_with(&holder), "{row}");
    assert_eq!(a.pid(), Some(pid));
    ensure.signal(Signal::SIGINT);
    ensure.wait().expect(130);
    world.lem(&["service", "ensure", "alias", by_name[0], by_name[1]]).expect(0);
    world.lem(&words).expect(0);
}

#[test]
fn a_lem_within_a_command_of_lem_has_what_that_has() {
    let mut world = World::native();
    let _held = world.service(Kind::Native, "held", 1_000, "", "");
    let other = world.service(Kind::Native, "other", 1_000, "", "");
    let lem = env!("CARGO_BIN_EXE_lem");
    let lock = ["lock", "--needs", "held", "--exclusive", "--"];
    world.lem(&[&lock[..], &[lem, "service", "ensure", "other", "--no-wait"]].concat()).expect(0);
    assert!(other.pid().is_some());
    // What is used is not stopped from within either.
    world.lem(&[&lock[..], &[lem, "service", "stop", "held"]].concat()).expect(75);
}

#[test]
fn who_only_looks_makes_no_ledger_and_who_acts_leaves_no_owner() {
    let mut world = World::native();
    let _a = world.service(Kind::Native, "a", 1_000, "", "");
    let ledgers = || {
        let listing = world.scene.listing();
        listing.into_iter().filter(|path| path.ends_with("ledger.db")).count()
    };
    world.lem(&["service", "status"]).expect(0);
    world.lem(&["service", "ensure", "a", "--dry-run"]).expect(0);
    world.lem(&["service", "wait", "a"]).expect(1);
    assert_eq!(ledgers(), 0);
    world.ensure(&["a"]);
    world.lem(&["service", "stop", "a"]).expect(0);
    assert_eq!(ledgers(), 1);
    let listing = world.scene.listing();
    let owners =
        listing.iter().filter(|path| path.parent().is_some_and(|it| it.ends_with("owners")));
    let owners: Vec<_> = owners.filter(|path| path.extension().is_some()).collect();
    assert!(owners.is_empty(), "{owners:?}");
}

/// The operations of the ledger that are called so, the newest first: state and exit code.
fn ended(world: &World, what: &str) -> Vec<(String, Option<i64>)> {
    let all = world.document(&["ops", "--all"], 0);
    let of = all.as_array().unwrap().iter().filter(|row| row["what"] == what);
    of.map(|row| (row["state"].as_str().unwrap().to_owned(), row["exit_code"].as_i64())).collect()
}

#[test]
fn the_ledger_tells_what_became_of_everything_that_was_done_to_services() {
    let mut world = World::native();
    let _a = world.service(Kind::Native, "a", 1_000, "", "");
    let _slow = world.service(Kind::Native, "slow", 1_000, "--load 50s", "");
    let _sick = world.service(Kind::Native, "sick", 1_000, "--crash-loop", "retry: {attempts: 1}");
    world.ensure(&["a"]);
    // What is there needs no operation.
    world.ensure(&["a"]);
    world.lem(&["service", "ensure", "sick"]).expect(1);
    let mut slow = world.start(&["service", "ensure", "slow"]);
    eventually("it starts", || (world.count("slow", "started") == 1).then_some(()));
    slow.signal(Signal::SIGINT);
    slow.wait().expect(130);
    let mut killed = world.start(&["switch", "slow"]);
    eventually("it starts", || (world.count("slow", "started") == 2).then_some(()));
    killed.kill();
    world.lem(&["service", "stop", "slow"]).expect(0);
    world.lem(&["lock", "--needs", "a", "--", "sh", "-c", "exit 3"]).expect(3);
    for (what, state, code) in [
        ("ensure a", "done", None),
        ("ensure sick", "failed", None),
        ("ensure slow", "cancelled", None),
        ("switch slow", "lost", None),
        ("stop slow", "done", None),
        ("use a", "failed", Some(3)),
    ] {
        assert_eq!(ended(&world, what), [(state.to_owned(), code)], "{what}");
    }
}

#[test]
fn a_start_that_somebody_else_cancels_is_undone_and_says_who_wanted_that() {
    let mut world = World::native();
    let slow = world.service(Kind::Native, "slow", 1_000, "--load 50s", "");
    let mut ensure = world.start(&["service", "ensure", "slow"]);
    eventually("it starts", || (world.count("slow", "started") == 1).then_some(()));
    let all = world.document(&["ops"], 0);
    let id = all["operations"][0]["id"].to_string();
    world.lem(&["cancel", &id, "--reason", "not tonight"]).expect(0);
    ensure.wait().expect(75).says(&["was cancelled", "not tonight"]);
    assert!(slow.processes().is_empty());
    assert_eq!(world.state("slow"), "stopped");
    assert_eq!(ended(&world, "ensure slow"), [("cancelled".to_owned(), None)]);
    let mut lock = world.start(&["lock", "--needs", "slow", "--", "true"]);
    eventually("it starts", || (world.count("slow", "started") == 2).then_some(()));
    lock.signal(Signal::SIGINT);
    lock.wait().expect(130);
}

#[test]
fn a_lease_that_somebody_else_cancels_ends_its_command() {
    let mut world = World::native();
    let _a = world.service(Kind::Native, "a", 1_000, "", "");
    let script = "trap 'echo bye; exit 5' TERM; echo in; while :; do sleep 0.05; done";
    let mut lock = world.start(&["lock", "--needs", "a", "--", "sh", "-c", script]);
    eventually("the command runs", || lock.stdout().contains("in").then_some(()));
    let all = world.document(&["ops"], 0);
    assert_eq!(all["operations"][0]["what"], "use a", "{all}");
    world.lem(&["cancel", &all["operations"][0]["id"].to_string()]).expect(0);
    let lock = lock.wait().expect(75);
    assert!(lock.stdout.contains("bye"), "{lock:?}");
    world.lem(&["service", "stop", "a", "--no-wait"]).expect(0);
}

#[test]
fn two_campaigns_and_a_switch_of_one_gpu_go_one_after_the_other_and_nobody_fails() {
    let mut world = World::native();
    let x = world.service(Kind::Native, "x", 1_000, "", "");
    let (on_gpu, go) = (world.scene.path("on-gpu"), world.scene.path("go"));
    let script = format!(
        "mkdir {0} || exit 1; until [ -e {1} ]; do sleep 0.05; done; rmdir {0}",
        on_gpu.display(),
        go.display()
    );
    let campaign = |name: &str| {
        let file = format!("{name}.yaml");
        world.scene.campaign_of(&file, name, &[&script, &format!("{script}; true")], "");
        world.start(&["campaign", &file, "--runner", "local", "--exclusive", "--json"])
    };
    let mut one = campaign("one");
    eventually("it runs", || on_gpu.exists().then_some(()));
    let mut two = campaign("two");
    two.event("turn_waiting");
    let mut switch = world.start(&["switch", "x"]);
    waits(&switch);
    let ops = world.lem(&["ops"]).expect(0).stdout;
    for words in ["campaign `one`", "campaign `two`", "switch", "2 wait"] {
        assert!(ops.contains(words), "no `{words}` in\n{ops}");
    }
    assert!(x.pid().is_none());
    world.scene.write("go", "");
    for lem in [&mut one, &mut two] {
        assert_eq!(lem.wait().expect(0).verdicts(), ["completed"; 2]);
    }
    switch.wait().expect(0);
    assert!(x.pid().is_some());
}

#[test]
fn a_switch_waits_for_a_restart_by_somebody_else_and_a_restart_for_a_lease() {
    let mut world = World::with_containers();
    let a = world.service(Kind::Container, "a", 1_000, "", "");
    let hold = "echo in; until [ -e go ]; do sleep 0.02; done";
    let mut restart =
        world.start(&["op", "restart", "a", "--agent", "ci-42", "--", "sh", "-c", hold]);
    eventually("the command runs", || restart.stdout().contains("in").then_some(()));
    let mut switch = world.start(&["switch", "a"]);
    waits(&switch);
    assert!(switch.stderr().contains("of ci-42"), "{}", switch.stderr());
    assert!(world.status("a")["holder"].as_str().unwrap().contains("of ci-42"));
    let queue = world.document(&["queue"], 0);
    assert_eq!(queue[0]["what"], "switch a", "{queue}");
    assert_eq!(queue[0]["behind"][0]["agent"], "ci-42", "{queue}");
    assert_eq!(world.count("a", "started"), 0);
    world.scene.write("go", "");
    restart.wait().expect(0);
    switch.wait().expect(0);
    assert!(a.pid().is_some());

    let mut lock = have(&world, "a");
    let mut restart = world.start(&["op", "restart", "a", "--", "true"]);
    let queued = || world.document(&["queue"], 0)[0]["behind"][0]["what"] == "use a";
    eventually("the restart waits", || queued().then_some(()));
    world.lem(&["op", "read", "a", "--no-wait", "--", "true"]).expect(0);
    world.lem(&["service", "ensure", "a", "--no-wait"]).expect(0);
    assert!(!restart.has_ended());
    lock.kill();
    restart.wait().expect(0);
}
