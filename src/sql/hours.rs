//! The rows of a kind's table of hours: entity by entity, hour by hour, a row for each version of its attributes.
//!
//! Four weeks of one entity are held at a time, with the fields that were asked for so far: one more is read when it
//! first is, and from then on with all. Must not know: SQLite's virtual machine, whether hours were rolled up before.

use std::sync::Arc;

use super::Shared;
use super::kind::{KindColumn, Of};
use super::module::{Bound, Given, Rows};
use super::samples::{NAMED_COLUMNS, fact, given};
use super::wanted::Wanted;
use crate::answer::{HourReading, Stop};
use crate::model::{Attributes, EntityRecord, HOUR_MS, HourCell, HourRow, Hours, Kind, TimeRange, Timestamp};
use crate::query::cell::Number;
use crate::query::civil::format_instant;
use crate::query::evaluate::HourField;
use crate::query::operand::seconds;
use crate::query::request::{Agg, Zone};
use crate::rollup::field_named;

/// How long before an entity is first seen, and after it is last, it may have hours: its own clock tells their times, and
/// its counters may have begun before.
const BEYOND_MS: i64 = 24 * HOUR_MS;

/// A place among the hours of a kind.
pub(super) struct HourRows {
    kind: &'static Kind,
    columns: Arc<[KindColumn]>,
    shared: Arc<Shared>,
    wanted: Wanted,
    /// Fields that hours bring.
    fields: Vec<usize>,
    with_bins: bool,
    /// By column of the table: its field's place among those, and how it is reduced, once it was asked for.
    numbers: Vec<Option<(usize, HourField)>>,
    entity: Option<Entity>,
    held: Option<Held>,
    /// Bytes of what is held, as the watch knows them.
    held_bytes: u64,
}

struct Entity {
    record: EntityRecord,
    reading: HourReading,
    /// For each version whether its rows pass; empty: all do.
    takes: Vec<bool>,
}

/// A part of the entity's hours.
struct Held {
    piece: TimeRange,
    hours: Hours,
    /// The row after the one that is given.
    next: usize,
}

impl Drop for HourRows {
    fn drop(&mut self) {
        self.shared.watch.release(self.held_bytes);
    }
}

impl Entity {
    /// The place of the version that a row is made under.
    fn version(&self, row: &HourRow) -> usize {
        self.record.versions.partition_point(|version| version.from <= row.version).saturating_sub(1)
    }

    fn attributes(&self, row: &HourRow) -> Option<&Attributes> {
        self.record.versions.get(self.version(row)).map(|version| version.attributes.as_ref())
    }
}

impl HourRows {
    pub(super) fn new(kind: &'static Kind, columns: Arc<[KindColumn]>, shared: Arc<Shared>) -> HourRows {
        let numbers = vec![None; columns.len()];
        HourRows {
            kind,
            columns,
            shared,
            wanted: Wanted::new(kind),
            fields: Vec::new(),
            with_bins: false,
            numbers,
            entity: None,
            held: None,
            held_bytes: 0,
        }
    }

    /// Makes a column one of those that are read. Says whether what is held does not have it.
    fn resolve(&mut self, column: usize) -> bool {
        let Some(Of::Hour(name, agg)) = self.columns.get(column).map(|column| column.of) else { return false };
        let (Some(field), Some(number)) = (field_named(self.kind, name), HourField::resolve(self.kind, name, agg))
        else {
            return false;
        };
        let known = self.fields.iter().position(|known| *known == field);
        let place = known.unwrap_or(self.fields.len());
        if known.is_none() {
            self.fields.push(field);
        }
        let needs_bins = matches!(agg, Agg::Percentile(_)) && !self.with_bins;
        self.with_bins |= needs_bins;
        if let Some(slot) = self.numbers.get_mut(column) {
            *slot = Some((place, number));
        }
        known.is_none() || needs_bins
    }

    fn read(&self, piece: TimeRange) -> rusqlite::Result<Option<Hours>> {
        let Some(entity) = &self.entity else { return Ok(None) };
        let store = &self.shared.database.store;
        let read = entity.reading.read(store, &entity.record, piece, &self.fields, self.with_bins, &Stop::never());
        read.map(Some).map_err(|error| self.shared.watch.fail(error))
    }

    fn hold(&mut self, held: Option<Held>) -> rusqlite::Result<()> {
        let cells = held.as_ref().map_or(0, |held| held.hours.rows.len().saturating_mul(held.hours.cells.len() + 1));
        let bytes = u64::try_from(cells.saturating_mul(size_of::<HourCell>())).unwrap_or(u64::MAX);
        self.held = held;
        self.shared.watch.release(std::mem::replace(&mut self.held_bytes, bytes));
        self.shared.watch.hold(bytes)
    }

