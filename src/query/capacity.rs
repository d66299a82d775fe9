//! When something will be full: the busiest hour of each day, a trend through them, and the day it passes a threshold.
//!
//! Pure: a frame of used and whole by the hour in, an outlook a subject out. Must not know: the store, printing.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::cell::Number;
use super::civil::DAY_MS;
use super::frame::{Frame, Series};
use super::request::{CapacityRequest, Measure};
use super::trend::{Expected, Trend};
use crate::model::Timestamp;

/// What is to be expected of one resource of one subject.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlook {
    /// Name of the subject's sort.
    pub of: &'static str,
    /// Its labels.
    pub labels: Vec<(String, Option<String>)>,
    /// Name of the resource.
    pub resource: &'static str,
    /// The unit of all amounts.
    pub unit: &'static str,
    /// What there was of it last; None where it is not limited.
    pub whole: Option<f64>,
    /// What was used in the busiest hour of the newest day.
    pub used: f64,
    /// The amount that counts as full.
    pub full: Option<f64>,
    /// Days that the trend stands on.
    pub days: usize,
    /// The part of the range's time that was seen.
    pub coverage: f64,
    /// The trend; None for too few days.
    pub trend: Option<Trend>,
    /// What is expected at the horizon's end.
    pub at_horizon: Option<Expected>,
    /// The day on which it is full, with the earliest and the latest that the bands give.
    pub passes: Passes,
    /// Why there is no day; None where there is one.
    pub why: Option<&'static str>,
}

/// The first days, from the last one seen to the horizon, that lie above a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Passes {
    /// By the trend.
    pub at: Option<Timestamp>,
    /// By the band's upper edge.
    pub earliest: Option<Timestamp>,
    /// By the band's lower edge.
    pub latest: Option<Timestamp>,
}

/// One outlook a series of the frame, in its order.
pub fn outlooks(request: &CapacityRequest, measure: &'static Measure, frame: &Frame) -> Vec<Outlook> {
    frame.series.iter().filter_map(|series| outlook(request, measure, frame, series)).collect()
}

fn outlook(request: &CapacityRequest, measure: &'static Measure, frame: &Frame, series: &Series) -> Option<Outlook> {
    let of_field = |index: usize| series.values.get(index).map_or(&[][..], Vec::as_slice);
    let (used, wholes) = (of_field(0), of_field(1));
    let mut busiest: BTreeMap<NaiveDate, f64> = BTreeMap::new();
    for (at, used) in frame.times.iter().zip(used) {
        let Some(used) = used.as_f64().filter(|used| used.is_finite()) else { continue };
        let day = busiest.entry(request.zone.date(*at)).or_insert(used);
        *day = day.max(used);
    }
    let (last_date, used) = busiest.last_key_value().map(|(date, used)| (*date, *used))?;
    let whole = wholes.iter().rev().copied().find_map(Number::as_f64).filter(|whole| *whole > 0.0);
    let full = whole.map(|whole| whole * request.threshold);
    let days: Vec<(i64, f64)> = busiest.iter().map(|(date, used)| (day_number(*date), *used)).collect();
    let trend = Trend::fit(&days);
    let (from, until) = (day_number(last_date), day_number(last_date) + request.horizon_ms / DAY_MS);
    let midnight = |day: i64| date_of(day).map(|date| request.zone.midnight(date));
    let first = |pick: fn(&Expected) -> f64| {
        let (trend, full) = (trend.as_ref()?, full?);
        (from..=until).find(|day| pick(&trend.expected(*day)) >= full).and_then(midnight)
    };
    let passes = Passes { at: first(|day| day.value), earliest: first(|day| day.high), latest: first(|day| day.low) };
    let why = match (&trend, full, passes.at) {
        (None, _, _) => Some("fewer than 7 days were seen"),
        (_, None, _) => Some("there is no limit to pass"),
        (_, _, None) => Some("not within the horizon"),
        _ => None,
    };
    Some(Outlook {
        of: measure.subject.name(),
        labels: frame.label_names.iter().cloned().zip(series.labels.iter().cloned()).collect(),
        resource: measure.resource.name(),
        unit: frame.fields.first().map_or("", |field| field.unit),
        whole,
        used,
        full,
        days: days.len(),
        coverage: mean_coverage(frame, series),
        at_horizon: trend.as_ref().map(|trend| trend.expected(until)),
        trend,
        passes,
        why,
    })
}

/// Mean of the buckets' coverage, each by its length.
#[expect(clippy::cast_precision_loss, reason = "a part of 0 to 1")]
fn mean_coverage(frame: &Frame, series: &Series) -> f64 {
    let ends = frame.times.iter().skip(1).copied().chain([frame.range.end()]);
    let lengths = frame.times.iter().zip(ends).map(|(start, end)| end.ms_since(*start) as f64);
    let covered = series.coverage.as_deref().unwrap_or_default().iter().zip(lengths);
    covered.map(|(part, ms)| part * ms).sum::<f64>() / frame.range.ms().max(1) as f64
}

fn day_number(date: NaiveDate) -> i64 {
    date.signed_duration_since(NaiveDate::default()).num_days()
}

