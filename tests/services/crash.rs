//! lem is killed at every step of a switch: the next command sees what is, and finishes or cleans up
//! (F30, F31).

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::processes;
use crate::support::{ModelServer, Running, eventually};
use crate::world::{Kind, World, of_both_kinds};

of_both_kinds!(whenever_lem_is_killed_the_next_one_finishes_or_cleans_up);

/// What the timeline says at each step of a switch from `a` to `b`.
const STEPS: [&str; 7] = [
    "a: stopping",
    "a: stopped",
    "b: its memory is free",
    "b: starting",
    "b: runs after",
    "b: not yet",
    "b: healthy",
];

/// What is done next, and whether `b` runs then.
const NEXT: [(&[&str], bool); 3] = [
    (&["switch", "b"], true),
    (&["service", "ensure", "b"], true),
    (&["service", "stop", "--all"], false),
];

// F30
fn whenever_lem_is_killed_the_next_one_finishes_or_cleans_up(kind: Kind) {
    // Each step is followed by one of the three; of containers, which take their time, the steps at
    // which the engine is told something.
    killed_at_each_step(kind, |at, number| {
        let is_told = ["a: stopping", "b: starting", "b: runs after"].contains(&STEPS[at]);
        number == at % NEXT.len() && (kind == Kind::Native || is_told)
    });
}

// F30
#[test]
#[ignore = "takes minutes: make test-slow"]
fn whenever_lem_is_killed_any_of_the_next_ones_finishes_or_cleans_up() {
    for kind in [Kind::Native, Kind::Container] {
        killed_at_each_step(kind, |_, _| true);
    }
}

/// In rounds of a step and what is done next, by the numbers of both.
fn killed_at_each_step(kind: Kind, is_done: impl Fn(usize, usize) -> bool) {
    let switch = Switch::of(kind);
    for (at, step) in STEPS.iter().enumerate() {
        for (number, next) in NEXT.iter().enumerate().filter(|(number, _)| is_done(at, *number)) {
            let said = format!("killed at `{step}`, then {:?}", next.0);
            let mut lem = switch.begin_until(step);
            switch.recovers_from_the_end_of(&mut lem, at + number, *next, &said);
        }
    }
    switch.leaves_nothing();
}

/// The same at moments that no timeline tells of, each a little later in the switch.
fn killed_at_any_moment(kind: Kind) {
    let switch = Switch::of(kind);
    for round in 0..60 {
        let moment = Duration::from_millis(round * 41);
        let next = NEXT[usize::try_from(round).unwrap() % NEXT.len()];
        let said = format!("killed after {moment:?}, then {:?}", next.0);
        let (begun, mut lem) = (Instant::now(), switch.begin());
        eventually("the moment comes", || {
            (begun.elapsed() >= moment || lem.has_ended()).then_some(())
        });
        switch.recovers_from_the_end_of(&mut lem, usize::try_from(round).unwrap(), next, &said);
    }
    switch.leaves_nothing();
}

// F30
#[test]
#[ignore = "takes minutes: make test-slow"]
fn a_lem_that_is_killed_at_any_moment_of_a_switch_between_programs() {
    killed_at_any_moment(Kind::Native);
}

// F30
#[test]
#[ignore = "takes minutes: make test-slow"]
fn a_lem_that_is_killed_at_any_moment_of_a_switch_between_containers() {
    killed_at_any_moment(Kind::Container);
}

/// A switch from `a` to `b`, again and again.
struct Switch {
    world: World,
    kind: Kind,
    a: ModelServer,
    b: ModelServer,
}

impl Switch {
    fn of(kind: Kind) -> Self {
        let mut world = World::for_kind(kind);
        // Longer than an engine takes to report a start or an end.
        let lag = "--stop 100ms --vram-lag 800ms";
        let a = world.service(kind, "a", 50_000, lag, "priority: 10");
        let b = world.service(kind, "b", 50_000, "--load 800ms --stop 100ms --vram-lag 100ms", "");
        Self { world, kind, a, b }
    }

    /// `a` runs, and a lem in a group of its own begins to switch.
    fn begin(&self) -> Running {
        self.world.lem(&["service", "stop", "b"]).expect(0);
        self.world.ensure(&["a"]);
        let mut command = self.world.scene.command(&["switch", "b"]);
        Running::start(self.world.fake.furnish(&mut command).process_group(0))
    }

