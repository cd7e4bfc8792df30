//! `lem` runs LLM experiments in containers with Docker Compose.

mod cli;
mod durable;
mod experiment;
mod inner;
mod yaml;

pub use cli::run;
