//! What a name means here: a service of the Compose project, a container of the engine, or a name
//! that only those who use it know.

use std::path::PathBuf;

use clap::Args;

use super::error::OperationError;
use crate::coordination::resource::Resource;

/// Which Compose project is meant.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct Where {
    /// The Compose file, instead of the one here or above; more than one: `-f a -f b`
    #[arg(short = 'f', long = "compose-file", value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The Compose project
    #[arg(short = 'p', long = "project-name", value_name = "NAME")]
    pub(super) project_name: Option<String>,
}

/// Where names are looked up.
#[derive(Debug)]
pub(in crate::cli) struct Site {}

/// What a name means.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Target {
    pub(in crate::cli) resource: Resource,
    /// Whether somebody has said what it is; otherwise it is a name and nothing else.
    pub(in crate::cli) known: bool,
}

impl Site {
    pub(in crate::cli) fn here(_place: &Where) -> Self {
        Self {}
    }

    /// What a name means.
    pub(in crate::cli) async fn find(&self, name: &str) -> Result<Target, OperationError> {
        let resource = Resource::name(name.strip_prefix("name:").unwrap_or(name));
        Ok(Target { resource, known: false })
    }
}
