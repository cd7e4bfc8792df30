//! What `nvidia-smi` answers in a container, for GPUs that this machine's lem can't ask itself.
//! Pure: text in, a reading or an error out.

use super::error::GpuError;
use super::memory::Memory;
use super::reading::{Gpu, Mig, Process, Reading};
use crate::mebibytes::Mebibytes;

/// The question about GPUs. The name is the last column: it is the only one with free text.
pub(crate) const GPUS: [&str; 3] = [
    "nvidia-smi",
    "--query-gpu=index,uuid,driver_version,mig.mode.current,memory.used,memory.free,memory.total,\
     temperature.gpu,power.draw,enforced.power.limit,utilization.gpu,name",
    "--format=csv,noheader,nounits",
];

/// The question about processes.
pub(crate) const PROCESSES: [&str; 3] = [
    "nvidia-smi",
    "--query-compute-apps=gpu_uuid,pid,used_memory",
    "--format=csv,noheader,nounits",
];

/// A reading from both answers. Pids are those of the host of the containers.
pub(crate) fn reading(gpus: &str, processes: &str) -> Result<Reading, GpuError> {
    let mut driver = None;
    let mut found = Vec::new();
    for line in lines(gpus) {
        if let Some(error) = complaint(line) {
            return Err(error);
        }
        let (version, gpu) = gpu(line).ok_or_else(|| unexpected(line))?;
        driver = driver.or(version);
        found.push(gpu);
    }
    if found.is_empty() {
        return Err(GpuError::NoGpu);
    }
    for line in lines(processes) {
        let (uuid, process) = process(line).ok_or_else(|| unexpected(line))?;
        let holder = found.iter_mut().find(|gpu| gpu.uuid.as_deref() == Some(uuid));
        // On an instance of a divided GPU the UUID is the instance's.
        if let Some(processes) = holder.and_then(|gpu| gpu.processes.as_mut()) {
            processes.push(process);
        }
    }
    Ok(Reading { driver, gpus: found, silent: Vec::new() })
}

