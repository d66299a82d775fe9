//! Reading rolled-up hours: those that are as their samples say, and no others.
//!
//! Doubtful are days that are due and what lies within reach of them, and everything from shortly before the oldest
//! sample that is not in a block yet, or from the sample before that: how the entity was there in between depends on both.
//! Nothing is doubtful where samples are gone. Must not know: what is asked of hours.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::super::queries;
use super::super::read::{self, During};
use super::super::windows::block_id;
use super::stored::Stored;
use super::{DAY_MS, entity_of, made_again_from};
use crate::model::{HOUR_MS, Hours, Stay, TimeRange, Timestamp};
use crate::store::{HoursFetch, Rolled, StoreError};

const OPERATION: &str = "read rolled-up hours";

/// How far a sample reaches into hours before and after it: three intervals of the longest usual cadence, an hour.
const REACH_MS: i64 = 3 * HOUR_MS;

/// See [`crate::store::Store::hours`].
pub(in super::super) fn hours(connection: &Connection, fetch: &HoursFetch<'_>) -> Result<Vec<Rolled>, StoreError> {
    let Some(entity) = entity_of(connection, fetch.kind, fetch.identity).during(OPERATION)? else {
        return Ok(Vec::new());
    };
    let (from_ms, until_ms) = (fetch.range.start().ms(), fetch.range.end().ms());
    let mut stored = Stored::around(connection, entity, from_ms).during(OPERATION)?;
    if stored.is_none() {
        let next = block_id(from_ms, entity);
        stored = Stored::at_or_after(connection, entity, next).during(OPERATION)?;
    }
    let doubts = doubts(connection, entity, fetch.range).during(OPERATION)?;
    let mut found = Vec::new();
    while let Some(this) = stored.filter(|this| this.start_ms() < until_ms) {
        let range = TimeRange::new(Timestamp::from_ms(this.start_ms()), Timestamp::from_ms(this.until_ms));
        let sure = without(range.and_then(|range| range.intersect(fetch.range)), &doubts);
        if !sure.is_empty() {
            let hours = this.decode(connection, fetch.kind, fetch.fields, fetch.with_bins, OPERATION)?;
            found.extend(cut(hours, &sure));
        }
        stored = Stored::at_or_after(connection, entity, this.id.saturating_add(1)).during(OPERATION)?;
    }
    // Where the range ends in doubt, samples tell more of it than what comes after.
    if let (true, Some(last)) = (fetch.with_stays, found.last_mut())
        && last.range.end() == fetch.range.end()
        && last.hours.stays.last().is_none_or(|stay| stay.to < fetch.range.end())
    {
        last.hours.after = stays_after(connection, fetch, entity, &doubts)?;
    }
    Ok(found)
}

/// The stays up to the first sample after a range, as far as they begin in it; none where they are in doubt.
fn stays_after(
    connection: &Connection,
    fetch: &HoursFetch<'_>,
    entity: i64,
    doubts: &[(i64, i64)],
) -> Result<Vec<Stay>, StoreError> {
    let mut id = block_id(fetch.range.end().ms(), entity);
    while let Some(next) = Stored::at_or_after(connection, entity, id).during(OPERATION)? {
        if doubts.iter().any(|(from_ms, until_ms)| *from_ms < next.until_ms && next.start_ms() < *until_ms) {
            return Ok(Vec::new());
        }
        let hours = next.decode(connection, fetch.kind, &[], false, OPERATION)?;
        // A day into which only time between two samples reaches has no stays of its own.
        if !hours.stays.is_empty() {
            return Ok(hours.stays.into_iter().filter(|stay| stay.from < fetch.range.end()).collect());
        }
        id = next.id.saturating_add(1);
    }
    Ok(Vec::new())
}

/// The parts of hours in some ranges. Of a stay that reaches beyond the end of one, the rest is as doubtful as the time that
/// it lies in; where one begins, its stays tell of the time since the sample before it, too.
fn cut(hours: Hours, ranges: &[TimeRange]) -> Vec<Rolled> {
    let part = |mut hours: Hours, range: &TimeRange| {
        hours.keep(range.start(), range.end());
        for stay in &mut hours.stays {
            stay.to = stay.to.min(range.end());
        }
        Rolled { range: *range, hours }
    };
    match ranges {
        [only] => vec![part(hours, only)],
        several => several.iter().map(|range| part(hours.clone(), range)).collect(),
    }
}

