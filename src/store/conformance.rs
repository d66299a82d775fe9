//! The promises of the store, as scenarios that every backend must pass, and a property test that holds `Sqlite`
//! against `Memory` after any history.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::memory::Memory;
use super::sqlite::Sqlite;
use super::{Cutoffs, EntityQuery, EventQuery, Fetch, Store};
use crate::model::{
    Attribute, AttributeType, AttributeValue, Attributes, Column, ColumnValues, Derived, Event, Formula, Identity, Key,
    Kind, KindBatch, Observation, Outcome, Poll, Run, Sample, Severity, Snapshot, TargetName, TimeRange, Timestamp,
    Value,
};

pub(super) mod fleet;
pub(super) mod hours;
mod late;
mod random;
mod scenarios;
mod together;

/// A kind with two keys, every type of attribute, and both sorts of columns.
pub(super) static THING: Kind = Kind {
    name: "test_thing",
    help: "A thing that tests record.",
    identity: &[Key { name: "place", help: "Where." }, Key { name: "number", help: "Which." }],
    attributes: ATTRIBUTES,
    columns: &[
        Column::counter("work_seconds_total", "work_ns", "seconds", 9, "Counter."),
        FLOAT,
        Column::gauge("load_bytes", "load_bytes", "bytes", 0, "Gauge.").headline(),
    ],
    derived: &[
        Derived::new("work_cores", "cores", "A rate.", Formula::Rate { counters: &["work_seconds_total"] }).headline()
    ],
    display: &["place", "number"],
};

const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("label", AttributeType::Text, "Text."),
    Attribute::new("size", AttributeType::Integer, "Integer.").late(),
    Attribute::new("weight", AttributeType::Number, "Number."),
    Attribute::new("is_new", AttributeType::Boolean, "Boolean."),
    Attribute::new("made", AttributeType::Time, "Time."),
    Attribute::new("parts", AttributeType::List, "List."),
    Attribute::new("tags", AttributeType::Map, "Map.").late(),
];

const FLOAT: Column = Column {
    repr: crate::model::Repr::Float,
    ..Column::gauge("heat", "heat", "", 0, "A float, not finite now and then.").headline()
};

/// A kind with one key and one column.
pub(super) static PART: Kind = Kind {
    name: "test_part",
    help: "A part that tests record.",
    identity: &[Key { name: "part", help: "Which." }],
    attributes: ATTRIBUTES,
    columns: &[Column::gauge("samples", "samples", "", 0, "A name that polls have too.")],
    derived: &[],
    display: &["part"],
};

/// The kinds of the suite.
pub(super) static KINDS: &[&Kind] = &[&THING, &PART];

/// A backend under test; `reopen` does to it what the end of a process and a new start do, `kill` what `kill -9` does.
pub(super) struct Bench {
    store: Store,
    directory: Option<tempfile::TempDir>,
    /// Whether every sample is in a merged block, and rolled up, as soon as it is appended.
    is_eager: bool,
    /// The pace that its upkeep keeps: see [`Sqlite::at_pace`].
    interval_ms: i64,
}

impl Bench {
    fn memory() -> Self {
        Bench { store: Store::Memory(Memory::new(KINDS)), directory: None, is_eager: false, interval_ms: INTERVAL_MS }
    }

    fn sqlite() -> Self {
        Bench::in_file(false)
    }

    fn sealed() -> Self {
        Bench::in_file(true)
    }

    fn in_file(is_eager: bool) -> Self {
        static EMPTY: OnceLock<Vec<u8>> = OnceLock::new();
        let directory = tempfile::tempdir().unwrap();
        // Each file is made by all migrations, but they need not run for each.
        let empty = EMPTY.get_or_init(|| {
            let directory = tempfile::tempdir().unwrap();
            drop(open(directory.path(), is_eager, INTERVAL_MS));
            std::fs::read(directory.path().join(FILE)).unwrap()
        });
        std::fs::write(directory.path().join(FILE), empty).unwrap();
        let store = open(directory.path(), is_eager, INTERVAL_MS);
        Bench { store, directory: Some(directory), is_eager, interval_ms: INTERVAL_MS }
    }

    fn at_pace(mut self, interval_ms: i64) -> Self {
        self.interval_ms = interval_ms;
        self.reopen();
        self
    }

    fn reopen(&mut self) {
        if let Some(directory) = &self.directory {
            // The old one is closed first, as one process at a time writes.
            self.store = Store::Memory(Memory::default());
            self.store = open(directory.path(), self.is_eager, self.interval_ms);
        }
    }

    /// Goes on from what is in the files now, with no end to what was: as the next process finds them after a kill.
    fn kill(&mut self) {
        if let Some(directory) = &self.directory {
            let found = tempfile::tempdir().unwrap();
            for name in [FILE, "test.db-wal"] {
                let (from, to) = (directory.path().join(name), found.path().join(name));
                assert!(!from.exists() || std::fs::copy(from, to).is_ok());
            }
            self.store = open(found.path(), self.is_eager, self.interval_ms);
            self.directory = Some(found);
        }
    }
}

const FILE: &str = "test.db";

/// The pace of scenarios.
const INTERVAL_MS: i64 = 10_000;

