//! Any history, told to `Memory` and to `Sqlite`: every method then gives the same from both, and so do hours.
//!
//! Times are few and coarse, so that they collide: samples of one time, polls of one start, clocks that step back. They
//! pass at a pace of each history's own: minutes, to be sealed and merged often, or days, to be rolled up as well.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::hours::{DAY_MS, assert_same_hours};
use super::*;
use crate::model::HOUR_MS;
use crate::store::{Appended, EventRecord, FetchAll, Limits};

/// Something that happens to a store.
#[derive(Debug, Clone)]
enum Step {
    /// Snapshots are appended, in one transaction.
    Append(Vec<Tick>),
    /// The snapshots before are appended again, as after an answer that was lost.
    Repeat,
    /// The process ends and starts again.
    Reopen,
    /// The process is killed, and another one starts.
    Kill,
    /// Retention takes what is older than so much before now.
    Retain { samples_age_ms: i64, events_age_ms: i64 },
    /// Upkeep seals, merges and rolls up what is older than so much before now, and is broken off after so many steps.
    Upkeep { age_ms: i64, steps: usize },
}

/// Times in a history, as if polls came every ten seconds; what is shorter than half a second is so at any pace.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// What ten seconds are.
    interval_ms: i64,
}

/// The length of time that histories are written in.
const WRITTEN_MS: i64 = 10_000;

impl Pace {
    fn of(self, written_ms: i64) -> i64 {
        if written_ms.abs() < 500 { written_ms } else { written_ms * self.interval_ms / WRITTEN_MS }
    }
}

fn pace() -> impl Strategy<Value = Pace> {
    proptest::sample::select(vec![WRITTEN_MS, HOUR_MS / 2, HOUR_MS]).prop_map(|interval_ms| Pace { interval_ms })
}

/// One poll, before it is known when.
#[derive(Debug, Clone)]
struct Tick {
    target: usize,
    passed_ms: i64,
    outcome: Outcome,
    things: BTreeMap<u8, Seen>,
    is_complete: bool,
    parts: Option<BTreeMap<u8, Seen>>,
    events: Vec<(i64, u8)>,
}

/// What it sees of one entity.
#[derive(Debug, Clone)]
struct Seen {
    attributes: Option<u8>,
    ended_ms: Option<i64>,
    sample: Option<(i64, Value, Option<Value>)>,
}

const TARGETS: [&str; 3] = ["a", "b", "c"];

fn passed_ms() -> impl Strategy<Value = i64> {
    prop_oneof![
        12 => Just(10_000),
        2 => 0..4_i64,
        2 => (-4..5_i64).prop_map(|tens| tens * 10_000),
        1 => Just(200_000),
        1 => Just(-150_000),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (0..1_000_i64).prop_map(Value::Int),
        1 => Just(Value::Null),
        1 => Just(Value::Int(i64::MAX)),
        1 => any::<f64>().prop_map(Value::Float),
        1 => Just(Value::Float(f64::NAN)),
        1 => Just(Value::Float(f64::NEG_INFINITY)),
    ]
}

fn seen() -> impl Strategy<Value = Seen> {
    let late_ms = prop_oneof![
        8 => (0..3_i64).prop_map(|halves| halves * 500),
        2 => (-20..20_i64).prop_map(|tens| tens * 10_000),
        1 => -60_001..60_002_i64,
    ];
    (
        prop_oneof![3 => Just(None), 2 => (0..4_u8).prop_map(Some)],
        prop_oneof![6 => Just(None), 1 => (0..5_i64).prop_map(|tens| Some(tens * 10_000))],
        prop_oneof![1 => Just(None), 4 => (late_ms, number(), proptest::option::of(number())).prop_map(Some)],
    )
        .prop_map(|(attributes, ended_ms, sample)| Seen { attributes, ended_ms, sample })
}

