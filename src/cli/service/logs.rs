//! `lem service logs`: what a service says or said, a container's or a program's of this host.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::arguments::Where;
use super::machine;
use crate::cancel::Cancel;
use crate::cli::exit;
use crate::cli::logs::{Log, Until};
use crate::cli::runtime::block_on;
use crate::engine::error::EngineError;
use crate::engine::life::Life;
use crate::engine::process::{Child, Exit};
use crate::services::container::{self, Looked};
use crate::services::error::ServiceError;
use crate::services::machine::Machine;
use crate::services::native;
use crate::services::place::Purpose;
use crate::services::service::Service;

/// How often it is looked whether a container was started anew.
const PAUSE: Duration = Duration::from_secs(1);
/// How a program ends whose reader has gone.
const BROKEN_PIPE: i32 = 13;

/// Show what a service says, or what it said last.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Its name in the registry
    name: String,
    /// Only so many lines of the end
    #[arg(short = 'n', long, value_name = "LINES")]
    lines: Option<usize>,
    /// Go on until Ctrl-C, also when the service is started anew
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    place: Where,
}

/// Runs `lem service logs`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    block_on::<_, ServiceError>(async |cancel: &Cancel| {
        let registry = arguments.place.registry.as_deref();
        let machine = machine(registry, Purpose::Looking, cancel).await?;
        let service = machine.registry.get(&arguments.name)?;
        let stop = Arc::new(AtomicBool::new(false));
        let showing = async {
            if service.is_native() {
                let path = native::log_path(&machine.places.service(service));
                of_program(arguments, service, path, Arc::clone(&stop)).await
            } else {
                of_container(arguments, &machine, service).await
            }
        };
        tokio::select! {
            shown = showing => shown.map(|()| exit::DONE),
            // A reader that has seen enough: nothing failed.
            signal = cancel.raised() => {
                stop.store(true, Ordering::Release);
                Ok(signal.exit_code())
            }
        }
    })
}

async fn of_program(
    arguments: &Arguments,
    service: &Service,
    path: PathBuf,
    stop: Arc<AtomicBool>,
) -> Result<(), ServiceError> {
    if !arguments.follow && !path.exists() {
        return Err(ServiceError::NoLog { name: service.name.clone() });
    }
    let (lines, follow) = (arguments.lines, arguments.follow);
    let copying = tokio::task::spawn_blocking(move || {
        let ended = || stop.load(Ordering::Acquire);
        let until = if follow { Until::Ended(&ended) } else { Until::Now };
        Log { path: &path, lines }.copy(&mut std::io::stdout().lock(), until);
    });
    // Whatever it could not show, it has shown what there was.
    let _ = copying.await;
    Ok(())
}

async fn of_container(
    arguments: &Arguments,
    machine: &Machine,
    service: &Service,
) -> Result<(), ServiceError> {
    let engine = machine.connection.engine(&machine.cancel).await?;
    let mut shown: Option<Shown> = None;
    loop {
        let looked = container::look(engine, std::iter::once(service), &machine.cancel).await?;
        match looked.get(&service.name) {
            Some(Looked::Present(life)) => {
                if shown.as_ref().is_none_or(|shown| !shown.is(life)) {
                    let end = show(arguments, machine, life, shown.as_ref()).await?;
                    if matches!(end, End::OfReader) {
                        return Ok(());
                    }
                    shown = Some(Shown::now(life));
                }
            }
            Some(Looked::Several(several)) => {
                let why = format!("it has {several} containers that run, and lem keeps one");
                let name = service.name.clone();
                return Err(ServiceError::Unusable { name, state: "unclear", why });
            }
            Some(Looked::Absent) | None if !arguments.follow => {
                return Err(ServiceError::NoLog { name: service.name.clone() });
            }
            Some(Looked::Absent) | None => {}
        }
        if !arguments.follow {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The start of a container that was shown to its end.
struct Shown {
    id: String,
    started_at: Option<Timestamp>,
    until: Timestamp,
}

impl Shown {
    fn now(life: &Life) -> Self {
        let (id, started_at) = (life.id.clone(), life.started_at);
        Self { id, started_at, until: Timestamp::now() }
    }

    fn is(&self, life: &Life) -> bool {
        (&self.id, self.started_at) == (&life.id, life.started_at)
    }
}

/// Why docker showed no more.
enum End {
    OfLog,
    OfReader,
}

/// Shows one start of a container; after another start, without what was shown of that. What a
/// program says first may bear an earlier time than its start does.
async fn show(
    arguments: &Arguments,
    machine: &Machine,
    life: &Life,
    before: Option<&Shown>,
) -> Result<End, ServiceError> {
    let engine = machine.connection.engine(&machine.cancel).await?;
    let (since, lines) = match before {
        None => (None, arguments.lines),
        Some(before) => (Some(before.until).filter(|_| before.id == life.id), None),
    };
    let invocation = engine.docker.logs_of(&life.id, since, lines, arguments.follow);
    let stdout = std::io::stdout().as_fd().try_clone_to_owned().map(File::from);
    let stdout = stdout.map_err(|source| EngineError::NotStarted {
        program: invocation.program.clone(),
        source,
    })?;
    let mut client = Child::start(&invocation, None, stdout)?;
    match client.ended().await {
        Exit::Code(0) => Ok(End::OfLog),
        Exit::Signal(BROKEN_PIPE) => Ok(End::OfReader),
        exit => Err(ServiceError::Engine(EngineError::Failed {
            command: invocation.to_string(),
            exit,
            complaint: "see above".to_owned(),
        })),
    }
}
