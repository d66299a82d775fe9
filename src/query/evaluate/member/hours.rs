//! One entity's hours, folded into its accumulators: what samples of the same time would have given.
//!
//! Must not know: whether hours were kept or are made from samples just now.

use crate::model::sketch::Binning;
use crate::model::{Attributes, HourCell, HourRow, Pick, Presence, Sketch, TimeRange, Timestamp, Total, Value};
use crate::query::cell::Number;
use crate::query::evaluate::Field;
use crate::query::operand::{Operand, Quotient, seconds};
use crate::query::request::Agg;

use super::{Member, Slot, larger, smaller};

impl Member {
    /// Takes a row; `cells`: of each field its cell, nothing for number attributes.
    pub(in crate::query::evaluate) fn take_hour(
        &mut self,
        fields: &[Field],
        bucket: usize,
        row: &HourRow,
        cells: &[Option<&HourCell>],
        attributes: &Attributes,
    ) {
        // Only whose attributes were in force matters of this time.
        let at = Some(row.version);
        if row.samples > 0 {
            self.last_sample = self.last_sample.max(at);
        } else {
            self.last_stretch = self.last_stretch.max(at);
        }
        self.reach(bucket);
        self.cover(bucket, row.covered_ms);
        for (index, (field, cell)) in fields.iter().zip(cells).enumerate() {
            let Some(place) = self.place(index, bucket) else { continue };
            let Some(slot) = self.slots.get_mut(place) else { continue };
            let sketch = self.sketches.get_mut(place).filter(|_| matches!(field.agg, Agg::Percentile(_)));
            match (&field.operand, cell) {
                (Operand::Attribute { name, .. }, _) => {
                    let number = attributes.get(name).map_or(Number::Null, Number::of_attribute);
                    let Some(value) = number.as_f64() else { continue };
                    slot.take_constant(field.agg, number, row.samples);
                    if let Some(sketch) = sketch
                        && let Ok(count @ 1..) = u32::try_from(row.samples)
                    {
                        sketch.add(&[(Binning::default().bin(value), count)], value, value);
                    }
                }
                (_, Some(cell)) => {
                    slot.take_cell(field, cell, attributes);
                    if let Some(sketch) = sketch.filter(|_| !cell.bins.is_empty()) {
                        let number = |pick| field.operand.picked(pick).as_f64().unwrap_or(f64::NAN);
                        sketch.add(&cell.bins, number(cell.min), number(cell.max));
                    }
                }
                _ => {}
            }
        }
    }

    /// Notes how the entity was there, up to an instant; what was noted before is left out.
    pub(in crate::query::evaluate) fn note_stay(
        &mut self,
        edges: &[Timestamp],
        (from, to): (Timestamp, Timestamp),
        presence: Presence,
    ) {
        let from = self.noted_until.map_or(from, |until| from.max(until));
        let Some(span) = TimeRange::new(from, to).filter(|span| !span.is_empty()) else { return };
        if presence != Presence::Seen {
            self.note_away(edges, span, presence == Presence::Gone);
        }
        self.noted_until = Some(to);
    }
}

/// A field of one hour by itself.
pub(in crate::query::evaluate) fn of_hour(field: &Field, cell: &HourCell, attributes: &Attributes) -> Number {
    if let Agg::Percentile(percent) = field.agg {
        let number = |pick| field.operand.picked(pick).as_f64().unwrap_or(f64::NAN);
        let mut sketch = Sketch::default();
        if !cell.bins.is_empty() {
            sketch.add(&cell.bins, number(cell.min), number(cell.max));
        }
        return Number::derived(sketch.percentile(percent));
    }
    let mut slot = Slot::default();
    slot.take_cell(field, cell, attributes);
    slot.number(field)
}

impl Slot {
    fn add_count(&mut self, count: i64) {
        self.count = self.count.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    }

    fn add_total(&mut self, total: Total) {
        match total {
            Total::Nothing => {}
            Total::Int(sum) => self.exact = self.exact.saturating_add(sum),
            Total::Float(sum) => self.float += sum,
        }
    }

