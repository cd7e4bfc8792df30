//! Which run is meant. Pure.

use super::super::known::{Doing, Known};
use crate::campaign::error::CampaignError;
use crate::record::{RunState, SeenRun};

/// One execution of a campaign, with its runs in order.
pub(super) struct Shelf {
    pub known: Known,
    pub runs: Vec<SeenRun>,
}

type Found<'a> = (&'a Shelf, &'a SeenRun);

/// Runs that are listed when several are meant.
const LISTED: usize = 10;

/// The run that `word` names, of executions in order of age, newest first; without a word the one
/// that runs now, else the last one.
pub(super) fn choose<'a>(
    shelves: &'a [Shelf],
    word: Option<&str>,
) -> Result<Found<'a>, CampaignError> {
    let Some(word) = word else { return unnamed(shelves) };
    let all = || shelves.iter().flat_map(|shelf| shelf.runs.iter().map(move |run| (shelf, run)));
    if let Some(found) = all().find(|(_, run)| run.run == word) {
        return Ok(found);
    }
    if let Ok(position) = word.parse::<u32>() {
        let shelf = unnamed(shelves).map(|(shelf, _)| shelf)?;
        if let Some(run) = shelf.runs.iter().find(|run| run.position == position) {
            return Ok((shelf, run));
        }
    }
    let named = || all().filter(|(_, run)| run.name == word);
    let here = named().filter(|(shelf, _)| shelf.known.here).max_by_key(begun);
    if let Some(found) = here.or_else(|| named().max_by_key(begun)) {
        return Ok(found);
    }
    let starting: Vec<Found<'a>> = all().filter(|(_, run)| run.run.starts_with(word)).collect();
    match starting.as_slice() {
        [] => Err(CampaignError::NoSuchRun { wanted: word.to_owned() }),
        [only] => Ok(*only),
        several => Err(listed(several)),
    }
}

/// The run that runs now, of this folder's campaigns before others; else the last one that began.
fn unnamed(shelves: &[Shelf]) -> Result<Found<'_>, CampaignError> {
    for here in [true, false] {
        let there = || shelves.iter().filter(move |shelf| shelf.known.here || !here);
        let running = there().filter(|shelf| shelf.known.doing() == Doing::Running);
        let now: Vec<Found<'_>> = running.filter_map(newest).collect();
        match now.as_slice() {
            [] => {}
            [only] => return Ok(*only),
            several => return Err(listed(several)),
        }
        let all = there().flat_map(|shelf| shelf.runs.iter().map(move |run| (shelf, run)));
        let last = all.filter(|(_, run)| run.started_at.is_some()).max_by_key(begun);
        if let Some(last) = last {
            return Ok(last);
        }
    }
    Err(CampaignError::NoRun { reason: "no run has begun yet".to_owned() })
}

/// The run that a living campaign is at: in a pause it is the last one, before the first it is that.
fn newest(shelf: &Shelf) -> Option<Found<'_>> {
    let runs = || shelf.runs.iter().map(move |run| (shelf, run));
    runs()
        .find(|(_, run)| run.state == RunState::Running)
        .or_else(|| runs().filter(|(_, run)| run.started_at.is_some()).max_by_key(begun))
        .or_else(|| runs().next())
}

/// When its last try began; what never began is older than everything.
fn begun<'a>((_, run): &Found<'a>) -> Option<&'a str> {
    run.started_at.as_deref()
}

fn listed(several: &[Found<'_>]) -> CampaignError {
    let line = |(shelf, run): &Found<'_>| {
        let file = shelf.known.instance.file.display();
        format!("  {}  {} (cycle {})  of {file}", run.run, run.name, run.cycle)
    };
    let mut runs: Vec<String> = several.iter().take(LISTED).map(line).collect();
    if several.len() > LISTED {
        runs.push(format!("  … and {} more", several.len() - LISTED));
    }
    CampaignError::SeveralRuns { runs }
}
