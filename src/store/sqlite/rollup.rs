//! Rollups: closed days become hours, days become windows of four weeks, a little at a time.
//!
//! # The plan
//! A trigger notes the day of every block that is kept: `rollup_due`. Once that day is over and has settled, its samples
//! are read and rolled up beside the writer, then kept, in one short transaction with the note. A late sample comes into a block like any other, so
//! its day is noted again; and the days beside it, where the samples that their hours depend on are others now. What
//! retention has taken samples of is never made again: its hours stay, and only hours it did not have are added. The
//! state is all in the tables: a process that ends in between goes on where it was.
//!
//! Must not know: how hours are rolled up ([`crate::rollup`]); when it is called.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, named_params};

use super::queries;
use super::read::{self, During};
use super::windows::{ENTITIES_END, Windows, block_id, block_start_ms};
use super::{codec, retention, runs};
use crate::model::{HOUR_MS, Hours, Kind, Run, TimeRange, Timestamp};
use crate::rollup::{self, Roller, fields_count};
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
mod weigh;

pub(super) use chains::{delete_old as delete_old_chains, plan as plan_chains, poll_chains};
pub(super) use check::check;
pub(super) use merge::plan as plan_merge;
pub(super) use read_hours::hours;
use stored::{Ends, Fresh, Stored};
pub(super) use weigh::weigh;

/// A day: what is rolled up at once.
const DAY_MS: i64 = 24 * HOUR_MS;

/// Windows that days are merged into: four weeks, so that a year of one entity is thirteen reads.
const MERGED_MS: i64 = 28 * DAY_MS;

/// Days rolled up in one step, where each has few samples: a few megabytes that the writer waits for.
const DAYS_PER_STEP: i64 = 100;

/// Polling intervals after which an hour is closed, where that is longer than the time that everything settles in.
const SETTLE_INTERVALS: i64 = 4;

const OPERATION: &str = "roll up hours";

/// A day of an entity that is to be rolled up.
#[derive(Debug)]
struct Due {
    entity: i64,
    day_ms: i64,
    ready_ms: i64,
    kind: String,
    identity: Vec<u8>,
}

/// Days that are rolled up, but not kept yet.
#[derive(Debug)]
pub(super) struct Roll {
    days: Vec<(Due, Outcome)>,
}

/// What becomes of a day.
#[derive(Debug)]
enum Outcome {
    /// There is nothing to keep.
    Nothing,
    /// The rollup there was is of what is no more.
    Gone { old: i64 },
    /// It is not over, or an interval of its polls is long: it is looked at again then.
    Later { ready_ms: i64 },
    /// Its hours, and the id and the ends of the rollup that they are in up to now. Days before it that have no samples,
    /// but time between two of them, are due with it.
    Made { new: Box<Fresh>, old: Option<(i64, Ends)>, due: Vec<i64> },
}

