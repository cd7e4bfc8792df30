//! What every run of a campaign has in common besides its experiment: the command, the data, the
//! place of the results. Runs that differ in it must not be mixed unseen. Pure but for `left_behind`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::campaign::plan::identity;
use crate::campaign::settings::Settings;

/// What an execution's runs have in common, as the record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Basis {
    /// The hash of the command before its places are filled in: it may hold secrets.
    command: String,
    dataset: Option<String>,
    num_samples: Option<u64>,
    /// Relative to the campaign's folder where it is in there, so that both can be moved.
    results_dir: PathBuf,
}

impl Basis {
    /// That of a campaign as it is now.
    pub(crate) fn of(settings: &Settings) -> Self {
        let command = Map::from_iter([("command".to_owned(), Value::from(&*settings.command))]);
        let results = settings.results_dir.strip_prefix(&settings.base);
        Self {
            command: identity(&command),
            dataset: settings.dataset.clone(),
            num_samples: settings.num_samples,
            results_dir: results.unwrap_or(&settings.results_dir).to_owned(),
        }
    }

    /// That of the record, where it knows one: the first versions did not keep it.
    pub(crate) fn read(recorded: Option<&str>) -> Option<Self> {
        serde_json::from_str(recorded?).ok()
    }

    /// As the record keeps it.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// How the runs to come would differ from those that were done, a line each.
    pub(crate) fn changes(&self, now: &Self) -> Vec<String> {
        fn text<T: ToString>(value: Option<&T>) -> String {
            value.map_or_else(|| "-".to_owned(), T::to_string)
        }
        let mut lines = Vec::new();
        if self.command != now.command {
            lines.push("~ command: not the one that it began with".to_owned());
        }
        if self.dataset != now.dataset {
            let (then, now) = (text(self.dataset.as_ref()), text(now.dataset.as_ref()));
            lines.push(format!("~ dataset: {then} → {now}"));
        }
        if self.num_samples != now.num_samples {
            let (then, now) = (text(self.num_samples.as_ref()), text(now.num_samples.as_ref()));
            lines.push(format!("~ num_samples: {then} → {now}"));
        }
        lines
    }

    /// The folder that has the results so far, where it is another one than `now`'s and is still
    /// there.
    pub(crate) fn left_behind(&self, now: &Self, base: &Path) -> Option<PathBuf> {
        let (then, now) = (base.join(&self.results_dir), base.join(&now.results_dir));
        let there = then.canonicalize().ok()?;
        (now.canonicalize().ok() != Some(there)).then_some(then)
    }
}
