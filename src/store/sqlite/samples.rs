//! Finding samples: an entity's runs, and the neighbours of any time.
//!
//! A poll row knows the oldest and the newest of its samples' times. All samples of an ordinary poll lie within
//! [`SPAN_MS`] from its oldest, so those of a range are in polls that begin at most so much before it: one seek in
//! `poll_sampled`, and one in the journal for each poll from there. The few polls that are wider have an index of their
//! own. What a target saw of an entity bounds the walk to a neighbour. All of this is about samples in the journal: polls
//! whose samples are sealed are not in these indexes, and blocks are asked beside them. Must not know: who asks, and for
//! what.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::block::Samples;
use super::journal::{Found, Journal};
use super::queries;
use super::read::{SightingRow, entity_id, sightings};
use super::sealed::Sealed;
use crate::model::{Kind, Run, Timestamp};
use crate::store::Fetch;

/// How far apart the samples of an ordinary poll lie at most; `poll_sampled_wide` says the same. A visit is given less
/// time than this, so that only wrong clocks lead beyond.
const SPAN_MS: i64 = 60_000;

/// The samples of one entity that one target took.
pub(super) struct Track<'a> {
    journal: &'a Journal<'a>,
    kind: &'static Kind,
    entity: i64,
    target: i64,
    /// No sample is older.
    from_ms: i64,
    /// No sample is newer.
    until_ms: i64,
}

/// A sample found, with the columns that are read: the only one.
#[derive(Debug)]
pub(super) struct One {
    pub(super) at_ms: i64,
    samples: Samples,
}

