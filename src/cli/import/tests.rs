//! Export, import, export again: the same bytes, of random fleets, in any order and any portions; and the same answers.

#![expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "numbers drawn at random")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use indicatif::ProgressBar;
use proptest::prelude::*;

use super::{News, Taking};
use crate::answer::{self, Stop};
use crate::cli::export::write_csv;
use crate::model::{
    AttributeType, AttributeValue, Attributes, Identity, Kind, KindBatch, Observation, Outcome, Poll, Repr, Sample,
    Snapshot, TargetName, TimeRange, Timestamp, Value,
};
use crate::query::import::LineReader;
use crate::query::request::{RangeRequest, SamplesRequest};
use crate::source::{KINDS, kind};
use crate::store::sqlite::Sqlite;
use crate::store::{EntityQuery, Imported, Limits, Store};

const START_MS: i64 = 19_700 * 86_400_000 + 82_000_000;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, below: u64) -> u64 {
        self.next() % below
    }

    fn ms(&mut self, below: u64) -> i64 {
        i64::try_from(self.below(below)).unwrap()
    }

    fn is_one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// One thing of a random fleet.
struct Thing {
    identity: Identity,
    since: Option<Timestamp>,
    attributes: Attributes,
    counters: Vec<i64>,
    is_new: bool,
}

/// A fleet that was recorded, of any kind: restarts, replacements, polls that failed, things that did not come.
struct Recorded {
    kind: &'static Kind,
    dice: Dice,
    interval_ms: i64,
    born: u64,
}

impl Recorded {
    fn thing(&mut self, host: u64, since_ms: i64) -> Thing {
        self.born += 1;
        let mut parts = vec![format!("node {host}, \"{}\"", host % 2)];
        for index in 1..self.kind.identity.len() {
            parts.push(format!("part-{index}\n{:x}", self.born * 7919 + host));
        }
        let knows_since = !self.dice.is_one_in(4);
        let mut thing = Thing {
            identity: Identity::new(parts),
            since: knows_since.then(|| Timestamp::from_ms(since_ms)),
            attributes: Attributes::new(),
            counters: vec![0; self.kind.columns.len()],
            is_new: true,
        };
        self.change(&mut thing);
        thing
    }

    /// Some other facts.
    fn change(&mut self, thing: &mut Thing) {
        thing.is_new = true;
        for attribute in self.kind.attributes {
            let dice = &mut self.dice;
            let text =
                ["web", "a,b", "\"quoted\"", "line\r\nbreak", "é=1+2", " ", "'x"][dice.below(7) as usize].to_owned();
            let value = match attribute.ty {
                AttributeType::Text => AttributeValue::Text(text),
                AttributeType::Integer => AttributeValue::Integer(dice.next() as i64),
                AttributeType::Number => AttributeValue::Number(f64::from_bits(dice.next())),
                AttributeType::Boolean => AttributeValue::Boolean(dice.is_one_in(2)),
                AttributeType::Time => AttributeValue::Time(Timestamp::from_ms(START_MS + dice.ms(1_000_000))),
                AttributeType::List => AttributeValue::List(vec![text, "b".to_owned()]),
                AttributeType::Map => AttributeValue::Map(BTreeMap::from([("k\"".to_owned(), text)])),
            };
            // Numbers that are not finite have no place in an attribute; a text without letters is as one that is not known.
            let is_told = !matches!(value, AttributeValue::Number(number) if !number.is_finite());
            match dice.below(3) {
                0 if is_told => drop(thing.attributes.insert(attribute.name, value)),
                1 => drop(thing.attributes.remove(attribute.name)),
                _ => {}
            }
        }
    }

