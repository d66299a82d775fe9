//! Sealing: samples of the journal become blocks, a little at a time.
//!
//! # The plan
//! Whose samples in the journal are oldest is looked at first. Once the window that they lie in has settled, its samples
//! are sealed, some entities of a kind in a step: read from the pieces, poll after poll, put together with what the
//! window's block already holds, encoded, decoded again, and compared to the bit. All of that is done beside the writer.
//! Then, in one short transaction, the pieces are read again: only if they are to the byte what was read, the blocks come
//! and the pieces go. So a late sample needs no care: it is in the journal like any other, in a window that is ripe. The
//! state is all in the tables: a process that ends in between goes on where it was.
//!
//! A poll is sealed whole, also where its last samples are in the window after: its blocks are begun early.
//!
//! Must not know: how samples are found and read; when it is called.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, named_params};

use super::block::Damage;
use super::journal::{Journal, PollRow, Taken};
use super::layouts::{KindLayout, Layouts};
use super::packed::Packed;
use super::piece;
use super::queries;
use super::read::During;
use super::windows::Windows;
use crate::model::Timestamp;
use crate::store::StoreError;

const OPERATION: &str = "seal samples";

/// Samples that are packed, and what they were read from.
#[derive(Debug)]
pub(super) struct Seal<'a> {
    target: i64,
    until_ms: i64,
    /// None: there is nothing to seal, but to note that there is nothing.
    work: Option<Work<'a>>,
}

#[derive(Debug)]
struct Work<'a> {
    kind: &'a KindLayout,
    entity_last: i64,
    taken: Vec<Piece>,
    packed: Packed,
    samples: u64,
}

/// A piece of the journal, as it was read.
#[derive(Debug)]
struct Piece {
    id: i64,
    poll: PollRow,
    entity_max: i64,
    layout: i64,
    body: Vec<u8>,
}

/// Packs a little of what is ripe; nothing where there is nothing to do.
pub(super) fn plan<'a>(
    connection: &Connection,
    kinds: &'a HashMap<&'static str, KindLayout>,
    windows: &Windows,
    now: Timestamp,
) -> Result<Option<Seal<'a>>, StoreError> {
    let plan = || {
        let Some((target, until_ms)) = oldest_ripe(connection, windows, now)? else { return Ok(None) };
        let places = places(connection, target, until_ms)?;
        // In an order of its own: that of a map would be another one in each process.
        let kind = places.keys().filter_map(|kind| kinds.get(kind.as_str())).min_by_key(|kind| kind.kind.name);
        let work = kind.map(|kind| {
            let cells = kind.kind.columns.len() + FIXED_CELLS;
            let places = places.get(kind.kind.name).map(Vec::as_slice).unwrap_or_default();
            pack(connection, kind, windows, (target, until_ms), cut(places, windows.cells_per_step / cells))
        });
        Ok(Some(Seal { target, until_ms, work: work.transpose()? }))
    };
    plan().during(OPERATION)
}

/// Numbers of a sample besides its columns: time, since, interval, offset, poll.
const FIXED_CELLS: usize = 5;

