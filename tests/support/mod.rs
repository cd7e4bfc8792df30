//! What the tests of whole campaigns share: a place of their own, `lem` in it, and the engine's
//! side of the story. Nothing here asserts what `lem` should do.

// Each test crate uses its own part.
#![allow(dead_code, unused_imports, unused_macros)]

pub(crate) mod address;
pub(crate) mod clock;
pub(crate) mod cut;
pub(crate) mod daemon;
pub(crate) mod detached;
pub(crate) mod ended;
pub(crate) mod engine;
pub(crate) mod fixture;
pub(crate) mod gpu;
pub(crate) mod images;
pub(crate) mod postgres;
pub(crate) mod processes;
pub(crate) mod proxy;
pub(crate) mod running;
pub(crate) mod scene;
pub(crate) mod server;
pub(crate) mod small_disk;
pub(crate) mod stubborn;
pub(crate) mod wait;
pub(crate) mod webhook;

pub(crate) use ended::Ended;
pub(crate) use proxy::{Proxy, Way};
pub(crate) use running::Running;
pub(crate) use scene::{Scene, Strategy};
pub(crate) use server::ModelServer;
pub(crate) use stubborn::Stubborn;
pub(crate) use wait::{eventually, within};

/// Makes a test of each function for each strategy: `name::ephemeral`, `name::persistent`.
macro_rules! in_both_strategies {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[test]
            fn ephemeral() {
                super::$name($crate::support::Strategy::Ephemeral);
            }

            #[test]
            fn persistent() {
                super::$name($crate::support::Strategy::Persistent);
            }
        }
    )*};
}
pub(crate) use in_both_strategies;
