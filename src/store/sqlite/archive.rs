//! Reading samples out of blocks: of each block a run needs the part, and of that the columns asked for.
//!
//! One pass over an entity's blocks from the range's start on; bodies are fetched for those that have something to give.
//! Must not know: how samples come into blocks, the journal.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use rusqlite::{Connection, named_params};

use super::block::{self, Damage, Layout, Opened, Place, Samples};
use super::layouts::Layouts;
use super::queries;
use super::retention;
use super::sealed::{Stored, leave_kept, name, stored};
use super::windows::block_id;
use crate::model::{Kind, Timestamp};
use crate::store::Work;

/// The blocks of a kind's entities as one reader of its columns sees them.
pub(super) struct Archive<'a> {
    connection: &'a Connection,
    kind: &'static Kind,
    columns: &'a [usize],
    /// Samples from here on are there.
    kept_from_ms: i64,
    layouts: Layouts,
    places: RefCell<HashMap<i64, Rc<[Place]>>>,
    work: Cell<Work>,
}

/// An entity's neighbours of a range that are not sealed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    pub(super) before_ms: Option<i64>,
    pub(super) after_ms: Option<i64>,
}

/// What blocks gave.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Given {
    /// Whether the first sample lies before the range.
    pub(super) has_before: bool,
    /// Whether the last one lies at its end or later.
    pub(super) has_after: bool,
    /// The first sample's poll, where no sample is known that lies before the range.
    pub(super) first_poll: Option<i64>,
}

/// What of a block is still there.
enum View<'b> {
    /// All of it, decoded as far as it is wanted.
    Whole { block: &'b Opened<'b>, places: &'b [Place], at: Vec<i64> },
    /// What retention has left.
    Rest(Samples),
}

impl View<'_> {
    fn at(&self) -> &[i64] {
        match self {
            View::Whole { at, .. } => at,
            View::Rest(samples) => &samples.at,
        }
    }

    fn poll(&self, position: usize) -> Result<Option<i64>, Damage> {
        match self {
            View::Whole { block, .. } => block.poll(position),
            View::Rest(samples) => Ok(samples.poll.get(position).copied()),
        }
    }

    fn add(&self, positions: Range<usize>, into: &mut Samples) -> Result<(), Damage> {
        match self {
            _ if positions.is_empty() => Ok(()),
            View::Whole { block, places, at } => block.add(places, at, &positions, into),
            View::Rest(samples) => {
                let mut part = samples.part(positions);
                part.poll.clear();
                into.append(&mut part);
                Ok(())
            }
        }
    }
}

