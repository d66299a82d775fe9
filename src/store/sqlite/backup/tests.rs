//! Copies of a file that is being written are whole and sound, and nothing half has a name.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::model::{TimeRange, Timestamp};
use crate::store::conformance::fleet::{FLEET, Fleet};
use crate::store::sqlite::Sqlite;
use crate::store::sqlite::tests::read;
use crate::store::sqlite::windows::Windows;
use crate::store::{EntityQuery, Fetch, Limits, StoreError};

const KINDS: &[&crate::model::Kind] = &[&FLEET];
const START_MS: i64 = 19_700 * 86_400_000;
const INTERVAL_MS: i64 = 60_000;

fn go_on(_: crate::store::Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn a_copy_taken_during_heavy_writing_is_a_state_that_was() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Sqlite::open_for_tests(&directory.path().join("a.db"), KINDS).unwrap();
    store.windows = Windows::USUAL;
    let mut fleet = Fleet::new(&FLEET, 7, 2, 10, Timestamp::from_ms(START_MS), INTERVAL_MS);
    for _ in 0..60 {
        store.append(&fleet.round()).unwrap();
    }
    let is_over = AtomicBool::new(false);
    let rounds = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut rounds = 60;
            while !is_over.load(Ordering::Relaxed) {
                store.append(&fleet.round()).unwrap();
                rounds += 1;
                let now = Timestamp::from_ms(START_MS + rounds * INTERVAL_MS);
                while store.upkeep(now, &Limits::default()).unwrap().more {}
            }
            rounds
        });
        for turn in 0..5 {
            let to = directory.path().join(format!("copy-{turn}.db"));
            // Looked at often, so that the writer gets in between.
            let report = store.back_up(&to, &mut go_on).unwrap();
            assert_eq!(report.faults, Vec::<String>::new());
        }
        is_over.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    assert!(rounds > 60);
    let columns: Vec<usize> = (0..FLEET.columns.len()).collect();
    let mut before = 0;
    for turn in 0..5 {
        let to = directory.path().join(format!("copy-{turn}.db"));
        assert!(!directory.path().join(format!("copy-{turn}.db.partial")).exists());
        assert!(!directory.path().join(format!("copy-{turn}.db-wal")).exists(), "a copy is one file");
        // Recording into it goes on where it was.
        let copy = Sqlite::open_for_tests(&to, KINDS).unwrap();
        let newest = copy
            .targets()
            .unwrap()
            .iter()
            .filter_map(|target| target.last_good.clone())
            .map(|poll| poll.poll.started)
            .max();
        let range = TimeRange::new(Timestamp::from_ms(START_MS), newest.unwrap()).unwrap();
        let query = EntityQuery { kind: &FLEET, seen_in: TimeRange::ALL, after: None, limit: 1000 };
        let mut samples = 0;
        for entity in copy.entities(&query).unwrap() {
            let fetch = Fetch { kind: &FLEET, identity: &entity.identity, range, columns: &columns };
            let (mut ours, mut theirs) = (read(&store, &fetch), read(&copy, &fetch));
            // What came after is known to one of them only.
            for run in [&mut ours, &mut theirs] {
                let inside = run.inside();
                run.at.truncate(inside.end);
                run.since.truncate(inside.end);
                run.columns.clear();
            }
            assert_eq!((&ours.at, &ours.since), (&theirs.at, &theirs.since));
            samples += ours.at.len();
        }
        assert!(samples >= before && samples >= 20 * 59, "{samples} after {before}");
        before = samples;
    }
}

#[test]
fn nothing_is_written_over_and_nothing_half_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open_for_tests(&directory.path().join("a.db"), KINDS).unwrap();
    store.append(&Fleet::new(&FLEET, 7, 1, 3, Timestamp::from_ms(START_MS), INTERVAL_MS).round()).unwrap();
    let to = directory.path().join("copy.db");
    let names = || {
        let names = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).filter(|name| name.starts_with("copy")).collect::<Vec<_>>()
    };
    let stopped = store.back_up(&to, &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(StoreError::Stopped)), "{stopped:?}");
    assert_eq!(names(), Vec::<String>::new());

    // What a run left behind that was killed is taken over.
    std::fs::write(directory.path().join("copy.db.partial"), vec![7; 100_000]).unwrap();
    assert!(store.back_up(&to, &mut go_on).unwrap().is_sound());
    assert_eq!(names(), ["copy.db"]);

    std::fs::write(&to, "mine").unwrap();
    let refused = store.back_up(&to, &mut go_on).unwrap_err();
    assert!(refused.to_string().contains("it exists, and is not written over"), "{refused}");
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "mine");
    let missing = store.back_up(&directory.path().join("no/copy.db"), &mut go_on).unwrap_err();
    assert!(missing.to_string().contains("its directory does not exist"), "{missing}");
}
