//! Reading entities, polls and events: rows to values of the model.
//!
//! Must not know: connections and transactions; it answers from the one it is given.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, named_params};

use super::block::Damage;
use super::codec;
use super::queries;
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

/// Attribute sets already decoded, so that entities that share one share it in memory too.
pub(super) type Sets = HashMap<i64, Arc<Attributes>>;

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
    Records::new(connection, kind, range)?.record(identity.clone(), id, ended_ms).map(Some)
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
    let mut statement = connection.prepare_cached(queries::ENTITIES_SEEN_IN_RANGE).during(OPERATION)?;
    let mut rows = statement
        .query(named_params! {
            ":kind": query.kind.name, ":after": after, ":from_ms": query.seen_in.start().ms(),
            ":until_ms": query.seen_in.end().ms(), ":part": part,
        })
        .during(OPERATION)?;
    let mut of_entity = Records::new(connection, query.kind, query.seen_in)?;
    let mut records = Vec::new();
    while records.len() < query.limit
        && let Some(row) = rows.next().during(OPERATION)?
    {
        let id: i64 = row.get(0).during(OPERATION)?;
        let identity = row.get_ref(1).and_then(|identity| Ok(codec::decode_identity(identity.as_blob()?)));
        let identity = identity
            .during(OPERATION)?
            .ok_or_else(|| damaged(OPERATION, format!("the identity of entity {id} is not one")))?;
        if has_keys(&identity, keys) {
            let ended_ms = row.get(2).during(OPERATION)?;
            records.push(of_entity.record(identity, id, ended_ms)?);
        }
    }
    Ok(records)
}

/// Reads what is known of one entity after another.
struct Records<'c> {
    connection: &'c Connection,
    kind: &'static Kind,
    range: TimeRange,
    reach: CachedStatement<'c>,
    versions: CachedStatement<'c>,
    sets: Sets,
    /// Names of targets, and when the newest good poll of each started.
    targets: HashMap<i64, (TargetName, Option<i64>)>,
}

/// When one target saw an entity.
struct ReachRow {
    target: i64,
    first_seen_ms: i64,
    last_seen_ms: Option<i64>,
    turn: i64,
}

impl<'c> Records<'c> {
    const OPERATION: &'static str = "read an entity";

    fn new(connection: &'c Connection, kind: &'static Kind, range: TimeRange) -> Result<Self, StoreError> {
        let prepared = |sql| connection.prepare_cached(sql).during(Self::OPERATION);
        Ok(Records {
            connection,
            kind,
            range,
            reach: prepared(queries::SIGHTINGS_REACH)?,
            versions: prepared(queries::VERSIONS_IN_RANGE)?,
            sets: Sets::new(),
            targets: HashMap::new(),
        })
    }

    fn record(&mut self, identity: Identity, id: i64, ended_ms: Option<i64>) -> Result<EntityRecord, StoreError> {
        let mut rows = self.reach.query((id,)).during(Self::OPERATION)?;
        let mut main = None;
        let (mut first_seen_ms, mut last_seen_ms) = (i64::MAX, i64::MIN);
        while let Some(row) = rows.next().during(Self::OPERATION)? {
            let of = |row: &Row<'_>| {
                let (target, first_seen_ms, last_seen_ms) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(ReachRow { target, first_seen_ms, last_seen_ms, turn: row.get(3)? })
            };
            let row = of(row).during(Self::OPERATION)?;
            let good_started_ms = target(self.connection, &mut self.targets, row.target)?.1;
            let seen_ms = row.last_seen_ms.or(good_started_ms).unwrap_or(row.first_seen_ms);
            first_seen_ms = first_seen_ms.min(row.first_seen_ms);
            last_seen_ms = last_seen_ms.max(seen_ms);
            // Of equals the first.
            main = main.max(Some((row.last_seen_ms.is_none(), seen_ms, Reverse(row.turn), row.target)));
        }
        drop(rows);
        let Some((.., main)) = main else {
            return Err(damaged(Self::OPERATION, format!("nothing saw entity {id}")));
        };
        let target = target(self.connection, &mut self.targets, main)?.0.clone();
        Ok(EntityRecord {
            identity,
            target,
            first_seen: Timestamp::from_ms(first_seen_ms),
            last_seen: Timestamp::from_ms(last_seen_ms),
            ended: ended_ms.map(Timestamp::from_ms),
            versions: read_versions(&mut self.versions, self.kind, id, self.range, &mut self.sets)?.into(),
        })
    }
}

/// A target's name, and when its newest good poll started.
fn target<'t>(
    connection: &Connection,
    known: &'t mut HashMap<i64, (TargetName, Option<i64>)>,
    id: i64,
) -> Result<&'t (TargetName, Option<i64>), StoreError> {
    match known.entry(id) {
        Entry::Occupied(known) => Ok(known.into_mut()),
        Entry::Vacant(place) => {
            let (name, good_started_ms): (String, _) = connection
                .prepare_cached(queries::TARGET_BY_ID)
                .and_then(|mut one| one.query_row(named_params! {":id": id}, |row| Ok((row.get(0)?, row.get(1)?))))
                .during(Records::OPERATION)?;
            Ok(place.insert((TargetName::from_full(&name), good_started_ms)))
        }
    }
}

pub(super) fn versions(
    connection: &Connection,
    kind: &'static Kind,
    entity: i64,
    range: TimeRange,
    sets: &mut Sets,
) -> Result<Vec<Version>, StoreError> {
    let mut statement = connection.prepare_cached(queries::VERSIONS_IN_RANGE).during("read attributes")?;
    read_versions(&mut statement, kind, entity, range, sets)
}

fn read_versions(
    statement: &mut CachedStatement<'_>,
    kind: &'static Kind,
    entity: i64,
    range: TimeRange,
    sets: &mut Sets,
) -> Result<Vec<Version>, StoreError> {
    const OPERATION: &str = "read attributes";
    let mut rows = statement.query((entity, range.start().ms(), range.end().ms())).during(OPERATION)?;
    let mut versions = Vec::new();
    while let Some(row) = rows.next().during(OPERATION)? {
        let set: i64 = row.get(1).during(OPERATION)?;
        let attributes = match sets.get(&set) {
            Some(attributes) => Arc::clone(attributes),
            None => {
                let body = row.get_ref(2).and_then(|body| Ok(body.as_str()?)).during(OPERATION)?;
                let attributes = codec::decode_attributes(kind, body)
                    .ok_or_else(|| damaged(OPERATION, format!("attribute set {set} is not JSON")))?;
                let attributes = Arc::new(attributes);
                sets.insert(set, Arc::clone(&attributes));
                attributes
            }
        };
        versions.push(Version { from: Timestamp::from_ms(row.get(0).during(OPERATION)?), attributes });
    }
    Ok(versions)
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
    let read = |sql: &str, parameters: &[(&str, &dyn rusqlite::ToSql)]| -> Result<Vec<PollRecord>, StoreError> {
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