    /// So many samples of one number.
    #[expect(clippy::cast_precision_loss, reason = "a mean is printed with 9 digits")]
    fn take_constant(&mut self, agg: Agg, number: Number, samples: i64) {
        if samples == 0 {
            return;
        }
        self.add_count(samples);
        match (agg, number) {
            (Agg::Avg, Number::Scaled { value, .. }) => {
                self.exact = self.exact.saturating_add(i128::from(value) * i128::from(samples));
            }
            (Agg::Avg, other) => self.float += other.as_f64().unwrap_or(0.0) * samples as f64,
            _ => self.pick(agg, number),
        }
    }

    fn pick(&mut self, agg: Agg, number: Number) {
        match agg {
            Agg::Min => self.pick = smaller(self.pick, number),
            Agg::Max => self.pick = larger(self.pick, number),
            Agg::Last => self.pick = number,
            Agg::Increase | Agg::Avg | Agg::Count | Agg::Percentile(_) => {}
        }
    }

    /// The quotient of what was summed, of a field of stretches.
    pub(in crate::query::evaluate) fn quotient(&self, field: &Field) -> Quotient {
        let whole = match &field.operand {
            operand if operand.is_of_stretch() => operand.of_whole(self.exact, self.exact_below),
            _ => None,
        };
        let Quotient { above, below } = whole.unwrap_or(Quotient { above: 0.0, below: 0.0 });
        Quotient { above: self.above + above, below: self.below + below }
    }

    fn take_cell(&mut self, field: &Field, cell: &HourCell, attributes: &Attributes) {
        match (&field.operand, field.agg) {
            (Operand::Counter(_), Agg::Increase) => {
                for total in [cell.sum, cell.holes].into_iter().filter(|total| !total.is_nothing()) {
                    self.add_count(1);
                    self.add_total(total);
                }
            }
            (operand, Agg::Avg) if operand.is_of_stretch() => {
                if let Some((above, below)) = operand.whole_of_hour(cell) {
                    self.add_count(1);
                    self.exact = self.exact.saturating_add(above);
                    self.exact_below = self.exact_below.saturating_add(below);
                } else if let Some(quotient) = operand.of_hour(cell, attributes) {
                    self.add_count(1);
                    self.above += quotient.above;
                    self.below += quotient.below;
                }
            }
            (operand @ Operand::GaugeRatio { .. }, Agg::Avg) => {
                self.add_count(cell.count);
                self.float += cell.ratios;
                if let Some(quotient) = operand.of_hour(cell, attributes) {
                    self.above += quotient.above;
                    self.below += quotient.below;
                }
            }
            (operand @ Operand::Remainder { .. }, Agg::Avg) => {
                self.add_count(cell.count);
                match cell.sum {
                    Total::Int(sum) => self.exact = self.exact.saturating_add(sum),
                    _ => self.float += operand.of_hour(cell, attributes).map_or(0.0, |quotient| quotient.above),
                }
            }
            (_, Agg::Avg) => {
                self.add_count(cell.count);
                self.add_total(cell.sum);
            }
            (_, Agg::Count) => self.add_count(cell.count),
            (operand, agg @ (Agg::Min | Agg::Max | Agg::Last)) => {
                let pick = match agg {
                    Agg::Min => cell.min,
                    Agg::Max => cell.max,
                    _ => cell.last,
                };
                let number = operand.picked(pick);
                if number == Number::Null {
                    return;
                }
                self.add_count(cell.count);
                self.pick(agg, number);
                if let (Agg::Last, Some(quotient)) = (agg, operand.picked_quotient(pick)) {
                    (self.above, self.below) = (quotient.above, quotient.below);
                }
            }
            _ => {}
        }
    }
}

impl Operand {
    /// What an hour's sums give above and below the line in whole numbers, in the order of which sums do not depend.
    fn whole_of_hour(&self, cell: &HourCell) -> Option<(i128, i128)> {
        match (self, cell.sum, cell.below) {
            (Operand::Rate { .. }, Total::Int(above), _) => Some((above, i128::from(cell.covered_ms))),
            (Operand::IncreaseRatio { times: None, .. }, Total::Int(above), Total::Int(below)) => Some((above, below)),
            _ => None,
        }
    }

