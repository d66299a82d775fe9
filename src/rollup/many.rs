//! Many samples at once: what most hours consist of, whole numbers of a life that goes on, for a fraction of the work.
//!
//! Whatever is taken here is what [`super::fields`] would take of each sample for itself, to the bit; what is not so plain
//! is left to it. Must not know: hours, how rows are found.

use std::ops::Range;

use crate::model::{ColumnValues, HourCell, Pick, Run, Total, Value};

use super::fields::{Field, Place, Source};
use super::{Bins, Steady};

/// Whole numbers below this, and quotients of them, differ as floats where they differ: a mantissa has 53 bits.
const EXACT_END: i64 = 1 << 50;

/// So many of them add up to less than 64 bits hold.
const SUMMED_MAX: usize = 1 << 12;

impl Field {
    /// Adds stretches to the cell of their row; says whether it could.
    pub(super) fn take_steady(&self, cell: &mut HourCell, run: &Run, steady: &Steady, bins: &mut Bins) -> bool {
        let rising = |place: &Place| place.rising(run, &steady.next);
        match &self.source {
            Source::Counter(place) => {
                let Some(values) = rising(place) else { return false };
                add(&mut cell.sum, grown(values));
            }
            Source::Rate(places) => {
                let Some((first, rest)) = places.split_first() else { return false };
                if rest.iter().any(|place| place.decimals != first.decimals) {
                    return false;
                }
                let Some(columns) = places.iter().map(rising).collect::<Option<Vec<_>>>() else { return false };
                columns.iter().for_each(|values| add(&mut cell.sum, grown(values)));
                if self.kept.extremes {
                    self.take_rates(cell, run, steady, &columns, bins);
                }
            }
            Source::IncreaseRatio { part, whole, times } => {
                let factor = match times {
                    None => Some(1),
                    Some(times) => times.constant(run, &steady.next),
                };
                let (Some(part), Some(whole), Some(factor)) = (rising(part), rising(whole), factor) else {
                    return false;
                };
                cell.sum.add_int(i128::from(grown(part)) * i128::from(factor));
                add(&mut cell.below, grown(whole));
            }
            _ => return false,
        }
        cell.covered_ms += steady.ms;
        true
    }

    /// Adds the rates of stretches: of each what all of some counters grew by together.
    fn take_rates(&self, cell: &mut HourCell, run: &Run, steady: &Steady, columns: &[&[Option<i64>]], bins: &mut Bins) {
        let (mut smallest, mut largest) = (f64::INFINITY, f64::NEG_INFINITY);
        if !cell.min.above.is_null() {
            (smallest, largest) = (self.number(cell.min), self.number(cell.max));
        }
        let amount = |values: &&[Option<i64>], index: usize| match values.get(index..index + 2) {
            Some([Some(before), Some(after)]) => after - before,
            _ => 0,
        };
        let at = run.at.get(steady.next.start.saturating_sub(1)..steady.next.end).unwrap_or_default();
        for (index, pair) in at.windows(2).enumerate() {
            let [from, to] = pair else { continue };
            let grown = columns.iter().fold(0_i64, |sum, values| sum.saturating_add(amount(values, index)));
            let pick = Pick { above: Value::Int(grown), below: Value::Int(to.ms_since(*from)) };
            // The quotient is not needed to know that.
            let value = if grown == 0 { 0.0 } else { self.number(pick) };
            bins.take(value);
            if value < smallest {
                (smallest, cell.min) = (value, pick);
            }
            if value > largest {
                (largest, cell.max) = (value, pick);
            }
            cell.count += 1;
        }
    }

    /// Adds samples to the cell of their row; says whether it could.
    pub(super) fn take_samples(
        &self,
        cell: &mut HourCell,
        run: &Run,
        positions: &Range<usize>,
        bins: &mut Bins,
    ) -> bool {
        if positions.len() > SUMMED_MAX || cell.count > 0 {
            return false;
        }
        match &self.source {
            Source::Gauge(place) => {
                let Some(values) = place.ints(run, positions) else { return false };
                self.take_ints(cell, values.iter().flatten().copied(), Value::Null, bins)
            }
            Source::Remainder { of, less } => {
                let Some(values) = remainders(*of, *less, run, positions) else { return false };
                self.take_ints(cell, values, Value::Null, bins)
            }
            Source::GaugeRatio { part, less, whole } => {
                let below = whole.constant(run, positions).filter(|below| (1..EXACT_END).contains(below));
                let Some(below) = below.map(Value::Int) else { return false };
                let is_taken = match less {
                    None => {
                        let Some(values) = part.ints(run, positions) else { return false };
                        self.take_ints(cell, values.iter().flatten().copied(), below, bins)
                    }
                    Some(less) => {
                        let Some(values) = remainders(*part, *less, run, positions) else { return false };
                        self.take_ints(cell, values, below, bins)
                    }
                };
                if is_taken && cell.count > 0 {
                    cell.holes = cell.sum;
                    cell.below = times(below, cell.count);
                }
                is_taken
            }
            _ => false,
        }
    }

