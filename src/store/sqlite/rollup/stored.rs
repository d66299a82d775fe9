//! A rollup as a row of its table: found, decoded, kept and deleted.
//!
//! Must not know: what is in it, why it is made.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::blob::Blob;
use rusqlite::{Connection, MAIN_DB, OptionalExtension, Row, named_params};

use super::super::block::Damage;
use super::super::queries;
use super::super::read::{During, damaged};
use super::super::windows::{ENTITIES_END, block_id, block_start_ms};
use super::format::{self, Layout, Opened, Source};
use super::layout_id;
use crate::model::{Hours, Kind, Stay, Wanted};
use crate::rollup::fields_count;
use crate::store::StoreError;

/// The samples that a rollup begins and ends with, and those beyond. Where it has none, the first is the one after it and
/// the last the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) first_ms: i64,
    pub(super) last_ms: Option<i64>,
    pub(super) before_ms: Option<i64>,
    pub(super) after_ms: Option<i64>,
}

impl Ends {
    /// Those of a window, once a part of it was made again. Where samples are gone, older ones stay as they were known.
    pub(super) fn with(self, part: Ends, is_cut: bool) -> Ends {
        let is_first = part.first_ms <= self.first_ms || part.before_ms.is_none_or(|before| before < self.first_ms);
        let is_last = part.after_ms.zip(self.last_ms).is_none_or(|(after, last)| after > last);
        Ends {
            first_ms: if is_cut {
                self.first_ms.min(part.first_ms)
            } else if is_first {
                part.first_ms
            } else {
                self.first_ms
            },
            last_ms: if is_last { part.last_ms } else { self.last_ms },
            before_ms: if is_first && !is_cut { part.before_ms } else { self.before_ms },
            after_ms: if is_last { part.after_ms } else { self.after_ms },
        }
    }
}

/// A row of the table, without its body.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) end_ms: i64,
    pub(super) until_ms: i64,
    pub(super) ends: Ends,
    pub(super) is_merged: bool,
    layout: i64,
}

impl Stored {
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Stored> {
        Ok(Stored {
            id: row.get(0)?,
            end_ms: row.get(1)?,
            until_ms: row.get(2)?,
            ends: Ends { first_ms: row.get(3)?, last_ms: row.get(4)?, before_ms: row.get(5)?, after_ms: row.get(6)? },
            is_merged: row.get(7)?,
            layout: row.get(8)?,
        })
    }

    pub(super) fn start_ms(&self) -> i64 {
        block_start_ms(self.id)
    }

    /// The newest rollup of an entity whose id is not above another.
    pub(super) fn at_or_before(connection: &Connection, entity: i64, id: i64) -> rusqlite::Result<Option<Stored>> {
        connection
            .prepare_cached(queries::ROLLUP_AT_OR_BEFORE)?
            .query_row(named_params! {":entity": entity, ":id": id}, Stored::of)
            .optional()
    }

    /// The oldest rollup of an entity whose id is not below another.
    pub(super) fn at_or_after(connection: &Connection, entity: i64, id: i64) -> rusqlite::Result<Option<Stored>> {
        connection
            .prepare_cached(queries::ROLLUP_AT_OR_AFTER)?
            .query_row(named_params! {":entity": entity, ":id": id}, Stored::of)
            .optional()
    }

    /// The rollup whose window an instant lies in.
    pub(super) fn around(connection: &Connection, entity: i64, at_ms: i64) -> rusqlite::Result<Option<Stored>> {
        let found = Stored::at_or_before(connection, entity, block_id(at_ms, entity))?;
        Ok(found.filter(|found| at_ms < found.end_ms))
    }

    /// The rollups whose windows start in [from, until), oldest first.
    pub(super) fn of_window(
        connection: &Connection,
        entity: i64,
        (from_ms, until_ms): (i64, i64),
    ) -> rusqlite::Result<Vec<Stored>> {
        let mut statement = connection.prepare_cached(queries::ROLLUPS_OF_WINDOW)?;
        let parameters = named_params! {
            ":entity": entity, ":id_min": block_id(from_ms, entity),
            ":id_max": block_id(until_ms.saturating_sub(1), entity),
        };
        statement.query_map(parameters, Stored::of)?.collect()
    }

    /// All of its hours.
    pub(super) fn decode(
        &self,
        connection: &Connection,
        kind: &'static Kind,
        operation: &'static str,
    ) -> Result<Hours, StoreError> {
        let all: Vec<usize> = (0..fields_count(kind)).collect();
        Bodies::new(connection, operation).hours(self, kind, &all, Wanted::ALL)
    }
}

/// The bodies of a kind's rollups, read as far as they are wanted.
pub(super) struct Bodies<'c> {
    connection: &'c Connection,
    operation: &'static str,
    layouts: HashMap<i64, Layout>,
    blob: Option<Blob<'c>>,
}

