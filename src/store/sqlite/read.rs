//! Reading entities, polls and events: rows to values of the model.
//!
//! Must not know: connections and transactions; it answers from the one it is given.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, named_params};

use super::block::Damage;
use super::codec;
use super::queries;
use super::several::Several;
use crate::model::event::EVENT_TYPES;
use crate::model::{
    Attributes, EntityRecord, Event, Identity, Kind, Outcome, Poll, PollRecord, Severity, TargetName, TimeRange,
    Timestamp, Version,
};
use crate::store::{EntityQuery, EventQuery, EventRecord, Polls, StoreError, TargetRecord, has_keys};

/// Names the operation that a statement's failure belongs to.
pub(super) trait During<T> {
    fn during(self, operation: &'static str) -> Result<T, StoreError>;
}

impl<T> During<T> for rusqlite::Result<T> {
    fn during(self, operation: &'static str) -> Result<T, StoreError> {
        self.map_err(|cause| match &cause {
            rusqlite::Error::FromSqlConversionFailure(_, _, inner) if inner.is::<Damage>() => {
                StoreError::Damaged { operation, detail: inner.to_string() }
            }
            _ => StoreError::Statement { operation, cause },
        })
    }
}

/// The error for stored data that cannot be.
pub(super) fn damaged(operation: &'static str, detail: impl Into<String>) -> StoreError {
    StoreError::Damaged { operation, detail: detail.into() }
}

/// What one target saw of an entity.
#[derive(Debug, Clone)]
pub(super) struct SightingRow {
    pub(super) target: i64,
    pub(super) first_seen_ms: i64,
    pub(super) seen_from_ms: i64,
    pub(super) last_seen_ms: Option<i64>,
    pub(super) seen_until_ms: Option<i64>,
    pub(super) sample_from_ms: Option<i64>,
    pub(super) sample_until_ms: Option<i64>,
    pub(super) good_started_ms: Option<i64>,
}

/// What each target saw of an entity, in the order in which they found it.
pub(super) fn sightings(connection: &Connection, entity: i64) -> rusqlite::Result<Vec<SightingRow>> {
    let mut statement = connection.prepare_cached(queries::SIGHTINGS_OF_ENTITY)?;
    let rows = statement.query_map(named_params! {":entity": entity}, |row| {
        Ok(SightingRow {
            target: row.get(0)?,
            first_seen_ms: row.get(1)?,
            seen_from_ms: row.get(2)?,
            last_seen_ms: row.get(3)?,
            seen_until_ms: row.get(4)?,
            sample_from_ms: row.get(5)?,
            sample_until_ms: row.get(6)?,
            good_started_ms: row.get(7)?,
        })
    })?;
    rows.collect()
}

/// An entity's id and end.
pub(super) fn entity_id(
    connection: &Connection,
    kind: &Kind,
    identity: &Identity,
) -> rusqlite::Result<Option<(i64, Option<i64>)>> {
    let identity = codec::encode_identity(identity);
    connection
        .prepare_cached(queries::ENTITY_BY_IDENTITY)?
        .query_row(named_params! {":kind": kind.name, ":identity": identity}, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// See [`crate::store::Store::entity`].
pub(super) fn entity(
    connection: &Connection,
    kind: &'static Kind,
    identity: &Identity,
    range: TimeRange,
) -> Result<Option<EntityRecord>, StoreError> {
    let Some((id, ended_ms)) = entity_id(connection, kind, identity).during("look up an entity")? else {
        return Ok(None);
    };
    let mut targets = Targets::new(connection);
    let mut sighted = Sighted { id, ended_ms, ..Sighted::default() };
    for (turn, row) in (0..).zip(sightings(connection, id).during(OPERATION)?) {
        let SightingRow { target, first_seen_ms, seen_from_ms, last_seen_ms, seen_until_ms, .. } = row;
        sighted.add(&Sight { target, first_seen_ms, seen_from_ms, last_seen_ms, seen_until_ms, turn }, &mut targets)?;
    }
    sighted.identity = codec::encode_identity(identity);
    Ok(records(connection, kind, range, vec![sighted], &mut targets)?.pop())
}

/// See [`crate::store::Store::entities_with`].
pub(super) fn entities(
    connection: &Connection,
    query: &EntityQuery,
    keys: &[Option<String>],
) -> Result<Vec<EntityRecord>, StoreError> {
    const OPERATION: &str = "list entities";
    let after = query.after.as_ref().map(codec::encode_identity);
    // The longest says most.
    let part = keys.iter().flatten().max_by_key(|key| key.len()).map(|key| codec::encode_part(key));
    let mut statement = connection.prepare_cached(queries::IDENTITIES_SEEN_IN_RANGE).during(OPERATION)?;
    let mut rows = statement
        .query(named_params! {
            ":kind": query.kind.name, ":after": after, ":from_ms": query.seen_in.start().ms(),
            ":until_ms": query.seen_in.end().ms(), ":part": part,
        })
        .during(OPERATION)?;
    let mut targets = Targets::new(connection);
    let mut found: Vec<Sighted> = Vec::new();
    let (mut looked_at, mut is_over) = (0, false);
    while !is_over && found.len() < query.limit {
        // Where few of them are wanted, few at once would be many statements.
        let count = (query.limit - found.len()).max(looked_at);
        looked_at = count;
        let mut some: Vec<Sighted> = Vec::new();
        while some.len() < count && !is_over {
            let Some(row) = rows.next().during(OPERATION)? else {
                is_over = true;
                break;
            };
            let sighted = Sighted::of(row).during(OPERATION)?;
            if keys.is_empty() || has_keys(&sighted.identity()?, keys) {
                some.push(sighted);
            }
        }
        sight(connection, &mut some, &mut targets)?;
        let room = query.limit - found.len();
        found.extend(some.into_iter().filter(|sighted| sighted.is_seen_in(query.seen_in)).take(room));
    }
    records(connection, query.kind, query.seen_in, found, &mut targets)
}

/// Finds out who saw some entities, and when, and when they ended.
fn sight(connection: &Connection, some: &mut [Sighted], targets: &mut Targets<'_>) -> Result<(), StoreError> {
    let several = Several::known(some.iter().map(|sighted| sighted.id));
    let mut sights: Vec<Sights> = some.iter().map(|_| Sights::default()).collect();
    several
        .tell(connection, queries::ENTITIES_SIGHTED, &[], &mut sights, |sights, row| {
            sights.ended_ms = row.get(6)?;
            sights.of_targets.push(Sight::of(row)?);
            Ok(())
        })
        .during(OPERATION)?;
    for (sighted, sights) in some.iter_mut().zip(sights) {
        sighted.ended_ms = sights.ended_ms;
        sights.of_targets.iter().try_for_each(|sight| sighted.add(sight, targets))?;
    }
    Ok(())
}

/// What targets saw of an entity, and its end.
#[derive(Default)]
struct Sights {
    of_targets: Vec<Sight>,
    ended_ms: Option<i64>,
}

const OPERATION: &str = "read an entity";

/// When one target saw an entity.
struct Sight {
    target: i64,
    first_seen_ms: i64,
    seen_from_ms: i64,
    last_seen_ms: Option<i64>,
    seen_until_ms: Option<i64>,
    turn: i64,
}

impl Sight {
    /// Of a row of [`queries::ENTITIES_SIGHTED`].
    fn of(row: &Row<'_>) -> rusqlite::Result<Sight> {
        Ok(Sight {
            target: row.get(0)?,
            first_seen_ms: row.get(1)?,
            seen_from_ms: row.get(2)?,
            last_seen_ms: row.get(3)?,
            seen_until_ms: row.get(4)?,
            turn: row.get(5)?,
        })
    }
}

/// An entity as all its targets saw it.
#[derive(Debug, Default)]
struct Sighted {
    id: i64,
    /// As it is stored: most that are looked at are not wanted.
    identity: Vec<u8>,
    ended_ms: Option<i64>,
    seen: Option<SeenMs>,
}

/// When it was seen, and by which target last.
#[derive(Debug)]
struct SeenMs {
    first_ms: i64,
    last_ms: i64,
    /// From the first poll's beginning to the last one's end.
    from_ms: i64,
    until_ms: i64,
    /// Whether it is listed still, when it was seen last, and of equals the first.
    main: (bool, i64, Reverse<i64>, i64),
}

impl Sighted {
    /// An entity of [`queries::IDENTITIES_SEEN_IN_RANGE`], of which nothing is known so far.
    fn of(row: &Row<'_>) -> rusqlite::Result<Sighted> {
        Ok(Sighted { id: row.get(0)?, identity: row.get_ref(1)?.as_blob()?.to_vec(), ..Sighted::default() })
    }

    fn add(&mut self, sight: &Sight, targets: &mut Targets<'_>) -> Result<(), StoreError> {
        let target = targets.get(sight.target)?;
        let last_ms = sight.last_seen_ms.or(target.good_started_ms);
        let until_ms = last_ms.max(sight.seen_until_ms.or(target.good_seen_until_ms)).unwrap_or(i64::MIN);
        let last_ms = last_ms.unwrap_or(sight.first_seen_ms);
        let main = (sight.last_seen_ms.is_none(), last_ms, Reverse(sight.turn), sight.target);
        let Sight { first_seen_ms: first_ms, seen_from_ms: from_ms, .. } = *sight;
        self.seen = Some(match self.seen.take() {
            None => SeenMs { first_ms, last_ms, from_ms, until_ms, main },
            Some(seen) => SeenMs {
                first_ms: seen.first_ms.min(first_ms),
                last_ms: seen.last_ms.max(last_ms),
                from_ms: seen.from_ms.min(from_ms),
                until_ms: seen.until_ms.max(until_ms),
                main: seen.main.max(main),
            },
        });
        Ok(())
    }

    fn is_seen_in(&self, range: TimeRange) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.from_ms < range.end().ms() && seen.until_ms >= range.start().ms())
    }

    fn identity(&self) -> Result<Identity, StoreError> {
        codec::decode_identity(&self.identity)
            .ok_or_else(|| damaged(OPERATION, format!("the identity of entity {} is not one", self.id)))
    }
}

/// Entities with the versions of their attributes that hold in a range.
fn records(
    connection: &Connection,
    kind: &'static Kind,
    range: TimeRange,
    found: Vec<Sighted>,
    targets: &mut Targets<'_>,
) -> Result<Vec<EntityRecord>, StoreError> {
    let versions = versions(connection, kind, &Several::known(found.iter().map(|sighted| sighted.id)), range)?;
    let record = |(sighted, versions): (Sighted, Vec<Version>)| {
        let identity = sighted.identity()?;
        let Some(seen) = sighted.seen else {
            return Err(damaged(OPERATION, format!("nothing saw entity {}", sighted.id)));
        };
        Ok(EntityRecord {
            identity,
            target: targets.get(seen.main.3)?.name.clone(),
            first_seen: Timestamp::from_ms(seen.first_ms),
            last_seen: Timestamp::from_ms(seen.last_ms),
            ended: sighted.ended_ms.map(Timestamp::from_ms),
            versions: versions.into(),
        })
    };
    found.into_iter().zip(versions).map(record).collect()
}

/// Targets, each looked up once.
struct Targets<'c> {
    connection: &'c Connection,
    known: HashMap<i64, Target>,
}

