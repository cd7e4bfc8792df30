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
//! anything is; `perform` does exactly that. Nothing is done without `leave`: an operation of the
//! ledger that every lem of the machine asks.

pub(crate) mod claim;
pub(crate) mod connection;
pub(crate) mod container;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod evict_api;
pub(crate) mod health;
pub(crate) mod holder;
pub(crate) mod instance;
pub(crate) mod journal;
pub(crate) mod leave;
pub(crate) mod look;
pub(crate) mod machine;
pub(crate) mod memory;
pub(crate) mod native;
pub(crate) mod note;
pub(crate) mod perform;
pub(crate) mod place;
pub(crate) mod plan;
pub(crate) mod registry;
pub(crate) mod service;
pub(crate) mod settle;
pub(crate) mod state;
pub(crate) mod stats;
pub(crate) mod stopped;
pub(crate) mod word;
