//! The order of F5, and the minimality of F6 against all subsets.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::gpu::error::GpuError;
use crate::services::memory::card::Cards;
use crate::services::registry::Budget;
use crate::services::service::GpuChoice;

/// GPUs of so much memory, all of it free.
fn cards(free: &[u64]) -> Vec<Card> {
    let names = (0..free.len()).map(|index| index.to_string()).collect();
    let none =
        Cards::of(Err(&GpuError::NoDriver), &Budget::Unsaid, [&GpuChoice::Named(names)]).unwrap();
    let mut cards = none.all;
    for (card, free) in cards.iter_mut().zip(free) {
        let amounts =
            super::super::card::Amounts { total: Mebibytes(24_000), free: Mebibytes(*free) };
        card.memory = Some(amounts);
    }
    cards
}

/// A service that holds so much of each GPU.
fn candidate(name: &str, priority: i64, holds: &[u64]) -> Candidate {
    let share = |mib: &u64| Share { declared: Mebibytes(*mib), measured: Mebibytes(*mib) };
    let shares = holds.iter().enumerate().map(|(gpu, mib)| (gpu.to_string(), share(mib)));
    Candidate {
        name: name.to_owned(),
        priority,
        pinned: false,
        leased: false,
        busy: false,
        leaving: false,
        last_used: None,
        shares: shares.collect(),
        dependants: BTreeSet::new(),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn ask(need: u64, gpus: usize) -> Ask {
    Ask {
        name: "next".to_owned(),
        need: Mebibytes(need),
        headroom: Mebibytes(0),
        gpus: (0..gpus).map(|gpu| gpu.to_string()).collect(),
        priority: 50,
        bar: Bar::LowerOnly,
        wanted: BTreeSet::new(),
    }
}

fn names(victims: &[Victim]) -> Vec<&str> {
    victims.iter().map(|victim| victim.name.as_str()).collect()
}

/// Who goes for 10 000 MiB on a GPU of which 2000 are free.
#[track_caller]
fn goes(running: &[Candidate], expected: &[&str]) {
    let victims = choose(&ask(10_000, 1), &cards(&[2000]), running, &[]).unwrap();
    assert_eq!(names(&victims), expected);
}

// F5
#[test]
fn the_least_important_goes_then_the_idle_one_then_the_one_used_least_recently_then_by_name() {
    let one = |name: &str| candidate(name, 10, &[9000]);
    goes(&[candidate("low", 5, &[9000]), one("x")], &["low"]);
    goes(&[Candidate { busy: true, ..one("busy") }, one("x")], &["x"]);
    let used = |name: &str, second| Candidate { last_used: Some(at(second)), ..one(name) };
    goes(&[used("a", 20), used("b", 10), used("c", 30)], &["b"]);
    goes(&[used("a", 20), used("b", 10), one("never")], &["never"]);
    goes(&[one("b"), one("a"), one("c")], &["a"]);
    // Two that idle rather than one that computes, and two rather than one that is more important.
    let (half, other) = (candidate("h1", 10, &[4000]), candidate("h2", 10, &[4000]));
    let busy = Candidate { busy: true, ..one("busy") };
    goes(&[busy, half.clone(), other.clone()], &["h1", "h2"]);
    goes(&[candidate("high", 20, &[9000]), half.clone(), other.clone()], &["h1", "h2"]);
    // One rather than two that are as important.
    goes(&[half, other, one("x")], &["x"]);
}

// F5
#[test]
fn the_pinned_the_leased_the_wanted_and_the_important_stay() {
    let high = |name: &str, priority| candidate(name, priority, &[9000]);
    let running = [
        Candidate { pinned: true, ..high("pinned", 1) },
        Candidate { leased: true, ..high("leased", 1) },
        high("wanted", 1),
        high("equal", 50),
        high("above", 60),
    ];
    let mut ask = Ask { wanted: BTreeSet::from(["wanted".to_owned()]), ..ask(10_000, 1) };
    let cards = cards(&[2000]);
    let error = choose(&ask, &cards, &running, &[]).unwrap_err();
    let ServiceError::DoesNotFit { blockers, free, .. } = error else { panic!("{error}") };
    assert_eq!(free, Mebibytes(2000));
    let why: BTreeMap<&str, String> =
        blockers.iter().map(|one| (one.who.as_str(), one.why.to_string())).collect();
    assert_eq!(why["service `pinned`"], "pinned");
    assert_eq!(why["service `leased`"], "in use");
    assert_eq!(why["service `wanted`"], "wanted too");
    assert_eq!(why["service `equal`"], "as important");
    assert_eq!(why["service `above`"], "more important");
    ask.bar = Bar::UpToEqual;
    assert_eq!(names(&choose(&ask, &cards, &running, &[]).unwrap()), ["equal"]);
    ask.bar = Bar::Anybody;
    let victims = choose(&ask, &cards, &running[..3], &[]);
    assert!(matches!(victims, Err(ServiceError::DoesNotFit { .. })));
    assert_eq!(names(&choose(&ask, &cards, &running[4..], &[]).unwrap()), ["above"]);
}

// F4
#[test]
fn what_fits_on_no_empty_gpu_is_refused_before_anything_is_weighed() {
    let ask = Ask { headroom: Mebibytes(512), ..ask(23_600, 1) };
    let error = choose(&ask, &cards(&[24_000]), &[], &[]).unwrap_err();
    assert!(matches!(error, ServiceError::TooLarge { total: Mebibytes(24_000), .. }), "{error}");
}

// F39
#[test]
fn a_process_that_is_no_service_is_named_where_it_is_in_the_way() {
    let other = |gpu: &str| Other {
        gpu: gpu.to_owned(),
        pid: 4711,
        name: Some("python3".to_owned()),
        container: None,
        memory: Some(Mebibytes(20_000)),
    };
    let running = [candidate("low", 1, &[1000, 1000])];
    let others = [other("0"), other("1")];
    let error = choose(&ask(10_000, 2), &cards(&[3000, 20_000]), &running, &others).unwrap_err();
    let ServiceError::DoesNotFit { gpu, free, blockers, .. } = error else { panic!("{error}") };
    assert_eq!((gpu.as_str(), free), ("0", Mebibytes(4000)));
    let shown: Vec<String> = blockers.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["pid 4711 (python3) (20000 MiB, no service of the registry)"]);
}

// F35
#[test]
fn who_needs_a_victim_goes_too_and_first_and_keeps_it_where_it_may_not_go() {
    let with = |name: &str, priority, holds: u64, dependants: &[&str]| Candidate {
        dependants: dependants.iter().map(|name| (*name).to_owned()).collect(),
        ..candidate(name, priority, &[holds])
    };
    let running = [
        with("base", 1, 9000, &["middle"]),
        with("middle", 30, 0, &["top"]),
        with("top", 40, 0, &[]),
    ];
    let victims = choose(&ask(10_000, 1), &cards(&[2000]), &running, &[]).unwrap();
    assert_eq!(names(&victims), ["top", "middle", "base"]);
    assert_eq!(victims[2].reason, "frees 9000 MiB on GPU 0; priority 1");
    assert_eq!(victims[1].reason, "needs `base`; priority 30");

    let mut running = running.to_vec();
    running[2].leased = true;
    let error = choose(&ask(10_000, 1), &cards(&[2000]), &running, &[]).unwrap_err();
    let ServiceError::DoesNotFit { blockers, .. } = error else { panic!("{error}") };
    assert_eq!(
        blockers[0].to_string(),
        "service `base` (9000 MiB, needed by a service that stays)"
    );
}

#[test]
fn who_leaves_anyway_frees_what_it_holds_and_is_no_victim() {
    let old = Candidate { leaving: true, ..candidate("old", 90, &[9000]) };
    let running = [old, candidate("low", 1, &[9000])];
    assert_eq!(choose(&ask(10_000, 1), &cards(&[2000]), &running, &[]).unwrap(), []);
}

// F3
#[test]
fn who_leaves_and_comes_back_takes_its_memory_again() {
    let leaves = Candidate { leaving: true, ..candidate("again", 1, &[9000]) };
    let comes = come_back(&leaves);
    let ask = Ask { wanted: BTreeSet::from(["again".to_owned()]), ..ask(10_000, 1) };
    let running = [leaves, comes];
    let error = choose(&ask, &cards(&[2000]), &running, &[]).unwrap_err();
    assert!(matches!(error, ServiceError::DoesNotFit { free: Mebibytes(2000), .. }), "{error}");
    assert_eq!(choose(&ask, &cards(&[10_000]), &running, &[]).unwrap(), []);
}

// F3
#[test]
fn memory_that_a_loading_service_has_yet_to_take_is_not_free() {
    let mut loading = candidate("loading", 1, &[18_000]);
    loading.shares.get_mut("0").unwrap().measured = Mebibytes(1000);
    let running = [loading];
    assert_eq!(
        names(&choose(&ask(10_000, 1), &cards(&[23_000]), &running, &[]).unwrap()),
        ["loading"]
    );
    assert_eq!(choose(&ask(6000, 1), &cards(&[23_000]), &running, &[]).unwrap(), []);
}

#[test]
fn a_service_that_needs_no_memory_pushes_nobody_out() {
    let crowded = [candidate("a", 1, &[9000])];
    assert_eq!(choose(&ask(0, 1), &cards(&[0]), &crowded, &[]).unwrap(), []);
}

#[test]
fn many_services_of_one_size_are_chosen_from_at_once() {
    let running: Vec<Candidate> =
        (0..60).map(|n| candidate(&format!("s{n:02}"), 1, &[400])).collect();
    let victims = choose(&ask(12_000, 1), &cards(&[0]), &running, &[]).unwrap();
    assert_eq!((victims.len(), victims[0].name.as_str()), (30, "s00"));
}

fn any_candidate(at: usize, gpus: usize) -> impl Strategy<Value = Candidate> {
    let holds = proptest::collection::vec(0_u64..6, gpus);
    let seldom = || proptest::bool::weighted(0.1);
    let flags = (any::<bool>(), seldom(), seldom(), seldom());
    let dependants = proptest::collection::btree_set(0..=at, 0..2);
    (0_i64..4, holds, flags, proptest::option::of(0_i64..3), dependants).prop_map(
        move |(priority, holds, (busy, pinned, leased, leaving), last, dependants)| {
            // Who needs it is one before it, so that there is no circle.
            let dependants = dependants.into_iter().filter(|other| *other < at);
            Candidate {
                busy,
                pinned,
                leased,
                leaving,
                last_used: last.map(self::at),
                dependants: dependants.map(|other| format!("s{other}")).collect(),
                ..candidate(&format!("s{at}"), priority, &holds)
            }
        },
    )
}

fn any_running() -> impl Strategy<Value = (usize, Vec<Candidate>)> {
    (1_usize..4, 0_usize..=8).prop_flat_map(|(gpus, count)| {
        let all: Vec<_> = (0..count).map(|at| any_candidate(at, gpus).boxed()).collect();
        (Just(gpus), all.prop_map(without_the_gone))
    })
}

/// Who leaves needs nothing any more.
fn without_the_gone(mut running: Vec<Candidate>) -> Vec<Candidate> {
    let leaving = running.iter().filter(|one| one.leaving).map(|one| one.name.clone());
    let leaving: BTreeSet<String> = leaving.collect();
    for one in &mut running {
        one.dependants.retain(|name| !leaving.contains(name));
    }
    running
}

/// One that leaves, and starts again before the one that asks.
fn come_back(one: &Candidate) -> Candidate {
    let mut back = Candidate { leaving: false, dependants: BTreeSet::new(), ..one.clone() };
    back.shares.values_mut().for_each(|share| share.measured = Mebibytes(0));
    back
}

/// What a set costs: from the highest priority down, how many compute and how many there are; then
/// the same from the highest down who they are, those used last first.
type Cost = Vec<(usize, usize)>;
type Who<'a> = Vec<Vec<(Option<Timestamp>, &'a str)>>;

