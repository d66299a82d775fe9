//! What the writer remembers of an entity that is listed, and how one poll changes it.
//!
//! Every change goes to the file in the same step. Must not know: snapshots as a whole, transactions.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::block::Damage;
use super::codec;
use super::journal::Journal;
use super::piece::Row;
use super::queries;
use super::read::{self, SightingRow};
use super::rollup;
use super::samples;
use super::sealed::Sealed;
use super::several::Several;
use super::write::{Reach, Visit};
use crate::model::{Attributes, Identity, Kind, Observation, Sample, Timestamp, Version};
use crate::store::learnt::{backdated, reach};
use crate::store::{HOUR_MS, VERSIONS_PER_HOUR_MAX, limit_hit_id};

/// An entity that is listed.
#[derive(Debug)]
pub(super) struct Living {
    id: i64,
    ended_ms: Option<i64>,
    newest_at: NewestAt,
    /// Hash and length of its newest attributes; None until they were looked at.
    attributes: Option<Fingerprint>,
    /// The poll that took its newest sample.
    sampled_by: i64,
    /// The last hour in which its attributes were seen to change too often.
    limit_hour: Option<i64>,
    sightings: Vec<Sighting>,
}

/// The time of an entity's newest sample: the file is asked only where it matters.
#[derive(Debug, Clone, Copy)]
enum NewestAt {
    Unread,
    Read(Option<i64>),
}

type Fingerprint = (i64, usize);

/// What a poll's naming of an entity means.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Listing {
    /// The target did not list it before.
    pub(super) is_new: bool,
    /// The same poll named it already.
    pub(super) is_again: bool,
}

#[derive(Debug)]
struct Sighting {
    target: i64,
    first_seen_ms: i64,
    seen_from_ms: i64,
    /// None while it is listed.
    unlisted: Option<Reach>,
    sample_from_ms: Option<i64>,
    sample_until_ms: Option<i64>,
    /// The last poll that listed it.
    listed_by: i64,
}

impl Living {
    pub(super) fn load(connection: &Connection, id: i64, ended_ms: Option<i64>) -> rusqlite::Result<Self> {
        let sightings = read::sightings(connection, id)?;
        Ok(Living {
            id,
            ended_ms,
            newest_at: NewestAt::Unread,
            attributes: None,
            sampled_by: 0,
            limit_hour: None,
            sightings: sightings.iter().map(Sighting::from).collect(),
        })
    }

    pub(super) fn find_or_insert(
        connection: &Connection,
        kind: &'static Kind,
        identity: &Identity,
        ended: Option<Timestamp>,
    ) -> rusqlite::Result<Self> {
        if let Some((id, ended_ms)) = read::entity_id(connection, kind, identity)? {
            return Living::load(connection, id, ended_ms);
        }
        let ended_ms = ended.map(Timestamp::ms);
        let id = connection.prepare_cached(queries::ENTITY_INSERT)?.query_row(
            named_params! {
                ":kind": kind.name, ":identity": codec::encode_identity(identity), ":ended_ms": ended_ms,
            },
            |row| row.get(0),
        )?;
        Ok(Living {
            id,
            ended_ms,
            newest_at: NewestAt::Read(None),
            attributes: None,
            sampled_by: 0,
            limit_hour: None,
            sightings: Vec::new(),
        })
    }

    /// The time of its newest sample, from the file where it is not remembered.
    fn newest_at(&mut self, connection: &Connection, kind: &'static Kind) -> rusqlite::Result<Option<i64>> {
        if let NewestAt::Read(newest_at) = self.newest_at {
            return Ok(newest_at);
        }
        let mut newest_at = Sealed::new(connection, kind, self.id, &[])?.newest_at()?;
        let journal = Journal::new(connection, kind, &[]);
        for track in samples::tracks(&journal, connection, kind, &Several::one(self.id))? {
            newest_at = newest_at.max(track.before(i64::MAX)?.iter().map(|one| one.at_ms).max());
        }
        self.newest_at = NewestAt::Read(newest_at);
        Ok(newest_at)
    }

