//! What a field gathers in a row: of stretches what counters grew by, of samples values.
//!
//! Everything stays in native units, whole numbers where the columns hold whole numbers. Must not know: hours, how rows
//! are found.

use crate::model::{Class, ColumnValues, Derived, Formula, HourCell, Kind, Pick, Repr, Run, TimeRange, Total, Value};
use crate::rate::{self, Life, Stretch};

use super::{Bins, Kept, derived_of, kept};

/// A column's place in a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) position: usize,
    pub(super) decimals: u8,
    /// Native units of one outside.
    scale: f64,
    /// Where it is taken away and was not told, nothing is.
    pub(super) untold_is_none: bool,
}

/// What a field is made of.
#[derive(Debug)]
pub(super) enum Source {
    /// A counter; or a rate to an attribute, which is its counter over what holds for all of a row.
    Counter(Place),
    Gauge(Place),
    Rate(Vec<Place>),
    IncreaseRatio {
        part: Place,
        whole: Place,
        times: Option<Place>,
    },
    Remainder {
        of: Place,
        less: Place,
    },
    GaugeRatio {
        part: Place,
        less: Option<Place>,
        whole: Place,
    },
    /// What a kind does not have.
    Nothing,
}

/// A field, resolved to the columns of a run.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) source: Source,
    pub(super) kept: Kept,
}

/// What the field grew by over a whole stretch.
#[derive(Debug, Clone, Copy)]
pub(super) enum Grown {
    Int(i64),
    Float(f64),
    /// Several counters that are not whole numbers of the same decimals.
    Mixed,
    /// Of a ratio: above and below the line.
    Ratio,
}

/// A value at one sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampled {
    /// In outside units, for bins and comparisons.
    pub(super) number: f64,
    pick: Pick,
}

impl Field {
    pub(super) fn resolve(kind: &'static Kind, field: usize, columns: &mut Vec<usize>) -> Field {
        let source = match kind.columns.get(field) {
            Some(column) => place(kind, column.name, columns).map(|place| match column.class {
                Class::Counter => Source::Counter(place),
                Class::Gauge => Source::Gauge(place),
            }),
            None => derived_of(kind, field).and_then(|derived| derived_source(kind, derived, columns)),
        };
        Field { source: source.unwrap_or(Source::Nothing), kept: kept(kind, field) }
    }

    /// Whether its values are those of stretches, not of samples.
    pub(super) fn is_of_stretch(&self) -> bool {
        matches!(self.source, Source::Counter(_) | Source::Rate(_) | Source::IncreaseRatio { .. })
    }

    /// What it grew by up to a sample; nothing where a counter was not reported or fell.
    pub(super) fn grown(&self, run: &Run, next: usize, life: Life) -> Option<Grown> {
        match &self.source {
            Source::Counter(place) => place.grown(run, next, life),
            Source::Rate(places) => {
                let (first, rest) = places.split_first()?;
                let grown = first.grown(run, next, life)?;
                rest.iter().try_fold(grown, |sum, place| {
                    Some(match (sum, place.grown(run, next, life)?) {
                        (Grown::Int(sum), Grown::Int(more)) if place.decimals == first.decimals => {
                            // More than 292 years of nanoseconds: sums are taken of each counter for itself.
                            Grown::Int(sum.saturating_add(more))
                        }
                        _ => Grown::Mixed,
                    })
                })
            }
            Source::IncreaseRatio { part, whole, times } => {
                part.grown(run, next, life)?;
                whole.grown(run, next, life)?;
                if let Some(times) = times {
                    times.number(run, next)?;
                }
                Some(Grown::Ratio)
            }
            _ => None,
        }
    }

    /// Adds the part of a stretch that lies in a cut (all of it, where there is none) to a cell.
    pub(super) fn take_share(
        &self,
        cell: &mut HourCell,
        run: &Run,
        next: usize,
        stretch: &Stretch,
        grown: Grown,
        cut: Option<TimeRange>,
    ) {
        match (&self.source, grown) {
            (Source::Counter(_), _) => {
                let total = if stretch.is_hole { &mut cell.holes } else { &mut cell.sum };
                add(total, grown.share(stretch, cut));
            }
            _ if stretch.is_hole => return,
            // A share of a sum is not the sum of shares, where each is rounded down: each counter for itself.
            (Source::Rate(places), Grown::Int(_) | Grown::Float(_)) => {
                for place in places {
                    add(&mut cell.sum, place.share(run, next, stretch, cut));
                }
            }
            (Source::Rate(places), _) => {
                let shares = places.iter().map(|place| place.outside(place.share(run, next, stretch, cut)));
                cell.sum.add_float(shares.sum());
            }
            (Source::IncreaseRatio { part, whole, times }, _) => {
                let factor = times.map_or(Value::Int(1), |times| times.value(run, next));
                match (part.share(run, next, stretch, cut), factor) {
                    (Value::Int(share), Value::Int(factor)) => {
                        cell.sum.add_int(i128::from(share) * i128::from(factor));
                    }
                    (share, factor) => cell.sum.add_float(native(share) * native(factor)),
                }
                add(&mut cell.below, whole.share(run, next, stretch, cut));
            }
            _ => return,
        }
        if !stretch.is_hole {
            cell.covered_ms += cut.map_or(stretch.ms(), TimeRange::ms);
        }
    }

