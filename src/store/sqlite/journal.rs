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
use super::piece::{self, Opened, Row, Series, float};
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

/// Pieces that were taken apart, and where the samples of each entity are in them.
#[derive(Default)]
pub(super) struct Taken<'p> {
    pieces: Vec<TakenPiece<'p>>,
    /// Of each entity its number among those below.
    numbers: HashMap<i64, usize>,
    /// Of each entity the pieces and positions of its samples, in the order of the pieces.
    entities: Vec<(i64, Vec<(usize, usize)>)>,
    /// The number of the last one: pieces bring entities in one order, nearly always the same ones.
    last: usize,
}

struct TakenPiece<'p> {
    poll: PollRow,
    piece: Opened<'p>,
    /// As they are read.
    columns: Vec<Series<'p>>,
}

impl Taken<'_> {
    fn note(&mut self, entity: i64, place: (usize, usize)) {
        let next = if self.last + 1 < self.entities.len() { self.last + 1 } else { 0 };
        self.last = if self.entities.get(next).is_some_and(|(known, _)| *known == entity) {
            next
        } else {
            *self.numbers.entry(entity).or_insert_with(|| {
                self.entities.push((entity, Vec::new()));
                self.entities.len() - 1
            })
        };
        if let Some((_, places)) = self.entities.get_mut(self.last) {
            places.push(place);
        }
    }

    /// The entities in order, with the places of their samples.
    pub(super) fn entities(&mut self) -> Vec<(i64, Vec<(usize, usize)>)> {
        self.numbers.clear();
        let mut entities = std::mem::take(&mut self.entities);
        entities.sort_unstable_by_key(|(entity, _)| *entity);
        entities
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

    /// Takes a piece apart and notes where the samples of entities up to one are.
    pub(super) fn take<'p>(
        &self,
        poll: PollRow,
        layout: i64,
        body: &'p [u8],
        entity_last: i64,
        taken: &mut Taken<'p>,
    ) -> rusqlite::Result<()> {
        let projection = self.projection(layout)?;
        let piece = open(poll.id, &projection.layout, body)?;
        for position in 0..piece.len() {
            let entity = piece.entity(position)?;
            if entity <= entity_last {
                taken.note(entity, (taken.pieces.len(), position));
            }
        }
        let columns = projection.columns.iter().map(|place| match place {
            Place::Ints(column) | Place::Floats(column) => piece.column(*column),
            Place::Nowhere => Series::default(),
        });
        taken.pieces.push(TakenPiece { poll, columns: columns.collect(), piece });
        Ok(())
    }

    /// The samples at some places of pieces, in their order.
    pub(super) fn samples(&self, taken: &Taken<'_>, places: &[(usize, usize)]) -> rusqlite::Result<Samples> {
        let mut samples = self.no_samples(places.len());
        for (piece, position) in places {
            let Some(TakenPiece { poll, piece, .. }) = taken.pieces.get(*piece) else { continue };
            samples.at.push(piece.at_ms(*position)?);
            samples.since.push(piece.since_ms(*position));
            samples.interval_ms.push(poll.interval_ms);
            samples.clock_offset_ms.push(poll.clock_offset_ms);
            samples.poll.push(poll.id);
        }
        // One column after the other, so that what is written lies together.
        for (index, values) in samples.columns.iter_mut().enumerate() {
            let bits =
                |(piece, position): &(usize, usize)| taken.pieces.get(*piece)?.columns.get(index)?.get(*position);
            match values {
                ColumnValues::Int(values) => values.extend(places.iter().map(bits)),
                ColumnValues::Float(values) => values.extend(places.iter().map(bits).map(|bits| bits.map(float))),
            }
        }
        Ok(samples)
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
