//! Where the GPUs of a campaign are seen from: this machine, or its containers.

use crate::campaign::attempt::Attempt;
use crate::campaign::strategy::Strategy;
use crate::cancel::Cancel;
use crate::engine::ASKING;
use crate::engine::error::EngineError;
use crate::engine::process::{Exit, capture};
use crate::gpu::error::GpuError;
use crate::gpu::in_container::{self, GPUS, PROCESSES};
use crate::gpu::look::Lookout;
use crate::gpu::processes;
use crate::gpu::reading::Reading;

use super::obstacle::Holder;

/// Where the GPUs are seen from.
#[derive(Debug, Clone)]
pub(crate) enum Eyes {
    /// By the driver of this machine.
    Here(Lookout),
    /// By `nvidia-smi` in held containers: this machine has no driver, or the engine is another's.
    InContainers,
}

impl Eyes {
    /// By the driver of this machine, which is not asked yet.
    pub(crate) fn here() -> Self {
        Self::Here(Lookout::default())
    }

    /// Looks at the GPUs. In containers, only those that the run's service may use are there.
    pub(super) async fn look(
        &self,
        attempt: &Attempt,
        strategy: &Strategy,
        cancel: &Cancel,
    ) -> Result<Reading, GpuError> {
        match self {
            Self::Here(lookout) => lookout.look().await,
            Self::InContainers => in_container(attempt, strategy, cancel).await,
        }
    }

    /// Says who holds memory. Pids of another machine mean nothing here.
    pub(super) fn identify<'a>(&self, holders: impl Iterator<Item = &'a mut Holder>) {
        if let Self::Here(_) = self {
            for holder in holders {
                let identity = processes::identity(holder.pid);
                holder.process = identity.name;
                holder.container_id = identity.container;
            }
        }
    }
}

async fn in_container(
    attempt: &Attempt,
    strategy: &Strategy,
    cancel: &Cancel,
) -> Result<Reading, GpuError> {
    let Some((docker, id)) = strategy.held_container(attempt) else {
        return Err(GpuError::NoDriver);
    };
    let mut answers = Vec::new();
    for question in [GPUS, PROCESSES] {
        let line = docker.exec("0", id, &question);
        let reply = capture(&line, ASKING, cancel).await.map_err(|error| match error {
            EngineError::TimedOut { limit, .. } => GpuError::Hung { seconds: limit.as_secs() },
            other => GpuError::Failed { reason: other.to_string() },
        })?;
        if reply.exit != Exit::Code(0) {
            return Err(in_container::refusal(&format!("{}\n{}", reply.stdout, reply.stderr)));
        }
        answers.push(reply.stdout);
    }
    in_container::reading(&answers[0], &answers[1])
}