    /// Takes a sample, unless one of its time is there: what is to be kept of it.
    pub(super) fn take_sample<'a>(
        &mut self,
        connection: &Connection,
        kind: &'static Kind,
        visit: Visit<'_>,
        sample: &'a Sample,
    ) -> rusqlite::Result<Option<Row<'a>>> {
        let at_ms = sample.at.ms();
        let newest_at = self.newest_at(connection, kind)?;
        if self.sampled_by == visit.poll {
            return Ok(None);
        }
        if newest_at.is_some_and(|newest_at| at_ms <= newest_at) {
            if Sealed::new(connection, kind, self.id, &[])?.has(at_ms)? {
                return Ok(None);
            }
            let journal = Journal::new(connection, kind, &[]);
            for track in samples::tracks(&journal, connection, kind, &Several::one(self.id))? {
                if track.has(at_ms)? {
                    return Ok(None);
                }
            }
        }
        self.sampled_by = visit.poll;
        self.newest_at = NewestAt::Read(newest_at.max(Some(at_ms)));
        let since_ms = sample.since.map(Timestamp::ms);
        Ok(Some(Row { entity: self.id, at_ms, since_ms, values: &sample.values }))
    }

    /// The targets that list it.
    pub(super) fn listed_by(&self) -> impl Iterator<Item = i64> {
        self.sightings.iter().filter(|sighting| sighting.unlisted.is_none()).map(|sighting| sighting.target)
    }

    /// Whether this very poll listed it.
    pub(super) fn is_listed_by(&self, visit: Visit<'_>) -> bool {
        self.sightings.iter().any(|sighting| sighting.target == visit.target_id && sighting.listed_by == visit.poll)
    }

    /// A good poll lists it.
    pub(super) fn list(
        &mut self,
        connection: &Connection,
        kind: &'static Kind,
        visit: Visit<'_>,
        seen: &Observation,
        is_sampled: bool,
    ) -> rusqlite::Result<Listing> {
        let ended_ms = seen.ended.map(Timestamp::ms);
        if self.ended_ms != ended_ms {
            self.set_ended(connection, ended_ms)?;
        }
        let newest_at = if seen.sample.is_none() { self.newest_at(connection, kind)? } else { None };
        let from_ms = seen.sample.as_ref().map_or(visit.started_ms, |sample| visit.started_ms.min(sample.at.ms()));
        let turn = self.sightings.len();
        let position = self.sightings.iter().position(|sighting| sighting.target == visit.target_id);
        let mut is_changed = position.is_none();
        if is_changed {
            self.sightings.push(Sighting::new(visit, from_ms));
        }
        let position = position.unwrap_or(turn);
        let Some(sighting) = self.sightings.get_mut(position) else { return Ok(Listing::default()) };
        is_changed |= sighting.unlisted.take().is_some();
        let listing = Listing { is_new: is_changed, is_again: sighting.listed_by == visit.poll && !is_changed };
        sighting.listed_by = visit.poll;
        is_changed |= lower(&mut sighting.first_seen_ms, visit.started_ms);
        is_changed |= lower(&mut sighting.seen_from_ms, from_ms);
        if let Some(sample) = seen.sample.as_ref().filter(|_| is_sampled) {
            let at_ms = sample.at.ms();
            is_changed |= sighting.sample_until_ms.take().is_some();
            match &mut sighting.sample_from_ms {
                Some(sample_from_ms) => is_changed |= lower(sample_from_ms, at_ms),
                none => {
                    *none = Some(at_ms);
                    is_changed = true;
                }
            }
        }
        if seen.sample.is_none() {
            is_changed |= sighting.stop_sampling(newest_at);
        }
        if is_changed {
            sighting.save(connection, self.id, position)?;
        }
        Ok(listing)
    }

    /// A good poll with a complete list took place. Says whether no target lists the entity any more.
    pub(super) fn unlist(
        &mut self,
        connection: &Connection,
        kind: &'static Kind,
        visit: Visit<'_>,
        reach: Reach,
    ) -> rusqlite::Result<bool> {
        let absent = self.sightings.iter().position(|sighting| {
            sighting.target == visit.target_id && sighting.unlisted.is_none() && sighting.listed_by != visit.poll
        });
        let Some(position) = absent else { return Ok(false) };
        let newest_at = self.newest_at(connection, kind)?;
        if let Some(sighting) = self.sightings.get_mut(position) {
            sighting.unlisted = Some(reach);
            sighting.stop_sampling(newest_at);
            sighting.save(connection, self.id, position)?;
        }
        let is_over = self.sightings.iter().all(|sighting| sighting.unlisted.is_some());
        if is_over && self.ended_ms.is_none() {
            self.set_ended(connection, Some(visit.started_ms))?;
        }
        Ok(is_over)
    }

    fn set_ended(&mut self, connection: &Connection, ended_ms: Option<i64>) -> rusqlite::Result<()> {
        connection
            .prepare_cached(queries::ENTITY_END)?
            .execute(named_params! {":ended_ms": ended_ms, ":entity": self.id})?;
        self.ended_ms = ended_ms;
        Ok(())
    }

    /// Opens a version where attributes changed. Gives the time of the event where that hits the limit.
    pub(super) fn learn(
        &mut self,
        connection: &Connection,
        kind: &'static Kind,
        identity: &Identity,
        attributes: Option<&Attributes>,
        from_ms: i64,
    ) -> rusqlite::Result<Option<i64>> {
        if attributes.is_none() && self.attributes.is_some() {
            return Ok(None);
        }
        let body = attributes.map(codec::encode_attributes);
        let fingerprint = body.as_deref().map(|body| (codec::hash(body), body.len()));
        if fingerprint.is_some() && fingerprint == self.attributes {
            return Ok(None);
        }
        let mut versions = newest_versions(connection, self.id)?.into_iter();
        let Some(mut newest) = versions.next() else {
            let body = body.unwrap_or_else(|| codec::encode_attributes(&Attributes::new()));
            insert_version(connection, self.id, from_ms, attribute_set(connection, &body)?)?;
            self.attributes = Some((codec::hash(&body), body.len()));
            return Ok(None);
        };
        let Some(body) = body.filter(|body| *body != newest.body) else {
            self.attributes = Some((codec::hash(&newest.body), newest.body.len()));
            return Ok(None);
        };
        self.attributes = fingerprint;
        let mut before = versions.next();
        if before.is_none() && newest.body == codec::encode_attributes(&Attributes::new()) {
            let set = attribute_set(connection, &body)?;
            delete_version(connection, self.id, newest.from_ms, newest.set)?;
            insert_version(connection, self.id, newest.from_ms, set)?;
            return Ok(None);
        }
        if let Some(attributes) = attributes
            && backdate(connection, kind, self.id, attributes, from_ms)?
        {
            let mut told = newest_versions(connection, self.id)?.into_iter();
            match told.next() {
                Some(told) if told.body != body => newest = told,
                _ => return Ok(None),
            }
            before = told.next();
        }
        let set = attribute_set(connection, &body)?;
        let from_ms = from_ms.max(newest.from_ms.saturating_add(1));
        let hour = from_ms.div_euclid(HOUR_MS);
        let hour_ms = hour.saturating_mul(HOUR_MS);
        let in_hour: usize = connection.prepare_cached(queries::VERSIONS_COUNT_IN_RANGE)?.query_row(
            named_params! {
                ":entity": self.id, ":from_ms": hour_ms, ":until_ms": hour_ms.saturating_add(HOUR_MS),
            },
            |row| row.get::<_, i64>(0).map(|count| usize::try_from(count).unwrap_or(0)),
        )?;
        if in_hour < VERSIONS_PER_HOUR_MAX {
            insert_version(connection, self.id, from_ms, set)?;
            return Ok(None);
        }
        if before.is_some_and(|before| before.body == body) {
            delete_version(connection, self.id, newest.from_ms, newest.set)?;
        } else {
            connection
                .prepare_cached(queries::VERSION_REPLACE)?
                .execute(named_params! {":attribute_set": set, ":entity": self.id, ":from_ms": newest.from_ms})?;
            delete_unused_set(connection, newest.set)?;
        }
        if self.limit_hour == Some(hour) {
            return Ok(None);
        }
        self.limit_hour = Some(hour);
        let is_told = connection.prepare_cached(queries::EVENT_EXISTS_IN_RANGE)?.exists(named_params! {
            ":from_ms": hour_ms, ":until_ms": hour_ms.saturating_add(HOUR_MS),
            ":source_id": limit_hit_id(kind, identity), ":event_type": "limit_hit",
        })?;
        Ok((!is_told).then_some(from_ms))
    }
}

