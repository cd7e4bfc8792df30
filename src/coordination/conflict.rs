//! The matrix: how an operation gets on with another one of the same container.
//!
//! 2026-11-21: total and symmetric; there is no default. Every pair that the seed defined is as it
//! defined it. `config` beside `config` is said here for different keys; where they share one, or
//! one does not say which it changes, [`super::part`] makes it high.

use super::kind::Kind;
use super::severity::Severity;

/// How two operations of one container get on, and why.
pub(crate) fn verdict(newcomer: Kind, active: Kind) -> (Severity, &'static str) {
    use Kind::{Config, Deploy, Health, Read, Restart, Scale, Start, Stop};
    use Severity::{Critical, High, Low, Medium, None};
    #[allow(clippy::match_same_arms, reason = "each pair is a line of the table")]
    match (newcomer, active) {
        (Read, Read) => (None, "two that look disturb nobody"),
        (Read, Config) | (Config, Read) => {
            (Low, "what is read may be of before or after the change")
        }
        (Read, Restart) | (Restart, Read) => (Low, "what is read may stop and begin anew"),
        (Read, Stop) | (Stop, Read) => (Low, "what is read may end"),
        (Read, Start) | (Start, Read) => (Low, "what is read may just be beginning"),
        (Read, Deploy) | (Deploy, Read) => (Low, "the container that is read is replaced"),
        (Read, Scale) | (Scale, Read) => (Low, "there may be more or fewer of it in a moment"),
        (Read, Health) | (Health, Read) => (None, "two that look disturb nobody"),

        (Config, Config) => (Medium, "the two change different keys of one configuration"),
        (Config, Restart) | (Restart, Config) => {
            (High, "a restart reads the configuration while it is being written")
        }
        (Config, Stop) | (Stop, Config) => (High, "a stop would leave half a configuration"),
        (Config, Start) | (Start, Config) => {
            (High, "a start reads the configuration while it is being written")
        }
        (Config, Deploy) | (Deploy, Config) => {
            (High, "a deployment reads the configuration while it is being written")
        }
        (Config, Scale) | (Scale, Config) => {
            (High, "replicas would begin with different configurations")
        }
        (Config, Health) | (Health, Config) => {
            (Low, "its health may be of before or after the change")
        }

        (Restart, Restart) => (Critical, "a second restart repeats the first"),
        (Restart, Stop) | (Stop, Restart) => {
            (Critical, "one wants the container to run, the other wants it to stop")
        }
        (Restart, Start) | (Start, Restart) => {
            (Critical, "both end with a container that was started")
        }
        (Restart, Deploy) | (Deploy, Restart) => {
            (Critical, "a deployment replaces the container that is restarted")
        }
        (Restart, Scale) | (Scale, Restart) => (High, "replicas come and go under the restart"),
        (Restart, Health) | (Health, Restart) => {
            (Medium, "a container that restarts looks unhealthy, and is not")
        }

        (Stop, Stop) => (Critical, "a second stop repeats the first"),
        (Stop, Start) | (Start, Stop) => {
            (Critical, "one wants the container to run, the other wants it to stop")
        }
        (Stop, Deploy) | (Deploy, Stop) => {
            (Critical, "one wants the container to run, the other wants it to stop")
        }
        (Stop, Scale) | (Scale, Stop) => (High, "which of the two is last decides what runs"),
        (Stop, Health) | (Health, Stop) => {
            (Medium, "a container that stops looks unhealthy, and is not")
        }

        (Start, Start) => (Critical, "a second start repeats the first"),
        (Start, Deploy) | (Deploy, Start) => {
            (Critical, "a deployment replaces the container that is started")
        }
        (Start, Scale) | (Scale, Start) => (High, "which of the two is last decides what runs"),
        (Start, Health) | (Health, Start) => {
            (Medium, "a container that starts looks unhealthy, and is not")
        }

        (Deploy, Deploy) => (Critical, "one of two versions would be lost without a word"),
        (Deploy, Scale) | (Scale, Deploy) => (High, "replicas come and go under the deployment"),
        (Deploy, Health) | (Health, Deploy) => {
            (Medium, "a container that is replaced looks unhealthy, and is not")
        }

        (Scale, Scale) => (High, "the last number holds; together both fail"),
        (Scale, Health) | (Health, Scale) => (Low, "there may be more or fewer of it in a moment"),
        (Health, Health) => (None, "two that look disturb nobody"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_is_the_published_one_and_symmetric() {
        const TABLE: [(&str, &str); 8] = [
            ("read", "NLLLLLLN"),
            ("config", "LMHHHHHL"),
            ("restart", "LHCCCCHM"),
            ("stop", "LHCCCCHM"),
            ("start", "LHCCCCHM"),
            ("deploy", "LHCCCCHM"),
            ("scale", "LHHHHHHL"),
            ("health", "NLMMMMLN"),
        ];
        for (row, kind) in TABLE.iter().zip(Kind::ALL) {
            assert_eq!(row.0, kind.word());
            let letters: String = Kind::ALL.iter().map(|it| letter(verdict(kind, *it).0)).collect();
            assert_eq!(letters, row.1, "{kind}");
            for other in Kind::ALL {
                assert_eq!(verdict(kind, other), verdict(other, kind), "{kind} {other}");
            }
        }
    }

    /// The pages that people read say the same.
    #[test]
    fn the_documented_matrix_and_its_reasons_are_these() {
        let page = include_str!("../../docs/coordination.md");
        let rows: Vec<Vec<&str>> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
            .map(|line| line.split(" | ").collect())
            .collect();
        for kind in Kind::ALL {
            let name = format!("**{kind}**");
            let row = rows.iter().find(|row| row[0] == name && row.len() == 9).unwrap();
            let words: Vec<&str> =
                Kind::ALL.iter().map(|other| verdict(kind, *other).0.word()).collect();
            assert_eq!(row[1..], words, "{kind}");
            for other in Kind::ALL {
                let (severity, reason) = verdict(kind, other);
                let pairs = [format!("{kind}, {other}"), format!("{other}, {kind}")];
                let mut found = rows.iter().filter(|row| pairs.iter().any(|pair| row[0] == pair));
                let row = found.next().unwrap();
                assert_eq!(row[1..], [severity.word(), reason], "{kind}, {other}");
                assert_eq!(found.count(), 0, "{kind}, {other} twice");
            }
        }
    }

    /// What the seed's own class printed, without the pairs that it had forgotten.
    #[test]
    fn the_pairs_of_the_seed_are_as_the_seed_has_them() {
        use Kind::{Config, Deploy, Health, Read, Restart, Scale, Start, Stop};
        let pairs = [
            (Read, Read, 'N'),
            (Read, Config, 'L'),
            (Read, Scale, 'L'),
            (Read, Health, 'N'),
            (Config, Config, 'M'),
            (Config, Restart, 'H'),
            (Config, Deploy, 'H'),
            (Restart, Restart, 'C'),
            (Restart, Stop, 'C'),
            (Restart, Start, 'C'),
            (Restart, Deploy, 'C'),
            (Restart, Scale, 'H'),
            (Restart, Health, 'M'),
            (Stop, Start, 'C'),
            (Stop, Deploy, 'C'),
            (Deploy, Scale, 'H'),
            (Health, Health, 'N'),
        ];
        for (one, other, expected) in pairs {
            assert_eq!(letter(verdict(one, other).0), expected, "{one} {other}");
        }
    }

    fn letter(severity: Severity) -> char {
        severity.word().chars().next().unwrap().to_ascii_uppercase()
    }
}