/// The doubtful times of an entity in a range, by their start.
fn doubts(connection: &Connection, entity: i64, range: TimeRange) -> rusqlite::Result<Vec<(i64, i64)>> {
    let (from_ms, until_ms) = (range.start().ms(), range.end().ms());
    let mut statement = connection.prepare_cached(queries::ROLLUP_DUE_DAYS)?;
    let parameters = named_params! {
        ":entity": entity, ":from_ms": from_ms.saturating_sub(DAY_MS + REACH_MS),
        ":until_ms": until_ms.saturating_add(REACH_MS),
    };
    let days = statement.query_map(parameters, |row| row.get::<_, i64>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut doubts: Vec<(i64, i64)> = Vec::new();
    for day_ms in days {
        let mut end_ms = day_ms.saturating_add(DAY_MS + REACH_MS);
        // How the entity was there before the first sample after it is in doubt too.
        if let Some(around) = Stored::around(connection, entity, day_ms)?.filter(|around| around.is_merged) {
            end_ms = end_ms.max(around.end_ms);
        } else if let Some(next) =
            Stored::at_or_after(connection, entity, block_id(day_ms.saturating_add(DAY_MS), entity))?
        {
            let hour_ms = next.ends.first_ms.div_euclid(HOUR_MS).saturating_mul(HOUR_MS);
            end_ms = end_ms.max(hour_ms.saturating_add(HOUR_MS));
        }
        doubts.push((sure_until(connection, entity, day_ms)?, end_ms));
    }
    for sighting in read::sightings(connection, entity)? {
        let unsealed: Option<i64> = connection
            .prepare_cached(queries::POLL_UNSEALED_OLDEST)?
            .query_row(named_params! {":target": sighting.target}, |row| row.get(0))
            .optional()?;
        if let Some(at_ms) = unsealed {
            doubts.push((sure_until(connection, entity, at_ms)?, i64::MAX));
        }
    }
    let again_from_ms = made_again_from(connection)?;
    let mut doubts: Vec<(i64, i64)> =
        doubts.into_iter().map(|(from_ms, end_ms)| (from_ms.max(again_from_ms), end_ms)).collect();
    doubts.retain(|(from_ms, end_ms)| from_ms < end_ms);
    doubts.sort_unstable();
    Ok(doubts)
}

/// Up to when nothing depends on what comes at an instant, or after: a whole hour.
fn sure_until(connection: &Connection, entity: i64, at_ms: i64) -> rusqlite::Result<i64> {
    let hour = |at_ms: i64| at_ms.div_euclid(HOUR_MS).saturating_mul(HOUR_MS);
    let reach_ms = hour(at_ms).saturating_sub(REACH_MS);
    let Some(before) = Stored::at_or_before(connection, entity, block_id(at_ms, entity))? else { return Ok(reach_ms) };
    // Which of a rollup's samples is the one before is not known without looking into it.
    let is_between = before.ends.first_ms < at_ms && before.ends.last_ms.is_some_and(|last_ms| at_ms <= last_ms);
    let before_ms = if is_between {
        Some(before.start_ms())
    } else if before.ends.first_ms < at_ms {
        before.ends.last_ms
    } else {
        before.ends.before_ms
    };
    Ok(before_ms.map_or(reach_ms, |before_ms| hour(before_ms).min(reach_ms)))
}

/// What is left of a range.
fn without(range: Option<TimeRange>, doubts: &[(i64, i64)]) -> Vec<TimeRange> {
    let Some(range) = range else { return Vec::new() };
    let mut left = Vec::new();
    let mut from = range.start();
    for (start_ms, end_ms) in doubts {
        let (start, end) = (Timestamp::from_ms(*start_ms), Timestamp::from_ms(*end_ms));
        left.extend(TimeRange::new(from, start.min(range.end())).filter(|part| !part.is_empty()));
        from = from.max(end);
    }
    left.extend(TimeRange::new(from, range.end()).filter(|part| !part.is_empty()));
    left
}
