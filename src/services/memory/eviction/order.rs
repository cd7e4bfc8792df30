//! In which order services are kept, and in which they stop.

use std::cmp::Reverse;

use jiff::Timestamp;

use super::Candidate;

/// Those that should rather stay come first.
pub(super) fn most_important_first(candidates: &mut [&Candidate]) {
    candidates.sort_by_key(|one| Reverse(rank(one)));
}

/// The lower, the sooner a service goes: by priority, whether it computes, when it was last used
/// (never is longest ago), and its name.
fn rank(one: &Candidate) -> (i64, bool, Option<Timestamp>, &str) {
    (one.priority, one.busy, one.last_used, &one.name)
}

/// Who needs another stops before it; else who is least important stops first.
pub(super) fn of_stops<'a>(victims: &[&'a Candidate]) -> Vec<&'a Candidate> {
    let mut left: Vec<&Candidate> = victims.to_vec();
    left.sort_by_key(|one| rank(one));
    let mut order = Vec::new();
    while !left.is_empty() {
        let is_needed =
            |one: &&Candidate| left.iter().any(|other| one.dependants.contains(&other.name));
        // Those that need each other in a circle: any.
        let next = left.iter().position(|one| !is_needed(one)).unwrap_or(0);
        order.push(left.remove(next));
    }
    order
}
