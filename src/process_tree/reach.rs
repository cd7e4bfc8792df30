//! Whose a process is: which processes an ending touches, and which it must not.
//!
//! Never touched are this process and its ancestors: a container's init, an entrypoint's shell or
//! the command of the user's that lem itself is part of.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use nix::unistd::{Pid, getpid};

use super::scan::{Identity, Process, ScanError, Seen, own_line, scan};

/// The container's init, which is the container itself.
const INIT: Pid = Pid::from_raw(1);

/// What a process says about whose it is, apart from its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// One of those that are meant.
    Ours,
    /// Nothing.
    Unsaid,
    /// Not one of those that are meant, whoever started it.
    #[cfg(feature = "host")]
    Anothers,
}

/// Which descendants are reached.
#[derive(Debug, Clone, Copy)]
enum Descent {
    /// None because of their parent.
    Ignored,
    /// All of this process and of what is reached, whatever they say.
    From(Pid),
    /// Those of what is reached, unless they say that they are another's; and what was reached
    /// once stays so, though its parent has ended meanwhile.
    #[cfg(feature = "host")]
    OfOurs,
}

/// What an ending reaches.
pub(crate) struct Reach {
    whose: Box<dyn Fn(&Seen) -> Whose + Send>,
    descent: Descent,
    spared: HashSet<Pid>,
    reached: RefCell<HashSet<Identity>>,
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach")
            .field("descent", &self.descent)
            .field("spared", &self.spared)
            .finish_non_exhaustive()
    }
}

impl Reach {
    /// Every descendant of this process, and every process that carries the entry in its
    /// environment, with its descendants; without an entry this process's descendants alone. A
    /// `lem kill` at the same work is no carrier.
    ///
    /// Init is not reached: a run ends inside its container.
    pub(crate) fn tree(entry: Option<Vec<u8>>) -> Self {
        let mut spared = own_line();
        spared.insert(INIT);
        Self::new(carrier(entry), Descent::From(getpid()), spared)
    }

    /// Every process that carries the entry in its environment, and no other.
    pub(crate) fn carriers(entry: Vec<u8>) -> Self {
        Self::new(carrier(Some(entry)), Descent::Ignored, own_line())
    }

    /// Every process that `whose` knows as ours, with its descendants.
    #[cfg(feature = "host")]
    pub(crate) fn known(whose: impl Fn(&Seen) -> Whose + Send + 'static) -> Self {
        let mut spared = own_line();
        spared.insert(INIT);
        Self::new(Box::new(whose), Descent::OfOurs, spared)
    }

    fn new(
        whose: Box<dyn Fn(&Seen) -> Whose + Send>,
        descent: Descent,
        spared: HashSet<Pid>,
    ) -> Self {
        Self { whose, descent, spared, reached: RefCell::default() }
    }

    /// Shows every living process in reach to `found`, each as soon as it is seen, and returns
    /// their numbers.
    pub(crate) fn visit(&self, found: &mut dyn FnMut(&Process)) -> Result<HashSet<Pid>, ScanError> {
        let seen = scan()?.map(|seen| (seen.process(), move || (self.whose)(&seen)));
        Ok(self.follow(seen, found))
    }

    /// Whether one scan finds nothing in reach. Not where there is no telling.
    pub(crate) fn is_empty(&self) -> bool {
        self.visit(&mut |_| ()).is_ok_and(|alive| alive.is_empty())
    }

    fn follow<Says: FnOnce() -> Whose>(
        &self,
        seen: impl Iterator<Item = (Process, Says)>,
        found: &mut dyn FnMut(&Process),
    ) -> HashSet<Pid> {
        let mut ours = HashSet::new();
        let mut others = Vec::new();
        for (process, says) in seen {
            if self.spared.contains(&process.id.pid) {
                continue;
            }
            match self.judge(&process, &ours, says) {
                Whose::Ours => {
                    self.reached.borrow_mut().insert(process.id);
                    found(&process);
                    ours.insert(process.id.pid);
                }
                Whose::Unsaid => others.push(process),
                #[cfg(feature = "host")]
                Whose::Anothers => {}
            }
        }
        // A child can have a lower number than its parent: numbers start again at the limit.
        while let Some(next) = others.iter().position(|process| self.descends(process, &ours)) {
            let process = others.swap_remove(next);
            self.reached.borrow_mut().insert(process.id);
            found(&process);
            ours.insert(process.id.pid);
        }
        ours
    }

    fn judge(&self, process: &Process, ours: &HashSet<Pid>, says: impl FnOnce() -> Whose) -> Whose {
        let descends = self.descends(process, ours);
        match self.descent {
            // The parent is known already; the environment costs more.
            Descent::From(_) if descends => Whose::Ours,
            #[cfg(feature = "host")]
            Descent::OfOurs if descends || self.reached.borrow().contains(&process.id) => {
                match says() {
                    Whose::Anothers => Whose::Anothers,
                    Whose::Ours | Whose::Unsaid => Whose::Ours,
                }
            }
            _ => says(),
        }
    }

    fn descends(&self, process: &Process, ours: &HashSet<Pid>) -> bool {
        match self.descent {
            Descent::Ignored => false,
            Descent::From(root) => process.parent == root || ours.contains(&process.parent),
            #[cfg(feature = "host")]
            Descent::OfOurs => ours.contains(&process.parent),
        }
    }
}

fn carrier(entry: Option<Vec<u8>>) -> Box<dyn Fn(&Seen) -> Whose + Send> {
    Box::new(move |seen| {
        let carries = entry.as_ref().is_some_and(|entry| seen.carries(entry));
        if carries && !seen.is_inner_kill() { Whose::Ours } else { Whose::Unsaid }
    })
}

#[cfg(test)]
mod tests {
    use super::super::scan::Identity;
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
        let descent = root.map_or(Descent::Ignored, |root| Descent::From(Pid::from_raw(root)));
        follow(
            descent,
            spared,
            rows.iter().map(|&(pid, parent, is_marked)| {
                (pid, parent, if is_marked { Whose::Ours } else { Whose::Unsaid })
            }),
        )
    }

    fn follow(
        descent: Descent,
        spared: &[i32],
        rows: impl Iterator<Item = (i32, i32, Whose)>,
    ) -> Vec<i32> {
        let spared = spared.iter().copied().map(Pid::from_raw).collect();
        let reach = Reach::new(carrier(None), descent, spared);
        let seen = rows.map(|(pid, parent, whose)| {
            let id = Identity { pid: Pid::from_raw(pid), started: 0 };
            (Process { id, parent: Pid::from_raw(parent), halted: false }, move || whose)
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

    #[cfg(feature = "host")]
    #[test]
    fn what_says_that_it_is_anothers_is_not_reached_nor_is_what_it_started() {
        use Whose::{Anothers, Ours, Unsaid};
        let rows = [
            (20, 1, Ours),      // the service
            (21, 20, Unsaid),   // its child
            (22, 21, Anothers), // a service that the child started
            (23, 22, Unsaid),
            (19, 21, Unsaid), // a child with a lower number
        ];
        assert_eq!(follow(Descent::OfOurs, &[1], rows.into_iter()), [20, 21, 19]);
    }
}
