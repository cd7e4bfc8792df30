//! Who is behind a pid: its name, and the container that it runs in.

/// A process of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Identity {
    /// The program; absent when the process is gone.
    pub name: Option<String>,
    /// The whole id of its container.
    pub container: Option<String>,
}

/// The inode of the kernel's first pid namespace, the only one in which the driver's pids mean
/// what `/proc` shows.
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

/// Looks a process up. In a container of its own, lem would see a stranger under the same number,
/// so it doesn't look.
pub(crate) fn identity(pid: u32) -> Identity {
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    if namespace.as_os_str() != FIRST_NAMESPACE {
        return Identity::default();
    }
    let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let (comm, line, cgroup) = (read("comm"), read("cmdline"), read("cgroup"));
    Identity {
        name: name(&String::from_utf8_lossy(&comm), &line),
        container: container(&String::from_utf8_lossy(&cgroup)).map(str::to_owned),
    }
}

/// The kernel's name of a process is cut after 15 bytes; where the command line begins with the
/// whole of it, that is taken.
fn name(comm: &str, line: &[u8]) -> Option<String> {
    let comm = comm.trim_end_matches('\n');
    let first = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    let base = first.rsplit('/').next().unwrap_or_default();
    let whole = if !comm.is_empty() && base.starts_with(comm) { base } else { comm };
    let printable: String = whole.chars().filter(|c| !c.is_control()).take(200).collect();
    (!printable.is_empty()).then_some(printable)
}

/// The container in the lines of `/proc/PID/cgroup`, of either version: engines name the group
/// after the container's id. Of nested containers, the outer one is the host's.
fn container(cgroup: &str) -> Option<&str> {
    const LENGTH: usize = 64;
    let is_id = |word: &&str| {
        word.len() == LENGTH && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let paths = cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let mut words = paths.flat_map(|path| path.split(['/', '-', '.', ':']));
    words.find(is_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "64dc5d2ba1b7a3c0f2d1e4f5a6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f";

    #[test]
    fn a_container_is_found_however_its_group_is_written() {
        for path in [
            format!("0::/system.slice/docker-{ID}.scope\n"),
            format!("12:memory:/docker/{ID}\n0::/\n"),
            format!("11:pids:/docker/{ID}/init\n"),
            format!("0::/../../kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope\n"),
            format!("0::/user.slice/libpod-{ID}.scope/container\n"),
            format!("0::/docker/{ID}/docker/{}\n", "a".repeat(64)),
        ] {
            assert_eq!(container(&path), Some(ID), "{path}");
        }
        for path in ["0::/\n", "", "0::/user.slice/user-0.slice/session-1.scope\n", "rubbish"] {
            assert_eq!(container(path), None, "{path}");
        }
    }

    #[test]
    fn a_name_is_whole_where_the_command_line_has_it() {
        for (comm, line, expected) in [
            ("python3\n", "/usr/bin/python3\0x.py\0", "python3"),
            ("VLLM::EngineCor\n", "VLLM::EngineCore\0", "VLLM::EngineCore"),
            ("serve.py\n", "/usr/bin/python3\0serve.py\0", "serve.py"),
            ("kworker/0:1\n", "", "kworker/0:1"),
        ] {
            assert_eq!(name(comm, line.as_bytes()).as_deref(), Some(expected));
        }
        assert_eq!(name("", b""), None);
    }

    #[test]
    fn this_process_has_a_name_and_one_that_is_gone_has_none() {
        let first = std::fs::read_link("/proc/self/ns/pid").unwrap();
        let named = identity(std::process::id()).name.is_some();
        assert_eq!(named, first.as_os_str() == FIRST_NAMESPACE);
        assert_eq!(identity(u32::MAX), Identity::default());
    }
}