fn lower(value: &mut i64, to: i64) -> bool {
    let is_lower = to < *value;
    *value = to.min(*value);
    is_lower
}

/// An attribute version as it is stored.
struct StoredVersion {
    from_ms: i64,
    set: i64,
    body: String,
}

fn newest_versions(connection: &Connection, entity: i64) -> rusqlite::Result<Vec<StoredVersion>> {
    connection
        .prepare_cached(queries::VERSIONS_NEWEST)?
        .query_map(named_params! {":entity": entity}, |row| {
            Ok(StoredVersion { from_ms: row.get(0)?, set: row.get(1)?, body: row.get(2)? })
        })?
        .collect()
}

pub(super) fn insert_version(connection: &Connection, entity: i64, from_ms: i64, set: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(queries::VERSION_INSERT)?
        .execute(named_params! {":entity": entity, ":from_ms": from_ms, ":attribute_set": set})?;
    rollup::doubt_from(connection, entity, from_ms)
}

pub(super) fn delete_version(connection: &Connection, entity: i64, from_ms: i64, set: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(queries::VERSION_DELETE)?
        .execute(named_params! {":entity": entity, ":from_ms": from_ms})?;
    delete_unused_set(connection, set)?;
    rollup::doubt_from(connection, entity, from_ms)
}

/// Deletes an attribute set if no version needs it any more.
pub(super) fn delete_unused_set(connection: &Connection, set: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(queries::ATTRIBUTE_SET_DELETE_UNUSED)?.execute(named_params! {":attribute_set": set})?;
    Ok(())
}