/// The target whose samples in the journal are oldest, and the end of the window they lie in, if that is ripe.
fn oldest_ripe(connection: &Connection, windows: &Windows, now: Timestamp) -> rusqlite::Result<Option<(i64, i64)>> {
    let mut targets = connection.prepare_cached(queries::TARGETS_ALL)?;
    let targets = targets.query_map([], |row| row.get::<_, i64>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut oldest: Option<(i64, i64)> = None;
    for target in targets {
        let at_ms: Option<i64> = connection
            .prepare_cached(queries::POLL_SAMPLED_OLDEST)?
            .query_row(named_params! {":target": target}, |row| row.get(0))
            .optional()?;
        let Some(at_ms) = at_ms else { continue };
        let (_, end_ms) = Windows::around(at_ms, windows.seal_ms);
        if windows.is_ripe(end_ms, now) && oldest.is_none_or(|(_, sooner_ms)| end_ms < sooner_ms) {
            oldest = Some((target, end_ms));
        }
    }
    Ok(oldest)
}

/// Which entities a piece is about, and how many samples are in it.
#[derive(Debug, Clone, Copy)]
struct Place {
    entity_min: i64,
    entity_max: i64,
    samples: usize,
}

/// The pieces of a target's polls before an instant, by kind.
fn places(connection: &Connection, target: i64, until_ms: i64) -> rusqlite::Result<BTreeMap<String, Vec<Place>>> {
    let mut places: BTreeMap<String, Vec<Place>> = BTreeMap::new();
    let mut statement = connection.prepare_cached(queries::JOURNAL_PLACES)?;
    let mut rows = statement.query(named_params! {":target": target, ":until_ms": until_ms})?;
    while let Some(row) = rows.next()? {
        let place = Place {
            entity_min: row.get(1)?,
            entity_max: row.get(2)?,
            samples: usize::try_from(row.get::<_, i64>(3)?).unwrap_or(0),
        };
        let kind = row.get_ref(0)?.as_str()?;
        match places.get_mut(kind) {
            Some(of_kind) => of_kind.push(place),
            None => {
                places.insert(kind.to_owned(), vec![place]);
            }
        }
    }
    Ok(places)
}

/// Up to which entity a step goes, so that it takes about so many samples: where a piece ends, if that is possible.
fn cut(places: &[Place], samples_max: usize) -> i64 {
    let all: usize = places.iter().map(|place| place.samples).sum();
    if all <= samples_max {
        return i64::MAX;
    }
    // By where pieces end: with those that end there, and before, a step takes at least so many samples.
    let mut ends: BTreeMap<i64, usize> = BTreeMap::new();
    for place in places {
        *ends.entry(place.entity_max).or_default() += place.samples;
    }
    let mut taken = 0;
    let mut last = None;
    for (entity_max, samples) in ends {
        taken += samples;
        if taken > samples_max && last.is_some() {
            break;
        }
        last = Some(entity_max);
    }
    let last = last.unwrap_or(i64::MAX);
    // A piece of each of very many polls may be too much for a step: then it goes through them.
    let first = places.iter().filter(|place| place.entity_min <= last);
    let (count, samples) = first.fold((0_usize, 0), |(count, samples), place| (count + 1, samples + place.samples));
    if samples <= samples_max.saturating_mul(3) || count == 0 {
        return last;
    }
    let least = places.iter().map(|place| place.entity_min).min().unwrap_or(last);
    let share = i64::try_from(samples / samples_max.max(1)).unwrap_or(i64::MAX).max(1);
    least.saturating_add(last.saturating_sub(least) / share)
}

/// The pieces of a step, each as a row of `journal_of_window`.
fn pieces(
    connection: &Connection,
    kind: &KindLayout,
    (target, until_ms): (i64, i64),
    entity_last: i64,
    mut then: impl FnMut(&Row<'_>) -> rusqlite::Result<bool>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(queries::JOURNAL_OF_WINDOW)?;
    let mut rows = statement.query(named_params! {
        ":target": target, ":until_ms": until_ms, ":kind": kind.kind.name, ":entity_last": entity_last,
    })?;
    while let Some(row) = rows.next()? {
        if !then(row)? {
            break;
        }
    }
    Ok(())
}

impl Piece {
    fn read(row: &Row<'_>) -> rusqlite::Result<Piece> {
        Ok(Piece {
            id: row.get(0)?,
            poll: PollRow { id: row.get(1)?, interval_ms: row.get(2)?, clock_offset_ms: row.get(3)? },
            entity_max: row.get(4)?,
            layout: row.get(5)?,
            body: row.get(6)?,
        })
    }

    /// Whether a row is this one still.
    fn is_same(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        Ok(self.id == row.get::<_, i64>(0)? && self.body == row.get_ref(6)?.as_blob()?)
    }
}

/// Packs the samples of all entities up to one.
fn pack<'a>(
    connection: &Connection,
    kind: &'a KindLayout,
    windows: &Windows,
    window: (i64, i64),
    entity_last: i64,
) -> rusqlite::Result<Work<'a>> {
    let mut taken = Vec::new();
    pieces(connection, kind, window, entity_last, |row| {
        taken.push(Piece::read(row)?);
        Ok(true)
    })?;
    let columns: Vec<usize> = (0..kind.kind.columns.len()).collect();
    let journal = Journal::new(connection, kind.kind, &columns);
    let mut apart = Taken::default();
    for piece in &taken {
        journal.take(piece.poll, piece.layout, &piece.body, entity_last, &mut apart)?;
    }
    let mut packed = Packed::default();
    let mut count = 0;
    for (entity, places) in apart.entities() {
        count += places.len();
        let is_known = connection.prepare_cached(queries::ENTITY_EXISTS)?.exists(named_params! {":entity": entity})?;
        // What retention left of an entity that it deleted is sealed for nobody.
        if is_known {
            packed.add(connection, kind, windows, entity, journal.samples(&apart, &places)?)?;
        }
    }
    drop(apart);
    Ok(Work { kind, entity_last, taken, packed, samples: u64::try_from(count).unwrap_or(u64::MAX) })
}

