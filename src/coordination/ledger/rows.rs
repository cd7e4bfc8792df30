//! Operations and owners as rows.

use std::path::Path;
use std::time::Duration;

use diesel::prelude::*;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::schema::{operations, owners};
use super::vantage::Vantage;
use crate::coordination::operation::{
    Moment, Operation, OperationId, State, Step, Token, Wish, millis,
};
use crate::coordination::owner::Owner;
use crate::coordination::part::{Act, Part};

/// An operation as it is kept.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = operations)]
pub(super) struct OperationRow {
    pub id: i64,
    pub state: String,
    pub parts: String,
    pub what: String,
    pub command: Option<String>,
    pub agent: String,
    pub reason: Option<String>,
    pub priority: i32,
    pub rank: i64,
    pub project: String,
    pub on_conflict: String,
    pub over_shared: bool,
    pub parent: Option<i64>,
    pub requested_at: String,
    pub started_at: Option<String>,
    pub ended_at: Option<String>,
    pub queued: i64,
    pub started: Option<i64>,
    pub took: Option<i64>,
    pub waited: Option<i64>,
    pub expect: Option<i64>,
    pub limit_ms: Option<i64>,
    pub owner: String,
    pub who: String,
    pub token: Option<i64>,
    pub step: Option<String>,
    pub step_until: Option<i64>,
    pub settle: i64,
    pub freed: Option<i64>,
    pub cancel: Option<String>,
    pub exit_code: Option<i32>,
    pub note: Option<String>,
}

/// An operation that begins to be kept.
#[derive(Debug, Insertable)]
#[diesel(table_name = operations)]
pub(super) struct NewOperation<'a> {
    pub state: String,
    pub kind: Option<&'static str>,
    pub parts: String,
    pub what: &'a str,
    pub command: Option<&'a str>,
    pub agent: &'a str,
    pub reason: Option<&'a str>,
    pub priority: i32,
    pub rank: i64,
    pub project: String,
    pub on_conflict: String,
    pub over_shared: bool,
    pub parent: Option<i64>,
    pub requested_at: String,
    pub started_at: Option<String>,
    pub ended_at: Option<String>,
    pub queued: i64,
    pub started: Option<i64>,
    pub took: Option<i64>,
    pub waited: Option<i64>,
    pub expect: Option<i64>,
    pub limit_ms: Option<i64>,
    pub owner: &'a str,
    pub who: &'a str,
    pub token: Option<i64>,
    pub settle: i64,
    pub note: Option<String>,
}

impl<'a> NewOperation<'a> {
    /// A wish that is asked for now.
    pub(super) fn new(wish: &'a Wish, owner: &'a Owner, now: Moment, group: String) -> Self {
        Self {
            state: to_word(State::Queued),
            kind: wish.kind().map(crate::coordination::kind::Kind::word),
            parts: parts_to_text(&wish.parts),
            what: &wish.what,
            command: wish.command.as_deref(),
            agent: &wish.agent,
            reason: wish.reason.as_deref(),
            priority: i32::from(wish.priority.number()),
            rank: wish.priority.rank(now),
            project: group,
            on_conflict: to_word(wish.on_conflict),
            over_shared: wish.over_shared,
            parent: wish.parent.map(|id| id.0),
            requested_at: Timestamp::now().to_string(),
            started_at: None,
            ended_at: None,
            queued: now.0,
            started: None,
            took: None,
            waited: None,
            expect: wish.expect.map(millis),
            limit_ms: wish.limit.map(millis),
            owner: &owner.id,
            who: &owner.who,
            token: None,
            settle: millis(wish.settle),
            note: None,
        }
    }
}

/// An owner as it is kept.
#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = owners)]
pub(super) struct OwnerRow {
    pub id: String,
    pub host: String,
    pub boot: String,
    pub pid: i64,
    pub pid_start: i64,
    pub namespace: i64,
    pub file: String,
    pub who: String,
    /// When it last said that it is well, on the ledger's clock.
    pub heartbeat: i64,
    /// How long that counts where nothing else tells whether it lives, in milliseconds; 0: not at
    /// all.
    pub lease: i64,
}

