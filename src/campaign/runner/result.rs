//! The result of a try that ended, safe on the disk; or why there can be none.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Runner;
use crate::campaign::attempt::Attempt;
use crate::campaign::clock::Moment;
use crate::campaign::error::CampaignError;
use crate::campaign::result_search::Search;
use crate::campaign::run_facts::FACTS;
use crate::campaign::verdict::Stopped;
use crate::campaign::watch::{Observed, last_lines};
use crate::{durable, foreign_file};

impl Runner<'_> {
    /// Finds the result of a try. An error says that the results folder could not take one: then
    /// nothing is known of the run.
    pub(super) async fn result_of(
        &mut self,
        attempt: &Attempt,
        began: Moment,
        observed: &Observed,
    ) -> Result<Option<PathBuf>, CampaignError> {
        let search = Search {
            folder: attempt.folder.clone(),
            run: attempt.run.clone(),
            elsewhere: self.settings.results_dir.clone(),
            since: since(&attempt.folder, began),
            taken: self.taken()?,
        };
        let result = self.place.bounded(move || found(&search)).await?;
        let ended_well = observed.ended.as_ref().is_some_and(|mark| mark.exit_code == Some(0));
        let wanted =
            matches!(observed.stopped, Some(Stopped::User | Stopped::NotFree | Stopped::NoGpu));
        if !(wanted || ended_well && result.is_some()) {
            self.place.check_after(&attempt.folder).await?;
            if observed.started.is_none() {
                self.place.check_engine(&last_lines(&observed.log, 20))?;
            }
        }
        if let Some(result) = result.as_ref().filter(|path| !path.starts_with(&attempt.folder)) {
            Arc::make_mut(&mut self.seen.results).insert(result.clone());
        }
        Ok(result)
    }

    /// The results that the record knows outside of the runs' folders, where nothing else says
    /// whose they are.
    fn taken(&mut self) -> Result<Arc<HashSet<PathBuf>>, CampaignError> {
        if !std::mem::replace(&mut self.seen.knows_results, true) {
            let results = &self.instance.results;
            let known = self.store.results()?.into_iter().map(PathBuf::from);
            let elsewhere = known.filter(|path| !path.starts_with(results));
            self.seen.results = Arc::new(elsewhere.collect());
        }
        Ok(Arc::clone(&self.seen.results))
    }
}

/// The record says that there is a result; after a power cut there must be one.
fn found(search: &Search) -> Result<Option<PathBuf>, CampaignError> {
    let Some(path) = search.find() else { return Ok(None) };
    let kept = foreign_file::open(&path).and_then(|file| durable::keep(&file, &path));
    // Its own folder was made for this run, and may be as new.
    let kept = kept.and_then(|()| durable::keep_name(&search.folder));
    kept.map_err(|source| CampaignError::unwritable(&path, source))?;
    Ok(Some(path))
}

/// The time of the oldest file that can be of the try: that of the last one that lem wrote before
/// it, by the clock of the file system.
fn since(folder: &Path, began: Moment) -> std::time::SystemTime {
    let written = std::fs::metadata(folder.join(FACTS)).and_then(|file| file.modified());
    began.earliest(written.unwrap_or(began.wall), &Moment::now())
}
