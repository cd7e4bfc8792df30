//! The `notifications` section of a campaign and of the configuration files: who is told, of what.

use schemars::JsonSchema;
use serde::Deserialize;

/// Who is told what becomes of a campaign.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct NotificationKeys {
    /// Gets a JSON object by POST. A secret: whoever knows it can write to it.
    pub webhook_url: Option<String>,
    /// Gets the same object on its standard input.
    pub command: Option<Vec<String>>,
    /// Tell when a campaign starts. Default true.
    pub on_start: Option<bool>,
    /// Tell when a campaign has finished. Default true.
    pub on_complete: Option<bool>,
    /// Tell of every run that failed. Default true.
    pub on_failure: Option<bool>,
    /// Tell when a campaign was interrupted. Default true.
    pub on_interrupt: Option<bool>,
}

impl std::fmt::Debug for NotificationKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NotificationKeys { webhook_url: (secret), .. }")
    }
}
