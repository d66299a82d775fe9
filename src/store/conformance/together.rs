//! Runs of many entities read together: of polls whose samples take several pieces, in any choice and order.

use super::*;
use crate::store::{FetchAll, Limits};

/// More than two pieces of a poll hold.
const THINGS: i64 = 150;

/// What tick saw of a thing: all thirds are away now and then, some end early, some begin late.
fn is_there(tick: i64, number: i64) -> bool {
    (number + tick) % 3 != 0 && (number % 7 != 0 || tick < 4) && (number % 11 != 0 || tick > 8)
}

fn fill(bench: &mut Bench) {
    for tick in 0..12 {
        let numbers = (0..THINGS).filter(|number| is_there(tick, *number));
        let seen = numbers.map(|number| seen(&number.to_string(), Some(sample(tick * 10_000 + number, tick * number))));
        let mut snapshot = snapshot(if tick % 4 == 3 { "b" } else { "a" }, tick * 10_000, seen.collect());
        snapshot.batches[0].complete = tick % 5 == 4;
        bench.store.append(&[snapshot]).unwrap();
        if tick == 7 {
            while bench.store.upkeep(ms(60_000), &Limits::default()).unwrap().more {}
        }
    }
}

#[test]
fn runs_read_together_are_what_they_are_alone() {
    let mut oracle = Bench::memory();
    fill(&mut oracle);
    over_all(|bench| {
        fill(bench);
        for step in [1, 2, 7, 64, 149] {
            let numbers = (0..THINGS + 3).map(|index| index * 37 % (THINGS + 3)).filter(|number| number % step == 0);
            let things: Vec<Identity> = numbers.map(|number| thing(&number.to_string())).collect();
            let identities: Vec<&Identity> = things.iter().collect();
            let ranges =
                [(0, 120_000), (35_000, 35_001), (35_000, 90_000), (60_000, 60_000), (110_100, 500_000), (-9, 0)];
            for (start, end) in ranges {
                let fetch =
                    FetchAll { kind: &THING, identities: &identities, range: range(start, end), columns: &[2, 0] };
                let (expected, given) = (oracle.store.read_all(&fetch).unwrap(), bench.store.read_all(&fetch).unwrap());
                assert_eq!(expected.runs.len(), given.runs.len());
                for ((identity, expected), given) in identities.iter().zip(&expected.runs).zip(&given.runs) {
                    assert_same_run(expected, given);
                    let alone = Fetch { kind: &THING, identity, range: fetch.range, columns: fetch.columns };
                    assert_same_run(expected, &bench.store.read(&alone).unwrap());
                }
            }
        }
    });
}

#[test]
fn what_many_share_is_read_once() {
    let bench = Bench::sqlite();
    for tick in 0..5 {
        let seen = (0..THINGS).map(|number| seen(&number.to_string(), Some(sample(tick * 10_000, tick))));
        bench.store.append(&[snapshot("a", tick * 10_000, seen.collect())]).unwrap();
    }
    let things: Vec<Identity> = (0..THINGS).map(|number| thing(&number.to_string())).collect();
    let identities: Vec<&Identity> = things.iter().collect();
    let read = |identities: &[&Identity]| {
        let fetch = FetchAll { kind: &THING, identities, range: range(10_000, 40_000), columns: &[0] };
        bench.store.read_all(&fetch).unwrap().work
    };
    // Three pieces of each of five polls: the range's and one on either side.
    let together = read(&identities);
    assert_eq!((together.pieces, together.blocks), (15, 0));
    let alone = read(&identities[..1]);
    assert_eq!(alone.pieces, 5);
    assert!(alone.bytes > 0 && together.bytes > 2 * alone.bytes, "{alone:?} {together:?}");
}
