//! A ledger on a `PostgreSQL` server: several machines that share an engine. A machine is a state folder
//! and a boot of its own here; of the others' processes it can see no file.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::postgres::{self, Postgres, SOCKET};
use crate::support::{Proxy, Way, eventually, processes};
use crate::world::World;

/// The shortest that there is: what is lost is lost 4 s later.
const LEASE: Duration = Duration::from_secs(3);
/// For a machine that has other things to do.
const BUSY: Duration = Duration::from_secs(4);

/// A machine, by its name.
fn machine(name: &str, url: &str) -> World {
    let mut world = World::of_names_in_a_file();
    world.scene.set("LEM_BOOT_ID", name);
    world.scene.set("LEM_COORDINATION_URL", url);
    world.scene.write(".lem-config.yaml", "coordination: {lease: 3s}\n");
    world
}

/// Two of them that share a ledger.
fn machines(postgres: &Postgres) -> (World, World) {
    let url = postgres.database("ledger");
    (machine("one", &url), machine("two", &url))
}

/// Operations of each state that the ledger has.
fn states(postgres: &Postgres) -> String {
    let count = "SELECT state, count(*) FROM lem.operations GROUP BY state ORDER BY state";
    postgres.ask("ledger", count).replace('\n', " ")
}

#[test]
fn machines_that_share_a_ledger_keep_out_of_each_others_way() {
    let postgres = Postgres::start();
    let (one, two) = machines(&postgres);
    let held = one.hold(&["restart", "api", "--reason", "release"]);
    let refused = two.lem(&["op", "restart", "api", "--", "true"]).expect(75);
    refused.says(&[&format!("operation {}: restart api", held.id)]);
    let ops = two.document(&["ops", "--json"], 0);
    assert_eq!(ops["operations"][0]["liveness"], "elsewhere", "{ops}");
    assert_eq!(ops["operations"][0]["reason"], "release", "{ops}");
    let mut next = two.queue(&["config", "api"]);
    next.says("waits for operation");
    // It outlives a lease: it is renewed.
    let begun = Instant::now();
    eventually("a lease would have run out", || (begun.elapsed() > LEASE * 2).then_some(()));
    assert!(!next.runs());
    held.end().expect(0);
    let ended = Instant::now();
    next.wait_for_the_command();
    assert!(ended.elapsed() < Duration::from_secs(2), "{:?}", ended.elapsed());
    // Everybody's operations can be ended from everywhere.
    one.lem(&["cancel", &next.id.to_string()]).expect(0);
    next.lem.wait().expect(75).says(&["was cancelled"]);
    assert_eq!(states(&postgres), "cancelled|1 done|1 rejected|1");
}

#[test]
fn on_the_machine_itself_the_kernel_tells_at_once_who_is_dead_and_what_it_left() {
    let postgres = Postgres::start();
    let (one, _) = machines(&postgres);
    let mut held = one.hold(&["restart", "api"]);
    let mut next = one.queue(&["restart", "api", "--queue"]);
    next.says("waits for operation");
    held.lem.kill();
    let refused = one.lem(&["op", "restart", "api", "--", "true"]).expect(75);
    refused.says(&["what that started has it"]);
    processes::kill(held.command);
    let killed = Instant::now();
    next.wait_for_the_command();
    assert!(killed.elapsed() < LEASE, "{:?}", killed.elapsed());
    next.end().expect(0);
    assert_eq!(states(&postgres), "done|1 lost|1 rejected|1");
}

#[test]
fn what_a_machine_has_that_is_gone_is_free_when_its_lease_has_run_out() {
    let postgres = Postgres::start();
    let (one, two) = machines(&postgres);
    let mut held = one.hold(&["restart", "api", "--settle", "2s"]);
    held.lem.kill();
    processes::kill(held.command);
    let killed = Instant::now();
    let mut next = two.queue(&["restart", "api", "--queue"]);
    next.says("waits for operation");
    next.wait_for_the_command();
    let waited = killed.elapsed();
    // The last word may be a second old, and the engine has two.
    let least = LEASE + Duration::from_secs(2);
    assert!(waited > least && waited < LEASE * 4 / 3 + Duration::from_secs(3) + BUSY, "{waited:?}");
    next.end().expect(0);
    assert_eq!(states(&postgres), "done|1 lost|1");
}

#[test]
fn who_cannot_reach_the_server_ends_its_command_before_others_may_begin() {
    let postgres = Postgres::start();
    let url = postgres.database("ledger");
    let proxy = Proxy::to(postgres.socket(), SOCKET);
    let (one, two) =
        (machine("one", &postgres::url(proxy.folder(), "ledger")), machine("two", &url));
    for way in [Way::Cut, Way::Blocked] {
        proxy.set(Way::Open);
        let mut held = one.hold(&["restart", "api"]);
        proxy.set(way);
        let mut next = two.queue(&["restart", "api", "--queue"]);
        let runs = || processes::pids().any(|pid| pid == held.command);
        eventually("the command has ended", || (!runs()).then_some(()));
        assert!(!next.runs(), "{way:?}");
        next.wait_for_the_command();
        held.lem.wait().expect(75).says(&["could not be reached for 2.0s", "coordination.lease"]);
        next.end().expect(0);
    }
}

