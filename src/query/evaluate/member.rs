//! One entity's accumulators: a slot a field and bucket, and the times it was not there or not seen.
//!
//! There are slots for the buckets from the first to the last in which it gave something: of a year most entities have
//! a few days.

use std::ops::Range;

use std::cmp::Ordering;

use crate::model::{Attributes, Run, Sketch, TimeRange, Timestamp};
use crate::query::cell::Number;
use crate::query::operand::{Grown, Operand, Quotient};
use crate::query::request::Agg;
use crate::rate::{Mark, Stretch};

use super::{Field, bucket_range};

mod hours;

pub(super) use hours::of_hour;

/// What one entity gave, so far.
#[derive(Debug)]
pub(super) struct Member {
    fields: usize,
    buckets: usize,
    /// Whether any field takes something from stretches.
    has_stretches: bool,
    /// Whether any field is an exact percentile.
    has_values: bool,
    /// Whether any field is a percentile of sketches.
    has_sketches: bool,
    /// The bucket of the first slots.
    first: usize,
    /// Of each bucket the slots of all fields.
    slots: Vec<Slot>,
    /// As slots, where there are any.
    values: Vec<Vec<f64>>,
    /// As slots, where there are any.
    sketches: Vec<Sketch>,
    /// Of each bucket.
    covered_ms: Vec<i64>,
    /// Times in which it did not exist (or was in another group).
    pub(super) absent: Vec<TimeRange>,
    /// Times in which it existed and was not seen.
    pub(super) unseen: Vec<TimeRange>,
    last_sample: Option<Timestamp>,
    last_stretch: Option<Timestamp>,
    /// Up to when it is noted how it was there, where hours tell.
    pub(super) noted_until: Option<Timestamp>,
    /// Its newest sample of those that hours tell of.
    pub(super) last_stay: Option<Timestamp>,
}

/// What one field has gathered in one bucket.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slot {
    /// Samples or stretches with a value.
    pub(super) count: u32,
    /// Σ of whole numbers, in native units; of quotients that hours tell, Σ above the line.
    exact: i128,
    /// Of quotients that hours tell, Σ below the line.
    exact_below: i128,
    /// Σ of floats; of ratios of gauges, Σ of the quotients.
    float: f64,
    /// Σ above and below the line, of quotients.
    pub(super) above: f64,
    pub(super) below: f64,
    /// The number that min, max or last has picked.
    pick: Number,
}

impl Member {
    pub(super) fn new(fields: &[Field], buckets: usize) -> Self {
        let has_percentile = |by_sketch: bool| {
            let is_one = |field: &Field| matches!(field.agg, Agg::Percentile(_)) && field.by_sketch == by_sketch;
            fields.iter().any(is_one)
        };
        Member {
            fields: fields.len(),
            buckets,
            has_stretches: fields.iter().any(|field| field.agg == Agg::Increase || field.operand.is_of_stretch()),
            has_values: has_percentile(false),
            has_sketches: has_percentile(true),
            first: 0,
            slots: Vec::new(),
            values: Vec::new(),
            sketches: Vec::new(),
            covered_ms: Vec::new(),
            absent: Vec::new(),
            unseen: Vec::new(),
            last_sample: None,
            last_stretch: None,
            noted_until: None,
            last_stay: None,
        }
    }

    /// The newest sample in the range; where there is none, the end of the stretch that reaches into it.
    pub(super) fn last_at(&self) -> Option<Timestamp> {
        self.last_sample.or(self.last_stretch)
    }

    pub(super) fn percentile_values(&self) -> usize {
        self.values.iter().map(Vec::len).sum()
    }

    /// The buckets that have slots.
    pub(super) fn window(&self) -> Range<usize> {
        self.first..self.first + self.covered_ms.len()
    }