    /// Adds whole numbers, all of them over the same line, to a cell that has none; says whether it could.
    fn take_ints(
        &self,
        cell: &mut HourCell,
        values: impl Iterator<Item = i64> + Clone,
        below: Value,
        bins: &mut Bins,
    ) -> bool {
        let (mut count, mut sum, mut smallest, mut largest, mut newest) = (0, 0_i64, i64::MAX, i64::MIN, 0);
        for value in values.clone() {
            count += 1;
            sum = sum.wrapping_add(value);
            smallest = smallest.min(value);
            largest = largest.max(value);
            newest = value;
        }
        if count == 0 {
            return true;
        }
        if smallest <= -EXACT_END || largest >= EXACT_END {
            return false;
        }
        let pick = |above: i64| Pick { above: Value::Int(above), below };
        let (low, high) = (pick(smallest), pick(largest));
        let (low_number, high_number) = (self.number(low), self.number(high));
        if !low_number.is_finite() || !high_number.is_finite() {
            return false;
        }
        cell.count = count;
        cell.sum = Total::Int(i128::from(sum));
        cell.last = pick(newest);
        if self.kept.extremes {
            self.compare(cell, low, low_number);
            self.compare(cell, high, high_number);
        }
        if bins.binning.is_some() {
            // Many are as the one before.
            let (mut value, mut number) = (smallest, low_number);
            for next in values {
                if next != value {
                    (value, number) = (next, self.number(pick(next)));
                }
                bins.take(number);
            }
        }
        true
    }
}

fn add(total: &mut Total, amount: i64) {
    total.add_int(i128::from(amount));
}

fn times(value: Value, count: i64) -> Total {
    match value {
        Value::Int(value) => Total::Int(i128::from(value) * i128::from(count)),
        _ => Total::Nothing,
    }
}

/// What a counter grew by from the first to the last of values that rise.
fn grown(values: &[Option<i64>]) -> i64 {
    match values {
        [Some(first), .., Some(last)] => last - first,
        _ => 0,
    }
}

/// What is left of one column without another, where both are told.
fn remainders<'r>(
    of: Place,
    less: Place,
    run: &'r Run,
    positions: &Range<usize>,
) -> Option<impl Iterator<Item = i64> + Clone + use<'r>> {
    if of.decimals != less.decimals {
        return None;
    }
    let pairs = of.ints(run, positions)?.iter().zip(less.ints(run, positions)?);
    Some(pairs.filter_map(move |pair| match pair {
        (Some(of), Some(less)) => Some(of.saturating_sub(*less).max(0)),
        (of, None) if less.untold_is_none => *of,
        _ => None,
    }))
}

impl Place {
    fn ints<'r>(&self, run: &'r Run, positions: &Range<usize>) -> Option<&'r [Option<i64>]> {
        match run.columns.get(self.position)? {
            ColumnValues::Int(values) => values.get(positions.clone()),
            ColumnValues::Float(_) => None,
        }
    }

    /// The values at positions and the one before them, if all are there, none is negative and none falls.
    fn rising<'r>(&self, run: &'r Run, positions: &Range<usize>) -> Option<&'r [Option<i64>]> {
        let values = self.ints(run, &(positions.start.checked_sub(1)?..positions.end))?;
        let mut last = Some(0);
        // Nothing is less than any number.
        let rises = values.iter().all(|value| std::mem::replace(&mut last, *value) <= *value);
        rises.then_some(values)
    }

    /// The value of all these positions, if it is one.
    fn constant(&self, run: &Run, positions: &Range<usize>) -> Option<i64> {
        let (first, rest) = self.ints(run, positions)?.split_first()?;
        rest.iter().all(|value| value == first).then_some(*first)?
    }
}
