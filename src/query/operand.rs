//! What a field is worth at one sample, or over one stretch between two.
//!
//! A field of a request is resolved once to an `Operand`, which knows the run's columns it reads. All
//! conversion from native to outside units happens here. Must not know: buckets, groups, aggregation.

use crate::model::{
    AttributeType, Attributes, Class, Column, ColumnValues, Formula, Kind, Repr, Run, TimeRange, Value,
};
use crate::rate::{self, Stretch};

use super::cell::Number;

/// The columns of a kind that a request reads, each once; positions in a run's `columns`.
#[derive(Debug, Default, Clone)]
pub struct ColumnSet {
    wanted: Vec<usize>,
}

impl ColumnSet {
    /// Positions in the kind's columns, in the order of the run's columns.
    pub fn wanted(&self) -> &[usize] {
        &self.wanted
    }

    fn place(&mut self, kind: &'static Kind, name: &str) -> Option<Place> {
        let index = kind.column_index(name)?;
        let column = kind.columns.get(index)?;
        let position = self.wanted.iter().position(|wanted| *wanted == index).unwrap_or_else(|| {
            self.wanted.push(index);
            self.wanted.len() - 1
        });
        Some(Place { position, column, scale: 10f64.powi(i32::from(column.decimals())) })
    }
}

/// Where a column stands in a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    position: usize,
    column: &'static Column,
    /// What a whole number is divided by.
    scale: f64,
}

impl Place {
    pub(crate) fn value(self, run: &Run, index: usize) -> Value {
        run.columns.get(self.position).map_or(Value::Null, |values| values.get(index))
    }

    /// The value at a position, as it is printed.
    pub(crate) fn number(self, run: &Run, index: usize) -> Number {
        match (run.columns.get(self.position), self.column.repr) {
            (Some(ColumnValues::Int(values)), repr) => match (values.get(index).copied().flatten(), repr) {
                (Some(value), Repr::Integer { decimals }) => Number::Scaled { value, decimals },
                (Some(value), Repr::Float) => Number::Scaled { value, decimals: 0 },
                (None, _) => Number::Null,
            },
            (Some(ColumnValues::Float(values)), _) => {
                values.get(index).copied().flatten().map_or(Number::Null, Number::Reported)
            }
            (None, _) => Number::Null,
        }
    }

    pub(crate) fn column(self) -> &'static Column {
        self.column
    }

    pub(crate) fn scale(self) -> f64 {
        self.scale
    }

    #[expect(clippy::cast_precision_loss, reason = "a number that is computed with has 53 bits")]
    fn outside(self, run: &Run, index: usize) -> Option<f64> {
        match (self.value(run, index), self.column.repr) {
            (Value::Int(value), Repr::Integer { .. }) => Some(value as f64 / self.scale),
            (value, _) => Number::of_column(self.column, value).as_f64(),
        }
    }

    /// The counter's growth over a stretch, cut to a range, in native units.
    pub(crate) fn share(self, run: &Run, next: usize, stretch: &Stretch, range: TimeRange) -> Option<Grown> {
        let at = |values: &[Option<i64>], index: usize| values.get(index).copied().flatten();
        let at_float = |values: &[Option<f64>], index: usize| values.get(index).copied().flatten();
        match run.columns.get(self.position)? {
            ColumnValues::Int(values) => {
                let before = next.checked_sub(1).and_then(|previous| at(values, previous));
                let amount = rate::increase(stretch.life, before, at(values, next))?;
                stretch.share(amount, range).map(Grown::Int)
            }
            ColumnValues::Float(values) => {
                let before = next.checked_sub(1).and_then(|previous| at_float(values, previous));
                let amount = rate::increase(stretch.life, before, at_float(values, next))?;
                stretch.share(amount, range).map(Grown::Float)
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate is printed with 9 digits")]
    fn share_outside(self, run: &Run, next: usize, stretch: &Stretch, range: TimeRange) -> Option<f64> {
        self.share(run, next, stretch, range).map(|grown| match grown {
            Grown::Int(amount) => amount as f64 / self.scale,
            Grown::Float(amount) => amount,
        })
    }
}

/// What a counter grew by, in native units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Grown {
    /// Of a whole-number column.
    Int(i64),
    /// Of a float column.
    Float(f64),
}

/// A quotient kept apart, so that sums of it are right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quotient {
    pub(crate) above: f64,
    pub(crate) below: f64,
}

impl Quotient {
    /// The quotient as a number; nothing over 0.
    pub(crate) fn value(self) -> Option<f64> {
        (self.below != 0.0).then(|| self.above / self.below).filter(|value| value.is_finite())
    }
}

