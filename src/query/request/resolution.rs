//! Whether a range is answered sample by sample or hour by hour: a property of the request, so that an answer does not
//! change when hours are rolled up.
//!
//! Must not know: what is rolled up already.

use crate::model::{Class, HOUR_MS, Kind, Timestamp};
use crate::rollup::{field_named, kept};

use super::{Agg, RangeRequest};

/// Ranges shorter than this are answered by samples, percentiles exactly; a day's worth is where samples become many.
pub const BY_HOURS_MS_MIN: i64 = 24 * HOUR_MS;

/// What an answer is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Samples.
    Samples,
    /// Hours: samples rolled up, as far as that was done and where samples are gone.
    Hours,
}

impl Resolution {
    /// The word outside.
    pub fn name(self) -> &'static str {
        match self {
            Resolution::Samples => "samples",
            Resolution::Hours => "1h",
        }
    }
}

impl RangeRequest {
    /// The resolution of a range whose samples are all kept.
    pub(super) fn resolution_by_itself(&self) -> Resolution {
        let is_long = self.range.ms() >= BY_HOURS_MS_MIN;
        if is_long && self.buckets_hold_hours() && self.are_fields_held() {
            Resolution::Hours
        } else {
            Resolution::Samples
        }
    }

    /// The same request where samples are gone before an instant: by hours, if its buckets are made of them, and a step
    /// that was not asked for is an hour at least.
    #[must_use]
    pub fn kept_from(mut self, kept_from: Option<Timestamp>) -> RangeRequest {
        if kept_from.is_none_or(|kept_from| kept_from <= self.range.start()) {
            return self;
        }
        if self.step_is_default {
            self.widen_step(HOUR_MS);
        }
        if self.buckets_hold_hours() {
            self.resolution = Resolution::Hours;
        }
        self
    }

    /// Whether every edge between two buckets is one between two hours.
    fn buckets_hold_hours(&self) -> bool {
        let inner = self.edges.len().saturating_sub(2);
        self.edges.iter().skip(1).take(inner).all(|edge| edge.ms().rem_euclid(HOUR_MS) == 0)
    }

    /// Whether hours hold all that is asked for.
    pub fn are_fields_held(&self) -> bool {
        let ranked = self.top.as_ref().map(|top| &top.by);
        self.fields.iter().chain(ranked).all(|field| is_held(self.kind, field.name, field.agg))
    }
}

/// Whether hours hold a field reduced so.
fn is_held(kind: &'static Kind, name: &str, agg: Agg) -> bool {
    let Some(field) = field_named(kind, name) else {
        // A number attribute holds for all of an hour's row.
        return kind.number_attribute(name).is_some();
    };
    let (kept, column) = (kept(kind, field), kind.columns.get(field));
    match agg {
        Agg::Increase => column.is_some_and(|column| column.class == Class::Counter),
        Agg::Avg => true,
        Agg::Min | Agg::Max => kept.extremes,
        // Of rates only those that keep extremes count their stretches; of samples all do.
        Agg::Count => kept.extremes || kept.last,
        Agg::Last => kept.last,
        Agg::Percentile(_) => kept.bins,
    }
}
