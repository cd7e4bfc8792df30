//! Records of every version, and files that are none.

use super::*;
use crate::record::{Beginning, Outcome, RunState, Standing};

/// A file as the first version of lem left it, in the middle of a run.
fn of_the_first_version(path: &Path) {
    let mut connection = SqliteConnection::establish(&path.to_string_lossy()).unwrap();
    connection.batch_execute(versions::FIRST).unwrap();
    connection
        .batch_execute(
            "PRAGMA user_version = 1;
             INSERT INTO campaigns VALUES ('4f2a9c1b-aaaa', 'nightly', '/w/campaign.yaml',
                 'abc', 7, '{\"cycles\":2}', 'running', '2026-01-02T03:04:05.000Z', NULL);
             INSERT INTO runs VALUES ('4f2a9c1b-aaaa', 1, '4f2a9c1b-0001', 'e1', 0, 1, 'a',
                 'completed', 'completed', 0, 1, '2026-01-02T03:04:05.000Z',
                 '2026-01-02T03:04:06.000Z', 1.5, 1.0, '/w/results/nightly/1/result.json');
             INSERT INTO runs VALUES ('4f2a9c1b-aaaa', 2, '4f2a9c1b-0002', 'e1', 0, 2, 'a',
                 'running', NULL, NULL, 1, '2026-01-02T03:04:07.000Z', NULL, NULL, NULL, NULL);",
        )
        .unwrap();
}

#[test]
fn a_file_of_the_first_version_opens_and_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lem.db");
    of_the_first_version(&path);
    for _ in 0..2 {
        let mut store = Store::open(&path).unwrap();
        let (instance, state) = store.newest("nightly").unwrap().unwrap();
        assert_eq!((instance.seed, state), (Some(7), CampaignState::Running));
        assert_eq!((instance.structure, instance.cycles), (None, None));
        let runs = store.runs("4f2a9c1b-aaaa").unwrap();
        assert_eq!(runs.len(), 2);
        assert_eq!((runs[0].seconds, runs[0].command_seconds), (Some(1.5), Some(1.0)));
        assert_eq!(runs[0].result.as_deref(), Some("/w/results/nightly/1/result.json"));
        assert_eq!((runs[1].state, runs[1].attempts), (RunState::Running, 1));
        assert_eq!(runs[1].standing, Standing::Planned);
        assert!(store.experiments("4f2a9c1b-aaaa").unwrap().is_empty());
    }
    // And it goes on like any other.
    let mut store = Store::open(&path).unwrap();
    let beginning =
        Beginning { started_at: "2026-01-02T04:00:00.000Z", service: None, strategy: "local" };
    assert_eq!(store.run_starts("4f2a9c1b-aaaa", 2, &beginning).unwrap(), 2);
    let outcome = Outcome {
        gap_seconds: Some(2.0),
        ..Outcome::interrupted("2026-01-02T04:00:01.000Z".into())
    };
    store.run_ended("4f2a9c1b-aaaa", 2, &outcome).unwrap();
    let runs = store.runs("4f2a9c1b-aaaa").unwrap();
    assert_eq!((runs[1].gap_seconds, runs[1].strategy.as_deref()), (Some(2.0), Some("local")));
}

#[test]
fn a_file_of_a_newer_lem_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lem.db");
    let mut connection = SqliteConnection::establish(&path.to_string_lossy()).unwrap();
    connection.batch_execute("PRAGMA user_version = 99; CREATE TABLE other (x);").unwrap();
    drop(connection);
    assert!(matches!(Store::open(&path), Err(RecordError::Newer { .. })));
}

#[test]
fn a_file_that_is_no_record_is_damaged_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lem.db");
    let text = "this is no database at all, however long one looks at it\n".repeat(40);
    std::fs::write(&path, &text).unwrap();
    assert!(matches!(Store::open(&path), Err(RecordError::Damaged { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn who_only_looks_at_a_file_of_the_first_version_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lem.db");
    of_the_first_version(&path);
    let before = std::fs::read(&path).unwrap();
    let mut store = Store::open_existing(&path).unwrap().unwrap();
    assert_eq!(store.runs("4f2a9c1b-aaaa").unwrap().len(), 2);
    drop(store);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