    fn sample(&mut self, thing: &mut Thing, at_ms: i64) -> Sample {
        let mut values = Vec::new();
        for (index, column) in self.kind.columns.iter().enumerate() {
            let dice = &mut self.dice;
            thing.counters[index] = thing.counters[index].saturating_add(dice.ms(1 << 30));
            let counted = thing.counters[index];
            values.push(match (dice.below(12), column.repr) {
                (0, _) => Value::Null,
                (1, Repr::Integer { .. }) => Value::Int(dice.next() as i64),
                (_, Repr::Integer { .. }) => Value::Int(counted),
                (1, Repr::Float) => {
                    Value::Float([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0][dice.below(4) as usize])
                }
                (2, Repr::Float) => Value::Float(f64::from_bits(dice.next()).clamp(f64::MIN, f64::MAX)),
                (_, Repr::Float) => Value::Float(counted as f64 / 8.0),
            });
        }
        // One NaN is as good as another once it was printed.
        let canonical =
            |value| if matches!(value, Value::Float(float) if float.is_nan()) { Value::Float(f64::NAN) } else { value };
        let values = values.into_iter().map(canonical).collect();
        Sample { at: Timestamp::from_ms(at_ms), since: thing.since, values }
    }

    /// Records the fleet. `is_regular`: polls fail now and then, but an interval can be told from what came.
    fn record(&mut self, store: &Store, hosts: u64, things: u64, rounds: i64, is_regular: bool) -> i64 {
        let mut fleet: Vec<Vec<Thing>> =
            (0..hosts).map(|host| (0..things).map(|_| self.thing(host, START_MS - 5_000_000)).collect()).collect();
        for round in 0..rounds {
            let mut snapshots = Vec::new();
            for (host, things) in fleet.iter_mut().enumerate() {
                let host = u64::try_from(host).unwrap();
                let started_ms = START_MS + round * self.interval_ms + self.dice.ms(20);
                let is_lost = round > 0 && self.dice.is_one_in(if is_regular { 25 } else { 3 });
                let mut observations = Vec::new();
                for (slot, thing) in things.iter_mut().enumerate() {
                    if round > 0 && self.dice.is_one_in(20) {
                        *thing = self.thing(host, started_ms - 100);
                    }
                    if thing.since.is_some() && self.dice.is_one_in(15) {
                        thing.since = Some(Timestamp::from_ms(started_ms - self.dice.ms(90)));
                        thing.counters.fill(0);
                    }
                    if self.dice.is_one_in(10) {
                        self.change(thing);
                    }
                    let is_missing = slot > 0 && !is_regular && self.dice.is_one_in(4);
                    let at_ms = started_ms + 400 + self.dice.ms(60);
                    let sample = (!is_missing).then(|| self.sample(thing, at_ms));
                    observations.push(Observation {
                        identity: thing.identity.clone(),
                        attributes: thing.is_new.then(|| thing.attributes.clone()),
                        ended: None,
                        sample,
                    });
                    thing.is_new &= is_lost;
                }
                let batch = KindBatch { kind: self.kind, complete: true, observations };
                snapshots.push(Snapshot {
                    poll: Poll {
                        target: TargetName::new("docker", &format!("host-{host}")),
                        started: Timestamp::from_ms(started_ms),
                        duration_ms: 460,
                        interval_ms: self.interval_ms,
                        bytes: 1,
                        outcome: if is_lost { Outcome::Timeout } else { Outcome::Ok },
                        error: None,
                        missing: Vec::new(),
                        clock_offset_ms: 0,
                    },
                    batches: if is_lost { Vec::new() } else { vec![batch] },
                    events: Vec::new(),
                });
            }
            store.append(&snapshots).unwrap();
        }
        START_MS + rounds * self.interval_ms
    }
}

fn open(directory: &tempfile::TempDir, name: &str) -> Store {
    Store::Sqlite(Sqlite::open(&directory.path().join(name), KINDS).unwrap())
}

fn export(store: &Store, kind: &'static Kind, zone: &str) -> Vec<u8> {
    let pairs = [("start", "2020-01-01"), ("end", "2030-01-01"), ("attributes", "all"), ("tz", zone)];
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let request = SamplesRequest::parse(kind, &pairs, Timestamp::from_ms(START_MS)).unwrap();
    let mut out = Vec::new();
    write_csv(store, &request, &mut out, &ProgressBar::hidden()).unwrap();
    out
}

