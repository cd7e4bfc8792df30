//! Which runs `--only` and `--skip` mean. Pure.
//!
//! A pattern is the name of an experiment, the id of a run, a backend, a position or a range of
//! positions. What a pattern is exactly counts before what it may match as a glob, so that a name
//! with brackets in it can be said.

use std::collections::HashSet;

use crate::campaign::plan::{Plan, Run};
use crate::yaml::keys::nearest;

/// The patterns as they were said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Runs to do; empty means all.
    pub only: Vec<String>,
    /// Runs to leave out, even of those.
    pub skip: Vec<String>,
}

/// A pattern that means no run: nobody says one on purpose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{option} {pattern}` matches no run")]
pub(crate) struct Unmatched {
    pub option: &'static str,
    pub pattern: String,
    /// What may have been meant.
    pub nearest: Option<String>,
    /// The last position, for those who count.
    pub last: u32,
}

impl Selection {
    /// Whether nothing is left out.
    pub(crate) fn is_everything(&self) -> bool {
        self.only.is_empty() && self.skip.is_empty()
    }

    /// The positions that are to be done. `id` names a run; a campaign that begins has no ids yet.
    pub(crate) fn positions(
        &self,
        plan: &Plan,
        id: impl Fn(Run) -> Option<String>,
    ) -> Result<HashSet<u32>, Unmatched> {
        let runs: Vec<Candidate<'_>> = plan
            .runs
            .iter()
            .map(|run| {
                let experiment = plan.experiment(*run);
                let backend = experiment.backend.as_deref();
                Candidate { position: run.position, name: &experiment.name, backend, id: id(*run) }
            })
            .collect();
        let mut chosen: HashSet<u32> = match self.only.as_slice() {
            [] => runs.iter().map(|run| run.position).collect(),
            patterns => all(&runs, "--only", patterns)?,
        };
        for position in all(&runs, "--skip", &self.skip)? {
            chosen.remove(&position);
        }
        Ok(chosen)
    }
}

struct Candidate<'a> {
    position: u32,
    name: &'a str,
    backend: Option<&'a str>,
    id: Option<String>,
}

impl Candidate<'_> {
    fn words(&self) -> impl Iterator<Item = &str> {
        [Some(self.name), self.backend, self.id.as_deref()].into_iter().flatten()
    }
}

fn all(
    runs: &[Candidate<'_>],
    option: &'static str,
    patterns: &[String],
) -> Result<HashSet<u32>, Unmatched> {
    let mut positions = HashSet::new();
    for pattern in patterns {
        let found = matches(runs, pattern);
        if found.is_empty() {
            return Err(unmatched(runs, option, pattern));
        }
        positions.extend(found);
    }
    Ok(positions)
}

fn matches(runs: &[Candidate<'_>], pattern: &str) -> Vec<u32> {
    let chosen = |matches: &dyn Fn(&Candidate<'_>) -> bool| -> Vec<u32> {
        runs.iter().filter(|run| matches(run)).map(|run| run.position).collect()
    };
    let exactly = chosen(&|run| run.words().any(|word| word == pattern));
    match (exactly.is_empty(), range(pattern), glob::Pattern::new(pattern)) {
        (false, _, _) => exactly,
        (true, Some((first, last)), _) => chosen(&|run| (first..=last).contains(&run.position)),
        (true, None, Ok(glob)) => chosen(&|run| run.words().any(|word| glob.matches(word))),
        (true, None, Err(_)) => Vec::new(),
    }
}

/// `7` and `3-7` are positions.
fn range(pattern: &str) -> Option<(u32, u32)> {
    let (first, last) = pattern.split_once('-').unwrap_or((pattern, pattern));
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

fn unmatched(runs: &[Candidate<'_>], option: &'static str, pattern: &str) -> Unmatched {
    let words: HashSet<&str> = runs.iter().flat_map(Candidate::words).collect();
    let mut words: Vec<&str> = words.into_iter().collect();
    words.sort_unstable();
    Unmatched {
        option,
        pattern: pattern.to_owned(),
        nearest: nearest(pattern, &words).map(str::to_owned),
        last: runs.iter().map(|run| run.position).max().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::campaign::file::Structure;
    use crate::campaign::plan::{self, identify};

    /// Positions 1 to 6: a (vllm), b[1] (pytorch), 7 (pytorch), twice.
    fn chosen(only: &[&str], skip: &[&str]) -> Result<Vec<u32>, Unmatched> {
        let candidate = |(name, backend): (&str, &str)| plan::Candidate {
            name: Some(name.to_owned()),
            config: json!({"config_name": name, "backend": backend}).as_object().unwrap().clone(),
            ..plan::Candidate::default()
        };
        let experiments =
            [("a", "vllm"), ("b[1]", "pytorch"), ("7", "pytorch")].map(candidate).to_vec();
        let experiments = identify(experiments);
        let plan = Plan {
            runs: Plan::order(&experiments, 2, Structure::Interleaved, None),
            experiments,
            cycles: 2,
            structure: Structure::Interleaved,
            seed: None,
            config_gap: Duration::ZERO,
            cycle_gap: Duration::ZERO,
        };
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let selection = Selection { only: words(only), skip: words(skip) };
        let id = |run: Run| Some(format!("4f2a9c1b-{:04}", run.position));
        let mut positions: Vec<u32> = selection.positions(&plan, id)?.into_iter().collect();
        positions.sort_unstable();
        Ok(positions)
    }

    #[test]
    fn names_runs_backends_positions_and_ranges_are_patterns() {
        for (only, skip, positions) in [
            (&[][..], &[][..], &[1, 2, 3, 4, 5, 6][..]),
            (&["a"], &[], &[1, 4]),
            (&["b[1]"], &[], &[2, 5]),
            (&["7"], &[], &[3, 6]),
            (&["2"], &[], &[2]),
            (&["2-4"], &[], &[2, 3, 4]),
            (&["b*", "1"], &[], &[1, 2, 5]),
            (&["4f2a9c1b-0003"], &[], &[3]),
            (&[], &["pytorch"], &[1, 4]),
            (&["1-3"], &["v*m"], &[2, 3]),
            (&["a"], &["1-6"], &[]),
        ] {
            assert_eq!(chosen(only, skip).unwrap(), positions, "{only:?} {skip:?}");
        }
    }

    #[test]
    fn a_pattern_that_means_nothing_names_what_may_have_been_meant() {
        let nearest = |only: &str| chosen(&[only], &[]).unwrap_err().nearest;
        assert_eq!(nearest("vlm").as_deref(), Some("vllm"));
        assert_eq!(nearest("pytroch").as_deref(), Some("pytorch"));
        for nothing in ["9-12", "4-2", "0", "[", "nothing-like-it", ""] {
            let refused = chosen(&[], &[nothing]).unwrap_err();
            assert_eq!((refused.option, refused.last), ("--skip", 6), "{nothing}");
        }
    }
}