impl<'a> Track<'a> {
    /// The track of a sighting; nothing where it never had a sample.
    fn new(journal: &'a Journal<'a>, kind: &'static Kind, entity: i64, sighting: &SightingRow) -> Option<Track<'a>> {
        Some(Track {
            journal,
            kind,
            entity,
            target: sighting.target,
            from_ms: sighting.sample_from_ms?,
            until_ms: sighting.sample_until_ms.unwrap_or(i64::MAX),
        })
    }

    fn one(&self, found: &Found<'_>) -> One {
        let mut samples = self.journal.no_samples(1);
        found.push_to(&mut samples);
        One { at_ms: found.at_ms, samples }
    }

    /// Walks through the pieces of polls whose samples begin in [`oldest_ms`, `newest_ms`].
    fn walk(
        &self,
        sql: &str,
        (oldest_ms, newest_ms): (i64, i64),
        then: impl FnMut(i64, Option<&Found<'_>>) -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<()> {
        let parameters = named_params! {
            ":target": self.target, ":kind": self.kind.name, ":entity": self.entity, ":oldest_ms": oldest_ms,
            ":newest_ms": newest_ms,
        };
        self.journal.walk(sql, parameters, self.entity, then)
    }

    /// Walks through the samples of [`from_ms`, `until_ms`) in polls that begin before `oldest_ms` and are wide.
    fn walk_wide(
        &self,
        oldest_ms: i64,
        (from_ms, until_ms): (i64, i64),
        mut then: impl FnMut(&Found<'_>),
    ) -> rusqlite::Result<()> {
        let parameters = named_params! {
            ":target": self.target, ":kind": self.kind.name, ":entity": self.entity, ":oldest_ms": oldest_ms,
            ":from_ms": from_ms, ":until_ms": until_ms,
        };
        self.journal.walk(queries::PIECES_WIDE, parameters, self.entity, |_, found| {
            if let Some(found) = found.filter(|found| (from_ms..until_ms).contains(&found.at_ms)) {
                then(found);
            }
            Ok(true)
        })
    }

    /// The newest sample before an instant, however far.
    pub(super) fn before(&self, before_ms: i64) -> rusqlite::Result<Option<One>> {
        let oldest_ms = self.from_ms.saturating_sub(SPAN_MS);
        let newest_ms = before_ms.saturating_sub(1).min(self.until_ms);
        let mut best: Option<One> = None;
        self.walk(queries::PIECES_BACKWARDS, (oldest_ms, newest_ms), |at_min_ms, found| {
            // A poll that begins so early has none that is newer.
            if best.as_ref().is_some_and(|best| at_min_ms < best.at_ms.saturating_sub(SPAN_MS)) {
                return Ok(false);
            }
            let is_newer = |found: &&Found<'_>| best.as_ref().is_none_or(|best| found.at_ms > best.at_ms);
            if let Some(found) = found.filter(|found| found.at_ms < before_ms).filter(is_newer) {
                best = Some(self.one(found));
            }
            Ok(true)
        })?;
        let from_ms = best.as_ref().map_or(i64::MIN, |best| best.at_ms.saturating_add(1));
        let mut wide: Option<One> = None;
        self.walk_wide(i64::MAX, (from_ms, before_ms), |found| {
            if wide.as_ref().is_none_or(|wide| found.at_ms > wide.at_ms) {
                wide = Some(self.one(found));
            }
        })?;
        Ok(newer(best, wide))
    }

    /// The oldest sample at an instant or later, however far.
    pub(super) fn at_or_after(&self, from_ms: i64) -> rusqlite::Result<Option<One>> {
        let oldest_ms = from_ms.max(self.from_ms).saturating_sub(SPAN_MS);
        let mut best: Option<One> = None;
        self.walk(queries::PIECES_FORWARDS, (oldest_ms, self.until_ms), |at_min_ms, found| {
            // A poll that begins so late has none that is older.
            if best.as_ref().is_some_and(|best| at_min_ms >= best.at_ms) {
                return Ok(false);
            }
            let is_older = |found: &&Found<'_>| best.as_ref().is_none_or(|best| found.at_ms < best.at_ms);
            if let Some(found) = found.filter(|found| found.at_ms >= from_ms).filter(is_older) {
                best = Some(self.one(found));
            }
            Ok(true)
        })?;
        let until_ms = best.as_ref().map_or(i64::MAX, |best| best.at_ms);
        let mut wide: Option<One> = None;
        self.walk_wide(oldest_ms, (from_ms, until_ms), |found| {
            if wide.as_ref().is_none_or(|wide| found.at_ms < wide.at_ms) {
                wide = Some(self.one(found));
            }
        })?;
        Ok(older(best, wide))
    }

    /// Whether there is a sample of an instant.
    pub(super) fn has(&self, at_ms: i64) -> rusqlite::Result<bool> {
        let oldest_ms = at_ms.saturating_sub(SPAN_MS);
        let mut has = false;
        self.walk(queries::PIECES_FORWARDS, (oldest_ms, at_ms), |_, found| {
            has |= found.is_some_and(|found| found.at_ms == at_ms);
            Ok(!has)
        })?;
        if !has {
            self.walk_wide(oldest_ms, (at_ms, at_ms.saturating_add(1)), |_| has = true)?;
        }
        Ok(has)
    }

    /// Adds the samples of [start, end).
    fn inside(&self, (start_ms, end_ms): (i64, i64), samples: &mut Samples) -> rusqlite::Result<()> {
        if self.from_ms >= end_ms || self.until_ms < start_ms {
            return Ok(());
        }
        let oldest_ms = start_ms.saturating_sub(SPAN_MS);
        self.walk(queries::PIECES_FORWARDS, (oldest_ms, end_ms.saturating_sub(1)), |_, found| {
            if let Some(found) = found.filter(|found| (start_ms..end_ms).contains(&found.at_ms)) {
                found.push_to(samples);
            }
            Ok(true)
        })?;
        self.walk_wide(oldest_ms, (start_ms, end_ms), |found| found.push_to(samples))
    }
}

fn newer(left: Option<One>, right: Option<One>) -> Option<One> {
    left.into_iter().chain(right).max_by_key(|one| one.at_ms)
}

fn older(left: Option<One>, right: Option<One>) -> Option<One> {
    left.into_iter().chain(right).min_by_key(|one| one.at_ms)
}

/// The tracks of all targets that took samples of an entity.
pub(super) fn tracks<'a>(
    journal: &'a Journal<'a>,
    connection: &Connection,
    kind: &'static Kind,
    entity: i64,
) -> rusqlite::Result<Vec<Track<'a>>> {
    let sightings = sightings(connection, entity)?;
    Ok(sightings.iter().filter_map(|sighting| Track::new(journal, kind, entity, sighting)).collect())
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
    for track in tracks(&journal, connection, kind, entity)? {
        track.inside(range, &mut samples)?;
    }
    Ok(samples.at.into_iter().zip(samples.poll).collect())
}

/// See [`crate::store::Store::read`].
pub(super) fn run(connection: &Connection, fetch: &Fetch<'_>) -> rusqlite::Result<Run> {
    let range = fetch.range;
    let mut samples = Samples::new(fetch.kind, fetch.columns);
    let entity = entity_id(connection, fetch.kind, fetch.identity)?;
    let (has_before, has_after) = match entity {
        Some((entity, _)) => gather(connection, entity, fetch, &mut samples)?,
        None => (false, false),
    };
    samples.sort();
    let polled_before_first = match samples.poll.first() {
        Some(first) if !has_before => connection
            .prepare_cached(queries::POLL_GOOD_BEFORE_POLL)?
            .query_row(named_params! {":poll": first}, |row| row.get(0))
            .optional()?
            .map(Timestamp::from_ms),
        _ => None,
    };
    Ok(Run {
        range,
        has_before,
        has_after,
        at: samples.at.into_iter().map(Timestamp::from_ms).collect(),
        since: samples.since.into_iter().map(|since| since.map(Timestamp::from_ms)).collect(),
        interval_ms: samples.interval_ms,
        clock_offset_ms: samples.clock_offset_ms,
        columns: samples.columns,
        polled_before_first,
    })
}

/// Gathers a run's samples from the journal and blocks, in no order. Says whether there is one before and one after the
/// range.
fn gather(
    connection: &Connection,
    entity: i64,
    fetch: &Fetch<'_>,
    samples: &mut Samples,
) -> rusqlite::Result<(bool, bool)> {
    let (start_ms, end_ms) = (fetch.range.start().ms(), fetch.range.end().ms());
    let journal = Journal::new(connection, fetch.kind, fetch.columns);
    let tracks = tracks(&journal, connection, fetch.kind, entity)?;
    let mut before = None;
    let mut after = None;
    for track in &tracks {
        before = newer(before, track.before(start_ms)?);
        after = older(after, track.at_or_after(end_ms)?);
    }
    let sealed = Sealed::new(connection, fetch.kind, entity, fetch.columns)?;
    let sealed_before = sealed.before(start_ms, before.as_ref().map(|one| one.at_ms))?;
    let sealed_after = sealed.at_or_after(end_ms, after.as_ref().map(|one| one.at_ms))?;
    let has_neighbours = (before.is_some() || sealed_before.is_some(), after.is_some() || sealed_after.is_some());
    for track in &tracks {
        track.inside((start_ms, end_ms), samples)?;
    }
    let before = sealed_before.or(before.map(|one| one.samples));
    let after = sealed_after.or(after.map(|one| one.samples));
    for mut piece in sealed.inside(start_ms, end_ms)?.into_iter().chain(before).chain(after) {
        samples.append(&mut piece);
    }
    Ok(has_neighbours)
}
