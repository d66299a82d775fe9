//! What a derived column's cells are, where its columns' cells already say so: such cells need not be kept.
//!
//! A prediction may be wrong (a column was not reported now and then, a limit changed within the hour): whoever keeps
//! cells compares first. Must not know: how cells are kept.

use crate::model::{Formula, HourCell, Kind, Pick, Repr, Total, Value};

use super::derived_of;

/// The fields whose cells a prediction of a field is made of; none for columns.
pub fn needed_to_predict(kind: &'static Kind, field: usize) -> Vec<usize> {
    let columns = derived_of(kind, field).map(|derived| derived.formula.columns()).unwrap_or_default();
    columns.into_iter().filter_map(|name| kind.column_index(name)).collect()
}

/// The sums of a derived column's cell, from the cells of [`needed_to_predict`] in that order. Its extremes, newest value
/// and bins are predicted only where columns have them as they are.
pub fn predicted(kind: &'static Kind, field: usize, columns: &[&HourCell]) -> Option<HourCell> {
    let decimals = |name: &str| match kind.column(name)?.repr {
        Repr::Integer { decimals } => Some(decimals),
        Repr::Float => None,
    };
    Some(match (derived_of(kind, field)?.formula, columns) {
        (Formula::RateToAttribute { .. }, [counter]) => (*counter).clone(),
        (Formula::Rate { counters }, _) => {
            let same = counters.first().and_then(|first| decimals(first));
            let mut sum = Total::Nothing;
            for (cell, name) in columns.iter().zip(counters) {
                match cell.sum {
                    Total::Int(more) if same == decimals(name) => sum.add_int(more),
                    Total::Float(more) if counters.len() == 1 => sum.add_float(more),
                    _ => {}
                }
            }
            HourCell { sum, covered_ms: columns.first()?.covered_ms, ..HourCell::default() }
        }
        (Formula::IncreaseRatio { .. }, [part, whole, times @ ..]) => {
            let factor = times.first().map_or(Value::Int(1), |times| times.last.above);
            let (Total::Int(sum), Value::Int(factor)) = (part.sum, factor) else {
                return Some(HourCell::default());
            };
            HourCell {
                sum: Total::Int(sum.saturating_mul(i128::from(factor))),
                below: whole.sum,
                covered_ms: part.covered_ms,
                ..HourCell::default()
            }
        }
        (Formula::Remainder { .. }, [of, less]) => {
            let (sum, last) = remainder(of, less)?;
            HourCell { count: of.count, sum, last: Pick { above: last, below: Value::Null }, ..HourCell::default() }
        }
        (Formula::GaugeRatio { part: name, less, whole: whole_name }, [part, whole, rest @ ..]) => {
            let (sum, above) = match (less, rest) {
                (Some(_), [less]) => remainder(part, less)?,
                _ => (part.sum, part.last.above),
            };
            let last = Pick { above, below: whole.last.above };
            let (Total::Int(above), Value::Int(below)) = (sum, last.below) else { return Some(HourCell::default()) };
            HourCell {
                count: part.count,
                sum,
                below: whole.sum,
                ratios: ratio(above, decimals(name)?, below, decimals(whole_name)?),
                last,
                ..HourCell::default()
            }
        }
        _ => return None,
    })
}

fn remainder(of: &HourCell, less: &HourCell) -> Option<(Total, Value)> {
    match (of.sum, less.sum, of.last.above, less.last.above) {
        (Total::Int(of), Total::Int(less), Value::Int(of_last), Value::Int(less_last)) => {
            Some((Total::Int(of.saturating_sub(less)), Value::Int(of_last.saturating_sub(less_last).max(0))))
        }
        // Never told: some kinds take nothing away then.
        _ if less.count == 0 => Some((of.sum, of.last.above)),
        _ => Some((Total::Nothing, Value::Null)),
    }
}

/// As a cell sums it, where the whole stands still.
#[expect(clippy::cast_precision_loss, reason = "a ratio is printed with 9 digits")]
fn ratio(above: i128, above_decimals: u8, below: i64, below_decimals: u8) -> f64 {
    let scale = |decimals: u8| 10f64.powi(i32::from(decimals));
    (above as f64 / scale(above_decimals)) / (below as f64 / scale(below_decimals))
}
