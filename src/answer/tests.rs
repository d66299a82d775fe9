//! Requests over a store seeded by hand: pages add up to the whole, ranges to the range, top keeps the largest.

use std::ops::ControlFlow;

use super::*;
use crate::model::{Attributes, KindBatch, Observation, Outcome, Poll, Sample, Snapshot, Value};
use crate::query::cell::Number;
use crate::query::request::SamplesRequest;
use crate::source::KINDS;
use crate::store::memory::Memory;
use crate::store::sqlite::Sqlite;

const START: i64 = 1_790_000_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_ms(START + seconds * 1000)
}

pub(super) fn container() -> &'static Kind {
    crate::source::kind("container").unwrap()
}

/// Appends a good poll of the engine `node-1`.
pub(super) fn append(store: &Store, started: Timestamp, interval_ms: i64, batch: KindBatch) {
    let poll = Poll {
        target: TargetName::new("docker", "node-1"),
        started,
        duration_ms: 0,
        interval_ms,
        bytes: 1,
        outcome: Outcome::Ok,
        error: None,
        missing: Vec::new(),
        clock_offset_ms: 0,
    };
    store.append(&[Snapshot { poll, batches: vec![batch], events: Vec::new() }]).unwrap();
}

/// Three containers polled every 10 s for ten minutes: `a` uses 0.1 cores, `b` 0.2, `c` 0.3; `b` restarts at 301 s.
fn seeded() -> Store {
    seed(Store::Memory(Memory::new(KINDS)))
}

fn seed(store: Store) -> Store {
    let kind = container();
    let cpu = kind.column_index("cpu_usage_seconds_total").unwrap();
    for tick in 0..60 {
        let observations = ["a", "b", "c"].iter().zip(1i64..).map(|(name, tenths)| {
            let restarted = *name == "b" && tick > 30;
            let since = if restarted { 301 } else { -100 };
            let seconds = tick * 10;
            let mut values = vec![Value::Null; kind.columns.len()];
            values[cpu] = Value::Int((seconds - since) * tenths * 100_000_000);
            let mut attributes = Attributes::new();
            attributes.insert("name", (*name).into());
            attributes.insert("app", if *name == "c" { "other" } else { "shop" }.into());
            Observation {
                identity: Identity::new(["node-1", name]),
                attributes: Some(attributes),
                ended: None,
                sample: Some(Sample { at: at(seconds), since: Some(at(since)), values: values.into() }),
            }
        });
        let batch = KindBatch { kind, complete: true, observations: observations.collect() };
        append(&store, at(tick * 10), 10_000, batch);
    }
    store
}

