//! The polls that samples from elsewhere are put under: those there are, and others put together from the samples' times.
//!
//! Samples of one target that lie within half an interval of each other are of one poll, at most one of an entity. A poll
//! put together so starts with its oldest sample and is good: something came. What no sample tells of (polls that failed,
//! that saw nothing, a clock that was off) is not known. Must not know: entities, blocks.

use std::collections::HashSet;

use rusqlite::{Connection, named_params};

use crate::model::Outcome;
use crate::store::sqlite::{queries, rollup};

/// The interval where nothing tells it: the configuration's default.
const INTERVAL_MS: i64 = 10_000;

/// Most that samples of one poll lie apart from its beginning: as much as a reader of rows looks back.
const HALF_INTERVAL_MAX_MS: i64 = 30_000;

/// How far around the samples polls are looked at: more than half an interval of any.
const AROUND_MS: i64 = 3_600_000;

/// Distances between neighbouring samples that are looked at to tell an interval: an outage among them does not matter.
const GAPS: usize = 15;

/// Distances between neighbouring samples of one entity, with the times of the later ones.
#[derive(Debug, Default)]
pub(super) struct Gaps(Vec<(i64, i64)>);

impl Gaps {
    /// Adds those between times in order.
    pub(super) fn add(&mut self, at: impl Iterator<Item = i64>) {
        let mut before: Option<i64> = None;
        for at in at {
            if let Some(before) = before.filter(|before| *before < at) {
                self.0.push((at, at.saturating_sub(before)));
            }
            before = Some(at);
        }
    }

    /// To be called once after the last.
    pub(super) fn sort(&mut self) {
        self.0.sort_unstable();
    }

    /// The interval at a time: the middle one of the distances around it, to the whole second.
    fn interval_ms(&self, at: i64) -> Option<i64> {
        let middle = self.0.partition_point(|(other, _)| *other < at);
        let from = middle.saturating_sub(GAPS / 2).min(self.0.len().saturating_sub(GAPS));
        let mut near: Vec<i64> = self.0.iter().skip(from).take(GAPS).map(|(_, gap)| *gap).collect();
        near.sort_unstable();
        let gap = near.get(near.len().saturating_sub(1) / 2).copied()?;
        let seconds = gap.saturating_add(500) / 1000;
        Some(if seconds == 0 { gap } else { seconds.saturating_mul(1000) })
    }
}

/// What a sample needs to know of its poll.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub(super) id: i64,
    pub(super) started_ms: i64,
    pub(super) interval_ms: i64,
    pub(super) clock_offset_ms: i64,
}

#[derive(Debug, Clone)]
struct Poll {
    id: i64,
    started_ms: i64,
    seen_until_ms: i64,
    interval_ms: i64,
    clock_offset_ms: i64,
    at_max_ms: Option<i64>,
    is_new: bool,
    /// Samples that were added.
    added: i64,
}

impl Poll {
    fn takes(&self, at: i64) -> bool {
        let half_ms = (self.interval_ms / 2).clamp(1, HALF_INTERVAL_MAX_MS);
        at >= self.seen_until_ms.saturating_sub(half_ms) && at <= self.started_ms.saturating_add(half_ms)
    }

    fn is_over(&self, at: i64) -> bool {
        at > self.started_ms.saturating_add((self.interval_ms / 2).clamp(1, HALF_INTERVAL_MAX_MS))
    }

    fn add(&mut self, at: i64) -> Taken {
        if self.is_new {
            self.started_ms = self.started_ms.min(at);
        }
        self.seen_until_ms = self.seen_until_ms.max(at);
        self.at_max_ms = self.at_max_ms.max(Some(at));
        self.added = self.added.saturating_add(1);
        Taken {
            id: self.id,
            started_ms: self.started_ms,
            interval_ms: self.interval_ms,
            clock_offset_ms: self.clock_offset_ms,
        }
    }
}

/// The good polls of one target around the samples of a batch.
#[derive(Debug)]
pub(super) struct Polls {
    target: i64,
    list: Vec<Poll>,
    /// Put together for the entity at hand; not among the others until its end.
    fresh: Vec<Poll>,
    cursor: usize,
    gaps: Gaps,
    interval_ms: Option<i64>,
}