/// Rolls up a little of what is ripe; `before`: of days that begin before it, whole or not, as retention is about to take
/// their samples. Nothing where there is nothing to do.
pub(super) fn plan(
    connection: &Connection,
    kinds: &[&'static Kind],
    windows: &Windows,
    now: Timestamp,
    before: Option<Timestamp>,
) -> Result<Option<Roll>, StoreError> {
    let settled_ms = now.ms().saturating_sub(windows.settle_ms);
    // A day that begins before a cutoff ends at most a day after it.
    let ready_ms = before.map_or(settled_ms, |before| settled_ms.max(before.ms().saturating_add(DAY_MS - 1)));
    let mut roll = Roll { days: Vec::new() };
    let mut read = 0;
    for due in due(connection, ready_ms).during(OPERATION)? {
        let (outcome, samples) = roll_day(connection, kinds, &due, settled_ms, before.is_some())?;
        // Of days in one window the second is made once the first is kept.
        let is_taken = |old: i64| roll.days.iter().any(|(_, outcome)| outcome.replaces(old));
        if outcome.old().is_some_and(is_taken) {
            continue;
        }
        roll.days.push((due, outcome));
        read += samples;
        if read >= windows.rolled_per_step {
            break;
        }
    }
    // Of what is put off because it is not over, retention gets the rest.
    let has_work = roll.days.iter().any(|(_, outcome)| before.is_none() || !outcome.is_later());
    Ok(has_work.then_some(roll))
}

impl Outcome {
    fn old(&self) -> Option<i64> {
        match self {
            Outcome::Made { old, .. } => old.map(|(id, _)| id),
            Outcome::Gone { old } => Some(*old),
            Outcome::Nothing | Outcome::Later { .. } => None,
        }
    }

    fn replaces(&self, id: i64) -> bool {
        self.old() == Some(id)
    }

    fn is_later(&self) -> bool {
        matches!(self, Outcome::Later { .. })
    }
}

impl Roll {
    /// For how long already this could have been done. The days come in the order of that.
    pub(super) fn overdue_ms(&self, now: Timestamp) -> u64 {
        let ready_ms = self.days.first().map_or(now.ms(), |(due, _)| due.ready_ms);
        u64::try_from(now.ms().saturating_sub(ready_ms)).unwrap_or(0)
    }

    /// Keeps what was made. Gives the number of days.
    pub(super) fn commit(&self, connection: &mut Connection) -> Result<u64, StoreError> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).during(OPERATION)?;
        let keep = || {
            let mut rolled = 0;
            for (due, outcome) in &self.days {
                rolled += u64::from(!outcome.is_later());
                due.keep(&transaction, outcome)?;
            }
            Ok(rolled)
        };
        let rolled = keep().during(OPERATION)?;
        transaction.commit().during(OPERATION)?;
        Ok(rolled)
    }
}

impl Due {
    fn keep(&self, connection: &Connection, outcome: &Outcome) -> rusqlite::Result<()> {
        let (entity, day_ms) = (self.entity, self.day_ms);
        match outcome {
            Outcome::Later { ready_ms } => {
                connection
                    .prepare_cached(queries::ROLLUP_DUE_LATER)?
                    .execute(named_params! {":entity": entity, ":day_ms": day_ms, ":ready_ms": ready_ms})?;
                return Ok(());
            }
            Outcome::Nothing => {}
            Outcome::Gone { old } => stored::delete(connection, *old)?,
            Outcome::Made { new, old, due } => {
                if let Some((old, _)) = old {
                    stored::delete(connection, *old)?;
                }
                new.insert(connection)?;
                due.iter().try_for_each(|day_ms| note_due(connection, entity, *day_ms))?;
                doubt_neighbours(connection, entity, new, old.map(|(_, ends)| ends))?;
            }
        }
        connection
            .prepare_cached(queries::ROLLUP_DUE_DELETE)?
            .execute(named_params! {":entity": entity, ":day_ms": day_ms})?;
        Ok(())
    }
}

fn due(connection: &Connection, ready_ms: i64) -> rusqlite::Result<Vec<Due>> {
    let mut statement = connection.prepare_cached(queries::ROLLUPS_DUE)?;
    let rows = statement.query_map(named_params! {":ready_ms": ready_ms, ":limit": DAYS_PER_STEP}, |row| {
        Ok(Due {
            entity: row.get(0)?,
            day_ms: row.get(1)?,
            ready_ms: row.get(2)?,
            kind: row.get(3)?,
            identity: row.get(4)?,
        })
    })?;
    rows.collect()
}