pub(super) fn parameters(text: &str) -> Vec<(String, String)> {
    text.split_whitespace()
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn ask(store: &Store, text: &str) -> Frame {
    let range = format!("start={} end={} {text}", START / 1000, START / 1000 + 600);
    let defaults = if text.contains("start=") { text.to_owned() } else { range };
    let request = RangeRequest::parse(container(), &parameters(&defaults), at(600), 10_000).unwrap();
    range_of(store, &request)
}

fn range_of(store: &Store, request: &RangeRequest) -> Frame {
    range(store, request, &Stop::never()).unwrap()
}

fn names(frame: &Frame) -> Vec<String> {
    frame.series.iter().map(|series| series.labels.last().cloned().flatten().unwrap_or_default()).collect()
}

#[test]
fn an_empty_store_answers_with_no_series() {
    let frame = ask(&Store::Memory(Memory::new(KINDS)), "step=1m");
    assert_eq!((frame.series.len(), frame.times.len()), (0, 10 + usize::from(START / 1000 % 60 != 0)));
}

#[test]
fn increases_of_adjoining_ranges_equal_the_whole() {
    let store = seeded();
    let total = |start: i64, end: i64| {
        let (start, end) = (START / 1000 + start, START / 1000 + end);
        let frame =
            ask(&store, &format!("start={start} end={end} step=all fields=cpu_usage_seconds_total group_by=app"));
        let of = |series: &Series| match series.values[0][0] {
            Number::Scaled { value, .. } => value,
            _ => 0,
        };
        frame.series.iter().map(of).sum::<i64>()
    };
    assert_eq!(total(0, 600), total(0, 123) + total(123, 304) + total(304, 307) + total(307, 600));
    // a: 590 s, c: 590 s, b: 300 s and, new life, 289 s from 301 s on.
    assert_eq!(total(0, 600), (59 + 177) * 1_000_000_000 + (300 + 289) * 200_000_000);
}

#[test]
fn the_plan_tells_what_was_decoded_and_sealing_changes_only_that() {
    let directory = tempfile::tempdir().unwrap();
    let store = seed(Store::Sqlite(Sqlite::open(&directory.path().join("a.db"), KINDS).unwrap()));
    let asked = format!("start={} end={} step=1m fields=cpu_cores", START / 1000, START / 1000 + 600);
    let request = RangeRequest::parse(container(), &parameters(&asked), at(600), 10_000).unwrap();
    let planned = || range_with_plan(&store, &request, &Stop::never()).unwrap();
    let (recorded, plan) = planned();
    // A piece of each poll holds all three.
    assert_eq!((plan.entities, plan.samples, plan.pieces, plan.blocks), (3, 180, 60, 0), "{plan:?}");
    assert!(plan.bytes > 60 * 64, "{plan:?}");
    while store.upkeep(at(3 * 86_400), &crate::store::Limits::default()).unwrap().more {}
    let (sealed, plan) = planned();
    assert_eq!((plan.entities, plan.samples, plan.pieces, plan.blocks), (3, 180, 0, 3), "{plan:?}");
    assert!(plan.bytes > 0, "{plan:?}");
    assert_eq!((&recorded.series, recorded.series.len()), (&sealed.series, 3));
}

#[test]
fn a_top_of_one_bucket_is_the_head_of_all() {
    let store = seeded();
    for fields in ["fields=cpu_cores", "fields=cpu_cores,cpu_usage_seconds_total", "fields=cpu_cores group_by=app"] {
        let all = ask(&store, &format!("step=all {fields}"));
        let top = ask(&store, &format!("step=all {fields} top=2 top_by=cpu_cores.avg"));
        let mut expected = all.series.clone();
        expected.sort_by(|a, b| b.values[0][0].as_f64().partial_cmp(&a.values[0][0].as_f64()).unwrap());
        expected.truncate(2);
        assert_eq!(top.series, expected, "{fields}");
    }
}

#[test]
fn top_keeps_the_largest_largest_first() {
    let store = seeded();
    assert_eq!(names(&ask(&store, "top=2 step=1m")), ["c", "b"]);
    assert_eq!(
        names(&ask(&store, "top=2 top_by=cpu_usage_seconds_total.increase step=1m fields=cpu_cores")),
        ["c", "b"]
    );
    // The shop used 176.8 s of CPU in 590 s: 0.2997 cores, just below the other's 0.3.
    assert_eq!(names(&ask(&store, "top=1 group_by=app step=1m fields=cpu_cores")), ["other"]);
    assert_eq!(names(&ask(&store, "step=1m app=!other")), ["a", "b"]);
}

#[test]
fn a_group_adds_its_members_and_a_restart_gives_no_spike() {
    let frame = ask(&seeded(), "group_by=app step=all fields=cpu_cores agg=avg,max");
    let shop = &frame.series[1];
    assert_eq!(shop.labels, [Some("shop".to_owned())]);
    // Over the 590 s that the engine was seen: a 59 s, b 60 + 57.8 s of CPU.
    let avg = shop.values[0][0].as_f64().unwrap();
    assert!((avg - (59.0 + 60.0 + 57.8) / 590.0).abs() < 1e-9, "{avg}");
    assert_eq!(shop.values[1][0].as_f64(), Some(0.2));
}

#[test]
fn pages_of_samples_add_up_to_the_whole() {
    let store = seeded();
    let read = |text: &str| {
        let text = format!("start={} end={} {text}", START / 1000, START / 1000 + 600);
        let request = SamplesRequest::parse(container(), &parameters(&text), at(600)).unwrap();
        let mut rows = Vec::new();
        let end = samples(&store, &request, &Stop::never(), &mut |row| {
            rows.push((row.identity.clone(), row.at, row.columns.to_vec(), row.derived.to_vec()));
            ControlFlow::Continue(())
        });
        (rows, end.unwrap())
    };
    let (whole, end) = read("");
    assert_eq!((whole.len(), end), (180, SamplesEnd { rows: 180, next: None }));
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let (rows, end) = read(&format!("limit=7 {cursor}"));
        paged.extend(rows);
        let Some((identity, at)) = end.next else { break };
        cursor = format!("cursor={}", crate::query::request::samples_cursor(&identity, at));
    }
    assert_eq!(paged, whole);
}

