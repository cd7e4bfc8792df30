//! `lem lock --needs NAME -- COMMAND`: services that are used while a command runs.
//!
//! 2026-11-21: a lease ends with lem, so the command is not given the lock of who lives. What it
//! starts in turn, such as a service of its own, would keep the lease for as long as that runs.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use uuid::Uuid;

use super::arguments::{Asking, Where, patience};
use super::machine;
use crate::cancel::{Cancel, Signal};
use crate::cli::exit;
use crate::cli::render::services as show;
use crate::cli::runtime::block_on;
use crate::coordination::ledger::Ending;
use crate::coordination::operation::State;
use crate::duration::Time;
use crate::engine::process::{Attended, Exit};
use crate::services::error::ServiceError;
use crate::services::journal::Verb;
use crate::services::leave::Leave;
use crate::services::note;
use crate::services::perform::Order;
use crate::services::perform::leases::{self, Exclusive};
use crate::services::place::Purpose;
use crate::services::plan::Wish;

/// Services that a command uses, and how they are asked for.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// A service of the registry that the command uses; more than one: `--needs a --needs b`
    #[arg(long, value_name = "NAME", required_unless_present = "resources")]
    needs: Vec<String>,
    /// With `--needs`: let nothing else of a registry be started on their GPUs meanwhile, for
    /// measurements. With RES, nobody else has it meanwhile; that is what is done without `-s`
    #[arg(short = 'x', long)]
    exclusive: bool,
    /// Stop services of the same or a higher priority too, where they could not start otherwise
    #[arg(long)]
    preempt: bool,
    /// How long to wait for somebody else who acts on the same service or GPU, 0 is not at all;
    /// otherwise 10 minutes, and as long as a start of these services may take; 5 minutes for RES
    #[arg(short = 'w', long, value_name = "TIME")]
    wait: Option<Time>,
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    place: Where,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What a lock of anything else has in common with it.
impl Arguments {
    pub(in crate::cli) fn asking(&self) -> &Asking {
        &self.asking
    }

    pub(in crate::cli) fn wait(&self) -> Option<Time> {
        self.wait
    }

    pub(in crate::cli) fn command(&self) -> &[OsString] {
        &self.command
    }
}

/// Runs `lem lock`.
pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    block_on::<_, ServiceError>(async |cancel: &Cancel| {
        let registry = arguments.place.registry.as_deref();
        let words: Vec<_> = arguments.command.iter().map(|word| word.to_string_lossy()).collect();
        let what: String = words.join(" ").chars().take(80).collect();
        let machine = machine(registry, Purpose::Acting, cancel).await?;
        let machine = machine.asking(arguments.asking.asks(Some(what)));
        show::warnings(&machine.registry.warnings);
        let wish = Wish {
            verb: Verb::Lease,
            names: machine.chosen(&arguments.needs)?,
            phase: None,
            preempt: arguments.preempt,
            recreate: false,
        };
        let patience = patience(arguments.wait, &machine, &wish.names);
        let order = Order { machine: &machine, wish, patience, operation: Uuid::new_v4() };
        let exclusive = if arguments.exclusive { Exclusive::Yes } else { Exclusive::No };
        let timeline = show::Timeline::new();
        let mut tell = |event| timeline.show(&event);
        let (_, leased) = leases::take(&order, exclusive, &mut tell).await;
        let leave = leased?;
        let ended = attend(&arguments.command, &leave, cancel).await;
        for name in &order.wish.names {
            note::use_now(&machine.places.service(machine.registry.get(name)?));
        }
        let (ending, result) = match ended {
            Ok(code) => {
                let state = if code == exit::DONE { State::Done } else { State::Failed };
                let ending = Ending { state, exit_code: Some(i32::from(code)), note: None };
                (ending, Ok(code))
            }
            Err(error) if error.is_cut_off() => (
                Ending { state: State::Cancelled, ..Ending::failed(error.to_string()) },
                Err(error),
            ),
            Err(error) => (Ending::failed(error.to_string()), Err(error)),
        };
        leave.end_as(ending, &mut tell).await;
        result
    })
}

/// How long a command has to end when somebody else wants that.
const GRACE: Duration = Duration::from_secs(10);

/// Runs the command to its end and returns its exit code, as a shell would.
///
/// # Errors
/// It can't be started, or was ended because somebody else wants the lease to end.
async fn attend(command: &[OsString], leave: &Leave, cancel: &Cancel) -> Result<u8, ServiceError> {
    let Some((program, arguments)) = command.split_first() else { return Ok(0) };
    let started = Attended::start_with(program, arguments, &leave.environment());
    let attended = started.map_err(|source| ServiceError::NoCommand {
        command: program.to_string_lossy().into_owned(),
        source,
    })?;
    let (ended, disturbed) = (attended.ended(), leave.disturbed());
    tokio::pin!(ended, disturbed);
    let mut asked = cancel.now().is_some();
    let exit = loop {
        tokio::select! {
            exit = &mut ended => break exit,
            // A terminal has told it already; it ends, or it does not, as it likes.
            signal = cancel.raised(), if !asked => {
                asked = true;
                if signal != Signal::Interrupt {
                    attended.ask_to_end();
                }
            }
            disturbance = &mut disturbed => {
                attended.ask_to_end();
                if tokio::time::timeout(disturbance.grace(GRACE), &mut ended).await.is_err() {
                    attended.kill();
                    ended.await;
                }
                return Err(leave.ended_by_other(disturbance));
            }
            () = cancel.insisted() => {
                attended.kill();
                break ended.await;
            }
        }
    };
    Ok(match exit {
        Exit::Code(code) => u8::try_from(code).unwrap_or(u8::MAX),
        Exit::Signal(signal) => 128_u8.saturating_add(u8::try_from(signal).unwrap_or(0)),
    })
}
