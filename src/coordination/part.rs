//! A part of an operation: what is done to one place of the tree. Most operations have one; a
//! switch of models has one for each service and GPU that it touches.

use serde::{Deserialize, Serialize};

use super::claim::{self, Claims, claims};
use super::conflict;
use super::dependency::{Graph, beside_what_it_needs, beside_what_needs_it, over};
use super::kind::Kind;
use super::resource::Resource;
use super::severity::Severity;

/// What is done to one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub resource: Resource,
    pub act: Act,
    /// Which keys of the configuration, for [`Kind::Config`]; none: any.
    pub keys: Vec<String>,
    /// Whether it only follows from another part, as the start of what a container needs. Such a
    /// part is never refused: it waits.
    pub implied: bool,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Act {
    /// Nobody may change it meanwhile.
    Shared,
    /// Nobody else may use it meanwhile.
    Exclusive,
    #[serde(untagged)]
    Kind(Kind),
}

impl Act {
    /// As people read it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Shared => "use",
            Self::Exclusive => "have",
            Self::Kind(kind) => kind.word(),
        }
    }
}

impl Part {
    pub(crate) fn new(resource: Resource, act: Act) -> Self {
        Self { resource, act, keys: Vec::new(), implied: false }
    }

    /// One that only follows from another.
    pub(crate) fn implied(resource: Resource, act: Act) -> Self {
        Self { implied: true, ..Self::new(resource, act) }
    }

    pub(crate) fn claims(&self) -> Claims {
        claims(self)
    }

    /// Whether somebody uses it, and does nothing else with it. What only has to stay while
    /// something else is done is no use of it.
    pub(crate) fn is_use(&self) -> bool {
        self.act == Act::Shared && !self.implied
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.act.word(), self.resource.short())
    }
}

/// How a part gets on with one of another operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Verdict {
    pub severity: Severity,
    pub reason: String,
}

/// How a newcomer's part gets on with one of an operation that was there before.
pub(crate) fn verdict(newcomer: &Part, other: &Part, graph: &Graph) -> Verdict {
    let same = newcomer.resource == other.resource;
    let mut verdict = match (newcomer.act, other.act) {
        (Act::Kind(one), Act::Kind(two)) if same => {
            let (severity, reason) = conflict::verdict(one, two);
            let shared_keys = (one, two) == (Kind::Config, Kind::Config)
                && claim::clash(&newcomer.claims(), &other.claims()).is_some();
            if shared_keys {
                let reason = "both may change the same key of its configuration";
                Verdict { severity: Severity::High, reason: reason.to_owned() }
            } else {
                Verdict { severity, reason: reason.to_owned() }
            }
        }
        _ => match claim::clash(&newcomer.claims(), &other.claims()) {
            Some(place) => {
                Verdict { severity: Severity::High, reason: format!("both want {}", place.short()) }
            }
            None => needed(newcomer, other, graph),
        },
    };
    if newcomer.implied || other.implied {
        verdict.severity = verdict.severity.min(Severity::High);
    }
    verdict
}

/// The verdict where one needs the other.
fn needed(newcomer: &Part, other: &Part, graph: &Graph) -> Verdict {
    let none = || Verdict { severity: Severity::None, reason: String::new() };
    let (Act::Kind(one), Act::Kind(two)) = (newcomer.act, other.act) else { return none() };
    let (new, old) = (&newcomer.resource, &other.resource);
    if let Some(hops) = graph.hops(new, old) {
        return Verdict {
            severity: over(beside_what_it_needs(one, two), hops),
            reason: format!("{} needs {}", new.short(), old.short()),
        };
    }
    if let Some(hops) = graph.hops(old, new) {
        return Verdict {
            severity: over(beside_what_needs_it(one, two), hops),
            reason: format!("{} needs {}", old.short(), new.short()),
        };
    }
    none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, kind: Kind) -> Part {
        Part::new(Resource::name(name), Act::Kind(kind))
    }

    fn shop() -> Graph {
        let mut graph = Graph::default();
        graph.add(Resource::name("web"), [Resource::name("api")]);
        graph.add(Resource::name("api"), [Resource::name("db")]);
        graph
    }

    #[test]
    fn a_restart_of_what_it_needs_queues_a_start_and_lets_a_stop_pass() {
        let severity = |newcomer, other| verdict(&newcomer, &other, &shop()).severity;
        let restart = |name| part(name, Kind::Restart);
        assert_eq!(severity(part("web", Kind::Start), restart("api")), Severity::High);
        assert_eq!(severity(part("web", Kind::Start), restart("db")), Severity::Medium);
        assert_eq!(severity(part("web", Kind::Stop), restart("api")), Severity::Low);
        assert_eq!(severity(part("web", Kind::Read), restart("api")), Severity::Low);
        assert_eq!(severity(restart("api"), part("web", Kind::Deploy)), Severity::High);
        assert_eq!(severity(part("other", Kind::Start), restart("api")), Severity::None);
    }

    #[test]
    fn what_only_follows_from_something_else_waits_and_is_never_refused() {
        let implied = Part::implied(Resource::name("db"), Act::Kind(Kind::Start));
        let start = part("db", Kind::Start);
        assert_eq!(verdict(&implied, &start, &shop()).severity, Severity::High);
        assert_eq!(verdict(&start, &implied, &shop()).severity, Severity::High);
        assert_eq!(verdict(&start, &start, &shop()).severity, Severity::Critical);
    }

    #[test]
    fn what_is_only_kept_while_something_else_is_done_is_no_use_of_it() {
        let x = Resource::name("x");
        assert!(Part::new(x.clone(), Act::Shared).is_use());
        assert!(!Part::implied(x.clone(), Act::Shared).is_use());
        assert!(!Part::new(x, Act::Exclusive).is_use());
    }

    #[test]
    fn changes_of_the_same_key_wait_and_of_different_ones_run_with_a_warning() {
        let config = |keys: &[&str]| Part {
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            ..part("api", Kind::Config)
        };
        let severity = |one: &[&str], two: &[&str]| {
            verdict(&config(one), &config(two), &Graph::default()).severity
        };
        assert_eq!(severity(&["A"], &["B"]), Severity::Medium);
        assert_eq!(severity(&["A"], &["A"]), Severity::High);
        assert_eq!(severity(&[], &["A"]), Severity::High);
    }
}
