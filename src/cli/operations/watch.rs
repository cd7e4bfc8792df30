//! `lem ops watch`: how containers are, told when it changes; and with `--recover`, those that
//! broke are started again.
//!
//! 2026-11-21: off unless asked for: nothing starts a container on a machine that measures unasked.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::ledger::Book;
use super::observe::{Observation, observe};
use super::recover::{Tried, decide, start};
use super::view::{Document, Shown};
use crate::cancel::Cancel;
use crate::cli::render;
use crate::cli::runtime::block_on;
use crate::coordination::error::CoordinationError;
use crate::coordination::ledger::{Board, Known, Ledger};
use crate::coordination::recovery::{Remedy, TRIES, until};
use crate::duration::Time;

/// Tell how containers are when that changes, until Ctrl-C.
///
/// With `--recover` those that broke are started again, at most three times in a row, 10, 30 and
/// 90 s after they broke. What somebody stopped stays stopped.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// How often the engine is asked
    #[arg(long, value_name = "TIME", default_value = "30")]
    interval: Time,
    /// Start containers again that broke, or that a lost operation left stopped
    #[arg(long)]
    recover: bool,
    /// Lines of JSON on standard output
    #[arg(long)]
    json: bool,
}

/// Nobody wants to know it more often.
const SHORTEST: Duration = Duration::from_millis(100);

/// Runs `lem ops watch`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    block_on::<_, CoordinationError>(async |cancel: &Cancel| {
        let mut watch =
            Watch { json: arguments.json, seen: BTreeMap::new(), told: BTreeMap::new() };
        let interval = arguments.interval.0.max(SHORTEST);
        loop {
            let mut pause = interval;
            if let Some(book) = Book::open().await? {
                let known = book.ask(Ledger::known).await?;
                let observation = observe(&known, cancel).await;
                if arguments.recover {
                    // What was lost is started again only once it is known to be.
                    book.ask(Ledger::reclaim).await?;
                }
                let board = book.board().await?;
                watch.tell(&Document::of(&board, observation.as_ref()));
                if arguments.recover
                    && let Some(observation) = &observation
                {
                    let next = watch.recover(&book, &known, &board, observation, cancel).await?;
                    pause = pause.min(next.unwrap_or(pause)).max(SHORTEST);
                }
            }
            tokio::select! {
                () = sleep(pause) => {}
                signal = cancel.raised() => return Err(CoordinationError::Cancelled { signal }),
            }
        }
    })
}

/// What was told so far.
struct Watch {
    json: bool,
    /// State and health of each container when it was told last.
    seen: BTreeMap<String, (&'static str, Option<String>)>,
    /// Of which containers it was told that they need somebody.
    told: BTreeMap<String, String>,
}

impl Watch {
    /// Tells what has changed.
    fn tell(&mut self, document: &Document) {
        for shown in &document.containers {
            let now = (shown.state, shown.health.clone());
            let before = self.seen.insert(shown.resource.clone(), now.clone());
            if before.as_ref() != Some(&now) {
                self.changed(shown, before);
            }
        }
    }

    fn changed(&self, shown: &Shown, before: Option<(&'static str, Option<String>)>) {
        let said = |(state, health): &(&'static str, Option<String>)| match health {
            Some(health) => format!("{state}, {health}"),
            None => (*state).to_owned(),
        };
        let now = said(&(shown.state, shown.health.clone()));
        let text = match &before {
            Some(before) => format!("{} → {now}", said(before)),
            None => now,
        };
        let detail = shown.detail.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
        let (before, health) = before.map_or((None, None), |it| (Some(it.0), it.1));
        let mut event = json!({"event": "changed", "state": shown.state, "health": shown.health});
        event["before"] = json!({"state": before, "health": health});
        event["detail"] = json!(shown.detail);
        event["operation"] = json!(shown.operation);
        self.line(&shown.name, &shown.resource, &format!("{text}{detail}"), event);
    }

    fn line(&self, name: &str, resource: &str, text: &str, mut event: Value) {
        let now = Timestamp::now();
        if self.json {
            event["at"] = json!(now.to_string());
            event["container"] = json!(name);
            event["resource"] = json!(resource);
            render::json(&event);
        } else {
            let clock = now.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S");
            render::out(&format!("{clock}  {name}  {text}"));
        }
    }

    /// Starts what is to be started. How long until there may be more to do.
    async fn recover(
        &mut self,
        book: &Book,
        known: &[Known],
        board: &Board,
        observation: &Observation,
        cancel: &Cancel,
    ) -> Result<Option<Duration>, CoordinationError> {
        let mut next: Option<Duration> = None;
        for it in known {
            let Some(seen) = observation.of(&it.resource) else { continue };
            let resource = it.resource.clone();
            let lately = book.ask(move |ledger| ledger.lately(&resource)).await?;
            let path = it.resource.to_string();
            match decide(&it.resource, &seen, &lately, board, None) {
                Remedy::Leave => {
                    self.told.remove(&path);
                }
                Remedy::Later { at } => {
                    let wait = until(at, Timestamp::now());
                    next = Some(next.map_or(wait, |next| next.min(wait)));
                }
                Remedy::NeedsAttention { why } => {
                    if self.told.insert(path.clone(), why.clone()).as_ref() != Some(&why) {
                        let text = format!("needs attention: {why}, after {TRIES} starts");
                        let event = json!({"event": "needs_attention", "why": why});
                        self.line(&it.resource.short(), &path, &text, event);
                    }
                }
                Remedy::Start { number, why } => {
                    let tried = start(it, number, &why, cancel).await?;
                    self.tried(it, number, &why, &tried);
                    next = Some(Duration::ZERO).filter(|_| !matches!(tried, Tried::NotNow));
                }
            }
        }
        Ok(next)
    }

    fn tried(&self, known: &Known, number: usize, why: &str, tried: &Tried) {
        let (word, id, failed) = match tried {
            Tried::NotNow => return,
            Tried::Started { id } => ("started", id, None),
            Tried::Failed { id, why } => ("not_started", id, Some(why)),
        };
        let mut text = format!("{} again, try {number} of {TRIES}: {why}", word.replace('_', " "));
        if let Some(failed) = failed {
            text = format!("{text}; {failed}");
        }
        let event =
            json!({"event": word, "operation": id, "try": number, "why": why, "error": failed});
        self.line(&known.resource.short(), &known.resource.to_string(), &text, event);
    }
}
