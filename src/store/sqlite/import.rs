//! Samples from elsewhere, in bulk, straight into blocks: of a day where that has settled, else of the windows that rows
//! are sealed by. What is recorded into the same window is put together with them when it is sealed.
//!
//! # What is put together
//! - *Target*: an entity that is known keeps the target that sees it. Another gets that of an entity of its kind that
//!   begins with the same part (the same host), else one of its own: `import/<kind>/<part>`.
//! - *Polls*: see [`polls`].
//! - *Sightings*: from the first sample's poll to the last's. *Ends*: the next good poll of the target after these.
//! - *Attributes*: see [`versions`].
//!
//! Each batch is one transaction, so what is imported is whole whenever it is stopped, and importing the same again
//! leaves out what is there. Must not know: CSV.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, named_params};

use self::polls::{Gaps, Polls, Taken};
use self::versions::{Neighbours, Versions};
use super::block::{Damage, SAMPLES_MAX, Samples};
use super::journal::Journal;
use super::layouts::KindLayout;
use super::packed::Packed;
use super::queries;
use super::read::{self, During, SightingRow};
use super::sealed::Sealed;
use super::several::Several;
use super::windows::{Windows, block_start_ms, bounded};
use super::write::Writer;
use super::{FILE_ID, codec, retention, samples};
use crate::model::{ColumnValues, Identity, Kind, Sample, TargetName, Timestamp, Value};
use crate::store::{ForeignSample, Import, Imported, StoreError, drawn_id};

mod polls;
mod versions;

const OPERATION: &str = "import samples";

/// How far around a window rows are looked at for polls that took one of the entity already.
const AROUND_MS: i64 = 3_600_000;

/// See [`crate::store::Store::import`].
pub(super) fn run(
    writer: &mut Writer,
    kinds: &HashMap<&'static str, KindLayout>,
    windows: &Windows,
    import: &Import<'_>,
    mut samples: Vec<ForeignSample>,
) -> Result<Imported, StoreError> {
    let layout = kinds.get(import.kind.name).ok_or_else(|| {
        read::damaged(OPERATION, format!("kind {} is not one that the store was opened for", import.kind.name))
    })?;
    writer.forget();
    let transaction = writer.connection.transaction_with_behavior(TransactionBehavior::Immediate).during(OPERATION)?;
    samples.sort_by(|left, right| (&left.identity, left.sample.at).cmp(&(&right.identity, right.sample.at)));
    let mut batch = Batch::open(&transaction, layout, windows, import).during(OPERATION)?;
    let groups = batch.group(&samples).during(OPERATION)?;
    for group in &groups {
        let of_entity = samples.get(group.positions.clone()).unwrap_or_default();
        batch.take(group, of_entity)?;
    }
    let imported = batch.close().during(OPERATION)?;
    transaction.commit().during(OPERATION)?;
    Ok(imported)
}

/// See [`crate::store::Store::end_import`].
pub(super) fn end(writer: &mut Writer, kind: &'static Kind) -> Result<(), StoreError> {
    writer.forget();
    let mut ends = writer.connection.prepare_cached(queries::ENTITIES_END_IMPORTED).during(OPERATION)?;
    ends.execute(named_params! {":kind": kind.name}).during(OPERATION)?;
    Ok(())
}

/// The samples of one entity in a batch.
struct Group {
    positions: Range<usize>,
    identity: Identity,
    entity: Option<(i64, Option<i64>)>,
    target: i64,
}

struct Batch<'a> {
    connection: &'a Connection,
    layout: &'a KindLayout,
    windows: &'a Windows,
    import: &'a Import<'a>,
    columns: Vec<usize>,
    kept_from_ms: i64,
    last_poll: i64,
    polls: BTreeMap<i64, Polls>,
    imported: Imported,
}

/// What a batch brought of one entity.
#[derive(Debug, Default)]
struct Brought {
    first: Option<(Taken, i64)>,
    last: Option<(Taken, i64)>,
}

