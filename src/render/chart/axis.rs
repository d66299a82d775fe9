//! Where the ticks of a picture's axes are, and what stands beside them.
//!
//! Must not know: what is drawn between them.

use std::ops::Range;

use chrono::{Days, NaiveDate};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::model::{TimeRange, Timestamp};
use crate::query::civil::{DAY_MS, SECOND_MS, format_bucket_time};
use crate::query::request::{Step, Zone};

/// Room for a time below the axis, with some space beside it.
const TIME_LABEL_PX: u32 = 80;
/// Room for a number beside the axis.
const VALUE_LABEL_PX: u32 = 28;
/// Ticks of any axis: what a wide picture needs.
const TICKS_MAX: usize = 40;

/// Distances of time ticks that clocks have, in seconds.
const CLOCK_SECONDS: [i64; 15] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 10_800, 21_600];
/// Those that calendars have.
const CALENDAR: [Step; 3] = [Step::Day, Step::Week, Step::Month];

/// The axis of time.
pub(super) struct TimeAxis {
    range: TimeRange,
    zone: Zone,
    ticks: Vec<i64>,
    /// What every label says: time of day to the second, to the minute, or the date.
    form: TimeForm,
}

#[derive(Clone, Copy)]
enum TimeForm {
    Second,
    Minute,
    Date,
}

impl TimeAxis {
    pub(super) fn over(range: TimeRange, zone: Zone, width_px: u32) -> TimeAxis {
        let most = usize::try_from(width_px / TIME_LABEL_PX).unwrap_or(TICKS_MAX).clamp(1, TICKS_MAX);
        let clock =
            CLOCK_SECONDS.iter().find_map(|seconds| Some((*seconds, clock_ticks(range, zone, *seconds, most)?)));
        if let Some((seconds, ticks)) = clock {
            let form = if seconds < 60 { TimeForm::Second } else { TimeForm::Minute };
            return TimeAxis { range, zone, ticks, form };
        }
        let within = |edges: Vec<Timestamp>| {
            let inner = edges.len().saturating_sub(2);
            edges.into_iter().skip(1).take(inner).map(Timestamp::ms).collect::<Vec<_>>()
        };
        let ticks = CALENDAR.iter().find_map(|step| step.edges(range, zone, most).map(within));
        TimeAxis { range, zone, ticks: ticks.unwrap_or_else(|| years(range, zone, most)), form: TimeForm::Date }
    }
}

impl Ranged for TimeAxis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = i64;

    fn map(&self, at_ms: &i64, pixels: (i32, i32)) -> i32 {
        let (start_ms, end_ms) = (self.range.start().ms(), self.range.end().ms());
        let (past_ms, length_ms) = (at_ms.saturating_sub(start_ms), end_ms.saturating_sub(start_ms));
        #[expect(clippy::cast_precision_loss, reason = "a pixel is wider than what 53 bits leave out")]
        place(past_ms as f64 / length_ms.max(1) as f64, pixels)
    }

    /// The ticks are chosen for the room that there is: the hint is not needed.
    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<i64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<i64> {
        self.range.start().ms()..self.range.end().ms()
    }
}

impl ValueFormatter<i64> for TimeAxis {
    /// The time of day; at midnight, which begins a day, its date.
    fn format_ext(&self, at_ms: &i64) -> String {
        // 2026-08-21T03:10:00+02:00
        let time = format_bucket_time(Timestamp::from_ms(*at_ms), self.zone);
        let part = |places: Range<usize>| time.get(places).unwrap_or(&time).to_owned();
        let is_midnight = time.get(11..19) == Some("00:00:00");
        match self.form {
            TimeForm::Date => part(0..10),
            _ if is_midnight => part(0..10),
            TimeForm::Second => part(11..19),
            TimeForm::Minute => part(11..16),
        }
    }
}

/// Where a part of an axis is, in pixels.
#[expect(clippy::cast_possible_truncation, reason = "a part of a picture, which has some thousand pixels")]
fn place(part: f64, (from, to): (i32, i32)) -> i32 {
    from.saturating_add((part * f64::from(to.saturating_sub(from))).round() as i32)
}

/// Every so many seconds of each local day, from its midnight on; None where those are too many.
fn clock_ticks(range: TimeRange, zone: Zone, seconds: i64, most: usize) -> Option<Vec<i64>> {
    let step_ms = seconds.saturating_mul(SECOND_MS);
    let (start_ms, end_ms) = (range.start().ms(), range.end().ms());
    let length_ms = end_ms.saturating_sub(start_ms);
    // A day more, for the change of clocks; below, the true count decides.
    if length_ms / step_ms > i64::try_from(most).unwrap_or(i64::MAX).saturating_add(DAY_MS / step_ms) {
        return None;
    }
    let mut ticks = Vec::new();
    let mut date = zone.date(range.start());
    loop {
        let (midnight, next) = (zone.midnight(date).ms(), date.checked_add_days(Days::new(1))?);
        let until = zone.midnight(next).ms().min(end_ms);
        // The first at or after the range's start, counted from this midnight.
        let skipped = start_ms.saturating_sub(midnight).max(0).saturating_add(step_ms - 1) / step_ms;
        let mut at = midnight.saturating_add(skipped.saturating_mul(step_ms));
        while at < until {
            if ticks.len() == most {
                return None;
            }
            ticks.push(at);
            at = at.saturating_add(step_ms);
        }
        if until >= end_ms {
            return Some(ticks);
        }
        date = next;
    }
}