/// A target's name, when its newest good poll started, and how far that saw.
struct Target {
    name: TargetName,
    good_started_ms: Option<i64>,
    good_seen_until_ms: Option<i64>,
}

impl<'c> Targets<'c> {
    fn new(connection: &'c Connection) -> Self {
        Targets { connection, known: HashMap::new() }
    }

    fn get(&mut self, id: i64) -> Result<&Target, StoreError> {
        match self.known.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let of = |row: &Row<'_>| {
                    let name = TargetName::from_full(&row.get::<_, String>(0)?);
                    Ok(Target { name, good_started_ms: row.get(1)?, good_seen_until_ms: row.get(2)? })
                };
                let target = self
                    .connection
                    .prepare_cached(queries::TARGET_BY_ID)
                    .and_then(|mut one| one.query_row(named_params! {":id": id}, of))
                    .during(OPERATION)?;
                Ok(place.insert(target))
            }
        }
    }
}

/// The versions of some entities' attributes that hold in a range, at least one of each, oldest first.
pub(super) fn versions(
    connection: &Connection,
    kind: &'static Kind,
    several: &Several,
    range: TimeRange,
) -> Result<Vec<Vec<Version>>, StoreError> {
    const OPERATION: &str = "read attributes";
    // Entities that share a set share it in memory too.
    let mut sets: HashMap<i64, Arc<Attributes>> = HashMap::new();
    let mut version = |(from_ms, set): (i64, i64)| {
        let attributes = match sets.entry(set) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(place) => {
                let body = attribute_set_body(connection, set).during(OPERATION)?;
                let attributes = codec::decode_attributes(kind, &body)
                    .ok_or_else(|| damaged(OPERATION, format!("attribute set {set} is not JSON")))?;
                Arc::clone(place.insert(Arc::new(attributes)))
            }
        };
        Ok(Version { from: Timestamp::from_ms(from_ms), attributes })
    };
    let held = versions_held(connection, several, (range.start().ms(), range.end().ms())).during(OPERATION)?;
    held.into_iter().map(|held| held.into_iter().map(&mut version).collect()).collect()
}

