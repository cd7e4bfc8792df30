//! The search for the set that costs least: each service is kept if it can be, the most important
//! first, and a branch ends where it can't become better than the best that was found.

use super::Candidate;
use crate::services::memory::card::Card;
use crate::services::memory::fit::signed;

/// A service that may go.
pub(super) struct Item {
    /// 0 is the most important. Those that compute are a class of their own.
    class: usize,
    /// What it frees, for each GPU of the request.
    frees: Vec<i64>,
    /// Whoever goes along, itself included.
    along: Vec<usize>,
}

/// The services in the order in which they should stay.
pub(super) fn items(candidates: &[&Candidate], cards: &[&Card]) -> Vec<Item> {
    let mut class = 0;
    let mut items: Vec<Item> = Vec::new();
    for (at, one) in candidates.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| candidates[before]);
        if before.is_some_and(|before| (before.priority, before.busy) != (one.priority, one.busy)) {
            class += 1;
        }
        let held =
            |card: &&Card| one.shares.get(&card.key).map_or(0, |share| signed(share.holds()));
        let frees = cards.iter().map(held).collect();
        items.push(Item { class, frees, along: along(candidates, at) });
    }
    items
}

/// Whoever needs it, whoever needs those, and so on.
fn along(candidates: &[&Candidate], first: usize) -> Vec<usize> {
    let mut along = vec![first];
    let mut next = 0;
    while let Some(at) = along.get(next).copied() {
        next += 1;
        for (other, one) in candidates.iter().enumerate() {
            if candidates[at].dependants.contains(&one.name) && !along.contains(&other) {
                along.push(other);
            }
        }
    }
    along
}

/// The items of the cheapest set that frees what is missing; none, if all together don't.
pub(super) fn cheapest(items: &[Item], missing: &[i64]) -> Option<Vec<usize>> {
    let classes = items.last().map_or(0, |item| item.class + 1);
    let mut search = Search { items, classes, best: None };
    search.go(
        0,
        &Branch {
            fate: vec![Fate::Open; items.len()],
            counts: vec![0; classes],
            missing: missing.to_vec(),
        },
    );
    search.best.map(|(_, chosen)| chosen)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Stays,
    Goes,
}

#[derive(Clone)]
struct Branch {
    fate: Vec<Fate>,
    /// Of each class, how many go.
    counts: Vec<usize>,
    missing: Vec<i64>,
}

struct Search<'a> {
    items: &'a [Item],
    classes: usize,
    best: Option<(Vec<usize>, Vec<usize>)>,
}

impl Search<'_> {
    /// Decides about the items from `at` on.
    fn go(&mut self, at: usize, branch: &Branch) {
        if branch.missing.iter().all(|missing| *missing <= 0) {
            let counts = &branch.counts;
            if self.best.as_ref().is_none_or(|(best, _)| counts < best) {
                let goes = (0..self.items.len()).filter(|at| branch.fate[*at] == Fate::Goes);
                self.best = Some((counts.clone(), goes.collect()));
            }
            return;
        }
        let Some(least) = self.least(at, branch) else { return };
        // Of sets that cost the same, the first that is found keeps those used last.
        if self.best.as_ref().is_some_and(|(best, _)| least >= *best) || at == self.items.len() {
            return;
        }
        if branch.fate[at] == Fate::Goes {
            return self.go(at + 1, branch);
        }
        let mut kept = branch.clone();
        kept.fate[at] = Fate::Stays;
        self.go(at + 1, &kept);
        if let Some(gone) = self.without(at, branch) {
            self.go(at + 1, &gone);
        }
    }

    /// The branch in which an item goes, with all that go along; none, if one of these stays.
    fn without(&self, at: usize, branch: &Branch) -> Option<Branch> {
        let mut gone = branch.clone();
        for other in self.items[at].along.iter().copied() {
            match gone.fate[other] {
                Fate::Goes => {}
                Fate::Stays => return None,
                Fate::Open => {
                    gone.fate[other] = Fate::Goes;
                    gone.counts[self.items[other].class] += 1;
                    for (missing, frees) in gone.missing.iter_mut().zip(&self.items[other].frees) {
                        *missing = missing.saturating_sub(*frees);
                    }
                }
            }
        }
        Some(gone)
    }

    /// No set of this branch costs less; none, if there is no set that frees enough.
    fn least(&self, at: usize, branch: &Branch) -> Option<Vec<usize>> {
        let mut counts = branch.counts.clone();
        let class = self.items.get(at).map_or(self.classes, |item| item.class);
        let mut more = 0;
        for (gpu, missing) in branch.missing.iter().copied().enumerate() {
            let open = (at..self.items.len()).filter(|at| branch.fate[*at] == Fate::Open);
            let (of_class, of_others): (Vec<&Item>, Vec<&Item>) =
                open.map(|at| &self.items[at]).partition(|item| item.class == class);
            let frees = |item: &&Item| item.frees[gpu];
            let others = of_others.iter().map(frees).fold(0, i64::saturating_add);
            let mut left = missing.saturating_sub(others);
            let mut largest: Vec<i64> = of_class.iter().map(frees).collect();
            largest.sort_by_key(|frees| std::cmp::Reverse(*frees));
            let mut needed = 0;
            while left > 0 {
                left = left.saturating_sub(*largest.get(needed)?);
                needed += 1;
            }
            more = more.max(needed);
        }
        if more > 0 {
            counts[class] += more;
        }
        Some(counts)
    }
}
