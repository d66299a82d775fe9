//! Reading rolled-up hours: those that are as their samples say, and no others.
//!
//! Doubtful are days that are due and what lies within reach of them, and everything from shortly before the oldest
//! sample that may not be in a block yet, or from the sample before that: how the entity was there in between depends on
//! both. Nothing is doubtful where samples are gone. Outside of that there is no sample that is not rolled up.
//! Must not know: what is asked of hours.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, ToSql, named_params};

use super::super::queries;
use super::super::read::During;
use super::super::several::Several;
use super::super::windows::{MINUTE_MS, block_id};
use super::stored::{Bodies, Stored};
use super::{DAY_MS, MERGED_MS, made_again_from};
use crate::model::{HOUR_MS, Hours, Stay, TimeRange, Timestamp};
use crate::store::{HoursFetch, Rolled, StoreError};

const OPERATION: &str = "read rolled-up hours";

/// How far a sample reaches into hours before and after it: three intervals of the longest usual cadence, an hour.
const REACH_MS: i64 = 3 * HOUR_MS;

/// See [`crate::store::Store::hours`].
pub(in super::super) fn hours(connection: &Connection, fetch: &HoursFetch<'_>) -> Result<Vec<Vec<Rolled>>, StoreError> {
    let several = Several::of(connection, fetch.kind, fetch.identities).during(OPERATION)?;
    let known = known(connection, &several, fetch.range).during(OPERATION)?;
    let mut reader = Reader::new(connection, fetch)?;
    let read = |(entity, known): (&Option<i64>, Known)| match *entity {
        Some(entity) => reader.of_entity(entity, known),
        None => Ok(Vec::new()),
    };
    several.ids().iter().zip(known).map(read).collect()
}

/// What one entity has, as far as no rollup is opened.
#[derive(Debug, Default)]
struct Known {
    /// Rollups whose windows begin before the range's end, and not long before its start.
    inside: Vec<Stored>,
    /// The next one after them.
    next: Option<Stored>,
    /// Days that are to be rolled up, from a day before the range on; and the last one before: the doubt about it can
    /// reach far, that about those before it no further.
    due_ms: Vec<i64>,
    /// The targets that took samples of it, each with the newest of them where it takes no more.
    sampled: Vec<(i64, Option<i64>)>,
}

fn known(connection: &Connection, several: &Several, range: TimeRange) -> rusqlite::Result<Vec<Known>> {
    let mut known: Vec<Known> = several.ids().iter().map(|_| Known::default()).collect();
    // A window that holds the range's start begins at most its own length before.
    let from = block_id(range.start().ms().saturating_sub(MERGED_MS), 0);
    let until = block_id(range.end().ms().saturating_add(MINUTE_MS - 1), 0);
    let bounds: [(&str, &dyn ToSql); 2] = [(":from", &from), (":until", &until)];
    several.tell(connection, queries::ROLLUPS_OF_ENTITIES, &bounds, &mut known, |known, row| {
        known.inside.push(Stored::of(row)?);
        Ok(())
    })?;
    several.tell(connection, queries::ROLLUPS_AFTER_OF_ENTITIES, &[(":until", &until)], &mut known, |known, row| {
        known.next = Some(Stored::of(row)?);
        Ok(())
    })?;
    let from_ms = range.start().ms().saturating_sub(DAY_MS + REACH_MS);
    several.tell(
        connection,
        queries::ROLLUP_DUE_OF_ENTITIES,
        &[(":from_ms", &from_ms)],
        &mut known,
        |known, row| {
            known.due_ms.push(row.get(0)?);
            Ok(())
        },
    )?;
    several.tell(connection, queries::SIGHTINGS_SAMPLED, &[], &mut known, |known, row| {
        known.sampled.push((row.get(0)?, row.get(2)?));
        Ok(())
    })?;
    Ok(known)
}

/// Reads one entity after another.
struct Reader<'c, 'f> {
    connection: &'c Connection,
    fetch: &'f HoursFetch<'f>,
    bodies: Bodies<'c>,
    again_from_ms: i64,
    /// The oldest time of a target's samples that are not in blocks yet.
    unsealed: HashMap<i64, Option<i64>>,
}

