//! NVML, the driver's own interface: the only file that names it.

use std::ffi::OsString;
use std::time::{Duration, SystemTime};

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::{ProcessInfo, ProcessUtilizationSample};

use super::error::GpuError;
use super::memory::Memory;
use super::reading::{Gpu, Mig, Process, Reading};
use crate::mebibytes::Mebibytes;

/// The variable that names another library.
pub(crate) const LIBRARY: &str = "LEM_NVML_LIBRARY";
const DRIVERS_OWN: &str = "libnvidia-ml.so.1";
/// How far back a process's use of a GPU counts.
const LATELY: Duration = Duration::from_secs(2);

/// An open connection to the driver. Opening takes up to a second, so one is kept for many looks.
#[derive(Debug)]
pub(crate) struct Nvml {
    library: OsString,
    /// Absent after a failure: the next look opens it again.
    open: Option<nvml_wrapper::Nvml>,
    /// GPUs that stayed silent after the connection was opened again: it is not tried for each look.
    lost: Vec<u32>,
}

impl Nvml {
    /// Opens the library that `LEM_NVML_LIBRARY` names, else the driver's own.
    pub(crate) fn open() -> Result<Self, GpuError> {
        let library = std::env::var_os(LIBRARY).filter(|name| !name.is_empty());
        let library = library.unwrap_or_else(|| DRIVERS_OWN.into());
        let mut nvml = Self { library, open: None, lost: Vec::new() };
        nvml.connect()?;
        Ok(nvml)
    }

    fn connect(&mut self) -> Result<&nvml_wrapper::Nvml, GpuError> {
        // The old one first: its shutdown would end the new one.
        self.open = None;
        let opened = nvml_wrapper::Nvml::builder().lib_path(&self.library).init();
        let opened = opened.map_err(|error| match error {
            NvmlError::LibloadingError(error) => GpuError::NoLibrary {
                library: self.library.to_string_lossy().into_owned(),
                reason: error.to_string(),
            },
            other => situation(&other),
        })?;
        Ok(self.open.insert(opened))
    }

    /// Looks at every GPU. A driver that was reloaded meanwhile is asked again, once.
    pub(crate) fn read(&mut self) -> Result<Reading, GpuError> {
        let first = match &self.open {
            Some(open) => look(open),
            None => look(self.connect()?),
        };
        let tried = match first {
            Ok(reading) if reading.silent.iter().all(|(index, _)| self.lost.contains(index)) => {
                Ok(reading)
            }
            Err(error) if !may_pass(&error) => Err(error),
            Ok(_) | Err(_) => look(self.connect()?),
        };
        match tried {
            Ok(reading) if reading.gpus.is_empty() && reading.silent.is_empty() => {
                Err(GpuError::NoGpu)
            }
            Ok(reading) => {
                self.lost = reading.silent.iter().map(|(index, _)| *index).collect();
                Ok(reading)
            }
            Err(error) => {
                self.open = None;
                Err(situation(&error))
            }
        }
    }
}

/// Whether a new connection may succeed where this one failed.
fn may_pass(error: &NvmlError) -> bool {
    matches!(
        error,
        NvmlError::Uninitialized
            | NvmlError::GpuLost
            | NvmlError::DriverNotLoaded
            | NvmlError::Unknown
    )
}

fn look(nvml: &nvml_wrapper::Nvml) -> Result<Reading, NvmlError> {
    let driver = figure(nvml.sys_driver_version())?;
    let mut reading = Reading { driver, gpus: Vec::new(), silent: Vec::new() };
    let mut failure = None;
    for index in 0..nvml.device_count()? {
        let error = match nvml.device_by_index(index).and_then(|device| gpu(index, &device)) {
            Ok(gpu) => {
                reading.gpus.push(gpu);
                continue;
            }
            Err(error) if is_of_the_gpu(&error) => GpuError::Lost { index },
            // A GPU that this user or container may not see is none of ours.
            Err(NvmlError::NoPermission) => GpuError::Hidden { index },
            Err(error) if is_of_all(&error) => return Err(error),
            // One GPU's failure hides no other.
            Err(error) => {
                let reason = error.to_string();
                failure.get_or_insert(error);
                GpuError::Unread { index, reason }
            }
        };
        reading.silent.push((index, error));
    }
    let all_failed =
        reading.silent.iter().all(|(_, error)| matches!(error, GpuError::Unread { .. }));
    match failure {
        Some(failure) if reading.gpus.is_empty() && all_failed => Err(failure),
        _ => Ok(reading),
    }
}

