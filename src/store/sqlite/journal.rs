//! The journal: samples as they came, by poll and kind, until they are sealed.
//!
//! A poll's samples of a kind stand in the order of their entities, cut into pieces (see [`super::piece`]) that do not
//! overlap; `journal_place` finds the one that an entity's sample is in. Must not know: which polls to look at, and when
//! samples are sealed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use rusqlite::{Connection, named_params};

use super::block::{Damage, Layout, Place, Samples};
use super::layouts::Layouts;
use super::piece::{self, Opened, Row, float};
use super::queries;
use crate::model::{ColumnValues, Kind};
use crate::store::Work;

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

/// A piece, without its samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct PieceRow {
    /// The oldest time of its poll's samples.
    pub(super) at_min_ms: i64,
    /// The newest.
    pub(super) at_max_ms: i64,
    pub(super) entity_min: i64,
    pub(super) entity_max: i64,
}

/// What to do with a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Look into it.
    Open,
    /// Go on to the next.
    Skip,
    /// No further one is wanted.
    Stop,
}

/// Where the columns asked for are in a layout, in the order asked.
#[derive(Debug)]
struct Projection {
    layout: Rc<Layout>,
    columns: Vec<Place>,
}

impl Projection {
    fn new(layout: Rc<Layout>, kind: &Kind, columns: &[usize]) -> Projection {
        let columns = layout.places(kind, columns);
        Projection { layout, columns }
    }
}

/// Samples of many entities, gathered from pieces.
pub(super) struct Gathered {
    /// Room for so many samples each.
    capacity: usize,
    places: HashMap<i64, usize>,
    entities: Vec<i64>,
    samples: Vec<Samples>,
    /// Where the last one was found: pieces bring entities in one order, nearly always the same ones.
    last: usize,
}

impl Gathered {
    /// Nothing yet, with room for so many samples of each entity.
    pub(super) fn new(capacity: usize) -> Gathered {
        let (places, entities, samples) = (HashMap::new(), Vec::new(), Vec::new());
        Gathered { capacity, places, entities, samples, last: 0 }
    }

    fn place(&mut self, entity: i64, none: impl FnOnce(usize) -> Samples) -> usize {
        let next = if self.last + 1 < self.entities.len() { self.last + 1 } else { 0 };
        self.last = if self.entities.get(next) == Some(&entity) {
            next
        } else {
            *self.places.entry(entity).or_insert_with(|| {
                self.entities.push(entity);
                self.samples.push(none(self.capacity));
                self.entities.len() - 1
            })
        };
        self.last
    }

    /// All that was gathered, by entity.
    pub(super) fn finish(self) -> Vec<(i64, Samples)> {
        let mut all: Vec<(i64, Samples)> = self.entities.into_iter().zip(self.samples).collect();
        all.sort_unstable_by_key(|(entity, _)| *entity);
        all
    }
}

/// The journal as one reader of a kind's columns sees it.
pub(super) struct Journal<'a> {
    connection: &'a Connection,
    kind: &'static Kind,
    columns: &'a [usize],
    layouts: Layouts,
    projections: RefCell<HashMap<i64, Rc<Projection>>>,
    work: Cell<Work>,
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
        Journal {
            connection,
            kind,
            columns,
            layouts: Layouts::default(),
            projections: RefCell::default(),
            work: Cell::default(),
        }
    }

    /// No samples yet, with the columns that are read and room for so many.
    pub(super) fn no_samples(&self, capacity: usize) -> Samples {
        Samples::with_capacity(self.kind, self.columns, capacity)
    }

    /// Walks through pieces that may have samples of entities, which rise, in the statement's order, for as long as `next`
    /// says. `then` gets each sample found, with its entity's index.
    pub(super) fn walk(
        &self,
        sql: &str,
        parameters: &[(&str, &dyn rusqlite::ToSql)],
        entities: &[i64],
        mut next: impl FnMut(&PieceRow) -> Next,
        mut then: impl FnMut(usize, &Found<'_>),
    ) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut bodies = self.connection.prepare_cached(queries::PIECE_BODY)?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            let poll = PollRow { id: row.get(0)?, interval_ms: row.get(1)?, clock_offset_ms: row.get(2)? };
            let piece = PieceRow {
                at_min_ms: row.get(3)?,
                at_max_ms: row.get(4)?,
                entity_min: row.get(5)?,
                entity_max: row.get(6)?,
            };
            let first = entities.partition_point(|entity| *entity < piece.entity_min);
            let has_any = entities.get(first).is_some_and(|entity| *entity <= piece.entity_max);
            match next(&piece) {
                Next::Stop => break,
                Next::Open if has_any => {}
                Next::Open | Next::Skip => continue,
            }
            let id: i64 = row.get(7)?;
            let mut body = bodies.query(named_params! {":id": id})?;
            let Some(body) = body.next()? else { continue };
            let projection = self.projection(body.get(0)?)?;
            let bytes = body.get_ref(1)?.as_blob()?;
            self.work.set(self.work.get().and_piece(bytes.len()));
            let opened = open(poll.id, &projection.layout, bytes)?;
            let mut position = 0;
            for (index, entity) in entities.iter().enumerate().skip(first) {
                while position < opened.len() && opened.entity(position)? < *entity {
                    position += 1;
                }
                if position == opened.len() {
                    break;
                }
                if opened.entity(position)? == *entity {
                    let at_ms = opened.at_ms(position)?;
                    then(index, &Found { at_ms, poll, piece: &opened, position, projection: &projection });
                }
            }
        }
        Ok(())
    }

    /// What was read so far.
    pub(super) fn work(&self) -> Work {
        self.work.get()
    }

    /// Takes all samples of a piece, each to those of its entity, as far as they are wanted.
    pub(super) fn take_all(
        &self,
        poll: PollRow,
        layout: i64,
        body: &[u8],
        gathered: &mut Gathered,
        mut is_wanted: impl FnMut(i64) -> bool,
    ) -> rusqlite::Result<()> {
        let projection = self.projection(layout)?;
        let piece = open(poll.id, &projection.layout, body)?;
        let mut places = Vec::with_capacity(piece.len());
        for position in 0..piece.len() {
            let entity = piece.entity(position)?;
            if !is_wanted(entity) {
                continue;
            }
            let place = gathered.place(entity, |capacity| self.no_samples(capacity));
            let Some(samples) = gathered.samples.get_mut(place) else { continue };
            samples.at.push(piece.at_ms(position)?);
            samples.since.push(piece.since_ms(position));
            samples.interval_ms.push(poll.interval_ms);
            samples.clock_offset_ms.push(poll.clock_offset_ms);
            samples.poll.push(poll.id);
            places.push((position, place));
        }
        // Column by column: what a series is, is asked once for all samples.
        for (index, column) in projection.columns.iter().enumerate() {
            let series = match column {
                Place::Ints(column) | Place::Floats(column) => Some(piece.column(*column)),
                Place::Nowhere => None,
            };
            for (position, place) in &places {
                let values = gathered.samples.get_mut(*place).and_then(|samples| samples.columns.get_mut(index));
                let value = series.and_then(|series| series.get(*position));
                match values {
                    Some(ColumnValues::Int(values)) => values.push(value),
                    Some(ColumnValues::Float(values)) => values.push(value.map(float)),
                    None => {}
                }
            }
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
