//! The machine as this process sees it; what cannot be read is left out, never guessed.

use std::num::NonZeroUsize;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Where an experiment ran. In a container the name is the container's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
pub(crate) struct Host {
    /// Name of the machine or container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hostname: Option<String>,
    /// Processors this process may use, after affinity and the container's limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpus: Option<NonZeroUsize>,
    /// Release of the Linux kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kernel: Option<String>,
}

impl Host {
    /// Reads what can be read.
    pub(crate) fn read() -> Self {
        Host {
            hostname: line("/proc/sys/kernel/hostname"),
            cpus: std::thread::available_parallelism().ok(),
            kernel: line("/proc/sys/kernel/osrelease"),
        }
    }
}

/// Whether Docker or Podman left their mark on this root directory.
pub(crate) fn in_container() -> bool {
    ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists())
}

fn line(path: &str) -> Option<String> {
    let text = fs_err::read_to_string(path).ok()?;
    Some(text.trim_end().to_owned()).filter(|text| !text.is_empty())
}
