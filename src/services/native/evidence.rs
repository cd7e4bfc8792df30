//! Which processes belong to a start of a service.
//!
//! No single sign is enough: a program that writes its title over its environment (vLLM does) loses
//! the marker, a daemon leaves its session and its parents, another redirects its output. Any one
//! of them will do; a process older than the start, or with the marker of another, is never taken.

use std::collections::HashSet;

use super::note::Note;
use super::{MARKER, cgroup, log, pid_file};
use crate::process_tree::{Identity, Process, Reach, ScanError, Seen, Whose};

/// What tells a start's processes from all others.
#[derive(Debug)]
pub(super) struct Evidence {
    id: String,
    since: u64,
    known: HashSet<Identity>,
    /// The name of its control group, which no other has.
    group: Option<String>,
    /// The log, by device and inode: nobody but the start's processes was given it.
    log: Option<(u64, u64)>,
    /// The process that began the session, if that is still the same one.
    leader: Option<Identity>,
}

impl Evidence {
    /// Of a note of this boot.
    pub(super) fn of(note: &Note) -> Self {
        let mut known: HashSet<Identity> = note.named().collect();
        known.extend(pid_file::process(note));
        let leader = note.program.map(Identity::from);
        let mut evidence = Self {
            id: note.id.clone(),
            since: note.since,
            known,
            group: note.cgroup.as_deref().and_then(cgroup::name),
            log: log::identity(&note.log),
            leader: None,
        };
        evidence.leader = leader.filter(|leader| evidence.still_leads(*leader));
        evidence
    }

    /// Finds the start's processes again and again, and does not lose one that was found.
    pub(super) fn reach(self) -> Reach {
        Reach::known(move |seen| self.whose(seen))
    }

    /// Its living processes, the oldest first.
    pub(super) fn members(self) -> Result<Vec<Identity>, ScanError> {
        let mut found = Vec::new();
        self.reach().visit(&mut |process: &Process| found.push(process.id))?;
        found.sort_by_key(|id| (id.started, id.pid));
        Ok(found)
    }

    /// Whether the number of the session is still that of the one that began with this process. It
    /// is not given to another while the session has members, but they may all be gone.
    fn still_leads(&self, leader: Identity) -> bool {
        match Identity::of(leader.pid) {
            Some(now) => now == leader,
            None => crate::process_tree::scan().is_ok_and(|mut all| {
                all.any(|seen| {
                    seen.session() == leader.pid && self.apart_from_session(&seen) == Whose::Ours
                })
            }),
        }
    }

    fn whose(&self, seen: &Seen) -> Whose {
        match self.apart_from_session(seen) {
            Whose::Unsaid if self.is_in_session(seen) => Whose::Ours,
            whose => whose,
        }
    }

    fn is_in_session(&self, seen: &Seen) -> bool {
        self.leader.is_some_and(|leader| {
            let is_another = || Identity::of(leader.pid).is_some_and(|now| now != leader);
            seen.session() == leader.pid && !is_another()
        })
    }

    fn apart_from_session(&self, seen: &Seen) -> Whose {
        let id = seen.process().id;
        if self.known.contains(&id) {
            return Whose::Ours;
        }
        if id.started < self.since {
            return Whose::Anothers;
        }
        match seen.value_of(MARKER) {
            Some(value) if value == self.id.as_bytes() => return Whose::Ours,
            Some(_) => return Whose::Anothers,
            None => {}
        }
        let is_grouped = || self.group.as_ref().is_some_and(|group| seen.is_in_group(group));
        let is_logged = || self.log.is_some_and(|log| seen.writes_to(log));
        if is_logged() || is_grouped() { Whose::Ours } else { Whose::Unsaid }
    }
}
