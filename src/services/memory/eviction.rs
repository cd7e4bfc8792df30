//! Who has to go so that a service fits: as few as possible of the most important. Pure.
//!
//! Of all sets of services that make enough room, the one that is chosen has fewer of the highest
//! priority; where that is equal, fewer of these compute; then the same for the next lower priority,
//! and so on. What is still equal is decided by who was used least recently, then by name. Nothing
//! goes that could stay.

mod order;
mod search;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::card::Card;
use super::fit::{Share, room, signed};
use super::measured::Other;
use crate::mebibytes::Mebibytes;
use crate::services::error::{Blocker, ServiceError, Untouchable};

/// What a service that is to start asks for.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// The service.
    pub name: String,
    /// Of each of its GPUs.
    pub need: Mebibytes,
    /// Free beside it.
    pub headroom: Mebibytes,
    /// Their keys.
    pub gpus: BTreeSet<String>,
    pub priority: i64,
    pub bar: Bar,
    /// Services that must stay, whatever their priority.
    pub wanted: BTreeSet<String>,
}

/// How important a service may be that is stopped for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bar {
    /// Less than that one.
    LowerOnly,
    /// Not more.
    UpToEqual,
    Anybody,
}

/// A service that runs, or is about to.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub name: String,
    pub priority: i64,
    pub pinned: bool,
    pub leased: bool,
    /// It computes.
    pub busy: bool,
    /// It ends anyway before the one that asks starts.
    pub leaving: bool,
    pub last_used: Option<Timestamp>,
    /// By the GPU's key.
    pub shares: BTreeMap<String, Share>,
    /// Running services that need it: they go too, and first.
    pub dependants: BTreeSet<String>,
}

/// A service that is stopped for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Victim {
    pub name: String,
    /// Why: `frees 18000 MiB on GPU 0; priority 10`.
    pub reason: String,
}

/// Who has to go, in the order in which they stop. GPUs whose memory nobody knows are not checked.
pub(crate) fn choose(
    ask: &Ask,
    cards: &[Card],
    running: &[Candidate],
    others: &[Other],
) -> Result<Vec<Victim>, ServiceError> {
    let gaps = gaps(ask, cards, running)?;
    let staying: Vec<&Candidate> = running.iter().filter(|one| !one.leaving).collect();
    let barred = barred(ask, &staying);
    let mut free: Vec<&Candidate> =
        staying.iter().copied().filter(|one| !barred.contains_key(one.name.as_str())).collect();
    order::most_important_first(&mut free);
    let missing: Vec<i64> = gaps.iter().map(|gap| gap.missing).collect();
    let items = search::items(&free, &gaps.iter().map(|gap| gap.card).collect::<Vec<_>>());
    match search::cheapest(&items, &missing) {
        Some(chosen) => {
            let victims: Vec<&Candidate> = chosen.into_iter().map(|at| free[at]).collect();
            Ok(order::of_stops(&victims)
                .into_iter()
                .map(|one| victim(one, &victims, cards))
                .collect())
        }
        None => Err(does_not_fit(ask, &gaps, &free, &barred, &staying, others)),
    }
}

/// What is missing on a GPU; less than 0 where nothing is.
struct Gap<'a> {
    card: &'a Card,
    missing: i64,
}

fn gaps<'a>(
    ask: &Ask,
    cards: &'a [Card],
    running: &[Candidate],
) -> Result<Vec<Gap<'a>>, ServiceError> {
    let mut gaps = Vec::new();
    if ask.need.0 == 0 {
        return Ok(gaps);
    }
    let wants = signed(ask.need).saturating_add(signed(ask.headroom));
    for card in cards.iter().filter(|card| ask.gpus.contains(&card.key)) {
        let Some(memory) = card.memory else { continue };
        if wants > signed(memory.total) {
            return Err(ServiceError::TooLarge {
                name: ask.name.clone(),
                need: ask.need,
                headroom: ask.headroom,
                gpu: card.shown.clone(),
                total: memory.total,
            });
        }
        let shares = |leaving: bool| {
            let those = running.iter().filter(move |one| one.leaving == leaving);
            those.filter_map(|one| one.shares.get(&card.key).copied())
        };
        let leaves = shares(true).map(|share| signed(share.measured)).sum::<i64>();
        let free = room(memory, shares(false)).saturating_add(leaves);
        gaps.push(Gap { card, missing: wants.saturating_sub(free) });
    }
    Ok(gaps)
}

