//! `lem op health NAME`: how its containers are, as the engine and their own healthchecks say.

use serde_json::{Value, json};

use super::error::OperationError;
use super::place::Site;
use crate::cli::{exit, render};
use crate::engine::container::Docker;
use crate::engine::error::EngineError;
use crate::engine::life::{Checked, Life, Status, lives};

/// Shows how containers are; the exit code says whether all of them are well.
pub(super) async fn look(
    site: &Site<'_>,
    docker: &Docker,
    containers: &[String],
    document: &mut Value,
    wants_json: bool,
) -> Result<u8, OperationError> {
    let ids: Vec<&str> = containers.iter().map(String::as_str).collect();
    let listed = site.ask(&docker.lives(&ids)).await?;
    let lives = lives(&listed).map_err(EngineError::from)?;
    let told = |life: &Life| {
        json!({
            "name": life.name,
            "state": life.status.word(),
            "health": life.health.map(word),
            "exit_code": (!life.status.is_alive()).then_some(life.exit_code),
            "restarts": life.restarts,
        })
    };
    document["containers"] = lives.iter().map(told).collect();
    for life in lives.iter().filter(|_| !wants_json) {
        let health = life.health.map_or(String::new(), |it| format!(", {}", word(it)));
        let code = if life.status == Status::Exited {
            format!(" with exit code {}", life.exit_code)
        } else {
            String::new()
        };
        render::out(&format!("{}: {}{code}{health}", life.name, life.status.word()));
    }
    Ok(if lives.iter().all(is_well) { exit::DONE } else { exit::FAILED })
}

/// Whether it runs and its healthcheck, if it has one, says nothing else.
fn is_well(life: &Life) -> bool {
    life.status == Status::Running && life.health != Some(Checked::Unhealthy)
}

fn word(health: Checked) -> &'static str {
    match health {
        Checked::Starting => "starting",
        Checked::Healthy => "healthy",
        Checked::Unhealthy => "unhealthy",
    }
}
