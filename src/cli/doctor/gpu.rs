//! GPUs: on this machine, in the engine, and in a container of the project's own image.

use std::time::Duration;

use super::engine::unanswered;
use super::files::Services;
use super::finding::{Check, Finding, Status};
use crate::cancel::{self, Cancel};
use crate::cli::exit;
use crate::engine::about::About;
use crate::engine::container::Docker;
use crate::engine::error::EngineError;
use crate::engine::process::{self, Exit};
use crate::gpu::error::GpuError;
use crate::gpu::look::Lookout;
use crate::gpu::reading::{Gpu, Reading};

/// A driver that nothing keeps loaded needs some seconds for its GPUs.
const PATIENCE: Duration = Duration::from_secs(10);
const REMOVING: Duration = Duration::from_secs(5);

const TOOLKIT: &str = "install the NVIDIA Container Toolkit, then `sudo nvidia-ctk runtime configure \
                       --runtime=docker` and `sudo systemctl restart docker`";

/// The GPUs of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnHost {
    None,
    There,
}

/// Whether a service of the project asks the engine for a GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asks {
    No,
    Service(String),
}

impl Asks {
    /// The first service of the campaign that does.
    pub(super) fn of(services: Option<&Services>) -> Self {
        let asks = services.and_then(|services| {
            let gpu = |name: &&String| services.resolved.services[*name].gpus().are_said();
            services.used.iter().find(gpu).cloned()
        });
        asks.map_or(Self::No, Self::Service)
    }
}

/// Looks for GPUs on this machine.
pub(super) async fn on_host() -> (Finding, OnHost) {
    let looked = tokio::time::timeout(PATIENCE, Lookout::default().look()).await;
    judged(looked.unwrap_or(Err(GpuError::Hung { seconds: PATIENCE.as_secs() })))
}

fn judged(looked: Result<Reading, GpuError>) -> (Finding, OnHost) {
    let check = Check::Gpu;
    let failed = |error: &GpuError, words: String| {
        (Finding::warning(check, words, exit::gpu_hint(error)), OnHost::There)
    };
    match looked {
        Ok(reading) => {
            if let Some((index, error)) = reading.silent.first() {
                return failed(error, format!("GPU {index} does not answer: {error}"));
            }
            let name = |gpu: &Gpu| gpu.name.clone().unwrap_or_else(|| "a GPU".to_owned());
            let names: Vec<String> = reading.gpus.iter().map(name).collect();
            let driver = reading.driver.unwrap_or_else(|| "of unknown version".to_owned());
            match names.as_slice() {
                [] => (Finding::not_applicable(check, GpuError::NoGpu.to_string()), OnHost::None),
                names => {
                    let found = format!("{}; driver {driver}", names.join(", "));
                    (Finding::fine(check, found), OnHost::There)
                }
            }
        }
        Err(error) if error.is_absence() => {
            (Finding::not_applicable(check, error.to_string()), OnHost::None)
        }
        Err(error) => failed(&error, error.to_string()),
    }
}

/// Whether the engine hands GPUs out to containers.
pub(super) fn in_engine(about: Option<&About>, host: OnHost, asks: &Asks) -> Finding {
    let check = Check::GpuInEngine;
    let Some(about) = about else { return unanswered(check) };
    // The engine finds this program by itself, whether or not a runtime of that name is configured.
    let hook = || which::which("nvidia-container-runtime-hook").is_ok();
    let how = about.nvidia().or_else(|| hook().then(|| "the NVIDIA Container Toolkit".to_owned()));
    handed_out(how, host, asks)
}

fn handed_out(how: Option<String>, host: OnHost, asks: &Asks) -> Finding {
    let check = Check::GpuInEngine;
    match (how, host, asks) {
        (Some(how), _, _) => Finding::fine(check, format!("handed out by {how}")),
        (None, _, Asks::Service(service)) => Finding::failure(
            check,
            format!("service `{service}` asks for a GPU, and the engine hands none out"),
            TOOLKIT,
        ),
        (None, OnHost::There, Asks::No) => {
            Finding::warning(check, "there is a GPU, and the engine hands none out", TOOLKIT)
        }
        (None, OnHost::None, Asks::No) => {
            Finding::not_applicable(check, "the engine hands out no GPU, and none is asked for")
        }
    }
}

