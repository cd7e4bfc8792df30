//! The rules once more: the published tables as they are printed, and a list of who asked.
//!
//! Nothing of `admission`, `claim`, `conflict`, `dependency` or `nesting` is used here, so that a
//! mistake would have to be made twice.

use std::collections::BTreeSet;

use crate::coordination::kind::Kind;
use crate::coordination::operation::{OperationId, State};
use crate::coordination::part::{Act, Part};
use crate::coordination::resource::{Level, Resource};

/// How two operations of one container get on: a row for the newcomer, a column for the other, in
/// the order of [`Kind::ALL`].
const SAME: [&str; 8] = [
    "NLLLLLLN", "LMHHHHHL", "LHCCCCHM", "LHCCCCHM", "LHCCCCHM", "LHCCCCHM", "LHHHHHHL", "NLMMMMLN",
];
/// The same where the newcomer's container needs the other's.
const NEEDS: [&str; 8] = [
    "NNLLLLNN", "NNMMLMNN", "NLHHHHLN", "NNLLLLNN", "NLHHHHLN", "NLHHHHLN", "NLHHHHLN", "NLMMMMLN",
];
/// The same where the other's container needs the newcomer's.
const NEEDED: [&str; 8] = [
    "NNNNNNNN", "NNLNLLLL", "LMHLHHHM", "LMHLHHHM", "NNLNLLLL", "LMHLHHHM", "NNLNLLLL", "NNNNNNNN",
];
const HIGH: usize = 3;
const CRITICAL: usize = 4;

/// One that asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub id: OperationId,
    pub parts: Vec<Part>,
    /// More urgent and earlier is smaller.
    pub order: (i64, usize),
    pub may_be_refused: bool,
    pub over_shared: bool,
    pub parent: Option<OperationId>,
    pub owner: usize,
    /// Whether the engine goes on for long when its owner is dead.
    pub settles: bool,
    pub state: State,
    /// Its owner is dead, and the engine may still be at it.
    pub is_dead: bool,
    pub token: Option<i64>,
    /// When it began, or began to do something else.
    pub since: usize,
}

/// What should become of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Starts,
    Waits,
    IsRefused,
    IsNested,
}

/// Everybody who ever asked, and the containers that need each other: each the next one.
#[derive(Debug, Default)]
pub(super) struct Reference {
    pub all: Vec<Asked>,
    pub chain: Vec<Resource>,
}

impl Reference {
    pub(super) fn get(&self, id: OperationId) -> &Asked {
        self.all.iter().find(|it| it.id == id).unwrap()
    }

    pub(super) fn get_mut(&mut self, id: OperationId) -> &mut Asked {
        self.all.iter_mut().find(|it| it.id == id).unwrap()
    }

    pub(super) fn in_state(&self, state: State) -> impl Iterator<Item = &Asked> {
        self.all.iter().filter(move |it| it.state == state)
    }

    /// What an owner had is given back, now or when the engine must be done.
    pub(super) fn dies(&mut self, owner: usize) {
        for it in self.all.iter_mut().filter(|it| it.owner == owner && !it.state.is_over()) {
            it.is_dead = true;
            if it.state == State::Queued || !it.settles {
                it.state = State::Lost;
            }
        }
    }

    pub(super) fn expects(&self, it: &Asked) -> Expected {
        let behind = match self.behind(it) {
            Ok(behind) => behind,
            Err(instead) => return instead,
        };
        let line = self.line(it.parent);
        if behind.iter().any(|id| line.iter().any(|own| self.waits_for(*id, it.id).contains(own))) {
            return Expected::IsNested;
        }
        if behind.is_empty() { Expected::Starts } else { Expected::Waits }
    }

