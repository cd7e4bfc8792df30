//! AREA: experiments in order, each in a container.
//!
//! ```text
//! file ─► experiments, grid ─► plan ─┐
//! settings ──────────────────────────┼─► decided ─► execute ─► runner ─► record
//! site ─► world ─► override_file ────┘                 │          │
//!                                                  teardown     watch ─► verdict
//!                                                                 │
//!                           gate,   attempt ─► strategy: ephemeral, persistent, local
//! ```
//!
//! `resume` is what is done of it already: what is missing, what has changed, how a lost record is
//! found again.

pub(crate) mod attempt;
mod clock;
pub(crate) mod command;
pub(crate) mod container_build;
pub(crate) mod decided;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod execute;
pub(crate) mod experiments;
pub(crate) mod file;
pub(crate) mod forecast;
mod gate;
pub(crate) mod grid;
pub(crate) mod instance;
pub(crate) mod keeper;
pub(crate) mod notice;
mod opening;
mod order;
mod outage;
mod outcome;
pub(crate) mod overhead;
pub(crate) mod override_file;
pub(crate) mod plan;
mod result_search;
pub(crate) mod results_place;
pub(crate) mod resume;
mod retry;
mod run_facts;
pub(crate) mod run_folder;
pub(crate) mod runner;
pub(crate) mod script;
pub(crate) mod settings;
pub(crate) mod site;
pub(crate) mod strategy;
mod summary;
mod teardown;
pub(crate) mod tenure;
pub(crate) mod verdict;
mod watch;
pub(crate) mod world;
