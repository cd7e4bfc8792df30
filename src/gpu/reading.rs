//! One look at every GPU, as values. What a GPU can't say is absent, never 0.

use super::error::GpuError;
use super::memory::Memory;
use crate::mebibytes::Mebibytes;

/// All GPUs at one moment.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The driver's version.
    pub driver: Option<String>,
    pub gpus: Vec<Gpu>,
    /// GPUs that are there and don't answer, by index.
    pub silent: Vec<(u32, GpuError)>,
}

/// One GPU at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gpu {
    /// In the order of PCI buses, as `nvidia-smi` counts.
    pub index: u32,
    pub uuid: Option<String>,
    pub name: Option<String>,
    pub mig: Mig,
    pub memory: Option<Memory>,
    /// °C.
    pub temperature: Option<u32>,
    /// Watts: of some GPUs the average of the last second.
    pub power: Option<f64>,
    /// Watts that the GPU does not exceed.
    pub power_limit: Option<f64>,
    /// Percent of the time in which something ran.
    pub utilization: Option<u32>,
    /// Whoever holds memory; absent where the driver doesn't tell.
    pub processes: Option<Vec<Process>>,
}

/// Whether a GPU is divided into instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mig {
    Off,
    /// Figures are of the whole GPU.
    On,
}

/// A process that holds GPU memory. The pid is the host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub pid: u32,
    pub memory: Option<Mebibytes>,
    /// Percent of the last seconds in which it computed, encoded or decoded; absent where the
    /// driver doesn't tell.
    pub utilization: Option<u32>,
}

impl Gpu {
    /// Whether `name` means this GPU.
    pub(crate) fn is(&self, name: &str) -> bool {
        is_meant(name, self.index, self.uuid.as_deref())
    }
}

/// Whether `name` means a GPU: by its index, its UUID, or the beginning of that, as CUDA and the
/// container toolkit allow.
pub(crate) fn is_meant(name: &str, index: u32, uuid: Option<&str>) -> bool {
    match name.parse::<u32>() {
        Ok(number) => number == index,
        Err(_) => name.len() > "GPU-".len() && uuid.unwrap_or_default().starts_with(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_answers_to_its_index_and_to_its_uuid() {
        let gpu = Gpu {
            index: 1,
            uuid: Some("GPU-8f6e".into()),
            name: None,
            mig: Mig::Off,
            memory: None,
            temperature: None,
            power: None,
            power_limit: None,
            utilization: None,
            processes: None,
        };
        for (name, is) in [
            ("1", true),
            ("0", false),
            ("GPU-8f6e", true),
            ("GPU-8", true),
            ("GPU-", false),
            ("", false),
        ] {
            assert_eq!(gpu.is(name), is, "{name}");
        }
    }
}
