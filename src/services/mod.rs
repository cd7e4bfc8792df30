//! AREA: GPU services and their lives.
//!
//! ```text
//! registry ─► service ─┐
//!                      ├─► plan ─► perform ─► journal ─► stats
//! look ─► state ───────┘             │
//!        (container, native,      start: health, evict_api, recovery
//!         memory, health)         stop
//! ```
//!
//! The registry says what a service is; `look` says how things are, from docker, `/proc`, NVML and
//! the service itself, each time it is asked; `plan` says what has to be done, and why, before
//! anything is; `perform` does exactly that. Nothing is done without a `permit`.

pub(crate) mod connection;
pub(crate) mod error;
pub(crate) mod native;
pub(crate) mod service;
