//! `lem ps` and `lem reap`: what lem left on the engine, and its removal.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::Args;
use comfy_table::{Table, presets};
use serde::Serialize;

use super::locks;
use super::runtime::block_on;
use super::{exit, ledger, render, traces};
use crate::campaign::error::CampaignError;
use crate::campaign::tenure::{self, claims};
use crate::cancel::Cancel;
use crate::coordination::asking;
use crate::coordination::error::{CoordinationError, Met};
use crate::coordination::kind::Kind;
use crate::coordination::ledger::{Ending, Snapshot};
use crate::coordination::operation::{OnConflict, Priority, Wish};
use crate::coordination::part::{Act, Part};
use crate::coordination::permit::{Patience, Permit};
use crate::coordination::resource::Resource;
use crate::engine::container::{COMPOSE_PROJECT, OWNER};
use crate::engine::error::EngineError;
use crate::engine::process::{self, ask, capture};
use crate::engine::reply::{self, Container};
use crate::engine::{ASKING, Engine, REMOVING};
use crate::lock::Holder;

/// Show the containers that lem made and that are still there.
#[derive(Debug, Args)]
pub(super) struct PsArguments {
    /// One JSON array on standard output
    #[arg(long)]
    json: bool,
}

/// Remove what lem left on the engine, except for projects in use by a living lem.
#[derive(Debug, Args)]
pub(super) struct ReapArguments {
    /// Only these Compose projects
    projects: Vec<String>,
    /// Also containers of runs that still run: their lem may be another user's, unseen from here
    #[arg(long)]
    force: bool,
    /// Print the docker lines, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// A container of ours, for `lem ps`.
#[derive(Debug, Serialize)]
struct Row {
    project: String,
    service: String,
    container: String,
    id: String,
    state: String,
    run: Option<String>,
    created: String,
    /// The living lem that uses the project.
    used_by: Option<String>,
}

/// Runs `lem ps`.
pub(super) fn ps(arguments: &PsArguments) -> ExitCode {
    block_on::<_, CampaignError>(async |cancel| {
        let engine = Engine::connect(cancel).await?;
        let seen = Seen::look(&engine).await?;
        let rows: Vec<Row> = owned(&engine, cancel)
            .await?
            .into_iter()
            .map(|container| Row {
                used_by: container
                    .owner
                    .as_deref()
                    .and_then(|project| seen.holder(project))
                    .map(|holder| holder.to_string()),
                project: container.project,
                service: container.service,
                container: container.name,
                id: container.id,
                state: container.state,
                run: container.run,
                created: container.created,
            })
            .collect();
        if arguments.json {
            render::json(&rows);
        } else if rows.is_empty() {
            render::say("lem left nothing on this engine");
        } else {
            render::out(&table(&rows));
        }
        Ok(exit::DONE)
    })
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["PROJECT", "SERVICE", "CONTAINER", "STATE", "CREATED", "USED BY"]);
    for row in rows {
        let used_by = row.used_by.as_deref().unwrap_or("no lem known here");
        table.add_row([
            &row.project,
            &row.service,
            &row.container,
            &row.state,
            &row.created,
            used_by,
        ]);
    }
    table.to_string()
}

/// Runs `lem reap`.
pub(super) fn reap(arguments: &ReapArguments) -> ExitCode {
    block_on::<_, CampaignError>(async |cancel| {
        let engine = Engine::connect(cancel).await?;
        let seen = Seen::look(&engine).await?;
        let wanted = |project: &String| {
            arguments.projects.is_empty() || arguments.projects.contains(project)
        };
        let mut projects: BTreeMap<String, Vec<Container>> = BTreeMap::new();
        for project in traces::projects(&engine.id)?.into_iter().filter(&wanted) {
            projects.entry(project).or_default();
        }
        for container in owned(&engine, cancel).await? {
            let owner = container.owner.clone().unwrap_or_default();
            if wanted(&owner) {
                projects.entry(owner).or_default().push(container);
            }
        }
        if projects.is_empty() {
            render::say("there is nothing to remove");
        }
        let mut code = exit::DONE;
        for (project, containers) in projects {
            let reason = match spared(&seen, &project, &containers, arguments) {
                Some(reason) => Some(reason),
                None => clean(&engine, &project, &containers, arguments.dry_run, cancel).await?,
            };
            if let Some(reason) = reason {
                render::say(&format!("skipped {project}: {reason}"));
                code = exit::BUSY;
            }
        }
        Ok(code)
    })
}

/// Why a project is left alone.
///
/// Operations are seen only by those who share a ledger, and another user's lem may not. So what
/// runs is taken for somebody's: a run ends within seconds of its lem, and a held container is
/// removed only where its project is named.
fn spared(
    seen: &Seen<'_>,
    project: &str,
    containers: &[Container],
    arguments: &ReapArguments,
) -> Option<String> {
    if let Some(holder) = seen.holder(project) {
        return Some(format!("in use by {holder}"));
    }
    let mut alive = containers.iter().filter(|c| matches!(&*c.state, "created" | "running"));
    let run = alive.clone().find(|container| container.one_off);
    match (run, alive.next()) {
        _ if arguments.force => None,
        (Some(run), _) => Some(format!("{} still runs; `--force` removes it", run.name)),
        (None, Some(held)) if arguments.projects.is_empty() => {
            Some(format!("{} still runs; `lem reap {project}` removes it", held.name))
        }
        _ => None,
    }
}