fn tick() -> impl Strategy<Value = Tick> {
    (
        0..TARGETS.len(),
        passed_ms(),
        prop_oneof![8 => Just(Outcome::Ok), 1 => Just(Outcome::Partial), 2 => proptest::sample::select(&Outcome::ALL[..])],
        proptest::collection::btree_map(0..5_u8, seen(), 0..5),
        proptest::bool::weighted(0.8),
        proptest::option::of(proptest::collection::btree_map(0..2_u8, seen(), 0..3)),
        proptest::collection::vec((0..4_i64, 0..2_u8), 0..2),
    )
        .prop_map(|(target, passed_ms, outcome, things, is_complete, parts, events)| Tick {
            target,
            passed_ms,
            outcome,
            things,
            is_complete,
            parts,
            events,
        })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => proptest::collection::vec(tick(), 1..4).prop_map(Step::Append),
        1 => Just(Step::Repeat),
        1 => Just(Step::Reopen),
        2 => Just(Step::Kill),
        1 => (0..30_i64, 0..30_i64).prop_map(|(samples, events)| Step::Retain {
            samples_age_ms: (samples - 2) * 10_000,
            events_age_ms: (events - 2) * 10_000,
        }),
        4 => (prop_oneof![9 => -30..30_i64, 1 => Just(-FAR)], 1..30_usize)
            .prop_map(|(age, steps)| Step::Upkeep { age_ms: age * 10_000, steps }),
    ]
}

/// So many intervals that weeks pass at the slower paces: whatever is rolled up is merged by then.
const FAR: i64 = 1_600;

fn attributes(choice: u8) -> Attributes {
    match choice {
        0 => Attributes::new(),
        1 => Attributes::from([("label", "x".into()), ("size", 3.into()), ("weight", 1.0.into())]),
        2 => Attributes::from([("label", "x".into()), ("made", ms(5).into()), ("is_new", false.into())]),
        _ => Attributes::from([
            ("parts", vec!["p".to_owned(), String::new()].into()),
            ("tags", BTreeMap::from([("k".to_owned(), "v".to_owned())]).into()),
        ]),
    }
}

fn observations(
    pace: Pace,
    started: i64,
    seen: &BTreeMap<u8, Seen>,
    identity: impl Fn(u8) -> Identity,
) -> Vec<Observation> {
    let observation = |(number, seen): (&u8, &Seen)| Observation {
        identity: identity(*number),
        attributes: seen.attributes.map(attributes),
        ended: seen.ended_ms.map(|ended_ms| ms(started - pace.of(ended_ms))),
        // Values of columns that came later are not there always.
        sample: seen.sample.map(|(late_ms, value, last)| Sample {
            at: ms(started + pace.of(late_ms)),
            since: (late_ms != 0).then(|| ms(started - 7)),
            values: [value, value].into_iter().chain(last).collect(),
        }),
    };
    seen.iter().map(observation).collect()
}

fn snapshot_of(pace: Pace, tick: &Tick, started: i64) -> Snapshot {
    let target = TARGETS[tick.target];
    let mut batches = vec![KindBatch {
        kind: &THING,
        complete: tick.is_complete,
        observations: observations(pace, started, &tick.things, |number| thing(&number.to_string())),
    }];
    if let Some(parts) = &tick.parts {
        let identity = |number: u8| Identity::new([number.to_string()]);
        batches.push(KindBatch {
            kind: &PART,
            complete: true,
            observations: observations(pace, started, parts, identity),
        });
    }
    let events =
        tick.events.iter().map(|(at, id)| event(target, started + pace.of(at * 10_000), &id.to_string())).collect();
    let poll = Poll {
        clock_offset_ms: tick.passed_ms % 3,
        interval_ms: pace.interval_ms,
        ..poll(target, started, tick.outcome)
    };
    Snapshot { poll, batches, events }
}

/// A range that is asked about, from places among the times that occurred.
type Asked = (proptest::sample::Index, i64, i64);

fn asked() -> impl Strategy<Value = Asked> {
    let length_ms = prop_oneof![Just(0), Just(1), Just(500), Just(10_000), Just(60_000), Just(3_600_000)];
    (any::<proptest::sample::Index>(), -1..2_i64, length_ms)
}

fn without_sequence(records: Vec<EventRecord>) -> Vec<Event> {
    records.into_iter().map(|record| record.event).collect()
}

/// Read together, in another order than by identity, every entity's run is what it is alone: in either store.
fn assert_same_together(memory: &Store, sqlite: &Store, kind: &'static Kind, range: TimeRange) {
    let columns: Vec<usize> = (0..kind.columns.len()).collect();
    let all = EntityQuery { kind, seen_in: TimeRange::ALL, after: None, limit: 1_000 };
    let nobody = Identity::new(["nobody"]);
    let known: Vec<Identity> = memory.entities(&all).unwrap().into_iter().rev().map(|entity| entity.identity).collect();
    let identities: Vec<&Identity> = known.iter().chain([&nobody]).collect();
    let fetch = FetchAll { kind, identities: &identities, range, columns: &columns };
    let (left, right) = (memory.read_all(&fetch).unwrap(), sqlite.read_all(&fetch).unwrap());
    assert_eq!((left.runs.len(), right.runs.len()), (identities.len(), identities.len()));
    for (left, right) in left.runs.iter().zip(&right.runs) {
        assert_same_run(left, right);
    }
    assert!(right.runs.iter().all(Run::is_empty) || right.work.blocks + right.work.pieces > 0, "{:?}", right.work);
}

