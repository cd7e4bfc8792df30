//! What a service holds, before and after.

use std::time::Duration;

use super::Freed;
use super::line::Line;
use crate::mebibytes::Mebibytes;

/// What stays with a process that has freed everything: the driver's context and its libraries.
const CONTEXT: Mebibytes = Mebibytes(600);
/// Of what was held, this part may stay.
const SHARE: u64 = 4;
/// How long figures that decide nothing are waited for.
const SETTLING: Duration = Duration::from_secs(2);

/// The figures of one eviction.
pub(super) struct Figures<M> {
    memory: M,
    before: Option<Mebibytes>,
    after: Option<Mebibytes>,
}

impl<M: AsyncFnMut() -> Option<Mebibytes>> Figures<M> {
    /// The first figure.
    pub(super) async fn start(mut memory: M) -> Self {
        let before = memory().await;
        Self { memory, before, after: before }
    }

    /// Whether they can judge anything.
    pub(super) fn are_known(&self) -> bool {
        self.before.is_some()
    }

    /// Whether they say that anything is held. None is also what they say of processes that can't
    /// be told apart: then the service's own word counts too.
    pub(super) fn show_any(&self) -> bool {
        self.before.is_some_and(|before| before > Mebibytes(0))
    }

    /// What they were.
    pub(super) fn freed(&self) -> Freed {
        Freed { before: self.before, after: self.after }
    }

    /// Waits until the service holds next to nothing any more.
    ///
    /// # Errors
    /// It still does at the limit.
    pub(super) async fn fallen(&mut self, line: &Line) -> Result<(), String> {
        line.until(async || self.look().await).await
    }

    /// Waits some time for the figures of memory that is known to be free.
    pub(super) async fn settled(&mut self) {
        if self.are_known() {
            let soon = Line::new("", SETTLING);
            let _ = self.fallen(&soon).await;
        }
    }

    async fn look(&mut self) -> Result<(), String> {
        let now = (self.memory)().await;
        match (self.before, now) {
            (Some(before), Some(now)) => {
                self.after = Some(now);
                if is_fallen(before, now) {
                    return Ok(());
                }
                Err(format!("it answered that it would, and holds {now} of {before}"))
            }
            _ => Err("nobody says any more how much it holds".to_owned()),
        }
    }
}

fn is_fallen(before: Mebibytes, now: Mebibytes) -> bool {
    now <= CONTEXT || now <= Mebibytes(before.0 / SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f23_memory_is_free_when_next_to_nothing_is_held() {
        let fallen = |before, now| is_fallen(Mebibytes(before), Mebibytes(now));
        assert!(fallen(20_000, 5_000) && fallen(20_000, 0) && fallen(0, 0));
        assert!(!fallen(20_000, 5_001) && !fallen(20_000, 20_000) && !fallen(20_000, 30_000));
        // A context stays, however little there was.
        assert!(fallen(2_000, 600) && fallen(500, 500) && !fallen(2_000, 601));
    }
}