impl Seal<'_> {
    /// For how long already this could have been done.
    pub(super) fn overdue_ms(&self, windows: &Windows, now: Timestamp) -> u64 {
        let ripe_ms = self.until_ms.saturating_add(windows.settle_ms);
        u64::try_from(now.ms().saturating_sub(ripe_ms)).unwrap_or(0)
    }

    /// Puts the blocks in the place of what they were made of, if that is still the same. Gives the number of samples
    /// that were sealed.
    pub(super) fn commit(&self, connection: &mut Connection) -> Result<u64, StoreError> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).during(OPERATION)?;
        let sealed = match &self.work {
            Some(work) => self.keep(&transaction, work).during(OPERATION)?,
            None => 0,
        };
        if sealed > 0 || self.work.is_none() {
            transaction
                .prepare_cached(queries::POLLS_SEALED)
                .and_then(|mut update| {
                    update.execute(named_params! {
                        ":target": self.target, ":until_ms": self.until_ms, ":is_all": self.work.is_none(),
                    })
                })
                .during(OPERATION)?;
            transaction.commit().during(OPERATION)?;
        }
        Ok(sealed)
    }

    fn keep(&self, connection: &Connection, work: &Work<'_>) -> rusqlite::Result<u64> {
        let mut before = work.taken.iter();
        let mut is_same = true;
        pieces(connection, work.kind, (self.target, self.until_ms), work.entity_last, |row| {
            is_same = match before.next() {
                Some(before) => before.is_same(row)?,
                None => false,
            };
            Ok(is_same)
        })?;
        if !is_same || before.next().is_some() {
            // A late sample came in between: it is sealed by the next step, with these.
            return Ok(0);
        }
        work.packed.keep(connection, &work.kind.layout)?;
        let layouts = Layouts::default();
        for piece in &work.taken {
            let rest = if piece.entity_max > work.entity_last {
                let layout = layouts.get(connection, piece.layout)?;
                piece::after(&layout, &piece.body, work.entity_last)?
            } else {
                None
            };
            let changed = match rest {
                Some((entity_min, samples, body)) => {
                    connection.prepare_cached(queries::JOURNAL_REPLACE)?.execute(named_params! {
                        ":id": piece.id, ":entity_min": entity_min, ":samples": samples, ":body": body,
                    })?
                }
                None => connection.prepare_cached(queries::JOURNAL_DELETE)?.execute(named_params! {":id": piece.id})?,
            };
            if changed != 1 {
                return Err(Damage(format!("piece {} of the journal is there no more", piece.id)).into());
            }
        }
        Ok(work.samples)
    }
}

#[cfg(test)]
mod tests;
