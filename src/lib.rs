//! `lem` runs LLM experiments and model servers on your own GPUs with Docker Compose.
//!
//! Who imports whom (`tests/architecture.rs` reads this and holds it):
//!
//! ```text
//! cli          ─► campaign, coordination, engine, experiment, gpu, http, inner, record, services, ground
//! services     ─► coordination, engine, gpu, http, ground
//! campaign     ─► coordination, engine, gpu, record, inner (its marks and exit codes), ground
//! coordination ─► ground
//! experiment   ─► ground
//! inner        ─► ground
//! engine       ─► ground
//! gpu          ─► ground
//! http         ─► ground
//! record       ─► ground
//! ground       =  cancel, digest, duration, durable, foreign_file, lock, mebibytes, process_tree, room,
//! ground       =  secret, state_dir, yaml
//! ```
//!
//! `cli` is the rim: arguments, terminal, exit codes. `engine` is the adapter of the `docker`
//! command, `gpu` that of the NVIDIA driver, `http` that of webhooks, `record` the database of a
//! campaign, `coordination` that of what several agents do at once. `inner` is what runs inside the containers; of it the host reads the marks that it
//! leaves.
//!
//! Words: a **campaign** is a file, an **experiment** an entry of it, a **run** one execution of an
//! experiment in a cycle, an **attempt** one try of a run. A **service** is a Compose service, an
//! **invocation** a command line as a value. The **inner lem** is the static container build of
//! this crate, mounted read-only into the containers.

#[cfg(feature = "host")]
mod campaign;
#[cfg(feature = "host")]
mod cancel;
mod cli;
#[cfg(feature = "host")]
mod coordination;
#[cfg(feature = "host")]
mod digest;
mod durable;
#[cfg(feature = "host")]
mod duration;
#[cfg(feature = "host")]
mod engine;
mod experiment;
#[cfg(feature = "host")]
mod foreign_file;
#[cfg(feature = "host")]
mod gpu;
#[cfg(feature = "host")]
mod http;
mod inner;
#[cfg(feature = "host")]
mod lock;
#[cfg(feature = "host")]
mod mebibytes;
mod process_tree;
#[cfg(feature = "host")]
mod record;
#[cfg(feature = "host")]
mod room;
#[cfg(feature = "host")]
mod secret;
#[cfg(feature = "host")]
mod services;
#[cfg(feature = "host")]
mod state_dir;
mod yaml;

pub use cli::run;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub use coordination::bench;

/// For the targets in `fuzz/`; no part of what the crate promises.
///
/// # Panics
/// Where a promise about what lem reads is broken.
#[cfg(all(feature = "host", fuzzing))]
#[doc(hidden)]
pub fn check(kind: &str, bytes: &[u8]) {
    let found = cli::fuzzing::KINDS.iter().find(|(name, _)| *name == kind);
    assert!(found.is_some(), "nothing called `{kind}` is read");
    found.iter().for_each(|(_, check)| check(bytes));
}
