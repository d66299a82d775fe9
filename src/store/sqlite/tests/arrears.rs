//! Months that nobody looked after: upkeep catches up in steps of a bounded size, and what is recorded meanwhile waits for
//! none of them.

use std::time::Duration;

use super::*;
use crate::clock::Clock;
use crate::model::{HOUR_MS, Snapshot};
use crate::store::Store;
use crate::store::conformance::hours::{DAY_MS, assert_same_hours};
use crate::store::memory::Memory;

const DAYS: i64 = 62;
const THINGS: i64 = 8;

/// The beginning of four weeks that rolled-up days are merged by.
const START_MS: i64 = 720 * 28 * DAY_MS;

/// A round an hour: so many samples make a day.
const DAY_SAMPLES: usize = 24;

fn round(at_ms: i64) -> Snapshot {
    let seen = (0..THINGS).map(|number| seen(&number.to_string(), Some(sample(at_ms + number, at_ms * (number + 1)))));
    let mut snapshot = snapshot("a", at_ms, seen.collect());
    snapshot.poll.interval_ms = HOUR_MS;
    snapshot
}

/// Two months in the journal, and in the oracle.
fn recorded() -> (tempfile::TempDir, Sqlite, Store) {
    let (directory, mut sqlite) = store();
    sqlite.windows = Windows::USUAL;
    let memory = Store::Memory(Memory::new(KINDS));
    for day in 0..DAYS {
        let rounds: Vec<_> = (0..24).map(|hour| round(START_MS + day * DAY_MS + hour * HOUR_MS)).collect();
        assert_eq!(sqlite.append(&rounds).unwrap(), memory.append(&rounds).unwrap());
    }
    (directory, sqlite, memory)
}

fn assert_same(sqlite: Sqlite, memory: &Store, now_ms: i64) -> Sqlite {
    let sqlite = Store::Sqlite(sqlite);
    for (from, until) in [(0, DAYS + 1), (27, 30)] {
        let range = TimeRange::new(ms(START_MS + from * DAY_MS), ms(START_MS + until * DAY_MS)).unwrap();
        assert_same_hours(memory, &[&sqlite], range, ms(now_ms), HOUR_MS);
    }
    let Store::Sqlite(sqlite) = sqlite else { unreachable!() };
    sqlite
}

#[test]
fn two_months_are_caught_up_with_in_small_steps_while_recording_goes_on() {
    for (samples_per_step, days_max) in [(Windows::USUAL.rolled_per_step, 100), (5 * DAY_SAMPLES, 5)] {
        let (_directory, mut sqlite, memory) = recorded();
        sqlite.windows.rolled_per_step = samples_per_step;
        let mut now_ms = START_MS + DAYS * DAY_MS;
        let (mut days, mut steps) = (0, 0);
        for turn in 0.. {
            let done = sqlite.upkeep(ms(now_ms), &Limits::default()).unwrap();
            assert!(done.rolled_days <= days_max, "{} days in one step", done.rolled_days);
            if done.rolled_days > 0 {
                (days, steps) = (days + done.rolled_days, steps + 1);
            }
            if !done.more {
                break;
            }
            // Between any two steps what is new is taken at once.
            if turn % 8 == 0 {
                now_ms += 10_000;
                let rounds = [round(now_ms)];
                assert_eq!(sqlite.append(&rounds).unwrap(), memory.append(&rounds).unwrap());
                if done.rolled_days > 0 && steps % 16 == 1 {
                    sqlite = assert_same(sqlite, &memory, now_ms);
                }
            }
            assert!(turn < 20_000, "upkeep does not end");
        }
        let due = u64::try_from(DAYS * THINGS).unwrap();
        assert!(days >= due && steps >= due / days_max, "{days} days in {steps} steps");
        assert_same(sqlite, &memory, now_ms);
    }
}

#[test]
fn days_are_rolled_up_beside_the_writer_and_a_sample_that_comes_in_between_counts() {
    let (_directory, mut sqlite, memory) = recorded();
    let now_ms = START_MS + DAYS * DAY_MS;
    let plan = |sqlite: &Sqlite| {
        sqlite.reading("roll", |connection| rollup::plan(connection, KINDS, &sqlite.windows, ms(now_ms), None)).unwrap()
    };
    while plan(&sqlite).is_none() {
        assert!(sqlite.upkeep(ms(now_ms), &Limits::default()).unwrap().more);
    }
    let roll = {
        // The writer is busy all the while.
        let _busy = sqlite.writer().unwrap();
        plan(&sqlite).unwrap()
    };
    let late = [round(START_MS + HOUR_MS / 2), round(START_MS + 3 * DAY_MS - 1)];
    assert_eq!(sqlite.append(&late).unwrap(), memory.append(&late).unwrap());
    assert!(roll.commit(&mut sqlite.writer().unwrap().connection).unwrap() > 0);
    sqlite = assert_same(sqlite, &memory, now_ms);
    while sqlite.upkeep(ms(now_ms), &Limits::default()).unwrap().more {}
    assert_same(sqlite, &memory, now_ms);
}

/// A pause of the writer that nobody notices, also on a machine that does much else; `benches/blocks.rs` tells how long
/// they are on one that does not.
const PAUSE_MAX_MS: i64 = 250;

#[test]
#[ignore = "millions of samples; run it by hand, in a release build"]
fn appends_do_not_wait_while_weeks_are_caught_up_with() {
    const TICKS: i64 = 20 * DAY_MS / 30_000;
    let round = |tick: i64| {
        let at_ms = START_MS + tick * 30_000;
        let seen = (0..100).map(|number| seen(&number.to_string(), Some(sample(at_ms + number, tick * (number + 1)))));
        let mut snapshot = snapshot("a", at_ms, seen.collect());
        snapshot.poll.interval_ms = 30_000;
        snapshot
    };
    let (_directory, mut sqlite) = store();
    sqlite.windows = Windows::USUAL;
    for hour in 0..TICKS / 120 {
        let rounds: Vec<_> = (hour * 120..(hour + 1) * 120).map(round).collect();
        sqlite.append(&rounds).unwrap();
    }
    let now = ms(START_MS + TICKS * 30_000);
    let mut tick = TICKS;
    let mut append = || {
        let rounds = [round(tick)];
        tick += 1;
        let begun_ms = Clock::System.monotonic_ms();
        sqlite.append(&rounds).unwrap();
        let took_ms = Clock::System.monotonic_ms() - begun_ms;
        std::thread::sleep(Duration::from_millis(5));
        took_ms
    };
    let alone: Vec<i64> = (0..200).map(|_| append()).collect();
    let mut beside = Vec::new();
    let steps = std::thread::scope(|scope| {
        let upkeep = scope.spawn(|| {
            let mut steps = 0;
            while sqlite.upkeep(now, &Limits::default()).unwrap().more {
                steps += 1;
            }
            steps
        });
        while !upkeep.is_finished() {
            beside.push(append());
        }
        upkeep.join().unwrap()
    });
    beside.sort_unstable();
    let longest_ms = beside[beside.len() - 1];
    let usually_ms = beside[beside.len() * 999 / 1000];
    eprintln!(
        "{} appends beside {steps} steps of upkeep: the longest took {longest_ms} ms, 999 of 1000 at most {usually_ms} ms; \
         alone at most {:?} ms",
        beside.len(),
        alone.iter().max().unwrap(),
    );
    assert!(usually_ms < PAUSE_MAX_MS, "{usually_ms} ms");
}
