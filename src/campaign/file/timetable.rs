//! The `schedule` and `daemon` sections. lem runs a campaign when it is called: what calls it at a
//! time of day is a systemd timer or cron, which survive a reboot, so a timetable is refused with
//! the line that makes one (2026-11-21).

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Times of day to start at.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Schedule {
    /// `false`: the section means nothing.
    pub enabled: Option<bool>,
    /// `HH:MM`.
    pub at: Option<Value>,
    /// `mon`, `weekdays`, …
    pub days: Option<Value>,
}

/// A campaign that starts again and again.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Daemon {
    /// `false`, the default: the section means nothing.
    pub enabled: bool,
    /// `HH:MM`.
    pub at: Option<Value>,
    /// `6h`, `30m`.
    pub interval: Option<Value>,
    /// `24h`.
    pub total_duration: Option<Value>,
    /// Whether its progress is shown.
    pub quiet: Option<Value>,
}

impl Schedule {
    /// Whether the section asks for something.
    pub(crate) fn is_wanted(&self) -> bool {
        self.enabled.unwrap_or(self.at.is_some() || self.days.is_some())
    }
}
