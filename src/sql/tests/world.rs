//! Recordings to ask: small ones made by hand, and the ways to ask them.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::answer::Stop;
use crate::model::{
    AttributeValue, Event, Identity, KindBatch, Observation, Outcome, Poll, Sample, Severity, Snapshot, TargetName,
    Timestamp, Value,
};
use crate::query::request::{Zone, parse_rfc3339};
use crate::render::cell::push_text;
use crate::source::{KINDS, kind};
use crate::sql::{Argument, Bounds, Database, Part, SqlError, run};
use crate::store::memory::Memory;
use crate::store::sqlite::Sqlite;
use crate::store::{Limits, Store};

pub(super) const MIB: i64 = 1 << 20;

pub(super) fn at(text: &str) -> Timestamp {
    parse_rfc3339(text).unwrap()
}

/// A sample of one thing; numbers are in native units, by outside name.
pub(super) fn seen(
    kind_name: &str,
    identity: &[&str],
    facts: &[(&'static str, AttributeValue)],
    at: Timestamp,
    since: Option<Timestamp>,
    numbers: &[(&str, i64)],
) -> Observation {
    let kind = kind(kind_name).unwrap();
    let mut values = vec![Value::Null; kind.columns.len()];
    for (name, value) in numbers {
        let index = kind.column_index(name).unwrap_or_else(|| panic!("{kind_name} has no {name}"));
        values[index] = Value::Int(*value);
    }
    for (name, _) in facts {
        assert!(kind.attribute(name).is_some(), "{kind_name} has no attribute {name}");
    }
    Observation {
        identity: Identity::new(identity.iter().copied()),
        attributes: Some(facts.iter().cloned().collect()),
        ended: None,
        sample: Some(Sample { at, since, values: values.into() }),
    }
}

/// One visit to a target.
pub(super) fn visit(
    target: (&str, &str),
    started: Timestamp,
    interval_ms: i64,
    kinds: Vec<(&str, Vec<Observation>)>,
    events: Vec<Event>,
) -> Snapshot {
    let batch = |(name, observations): (&str, Vec<Observation>)| KindBatch {
        kind: kind(name).unwrap(),
        complete: true,
        observations,
    };
    Snapshot {
        poll: Poll {
            target: TargetName::new(target.0, target.1),
            started,
            duration_ms: 120,
            interval_ms,
            bytes: 1000,
            outcome: Outcome::Ok,
            error: None,
            missing: Vec::new(),
            clock_offset_ms: 0,
        },
        batches: kinds.into_iter().map(batch).collect(),
        events,
    }
}

/// A visit that brought nothing.
pub(super) fn missed(target: (&str, &str), started: Timestamp, interval_ms: i64, outcome: Outcome) -> Snapshot {
    let mut snapshot = visit(target, started, interval_ms, Vec::new(), Vec::new());
    snapshot.poll.outcome = outcome;
    snapshot.poll.error = Some("nobody there".to_owned());
    snapshot
}

/// Something that happened to a container.
pub(super) fn happened(
    at: Timestamp,
    event_type: &'static str,
    (host, id): (&str, &str),
    exit_code: Option<i64>,
) -> Event {
    Event {
        at,
        severity: Severity::Warning,
        event_type,
        kind: Some("container"),
        entity: Some(Identity::new([host, id])),
        target: TargetName::new("docker", host),
        source_id: format!("{} {event_type} {id}", at.ms()),
        message: format!("{id} {event_type}"),
        details: exit_code.map(|code| ("exit_code".to_owned(), AttributeValue::Integer(code))).into_iter().collect(),
    }
}

/// The recording in memory, as rows of a file, and in sealed and merged blocks of a file.
pub(super) fn everywhere(snapshots: &[Snapshot], now: Timestamp, check: impl Fn(&Database)) {
    let database = |store| Database { store: Arc::new(store), kinds: KINDS, now };
    let memory = Store::Memory(Memory::default());
    memory.append(snapshots).unwrap();
    check(&database(memory));
    let directory = tempfile::tempdir().unwrap();
    let file = Store::Sqlite(Sqlite::open(&directory.path().join("test.db"), KINDS).unwrap());
    file.append(snapshots).unwrap();
    let file = database(file);
    check(&file);
    while file.store.upkeep(Timestamp::MAX, &Limits::default()).unwrap().more {}
    check(&file);
}

pub(super) fn in_memory(snapshots: &[Snapshot], now: Timestamp) -> Database {
    let store = Store::Memory(Memory::default());
    store.append(snapshots).unwrap();
    Database { store: Arc::new(store), kinds: KINDS, now }
}

/// Bounds that no test comes near by itself.
pub(super) fn bounds() -> Bounds {
    Bounds {
        stop: Stop::never(),
        is_late: Box::new(|| false),
        time_seconds: 60,
        memory_bytes: 256 << 20,
        rows: 1_000_000,
    }
}

/// The rows of an answer, cells between bars, the header first.
pub(super) fn printed(
    answer: impl FnOnce(&mut crate::sql::Take<'_>) -> Result<(), SqlError>,
) -> Result<Vec<String>, SqlError> {
    let mut lines = Vec::new();
    answer(&mut |part| {
        lines.push(match part {
            Part::Columns(names) => names.join("|"),
            Part::Row(cells) => {
                let text = |cell| {
                    let mut text = Vec::new();
                    push_text(&mut text, cell, Zone::Utc);
                    String::from_utf8(text).unwrap()
                };
                cells.iter().map(text).collect::<Vec<_>>().join("|")
            }
        });
        ControlFlow::Continue(())
    })?;
    Ok(lines)
}

pub(super) fn try_ask(
    database: &Database,
    sql: &str,
    parameters: &[(String, Argument)],
) -> Result<Vec<String>, SqlError> {
    printed(|take| run(database, sql, parameters, bounds(), take).map(|_| ()))
}

/// The rows of a statement without their header.
#[track_caller]
pub(super) fn ask(database: &Database, sql: &str) -> Vec<String> {
    match try_ask(database, sql, &[]) {
        Ok(lines) => lines[1..].to_vec(),
        Err(error) => panic!("{sql}: {}", error.chain()),
    }
}

/// Why a statement gives no answer.
#[track_caller]
pub(super) fn fault(database: &Database, sql: &str) -> String {
    match try_ask(database, sql, &[]) {
        Ok(lines) => panic!("{sql}: {lines:?}"),
        Err(error) => error.chain(),
    }
}
