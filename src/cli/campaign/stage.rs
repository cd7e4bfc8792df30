//! What a person or a program sees of a campaign, from the wait for its turn to its end.

use tokio::sync::mpsc::UnboundedReceiver;

use super::Manner;
use crate::campaign::decided::Campaign;
use crate::campaign::event::Event;
use crate::campaign::plan::Run;
use crate::cli::couriers::Couriers;
use crate::cli::detach;
use crate::cli::render::{self, Progress, Talk};
use crate::cli::settings::Source;

/// Where what happens is shown.
pub(super) struct Stage<'a> {
    pub progress: Progress,
    /// Once it has begun.
    pub couriers: Option<Couriers>,
    /// The UUID of this execution.
    pub id: String,
    /// It had to wait for its turn.
    pub has_waited: bool,
    pub runs: &'a [Run],
    pub manner: &'a Manner,
    source: Source,
    has_announced: bool,
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        progress: Progress,
        id: String,
        runs: &'a [Run],
        source: Source,
        manner: &'a Manner,
    ) -> Self {
        let (has_waited, has_announced, couriers) = (false, false, None);
        Self { progress, couriers, id, has_waited, runs, manner, source, has_announced }
    }

    /// Shows an event. A detached campaign says before the first one that it goes on by itself.
    pub(super) fn show(&mut self, campaign: &Campaign, event: &Event) {
        if self.manner.detached && !std::mem::replace(&mut self.has_announced, true) {
            detach::announce(campaign, &self.id, self.manner.shown());
            if self.manner.talk() != Talk::Little {
                render::plan(campaign, self.runs, self.source);
            }
        }
        self.has_waited |= matches!(event, Event::TurnWaiting { .. });
        self.progress.show(event);
        if let Some(couriers) = &mut self.couriers {
            couriers.tell(event).iter().for_each(|warning| self.progress.say(warning));
        }
    }
}

/// Does something and shows meanwhile what is heard beside it.
pub(super) async fn hearing<T>(
    work: impl Future<Output = T>,
    heard: &mut UnboundedReceiver<Event>,
    mut show: impl FnMut(&Event),
) -> T {
    let mut work = std::pin::pin!(work);
    let done = loop {
        tokio::select! {
            biased;
            Some(event) = heard.recv() => show(&event),
            done = &mut work => break done,
        }
    };
    while let Ok(event) = heard.try_recv() {
        show(&event);
    }
    done
}
