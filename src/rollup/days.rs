//! Days: the sums of a day's hours, so that a year is read from a twenty-fourth of the numbers.
//!
//! A day holds what does not depend on the order in which it is summed: counts, and sums of whole numbers. So a range made
//! of days and of hours says the same to the bit, wherever one ends and the other begins. Fields with sums of floats have
//! none. Must not know: how days are kept, what is asked of them.

use crate::model::{Formula, HOUR_MS, HourCell, HourRow, Hours, Kind, Timestamp, Total};

use super::derived_of;

const DAY_MS: i64 = 24 * HOUR_MS;

/// The days of some hours.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Days {
    /// A row a day (UTC) and version, by both: the sums of the hours' rows.
    pub rows: Vec<HourRow>,
    /// For each field a cell a row, with counts, sums, holes and covered times alone; nothing where hours have more to
    /// say than such sums.
    pub cells: Vec<Option<Vec<HourCell>>>,
}

/// The days of hours with all of a kind's fields, in their order.
pub fn of(kind: &'static Kind, hours: &Hours) -> Days {
    let mut days = Days::default();
    let mut day_of = Vec::with_capacity(hours.rows.len());
    for row in &hours.rows {
        let start = Timestamp::from_ms(row.start.ms().div_euclid(DAY_MS).saturating_mul(DAY_MS));
        match days.rows.last_mut() {
            Some(day) if (day.start, day.version) == (start, row.version) => {
                day.samples += row.samples;
                day.covered_ms += row.covered_ms;
            }
            _ => days.rows.push(HourRow { start, ..*row }),
        }
        day_of.push(days.rows.len() - 1);
    }
    let cells = hours.cells.iter().enumerate();
    days.cells = cells.map(|(field, cells)| summed(kind, field, cells, &day_of, days.rows.len())).collect();
    days
}

/// Whether the sums of a field say all that its mean and its increase need.
pub fn are_held(kind: &'static Kind, field: usize) -> bool {
    match derived_of(kind, field).map(|derived| derived.formula) {
        // Each sample has a ratio of its own; each hour a limit; products may be beyond all sums.
        Some(
            Formula::GaugeRatio { .. }
            | Formula::RateToAttribute { .. }
            | Formula::IncreaseRatio { times: Some(_), .. },
        ) => false,
        Some(Formula::Rate { .. } | Formula::IncreaseRatio { .. } | Formula::Remainder { .. }) | None => true,
    }
}

fn summed(
    kind: &'static Kind,
    field: usize,
    cells: &[HourCell],
    day_of: &[usize],
    days: usize,
) -> Option<Vec<HourCell>> {
    if !are_held(kind, field) {
        return None;
    }
    let is_of_stretch = derived_of(kind, field).is_some_and(|derived| derived.formula.is_of_stretch());
    let mut summed = vec![HourCell::default(); days];
    for (cell, day) in cells.iter().zip(day_of) {
        let sum = summed.get_mut(*day)?;
        sum.count = sum.count.saturating_add(cell.count);
        // Rates are over the time of those hours that have one.
        if is_of_stretch && cell.sum.is_nothing() {
            continue;
        }
        sum.covered_ms = sum.covered_ms.saturating_add(cell.covered_ms);
        for (sum, more) in [(&mut sum.sum, cell.sum), (&mut sum.holes, cell.holes), (&mut sum.below, cell.below)] {
            match more {
                Total::Nothing => {}
                Total::Int(more) => sum.add_int(more),
                Total::Float(_) => return None,
            }
        }
    }
    Some(summed)
}