    /// The same until it has said this. On a busy machine one may be over without that: `b` has
    /// loaded by the time the engine says that it runs.
    #[track_caller]
    fn begin_until(&self, step: &str) -> Running {
        for _ in 0..5 {
            let mut lem = self.begin();
            eventually(&format!("lem says `{step}` or ends"), || {
                (lem.stderr().contains(step) || lem.has_ended()).then_some(())
            });
            if lem.stderr().contains(step) {
                return lem;
            }
            lem.wait().expect(0);
        }
        panic!("no switch says `{step}`");
    }

    /// Kills it, in every other round with its group, and sees what the next lem makes of it.
    #[track_caller]
    fn recovers_from_the_end_of(
        &self,
        lem: &mut Running,
        round: usize,
        (words, runs): (&[&str], bool),
        said: &str,
    ) {
        let (world, a, b) = (&self.world, &self.a, &self.b);
        if round.is_multiple_of(2) && !lem.has_ended() {
            let _ = killpg(Pid::from_raw(lem.pid().try_into().unwrap()), Signal::SIGKILL);
        }
        lem.kill();
        for server in [a, b] {
            is_told_as_it_is(world, self.kind, server, said);
        }
        let next = world.lem(words);
        assert_eq!(next.code, Some(0), "{said}: {}{}", lem.stderr(), next.stderr);
        assert_eq!((a.pid().is_some(), b.pid().is_some()), (false, runs), "{said}");
        let (one, other) = (world.state("a"), world.state("b"));
        let of_b = if runs { "ready" } else { "stopped" };
        assert_eq!((one.as_str(), other.as_str()), ("stopped", of_b), "{said}");
        // Nobody has anything that is still waited for.
        let again: &[&str] = if runs { &["switch", "b"] } else { &["service", "stop", "b"] };
        world.lem(&[again, &["--no-wait"]].concat()).expect(0);
        assert_eq!(self.alive(), usize::from(runs), "{said}");
    }

    fn alive(&self) -> usize {
        alive(&self.world, self.kind, &self.a) + alive(&self.world, self.kind, &self.b)
    }

    #[track_caller]
    fn leaves_nothing(&self) {
        self.world.lem(&["service", "stop", "--all"]).expect(0);
        assert_eq!(self.alive(), 0);
        assert!(self.world.journal().len() > STEPS.len());
    }
}

/// How many containers or servers of it are alive.
fn alive(world: &World, kind: Kind, server: &ModelServer) -> usize {
    match kind {
        Kind::Native => server.processes().len(),
        Kind::Container => world.containers().iter().filter(|it| it.service == server.name).count(),
    }
}

/// What `status` says is how it was before or after.
#[track_caller]
fn is_told_as_it_is(world: &World, kind: Kind, server: &ModelServer, said: &str) {
    let before = alive(world, kind, server) > 0;
    let row = world.status(&server.name);
    let after = alive(world, kind, server) > 0;
    let told = !["stopped", "error"].contains(&row["state"].as_str().unwrap());
    assert!([before, after].contains(&told), "{said}: {before} {after} {row}");
    // What lem forked a moment ago has its locks until it has become another program.
    eventually(&format!("nobody has `{}`: {said}", server.name), || {
        world.status(&server.name)["holder"].is_null().then_some(())
    });
    if kind == Kind::Native {
        assert_eq!(row["pid"].is_u64(), told, "{said}: {row}");
    }
}

// F30: the locks are lem's alone.
#[test]
fn what_lem_started_holds_no_lock_of_it() {
    let mut world = World::native();
    let a = world.service(Kind::Native, "a", 50_000, "--load 50s", "");
    let mut lem = world.start(&["service", "ensure", "a"]);
    let pid = a.answers();
    lem.kill();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let open = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let locks: Vec<_> = open.filter(|it| it.extension().is_some_and(|it| it == "lock")).collect();
    assert!(locks.is_empty(), "{locks:?}");
    // What an earlier lem began to start is waited for, and is nobody's.
    assert_eq!(world.state("a"), "starting");
    world.lem(&["service", "stop", "a", "--no-wait"]).expect(0);
    assert!(a.processes().is_empty());
}

