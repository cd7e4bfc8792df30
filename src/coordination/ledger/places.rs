//! The containers that the ledger knows, and what they need.

use std::collections::BTreeMap;

use diesel::prelude::*;
use jiff::Timestamp;

use super::schema::containers;
use super::{Db, Ledger, LedgerError};
use crate::coordination::dependency::Graph;
use crate::coordination::resource::Resource;

/// A container or service that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub resource: Resource,
    /// What else it is called: its containers.
    pub names: Vec<String>,
    /// Published ports of the host.
    pub ports: Vec<u16>,
    /// What it needs; none where nobody has said.
    pub needs: Option<Vec<Resource>>,
    /// Who said so: a file, a label, a person.
    pub source: String,
}

impl Ledger {
    /// Notes containers. What was noted of one before is replaced.
    pub(crate) fn learn(&mut self, known: &[Known]) -> Result<(), LedgerError> {
        if known.is_empty() {
            return Ok(());
        }
        self.writing(|connection, _| known.iter().try_for_each(|it| put(connection, it)))
    }

    /// Forgets containers.
    pub(crate) fn forget(&mut self, resources: &[Resource]) -> Result<(), LedgerError> {
        let paths: Vec<String> = resources.iter().map(ToString::to_string).collect();
        self.writing(|connection, _| {
            let those = containers::table.filter(containers::resource.eq_any(&paths));
            diesel::delete(those).execute(connection).map(drop)
        })
    }

    /// Every container that is known.
    pub(crate) fn known(&mut self) -> Result<Vec<Known>, LedgerError> {
        self.reading(|connection, _| all(connection))
    }
}

/// Notes a container in place of what was noted of it before.
pub(super) fn put(connection: &mut Db, known: &Known) -> QueryResult<()> {
    let texts = |resources: &Vec<Resource>| {
        let texts: Vec<String> = resources.iter().map(ToString::to_string).collect();
        json(&texts)
    };
    diesel::delete(containers::table.find(known.resource.to_string())).execute(connection)?;
    diesel::insert_into(containers::table)
        .values((
            containers::resource.eq(known.resource.to_string()),
            containers::names.eq(json(&known.names)),
            containers::ports.eq(json(&known.ports)),
            containers::needs.eq(known.needs.as_ref().map(texts)),
            containers::source.eq(&known.source),
            containers::learned_at.eq(Timestamp::now().to_string()),
        ))
        .execute(connection)
        .map(drop)
}

type Row = (String, String, String, Option<String>, String);

pub(super) fn all(connection: &mut Db) -> QueryResult<Vec<Known>> {
    let rows: Vec<Row> = containers::table
        .order(containers::resource)
        .select((
            containers::resource,
            containers::names,
            containers::ports,
            containers::needs,
            containers::source,
        ))
        .load(connection)?;
    // What a newer lem knows more of is left alone.
    let known = |(resource, names, ports, needs, source): Row| {
        let needs = needs.map(|needs| {
            let paths: Vec<String> = serde_json::from_str(&needs).unwrap_or_default();
            paths.iter().filter_map(|path| path.parse().ok()).collect()
        });
        Some(Known {
            resource: resource.parse().ok()?,
            names: serde_json::from_str(&names).unwrap_or_default(),
            ports: serde_json::from_str(&ports).unwrap_or_default(),
            needs,
            source,
        })
    };
    Ok(rows.into_iter().filter_map(known).collect())
}

/// Who needs whom, as far as it is known.
pub(super) fn graph(connection: &mut Db) -> QueryResult<Graph> {
    let mut by_resource: BTreeMap<Resource, Vec<Resource>> = BTreeMap::new();
    for known in all(connection)? {
        by_resource.entry(known.resource).or_default().extend(known.needs.unwrap_or_default());
    }
    let mut graph = Graph::default();
    for (resource, needs) in by_resource {
        graph.add(resource, needs);
    }
    Ok(graph)
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