/// Who may not be stopped, and why.
fn barred<'a>(ask: &Ask, staying: &[&'a Candidate]) -> BTreeMap<&'a str, Untouchable> {
    let mut barred: BTreeMap<&str, Untouchable> = BTreeMap::new();
    for one in staying {
        barred.extend(bar(ask, one).map(|why| (one.name.as_str(), why)));
    }
    // Who is needed by one that stays, stays; and so on.
    loop {
        let needed: Vec<&str> = staying
            .iter()
            .filter(|one| !barred.contains_key(one.name.as_str()))
            .filter(|one| one.dependants.iter().any(|name| barred.contains_key(name.as_str())))
            .map(|one| one.name.as_str())
            .collect();
        if needed.is_empty() {
            return barred;
        }
        barred.extend(needed.into_iter().map(|name| (name, Untouchable::Needed)));
    }
}

fn bar(ask: &Ask, one: &Candidate) -> Option<Untouchable> {
    let too_important = match ask.bar {
        Bar::LowerOnly => one.priority >= ask.priority,
        Bar::UpToEqual => one.priority > ask.priority,
        Bar::Anybody => false,
    };
    let reasons = [
        (one.pinned, Untouchable::Pinned),
        (one.leased, Untouchable::Leased),
        (ask.wanted.contains(&one.name) || one.name == ask.name, Untouchable::Wanted),
        (too_important && one.priority == ask.priority, Untouchable::Equal),
        (too_important, Untouchable::Priority),
    ];
    reasons.into_iter().find(|(holds, _)| *holds).map(|(_, why)| why)
}

fn victim(one: &Candidate, victims: &[&Candidate], cards: &[Card]) -> Victim {
    let frees: Vec<String> = cards
        .iter()
        .filter_map(|card| Some((card, one.shares.get(&card.key)?.holds())))
        .filter(|(_, memory)| memory.0 > 0)
        .map(|(card, memory)| format!("{memory} on GPU {}", card.shown))
        .collect();
    let needs = victims.iter().find(|other| other.dependants.contains(&one.name));
    let what = match (frees.is_empty(), needs) {
        (false, _) => format!("frees {}", frees.join(", ")),
        (true, Some(needed)) => format!("needs `{}`", needed.name),
        (true, None) => "frees nothing".to_owned(),
    };
    Victim { name: one.name.clone(), reason: format!("{what}; priority {}", one.priority) }
}

/// The GPU where most is missing even if everybody goes who may.
fn does_not_fit(
    ask: &Ask,
    gaps: &[Gap<'_>],
    free: &[&Candidate],
    barred: &BTreeMap<&str, Untouchable>,
    staying: &[&Candidate],
    others: &[Other],
) -> ServiceError {
    let held = |one: &Candidate, card: &Card| one.shares.get(&card.key).map(|share| share.holds());
    let after = |gap: &Gap<'_>| {
        let freed = free.iter().filter_map(|one| held(one, gap.card));
        freed.fold(gap.missing, |missing, memory| missing.saturating_sub(signed(memory)))
    };
    let worst = gaps.iter().max_by_key(|gap| after(gap));
    let (gpu, missing) = worst.map_or((None, 0), |gap| (Some(gap.card), after(gap)));
    let wants = signed(ask.need).saturating_add(signed(ask.headroom));
    let most = u64::try_from(wants.saturating_sub(missing)).unwrap_or(0);

    let services = staying.iter().filter_map(|one| {
        let memory = held(one, gpu?).filter(|memory| memory.0 > 0)?;
        let why = *barred.get(one.name.as_str())?;
        Some(Blocker { who: format!("service `{}`", one.name), memory: Some(memory), why })
    });
    let unmanaged = others.iter().filter(|other| gpu.is_some_and(|card| card.key == other.gpu));
    let unmanaged = unmanaged.map(|other| Blocker {
        who: other.to_string(),
        memory: other.memory,
        why: Untouchable::Unmanaged,
    });
    let mut blockers: Vec<Blocker> = services.chain(unmanaged).collect();
    blockers.sort_by_key(|blocker| std::cmp::Reverse(blocker.memory));
    ServiceError::DoesNotFit {
        name: ask.name.clone(),
        need: ask.need,
        headroom: ask.headroom,
        gpu: gpu.map(|card| card.shown.clone()).unwrap_or_default(),
        free: Mebibytes(most),
        blockers,
    }
}
