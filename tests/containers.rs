//! Whole campaigns on a real engine, as their user sees them: exit codes, events, files, and what
//! is left in the engine and among the machine's processes.
//!
//! They need what `make test` prepares: an engine that answers, `lem-container` beside `lem`, and
//! a static busybox. Without one of them they fail and say so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts and waits for what it tests"
)]

#[path = "support/mod.rs"]
mod support;

#[path = "containers/changed.rs"]
mod changed;
#[path = "containers/chosen.rs"]
mod chosen;
#[path = "containers/compatibility.rs"]
mod compatibility;
#[path = "containers/crash.rs"]
mod crash;
#[path = "containers/demo.rs"]
mod demo;
#[path = "containers/dependencies.rs"]
mod dependencies;
#[path = "containers/detach.rs"]
mod detach;
#[path = "containers/disk.rs"]
mod disk;
#[path = "containers/disturbed.rs"]
mod disturbed;
#[path = "containers/doctor.rs"]
mod doctor;
#[path = "containers/dry_run.rs"]
mod dry_run;
#[path = "containers/elsewhere.rs"]
mod elsewhere;
#[path = "containers/faults.rs"]
mod faults;
#[path = "containers/held.rs"]
mod held;
#[path = "containers/insist.rs"]
mod insist;
#[path = "containers/keepers.rs"]
mod keepers;
#[path = "containers/names.rs"]
mod names;
#[path = "containers/one_at_a_time.rs"]
mod one_at_a_time;
#[path = "containers/outage.rs"]
mod outage;
#[path = "containers/output.rs"]
mod output;
#[path = "containers/paths.rs"]
mod paths;
#[path = "containers/projects.rs"]
mod projects;
#[path = "containers/reap.rs"]
mod reap;
#[path = "containers/registry.rs"]
mod registry;
#[path = "containers/secrets.rs"]
mod secrets;
#[path = "containers/starter.rs"]
mod starter;
#[path = "containers/stop.rs"]
mod stop;
#[path = "containers/verdicts.rs"]
mod verdicts;
#[path = "containers/world.rs"]
mod world;
