//! What only a file can show: failures that leave nothing behind, space given back, walks that are bounded.

use rusqlite::StatementStatus;

mod arrears;
pub(super) mod whole;

use super::*;
use crate::model::{Attributes, KindBatch, Outcome, Run};
use crate::store::Fetch;
use crate::store::conformance::{KINDS, THING, failed, ms, node, sample, seen, snapshot, thing};

fn store() -> (tempfile::TempDir, Sqlite) {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open_for_tests(&directory.path().join("a.db"), KINDS).unwrap();
    (directory, store)
}

fn count(store: &Sqlite, table: &str) -> i64 {
    let count = |connection: &Connection| {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).during("count")
    };
    store.reading("count", count).unwrap()
}

fn samples_in_journal(store: &Sqlite) -> i64 {
    let sum = |connection: &Connection| {
        connection.query_row("SELECT sum(samples) FROM journal", [], |row| row.get(0)).during("count")
    };
    store.reading("count", sum).unwrap()
}

/// The run of one entity.
pub(super) fn read(store: &Sqlite, fetch: &Fetch<'_>) -> Run {
    let Fetch { kind, identity, range, columns } = *fetch;
    let mut all = store.read_all(&FetchAll { kind, identities: &[identity], range, columns }).unwrap();
    all.runs.remove(0)
}

#[test]
fn an_append_that_fails_leaves_nothing_and_the_next_goes_on() {
    static STRANGE: Kind = Kind { name: "strange", ..THING_COPY };
    let (_directory, store) = store();
    store.append(&[snapshot("a", 10_000, vec![seen("1", Some(sample(10_100, 1)))])]).unwrap();
    let mut strange = snapshot("a", 30_000, vec![]);
    strange.batches.push(KindBatch { kind: &STRANGE, complete: true, observations: vec![seen("1", None)] });
    let good = snapshot("b", 20_000, vec![seen("2", Some(sample(20_100, 1)))]);
    let error = store.append(&[good.clone(), strange]).unwrap_err();
    assert!(error.to_string().contains("strange"), "{error}");
    assert_eq!((count(&store, "poll"), count(&store, "entity"), count(&store, "target")), (1, 1, 1));
    let appended = store.append(&[good, snapshot("a", 30_000, vec![])]).unwrap();
    assert_eq!((appended.samples, count(&store, "entity")), (1, 2));
    let one = store.entity(&THING, &thing("1"), TimeRange::ALL).unwrap().unwrap();
    assert_eq!(one.ended, Some(ms(30_000)));
}

/// What a kind of tests is made of, for kinds under other names.
const THING_COPY: Kind =
    Kind { name: "", help: "", identity: &[], attributes: &[], columns: &[], derived: &[], display: &[] };

#[test]
fn a_batch_of_two_thousand_is_read_back() {
    let (_directory, store) = store();
    let numbers: Vec<String> = (0..2_000).map(|number| number.to_string()).collect();
    let all = |at| numbers.iter().map(|number| seen(number, Some(sample(at, at)))).collect();
    let appended = store.append(&[snapshot("a", 10_000, all(10_100)), snapshot("a", 20_000, all(20_100))]).unwrap();
    assert_eq!(appended.samples, 4_000);
    let fetch = Fetch { kind: &THING, identity: &thing("1999"), range: TimeRange::ALL, columns: &[0] };
    assert_eq!(read(&store, &fetch).at, [ms(10_100), ms(20_100)]);
}