/// A field, resolved to the columns it reads.
#[derive(Debug, Clone)]
pub(crate) enum Operand {
    /// A stored counter.
    Counter(Place),
    /// A stored gauge.
    Gauge(Place),
    /// A difference of two gauges, at least 0.
    Remainder { of: Place, less: Place },
    /// A quotient of gauges.
    GaugeRatio { part: Place, less: Option<Place>, whole: Place },
    /// Counters per second.
    Rate { counters: Vec<Place> },
    /// A quotient of increases.
    IncreaseRatio { part: Place, whole: Place, times: Option<Place>, factor: f64 },
    /// A counter per second and unit of a number attribute.
    RateToAttribute { counter: Place, attribute: &'static str },
    /// A number attribute, worth at each sample what was in force then.
    Attribute { name: &'static str, integer: bool },
}

impl Operand {
    /// The operand of a column, derived column or number attribute; nothing where the kind has none of that
    /// name, or its formula names a column that is not there.
    pub(crate) fn resolve(kind: &'static Kind, name: &str, columns: &mut ColumnSet) -> Option<Operand> {
        if let Some(column) = kind.column(name) {
            let place = columns.place(kind, name)?;
            return Some(match column.class {
                Class::Counter => Operand::Counter(place),
                Class::Gauge => Operand::Gauge(place),
            });
        }
        if let Some(attribute) = kind.number_attribute(name) {
            return Some(Operand::Attribute { name: attribute.name, integer: attribute.ty == AttributeType::Integer });
        }
        let mut place = |name: &str| columns.place(kind, name);
        Some(match kind.derived(name)?.formula {
            Formula::Remainder { of, less } => Operand::Remainder { of: place(of)?, less: place(less)? },
            Formula::GaugeRatio { part, less, whole } => Operand::GaugeRatio {
                part: place(part)?,
                less: match less {
                    Some(less) => Some(place(less)?),
                    None => None,
                },
                whole: place(whole)?,
            },
            Formula::Rate { counters } => {
                Operand::Rate { counters: counters.iter().map(|name| place(name)).collect::<Option<_>>()? }
            }
            Formula::IncreaseRatio { part, whole, times, factor } => Operand::IncreaseRatio {
                part: place(part)?,
                whole: place(whole)?,
                times: match times {
                    Some(times) => Some(place(times)?),
                    None => None,
                },
                factor,
            },
            Formula::RateToAttribute { counter, attribute } => {
                Operand::RateToAttribute { counter: place(counter)?, attribute }
            }
        })
    }

    /// Whether its values are those of stretches, not of samples.
    pub(crate) fn is_of_stretch(&self) -> bool {
        matches!(self, Operand::Rate { .. } | Operand::IncreaseRatio { .. } | Operand::RateToAttribute { .. })
    }

    /// Whether it is a quotient that groups combine as Σ/Σ.
    pub(crate) fn is_ratio(&self) -> bool {
        matches!(self, Operand::GaugeRatio { .. } | Operand::IncreaseRatio { .. } | Operand::RateToAttribute { .. })
    }

    /// The value at one sample; null for what needs a stretch.
    pub(crate) fn at_sample(&self, run: &Run, index: usize, attributes: &Attributes) -> Number {
        match self {
            Operand::Attribute { name, .. } => attributes.get(name).map_or(Number::Null, Number::of_attribute),
            Operand::Counter(place) | Operand::Gauge(place) => place.number(run, index),
            Operand::Remainder { of, less } => Number::derived(remainder(*of, *less, run, index)),
            Operand::GaugeRatio { .. } => {
                Number::derived(self.quotient_at_sample(run, index).and_then(Quotient::value))
            }
            Operand::Rate { .. } | Operand::IncreaseRatio { .. } | Operand::RateToAttribute { .. } => Number::Null,
        }
    }

    /// A ratio of gauges at one sample, above and below the line.
    pub(crate) fn quotient_at_sample(&self, run: &Run, index: usize) -> Option<Quotient> {
        let Operand::GaugeRatio { part, less, whole } = self else {
            return None;
        };
        let above = match less {
            Some(less) => remainder(*part, *less, run, index)?,
            None => part.outside(run, index)?,
        };
        Some(Quotient { above, below: whole.outside(run, index)? }).filter(|quotient| quotient.below != 0.0)
    }

    /// What a stretch, cut to a range, gives above and below the line; nothing for holes and missing values.
    pub(crate) fn over_stretch(
        &self,
        run: &Run,
        next: usize,
        stretch: &Stretch,
        attributes: &Attributes,
        range: TimeRange,
    ) -> Option<Quotient> {
        if stretch.is_hole {
            return None;
        }
        let seconds = seconds(stretch.covered_ms(range));
        match self {
            Operand::Rate { counters } => {
                let mut above = 0.0;
                for counter in counters {
                    above += counter.share_outside(run, next, stretch, range)?;
                }
                Some(Quotient { above, below: seconds })
            }
            Operand::IncreaseRatio { part, whole, times, factor } => {
                let times = match times {
                    Some(times) => times.outside(run, next)?,
                    None => 1.0,
                };
                let above = part.share_outside(run, next, stretch, range)? * times * factor;
                Some(Quotient { above, below: whole.share_outside(run, next, stretch, range)? })
            }
            Operand::RateToAttribute { counter, attribute } => {
                let limit = Number::of_attribute(attributes.get(attribute)?).as_f64().filter(|limit| *limit > 0.0)?;
                Some(Quotient { above: counter.share_outside(run, next, stretch, range)?, below: seconds * limit })
            }
            Operand::Counter(_)
            | Operand::Gauge(_)
            | Operand::Remainder { .. }
            | Operand::GaugeRatio { .. }
            | Operand::Attribute { .. } => None,
        }
    }

    /// The value at the sample that ends a stretch: that of the whole stretch, or of the sample itself.
    pub(crate) fn at_end(&self, run: &Run, next: usize, stretch: Option<&Stretch>, attributes: &Attributes) -> Number {
        if !self.is_of_stretch() {
            return self.at_sample(run, next, attributes);
        }
        let quotient = stretch.and_then(|stretch| self.over_stretch(run, next, stretch, attributes, TimeRange::ALL));
        Number::derived(quotient.and_then(Quotient::value))
    }

    /// The decimals of its whole numbers, where these are summed.
    pub(crate) fn sum_decimals(&self) -> u8 {
        match self {
            Operand::Remainder { of, .. } => of.column.decimals(),
            _ => self.decimals().unwrap_or(0),
        }
    }

    /// The decimals of a whole-number column or attribute; None for floats and derived columns.
    pub(crate) fn decimals(&self) -> Option<u8> {
        match self {
            Operand::Counter(place) | Operand::Gauge(place) => match place.column.repr {
                Repr::Integer { decimals } => Some(decimals),
                Repr::Float => None,
            },
            Operand::Attribute { integer: true, .. } => Some(0),
            _ => None,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a stretch lie far below 2^53")]
pub(crate) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "derived numbers are printed with 9 digits")]
fn remainder(of: Place, less: Place, run: &Run, index: usize) -> Option<f64> {
    match (of.value(run, index), less.value(run, index)) {
        (Value::Int(left), Value::Int(right)) if of.column.decimals() == less.column.decimals() => {
            Some(left.saturating_sub(right).max(0) as f64 / of.scale)
        }
        (_, Value::Null) if less.column.untold_is_none => of.outside(run, index),
        _ => Some((of.outside(run, index)? - less.outside(run, index)?).max(0.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Derived, Timestamp};

    const fn bytes(name: &'static str) -> Column {
        Column::gauge(name, name, "bytes", 0, "")
    }

    static MEMORY: Kind = Kind {
        name: "memory",
        help: "",
        identity: &[],
        attributes: &[],
        columns: &[
            bytes("used_bytes"),
            bytes("cache_bytes").untold_is_none(),
            bytes("free_bytes"),
            bytes("limit_bytes"),
        ],
        derived: &[
            Derived::new("held_bytes", "bytes", "", Formula::Remainder { of: "used_bytes", less: "cache_bytes" }),
            Derived::new("rest_bytes", "bytes", "", Formula::Remainder { of: "used_bytes", less: "free_bytes" }),
            Derived::new(
                "held_ratio",
                "ratio",
                "",
                Formula::GaugeRatio { part: "used_bytes", less: Some("cache_bytes"), whole: "limit_bytes" },
            ),
        ],
        display: &[],
    };

    /// Checks fields of one sample: used, cache, free, of a limit of 100.
    fn check(sample: [Option<i64>; 3], expected: [Option<f64>; 3]) {
        let mut columns = ColumnSet::default();
        let names = ["held_bytes", "rest_bytes", "held_ratio"];
        let operands = names.map(|name| Operand::resolve(&MEMORY, name, &mut columns).unwrap());
        let [used, cache, free] = sample;
        let stored = [used, cache, free, Some(100)];
        let at = Timestamp::from_ms(0);
        let run = Run {
            range: TimeRange::new(at, at.plus_ms(1)).unwrap(),
            has_before: false,
            has_after: false,
            at: vec![at],
            since: vec![None],
            interval_ms: vec![1],
            clock_offset_ms: vec![0],
            columns: columns.wanted().iter().map(|index| ColumnValues::Int(vec![stored[*index]])).collect(),
            polled_before_first: None,
        };
        let given = operands.map(|operand| operand.at_sample(&run, 0, &Attributes::new()).as_f64());
        assert_eq!(given, expected, "{sample:?}");
    }

    #[test]
    fn nothing_is_taken_away_where_the_kind_says_so_of_what_was_not_told() {
        check([Some(80), Some(30), Some(10)], [Some(50.0), Some(70.0), Some(0.5)]);
        check([Some(80), None, None], [Some(80.0), None, Some(0.8)]);
        check([Some(80), Some(90), Some(90)], [Some(0.0), Some(0.0), Some(0.0)]);
        check([None, Some(30), Some(10)], [None, None, None]);
    }
}