/// When an entity's hours are in doubt.
#[derive(Debug, Default)]
struct Doubts {
    /// In or near the range, by their start.
    times: Vec<(i64, i64)>,
    /// Whether there are others after it.
    has_later: bool,
}

impl<'c, 'f> Reader<'c, 'f> {
    fn new(connection: &'c Connection, fetch: &'f HoursFetch<'f>) -> Result<Self, StoreError> {
        Ok(Reader {
            connection,
            fetch,
            bodies: Bodies::new(connection, OPERATION),
            again_from_ms: made_again_from(connection).during(OPERATION)?,
            unsealed: HashMap::new(),
        })
    }

    fn of_entity(&mut self, entity: i64, known: Known) -> Result<Vec<Rolled>, StoreError> {
        let range = self.fetch.range;
        let Known { mut inside, next, mut due_ms, sampled } = known;
        due_ms.sort_unstable();
        let mut doubts = self.doubts(entity, &due_ms, &sampled).during(OPERATION)?;
        let after = next.map(|next| {
            let is_doubtful = doubts.touch(next.start_ms(), next.until_ms);
            (next, is_doubtful)
        });
        inside.retain(|stored| stored.end_ms > range.start().ms());
        inside.sort_unstable_by_key(|stored| stored.id);
        // Hours that are not rolled up yet.
        let open = inside.iter().filter(|stored| stored.until_ms < stored.end_ms);
        doubts.times.extend(open.map(|stored| (stored.until_ms, stored.end_ms)));
        doubts.times.sort_unstable();
        let mut found: Vec<Rolled> = without(range, &doubts.times)
            .into_iter()
            .map(|range| Rolled { range, hours: Hours::default(), is_last: false })
            .collect();
        for stored in &inside {
            self.take(stored, &mut found)?;
        }
        // Of a stay that reaches beyond the end of a range, the rest is as doubtful as the time that it lies in; where one
        // begins, its stays tell of the time since the sample before it, too.
        for rolled in &mut found {
            rolled.hours.stays.iter_mut().for_each(|stay| stay.to = stay.to.min(rolled.range.end()));
        }
        // Where the range ends in doubt, samples tell more of it than what comes after.
        if let Some(last) = found.last_mut().filter(|last| last.range.end() == range.end()) {
            last.is_last = after.is_none() && !doubts.has_later;
            if self.fetch.with_stays && last.hours.stays.last().is_none_or(|stay| stay.to < range.end()) {
                last.hours.after = self.stays_after(entity, &doubts, after)?;
            }
        }
        Ok(found)
    }

    /// Gives the parts of a rollup to the ranges that they lie in.
    fn take(&mut self, stored: &Stored, found: &mut [Rolled]) -> Result<(), StoreError> {
        let (start, end) = (Timestamp::from_ms(stored.start_ms()), Timestamp::from_ms(stored.end_ms));
        let window = TimeRange::new(start, end);
        let part_in =
            |rolled: &Rolled| window.and_then(|window| window.intersect(rolled.range)).filter(|part| !part.is_empty());
        let parts: Vec<Option<TimeRange>> = found.iter().map(part_in).collect();
        let last = parts.iter().rposition(Option::is_some);
        let HoursFetch { kind, fields, wanted, by_days, .. } = *self.fetch;
        let (mut days, mut hours) = (None, None);
        for (place, (rolled, part)) in found.iter_mut().zip(parts).enumerate() {
            let Some(part) = part else { continue };
            let is_last = Some(place) == last;
            let whole = whole_days(part).filter(|_| by_days);
            if whole.is_some() && days.is_none() {
                days = Some(self.bodies.days(stored, kind, fields)?);
            }
            let whole = whole.filter(|_| matches!(days, Some(Some(_))));
            if whole != Some(part) && hours.is_none() {
                hours = Some(self.bodies.hours(stored, kind, fields, wanted)?);
            }
            let Some(whole) = whole else {
                rolled.hours.append(some_of(&mut hours, part, is_last));
                continue;
            };
            let before = TimeRange::new(part.start(), whole.start()).filter(|before| !before.is_empty());
            let after = TimeRange::new(whole.end(), part.end()).filter(|after| !after.is_empty());
            if let Some(before) = before {
                rolled.hours.append(some_of(&mut hours, before, false));
            }
            if let Some(days) = &mut days {
                rolled.hours.append(some_of(days, whole, is_last));
            }
            if let Some(after) = after {
                rolled.hours.append(some_of(&mut hours, after, is_last));
            }
        }
        Ok(())
    }

