//! A container as what a service's health is waited for.

use jiff::Timestamp;

use super::{Instance, LOOKING};
use crate::engine::life::{Checked, Status};
use crate::engine::process::capture;
use crate::services::error::ServiceError;
use crate::services::health::{Owner, Verdict};

impl Owner for Instance {
    async fn ended(&self) -> String {
        Self::ended(self).await
    }

    async fn is_alive(&self) -> Result<bool, ServiceError> {
        let life = self.life().await?;
        Ok(life.is_some_and(|life| {
            life.status == Status::Running && life.started_at == self.started_at
        }))
    }

    async fn tail(&self, lines: usize) -> Vec<String> {
        let (_raise, never) = crate::cancel::pair();
        let most = u32::try_from(lines).unwrap_or(u32::MAX);
        let question = match self.started_at {
            Some(since) => self.docker.logs_since(since, most, &self.id),
            None => self.docker.logs(most, &self.id),
        };
        match capture(&question, LOOKING, &never).await {
            Ok(reply) => {
                let said: Vec<&str> = reply.stdout.lines().chain(reply.stderr.lines()).collect();
                let from = said.len().saturating_sub(lines);
                said[from..].iter().map(|line| (*line).to_owned()).collect()
            }
            Err(_) => Vec::new(),
        }
    }

    /// The time of its last line: docker counts no lines.
    async fn said(&self) -> Option<u64> {
        let (_raise, never) = crate::cancel::pair();
        let question = self.docker.last_line(&self.id);
        let reply = capture(&question, LOOKING, &never).await.ok()?;
        let (stdout, stderr) = (moment(&reply.stdout), moment(&reply.stderr));
        // Some logging drivers can't be read.
        reply.success(&question).ok().map(|_| stdout.max(stderr))
    }

    async fn own_verdict(&self) -> Result<Option<Verdict>, ServiceError> {
        let health = self.life().await?.and_then(|life| life.health);
        Ok(health.map(|health| match health {
            Checked::Starting => Verdict::Starting,
            Checked::Healthy => Verdict::Healthy,
            Checked::Unhealthy => Verdict::Unhealthy,
        }))
    }
}

/// When the last line of `docker logs --timestamps` was said, in nanoseconds; 0 for none.
fn moment(text: &str) -> u64 {
    let word = text.lines().last().and_then(|line| line.split(' ').next());
    let time = word.and_then(|word| word.parse::<Timestamp>().ok());
    time.and_then(|time| u64::try_from(time.as_nanosecond()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_last_line_is_what_was_said_so_far() {
        let line = "2026-01-02T03:04:05.000000006Z loading 10 %\n";
        assert_eq!(moment(line), 1_767_323_045_000_000_006);
        assert_eq!((moment(""), moment("nonsense\n")), (0, 0));
        let later = format!("{line}2026-01-02T03:04:05.000000007Z\n");
        assert_eq!(moment(&later), moment(line) + 1);
    }
}
