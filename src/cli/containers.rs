//! `lem ps` and `lem reap`: what lem left on the engine, and its removal.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use comfy_table::{Table, presets};
use serde::Serialize;

use super::locks;
use super::runtime::block_on;
use super::{exit, render};
use crate::campaign::error::CampaignError;
use crate::cancel::Cancel;
use crate::engine::container::{COMPOSE_PROJECT, OWNER};
use crate::engine::error::EngineError;
use crate::engine::process::{self, ask, capture};
use crate::engine::reply::{self, Container};
use crate::engine::{ASKING, Engine};
use crate::lock;

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
    /// Also the containers of runs that still run: their lem may be another user's
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
    block_on(async |cancel| {
        let engine = Engine::connect(cancel).await?;
        let rows: Vec<Row> = owned(&engine, cancel)
            .await?
            .into_iter()
            .map(|container| Row {
                used_by: holder(&engine, &container).map(|holder| holder.to_string()),
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
        let used_by = row.used_by.as_deref().unwrap_or("nobody");
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
    block_on(async |cancel| {
        let engine = Engine::connect(cancel).await?;
        let mut projects: BTreeMap<String, Vec<Container>> = BTreeMap::new();
        for container in owned(&engine, cancel).await? {
            let owner = container.owner.clone().unwrap_or_default();
            if arguments.projects.is_empty() || arguments.projects.contains(&owner) {
                projects.entry(owner).or_default().push(container);
            }
        }
        if projects.is_empty() {
            render::say("there is nothing to remove");
        }
        let mut code = exit::DONE;
        for (project, containers) in projects {
            if let Some(holder) = containers.first().and_then(|c| holder(&engine, c)) {
                render::say(&format!("skipped {project}: in use by {holder}"));
                code = exit::BUSY;
                continue;
            }
            // A run ends within seconds of its lem, so one that runs has a lem somewhere.
            let alive = |c: &&Container| c.one_off && matches!(&*c.state, "created" | "running");
            if let Some(run) = containers.iter().find(alive).filter(|_| !arguments.force) {
                let name = &run.name;
                render::say(&format!("skipped {project}: {name} still runs; `--force` removes it"));
                code = exit::BUSY;
                continue;
            }
            project_of(&engine, &project, &containers, arguments.dry_run, cancel).await?;
        }
        Ok(code)
    })
}

/// Removes a dead lem's containers of one project; its networks too, if nothing else is left in it.
async fn project_of(
    engine: &Engine,
    project: &str,
    containers: &[Container],
    dry_run: bool,
    cancel: &Cancel,
) -> Result<(), CampaignError> {
    let ids: Vec<&str> = containers.iter().map(|c| c.name.as_str()).collect();
    let remove = engine.docker.remove(&ids);
    if dry_run {
        render::out(&remove.to_string());
        return Ok(());
    }
    let path = locks::path_of_project(&engine.id, project)?;
    // Held for the removal, so that no campaign starts into it.
    let _lock = lock::take(&path, &lock::Holder::this("lem reap"))?;
    process::remove(&remove, cancel).await?;
    let list = engine.docker.list(&format!("{COMPOSE_PROJECT}={project}"));
    let left = reply::containers(&ask(&list, cancel).await?).map_err(EngineError::from)?;
    if left.is_empty() {
        let networks = ask(&engine.docker.networks(project), cancel).await?;
        let networks: Vec<String> = networks.lines().map(str::to_owned).collect();
        if !networks.is_empty() {
            // One that is in use stays: docker refuses, and that is right.
            capture(&engine.docker.remove_networks(&networks), ASKING, cancel).await?;
        }
    }
    render::say(&format!("removed from {project}: {}", ids.join(", ")));
    Ok(())
}

async fn owned(engine: &Engine, cancel: &Cancel) -> Result<Vec<Container>, CampaignError> {
    let text = ask(&engine.docker.list(OWNER), cancel).await?;
    Ok(reply::containers(&text).map_err(EngineError::from)?)
}

fn holder(engine: &Engine, container: &Container) -> Option<lock::Holder> {
    lock::holder(&locks::path_of_project(&engine.id, container.owner.as_deref()?).ok()?)
}
