//! A checked question: what the parameters of `/range`, `/samples`, `/entities`, `/events` resolve to.
//!
//! The same parameters serve HTTP and the command line, so they are read here, from name-value pairs.

use crate::model::{Kind, TimeRange, Timestamp};

use super::filter::Filter;
pub use super::filter::label_value;

mod chart;
mod cursor;
mod events;
mod field;
mod known;
mod label;
mod pages;
mod parse;
mod planning;
mod resolution;
mod several;
mod step;
#[cfg(test)]
pub(crate) mod test_kinds;
#[cfg(test)]
mod tests;
mod time;

pub use chart::{ChartRequest, ChartSize};
pub(crate) use chart::{PANEL_HEIGHT_PX, WIDTH_PX};
pub use cursor::{entities_cursor, events_cursor, samples_cursor};
pub use events::{EVENTS_DEFAULT, EVENTS_MAX, EventsRequest};
pub(crate) use field::field_names;
pub use known::{ParameterError, UnknownKind, kind_named};
pub(crate) use known::{shown, suggestion};
pub use pages::{ENTITIES_DEFAULT, ENTITIES_MAX, EntitiesRequest, SamplesRequest, TargetsRequest, parse_none};
pub(crate) use parse::parse_zone;
pub use parse::take_formulas;
pub(crate) use planning::{CPUS_MAX, INSTANCES_MAX, THRESHOLD_MAX};
pub use planning::{CapacityRequest, HeadroomRequest, Measure, Resource, Subject};
pub use resolution::{BY_HOURS_MS_MIN, Resolution};
pub use several::{DiffRequest, Selected, SnapshotRequest};
pub(crate) use time::{parse_duration, parse_rfc3339, parse_time};

/// What [`RangeRequest::parse`] takes beside filters. Filters share these names' space: no identity key, attribute or
/// column may be called like a parameter.
pub const RANGE_PARAMETERS: &[&str] =
    &["fields", "agg", "start", "end", "step", "tz", "group_by", "across", "top", "top_by", "coverage", "explain"];
/// What [`ChartRequest::parse`] takes beside filters.
pub const CHART_PARAMETERS: &[&str] = &[
    "fields", "agg", "start", "end", "step", "tz", "group_by", "across", "top", "top_by", "coverage", "width", "height",
];
/// What [`SamplesRequest::parse`] takes beside filters.
pub const SAMPLES_PARAMETERS: &[&str] = &["start", "end", "tz", "attributes", "limit", "cursor"];
/// What [`EntitiesRequest::parse`] takes beside filters.
pub const ENTITIES_PARAMETERS: &[&str] = &["start", "end", "tz", "limit", "cursor"];
/// What [`EventsRequest::parse`] takes beside filters.
pub const EVENTS_PARAMETERS: &[&str] =
    &["start", "end", "tz", "type", "severity", "kind", "certificates", "limit", "cursor"];
/// What [`SnapshotRequest::parse`] takes beside filters.
pub const SNAPSHOT_PARAMETERS: &[&str] = &["at", "kinds", "tz"];
/// What [`DiffRequest::parse`] takes beside filters.
pub const DIFF_PARAMETERS: &[&str] = &["from", "to", "around", "window", "kinds", "group_by", "top", "tz"];

/// What [`CapacityRequest::parse`] takes beside filters.
pub const CAPACITY_PARAMETERS: &[&str] = &["of", "resource", "threshold", "horizon", "start", "end", "tz"];
/// What [`HeadroomRequest::parse`] takes beside filters.
pub const HEADROOM_PARAMETERS: &[&str] = &["cpus", "mem", "instances", "start", "end", "tz"];

/// Most buckets of a range: a screen shows a third of them, and clients of other recorders know the number.
pub const BUCKETS_MAX: usize = 11_000;
/// Most series of an answer: more than anyone reads, and `top` or `group_by` say what is meant instead.
pub const SERIES_MAX: usize = 10_000;
/// Most numbers of an answer: it is put together in memory, at 16 bytes each.
pub const CELLS_MAX: usize = 5_000_000;

/// A range request, everything resolved.
#[derive(Debug, Clone)]
pub struct RangeRequest {
    /// The kind asked for.
    pub kind: &'static Kind,
    /// What to compute, in order.
    pub fields: Vec<FieldRequest>,
    /// Whether several aggs were asked for, so that names carry them.
    pub names_carry_agg: bool,
    /// From when to when.
    pub range: TimeRange,
    /// When it was asked for: nothing is known that is later.
    pub now: Timestamp,
    /// The bucket width.
    pub step: Step,
    /// Whether it was not asked for.
    pub step_is_default: bool,
    /// Whether samples or hours are folded.
    pub resolution: Resolution,
    /// Edges of the buckets: one more than buckets, first and last are the range's.
    pub edges: Vec<Timestamp>,
    /// The zone for calendar steps and for printing.
    pub zone: Zone,
    /// Which entities and times.
    pub filter: Filter,
    /// Labels to group by; None: one series an entity; empty: one series.
    pub group_by: Option<Vec<Label>>,
    /// How entities of a group are combined; None: as each field's agg says.
    pub across: Option<Across>,
    /// Keep only the largest series.
    pub top: Option<Top>,
    /// Whether to say how much of each bucket is known.
    pub coverage: bool,
    /// Whether to say how the answer came about.
    pub explain: bool,
}

