//! `lem ps` and `lem reap`: what lem left on the engine, and its removal.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use comfy_table::{Table, presets};
use serde::Serialize;

use super::locks;
use super::runtime::block_on;
use super::{exit, render, traces};
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
        let rows: Vec<Row> = owned(&engine, cancel)
            .await?
            .into_iter()
            .map(|container| Row {
                used_by: container
                    .owner
                    .as_deref()
                    .and_then(|project| holder(&engine, project))
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
            match spared(&engine, &project, &containers, arguments) {
                Some(reason) => {
                    render::say(&format!("skipped {project}: {reason}"));
                    code = exit::BUSY;
                }
                None => {
                    clean(&engine, &project, &containers, arguments.dry_run, cancel).await?;
                }
            }
        }
        Ok(code)
    })
}

/// Why a project is left alone.
///
/// Locks are seen only by those who share a state folder, and another user's lem may not. So what
/// runs is taken for somebody's: a run ends within seconds of its lem, and a held container is
/// removed only where its project is named.
fn spared(
    engine: &Engine,
    project: &str,
    containers: &[Container],
    arguments: &ReapArguments,
) -> Option<String> {
    if let Some(holder) = holder(engine, project) {
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
async fn clean(
    engine: &Engine,
    project: &str,
    containers: &[Container],
    dry_run: bool,
    cancel: &Cancel,
) -> Result<(), CampaignError> {
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
        return Ok(());
    }
    // Held for the removal, so that no campaign starts into it.
    let path = locks::path_of_project(&engine.id, project)?;
    let _lock = lock::take(&path, &lock::Holder::this("lem reap"))?;
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
    Ok(())
}

async fn owned(engine: &Engine, cancel: &Cancel) -> Result<Vec<Container>, CampaignError> {
    let text = ask(&engine.docker.list(OWNER), cancel).await?;
    Ok(reply::containers(&text).map_err(EngineError::from)?)
}

fn holder(engine: &Engine, project: &str) -> Option<lock::Holder> {
    locks::holder_of_project(&engine.id, project)
}
