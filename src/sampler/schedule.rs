//! When to poll: ticks on the wall clock, spread over targets, sparser while a target is down.
//!
//! Pure: now is an argument. Must not know: tasks, sources, the store.

use std::time::Duration;

use crate::model::time::duration_ms;
use crate::model::{TargetName, Timestamp};

/// Targets begin their polls spread over this first part of the interval: not all at once, and still close
/// enough together that one instant can be compared across targets.
const SPREAD_PERCENT: i64 = 30;

/// A target whose first tick lies further off is visited once at the start, so that a slow cadence does not
/// mean minutes without data after every start.
const FIRST_VISIT_WITHIN_MS: i64 = 10_000;

/// A target that is down is tried at least this often…
const BACKOFF_MAX_MS: i64 = 60_000;

/// …and at least every so many intervals, so that a fast cadence finds it back fast.
const BACKOFF_MAX_TICKS: i64 = 6;

/// The ticks of one target: wall clock times equal to `offset_ms` modulo `interval_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schedule {
    interval_ms: i64,
    offset_ms: i64,
    hash: u64,
}

impl Schedule {
    /// The ticks of a target, always the same for its name and interval.
    pub(super) fn new(target: &TargetName, interval: Duration) -> Self {
        let interval_ms = duration_ms(interval).max(1);
        let hash = fnv1a(target.as_str().as_bytes());
        let spread_ms = interval_ms.saturating_mul(SPREAD_PERCENT).div_euclid(100).max(1);
        Schedule { interval_ms, offset_ms: part_of(hash, spread_ms), hash }
    }

    /// The polling interval.
    pub(super) fn interval_ms(&self) -> i64 {
        self.interval_ms
    }

    /// The first tick strictly after `at`.
    pub(super) fn after(&self, at: Timestamp) -> Timestamp {
        let passed = at.ms().saturating_sub(self.offset_ms).div_euclid(self.interval_ms);
        let ticks_ms = passed.saturating_add(1).saturating_mul(self.interval_ms);
        Timestamp::from_ms(ticks_ms.saturating_add(self.offset_ms))
    }

    /// The first visit after a start at `now`.
    pub(super) fn first(&self, now: Timestamp) -> Timestamp {
        let aligned = self.after(now);
        if aligned.ms_since(now) > FIRST_VISIT_WITHIN_MS {
            now.plus_ms(self.offset_ms.rem_euclid(FIRST_VISIT_WITHIN_MS))
        } else {
            aligned
        }
    }

    /// The tick after `tick`, which came when the clock read `now`. Far from each other (the wall clock was
    /// stepped, the machine slept) the clock counts: what was jumped over were no ticks.
    pub(super) fn next(&self, tick: Timestamp, now: Timestamp) -> Timestamp {
        let off_ms = now.ms_since(tick).saturating_abs();
        self.after(if off_ms <= self.interval_ms / 2 { tick } else { now })
    }

    /// How many ticks on the next visit is, after so many failures in a row: the next one twice, then up to
    /// twice as far each time, with jitter between half of that and all of it.
    pub(super) fn backoff_ticks(&self, failures: u32) -> i64 {
        let most = (BACKOFF_MAX_MS / self.interval_ms).clamp(1, BACKOFF_MAX_TICKS);
        let ticks = 1i64.checked_shl(failures.saturating_sub(2).min(16)).unwrap_or(most).min(most);
        let jitter = part_of(self.hash.rotate_left(failures % 64) ^ u64::from(failures), ticks / 2 + 1);
        ticks - jitter
    }
}

/// FNV-1a: small, and the same on every machine and in every version.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A number in 0..`below` that depends on all bits of `hash`.
fn part_of(hash: u64, below: i64) -> i64 {
    let below = u64::try_from(below).unwrap_or(1).max(1);
    i64::try_from((hash ^ (hash >> 32)) % below).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(name: &str, interval_ms: u64) -> Schedule {
        Schedule::new(&TargetName::new("docker", name), Duration::from_millis(interval_ms))
    }

    #[test]
    fn ticks_are_aligned_and_spread_over_the_first_part_of_the_interval() {
        let offsets: std::collections::BTreeSet<i64> =
            (0..100).map(|n| schedule(&format!("node-{n}"), 10_000).offset_ms).collect();
        assert!(offsets.len() > 90, "spread: {}", offsets.len());
        assert!(offsets.iter().all(|offset| (0..3000).contains(offset)));
        assert!(offsets.iter().any(|offset| *offset < 600) && offsets.iter().any(|offset| *offset > 2400));

        let schedule = Schedule { interval_ms: 10_000, offset_ms: 1500, hash: 0 };
        for (at, expected) in [(0, 1500), (1499, 1500), (1500, 11_500), (11_499, 11_500), (-9000, -8500)] {
            assert_eq!(schedule.after(Timestamp::from_ms(at)), Timestamp::from_ms(expected), "after {at}");
        }
    }

    #[test]
    fn a_slow_cadence_is_visited_soon_after_the_start() {
        let slow = schedule("images", 600_000);
        let now = Timestamp::from_ms(1_787_000_000_123);
        assert!((0..10_000).contains(&slow.first(now).ms_since(now)));
        let fast = schedule("images", 10_000);
        assert_eq!(fast.first(now), fast.after(now));
    }

    #[test]
    fn a_stepped_clock_does_not_stop_or_double_ticks() {
        let schedule = Schedule { interval_ms: 10_000, offset_ms: 0, hash: 0 };
        let check = |tick: i64, now: i64, expected: i64| {
            let next = schedule.next(Timestamp::from_ms(tick), Timestamp::from_ms(now));
            assert_eq!(next, Timestamp::from_ms(expected), "tick {tick} at {now}");
        };
        check(50_000, 50_002, 60_000);
        check(50_000, 49_999, 60_000); // Woken a little early: not the same tick again.
        check(50_000, 3_650_001, 3_660_000); // An hour forward.
        check(3_650_000, 50_001, 60_000); // An hour back.
        check(50_000, 54_000, 60_000); // Late, but within the tick.
    }

    #[test]
    fn backoff_grows_to_a_bound_and_keeps_the_second_try_quick() {
        let schedule = schedule("node-1", 10_000);
        assert_eq!([1, 2].map(|failures| schedule.backoff_ticks(failures)), [1, 1]);
        for failures in 3..200 {
            let ticks = schedule.backoff_ticks(failures);
            assert!((1..=BACKOFF_MAX_TICKS).contains(&ticks), "{failures}: {ticks}");
        }
        let far: std::collections::BTreeSet<i64> = (10..60).map(|failures| schedule.backoff_ticks(failures)).collect();
        assert!(far.len() > 1, "jitter: {far:?}");
        assert_eq!(schedule_ticks_max(600_000), 1, "a slow cadence is never made slower");
        assert_eq!(schedule_ticks_max(30_000), 2);
    }

    fn schedule_ticks_max(interval_ms: u64) -> i64 {
        (1..100).map(|failures| schedule("node-1", interval_ms).backoff_ticks(failures)).max().unwrap()
    }
}
