//! The fold against numbers computed by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

mod oracle;

use super::*;
use crate::model::{
    Attribute, AttributeType, AttributeValue, Column, ColumnValues, Derived, Formula, Identity, Key, Outcome, Poll,
    PollRecord, TargetName, Version,
};
use crate::query::cell::Number;
use crate::query::filter::Filter;
use crate::query::request::{Resolution, Step, Zone};

static KIND: Kind = Kind {
    name: "worker",
    help: "A test kind.",
    identity: &[Key { name: "host", help: "" }, Key { name: "id", help: "" }],
    attributes: &[
        Attribute::new("app", AttributeType::Text, ""),
        Attribute::new("limit_cores", AttributeType::Number, ""),
        Attribute::new("allocated_bytes", AttributeType::Integer, "").late(),
    ],
    columns: &[
        Column::counter("cpu_seconds_total", "cpu_ns", "seconds", 9, ""),
        Column::gauge("memory_bytes", "memory_bytes", "bytes", 0, ""),
        Column::gauge("limit_bytes", "limit_bytes", "bytes", 0, ""),
    ],
    derived: &[
        Derived::new("cpu_cores", "cores", "", Formula::Rate { counters: &["cpu_seconds_total"] }),
        Derived::new(
            "limit_ratio",
            "ratio",
            "",
            Formula::RateToAttribute { counter: "cpu_seconds_total", attribute: "limit_cores" },
        ),
        Derived::new(
            "memory_ratio",
            "ratio",
            "",
            Formula::GaugeRatio { part: "memory_bytes", less: None, whole: "limit_bytes" },
        ),
    ],
    display: &["host", "id"],
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_ms(seconds * 1000)
}

/// One entity and all its samples: (seconds, since, cpu in ns, memory in bytes).
struct Worker {
    record: EntityRecord,
    samples: Vec<(i64, Option<i64>, i64, i64)>,
    polled_before_first: Option<i64>,
}

impl Worker {
    fn new(id: &str, app: &str, samples: &[(i64, Option<i64>, i64, i64)]) -> Worker {
        let mut attributes = Attributes::new();
        attributes.insert("app", app.into());
        attributes.insert("limit_cores", AttributeValue::Number(0.5));
        let first = samples.first().map_or(0, |sample| sample.0);
        Worker {
            record: EntityRecord {
                identity: Identity::new(["h", id]),
                target: TargetName::new("docker", "h"),
                first_seen: at(first),
                last_seen: at(first),
                ended: None,
                versions: vec![Version { from: at(first), attributes: Arc::new(attributes) }].into(),
            },
            samples: samples.to_vec(),
            polled_before_first: None,
        }
    }

    fn with_app_from(self, from: i64, app: &str) -> Worker {
        self.with_from(from, "app", app.into())
    }

    fn with_from(mut self, from: i64, name: &'static str, value: AttributeValue) -> Worker {
        let mut attributes: BTreeMap<_, _> = (*self.record.versions[0].attributes).clone();
        attributes.insert(name, value);
        let mut versions = self.record.versions.to_vec();
        versions.push(Version { from: at(from), attributes: Arc::new(attributes) });
        self.record.versions = versions.into();
        self
    }

    /// What a store would read, for the columns asked for.
    fn run(&self, range: TimeRange, columns: &[usize]) -> Run {
        let before = self.samples.iter().rposition(|sample| at(sample.0) < range.start());
        let after = self.samples.iter().position(|sample| at(sample.0) >= range.end());
        let from = before.unwrap_or(0);
        let to = after.map_or(self.samples.len(), |after| after + 1);
        let taken = &self.samples[from.min(to)..to];
        Run {
            range,
            has_before: before.is_some(),
            has_after: after.is_some(),
            at: taken.iter().map(|sample| at(sample.0)).collect(),
            since: taken.iter().map(|sample| sample.1.map(at)).collect(),
            interval_ms: vec![10_000; taken.len()],
            clock_offset_ms: vec![0; taken.len()],
            columns: columns
                .iter()
                .map(|column| {
                    let pick = |sample: &(i64, Option<i64>, i64, i64)| match column {
                        0 => Some(sample.2),
                        1 => Some(sample.3),
                        _ => Some(1000),
                    };
                    ColumnValues::Int(taken.iter().map(pick).collect())
                })
                .collect(),
            polled_before_first: self.polled_before_first.filter(|_| before.is_none()).map(at),
        }
    }
}

