//! The blocks of one entity: which of them hold a time, and what of them is still there.
//!
//! A sample of a block is there as long as the poll that took it: retention deletes polls, and blocks once none of
//! theirs is left. Polls that it takes only took samples older than its cutoff, so others need no look. Must not know:
//! how samples come into blocks.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension, Row, named_params, types::Type};

use super::block::{self, Damage, SAMPLES_MAX, Samples};
use super::layouts::Layouts;
use super::queries;
use super::retention;
use super::windows::{block_id, block_start_ms, bounded};
use crate::model::{Kind, Timestamp};

impl std::error::Error for Damage {}

impl From<Damage> for rusqlite::Error {
    fn from(damage: Damage) -> Self {
        rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(damage))
    }
}

/// A block as it is kept, without its samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) end_ms: i64,
    pub(super) at_min_ms: i64,
    pub(super) at_max_ms: i64,
    pub(super) layout: i64,
}

/// The blocks of one entity.
pub(super) struct Sealed<'a> {
    connection: &'a Connection,
    kind: &'static Kind,
    entity: i64,
    columns: &'a [usize],
    /// Samples from here on are there.
    kept_from_ms: i64,
    layouts: Layouts,
    /// What was decoded, by id: a block may hold a range's samples and its neighbours.
    decoded: RefCell<HashMap<i64, Rc<Samples>>>,
}

