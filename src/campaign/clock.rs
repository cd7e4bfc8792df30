//! One moment by two clocks. The wall clock may be set while a campaign runs, by hand or by the
//! network; the steady one says by how much.

use std::time::{Duration, Instant, SystemTime};

/// A moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub wall: SystemTime,
    steady: Instant,
}

impl Moment {
    /// This moment.
    pub(crate) fn now() -> Self {
        Self { wall: SystemTime::now(), steady: Instant::now() }
    }

    /// By how many seconds the wall clock was set forward between this moment and a later one;
    /// negative: it was set back.
    pub(crate) fn step_until(&self, later: &Self) -> f64 {
        let steady = later.steady.saturating_duration_since(self.steady);
        match later.wall.duration_since(self.wall) {
            Ok(passed) => passed.as_secs_f64() - steady.as_secs_f64(),
            Err(back) => -back.duration().as_secs_f64() - steady.as_secs_f64(),
        }
    }

    /// The time that files of this moment have by the clock of a later one: a clock that was set
    /// back gives new files old times.
    pub(crate) fn earliest(&self, file_time: SystemTime, later: &Self) -> SystemTime {
        let back = Duration::try_from_secs_f64(-self.step_until(later)).unwrap_or_default();
        file_time.checked_sub(back).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_that_is_set_back_moves_the_start_back() {
        let began = Moment::now();
        for (wall, steady, step, back) in [
            (10, 10, 0.0, 0),
            (3610, 10, 3600.0, 0),
            (-3590, 10, -3600.0, 3600),
            (0, 60, -60.0, 60),
        ] {
            let hour = Duration::from_hours(1);
            let wall = began.wall + hour + Duration::from_secs((3600_i64 + wall).cast_unsigned());
            let later = Moment {
                wall: wall - 2 * hour,
                steady: began.steady + Duration::from_secs(steady),
            };
            assert!((began.step_until(&later) - step).abs() < 1e-6, "{step}");
            let earliest = began.earliest(began.wall, &later);
            assert_eq!(earliest, began.wall - Duration::from_secs(back), "{step}");
        }
    }
}