impl<'a> Batch<'a> {
    fn open(
        connection: &'a Connection,
        layout: &'a KindLayout,
        windows: &'a Windows,
        import: &'a Import<'a>,
    ) -> rusqlite::Result<Batch<'a>> {
        let newest: Option<i64> =
            connection.prepare_cached(queries::POLL_NEWEST_ID)?.query_row([], |row| row.get(0))?;
        Ok(Batch {
            connection,
            layout,
            windows,
            import,
            columns: (0..import.kind.columns.len()).collect(),
            kept_from_ms: retention::samples_kept_from(connection)?.map_or(i64::MIN, Timestamp::ms),
            last_poll: newest.unwrap_or(0).max(retention::newest_deleted_poll(connection)?),
            polls: BTreeMap::new(),
            imported: Imported::default(),
        })
    }

    /// Tells entities apart, finds their targets, and reads the polls that these have around the samples.
    fn group(&mut self, samples: &[ForeignSample]) -> rusqlite::Result<Vec<Group>> {
        let mut groups: Vec<Group> = Vec::new();
        let mut gaps: BTreeMap<i64, (Gaps, (i64, i64))> = BTreeMap::new();
        let mut beside: HashMap<String, i64> = HashMap::new();
        let mut from = 0_usize;
        for of_entity in samples.chunk_by(|left, right| left.identity == right.identity) {
            let positions = from..from.saturating_add(of_entity.len());
            from = positions.end;
            let (Some(first), Some(last)) = (of_entity.first(), of_entity.last()) else { continue };
            let identity = first.identity.clone();
            let entity = read::entity_id(self.connection, self.import.kind, &identity)?;
            let target = match entity.map(|(id, _)| self.target_seeing(id)).transpose()?.flatten() {
                Some(target) => target,
                None => match beside.get(identity.part(0)) {
                    Some(target) => *target,
                    None => {
                        let target = self.target_beside(&identity)?;
                        beside.insert(identity.part(0).to_owned(), target);
                        target
                    }
                },
            };
            let (first_ms, last_ms) = (first.sample.at.ms(), last.sample.at.ms());
            let (gaps, reach) = gaps.entry(target).or_insert_with(|| (Gaps::default(), (first_ms, last_ms)));
            gaps.add(of_entity.iter().map(|sample| sample.sample.at.ms()));
            *reach = (reach.0.min(first_ms), reach.1.max(last_ms));
            groups.push(Group { positions, identity, entity, target });
        }
        for (target, (mut gaps, reach)) in gaps {
            gaps.sort();
            let polls = Polls::load(self.connection, target, reach, gaps, self.import.interval_ms)?;
            self.polls.insert(target, polls);
        }
        Ok(groups)
    }

    /// The target that an entity is of.
    fn target_seeing(&self, entity: i64) -> rusqlite::Result<Option<i64>> {
        let sightings = read::sightings(self.connection, entity)?;
        let last_seen = |row: &SightingRow| row.last_seen_ms.or(row.good_started_ms).unwrap_or(row.first_seen_ms);
        let main = sightings.iter().rev().max_by_key(|row| (row.last_seen_ms.is_none(), last_seen(row)));
        Ok(main.map(|row| row.target))
    }

    /// The target of an entity that is new: that of others of its host, else one of its own.
    fn target_beside(&self, identity: &Identity) -> rusqlite::Result<i64> {
        let from = codec::encode_identity(&Identity::new([identity.part(0), ""]));
        let until = from.iter().copied().chain([0xff]).collect::<Vec<u8>>();
        let other: Option<i64> = if identity.parts().len() > 1 {
            self.connection
                .prepare_cached(queries::ENTITY_BESIDE)?
                .query_row(named_params! {":kind": self.import.kind.name, ":from": from, ":until": until}, |row| {
                    row.get(0)
                })
                .optional()?
        } else {
            None
        };
        if let Some(target) = other.map(|other| self.target_seeing(other)).transpose()?.flatten() {
            return Ok(target);
        }
        let name = TargetName::new("import", &format!("{}/{}", self.import.kind.name, identity.part(0)));
        let parameters = named_params! {":name": name.as_str()};
        let known = self.connection.prepare_cached(queries::TARGET_BY_NAME)?.query_row(parameters, |row| row.get(0));
        match known.optional()? {
            Some(target) => Ok(target),
            None => self.connection.prepare_cached(queries::TARGET_INSERT)?.query_row(parameters, |row| row.get(0)),
        }
    }

    /// Takes the samples of one entity, which are in the order of their times.
    fn take(&mut self, group: &Group, samples: &[ForeignSample]) -> Result<(), StoreError> {
        let count = |samples: usize| u64::try_from(samples).unwrap_or(u64::MAX);
        let kept = samples.partition_point(|sample| sample.sample.at.ms() < self.kept_from_ms);
        self.imported.too_old_samples = self.imported.too_old_samples.saturating_add(count(kept));
        let mut rest = samples.get(kept..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        let entity = match group.entity {
            Some((entity, _)) => entity,
            None => self
                .connection
                .prepare_cached(queries::ENTITY_INSERT)
                .and_then(|mut insert| {
                    insert.query_row(
                        named_params! {
                            ":kind": self.import.kind.name, ":identity": codec::encode_identity(&group.identity),
                            ":ended_ms": None::<i64>,
                        },
                        |row| row.get(0),
                    )
                })
                .during(OPERATION)?,
        };
        let known = group.entity.map(|(entity, _)| entity);
        let mut versions = Versions::load(self.connection, self.import.kind, known)?;
        let mut brought = Brought::default();
        if let Some(polls) = self.polls.get_mut(&group.target) {
            polls.begin();
        }
        while let Some(first) = rest.first() {
            let window = self.window(entity, first.sample.at.ms()).during(OPERATION)?;
            let within = rest.partition_point(|sample| bounded(sample.sample.at.ms()) < window.end_ms).max(1);
            let (inside, later) = rest.split_at(within);
            self.take_window(group, entity, &window, inside, &mut versions, &mut brought).during(OPERATION)?;
            rest = later;
        }
        if let Some(polls) = self.polls.get_mut(&group.target) {
            polls.end();
        }
        versions.save(self.connection, entity).during(OPERATION)?;
        self.see(group, entity, &brought).during(OPERATION)
    }

    /// The window that a sample is to be kept in.
    fn window(&self, entity: i64, at_ms: i64) -> rusqlite::Result<Window> {
        let now = self.import.now;
        let (mut start_ms, mut end_ms) = Windows::around(at_ms, self.windows.merge_ms);
        let mut is_merged = true;
        if !self.windows.is_ripe(end_ms, now) {
            (start_ms, end_ms) = Windows::around(at_ms, self.windows.seal_ms);
            is_merged = false;
        }
        // One that was made by other lengths stays as long as it is.
        let sealed = Sealed::new(self.connection, self.import.kind, entity, &[])?;
        if let Some((stored, _)) = sealed.around(at_ms)? {
            let (old_start_ms, old_end_ms) = (block_start_ms(stored.id), stored.end_ms);
            if old_start_ms < start_ms || old_end_ms > end_ms {
                (start_ms, end_ms) = (old_start_ms, old_end_ms);
                is_merged = true;
            }
        }
        Ok(Window { start_ms, end_ms, is_merged })
    }

    fn take_window(
        &mut self,
        group: &Group,
        entity: i64,
        window: &Window,
        samples: &[ForeignSample],
        versions: &mut Versions,
        brought: &mut Brought,
    ) -> rusqlite::Result<()> {
        let sealed = Sealed::new(self.connection, self.import.kind, entity, &self.columns)?;
        let (blocks, mut old) = sealed.window(window.start_ms, window.end_ms)?;
        let mut at: HashSet<i64> = old.at.iter().copied().collect();
        let mut used: HashSet<i64> = old.poll.iter().copied().collect();
        if group.entity.is_some() {
            let around = (window.start_ms.saturating_sub(AROUND_MS), window.end_ms.saturating_add(AROUND_MS));
            for (row_at, poll) in samples::unsealed_times(self.connection, self.import.kind, entity, around)? {
                at.insert(row_at);
                used.insert(poll);
            }
        }
        let kept = Kept { batch: self, entity, is_known: group.entity.is_some() };
        let mut fresh: Vec<(&Sample, Taken)> = Vec::new();
        let mut left_out = 0_u64;
        let mut last_poll = self.last_poll;
        let mut too_many = 0_u64;
        let mut taken_of = Vec::new();
        for sample in samples {
            if !at.insert(sample.sample.at.ms()) {
                left_out = left_out.saturating_add(1);
                continue;
            }
            let at_ms = sample.sample.at.ms();
            if versions.say(at_ms, self.import.attributes, &sample.attributes, &kept)? {
                too_many = too_many.saturating_add(1);
            }
            taken_of.push(&sample.sample);
        }
        if let Some(polls) = self.polls.get_mut(&group.target) {
            for sample in taken_of {
                fresh.push((sample, polls.take(sample.at.ms(), &used, &mut last_poll)));
            }
        }
        self.last_poll = last_poll;
        self.imported.duplicate_samples = self.imported.duplicate_samples.saturating_add(left_out);
        self.imported.versions_left_out = self.imported.versions_left_out.saturating_add(too_many);
        let count = u64::try_from(fresh.len()).unwrap_or(u64::MAX);
        self.imported.samples = self.imported.samples.saturating_add(count);
        let (Some(first), Some(last)) = (fresh.first(), fresh.last()) else { return Ok(()) };
        brought.first = brought.first.or(Some((first.1, first.0.at.ms())));
        brought.last = Some((last.1, last.0.at.ms()));
        let mut packed = Packed::default();
        let mut whole = self.samples(&fresh);
        whole.append(&mut old);
        blocks.into_iter().for_each(|id| packed.replace(id));
        whole.sort();
        if whole.len() > SAMPLES_MAX {
            let message = format!(
                "{} samples of {} from one window, where a block holds {SAMPLES_MAX}",
                whole.len(),
                group.identity.parts().join(" ")
            );
            return Err(Damage(message).into());
        }
        packed.put(self.layout, entity, (window.start_ms, window.end_ms), window.is_merged, &whole)?;
        packed.keep(self.connection, &self.layout.layout)
    }

    /// Samples as columns.
    fn samples(&self, fresh: &[(&Sample, Taken)]) -> Samples {
        let mut samples = Samples::new(self.import.kind, &self.columns);
        for (sample, taken) in fresh {
            samples.at.push(sample.at.ms());
            samples.since.push(sample.since.map(Timestamp::ms));
            samples.interval_ms.push(taken.interval_ms);
            samples.clock_offset_ms.push(taken.clock_offset_ms);
            samples.poll.push(taken.id);
            for (index, values) in samples.columns.iter_mut().enumerate() {
                let value = sample.values.get(index).copied().unwrap_or_default();
                match values {
                    ColumnValues::Int(values) => values.push(value.int()),
                    ColumnValues::Float(values) => values.push(float(value)),
                }
            }
        }
        samples
    }

    /// Writes down that the target saw the entity.
    fn see(&self, group: &Group, entity: i64, brought: &Brought) -> rusqlite::Result<()> {
        let (Some((first, first_ms)), Some((last, last_ms))) = (brought.first, brought.last) else { return Ok(()) };
        if group.entity.and_then(|(_, ended_ms)| ended_ms).is_some_and(|ended_ms| last_ms >= ended_ms) {
            self.connection
                .prepare_cached(queries::ENTITY_END)?
                .execute(named_params! {":ended_ms": None::<i64>, ":entity": entity})?;
        }
        let sightings = read::sightings(self.connection, entity)?;
        let old = sightings.iter().find(|row| row.target == group.target);
        let lower = |old: Option<i64>, new: i64| old.map_or(new, |old| old.min(new));
        let higher = |old: Option<i64>, new: i64| old.map_or(new, |old| old.max(new));
        let is_listed = old.is_some_and(|row| row.last_seen_ms.is_none());
        let samples_go_on = old.is_some_and(|row| row.sample_from_ms.is_some() && row.sample_until_ms.is_none());
        self.connection.prepare_cached(queries::SIGHTING_SAVE)?.execute(named_params! {
            ":entity": entity, ":target": group.target,
            ":turn": i64::try_from(sightings.len()).unwrap_or(i64::MAX),
            ":first_seen_ms": lower(old.map(|row| row.first_seen_ms), first.started_ms),
            ":seen_from_ms": lower(old.map(|row| row.seen_from_ms), first.started_ms.min(first_ms)),
            ":last_seen_ms": (!is_listed).then(|| higher(old.and_then(|row| row.last_seen_ms), last.started_ms)),
            ":seen_until_ms": (!is_listed).then(|| higher(old.and_then(|row| row.seen_until_ms), last_ms)),
            ":sample_from_ms": lower(old.and_then(|row| row.sample_from_ms), first_ms),
            ":sample_until_ms": (!samples_go_on).then(|| higher(old.and_then(|row| row.sample_until_ms), last_ms)),
        })?;
        Ok(())
    }

    /// Writes the polls. What was answered about closed ranges may be answered otherwise now: the recording's name is
    /// drawn anew, which every entity tag is made from.
    fn close(self) -> rusqlite::Result<Imported> {
        for polls in self.polls.values() {
            polls.save(self.connection)?;
        }
        if self.imported.samples > 0 {
            self.connection
                .prepare_cached(queries::META_SET)?
                .execute(named_params! {":key": FILE_ID, ":value": drawn_id()})?;
        }
        Ok(self.imported)
    }
}

