//! Everything that the ledger has to show, as one moment of it. Looking waits for nobody, and
//! changes nothing but that it notes who is dead.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use diesel::prelude::*;
use jiff::Timestamp;

use super::look::{live, owners_of_live, tally_of, usual_of};
use super::schema::owners;
use super::{Known, Ledger, LedgerError, Snapshot, Tally, places};
use crate::coordination::forecast::Usual;
use crate::coordination::liveness::{Liveness, liveness};
use crate::coordination::operation::{Moment, Operation};

/// One moment of the whole ledger.
#[derive(Debug)]
pub(crate) struct Board {
    pub snapshot: Snapshot,
    pub known: Vec<Known>,
    /// When each owner last said that it is well.
    pub heard: BTreeMap<String, Moment>,
    pub usual: Usual,
    /// What was asked for since the moment that was named.
    pub tally: Tally,
}

impl Board {
    /// How alive one of its operations is.
    pub(crate) fn liveness(&self, operation: &Operation) -> Liveness {
        let heard = self.heard.get(&operation.owner).copied();
        liveness(operation, self.snapshot.life(operation), heard, self.snapshot.now)
    }
}

impl Ledger {
    /// One moment of everything, with a tally since then.
    pub(crate) fn board(&mut self, since: Timestamp) -> Result<Board, LedgerError> {
        let mut board = self.reading(|connection, at| {
            let live = live(connection)?;
            let owners = owners_of_live(connection, at)?;
            let heard: Vec<(String, i64)> =
                owners::table.select((owners::id, owners::heartbeat)).load(connection)?;
            let mut usual = Usual::new();
            for kind in live.iter().filter_map(Operation::kind) {
                if let Entry::Vacant(free) = usual.entry(kind) {
                    free.insert(usual_of(connection, kind)?);
                }
            }
            let graph = places::graph(connection)?;
            Ok(Board {
                snapshot: Snapshot { now: at.now, live, owners, graph },
                known: places::all(connection)?,
                heard: heard.into_iter().map(|(id, at)| (id, Moment(at))).collect(),
                usual,
                tally: tally_of(connection, since)?,
            })
        })?;
        self.note_dead(&board.snapshot);
        let (gone, living): (Vec<Operation>, Vec<Operation>) =
            std::mem::take(&mut board.snapshot.live)
                .into_iter()
                .partition(|it| board.liveness(it) == Liveness::Gone);
        // The next one who writes notes them as lost; they are that already.
        let since_then = gone.iter().filter(|it| it.requested_at >= since).count();
        board.tally.lost += u64::try_from(since_then).unwrap_or(0);
        board.snapshot.live = living;
        Ok(board)
    }
}
