//! Range questions that hours answer: any history tells the same by them as `Memory`, which makes all hours of samples.

use super::*;
use crate::answer::{self, Stop};
use crate::model::HOUR_MS;
use crate::query::request::RangeRequest;
use crate::render::json;
use crate::store::Limits;

/// Hours answer ranges of a day and more.
pub(in super::super) const DAY_MS: i64 = 24 * HOUR_MS;

/// Questions about a kind that hours answer.
fn questions(kind: &Kind) -> &'static [&'static str] {
    if kind.name == THING.name {
        &[
            "step=1h&fields=work_seconds_total,work_cores,heat,load_bytes&coverage=1",
            "step=6h&fields=work_cores,heat,load_bytes&agg=avg,max,p95&label=x",
            "step=6h&fields=heat,load_bytes&agg=min,last,count",
            "step=1d&top=2&top_by=work_seconds_total&fields=work_seconds_total,load_bytes",
            "step=6h&group_by=label&fields=work_cores,heat,load_bytes",
        ]
    } else {
        &["step=1d&fields=samples&agg=avg,last,count&tz=Europe/Berlin", "step=all&fields=samples"]
    }
}

/// Asks all stores everything about a range; the files must answer to the byte as `Memory` does.
pub(in super::super) fn assert_same_hours(
    memory: &Store,
    files: &[&Store],
    range: TimeRange,
    now: Timestamp,
    interval_ms: i64,
) {
    for kind in KINDS {
        for question in questions(kind) {
            let asked = |store| ask(store, kind, question, range, now, interval_ms);
            let expected = asked(memory);
            for file in files {
                assert_eq!(expected, asked(file), "{} {question} in {range:?}", kind.name);
            }
        }
    }
}