    /// The quotient of such sums.
    #[expect(clippy::cast_precision_loss, reason = "derived numbers are printed with 9 digits")]
    fn of_whole(&self, above: i128, below: i128) -> Option<Quotient> {
        match self {
            Operand::Rate { counters } => {
                let scale = counters.first().map_or(1.0, |counter| counter.scale());
                Some(Quotient { above: above as f64 / scale, below: below as f64 / 1000.0 })
            }
            Operand::IncreaseRatio { part, whole, factor, .. } => {
                Some(Quotient { above: above as f64 / part.scale() * factor, below: below as f64 / whole.scale() })
            }
            _ => None,
        }
    }

    /// What an hour's sums give above and below the line.
    fn of_hour(&self, cell: &HourCell, attributes: &Attributes) -> Option<Quotient> {
        if cell.sum.is_nothing() {
            return None;
        }
        let covered = seconds(cell.covered_ms);
        Some(match self {
            Operand::Rate { counters } => {
                let scale = counters.first().map_or(1.0, |counter| counter.scale());
                Quotient { above: outside(cell.sum, scale), below: covered }
            }
            Operand::IncreaseRatio { part, whole, times, factor } => {
                let scale = part.scale() * times.map_or(1.0, |times| times.scale());
                let above = match cell.sum {
                    Total::Float(sum) => sum / scale,
                    sum => outside(sum, scale),
                };
                Quotient { above: above * factor, below: outside(cell.below, whole.scale()) }
            }
            Operand::RateToAttribute { counter, attribute } => {
                let limit = Number::of_attribute(attributes.get(attribute)?).as_f64().filter(|limit| *limit > 0.0)?;
                Quotient { above: outside(cell.sum, counter.scale()), below: covered * limit }
            }
            Operand::Remainder { of, .. } => Quotient { above: outside(cell.sum, of.scale()), below: 1.0 },
            Operand::GaugeRatio { part, whole, .. } => {
                Quotient { above: outside(cell.sum, part.scale()), below: outside(cell.below, whole.scale()) }
            }
            Operand::Counter(_) | Operand::Gauge(_) | Operand::Attribute { .. } => return None,
        })
    }

    /// A picked number as it is printed.
    fn picked(&self, pick: Pick) -> Number {
        match self {
            Operand::Counter(place) | Operand::Gauge(place) => Number::of_column(place.column(), pick.above),
            Operand::Remainder { of, .. } => Number::derived(value_outside(pick.above, of.scale())),
            _ => Number::derived(self.picked_quotient(pick).and_then(Quotient::value)),
        }
    }

    /// A picked quotient, above and below the line.
    fn picked_quotient(&self, pick: Pick) -> Option<Quotient> {
        match (self, pick.below) {
            (Operand::GaugeRatio { part, whole, .. }, below) => Some(Quotient {
                above: value_outside(pick.above, part.scale())?,
                below: value_outside(below, whole.scale())?,
            }),
            (Operand::Rate { counters }, Value::Int(ms)) => {
                let scale = counters.first().map_or(1.0, |counter| counter.scale());
                Some(Quotient { above: value_outside(pick.above, scale)?, below: seconds(ms) })
            }
            _ => None,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "derived numbers are printed with 9 digits")]
fn outside(total: Total, scale: f64) -> f64 {
    match total {
        Total::Nothing => 0.0,
        Total::Int(sum) => sum as f64 / scale,
        Total::Float(sum) => sum,
    }
}

#[expect(clippy::cast_precision_loss, reason = "derived numbers are printed with 9 digits")]
fn value_outside(value: Value, scale: f64) -> Option<f64> {
    match value {
        Value::Null => None,
        Value::Int(value) => Some(value as f64 / scale),
        Value::Float(value) => Some(value),
    }
}