fn assert_same(memory: &Store, sqlite: &Store, pace: Pace, times: &[i64], asked: &[Asked]) {
    assert_eq!(memory.targets().unwrap(), sqlite.targets().unwrap());
    assert_eq!(memory.samples_kept_from().unwrap(), sqlite.samples_kept_from().unwrap());
    let events = |store: &Store| without_sequence(store.events(&all_events()).unwrap());
    assert_eq!(events(memory), events(sqlite));
    let wide = TimeRange::ALL;
    let ranges = asked.iter().map(|(place, shift, length_ms)| {
        let from = place.get(times) + shift;
        range(from, from + pace.of(*length_ms))
    });
    for range in ranges.chain([wide]) {
        for target in TARGETS {
            let polls = |store: &Store| store.polls(&node(target), range).unwrap();
            assert_eq!(polls(memory), polls(sqlite), "polls of {target} in {range:?}");
        }
        for kind in KINDS {
            assert_same_together(memory, sqlite, kind, range);
            let query = EntityQuery { kind, seen_in: range, after: None, limit: 1_000 };
            assert_eq!(memory.entities(&query).unwrap(), sqlite.entities(&query).unwrap(), "seen in {range:?}");
            for keys in
                [vec![None, Some("1".to_owned())], vec![Some("here".to_owned())], vec![Some("2".to_owned()), None]]
            {
                let with = |store: &Store| store.entities_with(&query, &keys).unwrap();
                assert_eq!(with(memory), with(sqlite), "{keys:?} in {range:?}");
            }
            let query = EntityQuery { after: Some(thing("1")), limit: 2, ..query };
            assert_eq!(memory.entities(&query).unwrap(), sqlite.entities(&query).unwrap(), "page in {range:?}");
            for number in 0..5 {
                let number = number.to_string();
                let identity = if kind.name == THING.name { thing(&number) } else { Identity::new([number]) };
                let entity = |store: &Store| store.entity(kind, &identity, range).unwrap();
                assert_eq!(entity(memory), entity(sqlite));
                let columns: Vec<usize> = (0..kind.columns.len()).rev().collect();
                let fetch = Fetch { kind, identity: &identity, range, columns: &columns };
                assert_same_run(&memory.read(&fetch).unwrap(), &sqlite.read(&fetch).unwrap());
            }
        }
        let query = EventQuery { range: Some(range), limit: 3, after: None, ..all_events() };
        let events = |store: &Store| without_sequence(store.events(&query).unwrap());
        assert_eq!(events(memory), events(sqlite));
    }
}

/// What has been told so far, as far as what hours say depends on it.
#[derive(Debug, Default)]
struct Told {
    /// The start of each poll, and the times of its samples.
    samples: Vec<(i64, Vec<i64>)>,
}

impl Told {
    fn note(&mut self, snapshot: &Snapshot) {
        let seen = snapshot.batches.iter().flat_map(|batch| &batch.observations);
        let at = seen.filter_map(|seen| seen.sample.as_ref()).map(|sample| sample.at.ms());
        self.samples.push((snapshot.poll.started.ms(), at.collect()));
    }

    /// From when on hours say what samples say: all of them where none is gone. Before, they say what samples said.
    fn hours_from(&self, memory: &Store) -> i64 {
        let Some(kept_from) = memory.samples_kept_from().unwrap() else { return i64::MIN };
        let gone = self.samples.iter().filter(|(started, _)| *started < kept_from.ms()).flat_map(|(_, at)| at);
        let newest = gone.copied().max().unwrap_or(i64::MIN).max(kept_from.ms());
        // Days that a sample is gone of are not made again, and the day after one depends on it.
        let whole = (newest.div_euclid(DAY_MS) + 2) * DAY_MS;
        // A first sample that is left is a beginning where there was none.
        let firsts = KINDS.iter().flat_map(|kind| {
            let all = EntityQuery { kind, seen_in: TimeRange::ALL, after: None, limit: 1_000 };
            memory.entities(&all).unwrap().into_iter().filter_map(|entity| {
                let range = range(whole, i64::MAX);
                let fetch = Fetch { kind, identity: &entity.identity, range, columns: &[] };
                let run = memory.read(&fetch).unwrap();
                let first = run.inside().start;
                run.at.get(first).map(|at| (at.ms().div_euclid(HOUR_MS) + 1) * HOUR_MS)
            })
        });
        firsts.max().unwrap_or(whole)
    }
}