    /// Who is waited for; or what becomes of it instead.
    fn behind(&self, it: &Asked) -> Result<Vec<OperationId>, Expected> {
        let line = self.line(it.parent);
        let is_new = self.all.iter().all(|other| other.id != it.id);
        let (mut behind, mut is_refused) = (Vec::new(), false);
        for other in self.all.iter().filter(|other| other.id != it.id && !other.state.is_over()) {
            if other.state == State::Queued && (!line.is_empty() || other.order > it.order) {
                continue;
            }
            let level = self.level(it, other);
            if line.contains(&other.id) {
                if level >= HIGH {
                    return Err(Expected::IsNested);
                }
            } else if level == CRITICAL && it.may_be_refused && is_new {
                is_refused = true;
            } else if level >= HIGH {
                behind.push(other.id);
            }
        }
        if is_refused {
            return Err(Expected::IsRefused);
        }
        if behind.is_empty() {
            behind = it
                .parts
                .iter()
                .map(|part| self.no_place(it, part, &line))
                .fold(Vec::new(), |all, more| if all.is_empty() { more } else { all });
        }
        Ok(behind)
    }

    /// How badly one gets on with another that was there before.
    pub(super) fn level(&self, it: &Asked, other: &Asked) -> usize {
        let has_it = |part: &Part| self.line(it.parent).contains(&other.id) && has(other, part);
        let mut worst = 0;
        for new in it.parts.iter().filter(|part| !has_it(part)) {
            for old in &other.parts {
                let is_use = old.act == Act::Shared && !old.implied;
                let same = old.resource == new.resource;
                if it.over_shared && is_use && same && new.resource.level() != Level::Gpu {
                    continue;
                }
                let back = if other.state == State::Queued { self.meet(old, new) } else { 0 };
                worst = worst.max(self.meet(new, old)).max(back);
            }
        }
        if other.is_dead { worst.min(HIGH) } else { worst }
    }

    /// How badly a part gets on with another's.
    pub(super) fn meet(&self, new: &Part, old: &Part) -> usize {
        let (one, two) = (&new.resource, &old.resource);
        let related = one == two || is_in(one, two) || is_in(two, one);
        let both_share = new.act == Act::Shared && old.act == Act::Shared;
        let level = match (new.act, old.act) {
            (Act::Kind(Kind::Config), Act::Kind(Kind::Config)) if one == two => {
                let any = new.keys.is_empty() || old.keys.is_empty() || is_whole(one);
                let same = any || new.keys.iter().any(|key| old.keys.contains(key));
                if same { HIGH } else { letter(SAME, Kind::Config, Kind::Config) }
            }
            (Act::Kind(new), Act::Kind(old)) if one == two => letter(SAME, new, old),
            _ if related && !looks(new) && !looks(old) && !both_share => HIGH,
            (Act::Kind(new), Act::Kind(old)) => self.needed(one, two, new, old),
            _ => 0,
        };
        if new.implied || old.implied { level.min(HIGH) } else { level }
    }

    fn needed(&self, one: &Resource, two: &Resource, new: Kind, old: Kind) -> usize {
        let at = |resource| self.chain.iter().position(|it| it == resource);
        let (Some(one), Some(two)) = (at(one), at(two)) else { return 0 };
        let hops = one.abs_diff(two);
        let level = if one < two { letter(NEEDS, new, old) } else { letter(NEEDED, new, old) };
        if hops == 0 { 0 } else { (level + 1).saturating_sub(hops) }
    }

    /// Who has the places of the container, if there is none left: three, of which two at most are
    /// for those that look.
    fn no_place(&self, it: &Asked, wants: &Part, line: &[OperationId]) -> Vec<OperationId> {
        if matches!(wants.act, Act::Shared | Act::Exclusive) {
            return Vec::new();
        }
        let here = |other: &&Asked| {
            let counts = other.state == State::Active
                || (other.state == State::Queued && line.is_empty() && other.order < it.order);
            counts && other.id != it.id && !line.contains(&other.id)
        };
        let is_kind = |part: &&Part| {
            part.resource == wants.resource && !matches!(part.act, Act::Shared | Act::Exclusive)
        };
        let (mut look, mut change) = (Vec::new(), Vec::new());
        for other in self.all.iter().filter(here) {
            let mut parts = other.parts.iter().filter(is_kind).peekable();
            if parts.peek().is_none() {
                continue;
            }
            if parts.all(looks) {
                look.push(other.id);
            } else if !looks(wants) || other.state == State::Active {
                change.push(other.id);
            }
        }
        if looks(wants) && look.len() >= 2 {
            return look;
        }
        let taken = look.len().min(2) + change.len();
        if taken >= 3 { [look, change].concat() } else { Vec::new() }
    }

