//! `lem lock RES -- COMMAND`: containers, GPUs and names that a command has meanwhile; with
//! `--needs`, services of a registry that it uses.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::cancel::Cancel;
use crate::cli::ledger;
use crate::cli::operation::{Attending, OperationError, Site, Strangers, Where, conclude};
use crate::cli::render::{self, operation as show};
use crate::cli::runtime::block_on;
use crate::cli::service;
use crate::coordination::error::CoordinationError;
use crate::coordination::kind::Kind;
use crate::coordination::ledger::Ending;
use crate::coordination::operation::{OnConflict, Wish};
use crate::coordination::part::{Act, Part};
use crate::coordination::permit::{Patience, Permit};
use crate::coordination::resource::{Level, Resource};
use crate::gpu::look::Lookout;

/// Run a command that has something meanwhile: containers, GPUs and names (RES), or services of a
/// registry (`--needs`), which are started where need be and not stopped meanwhile.
///
/// lem ends with the exit code of the command. When lem is killed, what it had is free once the
/// command has ended, and where it had something of an engine alone, 20 s after; the services of `--needs` are free at once.
// Groups of flattened arguments have the names of their types.
#[derive(Debug, Args)]
#[group(skip)]
pub(in crate::cli) struct Arguments {
    /// What to have, as in `lem op`: a service of the Compose project here, a container,
    /// `project:NAME`, `engine`, `gpu:0`, or `name:ANYTHING` that all who use it agree on
    #[arg(value_name = "RES", conflicts_with = "needs")]
    resources: Vec<String>,
    /// Nobody changes RES meanwhile; others may have it like this too
    #[arg(short, long, conflicts_with_all = ["exclusive", "needs"])]
    shared: bool,
    /// Don't wait for RES
    #[arg(short, long, conflicts_with_all = ["wait", "needs"])]
    no_wait: bool,
    /// The exit code where RES is not to be had in time
    #[arg(short = 'E', long, value_name = "CODE", default_value = "75", conflicts_with = "needs")]
    conflict_exit_code: u8,
    /// What COMMAND starts does not keep RES when lem was killed
    #[arg(short = 'o', long, conflicts_with = "needs")]
    close: bool,
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    lease: service::LockArguments,
}

/// How long others are waited for, unless it is said.
const WAIT: Duration = Duration::from_secs(300);

/// Runs `lem lock`.
pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    if arguments.resources.is_empty() {
        return service::lock(&arguments.lease);
    }
    block_on::<_, OperationError>(async |cancel: &Cancel| {
        let asking = arguments.lease.asking();
        let agent = ledger::agent(asking.agent.as_deref()).await?;
        let mut site = Site::here(&arguments.place, &agent, cancel).await?;
        let mut resources = Vec::new();
        let mut as_strangers = Vec::new();
        for name in &arguments.resources {
            resources.push(if let Some(gpu) = name.strip_prefix("gpu:") {
                gpu_of(gpu).await?
            } else {
                let target = site.find(name, Strangers::Welcome).await?;
                as_strangers.extend(target.as_stranger);
                target.resource
            });
        }
        for note in &site.notes {
            render::say(&format!("note: {note}"));
        }
        let wish = arguments.wish(&resources, &as_strangers, agent.name());
        let what = wish.what.clone();
        let mut tell = |it: &_| show::waiting(it);
        let taken = Permit::take(&agent, wish, arguments.patience(), cancel, &mut tell).await;
        let permit = match taken {
            Ok(permit) => permit,
            Err(error) if is_not_got(&error) => {
                let _ = render::error(&OperationError::from(error));
                return Ok(arguments.conflict_exit_code);
            }
            Err(error) => return Err(error.into()),
        };
        let command = arguments.lease.command();
        let attending = Attending { agent: &agent, permit: &permit, command, limit: None, cancel };
        let ended =
            if arguments.close { attending.run_alone().await } else { attending.run().await };
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => {
                permit.end(Ending::failed(error.to_string())).await?;
                return Err(error);
            }
        };
        // It has no limit, and no document.
        conclude(permit, &what, &ended, Duration::MAX, &mut Value::Null).await
    })
}

impl Arguments {
    fn wish(&self, resources: &[Resource], as_strangers: &[Resource], agent: &str) -> Wish {
        let act = if self.shared { Act::Shared } else { Act::Exclusive };
        let names: Vec<String> = resources.iter().map(Resource::short).collect();
        let words: Vec<_> = self.lease.command().iter().map(|it| it.to_string_lossy()).collect();
        let also = as_strangers.iter().map(|it| Part::implied(it.clone(), act));
        let parts = resources.iter().map(|it| Part::new(it.clone(), act)).chain(also);
        let is_of_an_engine = resources.iter().any(|it| it.at(Level::Engine).is_some());
        Wish {
            parts: parts.collect(),
            what: format!("{} {}", act.word(), names.join(" and ")),
            command: Some(words.join(" ").chars().take(200).collect()),
            agent: agent.to_owned(),
            reason: self.lease.asking().reason.clone(),
            priority: self.lease.asking().priority,
            expect: None,
            limit: None,
            // Nobody knows what the engine is told by who has something of it.
            settle: if is_of_an_engine && act == Act::Exclusive {
                Kind::Deploy.settle()
            } else {
                Duration::ZERO
            },
            on_conflict: OnConflict::Queue,
            over_shared: false,
            parent: None,
        }
    }

    fn patience(&self) -> Patience {
        let wait = self.lease.wait().map_or(WAIT, |wait| wait.0);
        if self.no_wait || wait.is_zero() { Patience::None } else { Patience::For(wait) }
    }
}

/// The GPU that an index or a UUID means.
async fn gpu_of(name: &str) -> Result<Resource, OperationError> {
    if name.starts_with("GPU-") || name.starts_with("MIG-") {
        return Ok(Resource::gpu(name));
    }
    let reading = Lookout::default().look().await?;
    let uuid = reading.gpus.iter().find(|gpu| gpu.is(name)).and_then(|gpu| gpu.uuid.as_deref());
    let uuid = uuid.ok_or_else(|| OperationError::NoGpu { name: name.to_owned() })?;
    Ok(Resource::gpu(uuid))
}

/// Whether somebody else has it, which is no failure of anything.
fn is_not_got(error: &CoordinationError) -> bool {
    use CoordinationError as E;
    matches!(
        error,
        E::Blocked { .. }
            | E::WouldWait { .. }
            | E::Expired { .. }
            | E::QueueFull { .. }
            | E::AgentFull { .. }
    )
}
