//! Where a number comes from: what was read, and for one cell its formula, its columns, its samples, or why it is null.
//!
//! Pure: entities, runs and the answer in. Must not know: the store, how explanations are printed.

use crate::model::{Column, EntityRecord, Formula, Identity, Kind, Run, TargetName, TimeRange, Timestamp, Value};
use crate::rate::{self, Stretch};

use super::cell::Number;
use super::evaluate::{display_labels, mark};
use super::filter::label_value;
use super::frame::Frame;
use super::operand::{ColumnSet, Operand};
use super::request::{Agg, Label, RangeRequest};

/// Most samples of one member that are repeated: as many as show how it was computed.
pub const SAMPLES_MAX: usize = 50;
/// Most members that are repeated.
pub const MEMBERS_MAX: usize = 20;

/// What was read for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plan {
    /// Entities that were looked at.
    pub entities: u64,
    /// Runs that were read: an entity and at most a day each.
    pub runs: u64,
    /// Samples in them.
    pub samples: u64,
    /// Sealed blocks that were decoded for them.
    pub blocks: u64,
    /// Pieces of the journal that were.
    pub pieces: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Rows of rolled-up hours that were read instead.
    pub hours: u64,
}

impl Plan {
    /// Adds what was read besides.
    pub fn add(&mut self, other: Plan) {
        let Plan { entities, runs, samples, blocks, pieces, bytes, hours } = other;
        for (mine, more) in [
            (&mut self.entities, entities),
            (&mut self.runs, runs),
            (&mut self.samples, samples),
            (&mut self.blocks, blocks),
            (&mut self.pieces, pieces),
            (&mut self.bytes, bytes),
            (&mut self.hours, hours),
        ] {
            *mine = mine.saturating_add(more);
        }
    }
}

/// One cell of an answer, and what is behind it: the first series' first field in the last bucket.
#[derive(Debug)]
pub struct Explained {
    /// The kind.
    pub kind: &'static Kind,
    /// The series' labels, by name.
    pub labels: Vec<(String, Option<String>)>,
    /// The field.
    pub field: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// How it is reduced over time.
    pub agg: Agg,
    /// The bucket.
    pub bucket: TimeRange,
    /// The number, as the answer has it.
    pub value: Number,
    /// How it is computed.
    pub formula: String,
    /// The stored columns that it reads.
    pub columns: Vec<&'static Column>,
    /// The entities that it is made of, the first [`MEMBERS_MAX`].
    pub members: Vec<Member>,
    /// How many there are.
    pub members_total: usize,
    operand: Operand,
    wanted: ColumnSet,
    series: Vec<Option<String>>,
    group_by: Vec<Label>,
    reported: bool,
    in_bucket: bool,
    stretches: usize,
    holes: usize,
}

/// One entity behind a cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Which.
    pub identity: Identity,
    /// Whose polls see it.
    pub target: TargetName,
    /// Its samples in the bucket and the one on either side, the first [`SAMPLES_MAX`].
    pub samples: Vec<Raw>,
}

/// A sample as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw {
    /// When it was taken.
    pub at: Timestamp,
    /// When its counters began.
    pub since: Option<Timestamp>,
    /// The values of the columns, in native units.
    pub values: Vec<Value>,
    /// What the time since the sample before is worth: `rate`, `hole`, or nothing to subtract from.
    pub stretch: Option<&'static str>,
}

impl Explained {
    /// The cell of an answer that is explained; None where there is no series.
    pub fn new(request: &RangeRequest, frame: &Frame) -> Option<Explained> {
        let (kind, field, series) = (request.kind, frame.fields.first()?, frame.series.first()?);
        let mut wanted = ColumnSet::default();
        let operand = Operand::resolve(kind, field.name, &mut wanted)?;
        let columns = wanted.wanted().iter().filter_map(|index| kind.columns.get(*index)).collect();
        let bucket = TimeRange::new(*frame.times.last()?, request.range.end())?;
        Some(Explained {
            kind,
            labels: frame.label_names.iter().cloned().zip(series.labels.iter().cloned()).collect(),
            field: field.name,
            unit: field.unit,
            agg: field.agg,
            bucket,
            value: series.values.first().and_then(|values| values.last()).copied().unwrap_or_default(),
            formula: formula(kind, field.name, field.agg),
            columns,
            members: Vec::new(),
            members_total: 0,
            operand,
            wanted,
            series: series.labels.clone(),
            group_by: request.group_by.clone().unwrap_or_else(|| display_labels(kind)),
            reported: false,
            in_bucket: false,
            stretches: 0,
            holes: 0,
        })
    }

    /// Positions in the kind's columns that runs must bring, in this order.
    pub fn wanted(&self) -> &[usize] {
        self.wanted.wanted()
    }