/// From when which attribute set of each of some entities holds, as far as it does so in [from, until), oldest first.
pub(super) fn versions_held(
    connection: &Connection,
    several: &Several,
    (from_ms, until_ms): (i64, i64),
) -> rusqlite::Result<Vec<Vec<(i64, i64)>>> {
    let mut held: Vec<Vec<(i64, i64)>> = several.ids().iter().map(|_| Vec::new()).collect();
    let bounds: [(&str, &dyn ToSql); 2] = [(":from_ms", &from_ms), (":until_ms", &until_ms)];
    several.tell(connection, queries::VERSIONS_OF_ENTITIES, &bounds, &mut held, |held, row| {
        held.push((row.get(0)?, row.get(1)?));
        Ok(())
    })?;
    held.iter_mut().for_each(|held| held.sort_unstable());
    Ok(held)
}

/// An attribute set as it is stored.
pub(super) fn attribute_set_body(connection: &Connection, set: i64) -> rusqlite::Result<String> {
    connection.prepare_cached(queries::ATTRIBUTE_SET_BODY)?.query_row(named_params! {":id": set}, |row| row.get(0))
}

/// See [`crate::store::Store::polls`].
pub(super) fn polls(connection: &Connection, target: &TargetName, range: TimeRange) -> Result<Polls, StoreError> {
    const OPERATION: &str = "read polls";
    let id: Option<i64> = connection
        .prepare_cached(queries::TARGET_BY_NAME)
        .and_then(|mut one| one.query_row(named_params! {":name": target.as_str()}, |row| row.get(0)).optional())
        .during(OPERATION)?;
    let Some(id) = id else { return Ok(Polls::default()) };
    let (start_ms, end_ms) = (range.start().ms(), range.end().ms());
    let read = |sql: &str, parameters: &[(&str, &dyn ToSql)]| -> Result<Vec<PollRecord>, StoreError> {
        let mut statement = connection.prepare_cached(sql).during(OPERATION)?;
        let mut rows = statement.query(parameters).during(OPERATION)?;
        let mut records = Vec::new();
        while let Some(row) = rows.next().during(OPERATION)? {
            records.push(poll_record(target, row, OPERATION)?);
        }
        Ok(records)
    };
    Ok(Polls {
        good_before: read(queries::POLL_GOOD_BEFORE, named_params! {":target": id, ":before_ms": start_ms})?.pop(),
        inside: read(
            queries::POLLS_IN_RANGE,
            named_params! {":target": id, ":from_ms": start_ms, ":until_ms": end_ms},
        )?,
        good_after: read(queries::POLL_GOOD_AFTER, named_params! {":target": id, ":from_ms": end_ms})?.pop(),
    })
}