impl<'a> Archive<'a> {
    /// All blocks, to be read with these columns of a kind.
    pub(super) fn new(
        connection: &'a Connection,
        kind: &'static Kind,
        columns: &'a [usize],
    ) -> rusqlite::Result<Archive<'a>> {
        Ok(Archive {
            connection,
            kind,
            columns,
            kept_from_ms: retention::samples_kept_from(connection)?.map_or(i64::MIN, Timestamp::ms),
            layouts: Layouts::default(),
            places: RefCell::default(),
            work: Cell::default(),
        })
    }

    /// What was read so far.
    pub(super) fn work(&self) -> Work {
        self.work.get()
    }

    /// Adds an entity's samples of [start, end), oldest first, without their polls, and those neighbours of the range
    /// that are nearer than the ones known.
    pub(super) fn read(
        &self,
        entity: i64,
        (start_ms, end_ms): (i64, i64),
        known: Known,
        into: &mut Samples,
    ) -> rusqlite::Result<Given> {
        let id = block_id(start_ms, entity);
        let mut statement = self.connection.prepare_cached(queries::BLOCKS_FROM)?;
        let mut rows = statement.query(named_params! {":entity": entity, ":id": id})?;
        let mut given = Given::default();
        while let Some(row) = rows.next()? {
            let stored = stored(row)?;
            // What lies before the range is in the block in whose window the range begins, or in older ones.
            let may_hold_before = stored.id <= id;
            let holds_no_before = may_hold_before && stored.at_min_ms >= start_ms;
            if holds_no_before {
                given.has_before = self.add_before(entity, &stored, start_ms, known, into)?;
            }
            if known.after_ms.is_some_and(|after_ms| stored.at_min_ms >= after_ms.max(end_ms)) {
                break;
            }
            let is_before_known = |at_ms: i64| known.before_ms.is_some_and(|before_ms| at_ms <= before_ms);
            if may_hold_before && stored.at_max_ms < start_ms && is_before_known(stored.at_max_ms) {
                continue;
            }
            self.view(&stored, |view| {
                let at = view.at();
                let from = at.partition_point(|at| *at < start_ms);
                let until = at.partition_point(|at| *at < end_ms);
                let newest = from.checked_sub(1).and_then(|index| Some((index, *at.get(index)?)));
                if let Some((index, at_ms)) = newest {
                    if !is_before_known(at_ms) {
                        view.add(index..from, into)?;
                        given.has_before = true;
                    }
                } else if may_hold_before && !holds_no_before {
                    // Retention took what it had of that.
                    given.has_before = self.add_before(entity, &stored, start_ms, known, into)?;
                }
                let is_nearer = |at_ms: i64| known.after_ms.is_none_or(|after_ms| at_ms < after_ms);
                given.has_after = at.get(until).is_some_and(|at_ms| is_nearer(*at_ms));
                let positions = from..until + usize::from(given.has_after);
                let is_first = into.len() == 0 && known.before_ms.is_none();
                if is_first && !positions.is_empty() {
                    given.first_poll = view.poll(positions.start)?;
                }
                Ok(view.add(positions, into)?)
            })?;
            if given.has_after {
                break;
            }
        }
        Ok(given)
    }

    /// Adds the newest sample before the range out of the blocks before one, unless one is known that is no older.
    fn add_before(
        &self,
        entity: i64,
        next: &Stored,
        start_ms: i64,
        known: Known,
        into: &mut Samples,
    ) -> rusqlite::Result<bool> {
        let mut statement = self.connection.prepare_cached(queries::BLOCK_AT_OR_BEFORE)?;
        let mut below = next.id.checked_sub(1);
        while let Some(id) = below {
            let mut rows = statement.query(named_params! {":entity": entity, ":id": id})?;
            let Some(row) = rows.next()? else { return Ok(false) };
            let stored = stored(row)?;
            if known.before_ms.is_some_and(|before_ms| stored.at_max_ms <= before_ms) {
                return Ok(false);
            }
            let mut newest = None;
            self.view(&stored, |view| {
                newest = view.at().iter().rposition(|at| *at < start_ms);
                let is_nearer = |at_ms: &i64| known.before_ms.is_none_or(|before_ms| *at_ms > before_ms);
                match newest.filter(|index| view.at().get(*index).is_some_and(is_nearer)) {
                    Some(index) => Ok(view.add(index..index + 1, into)?),
                    None => Ok(()),
                }
            })?;
            if newest.is_some() {
                return Ok(into.len() > 0);
            }
            below = stored.id.checked_sub(1);
        }
        Ok(false)
    }

    /// What becomes of the samples of a block that are there.
    fn view(&self, stored: &Stored, then: impl FnOnce(&View<'_>) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(queries::BLOCK_BODY)?;
        let mut rows = statement.query(named_params! {":id": stored.id})?;
        let Some(row) = rows.next()? else { return Ok(()) };
        let body = row.get_ref(0)?.as_blob()?;
        self.work.set(self.work.get().and_block(body.len()));
        let layout = self.layouts.get(self.connection, stored.layout)?;
        let block = block::open(&layout, body).map_err(name(stored))?;
        if stored.at_min_ms >= self.kept_from_ms {
            let at = block.at().map_err(name(stored))?;
            return then(&View::Whole { block: &block, places: &self.places(stored.layout, &layout), at });
        }
        let mut samples = block.samples(self.kind, self.columns).map_err(name(stored))?;
        leave_kept(self.connection, self.kept_from_ms, &mut samples)?;
        then(&View::Rest(samples))
    }

    fn places(&self, id: i64, layout: &Layout) -> Rc<[Place]> {
        let mut places = self.places.borrow_mut();
        Rc::clone(places.entry(id).or_insert_with(|| layout.places(self.kind, self.columns).into()))
    }
}
