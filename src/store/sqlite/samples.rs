//! Finding samples: an entity's runs, and the neighbours of any time.
//!
//! A poll row knows the oldest and the newest of its samples' times. All samples of an ordinary poll lie within
//! [`SPAN_MS`] from its oldest, so those of a range are in polls that begin at most so much before it: one seek in
//! `poll_sampled`, and one for each poll from there. The few polls that are wider have an index of their own. What a
//! target saw of an entity bounds the walk to a neighbour. All of this is about samples that are still rows: polls whose
//! samples are sealed are not in these indexes, and blocks are asked beside them. Must not know: who asks, and for what.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::block::Samples;
use super::codec;
use super::queries::{self, KindQueries};
use super::read::{SightingRow, entity_id, sightings};
use super::sealed::Sealed;
use crate::model::{ColumnValues, Run, Timestamp};
use crate::store::Fetch;

/// How far apart the samples of an ordinary poll lie at most; `poll_sampled_wide` says the same. A visit is given less
/// time than this, so that only wrong clocks lead beyond.
const SPAN_MS: i64 = 60_000;

/// A sample's time and the poll that took it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) at_ms: i64,
    poll: i64,
    at_min_ms: i64,
}

/// The samples of one entity that one target took.
#[derive(Debug)]
pub(super) struct Track<'a> {
    pub(super) connection: &'a Connection,
    pub(super) queries: &'a KindQueries,
    pub(super) entity: i64,
    pub(super) target: i64,
    /// No sample is older.
    pub(super) from_ms: i64,
    /// No sample is newer.
    pub(super) until_ms: i64,
}

impl<'a> Track<'a> {
    /// The track of a sighting; nothing where it never had a sample.
    fn new(
        connection: &'a Connection,
        queries: &'a KindQueries,
        entity: i64,
        sighting: &SightingRow,
    ) -> Option<Track<'a>> {
        Some(Track {
            connection,
            queries,
            entity,
            target: sighting.target,
            from_ms: sighting.sample_from_ms?,
            until_ms: sighting.sample_until_ms.unwrap_or(i64::MAX),
        })
    }

    /// The newest sample before an instant, however far.
    pub(super) fn before(&self, before_ms: i64) -> rusqlite::Result<Option<Found>> {
        let oldest_ms = self.from_ms.saturating_sub(SPAN_MS);
        let newest_ms = before_ms.saturating_sub(1).min(self.until_ms);
        let first = self.find(
            &self.queries.sample_before,
            named_params! {
                ":target": self.target, ":entity": self.entity, ":oldest_ms": oldest_ms, ":newest_ms": newest_ms,
                ":before_ms": before_ms,
            },
        )?;
        let mut best = first;
        if let Some(first) = first {
            let among = self.find(
                &self.queries.sample_newest_among,
                named_params! {
                    ":target": self.target, ":entity": self.entity,
                    ":oldest_ms": first.at_ms.saturating_sub(SPAN_MS), ":newest_ms": first.at_min_ms,
                    ":before_ms": before_ms,
                },
            )?;
            best = newer(best, among);
        }
        let wide = self.find(
            &self.queries.sample_before_in_wide_polls,
            named_params! {
                ":target": self.target, ":entity": self.entity,
                ":from_ms": best.map_or(i64::MIN, |best| best.at_ms.saturating_add(1)), ":before_ms": before_ms,
            },
        )?;
        Ok(newer(best, wide))
    }

    /// The oldest sample at an instant or later, however far.
    pub(super) fn at_or_after(&self, from_ms: i64) -> rusqlite::Result<Option<Found>> {
        let oldest_ms = from_ms.max(self.from_ms).saturating_sub(SPAN_MS);
        let first = self.find(
            &self.queries.sample_after,
            named_params! {
                ":target": self.target, ":entity": self.entity, ":oldest_ms": oldest_ms, ":newest_ms": self.until_ms,
                ":from_ms": from_ms,
            },
        )?;
        let mut best = first;
        if let Some(first) = first {
            let among = self.find(
                &self.queries.sample_oldest_among,
                named_params! {
                    ":target": self.target, ":entity": self.entity, ":oldest_ms": first.at_min_ms,
                    ":newest_ms": first.at_ms.saturating_sub(1), ":from_ms": from_ms,
                },
            )?;
            best = older(best, among);
        }
        let wide = self.find(
            &self.queries.sample_after_in_wide_polls,
            named_params! {
                ":target": self.target, ":entity": self.entity, ":oldest_ms": oldest_ms, ":from_ms": from_ms,
                ":until_ms": best.map_or(i64::MAX, |best| best.at_ms),
            },
        )?;
        Ok(older(best, wide))
    }

    /// Whether there is a sample of an instant.
    pub(super) fn has(&self, at_ms: i64) -> rusqlite::Result<bool> {
        let exists = |sql: &str| {
            self.connection.prepare_cached(sql)?.exists(named_params! {
                ":target": self.target, ":entity": self.entity, ":oldest_ms": at_ms.saturating_sub(SPAN_MS),
                ":at_ms": at_ms,
            })
        };
        Ok(exists(&self.queries.sample_exists)? || exists(&self.queries.sample_exists_in_wide_polls)?)
    }

    fn find(&self, sql: &str, parameters: &[(&str, &dyn rusqlite::ToSql)]) -> rusqlite::Result<Option<Found>> {
        self.connection
            .prepare_cached(sql)?
            .query_row(parameters, |row| Ok(Found { at_ms: row.get(0)?, poll: row.get(1)?, at_min_ms: row.get(2)? }))
            .optional()
    }
}

