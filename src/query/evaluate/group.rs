//! A group's accumulators: what its members gave, each over the time its target was seen.
//!
//! For each bucket and member: T is the time its target was seen, U the part of T in which the member existed
//! and was not seen, A the part in which it did not exist. A member's rate runs over T − U; its mean of a gauge
//! counts with (T − U − A) / (T − U). So not existing counts as nothing, not seen does not, and an
//! instance that replaced another is not counted double.
//!
//! A member is looked at bucket by bucket only where it was there. The many buckets of a year before and after it are
//! counted together, for each target.

use std::ops::Range;
use std::sync::Arc;

use crate::model::{Sketch, TargetName, TimeRange, Timestamp};
use crate::query::cell::Number;
use crate::query::operand::{Quotient, seconds};
use crate::query::request::{Across, Agg};
use crate::query::seen::Seen;

use super::member::{Member, larger, percentile, scaled, smaller};
use super::{Combine, Field, bucket_range, combine};

/// What a group's members gave, so far.
#[derive(Debug)]
pub(super) struct Group {
    buckets: usize,
    slots: Vec<Slot>,
    values: Vec<Vec<f64>>,
    /// In place of values, where hours tell.
    sketches: Vec<Option<Sketch>>,
    has_any: Vec<bool>,
    targets: Vec<Target>,
}

/// A target of a group's members.
#[derive(Debug)]
struct Target {
    name: TargetName,
    /// For each bucket, how long it was seen.
    seen_ms: Arc<[i64]>,
    /// How many members more are away all of a bucket than of the one before.
    away: Vec<i64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    exact: i128,
    decimals: Option<u8>,
    above: f64,
    below: f64,
    pick: Number,
    /// Members with a value.
    given: i64,
    /// Members that were not there all the bucket long, while their target was seen.
    gone: i64,
    /// Members that were there without a value, or whose target was not seen.
    unknown: i64,
}

/// When a member's target was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watched<'a> {
    pub(super) target: &'a TargetName,
    pub(super) seen: &'a Seen,
    /// For how long in each bucket.
    pub(super) ms: &'a Arc<[i64]>,
}

/// How long a member was there in a bucket.
#[derive(Debug, Clone, Copy, Default)]
struct Presence {
    /// T − U.
    seen_ms: i64,
    /// T − U − A.
    there_ms: i64,
    gone_at_end: bool,
}

impl Group {
    pub(super) fn new(fields: usize, buckets: usize) -> Self {
        Group {
            buckets,
            slots: vec![Slot::default(); fields.saturating_mul(buckets)],
            values: vec![Vec::new(); fields.saturating_mul(buckets)],
            sketches: vec![None; fields.saturating_mul(buckets)],
            has_any: vec![false; fields],
            targets: Vec::new(),
        }
    }

    /// Adds what one entity gave.
    pub(super) fn join(
        &mut self,
        fields: &[Field],
        across: Option<Across>,
        edges: &[Timestamp],
        member: &Member,
        watched: Watched<'_>,
    ) {
        let Watched { target, seen, ms: seen_ms } = watched;
        let place = self.targets.iter().position(|known| known.name == *target).unwrap_or_else(|| {
            let away = vec![0; self.buckets + 1];
            self.targets.push(Target { name: target.clone(), seen_ms: Arc::clone(seen_ms), away });
            self.targets.len() - 1
        });
        let (near, away) = split(edges, self.buckets, member);
        let mut count = |bucket: usize, more: i64| {
            let target = self.targets.get_mut(place);
            target.and_then(|target| target.away.get_mut(bucket)).into_iter().for_each(|count| *count += more);
        };
        for part in away {
            count(part.start, 1);
            count(part.end, -1);
        }
        let presence: Vec<(usize, Presence)> = near
            .into_iter()
            .flatten()
            .map(|bucket| {
                let seen_ms = seen_ms.get(bucket).copied().unwrap_or(0);
                (bucket, presence(edges, bucket, seen_ms, member, seen))
            })
            .collect();
        for (index, field) in fields.iter().enumerate() {
            let combine = combine(field, across);
            if let Some(has_any) = self.has_any.get_mut(index) {
                *has_any |= member.has_any(index);
            }
            for (bucket, presence) in &presence {
                let bucket = *bucket;
                let place = index * self.buckets + bucket;
                if combine == Combine::Pool {
                    if let Some(values) = self.values.get_mut(place) {
                        values.extend_from_slice(member.values(index, bucket));
                    }
                    if let (Some(sketch), Some(more)) = (self.sketches.get_mut(place), member.sketch(index, bucket)) {
                        sketch.get_or_insert_default().merge(more);
                    }
                } else if let Some(slot) = self.slots.get_mut(place) {
                    slot.add(field, combine, member, index, bucket, *presence);
                }
            }
        }
    }