impl Polls {
    pub(super) fn load(
        connection: &Connection,
        target: i64,
        (from_ms, until_ms): (i64, i64),
        gaps: Gaps,
        interval_ms: Option<i64>,
    ) -> rusqlite::Result<Polls> {
        let list = connection
            .prepare_cached(queries::POLLS_GOOD_AROUND)?
            .query_map(
                named_params! {
                    ":target": target, ":from_ms": from_ms.saturating_sub(AROUND_MS),
                    ":until_ms": until_ms.saturating_add(AROUND_MS),
                },
                |row| {
                    Ok(Poll {
                        id: row.get(0)?,
                        started_ms: row.get(1)?,
                        seen_until_ms: row.get(2)?,
                        interval_ms: row.get(3)?,
                        clock_offset_ms: row.get(4)?,
                        at_max_ms: row.get(5)?,
                        is_new: false,
                        added: 0,
                    })
                },
            )?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Polls { target, list, fresh: Vec::new(), cursor: 0, gaps, interval_ms })
    }

    /// An entity's samples begin.
    pub(super) fn begin(&mut self) {
        self.cursor = 0;
    }

    /// The poll of the entity's next sample: not one that took another of it.
    pub(super) fn take(&mut self, at: i64, used: &HashSet<i64>, last_id: &mut i64) -> Taken {
        while let Some(poll) = self.list.get(self.cursor) {
            if !poll.is_over(at) && !used.contains(&poll.id) {
                break;
            }
            self.cursor = self.cursor.saturating_add(1);
        }
        let distance = |poll: &Poll| at.saturating_sub(poll.started_ms).saturating_abs();
        let here = self.list.get(self.cursor).filter(|poll| poll.takes(at));
        let next = self.list.get(self.cursor.saturating_add(1));
        let next = next.filter(|poll| poll.takes(at) && !used.contains(&poll.id));
        let skip = match (here, next) {
            (Some(here), Some(next)) => Some(usize::from(distance(next) < distance(here))),
            (Some(_), None) => Some(0),
            (None, Some(_)) => Some(1),
            (None, None) => None,
        };
        if let Some(skip) = skip {
            let position = self.cursor.saturating_add(skip);
            if let Some(poll) = self.list.get_mut(position) {
                self.cursor = position.saturating_add(1);
                return poll.add(at);
            }
        }
        *last_id = last_id.saturating_add(1);
        let mut poll = Poll {
            id: *last_id,
            started_ms: at,
            seen_until_ms: at,
            interval_ms: self.interval_at(at),
            clock_offset_ms: 0,
            at_max_ms: None,
            is_new: true,
            added: 0,
        };
        let taken = poll.add(at);
        self.fresh.push(poll);
        taken
    }

    fn interval_at(&self, at: i64) -> i64 {
        let known = || {
            let after = self.list.partition_point(|poll| poll.started_ms < at);
            let near = self.list.get(after).or_else(|| self.list.last());
            near.map(|poll| poll.interval_ms)
        };
        self.interval_ms.or_else(|| self.gaps.interval_ms(at)).or_else(known).unwrap_or(INTERVAL_MS).max(1)
    }

    /// The entity's samples are over: what was put together for it is there for the next one.
    pub(super) fn end(&mut self) {
        if !self.fresh.is_empty() {
            self.list.append(&mut self.fresh);
            self.list.sort_by_key(|poll| (poll.started_ms, poll.id));
        }
    }

    /// Writes what changed to the file.
    pub(super) fn save(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut insert = connection.prepare_cached(queries::POLL_INSERT)?;
        let mut join = connection.prepare_cached(queries::POLL_JOIN)?;
        let changed = self.list.iter().filter(|poll| poll.added > 0);
        for poll in changed.clone() {
            if poll.is_new {
                insert.execute(named_params! {
                    ":id": poll.id, ":target": self.target, ":started_ms": poll.started_ms,
                    ":duration_ms": poll.seen_until_ms.saturating_sub(poll.started_ms),
                    ":interval_ms": poll.interval_ms, ":bytes": 0, ":outcome": Outcome::Ok.name(), ":error": None::<String>,
                    ":missing": "[]", ":clock_offset_ms": poll.clock_offset_ms, ":seen_until_ms": poll.seen_until_ms,
                    ":samples": poll.added, ":at_min_ms": None::<i64>, ":at_max_ms": poll.at_max_ms,
                })?;
            } else {
                join.execute(named_params! {
                    ":id": poll.id, ":started_ms": poll.started_ms, ":seen_until_ms": poll.seen_until_ms,
                    ":samples": poll.added, ":at_max_ms": poll.at_max_ms,
                })?;
            }
        }
        if let Some(oldest_ms) = changed.clone().map(|poll| poll.started_ms).min() {
            rollup::doubt_firsts(connection, self.target, oldest_ms)?;
        }
        let started_ms = changed.clone().map(|poll| poll.started_ms).max();
        let seen_until_ms = changed.map(|poll| poll.seen_until_ms).max();
        if let Some((started_ms, seen_until_ms)) = started_ms.zip(seen_until_ms) {
            connection.prepare_cached(queries::TARGET_REACH_FURTHER)?.execute(named_params! {
                ":good_started_ms": started_ms, ":good_seen_until_ms": seen_until_ms, ":target": self.target,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_the_usual_distance_around_a_time() {
        let mut gaps = Gaps::default();
        gaps.add((0..20).map(|tick| tick * 10_000 + (tick % 3) * 40));
        // An hour nobody polled, then every 30 s.
        gaps.add((0..20).map(|tick| 4_000_000 + tick * 30_000));
        gaps.sort();
        let check = |at, expected| assert_eq!(gaps.interval_ms(at), expected, "{at}");
        check(0, Some(10_000));
        check(100_000, Some(10_000));
        check(4_300_000, Some(30_000));
        check(i64::MAX, Some(30_000));
        assert_eq!(Gaps::default().interval_ms(0), None);
    }

    #[test]
    fn samples_near_each_other_are_of_one_poll_and_one_entity_has_one_of_each() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE poll (id, target, started_ms, seen_until_ms, interval_ms, clock_offset_ms, at_max_ms, outcome)").unwrap();
        let mut polls = Polls::load(&connection, 1, (0, 100_000), Gaps::default(), Some(10_000)).unwrap();
        let (mut last_id, none) = (0, HashSet::new());
        let mut check = |entity: &[(i64, i64)], used: &HashSet<i64>| {
            polls.begin();
            for (at, expected) in entity {
                assert_eq!(polls.take(*at, used, &mut last_id).id, *expected, "{at}");
            }
            polls.end();
        };
        check(&[(10_000, 1), (20_000, 2), (40_000, 3)], &none);
        // A little later each; one that the first entity did not have; two within one poll's time.
        check(&[(10_060, 1), (20_050, 2), (30_000, 4), (40_010, 3), (40_020, 5)], &none);
        // A poll that has a sample of the entity already takes no second one.
        check(&[(20_070, 6)], &HashSet::from([2]));
        check(&[(9_000, 1), (14_900, 7)], &none);
    }
}
