//! Whose a process is: which of a scan's processes an ending may touch, and which it must not.
//!
//! Never touched are this process, its ancestors (a container's init or an entrypoint's shell
//! carries the same marker as the run) and a `lem kill` that works on the same run.

use std::collections::{HashMap, HashSet};

use nix::unistd::Pid;

use super::processes::{Process, ScanError, scan};

/// The container's init, which is the container itself.
const INIT: Pid = Pid::from_raw(1);

/// What an ending reaches.
#[derive(Debug, Clone)]
pub(crate) enum Reach {
    /// Every descendant of this process, and every process that carries the run's marker; without
    /// a marker the descendants alone. Init is not reached: a run ends inside its container.
    Tree { run: Option<String> },
    /// Every process that carries the run's marker.
    Carriers { run: String },
}

impl Reach {
    /// The living processes in reach.
    pub(crate) fn alive(&self) -> Result<Vec<Process>, ScanError> {
        let run = match self {
            Self::Tree { run } => run.as_deref(),
            Self::Carriers { run } => Some(run.as_str()),
        };
        Ok(self.select(scan(run)?, nix::unistd::getpid()))
    }

    fn select(&self, all: Vec<Process>, this: Pid) -> Vec<Process> {
        let parents: HashMap<Pid, Pid> = all.iter().map(|p| (p.id.pid, p.parent)).collect();
        let own_line: HashSet<Pid> = line(&parents, this).collect();
        let in_reach = |process: &Process| {
            let pid = process.id.pid;
            let carries = process.carries && !process.is_inner_kill;
            match self {
                _ if own_line.contains(&pid) => false,
                Self::Carriers { .. } => carries,
                Self::Tree { .. } => {
                    (carries && pid != INIT) || line(&parents, pid).any(|above| above == this)
                }
            }
        };
        all.into_iter().filter(in_reach).collect()
    }
}

/// `pid` and its ancestors. Bounded: parents that were read at different times may form a ring.
fn line(parents: &HashMap<Pid, Pid>, pid: Pid) -> impl Iterator<Item = Pid> {
    std::iter::successors(Some(pid), |pid| parents.get(pid).copied()).take(parents.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::super::processes::Identity;
    use super::*;

    fn process(pid: i32, parent: i32, carries: bool) -> Process {
        Process {
            id: Identity { pid: Pid::from_raw(pid), started: 0 },
            parent: Pid::from_raw(parent),
            halted: false,
            carries,
            is_inner_kill: false,
        }
    }

    fn selected(reach: &Reach, all: Vec<Process>, this: i32) -> Vec<i32> {
        reach.select(all, Pid::from_raw(this)).iter().map(|p| p.id.pid.as_raw()).collect()
    }

    fn tree() -> Reach {
        Reach::Tree { run: Some("r".to_owned()) }
    }

    fn carriers() -> Reach {
        Reach::Carriers { run: "r".to_owned() }
    }

    #[test]
    fn a_tree_reaches_descendants_and_carriers_but_no_ancestor() {
        let all = vec![
            process(1, 0, true),   // the container's init
            process(7, 1, true),   // an entrypoint's shell
            process(8, 7, true),   // this process
            process(9, 8, true),   // the command
            process(10, 9, false), // its child, with a clean environment
            process(20, 0, true),  // executed in the container from outside
            process(21, 0, false), // another run's
        ];
        assert_eq!(selected(&tree(), all.clone(), 8), [9, 10, 20]);
        assert_eq!(selected(&carriers(), all, 8), [9, 20]);
    }

    #[test]
    fn init_is_reached_by_a_kill_but_not_by_a_run_that_was_executed_beside_it() {
        let all = vec![process(1, 0, true), process(8, 0, true), process(9, 8, true)];
        assert_eq!(selected(&tree(), all.clone(), 8), [9]);
        assert_eq!(selected(&carriers(), all, 8), [1, 9]);
    }

    #[test]
    fn a_kill_at_work_is_left_alone_unless_the_command_itself_started_it() {
        let kill = |pid, parent| Process { is_inner_kill: true, ..process(pid, parent, true) };
        let all = vec![process(8, 0, true), kill(9, 8), kill(20, 0)];
        assert_eq!(selected(&tree(), all.clone(), 8), [9]);
        assert_eq!(selected(&carriers(), all, 8), [0_i32; 0]);
    }

    #[test]
    fn parents_that_form_a_ring_are_followed_only_once() {
        let all = vec![process(8, 0, false), process(9, 10, false), process(10, 9, false)];
        assert_eq!(selected(&tree(), all, 8), [0_i32; 0]);
    }
}