    /// For each bucket, the mean over the members' targets of the part of it in which each was seen.
    #[expect(clippy::cast_precision_loss, reason = "a part of 0 to 1")]
    pub(super) fn coverage(&self, edges: &[Timestamp]) -> Vec<f64> {
        let targets = self.targets.len().max(1) as f64;
        (0..self.buckets)
            .map(|bucket| {
                let seen_ms: i64 = self.targets.iter().filter_map(|target| target.seen_ms.get(bucket)).sum();
                let ms = bucket_range(edges, bucket).map_or(0, TimeRange::ms);
                if ms == 0 { 0.0 } else { seen_ms as f64 / (ms as f64 * targets) }
            })
            .collect()
    }

    /// The group's numbers, for each field and bucket.
    pub(super) fn finish(mut self, fields: &[Field], across: Option<Across>) -> Vec<Vec<Number>> {
        let mut numbers = Vec::with_capacity(fields.len());
        let away = self.away();
        for (index, field) in fields.iter().enumerate() {
            let combine = combine(field, across);
            let had_any = self.has_any.get(index).copied().unwrap_or(false);
            let mut of_field = Vec::with_capacity(self.buckets);
            for bucket in 0..self.buckets {
                let place = index * self.buckets + bucket;
                of_field.push(match (combine, field.agg) {
                    (Combine::Pool, Agg::Percentile(percent)) => {
                        let sketch = self.sketches.get_mut(place).and_then(Option::as_mut);
                        let values = self.values.get_mut(place);
                        Number::derived(match sketch {
                            Some(sketch) => sketch.percentile(percent),
                            None => values.and_then(|values| percentile(values, f64::from(percent))),
                        })
                    }
                    _ => match (self.slots.get_mut(place), away.get(bucket)) {
                        (Some(slot), Some((gone, unknown))) => {
                            slot.gone += gone;
                            slot.unknown += unknown;
                            slot.number(combine, had_any)
                        }
                        _ => Number::Null,
                    },
                });
            }
            numbers.push(of_field);
        }
        numbers
    }

    /// Of the members that were away all of a bucket, how many were gone while their target was seen, and how many nobody
    /// can tell of; for each bucket.
    fn away(&self) -> Vec<(i64, i64)> {
        let mut away = vec![(0, 0); self.buckets];
        for target in &self.targets {
            let mut members = 0;
            for (((gone, unknown), more), seen_ms) in away.iter_mut().zip(&target.away).zip(target.seen_ms.iter()) {
                members += more;
                *(if *seen_ms > 0 { gone } else { unknown }) += members;
            }
        }
        away
    }
}

