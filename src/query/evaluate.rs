//! Runs to frame: the fold behind every range request.
//!
//! [`Evaluation`] takes one entity after another, each as runs of at most a day ([`Evaluation::fold`]), and
//! keeps only one accumulator a bucket, field and series. Because a run carries its neighbours and
//! [`crate::rate::Stretch::share`] cuts exactly, pieces add up to the whole, however they are cut.
//! Must not know: the store, how answers are printed.

use crate::model::{Attribute, Attributes, EntityRecord, Kind, Run, TimeRange, Timestamp};
use crate::rate::{self, Mark, Stretch};

use super::filter::label_value;
use super::frame::{Frame, FrameField, Gap, Series};
use super::operand::{ColumnSet, Operand};
use super::request::{Agg, FieldRequest, Label, RangeRequest, Resolution};
use super::seen::Seen;

mod combine;
mod gather;
mod group;
mod hours;
mod member;
mod versions;

use combine::{Combine, combine};
pub use gather::Gathering;
pub use hours::{HourField, HourNeeds};
use member::Member;
pub(crate) use member::percentile;
pub(crate) use versions::VersionCursor;

/// A request that is too large, said so that the reader knows what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooMany(pub String);

/// A field of the request, resolved.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    operand: Operand,
    agg: Agg,
    additive: bool,
    /// Whether percentiles are read from sketches.
    by_sketch: bool,
}

/// What a series is known by while it is built.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SeriesKey(Vec<Option<String>>);

/// A range request under way.
#[derive(Debug)]
pub struct Evaluation<'a> {
    request: &'a RangeRequest,
    names: Vec<&'static str>,
    fields: Vec<Field>,
    columns: ColumnSet,
    edges: &'a [Timestamp],
    only: Option<&'a [SeriesKey]>,
}

/// How the samples of one entity belong to a series, and what they gave so far.
#[derive(Debug)]
pub struct Pass {
    key: Option<SeriesKey>,
    takes: Vec<bool>,
    member: Member,
}

/// The bucket that was found last: the next instant is in it, nearly always.
#[derive(Debug, Clone, Copy)]
struct Near {
    bucket: usize,
    from: Timestamp,
    until: Timestamp,
    /// Its part in the run's range.
    cut: Option<TimeRange>,
}

impl<'a> Evaluation<'a> {
    /// A fold for the request's own fields and buckets; `only`: for these series alone.
    pub fn new(request: &'a RangeRequest, only: Option<&'a [SeriesKey]>) -> Self {
        Self::over(request, &request.fields, &request.edges, only)
    }

    /// A fold of one field over other buckets: to rank series before they are built.
    pub fn ranking(request: &'a RangeRequest, field: &FieldRequest, edges: &'a [Timestamp]) -> Self {
        Self::over(request, std::slice::from_ref(field), edges, None)
    }