/// First days of years, as many years apart as it takes.
fn years(range: TimeRange, zone: Zone, most: usize) -> Vec<i64> {
    use chrono::Datelike;
    let (first, last) = (zone.date(range.start()).year(), zone.date(range.end()).year());
    let most = i32::try_from(most).unwrap_or(1);
    let apart = (last.saturating_sub(first) / most.max(1)).saturating_add(1);
    (first.saturating_add(1)..=last)
        .filter(|year| year % apart == 0)
        .filter_map(|year| NaiveDate::from_ymd_opt(year, 1, 1))
        .map(|date| zone.midnight(date).ms())
        .filter(|at| *at < range.end().ms())
        .collect()
}

/// The axis of numbers: from 0, or the least where that is below.
pub(super) struct ValueAxis {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
    scale: Scale,
    decimals: usize,
}

/// What a number is divided by to be read, and what stands behind it.
#[derive(Clone, Copy)]
struct Scale {
    factor: f64,
    suffix: &'static str,
}

/// Powers of 1024 for bytes, largest first.
const BINARY: [Scale; 5] = [
    Scale { factor: 1_125_899_906_842_624.0, suffix: " PiB" },
    Scale { factor: 1_099_511_627_776.0, suffix: " TiB" },
    Scale { factor: 1_073_741_824.0, suffix: " GiB" },
    Scale { factor: 1_048_576.0, suffix: " MiB" },
    Scale { factor: 1_024.0, suffix: " KiB" },
];
/// Powers of 1000 for what is merely counted, largest first.
const DECIMAL: [Scale; 4] = [
    Scale { factor: 1e12, suffix: " T" },
    Scale { factor: 1e9, suffix: " G" },
    Scale { factor: 1e6, suffix: " M" },
    Scale { factor: 1e3, suffix: " k" },
];
/// Digits after the point at the most.
const DECIMALS_MAX: usize = 12;
/// Numbers beyond have no place on an axis: its length would be no number.
const VALUE_MAX: f64 = 1e300;
const PLAIN: Scale = Scale { factor: 1.0, suffix: "" };

impl ValueAxis {
    pub(super) fn over(numbers: impl Iterator<Item = f64>, unit: &str, height_px: u32) -> ValueAxis {
        let (low, high) = numbers
            .map(|value| value.clamp(-VALUE_MAX, VALUE_MAX))
            .fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        let high = if high > low { high } else { low + 1.0 };
        let largest = high.abs().max(low.abs());
        let is_bytes = unit.starts_with("bytes");
        let scales: &[Scale] = match is_bytes {
            true => &BINARY,
            // Parts of a whole read as they are.
            false if unit == "ratio" => &[],
            false => &DECIMAL,
        };
        let scale = scales.iter().find(|scale| largest >= scale.factor).copied().unwrap_or(PLAIN);
        let most = (height_px / VALUE_LABEL_PX).clamp(2, 10);
        let step = nice_step((high - low) / scale.factor, most);
        let first = (low / scale.factor / step).floor();
        let last = (high / scale.factor / step).ceil();
        let mut ticks = Vec::new();
        let mut number = first;
        while number <= last && ticks.len() <= TICKS_MAX {
            ticks.push(number * step * scale.factor);
            number += 1.0;
        }
        ValueAxis {
            low: first * step * scale.factor,
            high: last * step * scale.factor,
            ticks,
            scale,
            decimals: decimals(step),
        }
    }

    /// The least and the largest number that has a place.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }
}

impl Ranged for ValueAxis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, pixels: (i32, i32)) -> i32 {
        place((value - self.low) / (self.high - self.low), pixels)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for ValueAxis {
    fn format_ext(&self, value: &f64) -> String {
        format!("{:.*}{}", self.decimals, value / self.scale.factor, self.scale.suffix)
    }
}

/// The smallest of 1, 2, 5 × 10^n that takes at most so many steps.
fn nice_step(length: f64, most: u32) -> f64 {
    let least = length / f64::from(most);
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|step| *step >= least).unwrap_or(10.0 * power)
}

/// Digits after the point that tell multiples of a step apart.
fn decimals(step: f64) -> usize {
    let is_whole = |number: f64| (number - number.round()).abs() < 1e-6;
    (0..DECIMALS_MAX)
        .zip(0_i32..)
        .find(|(_, power)| is_whole(step * 10f64.powi(*power)))
        .map_or(DECIMALS_MAX, |(digits, _)| digits)
}