#[test]
fn a_connection_that_is_cut_for_a_moment_costs_nothing() {
    let postgres = Postgres::start();
    let url = postgres.database("ledger");
    let proxy = Proxy::to(postgres.socket(), SOCKET);
    let (one, two) =
        (machine("one", &postgres::url(proxy.folder(), "ledger")), machine("two", &url));
    let held = one.hold(&["restart", "api"]);
    let mut next = one.queue(&["restart", "api", "--queue"]);
    next.says("waits for operation");
    for _ in 0..3 {
        proxy.set(Way::Cut);
        proxy.set(Way::Open);
        two.lem(&["op", "restart", "api", "--", "true"]).expect(75);
    }
    proxy.set(Way::Slow);
    held.end().expect(0);
    next.wait_for_the_command();
    next.end().expect(0);
    assert_eq!(states(&postgres), "done|2 rejected|3");
}

#[test]
fn what_counts_though_its_answer_was_lost_is_not_done_twice() {
    let postgres = Postgres::start();
    let proxy = Proxy::to(postgres.socket(), SOCKET);
    postgres.database("ledger");
    let one = machine("one", &postgres::url(proxy.folder(), "ledger"));
    one.lem(&["op", "read", "api", "--", "true"]).expect(0);
    // Of all that is asked, which answer is lost is told by the commands before it.
    for words in [
        &["op", "restart", "api", "--", "sh", "-c", "echo once >>done"][..],
        &["op", "deploy", "api", "--", "sh", "-c", "echo once >>done"],
    ] {
        proxy.set(Way::CutAfterCommit);
        one.lem(words).expect(0);
        assert!(proxy.is(Way::Open), "no commit was cut off");
    }
    assert_eq!(std::fs::read_to_string(one.scene.path("done")).unwrap(), "once\nonce\n");
    // The end of one that runs.
    let held = one.hold(&["restart", "api"]);
    proxy.set(Way::CutAfterCommit);
    held.end().expect(0);
    eventually("a commit was cut off", || proxy.is(Way::Open).then_some(()));
    assert_eq!(states(&postgres), "done|4");
    let doubled = "SELECT count(*) FROM (SELECT 1 FROM lem.events WHERE what IN ('started', 'done') \
                   GROUP BY operation, what HAVING count(*) > 1) AS twice";
    assert_eq!(postgres.ask("ledger", doubled), "0");
}

#[test]
fn a_server_that_is_started_anew_is_waited_for() {
    let mut postgres = Postgres::start();
    let (one, _) = machines(&postgres);
    one.scene.write(".lem-config.yaml", "coordination: {lease: 30s}\n");
    let held = one.hold(&["restart", "api"]);
    let mut next = one.queue(&["restart", "api", "--queue"]);
    next.says("waits for operation");
    postgres.kill();
    postgres.go_on();
    held.end().expect(0);
    next.wait_for_the_command();
    next.end().expect(0);
    assert_eq!(states(&postgres), "done|2");
}

#[test]
fn a_server_that_is_not_there_is_named_without_a_password_and_nothing_is_done() {
    let mut world = World::of_names_in_a_file();
    world.scene.set("LEM_COORDINATION_URL", "postgres://me:hidden@127.0.0.1:1/lem");
    let words = ["op", "restart", "api", "--", "touch", "done"];
    let refused = world.lem(&words).expect(3);
    refused.says(&["`postgres://127.0.0.1:1/lem`", "Connection refused", "hint: "]);
    assert!(!refused.stderr.contains("hidden"), "{}", refused.stderr);
    world.lem(&["ops"]).expect(3).says(&["`postgres://127.0.0.1:1/lem`"]);
    world.scene.set("LEM_COORDINATION_URL", "mysql://me:hidden@db/lem");
    let refused = world.lem(&words).expect(2);
    refused.says(&["is no URL of a PostgreSQL database", "postgres://USER@HOST/DATABASE"]);
    assert!(!refused.stderr.contains("hidden"), "{}", refused.stderr);
    world.scene.write(".lem-config.yaml", "coordination: {lease: 1s}\n");
    world.scene.set("LEM_COORDINATION_URL", "postgres:///lem");
    world.lem(&words).expect(2).says(&["too short"]);
    world.scene.write(".lem-config.yaml", "coordination: {ulr: x}\n");
    world.lem(&words).expect(2).says(&["ulr", "url"]);
    assert!(!world.scene.path("done").exists());
}