/// Tells the versions before of facts that are learnt late; see [`crate::store::learnt`]. Says whether any was.
fn backdate(
    connection: &Connection,
    kind: &'static Kind,
    entity: i64,
    attributes: &Attributes,
    from_ms: i64,
) -> rusqlite::Result<bool> {
    if !kind.attributes.iter().any(|attribute| attribute.late && attributes.contains_key(attribute.name)) {
        return Ok(false);
    }
    let from = Timestamp::from_ms(from_ms);
    let held = read::versions_held(connection, &Several::one(entity), (reach(from).ms(), i64::MAX))?;
    let stored = held.into_iter().flatten().map(|(from_ms, set)| {
        let body = read::attribute_set_body(connection, set)?;
        Ok(StoredVersion { from_ms, set, body })
    });
    let stored: Vec<StoredVersion> = stored.collect::<rusqlite::Result<_>>()?;
    let version = |stored: &StoredVersion| {
        let attributes = codec::decode_attributes(kind, &stored.body)
            .ok_or_else(|| Damage(format!("attribute set {} is not JSON", stored.set)))?;
        Ok(Version { from: Timestamp::from_ms(stored.from_ms), attributes: Arc::new(attributes) })
    };
    let versions: Vec<Version> = stored.iter().map(version).collect::<rusqlite::Result<_>>()?;
    let Some(told) = backdated(kind, &versions, attributes, from) else { return Ok(false) };
    for old in stored.iter().filter(|old| told.iter().all(|told| told.from.ms() != old.from_ms)) {
        delete_version(connection, entity, old.from_ms, old.set)?;
    }
    for told in &told {
        let from_ms = told.from.ms();
        let body = codec::encode_attributes(&told.attributes);
        match stored.iter().find(|old| old.from_ms == from_ms) {
            Some(old) if old.body == body => {}
            Some(old) => {
                let set = attribute_set(connection, &body)?;
                connection
                    .prepare_cached(queries::VERSION_REPLACE)?
                    .execute(named_params! {":attribute_set": set, ":entity": entity, ":from_ms": from_ms})?;
                delete_unused_set(connection, old.set)?;
            }
            None => insert_version(connection, entity, from_ms, attribute_set(connection, &body)?)?,
        }
    }
    Ok(true)
}

/// The id of a content, kept once.
pub(super) fn attribute_set(connection: &Connection, body: &str) -> rusqlite::Result<i64> {
    let hash = codec::hash(body);
    let known = connection
        .prepare_cached(queries::ATTRIBUTE_SET_BY_HASH)?
        .query_row(named_params! {":hash": hash, ":body": body}, |row| row.get(0))
        .optional()?;
    match known {
        Some(id) => Ok(id),
        None => connection
            .prepare_cached(queries::ATTRIBUTE_SET_INSERT)?
            .query_row(named_params! {":hash": hash, ":body": body}, |row| row.get(0)),
    }
}

impl Sighting {
    fn new(visit: Visit<'_>, from_ms: i64) -> Self {
        Sighting {
            target: visit.target_id,
            first_seen_ms: visit.started_ms,
            seen_from_ms: from_ms,
            unlisted: None,
            sample_from_ms: None,
            sample_until_ms: None,
            listed_by: visit.poll,
        }
    }

    /// Its listings bring no samples any more. Says whether that is new.
    fn stop_sampling(&mut self, newest_at: Option<i64>) -> bool {
        let is_new = self.sample_from_ms.is_some() && self.sample_until_ms.is_none();
        if is_new {
            self.sample_until_ms = newest_at.max(self.sample_from_ms);
        }
        is_new
    }

    fn save(&self, connection: &Connection, entity: i64, turn: usize) -> rusqlite::Result<()> {
        connection.prepare_cached(queries::SIGHTING_SAVE)?.execute(named_params! {
            ":entity": entity, ":target": self.target, ":turn": i64::try_from(turn).unwrap_or(i64::MAX),
            ":first_seen_ms": self.first_seen_ms, ":seen_from_ms": self.seen_from_ms,
            ":last_seen_ms": self.unlisted.map(|reach| reach.started_ms),
            ":seen_until_ms": self.unlisted.map(|reach| reach.seen_until_ms),
            ":sample_from_ms": self.sample_from_ms, ":sample_until_ms": self.sample_until_ms,
        })?;
        Ok(())
    }
}

impl From<&SightingRow> for Sighting {
    fn from(row: &SightingRow) -> Self {
        let reach = |(started_ms, seen_until_ms)| Reach { started_ms, seen_until_ms };
        Sighting {
            target: row.target,
            first_seen_ms: row.first_seen_ms,
            seen_from_ms: row.seen_from_ms,
            unlisted: row.last_seen_ms.zip(row.seen_until_ms).map(reach),
            sample_from_ms: row.sample_from_ms,
            sample_until_ms: row.sample_until_ms,
            listed_by: 0,
        }
    }
}
