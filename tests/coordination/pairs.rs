//! Pairs of Compose commands that break each other when they are run at once, through `lem op`: one
//! of the two is refused or waits, nothing is left half made, and no change is lost without a word.
//!
//! What happens without lem was measured with three services that need each other, Compose 2.26.1
//! and engine 20.10, in ten to twelve rounds each: `up` beside `up` failed twice in all of them,
//! `--force-recreate` beside anything left a container `HASH_NAME`, and of two versions that were
//! brought up one was lost while both said that all was well.

use std::thread;

use crate::support::{Ended, Running, engine};
use crate::world::World;

/// A command, and what it is for lem.
#[derive(Debug, Clone, Copy)]
struct Step {
    kind: &'static str,
    words: &'static [&'static str],
    /// The `VERSION` of the file.
    version: &'static str,
    /// What runs when it was the last.
    leaves: Option<usize>,
}

const fn step(kind: &'static str, words: &'static [&'static str], leaves: usize) -> Step {
    Step { kind, words, version: "1", leaves: Some(leaves) }
}

const UP: Step = step("deploy", &["up", "-d"], 3);
const UP_2: Step = Step { version: "2", ..UP };
const RECREATE: Step = step("deploy", &["up", "-d", "--force-recreate"], 3);
const DOWN: Step = step("stop", &["down", "-t", "1"], 0);
const RESTART: Step = Step { leaves: None, ..step("restart", &["restart", "-t", "1"], 3) };
const STOP: Step = step("stop", &["stop", "-t", "1"], 0);
const START: Step = step("start", &["start"], 3);
const THREE: Step = step("scale", &["up", "-d", "--scale", "web=3"], 5);
const FIVE: Step = step("scale", &["up", "-d", "--scale", "web=5"], 7);

/// Whether the services run before the two begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Up,
    Stopped,
}

fn world() -> World {
    let world = World::of_containers();
    let service = |name: &str, needs: &str| {
        format!(
            "  {name}: {{image: <busybox>, command: [sleep, '600'], stop_grace_period: 1s, \
             init: true, environment: {{VERSION: '${{VERSION:-1}}'}}{needs}}}\n"
        )
    };
    world.scene.services(&format!(
        "{}{}{}",
        service("web", ", depends_on: [api]"),
        service("api", ", depends_on: [db]"),
        service("db", ""),
    ));
    world
}

fn run(world: &World, step: Step, queue: bool) -> Ended {
    let name = format!("project:{}", world.scene.project);
    let mut words = vec!["op", step.kind, &name];
    words.extend(queue.then_some("--queue"));
    words.extend(["--", "docker", "compose", "-f", "compose.yaml"]);
    words.extend(step.words);
    let mut command = world.scene.command(&words);
    command.env("VERSION", step.version);
    Running::start(&mut command).wait()
}

/// Both at once: what became of each.
fn both(world: &World, one: Step, other: Step, queue: bool) -> [Ended; 2] {
    thread::scope(|scope| {
        let first = scope.spawn(|| run(world, one, queue));
        let second = run(world, other, queue);
        [first.join().unwrap(), second]
    })
}

/// What is wrong with the engine's side: leftovers, or another state than a step leaves.
fn wrong(world: &World, last: Step) -> Option<String> {
    let containers = engine::containers(&world.scene.project);
    let networks = engine::networks(&world.scene.project);
    let is_own = |name: &str| name.starts_with(&world.scene.project);
    let left = containers.iter().any(|it| it.state == "created" || !is_own(&it.name));
    let running = containers.iter().filter(|it| it.state == "running");
    let state = last.leaves.is_some_and(|count| running.count() != count);
    // A scale is right with the version that is there.
    let versions = match last.kind {
        "deploy" => containers.iter().filter(|it| version(&it.id) != last.version).count(),
        _ => 0,
    };
    (left || state || versions > 0 || networks.len() > 1)
        .then(|| format!("after {last:?}: {containers:#?}, {networks:?}"))
}

fn version(container: &str) -> String {
    let format = "{{range .Config.Env}}{{println .}}{{end}}";
    let text = engine::docker(&["inspect", "--format", format, container]);
    let found = text.lines().find_map(|line| line.strip_prefix("VERSION="));
    found.unwrap_or_default().to_owned()
}

