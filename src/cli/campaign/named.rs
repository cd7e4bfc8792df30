//! Which campaign the words of the command line name: a campaign file, or experiment files.

use std::path::{Path, PathBuf};

use crate::campaign::decided::record_of;
use crate::campaign::error::CampaignError;
use crate::campaign::file::{self, CampaignFile};
use crate::cli::flags::Flags;
use crate::engine::files::FilesError;
use crate::record::Store;
use crate::yaml;

/// A campaign as it is written, and where.
pub(in crate::cli) struct Named {
    pub file: CampaignFile,
    /// The campaign file; the folder, for a campaign of experiment files. Absolute.
    pub path: PathBuf,
    /// Where relative paths begin.
    pub base: PathBuf,
}

impl Named {
    /// Where the campaign keeps its record.
    pub(in crate::cli) fn state_dir(&self) -> PathBuf {
        self.base.join(&self.file.io.state_dir)
    }

    /// The campaign that `words` name; `./campaign.yaml` without words. The experiment files of a
    /// campaign without a file are noted in `flags`, so that a resume finds them.
    pub(in crate::cli) fn find(
        words: &[PathBuf],
        flags: &mut Flags,
    ) -> Result<Self, CampaignError> {
        let files = expand(words)?;
        match files.as_slice() {
            [] => Self::campaign(&unnamed(), flags),
            [folder] if folder.is_dir() => Self::recorded(folder, flags),
            [only] if flags.campaign_name.is_none() => Self::campaign(only, flags),
            several => {
                flags.experiment_files = several.to_vec();
                let here = std::env::current_dir().unwrap_or_default();
                Self::of_experiments(&here, flags)
            }
        }
    }

    fn campaign(path: &Path, flags: &Flags) -> Result<Self, CampaignError> {
        let path = text(absolute(path)?)?;
        let file = file::read(&path)?;
        if flags.campaign_name.is_some() {
            return Err(CampaignError::NamedTwice { path });
        }
        let base = path.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self { file, path, base })
    }

    fn of_experiments(folder: &Path, flags: &Flags) -> Result<Self, CampaignError> {
        let Some(name) = flags.campaign_name.clone() else {
            return Err(CampaignError::Unnamed { files: flags.experiment_files.len() });
        };
        let configs = flags
            .experiment_files
            .iter()
            .map(|path| text(absolute(path)?))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(campaign) = configs.iter().find(|path| is_campaign(path)) {
            return Err(CampaignError::NamedTwice { path: campaign.clone() });
        }
        let file = CampaignFile { campaign_name: name, configs, ..CampaignFile::default() };
        file.check(folder)?;
        Ok(Self { file, path: folder.to_owned(), base: folder.to_owned() })
    }

    /// The campaign of experiment files that was last begun in a folder.
    fn recorded(folder: &Path, flags: &mut Flags) -> Result<Self, CampaignError> {
        let folder = absolute(folder)?;
        let record = record_of(&folder.join(&file::Io::default().state_dir));
        let nothing = || CampaignError::NoCampaignFile { path: folder.clone() };
        let mut store = Store::open_existing(&record)?.ok_or_else(nothing)?;
        // A finished one may have failures to try again, or more cycles.
        let instances = [store.unfinished()?, store.newest_first()?].concat();
        let begun = instances
            .into_iter()
            .filter(|instance| Path::new(&instance.file) == folder)
            .find(|i| flags.campaign_name.as_ref().is_none_or(|name| *name == i.campaign))
            .ok_or_else(nothing)?;
        *flags =
            std::mem::take(flags).or(serde_json::from_str(&begun.settings).unwrap_or_default());
        Self::of_experiments(&folder, flags)
    }
}

/// Whether a file is a campaign: it has the key `campaign_name`.
fn is_campaign(path: &Path) -> bool {
    yaml::read::<serde_json::Map<String, serde_json::Value>>(path)
        .is_ok_and(|map| map.contains_key("campaign_name"))
}

fn unnamed() -> PathBuf {
    let names = ["campaign.yaml", "campaign.yml"].map(PathBuf::from);
    names.into_iter().find(|path| path.exists()).unwrap_or_else(|| "campaign.yaml".into())
}

fn absolute(path: &Path) -> Result<PathBuf, CampaignError> {
    std::path::absolute(path).map_err(|_| CampaignError::NoCampaignFile { path: path.to_owned() })
}

/// A path that can be written down.
fn text(path: PathBuf) -> Result<PathBuf, CampaignError> {
    if path.to_str().is_none() { Err(FilesError::NotUtf8 { path }.into()) } else { Ok(path) }
}

/// Patterns that the shell has left alone, as the files that they match, sorted.
fn expand(words: &[PathBuf]) -> Result<Vec<PathBuf>, CampaignError> {
    let mut files = Vec::new();
    for word in words {
        let text = word.to_string_lossy();
        if word.exists() || !text.contains(['*', '?']) {
            files.push(word.clone());
            continue;
        }
        let found = glob::glob(&text).map(|paths| paths.flatten().collect::<Vec<_>>());
        match found {
            Ok(mut found) if !found.is_empty() => {
                found.sort();
                files.append(&mut found);
            }
            _ => return Err(CampaignError::NoMatch { pattern: text.into_owned() }),
        }
    }
    Ok(files)
}