#[test]
fn a_range_of_decades_is_the_range_of_its_samples() {
    let store = seeded();
    let ask = |start: &str, end: &str| {
        let text = format!("start={start} end={end} step=all group_by=app coverage=1 fields=cpu_usage_seconds_total");
        ask(&store, &text).series.into_iter().map(|series| series.values).collect::<Vec<_>>()
    };
    let near = ask(&(START / 1000).to_string(), &(START / 1000 + 600).to_string());
    assert_eq!(ask("1971", "2100"), near);
}

#[test]
fn work_ends_when_nobody_waits() {
    let stop = Stop::when(|| true);
    let request = RangeRequest::parse(container(), &parameters("start=2026 end=2027"), at(600), 10_000).unwrap();
    assert!(matches!(range(&seeded(), &request, &stop), Err(AnswerError::Stopped)));
}

/// Visits of a target with an interval of ten minutes that saw `a`, and of a recorder each ten seconds; in seconds.
fn slow(good: &[i64], failed: &[i64], ran: std::ops::Range<i64>) -> Store {
    let kind = container();
    let store = Store::Memory(Memory::new(KINDS));
    let poll = |target: TargetName, started: i64, interval_ms: i64, outcome: Outcome| Poll {
        target,
        started: at(started),
        duration_ms: 0,
        interval_ms,
        bytes: 0,
        outcome,
        error: None,
        missing: Vec::new(),
        clock_offset_ms: 0,
    };
    let visits = good.iter().map(|at| (*at, Outcome::Ok)).chain(failed.iter().map(|at| (*at, Outcome::Timeout)));
    for (seconds, outcome) in visits.collect::<std::collections::BTreeMap<_, _>>() {
        let sample = Sample { at: at(seconds), since: None, values: vec![Value::Null; kind.columns.len()].into() };
        let seen = Observation {
            identity: Identity::new(["node-1", "a"]),
            attributes: Some(Attributes::new()),
            ended: None,
            sample: Some(sample),
        };
        let observations = if outcome.is_good() { vec![seen] } else { Vec::new() };
        let batches = vec![KindBatch { kind, complete: true, observations }];
        let poll = poll(TargetName::new("docker", "node-1"), seconds, 600_000, outcome);
        store.append(&[Snapshot { poll, batches, events: Vec::new() }]).unwrap();
    }
    for seconds in ran.step_by(10) {
        let poll = poll(TargetName::new("recorder", "here"), seconds, 10_000, Outcome::Ok);
        store.append(&[Snapshot { poll, batches: Vec::new(), events: Vec::new() }]).unwrap();
    }
    store
}

#[test]
fn gaps_of_a_slow_target_have_their_cause_in_a_short_range() {
    let check = |store: &Store, (start, end): (i64, i64), expected: &str| {
        let (start, end) = (START / 1000 + start, START / 1000 + end);
        let frame = ask(store, &format!("start={start} end={end} step=all coverage=1"));
        let told = |gap: &Gap| {
            let seconds = |at: Timestamp| at.ms_since(Timestamp::from_ms(START)) / 1000;
            format!("{}..{} {}", seconds(gap.start), seconds(gap.end), gap.cause.name())
        };
        let gaps: Vec<String> = frame.gaps.unwrap().iter().map(told).collect();
        assert_eq!(gaps.join(", "), expected, "{start}..{end}");
    };
    // Good until 1200 s, then down for hours: any minute of it says so.
    let failed: Vec<i64> = (3..40).map(|tick| tick * 600).collect();
    let down = slow(&[0, 600, 1200], &failed, 0..24_000);
    check(&down, (9_000, 9_060), "9000..9060 timeout");
    check(&down, (9_590, 9_610), "9590..9610 timeout");
    check(&down, (700, 760), "");
    // Good all the time: between two visits nothing is missing.
    let good: Vec<i64> = (0..40).map(|tick| tick * 600).collect();
    check(&slow(&good, &[], 0..24_000), (9_000, 9_060), "");
    // Taken out of the configuration at 1300 s, while the recorder ran on.
    let removed = slow(&[0, 600, 1200], &[], 0..24_000);
    check(&removed, (9_000, 9_060), "9000..9060 not_configured");
    check(&removed, (1_000, 9_060), "1200..9060 not_configured");
    // The recorder ended at 1300 s.
    let ended = slow(&[0, 600, 1200], &[], 0..1_300);
    check(&ended, (9_000, 9_060), "9000..9060 not_running");
    // It was away in between.
    let away = slow(&[0, 600, 1200, 9_000, 9_600], &[], 0..1_300);
    check(&away, (5_000, 5_060), "5000..5060 not_running");
}
