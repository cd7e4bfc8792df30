//! Processes of runs, as the kernel sees them: those of containers are processes of the host.

/// The living processes whose environment says that they belong to a run of this campaign.
pub(crate) fn of_campaign(id: &str) -> Vec<u32> {
    with_variable(&format!("LEM_RUN_ID={}-", &id[..8]))
}

/// The living processes in whose environment an entry begins like this.
pub(crate) fn with_variable(start: &str) -> Vec<u32> {
    let marked = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry.starts_with(start.as_bytes()))
    };
    // A zombie has no environment any more.
    pids().filter(marked).collect()
}

/// The command lines of everything that runs, words separated by spaces.
pub(crate) fn command_lines() -> impl Iterator<Item = String> {
    pids().map(command_line)
}

/// The name of its program, at most 15 characters.
pub(crate) fn name(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// The processes that it started.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    pids().filter(|child| parent(*child) == Some(pid)).collect()
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Its words, separated by spaces.
pub(crate) fn command_line(pid: u32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// All of them.
pub(crate) fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The most memory that a living process has had resident, in MiB.
pub(crate) fn peak_mebibytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = peak.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes >> 10)
}

/// Everything that it started, and what that started.
pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let mut found = children(pid);
    let mut at = 0;
    while at < found.len() {
        found.extend(children(found[at]));
        at += 1;
    }
    found
}

/// KILL.
pub(crate) fn kill(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(pid.try_into().unwrap());
    let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
}
