//! What cannot be opened is refused with what to do, and no byte of it changes.

use super::*;
use crate::model::{Outcome, TimeRange};
use crate::store::conformance::{KINDS, failed, node};
use crate::store::sqlite::Sqlite;

fn refusal(result: Result<Sqlite, StoreError>) -> String {
    result.expect_err("it was opened").to_string()
}

/// Both ways of opening refuse it with these words, and leave it as it is.
fn check_refused(path: &Path, expected: &[&str]) {
    let before = std::fs::read(path).unwrap();
    for message in [refusal(Sqlite::open(path, KINDS)), refusal(Sqlite::open_read_only(path, KINDS))] {
        assert!(message.starts_with(&format!("open {}: ", path.display())), "{message}");
        for words in expected {
            assert!(message.contains(words), "{words:?} is not in {message:?}");
        }
    }
    assert_eq!(std::fs::read(path).unwrap(), before);
    let beside: Vec<_> =
        std::fs::read_dir(path.parent().unwrap()).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(beside, [path.file_name().unwrap()], "something was made beside it");
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A recording with one poll in it, closed.
fn recording(directory: &tempfile::TempDir) -> PathBuf {
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path, KINDS).unwrap();
    store.append(&[failed("a", 10, Outcome::Refused)]).unwrap();
    drop(store);
    std::fs::remove_file(companion(&path, "-lock")).unwrap();
    path
}

#[test]
fn a_database_of_another_program_is_refused() {
    let directory = directory();
    let path = directory.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE notes (text); PRAGMA user_version = 2").unwrap();
    check_refused(&path, &["another program", "[store] path"]);
}

#[test]
fn what_is_no_database_is_refused() {
    let directory = directory();
    let path = directory.path().join("notes.txt");
    for content in ["x", "not a database at all, however long it is".repeat(100).as_str(), "SQLite format 3\0 cut"] {
        std::fs::write(&path, content).unwrap();
        check_refused(&path, &["not a SQLite database", "backup"]);
    }
}

#[test]
fn a_file_cut_short_is_refused() {
    let directory = directory();
    let path = recording(&directory);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 5_000]).unwrap();
    check_refused(&path, &["damaged", "backup"]);
}

#[test]
fn a_newer_database_is_refused_with_both_versions() {
    let directory = directory();
    let path = recording(&directory);
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 9000").unwrap();
    let known = migrations::version_of(migrations::STEPS).to_string();
    check_refused(&path, &["newer", "9000", &known]);
}

#[test]
fn an_older_database_is_migrated_by_the_recorder_and_refused_to_readers() {
    let directory = directory();
    let path = directory.path().join("a.db");
    drop(Sqlite::open_with(&path, KINDS, &migrations::STEPS[..1]).unwrap());
    let message = refusal(Sqlite::open_read_only(&path, KINDS));
    assert!(message.contains("older") && message.contains("start the recorder"), "{message}");
    drop(Sqlite::open(&path, KINDS).unwrap());
    Sqlite::open_read_only(&path, KINDS).unwrap();
}

#[test]
fn readers_do_not_make_a_recording() {
    let directory = directory();
    let path = directory.path().join("missing.db");
    let message = refusal(Sqlite::open_read_only(&path, KINDS));
    assert!(message.contains("no recording"), "{message}");
    assert!(!path.exists());
}

#[test]
fn a_start_that_was_killed_before_the_first_table_is_finished() {
    let directory = directory();
    let path = directory.path().join("a.db");
    std::fs::write(&path, "").unwrap();
    drop(Sqlite::open(&path, KINDS).unwrap());
    let path = directory.path().join("b.db");
    Connection::open(&path).unwrap().pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    drop(Sqlite::open(&path, KINDS).unwrap());
}

#[test]
fn the_file_has_the_settings_that_cannot_be_changed_later() {
    let directory = directory();
    let path = recording(&directory);
    let connection = Connection::open(&path).unwrap();
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(number("application_id"), i64::from(APPLICATION_ID));
    assert_eq!((number("page_size"), number("auto_vacuum")), (4096, 2));
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn one_recorder_at_a_time_writes() {
    let directory = directory();
    let path = directory.path().join("a.db");
    let first = Sqlite::open(&path, KINDS).unwrap();
    let message = refusal(Sqlite::open(&path, KINDS));
    assert!(message.contains("another recorder"), "{message}");
    drop(first);
    drop(Sqlite::open(&path, KINDS).unwrap());
}

#[test]
fn a_reader_sees_what_the_recorder_appends() {
    let directory = directory();
    let path = directory.path().join("a.db");
    let recorder = Sqlite::open(&path, KINDS).unwrap();
    let reader = Sqlite::open_read_only(&path, KINDS).unwrap();
    for count in 1..4 {
        recorder.append(&[failed("a", i64::try_from(count).unwrap(), Outcome::Refused)]).unwrap();
        assert_eq!(reader.polls(&node("a"), TimeRange::ALL).unwrap().inside.len(), count);
    }
    assert!(reader.append(&[]).unwrap_err().to_string().contains("reading only"));
    drop(recorder);
    assert_eq!(reader.polls(&node("a"), TimeRange::ALL).unwrap().inside.len(), 3);
}

#[test]
fn a_recording_whose_companions_cannot_be_made_is_read() {
    let directory = directory();
    let path = recording(&directory);
    // A link to nowhere stands where the companion would be made: it can be neither made nor opened.
    std::os::unix::fs::symlink("nowhere/at-all", companion(&path, "-shm")).unwrap();
    let reader = Sqlite::open_read_only(&path, KINDS).unwrap();
    assert_eq!(reader.polls(&node("a"), TimeRange::ALL).unwrap().inside.len(), 1);
    // With a log that it cannot read along, it would be another state of the recording.
    std::fs::write(companion(&path, "-wal"), "x").unwrap();
    let message = refusal(Sqlite::open_read_only(&path, KINDS));
    assert!(message.contains("-wal and -shm companions"), "{message}");
}

#[test]
fn odd_names_are_kept_from_being_read_as_options() {
    let directory = directory();
    let path = directory.path().join("100%?mode=rw#x.db");
    drop(Sqlite::open(&path, KINDS).unwrap());
    let opened =
        Connection::open_with_flags(immutable(&path), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI);
    opened.unwrap().pragma_query_value(None, "schema_version", |_| Ok(())).unwrap();
}
