//! What lem does without any container: wrong files, machines that lack something, starter projects,
//! and runs as processes of this machine. No engine is needed, and none is touched.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts and waits for what it tests"
)]

#[path = "support/mod.rs"]
mod support;

#[path = "cli/clock.rs"]
mod clock;
#[path = "cli/crash.rs"]
mod crash;
#[path = "cli/detach.rs"]
mod detach;
#[path = "cli/disk.rs"]
mod disk;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/drift.rs"]
mod drift;
#[path = "cli/experiment_files.rs"]
mod experiment_files;
#[path = "cli/files.rs"]
mod files;
#[path = "cli/init.rs"]
mod init;
#[path = "cli/limits.rs"]
mod limits;
#[path = "cli/local.rs"]
mod local;
#[path = "cli/logs.rs"]
mod logs;
#[path = "cli/machines.rs"]
mod machines;
#[path = "cli/notifications.rs"]
mod notifications;
#[path = "cli/options.rs"]
mod options;
#[path = "cli/pages.rs"]
mod pages;
#[path = "cli/paths.rs"]
mod paths;
#[path = "cli/private.rs"]
mod private;
#[path = "cli/registry.rs"]
mod registry;
#[path = "cli/repair.rs"]
mod repair;
#[path = "cli/rubbish.rs"]
mod rubbish;
#[path = "cli/status.rs"]
mod status;
