//! Several lems at once on the same containers: who runs, who waits, who is refused, and what each
//! of them is told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts and waits for what it tests"
)]

#[path = "support/mod.rs"]
mod support;

#[path = "coordination/cancel.rs"]
mod cancel;
#[path = "coordination/death.rs"]
mod death;
#[path = "coordination/faults.rs"]
mod faults;
#[path = "coordination/joined.rs"]
mod joined;
#[path = "coordination/lock.rs"]
mod lock;
#[path = "coordination/op.rs"]
mod op;
#[path = "coordination/ops.rs"]
mod ops;
#[path = "coordination/pairs.rs"]
mod pairs;
#[path = "coordination/places.rs"]
mod places;
#[path = "coordination/queue.rs"]
mod queue;
#[path = "coordination/seed.rs"]
mod seed;
#[path = "coordination/server.rs"]
mod server;
#[path = "coordination/store.rs"]
mod store;
#[path = "coordination/watch.rs"]
mod watch;
#[path = "coordination/within.rs"]
mod within;
#[path = "coordination/world.rs"]
mod world;