/// Imports a CSV; every line of it must be good.
fn import(
    store: &Store,
    kind: &'static Kind,
    csv: &[u8],
    (interval_ms, now_ms, numbers_a_batch): (Option<i64>, i64, usize),
) -> Imported {
    let mut lines = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(csv);
    let mut header = csv::StringRecord::new();
    lines.read_record(&mut header).unwrap();
    let mut taking = Taking {
        store,
        kind,
        interval_ms,
        now: Timestamp::from_ms(now_ms),
        numbers_a_batch,
        samples: Vec::new(),
        imported: Imported::default(),
        bad_lines: 0,
        reader: LineReader::new(kind, header.iter()).unwrap(),
    };
    let news = &mut |news: News<'_>| match news {
        News::Line { number, why } => panic!("line {number}: {why}"),
        News::Far => ControlFlow::Continue(()),
    };
    taking.take_all(&mut lines, news).unwrap();
    let imported = taking.imported;
    store.end_import(kind).unwrap();
    imported
}

/// The header and the lines of a CSV, each with its line break.
fn lines(csv: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv);
    let mut lines = reader.byte_records().map(|record| {
        let mut line = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        line.write_byte_record(&record.unwrap()).unwrap();
        line.into_inner().unwrap()
    });
    (lines.next().unwrap(), lines.collect())
}

fn assert_same(left: &[u8], right: &[u8]) {
    if left != right {
        let (left, right) = (String::from_utf8_lossy(left), String::from_utf8_lossy(right));
        let different = left.lines().zip(right.lines()).enumerate().find(|(_, (left, right))| left != right);
        panic!("{} and {} lines; first different: {different:#?}", left.lines().count(), right.lines().count());
    }
}

/// Series of a range question, with coverage, as they are printed.
fn series(store: &Store, kind: &'static Kind, end_ms: i64, question: &[(&str, &str)]) -> String {
    let (start, end) = ((START_MS - 60_000).to_string(), (end_ms + 60_000).to_string());
    let range = [("start", start.as_str()), ("end", end.as_str()), ("coverage", "1")];
    let pairs: Vec<_> =
        range.iter().chain(question).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let request = RangeRequest::parse(kind, &pairs, Timestamp::from_ms(end_ms), 10_000).unwrap();
    let frame = answer::range(store, &request, &Stop::never()).unwrap();
    format!("{:#?}", frame.series)
}

