//! What runs of a service: a container, or a tree of processes.

use super::container;
use super::error::ServiceError;
use super::health::{Owner, Verdict};
use super::native;

/// A service that was started, from its start to its end.
#[derive(Debug, Clone)]
pub(crate) enum Instance {
    Container(container::Instance),
    Native(native::Instance),
}

impl Instance {
    /// What tells it from every other: the container's id, or that which lem gave to the processes.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Container(container) => container.id.clone(),
            Self::Native(native) => native.id().to_string(),
        }
    }

    /// For people: `container vllm`, `pid 4711`.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Container(container) => format!("container {}", container.name),
            Self::Native(native) => format!("pid {}", native.pid()),
        }
    }
}

impl Owner for Instance {
    async fn ended(&self) -> String {
        match self {
            Self::Container(container) => container.ended().await,
            Self::Native(native) => native.ended().await.to_string(),
        }
    }

    async fn is_alive(&self) -> Result<bool, ServiceError> {
        match self {
            Self::Container(container) => container.is_alive().await,
            Self::Native(native) => Ok(native.is_alive()),
        }
    }

    async fn tail(&self, lines: usize) -> Vec<String> {
        match self {
            Self::Container(container) => container.tail(lines).await,
            Self::Native(native) => native.tail(lines),
        }
    }

    async fn said(&self) -> Option<u64> {
        match self {
            Self::Container(container) => container.said().await,
            Self::Native(native) => Some(native.said()),
        }
    }

    async fn own_verdict(&self) -> Result<Option<Verdict>, ServiceError> {
        match self {
            Self::Container(container) => container.own_verdict().await,
            Self::Native(_) => Ok(None),
        }
    }
}
