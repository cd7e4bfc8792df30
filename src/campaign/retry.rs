//! The tries of one run: what is known before one, and how long lem waits for the next. Pure.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use super::file::Retry;
use super::verdict::Verdict;

/// What is known of the tries before this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// Nothing, if a lem was killed: one of them may still be ending.
    Unknown,
    /// This lem saw their end.
    Gone,
}

/// A try that ended.
pub(crate) struct Tried {
    pub verdict: Verdict,
    /// Which try of its run it was, from 1.
    pub attempt: u32,
    /// Whether another one follows.
    pub again: Again,
}

/// What follows a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    No,
    /// One that counts, after a wait.
    Retry,
    /// One that doesn't count: the engine was gone before anything had begun.
    ForFree,
}

/// The waits before the second try, the third, and so on.
pub(crate) fn waits(retry: &Retry) -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(retry.base_delay.0)
        .with_factor(retry.factor)
        .with_max_delay(retry.max_delay.0)
        .with_max_times(retry.max_attempts.saturating_sub(1) as usize)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::Time;

    #[test]
    fn no_wait_is_longer_than_the_longest_however_many_there_are() {
        let century = Time::seconds(100 * 365 * 86_400);
        for (base, factor, longest) in [
            (Time::seconds(2), 2.0, Time::seconds(60)),
            (century, 100.0, century),
            (Time::seconds(0), 100.0, century),
            (Time::seconds(60), 1.0, Time::seconds(1)),
        ] {
            let retry = Retry {
                max_attempts: u32::MAX,
                base_delay: base,
                factor,
                max_delay: longest,
                ..Retry::default()
            };
            let found: Vec<Duration> = waits(&retry).take(500).collect();
            assert_eq!(found.len(), 500);
            let most = longest.0.max(base.0);
            assert!(found.iter().all(|wait| *wait <= most), "{base} {factor}: {found:?}");
        }
    }
}