/// Only what nothing can be said without is an error: the memory.
fn gpu(index: u32, device: &Device<'_>) -> Result<Gpu, NvmlError> {
    let watts = |milliwatts: u32| f64::from(milliwatts) / 1000.0;
    let mig = figure(device.mig_mode())?.is_some_and(|mode| mode.current == 1);
    Ok(Gpu {
        index,
        uuid: figure(device.uuid())?,
        name: figure(device.name())?,
        mig: if mig { Mig::On } else { Mig::Off },
        memory: known(device.memory_info())?.map(|memory| Memory {
            used: Mebibytes::of_bytes(memory.used),
            free: Mebibytes::of_bytes(memory.free),
            total: Mebibytes::of_bytes(memory.total),
        }),
        temperature: figure(device.temperature(TemperatureSensor::Gpu))?,
        power: figure(device.power_usage())?.map(watts),
        power_limit: figure(device.enforced_power_limit())?.map(watts),
        utilization: figure(device.utilization_rates())?.map(|rates| rates.gpu),
        processes: processes(device)?,
    })
}

/// Who computes and who draws; a process that does both is one.
fn processes(device: &Device<'_>) -> Result<Option<Vec<Process>>, NvmlError> {
    let computing = list(|| device.running_compute_processes())?;
    let drawing = list(|| device.running_graphics_processes())?;
    if computing.is_none() && drawing.is_none() {
        return Ok(None);
    }
    let mut found: Vec<Process> = Vec::new();
    for process in computing.into_iter().chain(drawing).flatten() {
        let memory = match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(Mebibytes::of_bytes(bytes)),
            UsedGpuMemory::Unavailable => None,
        };
        match found.iter_mut().find(|known| known.pid == process.pid) {
            Some(known) => known.memory = known.memory.max(memory),
            None => found.push(Process { pid: process.pid, memory, utilization: None }),
        }
    }
    if !found.is_empty() {
        let samples = samples(device)?;
        for process in &mut found {
            process.utilization = samples.as_deref().map(|samples| share(samples, process.pid));
        }
    }
    Ok(Some(found))
}

/// What processes did lately: those that did nothing have no sample.
fn samples(device: &Device<'_>) -> Result<Option<Vec<ProcessUtilizationSample>>, NvmlError> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let since = u64::try_from(now.saturating_sub(LATELY).as_micros()).unwrap_or_default();
    match device.process_utilization_stats(since) {
        // Nobody did anything.
        Err(NvmlError::NotFound) => Ok(Some(Vec::new())),
        other => figure(other),
    }
}

/// The newest of a process's samples.
fn share(samples: &[ProcessUtilizationSample], pid: u32) -> u32 {
    let of_it = samples.iter().filter(|sample| sample.pid == pid);
    let newest = of_it.max_by_key(|sample| sample.timestamp);
    newest.map_or(0, |sample| sample.sm_util.max(sample.enc_util).max(sample.dec_util))
}

/// A list that grows while it is asked for is asked for again.
fn list(
    ask: impl Fn() -> Result<Vec<ProcessInfo>, NvmlError>,
) -> Result<Option<Vec<ProcessInfo>>, NvmlError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match ask() {
            Err(NvmlError::InsufficientSize(_)) if tries < 5 => {}
            other => return figure(other),
        }
    }
}

/// Absent where this GPU or this driver does not have the figure.
fn known<T>(figure: Result<T, NvmlError>) -> Result<Option<T>, NvmlError> {
    match figure {
        Ok(figure) => Ok(Some(figure)),
        Err(
            NvmlError::NotSupported
            | NvmlError::NoPermission
            | NvmlError::NoData
            | NvmlError::FunctionNotFound
            | NvmlError::FailedToLoadSymbol(_)
            | NvmlError::InsufficientSize(_)
            | NvmlError::UnexpectedVariant(_)
            | NvmlError::Utf8Error(_),
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Absent also where it can't be read just now.
fn figure<T>(figure: Result<T, NvmlError>) -> Result<Option<T>, NvmlError> {
    match known(figure) {
        Err(error) if !is_of_all(&error) && !is_of_the_gpu(&error) => Ok(None),
        other => other,
    }
}

/// Whether the error says that the connection to the driver is gone.
fn is_of_all(error: &NvmlError) -> bool {
    matches!(error, NvmlError::Uninitialized | NvmlError::DriverNotLoaded)
}

/// Whether the error says that the GPU is gone.
fn is_of_the_gpu(error: &NvmlError) -> bool {
    matches!(error, NvmlError::GpuLost | NvmlError::ResetRequired)
}

fn situation(error: &NvmlError) -> GpuError {
    match error {
        NvmlError::DriverNotLoaded => GpuError::NoDriver,
        NvmlError::NotFound => GpuError::NoGpu,
        NvmlError::LibRmVersionMismatch => GpuError::VersionMismatch,
        NvmlError::NoPermission => GpuError::NoPermission,
        NvmlError::FailedToLoadSymbol(reason) => GpuError::TooOld { reason: reason.clone() },
        other => GpuError::Failed { reason: other.to_string() },
    }
}
