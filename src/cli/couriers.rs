//! Notices on their way: a thread with a bounded queue for the webhook and one for the command.
//!
//! The campaign never waits for them. At its end, after the teardown, they get some seconds to
//! deliver what is left.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError};
use std::time::Duration;

use tokio::sync::mpsc as awaited;
use tokio::time::{sleep, timeout};

use super::notifications::Audience;
use super::{render, signals};
use crate::campaign::error::CampaignError;
use crate::campaign::event::{Event, Summary};
use crate::campaign::notice::{Notice, Notices};
use crate::engine::error::EngineError;
use crate::engine::invocation::Invocation;
use crate::engine::process::{Exit, feed_blocking};
use crate::http::notify::post;
use crate::http::target::Target;
use crate::secret::{hidden_in, hide_in_json};

/// Notices that may wait for one courier. More are dropped: whoever is that slow gets no flood.
const QUEUE: usize = 64;
/// How long the end of a campaign waits for the last ones.
const DRAIN: Duration = Duration::from_secs(15);
/// After this the wait is explained.
const EXPLAINED: Duration = Duration::from_secs(1);
/// How long a courier that is called off may take to kill its command.
const CALLED_OFF: Duration = Duration::from_millis(300);
/// How long the command may take over one notice.
const COMMAND_LIMIT: Duration = Duration::from_secs(10);

/// Everybody who is told of one execution of a campaign.
pub(super) struct Couriers {
    notices: Notices,
    audience: Audience,
    queues: Vec<SyncSender<Arc<Notice>>>,
    /// Nothing is sent here; dropping them calls the couriers off.
    duties: Vec<Sender<Infallible>>,
    /// Nothing comes here; it ends when every courier has.
    done: awaited::Receiver<Infallible>,
    warnings: Receiver<String>,
    dropped: usize,
}

impl Couriers {
    /// Starts the threads that the audience needs.
    pub(super) fn start(notices: Notices, audience: Audience) -> Self {
        let (warn, warnings) = mpsc::channel();
        let (working, done) = awaited::channel(1);
        let ways = [
            audience.webhook.clone().map(Way::Webhook),
            audience.command.clone().map(Way::Command),
        ];
        let (mut queues, mut duties) = (Vec::new(), Vec::new());
        for way in ways.into_iter().flatten() {
            let (queue, notices) = mpsc::sync_channel(QUEUE);
            let (duty, on_duty) = mpsc::channel();
            let (warn, working) = (warn.clone(), working.clone());
            std::thread::spawn(move || {
                way.serve(&notices, &Duty(on_duty), &warn);
                drop(working);
            });
            queues.push(queue);
            duties.push(duty);
        }
        Self { notices, audience, queues, duties, done, warnings, dropped: 0 }
    }

    /// Hands on what is worth it, without waiting. Returns what went wrong meanwhile, for people.
    pub(super) fn tell(&mut self, event: &Event) -> Vec<String> {
        let notice = self.notices.of(event);
        self.hand_out(notice);
        self.warnings.try_iter().collect()
    }

    fn hand_out(&mut self, notice: Option<Notice>) {
        let Some(notice) = notice.filter(|notice| self.audience.wants(notice.topic)) else {
            return;
        };
        let notice = Arc::new(notice);
        for queue in &self.queues {
            self.dropped += usize::from(queue.try_send(Arc::clone(&notice)).is_err());
        }
    }

    /// Tells how it ended, and waits for the last notices: some seconds, or until the next signal.
    pub(super) async fn end(mut self, summary: Option<&Summary>, reason: Option<&CampaignError>) {
        let another = signals::another();
        let last = self.notices.ended(summary, reason);
        self.hand_out(last);
        // A courier ends when its queue is closed and empty.
        self.queues.clear();
        let explain = async {
            sleep(EXPLAINED).await;
            render::say("… delivering the last notifications (Ctrl-C leaves them)");
            std::future::pending::<()>().await;
        };
        let delivered = tokio::select! {
            _ = self.done.recv() => true,
            () = explain => false,
            () = sleep(DRAIN) => false,
            () = another => false,
        };
        if !delivered {
            self.duties.clear();
            let _ = timeout(CALLED_OFF, self.done.recv()).await;
            render::say("warning: the last notifications were left undelivered");
        }
        for warning in self.warnings.try_iter() {
            render::say(&warning);
        }
        if self.dropped > 0 {
            let dropped = self.dropped;
            render::say(&format!(
                "warning: {dropped} notifications were dropped: too many at once"
            ));
        }
    }
}