/// Rolls up a day of an entity, or puts it off. Gives the number of samples read, too.
fn roll_day(
    connection: &Connection,
    kinds: &[&'static Kind],
    due: &Due,
    settled_ms: i64,
    is_forced: bool,
) -> Result<(Outcome, usize), StoreError> {
    let kind = kinds.iter().copied().find(|known| known.name == due.kind);
    let (Some(kind), Some(identity)) = (kind, codec::decode_identity(&due.identity)) else {
        // A kind that is not recorded any more stays as it was left.
        return Ok((Outcome::Nothing, 0));
    };
    let day_end_ms = due.day_ms.saturating_add(DAY_MS);
    let until_ms = day_end_ms.min(settled_ms.div_euclid(HOUR_MS).saturating_mul(HOUR_MS)).max(due.day_ms);
    let Some(day) = days(due.day_ms, until_ms).filter(|day| !day.is_empty()) else {
        return Ok((Outcome::Later { ready_ms: day_end_ms }, 0));
    };
    let known = Stored::around(connection, due.entity, due.day_ms).during(OPERATION)?;
    let merged = known.as_ref().filter(|known| is_merged(known));
    if let Some(merged) = merged.filter(|merged| merged.end_ms > settled_ms) {
        // A clock that was put back by weeks: what is merged stays whole.
        return Ok((Outcome::Later { ready_ms: merged.end_ms }, 0));
    }
    let roller = Roller::new(kind, &(0..fields_count(kind)).collect::<Vec<_>>(), true);
    let read = |range| {
        let fetch = Fetch { kind, identity: &identity, range, columns: roller.columns() };
        runs::run(connection, &fetch).during(OPERATION)
    };
    let mut run = read(day)?;
    let longest_ms = run.interval_ms.iter().copied().max().unwrap_or(0).saturating_mul(SETTLE_INTERVALS);
    if !run.has_after && !is_forced && day_end_ms.saturating_add(longest_ms) > settled_ms {
        return Ok((Outcome::Later { ready_ms: day_end_ms.saturating_add(longest_ms) }, run.len()));
    }
    let again_from_ms = made_again_from(connection).during(OPERATION)?;
    let is_cut = due.day_ms < again_from_ms;
    let wider = merged.filter(|_| !is_cut).and_then(|merged| depending(&run, merged, again_from_ms));
    if let Some(wider) = wider.filter(|wider| *wider != day) {
        run = read(wider)?;
    }
    let versions = read::entity(connection, kind, &identity, reach(run.range))?;
    let versions = versions.map(|entity| entity.versions).unwrap_or_default();
    let hours = roller.roll(&run, &versions);
    let day = (run.range.start().ms(), run.range.end().ms().max(day_end_ms));
    Ok((made(connection, kind, (due.entity, day), until_ms, &run, hours, known.as_ref(), is_cut)?, run.len()))
}

fn days(from_ms: i64, until_ms: i64) -> Option<TimeRange> {
    TimeRange::new(Timestamp::from_ms(from_ms), Timestamp::from_ms(until_ms))
}

fn is_merged(stored: &Stored) -> bool {
    stored.end_ms.saturating_sub(stored.start_ms()) > DAY_MS
}

/// The day from which on hours are made again where samples change. Of a day before it a sample may be gone, or the one
/// before its first: what was rolled up of it stays, and nothing can tell better.
fn made_again_from(connection: &Connection) -> rusqlite::Result<i64> {
    let kept_from = retention::samples_kept_from(connection)?;
    let whole = |kept_from: Timestamp| kept_from.ms().saturating_add(2 * DAY_MS - 1).div_euclid(DAY_MS);
    Ok(kept_from.map_or(i64::MIN, |kept_from| whole(kept_from).saturating_mul(DAY_MS)))
}

/// The days of a merged window that depend on a day's samples, and it: those of the sample before and of the one after it,
/// and what lies between. Days that are not merged yet know what they were made with, and are due by themselves.
fn depending(run: &Run, merged: &Stored, again_from_ms: i64) -> Option<TimeRange> {
    let day = |at: &Timestamp| at.ms().div_euclid(DAY_MS).saturating_mul(DAY_MS);
    let inside = run.inside();
    let before_ms = inside.start.checked_sub(1).and_then(|before| run.at.get(before)).map(day);
    let after_ms = run.at.get(inside.end).map(day);
    let from_ms = before_ms.unwrap_or(run.range.start().ms()).max(merged.start_ms()).max(again_from_ms);
    let until_ms = after_ms.map_or(i64::MIN, |after_ms| after_ms.saturating_add(DAY_MS)).min(merged.end_ms);
    days(from_ms, until_ms.max(run.range.end().ms()))
}

/// A range with the version that holds a little after it: a stretch may end there.
fn reach(range: TimeRange) -> TimeRange {
    TimeRange::new(range.start(), range.end().plus_ms(DAY_MS)).unwrap_or(range)
}

/// The samples at the ends of a run, and beyond them; nothing where it ends without any.
fn ends(run: &Run) -> Option<Ends> {
    let inside = run.inside();
    let at = |index: usize| run.at.get(index).map(|at| at.ms());
    Some(Ends {
        first_ms: at(inside.start)?,
        last_ms: inside.end.checked_sub(1).and_then(at),
        before_ms: inside.start.checked_sub(1).and_then(at),
        after_ms: at(inside.end),
    })
}

/// The days before a run's range that have no samples, but a part of the stretch that ends with its first sample.
fn days_between(run: &Run) -> Vec<i64> {
    let first = run.inside().start;
    let day = |at: Timestamp| at.ms().div_euclid(DAY_MS).saturating_mul(DAY_MS);
    let Some(stretch) = rollup::stretch_to(run, first).filter(|stretch| !stretch.is_hole) else { return Vec::new() };
    let begun = day(stretch.from);
    let before = first.checked_sub(1).and_then(|before| run.at.get(before)).map(|at| day(*at));
    let from = before.map_or(begun, |before| begun.max(before.saturating_add(DAY_MS)));
    let days = (day(run.range.start()) - from) / DAY_MS;
    (0..days).map(|index| from + index * DAY_MS).collect()
}

/// The hours of a day, or of several in a merged window, as a rollup: in the window that holds them already, else in one
/// of its own.
#[expect(clippy::too_many_arguments, reason = "what a rollup is made of, each of its own type")]
fn made(
    connection: &Connection,
    kind: &'static Kind,
    (entity, day): (i64, (i64, i64)),
    until_ms: i64,
    run: &Run,
    mut hours: Hours,
    known: Option<&Stored>,
    is_cut: bool,
) -> Result<Outcome, StoreError> {
    let is_empty = run.inside().is_empty();
    let mut ends = match (ends(run), known) {
        // Not a sample is left in it: what was rolled up before stays.
        (_, Some(_)) if is_empty && is_cut => return Ok(Outcome::Nothing),
        (_, Some(stored)) if is_empty && hours.rows.is_empty() && !is_merged(stored) => {
            return Ok(Outcome::Gone { old: stored.id });
        }
        (_, None) if is_empty && hours.rows.is_empty() => return Ok(Outcome::Nothing),
        (Some(ends), _) => ends,
        (None, _) => return Ok(Outcome::Nothing),
    };
    let mut window = (day.0, day.1, until_ms, false);
    if let Some(stored) = known {
        let old = stored.decode(connection, kind, OPERATION)?;
        if is_cut {
            hours = with_old(hours, &old, day);
        }
        ends = stored.ends.with(ends, is_cut);
        let until_ms = if is_merged(stored) { stored.until_ms } else { until_ms };
        window = (stored.start_ms(), stored.end_ms, until_ms, stored.is_merged);
        hours = replaced(old, stored.start_ms(), hours, day);
    }
    let (start_ms, end_ms, until_ms, is_merged) = window;
    let new = Fresh::new(kind, entity, (start_ms, end_ms), until_ms, ends, is_merged, &hours)?;
    let due = if is_empty { Vec::new() } else { days_between(run) };
    Ok(Outcome::Made { new: Box::new(new), old: known.map(|stored| (stored.id, stored.ends)), due })
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

/// The hours of a window, which begins at an instant, with those of a day replaced.
fn replaced(old: Hours, start_ms: i64, day: Hours, (from_ms, until_ms): (i64, i64)) -> Hours {
    let (from, until) = (Timestamp::from_ms(from_ms), Timestamp::from_ms(until_ms));
    let (mut whole, mut later) = (old.clone(), old);
    whole.keep(Timestamp::from_ms(i64::MIN), from);
    later.keep(until, Timestamp::from_ms(i64::MAX));
    // Stays end at samples: those of other days that reach into this one are cut where its own begin and end.
    let first = day.stays.first().map_or(from, |stay| stay.from);
    let last = day.stays.last().map_or(until, |stay| stay.to);
    whole.stays.retain(|stay| stay.from < first);
    whole.stays.iter_mut().for_each(|stay| stay.to = stay.to.min(first));
    if first.ms() < start_ms {
        // The window's first sample is the day's: what led to another is no more.
        whole.stays.clear();
    }
    later.stays.retain(|stay| stay.to > last);
    later.stays.iter_mut().for_each(|stay| stay.from = stay.from.max(last));
    whole.append(day);
    whole.append(later);
    whole
}

/// Notes the rollups beside one as due where it begins or ends with another sample now, and they were not made with that
/// one. What begins and ends as before doubts nothing: of two that know of a sample that is gone, each would doubt the
/// other for ever.
fn doubt_neighbours(connection: &Connection, entity: i64, new: &Fresh, old: Option<Ends>) -> rusqlite::Result<()> {
    let day = |at_ms: i64| at_ms.div_euclid(DAY_MS).saturating_mul(DAY_MS);
    let due = |from_ms: i64, until_ms: i64| note_days(connection, entity, (from_ms, until_ms));
    if old.is_none_or(|old| old.first_ms != new.ends.first_ms)
        && let Some(before) = Stored::at_or_before(connection, entity, new.id.saturating_sub(1))?
        && before.ends.after_ms != Some(new.ends.first_ms)
    {
        let from_ms = before.ends.last_ms.map_or(before.start_ms(), |last_ms| day(last_ms).max(before.start_ms()));
        due(from_ms, before.end_ms)?;
    }
    if old.is_none_or(|old| old.last_ms != new.ends.last_ms)
        && let Some(after) = Stored::at_or_after(connection, entity, new.id.saturating_add(1))?
        && after.ends.before_ms != new.ends.last_ms
    {
        due(after.start_ms(), day(after.ends.first_ms).saturating_add(DAY_MS).min(after.end_ms))?;
    }
    Ok(())
}

/// Notes the days of [from, until) as due; it begins with one.
fn note_days(connection: &Connection, entity: i64, (from_ms, until_ms): (i64, i64)) -> rusqlite::Result<()> {
    let days = until_ms.saturating_sub(from_ms).saturating_add(DAY_MS - 1) / DAY_MS;
    (0..days).try_for_each(|index| note_due(connection, entity, from_ms + index * DAY_MS))
}

/// Notes a day as due.
fn note_due(connection: &Connection, entity: i64, day_ms: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(queries::ROLLUP_DUE_INSERT)?
        .execute(named_params! {":entity": entity, ":day_ms": day_ms, ":ready_ms": day_ms.saturating_add(DAY_MS)})?;
    Ok(())
}

/// Notes the first samples of a target's entities as due, where a good poll came that is older than another: whether they
/// began under its eyes depends on the poll before them.
pub(super) fn doubt_firsts(connection: &Connection, target: i64, started_ms: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(queries::ROLLUPS_DUE_INSERT_FIRSTS)?
        .execute(named_params! {":target": target, ":after_ms": started_ms.saturating_sub(DAY_MS)})?;
    Ok(())
}

/// Notes an entity's days from an instant on as due, as far as they are rolled up: other attributes hold from there.
pub(super) fn doubt_from(connection: &Connection, entity: i64, from_ms: i64) -> rusqlite::Result<()> {
    let windows = connection
        .prepare_cached(queries::ROLLUPS_ENDING_AFTER)?
        .query_map(
            named_params! {
                ":entity": entity, ":id": block_id(from_ms.saturating_sub(MERGED_MS), entity), ":at_ms": from_ms,
            },
            |row| Ok((block_start_ms(row.get(0)?), row.get::<_, i64>(1)?)),
        )?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (start_ms, end_ms) in windows {
        let from_ms = start_ms.max(from_ms.div_euclid(DAY_MS).saturating_mul(DAY_MS));
        note_days(connection, entity, (from_ms, end_ms))?;
    }
    Ok(())
}

/// Deletes what was rolled up of an entity.
pub(super) fn delete_entity(connection: &Connection, entity: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(queries::ROLLUPS_DELETE_OF_ENTITY)?.execute(named_params! {":entity": entity})?;
    connection.prepare_cached(queries::ROLLUP_DUE_DELETE_OF_ENTITY)?.execute(named_params! {":entity": entity})?;
    Ok(())
}

/// Deletes some rollups all of whose hours are older than a cutoff and depend on no sample that is kept. Says whether
/// there were any.
pub(super) fn delete_old(connection: &Connection, cutoff: Timestamp, limit: i64) -> rusqlite::Result<bool> {
    let deleted = connection.prepare_cached(queries::ROLLUPS_DELETE_OLD)?.execute(named_params! {
        ":id_end": block_id(cutoff.ms(), ENTITIES_END - 1), ":cutoff_ms": cutoff.ms(), ":limit": limit,
    })?;
    Ok(deleted > 0)
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