    /// The next part of the entity's hours.
    fn next_piece(&mut self) -> rusqlite::Result<bool> {
        let Some(piece) = self.entity.as_mut().and_then(|entity| entity.reading.next_piece()) else { return Ok(false) };
        let held = self.read(piece)?.map(|hours| Held { piece, hours, next: 0 });
        self.hold(held)?;
        Ok(true)
    }

    fn next_entity(&mut self) -> rusqlite::Result<bool> {
        self.hold(None)?;
        let Some((record, takes, range)) = self.wanted.next(&self.shared)? else { return Ok(false) };
        let lived =
            TimeRange::new(hour(record.first_seen.plus_ms(-BEYOND_MS)), hour(record.last_seen.plus_ms(BEYOND_MS)));
        let reading = HourReading::of(self.kind, lived.and_then(|lived| lived.intersect(range)));
        self.entity = Some(Entity { record, reading, takes });
        Ok(true)
    }

    fn row(&self) -> Option<(&HourRow, usize)> {
        let held = self.held.as_ref()?;
        let index = held.next.checked_sub(1)?;
        Some((held.hours.rows.get(index)?, index))
    }

    fn number(&mut self, column: usize) -> rusqlite::Result<Number> {
        if self.numbers.get(column).is_none_or(Option::is_none)
            && self.resolve(column)
            && let Some(piece) = self.held.as_ref().map(|held| held.piece)
        {
            let row = self.row().map(|(row, _)| (row.start, row.version));
            let Some(hours) = self.read(piece)? else { return Ok(Number::Null) };
            // Rows go on after this one: those before it were given already.
            let same = hours.rows.iter().position(|known| Some((known.start, known.version)) == row);
            let Some(same) = same else { return Ok(Number::Null) };
            self.hold(Some(Held { piece, hours, next: same + 1 }))?;
        }
        let Some((row, index)) = self.row() else { return Ok(Number::Null) };
        let (Some(Some((place, number))), Some(held)) = (self.numbers.get(column), &self.held) else {
            return Ok(Number::Null);
        };
        static NONE: Attributes = Attributes::new();
        let attributes = self.entity.as_ref().and_then(|entity| entity.attributes(row)).unwrap_or(&NONE);
        let cell = held.hours.cells.get(*place).and_then(|cells| cells.get(index));
        Ok(cell.map_or(Number::Null, |cell| number.of(cell, attributes)))
    }
}

/// The hour of an instant.
fn hour(at: Timestamp) -> Timestamp {
    Timestamp::from_ms(at.ms().div_euclid(HOUR_MS).saturating_mul(HOUR_MS))
}

impl Rows for HourRows {
    fn begin(&mut self, bounds: &[Bound], used: u64) -> rusqlite::Result<()> {
        for column in 0..self.columns.len().min(NAMED_COLUMNS) {
            if used >> column & 1 == 1 {
                self.resolve(column);
            }
        }
        self.entity = None;
        self.hold(None)?;
        self.wanted.begin(bounds, &self.columns, &self.shared, |from_ms, until_ms| {
            // Hours that begin in the time that is left.
            let from = hour(Timestamp::from_ms(from_ms.saturating_add(HOUR_MS - 1)).min(Timestamp::MAX));
            let until = hour(Timestamp::from_ms(until_ms)).plus_ms(HOUR_MS).min(Timestamp::MAX);
            TimeRange::new(from, until)
        })
    }

    fn advance(&mut self) -> rusqlite::Result<bool> {
        loop {
            while let (Some(held), Some(entity)) = (&mut self.held, &self.entity) {
                let Some(row) = held.hours.rows.get(held.next) else { break };
                held.next += 1;
                if entity.takes.is_empty() || entity.takes.get(entity.version(row)) == Some(&true) {
                    return Ok(true);
                }
            }
            if !self.next_piece()? && !self.next_entity()? {
                return Ok(false);
            }
        }
    }

    fn cell(&mut self, column: usize) -> rusqlite::Result<Given<'_>> {
        let Some(of) = self.columns.get(column).map(|column| column.of) else { return Ok(Given::Null) };
        if let Of::Hour(..) = of {
            return Ok(given(self.number(column)?));
        }
        let (Some((row, _)), Some(entity)) = (self.row(), &self.entity) else { return Ok(Given::Null) };
        Ok(match of {
            Of::Time => Given::text(format_instant(row.start, Zone::Utc)),
            Of::AtMs => Given::Int(row.start.ms()),
            Of::Key(index) => Given::text(entity.record.identity.part(index)),
            Of::Attribute(attribute) => {
                entity.attributes(row).and_then(|all| all.get(attribute.name)).map_or(Given::Null, fact)
            }
            Of::Samples => Given::Int(row.samples),
            Of::CoveredSeconds => Given::Real(seconds(row.covered_ms)),
            Of::VersionMs => Given::Int(row.version.ms()),
            _ => Given::Null,
        })
    }
}
