//! `--explain` and `--dry-run`: what would become of an operation now, and why. Nothing is taken.

use serde_json::{Value, json};

use crate::cli::render;
use crate::coordination::admission::{Decision, Newcomer, Obstacle, decide};
use crate::coordination::ledger::Snapshot;
use crate::coordination::liveness::{Liveness, liveness};
use crate::coordination::nesting::ancestors;
use crate::coordination::operation::{Operation, OperationId, State, Wish};
use crate::coordination::part::{Part, Verdict, verdict};
use crate::coordination::severity::Severity;

/// What would become of a wish.
pub(super) struct Prospect {
    decision: Decision,
    /// How it gets on with each that runs or waits.
    verdicts: Vec<(OperationId, Verdict)>,
}

impl Prospect {
    /// As it is now.
    pub(super) fn of(wish: &Wish, parent: Option<OperationId>, snapshot: &Snapshot) -> Self {
        let is_gone =
            |it: &Operation| liveness(it, snapshot.life(it), None, snapshot.now) == Liveness::Gone;
        let live: Vec<Operation> =
            snapshot.live.iter().filter(|it| !is_gone(it)).cloned().collect();
        let ancestors = ancestors(parent, &live);
        let newcomer = Newcomer {
            id: None,
            parts: &wish.parts,
            rank: wish.priority.rank(snapshot.now),
            on_conflict: wish.on_conflict,
            over_shared: wish.over_shared,
            ancestors: &ancestors,
        };
        let decision = decide(&newcomer, &live, &snapshot.graph);
        let verdicts = live.iter().map(|it| (it.id, worst(&wish.parts, it, snapshot))).collect();
        Self { decision, verdicts }
    }

    /// On standard output, for people.
    pub(super) fn show(&self, wish: &Wish, command: Option<&str>, snapshot: &Snapshot) {
        let command = command.map_or(String::new(), |it| format!(": `{it}`"));
        render::out(&format!("{}{command}", wish.what));
        for part in wish.parts.iter().filter(|part| part.implied) {
            render::out(&format!("  with it: {part}"));
        }
        for (operation, verdict) in self.met(snapshot) {
            let state = if operation.state == State::Queued { "waits" } else { "runs" };
            render::out(&format!(
                "  beside operation {} ({}, {}), which {state}: {}: {}",
                operation.id, operation.what, operation.agent, verdict.severity, verdict.reason
            ));
        }
        render::out(&match &self.decision {
            Decision::Start { .. } => "it would begin at once".to_owned(),
            Decision::Wait { behind } => format!("it would wait for {}", listed(behind)),
            Decision::Refuse { by } => format!("it would be blocked by operation {}", by.operation),
            Decision::Nested { by } => {
                format!(
                    "it would be refused: operation {}, which it is part of, does not cover it",
                    by.operation
                )
            }
        });
    }

    /// The same for programs.
    pub(super) fn document(&self, snapshot: &Snapshot) -> Value {
        let (word, by): (&str, Vec<OperationId>) = match &self.decision {
            Decision::Start { .. } => ("start", Vec::new()),
            Decision::Wait { behind } => ("wait", behind.iter().map(|it| it.operation).collect()),
            Decision::Refuse { by } => ("block", vec![by.operation]),
            Decision::Nested { by } => ("nested", vec![by.operation]),
        };
        let beside: Vec<Value> = self
            .met(snapshot)
            .map(|(operation, verdict)| {
                json!({
                    "operation": operation.id,
                    "what": operation.what,
                    "agent": operation.agent,
                    "who": operation.who,
                    "state": operation.state,
                    "severity": verdict.severity,
                    "reason": verdict.reason,
                })
            })
            .collect();
        json!({ "decision": word, "by": by, "beside": beside })
    }

    /// Those with which it has something to do.
    fn met<'a>(
        &'a self,
        snapshot: &'a Snapshot,
    ) -> impl Iterator<Item = (&'a Operation, &'a Verdict)> {
        let operation = |id| snapshot.live.iter().find(move |it| it.id == id);
        self.verdicts
            .iter()
            .filter(|(_, verdict)| !verdict.reason.is_empty())
            .filter_map(move |(id, verdict)| Some((operation(*id)?, verdict)))
    }
}

fn worst(parts: &[Part], other: &Operation, snapshot: &Snapshot) -> Verdict {
    let pairs = parts.iter().flat_map(|wants| other.parts.iter().map(move |has| (wants, has)));
    let verdicts = pairs.map(|(wants, has)| verdict(wants, has, &snapshot.graph));
    // Of two that are as bad, the one with a reason says more.
    verdicts
        .max_by_key(|it| (it.severity, !it.reason.is_empty()))
        .unwrap_or(Verdict { severity: Severity::None, reason: String::new() })
}

fn listed(behind: &[Obstacle]) -> String {
    let ids: Vec<String> = behind.iter().map(|it| format!("operation {}", it.operation)).collect();
    ids.join(", ")
}