fn date_of(day: i64) -> Option<NaiveDate> {
    NaiveDate::default().checked_add_signed(chrono::TimeDelta::try_days(day)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, TimeRange};
    use crate::query::frame::FrameField;
    use crate::query::request::{Agg, Step, Zone};

    static HOST: Kind = Kind {
        name: "host",
        help: "",
        identity: &[crate::model::Key { name: "host", help: "" }],
        attributes: &[],
        columns: &[
            crate::model::Column::gauge("memory_used_bytes", "memory_used_bytes", "bytes", 0, ""),
            crate::model::Column::gauge("memory_total_bytes", "memory_total_bytes", "bytes", 0, ""),
        ],
        derived: &[],
        display: &["host"],
    };

    const NOW: i64 = 100 * DAY_MS;

    /// What comes of the busiest hours of the last days; each day has one quiet hour too.
    fn ask(parameters: &str, busiest: &[f64], whole: Option<f64>) -> Outlook {
        let pairs: Vec<(String, String)> = parameters
            .split_whitespace()
            .map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap())
            .collect();
        let request = CapacityRequest::parse(&[&HOST], &pairs, Timestamp::from_ms(NOW)).unwrap();
        let (measure, question) = &request.questions[0];
        let first = NOW - i64::try_from(busiest.len()).unwrap() * DAY_MS;
        let times: Vec<Timestamp> = (0..busiest.len() * 24)
            .map(|hour| Timestamp::from_ms(first + i64::try_from(hour).unwrap() * 3_600_000))
            .collect();
        let used = (0..times.len()).map(|hour| match hour % 24 {
            13 => Number::Derived(busiest[hour / 24]),
            5 => Number::Null,
            _ => Number::Derived(busiest[hour / 24] / 2.0),
        });
        let wholes = vec![whole.map_or(Number::Null, Number::Derived); times.len()];
        let field = |name: &'static str| FrameField { name, agg: Agg::Avg, unit: "bytes", key: name.to_owned() };
        let frame = Frame {
            kind: &HOST,
            range: TimeRange::new(times[0], Timestamp::from_ms(NOW)).unwrap(),
            step: Step::Fixed(3_600_000),
            zone: Zone::Utc,
            resolution: "samples",
            fields: vec![field("memory_used_bytes"), field("memory_total_bytes")],
            label_names: vec!["host".to_owned()],
            series: vec![Series {
                labels: vec![Some("node-1".to_owned())],
                values: vec![used.collect(), wholes],
                coverage: Some(vec![0.5; times.len()]),
            }],
            times,
            gaps: None,
        };
        assert_eq!(question.fields.len(), 2);
        outlooks(&request, measure, &frame).remove(0)
    }

    fn day(day: i64) -> Option<Timestamp> {
        Some(Timestamp::from_ms(day * DAY_MS))
    }

    #[test]
    fn the_day_is_where_the_line_through_the_busiest_hours_meets_the_threshold() {
        // 10, 12, … 28 over the ten days 90 to 99: 2 a day. Nine tenths of 100 are reached 31 days after the last.
        let busiest: Vec<f64> = (0..10).map(|day| 10.0 + 2.0 * f64::from(day)).collect();
        let found = ask("resource=memory", &busiest, Some(100.0));
        assert_eq!((found.used, found.whole, found.full, found.days), (28.0, Some(100.0), Some(90.0), 10));
        assert_eq!((found.passes.at, found.passes.earliest, found.passes.latest), (day(130), day(130), day(130)));
        assert_eq!((found.why, found.unit, found.coverage), (None, "bytes", 0.5));
        assert_eq!(found.labels, [("host".to_owned(), Some("node-1".to_owned()))]);
        assert!((found.at_horizon.unwrap().value - (28.0 + 2.0 * 180.0)).abs() < 1e-9);
        let found = ask("resource=memory threshold=0.5", &busiest, Some(100.0));
        assert_eq!(found.passes.at, day(110));
        // Full already: on the last day that was seen.
        assert_eq!(ask("resource=memory threshold=0.2", &busiest, Some(100.0)).passes.at, day(99));
    }

    #[test]
    fn without_a_day_it_says_why() {
        let rising: Vec<f64> = (0..10).map(|day| 10.0 + 2.0 * f64::from(day)).collect();
        let why = |parameters, busiest: &[f64], whole| {
            let found = ask(parameters, busiest, whole);
            assert_eq!(found.passes.at, None);
            found.why.unwrap()
        };
        assert_eq!(why("resource=memory horizon=30d", &rising, Some(100.0)), "not within the horizon");
        assert_eq!(why("resource=memory", &[50.0; 10], Some(100.0)), "not within the horizon");
        assert_eq!(why("resource=memory", &rising[..6], Some(100.0)), "fewer than 7 days were seen");
        assert_eq!(why("resource=memory", &rising, None), "there is no limit to pass");
        assert_eq!(crate::query::trend::DAYS_MIN, 7);
    }

    #[test]
    fn what_cannot_be_asked_says_what_can() {
        let fault = |text: &str| {
            let pairs: Vec<(String, String)> = text
                .split(' ')
                .map(|pair| pair.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap())
                .collect();
            CapacityRequest::parse(&[&HOST], &pairs, Timestamp::from_ms(NOW)).unwrap_err().to_string()
        };
        assert!(fault("resource=gpu").contains("cpu, memory, disk"), "{}", fault("resource=gpu"));
        assert!(fault("of=node").contains("host, agent, cluster, app"), "{}", fault("of=node"));
        assert!(fault("threshold=0").starts_with("threshold: "));
        assert!(fault("threshold=NaN").starts_with("threshold: "));
        assert!(fault("horizon=1h").contains("below a day"));
        assert!(fault("horizon=9999d").contains("five years"));
        assert!(fault("start=1950-01-01").contains("458 days"));
        assert!(fault("of=app resource=disk").contains("disk is known of host"));
        assert!(fault("hots=a").contains("host"), "{}", fault("hots=a"));
    }
}
