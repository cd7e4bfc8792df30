//! The `execution` and `cold_start` sections: order, repetition, limits, tries.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::campaign::verdict::Verdict;
use crate::duration::Time;

/// The order in which the runs of a campaign follow each other.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Structure {
    /// All experiments once, then all again.
    #[default]
    Interleaved,
    /// As interleaved, with each cycle in a new random order.
    Shuffled,
    /// All cycles of one experiment, then the next experiment.
    Grouped,
    /// As interleaved, each cycle in another order of a Latin square: over as many cycles as there
    /// are experiments, each stands at each place once.
    Balanced,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interleaved => "interleaved",
            Self::Shuffled => "shuffled",
            Self::Grouped => "grouped",
            Self::Balanced => "balanced",
        })
    }
}

/// Order, repetition and limits of the runs.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Execution {
    /// How often each experiment runs. Default 3.
    #[schemars(range(min = 1))]
    pub cycles: Option<u32>,
    /// Default `interleaved`.
    pub structure: Option<Structure>,
    /// Seed of `shuffled`; drawn and recorded when absent.
    pub seed: Option<u64>,
    /// Pause after a run. Default 60 s.
    pub config_gap_seconds: Option<Time>,
    /// Pause at the end of a cycle, instead of the other. Default 300 s.
    pub cycle_gap_seconds: Option<Time>,
    /// Handed to the experiment as `LEM_WARMUP_PROMPTS`. Default 5.
    pub warmup_prompts: Option<u32>,
    /// Handed to the experiment as `LEM_WARMUP_TIMEOUT`, in seconds. Default 30.
    pub warmup_timeout_seconds: Option<Time>,
    /// Time limit of one run; none by default.
    pub timeout: Option<Time>,
    /// A run that says nothing for so long is stopped; none by default.
    pub idle_timeout: Option<Time>,
    /// How long a container may take until the run in it has begun. Default 60 s.
    pub start_timeout: Option<Time>,
    /// Time between TERM and KILL when a run is stopped. Default 10 s.
    pub stop_grace_period: Option<Time>,
    /// Whether a run without a result has failed. Default: true for the default command, false for
    /// a `command` of your own.
    pub require_result: Option<bool>,
    /// When a run that failed is tried again. Default: never.
    pub retry: Option<Retry>,
    /// The campaign ends after so many failed runs: a number, or a share such as `50%`.
    pub stop_after_failures: Option<StopAfter>,
    /// Whether the campaign has its GPUs to itself: other campaigns and `lem` commands wait for
    /// them, and it waits for others. Default: where a service reserves GPUs.
    pub exclusive: Option<bool>,
}

/// When a run is tried again, and how long lem waits before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Retry {
    /// Tries of one run, the first included.
    #[schemars(range(min = 1))]
    pub max_attempts: u32,
    /// Wait before the second try.
    pub base_delay: Time,
    /// Each further wait is so many times longer.
    pub factor: f32,
    /// The longest wait.
    pub max_delay: Time,
    /// The verdicts that another try may help.
    pub on: Vec<Verdict>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 1,
            base_delay: Time::seconds(2),
            factor: 2.0,
            max_delay: Time::seconds(60),
            on: vec![
                Verdict::OomKilled,
                Verdict::GpuLost,
                Verdict::EngineLost,
                Verdict::TimedOut,
                Verdict::Idle,
            ],
        }
    }
}

/// How many failed runs end a campaign.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum StopAfter {
    /// So many.
    Count(u32),
    /// This share of all runs, in percent.
    Percent(f64),
}

impl StopAfter {
    /// Whether `failed` of `total` runs are too many.
    pub(crate) fn reached(self, failed: usize, total: usize) -> bool {
        let exact = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        match self {
            Self::Count(count) => failed >= count as usize,
            Self::Percent(share) => exact(failed) * 100.0 >= share * exact(total),
        }
    }
}

impl fmt::Display for StopAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

/// A text that is neither a count nor a share.
#[derive(Debug, thiserror::Error)]
#[error("expected a number of runs from 1, or a share such as `50%`")]
pub(crate) struct NotACount;

impl FromStr for StopAfter {
    type Err = NotACount;

    fn from_str(text: &str) -> Result<Self, NotACount> {
        match text.trim().strip_suffix('%') {
            Some(share) => match share.trim().parse() {
                Ok(share) if share > 0.0 && share <= 100.0 => Ok(Self::Percent(share)),
                _ => Err(NotACount),
            },
            None => match text.trim().parse() {
                Ok(count @ 1..) => Ok(Self::Count(count)),
                _ => Err(NotACount),
            },
        }
    }
}

impl<'de> Deserialize<'de> for StopAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = StopAfter;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of runs, or a share such as `50%`")
            }
            fn visit_u64<E: Error>(self, count: u64) -> Result<StopAfter, E> {
                self.visit_str(&count.to_string())
            }
            fn visit_i64<E: Error>(self, count: i64) -> Result<StopAfter, E> {
                self.visit_str(&count.to_string())
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<StopAfter, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Written)
    }
}

impl Serialize for StopAfter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for StopAfter {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StopAfter".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "a number of runs, or a share: 5, 50%",
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": "^ *[0-9.]+ *%? *$"},
            ],
        })
    }
}

/// What a run must not find warm.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct ColdStartKeys {
    /// Every run starts in a new container and is told so by `LEM_COLD_START=true`.
    pub force_cold_start: bool,
    /// A held container is restarted before every run.
    pub restart_container: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_may_end_after_a_count_or_a_share_of_failures() {
        let stop = |text: &str| text.parse::<StopAfter>();
        assert!(matches!(stop("3"), Ok(StopAfter::Count(3))));
        assert!(!stop("3").unwrap().reached(2, 4) && stop("3").unwrap().reached(3, 4));
        assert!(!stop("50%").unwrap().reached(1, 4) && stop("50%").unwrap().reached(2, 4));
        for text in ["0", "-1", "0%", "101%", "many", "", "1.5"] {
            assert!(stop(text).is_err(), "{text}");
        }
    }
}