    /// The stays up to the first sample after a range, as far as they begin in it; none where they are in doubt.
    fn stays_after(
        &mut self,
        entity: i64,
        doubts: &Doubts,
        mut next: Option<(Stored, bool)>,
    ) -> Result<Vec<Stay>, StoreError> {
        while let Some((stored, is_doubtful)) = next {
            if is_doubtful {
                return Ok(Vec::new());
            }
            let stays = self.bodies.stays(&stored, self.fetch.kind)?;
            // A day into which only time between two samples reaches has no stays of its own.
            if !stays.is_empty() {
                return Ok(stays.into_iter().filter(|stay| stay.from < self.fetch.range.end()).collect());
            }
            let id = stored.id.saturating_add(1);
            let further = Stored::at_or_after(self.connection, entity, id).during(OPERATION)?;
            next = further.map(|further| {
                let is_doubtful = doubts.touch(further.start_ms(), further.until_ms);
                (further, is_doubtful)
            });
        }
        Ok(Vec::new())
    }

    /// The doubtful times of an entity.
    fn doubts(&mut self, entity: i64, due_ms: &[i64], sampled: &[(i64, Option<i64>)]) -> rusqlite::Result<Doubts> {
        let (connection, until_ms) = (self.connection, self.fetch.range.end().ms());
        let mut doubts = Doubts::default();
        for &day_ms in due_ms {
            if day_ms >= until_ms.saturating_add(REACH_MS) {
                doubts.has_later = true;
                break;
            }
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
            doubts.has_later |= end_ms >= until_ms;
            doubts.times.push((sure_until(connection, entity, day_ms)?, end_ms));
        }
        for &(target, until_ms) in sampled {
            let unsealed = match self.unsealed.get(&target) {
                Some(unsealed) => *unsealed,
                None => {
                    let oldest: Option<i64> = connection
                        .prepare_cached(queries::POLL_UNSEALED_OLDEST)?
                        .query_row(named_params! {":target": target}, |row| row.get(0))
                        .optional()?;
                    self.unsealed.insert(target, oldest);
                    oldest
                }
            };
            // What a target took of it later than this there is not.
            if let Some(at_ms) = unsealed.filter(|at_ms| until_ms.is_none_or(|until_ms| *at_ms <= until_ms)) {
                doubts.times.push((sure_until(connection, entity, at_ms)?, i64::MAX));
                doubts.has_later = true;
            }
        }
        doubts.times.iter_mut().for_each(|(from_ms, _)| *from_ms = self.again_from_ms.max(*from_ms));
        doubts.times.retain(|(from_ms, end_ms)| from_ms < end_ms);
        Ok(doubts)
    }
}

impl Doubts {
    /// Whether some of a time is in doubt.
    fn touch(&self, from_ms: i64, until_ms: i64) -> bool {
        self.times.iter().any(|(doubt_ms, end_ms)| *doubt_ms < until_ms && from_ms < *end_ms)
    }
}

/// The hours of a part, given away where nobody wants others of them.
fn some_of(hours: &mut Option<Hours>, part: TimeRange, is_last: bool) -> Hours {
    let mut some = if is_last { hours.take() } else { hours.clone() }.unwrap_or_default();
    some.keep(part.start(), part.end());
    some
}

/// The whole days (UTC) of a range.
fn whole_days(range: TimeRange) -> Option<TimeRange> {
    let start_ms = range.start().ms().saturating_add(DAY_MS - 1).div_euclid(DAY_MS).saturating_mul(DAY_MS);
    let end_ms = range.end().ms().div_euclid(DAY_MS).saturating_mul(DAY_MS);
    let days = TimeRange::new(Timestamp::from_ms(start_ms), Timestamp::from_ms(end_ms));
    days.filter(|days| !days.is_empty())
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
fn without(range: TimeRange, doubts: &[(i64, i64)]) -> Vec<TimeRange> {
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
