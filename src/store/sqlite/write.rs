//! Appending snapshots: the one writer, and what it remembers of living entities so that a poll costs a
//! few inserts and little else.
//!
//! What it remembers is only ever a copy of the file: after a failure it is forgotten and read again.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, TransactionBehavior, named_params};

use super::codec;
use super::journal;
use super::layouts::{self, KindLayout};
use super::living::Living;
use super::piece::Row;
use super::queries;
use super::read::{During, damaged};
use super::retention;
use super::rollup;
use crate::model::{Event, Identity, Kind, KindBatch, Snapshot, TargetName, Timestamp};
use crate::store::{Appended, StoreError, limit_hit};

const OPERATION: &str = "append snapshots";

/// The connection that writes, and its memory.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) connection: Connection,
    memory: Option<Memory>,
}

/// What the writer remembers of the file.
#[derive(Debug, Default)]
struct Memory {
    last_poll: i64,
    targets: HashMap<TargetName, Target>,
    /// Numbers of the kinds' layouts.
    layouts: HashMap<&'static str, i64>,
    /// Entities that some target lists, by kind.
    living: HashMap<&'static str, HashMap<Identity, Living>>,
    /// Which of them each target lists, by kind and target: a poll of one does not look through those of all others.
    listed: HashMap<(&'static str, i64), Vec<Identity>>,
}

#[derive(Debug, Clone, Copy)]
struct Target {
    id: i64,
    good: Option<Reach>,
}

/// How far a target's good polls reach: the latest start, and the latest time anything was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    pub(super) started_ms: i64,
    pub(super) seen_until_ms: i64,
}

/// What one poll takes.
#[derive(Debug, Default)]
struct Taken<'a> {
    samples: u64,
    kinds: BTreeMap<&'static str, OfKind<'a>>,
    at_min_ms: Option<i64>,
    at_max_ms: Option<i64>,
}

/// What it takes of one kind.
#[derive(Debug, Default)]
struct OfKind<'a> {
    /// Entities that it names.
    named: usize,
    rows: Vec<Row<'a>>,
}

/// A poll that is being appended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visit<'a> {
    pub(super) target: &'a TargetName,
    pub(super) target_id: i64,
    pub(super) poll: i64,
    pub(super) started_ms: i64,
}

impl Writer {
    pub(super) fn new(connection: Connection) -> Self {
        Writer { connection, memory: None }
    }

    /// Forgets what it remembers: the file was changed beside it.
    pub(super) fn forget(&mut self) {
        self.memory = None;
    }

    /// See [`crate::store::Store::append`].
    pub(super) fn append(
        &mut self,
        kinds: &HashMap<&'static str, KindLayout>,
        snapshots: &[Snapshot],
    ) -> Result<Appended, StoreError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).during(OPERATION)?;
        // Taken out, and put back only when all went well.
        let mut memory = match self.memory.take() {
            Some(memory) => memory,
            None => Memory::load(&transaction, kinds)?,
        };
        let mut appended = Appended::default();
        for snapshot in snapshots {
            memory.append(&transaction, kinds, snapshot, &mut appended)?;
        }
        transaction.commit().during(OPERATION)?;
        self.memory = Some(memory);
        Ok(appended)
    }
}

impl Memory {
    fn load(connection: &Connection, kinds: &HashMap<&'static str, KindLayout>) -> Result<Self, StoreError> {
        let last_poll = connection
            .prepare_cached(queries::POLL_NEWEST_ID)
            .and_then(|mut statement| statement.query_row([], |row| row.get::<_, Option<i64>>(0)))
            .during(OPERATION)?;
        let deleted = retention::newest_deleted_poll(connection).during(OPERATION)?;
        let mut memory = Memory { last_poll: last_poll.unwrap_or(0).max(deleted), ..Memory::default() };
        let mut statement = connection.prepare_cached(queries::TARGETS_ALL).during(OPERATION)?;
        let rows = statement.query_map([], |row| {
            let reach = |(started_ms, seen_until_ms)| Reach { started_ms, seen_until_ms };
            let good = row.get::<_, Option<i64>>(2)?.zip(row.get(3)?).map(reach);
            Ok((row.get::<_, String>(1)?, Target { id: row.get(0)?, good }))
        });
        for row in rows.during(OPERATION)? {
            let (name, target) = row.during(OPERATION)?;
            memory.targets.insert(TargetName::from_full(&name), target);
        }
        let mut statement = connection.prepare_cached(queries::ENTITIES_LISTED).during(OPERATION)?;
        let mut rows = statement.query([]).during(OPERATION)?;
        while let Some(row) = rows.next().during(OPERATION)? {
            let id: i64 = row.get(0).during(OPERATION)?;
            let kind = row.get_ref(1).and_then(|kind| Ok(kind.as_str()?)).during(OPERATION)?;
            // A kind that is not recorded any more stays as it was left.
            let Some(kind) = kinds.get(kind) else { continue };
            let identity = row.get_ref(2).and_then(|identity| Ok(identity.as_blob()?)).during(OPERATION)?;
            let identity = codec::decode_identity(identity)
                .ok_or_else(|| damaged(OPERATION, format!("the identity of entity {id} is not one")))?;
            let living = Living::load(connection, id, row.get(3).during(OPERATION)?).during(OPERATION)?;
            for target in living.listed_by() {
                memory.listed.entry((kind.kind.name, target)).or_default().push(identity.clone());
            }
            memory.living.entry(kind.kind.name).or_default().insert(identity, living);
        }
        Ok(memory)
    }