/// What a refusal of `nvidia-smi`, or of the engine to start it, says about the GPUs.
pub(crate) fn refusal(text: &str) -> GpuError {
    lines(text).find_map(complaint).unwrap_or_else(|| unexpected(text))
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

fn unexpected(text: &str) -> GpuError {
    GpuError::Unexpected { text: text.trim().chars().take(200).collect() }
}

fn complaint(line: &str) -> Option<GpuError> {
    let says = |words: &str| line.contains(words);
    match () {
        () if says("executable file not found") || says("no such file or directory") => {
            let reason = "the container has none".to_owned();
            Some(GpuError::NoLibrary { library: "nvidia-smi".to_owned(), reason })
        }
        () if says("version mismatch") => Some(GpuError::VersionMismatch),
        () if says("couldn't communicate with the NVIDIA driver") => Some(GpuError::NoDriver),
        () if says("No devices were found") => Some(GpuError::NoGpu),
        () if says("Failed to initialize NVML") || says("GPU is lost") => {
            Some(GpuError::Failed { reason: line.chars().take(200).collect() })
        }
        () => None,
    }
}

fn gpu(line: &str) -> Option<(Option<String>, Gpu)> {
    let columns: Vec<&str> = line.splitn(12, ',').map(str::trim).collect();
    let [index, uuid, driver, mig, used, free, total, temperature, power, limit, busy, name] =
        columns[..]
    else {
        return None;
    };
    let mib = |text| whole(text).map(Mebibytes);
    let memory = || Some(Memory { used: mib(used)?, free: mib(free)?, total: mib(total)? });
    let watts = |text| text_of(text)?.parse().ok();
    let small = |text| whole(text).and_then(|number| u32::try_from(number).ok());
    let gpu = Gpu {
        index: index.parse().ok()?,
        uuid: text_of(uuid).map(str::to_owned),
        name: text_of(name).map(str::to_owned),
        mig: if mig == "Enabled" { Mig::On } else { Mig::Off },
        memory: memory(),
        temperature: small(temperature),
        power: watts(power),
        power_limit: watts(limit),
        utilization: small(busy),
        processes: Some(Vec::new()),
    };
    Some((text_of(driver).map(str::to_owned), gpu))
}

fn process(line: &str) -> Option<(&str, Process)> {
    let columns: Vec<&str> = line.split(',').map(str::trim).collect();
    let [uuid, pid, memory] = columns[..] else { return None };
    let memory = whole(memory).map(Mebibytes);
    Some((uuid, Process { pid: pid.parse().ok()?, memory, utilization: None }))
}

/// `[N/A]`, `[Not Supported]`, `[Insufficient Permissions]`, `N/A` and the like say nothing.
fn text_of(text: &str) -> Option<&str> {
    let nothing = text.is_empty() || text.starts_with('[') || text == "N/A";
    (!nothing).then_some(text)
}

fn whole(text: &str) -> Option<u64> {
    text_of(text)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_answer_becomes_a_reading() {
        let gpus = "0, GPU-a, 550.54.15, [N/A], 1024, 80000, 81920, 35, 60.25, 400.00, 7, NVIDIA A100\n\
                    1, GPU-b, 550.54.15, Enabled, 0, 81920, 81920, 34, 59.00, 400.00, [N/A], A, B\n";
        let reading = reading(gpus, "GPU-a, 4242, 1000\nMIG-x, 5, 10\n").unwrap();
        let [first, second] = &reading.gpus[..] else { panic!("{reading:?}") };
        assert_eq!(reading.driver.as_deref(), Some("550.54.15"));
        assert_eq!(first.memory.unwrap().used, Mebibytes(1024));
        assert_eq!((first.power, first.utilization, first.mig), (Some(60.25), Some(7), Mig::Off));
        let memory = Some(Mebibytes(1000));
        let process = Process { pid: 4242, memory, utilization: None };
        assert_eq!(first.processes.as_deref(), Some(&[process][..]));
        assert_eq!((second.mig, second.utilization), (Mig::On, None));
        assert_eq!(second.name.as_deref(), Some("A, B"));
    }

    #[test]
    fn what_is_not_supported_is_absent_not_zero() {
        let gpus = "0, GPU-a, 570.1, [N/A], [N/A], [Not Supported], [N/A], 35, [N/A], \
                    [Unknown Error], [Insufficient Permissions], NVIDIA GB10\n";
        let reading = reading(gpus, "GPU-a, 4242, [N/A]\n").unwrap();
        let gpu = &reading.gpus[0];
        assert_eq!(
            (gpu.memory, gpu.power, gpu.power_limit, gpu.utilization),
            (None, None, None, None)
        );
        assert_eq!(gpu.processes.as_ref().unwrap()[0].memory, None);
    }

    #[test]
    fn complaints_are_told_apart() {
        let missing = "OCI runtime exec failed: exec failed: unable to start container process: exec: \
                       \"nvidia-smi\": executable file not found in $PATH: unknown";
        assert!(refusal(missing).is_absence());
        assert!(matches!(
            refusal("Failed to initialize NVML: Unknown Error"),
            GpuError::Failed { .. }
        ));
        let mismatch = "Failed to initialize NVML: Driver/library version mismatch";
        assert_eq!(refusal(mismatch), GpuError::VersionMismatch);
        assert_eq!(reading("No devices were found\n", "").unwrap_err(), GpuError::NoGpu);
        assert_eq!(reading("", "").unwrap_err(), GpuError::NoGpu);
    }

    #[test]
    fn rubbish_is_an_error_not_a_panic() {
        for text in ["\u{0}", ",,,,", "0,1,2,3,4,5,6,7,8,9,10", "a, b\n", "é, , , , , , , , , , ,"]
        {
            assert!(reading(text, "").is_err(), "{text}");
            let _ = (refusal(text), reading("0,,,,,,,,,,,", text));
        }
    }
}