struct Asked {
    start: i64,
    end: i64,
    step: i64,
    fields: Vec<(&'static str, Agg)>,
    group_by: Option<Vec<&'static str>>,
    coverage: bool,
}

fn asked(start: i64, end: i64, step: i64, fields: &[(&'static str, Agg)]) -> Asked {
    Asked { start, end, step, fields: fields.to_vec(), group_by: None, coverage: false }
}

fn request(asked: &Asked) -> RangeRequest {
    let mut edges: Vec<Timestamp> = vec![at(asked.start)];
    edges.extend((asked.start + 1..asked.end).filter(|second| second % asked.step == 0).map(at));
    edges.push(at(asked.end));
    RangeRequest {
        step_is_default: false,
        resolution: Resolution::Samples,
        kind: &KIND,
        fields: asked.fields.iter().map(|(name, agg)| FieldRequest { name, agg: *agg }).collect(),
        names_carry_agg: false,
        range: TimeRange::new(at(asked.start), at(asked.end)).unwrap(),
        now: at(asked.end),
        step: Step::Fixed(asked.step * 1000),
        edges,
        zone: Zone::Utc,
        filter: Filter::default(),
        group_by: asked
            .group_by
            .as_ref()
            .map(|names| names.iter().map(|name| Label::find(&KIND, name).unwrap()).collect()),
        across: None,
        top: None,
        coverage: asked.coverage,
        explain: false,
    }
}

/// A target polled every 10 s from `from` to `to`.
fn polled(from: i64, to: i64) -> Seen {
    let mut seen = Seen::new(TargetName::new("docker", "h"));
    for second in (from..=to).step_by(10) {
        seen.fold(&tick(second, Outcome::Ok));
    }
    seen
}

fn tick(second: i64, outcome: Outcome) -> PollRecord {
    PollRecord {
        poll: Poll {
            target: TargetName::new("docker", "h"),
            started: at(second),
            duration_ms: 0,
            interval_ms: 10_000,
            bytes: 0,
            outcome,
            error: None,
            missing: Vec::new(),
            clock_offset_ms: 0,
        },
        seen_until: at(second),
        samples: 0,
    }
}

fn evaluate(asked: &Asked, workers: &[Worker], seen: &Seen, piece_ms: i64) -> Vec<Series> {
    let request = request(asked);
    let evaluation = Evaluation::new(&request, None);
    let mut gathering = Gathering::new(&evaluation);
    let seen = request.group_by.is_some().then_some(seen);
    for worker in workers {
        for mut pass in evaluation.passes(&worker.record) {
            for piece in request.range.pieces(piece_ms) {
                let run = worker.run(piece, evaluation.columns());
                evaluation.fold(&worker.record, &mut pass, &run, seen);
            }
            gathering.end_pass(&worker.record, pass, seen).unwrap();
        }
    }
    gathering.finish(None).into_iter().map(|(_, series)| series).collect()
}

/// Numbers as text, for tables: `-` is null.
fn text(numbers: &[Number]) -> String {
    let cell =
        |number: &Number| number.as_f64().map_or("-".to_owned(), |value| format!("{}", (value * 1e6).round() / 1e6));
    numbers.iter().map(cell).collect::<Vec<_>>().join(" ")
}

fn check(asked: &Asked, workers: &[Worker], expected: &[(&str, &[&str])]) {
    let seen = polled(0, 60);
    for piece_ms in [86_400_000, 7_000] {
        let series = evaluate(asked, workers, &seen, piece_ms);
        let given: Vec<(String, Vec<String>)> = series
            .iter()
            .map(|series| {
                let labels = series.labels.iter().map(|label| label.clone().unwrap_or_default());
                (labels.collect::<Vec<_>>().join("/"), series.values.iter().map(|values| text(values)).collect())
            })
            .collect();
        let expected: Vec<(String, Vec<String>)> = expected
            .iter()
            .map(|(labels, rows)| ((*labels).to_owned(), rows.iter().map(|row| (*row).to_owned()).collect()))
            .collect();
        assert_eq!(given, expected, "in pieces of {piece_ms} ms");
    }
}

const S: i64 = 1_000_000_000;

#[test]
fn a_rate_is_increase_over_covered_time_and_an_increase_adds_up() {
    let steady = Worker::new("a", "x", &[(5, Some(0), 0, 100), (15, Some(0), 5 * S, 300), (25, Some(0), 10 * S, 500)]);
    let fields = [
        ("cpu_cores", Agg::Avg),
        ("cpu_seconds_total", Agg::Increase),
        ("cpu_seconds_total", Agg::Last),
        ("memory_bytes", Agg::Avg),
        ("cpu_cores", Agg::Max),
        ("limit_ratio", Agg::Avg),
        ("memory_ratio", Agg::Avg),
    ];
    check(
        &asked(0, 30, 10, &fields),
        &[steady],
        &[("h/a", &["0.5 0.5 0.5", "2.5 5 2.5", "0 5 10", "100 300 500", "- 0.5 0.5", "1 1 1", "0.1 0.3 0.5"])],
    );
}

#[test]
fn minimum_and_maximum_of_a_rate_count_where_the_stretch_ends() {
    let uneven = Worker::new("a", "x", &[(5, Some(0), 0, 0), (15, Some(0), 10 * S, 0), (20, Some(0), 10 * S, 0)]);
    let fields = [("cpu_cores", Agg::Max), ("cpu_cores", Agg::Min), ("cpu_cores", Agg::Count)];
    // The stretch that ends at 20 s ends the bucket [10, 20).
    check(&asked(0, 30, 10, &fields), &[uneven], &[("h/a", &["- 1 -", "- 0 -", "0 2 0"])]);
}

#[test]
fn percentiles_are_linear_between_ranks() {
    let samples: Vec<_> = (0..5).map(|index| (index, Some(0), 0, 10 * (index + 1))).collect();
    let worker = Worker::new("a", "x", &samples);
    let fields = [("memory_bytes", Agg::Percentile(50)), ("memory_bytes", Agg::Percentile(90))];
    check(&asked(0, 10, 10, &fields), &[worker], &[("h/a", &["30", "46"])]);
}

#[test]
fn a_replaced_instance_is_not_counted_double() {
    // One instance until 30 s, its replacement from 30 s, seen under our eyes; both use half a core and 100 bytes.
    let old = Worker::new(
        "a",
        "x",
        &[
            (0, Some(-100), 0, 100),
            (10, Some(-100), 5 * S, 100),
            (20, Some(-100), 10 * S, 100),
            (30, Some(-100), 15 * S, 100),
        ],
    );
    let mut new =
        Worker::new("b", "x", &[(40, Some(30), 5 * S, 100), (50, Some(30), 10 * S, 100), (60, Some(30), 15 * S, 100)]);
    new.polled_before_first = Some(29);
    let mut question = asked(
        0,
        60,
        60,
        &[
            ("cpu_cores", Agg::Avg),
            ("memory_bytes", Agg::Avg),
            ("cpu_seconds_total", Agg::Increase),
            ("memory_bytes", Agg::Last),
        ],
    );
    question.group_by = Some(vec!["app"]);
    check(&question, &[old, new], &[("x", &["0.5", "100", "30", "100"])]);
}

#[test]
fn used_stands_against_limit_and_allocated_also_where_an_instance_was_replaced() {
    // Two instances of one application, limited to half a core each and allocated 200 bytes each. The first uses a
    // quarter of a core and 100 bytes throughout; the second half a core and 150 bytes until 30 s, when another
    // takes its place and does the same.
    let allocated = |worker: Worker| worker.with_from(-100, "allocated_bytes", AttributeValue::Integer(200));
    let steady: Vec<_> = (0..=6).map(|tick| (tick * 10, Some(-100), tick * 25 * S / 10, 100)).collect();
    let first = allocated(Worker::new("a", "x", &steady));
    let old: Vec<_> = (0..=3).map(|tick| (tick * 10, Some(-100), tick * 5 * S, 150)).collect();
    let old = allocated(Worker::new("b", "x", &old));
    let new: Vec<_> = (1..=3).map(|tick| (30 + tick * 10, Some(30), tick * 5 * S, 150)).collect();
    let mut new = allocated(Worker::new("c", "x", &new));
    new.polled_before_first = Some(29);
    let fields = [
        ("cpu_cores", Agg::Avg),
        ("limit_cores", Agg::Avg),
        ("memory_bytes", Agg::Avg),
        ("allocated_bytes", Agg::Avg),
        ("allocated_bytes", Agg::Max),
        ("allocated_bytes", Agg::Last),
        ("limit_ratio", Agg::Avg),
    ];
    let mut question = asked(0, 60, 60, &fields);
    question.group_by = Some(vec!["app"]);
    // 0.25 + 0.5 cores of 2 x 0.5, 100 + 150 bytes of 2 x 200; three quarters of what both may use.
    check(&question, &[first, old, new], &[("x", &["0.75", "1", "250", "400", "200", "400", "0.75"])]);
}

#[test]
fn a_number_attribute_is_worth_what_was_in_force_at_each_sample() {
    let samples: Vec<_> = (0..6).map(|tick| (tick * 10, Some(-100), 0, 0)).collect();
    let worker = Worker::new("a", "x", &samples).with_from(30, "limit_cores", AttributeValue::Number(2.0));
    let fields = [
        ("limit_cores", Agg::Avg),
        ("limit_cores", Agg::Min),
        ("limit_cores", Agg::Last),
        ("limit_cores", Agg::Count),
        ("limit_cores", Agg::Percentile(50)),
        ("allocated_bytes", Agg::Avg),
    ];
    check(
        &asked(0, 60, 20, &fields),
        &[worker],
        &[("h/a", &["0.5 1.25 2", "0.5 0.5 2", "0.5 2 2", "2 2 2", "0.5 1.25 2", "- - -"])],
    );
}

#[test]
fn a_group_is_zero_where_all_were_gone_and_null_where_nobody_looked() {
    let worker =
        Worker::new("a", "x", &[(0, Some(-100), 0, 100), (10, Some(-100), 5 * S, 100), (20, Some(-100), 10 * S, 100)]);
    let mut question = asked(0, 80, 20, &[("cpu_cores", Agg::Avg), ("memory_bytes", Agg::Avg)]);
    question.group_by = Some(vec![]);
    question.coverage = true;
    // Polls end at 60 s.
    check(&question, &[worker], &[("", &["0.5 0 0 -", "100 0 0 -"])]);
    let coverage = evaluate(
        &question,
        &[Worker::new("a", "x", &[(0, Some(-100), 0, 100), (10, Some(-100), 5 * S, 100)])],
        &polled(0, 60),
        86_400_000,
    );
    assert_eq!(coverage[0].coverage.as_deref(), Some([1.0, 1.0, 1.0, 0.0].as_slice()));
}

#[test]
fn what_was_not_seen_does_not_thin_a_mean() {
    // Nothing came between 10 s and 50 s, though the container went on.
    let worker = Worker::new(
        "a",
        "x",
        &[
            (0, Some(-100), 0, 100),
            (10, Some(-100), 5 * S, 100),
            (50, Some(-100), 25 * S, 100),
            (60, Some(-100), 30 * S, 100),
        ],
    );
    let mut question =
        asked(0, 60, 60, &[("cpu_cores", Agg::Avg), ("memory_bytes", Agg::Avg), ("cpu_seconds_total", Agg::Increase)]);
    question.group_by = Some(vec!["app"]);
    check(&question, &[worker], &[("x", &["0.5", "100", "30"])]);
}

#[test]
fn groups_see_the_attributes_each_sample_had() {
    let moved = Worker::new(
        "a",
        "x",
        &[
            (0, Some(-100), 0, 100),
            (10, Some(-100), 10 * S, 100),
            (20, Some(-100), 12 * S, 100),
            (30, Some(-100), 14 * S, 100),
        ],
    )
    .with_app_from(15, "y");
    let mut question = asked(0, 40, 20, &[("cpu_cores", Agg::Avg), ("cpu_seconds_total", Agg::Increase)]);
    question.group_by = Some(vec!["app"]);
    let expected: &[(&str, &[&str])] = &[("x", &["0.5 0", "10 0"]), ("y", &["0.1 0.1", "2 2"])];
    check(&question, &[moved], expected);
}

#[test]
fn ratios_combine_as_sums_over_sums() {
    let one = Worker::new("a", "x", &[(0, Some(-100), 0, 100), (10, Some(-100), 5 * S, 100)]);
    let two = Worker::new("b", "x", &[(0, Some(-100), 0, 300), (10, Some(-100), S, 300)]);
    let mut question =
        asked(0, 10, 10, &[("limit_ratio", Agg::Avg), ("memory_ratio", Agg::Avg), ("memory_bytes", Agg::Max)]);
    question.group_by = Some(vec![]);
    check(&question, &[one, two], &[("", &["0.6", "0.2", "300"])]);
}

#[test]
fn a_hole_has_an_amount_and_no_rate() {
    let worker =
        Worker::new("a", "x", &[(0, Some(-100), 0, 1), (45, Some(-100), 9 * S, 1), (55, Some(-100), 10 * S, 1)]);
    let mut question = asked(0, 60, 20, &[("cpu_cores", Agg::Avg), ("cpu_seconds_total", Agg::Increase)]);
    question.coverage = true;
    let series = evaluate(&question, &[worker], &polled(0, 60), 86_400_000);
    assert_eq!(text(&series[0].values[0]), "- - 0.1");
    assert_eq!(text(&series[0].values[1]), "- - 10");
    assert_eq!(series[0].coverage.as_deref(), Some([0.0, 0.0, 0.5].as_slice()));
}

#[test]
fn the_largest_come_first_with_nulls_last() {
    let series = |id: &str, value: Number| {
        let labels = vec![Some(id.to_owned())];
        (SeriesKey(labels.clone()), Series { labels, values: vec![vec![value]], coverage: None })
    };
    let ranked = vec![
        series("c", Number::Null),
        series("b", Number::Derived(1.0)),
        series("a", Number::Derived(1.0)),
        series("d", Number::Derived(2.0)),
    ];
    let names: Vec<_> = largest(&ranked, 4).into_iter().map(|key| key.0[0].clone().unwrap()).collect();
    assert_eq!(names, ["d", "a", "b", "c"]);
}
