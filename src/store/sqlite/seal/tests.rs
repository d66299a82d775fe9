//! A fleet recorded for hours and days, sealed, merged and retained: same answers, less to keep.

use proptest::prelude::*;

use super::{Place, cut};
use crate::model::{Identity, Snapshot, TimeRange, Timestamp};
use crate::store::conformance::assert_same_run;
use crate::store::conformance::fleet::{FLEET, Fleet};
use crate::store::memory::Memory;
use crate::store::sqlite::Sqlite;
use crate::store::sqlite::windows::Windows;
use crate::store::{Cutoffs, EntityQuery, Fetch, Limits, Store, StoreError};

const KINDS: &[&crate::model::Kind] = &[&FLEET];
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A midnight, so that days are whole.
const START_MS: i64 = 19_700 * DAY_MS;
const INTERVAL_MS: i64 = 120_000;

/// A fleet told to both backends.
struct Told {
    memory: Store,
    sqlite: Store,
    path: std::path::PathBuf,
    fleet: Fleet,
    now_ms: i64,
    _directory: tempfile::TempDir,
}

impl Told {
    fn new(hosts: usize, containers: usize) -> Told {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fleet.db");
        let mut sqlite = Sqlite::open_for_tests(&path, KINDS).unwrap();
        sqlite.windows = Windows::USUAL;
        Told {
            memory: Store::Memory(Memory::new(KINDS)),
            sqlite: Store::Sqlite(sqlite),
            path,
            fleet: Fleet::new(&FLEET, 3, hosts, containers, Timestamp::from_ms(START_MS), INTERVAL_MS),
            now_ms: START_MS,
            _directory: directory,
        }
    }

    fn append(&self, snapshots: &[Snapshot]) {
        assert_eq!(self.memory.append(snapshots).unwrap(), self.sqlite.append(snapshots).unwrap());
    }

    fn live(&mut self, hours: i64) -> Vec<Vec<Snapshot>> {
        let rounds: Vec<_> = (0..hours * HOUR_MS / INTERVAL_MS).map(|_| self.fleet.round()).collect();
        rounds.iter().for_each(|round| self.append(round));
        self.now_ms += hours * HOUR_MS;
        rounds
    }

    /// All there is to do. Gives the samples sealed and the blocks merged.
    fn upkeep(&self, limits: &Limits) -> (u64, u64) {
        let (mut sealed, mut merged) = (0, 0);
        for _ in 0..10_000 {
            let done = self.sqlite.upkeep(Timestamp::from_ms(self.now_ms), limits).unwrap();
            (sealed, merged) = (sealed + done.sealed_samples, merged + done.merged_blocks);
            if !done.more {
                return (sealed, merged);
            }
        }
        panic!("upkeep does not end");
    }

