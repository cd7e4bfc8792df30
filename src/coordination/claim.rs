//! Claims: what a part of an operation takes of the tree, and which claims get on.
//!
//! The five modes are those of the lock tables of databases: a claim on something is an intention
//! (`IS`, `IX`) on everything above it.

use std::collections::BTreeMap;

use super::kind::Kind;
use super::part::{Act, Part};
use super::resource::{Level, Resource};

/// How a place of the tree is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// Something below it is shared.
    IntentShared,
    /// Something below it is exclusive.
    IntentExclusive,
    /// It stays as it is; others may want that too.
    Shared,
    /// It stays as it is but for something below it, which is exclusive.
    SharedIntentExclusive,
    /// Nobody else has it, or anything of it.
    Exclusive,
}

impl Mode {
    /// Whether two may have these claims of one place at once.
    pub(crate) fn gets_on_with(self, other: Self) -> bool {
        use Mode::{
            IntentExclusive as IX, IntentShared as IS, Shared as S, SharedIntentExclusive as SIX,
        };
        matches!((self, other), (IS, IS | IX | S | SIX) | (IX | S | SIX, IS) | (IX, IX) | (S, S))
    }

    /// The mode that holds what both hold.
    pub(crate) fn and(self, other: Self) -> Self {
        use Mode::{
            Exclusive as X, IntentExclusive as IX, IntentShared as IS, Shared as S,
            SharedIntentExclusive as SIX,
        };
        match (self, other) {
            (X, _) | (_, X) => X,
            (SIX, _) | (_, SIX) | (S, IX) | (IX, S) => SIX,
            (S, _) | (_, S) => S,
            (IX, _) | (_, IX) => IX,
            (IS, IS) => IS,
        }
    }
}

/// Everything that a part claims.
pub(crate) type Claims = BTreeMap<Resource, Mode>;

/// What a part of an operation claims, with the intentions on everything above.
pub(crate) fn claims(part: &Part) -> Claims {
    use Mode::{
        Exclusive as X, IntentExclusive as IX, IntentShared as IS, Shared as S,
        SharedIntentExclusive as SIX,
    };
    let mut claims = Claims::new();
    let mut claim = |resource: Resource, mode: Mode| {
        let intention = if matches!(mode, IS | S) { IS } else { IX };
        for above in resource.above() {
            add(&mut claims, above, intention);
        }
        add(&mut claims, resource, mode);
    };
    let own = &part.resource;
    match part.act {
        Act::Kind(Kind::Read | Kind::Health) => {}
        Act::Kind(_) if own.level() == Level::Project || own.level() == Level::Engine => {
            claim(own.clone(), X);
        }
        Act::Kind(Kind::Config) => {
            let configuration = own.below(Level::Configuration, "");
            if part.keys.is_empty() {
                claim(configuration, X);
            } else {
                for key in &part.keys {
                    claim(configuration.below(Level::Key, key), X);
                }
            }
        }
        Act::Kind(Kind::Start | Kind::Stop | Kind::Restart) => {
            claim(own.below(Level::Lifecycle, ""), X);
            claim(own.below(Level::Configuration, ""), S);
        }
        Act::Kind(Kind::Scale) => {
            claim(own.clone(), SIX);
            claim(own.below(Level::Replicas, ""), X);
        }
        Act::Kind(Kind::Deploy) | Act::Exclusive => claim(own.clone(), X),
        Act::Shared => claim(own.clone(), S),
    }
    claims
}

fn add(claims: &mut Claims, resource: Resource, mode: Mode) {
    claims.entry(resource).and_modify(|it| *it = it.and(mode)).or_insert(mode);
}

/// The outermost place on which two sets of claims do not get on.
pub(crate) fn clash<'a>(newcomer: &'a Claims, other: &Claims) -> Option<&'a Resource> {
    newcomer.iter().find_map(|(resource, mode)| {
        let held = other.get(resource)?;
        (!mode.gets_on_with(*held)).then_some(resource)
    })
}

/// Whether who has `held` needs nothing more to have `wanted`.
pub(crate) fn covers(held: &Claims, wanted: &Claims) -> bool {
    wanted.iter().all(|(resource, mode)| {
        let own = held.get(resource).is_some_and(|it| it.and(*mode) == *it);
        own || resource.above().any(|above| held.get(&above) == Some(&Mode::Exclusive))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordination::conflict::verdict;
    use crate::coordination::severity::Severity;

    fn part(act: Act, keys: &[&str]) -> Part {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Part { keys, ..Part::new(Resource::service("E", "shop", "api"), act) }
    }

    #[test]
    fn claims_clash_exactly_where_the_matrix_says_high_or_worse() {
        for one in Kind::ALL {
            for other in Kind::ALL {
                let clash = clash(
                    &claims(&part(Act::Kind(one), &["A"])),
                    &claims(&part(Act::Kind(other), &["B"])),
                )
                .is_some();
                assert_eq!(clash, verdict(one, other).0 >= Severity::High, "{one} {other}");
            }
        }
    }

    #[test]
    fn two_changes_of_one_key_or_of_unknown_ones_clash() {
        let config = |keys: &[&str]| claims(&part(Act::Kind(Kind::Config), keys));
        assert!(clash(&config(&["A"]), &config(&["A", "B"])).is_some());
        assert!(clash(&config(&[]), &config(&["A"])).is_some());
        assert!(clash(&config(&["A"]), &config(&["B"])).is_none());
    }

    #[test]
    fn a_shared_claim_keeps_every_change_away_and_no_look() {
        let shared = claims(&part(Act::Shared, &[]));
        for kind in Kind::ALL {
            let clash = clash(&claims(&part(Act::Kind(kind), &[])), &shared).is_some();
            assert_eq!(clash, !kind.only_looks(), "{kind}");
        }
        assert!(clash(&shared, &shared).is_none());
    }

    #[test]
    fn a_claim_of_a_project_meets_those_of_its_services_and_of_no_other() {
        let up = claims(&Part::new(Resource::project("E", "shop"), Act::Kind(Kind::Deploy)));
        let api = claims(&part(Act::Kind(Kind::Start), &[]));
        let other = Part::new(Resource::service("E", "lab", "api"), Act::Kind(Kind::Start));
        assert!(clash(&up, &api).is_some() && clash(&api, &up).is_some());
        assert!(clash(&up, &claims(&other)).is_none());
        assert!(covers(&up, &api) && !covers(&api, &up));
    }
}
