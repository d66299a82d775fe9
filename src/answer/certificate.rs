//! What certificates of deaths are made of, read for a page of events.
//!
//! Must not know: how a certificate is put together or printed.

use super::AnswerError;
use crate::model::{Event, Kind, TimeRange, Timestamp};
use crate::query::certificate::{Certificate, DEATH, OOM, Reader, START};
use crate::store::{EventQuery, EventRecord, Fetch, Store};

/// How far back a life is looked at: a run is at most a day, and what led to a death is in it.
const LIFE_MS: i64 = 86_400_000;
/// What led to a death happened within the minute before it.
const BEFORE_MS: i64 = 60_000;
/// Most events of one certificate: more on one host in a minute is a storm, and its newest say so.
const BEFORE_MAX: usize = 50;
/// Most events of the day before that are looked through: a fleet that restarts all the time; the newest count.
const LOOKED_AT_MAX: usize = 50_000;
/// Events read at once.
const PAGE: usize = 5_000;

/// The certificate of each death among the events; None for other events.
pub(super) fn certificates(
    store: &Store,
    kinds: &[&'static Kind],
    events: &[EventRecord],
) -> Result<Vec<Option<Certificate>>, AnswerError> {
    let is_death = |record: &&EventRecord| record.event.event_type == DEATH;
    let mut deaths = events.iter().filter(is_death);
    let (Some(first), last) = (deaths.next(), deaths.next_back()) else { return Ok(vec![None; events.len()]) };
    let last = last.unwrap_or(first);
    let around = span(first.event.at.plus_ms(-LIFE_MS), last.event.at.plus_ms(1));
    let of_day = read(store, around, &[DEATH, OOM, START])?;
    events
        .iter()
        .map(|record| match kinds.iter().find(|kind| record.event.kind == Some(kind.name)) {
            Some(kind) if is_death(&record) => certificate(store, kind, record, &of_day).map(Some),
            _ => Ok(None),
        })
        .collect()
}

fn certificate(
    store: &Store,
    kind: &'static Kind,
    record: &EventRecord,
    of_day: &[EventRecord],
) -> Result<Certificate, AnswerError> {
    let death = &record.event;
    let Some(identity) = &death.entity else { return Ok(Certificate::default()) };
    let life = span(death.at.plus_ms(-LIFE_MS), death.at.plus_ms(1));
    let reader = Reader::new(kind);
    let run = store.read(&Fetch { kind, identity, range: life, columns: reader.columns() })?;
    // What is learnt of a death is learnt after it.
    let after = span(life.start(), death.at.plus_ms(LIFE_MS));
    let entity = store.entity(kind, identity, after)?;
    let is_own = |other: &&EventRecord| {
        other.event.entity.as_ref() == Some(identity)
            && life.contains(other.event.at)
            && (other.event.at, other.sequence) != (death.at, record.sequence)
    };
    let of_life: Vec<&Event> = of_day.iter().filter(is_own).map(|other| &other.event).collect();
    let minute = read(store, span(death.at.plus_ms(-BEFORE_MS), death.at.plus_ms(1)), &[])?;
    let of_host = minute.into_iter().filter(|other| {
        other.event.target.name() == death.target.name()
            && (other.event.at, other.sequence) != (death.at, record.sequence)
    });
    let mut of_minute: Vec<Event> = of_host.map(|other| other.event).collect();
    of_minute.drain(..of_minute.len().saturating_sub(BEFORE_MAX));
    Ok(reader.certificate(death, entity.as_ref(), &run, &of_life, of_minute))
}

/// The events of a range of these types (of all, where none is named), oldest first, the newest of too many.
fn read(store: &Store, range: TimeRange, types: &[&'static str]) -> Result<Vec<EventRecord>, AnswerError> {
    let mut events: Vec<EventRecord> = Vec::new();
    let mut after = None;
    loop {
        let query = EventQuery {
            range: Some(range),
            event_types: types.to_vec(),
            severity: None,
            kind: None,
            after,
            limit: PAGE,
        };
        let page = store.events(&query)?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|last| (last.event.at, last.sequence));
        events.extend(page);
        events.drain(..events.len().saturating_sub(LOOKED_AT_MAX));
        if is_last {
            return Ok(events);
        }
    }
}

fn span(start: Timestamp, end: Timestamp) -> TimeRange {
    TimeRange::new(start, end).unwrap_or(TimeRange::ALL)
}
