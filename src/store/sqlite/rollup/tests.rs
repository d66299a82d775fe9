//! Rolling up is invisible: any history, rolled up at any points, answers as one that was never rolled up; and once its
//! samples are gone, as it did before.

use proptest::prelude::*;

use super::{DAY_MS, MERGED_MS};
use crate::answer::{self, AnswerError, Stop};
use crate::model::{
    Attribute, AttributeType, Attributes, Class, Column, Derived, Formula, HOUR_MS, Hours, Identity, Key, Kind,
    KindBatch, Observation, Outcome, Poll, Repr, Sample, Snapshot, Stay, TargetName, TimeRange, Timestamp, Value,
    Wanted, hours::push_stay,
};
use crate::query::frame::Frame;
use crate::query::request::{Agg, RangeRequest, Resolution, SamplesRequest};
use crate::render::json;
use crate::rollup::{Roller, fields_count};
use crate::store::memory::Memory;
use crate::store::sqlite::Sqlite;
use crate::store::sqlite::windows::Windows;
use crate::store::{Cutoffs, EntityQuery, Fetch, HoursFetch, Limits, Store, Upkeep};

mod cost;
mod format;

/// A kind with every sort of column and formula. Rollups of it are kept as examples for ever: what it has stays as it is.
pub(super) static KIND: Kind = Kind {
    name: "test_rolled",
    help: "A thing that tests roll up.",
    identity: &[Key { name: "host", help: "Where." }, Key { name: "id", help: "Which." }],
    attributes: &[
        Attribute::new("app", AttributeType::Text, "Text."),
        Attribute::new("limit_cores", AttributeType::Number, "Number."),
    ],
    columns: &[
        Column::counter("cpu_seconds_total", "cpu_ns", "seconds", 9, ""),
        Column::counter("wait_seconds_total", "wait_ns", "seconds", 9, "").headline(),
        FLOAT_COUNTER,
        Column::gauge("online", "online", "", 0, ""),
        Column::gauge("memory_bytes", "memory_bytes", "bytes", 0, "").headline(),
        Column::gauge("cache_bytes", "cache_bytes", "bytes", 0, "").untold_is_none(),
        Column::gauge("whole_bytes", "whole_bytes", "bytes", 0, ""),
        FLOAT_GAUGE,
        Column::gauge("peak_bytes", "peak_bytes", "bytes", 0, "").high_water(),
    ],
    derived: &[
        Derived::new("cpu_cores", "cores", "", Formula::Rate { counters: &["cpu_seconds_total"] }).headline(),
        Derived::new(
            "busy_cores",
            "cores",
            "",
            Formula::Rate { counters: &["cpu_seconds_total", "wait_seconds_total"] },
        )
        .headline(),
        Derived::new("work_per_second", "per_second", "", Formula::Rate { counters: &["work_total"] }),
        Derived::new(
            "mixed_per_second",
            "per_second",
            "",
            Formula::Rate { counters: &["cpu_seconds_total", "work_total"] },
        ),
        Derived::new(
            "cpu_percent",
            "percent",
            "",
            Formula::IncreaseRatio {
                part: "cpu_seconds_total",
                whole: "wait_seconds_total",
                times: Some("online"),
                factor: 100.0,
            },
        ),
        Derived::new(
            "cpu_limit_ratio",
            "ratio",
            "",
            Formula::RateToAttribute { counter: "cpu_seconds_total", attribute: "limit_cores" },
        ),
        Derived::new("used_bytes", "bytes", "", Formula::Remainder { of: "memory_bytes", less: "cache_bytes" })
            .headline(),
        Derived::new("rest_bytes", "bytes", "", Formula::Remainder { of: "whole_bytes", less: "peak_bytes" }),
        Derived::new("hot_bytes", "bytes", "", Formula::Remainder { of: "memory_bytes", less: "heat" }),
        Derived::new(
            "used_ratio",
            "ratio",
            "",
            Formula::GaugeRatio { part: "memory_bytes", less: Some("cache_bytes"), whole: "whole_bytes" },
        )
        .headline(),
        Derived::new("heat_ratio", "ratio", "", Formula::GaugeRatio { part: "heat", less: None, whole: "whole_bytes" }),
    ],
    display: &["host", "id", "app"],
};