impl RangeRequest {
    /// Reads `fields agg start end step tz group_by across top top_by coverage explain` and filters of the kind.
    pub fn parse(
        kind: &'static Kind,
        parameters: &[(String, String)],
        now: Timestamp,
        sampling_interval_ms: i64,
    ) -> Result<RangeRequest, ParameterError> {
        let parameters = parse::Parameters::sort(parameters, RANGE_PARAMETERS, Some(kind))?;
        let zone = parameters.zone()?;
        let range = parameters.range(now, zone)?;
        let (fields, names_carry_agg) = field::parse_fields(kind, parameters.get("fields"), parameters.get("agg"))?;
        let step = parameters.read("step", Step::parse)?;
        let step_is_default = step.is_none();
        let step = step.unwrap_or_else(|| Step::default_for(range, zone, sampling_interval_ms));
        let edges = step.edges_or_advice(range, zone).map_err(|why| ParameterError::new("step", why))?;
        let group_by = parameters.get("group_by").map(|list| label::parse_group_by(kind, list)).transpose()?;
        let across = parameters.read("across", Across::parse)?;
        if across.is_some() && group_by.is_none() {
            let message = "combines the entities of a group; add group_by=, empty for one group of all";
            return Err(ParameterError::new("across", message));
        }
        let top = field::parse_top(kind, &fields, parameters.get("top"), parameters.get("top_by"))?;
        let coverage = parameters.read("coverage", parse::parse_flag)?.unwrap_or(false);
        let explain = parameters.read("explain", parse::parse_flag)?.unwrap_or(false);
        let filter = parameters.filter;
        let request = RangeRequest {
            kind,
            fields,
            names_carry_agg,
            range,
            now,
            step,
            step_is_default,
            resolution: Resolution::Samples,
            edges,
            zone,
            filter,
            group_by,
            across,
            top,
            coverage,
            explain,
        };
        Ok(RangeRequest { resolution: request.resolution_by_itself(), ..request })
    }

    /// Takes the default step that is not below some milliseconds.
    fn widen_step(&mut self, ms_min: i64) {
        let step = Step::default_for(self.range, self.zone, ms_min);
        if let Some(edges) =
            step.edges(self.range, self.zone, BUCKETS_MAX).filter(|edges| edges.len() < self.edges.len())
        {
            (self.step, self.edges) = (step, edges);
        }
    }
}

/// One field with one agg.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldRequest {
    /// Name of a column or derived column of the kind.
    pub name: &'static str,
    /// How to reduce over time.
    pub agg: Agg,
}

/// How values are reduced over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Agg {
    /// What a counter grew by.
    Increase,
    /// The newest value.
    Last,
    /// Mean of samples; of a rate increase / covered time; of a ratio of increases Σ/Σ.
    Avg,
    /// Smallest.
    Min,
    /// Largest.
    Max,
    /// Number of samples with a value.
    Count,
    /// The value below which so many percent lie (50, 90, 95, 99), linear between neighbours.
    Percentile(u8),
}

impl Agg {
    /// All, in documentation order.
    pub const ALL: [Agg; 10] = [
        Agg::Increase,
        Agg::Last,
        Agg::Avg,
        Agg::Min,
        Agg::Max,
        Agg::Count,
        Agg::Percentile(50),
        Agg::Percentile(90),
        Agg::Percentile(95),
        Agg::Percentile(99),
    ];

    /// The word outside.
    pub fn name(self) -> &'static str {
        match self {
            Agg::Increase => "increase",
            Agg::Last => "last",
            Agg::Avg => "avg",
            Agg::Min => "min",
            Agg::Max => "max",
            Agg::Count => "count",
            Agg::Percentile(50) => "p50",
            Agg::Percentile(90) => "p90",
            Agg::Percentile(95) => "p95",
            Agg::Percentile(_) => "p99",
        }
    }

    /// The agg a word means.
    pub fn from_name(name: &str) -> Option<Agg> {
        Agg::ALL.into_iter().find(|agg| agg.name() == name)
    }
}

/// How entities of a group are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Across {
    /// Added up.
    Sum,
    /// Mean.
    Avg,
    /// Smallest.
    Min,
    /// Largest.
    Max,
}

impl Across {
    /// All, in documentation order.
    pub const ALL: [Across; 4] = [Across::Sum, Across::Avg, Across::Min, Across::Max];

    /// The word outside.
    pub fn name(self) -> &'static str {
        match self {
            Across::Sum => "sum",
            Across::Avg => "avg",
            Across::Min => "min",
            Across::Max => "max",
        }
    }

    fn parse(text: &str) -> Result<Across, String> {
        Across::ALL.into_iter().find(|across| across.name() == text).ok_or_else(|| {
            let advice = suggestion(text, &Across::ALL.map(Across::name));
            format!("`{}` is no way to combine; {advice}", shown(text))
        })
    }
}

/// Something a series can be labelled, grouped or filtered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Label {
    /// The identity key at this position.
    Key(usize),
    /// The attribute of this name.
    Attribute(&'static str),
    /// One entry of a map attribute: `label.env` is (`labels`, `env`).
    Entry(&'static str, String),
}

/// Which series to keep.
#[derive(Debug, Clone, PartialEq)]
pub struct Top {
    /// How many.
    pub count: usize,
    /// The largest in which field, over the whole range as one bucket.
    pub by: FieldRequest,
}

/// Bucket width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A fixed number of milliseconds below a day, aligned to 1970 in UTC.
    Fixed(i64),
    /// A local day.
    Day,
    /// A local week, from Monday.
    Week,
    /// A local month.
    Month,
    /// The whole range.
    All,
}

/// The zone for calendar steps and for printing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// UTC, printed with Z: no `tz` was asked for.
    Utc,
    /// A zone of the tz database, printed with its offset.
    Named(chrono_tz::Tz),
}
