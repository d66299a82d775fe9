//! Finding samples of entities in the journal, and the neighbours of any time.
//!
//! A poll row knows the oldest and the newest of its samples' times. All samples of an ordinary poll lie within
//! [`SPAN_MS`] from its oldest, so those of a range are in polls that begin at most so much before it: one seek in
//! `poll_sampled`, and one in the journal for each poll from there. The few polls that are wider have an index of their
//! own. What a target saw of an entity bounds the walk to a neighbour. All of this is about samples in the journal: polls
//! whose samples are sealed are not in these indexes, and blocks are asked beside them. A piece holds samples of many
//! entities, so they are walked for together: each piece is opened once for all. Must not know: who asks, and for what.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use rusqlite::{Connection, named_params};

use super::block::Samples;
use super::journal::{Found, Journal, Next, PieceRow};
use super::queries;
use super::several::Several;
use crate::model::Kind;

/// How far apart the samples of an ordinary poll lie at most; `poll_sampled_wide` says the same. A visit is given less
/// time than this, so that only wrong clocks lead beyond.
const SPAN_MS: i64 = 60_000;

/// The samples of some entities that one target took.
pub(super) struct Track<'a> {
    journal: &'a Journal<'a>,
    kind: &'static Kind,
    target: i64,
    /// By id.
    sought: Vec<Sought>,
}

/// An entity whose samples are sought.
#[derive(Debug, Clone, Copy)]
struct Sought {
    entity: i64,
    /// Its place among those that are asked for.
    place: usize,
    /// No sample is older.
    from_ms: i64,
    /// No sample is newer.
    until_ms: i64,
}

/// A sample found, with the columns that are read: the only one.
#[derive(Debug)]
pub(super) struct One {
    /// The place of its entity among those that are asked for.
    pub(super) place: usize,
    pub(super) at_ms: i64,
    pub(super) samples: Samples,
}

/// The neighbour found of each entity so far.
struct Neighbours<'t> {
    sought: &'t [Sought],
    found: Vec<Option<One>>,
}

impl<'a> Track<'a> {
    fn one(&self, place: usize, found: &Found<'_>) -> One {
        let mut samples = self.journal.no_samples(1);
        found.push_to(&mut samples);
        One { place, at_ms: found.at_ms, samples }
    }