    fn append(
        &mut self,
        connection: &Connection,
        kinds: &HashMap<&'static str, KindLayout>,
        snapshot: &Snapshot,
        appended: &mut Appended,
    ) -> Result<(), StoreError> {
        let target = self.target(connection, &snapshot.poll.target).during(OPERATION)?;
        self.last_poll += 1;
        let visit = Visit {
            target: &snapshot.poll.target,
            target_id: target.id,
            poll: self.last_poll,
            started_ms: snapshot.poll.started.ms(),
        };
        let mut taken = Taken::default();
        let is_good = snapshot.poll.outcome.is_good();
        if is_good {
            for batch in &snapshot.batches {
                let kind = kinds.get(batch.kind.name).ok_or_else(|| unknown_kind(batch.kind))?;
                self.append_batch(connection, kind, visit, batch, &mut taken, appended).during(OPERATION)?;
            }
            for batch in snapshot.batches.iter().filter(|batch| batch.complete) {
                let kind = kinds.get(batch.kind.name).ok_or_else(|| unknown_kind(batch.kind))?;
                let named = taken.kinds.get(kind.kind.name).map_or(0, |of_kind| of_kind.named);
                self.unlist_absent(connection, kind, visit, target.good, named).during(OPERATION)?;
            }
            for (kind, of_kind) in &mut taken.kinds {
                let Some(kind) = kinds.get(kind).filter(|_| !of_kind.rows.is_empty()) else { continue };
                self.insert_rows(connection, kind, visit.poll, &mut of_kind.rows).during(OPERATION)?;
            }
        }
        appended.samples += taken.samples;
        let seen_until_ms = taken.at_max_ms.unwrap_or(snapshot.poll.finished().ms());
        insert_poll(connection, visit, snapshot, &taken, seen_until_ms).during(OPERATION)?;
        if is_good {
            if target.good.is_some_and(|newest| visit.started_ms < newest.started_ms) {
                rollup::doubt_firsts(connection, target.id, visit.started_ms).during(OPERATION)?;
            }
            self.extend_reach(connection, visit, seen_until_ms).during(OPERATION)?;
        }
        for event in &snapshot.events {
            self.insert_event(connection, event, appended).during(OPERATION)?;
        }
        Ok(())
    }

    /// The target of a name, made known where it is new.
    fn target(&mut self, connection: &Connection, name: &TargetName) -> rusqlite::Result<Target> {
        if let Some(target) = self.targets.get(name) {
            return Ok(*target);
        }
        let id = connection
            .prepare_cached(queries::TARGET_INSERT)?
            .query_row(named_params! {":name": name.as_str()}, |row| row.get(0))?;
        let target = Target { id, good: None };
        self.targets.insert(name.clone(), target);
        Ok(target)
    }

    fn extend_reach(&mut self, connection: &Connection, visit: Visit<'_>, seen_until_ms: i64) -> rusqlite::Result<()> {
        let Some(target) = self.targets.get_mut(visit.target) else { return Ok(()) };
        let reach = target.good.get_or_insert(Reach { started_ms: visit.started_ms, seen_until_ms });
        reach.started_ms = reach.started_ms.max(visit.started_ms);
        reach.seen_until_ms = reach.seen_until_ms.max(seen_until_ms);
        connection.prepare_cached(queries::TARGET_REACH)?.execute(named_params! {
            ":good_started_ms": reach.started_ms, ":good_seen_until_ms": reach.seen_until_ms, ":target": target.id,
        })?;
        Ok(())
    }

