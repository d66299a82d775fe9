//! Hours to accumulators: the fold of requests that are answered by the hour.
//!
//! Must not know: whether hours were kept or are made from samples just now; the store.

use crate::model::{Attributes, EntityRecord, HOUR_MS, HourCell, Hours, Kind, Presence, Run, Timestamp, Wanted};
use crate::query::cell::Number;
use crate::query::operand::{ColumnSet, Operand};
use crate::query::request::{Agg, Resolution};
use crate::query::seen::Seen;
use crate::rollup::{Roller, days, field_named};

use super::{Evaluation, Field, Pass, VersionCursor, member};

/// What hours must hold for an evaluation.
#[derive(Debug, Clone)]
pub struct HourNeeds {
    /// Fields, each once.
    pub fields: Vec<usize>,
    /// For each field of the evaluation its place among them; nothing for number attributes.
    places: Vec<Option<usize>>,
    /// What of their cells.
    pub wanted: Wanted,
    /// Whether days (UTC) do as well as hours.
    pub by_days: bool,
    /// Whether it matters when the entity was there.
    pub with_stays: bool,
}

impl HourNeeds {
    /// What makes such hours from samples.
    pub fn roller(&self, kind: &'static Kind) -> Roller {
        Roller::new(kind, &self.fields, self.wanted.bins)
    }
}

/// A field of one hour by itself, reduced one way.
#[derive(Debug, Clone)]
pub struct HourField(Field);

impl HourField {
    /// The field of a kind's column or derived column.
    pub fn resolve(kind: &'static Kind, name: &str, agg: Agg) -> Option<HourField> {
        let operand = Operand::resolve(kind, name, &mut ColumnSet::default())?;
        Some(HourField(Field { operand, agg, additive: false, by_sketch: true }))
    }

    /// What an answer says of a bucket that is this hour.
    pub fn of(&self, cell: &HourCell, attributes: &Attributes) -> Number {
        member::of_hour(&self.0, cell, attributes)
    }
}

impl Evaluation<'_> {
    /// Whether it takes hours rather than runs.
    pub fn is_by_hours(&self) -> bool {
        self.request.resolution == Resolution::Hours
    }

    /// What hours must hold.
    pub fn hour_needs(&self) -> HourNeeds {
        let mut fields = Vec::new();
        let places = self.names.iter().map(|name| {
            let field = field_named(self.request.kind, name)?;
            Some(fields.iter().position(|known| *known == field).unwrap_or_else(|| {
                fields.push(field);
                fields.len() - 1
            }))
        });
        let places: Vec<Option<usize>> = places.collect();
        let is_any = |is: fn(Agg) -> bool| self.fields.iter().any(|field| is(field.agg));
        let bins = is_any(|agg| matches!(agg, Agg::Percentile(_)));
        let wanted = Wanted {
            // A percentile lies between them.
            extremes: bins || is_any(|agg| matches!(agg, Agg::Min | Agg::Max)),
            last: is_any(|agg| agg == Agg::Last),
            bins,
        };
        let are_sums = places.iter().all(Option::is_some)
            && self.fields.iter().all(|field| matches!(field.agg, Agg::Avg | Agg::Increase | Agg::Count))
            && fields.iter().all(|field| days::are_held(self.request.kind, *field));
        let by_days = are_sums && self.buckets_hold_days();
        HourNeeds { fields, places, wanted, by_days, with_stays: self.request.group_by.is_some() }
    }

    /// Whether every edge between two buckets is one between two days (UTC).
    fn buckets_hold_days(&self) -> bool {
        let inner = self.edges.len().saturating_sub(2);
        self.edges.iter().skip(1).take(inner).all(|edge| edge.ms().rem_euclid(24 * HOUR_MS) == 0)
    }

    /// Takes hours of a pass. They come in time order and do not overlap.
    pub fn fold_hours(&self, entity: &EntityRecord, pass: &mut Pass, needs: &HourNeeds, hours: &Hours) {
        let Pass { takes, member, .. } = pass;
        let mut versions = VersionCursor::new(&entity.versions, takes);
        let mut cells = Vec::with_capacity(needs.places.len());
        for (index, row) in hours.rows.iter().enumerate() {
            let (taken, attributes) = versions.at(row.version);
            if !taken {
                continue;
            }
            cells.clear();
            cells.extend(needs.places.iter().map(|place| hours.cells.get((*place)?)?.get(index)));
            let bucket = self.bucket_of(row.start);
            member.take_hour(&self.fields, bucket, row, &cells, attributes);
        }
        if !needs.with_stays {
            return;
        }
        let mut versions = VersionCursor::new(&entity.versions, takes);
        for stay in hours.stays.iter().chain(&hours.after) {
            let (taken, _) = versions.at(stay.version);
            let presence = if taken { stay.presence } else { Presence::Gone };
            member.note_stay(self.edges, (stay.from, stay.to), presence);
            member.last_stay = member.last_stay.max(Some(stay.to));
        }
    }

    /// Up to when it is told how the entity of a pass was there.
    pub fn told_until(&self, pass: &Pass) -> Option<Timestamp> {
        pass.member.noted_until
    }

    /// Takes the time after the last sample there is, in the range of a run that came last: the entity is gone if its
    /// target was seen again without it.
    pub fn fold_after_last(&self, pass: &mut Pass, run: &Run, seen: &Seen) {
        if run.has_after {
            return;
        }
        // Where samples are gone, the hours say when the last one was.
        let last = run.at.last().copied().or(pass.member.last_stay);
        let from = last.or(self.told_until(pass)).unwrap_or(self.request.range.start());
        let gone = last.is_none_or(|last| seen.last_good_started().is_some_and(|good| good > last));
        let presence = if gone { Presence::Gone } else { Presence::Unseen };
        pass.member.note_stay(self.edges, (from, run.range.end()), presence);
    }
}