fn prepare(world: &World, before: Before) {
    engine::remove(&world.scene.project);
    match before {
        Before::Nothing => {}
        Before::Up => drop(world.scene.compose(&["up", "-d"])),
        // What was only created would look half made where the stop is the one that is done.
        Before::Stopped => {
            world.scene.compose(&["up", "-d"]);
            world.scene.compose(&["kill"]);
        }
    }
}

/// One does what it says, and the other either does so after it or says that it did not.
fn as_the_matrix_has_it(world: &World, name: &str, before: Before, one: Step, other: Step) {
    prepare(world, before);
    let [first, second] = both(world, one, other, false);
    let last = match (first.code, second.code) {
        (Some(0), Some(75)) => one,
        (Some(75), Some(0)) => other,
        // They met only in time for the one to wait for the other, or did not meet.
        (Some(0), Some(0)) => the_last(world, one, other),
        _ => panic!("{name}:\n{}\n{}", first.stderr, second.stderr),
    };
    assert_eq!(wrong(world, last), None, "{name}");
}

/// Both do what they say, one after the other, and what the later one wants is what is there.
fn one_after_the_other(world: &World, name: &str, before: Before, one: Step, other: Step) {
    prepare(world, before);
    let ended = both(world, one, other, true);
    for it in &ended {
        assert_eq!(it.code, Some(0), "{name}: {}", it.stderr);
    }
    assert_eq!(wrong(world, the_last(world, one, other)), None, "{name}, queued");
}

/// Which of two began last, as the ledger has it.
fn the_last(world: &World, one: Step, other: Step) -> Step {
    let history = world.document(&["ops", "--all", "--json"], 0);
    let newest = history.as_array().unwrap().iter().take(2);
    let last = newest.max_by_key(|it| it["started_at"].as_str().map(str::to_owned)).unwrap();
    let command = last["command"].as_str().unwrap();
    let is = |step: Step| command.ends_with(&step.words.join(" ")) && last["kind"] == step.kind;
    match (is(one), is(other)) {
        (true, false) => one,
        (false, true) => other,
        // The same words: what they leave is the same but for the version, which says itself.
        _ => {
            let of = |it: Step| wrong(world, it).is_none();
            if of(one) { one } else { other }
        }
    }
}

/// Makes the tests of a pair: as the matrix has it, with `--queue`, and both again and again. What
/// is said of a pair is said of its test with `--queue`.
macro_rules! pairs {
    ($($(#[$of_the_queue:meta])? $name:ident: $before:ident, $one:ident, $other:ident;)*) => {$(
        mod $name {
            use super::{Before, as_the_matrix_has_it, one_after_the_other, world};

            const NAME: &str = stringify!($name);

            #[test]
            fn one_of_the_two_waits_or_is_refused() {
                as_the_matrix_has_it(&world(), NAME, Before::$before, super::$one, super::$other);
            }

            #[test]
            $(#[$of_the_queue])?
            fn with_queue_both_succeed_one_after_the_other() {
                one_after_the_other(&world(), NAME, Before::$before, super::$one, super::$other);
            }

            #[test]
            #[ignore = "takes long: make test-slow"]
            fn and_so_they_do_again_and_again() {
                let world = world();
                for _ in 0..super::ROUNDS {
                    as_the_matrix_has_it(&world, NAME, Before::$before, super::$one, super::$other);
                    one_after_the_other(&world, NAME, Before::$before, super::$one, super::$other);
                }
            }
        }
    )*};
}

/// As many as it took to see every one of them break without lem.
const ROUNDS: usize = 10;

// The queue is one for all of them: here it is tried with those that break each in its own way.
pairs! {
    up_and_up_from_nothing: Nothing, UP, UP;
    up_of_one_version_and_of_another: Up, UP, UP_2;
    recreate_and_down: Up, RECREATE, DOWN;
    #[ignore = "takes minutes: make test-slow"]
    recreate_and_recreate: Up, RECREATE, RECREATE;
    #[ignore = "takes minutes: make test-slow"]
    restart_and_recreate: Up, RESTART, RECREATE;
    #[ignore = "takes minutes: make test-slow"]
    stop_and_recreate: Up, STOP, RECREATE;
    stop_and_start: Stopped, STOP, START;
    #[ignore = "takes minutes: make test-slow"]
    three_and_five_of_one: Up, THREE, FIVE;
    #[ignore = "takes minutes: make test-slow"]
    restart_and_restart: Up, RESTART, RESTART;
    #[ignore = "takes minutes: make test-slow"]
    down_and_down: Up, DOWN, DOWN;
}