    /// Keeps a poll's samples of a kind.
    fn insert_rows(
        &mut self,
        connection: &Connection,
        kind: &KindLayout,
        poll: i64,
        rows: &mut [Row<'_>],
    ) -> rusqlite::Result<()> {
        let id = match self.layouts.get(kind.kind.name) {
            Some(id) => *id,
            None => {
                let id = layouts::id_of(connection, &kind.layout)?;
                self.layouts.insert(kind.kind.name, id);
                id
            }
        };
        journal::insert(connection, kind.kind.name, (id, &kind.layout), poll, rows)
    }

    fn append_batch<'a>(
        &mut self,
        connection: &Connection,
        kind: &KindLayout,
        visit: Visit<'_>,
        batch: &'a KindBatch,
        taken: &mut Taken<'a>,
        appended: &mut Appended,
    ) -> rusqlite::Result<()> {
        let kind = kind.kind;
        let OfKind { named, rows } = taken.kinds.entry(kind.name).or_default();
        let entities = self.living.entry(kind.name).or_default();
        let mut events = Vec::new();
        for seen in &batch.observations {
            let entity = match entities.get_mut(&seen.identity) {
                Some(entity) => entity,
                None => {
                    let entity = Living::find_or_insert(connection, kind, &seen.identity, seen.ended)?;
                    entities.entry(seen.identity.clone()).or_insert(entity)
                }
            };
            let row = match &seen.sample {
                Some(sample) => entity.take_sample(connection, kind, visit, sample)?,
                None => None,
            };
            match row {
                Some(row) => {
                    taken.samples += 1;
                    taken.at_min_ms = Some(taken.at_min_ms.map_or(row.at_ms, |at_min_ms| at_min_ms.min(row.at_ms)));
                    taken.at_max_ms = taken.at_max_ms.max(Some(row.at_ms));
                    rows.push(row);
                }
                None => appended.duplicate_samples += u64::from(seen.sample.is_some()),
            }
            let listing = entity.list(connection, kind, visit, seen, row.is_some())?;
            *named += usize::from(!listing.is_again);
            if listing.is_new {
                self.listed.entry((kind.name, visit.target_id)).or_default().push(seen.identity.clone());
            }
            let from_ms = seen.sample.as_ref().map_or(visit.started_ms, |sample| visit.started_ms.min(sample.at.ms()));
            let learnt = entity.learn(connection, kind, &seen.identity, seen.attributes.as_ref(), from_ms)?;
            let event = |at_ms| limit_hit(kind, &seen.identity, visit.target, Timestamp::from_ms(at_ms));
            events.extend(learnt.map(event));
        }
        events.iter().try_for_each(|event| self.insert_event(connection, event, appended))
    }

    /// Ends the listing of what a complete list did not name.
    fn unlist_absent(
        &mut self,
        connection: &Connection,
        kind: &KindLayout,
        visit: Visit<'_>,
        reach: Option<Reach>,
        named: usize,
    ) -> rusqlite::Result<()> {
        let Some(reach) = reach else { return Ok(()) };
        let kind = kind.kind;
        let Some(entities) = self.living.get_mut(kind.name) else { return Ok(()) };
        let Some(listed) = self.listed.get_mut(&(kind.name, visit.target_id)) else { return Ok(()) };
        // Nearly always: it named as many as are listed, and each of them is.
        if named == listed.len() {
            return Ok(());
        }
        let is_absent =
            |identity: &mut Identity| !entities.get(identity).is_some_and(|entity| entity.is_listed_by(visit));
        let absent: Vec<Identity> = listed.extract_if(.., is_absent).collect();
        for identity in absent {
            let Some(entity) = entities.get_mut(&identity) else { continue };
            if entity.unlist(connection, kind, visit, reach)? {
                entities.remove(&identity);
            }
        }
        Ok(())
    }

    fn insert_event(
        &mut self,
        connection: &Connection,
        event: &Event,
        appended: &mut Appended,
    ) -> rusqlite::Result<()> {
        let target = self.target(connection, &event.target)?;
        let kept = connection.prepare_cached(queries::EVENT_INSERT)?.execute(named_params! {
            ":target": target.id, ":at_ms": event.at.ms(), ":source_id": event.source_id,
            ":event_type": event.event_type, ":severity": event.severity.name(), ":kind": event.kind,
            ":entity": event.entity.as_ref().map(codec::encode_identity), ":message": event.message,
            ":details": codec::encode_details(&event.details),
        })?;
        appended.events += u64::from(kept > 0);
        Ok(())
    }
}

fn unknown_kind(kind: &Kind) -> StoreError {
    damaged(OPERATION, format!("kind {} is not one that the store was opened for", kind.name))
}

fn insert_poll(
    connection: &Connection,
    visit: Visit<'_>,
    snapshot: &Snapshot,
    taken: &Taken<'_>,
    seen_until_ms: i64,
) -> rusqlite::Result<()> {
    let poll = &snapshot.poll;
    connection.prepare_cached(queries::POLL_INSERT)?.execute(named_params! {
        ":id": visit.poll, ":target": visit.target_id, ":started_ms": visit.started_ms,
        ":duration_ms": poll.duration_ms, ":interval_ms": poll.interval_ms,
        ":bytes": i64::try_from(poll.bytes).unwrap_or(i64::MAX), ":outcome": poll.outcome.name(),
        ":error": poll.error, ":missing": codec::encode_list(&poll.missing),
        ":clock_offset_ms": poll.clock_offset_ms, ":seen_until_ms": seen_until_ms,
        ":samples": i64::try_from(taken.samples).unwrap_or(i64::MAX), ":at_min_ms": taken.at_min_ms,
        ":at_max_ms": taken.at_max_ms,
    })?;
    Ok(())
}