    /// Whether an entity is behind the cell.
    pub fn is_member(&self, request: &RangeRequest, entity: &EntityRecord) -> bool {
        let attributes = entity.attributes_at(self.bucket.end().plus_ms(-1));
        let labels = self.group_by.iter().map(|label| label_value(self.kind, &entity.identity, &attributes, label));
        request.filter.matches(self.kind, &entity.identity, &attributes) && labels.eq(self.series.iter().cloned())
    }

    /// Takes the run of a member in the bucket; one that has nothing to do with it is left out.
    pub fn take(&mut self, entity: &EntityRecord, run: &Run) {
        let (mut samples, mut touches) = (Vec::new(), false);
        for index in 0..run.len() {
            let Some(next) = mark(run, index) else { continue };
            let previous = index.checked_sub(1).and_then(|previous| mark(run, previous));
            let is_first_known = index == 0 && run.has_before;
            let stretch = rate::stretch(previous.as_ref(), &next, run.polled_before_first).filter(|_| !is_first_known);
            let reaches = stretch.as_ref().is_some_and(|stretch| touches_bucket(stretch, self.bucket));
            let values: Vec<Value> = run.columns.iter().map(|column| column.get(index)).collect();
            let is_inside = run.inside().contains(&index);
            touches |= is_inside || reaches;
            self.in_bucket |= is_inside;
            self.reported |= (is_inside || reaches) && values.iter().any(|value| !value.is_null());
            if reaches {
                let is_hole = stretch.as_ref().is_some_and(|stretch| stretch.is_hole);
                self.stretches = self.stretches.saturating_add(usize::from(!is_hole));
                self.holes = self.holes.saturating_add(usize::from(is_hole));
            }
            let stretch = stretch.map(|stretch| if stretch.is_hole { "hole" } else { "rate" });
            samples.push(Raw { at: next.at, since: next.since, values, stretch });
        }
        if !touches {
            return;
        }
        self.members_total = self.members_total.saturating_add(1);
        if self.members.len() < MEMBERS_MAX {
            samples.truncate(SAMPLES_MAX);
            let (identity, target) = (entity.identity.clone(), entity.target.clone());
            self.members.push(Member { identity, target, samples });
        }
    }

    /// Why the cell is null; None where it is not.
    pub fn why_null(&self) -> Option<&'static str> {
        if self.value != Number::Null {
            return None;
        }
        let needs_stretch = self.operand.is_of_stretch() || self.agg == Agg::Increase;
        Some(match () {
            () if self.members_total == 0 => "nothing of this series was sampled in the bucket",
            () if !self.reported => "the source did not report what it is computed from",
            () if needs_stretch && self.stretches == 0 && self.holes > 0 => {
                "its samples lie more than three polling intervals apart, or the target's clock was set between them: \
                 nobody knows when in between it came; or it had begun less than a second before"
            }
            () if needs_stretch && self.stretches == 0 => {
                "there is only a first sample, and nothing to subtract from it"
            }
            () if !needs_stretch && !self.in_bucket => "no sample lies in the bucket",
            () => "what it is divided by is missing or 0, or a counter fell",
        })
    }
}

fn touches_bucket(stretch: &Stretch, bucket: TimeRange) -> bool {
    if stretch.is_hole { bucket.contains(stretch.to) } else { stretch.covered_ms(bucket) > 0 }
}

/// A formula in words and names of columns.
fn formula(kind: &'static Kind, field: &str, agg: Agg) -> String {
    let agg = agg.name();
    let Some(derived) = kind.derived(field) else {
        return match agg {
            _ if kind.number_attribute(field).is_some() => {
                format!("{agg} of attribute {field}, worth at each sample what was in force then")
            }
            "increase" => format!("sum of the increases of {field} between samples, each shared by time"),
            _ => format!("{agg} of {field} as sampled"),
        };
    };
    let inner = match derived.formula {
        Formula::Rate { counters } => format!("increase of ({}) / seconds covered", counters.join(" + ")),
        Formula::IncreaseRatio { part, whole, times, factor } => {
            let times = times.map(|times| format!(" × {times}")).unwrap_or_default();
            format!("increase of {part} / increase of {whole}{times} × {factor}")
        }
        Formula::RateToAttribute { counter, attribute } => {
            format!("increase of {counter} / (seconds covered × attribute {attribute})")
        }
        Formula::Remainder { of, less } if kind.column(less).is_some_and(|column| column.untold_is_none) => {
            format!("{of} − {less}, at least 0 ({of} where {less} was not told)")
        }
        Formula::Remainder { of, less } => format!("{of} − {less}, at least 0"),
        Formula::GaugeRatio { part, less: None, whole } => format!("{part} / {whole}"),
        Formula::GaugeRatio { part, less: Some(less), whole } => format!("({part} − {less}, at least 0) / {whole}"),
    };
    format!("{agg} of {inner}")
}