/// See [`crate::store::Store::targets`].
pub(super) fn targets(connection: &Connection) -> Result<Vec<TargetRecord>, StoreError> {
    const OPERATION: &str = "list targets";
    let mut statement = connection.prepare_cached(queries::TARGETS_POLLED).during(OPERATION)?;
    let mut rows = statement.query([]).during(OPERATION)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next().during(OPERATION)? {
        let id: i64 = row.get(0).during(OPERATION)?;
        let target = TargetName::from_full(&row.get::<_, String>(1).during(OPERATION)?);
        let newest = |sql: &str| -> Result<Option<PollRecord>, StoreError> {
            let mut statement = connection.prepare_cached(sql).during(OPERATION)?;
            let mut rows = statement.query(named_params! {":target": id}).during(OPERATION)?;
            rows.next().during(OPERATION)?.map(|row| poll_record(&target, row, OPERATION)).transpose()
        };
        records.push(TargetRecord {
            last_tick: Timestamp::from_ms(row.get(2).during(OPERATION)?),
            last_poll: newest(queries::POLL_VISITED_NEWEST)?,
            last_good: newest(queries::POLL_GOOD_NEWEST)?,
            last_failed: newest(queries::POLL_FAILED_NEWEST)?,
            target: target.clone(),
        });
    }
    Ok(records)
}

