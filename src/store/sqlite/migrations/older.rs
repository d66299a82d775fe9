//! Files of older releases, opened by this one: everything is as it was told then.
//!
//! `tests/fixtures/older/schema-10.sql` and `schema-11.sql` are what the sqlite3 shell's `.dump` said of files which the
//! releases with these schema versions recorded of [`history`], by [`record`] run as a test of theirs (`RECORD` names the
//! file). They are never made anew: files like them are in the field.

use std::path::Path;

use rusqlite::Connection;

use crate::model::{
    AttributeValue, Attributes, ColumnValues, Event, Identity, Kind, KindBatch, Observation, Outcome, Poll, Run,
    Sample, Severity, Snapshot, TargetName, TimeRange, Timestamp, Value,
};
use crate::source::{KINDS, kind};
use crate::store::conformance::assert_same_run;
use crate::store::memory::Memory;
use crate::store::sqlite::Sqlite;
use crate::store::{EntityQuery, EventQuery, Fetch, Limits, Store};

const HOUR_MS: i64 = 3_600_000;
const START_MS: i64 = 19_700 * 24 * HOUR_MS;
const INTERVAL_MS: i64 = 600_000;
const ROUNDS: i64 = 30;

/// Rounds after which upkeep is done once, where the release has it.
const SEALED_AFTER: i64 = 27;

/// What a container's columns were called then, as far as they have numbers here; all others are null.
const COLUMNS: [&str; 4] = ["cpu_usage_ns", "memory_usage_bytes", "network_receive_bytes", "pids"];

/// Five hours of a few containers, and of series with numbers at the edges; failed polls, a clock that steps back, events.
/// It names all that it needs, and is the same for ever.
fn history() -> Vec<Vec<Snapshot>> {
    (0..ROUNDS).map(|round| vec![usual(round), odd(round)]).collect()
}

fn usual(round: i64) -> Snapshot {
    let kind = kind("container").unwrap();
    let started = Timestamp::from_ms(START_MS + round * INTERVAL_MS + 250);
    let seen = |number: i64| {
        // One restarts, the last one is gone in the end.
        let is_restarted = number == 1 && round >= 12;
        let lived = if is_restarted { round - 12 } else { round };
        let since_ms = if is_restarted { START_MS + 12 * INTERVAL_MS - 5_000 } else { START_MS - 60_000 };
        let numbers = [lived * (number + 1) * 1_000_003, 4096 * (1_000 + round % 3), lived * 77, 3 + number];
        let value = |stored: &str| {
            let place = COLUMNS.iter().position(|column| *column == stored);
            place.map_or(Value::Null, |place| Value::Int(numbers[place]))
        };
        Observation {
            identity: Identity::new(["node-0".to_owned(), format!("c{number}")]),
            attributes: (round == 0)
                .then(|| Attributes::from([("name", AttributeValue::from(format!("web-{number}").as_str()))])),
            ended: None,
            sample: Some(Sample {
                at: started.plus_ms(1_000 + number * 7),
                since: Some(Timestamp::from_ms(since_ms)),
                values: kind.columns.iter().map(|column| value(column.stored)).collect(),
            }),
        }
    };
    let containers = if round < 20 { 5 } else { 4 };
    let poll = Poll {
        target: TargetName::new("docker", "node-0"),
        started,
        duration_ms: 1_050,
        interval_ms: INTERVAL_MS,
        bytes: 12_000,
        outcome: Outcome::Ok,
        error: None,
        missing: Vec::new(),
        clock_offset_ms: 0,
    };
    let batch = KindBatch { kind, complete: true, observations: (0..containers).map(seen).collect() };
    Snapshot { poll, batches: vec![batch], events: Vec::new() }
}

fn odd(round: i64) -> Snapshot {
    let floats = [0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 5e-324, f64::MAX, 1e15];
    let ints = [i64::MAX, i64::MIN, 0, -1, 4096];
    let of = |values: &[Value]| values[usize::try_from(round).unwrap() % values.len()];
    // At the tenth round the clock steps an hour back.
    let started = Timestamp::from_ms(START_MS + round * INTERVAL_MS + 7 - if round >= 10 { HOUR_MS } else { 0 });
    let outcome = if round % 9 == 4 { Outcome::Refused } else { Outcome::Ok };
    let target = TargetName::new("test", "odd");
    let seen = |name: &str, attributes, values: Vec<Value>| Observation {
        identity: Identity::new(["test/odd", name, "a=\"1\""]),
        attributes,
        ended: None,
        sample: Some(Sample { at: started.plus_ms(round % 3), since: None, values: values.into() }),
    };
    let attributes = Attributes::from([
        ("label", AttributeValue::Map([("a".to_owned(), "1".to_owned())].into())),
        ("description", AttributeValue::from(if round < 20 { "What it was." } else { "What it is now: 'ü', \"q\"." })),
    ]);
    let floats = floats.map(Value::Float);
    let mut observations = vec![
        seen("edges", Some(attributes), vec![of(&floats), Value::Null]),
        seen("whole", None, vec![Value::Int(round), of(&ints.map(Value::Int))]),
    ];
    // Gone after a while.
    observations.truncate(if round < 15 { 2 } else { 1 });
    let event = Event {
        at: started,
        severity: Severity::Info,
        event_type: "container_started",
        kind: Some("container"),
        entity: Some(Identity::new(["node-0", "abc"])),
        target: target.clone(),
        source_id: round.to_string(),
        message: format!("round {round}"),
        details: [("exit_code".to_owned(), AttributeValue::Integer(round))].into(),
    };
    let is_good = outcome.is_good();
    Snapshot {
        poll: Poll {
            target,
            started,
            duration_ms: 12,
            interval_ms: INTERVAL_MS,
            bytes: 99,
            outcome,
            error: (!is_good).then(|| "nobody listens there".to_owned()),
            missing: Vec::new(),
            clock_offset_ms: round % 2,
        },
        batches: if is_good {
            vec![KindBatch { kind: kind("metric").unwrap(), complete: true, observations }]
        } else {
            Vec::new()
        },
        events: vec![event],
    }
}

