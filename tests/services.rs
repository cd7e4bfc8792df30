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

#[path = "services/health.rs"]
mod health;
#[path = "services/memory.rs"]
mod memory;

#[path = "services/native.rs"]
mod native;