    /// The rate of a whole stretch, as it is picked and in outside units.
    fn rate(&self, grown: Grown, stretch: &Stretch) -> Option<(Pick, f64)> {
        let above = match grown {
            Grown::Int(amount) => Value::Int(amount),
            Grown::Float(amount) => Value::Float(amount),
            Grown::Mixed | Grown::Ratio => return None,
        };
        let pick = Pick { above, below: Value::Int(stretch.ms()) };
        let value = Some(self.number(pick)).filter(|value| value.is_finite())?;
        Some((pick, value))
    }

    /// The value at one sample.
    pub(super) fn at_sample(&self, run: &Run, index: usize) -> Option<Sampled> {
        let pick = match &self.source {
            Source::Gauge(place) => Pick { above: place.value(run, index), below: Value::Null },
            Source::Remainder { of, less } => Pick { above: remainder(*of, *less, run, index), below: Value::Null },
            Source::GaugeRatio { part, less, whole } => {
                let above = less.map_or_else(|| part.value(run, index), |less| remainder(*part, less, run, index));
                let pick = Pick { above, below: whole.value(run, index) };
                if pick.below.is_null() || !self.number(pick).is_finite() {
                    return None;
                }
                pick
            }
            _ => return None,
        };
        (!pick.above.is_null()).then(|| Sampled { number: self.number(pick), pick })
    }

    /// Adds a value to a cell.
    pub(super) fn take_sample(&self, cell: &mut HourCell, value: Sampled) {
        cell.count += 1;
        add(&mut cell.sum, value.pick.above);
        if let Source::GaugeRatio { part, whole, .. } = &self.source {
            // Ratios to one and the same whole are one ratio of their sum, which `holes` holds meanwhile.
            if cell.last.below != value.pick.below {
                cell.ratios += under_way(cell, *part, *whole);
                cell.holes = Total::Nothing;
            }
            add(&mut cell.holes, value.pick.above);
            add(&mut cell.below, value.pick.below);
        }
        cell.last = value.pick;
        if self.kept.extremes {
            self.compare(cell, value.pick, value.number);
        }
    }

    /// Adds the rate of a stretch that ends in the cell's row.
    pub(super) fn take_rate(&self, cell: &mut HourCell, stretch: &Stretch, grown: Grown, bins: &mut Bins) {
        if !self.kept.extremes {
            return;
        }
        if let Some((pick, value)) = self.rate(grown, stretch) {
            bins.take(value);
            cell.count += 1;
            self.compare(cell, pick, value);
        }
    }

    /// NaN is neither smaller nor larger than anything, and stands only where there is nothing else.
    pub(super) fn compare(&self, cell: &mut HourCell, pick: Pick, value: f64) {
        let (min, max) = (self.number(cell.min), self.number(cell.max));
        if cell.min.above.is_null() || value < min || (min.is_nan() && !value.is_nan()) {
            cell.min = pick;
        }
        if cell.max.above.is_null() || value > max || (max.is_nan() && !value.is_nan()) {
            cell.max = pick;
        }
    }

    /// A picked number in outside units; NaN where there is none.
    pub(super) fn number(&self, pick: Pick) -> f64 {
        match &self.source {
            Source::Gauge(place) | Source::Remainder { of: place, .. } => place.outside(pick.above),
            Source::GaugeRatio { part, whole, .. } => part.outside(pick.above) / whole.outside(pick.below),
            Source::Rate(places) => {
                let above = places.first().map_or(f64::NAN, |place| place.outside(pick.above));
                above / (native(pick.below) / 1000.0)
            }
            _ => f64::NAN,
        }
    }

    /// Ends what was under way in cells, and leaves out what is not kept.
    pub(super) fn finish(&self, cells: &mut [HourCell]) {
        for cell in cells {
            if let Source::GaugeRatio { part, whole, .. } = &self.source {
                cell.ratios += under_way(cell, *part, *whole);
                cell.holes = Total::Nothing;
            }
            if !self.kept.last {
                cell.last = Pick::default();
            }
        }
    }
}

/// The ratio of what was summed since the whole last changed.
fn under_way(cell: &HourCell, part: Place, whole: Place) -> f64 {
    if cell.holes.is_nothing() { 0.0 } else { part.total(cell.holes) / whole.outside(cell.last.below) }
}

