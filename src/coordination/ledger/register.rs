//! What a person says that a container needs. It has to make sense: none of a circle could be
//! started first.

use super::places::{Known, all, put};
use super::{Ledger, LedgerError};
use crate::coordination::dependency::Graph;
use crate::coordination::resource::Resource;

impl Ledger {
    /// Notes a container, unless what it needs would lead back to it: then the way there and back.
    pub(crate) fn register(&mut self, known: &Known) -> Result<Option<Vec<Resource>>, LedgerError> {
        self.writing(|connection, _| {
            let others = all(connection)?.into_iter().filter(|it| it.resource != known.resource);
            let mut graph = Graph::default();
            for it in others.chain([known.clone()]) {
                graph.add(it.resource, it.needs.unwrap_or_default());
            }
            let circle = graph.cycle();
            if circle.is_none() {
                put(connection, known)?;
            }
            Ok(circle)
        })
    }
}
