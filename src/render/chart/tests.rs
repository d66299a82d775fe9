//! Pictures of frames made by hand: where lines begin and end, what the axes say, what hostile labels become.

use proptest::prelude::*;

use super::axis::*;
use super::*;
use crate::model::{Outcome, TargetName, TimeRange};
use crate::query::cell::Number;
use crate::query::frame::{Cause, Gap};
use crate::query::request::{Agg, Step};
use crate::source::kind;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};

const SIZE: ChartSize = ChartSize { width_px: 600, panel_height_px: 200 };
const MINUTE_MS: i64 = 60_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(1_787_281_200_000 + ms) // 2026-08-21T03:00:00Z
}

fn range(length_ms: i64) -> TimeRange {
    TimeRange::new(at(0), at(length_ms)).unwrap()
}

fn berlin() -> Zone {
    Zone::Named("Europe/Berlin".parse().unwrap())
}

/// A frame of one field, a bucket a minute.
fn frame(unit: &'static str, series: &[(&str, &[Number])]) -> Frame {
    let buckets = series.first().map_or(0, |(_, values)| values.len());
    Frame {
        kind: kind("container").unwrap(),
        range: range(i64::try_from(buckets.max(1)).unwrap() * MINUTE_MS),
        step: Step::Fixed(MINUTE_MS),
        zone: Zone::Utc,
        resolution: "samples",
        fields: vec![FrameField { name: "cpu_cores", agg: Agg::Avg, unit, key: "cpu_cores".to_owned() }],
        label_names: vec!["name".to_owned()],
        times: (0..i64::try_from(buckets).unwrap()).map(|bucket| at(bucket * MINUTE_MS)).collect(),
        series: series
            .iter()
            .map(|(label, values)| Series {
                labels: vec![Some((*label).to_owned())],
                values: vec![values.to_vec()],
                coverage: None,
            })
            .collect(),
        gaps: None,
    }
}

fn number(value: f64) -> Number {
    Number::Derived(value)
}

#[test]
fn a_line_stops_where_a_number_is_missing_and_is_as_long_as_its_buckets() {
    let numbers = [Some(1.0), Some(2.0), None, Some(3.0), None];
    let lines = stretches(&[0, 10, 20, 30, 40, 50], numbers.into_iter());
    assert_eq!(lines, [vec![(0, 1.0), (10, 1.0), (10, 2.0), (20, 2.0)], vec![(30, 3.0), (40, 3.0)]]);
    assert_eq!(stretches(&[0, 10], [None].into_iter()), Vec::<Vec<(i64, f64)>>::new());
}

#[test]
fn what_no_axis_has_a_place_for_is_missing() {
    let values = [number(f64::NAN), number(0.5), number(f64::INFINITY), Number::Null];
    let document = svg(&frame("cores", &[("web", &values)]), SIZE).unwrap();
    let lines = document.lines().filter(|line| line.starts_with("<polyline") && line.contains("#332288")).count();
    assert_eq!(lines, 2, "its one bucket, and the legend: {document}");
}

