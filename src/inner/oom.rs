//! How often the kernel's out-of-memory killer struck in this container.

/// Where the counter is: in a container of the unified hierarchy, then in one of the old memory
/// controller. Both files have one `name number` pair a line.
const COUNTERS: [&str; 2] =
    ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"];

/// The container's counter of killed processes; 0 where the container doesn't show one.
pub(crate) fn kills() -> u64 {
    COUNTERS
        .iter()
        .filter_map(|path| fs_err::read_to_string(path).ok())
        .find_map(|text| counter(&text))
        .unwrap_or(0)
}

fn counter(text: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_found_in_both_hierarchies() {
        let unified = "low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n";
        assert_eq!(counter(unified), Some(2));
        let old = "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n";
        assert_eq!(counter(old), Some(5));
        assert_eq!(counter("oom_kill_disable 0\nunder_oom 0\n"), None);
    }
}
