//! What a check found. Which kinds of checks there are, and what a failure of each means for the
//! exit code.

use serde::Serialize;

/// What is looked at, in the order in which it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum Check {
    DockerClient,
    DockerSocket,
    Engine,
    Compose,
    ContainerBuild,
    Mounts,
    Clock,
    Limits,
    ResultsFolder,
    RecordFolder,
    LocksFolder,
    Ledger,
    EngineDisk,
    Gpu,
    GpuInEngine,
    GpuInContainer,
    ProjectConfig,
    UserConfig,
    Variables,
    Campaign,
    ComposeFile,
}

/// Who has to put a failure right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Machine,
    File,
}

impl Check {
    fn side(self) -> Side {
        match self {
            Self::DockerClient
            | Self::DockerSocket
            | Self::Engine
            | Self::Compose
            | Self::ContainerBuild
            | Self::Mounts
            | Self::Clock
            | Self::Limits
            | Self::ResultsFolder
            | Self::RecordFolder
            | Self::LocksFolder
            | Self::Ledger
            | Self::EngineDisk
            | Self::Gpu
            | Self::GpuInEngine
            | Self::GpuInContainer => Side::Machine,
            Self::ProjectConfig
            | Self::UserConfig
            | Self::Variables
            | Self::Campaign
            | Self::ComposeFile => Side::File,
        }
    }

    /// The name that a person reads; the same as in JSON, in words.
    pub(in crate::cli) fn words(self) -> &'static str {
        match self {
            Self::DockerClient => "docker client",
            Self::DockerSocket => "docker socket",
            Self::Engine => "engine",
            Self::Compose => "compose",
            Self::ContainerBuild => "container build",
            Self::Mounts => "mounts",
            Self::Clock => "clock",
            Self::Limits => "limits",
            Self::ResultsFolder => "results folder",
            Self::RecordFolder => "record folder",
            Self::LocksFolder => "locks folder",
            Self::Ledger => "ledger",
            Self::EngineDisk => "engine disk",
            Self::Gpu => "gpu",
            Self::GpuInEngine => "gpu in engine",
            Self::GpuInContainer => "gpu in container",
            Self::ProjectConfig => "project config",
            Self::UserConfig => "user config",
            Self::Variables => "variables",
            Self::Campaign => "campaign",
            Self::ComposeFile => "compose file",
        }
    }
}

/// How it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum Status {
    Fine,
    /// Campaigns run, and something may be different from what is wanted.
    Warning,
    /// Campaigns in containers can't run.
    Failure,
    /// There is nothing to check, or no way to.
    NotApplicable,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Finding {
    pub check: Check,
    pub status: Status,
    /// What is there.
    pub found: String,
    /// What to do about it.
    pub fix: Option<String>,
}

impl Finding {
    pub(super) fn fine(check: Check, found: impl Into<String>) -> Self {
        Self { check, status: Status::Fine, found: found.into(), fix: None }
    }

    pub(super) fn warning(check: Check, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, status: Status::Warning, found: found.into(), fix: Some(fix.into()) }
    }

    pub(super) fn failure(check: Check, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, status: Status::Failure, found: found.into(), fix: Some(fix.into()) }
    }

    pub(super) fn not_applicable(check: Check, found: impl Into<String>) -> Self {
        Self { check, status: Status::NotApplicable, found: found.into(), fix: None }
    }

    pub(super) fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// The worst of what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Campaigns in containers can run.
    Able,
    /// They could, but a file is wrong.
    WrongFile,
    /// This machine can't run them.
    Unable,
}

/// Sums up.
pub(super) fn verdict(findings: &[Finding]) -> Verdict {
    let failed =
        |side| findings.iter().any(|f| f.status == Status::Failure && f.check.side() == side);
    match (failed(Side::Machine), failed(Side::File)) {
        (true, _) => Verdict::Unable,
        (false, true) => Verdict::WrongFile,
        (false, false) => Verdict::Able,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_cannot_weighs_more_than_a_file_that_is_wrong() {
        let machine = Finding::failure(Check::Engine, "", "");
        let file = Finding::failure(Check::Campaign, "", "");
        let warning = Finding::warning(Check::Engine, "", "");
        assert_eq!(verdict(std::slice::from_ref(&warning)), Verdict::Able);
        assert_eq!(verdict(&[warning, file.clone()]), Verdict::WrongFile);
        assert_eq!(verdict(&[file, machine]), Verdict::Unable);
    }

    #[test]
    fn a_check_has_the_same_name_for_people_and_for_programs() {
        for check in [Check::DockerClient, Check::GpuInEngine, Check::ComposeFile, Check::Gpu] {
            let name = serde_json::to_value(check).unwrap();
            assert_eq!(name.as_str().unwrap().replace('_', " "), check.words());
        }
    }
}