impl<'a> Sealed<'a> {
    /// The blocks of an entity, to be read with these columns of its kind.
    pub(super) fn new(
        connection: &'a Connection,
        kind: &'static Kind,
        entity: i64,
        columns: &'a [usize],
    ) -> rusqlite::Result<Sealed<'a>> {
        let kept_from_ms = retention::samples_kept_from(connection)?.map_or(i64::MIN, Timestamp::ms);
        Ok(Sealed {
            connection,
            kind,
            entity,
            columns,
            kept_from_ms,
            layouts: Layouts::default(),
            decoded: RefCell::default(),
        })
    }

    /// The time of the oldest sample at an instant or later.
    pub(super) fn oldest_from(&self, from_ms: i64) -> rusqlite::Result<Option<i64>> {
        let first = self.at_or_before(block_id(from_ms, self.entity), |stored, _| Ok(stored.id))?;
        let mut id = first.or(Some(i64::MIN));
        while let Some(at_least) = id {
            let mut statement = self.connection.prepare_cached(queries::BLOCK_AT_OR_AFTER)?;
            let parameters = named_params! {":entity": self.entity, ":id": at_least, ":from_ms": from_ms};
            let mut rows = statement.query(parameters)?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let stored = stored(row)?;
            let times = self.times(&stored, row)?;
            if let Some(oldest) = times.at.iter().find(|at| **at >= from_ms) {
                return Ok(Some(*oldest));
            }
            id = stored.id.checked_add(1);
        }
        Ok(None)
    }

    /// Whether there is a sample of an instant.
    pub(super) fn has(&self, at_ms: i64) -> rusqlite::Result<bool> {
        let found = self.at_or_before(block_id(at_ms, self.entity), |stored, row| {
            if at_ms < stored.at_min_ms || at_ms > stored.at_max_ms {
                return Ok(false);
            }
            Ok(self.times(stored, row)?.at.binary_search(&at_ms).is_ok())
        })?;
        Ok(found == Some(true))
    }

    /// No sample is newer.
    pub(super) fn newest_at(&self) -> rusqlite::Result<Option<i64>> {
        self.connection
            .prepare_cached(queries::BLOCK_NEWEST)?
            .query_row(named_params! {":entity": self.entity}, |row| row.get(0))
            .optional()
    }

    /// The block whose window an instant lies in, with its samples.
    pub(super) fn around(&self, at_ms: i64) -> rusqlite::Result<Option<(Stored, Rc<Samples>)>> {
        let found = self.at_or_before(block_id(at_ms, self.entity), |stored, row| {
            Ok(if bounded(at_ms) < stored.end_ms { Some((*stored, self.samples(stored, row)?)) } else { None })
        })?;
        Ok(found.flatten())
    }

    /// The samples of all blocks whose windows start in [start, end), oldest first, and the blocks' ids.
    pub(super) fn window(&self, start_ms: i64, end_ms: i64) -> rusqlite::Result<(Vec<i64>, Samples)> {
        let mut statement = self.connection.prepare_cached(queries::BLOCKS_OF_WINDOW)?;
        let mut rows = statement.query(named_params! {
            ":entity": self.entity, ":id_min": block_id(start_ms, self.entity),
            ":id_max": block_id(end_ms.saturating_sub(1), self.entity),
        })?;
        let mut ids = Vec::new();
        let mut whole = Samples::new(self.kind, self.columns);
        while let Some(row) = rows.next()? {
            let stored = stored(row)?;
            ids.push(stored.id);
            let layout = self.layouts.get(self.connection, stored.layout)?;
            let block = block::open(&layout, body(row)?).map_err(name(&stored))?;
            if stored.at_min_ms < self.kept_from_ms {
                let mut samples = block.samples(self.kind, self.columns).map_err(name(&stored))?;
                self.leave_kept(&mut samples)?;
                whole.append(&mut samples);
                continue;
            }
            if whole.len() == 0 {
                // The others are about as dense.
                let length_ms = stored.end_ms.saturating_sub(block_start_ms(stored.id)).max(1);
                let windows = usize::try_from(end_ms.saturating_sub(start_ms) / length_ms).unwrap_or(0);
                whole.reserve(block.len().saturating_mul(windows).min(SAMPLES_MAX));
            }
            block.add_all(&layout.places(self.kind, self.columns), &mut whole).map_err(name(&stored))?;
        }
        Ok((ids, whole))
    }

    /// What becomes of the newest block whose id is not above another.
    fn at_or_before<T>(
        &self,
        id: i64,
        then: impl FnOnce(&Stored, &Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        let mut statement = self.connection.prepare_cached(queries::BLOCK_AT_OR_BEFORE)?;
        let mut rows = statement.query(named_params! {":entity": self.entity, ":id": id})?;
        let Some(row) = rows.next()? else { return Ok(None) };
        then(&stored(row)?, row).map(Some)
    }

    /// The samples of a block that are there, by their times.
    pub(super) fn samples(&self, stored: &Stored, row: &Row<'_>) -> rusqlite::Result<Rc<Samples>> {
        if let Some(samples) = self.decoded.borrow().get(&stored.id) {
            return Ok(Rc::clone(samples));
        }
        let layout = self.layouts.get(self.connection, stored.layout)?;
        let mut samples = block::open(&layout, body(row)?)
            .and_then(|block| block.samples(self.kind, self.columns))
            .map_err(name(stored))?;
        self.leave_kept(&mut samples)?;
        let samples = Rc::new(samples);
        self.decoded.borrow_mut().insert(stored.id, Rc::clone(&samples));
        Ok(samples)
    }

    fn times(&self, stored: &Stored, row: &Row<'_>) -> rusqlite::Result<Samples> {
        let layout = self.layouts.get(self.connection, stored.layout)?;
        let mut samples = block::open(&layout, body(row)?).and_then(|block| block.times()).map_err(name(stored))?;
        self.leave_kept(&mut samples)?;
        Ok(samples)
    }

    fn leave_kept(&self, samples: &mut Samples) -> rusqlite::Result<()> {
        leave_kept(self.connection, self.kept_from_ms, samples)
    }
}

/// Leaves out the samples whose polls are gone; those from an instant on are there.
pub(super) fn leave_kept(connection: &Connection, kept_from_ms: i64, samples: &mut Samples) -> rusqlite::Result<()> {
    if samples.at.iter().all(|at| *at >= kept_from_ms) {
        return Ok(());
    }
    let mut exists = connection.prepare_cached(queries::POLL_EXISTS)?;
    let mut kept = Vec::with_capacity(samples.len());
    for (index, (at, poll)) in samples.at.iter().zip(&samples.poll).enumerate() {
        if *at >= kept_from_ms || exists.exists(named_params! {":poll": poll})? {
            kept.push(index);
        }
    }
    if kept.len() < samples.len() {
        samples.choose(&kept);
    }
    Ok(())
}

pub(super) fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored {
        id: row.get(0)?,
        end_ms: row.get(1)?,
        at_min_ms: row.get(2)?,
        at_max_ms: row.get(3)?,
        layout: row.get(4)?,
    })
}

fn body<'a>(row: &'a Row<'_>) -> rusqlite::Result<&'a [u8]> {
    Ok(row.get_ref(5)?.as_blob()?)
}

pub(super) fn name(stored: &Stored) -> impl FnOnce(Damage) -> Damage {
    let id = stored.id;
    move |damage| Damage(format!("block {id}: {damage}"))
}
