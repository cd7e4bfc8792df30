//! GPU services through `lem`: what runs and what it holds, seen from outside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts and waits for what it tests"
)]

#[path = "support/mod.rs"]
mod support;

#[path = "services/before.rs"]
mod before;
#[path = "services/crash.rs"]
mod crash;
#[path = "services/guarded.rs"]
mod guarded;
#[path = "services/health.rs"]
mod health;
#[path = "services/leases.rs"]
mod leases;
#[path = "services/memory.rs"]
mod memory;
#[path = "services/native.rs"]
mod native;
#[path = "services/output.rs"]
mod output;
#[path = "services/proof.rs"]
mod proof;
#[path = "services/queue.rs"]
mod queue;
#[path = "services/races.rs"]
mod races;
#[path = "services/rows.rs"]
mod rows;
#[path = "services/settings.rs"]
mod settings;
#[path = "services/switch.rs"]
mod switch;
#[path = "services/undo.rs"]
mod undo;
#[path = "services/world.rs"]
mod world;