const FLOAT_COUNTER: Column =
    Column { repr: Repr::Float, class: Class::Counter, ..Column::gauge("work_total", "work", "", 0, "") };

const FLOAT_GAUGE: Column = Column { repr: Repr::Float, ..Column::gauge("heat", "heat", "", 0, "").headline() };

pub(super) const KINDS: &[&Kind] = &[&KIND];

/// A midnight, and the last day of a window of four weeks.
pub(super) const START_MS: i64 = 700 * MERGED_MS + 27 * DAY_MS;

const INTERVAL_MS: i64 = 30 * 60_000;

/// Something that happens.
#[derive(Debug, Clone)]
enum Step {
    Poll {
        target: usize,
        passed_ms: i64,
        outcome: Outcome,
        things: Vec<Seen>,
    },
    /// Upkeep of what is older than so much before now, broken off after so many steps.
    Upkeep {
        age_ms: i64,
        steps: usize,
    },
    Reopen,
    /// The process ends at once: the next one finds the files as they are.
    Kill,
}

/// One thing at one poll.
#[derive(Debug, Clone)]
struct Seen {
    is_there: bool,
    late_ms: i64,
    restarts: bool,
    attributes: Option<(u8, u8)>,
    grown: Vec<Option<i64>>,
    floats: (f64, f64),
    is_float_there: bool,
}

fn seen() -> impl Strategy<Value = Seen> {
    let grown = prop_oneof![6 => (0..4_000_000_000_i64).prop_map(Some), 2 => Just(Some(0)), 1 => Just(None)];
    let floats = prop_oneof![8 => 0.0..1e6_f64, 1 => Just(0.0), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)];
    (
        proptest::bool::weighted(0.93),
        prop_oneof![6 => 0..2_000_i64, 1 => -9_000_000..9_000_000_i64],
        proptest::bool::weighted(0.04),
        prop_oneof![14 => Just(None), 1 => (0..2_u8, 0..4_u8).prop_map(Some)],
        proptest::collection::vec(grown, 8),
        (0.0..100.0_f64, floats),
        proptest::bool::weighted(0.9),
    )
        .prop_map(|(is_there, late_ms, restarts, attributes, grown, floats, is_float_there)| Seen {
            is_there,
            late_ms,
            restarts,
            attributes,
            grown,
            floats,
            is_float_there,
        })
}