#[test]
fn labels_are_text_whatever_is_in_them() {
    let hostile = "<script>alert(1)</script>&\"'\u{0}\n\u{1b}";
    let document = svg(&frame("cores", &[(hostile, &[number(1.0)])]), SIZE).unwrap();
    assert!(!document.contains("<script"), "{document}");
    assert!(document.contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&apos;□□□"), "{document}");
    assert!(document.chars().all(|c| c == '\n' || !c.is_control()));
    let long = shortened("", &"x".repeat(500));
    assert_eq!(long.chars().count(), LABEL_CHARACTERS_MAX - 1);
}

#[test]
fn gaps_are_shaded_and_an_empty_answer_says_so() {
    let mut shown = frame("cores", &[("web", &[number(1.0), Number::Null])]);
    assert!(!svg(&shown, SIZE).unwrap().contains("#EEEEEE"));
    let target = TargetName::new("docker", "node-1");
    shown.gaps =
        Some(vec![Gap { target, start: at(MINUTE_MS), end: at(2 * MINUTE_MS), cause: Cause::Polls(Outcome::Timeout) }]);
    assert_eq!(svg(&shown, SIZE).unwrap().matches("#EEEEEE").count(), 1);
    assert!(svg(&frame("cores", &[]), SIZE).unwrap().contains("nothing was seen in this range"));
}

#[test]
fn more_than_a_picture_can_show_is_refused() {
    let values = [number(1.0)];
    let many: Vec<(&str, &[Number])> = (0..=SERIES_MAX).map(|_| ("web", &values[..])).collect();
    assert!(matches!(svg(&frame("cores", &many), SIZE), Err(ChartError::TooManySeries(101))));
    assert!(svg(&frame("cores", &many[..SERIES_MAX]), SIZE).is_ok());
}

#[test]
fn times_have_ticks_that_clocks_and_calendars_have() {
    let check = |length_ms: i64, zone: Zone, expected: &[&str]| {
        let axis = TimeAxis::over(range(length_ms), zone, 600);
        let labels: Vec<String> = axis.key_points(0).iter().map(|at| axis.format_ext(at)).collect();
        assert_eq!(labels, expected);
    };
    check(30_000, Zone::Utc, &["03:00:00", "03:00:05", "03:00:10", "03:00:15", "03:00:20", "03:00:25"]);
    check(3_600_000, Zone::Utc, &["03:00", "03:10", "03:20", "03:30", "03:40", "03:50"]);
    let night = ["06:00", "12:00", "18:00", "2026-08-22"];
    check(24 * 3_600_000, Zone::Utc, &night);
    check(24 * 3_600_000, berlin(), &night);
    check(3 * 86_400_000, Zone::Utc, &["2026-08-22", "2026-08-23", "2026-08-24"]);
    check(60 * 86_400_000, Zone::Utc, &["2026-09-01", "2026-10-01"]);
    let decades = ["2028-01-01", "2034-01-01", "2040-01-01", "2046-01-01", "2052-01-01", "2058-01-01", "2064-01-01"];
    check(365 * 40 * 86_400_000, Zone::Utc, &decades);
}

#[test]
fn a_day_of_23_hours_has_a_tick_at_each_midnight_and_every_three_hours_after() {
    // 2026-03-29 begins at 23:00Z and ends at 22:00Z.
    let start = Timestamp::from_ms(1_774_738_800_000);
    let range = TimeRange::new(start, start.plus_ms(23 * 3_600_000)).unwrap();
    let axis = TimeAxis::over(range, berlin(), 800);
    let labels: Vec<String> = axis.key_points(0).iter().map(|at| axis.format_ext(at)).collect();
    assert_eq!(labels[0], "2026-03-29");
    assert_eq!(labels.len(), 8, "{labels:?}");
}

#[test]
fn numbers_have_ticks_that_people_read() {
    let check = |numbers: &[f64], unit: &str, expected: &[&str]| {
        let axis = ValueAxis::over(numbers.iter().copied(), unit, 150);
        let labels: Vec<String> = axis.key_points(0).iter().map(|value| axis.format_ext(value)).collect();
        assert_eq!(labels, expected, "{numbers:?} {unit}");
    };
    check(&[0.25, 0.9], "cores", &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    check(&[1.5], "cores", &["0.0", "0.5", "1.0", "1.5"]);
    check(&[0.3], "ratio", &["0.0", "0.1", "0.2", "0.3"]);
    check(&[3.0 * 1_048_576.0], "bytes", &["0 MiB", "1 MiB", "2 MiB", "3 MiB"]);
    check(&[2_500.0], "bytes_per_second", &["0.0 KiB", "0.5 KiB", "1.0 KiB", "1.5 KiB", "2.0 KiB", "2.5 KiB"]);
    check(&[-1.0, 1.0], "", &["-1.0", "-0.5", "0.0", "0.5", "1.0"]);
    check(&[], "cores", &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
}

proptest! {
    #[test]
    fn any_numbers_over_any_range_are_drawn(
        values in proptest::collection::vec(proptest::option::of(any::<f64>()), 1..40),
        length_ms in 1..4_000_000_000_000_i64,
        width_px in 200..8_000_u32,
        panel_height_px in 100..2_000_u32,
    ) {
        let numbers: Vec<Number> = values.iter().map(|value| value.map_or(Number::Null, Number::Reported)).collect();
        let mut frame = frame("bytes", &[("web", &numbers)]);
        frame.range = range(length_ms);
        frame.zone = berlin();
        let step = length_ms / i64::try_from(values.len()).unwrap();
        frame.times = (0..i64::try_from(values.len()).unwrap()).map(|bucket| at(bucket * step)).collect();
        let document = svg(&frame, ChartSize { width_px, panel_height_px }).unwrap();
        prop_assert!(document.starts_with("<svg ") && document.trim_end().ends_with("</svg>"));
        prop_assert!(!document.contains("NaN") && !document.contains("inf"));
    }

    #[test]
    fn ticks_are_few_in_order_and_inside(length_ms in 1..4_000_000_000_000_i64, from_ms in 0..4_000_000_000_000_i64, width_px in 200..8_000_u32) {
        let start = Timestamp::from_ms(from_ms);
        let range = TimeRange::new(start, start.plus_ms(length_ms)).unwrap();
        let ticks = TimeAxis::over(range, berlin(), width_px).key_points(0);
        prop_assert!(ticks.len() <= 40);
        prop_assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(ticks.iter().all(|at| range.contains(Timestamp::from_ms(*at))));
    }
}