#[test]
fn retention_gives_space_back_and_leaves_nothing_unused() {
    let (_directory, store) = store();
    for tick in 0..600 {
        let observations = (0..50).map(|number| {
            let mut seen = seen(&format!("{}", tick / 100 * 50 + number), Some(sample(tick * 10_000, tick)));
            seen.attributes = Some(Attributes::from([("label", format!("label {}", tick / 50).into())]));
            seen
        });
        store.append(&[snapshot("a", tick * 10_000, observations.collect())]).unwrap();
    }
    let checkpoint = |store: &Sqlite| {
        let writer = store.writer().unwrap();
        writer.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    };
    checkpoint(&store);
    let before = store.size();
    let cutoff = Some(ms(590 * 10_000));
    let cutoffs = Cutoffs { samples: cutoff, rollups: cutoff, events: None };
    let mut steps = 0;
    while store.retain(&cutoffs).unwrap().more {
        steps += 1;
    }
    checkpoint(&store);
    let after = store.size();
    assert!(steps > 4, "{steps} steps took 29,500 samples: too much in one");
    // Every table keeps a page, and a quarter of what is in use may stay free.
    assert!(after.file_bytes * 2 < before.file_bytes, "{before:?} -> {after:?}");
    assert_eq!((count(&store, "poll"), samples_in_journal(&store), count(&store, "entity")), (10, 500, 50));
    assert_eq!((count(&store, "entity_version"), count(&store, "attribute_set")), (50, 1));
    assert_eq!((count(&store, "sighting"), count(&store, "target")), (50, 1));
}

#[test]
fn equal_attributes_are_stored_once() {
    let (_directory, store) = store();
    let labelled = |number: &str, label: &str| {
        let attributes = Some(Attributes::from([("label", label.into())]));
        crate::model::Observation { attributes, ..seen(number, None) }
    };
    store.append(&[snapshot("a", 0, vec![labelled("1", "x"), labelled("2", "x"), labelled("3", "y")])]).unwrap();
    assert_eq!((count(&store, "attribute_set"), count(&store, "entity_version")), (2, 3));
}

/// Steps of SQLite's machine for the neighbours of an instant.
fn steps_of_neighbours(store: &Sqlite, number: &str, at_ms: i64) -> i32 {
    let steps = |connection: &Connection| {
        let (entity, _) = read::entity_id(connection, &THING, &thing(number)).unwrap().unwrap();
        let statements = [queries::PIECES_BACKWARDS, queries::PIECES_FORWARDS];
        for sql in statements {
            connection.prepare_cached(sql).unwrap().reset_status(StatementStatus::VmStep);
        }
        let journal = journal::Journal::new(connection, &THING, &[]);
        for track in samples::tracks(&journal, connection, &THING, &several::Several::one(entity)).unwrap() {
            track.before(at_ms).unwrap();
            track.at_or_after(at_ms).unwrap();
        }
        let steps = statements.map(|sql| connection.prepare_cached(sql).unwrap().get_status(StatementStatus::VmStep));
        Ok(steps.iter().sum())
    };
    store.reading("count steps", steps).unwrap()
}

#[test]
fn neighbours_of_what_came_late_or_went_early_are_found_without_a_long_walk() {
    let (_directory, store) = store();
    let ticks = 2_000;
    for tick in 0..ticks {
        let mut observations = vec![seen("always", Some(sample(tick * 10_000, tick)))];
        // Stopped, but listed for ever.
        observations.push(seen("stopped", (tick < 10).then(|| sample(tick * 10_000, tick))));
        if tick < 10 {
            observations.push(seen("gone", Some(sample(tick * 10_000, tick))));
        }
        if tick > ticks - 10 {
            observations.push(seen("new", Some(sample(tick * 10_000, tick))));
        }
        store.append(&[snapshot("a", tick * 10_000, observations)]).unwrap();
    }
    let near = steps_of_neighbours(&store, "always", 1_000 * 10_000);
    for number in ["stopped", "gone", "new"] {
        let far = steps_of_neighbours(&store, number, 1_000 * 10_000);
        assert!(far < near * 4, "{number}: {far} steps, {near} where the neighbours are near");
    }
}

#[test]
fn many_threads_share_few_connections() {
    let (_directory, store) = store();
    store.append(&[failed("a", 10, Outcome::Refused)]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 * READERS_MAX {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(store.polls(&node("a"), TimeRange::ALL).unwrap().inside.len(), 1);
                }
            });
        }
    });
    let pool = store.readers.pool.lock().unwrap();
    assert!(pool.open <= READERS_MAX && pool.idle.len() == pool.open, "{pool:?}");
}
