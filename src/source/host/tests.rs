//! The host as a whole, on the recorded machine below a root: what its tests share.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::sync::{Condvar, Mutex};

use super::space::Space;
use super::*;
use crate::model::{AttributeValue, Class, Kind, Observation, Timestamp, Value};

mod broken;
mod described;
mod machine;

fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/host").join(name)
}

/// A copy of the recorded machine that a test may change.
fn copy() -> tempfile::TempDir {
    fn copy_tree(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy_tree(&entry.path(), &to);
            } else {
                let _ = fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    let directory = tempfile::tempdir().unwrap();
    copy_tree(&recorded("t0"), directory.path());
    directory
}

fn clock_at(root: &Path) -> Clock {
    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(root.join("time.json")).unwrap()).unwrap();
    let seconds = json["unix_time"].as_f64().unwrap();
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of this century")]
    let now = Timestamp::from_ms((seconds * 1_000.0) as i64);
    Clock::Manual(crate::clock::ManualClock::starting_at(now))
}

fn recorded_space(root: &Path) -> Space {
    let json: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(root.join("statvfs_root.json")).unwrap()).unwrap();
    let number = |key: &str| json[key].as_u64().unwrap();
    Space {
        size_bytes: number("f_blocks") * number("f_frsize"),
        available_bytes: number("f_bavail") * number("f_frsize"),
        free_bytes: number("f_bfree") * number("f_frsize"),
        inodes: number("f_files"),
        inodes_free: number("f_ffree"),
    }
}

fn host_at(root: &Path, change: impl FnOnce(&mut Settings)) -> Host {
    let mut settings = Settings { root: root.to_owned(), ..Settings::named("node-1") };
    change(&mut settings);
    let space = recorded_space(&recorded("t0"));
    Host::measuring(settings, clock_at(&recorded("t0")), 100, Arc::new(move |_| Ok(space)))
}

async fn visit(host: &mut Host) -> Observed {
    host.poll(Visit { started: Timestamp::from_ms(0), timeout: Duration::from_secs(8) }).await
}

fn batch<'a>(observed: &'a Observed, kind: &Kind) -> &'a crate::model::KindBatch {
    observed.batches.iter().find(|batch| batch.kind.name == kind.name).unwrap()
}

fn entity<'a>(observed: &'a Observed, kind: &Kind, last_part: &str) -> &'a Observation {
    let is_it = |seen: &&Observation| seen.identity.parts().last().is_some_and(|part| **part == *last_part);
    batch(observed, kind).observations.iter().find(is_it).unwrap()
}

fn names(observed: &Observed, kind: &Kind) -> Vec<String> {
    let last = |seen: &Observation| seen.identity.parts().last().unwrap().to_string();
    batch(observed, kind).observations.iter().map(last).collect()
}

fn value(observed: &Observed, kind: &Kind, last_part: &str, column: &str) -> Option<i64> {
    let sample = entity(observed, kind, last_part).sample.as_ref().unwrap();
    sample.values[kind.column_index(column).unwrap_or_else(|| panic!("no column {column}"))].int()
}
