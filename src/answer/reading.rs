//! One after the other from the store: entities page by page, an entity's runs day by day.
//!
//! Pulled, so that whoever asks for row after row stands between two of them without a thread of its own. Must not
//! know: what is made of the runs.

use std::collections::VecDeque;

use super::{AnswerError, ENTITIES_A_PAGE, RUN_MS, Stop};
use crate::model::{EntityRecord, HOUR_MS, Identity, Kind, Run, TimeRange, Timestamp};
use crate::store::{EntityQuery, Fetch, Store};

/// The entities of a kind seen in a range, in identity order.
#[derive(Debug)]
pub struct Entities {
    query: EntityQuery,
    page: VecDeque<EntityRecord>,
    is_last_page: bool,
}

impl Entities {
    /// Those that come after an identity.
    pub fn after(kind: &'static Kind, seen_in: TimeRange, after: Option<Identity>) -> Entities {
        let query = EntityQuery { kind, seen_in, after, limit: ENTITIES_A_PAGE };
        Entities { query, page: VecDeque::new(), is_last_page: false }
    }

    /// The next one.
    pub fn next(&mut self, store: &Store) -> Result<Option<EntityRecord>, AnswerError> {
        if self.page.is_empty() && !self.is_last_page {
            self.page = store.entities(&self.query)?.into();
            self.is_last_page = self.page.len() < self.query.limit;
            self.query.after = self.page.back().map(|entity| entity.identity.clone());
        }
        Ok(self.page.pop_front())
    }
}

/// One entity's samples in a range of any length, as runs of at most a day, together all of it. A long time without
/// a sample is one run, not read again: the run before it knows its neighbours.
#[derive(Debug)]
pub struct Reading {
    kind: &'static Kind,
    identity: Identity,
    rest: Option<TimeRange>,
    empty: Option<Run>,
}

impl Reading {
    /// The runs of an entity in a range.
    pub fn of(kind: &'static Kind, identity: Identity, range: TimeRange) -> Reading {
        Reading { kind, identity, rest: Some(range), empty: None }
    }

    /// The next run in time order, with these columns of the kind.
    pub fn next(&mut self, store: &Store, columns: &[usize], stop: &Stop) -> Result<Option<Run>, AnswerError> {
        if let Some(empty) = self.empty.take() {
            return Ok(Some(empty));
        }
        let Some((rest, piece)) = self.rest.and_then(|rest| Some((rest, rest.pieces(RUN_MS).next()?))) else {
            return Ok(None);
        };
        stop.check()?;
        let run = store.read(&Fetch { kind: self.kind, identity: &self.identity, range: piece, columns })?;
        let next = run.at.last().copied().filter(|_| run.has_after).unwrap_or(rest.end());
        // No hour is cut.
        let hour = Timestamp::from_ms(next.ms().div_euclid(HOUR_MS).saturating_mul(HOUR_MS));
        let next = if next >= rest.end() { rest.end() } else { hour.max(piece.end()) };
        let empty = TimeRange::new(piece.end(), next).filter(|empty| empty.ms() > RUN_MS);
        self.empty = empty.map(|empty| run.beyond(empty));
        self.rest = TimeRange::new(if empty.is_some() { next } else { piece.end() }, rest.end());
        Ok(Some(run))
    }
}
