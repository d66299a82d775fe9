//! Rollups: closed days become hours, days become windows of four weeks, a little at a time.
//!
//! # The plan
//! A trigger notes the day of every block that is kept: `rollup_due`. Once that day is over and has settled, its samples
//! are read, rolled up and kept, in one transaction with the note. A late sample comes into a block like any other, so
//! its day is noted again; and the days beside it, where the samples that their hours depend on are others now. What
//! retention has taken samples of is never made again: its hours stay, and only hours it did not have are added. The
//! state is all in the tables: a process that ends in between goes on where it was.
//!
//! Must not know: how hours are rolled up ([`crate::rollup`]); when it is called.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, named_params};

use super::queries;
use super::read::{self, During};
use super::windows::{ENTITIES_END, Windows, block_id};
use super::{codec, retention, samples};
use crate::model::{HOUR_MS, Hours, Identity, Kind, Run, TimeRange, Timestamp};
use crate::rollup::{Roller, fields_count};
use crate::store::{Fetch, StoreError};

mod cells;
mod chains;
mod check;
mod format;
mod merge;
mod read_hours;
mod stored;
#[cfg(test)]
mod tests;

pub(super) use chains::{chain_step, delete_old as delete_old_chains, poll_chains};
pub(super) use check::faults;
pub(super) use merge::merge_step;
pub(super) use read_hours::hours;
use stored::{Ends, Stored};

/// A day: what is rolled up at once.
const DAY_MS: i64 = 24 * HOUR_MS;

/// Windows that days are merged into: four weeks, so that a year of one entity is thirteen reads.
const MERGED_MS: i64 = 28 * DAY_MS;

/// Samples rolled up in one step: the writer waits for some tens of milliseconds. One entity's day more may go over it.
const SAMPLES_PER_STEP: usize = 20_000;

/// Days rolled up in one step, where each has few samples.
const DAYS_PER_STEP: i64 = 50;

/// Polling intervals after which an hour is closed, where that is longer than the time that everything settles in.
const SETTLE_INTERVALS: i64 = 4;

/// A day of an entity that is to be rolled up.
struct Due {
    entity: i64,
    day_ms: i64,
    kind: String,
    identity: Vec<u8>,
}

/// Rolls up a little of what is ripe; `before`: of days that begin before it, whole or not, as retention is about to take
/// their samples. Gives the number of days, or nothing where there is nothing to do.
pub(super) fn roll_step(
    connection: &mut Connection,
    kinds: &[&'static Kind],
    windows: &Windows,
    now: Timestamp,
    before: Option<Timestamp>,
) -> Result<Option<u64>, StoreError> {
    const OPERATION: &str = "roll up hours";
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).during(OPERATION)?;
    let settled_ms = now.ms().saturating_sub(windows.settle_ms);
    // A day that begins before a cutoff ends at most a day after it.
    let ready_ms = before.map_or(settled_ms, |before| settled_ms.max(before.ms().saturating_add(DAY_MS - 1)));
    let due = due(&transaction, ready_ms).during(OPERATION)?;
    if due.is_empty() {
        return Ok(None);
    }
    let (mut rolled, mut read) = (0, 0);
    for due in due {
        let Some(samples) = roll_day(&transaction, kinds, &due, settled_ms, before.is_some())? else { continue };
        read += samples;
        rolled += 1;
        if read >= SAMPLES_PER_STEP {
            break;
        }
    }
    transaction.commit().during(OPERATION)?;
    // Of what is put off because it is not over, retention gets the rest.
    Ok(Some(rolled).filter(|rolled| *rolled > 0 || before.is_none()))
}

fn due(connection: &Connection, ready_ms: i64) -> rusqlite::Result<Vec<Due>> {
    let mut statement = connection.prepare_cached(queries::ROLLUPS_DUE)?;
    let rows = statement.query_map(named_params! {":ready_ms": ready_ms, ":limit": DAYS_PER_STEP}, |row| {
        Ok(Due { entity: row.get(0)?, day_ms: row.get(1)?, kind: row.get(2)?, identity: row.get(3)? })
    })?;
    rows.collect()
}

