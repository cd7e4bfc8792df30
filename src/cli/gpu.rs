//! `lem gpu`: memory, processes, temperature and power of the GPUs, once or again and again.

use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::render::gpu::{self as show, Machine};
use super::runtime::block_on;
use super::{exit, render};
use crate::campaign::error::CampaignError;
use crate::cancel::Cancel;
use crate::duration::{NotATime, Time};
use crate::engine::container::Docker;
use crate::engine::process::capture;
use crate::engine::reply;
use crate::gpu::error::GpuError;
use crate::gpu::look::Lookout;
use crate::gpu::processes::{self, Identity};
use crate::gpu::reading::Reading;

/// How long the names of containers are waited for; without them there are ids.
const NAMING: Duration = Duration::from_secs(2);

/// Show memory, temperature, power and processes of each GPU.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// JSON on standard output: one document, or with --watch one line for each look
    #[arg(long)]
    json: bool,
    /// Look again and again, until Ctrl-C
    #[arg(
        long,
        value_name = "TIME",
        value_parser = pause,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2"
    )]
    watch: Option<Time>,
}

fn pause(text: &str) -> Result<Time, String> {
    let time: Time = text.parse().map_err(|error: NotATime| error.to_string())?;
    if time.0 < Duration::from_millis(100) {
        return Err("the driver can't be asked more often than every 0.1 seconds".to_owned());
    }
    Ok(time)
}

/// Runs `lem gpu`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    block_on::<_, CampaignError>(async |cancel| {
        let lookout = Lookout::default();
        let Some(pause) = arguments.watch else {
            let machine = tokio::select! {
                machine = look(&lookout, cancel) => machine?,
                signal = cancel.raised() => return Err(CampaignError::Cancelled { signal }),
            };
            // A reader that is gone has read enough.
            let _ = if arguments.json { show::document(&machine) } else { show::table(&machine) };
            return Ok(exit::DONE);
        };
        tokio::select! {
            done = watch(&lookout, pause.0, arguments.json, cancel) => done,
            // This is how one stops to watch.
            _ = cancel.raised() => Ok(exit::DONE),
        }
    })
}

/// Shows look after look; ends when nobody reads it any more.
async fn watch(
    lookout: &Lookout,
    pause: Duration,
    json: bool,
    cancel: &Cancel,
) -> Result<u8, CampaignError> {
    let mut tick = tokio::time::interval(pause);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = false;
    loop {
        tick.tick().await;
        let shown = match look(lookout, cancel).await {
            Ok(machine) if json => show::line(&machine),
            Ok(machine) => show::redraw(&machine),
            // A driver that is being reloaded comes back.
            Err(error) if seen => {
                render::say(&format!("{error}"));
                Ok(())
            }
            Err(error) => return Err(error.into()),
        };
        seen = true;
        match shown {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(exit::DONE),
            _ => {}
        }
    }
}

async fn look(lookout: &Lookout, cancel: &Cancel) -> Result<Machine, GpuError> {
    let reading = lookout.look().await?;
    let identities = identities(&reading);
    let contained = identities.values().any(|identity| identity.container.is_some());
    let names = if contained { names(cancel).await } else { BTreeMap::new() };
    Ok(Machine::of(&reading, &identities, &names))
}

fn identities(reading: &Reading) -> BTreeMap<u32, Identity> {
    let processes = reading.gpus.iter().filter_map(|gpu| gpu.processes.as_ref()).flatten();
    processes.map(|process| (process.pid, processes::identity(process.pid))).collect()
}

/// The names of the running containers by id; none where docker is absent or slow.
async fn names(cancel: &Cancel) -> BTreeMap<String, String> {
    let Ok(program) = which::which("docker") else { return BTreeMap::new() };
    match capture(&Docker(program).names(), NAMING, cancel).await {
        Ok(reply) => reply::names(&reply.stdout),
        Err(_) => BTreeMap::new(),
    }
}
