//! Who waits for whom. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::services::service::Service;

/// The services among `wanted` and those that they need, each after what it needs.
///
/// # Errors
/// The names of services that wait for each other; the last is the first again.
pub(super) fn start_order<'s>(
    services: &'s BTreeMap<String, Service>,
    wanted: impl IntoIterator<Item = &'s str>,
) -> Result<Vec<&'s str>, Vec<String>> {
    let mut walk = Walk { services, done: BTreeSet::new(), above: Vec::new(), order: Vec::new() };
    wanted.into_iter().try_for_each(|name| walk.visit(name))?;
    Ok(walk.order)
}

struct Walk<'s> {
    services: &'s BTreeMap<String, Service>,
    done: BTreeSet<&'s str>,
    above: Vec<&'s str>,
    order: Vec<&'s str>,
}

impl<'s> Walk<'s> {
    fn visit(&mut self, name: &'s str) -> Result<(), Vec<String>> {
        if let Some(first) = self.above.iter().position(|above| *above == name) {
            let round = self.above[first..].iter().copied().chain([name]);
            return Err(round.map(str::to_owned).collect());
        }
        if self.done.contains(name) {
            return Ok(());
        }
        self.above.push(name);
        let needs = self.services.get(name).into_iter().flat_map(|service| &service.depends_on);
        needs.map(String::as_str).try_for_each(|need| self.visit(need))?;
        self.above.pop();
        self.done.insert(name);
        self.order.push(name);
        Ok(())
    }
}

/// The services that need `name`, by way of others or not, each before what it needs.
pub(super) fn dependants<'s>(services: &'s BTreeMap<String, Service>, name: &str) -> Vec<&'s str> {
    let all = start_order(services, services.keys().map(String::as_str)).unwrap_or_default();
    let mut reached = BTreeSet::from([name]);
    let mut found = Vec::new();
    for candidate in all {
        let needs = services.get(candidate).map(|service| &service.depends_on);
        if needs.is_some_and(|needs| needs.iter().any(|need| reached.contains(need.as_str()))) {
            reached.insert(candidate);
            found.push(candidate);
        }
    }
    found.reverse();
    found
}