/// Bytes of an answer.
fn ask(
    store: &Store,
    kind: &'static Kind,
    question: &str,
    range: TimeRange,
    now: Timestamp,
    interval_ms: i64,
) -> String {
    let ends = [("start", range.start().ms().to_string()), ("end", range.end().ms().to_string())];
    let pairs =
        question.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name, value.to_owned()));
    let pairs: Vec<_> = pairs.chain(ends).map(|(name, value)| (name.to_owned(), value)).collect();
    let request = RangeRequest::parse(kind, &pairs, now, interval_ms).unwrap();
    let frame = answer::range(store, &request, &Stop::never()).unwrap();
    let mut bytes = Vec::new();
    json::frame(&mut bytes, &frame, &request, &[]).unwrap();
    let answer = String::from_utf8(bytes).unwrap();
    assert!(answer.contains(r#""resolution":"1h""#), "{question}: {answer}");
    answer
}

/// The beginning of four weeks that rolled-up days are merged by.
const WEEKS_MS: i64 = 700 * 28 * DAY_MS;

fn at(days: i64, minutes: i64) -> i64 {
    WEEKS_MS + days * DAY_MS + minutes * 60_000
}

/// A poll that sees one thing, or nothing; polls are an hour apart where they are not said to be anything else.
fn polled(started: i64, seen: Option<Observation>) -> Snapshot {
    let mut snapshot = snapshot("a", started, seen.into_iter().collect());
    snapshot.poll.interval_ms = HOUR_MS;
    snapshot.batches[0].complete = false;
    snapshot
}

/// Tells snapshots to a file that packs all it has after each of them.
fn check(told: &[Snapshot]) {
    let (memory, sealed) = (Bench::memory(), Bench::sealed().at_pace(HOUR_MS));
    for snapshot in told {
        let snapshot = std::slice::from_ref(snapshot);
        assert_eq!(memory.store.append(snapshot).unwrap(), sealed.store.append(snapshot).unwrap());
    }
    for (from, until) in [(0, 28), (9, 13), (10, 11), (11, 12), (12, 13)] {
        assert_same_hours(&memory.store, &[&sealed.store], range(at(from, 0), at(until, 0)), ms(at(30, 0)), HOUR_MS);
    }
}

#[test]
fn a_sample_that_comes_late_changes_the_next_days_hours_in_a_merged_window_too() {
    let poll = |started, work| polled(started, Some(seen("1", Some(sample(started, work)))));
    check(&[poll(at(10, 60), 100), poll(at(12, 0), 300), poll(at(11, 0), 150)]);
    // The stretch before it reaches over midnight.
    check(&[poll(at(11, -30), 100), poll(at(11, 50), 300), poll(at(11, -10), 290), poll(at(10, 60), 50)]);
}

#[test]
fn rollups_that_both_know_of_a_sample_between_them_do_not_make_each_other_again_for_ever() {
    let told = |started, at, work| polled(started, Some(seen("1", Some(sample(at, work)))));
    let bench = Bench::sealed().at_pace(HOUR_MS);
    let append = |told: Snapshot| bench.store.append(&[told]).unwrap();
    // What was rolled up of the second goes, but its poll is young and stays.
    append(told(at(1, 0), at(-1, 0), 200));
    append(told(at(5, 0), at(5, 0), 300));
    let cutoffs = Cutoffs { samples: Some(ms(at(0, 0))), rollups: Some(ms(at(0, 0))), events: None };
    retain_all(&bench.store, &cutoffs);
    append(told(at(6, 0), at(-3, 0), 100));
    assert_eq!(times(&read(&bench.store, "1", range(at(-4, 0), at(7, 0)))), [at(-3, 0), at(-1, 0), at(5, 0)]);
}

#[test]
fn what_comes_late_is_doubtful_up_to_the_next_sample_however_far_that_is() {
    let told = |at, work| polled(at, Some(seen("1", Some(sample(at, work)))));
    let late = |work| polled(at(21, 0), Some(seen("1", Some(sample(at(10, 0), work)))));
    // Once the next sample is in a rollup of its day alone, and once in one of four weeks.
    for rolled_at in [at(22, 0), at(60, 0)] {
        let (memory, file) = (Bench::memory(), Bench::sqlite().at_pace(HOUR_MS));
        let append = |told: Snapshot, upkeep_at| {
            for store in [&memory.store, &file.store] {
                store.append(std::slice::from_ref(&told)).unwrap();
            }
            while file.store.upkeep(ms(upkeep_at), &Limits::default()).unwrap().more {}
        };
        append(told(at(20, 0), 300), rolled_at);
        append(late(100), at(21, 180));
        assert_same_hours(&memory.store, &[&file.store], range(at(20, 0), at(21, 0)), ms(at(21, 180)), HOUR_MS);
    }
}

#[test]
fn a_poll_that_comes_late_changes_what_began_under_its_eyes() {
    let born = Sample { since: Some(ms(at(11, -10))), ..sample(at(11, 20), 700) };
    let first = polled(at(11, 20), Some(seen("1", Some(born))));
    let next = polled(at(11, 80), Some(seen("1", Some(Sample { since: born_at(), ..sample(at(11, 80), 900) }))));
    // Before its beginning: it was born then. Between that and its first sample: it was not.
    check(&[first.clone(), next.clone(), polled(at(11, -40), None)]);
    check(&[first, next, polled(at(11, -40), None), polled(at(11, 10), None)]);
}

fn born_at() -> Option<Timestamp> {
    Some(ms(at(11, -10)))
}

#[test]
fn attributes_that_change_at_an_earlier_time_than_samples_that_are_rolled_up_hold_for_them() {
    let with = |number: &str, label, sample| Observation { attributes: labelled(label), ..seen(number, sample) };
    check(&[
        polled(at(10, 0), Some(with("1", "x", Some(sample(at(10, 0), 100))))),
        polled(at(11, 0), Some(seen("1", Some(sample(at(11, 300), 200))))),
        polled(at(11, 60), Some(with("1", "y", None))),
    ]);
}