fn open(directory: &Path, is_eager: bool, interval_ms: i64) -> Store {
    let path = directory.join(FILE);
    let opened =
        if is_eager { Sqlite::open_eager_for_tests(&path, KINDS) } else { Sqlite::open_for_tests(&path, KINDS) };
    Store::Sqlite(opened.unwrap().in_small_steps().at_pace(interval_ms))
}

/// Runs a scenario over every backend.
fn over_all(scenario: impl Fn(&mut Bench)) {
    scenario(&mut Bench::memory());
    scenario(&mut Bench::sqlite());
    scenario(&mut Bench::sealed());
}

pub(super) fn ms(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

fn range(start: i64, end: i64) -> TimeRange {
    TimeRange::new(ms(start), ms(end)).unwrap()
}

pub(super) fn node(name: &str) -> TargetName {
    TargetName::new("test", name)
}

pub(super) fn thing(number: &str) -> Identity {
    Identity::new(["here", number])
}

fn poll(target: &str, started: i64, outcome: Outcome) -> Poll {
    Poll {
        target: node(target),
        started: ms(started),
        duration_ms: 40,
        interval_ms: 10_000,
        bytes: 1_234,
        outcome,
        error: (!outcome.is_good()).then(|| "nobody there".to_owned()),
        missing: if outcome == Outcome::Partial { vec!["a".to_owned(), "b".to_owned()] } else { Vec::new() },
        clock_offset_ms: 0,
    }
}

pub(super) fn sample(at: i64, work: i64) -> Sample {
    Sample { at: ms(at), since: Some(ms(1)), values: Box::new([Value::Int(work), Value::Float(0.5), Value::Null]) }
}

pub(super) fn seen(number: &str, sample: Option<Sample>) -> Observation {
    Observation { identity: thing(number), attributes: None, ended: None, sample }
}

fn labelled(label: &str) -> Option<Attributes> {
    Some(Attributes::from([("label", label.into())]))
}

pub(super) fn snapshot(target: &str, started: i64, observations: Vec<Observation>) -> Snapshot {
    Snapshot {
        poll: poll(target, started, Outcome::Ok),
        batches: vec![KindBatch { kind: &THING, complete: true, observations }],
        events: Vec::new(),
    }
}

pub(super) fn failed(target: &str, started: i64, outcome: Outcome) -> Snapshot {
    Snapshot { poll: poll(target, started, outcome), batches: Vec::new(), events: Vec::new() }
}

fn read(store: &Store, number: &str, range: TimeRange) -> Run {
    store.read(&Fetch { kind: &THING, identity: &thing(number), range, columns: &[0, 1, 2] }).unwrap()
}

fn times(run: &Run) -> Vec<i64> {
    run.at.iter().map(|at| at.ms()).collect()
}

fn entities(store: &Store, seen_in: TimeRange) -> Vec<crate::model::EntityRecord> {
    store.entities(&EntityQuery { kind: &THING, seen_in, after: None, limit: 1_000 }).unwrap()
}

fn record(store: &Store, number: &str) -> crate::model::EntityRecord {
    store.entity(&THING, &thing(number), TimeRange::ALL).unwrap().unwrap()
}

fn event(target: &str, at: i64, source_id: &str) -> Event {
    Event {
        at: ms(at),
        severity: Severity::Warning,
        event_type: "container_died",
        kind: Some(THING.name),
        entity: Some(thing("1")),
        target: node(target),
        source_id: source_id.to_owned(),
        message: "it died".to_owned(),
        details: [
            ("exit_code".to_owned(), AttributeValue::Integer(3)),
            ("at".to_owned(), AttributeValue::Time(ms(7))),
            ("ratio".to_owned(), AttributeValue::Number(2.0)),
        ]
        .into(),
    }
}

fn retain_all(store: &Store, cutoffs: &Cutoffs) -> u64 {
    let mut polls = 0;
    // Each step makes progress or says that it is done; this many steps are more than any scenario needs.
    for _ in 0..10_000 {
        let retained = store.retain(cutoffs).unwrap();
        polls += retained.polls;
        if !retained.more {
            return polls;
        }
    }
    panic!("retention does not end");
}

/// Runs of one answer must equal runs of another; NaN equals NaN.
pub(super) fn assert_same_run(left: &Run, right: &Run) {
    let bits = |run: &Run| -> Vec<Vec<Option<u64>>> {
        let of_column = |column: &ColumnValues| match column {
            ColumnValues::Int(values) => {
                values.iter().map(|value| value.map(|value| u64::from_ne_bytes(value.to_ne_bytes()))).collect()
            }
            ColumnValues::Float(values) => values
                .iter()
                .map(|value| value.map(|value| if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }))
                .collect(),
        };
        run.columns.iter().map(of_column).collect()
    };
    assert_eq!(bits(left), bits(right));
    let bare = |run: &Run| Run { columns: Vec::new(), ..run.clone() };
    assert_eq!(bare(left), bare(right));
}

fn all_events() -> EventQuery {
    EventQuery { limit: 10_000, ..EventQuery::default() }
}

fn shared(store: Store) -> Arc<Store> {
    Arc::new(store)
}