    /// Makes slots for a bucket, and for those between it and others.
    fn reach(&mut self, bucket: usize) {
        let window = self.window();
        if window.contains(&bucket) || bucket >= self.buckets {
            return;
        }
        let (before, length) = match window.is_empty() {
            true => (0, 1),
            false => (window.start.saturating_sub(bucket), window.end.max(bucket + 1) - window.start.min(bucket)),
        };
        self.first = if window.is_empty() { bucket } else { window.start.min(bucket) };
        spread(&mut self.covered_ms, before, length);
        let (before, length) = (before * self.fields, length * self.fields);
        spread(&mut self.slots, before, length);
        if self.has_values {
            spread(&mut self.values, before, length);
        }
        if self.has_sketches {
            spread(&mut self.sketches, before, length);
        }
    }

    /// Where a field's slot of a bucket is, if there is one.
    fn place(&self, field: usize, bucket: usize) -> Option<usize> {
        let from_first = bucket.checked_sub(self.first).filter(|place| *place < self.covered_ms.len())?;
        Some(from_first * self.fields + field)
    }

    pub(super) fn slot(&self, field: usize, bucket: usize) -> Slot {
        self.place(field, bucket).and_then(|place| self.slots.get(place)).copied().unwrap_or_default()
    }

    pub(super) fn values(&self, field: usize, bucket: usize) -> &[f64] {
        self.place(field, bucket).and_then(|place| self.values.get(place)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn sketch(&self, field: usize, bucket: usize) -> Option<&Sketch> {
        self.place(field, bucket).and_then(|place| self.sketches.get(place))
    }

    /// Whether the field has a value anywhere in the range.
    pub(super) fn has_any(&self, field: usize) -> bool {
        self.slots.iter().skip(field).step_by(self.fields.max(1)).any(|slot| slot.count > 0)
    }

    /// Notes that so much of a bucket lies in stretches with a rate.
    fn cover(&mut self, bucket: usize, ms: i64) {
        let place = bucket.checked_sub(self.first);
        if let Some(covered) = place.and_then(|place| self.covered_ms.get_mut(place)) {
            *covered += ms;
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one stretch, seen from one bucket; nothing here outlives the call")]
    pub(super) fn take_stretch(
        &mut self,
        fields: &[Field],
        bucket: usize,
        run: &Run,
        next: usize,
        stretch: &Stretch,
        attributes: &Attributes,
        cut: TimeRange,
    ) {
        self.last_stretch = self.last_stretch.max(Some(stretch.to));
        self.reach(bucket);
        self.cover(bucket, stretch.covered_ms(cut));
        if !self.has_stretches {
            return;
        }
        for (index, field) in fields.iter().enumerate() {
            let Some(place) = self.place(index, bucket) else { continue };
            let Some(slot) = self.slots.get_mut(place) else { continue };
            match (&field.operand, field.agg) {
                (Operand::Counter(place), Agg::Increase) => match place.share(run, next, stretch, cut) {
                    Some(Grown::Int(amount)) => {
                        slot.count += 1;
                        slot.exact += i128::from(amount);
                    }
                    Some(Grown::Float(amount)) => {
                        slot.count += 1;
                        slot.float += amount;
                    }
                    None => {}
                },
                (operand, Agg::Avg) if operand.is_of_stretch() => {
                    if let Some(quotient) = operand.over_stretch(run, next, stretch, attributes, cut) {
                        slot.count += 1;
                        slot.above += quotient.above;
                        slot.below += quotient.below;
                    }
                }
                (operand, agg) if operand.is_of_stretch() && stretch.ends_in(cut) => {
                    let whole = operand.over_stretch(run, next, stretch, attributes, TimeRange::ALL);
                    if let Some((quotient, value)) = whole.and_then(|quotient| Some((quotient, quotient.value()?))) {
                        slot.note(agg, Number::Derived(value));
                        slot.note_quotient(agg, quotient);
                        note_value(field, &mut self.values, place, value);
                    }
                }
                _ => {}
            }
        }
    }

    pub(super) fn take_sample(
        &mut self,
        fields: &[Field],
        bucket: usize,
        run: &Run,
        index: usize,
        attributes: &Attributes,
        at: Timestamp,
    ) {
        self.last_sample = self.last_sample.max(Some(at));
        self.reach(bucket);
        for (position, field) in fields.iter().enumerate() {
            if field.operand.is_of_stretch() || field.agg == Agg::Increase {
                continue;
            }
            let number = field.operand.at_sample(run, index, attributes);
            let (Some(value), Some(place)) = (number.as_f64(), self.place(position, bucket)) else { continue };
            let Some(slot) = self.slots.get_mut(place) else { continue };
            slot.note(field.agg, number);
            if let Some(quotient) = field.operand.quotient_at_sample(run, index) {
                slot.note_quotient(field.agg, quotient);
            }
            note_value(field, &mut self.values, place, value);
        }
    }

    /// Notes when the entity was not there, or not seen, before the sample at `mark`.
    pub(super) fn note_absence(
        &mut self,
        edges: &[Timestamp],
        within: TimeRange,
        previous: Option<Timestamp>,
        mark: &Mark,
        stretch: Option<&Stretch>,
        taken: bool,
    ) {
        let from = previous.unwrap_or(within.start());
        let mut note = |from: Timestamp, to: Timestamp, gone: bool| {
            if let Some(span) = TimeRange::new(from, to).and_then(|span| span.intersect(within)) {
                self.note_away(edges, span, gone);
            }
        };
        match stretch {
            _ if !taken => note(from, mark.at, true),
            Some(stretch) => {
                note(from, stretch.from, true);
                if stretch.is_hole {
                    note(stretch.from, stretch.to, false);
                }
            }
            // A baseline: what is known of the time before is when the counters began, if that.
            None if previous.is_none() => {
                let began = mark.since.unwrap_or(mark.at).min(mark.at).max(from);
                note(from, began, true);
                note(began, mark.at, false);
            }
            None => {}
        }
    }

    /// Notes a time in which the entity was gone (or only not seen).
    pub(super) fn note_away(&mut self, edges: &[Timestamp], span: TimeRange, gone: bool) {
        let (Some(first), Some(last)) = (edges.first(), edges.last()) else { return };
        let Some(span) = TimeRange::new(*first, *last).and_then(|range| range.intersect(span)) else { return };
        let spans = if gone { &mut self.absent } else { &mut self.unseen };
        match spans.last_mut() {
            Some(before) if before.end() == span.start() => {
                if let Some(longer) = TimeRange::new(before.start(), span.end()) {
                    *before = longer;
                }
            }
            _ => spans.push(span),
        }
    }

    /// For each bucket, the part of it that lies in stretches with a rate.
    #[expect(clippy::cast_precision_loss, reason = "a part of 0 to 1")]
    pub(super) fn coverage(&self, edges: &[Timestamp]) -> Vec<f64> {
        let covered_ms = |bucket: usize| {
            let place = bucket.checked_sub(self.first);
            place.and_then(|place| self.covered_ms.get(place)).copied().unwrap_or(0)
        };
        (0..self.buckets)
            .map(|bucket| {
                let ms = bucket_range(edges, bucket).map_or(0, TimeRange::ms);
                if ms == 0 { 0.0 } else { covered_ms(bucket) as f64 / ms as f64 }
            })
            .collect()
    }

    /// The entity's own numbers, for each field and bucket.
    pub(super) fn finish(&self, fields: &[Field]) -> Vec<Vec<Number>> {
        fields
            .iter()
            .enumerate()
            .map(|(index, field)| (0..self.buckets).map(|bucket| self.number(field, index, bucket)).collect())
            .collect()
    }

    /// The entity's own number of one field in one bucket.
    pub(super) fn number(&self, field: &Field, index: usize, bucket: usize) -> Number {
        let slot = self.slot(index, bucket);
        if let Agg::Percentile(percent) = field.agg {
            if field.by_sketch {
                return Number::derived(
                    self.sketch(index, bucket).and_then(|sketch| sketch.clone().percentile(percent)),
                );
            }
            return Number::derived(percentile(&mut self.values(index, bucket).to_vec(), f64::from(percent)));
        }
        slot.number(field)
    }
}

/// Puts numbers where they belong among `length` of them, so many after the first.
fn spread<T: Default>(numbers: &mut Vec<T>, before: usize, length: usize) {
    if before > 0 {
        numbers.splice(0..0, std::iter::repeat_with(T::default).take(before));
    }
    numbers.resize_with(length, T::default);
}

fn note_value(field: &Field, values: &mut [Vec<f64>], place: usize, value: f64) {
    if let (Agg::Percentile(_), Some(values)) = (field.agg, values.get_mut(place)) {
        values.push(value);
    }
}

impl Slot {
    fn note(&mut self, agg: Agg, number: Number) {
        self.count += 1;
        match agg {
            Agg::Avg => match number {
                Number::Scaled { value, .. } => self.exact += i128::from(value),
                other => self.float += other.as_f64().unwrap_or(0.0),
            },
            Agg::Min => self.pick = smaller(self.pick, number),
            Agg::Max => self.pick = larger(self.pick, number),
            Agg::Last => self.pick = number,
            Agg::Increase | Agg::Count | Agg::Percentile(_) => {}
        }
    }

    fn note_quotient(&mut self, agg: Agg, quotient: Quotient) {
        if agg == Agg::Last {
            self.above = quotient.above;
            self.below = quotient.below;
        } else {
            self.above += quotient.above;
            self.below += quotient.below;
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a mean is printed with 9 digits")]
    fn number(&self, field: &Field) -> Number {
        match field.agg {
            Agg::Count => Number::Scaled { value: i64::from(self.count), decimals: 0 },
            _ if self.count == 0 => Number::Null,
            Agg::Increase => match field.operand.decimals() {
                Some(decimals) => scaled(self.exact, decimals),
                None => Number::Reported(self.float),
            },
            Agg::Avg if field.operand.is_of_stretch() => Number::derived(self.quotient(field).value()),
            Agg::Avg => {
                let sum = self.exact as f64 / 10f64.powi(i32::from(field.operand.sum_decimals())) + self.float;
                Number::Derived(sum / f64::from(self.count))
            }
            Agg::Min | Agg::Max | Agg::Last => self.pick,
            Agg::Percentile(_) => Number::Null,
        }
    }
}

/// A sum of whole numbers; past `i64` it goes on as a float.
#[expect(clippy::cast_precision_loss, reason = "beyond i64 no exact cell exists")]
pub(super) fn scaled(sum: i128, decimals: u8) -> Number {
    match i64::try_from(sum) {
        Ok(value) => Number::Scaled { value, decimals },
        Err(_) => Number::Derived(sum as f64 / 10f64.powi(i32::from(decimals))),
    }
}

pub(super) fn smaller(a: Number, b: Number) -> Number {
    if is_beaten(a, b, Ordering::Less) { b } else { a }
}

pub(super) fn larger(a: Number, b: Number) -> Number {
    if is_beaten(a, b, Ordering::Greater) { b } else { a }
}

/// Whether `b` is to be taken in place of `a`. NaN is neither smaller nor larger than anything, and stands only where there
/// is nothing else; null stands for nothing at all.
fn is_beaten(a: Number, b: Number, wanted: Ordering) -> bool {
    let order = match (a, b) {
        (_, Number::Null) => return false,
        (Number::Null, _) => return true,
        (Number::Scaled { value: a, decimals: x }, Number::Scaled { value: b, decimals: y }) if x == y => {
            Some(b.cmp(&a))
        }
        _ => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            if a.is_nan() && !b.is_nan() {
                return true;
            }
            b.partial_cmp(&a)
        }
    };
    order == Some(wanted)
}

/// The value below which `percent` of the values lie: linear between the two nearest ranks, as in NumPy and
/// Prometheus.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank within a list that fits memory"
)]
pub(crate) fn percentile(values: &mut [f64], percent: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let rank = percent / 100.0 * values.len().checked_sub(1)? as f64;
    let below = values.get(rank.floor() as usize).copied()?;
    let above = values.get(rank.ceil() as usize).copied()?;
    Some(below + (above - below) * rank.fract())
}