/// When histories begin: on the last day of a window that days are merged into.
const BEGINNING_MS: i64 = 700 * 28 * DAY_MS + 27 * DAY_MS + HOUR_MS;

/// Tells a history to all backends; all then answer the same.
fn live(pace: Pace, steps: &[Step], asked: &[Asked]) {
    let memory = Bench::memory();
    let mut sqlite = Bench::sqlite().at_pace(pace.interval_ms);
    let mut sealed = Bench::sealed().at_pace(pace.interval_ms);
    let mut now = BEGINNING_MS;
    let mut times = vec![now];
    let mut known = Told::default();
    let mut last = Vec::new();
    for step in steps {
        let told = |snapshots: &[Snapshot]| -> (Appended, Appended) {
            let appended = memory.store.append(snapshots).unwrap();
            assert_eq!(appended, sealed.store.append(snapshots).unwrap());
            (appended, sqlite.store.append(snapshots).unwrap())
        };
        match step {
            Step::Append(ticks) => {
                last = ticks
                    .iter()
                    .map(|tick| {
                        now += pace.of(tick.passed_ms);
                        snapshot_of(pace, tick, now)
                    })
                    .collect();
                for snapshot in &last {
                    known.note(snapshot);
                    times.push(snapshot.poll.started.ms());
                    let samples = snapshot.batches.iter().flat_map(|batch| &batch.observations);
                    times.extend(samples.filter_map(|seen| seen.sample.as_ref()).map(|sample| sample.at.ms()));
                }
                let (left, right) = told(&last);
                assert_eq!(left, right);
            }
            Step::Repeat => {
                let (left, right) = told(&last);
                assert_eq!(left, right);
            }
            Step::Reopen => {
                sqlite.reopen();
                sealed.reopen();
            }
            Step::Kill => {
                sqlite.kill();
                sealed.kill();
            }
            Step::Upkeep { age_ms, steps } => {
                for _ in 0..*steps {
                    if !sqlite.store.upkeep(ms(now - pace.of(*age_ms)), &Limits::default()).unwrap().more {
                        break;
                    }
                }
            }
            Step::Retain { samples_age_ms, events_age_ms } => {
                let cutoffs = Cutoffs {
                    samples: Some(ms(now - pace.of(*samples_age_ms))),
                    rollups: Some(ms(now - pace.of(*samples_age_ms))),
                    events: Some(ms(now - pace.of(*events_age_ms))),
                };
                let polls = retain_all(&memory.store, &cutoffs);
                assert_eq!(polls, retain_all(&sqlite.store, &cutoffs));
                assert_eq!(polls, retain_all(&sealed.store, &cutoffs));
            }
        }
    }
    let hours_from = known.hours_from(&memory.store);
    let files = [&sqlite.store, &sealed.store];
    files.iter().for_each(|file| assert_same(&memory.store, file, pace, &times, asked));
    // Each is six questions to three stores about a day.
    for (place, shift, length_ms) in asked.iter().take(3) {
        let from = (place.get(&times) + shift).max(hours_from);
        let range = range(from, from + pace.of(*length_ms).max(DAY_MS));
        assert_same_hours(&memory.store, &files, range, ms(now), pace.interval_ms);
    }
}

/// That many histories, each sealed, merged, rolled up, ended and killed at points of its own.
fn check(cases: u32) {
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 4_000,
        source_file: Some(file!()),
        test_name: Some("sqlite_answers_as_memory_does_after_any_history"),
        ..ProptestConfig::default()
    };
    let history = (pace(), proptest::collection::vec(step(), 1..25), proptest::collection::vec(asked(), 1..12));
    let outcome = TestRunner::new(config).run(&history, |(pace, steps, asked)| {
        live(pace, &steps, &asked);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn sqlite_answers_as_memory_does_after_any_history() {
    check(256);
}

#[test]
#[ignore = "takes long; run it by hand"]
fn sqlite_answers_as_memory_does_after_any_of_ten_thousand_histories() {
    check(10_000);
}