// F31, F33
#[test]
fn what_was_started_before_the_machine_was_is_nobody_s_now_and_is_not_signalled() {
    let mut world = World::native();
    let a = world.service(Kind::Native, "a", 1_000, "", "");
    world.ensure(&["a"]);
    let pid = a.pid().unwrap();
    let listing = world.scene.listing();
    let note = listing.iter().find(|path| path.ends_with("native.json")).unwrap();
    let mut text: Value = serde_json::from_slice(&std::fs::read(note).unwrap()).unwrap();
    text["boot"]["id"] = "00000000-0000-0000-0000-000000000000".into();
    std::fs::write(note, text.to_string()).unwrap();
    world.lem(&["service", "status", "a"]).expect(3);
    let ended = world.lem(&["service", "stop", "a", "--force"]).expect(1);
    ended.says(&["nothing of it runs that lem knows of", "model_server"]);
    assert_eq!(a.pid(), Some(pid));
    world.lem(&["service", "ensure", "a"]).expect(1).says(&["answered already", "model_server"]);
    assert_eq!(a.pid(), Some(pid));
    a.kill();
    a.is_silent();
    world.ensure(&["a"]);
    assert_ne!(a.pid(), Some(pid));
    assert!(processes::name(a.pid().unwrap()).starts_with("model"));
}

// F30: one that was told to end may still answer, and is not taken for one that stays.
#[test]
fn what_a_killed_lem_was_stopping_is_stopped_before_it_counts_as_started() {
    let mut world = World::native();
    let a = world.service(Kind::Native, "a", 50_000, "--stop 1s", "");
    world.ensure(&["a"]);
    let pid = a.pid();
    let mut stop = world.start(&["service", "stop", "a"]);
    eventually("`a` is told to stop", || (world.count("a", "told to stop") == 1).then_some(()));
    stop.kill();
    assert_eq!(a.pid(), pid);
    let report = world.document(&["service", "ensure", "a"], 0);
    let steps: Vec<_> = report["steps"].as_array().unwrap().iter().map(|it| &it["step"]).collect();
    assert_eq!(steps, ["stop", "start"], "{report}");
    assert!(a.pid().is_some() && a.pid() != pid);
    assert_eq!((world.count("a", "stopped"), world.state("a")), (1, "ready".into()));
}

// F30: a client of docker outlives the lem that started it.
#[test]
fn what_the_docker_client_of_a_killed_lem_still_starts_is_not_forgotten() {
    let mut world = World::with_containers();
    let a = world.service(Kind::Container, "a", 50_000, "", "");
    // `docker compose … up` takes until the file `go` is there.
    let script = "#!/bin/sh\n\
        case \" $* \" in *' up '*) : > up; while [ ! -e go ]; do sleep 0.02; done;; esac\n\
        PATH=\"${PATH#*:}\" exec docker \"$@\"\n";
    world.scene.write("bin/docker", script);
    let path = world.scene.path("bin/docker");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = world.scene.command(&["service", "ensure", "a"]);
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", world.scene.path("bin").display()));
    let mut lem = Running::start(world.fake.furnish(&mut command));
    eventually("docker is asked", || world.scene.path("up").exists().then_some(()));
    lem.kill();

    let client = "it is dead, and a docker client";
    world.lem(&["service", "stop", "a", "--no-wait"]).expect(75).says(&[client]);
    let mut stop = world.start(&["service", "stop", "a"]);
    eventually("it waits", || stop.stderr().contains(client).then_some(()));
    world.scene.write("go", "");
    stop.wait().expect(0);
    assert_eq!(world.containers(), []);
    assert_eq!((a.pid(), world.state("a")), (None, "stopped".into()));
}

// F30: docker goes on with a stop whose client is dead, and the container shows when it is done.
#[test]
fn what_docker_stops_for_a_killed_lem_is_waited_for_until_the_container_shows_it() {
    let mut world = World::with_containers();
    let a = world.service(Kind::Container, "a", 50_000, "--stop 6s", "");
    world.ensure(&["a"]);
    let mut stop = world.start(&["service", "stop", "a", "--agent", "first"]);
    eventually("`a` is told to stop", || (world.count("a", "told to stop") == 1).then_some(()));
    stop.kill();
    let refused = world.lem(&["service", "ensure", "a", "--no-wait"]).expect(75);
    refused.says(&["it is dead, and docker may be at `stop", "of first"]);
    let begun = Instant::now();
    world.lem(&["service", "stop", "a"]).expect(0);
    // Its grace is 30 s, and docker could be at it for longer than that.
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    assert_eq!((a.pid(), world.containers()), (None, vec![]));
    assert_eq!((world.count("a", "told to stop"), world.count("a", "stopped")), (1, 1));
}