fn poll_record(target: &TargetName, row: &Row<'_>, operation: &'static str) -> Result<PollRecord, StoreError> {
    let outcome: String = row.get(4).during(operation)?;
    let missing: String = row.get(6).during(operation)?;
    let count = |index: usize| -> Result<u64, StoreError> {
        let count: i64 = row.get(index).during(operation)?;
        u64::try_from(count).map_err(|_| damaged(operation, format!("a poll of {target} counts {count}")))
    };
    let time = |index: usize| row.get(index).map(Timestamp::from_ms).during(operation);
    Ok(PollRecord {
        poll: Poll {
            target: target.clone(),
            started: time(0)?,
            duration_ms: row.get(1).during(operation)?,
            interval_ms: row.get(2).during(operation)?,
            bytes: count(3)?,
            outcome: Outcome::from_name(&outcome)
                .ok_or_else(|| damaged(operation, format!("a poll of {target} ended as {outcome:?}")))?,
            error: row.get(5).during(operation)?,
            missing: codec::decode_list(&missing)
                .ok_or_else(|| damaged(operation, format!("what a poll of {target} missed is not a list")))?,
            clock_offset_ms: row.get(7).during(operation)?,
        },
        seen_until: time(8)?,
        samples: count(9)?,
    })
}

/// See [`crate::store::Store::events`].
pub(super) fn events(
    connection: &Connection,
    kinds: &'static [&'static Kind],
    query: &EventQuery,
) -> Result<Vec<EventRecord>, StoreError> {
    const OPERATION: &str = "list events";
    let joined = |names: &mut dyn Iterator<Item = &'static str>| {
        names.fold(String::from(","), |joined, name| joined + name + ",")
    };
    let types: &[&'static str] = if query.event_types.is_empty() { EVENT_TYPES } else { &query.event_types };
    let grave = |severity: &Severity| query.severity.is_none_or(|least| *severity >= least);
    let (after_ms, after_id) =
        query.after.map_or((i64::MIN, 0), |(at, sequence)| (at.ms(), i64::try_from(sequence).unwrap_or(i64::MAX)));
    let mut statement = connection.prepare_cached(queries::EVENTS_IN_RANGE).during(OPERATION)?;
    let mut rows = statement
        .query(named_params! {
            ":from_ms": query.range.map_or(i64::MIN, |range| range.start().ms()),
            ":until_ms": query.range.map_or(i64::MAX, |range| range.end().ms()),
            ":after_ms": after_ms, ":after_id": after_id,
            ":event_types": joined(&mut types.iter().copied()),
            ":severities": joined(&mut Severity::ALL.iter().filter(|severity| grave(severity)).map(|one| one.name())),
            ":kind": query.kind.map(|kind| kind.name),
            ":limit": i64::try_from(query.limit).unwrap_or(i64::MAX),
        })
        .during(OPERATION)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next().during(OPERATION)? {
        records.push(event_record(kinds, row, OPERATION)?);
    }
    Ok(records)
}

fn event_record(
    kinds: &'static [&'static Kind],
    row: &Row<'_>,
    operation: &'static str,
) -> Result<EventRecord, StoreError> {
    let id: i64 = row.get(0).during(operation)?;
    let text = |index: usize| row.get::<_, String>(index).during(operation);
    let damaged = |what: &str| damaged(operation, format!("the {what} of event {id} is not one"));
    let event_type = text(3)?;
    let kind: Option<String> = row.get(4).during(operation)?;
    let entity: Option<Vec<u8>> = row.get(5).during(operation)?;
    Ok(EventRecord {
        event: Event {
            at: Timestamp::from_ms(row.get(1).during(operation)?),
            severity: Severity::from_name(&text(2)?).ok_or_else(|| damaged("severity"))?,
            event_type: EVENT_TYPES
                .iter()
                .copied()
                .find(|known| *known == event_type)
                .ok_or_else(|| damaged("type"))?,
            kind: kind.and_then(|kind| kinds.iter().map(|known| known.name).find(|known| *known == kind)),
            entity: entity.map(|bytes| codec::decode_identity(&bytes).ok_or_else(|| damaged("entity"))).transpose()?,
            target: TargetName::from_full(&text(6)?),
            source_id: text(7)?,
            message: text(8)?,
            details: codec::decode_details(&text(9)?).ok_or_else(|| damaged("details"))?,
        },
        sequence: u64::try_from(id).map_err(|_| damaged("sequence"))?,
    })
}

/// A value of the store's own.
pub(super) fn meta(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    connection.prepare_cached(queries::META_VALUE)?.query_row(named_params! {":key": key}, |row| row.get(0)).optional()
}