    fn over(
        request: &'a RangeRequest,
        fields: &[FieldRequest],
        edges: &'a [Timestamp],
        only: Option<&'a [SeriesKey]>,
    ) -> Self {
        let mut columns = ColumnSet::default();
        let by_sketch = request.resolution == Resolution::Hours;
        let (names, fields): (Vec<&'static str>, Vec<Field>) = fields
            .iter()
            .filter_map(|field| {
                let operand = Operand::resolve(request.kind, field.name, &mut columns)?;
                let additive = is_additive(request.kind, field.name);
                Some((field.name, Field { operand, agg: field.agg, additive, by_sketch }))
            })
            .unzip();
        Evaluation { request, names, fields, columns, edges, only }
    }

    /// Positions in the kind's columns that runs must bring, in this order.
    pub fn columns(&self) -> &[usize] {
        self.columns.wanted()
    }

    /// The passes an entity needs: none where the filter leaves nothing of it, one for each group it is in.
    pub fn passes(&self, entity: &EntityRecord) -> Vec<Pass> {
        let kind = self.request.kind;
        let mut passes: Vec<Pass> = Vec::new();
        for (index, version) in entity.versions.iter().enumerate() {
            if !self.request.filter.matches(kind, &entity.identity, &version.attributes) {
                continue;
            }
            let key = self.request.group_by.as_ref().map(|labels| {
                SeriesKey(
                    labels
                        .iter()
                        .map(|label| label_value(kind, &entity.identity, &version.attributes, label))
                        .collect(),
                )
            });
            let pass = match passes.iter_mut().find(|pass| pass.key == key) {
                Some(pass) => pass,
                None => {
                    let member = Member::new(&self.fields, self.edges.len().saturating_sub(1));
                    passes.push(Pass { key, takes: vec![false; entity.versions.len()], member });
                    match passes.last_mut() {
                        Some(pass) => pass,
                        None => continue,
                    }
                }
            };
            if let Some(takes) = pass.takes.get_mut(index) {
                *takes = true;
            }
        }
        if let Some(only) = self.only.filter(|_| self.request.group_by.is_some()) {
            passes.retain(|pass| pass.key.as_ref().is_some_and(|key| only.contains(key)));
        }
        passes
    }

    /// Takes one run of a pass. Runs of a pass come in time order and do not overlap.
    pub fn fold(&self, entity: &EntityRecord, pass: &mut Pass, run: &Run, seen: Option<&Seen>) {
        let inside = run.inside();
        let Pass { takes, member, .. } = pass;
        let mut versions = VersionCursor::new(&entity.versions, takes);
        let mut newest = inside.start.checked_sub(1).and_then(|index| mark(run, index));
        let mut near = self.near(self.bucket_of(run.range.start()), run);
        for next in inside.start..run.len() {
            let Some(mark) = mark(run, next) else { continue };
            let previous = newest.replace(mark);
            let stretch = rate::stretch(previous.as_ref(), &mark, run.polled_before_first);
            let (taken, attributes) = versions.at(mark.at);
            let previous_at = previous.map(|previous| previous.at);
            if seen.is_some() {
                member.note_absence(self.edges, run.range, previous_at, &mark, stretch.as_ref(), taken);
            }
            if !taken {
                continue;
            }
            if let Some(stretch) = &stretch {
                self.take_stretch(member, run, next, stretch, attributes, &mut near);
            }
            if inside.contains(&next) {
                self.go_to(&mut near, mark.at, run);
                member.take_sample(&self.fields, near.bucket, run, next, attributes, mark.at);
            }
        }
        if let Some(seen) = seen {
            self.note_after_last(member, run, seen);
        }
    }

    /// Time after the last sample there is: the entity is gone if its target was seen again without it.
    fn note_after_last(&self, member: &mut Member, run: &Run, seen: &Seen) {
        if run.has_after {
            return;
        }
        let last = run.at.last().copied();
        let from = last.unwrap_or(run.range.start()).max(run.range.start());
        let Some(rest) = TimeRange::new(from, run.range.end()) else { return };
        let gone = last.is_none_or(|last| seen.last_good_started().is_some_and(|good| good > last));
        member.note_away(self.edges, rest, gone);
    }

    /// Gives a stretch to the buckets that it touches.
    fn take_stretch(
        &self,
        member: &mut Member,
        run: &Run,
        next: usize,
        stretch: &Stretch,
        attributes: &Attributes,
        near: &mut Near,
    ) {
        // A hole's amount lies at the instant `to`; anything else before it.
        let last_ms = if stretch.is_hole { stretch.to } else { stretch.to.plus_ms(-1) };
        let first = if stretch.is_hole { stretch.to } else { stretch.from }.max(run.range.start());
        self.go_to(near, first, run);
        if let Some(cut) = near.cut {
            member.take_stretch(&self.fields, near.bucket, run, next, stretch, attributes, cut);
        }
        let mut bucket = near.bucket + 1;
        if last_ms < near.until {
            return;
        }
        while let Some(range) = self.bucket_range(bucket) {
            if range.start() > last_ms || range.start() >= run.range.end() {
                break;
            }
            if let Some(cut) = range.intersect(run.range) {
                member.take_stretch(&self.fields, bucket, run, next, stretch, attributes, cut);
            }
            bucket += 1;
        }
    }

    /// Goes to the bucket of an instant.
    fn go_to(&self, near: &mut Near, at: Timestamp, run: &Run) {
        if at < near.from || at >= near.until {
            *near = self.near(self.bucket_of(at), run);
        }
    }

    fn near(&self, bucket: usize, run: &Run) -> Near {
        match self.bucket_range(bucket) {
            Some(range) => Near { bucket, from: range.start(), until: range.end(), cut: range.intersect(run.range) },
            // Beyond the last: nobody is there.
            None => Near { bucket, from: Timestamp::MAX, until: Timestamp::MIN, cut: None },
        }
    }

    fn bucket_of(&self, at: Timestamp) -> usize {
        self.edges.partition_point(|edge| *edge <= at).saturating_sub(1)
    }

    fn bucket_range(&self, bucket: usize) -> Option<TimeRange> {
        bucket_range(self.edges, bucket)
    }

    /// Numbers that a pass accumulates: what one entity more costs in memory.
    pub fn slots(&self) -> usize {
        self.fields.len().saturating_mul(self.edges.len())
    }
}

/// The keys of the largest series, largest first, nulls last, ties by labels.
pub fn largest(ranked: &[(SeriesKey, Series)], count: usize) -> Vec<SeriesKey> {
    let value = |series: &Series| series.values.first().and_then(|values| values.first()).and_then(|n| n.as_f64());
    let mut ranked: Vec<(&SeriesKey, Option<f64>)> =
        ranked.iter().map(|(key, series)| (key, value(series).filter(|value| !value.is_nan()))).collect();
    ranked.sort_by(|(a_key, a), (b_key, b)| {
        let by_value = match (a, b) {
            (Some(a), Some(b)) => b.total_cmp(a),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => std::cmp::Ordering::Equal,
        };
        by_value.then_with(|| a_key.0.cmp(&b_key.0))
    });
    ranked.into_iter().take(count).map(|(key, _)| key.clone()).collect()
}

/// Series and gaps, with what was asked for, as a frame.
pub fn frame(request: &RangeRequest, series: Vec<(SeriesKey, Series)>, gaps: Option<Vec<Gap>>) -> Frame {
    let fields = request
        .fields
        .iter()
        .map(|field| FrameField {
            name: field.name,
            agg: field.agg,
            unit: unit(request.kind, field),
            key: if request.names_carry_agg {
                format!("{}.{}", field.name, field.agg.name())
            } else {
                field.name.to_owned()
            },
        })
        .collect();
    let label_names = match &request.group_by {
        Some(labels) => labels.iter().map(|label| label.name(request.kind)).collect(),
        None => request.kind.display.iter().map(|name| (*name).to_owned()).collect(),
    };
    Frame {
        kind: request.kind,
        range: request.range,
        step: request.step,
        zone: request.zone,
        resolution: request.resolution.name(),
        fields,
        label_names,
        times: request.edges.iter().copied().take(request.edges.len().saturating_sub(1)).collect(),
        series: series.into_iter().map(|(_, series)| series).collect(),
        gaps,
    }
}

/// The labels of a series of one entity.
pub fn display_labels(kind: &'static Kind) -> Vec<Label> {
    kind.display
        .iter()
        .map(|name| match kind.key_index(name) {
            Some(index) => Label::Key(index),
            None => Label::Attribute(name),
        })
        .collect()
}

fn unit(kind: &Kind, field: &FieldRequest) -> &'static str {
    if field.agg == Agg::Count {
        return "";
    }
    let column = kind.column(field.name).map(|column| column.unit);
    let derived = || kind.derived(field.name).map(|derived| derived.unit);
    column.or_else(derived).or_else(|| kind.attribute(field.name).map(Attribute::unit)).unwrap_or("")
}

fn is_additive(kind: &Kind, name: &str) -> bool {
    let column = kind.column(name).map(|column| column.additive);
    let derived = || kind.derived(name).map(|derived| derived.additive);
    column.or_else(derived).or_else(|| kind.attribute(name).map(Attribute::is_additive)).unwrap_or(false)
}

fn bucket_range(edges: &[Timestamp], bucket: usize) -> Option<TimeRange> {
    TimeRange::new(*edges.get(bucket)?, *edges.get(bucket.checked_add(1)?)?)
}

/// The mark of a run's sample.
pub(crate) fn mark(run: &Run, index: usize) -> Option<Mark> {
    Some(Mark {
        at: *run.at.get(index)?,
        since: run.since.get(index).copied().flatten(),
        interval_ms: run.interval_ms.get(index).copied().unwrap_or(0),
        clock_offset_ms: run.clock_offset_ms.get(index).copied().unwrap_or(0),
    })
}

#[cfg(test)]
mod tests;
