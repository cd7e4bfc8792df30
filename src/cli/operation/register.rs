//! `lem ops register NAME`: a container that no Compose file and no engine tells about, and what
//! it needs.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::error::OperationError;
use super::place::{Site, Strangers, Where};
use crate::cancel::Cancel;
use crate::cli::exit;
use crate::cli::ledger;
use crate::cli::render;
use crate::cli::runtime::block_on;
use crate::coordination::ledger::Known;
use crate::coordination::resource::{Level, Resource};

/// Make a container known that no Compose file and no engine tells about, with what it needs.
///
/// Services of Compose files and containers of the engine need no registering: what they need is
/// read there.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// What it is called
    #[arg(value_name = "NAME")]
    name: String,
    /// A port of this machine that it answers on; more than one: `--port 80 --port 443`
    #[arg(long = "port", value_name = "PORT")]
    ports: Vec<u16>,
    /// What it needs, which may be anything that `lem op` knows
    #[arg(long = "needs", value_name = "OTHER")]
    needs: Vec<String>,
    /// Forget it
    #[arg(long, conflicts_with_all = ["ports", "needs"])]
    forget: bool,
    #[command(flatten)]
    place: Where,
    /// One JSON document on standard output
    #[arg(long)]
    json: bool,
}

/// Runs `lem ops register`.
pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    block_on::<_, OperationError>(async |cancel: &Cancel| {
        let agent = ledger::agent(None).await?;
        let mut site = Site::here(&arguments.place, &agent, cancel).await?;
        let own = site.find(&arguments.name, Strangers::Welcome).await?.resource;
        if own.level() != Level::Name {
            let (name, what) = (arguments.name.clone(), own.short());
            return Err(OperationError::KnownAlready { name, what });
        }
        if arguments.forget {
            agent.call(move |ledger, _| ledger.forget(&[own])).await?;
            return Ok(exit::DONE);
        }
        // That nobody knows its name is no news here.
        site.notes.clear();
        let mut needs = Vec::new();
        for name in &arguments.needs {
            needs.push(site.find(name, Strangers::Welcome).await?.resource);
        }
        for note in &site.notes {
            render::say(&format!("note: {note}"));
        }
        let known = Known {
            resource: own,
            names: Vec::new(),
            ports: arguments.ports.clone(),
            needs: Some(needs.clone()),
            source: format!("registered by {}", agent.name()),
        };
        let circle = agent.call(move |ledger, _| ledger.register(&known)).await?;
        if let Some(path) = circle {
            let path = path.iter().map(Resource::short).collect();
            return Err(OperationError::Circle { path });
        }
        let needs: Vec<String> = needs.iter().map(Resource::short).collect();
        if arguments.json {
            let (name, ports) = (&arguments.name, &arguments.ports);
            render::json(&json!({ "name": name, "ports": ports, "needs": needs }));
        } else if needs.is_empty() {
            render::out(&format!("{} is registered", arguments.name));
        } else {
            render::out(&format!(
                "{} is registered; it needs {}",
                arguments.name,
                needs.join(", ")
            ));
        }
        Ok(exit::DONE)
    })
}
