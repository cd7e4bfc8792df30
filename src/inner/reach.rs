//! Whose a process is: which of the container's processes an ending touches, and which it must not.
//!
//! Never touched are this process, its ancestors (a container's init or an entrypoint's shell
//! carries the same marker as the run) and a `lem kill` that works on the same run.

use std::collections::HashSet;

use nix::unistd::{Pid, getpid};

use super::MARKER;
use super::processes::{Process, ScanError, Seen, own_line, scan};

/// The container's init, which is the container itself.
const INIT: Pid = Pid::from_raw(1);

/// What an ending reaches.
#[derive(Debug)]
pub(crate) struct Reach {
    /// The environment's entry that marks the run's processes.
    marker: Option<Vec<u8>>,
    /// The process whose descendants are reached too.
    root: Option<Pid>,
    spared: HashSet<Pid>,
}

impl Reach {
    /// Every descendant of this process, and every process that carries the run's marker, with
    /// its descendants; without a run's name this process's descendants alone.
    ///
    /// Init is not reached: a run ends inside its container.
    pub(crate) fn tree(run: Option<&str>) -> Self {
        let mut spared = own_line();
        spared.insert(INIT);
        Self { marker: run.map(marker), root: Some(getpid()), spared }
    }

    /// Every process that carries the run's marker, and no other.
    pub(crate) fn carriers(run: &str) -> Self {
        Self { marker: Some(marker(run)), root: None, spared: own_line() }
    }

    /// Shows every living process in reach to `found`, each as soon as it is seen, and returns
    /// their numbers.
    pub(crate) fn visit(&self, found: &mut dyn FnMut(&Process)) -> Result<HashSet<Pid>, ScanError> {
        let seen = scan()?.map(|seen| (seen.process.clone(), move || self.is_marked(&seen)));
        Ok(self.follow(seen, found))
    }

    /// Whether one scan finds nothing in reach. Not where there is no telling.
    pub(crate) fn is_empty(&self) -> bool {
        self.visit(&mut |_| ()).is_ok_and(|alive| alive.is_empty())
    }

    fn is_marked(&self, seen: &Seen) -> bool {
        self.marker.as_ref().is_some_and(|marker| seen.carries(marker)) && !seen.is_inner_kill()
    }

    fn follow<Marked: FnOnce() -> bool>(
        &self,
        seen: impl Iterator<Item = (Process, Marked)>,
        found: &mut dyn FnMut(&Process),
    ) -> HashSet<Pid> {
        let mut ours = HashSet::new();
        let mut others = Vec::new();
        for (process, is_marked) in seen {
            let pid = process.id.pid;
            if self.spared.contains(&pid) {
                continue;
            }
            // The parent is known already; the environment costs more.
            if self.descends(&process, &ours) || is_marked() {
                found(&process);
                ours.insert(pid);
            } else {
                others.push(process);
            }
        }
        // A child can have a lower number than its parent: numbers start again at the limit.
        while let Some(next) = others.iter().position(|process| self.descends(process, &ours)) {
            let process = others.swap_remove(next);
            found(&process);
            ours.insert(process.id.pid);
        }
        ours
    }

    fn descends(&self, process: &Process, ours: &HashSet<Pid>) -> bool {
        self.root.is_some_and(|root| process.parent == root || ours.contains(&process.parent))
    }
}

fn marker(run: &str) -> Vec<u8> {
    format!("{MARKER}={run}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::processes::Identity;
    use super::*;

    /// A pid, its parent, and whether it carries the marker.
    type Row = (i32, i32, bool);

    const CONTAINER: [Row; 7] = [
        (1, 0, true),   // the container's init
        (7, 1, true),   // an entrypoint's shell
        (8, 7, true),   // this process
        (9, 8, true),   // the command
        (10, 9, false), // its child, with a clean environment
        (20, 0, true),  // executed in the container from outside
        (21, 0, false), // another run's
    ];

    fn reached(root: Option<i32>, spared: &[i32], rows: &[Row]) -> Vec<i32> {
        let reach = Reach {
            marker: None,
            root: root.map(Pid::from_raw),
            spared: spared.iter().copied().map(Pid::from_raw).collect(),
        };
        let seen = rows.iter().map(|&(pid, parent, is_marked)| {
            let id = Identity { pid: Pid::from_raw(pid), started: 0 };
            (Process { id, parent: Pid::from_raw(parent), halted: false }, move || is_marked)
        });
        let mut found = Vec::new();
        reach.follow(seen, &mut |process| found.push(process.id.pid.as_raw()));
        found
    }

    #[test]
    fn a_tree_reaches_descendants_and_carriers_but_no_ancestor() {
        assert_eq!(reached(Some(8), &[1, 7, 8], &CONTAINER), [9, 10, 20]);
    }

    #[test]
    fn carriers_are_reached_without_their_descendants() {
        assert_eq!(reached(None, &[8], &CONTAINER), [1, 7, 9, 20]);
    }

    #[test]
    fn a_child_with_a_lower_number_than_its_parent_is_a_descendant() {
        let rows = [(8, 1, false), (5, 6, false), (6, 90, false), (90, 8, false)];
        assert_eq!(reached(Some(8), &[1, 8], &rows), [90, 6, 5]);
    }

    #[test]
    fn parents_that_form_a_ring_belong_to_no_one() {
        let rows = [(8, 1, false), (9, 10, false), (10, 9, false)];
        assert_eq!(reached(Some(8), &[1, 8], &rows), [0_i32; 0]);
    }
}
