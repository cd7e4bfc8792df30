//! Who works on services and who uses them, by the ledger. Looking takes no claim, and makes no
//! ledger where there is none.

use std::time::Duration;

use jiff::Timestamp;

use super::claim;
use crate::coordination::ledger::Snapshot;
use crate::coordination::operation::{Operation, OperationId, Step};
use crate::coordination::owner::Life;
use crate::coordination::resource::Resource;
use crate::duration::human;

/// Somebody whose operation runs, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// What is done: `switch b`, or the command that uses a service.
    pub what: String,
    /// None, where the owner is not known any more.
    pub pid: Option<u32>,
    pub since: Option<Timestamp>,
    pub operation: OperationId,
    pub agent: String,
    pub fate: Fate,
}

/// How it is with who has an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Lives,
    /// It is dead; something that it started goes on.
    Outlived,
    /// It is dead; the engine may still be at what it was told, for so long.
    Settles {
        at: String,
        left: Duration,
    },
}

impl Holder {
    /// One who has an operation, or had it a moment ago.
    pub(crate) fn or_last(operation: &Operation, snapshot: &Snapshot) -> Self {
        Self::of(operation, snapshot)
            .unwrap_or_else(|| Self::with(operation, snapshot, Fate::Lives))
    }

    /// Who has an operation; none, where nobody has it any more.
    pub(crate) fn of(operation: &Operation, snapshot: &Snapshot) -> Option<Self> {
        let fate = match snapshot.life(operation) {
            Life::Lives | Life::Elsewhere => Fate::Lives,
            Life::Outlived => Fate::Outlived,
            Life::OfAnotherBoot => return None,
            Life::Dead => {
                let freed = operation.freed.unwrap_or(snapshot.now);
                let left = operation.settled(freed).since(snapshot.now);
                if left.is_zero() {
                    return None;
                }
                let step = operation.step.as_ref();
                let at = step.map_or_else(|| operation.what.clone(), |step| step.what.clone());
                Fate::Settles { at, left }
            }
        };
        Some(Self::with(operation, snapshot, fate))
    }

    fn with(operation: &Operation, snapshot: &Snapshot, fate: Fate) -> Self {
        Self {
            what: operation.what.clone(),
            pid: snapshot.owners.get(&operation.owner).map(|owner| owner.pid),
            since: operation.started_at,
            operation: operation.id,
            agent: operation.agent.clone(),
            fate,
        }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (", self.what)?;
        if let Some(pid) = self.pid {
            write!(f, "pid {pid}, ")?;
        }
        if let Some(since) = self.since {
            write!(f, "since {}, ", since.strftime("%Y-%m-%dT%H:%M:%SZ"))?;
        }
        write!(f, "operation {} of {}", self.operation, self.agent)?;
        match &self.fate {
            Fate::Lives => f.write_str(")"),
            Fate::Outlived => {
                f.write_str("; it is dead, and a docker client or command of it goes on)")
            }
            Fate::Settles { at, left } => {
                write!(f, "; it is dead, and docker may be at `{at}` for {})", human(*left))
            }
        }
    }
}

/// One moment of the ledger, as services see it; nobody does anything where there is no ledger.
#[derive(Debug, Default)]
pub(crate) struct Others(Option<Snapshot>);

impl Others {
    pub(crate) fn new(snapshot: Option<Snapshot>) -> Self {
        Self(snapshot)
    }

    /// Who does something to a service, or waits for it. `is_done` is whether a container shows
    /// that a word to the engine is done: of what else the dead wanted, nothing is under way.
    pub(crate) fn holder(
        &self,
        service: &Resource,
        is_done: impl Fn(&Step) -> bool,
    ) -> Option<Holder> {
        let snapshot = self.0.as_ref()?;
        self.running()
            .filter(|operation| claim::works_on(operation, service))
            .filter(|operation| {
                let dead = snapshot.life(operation) == Life::Dead;
                !(dead && operation.step.as_ref().is_some_and(&is_done))
            })
            .find_map(|operation| Holder::of(operation, snapshot))
    }

    /// Who leases a service, the longest first.
    pub(crate) fn leases(&self, service: &Resource) -> Vec<Holder> {
        let Some(snapshot) = &self.0 else { return Vec::new() };
        let mut holders: Vec<Holder> = self
            .running()
            .filter(|operation| claim::leases(operation, service))
            .filter_map(|operation| {
                let holder = Holder::of(operation, snapshot)?;
                let what = operation.command.clone().unwrap_or(holder.what);
                Some(Holder { what, ..holder })
            })
            .collect();
        holders.sort_by_key(|holder| (holder.since, holder.operation));
        holders
    }

    /// Whether the operation with this number, or one that it is part of, does something to a
    /// service: who is run by it may rely on it.
    pub(crate) fn is_done_by(&self, mut line: Option<OperationId>, service: &Resource) -> bool {
        let mut left = self.0.as_ref().map_or(0, |snapshot| snapshot.live.len());
        while let (Some(id), 1..) = (line, left) {
            let Some(found) = self.running().find(|operation| operation.id == id) else {
                return false;
            };
            if claim::works_on(found, service) {
                return true;
            }
            line = found.parent;
            left -= 1;
        }
        false
    }

    fn running(&self) -> impl Iterator<Item = &Operation> {
        use crate::coordination::operation::State;
        let live = self.0.as_ref().map(|snapshot| snapshot.live.as_slice()).unwrap_or_default();
        live.iter().filter(|operation| operation.state == State::Active)
    }
}