fn newer(left: Option<Found>, right: Option<Found>) -> Option<Found> {
    left.into_iter().chain(right).max_by_key(|found| found.at_ms)
}

fn older(left: Option<Found>, right: Option<Found>) -> Option<Found> {
    left.into_iter().chain(right).min_by_key(|found| found.at_ms)
}

/// The tracks of all targets that took samples of an entity.
pub(super) fn tracks<'a>(
    connection: &'a Connection,
    queries: &'a KindQueries,
    entity: i64,
) -> rusqlite::Result<Vec<Track<'a>>> {
    let sightings = sightings(connection, entity)?;
    Ok(sightings.iter().filter_map(|sighting| Track::new(connection, queries, entity, sighting)).collect())
}

/// Takes all rows of a statement that selects time, since, interval, offset, poll and the columns.
fn take(
    samples: &mut Samples,
    connection: &Connection,
    sql: &str,
    parameters: &[(&str, &dyn rusqlite::ToSql)],
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        samples.at.push(row.get(0)?);
        samples.since.push(row.get(1)?);
        samples.interval_ms.push(row.get(2)?);
        samples.clock_offset_ms.push(row.get(3)?);
        samples.poll.push(row.get(4)?);
        take_columns(&mut samples.columns, row, 5)?;
    }
    Ok(())
}

/// Times and polls of an entity's samples in a range that are still rows, in no order.
pub(super) fn row_times(
    connection: &Connection,
    queries: &KindQueries,
    entity: i64,
    (start_ms, end_ms): (i64, i64),
) -> rusqlite::Result<Vec<(i64, i64)>> {
    let mut samples = Samples::new(queries.kind, &[]);
    let tracks = tracks(connection, queries, entity)?;
    for track in tracks.iter().filter(|track| track.from_ms < end_ms && track.until_ms >= start_ms) {
        for sql in [queries::SAMPLES_IN_RANGE, queries::SAMPLES_IN_WIDE_POLLS] {
            let parameters = named_params! {
                ":target": track.target, ":entity": track.entity, ":oldest_ms": start_ms.saturating_sub(SPAN_MS),
                ":from_ms": start_ms, ":until_ms": end_ms,
            };
            take(&mut samples, connection, &queries::fill(sql, queries.kind, &[]), parameters)?;
        }
    }
    Ok(samples.at.into_iter().zip(samples.poll).collect())
}

/// Takes a row's columns, which stand from a place on.
pub(super) fn take_columns(columns: &mut [ColumnValues], row: &Row<'_>, from: usize) -> rusqlite::Result<()> {
    for (index, values) in columns.iter_mut().enumerate() {
        let stored = row.get_ref(index + from)?;
        match values {
            ColumnValues::Int(values) => values.push(codec::decode_int(stored)),
            ColumnValues::Float(values) => values.push(codec::decode_float(stored)),
        }
    }
    Ok(())
}

/// See [`crate::store::Store::read`].
pub(super) fn run(connection: &Connection, queries: &KindQueries, fetch: &Fetch<'_>) -> rusqlite::Result<Run> {
    let range = fetch.range;
    let mut samples = Samples::new(fetch.kind, fetch.columns);
    let entity = entity_id(connection, fetch.kind, fetch.identity)?;
    let (has_before, has_after) = match entity {
        Some((entity, _)) => gather(connection, queries, entity, fetch, &mut samples)?,
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

/// Gathers a run's samples from rows and blocks, in no order. Says whether there is one before and one after the range.
fn gather(
    connection: &Connection,
    queries: &KindQueries,
    entity: i64,
    fetch: &Fetch<'_>,
    samples: &mut Samples,
) -> rusqlite::Result<(bool, bool)> {
    let (start_ms, end_ms) = (fetch.range.start().ms(), fetch.range.end().ms());
    let tracks = tracks(connection, queries, entity)?;
    let mut before = None;
    let mut after = None;
    for track in &tracks {
        before = newer(before, track.before(start_ms)?);
        after = older(after, track.at_or_after(end_ms)?);
    }
    let sealed = Sealed::new(connection, fetch.kind, entity, fetch.columns)?;
    let sealed_before = sealed.before(start_ms, before.map(|found| found.at_ms))?;
    let sealed_after = sealed.at_or_after(end_ms, after.map(|found| found.at_ms))?;
    let has_neighbours = (before.is_some() || sealed_before.is_some(), after.is_some() || sealed_after.is_some());

    let of_poll = queries::fill(queries::SAMPLE_OF_POLL, fetch.kind, fetch.columns);
    let of_neighbours = [before.filter(|_| sealed_before.is_none()), after.filter(|_| sealed_after.is_none())];
    for found in of_neighbours.into_iter().flatten() {
        take(samples, connection, &of_poll, named_params! {":entity": entity, ":poll": found.poll})?;
    }
    let in_range = queries::fill(queries::SAMPLES_IN_RANGE, fetch.kind, fetch.columns);
    let in_wide_polls = queries::fill(queries::SAMPLES_IN_WIDE_POLLS, fetch.kind, fetch.columns);
    for track in tracks.iter().filter(|track| track.from_ms < end_ms && track.until_ms >= start_ms) {
        for sql in [&in_range, &in_wide_polls] {
            let parameters = named_params! {
                ":target": track.target, ":entity": track.entity, ":oldest_ms": start_ms.saturating_sub(SPAN_MS),
                ":from_ms": start_ms, ":until_ms": end_ms,
            };
            take(samples, connection, sql, parameters)?;
        }
    }
    for mut piece in sealed.inside(start_ms, end_ms)?.into_iter().chain(sealed_before).chain(sealed_after) {
        samples.append(&mut piece);
    }
    Ok(has_neighbours)
}