/// Whether a container of the service's image sees a GPU. The image must be here: none is pulled.
pub(super) async fn in_container(
    docker: Option<&Docker>,
    in_engine: &Finding,
    asks: &Asks,
    services: Option<&Services>,
    cancel: &Cancel,
) -> Finding {
    let check = Check::GpuInContainer;
    let (Some(docker), Asks::Service(service), Some(services)) = (docker, asks, services) else {
        return Finding::not_applicable(check, "no service of a project here asks for a GPU");
    };
    if in_engine.status != Status::Fine {
        return Finding::not_applicable(check, "the engine has to hand one out first");
    }
    let image = services.resolved.image_of(service);
    let there = process::ask(&docker.images(&[&image]), cancel).await;
    if there.is_err() {
        let found = format!("image `{image}` of service `{service}` is not here yet");
        let fix = format!("build or pull it: `docker compose build {service}`, `… pull {service}`");
        return Finding::not_applicable(check, found).with_fix(fix);
    }
    let name = format!("lem-doctor-{}", uuid::Uuid::new_v4().simple());
    let owner = services.project.name.as_deref().unwrap_or(&services.resolved.name);
    let line = docker.list_gpus(&name, owner, &image);
    let reply = process::capture(&line, PATIENCE, cancel).await;
    if reply.is_err() {
        // The client is not the container: that may have started, and is removed by its name.
        let (_raise, never) = cancel::pair();
        let _ = process::capture_blocking(&docker.remove(&[&name]), REMOVING, &never);
    }
    match reply {
        Ok(reply) if reply.exit == Exit::Code(0) && reply.stdout.contains("GPU ") => {
            let gpus: Vec<&str> =
                reply.stdout.lines().filter(|line| line.starts_with("GPU ")).collect();
            Finding::fine(check, format!("{image}: {}", gpus.join("; ")))
        }
        Ok(reply) if reply.exit == Exit::Code(127) => Finding::warning(
            check,
            format!("`nvidia-smi` does not start in `{image}`: {}", last(&reply.stderr)),
            "the toolkit brings it along where the image has a libc; try your program itself",
        ),
        Ok(reply) => {
            let said = if reply.stderr.trim().is_empty() { &reply.stdout } else { &reply.stderr };
            let found = format!("no GPU in a container of `{image}`: {}", last(said));
            Finding::failure(check, found, format!("try it: `{line}`"))
        }
        Err(EngineError::TimedOut { .. }) => Finding::warning(
            check,
            format!("`nvidia-smi` in `{image}` took longer than {} s", PATIENCE.as_secs()),
            "keep the driver loaded: `sudo nvidia-smi -pm 1`",
        ),
        Err(error) => super::engine::failed(check, &error),
    }
}

/// The last line that says something; the client ends with where to find its help.
fn last(text: &str) -> &str {
    let says = |line: &&str| !line.trim().is_empty() && !line.starts_with("Run 'docker");
    text.lines().rfind(says).unwrap_or("it said nothing").trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_gpu_is_a_failure_only_where_one_is_asked_for() {
        let asks = Asks::Service("vllm".to_owned());
        let how = Some("runtime `nvidia`".to_owned());
        for (how, host, asks, status) in [
            (&how, OnHost::There, &asks, Status::Fine),
            (&how, OnHost::None, &Asks::No, Status::Fine),
            (&None, OnHost::There, &asks, Status::Failure),
            (&None, OnHost::None, &asks, Status::Failure),
            (&None, OnHost::There, &Asks::No, Status::Warning),
            (&None, OnHost::None, &Asks::No, Status::NotApplicable),
        ] {
            assert_eq!(handed_out(how.clone(), host, asks).status, status, "{host:?} {asks:?}");
        }
    }
}