/// Whether a courier still works.
struct Duty(Receiver<Infallible>);

impl Duty {
    fn is_over(&self) -> bool {
        self.0.try_recv() == Err(TryRecvError::Disconnected)
    }

    fn pause(&self, time: Duration) -> ControlFlow<()> {
        match self.0.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => ControlFlow::Continue(()),
            Err(RecvTimeoutError::Disconnected) => ControlFlow::Break(()),
            Ok(never) => match never {},
        }
    }
}

/// One way to the audience.
enum Way {
    Webhook(Target),
    Command(Invocation),
}

impl Way {
    /// Delivers one notice after the other. The first failure is a warning; the next ones would
    /// say the same.
    fn serve(&self, notices: &Receiver<Arc<Notice>>, duty: &Duty, warn: &Sender<String>) {
        let mut warned = false;
        for notice in notices {
            let delivered = self.deliver(&notice, duty);
            if duty.is_over() {
                return;
            }
            if let (Err(reason), false) = (delivered, warned) {
                warned = true;
                let _ = warn.send(format!("warning: a notification was not delivered: {reason}"));
            }
        }
    }

    fn deliver(&self, notice: &Notice, duty: &Duty) -> Result<(), String> {
        let mut body = serde_json::to_value(notice).map_err(|error| error.to_string())?;
        hide_in_json(&mut body);
        let body = body.to_string();
        match self {
            Self::Webhook(target) => {
                post(target, &body, |time| duty.pause(time)).map_err(|error| error.to_string())
            }
            Self::Command(command) => {
                let mut command = command.clone();
                command.environment = environment(notice);
                let stop = || duty.is_over();
                let ended = feed_blocking(&command, body.as_bytes(), COMMAND_LIMIT, stop);
                // Its arguments are not shown: they may hold a token.
                judge(&command.program, ended)
            }
        }
    }
}

/// What a shell script would rather not take out of JSON.
fn environment(notice: &Notice) -> Vec<(String, String)> {
    let entry = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let datum = |name: &str| match notice.data.get(name) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    vec![
        entry("LEM_EVENT", notice.topic.word()),
        entry("LEM_CAMPAIGN_NAME", &notice.campaign_name),
        entry("LEM_CAMPAIGN_ID", &notice.campaign_id),
        entry("LEM_TEXT", &hidden_in(&notice.text)),
        entry("LEM_EXPERIMENT_NAME", &datum("config_name")),
        entry("LEM_VERDICT", &datum("verdict")),
        entry("LEM_EXIT_CODE", &datum("exit_code")),
    ]
}

fn judge(program: &Path, ended: Result<(Exit, String), EngineError>) -> Result<(), String> {
    let name = program.file_name().unwrap_or(program.as_os_str()).display();
    match ended {
        Ok((Exit::Code(0), _)) => Ok(()),
        Ok((exit, said)) => {
            let said = said.lines().rev().find(|line| !line.trim().is_empty());
            let said = said.map(|line| format!(": {}", line.trim())).unwrap_or_default();
            Err(format!("`{name}` ended with {exit}{said}"))
        }
        Err(EngineError::TimedOut { limit, .. }) => {
            Err(format!("`{name}` took longer than {} s and was killed", limit.as_secs()))
        }
        Err(EngineError::NotStarted { source, .. }) => {
            Err(format!("`{name}` can't be started: {source}"))
        }
        Err(other) => Err(other.to_string()),
    }
}
