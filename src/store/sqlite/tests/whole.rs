//! A file with something of everything, for tests of what is done to files as a whole.

use std::path::Path;

use crate::model::{Attributes, Event, Severity, Snapshot, Timestamp};
use crate::store::Limits;
use crate::store::conformance::fleet::{FLEET, Fleet};
use crate::store::conformance::{PART, THING, sample, seen, snapshot};
use crate::store::sqlite::Sqlite;
use crate::store::sqlite::windows::Windows;

const HOUR_MS: i64 = 3_600_000;
const START_MS: i64 = 19_700 * 24 * HOUR_MS;
const INTERVAL_MS: i64 = 120_000;

/// The kinds of the suite, and the fleet's.
pub(in crate::store::sqlite) static ALL: &[&crate::model::Kind] = &[&FLEET, &THING, &PART];

/// A file with something of everything: merged and small blocks, a journal, entities that ended, attributes, events.
pub(in crate::store::sqlite) fn recorded(path: &Path) -> Sqlite {
    let mut store = Sqlite::open_for_tests(path, ALL).unwrap();
    store.windows = Windows::USUAL;
    let start = Timestamp::from_ms(START_MS);
    let mut fleet = Fleet::new(&FLEET, 5, 2, 3, start, INTERVAL_MS);
    for _ in 0..29 * HOUR_MS / INTERVAL_MS {
        store.append(&fleet.round()).unwrap();
    }
    let now = Timestamp::from_ms(START_MS + 27 * HOUR_MS);
    while store.upkeep(now, &Limits::default()).unwrap().more {}
    let things: Vec<Snapshot> = (0..60).map(|tick| thing(START_MS + 27 * HOUR_MS + tick * 10_000, tick)).collect();
    store.append(&things).unwrap();
    store
}

/// One poll of some things, with attributes that change and an event.
fn thing(at_ms: i64, tick: i64) -> Snapshot {
    let observations = (0..4).filter(|number| tick < 40 || *number != 3).map(|number| {
        let mut seen = seen(&number.to_string(), Some(sample(at_ms + number, tick)));
        seen.attributes = Some(Attributes::from([("label", format!("label {number} {}", tick / 25).into())]));
        seen
    });
    let mut snapshot = snapshot("things", at_ms, observations.collect());
    snapshot.events.push(Event {
        at: Timestamp::from_ms(at_ms),
        severity: Severity::Info,
        event_type: "container_started",
        kind: None,
        entity: None,
        target: snapshot.poll.target.clone(),
        source_id: tick.to_string(),
        message: "it began".to_owned(),
        details: [("exit_code".to_owned(), 3.into())].into(),
    });
    snapshot
}