impl<'c> Bodies<'c> {
    pub(super) fn new(connection: &'c Connection, operation: &'static str) -> Bodies<'c> {
        Bodies { connection, operation, layouts: HashMap::new(), blob: None }
    }

    /// The hours with these fields, in this order.
    pub(super) fn hours(
        &mut self,
        stored: &Stored,
        kind: &'static Kind,
        fields: &[usize],
        wanted: Wanted,
    ) -> Result<Hours, StoreError> {
        self.open(stored, kind, |opened| opened.hours(kind, fields, wanted))
    }

    /// The days with the sums of these fields, in this order, and the stays; nothing where only hours tell.
    pub(super) fn days(
        &mut self,
        stored: &Stored,
        kind: &'static Kind,
        fields: &[usize],
    ) -> Result<Option<Hours>, StoreError> {
        self.open(stored, kind, |opened| opened.days(fields))
    }

    /// How the entity was there.
    pub(super) fn stays(&mut self, stored: &Stored, kind: &'static Kind) -> Result<Vec<Stay>, StoreError> {
        self.open(stored, kind, |opened| opened.stays())
    }

    fn open<T>(
        &mut self,
        stored: &Stored,
        kind: &'static Kind,
        read: impl FnOnce(Opened<'_, Blob<'c>>) -> Result<T, Damage>,
    ) -> Result<T, StoreError> {
        let layout = match self.layouts.entry(stored.layout) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let text: String = self
                    .connection
                    .prepare_cached(queries::ROLLUP_LAYOUT_FIELDS)
                    .and_then(|mut fields| fields.query_row(named_params! {":id": stored.layout}, |row| row.get(0)))
                    .during(self.operation)?;
                place.insert(Layout::parse(kind, &text))
            }
        };
        let blob = match self.blob.take() {
            Some(mut blob) => blob.reopen(stored.id).map(|()| blob),
            None => self.connection.blob_open(MAIN_DB, "rollup", "body", stored.id, true),
        };
        let blob = self.blob.insert(blob.during(self.operation)?);
        format::open(layout, blob)
            .and_then(read)
            .map_err(|Damage(detail)| damaged(self.operation, format!("rollup {}: {detail}", stored.id)))
    }
}

impl Source for Blob<'_> {
    fn length(&self) -> usize {
        self.len()
    }

    fn read(&self, from: usize, length: usize) -> Result<Cow<'_, [u8]>, Damage> {
        let mut bytes = vec![0; length.min(self.len().saturating_sub(from))];
        self.read_at_exact(&mut bytes, from).map_err(|cause| Damage(cause.to_string()))?;
        Ok(Cow::Owned(bytes))
    }
}

/// A rollup that is made but not kept yet.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) id: i64,
    entity: i64,
    end_ms: i64,
    until_ms: i64,
    pub(super) ends: Ends,
    is_merged: bool,
    layout: Layout,
    body: Vec<u8>,
}

impl Fresh {
    /// Of an entity's window, with these hours of all fields.
    pub(super) fn new(
        kind: &'static Kind,
        entity: i64,
        (start_ms, end_ms): (i64, i64),
        until_ms: i64,
        ends: Ends,
        is_merged: bool,
        hours: &Hours,
    ) -> Result<Fresh, StoreError> {
        const OPERATION: &str = "make a rollup";
        if !(0..ENTITIES_END).contains(&entity) {
            let detail = format!("entity {entity} is beyond the {ENTITIES_END} that rollups can name");
            return Err(damaged(OPERATION, detail));
        }
        let id = block_id(start_ms, entity);
        let body = format::encode(kind, hours).map_err(|Damage(detail)| damaged(OPERATION, detail))?;
        Ok(Fresh { id, entity, end_ms, until_ms, ends, is_merged, layout: Layout::of(kind), body })
    }

    /// Keeps it.
    pub(super) fn insert(&self, connection: &Connection) -> rusqlite::Result<()> {
        let layout = layout_id(connection, self.layout.text())?;
        connection.prepare_cached(queries::ROLLUP_INSERT)?.execute(named_params! {
            ":id": self.id, ":entity": self.entity, ":end_ms": self.end_ms, ":until_ms": self.until_ms,
            ":first_ms": self.ends.first_ms, ":last_ms": self.ends.last_ms, ":before_ms": self.ends.before_ms,
            ":after_ms": self.ends.after_ms, ":is_merged": self.is_merged, ":layout": layout, ":body": self.body,
        })?;
        Ok(())
    }
}

/// Deletes a rollup.
pub(super) fn delete(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(queries::ROLLUP_DELETE)?.execute(named_params! {":id": id})?;
    Ok(())
}
