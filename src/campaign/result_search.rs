//! Which file is the result of a run: the one that was asked for, else JSON that appeared while it
//! ran, which is how tools that know nothing of `LEM_RESULT_PATH` leave theirs.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::run_folder::{CAMPAIGN, OWN, RESULT, is_at_work};
use crate::foreign_file;

/// A larger file is no result: reading it would take minutes.
const LARGEST: u64 = 1 << 30;
/// The search ends here: results are not looked for in a file server's every folder.
const LONGEST: Duration = Duration::from_secs(30);
/// Folders below folders that are looked into.
const DEEPEST: usize = 16;

/// What is looked for, and where.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    /// The run's own folder.
    pub folder: PathBuf,
    pub run: String,
    /// Where else a result may appear.
    pub elsewhere: PathBuf,
    /// The time of the oldest file that can be of the run.
    pub since: SystemTime,
    /// Results of other runs.
    pub taken: Arc<HashSet<PathBuf>>,
}

/// Whether a result must say which run it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    Free,
    Needed,
}

impl Search {
    /// The result. It may take a while.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        let asked = self.folder.join(RESULT);
        if names_this_run(&asked, &self.run, Naming::Free) {
            return Some(asked);
        }
        let until = Instant::now() + LONGEST;
        self.appeared(&self.folder, until, Naming::Free)
            .or_else(|| self.appeared(&self.elsewhere, until, self.naming()))
    }

    /// While other campaigns have runs in the same place, a file that names none may be theirs.
    fn naming(&self) -> Naming {
        let ours = self.folder.parent();
        let is_other = |folder: &PathBuf| Some(folder.as_path()) != ours && is_at_work(folder);
        let mut entries = std::fs::read_dir(&self.elsewhere).into_iter().flatten().flatten();
        let others = entries.any(|entry| is_other(&entry.path()));
        if others { Naming::Needed } else { Naming::Free }
    }

    /// The first JSON file below `folder` that is new, no other run's, and does not name another.
    fn appeared(&self, folder: &Path, until: Instant, naming: Naming) -> Option<PathBuf> {
        let mut open = vec![(folder.to_owned(), 0)];
        while let Some((folder, depth)) = open.pop() {
            // A folder that can't be read hides no other.
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                if Instant::now() > until {
                    return None;
                }
                let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
                if kind.is_dir() {
                    // The runs of campaigns, this one and others, have theirs in their folders.
                    if depth < DEEPEST && !path.join(CAMPAIGN).exists() {
                        open.push((path, depth + 1));
                    }
                    continue;
                }
                let json = path.extension().is_some_and(|extension| extension == "json");
                let own = path.file_name().and_then(|name| name.to_str()).is_some_and(is_of_a_try);
                if !json || own || self.taken.contains(&path) {
                    continue;
                }
                let modified = entry.metadata().and_then(|metadata| metadata.modified());
                let new = modified.is_ok_and(|time| time >= self.since);
                if new && names_this_run(&path, &self.run, naming) {
                    return Some(path);
                }
            }
        }
        None
    }
}

/// Whether lem made the file: a mark, or what an earlier try left.
fn is_of_a_try(name: &str) -> bool {
    let of_earlier = |start: &str| {
        let rest = name.strip_prefix(start).and_then(|rest| rest.strip_prefix("-a"));
        let number = rest.and_then(|rest| rest.strip_suffix(".json"));
        number.is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()))
            && number.is_some_and(|n| n.chars().all(|c| c.is_ascii_digit() || c == '-'))
    };
    OWN.contains(&name)
        || ["result", "started", "ended", "lem"].iter().any(|start| of_earlier(start))
}

/// What of a result lem reads; the rest is passed over, however large it is.
#[derive(Deserialize)]
struct Named {
    run_id: Option<Value>,
}

/// Whether the file is JSON and, where it says which run it is of, says this one.
fn names_this_run(path: &Path, run: &str, naming: Naming) -> bool {
    let Ok(file) = foreign_file::open(path) else { return false };
    if file.metadata().map_or(0, |file| file.len()) > LARGEST {
        return false;
    }
    let mut text = BufReader::new(file);
    let is_mapping = text.fill_buf().is_ok_and(|start| {
        start.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte == b'{')
    });
    if !is_mapping {
        return naming == Naming::Free && serde_json::from_reader::<_, IgnoredAny>(text).is_ok();
    }
    match serde_json::from_reader::<_, Named>(text) {
        Ok(Named { run_id: Some(Value::String(id)) }) => id == run,
        Ok(Named { .. }) => naming == Naming::Free,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::campaign::run_folder::{at_work, prepare_campaign};

    fn search(folder: &Path, elsewhere: &Path) -> Search {
        Search {
            folder: folder.to_owned(),
            run: "r-1".to_owned(),
            elsewhere: elsewhere.to_owned(),
            since: SystemTime::UNIX_EPOCH,
            taken: Arc::default(),
        }
    }

    #[test]
    fn a_result_must_be_json_of_this_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for (text, found) in [
            ("", false),
            ("{", false),
            (r#"{"run_id": "r-2"}"#, false),
            (r#"{"run_id": "r-1"}"#, true),
            ("{}", true),
        ] {
            fs::write(path.join(RESULT), text).unwrap();
            assert_eq!(search(path, path).find().is_some(), found, "{text}");
        }
    }

    #[test]
    fn a_result_without_an_end_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = fs::File::create(folder.path().join(RESULT)).unwrap();
        file.set_len(LARGEST + 1).unwrap();
        let began = Instant::now();
        assert_eq!(search(folder.path(), folder.path()).find(), None);
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn results_of_tools_that_write_elsewhere_count_and_older_and_others_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("nightly/r-1");
        fs::create_dir_all(&run).unwrap();
        prepare_campaign(&folder.path().join("nightly"), "nightly").unwrap();
        fs::create_dir_all(folder.path().join("nightly/r-2")).unwrap();
        fs::write(folder.path().join("nightly/r-2/result.json"), "{}").unwrap();
        fs::create_dir_all(folder.path().join("raw/7")).unwrap();
        let raw = folder.path().join("raw/7/process_0.json");
        let search = search(&run, folder.path());
        assert_eq!(search.find(), None);
        fs::write(&raw, "{}").unwrap();
        assert_eq!(search.find(), Some(raw.clone()));
        let later = SystemTime::now() + Duration::from_secs(60);
        assert_eq!(Search { since: later, ..search.clone() }.find(), None);
        let taken = Arc::new(HashSet::from([raw]));
        assert_eq!(Search { taken, ..search }.find(), None);
    }

    #[test]
    fn while_another_campaign_is_at_work_a_file_elsewhere_must_name_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = (folder.path().join("nightly"), folder.path().join("other"));
        prepare_campaign(&ours, "nightly").unwrap();
        prepare_campaign(&theirs, "other").unwrap();
        let _we = at_work(&ours).unwrap();
        let search = search(&ours.join("r-1"), folder.path());
        let raw = folder.path().join("raw.json");
        fs::write(&raw, "{}").unwrap();
        let they = at_work(&theirs).unwrap();
        assert_eq!(search.find(), None);
        fs::write(&raw, r#"{"run_id": "r-1"}"#).unwrap();
        assert_eq!(search.find(), Some(raw.clone()));
        fs::write(&raw, "{}").unwrap();
        drop(they);
        assert_eq!(search.find(), Some(raw));
    }
}
