//! The inner lem with real processes: `lem run`, `lem hold` and `lem kill` as the host starts them,
//! here outside of any container.

#![allow(clippy::unwrap_used, reason = "a test may end where something is not as it should be")]

#[path = "inner/scene.rs"]
mod scene;

#[path = "inner/command.rs"]
mod command;
#[path = "inner/kill.rs"]
mod kill;
#[path = "inner/shell.rs"]
mod shell;
#[path = "inner/stop.rs"]
mod stop;
#[path = "inner/tree.rs"]
mod tree;
