//! `lem doctor`: what of this machine a campaign needs, looked at without changing anything.
//!
//! ```text
//! files ───────────────────► settings ─► folders
//!   └─► services (Compose) ─► gpu           ▲
//! asked (docker, engine) ─► engine, mounts ─┘        all: finding
//! ```

mod asked;
mod engine;
mod files;
mod finding;
mod folders;
mod gpu;
mod inner;
mod ledger;
mod mounts;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use self::asked::{Answer, Asked};
use self::files::{Files, Services};
use self::finding::{Check, Verdict, verdict};
pub(super) use self::finding::{Finding, Status};
use super::runtime::block_on;
use super::{exit, render};
use crate::campaign::error::CampaignError;
use crate::cancel::Cancel;
use crate::engine::about::About;
use crate::engine::container::Docker;
use crate::engine::place::{Here, Place};
use crate::state_dir;

/// Check whether this machine can run campaigns; every finding says how to put it right.
///
/// Nothing is changed. Exit codes: 0 it can, warnings or not; 2 a file is wrong; 3 the machine can't.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The campaign file [default: campaign.yaml or campaign.yml, if there is one]
    file: Option<PathBuf>,
    /// One JSON array on standard output
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    block_on::<_, CampaignError>(async |cancel| {
        let findings = examine(arguments.file.as_deref(), cancel).await;
        if let Some(signal) = cancel.now() {
            return Err(CampaignError::Cancelled { signal });
        }
        if arguments.json {
            render::json(&findings);
        } else {
            render::findings(&findings);
        }
        Ok(match verdict(&findings) {
            Verdict::Able => exit::DONE,
            Verdict::WrongFile => exit::WRONG,
            Verdict::Unable => exit::MACHINE,
        })
    })
}

/// Looks at everything; the findings are in the order of their checks.
async fn examine(file: Option<&Path>, cancel: &Cancel) -> Vec<Finding> {
    let files = files::read(file);
    let docker = asked::docker();
    let docker = docker.as_ref();
    // An engine that never answers keeps nothing else waiting.
    let (
        answer,
        (asked, compose, compose_file, services),
        build,
        results,
        record,
        locks,
        ledger,
        (gpu, on_host),
    ) = tokio::join!(
        answer(docker, cancel),
        client_side(docker, &files, cancel),
        inner::build(cancel),
        folders::writable(Check::ResultsFolder, files.settings.results_dir.clone()),
        folders::writable(Check::RecordFolder, files.settings.state_dir.clone()),
        locks(),
        ledger::ledger(),
        gpu::on_host(),
    );
    let (asked, answer) = (asked.as_ref(), answer.as_ref());
    let about = answer.and_then(|answer| answer.engine.as_ref().ok());
    let mounts = match (asked, about) {
        (Some(asked), Some(about)) => {
            let here = Here::look(about);
            mounts::mounts(about, Place::of(about, &asked.endpoint, &here), &here)
        }
        _ => engine::unanswered(Check::Mounts),
    };
    let asks = gpu::Asks::of(services.as_ref());
    let in_engine = gpu::in_engine(about, on_host, &asks);
    let (disk, in_container) = tokio::join!(
        disk(about, &mounts),
        gpu::in_container(docker, &in_engine, &asks, services.as_ref(), cancel)
    );
    let build = inner::for_services(build, services.as_ref());
    let mut findings = vec![
        engine::client(asked),
        engine::socket(asked),
        engine::engine(answer),
        engine::clock(answer.and_then(|answer| answer.clock)),
        engine::limits(about),
        compose,
        build,
        mounts,
        results,
        record,
        locks,
        ledger,
        disk,
        gpu,
        in_engine,
        in_container,
        compose_file,
    ];
    findings.extend(files.findings);
    findings.sort_by_key(|finding| finding.check);
    findings
}

async fn answer(docker: Option<&Docker>, cancel: &Cancel) -> Option<Answer> {
    Some(asked::engine(docker?, cancel).await)
}

/// What needs no engine: the client, Compose, and the project that Compose reads.
async fn client_side(
    docker: Option<&Docker>,
    files: &Files,
    cancel: &Cancel,
) -> (Option<Asked>, Finding, Finding, Option<Services>) {
    let asked = match docker {
        Some(docker) => Some(asked::client(docker.clone(), cancel).await),
        None => None,
    };
    let (compose, program) = engine::compose(asked.as_ref(), cancel).await;
    let (compose_file, services) = files::services(files, program, cancel).await;
    (asked, compose, compose_file, services)
}

async fn locks() -> Finding {
    match state_dir::place() {
        Ok(folder) => folders::writable(Check::LocksFolder, folder).await,
        Err(error) => {
            let fix = "name a folder: LEM_STATE_DIR=DIR";
            Finding::failure(Check::LocksFolder, format!("there is no place for it: {error}"), fix)
        }
    }
}

/// The engine's disk, where it is one of this machine.
async fn disk(about: Option<&About>, mounts: &Finding) -> Finding {
    match about {
        None => engine::unanswered(Check::EngineDisk),
        Some(about) if mounts.status == Status::Fine => {
            folders::engine_disk(about.docker_root_dir.clone()).await
        }
        Some(_) => {
            Finding::not_applicable(Check::EngineDisk, "the engine's disk can't be seen from here")
        }
    }
}