    /// Walks through the pieces of polls whose samples begin in [`oldest_ms`, `newest_ms`].
    fn walk(
        &self,
        sql: &str,
        sought: &[Sought],
        (oldest_ms, newest_ms): (i64, i64),
        next: impl FnMut(&PieceRow) -> Next,
        then: impl FnMut(usize, &Found<'_>),
    ) -> rusqlite::Result<()> {
        let (Some(first), Some(last)) = (sought.first(), sought.last()) else { return Ok(()) };
        let parameters = named_params! {
            ":target": self.target, ":kind": self.kind.name, ":entity_first": first.entity, ":entity_last": last.entity,
            ":oldest_ms": oldest_ms, ":newest_ms": newest_ms,
        };
        let entities: Vec<i64> = sought.iter().map(|sought| sought.entity).collect();
        self.journal.walk(sql, parameters, &entities, next, then)
    }

    /// Walks through the samples of [`from_ms`, `until_ms`) in polls that begin before `oldest_ms` and are wide.
    fn walk_wide(
        &self,
        sought: &[Sought],
        oldest_ms: i64,
        (from_ms, until_ms): (i64, i64),
        mut then: impl FnMut(usize, &Found<'_>),
    ) -> rusqlite::Result<()> {
        let (Some(first), Some(last)) = (sought.first(), sought.last()) else { return Ok(()) };
        let parameters = named_params! {
            ":target": self.target, ":kind": self.kind.name, ":entity_first": first.entity, ":entity_last": last.entity,
            ":oldest_ms": oldest_ms, ":from_ms": from_ms, ":until_ms": until_ms,
        };
        let entities: Vec<i64> = sought.iter().map(|sought| sought.entity).collect();
        self.journal.walk(
            queries::PIECES_WIDE,
            parameters,
            &entities,
            |_| Next::Open,
            |index, found| {
                if (from_ms..until_ms).contains(&found.at_ms) {
                    then(index, found);
                }
            },
        )
    }

    /// Of each entity the newest sample before an instant, however far.
    pub(super) fn before(&self, before_ms: i64) -> rusqlite::Result<Vec<One>> {
        // Who stopped long ago is looked for from there: else all would be walked for again back to that.
        let (near, far): (Vec<Sought>, Vec<Sought>) =
            self.sought.iter().partition(|sought| sought.until_ms >= before_ms.saturating_sub(1));
        let mut found = self.before_together(&near, before_ms)?;
        for sought in far {
            found.extend(self.before_together(&[sought], before_ms)?);
        }
        Ok(found)
    }

    fn before_together(&self, sought: &[Sought], before_ms: i64) -> rusqlite::Result<Vec<One>> {
        let oldest_ms = sought.iter().map(|sought| sought.from_ms).min().unwrap_or(i64::MAX).saturating_sub(SPAN_MS);
        let until_ms = sought.iter().map(|sought| sought.until_ms).max().unwrap_or(i64::MIN);
        let newest_ms = before_ms.saturating_sub(1).min(until_ms);
        let best = RefCell::new(Neighbours::of(sought));
        self.walk(
            queries::PIECES_BACKWARDS,
            sought,
            (oldest_ms, newest_ms),
            |row| {
                best.borrow().next(row, |sought, best| match best {
                    Some(best) if row.at_max_ms > best.at_ms => Next::Open,
                    // A poll that begins so early has none that is newer, nor have those before it.
                    Some(best) if row.at_min_ms < best.at_ms.saturating_sub(SPAN_MS) => Next::Stop,
                    Some(_) => Next::Skip,
                    None if row.at_min_ms < sought.from_ms.saturating_sub(SPAN_MS) => Next::Stop,
                    None => Next::Open,
                })
            },
            |index, found| {
                if found.at_ms < before_ms {
                    best.borrow_mut().take(index, |best| found.at_ms > best.at_ms, |place| self.one(place, found));
                }
            },
        )?;
        let mut best = best.into_inner();
        // Of an entity without one any older sample would do.
        let from_ms = best.at_ms().map(|at_ms| at_ms.map_or(i64::MIN, |at_ms| at_ms.saturating_add(1))).min();
        let from_ms = from_ms.unwrap_or(i64::MIN);
        self.walk_wide(sought, i64::MAX, (from_ms, before_ms), |index, found| {
            best.take(index, |best| found.at_ms > best.at_ms, |place| self.one(place, found));
        })?;
        Ok(best.found.into_iter().flatten().collect())
    }

    /// Of each entity the oldest sample at an instant or later, however far.
    pub(super) fn at_or_after(&self, from_ms: i64) -> rusqlite::Result<Vec<One>> {
        let still = self.sought.iter().filter(|sought| sought.until_ms >= from_ms);
        // Who began long after it is looked for from there.
        let (near, far): (Vec<Sought>, Vec<Sought>) = still.partition(|sought| sought.from_ms <= from_ms);
        let mut found = self.after_together(&near, from_ms)?;
        for sought in far {
            found.extend(self.after_together(&[sought], from_ms)?);
        }
        Ok(found)
    }

    fn after_together(&self, sought: &[Sought], from_ms: i64) -> rusqlite::Result<Vec<One>> {
        let begin_ms = sought.iter().map(|sought| sought.from_ms).min().unwrap_or(i64::MAX);
        let until_ms = sought.iter().map(|sought| sought.until_ms).max().unwrap_or(i64::MIN);
        let oldest_ms = from_ms.max(begin_ms).saturating_sub(SPAN_MS);
        let best = RefCell::new(Neighbours::of(sought));
        self.walk(
            queries::PIECES_FORWARDS,
            sought,
            (oldest_ms, until_ms),
            |row| {
                best.borrow().next(row, |_, best| match best {
                    // A poll that begins so late has none that is older, nor have those after it.
                    Some(best) if row.at_min_ms >= best.at_ms => Next::Stop,
                    _ if row.at_max_ms >= from_ms => Next::Open,
                    _ => Next::Skip,
                })
            },
            |index, found| {
                if found.at_ms >= from_ms {
                    best.borrow_mut().take(index, |best| found.at_ms < best.at_ms, |place| self.one(place, found));
                }
            },
        )?;
        let mut best = best.into_inner();
        // Of an entity without one any later sample would do.
        let until_ms = best.at_ms().map(|at_ms| at_ms.unwrap_or(i64::MAX)).max().unwrap_or(i64::MAX);
        self.walk_wide(sought, oldest_ms, (from_ms, until_ms), |index, found| {
            best.take(index, |best| found.at_ms < best.at_ms, |place| self.one(place, found));
        })?;
        Ok(best.found.into_iter().flatten().collect())
    }

    /// Whether an entity has a sample of an instant.
    pub(super) fn has(&self, at_ms: i64) -> rusqlite::Result<bool> {
        let has = Cell::new(false);
        let oldest_ms = at_ms.saturating_sub(SPAN_MS);
        let next = |_: &PieceRow| if has.get() { Next::Stop } else { Next::Open };
        self.walk(queries::PIECES_FORWARDS, &self.sought, (oldest_ms, at_ms), next, |_, found| {
            if found.at_ms == at_ms {
                has.set(true);
            }
        })?;
        if !has.get() {
            let instant = (at_ms, at_ms.saturating_add(1));
            self.walk_wide(&self.sought, oldest_ms, instant, |_, _| has.set(true))?;
        }
        Ok(has.get())
    }

    /// Adds the samples of [start, end), each to those of its entity's place.
    pub(super) fn inside(&self, (start_ms, end_ms): (i64, i64), samples: &mut [Samples]) -> rusqlite::Result<()> {
        let is_there = |sought: &&Sought| sought.from_ms < end_ms && sought.until_ms >= start_ms;
        let sought: Vec<Sought> = self.sought.iter().filter(is_there).copied().collect();
        let mut put = |index: usize, found: &Found<'_>| {
            let place = sought.get(index).map(|sought| sought.place);
            if let Some(samples) = place.and_then(|place| samples.get_mut(place)) {
                found.push_to(samples);
            }
        };
        let oldest_ms = start_ms.saturating_sub(SPAN_MS);
        let between = (oldest_ms, end_ms.saturating_sub(1));
        self.walk(
            queries::PIECES_FORWARDS,
            &sought,
            between,
            |row| if row.at_max_ms < start_ms { Next::Skip } else { Next::Open },
            |index, found| {
                if (start_ms..end_ms).contains(&found.at_ms) {
                    put(index, found);
                }
            },
        )?;
        self.walk_wide(&sought, oldest_ms, (start_ms, end_ms), put)
    }
}

impl<'t> Neighbours<'t> {
    fn of(sought: &'t [Sought]) -> Neighbours<'t> {
        Neighbours { sought, found: sought.iter().map(|_| None).collect() }
    }

    fn at_ms(&self) -> impl Iterator<Item = Option<i64>> {
        self.found.iter().map(|found| found.as_ref().map(|one| one.at_ms))
    }

    /// What to do with a piece, where `of_one` says what it is for one of them.
    fn next(&self, row: &PieceRow, of_one: impl Fn(&Sought, Option<&One>) -> Next) -> Next {
        let mut next = Next::Stop;
        for (sought, found) in self.sought.iter().zip(&self.found) {
            match of_one(sought, found.as_ref()) {
                Next::Stop => {}
                Next::Open if (row.entity_min..=row.entity_max).contains(&sought.entity) => return Next::Open,
                Next::Open | Next::Skip => next = Next::Skip,
            }
        }
        next
    }

    fn take(&mut self, index: usize, is_nearer: impl Fn(&One) -> bool, one: impl FnOnce(usize) -> One) {
        if let (Some(sought), Some(found)) = (self.sought.get(index), self.found.get_mut(index))
            && found.as_ref().is_none_or(is_nearer)
        {
            *found = Some(one(sought.place));
        }
    }
}

/// The tracks of all targets that took samples of entities.
pub(super) fn tracks<'a>(
    journal: &'a Journal<'a>,
    connection: &Connection,
    kind: &'static Kind,
    several: &Several,
) -> rusqlite::Result<Vec<Track<'a>>> {
    let mut sampled: Vec<Vec<(i64, i64, Option<i64>)>> = vec![Vec::new(); several.ids().len()];
    several.tell(connection, queries::SIGHTINGS_SAMPLED, &[], &mut sampled, |sampled, row| {
        sampled.push((row.get(0)?, row.get(1)?, row.get(2)?));
        Ok(())
    })?;
    let mut targets: BTreeMap<i64, Vec<Sought>> = BTreeMap::new();
    for (place, (entity, sampled)) in several.ids().iter().zip(sampled).enumerate() {
        let Some(entity) = *entity else { continue };
        for (target, from_ms, until_ms) in sampled {
            let sought = Sought { entity, place, from_ms, until_ms: until_ms.unwrap_or(i64::MAX) };
            targets.entry(target).or_default().push(sought);
        }
    }
    let track = |(target, mut sought): (i64, Vec<Sought>)| {
        sought.sort_unstable_by_key(|sought| sought.entity);
        Track { journal, kind, target, sought }
    };
    Ok(targets.into_iter().map(track).collect())
}

/// Times and polls of an entity's samples in a range that are not sealed yet, in no order.
pub(super) fn unsealed_times(
    connection: &Connection,
    kind: &'static Kind,
    entity: i64,
    range: (i64, i64),
) -> rusqlite::Result<Vec<(i64, i64)>> {
    let journal = Journal::new(connection, kind, &[]);
    let mut samples = journal.no_samples(0);
    for track in tracks(&journal, connection, kind, &Several::one(entity))? {
        track.inside(range, std::slice::from_mut(&mut samples))?;
    }
    Ok(samples.at.into_iter().zip(samples.poll).collect())
}