    fn count(&self, sql: &str) -> i64 {
        rusqlite::Connection::open(&self.path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn rows(&self) -> i64 {
        self.count("SELECT coalesce(sum(samples), 0) FROM journal")
    }

    fn blocks(&self) -> i64 {
        self.count("SELECT count(*) FROM block")
    }

    fn identities(&self) -> Vec<Identity> {
        let query = EntityQuery { kind: &FLEET, seen_in: TimeRange::ALL, after: None, limit: 10_000 };
        self.memory.entities(&query).unwrap().into_iter().map(|record| record.identity).collect()
    }

    fn assert_same(&self) {
        let now_ms = self.now_ms;
        let ranges = [
            (START_MS - DAY_MS, START_MS),
            (START_MS, now_ms),
            (START_MS + HOUR_MS, START_MS + 2 * HOUR_MS),
            (START_MS + 3 * HOUR_MS + 7, START_MS + 3 * HOUR_MS + 7),
            (START_MS + 90_000_000, START_MS + 90_060_000),
            (now_ms - HOUR_MS, now_ms + HOUR_MS),
            (now_ms + HOUR_MS, now_ms + DAY_MS),
        ];
        let columns: Vec<usize> = (0..FLEET.columns.len()).step_by(3).collect();
        for identity in self.identities() {
            for (start, end) in ranges {
                let range = TimeRange::new(Timestamp::from_ms(start), Timestamp::from_ms(end)).unwrap();
                let fetch = Fetch { kind: &FLEET, identity: &identity, range, columns: &columns };
                assert_same_run(&self.memory.read(&fetch).unwrap(), &self.sqlite.read(&fetch).unwrap());
            }
        }
        let query = EntityQuery { kind: &FLEET, seen_in: TimeRange::ALL, after: None, limit: 10_000 };
        assert_eq!(self.memory.entities(&query).unwrap(), self.sqlite.entities(&query).unwrap());
        assert_eq!(self.memory.targets().unwrap(), self.sqlite.targets().unwrap());
    }
}

#[test]
fn old_samples_move_into_blocks_and_days_into_larger_ones() {
    let mut told = Told::new(2, 5);
    told.live(5);
    let rows = told.rows();
    let (sealed, merged) = told.upkeep(&Limits::default());
    assert_eq!((told.rows(), merged), (rows - i64::try_from(sealed).unwrap(), 0));
    // Two windows of two hours are over; the third is not.
    assert!(told.blocks() >= 20 && told.rows() < rows / 3, "{} blocks, {} of {rows} rows", told.blocks(), told.rows());
    told.assert_same();
    told.live(21);
    let (_, merged) = told.upkeep(&Limits::default());
    assert!(merged >= 120, "{merged} blocks");
    let days = told.count("SELECT count(*) FROM block WHERE is_merged AND end_ms - (id >> 30) * 60000 = 86400000");
    assert!(days >= 10, "{days} blocks of a day");
    told.assert_same();
    assert_eq!(told.upkeep(&Limits::default()), (0, 0));
}

#[test]
fn late_samples_go_into_the_blocks_that_are_there() {
    let mut told = Told::new(1, 3);
    let rounds: Vec<_> = (0..26 * HOUR_MS / INTERVAL_MS).map(|_| told.fleet.round()).collect();
    let (late, in_time): (Vec<_>, Vec<_>) = rounds.iter().enumerate().partition(|(index, _)| index % 7 == 3);
    in_time.iter().for_each(|(_, round)| told.append(round));
    told.now_ms += 26 * HOUR_MS;
    told.upkeep(&Limits::default());
    let blocks = told.blocks();
    late.iter().for_each(|(_, round)| told.append(round));
    told.assert_same();
    assert!(told.upkeep(&Limits::default()).0 > 0);
    assert_eq!(told.blocks(), blocks);
    told.assert_same();
    // What is in blocks already is left out, as any sample that is there.
    rounds.iter().for_each(|round| told.append(round));
    told.assert_same();
}

#[test]
fn samples_that_were_sealed_go_with_their_polls_and_give_their_space_back() {
    let mut told = Told::new(2, 5);
    told.live(50);
    told.upkeep(&Limits::default());
    let bytes = told.sqlite.size().file_bytes;
    for hours in [1, 5, 23, 24, 26, 47, 49] {
        let samples = Some(Timestamp::from_ms(START_MS + hours * HOUR_MS + 61_234));
        let cutoffs = Cutoffs { samples, rollups: samples, events: None };
        while told.memory.retain(&cutoffs).unwrap().more {}
        told.upkeep(&Limits { cutoffs, file_bytes_max: None });
        told.assert_same();
        assert_eq!(told.memory.samples_kept_from().unwrap(), told.sqlite.samples_kept_from().unwrap());
    }
    let samples = Some(Timestamp::from_ms(START_MS + 60 * HOUR_MS));
    let cutoffs = Cutoffs { samples, rollups: samples, events: None };
    while told.memory.retain(&cutoffs).unwrap().more {}
    told.upkeep(&Limits { cutoffs, file_bytes_max: None });
    assert_eq!((told.blocks(), told.count("SELECT count(*) FROM poll")), (0, 0));
    told.count("PRAGMA wal_checkpoint(TRUNCATE)");
    assert!(told.sqlite.size().file_bytes < bytes / 2, "{} of {bytes} bytes", told.sqlite.size().file_bytes);
    // Polls are numbered on where they were, also by a new process.
    let newest = told.count("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'poll_deleted_newest'");
    told.live(1);
    assert!(told.count("SELECT min(id) FROM poll") > newest);
    told.assert_same();
}

#[test]
fn a_file_that_is_too_large_loses_its_oldest_windows() {
    let mut told = Told::new(2, 5);
    told.live(50);
    told.upkeep(&Limits::default());
    let used = told.count("SELECT (page_count - freelist_count) * 4096 FROM pragma_page_count, pragma_freelist_count");
    let limit = u64::try_from(used * 2 / 3).unwrap();
    told.upkeep(&Limits { file_bytes_max: Some(limit), ..Limits::default() });
    let left = told.count("SELECT (page_count - freelist_count) * 4096 FROM pragma_page_count, pragma_freelist_count");
    assert!(u64::try_from(left).unwrap() <= limit, "{left} bytes where {limit} are allowed");
    assert!(left > used / 3, "{left} bytes are left of {used}");
    let kept_from = told.sqlite.samples_kept_from().unwrap().unwrap();
    assert!(told.count("SELECT min(coalesce(at_max_ms, started_ms)) FROM poll") >= kept_from.ms());
    // What has not settled stays, whatever the limit.
    told.upkeep(&Limits { file_bytes_max: Some(1), ..Limits::default() });
    assert!(told.rows() > 0);
    assert_eq!(told.count("SELECT count(*) FROM poll WHERE started_ms < 0"), 0);
}

#[test]
fn a_damaged_block_is_told_and_harms_no_other() {
    let mut told = Told::new(1, 2);
    told.live(4);
    told.upkeep(&Limits::default());
    told.count(
        "UPDATE block SET body = CAST(substr(body, 1, 40) || x'00ff' || substr(body, 43) AS BLOB)
         WHERE id = (SELECT min(id) FROM block) RETURNING 1",
    );
    let range = TimeRange::new(Timestamp::from_ms(START_MS), Timestamp::from_ms(START_MS + HOUR_MS)).unwrap();
    let read = |identity: &Identity| told.sqlite.read(&Fetch { kind: &FLEET, identity, range, columns: &[0] });
    let answers: Vec<_> = told.identities().iter().map(read).collect();
    let told: Vec<String> =
        answers.iter().filter_map(|answer| answer.as_ref().err()).map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(answers.iter().any(|answer| matches!(answer, Err(StoreError::Damaged { .. }))));
    assert!(told[0].contains("checksum"), "{told:?}");
}

#[test]
fn long_arrears_are_worked_off_in_small_steps() {
    let mut told = Told::new(1, 40);
    told.live(9);
    let mut steps = 0;
    loop {
        let done = told.sqlite.upkeep(Timestamp::from_ms(told.now_ms), &Limits::default()).unwrap();
        assert!(done.sealed_samples <= 3_500, "{} samples in one step", done.sealed_samples);
        steps += 1;
        if !done.more {
            break;
        }
    }
    assert!(steps > 4, "{steps} steps");
    told.assert_same();
}

#[test]
fn a_step_is_packed_beside_the_writer_and_kept_only_if_nothing_came_in_between() {
    let mut told = Told::new(1, 3);
    let mut rounds: Vec<_> = (0..5 * HOUR_MS / INTERVAL_MS).map(|_| told.fleet.round()).collect();
    let late = rounds.remove(7);
    rounds.iter().for_each(|round| told.append(round));
    told.now_ms += 5 * HOUR_MS;
    let now = Timestamp::from_ms(told.now_ms);
    let plan = |sqlite: &Sqlite| {
        let (kinds, windows) = (&sqlite.layouts, &sqlite.windows);
        let packed = sqlite.reading("seal", |connection| super::plan(connection, kinds, windows, now));
        packed.unwrap().map(|seal| seal.commit(&mut sqlite.writer().unwrap().connection).unwrap())
    };
    {
        let Store::Sqlite(sqlite) = &told.sqlite else { panic!("a file") };
        let (kinds, windows) = (&sqlite.layouts, &sqlite.windows);
        let seal = {
            // The writer is busy all the while.
            let _busy = sqlite.writer().unwrap();
            sqlite.reading("seal", |connection| super::plan(connection, kinds, windows, now)).unwrap().unwrap()
        };
        told.append(&late);
        assert_eq!(seal.commit(&mut sqlite.writer().unwrap().connection).unwrap(), 0);
        assert_eq!(told.blocks(), 0);
        told.assert_same();
        assert!(plan(sqlite) > Some(150));
    }
    told.assert_same();
    told.upkeep(&Limits::default());
    told.assert_same();
}

#[test]
fn polls_of_thousands_are_sealed_in_parts() {
    let mut told = Told::new(1, 100);
    let Store::Sqlite(sqlite) = &mut told.sqlite else { panic!("a file") };
    // Some 10 of 100 containers in a step, so that pieces are cut too.
    sqlite.windows.cells_per_step = 10 * 60 * 35;
    told.live(5);
    let mut rows = told.rows();
    let mut steps = 0;
    while told.sqlite.upkeep(Timestamp::from_ms(told.now_ms), &Limits::default()).unwrap().more {
        steps += 1;
        assert!(rows - told.rows() <= 3 * 10 * 60, "{} samples in one step", rows - told.rows());
        rows = told.rows();
        if steps % 3 == 0 {
            told.assert_same();
        }
    }
    assert!(steps >= 8, "{steps} steps");
    told.assert_same();
}

#[test]
fn a_step_goes_through_so_many_samples_as_it_may() {
    let place = |entity_min, entity_max, samples| Place { entity_min, entity_max, samples };
    let polls = |places: &[Place]| -> Vec<Place> { places.iter().copied().cycle().take(10 * places.len()).collect() };
    // All of it; up to where pieces end; through the first pieces, where even these are too much.
    let places = polls(&[place(1, 20, 20), place(21, 40, 20), place(41, 60, 20)]);
    assert_eq!(cut(&places, 600), i64::MAX);
    assert_eq!(cut(&places, 450), 40);
    assert_eq!(cut(&places, 300), 20);
    assert_eq!(cut(&places, 100), 20);
    assert_eq!(cut(&places, 20), 2);
    assert_eq!(cut(&[place(5, 5, 1)], 0), 5);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_fleet_reads_the_same_whenever_upkeep_is_broken_off(
        pieces in proptest::collection::vec((1..9_i64, 0..12_usize), 2..7),
    ) {
        let mut told = Told::new(2, 4);
        for (hours, steps) in pieces {
            told.live(hours);
            for _ in 0..steps {
                told.sqlite.upkeep(Timestamp::from_ms(told.now_ms), &Limits::default()).unwrap();
            }
            told.assert_same();
        }
    }
}
