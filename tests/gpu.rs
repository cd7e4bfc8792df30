//! GPUs as `lem` sees them: what `lem gpu` shows, and what a campaign does when one is not free.
//!
//! The GPUs are made up by a library that stands in for the driver's; containers, processes and
//! signals are real.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts and waits for what it tests"
)]

#[path = "support/mod.rs"]
mod support;

#[path = "gpu/gate.rs"]
mod gate;
#[path = "gpu/held.rs"]
mod held;
#[path = "gpu/place.rs"]
mod place;
#[path = "gpu/server.rs"]
mod server;
#[path = "gpu/show.rs"]
mod show;
#[path = "gpu/turns.rs"]
mod turns;
#[path = "gpu/watch.rs"]
mod watch;
