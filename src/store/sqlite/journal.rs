//! The journal: samples as they came, by poll and kind, until they are sealed.
//!
//! A poll's samples of a kind stand in the order of their entities, cut into pieces (see [`super::piece`]) that do not
//! overlap; `journal_place` finds the one that an entity's sample is in. Must not know: which polls to look at, and when
//! samples are sealed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use rusqlite::{Connection, named_params};

use super::block::{Damage, Holds, Layout, Samples};
use super::layouts::Layouts;
use super::piece::{self, Opened, Row};
use super::queries;
use crate::model::{ColumnValues, Kind, Repr};

/// Keeps what a poll took of a kind, each entity at most once.
pub(super) fn insert(
    connection: &Connection,
    kind: &str,
    layout: (i64, &Layout),
    poll: i64,
    rows: &mut [Row<'_>],
) -> rusqlite::Result<()> {
    let (layout_id, layout) = layout;
    rows.sort_unstable_by_key(|row| row.entity);
    let mut insert = connection.prepare_cached(queries::JOURNAL_INSERT)?;
    // Pieces of about one length: a last one of few would cost as much to find as the others.
    let pieces = rows.len().div_ceil(piece::SAMPLES_MAX).max(1);
    for rows in rows.chunks(rows.len().div_ceil(pieces).max(1)) {
        insert.execute(named_params! {
            ":poll": poll, ":kind": kind, ":entity_min": rows.first().map(|row| row.entity),
            ":entity_max": rows.last().map(|row| row.entity),
            ":samples": i64::try_from(rows.len()).unwrap_or(i64::MAX), ":layout": layout_id,
            ":body": piece::encode(layout, rows)?,
        })?;
    }
    Ok(())
}

/// A poll whose samples are in the journal.
#[derive(Debug, Clone, Copy)]
pub(super) struct PollRow {
    pub(super) id: i64,
    pub(super) interval_ms: i64,
    pub(super) clock_offset_ms: i64,
}

/// Where the columns asked for are in a layout, in the order asked.
#[derive(Debug)]
pub(super) struct Projection {
    layout: Rc<Layout>,
    columns: Vec<Place>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Ints(usize),
    Floats(usize),
    /// Such a column was not recorded then.
    Nowhere,
}

impl Projection {
    fn new(layout: Rc<Layout>, kind: &Kind, columns: &[usize]) -> Projection {
        let place = |stored: &str, repr: Repr| {
            let position = layout.position(stored);
            let holds = position.and_then(|position| layout.columns().get(position)).map(|(_, holds)| *holds);
            match (position, repr, holds) {
                (Some(position), Repr::Integer { .. }, Some(Holds::Ints)) => Place::Ints(position),
                (Some(position), Repr::Float, Some(Holds::Floats)) => Place::Floats(position),
                // A name keeps its sort; one that changed it is another column.
                _ => Place::Nowhere,
            }
        };
        let wanted = columns.iter().filter_map(|index| kind.columns.get(*index));
        let columns = wanted.map(|column| place(column.stored, column.repr)).collect();
        Projection { layout, columns }
    }
}

/// The journal as one reader of a kind's columns sees it.
pub(super) struct Journal<'a> {
    connection: &'a Connection,
    kind: &'static Kind,
    columns: &'a [usize],
    layouts: Layouts,
    projections: RefCell<HashMap<i64, Rc<Projection>>>,
}

/// A sample in a piece.
pub(super) struct Found<'a> {
    pub(super) at_ms: i64,
    poll: PollRow,
    piece: &'a Opened<'a>,
    position: usize,
    projection: &'a Projection,
}

impl<'a> Journal<'a> {
    /// The journal of a kind, to be read with these of its columns.
    pub(super) fn new(connection: &'a Connection, kind: &'static Kind, columns: &'a [usize]) -> Journal<'a> {
        Journal { connection, kind, columns, layouts: Layouts::default(), projections: RefCell::default() }
    }

    /// No samples yet, with the columns that are read and room for so many.
    pub(super) fn no_samples(&self, capacity: usize) -> Samples {
        Samples::with_capacity(self.kind, self.columns, capacity)
    }

    /// Walks through polls that may have a sample of an entity, in the statement's order, for as long as it is told to.
    /// `then` gets the oldest time of each poll's samples, and the entity's sample if there is one.
    pub(super) fn walk(
        &self,
        sql: &str,
        parameters: &[(&str, &dyn rusqlite::ToSql)],
        entity: i64,
        mut then: impl FnMut(i64, Option<&Found<'_>>) -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            let poll = PollRow { id: row.get(0)?, interval_ms: row.get(1)?, clock_offset_ms: row.get(2)? };
            let at_min_ms: i64 = row.get(3)?;
            let projection = self.projection(row.get(4)?)?;
            let piece = open(poll.id, &projection.layout, row.get_ref(5)?.as_blob()?)?;
            let goes_on = match piece.find(entity) {
                None => then(at_min_ms, None)?,
                Some(position) => {
                    let at_ms = piece.at_ms(position)?;
                    let found = Found { at_ms, poll, piece: &piece, position, projection: &projection };
                    then(at_min_ms, Some(&found))?
                }
            };
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// Takes all samples of a piece, each to those of its entity.
    pub(super) fn take_all(
        &self,
        poll: PollRow,
        layout: i64,
        body: &[u8],
        mut samples_of: impl FnMut(i64, &Found<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let projection = self.projection(layout)?;
        let piece = open(poll.id, &projection.layout, body)?;
        for position in 0..piece.len() {
            let at_ms = piece.at_ms(position)?;
            let found = Found { at_ms, poll, piece: &piece, position, projection: &projection };
            samples_of(piece.entity(position)?, &found)?;
        }
        Ok(())
    }

    fn projection(&self, layout: i64) -> rusqlite::Result<Rc<Projection>> {
        if let Some(projection) = self.projections.borrow().get(&layout) {
            return Ok(Rc::clone(projection));
        }
        let named = self.layouts.get(self.connection, layout)?;
        let projection = Rc::new(Projection::new(named, self.kind, self.columns));
        self.projections.borrow_mut().insert(layout, Rc::clone(&projection));
        Ok(projection)
    }
}

fn open<'a>(poll: i64, layout: &Layout, body: &'a [u8]) -> Result<Opened<'a>, Damage> {
    piece::open(layout, body).map_err(|damage| Damage(format!("a piece of poll {poll}: {damage}")))
}

impl Found<'_> {
    /// Adds it to samples of the columns that are read.
    pub(super) fn push_to(&self, samples: &mut Samples) {
        samples.at.push(self.at_ms);
        samples.since.push(self.piece.since_ms(self.position));
        samples.interval_ms.push(self.poll.interval_ms);
        samples.clock_offset_ms.push(self.poll.clock_offset_ms);
        samples.poll.push(self.poll.id);
        for (values, place) in samples.columns.iter_mut().zip(&self.projection.columns) {
            match (values, place) {
                (ColumnValues::Int(values), Place::Ints(column)) => {
                    values.push(self.piece.int(*column, self.position));
                }
                (ColumnValues::Float(values), Place::Floats(column)) => {
                    values.push(self.piece.float(*column, self.position));
                }
                (ColumnValues::Int(values), _) => values.push(None),
                (ColumnValues::Float(values), _) => values.push(None),
            }
        }
    }
}
