//! What somebody far away is told of a campaign, made from its events. Pure, but for the time.
//!
//! No words of the runs are in it: a log may hold secrets. `text` and `content` say the same as the
//! other fields, for chats that show one of them.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::error::CampaignError;
use super::event::{Event, Summary};
use super::plan::Plan;
use super::runner::now;
use super::verdict::Verdict;
use crate::duration::{human, measured};

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Topic {
    /// The campaign begins or goes on.
    Start,
    /// A run failed.
    Failure,
    /// Every run was tried.
    Complete,
    /// The campaign ended early.
    Interrupted,
}

impl Topic {
    /// The word that the JSON has.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Failure => "failure",
            Self::Complete => "complete",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Notice {
    #[serde(rename = "event_type")]
    pub topic: Topic,
    pub campaign_name: String,
    /// The UUID of this execution.
    pub campaign_id: String,
    /// The `LEM_EXPERIMENT_ID` of a failed run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment_id: Option<String>,
    /// RFC 3339, UTC.
    pub timestamp: String,
    /// One line for people.
    pub text: String,
    /// The same line.
    pub content: String,
    pub data: Map<String, Value>,
}

/// Longest line for people, in characters: chats refuse what is too long.
const LONGEST: usize = 1000;

/// Makes the notices of one execution.
#[derive(Debug)]
pub(crate) struct Notices {
    campaign: String,
    /// Empty until the campaign has begun; before that there is nothing to tell.
    campaign_id: String,
    /// The hash of each run's experiment, by position from 1.
    experiments: Vec<String>,
}

impl Notices {
    /// For the runs of a plan.
    pub(crate) fn new(campaign: &str, plan: &Plan) -> Self {
        let experiments = plan.runs.iter().map(|run| plan.experiment(*run).hash.clone()).collect();
        Self { campaign: campaign.to_owned(), campaign_id: String::new(), experiments }
    }

    /// The notice of an event, where it has one.
    pub(crate) fn of(&mut self, event: &Event) -> Option<Notice> {
        match event {
            Event::CampaignStarted { campaign_id, strategy, runs, total, .. } => {
                self.campaign_id.clone_from(campaign_id);
                let text = format!("started: {runs} of {total} runs to do, {strategy}");
                let data = json!({"runs": runs, "total": total, "strategy": strategy});
                Some(self.notice(Topic::Start, &text, data))
            }
            Event::RunEnded { verdict: Verdict::Completed | Verdict::Interrupted, .. }
            | Event::RunEnded { retried: true, .. } => None,
            Event::RunEnded {
                run,
                experiment,
                cycle,
                position,
                verdict,
                exit_code,
                seconds,
                ..
            } => {
                let code = match (verdict, exit_code) {
                    (Verdict::Failed, Some(code)) => format!(", exit code {code}"),
                    _ => String::new(),
                };
                let text = format!("{experiment} (cycle {cycle}) {}{code}", verdict.word());
                let data = json!({
                    "run": run,
                    "config_name": experiment,
                    "cycle": cycle,
                    "position": position,
                    "verdict": verdict.word(),
                    "exit_code": exit_code,
                    "seconds": seconds,
                });
                let index = usize::try_from(position.saturating_sub(1)).unwrap_or(usize::MAX);
                let mut notice = self.notice(Topic::Failure, &text, data);
                notice.experiment_id = self.experiments.get(index).cloned();
                Some(notice)
            }
            _ => None,
        }
    }

    /// The last notice: how the execution ended, and what ended it early. Nothing, if it never began.
    pub(crate) fn ended(
        &self,
        summary: Option<&Summary>,
        reason: Option<&CampaignError>,
    ) -> Option<Notice> {
        if self.campaign_id.is_empty() {
            return None;
        }
        let mut data = summary.map(numbers).unwrap_or_default();
        let Some(reason) = reason else {
            let text = format!("complete: {}", counts(summary?));
            return Some(self.notice(Topic::Complete, &text, data.into()));
        };
        data.insert("reason".to_owned(), reason.to_string().into());
        let text = match summary {
            Some(summary) => format!("interrupted ({reason}): {}", counts(summary)),
            None => format!("interrupted ({reason})"),
        };
        Some(self.notice(Topic::Interrupted, &text, data.into()))
    }

    fn notice(&self, topic: Topic, text: &str, data: Value) -> Notice {
        let text: String = format!("{}: {text}", self.campaign).chars().take(LONGEST).collect();
        let data = match data {
            Value::Object(data) => data,
            _ => Map::new(),
        };
        Notice {
            topic,
            campaign_name: self.campaign.clone(),
            campaign_id: self.campaign_id.clone(),
            experiment_id: None,
            timestamp: now(),
            content: text.clone(),
            text,
            data,
        }
    }
}

fn counts(summary: &Summary) -> String {
    let Summary { completed, total, failed, seconds, .. } = summary;
    let time = human(measured(*seconds));
    format!("{completed} of {total} runs completed, {failed} failed, in {time}")
}

fn numbers(summary: &Summary) -> Map<String, Value> {
    let entry = |name: &str, value: Value| (name.to_owned(), value);
    Map::from_iter([
        entry("completed", summary.completed.into()),
        entry("failed", summary.failed.into()),
        entry("total", summary.total.into()),
        entry("remaining", summary.remaining.into()),
        entry("seconds", summary.seconds.into()),
    ])
}