#[derive(Debug, Clone, Copy)]
struct Window {
    start_ms: i64,
    end_ms: i64,
    is_merged: bool,
}

/// The samples of an entity that are in the file.
struct Kept<'a, 'b> {
    batch: &'a Batch<'b>,
    entity: i64,
    is_known: bool,
}

impl Neighbours for Kept<'_, '_> {
    fn oldest_before(&self, at_ms: i64) -> rusqlite::Result<Option<i64>> {
        self.oldest_from(i64::MIN, at_ms)
    }

    fn next_after(&self, at_ms: i64) -> rusqlite::Result<Option<i64>> {
        self.oldest_from(at_ms.saturating_add(1), i64::MAX)
    }
}

impl Kept<'_, '_> {
    /// The oldest sample of [from, until).
    fn oldest_from(&self, from_ms: i64, until_ms: i64) -> rusqlite::Result<Option<i64>> {
        if !self.is_known {
            return Ok(None);
        }
        let (connection, kind) = (self.batch.connection, self.batch.import.kind);
        let journal = Journal::new(connection, kind, &[]);
        let sealed = Sealed::new(connection, kind, self.entity, &[])?;
        let mut oldest = sealed.oldest_from(from_ms)?;
        for track in samples::tracks(&journal, connection, kind, &Several::one(self.entity))? {
            for found in track.at_or_after(from_ms)? {
                oldest = Some(oldest.map_or(found.at_ms, |oldest| oldest.min(found.at_ms)));
            }
        }
        Ok(oldest.filter(|oldest| *oldest < until_ms))
    }
}

/// A value of a column of floats.
#[expect(clippy::cast_precision_loss, reason = "a float column holds floats; a whole number in it is read as one")]
fn float(value: Value) -> Option<f64> {
    match value {
        Value::Float(value) => Some(value),
        Value::Int(value) => Some(value as f64),
        Value::Null => None,
    }
}

#[cfg(test)]
mod tests;
