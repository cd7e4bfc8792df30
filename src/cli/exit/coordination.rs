//! The exit code of each error between agents, and its way out.

use super::{BUSY, FAILED, Failure, MACHINE, WRONG};
use crate::cancel::Signal;
use crate::coordination::error::{CoordinationError, Met};
use crate::coordination::ledger::LedgerError;
use crate::yaml::YamlError;

/// The exit code of an error between agents, whoever's error it is part of.
pub(in crate::cli) fn coordination(error: &CoordinationError) -> u8 {
    use CoordinationError as E;
    use LedgerError as E2;
    match error {
        E::Blocked { .. }
        | E::WouldWait { .. }
        | E::Expired { .. }
        | E::QueueFull { .. }
        | E::AgentFull { .. }
        | E::CancelledByOther { .. }
        | E::TakenAway { .. }
        | E::Unheard { .. }
        | E::StillLives { .. } => BUSY,
        E::Nested { .. }
        | E::NoOperation { .. }
        | E::HasEnded { .. }
        | E::Ledger(E2::Settings(_) | E2::NoUrl | E2::ShortLease { .. }) => WRONG,
        E::Ledger(_) => MACHINE,
        E::DoesNotWait { .. } | E::NotKilled { .. } => FAILED,
        E::Cancelled { signal } => signal.exit_code(),
    }
}

/// The next thing to type about it.
pub(in crate::cli) fn coordination_hint(error: &CoordinationError) -> Option<String> {
    use CoordinationError as E;
    let hint = match error {
        E::Ledger(error) => return ledger_hint(error),
        E::Blocked { blocked } => match holder(blocked) {
            Some(id) => format!("`lem why {id}` tells more about it, `lem cancel {id}` ends it"),
            None => "it has ended meanwhile: try again".to_owned(),
        },
        E::WouldWait { blocked } | E::Expired { blocked, .. } => match holder(blocked) {
            Some(id) => {
                format!("wait longer: `--wait 10m`; `lem why {id}` tells more about who is before")
            }
            None => "wait longer: `--wait 10m`; `lem queue` shows who waits".to_owned(),
        },
        E::QueueFull { .. } => {
            "`lem queue` shows who waits; `lem cancel ID` ends a wait".to_owned()
        }
        E::AgentFull { .. } => "`lem queue` shows them; `lem cancel ID` ends a wait".to_owned(),
        E::Nested { parent, .. } => format!(
            "let operation {parent} claim more (a whole project: `project:NAME`), or do this after it"
        ),
        E::NoOperation { .. } => "`lem ops --all` lists them".to_owned(),
        E::HasEnded { id, .. } => format!("`lem why {id}` tells what became of it"),
        E::DoesNotWait { .. } => "`lem queue` shows who waits".to_owned(),
        E::StillLives { id, stalled: true, .. } => format!(
            "`lem cancel {id}` asks it to end; `lem unlock --force {id} --kill-stalled --reason …` \
             ends its owner"
        ),
        E::StillLives { id, .. } => format!(
            "`lem cancel {id}` asks it to end; `lem unlock --force {id} --kill --reason …` ends its \
             owner"
        ),
        E::NotKilled { .. } => "is it another user's? then they, or root, can end it".to_owned(),
        E::Unheard { .. } => {
            "is the network well? `coordination.lease` says how long it may be gone".to_owned()
        }
        E::CancelledByOther { .. } | E::TakenAway { .. } | E::Cancelled { .. } => return None,
    };
    Some(hint)
}

fn ledger_hint(error: &LedgerError) -> Option<String> {
    use LedgerError as E;
    let hint = match error {
        E::Unopened { ledger, .. } | E::Away { ledger, .. }
            if ledger.starts_with("postgres://") =>
        {
            "is the server up, and does it accept `coordination.url` (or LEM_COORDINATION_URL)? \
             `psql URL` tells"
        }
        E::NoUrl => "as in `postgres://USER@HOST/DATABASE`; LEM_COORDINATION_URL says it too",
        E::ShortLease { .. } => "3s is the shortest; 15s is usual",
        E::Folder { .. } | E::Unopened { .. } => {
            "check the folder's owner, mode and free space, or name another: LEM_STATE_DIR"
        }
        E::Full { .. } => "make room on its disk",
        E::Damaged { .. } => {
            "when no lem runs, move it aside: the next one makes a new one; what ran is lost from it"
        }
        E::Newer { .. } => "update this lem too",
        E::Stuck { .. } | E::Silent { .. } => {
            "a lem that was stopped (`kill -STOP`) may have it, or its disk or server hangs"
        }
        E::Shared { .. } => {
            "name a folder on a disk of this machine (LEM_STATE_DIR), or a PostgreSQL server \
             (LEM_COORDINATION_URL)"
        }
        E::Query { ledger, .. } if ledger.starts_with("postgres://") => {
            "may this user write to the schema `lem` of the database, or make it? (GRANT CREATE ON \
             DATABASE … once, or ALL ON ALL TABLES IN SCHEMA lem)"
        }
        E::Query { .. } | E::Senseless { .. } | E::Away { .. } | E::Settings(_) => return None,
    };
    Some(hint.to_owned())
}

fn holder(met: &Met) -> Option<i64> {
    met.holder.as_ref().map(|holder| holder.id.0)
}

impl Failure for CoordinationError {
    fn code(&self) -> u8 {
        coordination(self)
    }

    fn hint(&self) -> Option<String> {
        coordination_hint(self)
    }

    fn last_words(&self) -> Vec<&str> {
        Vec::new()
    }

    fn yaml(&self) -> Option<&YamlError> {
        match self {
            Self::Ledger(LedgerError::Settings(error)) => Some(error),
            _ => None,
        }
    }

    fn is_interruption(&self) -> bool {
        false
    }

    fn cancelled(signal: Signal) -> Self {
        Self::Cancelled { signal }
    }
}
