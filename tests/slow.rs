//! What takes minutes: a daemon that is stopped and killed, and campaigns that are killed hundreds
//! of times. `make test-slow`.
//!
//! They need root, a `dockerd` on PATH beside an engine that answers, and what `make test` prepares.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts and waits for what it tests"
)]

#[path = "support/mod.rs"]
mod support;

/// Makes a slow test of each function for each strategy.
macro_rules! slowly_in_both_strategies {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[test]
            #[ignore = "takes long: make test-slow"]
            fn ephemeral() {
                super::$name($crate::support::Strategy::Ephemeral);
            }

            #[test]
            #[ignore = "takes long: make test-slow"]
            fn persistent() {
                super::$name($crate::support::Strategy::Persistent);
            }
        }
    )*};
}

use slowly_in_both_strategies;

#[path = "slow/coordination/mod.rs"]
mod coordination;
#[path = "slow/engine_away.rs"]
mod engine_away;
#[path = "slow/engine_lost.rs"]
mod engine_lost;
#[path = "slow/torture/mod.rs"]
mod torture;
