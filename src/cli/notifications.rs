//! Who is told of a campaign, and of what: checked before anything starts.

use std::path::{Path, PathBuf};

use super::settings::{Row, Source, source_of};
use crate::campaign::error::CampaignError;
use crate::campaign::notice::Topic;
use crate::campaign::settings::Notifications;
use crate::engine::invocation::Invocation;
use crate::http::target::Target;

/// The key of the webhook's address.
const WEBHOOK_URL: &str = "notifications.webhook_url";

/// Who is told, and of what.
#[derive(Debug, Clone)]
pub(super) struct Audience {
    pub webhook: Option<Target>,
    /// Starts in the campaign's folder.
    pub command: Option<Invocation>,
    topics: Vec<Topic>,
}

impl Audience {
    /// From the settings of the campaign in `file`, whose relative paths begin at `base`.
    ///
    /// # Errors
    /// The address of the webhook is none; the error names the place that says it.
    pub(super) fn check(
        wanted: &Notifications,
        rows: &[Row],
        file: &Path,
        base: &Path,
    ) -> Result<Self, CampaignError> {
        let said = wanted.webhook_url.as_deref().filter(|url| !url.trim().is_empty());
        let webhook =
            said.map(Target::parse).transpose().map_err(|reason| CampaignError::Senseless {
                path: match source_of(rows, WEBHOOK_URL) {
                    Source::Campaign => file.to_owned(),
                    elsewhere => PathBuf::from(elsewhere.to_string()),
                },
                key: WEBHOOK_URL.to_owned(),
                reason: reason.to_string(),
            })?;
        let command = wanted.command.as_deref().and_then(<[String]>::split_first);
        let command = command.map(|(program, arguments)| {
            let found = which::which_in(program, std::env::var_os("PATH"), base);
            // One that is missing is a warning when it is needed, like any other failure.
            let program = found.unwrap_or_else(|_| base.join(program));
            let mut command = Invocation::new(&program, arguments);
            command.directory = Some(base.to_owned());
            command
        });
        let topics = [
            (Topic::Start, wanted.on_start),
            (Topic::Failure, wanted.on_failure),
            (Topic::Complete, wanted.on_complete),
            (Topic::Interrupted, wanted.on_interrupt),
        ];
        let topics = topics.into_iter().filter(|(_, on)| *on).map(|(topic, _)| topic).collect();
        Ok(Self { webhook, command, topics })
    }

    /// Whether this is told at all.
    pub(super) fn wants(&self, topic: Topic) -> bool {
        self.topics.contains(&topic)
    }
}