/// Rolls up a day of an entity, or puts it off. Gives the number of samples read; nothing where it is put off.
fn roll_day(
    connection: &Connection,
    kinds: &[&'static Kind],
    due: &Due,
    settled_ms: i64,
    is_forced: bool,
) -> Result<Option<usize>, StoreError> {
    const OPERATION: &str = "roll up a day";
    let done = || {
        connection
            .prepare_cached(queries::ROLLUP_DUE_DELETE)
            .and_then(|mut delete| delete.execute(named_params! {":entity": due.entity, ":day_ms": due.day_ms}))
            .during(OPERATION)
    };
    let kind = kinds.iter().copied().find(|known| known.name == due.kind);
    let (Some(kind), Some(identity)) = (kind, codec::decode_identity(&due.identity)) else {
        // A kind that is not recorded any more stays as it was left.
        done()?;
        return Ok(Some(0));
    };
    let day_end_ms = due.day_ms.saturating_add(DAY_MS);
    let until_ms = day_end_ms.min(settled_ms.div_euclid(HOUR_MS).saturating_mul(HOUR_MS)).max(due.day_ms);
    let day = TimeRange::new(Timestamp::from_ms(due.day_ms), Timestamp::from_ms(until_ms));
    let Some(day) = day.filter(|day| !day.is_empty()) else { return later(connection, due, day_end_ms) };
    let roller = Roller::new(kind, &(0..fields_count(kind)).collect::<Vec<_>>(), true);
    let fetch = Fetch { kind, identity: &identity, range: day, columns: roller.columns() };
    let run = samples::run(connection, &fetch).during(OPERATION)?;
    let longest_ms = run.interval_ms.iter().copied().max().unwrap_or(0).saturating_mul(SETTLE_INTERVALS);
    if !run.has_after && !is_forced && day_end_ms.saturating_add(longest_ms) > settled_ms {
        return later(connection, due, day_end_ms.saturating_add(longest_ms));
    }
    let versions = read::entity(connection, kind, &identity, reach(day))?;
    let versions = versions.map(|entity| entity.versions).unwrap_or_default();
    let hours = roller.roll(&run, &versions);
    let ends = ends(&run);
    let known = Stored::around(connection, due.entity, due.day_ms).during(OPERATION)?;
    keep(connection, kind, due, (until_ms, day_end_ms), hours, ends, known.as_ref())?;
    done()?;
    Ok(Some(run.len()))
}

/// A range with the version that holds a little after it: a stretch may end there.
fn reach(range: TimeRange) -> TimeRange {
    TimeRange::new(range.start(), range.end().plus_ms(DAY_MS)).unwrap_or(range)
}

fn later(connection: &Connection, due: &Due, ready_ms: i64) -> Result<Option<usize>, StoreError> {
    connection
        .prepare_cached(queries::ROLLUP_DUE_LATER)
        .and_then(|mut later| {
            later.execute(named_params! {":entity": due.entity, ":day_ms": due.day_ms, ":ready_ms": ready_ms})
        })
        .during("put off a rollup")?;
    Ok(None)
}

/// The samples at the ends of a run, and beyond them.
fn ends(run: &Run) -> Option<Ends> {
    let inside = run.inside();
    let at = |index: usize| run.at.get(index).map(|at| at.ms());
    Some(Ends {
        first_ms: at(inside.start).filter(|_| !inside.is_empty())?,
        last_ms: at(inside.end.checked_sub(1)?)?,
        before_ms: inside.start.checked_sub(1).and_then(at),
        after_ms: at(inside.end),
    })
}

/// Keeps a day's hours: in the window that holds the day already, else in one of its own.
fn keep(
    connection: &Connection,
    kind: &'static Kind,
    due: &Due,
    (until_ms, day_end_ms): (i64, i64),
    mut hours: Hours,
    ends: Option<Ends>,
    known: Option<&Stored>,
) -> Result<(), StoreError> {
    const OPERATION: &str = "keep a rollup";
    let day = (due.day_ms, day_end_ms);
    let all: Vec<usize> = (0..fields_count(kind)).collect();
    let old = match known {
        Some(stored) => Some(stored.decode(connection, kind, &all, true, OPERATION)?),
        None => None,
    };
    let kept_from = retention::samples_kept_from(connection).during(OPERATION)?;
    // The sample before the day's first, which its hours depend on, may be gone as well.
    let is_cut = kept_from.is_some_and(|kept_from| due.day_ms.saturating_sub(DAY_MS) < kept_from.ms());
    if let Some(old) = old.as_ref().filter(|_| is_cut) {
        hours = with_old(hours, old, day);
    }
    let Some(mut ends) = ends else {
        // Not a sample is left in it: what was rolled up before stays.
        return Ok(());
    };
    let mut window = (due.day_ms, day_end_ms, until_ms, false);
    if let (Some(stored), Some(old)) = (known, old) {
        let is_merged = stored.end_ms.saturating_sub(stored.start_ms()) > DAY_MS;
        ends = stored.ends.with(ends, is_cut);
        window =
            (stored.start_ms(), stored.end_ms, if is_merged { stored.until_ms } else { until_ms }, stored.is_merged);
        hours = replaced(old, hours, day);
        stored.delete(connection).during(OPERATION)?;
    }
    let (start_ms, end_ms, until_ms, is_merged) = window;
    let stored = Stored::new(due.entity, (start_ms, end_ms), until_ms, ends, is_merged)?;
    stored.insert(connection, kind, &hours).during(OPERATION)?;
    doubt_neighbours(connection, due.entity, &stored).during(OPERATION)
}

/// Hours of a day of which some samples are gone: those that were rolled up stay.
fn with_old(new: Hours, old: &Hours, (from_ms, until_ms): (i64, i64)) -> Hours {
    let (from, until) = (Timestamp::from_ms(from_ms), Timestamp::from_ms(until_ms));
    let mut whole = old.clone();
    whole.keep(from, until);
    let known_until = whole.rows.last().map_or(from, |row| row.start.plus_ms(HOUR_MS));
    let mut added = new;
    added.keep(known_until, until);
    let last = whole.stays.last().map(|stay| stay.to);
    added.stays.retain(|stay| last.is_none_or(|last| stay.to > last));
    for stay in &mut added.stays {
        stay.from = last.map_or(stay.from, |last| stay.from.max(last));
    }
    whole.append(added);
    whole
}

/// The hours of a window with those of a day replaced.
fn replaced(old: Hours, day: Hours, (from_ms, until_ms): (i64, i64)) -> Hours {
    let (from, until) = (Timestamp::from_ms(from_ms), Timestamp::from_ms(until_ms));
    let (mut whole, mut later) = (old.clone(), old);
    whole.keep(Timestamp::from_ms(i64::MIN), from);
    later.keep(until, Timestamp::from_ms(i64::MAX));
    // Stays end at samples: those of other days that reach into this one are cut where its own begin and end.
    let first = day.stays.first().map_or(from, |stay| stay.from);
    let last = day.stays.last().map_or(until, |stay| stay.to);
    whole.stays.retain(|stay| stay.from < first);
    whole.stays.iter_mut().for_each(|stay| stay.to = stay.to.min(first));
    later.stays.retain(|stay| stay.to > last);
    later.stays.iter_mut().for_each(|stay| stay.from = stay.from.max(last));
    whole.append(day);
    whole.append(later);
    whole
}

/// Notes the rollups beside one as due where they were made with other samples beyond their ends than there are now.
fn doubt_neighbours(connection: &Connection, entity: i64, stored: &Stored) -> rusqlite::Result<()> {
    let due = |at_ms: i64| -> rusqlite::Result<()> {
        let day_ms = at_ms.div_euclid(DAY_MS) * DAY_MS;
        connection.prepare_cached(queries::ROLLUP_DUE_INSERT)?.execute(
            named_params! {":entity": entity, ":day_ms": day_ms, ":ready_ms": day_ms.saturating_add(DAY_MS)},
        )?;
        Ok(())
    };
    if let Some(before) = Stored::at_or_before(connection, entity, stored.id.saturating_sub(1))?
        && before.ends.after_ms != Some(stored.ends.first_ms)
    {
        due(before.ends.last_ms)?;
    }
    if let Some(after) = Stored::at_or_after(connection, entity, stored.id.saturating_add(1))?
        && after.ends.before_ms != Some(stored.ends.last_ms)
    {
        due(after.ends.first_ms)?;
    }
    Ok(())
}

/// Deletes what was rolled up of an entity.
pub(super) fn delete_entity(connection: &Connection, entity: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(queries::ROLLUPS_DELETE_OF_ENTITY)?.execute(named_params! {":entity": entity})?;
    connection.prepare_cached(queries::ROLLUP_DUE_DELETE_OF_ENTITY)?.execute(named_params! {":entity": entity})?;
    Ok(())
}

/// Deletes some rollups all of whose hours are older than a cutoff. Says whether there were any.
pub(super) fn delete_old(connection: &Connection, cutoff: Timestamp, limit: i64) -> rusqlite::Result<bool> {
    let deleted = connection.prepare_cached(queries::ROLLUPS_DELETE_OLD)?.execute(named_params! {
        ":id_end": block_id(cutoff.ms(), ENTITIES_END - 1), ":cutoff_ms": cutoff.ms(), ":limit": limit,
    })?;
    Ok(deleted > 0)
}

/// The id of an entity, if it is there.
fn entity_of(connection: &Connection, kind: &Kind, identity: &Identity) -> rusqlite::Result<Option<i64>> {
    Ok(read::entity_id(connection, kind, identity)?.map(|(id, _)| id))
}

/// The id of a layout, which is kept where it is new.
fn layout_id(connection: &Connection, text: &str) -> rusqlite::Result<i64> {
    let known = connection
        .prepare_cached(queries::ROLLUP_LAYOUT_BY_FIELDS)?
        .query_row(named_params! {":fields": text}, |row| row.get(0))
        .optional()?;
    match known {
        Some(id) => Ok(id),
        None => connection
            .prepare_cached(queries::ROLLUP_LAYOUT_INSERT)?
            .query_row(named_params! {":fields": text}, |row| row.get(0)),
    }
}