fn add(total: &mut Total, value: Value) {
    match value {
        Value::Int(value) => total.add_int(i128::from(value)),
        Value::Float(value) => total.add_float(value),
        Value::Null => {}
    }
}

/// A number in its own units; NaN where there is none.
#[expect(clippy::cast_precision_loss, reason = "comparisons and quotients need no more than 53 bits")]
fn native(value: Value) -> f64 {
    match value {
        Value::Int(value) => value as f64,
        Value::Float(value) => value,
        Value::Null => f64::NAN,
    }
}

impl Grown {
    fn share(self, stretch: &Stretch, cut: Option<TimeRange>) -> Value {
        match (self, cut) {
            (Grown::Int(amount), None) => Value::Int(amount),
            (Grown::Float(amount), None) => Value::Float(amount),
            (Grown::Int(amount), Some(cut)) => stretch.share(amount, cut).map_or(Value::Null, Value::Int),
            (Grown::Float(amount), Some(cut)) => stretch.share(amount, cut).map_or(Value::Null, Value::Float),
            (Grown::Mixed | Grown::Ratio, _) => Value::Null,
        }
    }
}

fn place(kind: &'static Kind, name: &str, columns: &mut Vec<usize>) -> Option<Place> {
    let index = kind.column_index(name)?;
    let column = kind.columns.get(index)?;
    let decimals = match column.repr {
        Repr::Integer { decimals } => decimals,
        Repr::Float => 0,
    };
    let position = columns.iter().position(|known| *known == index).unwrap_or_else(|| {
        columns.push(index);
        columns.len() - 1
    });
    let scale = 10f64.powi(i32::from(decimals));
    Some(Place { position, decimals, scale, untold_is_none: column.untold_is_none })
}

fn derived_source(kind: &'static Kind, derived: &Derived, columns: &mut Vec<usize>) -> Option<Source> {
    let mut place = |name: &str| place(kind, name, columns);
    Some(match derived.formula {
        Formula::Rate { counters } => Source::Rate(counters.iter().map(|name| place(name)).collect::<Option<_>>()?),
        Formula::IncreaseRatio { part, whole, times, .. } => Source::IncreaseRatio {
            part: place(part)?,
            whole: place(whole)?,
            times: match times {
                Some(times) => Some(place(times)?),
                None => None,
            },
        },
        Formula::RateToAttribute { counter, .. } => Source::Counter(place(counter)?),
        Formula::Remainder { of, less } => Source::Remainder { of: place(of)?, less: place(less)? },
        Formula::GaugeRatio { part, less, whole } => Source::GaugeRatio {
            part: place(part)?,
            less: match less {
                Some(less) => Some(place(less)?),
                None => None,
            },
            whole: place(whole)?,
        },
    })
}

fn remainder(of: Place, less: Place, run: &Run, index: usize) -> Value {
    match (of.value(run, index), less.value(run, index)) {
        (of, Value::Null) if less.untold_is_none => of,
        (Value::Null, _) | (_, Value::Null) => Value::Null,
        (Value::Int(left), Value::Int(right)) if of.decimals == less.decimals => {
            Value::Int(left.saturating_sub(right).max(0))
        }
        (left, right) => Value::Float((of.outside(left) - less.outside(right)).max(0.0)),
    }
}

impl Place {
    fn value(self, run: &Run, index: usize) -> Value {
        run.columns.get(self.position).map_or(Value::Null, |values| values.get(index))
    }

    /// In outside units; NaN where there is none.
    pub(super) fn outside(self, value: Value) -> f64 {
        match value {
            Value::Int(_) => native(value) / self.scale,
            _ => native(value),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a ratio is printed with 9 digits")]
    fn total(self, total: Total) -> f64 {
        match total {
            Total::Nothing => 0.0,
            Total::Int(sum) => sum as f64 / self.scale,
            Total::Float(sum) => sum,
        }
    }

    fn number(self, run: &Run, index: usize) -> Option<f64> {
        let value = self.value(run, index);
        (!value.is_null()).then(|| self.outside(value))
    }

    fn grown(self, run: &Run, next: usize, life: Life) -> Option<Grown> {
        fn at<T: Copy>(values: &[Option<T>], index: Option<usize>) -> Option<T> {
            index.and_then(|index| values.get(index).copied().flatten())
        }
        let previous = next.checked_sub(1);
        match run.columns.get(self.position)? {
            ColumnValues::Int(values) => {
                rate::increase(life, at(values, previous), at(values, Some(next))).map(Grown::Int)
            }
            ColumnValues::Float(values) => {
                rate::increase(life, at(values, previous), at(values, Some(next))).map(Grown::Float)
            }
        }
    }

    fn share(self, run: &Run, next: usize, stretch: &Stretch, cut: Option<TimeRange>) -> Value {
        self.grown(run, next, stretch.life).map_or(Value::Null, |grown| grown.share(stretch, cut))
    }
}
