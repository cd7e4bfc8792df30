//! In which order the runs of a campaign follow each other. Pure: the same seed, the same order.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::file::Structure;

/// Pairs of an experiment's index and a cycle (from 1), in order.
pub(crate) fn order(
    experiments: usize,
    cycles: u32,
    structure: Structure,
    seed: Option<u64>,
) -> Vec<(usize, u32)> {
    let all: Vec<usize> = (0..experiments).collect();
    match structure {
        Structure::Grouped => {
            all.iter().flat_map(|&e| (1..=cycles).map(move |cycle| (e, cycle))).collect()
        }
        Structure::Interleaved => by_cycle(cycles, |_| all.clone()),
        Structure::Balanced => by_cycle(cycles, |cycle| balanced(experiments, cycle)),
        Structure::Shuffled => {
            // ChaCha8 keeps a recorded seed reproducible across versions; StdRng would not.
            let mut random = ChaCha8Rng::seed_from_u64(seed.unwrap_or_default());
            by_cycle(cycles, |_| {
                let mut order = all.clone();
                order.shuffle(&mut random);
                order
            })
        }
    }
}

fn by_cycle(cycles: u32, mut order: impl FnMut(u32) -> Vec<usize>) -> Vec<(usize, u32)> {
    (1..=cycles).flat_map(|cycle| order(cycle).into_iter().map(move |e| (e, cycle))).collect()
}

/// One row of a Williams square: over `count` cycles (twice as many where `count` is odd) each
/// experiment stands at each place equally often, and follows each other one equally often.
fn balanced(count: usize, cycle: u32) -> Vec<usize> {
    if count == 0 {
        return Vec::new();
    }
    let turn = (cycle - 1) as usize;
    // 0, 1, n-1, 2, n-2, …
    let first = (0..count).map(|i| if i % 2 == 1 { i / 2 + 1 } else { (count - i / 2) % count });
    let mut row: Vec<usize> = first.map(|e| (e + turn) % count).collect();
    if count % 2 == 1 && (turn / count) % 2 == 1 {
        row.reverse();
    }
    row
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn shown(structure: Structure, seed: Option<u64>) -> String {
        let names = ["a", "b", "c"];
        let runs = order(3, 2, structure, seed);
        runs.iter().map(|(e, cycle)| format!("{}{cycle}", names[*e])).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn interleaved_goes_through_all_experiments_then_again() {
        assert_eq!(shown(Structure::Interleaved, None), "a1 b1 c1 a2 b2 c2");
    }

    #[test]
    fn grouped_repeats_an_experiment_before_the_next() {
        assert_eq!(shown(Structure::Grouped, None), "a1 a2 b1 b2 c1 c2");
    }

    #[test]
    fn a_seed_fixes_the_shuffle_and_zero_is_a_seed() {
        assert_eq!(shown(Structure::Shuffled, Some(0)), shown(Structure::Shuffled, Some(0)));
        let orders: std::collections::HashSet<String> =
            (0..20).map(|seed| shown(Structure::Shuffled, Some(seed))).collect();
        assert!(orders.len() > 5, "{orders:?}");
    }

    #[test]
    fn balanced_puts_each_experiment_at_each_place_and_after_each_other_equally_often() {
        for count in 1..9_usize {
            let cycles = if count % 2 == 0 { count } else { 2 * count };
            let mut places: HashMap<(usize, usize), u32> = HashMap::new();
            let mut pairs: HashMap<(usize, usize), u32> = HashMap::new();
            for cycle in 1..=u32::try_from(cycles).unwrap() {
                let row = balanced(count, cycle);
                row.iter()
                    .enumerate()
                    .for_each(|at| *places.entry((at.0, *at.1)).or_default() += 1);
                row.windows(2).for_each(|pair| *pairs.entry((pair[0], pair[1])).or_default() += 1);
            }
            assert_eq!(places.len(), count * count, "{count}");
            assert!(places.values().all(|n| *n as usize == cycles / count), "{count}: {places:?}");
            assert_eq!(pairs.len(), count * (count - 1), "{count}");
            assert!(pairs.values().all(|n| *n as usize == cycles / count), "{count}: {pairs:?}");
        }
    }
}