/// Tells the history to a store.
fn tell(store: &Store) {
    for (round, snapshots) in (0..).zip(history()) {
        store.append(&snapshots).unwrap();
        if round == SEALED_AFTER {
            let now = Timestamp::from_ms(START_MS + round * INTERVAL_MS);
            while store.upkeep(now, &Limits::default()).unwrap().more {}
        }
    }
}

#[test]
#[ignore = "makes what the fixtures of this schema version are dumped from"]
fn record() {
    let path = std::env::var_os("RECORD").expect("RECORD names the file to make");
    tell(&Store::Sqlite(Sqlite::open(Path::new(&path), KINDS).unwrap()));
}

/// A file as an older release left it.
fn restore(path: &Path, version: i64) {
    let dump = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/older/schema-{version}.sql"));
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").unwrap();
    connection.pragma_update(None, "application_id", 0x7461_6368).unwrap();
    connection.execute_batch(&std::fs::read_to_string(dump).unwrap()).unwrap();
    connection.pragma_update(None, "user_version", version).unwrap();
}

/// The shell's dump writes -0.0 as 0.0.
fn with_one_zero(mut run: Run) -> Run {
    for column in &mut run.columns {
        if let ColumnValues::Float(values) = column {
            values.iter_mut().flatten().filter(|value| **value == 0.0).for_each(|value| *value = 0.0);
        }
    }
    run
}

fn identities(store: &Store, kind: &'static Kind) -> Vec<Identity> {
    let query = EntityQuery { kind, seen_in: TimeRange::ALL, after: None, limit: 1_000 };
    store.entities(&query).unwrap().into_iter().map(|record| record.identity).collect()
}

fn assert_same(left: &Store, right: &Store) {
    let at = |ms: i64| Timestamp::from_ms(START_MS + ms);
    let ranges = [(-HOUR_MS, 6 * HOUR_MS), (0, HOUR_MS), (HOUR_MS, 3 * HOUR_MS + 7), (4 * HOUR_MS, 5 * HOUR_MS)];
    let ranges = ranges.map(|(from, until)| TimeRange::new(at(from), at(until)).unwrap());
    let mut samples = 0;
    for kind in KINDS {
        for range in ranges {
            let query = EntityQuery { kind, seen_in: range, after: None, limit: 1_000 };
            assert_eq!(left.entities(&query).unwrap(), right.entities(&query).unwrap(), "{}", kind.name);
        }
        let columns: Vec<usize> = (0..kind.columns.len()).collect();
        for identity in identities(left, kind) {
            for range in ranges {
                let fetch = Fetch { kind, identity: &identity, range, columns: &columns };
                let run = left.read(&fetch).unwrap();
                samples += run.len();
                assert_same_run(&with_one_zero(run), &with_one_zero(right.read(&fetch).unwrap()));
            }
        }
    }
    assert!(samples > 300, "{samples} samples");
    let targets = left.targets().unwrap();
    assert_eq!(targets, right.targets().unwrap());
    for target in targets {
        let polls = |store: &Store| store.polls(&target.target, TimeRange::ALL).unwrap();
        assert_eq!(polls(left), polls(right), "{}", target.target);
    }
    let events = |store: &Store| {
        let events = store.events(&EventQuery { limit: 1_000, ..EventQuery::default() }).unwrap();
        events.into_iter().map(|record| record.event).collect::<Vec<_>>()
    };
    assert_eq!(events(left), events(right));
}

#[test]
fn files_of_older_releases_hold_what_they_were_told() {
    let memory = Store::Memory(Memory::new(KINDS));
    tell(&memory);
    for version in [10, 11] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("older.db");
        restore(&path, version);
        let migrated = Store::Sqlite(Sqlite::open(&path, KINDS).unwrap());
        assert_same(&memory, &migrated);
        // It goes on as if it had been recorded today: sealed, merged, told again.
        let now = Timestamp::from_ms(START_MS + 48 * HOUR_MS);
        let mut sealed = 0;
        loop {
            let done = migrated.upkeep(now, &Limits::default()).unwrap();
            sealed += done.sealed_samples;
            if !done.more {
                break;
            }
        }
        assert!(sealed > 20, "{sealed} samples sealed of version {version}");
        assert_same(&memory, &migrated);
        let again: u64 = history().iter().map(|snapshots| migrated.append(snapshots).unwrap().samples).sum();
        assert_eq!(again, 0, "samples of version {version} that were not there");
    }
}
