//! Chains are invisible: a target was seen when its polls say so, packed or not, there or gone.

use proptest::prelude::*;

use super::*;
use crate::model::{Outcome, Poll, Snapshot};
use crate::source::KINDS;
use crate::store::memory::Memory;
use crate::store::sqlite::Sqlite;
use crate::store::{Cutoffs, Limits};

/// The last day of the four weeks that days are merged into.
const START_MS: i64 = 700 * 28 * DAY_MS - DAY_MS;
const INTERVAL_MS: i64 = 1_800_000;

/// A tick before it is known when: the time since the one before, how long it took, and how it ended.
type Told = (i64, i64, Outcome);

fn told() -> impl Strategy<Value = Told> {
    let passed_ms = prop_oneof![
        8 => Just(INTERVAL_MS),
        2 => 0..3_i64,
        2 => (0..12_i64).prop_map(|tens| tens * 10_000),
        2 => (0..30_i64).prop_map(|intervals| intervals * INTERVAL_MS),
        // Another recorder before, or a clock that steps back.
        1 => (-30..0_i64).prop_map(|intervals| intervals * INTERVAL_MS),
    ];
    let duration_ms = prop_oneof![6 => Just(40), 1 => 0..60_000_i64, 1 => 0..50_000_000_i64];
    let outcome = prop_oneof![
        6 => Just(Outcome::Ok), 1 => Just(Outcome::Partial), 3 => Just(Outcome::Refused), 1 => Just(Outcome::Timeout)
    ];
    (passed_ms, duration_ms, outcome)
}

fn snapshot((_, duration_ms, outcome): Told, started_ms: i64) -> Snapshot {
    let poll = Poll {
        target: TargetName::new("docker", "a"),
        started: Timestamp::from_ms(started_ms),
        duration_ms,
        interval_ms: INTERVAL_MS,
        bytes: 0,
        outcome,
        error: None,
        missing: Vec::new(),
        clock_offset_ms: 0,
    };
    Snapshot { poll, batches: Vec::new(), events: Vec::new() }
}

/// When the target was seen in a range, as text, long after that range.
fn answer(store: &Store, range: TimeRange, by_hours: bool) -> String {
    answer_at(store, range, Timestamp::MAX, by_hours)
}

fn answer_at(store: &Store, range: TimeRange, now: Timestamp, by_hours: bool) -> String {
    let seen = seen(store, &TargetName::new("docker", "a"), range, (now, by_hours), &Stop::never()).unwrap();
    let ran = [TimeRange::new(Timestamp::from_ms(START_MS), Timestamp::from_ms(START_MS + 2 * DAY_MS)).unwrap()];
    let covered: Vec<TimeRange> = seen.covered().iter().filter_map(|span| span.intersect(range)).collect();
    format!("{covered:?} {:?} {}", seen.gaps(range, &ran), seen.silence_ms())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn chains_tell_when_a_target_was_seen_as_its_polls_do(
        steps in proptest::collection::vec((proptest::collection::vec(told(), 1..20), proptest::option::of(0..6_i64)), 1..6),
        asked in proptest::collection::vec((any::<proptest::sample::Index>(), -100_000..100_000_i64, 1..80_i64), 1..10),
        gone in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let memory = Store::Memory(Memory::new(KINDS));
        let file = Store::Sqlite(Sqlite::open(&directory.path().join("test.db"), KINDS).unwrap());
        let (mut started_ms, mut times) = (START_MS, vec![START_MS]);
        let keep_up = |now_ms: i64| while file.upkeep(Timestamp::from_ms(now_ms), &Limits::default()).unwrap().more {};
        for (ticks, packed) in steps {
            for tick in ticks {
                started_ms += tick.0;
                times.push(started_ms);
                let snapshot = [snapshot(tick, started_ms)];
                prop_assert_eq!(memory.append(&snapshot).unwrap(), file.append(&snapshot).unwrap());
            }
            // Days in which more comes afterwards, too.
            packed.into_iter().for_each(|days| keep_up(started_ms + days * DAY_MS));
        }
        let ranges: Vec<TimeRange> = asked.into_iter().map(|(place, shift_ms, hours)| {
            let start = Timestamp::from_ms(place.get(&times) + shift_ms);
            TimeRange::new(start, start.plus_ms(hours * 3_600_000)).unwrap()
        }).collect();
        for range in &ranges {
            prop_assert_eq!(answer(&memory, *range, true), answer(&file, *range, true), "{:?}", range);
        }
        let Some(gone) = gone else { return Ok(()) };
        // With time for all of it to settle.
        keep_up(times.iter().copied().max().unwrap_or(START_MS) + 30 * DAY_MS);
        let cutoff = Timestamp::from_ms(*gone.get(&times));
        let cutoffs = Cutoffs { samples: Some(cutoff), rollups: None, events: None };
        while file.retain(&cutoffs).unwrap().more {}
        for range in &ranges {
            prop_assert_eq!(answer(&memory, *range, true), answer(&file, *range, true), "{:?} from {:?}", range, cutoff);
        }
    }

    #[test]
    fn what_comes_after_a_range_has_settled_changes_nothing(
        ticks in proptest::collection::vec(told(), 1..40),
        asked in proptest::collection::vec((any::<proptest::sample::Index>(), -100_000..100_000_i64, 1..80_i64), 1..10),
    ) {
        let (early, late) = (Store::Memory(Memory::new(KINDS)), Store::Memory(Memory::new(KINDS)));
        let mut started_ms = START_MS;
        let ticks: Vec<(i64, Told)> = ticks.into_iter().map(|tick| {
            started_ms += tick.0.abs();
            (started_ms, tick)
        }).collect();
        for (started_ms, tick) in &ticks {
            late.append(&[snapshot(*tick, *started_ms)]).unwrap();
        }
        let mut asked: Vec<TimeRange> = asked.into_iter().map(|(place, shift_ms, hours)| {
            let start = Timestamp::from_ms(place.get(&ticks).0 + shift_ms);
            TimeRange::new(start, start.plus_ms(hours * 3_600_000)).unwrap()
        }).collect();
        asked.sort_by_key(|range| range.end());
        let mut ticks = ticks.into_iter().peekable();
        for range in asked {
            let now = range.end().plus_ms(settle_ms(INTERVAL_MS));
            while let Some((started_ms, tick)) = ticks.next_if(|(started_ms, _)| *started_ms < now.ms()) {
                early.append(&[snapshot(tick, started_ms)]).unwrap();
            }
            let then = answer_at(&early, range, now, false);
            prop_assert_eq!(then, answer_at(&late, range, Timestamp::MAX, false), "{:?}", range);
        }
    }
}