fn cost<'a>(set: &[&'a Candidate]) -> (Cost, Who<'a>) {
    let (mut cost, mut who) = (Vec::new(), Vec::new());
    for priority in (0..4).rev() {
        let of_it = || set.iter().filter(move |one| one.priority == priority);
        cost.push((of_it().filter(|one| one.busy).count(), of_it().count()));
        for busy in [true, false] {
            let those = of_it().filter(|one| one.busy == busy);
            let mut list: Vec<_> = those.map(|one| (one.last_used, one.name.as_str())).collect();
            list.sort_by_key(|one| Reverse(*one));
            who.push(list);
        }
    }
    (cost, who)
}

/// The best of all subsets that frees enough.
///
/// `back` is what those that leave take again.
fn by_force<'a>(
    ask: &Ask,
    free: &[u64],
    running: &'a [Candidate],
    back: &[Candidate],
) -> Option<Vec<&'a str>> {
    let (leaving, staying): (Vec<_>, Vec<_>) = running.iter().partition(|one| one.leaving);
    let subsets = (0_u32..1 << staying.len()).map(|bits| {
        let is_in = |at: &usize| bits >> at & 1 == 1;
        (0..staying.len()).filter(is_in).map(|at| staying[at]).collect::<Vec<_>>()
    });
    let may_go = |set: &[&Candidate]| {
        set.iter().all(|one| {
            let whole = one.dependants.iter().all(|name| set.iter().any(|one| one.name == *name));
            whole && !one.pinned && !one.leased && one.priority < ask.priority
        })
    };
    let is_enough = |set: &[&Candidate]| {
        free.iter().enumerate().all(|(gpu, free)| {
            let of = |one: &Candidate| one.shares[&gpu.to_string()].holds().0;
            let freed = set.iter().chain(&leaving).map(|one| of(one)).sum::<u64>();
            free + freed >= ask.need.0 + back.iter().map(of).sum::<u64>()
        })
    };
    let best = subsets.filter(|set| may_go(set) && is_enough(set)).min_by_key(|set| cost(set));
    best.map(|set| set.iter().map(|one| one.name.as_str()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    // F6
    #[test]
    fn the_choice_is_the_best_of_all_subsets(
        (gpus, running) in any_running(),
        free in proptest::collection::vec(0_u64..4, 3),
        need in 1_u64..16,
        priority in 0_i64..5,
        comes_back in any::<bool>(),
    ) {
        let leaving = running.iter().filter(|one| one.leaving && comes_back);
        let back: Vec<Candidate> = leaving.map(come_back).collect();
        let wanted = back.iter().map(|one| one.name.clone()).collect();
        let ask = Ask { priority, wanted, ..ask(need, gpus) };
        let expected = by_force(&ask, &free[..gpus], &running, &back);
        let all: Vec<Candidate> = running.iter().chain(&back).cloned().collect();
        let found = choose(&ask, &cards(&free[..gpus]), &all, &[]);
        match (&found, expected) {
            (Err(ServiceError::DoesNotFit { .. }), None) => {}
            (Ok(victims), Some(expected)) => {
                let chosen: BTreeSet<&str> = names(victims).into_iter().collect();
                prop_assert_eq!(&chosen, &expected.into_iter().collect::<BTreeSet<_>>());
                // Who needs another stops before it.
                for (at, name) in names(victims).iter().enumerate() {
                    let one = running.iter().find(|one| one.name == *name).unwrap();
                    let later = &names(victims)[at..];
                    prop_assert!(!one.dependants.iter().any(|name| later.contains(&name.as_str())));
                }
            }
            (found, expected) => prop_assert!(false, "{:?} {:?}", found, expected),
        }
    }
}
