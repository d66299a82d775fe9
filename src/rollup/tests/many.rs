//! Many samples at once are what each of them is for itself.

use proptest::prelude::*;

use super::super::*;
use crate::model::{Column, ColumnValues, Key};

const COLUMNS: usize = 8;

static KIND: Kind = Kind {
    name: "test_many",
    help: "",
    identity: &[Key { name: "id", help: "" }],
    attributes: &[],
    columns: &[
        Column::counter("work_seconds_total", "work_ns", "seconds", 9, ""),
        Column::counter("idle_seconds_total", "idle_ns", "seconds", 9, ""),
        Column::counter("bytes_total", "bytes", "bytes", 0, ""),
        Column::gauge("used", "used", "bytes", 0, "").headline(),
        Column::gauge("cached", "cached", "bytes", 0, "").untold_is_none(),
        Column::gauge("limit", "limit_bytes", "bytes", 0, ""),
        Column::gauge("share", "share_milli", "", 3, "").headline(),
        Column { repr: crate::model::Repr::Float, ..Column::gauge("heat", "heat", "", 0, "").headline() },
    ],
    derived: &[
        Derived::new("work", "", "", Formula::Rate { counters: &["work_seconds_total"] }).headline(),
        Derived::new("all", "", "", Formula::Rate { counters: &["work_seconds_total", "idle_seconds_total"] })
            .headline(),
        Derived::new("mixed", "", "", Formula::Rate { counters: &["work_seconds_total", "bytes_total"] }),
        Derived::new("part", "", "", ratio(None)),
        Derived::new("parts", "", "", ratio(Some("limit"))),
        Derived::new("net", "", "", Formula::Remainder { of: "used", less: "cached" }).headline(),
        Derived::new("rest", "", "", Formula::Remainder { of: "cached", less: "used" }),
        Derived::new("full", "", "", Formula::GaugeRatio { part: "used", less: None, whole: "limit" }).headline(),
        Derived::new("fuller", "", "", Formula::GaugeRatio { part: "used", less: Some("cached"), whole: "limit" })
            .headline(),
    ],
    display: &["id"],
};

const fn ratio(times: Option<&'static str>) -> Formula {
    Formula::IncreaseRatio { part: "work_seconds_total", whole: "idle_seconds_total", times, factor: 1.0 }
}

/// What a sample differs in from the one before it.
#[derive(Debug, Clone)]
struct Step {
    after_ms: i64,
    is_born: bool,
    offset_ms: i64,
    values: Vec<Change>,
}

#[derive(Debug, Clone, Copy)]
enum Change {
    By(i64),
    To(i64),
    Untold,
}

fn step() -> impl Strategy<Value = Step> {
    let change = prop_oneof![
        300 => Just(Change::By(0)),
        150 => (0..3_i64).prop_map(Change::By),
        150 => (0..9_000_000_000_i64).prop_map(Change::By),
        2 => (-5..5_i64).prop_map(Change::By),
        1 => (0..1_000_i64).prop_map(Change::To),
        1 => proptest::sample::select(vec![i64::MIN, -1, 0, (1 << 50) - 1, 1 << 50, i64::MAX]).prop_map(Change::To),
        2 => Just(Change::Untold),
    ];
    let after_ms = prop_oneof![60 => 29_000..31_000_i64, 5 => Just(30_000_i64), 1 => 1..200_000_i64];
    let values = proptest::collection::vec(change, COLUMNS);
    let born = proptest::bool::weighted(0.01);
    (after_ms, born, prop_oneof![200 => Just(0_i64), 1 => Just(7_i64)], values)
        .prop_map(|(after_ms, is_born, offset_ms, values)| Step { after_ms, is_born, offset_ms, values })
}

fn run(steps: &[Step], first: &[Option<i64>], range: TimeRange) -> Run {
    let mut run = Run { has_before: false, ..Run::nothing(range) };
    let mut ints: Vec<Vec<Option<i64>>> = vec![Vec::new(); COLUMNS];
    let (mut at, mut since, mut now) = (Timestamp::from_ms(0), None, first.to_vec());
    for step in steps {
        at = at.plus_ms(step.after_ms);
        since = if step.is_born { Some(at.plus_ms(-step.after_ms / 3)) } else { since };
        for ((value, change), column) in now.iter_mut().zip(&step.values).zip(&mut ints) {
            *value = match change {
                Change::By(by) => Some(value.unwrap_or(1_000).saturating_add(*by)),
                Change::To(to) => Some(*to),
                Change::Untold => None,
            };
            column.push(*value);
        }
        run.at.push(at);
        run.since.push(since);
        run.interval_ms.push(30_000);
        run.clock_offset_ms.push(step.offset_ms);
    }
    run.has_before = run.at.first().is_some_and(|at| *at < range.start());
    run.has_after = run.at.last().is_some_and(|at| *at >= range.end());
    let floats = ints.pop().unwrap_or_default();
    run.columns = ints.into_iter().map(ColumnValues::Int).collect();
    run.columns.push(ColumnValues::Float(floats.iter().map(|value| value.map(|value| value as f64 / 7.0)).collect()));
    run
}

proptest! {
    #[test]
    fn many_samples_at_once_are_what_each_is_for_itself(
        steps in proptest::collection::vec(step(), 1..400),
        first in proptest::collection::vec(proptest::option::weighted(0.9, -2..9_000_000_000_i64), COLUMNS),
        cut in 0..3_000_000_i64,
        version in 0..12_000_000_i64,
        with_bins in any::<bool>(),
    ) {
        // A range has at most one sample on either side.
        let at: i64 = steps.first().map_or(0, |step| step.after_ms);
        let end: i64 = steps.iter().map(|step| step.after_ms).sum();
        let until = if cut % 2 == 0 { end } else { end + 1 };
        let range = TimeRange::new(Timestamp::from_ms(at + (cut % 3) - 1), Timestamp::from_ms(until.max(at + 2))).unwrap();
        let run = run(&steps, &first, range);
        let versions: Vec<Version> = [0, version]
            .map(|from| Version { from: Timestamp::from_ms(from), attributes: Default::default() })
            .into();
        let roller = Roller::new(&KIND, &(0..fields_count(&KIND)).collect::<Vec<_>>(), with_bins);
        let (many, each) = (roller.rolled(&run, &versions, true), roller.rolled(&run, &versions, false));
        prop_assert_eq!(&many.rows, &each.rows);
        for (field, (many, each)) in many.cells.iter().zip(&each.cells).enumerate() {
            // As texts: these tell zeros apart, and NaN equals itself.
            for (row, (many, each)) in many.iter().zip(each).enumerate() {
                prop_assert_eq!(format!("{many:?}"), format!("{each:?}"), "field {} of row {}", field, row);
            }
        }
    }
}