fn step() -> impl Strategy<Value = Step> {
    let passed_ms = prop_oneof![
        40 => Just(INTERVAL_MS),
        6 => 0..2 * INTERVAL_MS,
        2 => Just(4 * HOUR_MS),
        1 => Just(30 * HOUR_MS),
        1 => -5 * HOUR_MS..0,
        1 => Just(-26 * HOUR_MS),
    ];
    let outcome = prop_oneof![12 => Just(Outcome::Ok), 1 => proptest::sample::select(&Outcome::ALL[..])];
    prop_oneof![
        40 => (0..2_usize, passed_ms, outcome, proptest::collection::vec(seen(), 2))
            .prop_map(|(target, passed_ms, outcome, things)| Step::Poll { target, passed_ms, outcome, things }),
        3 => (0..40_i64, 1..40_usize).prop_map(|(hours, steps)| Step::Upkeep { age_ms: hours * HOUR_MS, steps }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
    ]
}

/// A history told to both backends.
pub(super) struct Told {
    memory: Store,
    sqlite: Store,
    directory: tempfile::TempDir,
    pub(super) now_ms: i64,
    counters: [[Vec<i64>; 2]; 2],
    since: [[i64; 2]; 2],
    attributes: [[(u8, u8); 2]; 2],
}

fn open(directory: &std::path::Path) -> Store {
    let mut sqlite = Sqlite::open_for_tests(&directory.join("rolled.db"), KINDS).unwrap();
    sqlite.windows = Windows::USUAL;
    Store::Sqlite(sqlite)
}

impl Told {
    fn new() -> Told {
        let directory = tempfile::tempdir().unwrap();
        Told {
            memory: Store::Memory(Memory::new(KINDS)),
            sqlite: open(directory.path()),
            directory,
            now_ms: START_MS,
            counters: std::array::from_fn(|_| std::array::from_fn(|_| vec![0; 8])),
            since: [[START_MS - 1_000; 2]; 2],
            attributes: [[(0, 1); 2]; 2],
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Poll { target, passed_ms, outcome, things } => {
                self.now_ms += passed_ms;
                let snapshot = self.snapshot(*target, *outcome, things);
                let snapshots = [snapshot];
                assert_eq!(self.memory.append(&snapshots).unwrap(), self.sqlite.append(&snapshots).unwrap());
            }
            Step::Upkeep { age_ms, steps } => {
                self.upkeep(self.now_ms - age_ms, &Limits::default(), *steps);
            }
            Step::Reopen => {
                self.sqlite = Store::Memory(Memory::default());
                self.sqlite = open(self.directory.path());
            }
            Step::Kill => {
                let found = tempfile::tempdir().unwrap();
                for name in ["rolled.db", "rolled.db-wal"] {
                    let (from, to) = (self.directory.path().join(name), found.path().join(name));
                    assert!(!from.exists() || std::fs::copy(from, to).is_ok());
                }
                self.sqlite = open(found.path());
                self.directory = found;
            }
        }
    }

    fn snapshot(&mut self, target: usize, outcome: Outcome, things: &[Seen]) -> Snapshot {
        let mut observations = Vec::new();
        for (index, seen) in things.iter().enumerate() {
            if !seen.is_there {
                continue;
            }
            if seen.restarts {
                self.since[target][index] = self.now_ms - 1_000;
                self.counters[target][index] = vec![0; 8];
            }
            if let Some(attributes) = seen.attributes {
                self.attributes[target][index] = attributes;
            }
            let counters = &mut self.counters[target][index];
            for (counter, grown) in counters.iter_mut().zip(&seen.grown) {
                *counter += grown.unwrap_or(1);
            }
            let value = |place: usize, value: i64| seen.grown[place].map_or(Value::Null, |_| Value::Int(value));
            let float = |value: f64| if seen.is_float_there { Value::Float(value) } else { Value::Null };
            let gauge = |place: usize, scale: i64| value(place, seen.grown[place].unwrap_or(0) / scale);
            let values = [
                value(0, counters[0]),
                value(1, counters[1]),
                float(counters[2] as f64 / 1e9 + seen.floats.0 / 1e12),
                value(3, if seen.grown[3] == Some(0) { 8 } else { 4 }),
                gauge(4, 1),
                gauge(5, 3),
                value(6, if seen.grown[6] == Some(0) { 0 } else { 4_000_000_000 }),
                float(seen.floats.1),
                gauge(7, 1),
            ];
            let (app, limit) = self.attributes[target][index];
            let mut attributes = Attributes::from([("app", format!("app-{app}").as_str().into())]);
            if limit > 0 {
                attributes.insert("limit_cores", (f64::from(limit) / 3.0).into());
            }
            observations.push(Observation {
                identity: Identity::new([format!("h{target}"), index.to_string()]),
                attributes: Some(attributes),
                ended: None,
                sample: Some(Sample {
                    at: Timestamp::from_ms(self.now_ms + seen.late_ms),
                    since: (index == 0).then(|| Timestamp::from_ms(self.since[target][index])),
                    values: Box::new(values),
                }),
            });
        }
        Snapshot {
            poll: Poll {
                target: TargetName::new("test", &format!("h{target}")),
                started: Timestamp::from_ms(self.now_ms),
                duration_ms: 40,
                interval_ms: INTERVAL_MS,
                bytes: 1,
                outcome,
                error: None,
                missing: Vec::new(),
                clock_offset_ms: 0,
            },
            batches: vec![KindBatch { kind: &KIND, complete: true, observations }],
            events: Vec::new(),
        }
    }

    fn upkeep(&self, now_ms: i64, limits: &Limits, steps: usize) -> Upkeep {
        let mut all = Upkeep::default();
        for _ in 0..steps {
            let done = self.sqlite.upkeep(Timestamp::from_ms(now_ms), limits).unwrap();
            all.rolled_days += done.rolled_days;
            all.polls += done.polls;
            all.more = done.more;
            if !done.more {
                break;
            }
        }
        all
    }

    fn upkeep_all(&self, now_ms: i64, limits: &Limits) -> Upkeep {
        let done = self.upkeep(now_ms, limits, 20_000);
        assert!(!done.more, "upkeep does not end");
        done
    }
}

/// Bytes of an answer.
fn ask(store: &Store, question: &str, start_ms: i64, end_ms: i64, now_ms: i64) -> String {
    let request = request(question, start_ms, end_ms, now_ms);
    let frame = answer::range(store, &request, &Stop::never()).unwrap();
    let mut bytes = Vec::new();
    json::frame(&mut bytes, &frame, &request, &[]).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn request(question: &str, start_ms: i64, end_ms: i64, now_ms: i64) -> RangeRequest {
    let mut pairs: Vec<(String, String)> = question
        .split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect();
    pairs.push(("start".to_owned(), start_ms.to_string()));
    pairs.push(("end".to_owned(), end_ms.to_string()));
    RangeRequest::parse(&KIND, &pairs, Timestamp::from_ms(now_ms), INTERVAL_MS).unwrap()
}

/// Questions that hours answer.
const QUESTIONS: &[&str] = &[
    "step=1h&coverage=1",
    "step=6h&fields=cpu_cores,busy_cores,used_bytes,memory_bytes,used_ratio,heat&agg=avg,min,max,count,p50,p95,p99",
    "step=1d&fields=cpu_seconds_total,wait_seconds_total,work_total&agg=increase&coverage=1",
    "step=1d&fields=work_per_second,mixed_per_second,cpu_percent,cpu_limit_ratio,hot_bytes,heat_ratio,online,rest_bytes",
    "step=all&fields=used_bytes,rest_bytes,hot_bytes,used_ratio,heat_ratio,memory_bytes,heat,peak_bytes&agg=last",
    "step=1d&tz=Europe/Berlin&fields=peak_bytes,memory_bytes&agg=max",
    "step=2h&group_by=app&coverage=1&fields=cpu_cores,busy_cores,used_bytes,memory_bytes,used_ratio,cpu_percent",
    "step=1d&group_by=&fields=cpu_cores,memory_bytes,used_ratio,heat&agg=avg,min,max,count,p90&coverage=1",
    "step=1h&group_by=app,host&fields=memory_bytes,used_ratio,limit_cores&agg=last",
    "step=1h&group_by=host&across=max&fields=cpu_cores,limit_cores,cpu_limit_ratio",
    "step=1w&group_by=app&across=avg&fields=memory_bytes,limit_cores&agg=avg,p50,min",
    "step=1d&app=app-1&fields=cpu_seconds_total",
    "step=1d&fields=cpu_cores,busy_cores,used_bytes,memory_bytes,rest_bytes,hot_bytes&coverage=1",
    "step=1d&fields=cpu_cores,heat,work_per_second",
    "step=1d&group_by=app&fields=cpu_cores,memory_bytes,used_bytes&coverage=1",
    "step=1w&group_by=&fields=cpu_seconds_total,busy_cores,memory_bytes",
    "step=1d&fields=memory_bytes,used_bytes&agg=avg,count",
    "step=all&fields=cpu_seconds_total,wait_seconds_total&agg=increase&coverage=1",
    "step=1d&top=2&top_by=memory_bytes.max&fields=memory_bytes&agg=max,p99",
    "step=3h&app=app-0&group_by=host&fields=cpu_cores,cpu_seconds_total&coverage=1",
];

/// Compares two answers, and shows where they begin to differ.
fn assert_same(expected: &str, given: &str, about: &str) {
    let same = expected.bytes().zip(given.bytes()).take_while(|(expected, given)| expected == given).count();
    let near = |text: &str| {
        String::from_utf8_lossy(
            &text.as_bytes()[same.saturating_sub(200).min(text.len())..].iter().copied().take(400).collect::<Vec<_>>(),
        )
        .into_owned()
    };
    assert!(expected == given, "{about}: byte {same}\nexpected {}\n   given {}", near(expected), near(given));
}

/// All that is rolled up of a range is what the oracle's samples give.
fn assert_as_rolled(told: &Told, start_ms: i64, end_ms: i64) {
    let range = |from_ms, until_ms| TimeRange::new(Timestamp::from_ms(from_ms), Timestamp::from_ms(until_ms)).unwrap();
    let (start_ms, end_ms) = (start_ms.div_euclid(HOUR_MS) * HOUR_MS, end_ms.div_euclid(HOUR_MS) * HOUR_MS);
    let fields: Vec<usize> = (0..fields_count(&KIND)).collect();
    let query = EntityQuery { kind: &KIND, seen_in: TimeRange::ALL, after: None, limit: 10 };
    for entity in told.memory.entities(&query).unwrap() {
        let identity = &entity.identity;
        let fetch = HoursFetch {
            kind: &KIND,
            identities: &[identity],
            range: range(start_ms, end_ms),
            fields: &fields,
            wanted: Wanted::ALL,
            by_days: false,
            with_stays: true,
        };
        let roller = Roller::new(&KIND, &fields, true);
        for rolled in told.sqlite.hours(&fetch).unwrap().into_iter().flatten() {
            let fetch = Fetch { kind: &KIND, identity, range: rolled.range, columns: roller.columns() };
            let hours = roller.roll(&told.memory.read(&fetch).unwrap(), &entity.versions);
            let about = format!("{identity:?} {:?}", rolled.range);
            assert_eq!(format!("{:?}", rolled.hours.rows), format!("{:?}", hours.rows), "{about}");
            for (field, (given, expected)) in rolled.hours.cells.iter().zip(&hours.cells).enumerate() {
                assert_eq!(format!("{given:?}"), format!("{expected:?}"), "{about}: field {field}");
            }
            let stays = |hours: &Hours, range| clipped(hours.stays.iter().chain(&hours.after), range);
            let given = stays(&rolled.hours, rolled.range);
            // What comes after its last sample stands in the next rollup.
            let until = given.last().map_or(rolled.range.start(), |last| last.to);
            let expected = stays(&hours, TimeRange::new(rolled.range.start(), until).unwrap());
            assert_eq!(given, expected, "{about}");
        }
    }
}

/// The parts of stays in a range, joined where they go on.
fn clipped<'a>(stays: impl Iterator<Item = &'a Stay>, range: TimeRange) -> Vec<Stay> {
    let mut clipped = Vec::new();
    for stay in stays {
        let told = clipped.last().map_or(range.start(), |last: &Stay| last.to);
        let (from, to) = (stay.from.max(told), stay.to.min(range.end()));
        if from < to {
            push_stay(&mut clipped, Stay { from, to, ..*stay });
        }
    }
    clipped
}

fn check_invisible(steps: &[Step], shift_ms: i64) {
    let mut told = Told::new();
    steps.iter().for_each(|step| told.take(step));
    for (start_ms, end_ms) in [
        (START_MS - DAY_MS, told.now_ms + HOUR_MS),
        (START_MS + shift_ms, START_MS + shift_ms + DAY_MS),
        (START_MS + DAY_MS, START_MS + 3 * DAY_MS),
    ] {
        let end_ms = end_ms.max(start_ms + DAY_MS);
        assert_as_rolled(&told, start_ms, end_ms);
        for question in QUESTIONS {
            let asked = |store| ask(store, question, start_ms, end_ms, told.now_ms);
            let (expected, given) = (asked(&told.memory), asked(&told.sqlite));
            assert!(expected.contains(r#""resolution":"1h""#), "{question}: {expected}");
            assert_same(&expected, &given, &format!("{question} from {}", start_ms - START_MS));
        }
    }
}

fn check_retained(steps: &[Step]) {
    let mut told = Told::new();
    steps.iter().for_each(|step| told.take(step));
    let late_ms = told.now_ms + 40 * DAY_MS;
    let ranges = [
        (START_MS - DAY_MS, told.now_ms.max(START_MS) / HOUR_MS * HOUR_MS + 3 * DAY_MS),
        (START_MS, START_MS + DAY_MS),
    ];
    let asked: Vec<(&str, (i64, i64))> =
        QUESTIONS.iter().flat_map(|question| ranges.map(|range| (*question, range))).collect();
    let ask_all = |store: &Store| -> Vec<String> {
        asked.iter().map(|(question, (start, end))| ask(store, question, *start, *end, late_ms)).collect()
    };
    let assert_all_same = |expected: &[String], given: &[String], about: &str| {
        for ((question, (start_ms, _)), (expected, given)) in asked.iter().zip(expected.iter().zip(given)) {
            assert_same(expected, given, &format!("{about}: {question} from {}", start_ms - START_MS));
        }
    };
    told.upkeep_all(late_ms, &Limits::default());
    let before = ask_all(&told.sqlite);
    assert_all_same(&ask_all(&told.memory), &before, "samples are there");
    let cutoffs = Cutoffs { samples: Some(Timestamp::from_ms(late_ms)), ..Cutoffs::default() };
    let done = told.upkeep_all(late_ms, &Limits { cutoffs, file_bytes_max: None });
    assert!(done.polls > 0);
    assert_all_same(&before, &ask_all(&told.sqlite), "samples are gone");
    // And again after all is merged.
    told.upkeep_all(late_ms + 2 * MERGED_MS, &Limits { cutoffs, file_bytes_max: None });
    assert_all_same(&before, &ask_all(&told.sqlite), "samples are gone, hours merged");
}

/// Hours say what samples say, whether they are kept or not: every number within the digits of a sum's order, percentiles
/// within 1 %.
fn check_hours_as_samples(steps: &[Step], shift_ms: i64) {
    let mut told = Told::new();
    steps.iter().for_each(|step| told.take(step));
    let (start_ms, end_ms) = (START_MS - DAY_MS + shift_ms, (told.now_ms + HOUR_MS).max(START_MS + DAY_MS));
    for question in QUESTIONS {
        let by_hours = request(question, start_ms, end_ms, told.now_ms);
        assert_eq!(by_hours.resolution, Resolution::Hours, "{question}");
        let by_samples = RangeRequest { resolution: Resolution::Samples, ..by_hours.clone() };
        let answer = |request| answer::range(&told.memory, request, &Stop::never()).unwrap();
        let (hours, samples) = (answer(&by_hours), answer(&by_samples));
        assert_eq!(hours.gaps, samples.gaps, "{question}");
        let labels =
            |frame: &Frame| frame.series.iter().map(|series| format!("{:?}", series.labels)).collect::<Vec<_>>();
        assert_eq!(labels(&hours), labels(&samples), "{question}");
        for (hours, samples) in hours.series.iter().zip(&samples.series) {
            assert_eq!(hours.coverage, samples.coverage, "{question}");
            for (field, (hours, samples)) in by_hours.fields.iter().zip(hours.values.iter().zip(&samples.values)) {
                let within = if matches!(field.agg, Agg::Percentile(_)) { 0.0101 } else { 1e-8 };
                for (hour, sample) in hours.iter().zip(samples) {
                    // What is no number is printed as none.
                    let [hour, sample] =
                        [hour, sample].map(|number| number.as_f64().filter(|number| number.is_finite()));
                    let is_near = match (hour, sample) {
                        (Some(hour), Some(sample)) => (hour - sample).abs() <= within * sample.abs().max(1e-9),
                        (hour, sample) => hour == sample,
                    };
                    assert!(is_near, "{question}: {} {:?}: {hour:?}, by samples {sample:?}", field.name, field.agg);
                }
            }
        }
    }
}

/// A poll of target 0 that sees both things.
fn steady(passed_ms: i64) -> Step {
    let seen = Seen {
        is_there: true,
        late_ms: 3,
        restarts: false,
        attributes: None,
        grown: vec![Some(1_000_000_000); 8],
        floats: (1.0, 2.0),
        is_float_there: true,
    };
    Step::Poll { target: 0, passed_ms, outcome: Outcome::Ok, things: vec![seen.clone(), seen] }
}

#[test]
fn once_samples_are_gone_hours_answer_and_samples_say_so() {
    let mut told = Told::new();
    (0..3 * 48).for_each(|_| told.take(&steady(INTERVAL_MS)));
    let late_ms = told.now_ms + 30 * DAY_MS;
    let samples = Some(Timestamp::from_ms(late_ms));
    told.upkeep_all(late_ms, &Limits { cutoffs: Cutoffs { samples, ..Cutoffs::default() }, file_bytes_max: None });
    // Two hours: too few for hours while samples are kept, and a step that hours do not have.
    let (start_ms, end_ms) = (START_MS + DAY_MS, START_MS + DAY_MS + 2 * HOUR_MS);
    let answer = ask(&told.sqlite, "fields=cpu_seconds_total&host=h0", start_ms, end_ms, late_ms);
    assert!(answer.contains(r#""step_seconds":3600"#) && answer.contains(r#""resolution":"1h""#), "{answer}");
    assert!(answer.contains(r#""cpu_seconds_total":[2,2]"#), "{answer}");
    let pairs = [("start", start_ms), ("end", end_ms)].map(|(name, ms)| (name.to_owned(), ms.to_string()));
    let fine = [&pairs[..], &[("step".to_owned(), "5m".to_owned())]].concat();
    let fine = RangeRequest::parse(&KIND, &fine, Timestamp::from_ms(late_ms), INTERVAL_MS).unwrap();
    let answer = answer::range(&told.sqlite, &fine, &Stop::never());
    assert!(matches!(answer, Err(AnswerError::HoursOnly { .. })), "{answer:?}");
    let request = SamplesRequest::parse(&KIND, &pairs, Timestamp::from_ms(late_ms)).unwrap();
    assert!(matches!(answer::check_samples(&told.sqlite, &request), Err(AnswerError::Gone { .. })));
    // Until rollups are too old as well.
    let cutoffs = Cutoffs { samples, rollups: samples, events: None };
    told.upkeep_all(late_ms, &Limits { cutoffs, file_bytes_max: None });
    let answer = ask(&told.sqlite, "fields=cpu_seconds_total&host=h0", start_ms, end_ms, late_ms);
    assert!(answer.contains(r#""series":[]"#), "{answer}");
}

#[test]
fn a_late_sample_makes_its_day_again() {
    let mut told = Told::new();
    (0..3 * 48).for_each(|_| told.take(&steady(INTERVAL_MS)));
    let upkeep = |told: &Told| told.upkeep_all(START_MS + 10 * DAY_MS, &Limits::default()).rolled_days;
    assert!(upkeep(&told) >= 6);
    assert_eq!(upkeep(&told), 0);
    // A minute after midnight: the hour before it changes too.
    let back_ms = START_MS + 2 * DAY_MS + 60_000 - told.now_ms;
    told.take(&steady(back_ms));
    assert!(upkeep(&told) >= 2);
    let asked = |store| ask(store, "step=1h&coverage=1", START_MS, START_MS + 3 * DAY_MS, START_MS + 11 * DAY_MS);
    assert_eq!(asked(&told.sqlite), asked(&told.memory));
    assert_eq!(upkeep(&told), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn rolling_up_at_any_points_is_not_to_be_seen(
        steps in proptest::collection::vec(step(), 20..220),
        shift_ms in prop_oneof![Just(0), 0..DAY_MS],
    ) {
        check_invisible(&steps, shift_ms);
    }

    #[test]
    fn hours_say_what_samples_say(
        steps in proptest::collection::vec(step(), 5..160),
        shift_ms in prop_oneof![Just(0), 0..DAY_MS],
    ) {
        check_hours_as_samples(&steps, shift_ms);
    }

    #[test]
    fn hours_say_what_samples_said(steps in proptest::collection::vec(step(), 5..160)) {
        check_retained(&steps);
    }
}