#[test]
fn a_configuration_names_the_server_for_everything_that_an_operation_runs() {
    let postgres = Postgres::start();
    let world = World::of_names_in_a_file();
    let url = postgres.database("ledger");
    world.scene.write(".lem-config.yaml", &format!("coordination: {{url: '{url}'}}\n"));
    let lem = env!("CARGO_BIN_EXE_lem");
    // In a folder where no configuration says so.
    let script = format!("mkdir there && cd there && {lem} op restart api -- true");
    world.lem(&["op", "deploy", "api", "--", "sh", "-c", &script]).expect(0);
    assert_eq!(states(&postgres), "done|2");
    assert!(!world.scene.path("machine/local/coordination/ledger.db").exists());
    let shown = world.lem(&["config", "show", "--json"]).expect(0).stdout;
    assert!(shown.contains("\"(set)\"") && !shown.contains("user=lem"), "{shown}");
}

#[test]
fn an_operation_of_another_ledger_covers_nothing_here() {
    let postgres = Postgres::start();
    let (_, two) = machines(&postgres);
    // Both ledgers count from one.
    let held = two.hold(&["restart", "api"]);
    let alone = World::of_names_in_a_file();
    let (lem, url) = (env!("CARGO_BIN_EXE_lem"), postgres::url(postgres.folder(), "ledger"));
    let script = format!("LEM_COORDINATION_URL='{url}' {lem} op restart api -- touch both");
    alone.lem(&["op", "deploy", "other", "--", "sh", "-c", &script]).expect(75);
    assert!(!alone.scene.path("both").exists());
    held.end().expect(0);
}

#[test]
fn what_a_database_says_removes_no_file_of_anybody() {
    let postgres = Postgres::start();
    let (one, _) = machines(&postgres);
    one.lem(&["op", "read", "api", "--", "true"]).expect(0);
    let victim = one.scene.path("victim.lock");
    std::fs::write(&victim, "").unwrap();
    let row = format!("'x', 'h', 'one', 1, 1, 1, '{}', 'somebody', 0, 0", victim.display());
    postgres.ask("ledger", &format!("INSERT INTO lem.owners VALUES ({row})"));
    one.lem(&["op", "restart", "api", "--", "true"]).expect(0);
    assert_eq!(postgres.ask("ledger", "SELECT count(*) FROM lem.owners"), "0");
    assert!(victim.exists());
}

#[test]
fn a_server_that_hangs_keeps_nobody_who_wants_to_go() {
    let postgres = Postgres::start();
    let url = postgres.database("ledger");
    let proxy = Proxy::to(postgres.socket(), SOCKET);
    let (one, two) =
        (machine("one", &postgres::url(proxy.folder(), "ledger")), machine("two", &url));
    let held = two.hold(&["restart", "api"]);
    let mut next = one.queue(&["restart", "api", "--queue"]);
    next.says("waits for operation");
    proxy.set(Way::Blocked);
    // Asks now, and gets no answer.
    held.end().expect(0);
    let asked = Instant::now();
    eventually("it asks", || (asked.elapsed() > Duration::from_secs(1)).then_some(()));
    next.lem.signal(Signal::SIGINT);
    next.lem.wait().expect(130);
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
}

#[test]
fn a_lock_whose_lease_is_over_settles_and_ends_with_its_own_code() {
    let postgres = Postgres::start();
    postgres.database("ledger");
    let proxy = Proxy::to(postgres.socket(), SOCKET);
    let one = machine("one", &postgres::url(proxy.folder(), "ledger"));
    let go = one.scene.path("go");
    let script = "touch runs; while [ ! -e go ]; do sleep 0.05; done";
    let mut lock = one.start(&["lock", "name:api", "-x", "--", "sh", "-c", script]);
    eventually("it has it", || one.scene.path("runs").exists().then_some(()));
    proxy.set(Way::Cut);
    lock.wait().expect(75).says(&["could not be reached for 2.0s"]);
    proxy.set(Way::Open);
    std::fs::remove_file(one.scene.path("runs")).unwrap();
    let mut lock = one.start(&["lock", "name:api", "-x", "--", "sh", "-c", script]);
    eventually("it has it", || one.scene.path("runs").exists().then_some(()));
    proxy.set(Way::Cut);
    std::fs::write(go, "").unwrap();
    lock.wait().expect(0).says(&["is not noted"]);
}

#[test]
fn what_a_database_begins_with_by_itself_makes_no_difference() {
    let postgres = Postgres::start();
    let (one, two) = machines(&postgres);
    for setting in
        ["default_transaction_isolation = 'serializable'", "default_transaction_read_only = on"]
    {
        postgres.ask("postgres", &format!("ALTER DATABASE ledger SET {setting}"));
    }
    let names: Vec<String> = (0..6).map(|number| format!("name:n{number}")).collect();
    let begin = |(number, name): (usize, &String)| {
        [&one, &two][number % 2].start(&["op", "restart", name, "--", "true"])
    };
    let mut all: Vec<_> = names.iter().enumerate().map(begin).collect();
    for lem in &mut all {
        lem.wait().expect(0);
    }
    assert_eq!(states(&postgres), "done|6");
}