    /// What it is part of, as far as that runs.
    pub(super) fn line(&self, parent: Option<OperationId>) -> Vec<OperationId> {
        let Some(id) = parent else { return Vec::new() };
        let above = self.line(self.get(id).parent);
        if self.get(id).state.is_over() { above } else { [vec![id], above].concat() }
    }

    /// Everybody whom one waits for, and itself: what runs waits for what is part of it.
    pub(super) fn waits_for(&self, id: OperationId, but: OperationId) -> BTreeSet<OperationId> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![id]);
        while let Some(id) = open.pop() {
            if id == but || !seen.insert(id) {
                continue;
            }
            open.extend(self.next(id));
        }
        seen
    }

    /// Whom it waits for itself.
    pub(super) fn next(&self, id: OperationId) -> Vec<OperationId> {
        let it = self.get(id);
        let is_part = |part: &&Asked| self.line(part.parent).first() == Some(&id);
        let parts = self.all.iter().filter(|part| !part.state.is_over()).filter(is_part);
        match it.state {
            State::Queued => self.behind(it).unwrap_or_default(),
            _ => parts.map(|part| part.id).collect(),
        }
    }
}

/// Whether an operation has what a part wants already.
fn has(held: &Asked, wants: &Part) -> bool {
    const LIVES: [Kind; 3] = [Kind::Start, Kind::Stop, Kind::Restart];
    let lives = |act: Act| LIVES.iter().any(|kind| act == Act::Kind(*kind));
    let keys: Vec<&String> = held
        .parts
        .iter()
        .filter(|it| it.act == Act::Kind(Kind::Config) && it.resource == wants.resource)
        .flat_map(|it| &it.keys)
        .collect();
    let by = |it: &Part| {
        let same = it.resource == wants.resource;
        let has_all = match it.act {
            Act::Exclusive | Act::Kind(Kind::Deploy) => true,
            Act::Kind(_) => is_whole(&it.resource) && !looks(it),
            Act::Shared => false,
        };
        let config = it.act == Act::Kind(Kind::Config) && wants.act == it.act;
        let all_keys = !wants.keys.is_empty() && wants.keys.iter().all(|key| keys.contains(&key));
        (has_all && (same || is_in(&wants.resource, &it.resource)))
            || (same && lives(it.act) && lives(wants.act))
            || (same && config && !is_whole(&it.resource) && (it.keys.is_empty() || all_keys))
            || (same && it.act == Act::Kind(Kind::Scale) && wants.act == Act::Shared)
            || (same && it.act == wants.act && !config)
    };
    looks(wants) || held.parts.iter().any(by)
}

fn looks(part: &Part) -> bool {
    matches!(part.act, Act::Kind(Kind::Read | Kind::Health))
}

/// A change of a whole project has all of it.
fn is_whole(resource: &Resource) -> bool {
    matches!(resource.level(), Level::Project | Level::Engine)
}

fn is_in(inner: &Resource, outer: &Resource) -> bool {
    inner.to_string().starts_with(&format!("{outer}/"))
}

fn letter(table: [&str; 8], new: Kind, old: Kind) -> usize {
    let at = |kind| Kind::ALL.iter().position(|it| *it == kind).unwrap();
    "NLMHC".find(&table[at(new)][at(old)..=at(old)]).unwrap()
}
