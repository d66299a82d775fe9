//! What hours hold, by example.

mod many;

use super::*;
use crate::model::{Column, ColumnValues, Key, Pick, Total, Value};

static KIND: Kind = Kind {
    name: "test_hours",
    help: "",
    identity: &[Key { name: "id", help: "" }],
    attributes: &[],
    columns: &[
        Column::counter("cpu_seconds_total", "cpu_ns", "seconds", 9, ""),
        Column::gauge("memory_bytes", "memory_bytes", "bytes", 0, "").headline(),
    ],
    derived: &[Derived::new("cpu_cores", "cores", "", Formula::Rate { counters: &["cpu_seconds_total"] }).headline()],
    display: &["id"],
};

fn minutes(minutes: i64) -> Timestamp {
    Timestamp::from_ms(minutes * 60_000)
}

/// Samples of (minute, counter, gauge), ten minutes apart by rule, in a range of minutes.
fn roll(samples: &[(i64, i64, i64)], range: (i64, i64), versions: &[i64]) -> Hours {
    let at: Vec<Timestamp> = samples.iter().map(|(minute, ..)| minutes(*minute)).collect();
    let run = Run {
        range: TimeRange::new(minutes(range.0), minutes(range.1)).unwrap(),
        has_before: at.first().is_some_and(|at| *at < minutes(range.0)),
        has_after: at.last().is_some_and(|at| *at >= minutes(range.1)),
        since: vec![Some(minutes(-1_000)); at.len()],
        interval_ms: vec![600_000; at.len()],
        clock_offset_ms: vec![0; at.len()],
        columns: vec![
            ColumnValues::Int(samples.iter().map(|sample| Some(sample.1)).collect()),
            ColumnValues::Int(samples.iter().map(|sample| Some(sample.2)).collect()),
        ],
        at,
        polled_before_first: None,
    };
    let versions: Vec<Version> =
        versions.iter().map(|from| Version { from: minutes(*from), attributes: Default::default() }).collect();
    Roller::new(&KIND, &[0, 1, 2], true).roll(&run, &versions)
}

fn starts(hours: &Hours) -> Vec<(i64, i64)> {
    hours.rows.iter().map(|row| (row.start.ms() / 60_000, row.version.ms() / 60_000)).collect()
}

#[test]
fn a_stretch_across_the_hour_is_shared_by_time_and_a_gauge_counts_where_it_is() {
    let hours = roll(&[(50, 0, 7), (65, 1_500, 9)], (0, 120), &[0]);
    assert_eq!(starts(&hours), [(0, 0), (60, 0)]);
    let shares: Vec<Total> = hours.cells[0].iter().map(|cell| cell.sum).collect();
    assert_eq!(shares, [Total::Int(1_000), Total::Int(500)]);
    let covered: Vec<i64> = hours.rows.iter().map(|row| row.covered_ms).collect();
    assert_eq!(covered, [600_000, 300_000]);
    let memory: Vec<(i64, Value)> = hours.cells[1].iter().map(|cell| (cell.count, cell.last.above)).collect();
    assert_eq!(memory, [(1, Value::Int(7)), (1, Value::Int(9))]);
    // The stretch ends in the second hour: there it is the smallest and the largest rate.
    assert_eq!((hours.cells[2][0].count, hours.cells[2][1].count), (0, 1));
    let rate = Pick { above: Value::Int(1_500), below: Value::Int(900_000) };
    assert_eq!((hours.cells[2][1].min, hours.cells[2][1].max), (rate, rate));
    assert_eq!(hours.cells[1][0].bins.len(), 1);
}

#[test]
fn a_hole_has_an_amount_and_no_time() {
    let hours = roll(&[(10, 0, 1), (100, 600, 1)], (0, 120), &[0]);
    assert_eq!(starts(&hours), [(0, 0), (60, 0)]);
    let cell = &hours.cells[0][1];
    assert_eq!((cell.sum, cell.holes, cell.covered_ms), (Total::Nothing, Total::Int(600), 0));
    assert_eq!(hours.rows[1].covered_ms, 0);
    let presences: Vec<Presence> = hours.stays.iter().map(|stay| stay.presence).collect();
    assert_eq!(presences, [Presence::Gone, Presence::Unseen, Presence::Unseen][..hours.stays.len()]);
}

#[test]
fn a_row_never_crosses_a_change_of_attributes() {
    let hours = roll(&[(10, 0, 1), (20, 10, 1), (30, 20, 1), (40, 30, 1)], (0, 60), &[0, 25]);
    assert_eq!(starts(&hours), [(0, 0), (0, 25)]);
    assert_eq!(hours.rows.iter().map(|row| row.samples).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(hours.cells[0].iter().map(|cell| cell.sum).collect::<Vec<_>>(), [Total::Int(10), Total::Int(20)]);
}

#[test]
fn neighbours_give_shares_and_no_rows_beyond_the_range() {
    let hours = roll(&[(-5, 0, 1), (5, 100, 1), (55, 200, 1), (65, 300, 1)], (0, 60), &[0]);
    assert_eq!(starts(&hours), [(0, 0)]);
    // Half of the stretch before and half of the one after; the one between is a hole.
    let cell = &hours.cells[0][0];
    assert_eq!((cell.sum, cell.holes), (Total::Int(100), Total::Int(100)));
    assert_eq!(hours.after.len(), 1);
    assert_eq!(hours.rows[0].samples, 2);
}