fn sound(store: &Store) {
    let report = store.check(&mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(report.faults, Vec::<String>::new());
}

struct Case {
    kind: &'static str,
    seed: u64,
    hosts: u64,
    things: u64,
    rounds: i64,
    interval_ms: i64,
    is_regular: bool,
    /// How long after the end of the recording it is imported.
    later_ms: i64,
}

fn there_and_back(case: &Case) {
    let directory = tempfile::tempdir().unwrap();
    let kind = kind(case.kind).unwrap();
    let origin = open(&directory, "origin.db");
    let mut recorded = Recorded { kind, dice: Dice(case.seed), interval_ms: case.interval_ms, born: 0 };
    let end_ms = recorded.record(&origin, case.hosts, case.things, case.rounds, case.is_regular);
    let zone = ["UTC", "Europe/Berlin", "Asia/Kolkata"][recorded.dice.below(3) as usize];
    let csv = export(&origin, kind, zone);
    let now_ms = end_ms + case.later_ms;
    let interval_ms = (!case.is_regular).then_some(case.interval_ms);

    let whole = open(&directory, "whole.db");
    let (header, all) = lines(&csv);
    let count = u64::try_from(all.len()).unwrap();
    let imported = import(&whole, kind, &csv, (interval_ms, now_ms, usize::MAX));
    assert_eq!(imported, Imported { samples: count, ..Imported::default() });
    assert_same(&csv, &export(&whole, kind, zone));
    sound(&whole);
    let questions: [&[(&str, &str)]; 3] = [
        &[("step", "1m")],
        &[("step", "all"), ("group_by", "")],
        &[("step", "30s"), ("group_by", kind.identity[0].name)],
    ];
    for question in questions {
        let (left, right) = (series(&origin, kind, end_ms, question), series(&whole, kind, end_ms, question));
        assert_eq!(left, right, "{question:?}");
    }
    // What ended there ended here.
    let ended = |store: &Store| {
        let query = EntityQuery { kind, seen_in: TimeRange::ALL, after: None, limit: 10_000 };
        let entities = store.entities(&query).unwrap().into_iter();
        entities.map(|entity| (entity.identity, entity.ended.is_some())).collect::<BTreeMap<_, _>>()
    };
    let (there, here) = (ended(&origin), ended(&whole));
    // What is listed without a sample at last is taken for gone: a CSV does not tell it.
    for (identity, is_ended) in here.iter().filter(|_| case.is_regular) {
        assert_eq!(there.get(identity), Some(is_ended), "{identity:?}");
    }

    // The same once more changes nothing.
    let again = import(&whole, kind, &csv, (interval_ms, now_ms, usize::MAX));
    assert_eq!(again, Imported { duplicate_samples: count, ..Imported::default() });
    assert_same(&csv, &export(&whole, kind, zone));

    // In any order, in small portions, twice in part, packed in between.
    let pieces = open(&directory, "pieces.db");
    let mut shuffled = all;
    for index in (1..shuffled.len()).rev() {
        let other = recorded.dice.below(u64::try_from(index + 1).unwrap()) as usize;
        shuffled.swap(index, other);
    }
    let (first, _) = shuffled.split_at(shuffled.len() / 3);
    // An interval cannot be told from samples that were strewn about.
    let interval_ms = Some(case.interval_ms);
    for part in [first, &shuffled] {
        let csv: Vec<u8> = header.iter().chain(part.iter().flatten()).copied().collect();
        import(&pieces, kind, &csv, (interval_ms, now_ms, kind.columns.len() * 37));
        sound(&pieces);
        while pieces.upkeep(Timestamp::from_ms(now_ms), &Limits::default()).unwrap().more {}
    }
    assert_same(&csv, &export(&pieces, kind, zone));
    sound(&pieces);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn what_was_exported_is_imported_to_the_byte(
        seed: u64,
        kind in prop::sample::select(vec!["container", "metric", "container", "host_filesystem"]),
        hosts in 1_u64..3,
        things in 1_u64..4,
        rounds in 12_i64..50,
        interval_ms in prop::sample::select(vec![2_000_i64, 10_000, 30_000, 300_000]),
        is_regular: bool,
        later_ms in prop::sample::select(vec![0_i64, 3 * 3_600_000, 30 * 86_400_000]),
    ) {
        there_and_back(&Case { kind, seed, hosts, things, rounds, interval_ms, is_regular, later_ms });
    }
}

/// Few in CI, as many as `PROPTEST_CASES` says by hand.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12)
}

#[test]
fn files_are_merged_and_what_the_recorder_goes_on_with_is_one_history() {
    let directory = tempfile::tempdir().unwrap();
    let kind = kind("container").unwrap();
    let store = open(&directory, "origin.db");
    let mut recorded = Recorded { kind, dice: Dice(5), interval_ms: 10_000, born: 0 };
    recorded.record(&store, 2, 3, 60, true);
    let csv = export(&store, kind, "UTC");
    let (header, all) = lines(&csv);
    // The younger half is recorded in another file, the older one comes from elsewhere.
    let middle =
        crate::query::civil::format_instant(Timestamp::from_ms(START_MS + 300_000), crate::query::request::Zone::Utc);
    let part = |is_old: bool| -> Vec<u8> {
        let of_part =
            all.iter().filter(|line| (line.starts_with(b"20") && line.as_slice() < middle.as_bytes()) == is_old);
        header.iter().chain(of_part.flatten()).copied().collect()
    };
    for order in [[true, false], [false, true]] {
        let merged = open(&directory, &format!("merged-{}.db", order[0]));
        for is_old in order {
            import(&merged, kind, &part(is_old), (Some(10_000), START_MS + 86_400_000 * 3, usize::MAX));
        }
        assert_same(&csv, &export(&merged, kind, "UTC"));
        sound(&merged);
    }
}
