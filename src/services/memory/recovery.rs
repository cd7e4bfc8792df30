//! The wait for memory that was given up: it comes back a moment after its holder is gone.

use std::time::{Duration, Instant};

use super::card::{Cards, Sight};
use super::eviction::Ask;
use super::fit::{room, signed};
use super::measured::{Measured, Member, measured};
use crate::cancel::Cancel;
use crate::gpu::look::Lookout;
use crate::gpu::processes::identity;
use crate::mebibytes::Mebibytes;
use crate::services::error::ServiceError;
use crate::services::registry::Budget;

/// As long as memory may take to come back, unless the registry says otherwise.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// Shorter than this, nothing was waited for.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(20);
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Waits until `ask` fits on all its GPUs, beside `staying`: not until more is free than before,
/// which says nothing. How long that took. What is not measured is not waited for.
pub(crate) async fn wait(
    lookout: &Lookout,
    sight: Sight,
    ask: &Ask,
    staying: &[Member],
    limit: Duration,
    cancel: &Cancel,
) -> Result<Duration, ServiceError> {
    let began = Instant::now();
    if sight != Sight::Measured || ask.need.0 == 0 {
        return Ok(began.elapsed());
    }
    let waiting = async {
        loop {
            let looked = look(lookout, ask, staying).await;
            let waited = began.elapsed();
            match looked {
                Ok(None) => return Ok(waited),
                Ok(Some(obstacle)) if waited >= limit => return Err(obstacle.error(ask, waited)),
                Err(error) if waited >= limit => return Err(error),
                // The driver may have been busy: one look that failed says nothing.
                Ok(Some(_)) | Err(_) => {
                    // So small a part of the wait that no look is late by more.
                    let pause = (waited / 16).clamp(FIRST_PAUSE, LONGEST_PAUSE);
                    tokio::time::sleep(pause.min(limit.saturating_sub(waited))).await;
                }
            }
        }
    };
    tokio::select! {
        ended = waiting => ended,
        signal = cancel.raised() => Err(ServiceError::Cancelled { signal }),
    }
}

/// A GPU on which it does not fit yet.
#[derive(Debug, PartialEq, Eq)]
struct Obstacle {
    gpu: String,
    free: Mebibytes,
    holders: Vec<String>,
}

impl Obstacle {
    fn error(self, ask: &Ask, waited: Duration) -> ServiceError {
        let Self { gpu, free, holders } = self;
        let (name, need, headroom) = (ask.name.clone(), ask.need, ask.headroom);
        ServiceError::NotRecovered { name, gpu, need, headroom, free, waited, holders }
    }
}

async fn look(
    lookout: &Lookout,
    ask: &Ask,
    staying: &[Member],
) -> Result<Option<Obstacle>, ServiceError> {
    let reading = lookout.look().await?;
    let cards = Cards::of(Ok(&reading), &Budget::Unsaid, [])?;
    let measured = measured(Some(&reading), staying, identity);
    Ok(obstacle(&cards, ask, &measured))
}

fn obstacle(cards: &Cards, ask: &Ask, measured: &Measured) -> Option<Obstacle> {
    let wants = signed(ask.need).saturating_add(signed(ask.headroom));
    let mut asked = cards.all.iter().filter(|card| ask.gpus.contains(&card.key));
    asked.find_map(|card| {
        let shares = measured.services.values().filter_map(|held| held.shares.get(&card.key));
        let room = room(card.memory?, shares.copied());
        (room < wants).then(|| Obstacle {
            gpu: card.shown.clone(),
            free: Mebibytes(u64::try_from(room).unwrap_or(0)),
            holders: measured.holders(card),
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cancel::{Signal, pair};
    use crate::gpu::memory::Memory;
    use crate::gpu::reading::{Gpu, Mig, Reading};
    use crate::services::memory::eviction::Bar;
    use crate::services::memory::measured::Lives;

    fn ask(need: u64) -> Ask {
        Ask {
            name: "next".into(),
            need: Mebibytes(need),
            headroom: Mebibytes(0),
            gpus: BTreeSet::from(["GPU-a".to_owned()]),
            priority: 0,
            bar: Bar::LowerOnly,
            wanted: BTreeSet::new(),
        }
    }

    // F40
    #[tokio::test]
    async fn without_nvml_there_is_nothing_to_wait_for() {
        let (_raise, cancel) = pair();
        for (sight, need) in [(Sight::Nothing, 9), (Sight::Declared, 9), (Sight::Measured, 0)] {
            let waited = wait(&Lookout::default(), sight, &ask(need), &[], LIMIT, &cancel).await;
            assert!(waited.is_ok(), "{sight:?} {need}");
        }
    }

    fn card(free: u64) -> Cards {
        let memory = Memory { used: Mebibytes(0), free: Mebibytes(free), total: Mebibytes(24_000) };
        let gpu = Gpu {
            index: 3,
            uuid: Some("GPU-a".into()),
            name: None,
            mig: Mig::Off,
            memory: Some(memory),
            temperature: None,
            power: None,
            power_limit: None,
            utilization: None,
            processes: None,
        };
        let reading = Reading { driver: None, gpus: vec![gpu], silent: Vec::new() };
        Cards::of(Ok(&reading), &Budget::Unsaid, []).unwrap()
    }

    // F9
    #[test]
    fn memory_has_come_back_when_the_next_one_fits_and_not_when_the_figure_moves() {
        let nobody = Measured::default();
        // Another takes some of it meanwhile: less is free than before the stop.
        for free in [5000, 4000, 3000, 17_999] {
            let found = obstacle(&card(free), &ask(18_000), &nobody).unwrap();
            assert_eq!((found.gpu.as_str(), found.free), ("3", Mebibytes(free)));
        }
        assert_eq!(obstacle(&card(18_000), &ask(18_000), &nobody), None);
    }

    // F9
    #[test]
    fn what_another_has_yet_to_take_has_not_come_back() {
        let gpus = BTreeSet::from(["GPU-a".to_owned()]);
        let lives = Lives::Processes(BTreeSet::new());
        let loading = Member { name: "l".into(), need: Mebibytes(4000), gpus, lives };
        let found = measured(None, &[loading], identity);
        let less = obstacle(&card(20_000), &ask(18_000), &found).unwrap();
        assert_eq!(less.free, Mebibytes(16_000));
        assert_eq!(obstacle(&card(22_000), &ask(18_000), &found), None);
    }

    // F9
    #[tokio::test]
    async fn a_driver_that_does_not_answer_is_asked_again_until_the_limit() {
        let (_raise, cancel) = pair();
        let (limit, began) = (Duration::from_millis(200), Instant::now());
        let waited = wait(&Lookout::default(), Sight::Measured, &ask(9), &[], limit, &cancel).await;
        // Where there is a driver, it answers.
        assert!(waited.is_ok() || began.elapsed() >= limit, "{waited:?}");
    }

    #[tokio::test]
    async fn whoever_wants_to_stop_waits_no_longer() {
        let (raise, cancel) = pair();
        raise.raise(Signal::Interrupt);
        let lookout = Lookout::default();
        let waited = wait(&lookout, Sight::Measured, &ask(9), &[], LIMIT, &cancel).await;
        // Where there is no driver, that may be known first.
        assert!(matches!(waited, Err(ServiceError::Cancelled { .. } | ServiceError::Gpu(_))));
    }
}