impl OwnerRow {
    pub(super) fn new(owner: &Owner, at: &Vantage) -> Self {
        Self {
            id: owner.id.clone(),
            host: owner.host.clone(),
            boot: owner.boot.clone(),
            pid: i64::from(owner.pid),
            pid_start: owner.pid_start.cast_signed(),
            namespace: owner.namespace.cast_signed(),
            file: owner.file.to_string_lossy().into_owned(),
            who: owner.who.clone(),
            heartbeat: at.now.0,
            lease: at.lease.map_or(0, millis),
        }
    }

    /// The owner, as it is seen from there.
    pub(super) fn owner(self, at: &Vantage) -> Owner {
        let file = at.file(Path::new(&self.file));
        let sign = at.sign(&self.boot, &file, Moment(self.heartbeat), duration(self.lease));
        Owner {
            id: self.id,
            host: self.host,
            boot: self.boot,
            pid: u32::try_from(self.pid).unwrap_or(0),
            pid_start: self.pid_start.cast_unsigned(),
            namespace: self.namespace.cast_unsigned(),
            file,
            who: self.who,
            sign,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct PartText {
    resource: String,
    act: Act,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keys: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    implied: bool,
}

pub(super) fn parts_to_text(parts: &[Part]) -> String {
    let texts: Vec<PartText> = parts
        .iter()
        .map(|part| PartText {
            resource: part.resource.to_string(),
            act: part.act,
            keys: part.keys.clone(),
            implied: part.implied,
        })
        .collect();
    serde_json::to_string(&texts).unwrap_or_default()
}

fn parts_from_text(text: &str) -> Option<Vec<Part>> {
    let texts: Vec<PartText> = serde_json::from_str(text).ok()?;
    let part = |it: PartText| {
        let resource = it.resource.parse().ok()?;
        Some(Part { resource, act: it.act, keys: it.keys, implied: it.implied })
    };
    texts.into_iter().map(part).collect()
}

impl OperationRow {
    /// The operation, or what of it means nothing here.
    pub(super) fn operation(self) -> Result<Operation, String> {
        let step = match (self.step, self.step_until) {
            (Some(what), Some(until)) => Some(Step { what, until: Moment(until) }),
            _ => None,
        };
        let time = |text: &str| text.parse().map_err(|_| text.to_owned());
        Ok(Operation {
            id: OperationId(self.id),
            state: from_word(&self.state)?,
            parts: parts_from_text(&self.parts).ok_or(self.parts)?,
            what: self.what,
            command: self.command,
            agent: self.agent,
            reason: self.reason,
            priority: u8::try_from(self.priority).unwrap_or(1),
            rank: self.rank,
            group: self.project,
            on_conflict: from_word(&self.on_conflict)?,
            over_shared: self.over_shared,
            parent: self.parent.map(OperationId),
            requested_at: time(&self.requested_at)?,
            started_at: self.started_at.as_deref().map(time).transpose()?,
            ended_at: self.ended_at.as_deref().map(time).transpose()?,
            queued: Moment(self.queued),
            started: self.started.map(Moment),
            took: self.took.map(duration),
            waited: self.waited.map(duration),
            expect: self.expect.map(duration),
            limit: self.limit_ms.map(duration),
            owner: self.owner,
            who: self.who,
            token: self.token.map(Token),
            step,
            settle: duration(self.settle),
            freed: self.freed.map(Moment),
            cancel: self.cancel,
            exit_code: self.exit_code,
            note: self.note,
        })
    }
}

pub(super) fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// The word that stands for a value in the ledger: the one that serde writes.
pub(super) fn to_word<T: Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn from_word<T: DeserializeOwned>(word: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::from(word)).map_err(|_| word.to_owned())
}
