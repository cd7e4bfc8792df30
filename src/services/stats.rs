//! What the journal says about each service, counted. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::journal::{Act, Entry, Outcome, Verb};

/// The history of one service.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub(crate) struct Stats {
    /// How often it was asked for: `ensure`, `switch`, `phase` and leases.
    pub availability_checks: u64,
    /// Of these, how often it was there already.
    pub reused: u64,
    pub successful_switches: u64,
    pub failed_switches: u64,
    pub starts: u64,
    pub failed_starts: u64,
    pub stops: u64,
    pub failed_stops: u64,
    /// Stops that needed a kill.
    pub kills: u64,
    pub last_used: Option<Timestamp>,
    /// Of the starts that succeeded, from the command to healthy.
    pub mean_start_seconds: Option<f64>,
    #[serde(skip)]
    start_seconds: f64,
}

/// Counts lines by service.
#[derive(Debug, Default)]
pub(crate) struct Counted(pub BTreeMap<String, Stats>);

impl Counted {
    /// Counts one line.
    pub(crate) fn add(&mut self, entry: &Entry) {
        let stats = self.0.entry(entry.service.clone()).or_default();
        let done = entry.outcome == Outcome::Done;
        let count = |good: &mut u64, bad: &mut u64| *if done { good } else { bad } += 1;
        match entry.act {
            Act::Check => stats.reused += u64::from(done),
            Act::Start => {
                count(&mut stats.starts, &mut stats.failed_starts);
                if done {
                    stats.start_seconds += entry.seconds;
                }
            }
            Act::Stop => {
                count(&mut stats.stops, &mut stats.failed_stops);
                stats.kills += u64::from(entry.escalated);
            }
            Act::Evict => {}
        }
        if entry.asked && matches!(entry.act, Act::Check | Act::Start) {
            stats.availability_checks += 1;
            if done {
                stats.last_used = stats.last_used.max(Some(entry.at));
            }
            if entry.verb == Verb::Switch {
                count(&mut stats.successful_switches, &mut stats.failed_switches);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "nobody starts a service 2^52 times")]
        let number = stats.starts as f64;
        stats.mean_start_seconds = (stats.starts > 0).then(|| stats.start_seconds / number);
    }
}