impl Slot {
    #[expect(clippy::cast_precision_loss, reason = "weights in milliseconds")]
    fn add(
        &mut self,
        field: &Field,
        combine: Combine,
        member: &Member,
        index: usize,
        bucket: usize,
        presence: Presence,
    ) {
        let gathered = member.slot(index, bucket);
        if gathered.count == 0 || (combine == Combine::SumOfLast && presence.gone_at_end) {
            if presence.seen_ms > 0 && (presence.there_ms == 0 || gathered.count > 0) {
                self.gone += 1;
            } else {
                self.unknown += 1;
            }
            return;
        }
        let number = member.number(field, index, bucket);
        match combine {
            Combine::SumOfMeans if presence.seen_ms <= 0 => {
                self.unknown += 1;
                return;
            }
            Combine::SumOfMeans if field.operand.is_of_stretch() && !field.operand.is_ratio() => {
                self.above += gathered.quotient(field).above / seconds(presence.seen_ms);
            }
            Combine::SumOfMeans => {
                let part = presence.there_ms as f64 / presence.seen_ms as f64;
                self.above += number.as_f64().unwrap_or(0.0) * part;
            }
            Combine::Quotient => {
                // A ratio of gauges has one quotient a sample: its mean counts for the time the member was there.
                let weight = match field.agg {
                    Agg::Avg if !field.operand.is_of_stretch() => {
                        presence.there_ms.max(1) as f64 / f64::from(gathered.count)
                    }
                    _ => 1.0,
                };
                let Quotient { above, below } = gathered.quotient(field);
                self.above += above * weight;
                self.below += below * weight;
            }
            Combine::Mean => {
                let weight = presence.there_ms.max(1) as f64;
                self.above += number.as_f64().unwrap_or(0.0) * weight;
                self.below += weight;
            }
            Combine::Sum | Combine::SumOfLast => match number {
                Number::Scaled { value, decimals } if self.decimals.is_none_or(|other| other == decimals) => {
                    self.exact += i128::from(value);
                    self.decimals = Some(decimals);
                }
                other => self.above += other.as_f64().unwrap_or(0.0),
            },
            Combine::Min => self.pick = smaller(self.pick, number),
            Combine::Max => self.pick = larger(self.pick, number),
            Combine::Pool => {}
        }
        self.given += 1;
    }

    fn number(&self, combine: Combine, had_any: bool) -> Number {
        let is_sum = matches!(combine, Combine::SumOfMeans | Combine::Sum | Combine::SumOfLast);
        if self.given == 0 {
            // Nobody was there and everybody who could tell was asked: that is nothing, and known.
            let is_nothing = is_sum && had_any && self.gone > 0 && self.unknown == 0;
            return if is_nothing { Number::Scaled { value: 0, decimals: 0 } } else { Number::Null };
        }
        match combine {
            Combine::SumOfMeans => Number::Derived(self.above),
            Combine::Quotient | Combine::Mean => {
                Number::derived(Quotient { above: self.above, below: self.below }.value())
            }
            Combine::Sum | Combine::SumOfLast => match self.decimals {
                Some(decimals) if self.above == 0.0 => scaled(self.exact, decimals),
                Some(decimals) => Number::Derived(scaled(self.exact, decimals).as_f64().unwrap_or(0.0) + self.above),
                None => Number::Reported(self.above),
            },
            Combine::Min | Combine::Max => self.pick,
            Combine::Pool => Number::Null,
        }
    }
}

/// The buckets that a member must be looked at in, one by one, and those that it was away all of and gave nothing in.
fn split(edges: &[Timestamp], buckets: usize, member: &Member) -> (Vec<Range<usize>>, Vec<Range<usize>>) {
    let window = member.window();
    let (mut near, mut away) = (Vec::new(), Vec::new());
    let mut from = 0;
    for span in &member.absent {
        let first = edges.partition_point(|edge| *edge < span.start()).max(from);
        let end = edges.partition_point(|edge| *edge <= span.end()).saturating_sub(1).min(buckets);
        for part in [first..end.min(window.start), first.max(window.end)..end] {
            if !part.is_empty() {
                near.push(from..part.start);
                from = part.end;
                away.push(part);
            }
        }
    }
    near.push(from..buckets);
    (near, away)
}

/// How long a member was there in a bucket in which its target was seen for so long.
fn presence(edges: &[Timestamp], bucket: usize, seen_ms: i64, member: &Member, seen: &Seen) -> Presence {
    let mut presence = Presence { seen_ms, there_ms: seen_ms, gone_at_end: false };
    let Some(range) = bucket_range(edges, bucket) else { return presence };
    for part in parts(&member.absent, range) {
        presence.there_ms -= seen.covered_ms(part);
        let until = seen.covered_until(range);
        presence.gone_at_end |= until.is_some_and(|until| part.start() < until && part.end() >= until);
    }
    for part in parts(&member.unseen, range) {
        let ms = seen.covered_ms(part);
        presence.there_ms -= ms;
        presence.seen_ms -= ms;
    }
    presence
}

/// The parts of some times, in their order, that lie in a range.
fn parts(spans: &[TimeRange], range: TimeRange) -> impl Iterator<Item = TimeRange> {
    let first = spans.partition_point(|span| span.end() <= range.start());
    let near = spans.iter().skip(first).take_while(move |span| span.start() < range.end());
    near.filter_map(move |span| span.intersect(range))
}
