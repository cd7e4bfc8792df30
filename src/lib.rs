//! `lem` runs LLM experiments and model servers on your own GPUs with Docker Compose.
//!
//! ```text
//! cli ─► campaign, experiment ─► record ─► (ground)
//!             └────► engine ─► (ground)          inner: what runs inside the container
//! ```
//!
//! Imports point down. Ground: `cancel`, `duration`, `durable`, `lock`, `state_dir`, `yaml`.
//! `inner` is the container build's own area; of it the host reads the marks that it leaves.
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
mod durable;
#[cfg(feature = "host")]
mod duration;
#[cfg(feature = "host")]
mod engine;
mod experiment;
mod inner;
#[cfg(feature = "host")]
mod lock;
#[cfg(feature = "host")]
mod record;
#[cfg(feature = "host")]
mod state_dir;
mod yaml;

pub use cli::run;
