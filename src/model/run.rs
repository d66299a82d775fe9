//! Runs: an entity's samples in a range, as columns, with the neighbours that rates at the edges need.

use super::time::{TimeRange, Timestamp};
use super::value::Value;

/// An entity's samples in a range of at most a day, oldest first, as columns.
///
/// Positions `0..len()` run through *all* samples: the one before the range (if `has_before`), those in
/// the range, and the one at or after its end (if `has_after`), however far away the neighbours are.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The range that was asked for.
    pub range: TimeRange,
    /// Whether position 0 is the newest sample before the range.
    pub has_before: bool,
    /// Whether the last position is the oldest sample at or after the range's end.
    pub has_after: bool,
    /// Times, strictly rising.
    pub at: Vec<Timestamp>,
    /// When the counters of each sample began.
    pub since: Vec<Option<Timestamp>>,
    /// The polling interval each sample was taken at.
    pub interval_ms: Vec<i64>,
    /// The clock offset that was taken off each sample's time; a change breaks the stretch.
    pub clock_offset_ms: Vec<i64>,
    /// The columns asked for, in the order asked, each as long as `at`.
    pub columns: Vec<ColumnValues>,
    /// Only without `has_before`, where position 0 is the oldest sample the store holds of the entity: the
    /// start of its target's last good poll before the one that took it, if there was one.
    pub polled_before_first: Option<Timestamp>,
}

/// The values of one column of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnValues {
    /// Whole numbers in native units.
    Int(Vec<Option<i64>>),
    /// Floating-point numbers.
    Float(Vec<Option<f64>>),
}

impl ColumnValues {
    /// The value at a position; null outside.
    pub fn get(&self, index: usize) -> Value {
        match self {
            ColumnValues::Int(values) => values.get(index).copied().flatten().into(),
            ColumnValues::Float(values) => values.get(index).copied().flatten().into(),
        }
    }
}

impl Run {
    /// Number of samples, neighbours included.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether there is neither a sample in the range nor a neighbour.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// Positions of the samples inside the range.
    pub fn inside(&self) -> std::ops::Range<usize> {
        let from = usize::from(self.has_before);
        from..self.len().saturating_sub(usize::from(self.has_after)).max(from)
    }
}