/// Removes a dead lem's containers of one project; its networks too, if nothing else is left in it.
/// If not: why not.
async fn clean(
    engine: &Engine,
    project: &str,
    containers: &[Container],
    dry_run: bool,
    cancel: &Cancel,
) -> Result<Option<String>, CampaignError> {
    let names: Vec<&str> = containers.iter().map(|c| c.name.as_str()).collect();
    let list = engine.docker.list(&format!("{COMPOSE_PROJECT}={project}"));
    let all = reply::containers(&ask(&list, cancel).await?).map_err(EngineError::from)?;
    let others = all.iter().any(|container| !container.belongs_to(project));
    let networks = ask(&engine.docker.networks(project), cancel).await?;
    let networks: Vec<String> = networks.lines().map(str::to_owned).collect();
    let remove = engine.docker.remove(&names);
    let remove_networks = engine.docker.remove_networks(&networks);
    let networks_too = !others && !networks.is_empty();
    if dry_run {
        let lines = [(!names.is_empty(), remove), (networks_too, remove_networks)];
        lines.iter().filter(|(needed, _)| *needed).for_each(|(_, l)| render::out(&l.to_string()));
        return Ok(None);
    }
    // Held for the removal, so that no campaign starts into it.
    let permit = match leave(engine, project, containers, cancel).await {
        Ok(permit) => permit,
        Err(CoordinationError::WouldWait { blocked }) => return Ok(Some(in_the_way(&blocked))),
        Err(error) => return Err(error.into()),
    };
    let _name = locks::project(&engine.id, project)?;
    permit.step(Some(("remove what is left", REMOVING))).await?;
    if !names.is_empty() {
        process::remove(&remove, cancel).await?;
    }
    if networks_too {
        // One that is in use stays: docker refuses, and that is right.
        capture(&remove_networks, ASKING, cancel).await?;
    }
    traces::forget(&traces::path(&engine.id, project)?);
    let networks =
        if networks_too { format!("{} networks", networks.len()) } else { String::new() };
    let what: Vec<&str> = names.into_iter().chain([networks.as_str()]).collect();
    let what = what.join(", ");
    render::say(&format!("removed from {project}: {}", what.trim_end_matches(", ")));
    permit.end(Ending::done()).await?;
    Ok(None)
}

/// Leave to remove them, at once or not at all.
async fn leave(
    engine: &Engine,
    project: &str,
    containers: &[Container],
    cancel: &Cancel,
) -> Result<Permit, CoordinationError> {
    let agent = ledger::agent(None).await?;
    let seat = claims::seat(&engine.id, project);
    tenure::take_away_predecessors(&agent, &seat, None).await?;
    let own = containers.iter().filter(|container| !container.one_off);
    let services: BTreeSet<&str> = own.map(|container| container.service.as_str()).collect();
    let stop = |service: &str| {
        Part::new(Resource::service(&engine.id, project, service), Act::Kind(Kind::Stop))
    };
    let parts = [Part::new(seat, Act::Exclusive)].into_iter();
    let wish = Wish {
        parts: parts.chain(services.into_iter().map(stop)).collect(),
        what: format!("reap {project}"),
        command: Some(format!("lem reap {project}")),
        agent: agent.name().to_owned(),
        reason: None,
        priority: Priority::default(),
        expect: None,
        limit: None,
        settle: REMOVING,
        on_conflict: OnConflict::Queue,
        over_shared: false,
        parent: None,
    };
    Permit::take(&agent, wish, Patience::None, cancel, &mut |_| {}).await
}

fn in_the_way(met: &Met) -> String {
    match &met.holder {
        Some(holder) => format!("in use by {} (operation {})", holder.what, holder.id),
        None => met.reason.clone(),
    }
}

async fn owned(engine: &Engine, cancel: &Cancel) -> Result<Vec<Container>, CampaignError> {
    let text = ask(&engine.docker.list(OWNER), cancel).await?;
    Ok(reply::containers(&text).map_err(EngineError::from)?)
}

/// Who uses what, at one moment of the ledger.
struct Seen<'a> {
    engine: &'a Engine,
    ledger: Option<Snapshot>,
}

impl<'a> Seen<'a> {
    async fn look(engine: &'a Engine) -> Result<Self, CampaignError> {
        let place = ledger::place().map_err(CoordinationError::from)?;
        let ledger = asking::look(place).await.map_err(CoordinationError::from)?;
        Ok(Self { engine, ledger })
    }

    /// The living lem that uses a project.
    fn holder(&self, project: &str) -> Option<Holder> {
        locks::holder_of_project(self.ledger.as_ref(), &self.engine.id, project)
    }
}
