//! Operations of two containers of which one needs the other.
//!
//! 2026-11-21: asymmetric on purpose. Stopping what needs a container while that goes down is the
//! right order; starting it then is not. Each hop further lowers the verdict by one level, so that
//! a database does not put everything in a row that reaches it.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::Kind;
use super::resource::Resource;
use super::severity::Severity;

/// How an operation of a container gets on with one of a container that it needs.
pub(crate) fn beside_what_it_needs(newcomer: Kind, active: Kind) -> Severity {
    use Kind::{Config, Deploy, Health, Read, Restart, Scale, Start, Stop};
    use Severity::{High, Low, Medium, None};
    #[allow(clippy::match_same_arms, reason = "each pair is a line of the table")]
    match (newcomer, active) {
        (Read, Restart | Stop | Start | Deploy) => Low,
        (Read, Read | Config | Scale | Health) => None,
        (Config, Restart | Stop | Deploy) => Medium,
        (Config, Start) => Low,
        (Config, Read | Config | Scale | Health) => None,
        (Restart | Start | Deploy | Scale, Restart | Stop | Start | Deploy) => High,
        (Restart | Start | Deploy | Scale, Config | Scale) => Low,
        (Restart | Start | Deploy | Scale, Read | Health) => None,
        (Stop, Restart | Stop | Start | Deploy) => Low,
        (Stop, Read | Config | Scale | Health) => None,
        (Health, Restart | Stop | Start | Deploy) => Medium,
        (Health, Config | Scale) => Low,
        (Health, Read | Health) => None,
    }
}

/// How an operation of a container gets on with one of a container that needs it.
pub(crate) fn beside_what_needs_it(newcomer: Kind, active: Kind) -> Severity {
    use Kind::{Config, Deploy, Health, Read, Restart, Scale, Start, Stop};
    use Severity::{High, Low, Medium, None};
    #[allow(clippy::match_same_arms, reason = "each pair is a line of the table")]
    match (newcomer, active) {
        (Read | Health, _) => None,
        (Config | Start | Scale, Restart | Start | Deploy | Scale | Health) => Low,
        (Config | Start | Scale, Read | Config | Stop) => None,
        (Restart | Stop | Deploy, Restart | Start | Deploy | Scale) => High,
        (Restart | Stop | Deploy, Config | Health) => Medium,
        (Restart | Stop | Deploy, Read | Stop) => Low,
    }
}

/// Who needs whom, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    needs: BTreeMap<Resource, BTreeSet<Resource>>,
}

impl Graph {
    /// Notes that a container needs others, beside those it was noted to need before.
    pub(crate) fn add(&mut self, of: Resource, needs: impl IntoIterator<Item = Resource>) {
        self.needs.entry(of).or_default().extend(needs);
    }

    /// What it needs itself.
    pub(crate) fn needs(&self, of: &Resource) -> impl Iterator<Item = &Resource> {
        self.needs.get(of).into_iter().flatten()
    }

    /// How many hops lead from a container to one that it needs.
    pub(crate) fn hops(&self, from: &Resource, to: &Resource) -> Option<u32> {
        let mut seen = BTreeSet::from([from]);
        let mut edge = vec![from];
        let mut hops = 0;
        while !edge.is_empty() {
            if edge.contains(&to) {
                return (hops > 0).then_some(hops);
            }
            hops += 1;
            edge = edge.iter().flat_map(|it| self.needs(it)).filter(|it| seen.insert(it)).collect();
        }
        None
    }

    /// The containers of a circle, if there is one: none of it could be started first.
    pub(crate) fn cycle(&self) -> Option<Vec<Resource>> {
        self.needs.keys().find_map(|start| {
            let next =
                self.needs(start).find(|it| *it == start || self.hops(it, start).is_some())?;
            let mut path = vec![start.clone(), next.clone()];
            while path.last() != Some(start) {
                let last = path.last()?.clone();
                let hops = |it: &&Resource| {
                    if *it == start { Some(0) } else { self.hops(it, start) }
                };
                let next = self.needs(&last).filter(|it| hops(it).is_some()).min_by_key(hops)?;
                path.push(next.clone());
            }
            Some(path)
        })
    }
}

/// The verdict on two operations of containers where one needs the other over so many hops.
pub(crate) fn over(severity: Severity, hops: u32) -> Severity {
    (1..hops).fold(severity, |severity, _| severity.lowered())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(verdict: fn(Kind, Kind) -> Severity, newcomer: Kind) -> String {
        Kind::ALL
            .iter()
            .map(|active| verdict(newcomer, *active).word().chars().next().unwrap())
            .collect::<String>()
            .to_uppercase()
    }

    #[test]
    fn the_tables_are_the_published_ones() {
        use Kind::{Config, Deploy, Health, Read, Restart, Scale, Start, Stop};
        let rows: [(Kind, &str, &str); 8] = [
            (Read, "NNLLLLNN", "NNNNNNNN"),
            (Config, "NNMMLMNN", "NNLNLLLL"),
            (Restart, "NLHHHHLN", "LMHLHHHM"),
            (Stop, "NNLLLLNN", "LMHLHHHM"),
            (Start, "NLHHHHLN", "NNLNLLLL"),
            (Deploy, "NLHHHHLN", "LMHLHHHM"),
            (Scale, "NLHHHHLN", "NNLNLLLL"),
            (Health, "NLMMMMLN", "NNNNNNNN"),
        ];
        for (kind, needed, needing) in rows {
            assert_eq!(letters(beside_what_it_needs, kind), needed, "{kind} beside what it needs");
            assert_eq!(letters(beside_what_needs_it, kind), needing, "{kind} beside what needs it");
        }
    }

    #[test]
    fn every_hop_lowers_the_verdict_by_one() {
        let severities: Vec<Severity> = (1..=4).map(|hops| over(Severity::High, hops)).collect();
        assert_eq!(severities, [Severity::High, Severity::Medium, Severity::Low, Severity::None]);
    }

    #[test]
    fn hops_are_counted_along_the_shortest_way_and_circles_are_found() {
        let name = |it: &str| Resource::name(it);
        let mut graph = Graph::default();
        graph.add(name("web"), [name("api"), name("cache")]);
        graph.add(name("api"), [name("db")]);
        graph.add(name("cache"), []);
        assert_eq!(graph.hops(&name("web"), &name("db")), Some(2));
        assert_eq!(graph.hops(&name("db"), &name("web")), None);
        assert_eq!(graph.hops(&name("web"), &name("web")), None);
        assert_eq!(graph.cycle(), None);
        graph.add(name("db"), [name("web")]);
        let cycle = graph.cycle().unwrap();
        assert_eq!((cycle.first(), cycle.len()), (cycle.last(), 4));
    }
}
