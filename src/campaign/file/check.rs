//! What in a campaign file makes no sense, whatever the machine.

use std::path::Path;

use super::CampaignFile;
use crate::campaign::error::CampaignError;
use crate::campaign::verdict::Verdict;

/// How a timetable is made where it is at home.
const TIMETABLE: &str = "lem runs a campaign when it is called; call it from a systemd timer or \
                         from cron (`0 22 * * * lem campaign /path/campaign.yaml --fresh --yes`), \
                         and remove the section or set `enabled: false`";

impl CampaignFile {
    /// Checks what needs no machine; `path` is where it is written.
    pub(crate) fn check(&self, path: &Path) -> Result<(), CampaignError> {
        let refuse = |key: &str, reason: &str| {
            Err(CampaignError::Senseless {
                path: path.to_owned(),
                key: key.to_owned(),
                reason: reason.to_owned(),
            })
        };
        if self.campaign_name.trim().is_empty() {
            return refuse("campaign_name", "a campaign needs a name");
        }
        if self.campaign_name.chars().any(char::is_control) || self.campaign_name.len() > 200 {
            return refuse("campaign_name", "at most 200 bytes and no control characters");
        }
        if self.execution.cycles == Some(0) {
            return refuse("execution.cycles", "at least 1 cycle");
        }
        if self.num_samples == Some(0) {
            return refuse("num_samples", "at least 1 sample");
        }
        if self.command.as_ref().is_some_and(Vec::is_empty) {
            return refuse("command", "the command is empty");
        }
        if self.docker.hold_command.as_ref().is_some_and(Vec::is_empty) {
            return refuse("docker.hold_command", "the command is empty");
        }
        if self.execution.timeout.is_some_and(|t| t.0.is_zero()) {
            return refuse("execution.timeout", "a run can't end in no time");
        }
        if self.execution.idle_timeout.is_some_and(|t| t.0.is_zero()) {
            return refuse("execution.idle_timeout", "no run says something all the time");
        }
        if let Some(retry) = &self.execution.retry {
            if retry.max_attempts == 0 {
                return refuse("execution.retry.max_attempts", "the first try counts: at least 1");
            }
            if !(1.0..=100.0).contains(&retry.factor) {
                return refuse(
                    "execution.retry.factor",
                    "from 1 to 100: a wait never gets shorter",
                );
            }
            if retry.on.contains(&Verdict::Completed) || retry.on.contains(&Verdict::Interrupted) {
                return refuse(
                    "execution.retry.on",
                    "`completed` and `interrupted` are no failures",
                );
            }
        }
        let share = self.health_check.gpu_memory_threshold_pct;
        if !(50.0..=100.0).contains(&share) {
            return refuse("health_check.gpu_memory_threshold_pct", "a share from 50 to 100");
        }
        if self.health_check.max_idle_power.is_some_and(|watts| !watts.is_finite() || watts <= 0.0)
        {
            return refuse("health_check.max_idle_power", "expected watts above 0");
        }
        if self.group_by.iter().any(|key| key.trim().is_empty()) {
            return refuse("group_by", "an empty key names nothing");
        }
        let manifest = Path::new(&self.io.manifest_filename);
        let is_name = manifest.file_name() == Some(manifest.as_os_str());
        if !is_name || manifest.extension().is_none_or(|extension| extension != "json") {
            return refuse(
                "io.manifest_filename",
                "expected the name of a file that ends in `.json`, without folders",
            );
        }
        if self.notifications.command.as_ref().is_some_and(Vec::is_empty) {
            return refuse("notifications.command", "the command is empty");
        }
        if self.schedule.as_ref().is_some_and(super::Schedule::is_wanted) {
            return refuse("schedule", TIMETABLE);
        }
        if self.daemon.as_ref().is_some_and(|daemon| daemon.enabled) {
            return refuse("daemon", TIMETABLE);
        }
        if self.configs.is_empty() && self.grid.is_none() && self.experiments.is_empty() {
            return refuse(
                "configs",
                "there is nothing to run: add `configs`, `grid` or `experiments`",
            );
        }
        Ok(())
    }
}
