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
    fn part(&self, kept: &std::ops::Range<usize>) -> ColumnValues {
        match self {
            ColumnValues::Int(values) => ColumnValues::Int(part(values, kept)),
            ColumnValues::Float(values) => ColumnValues::Float(part(values, kept)),
        }
    }

    /// The value at a position; null outside.
    pub fn get(&self, index: usize) -> Value {
        match self {
            ColumnValues::Int(values) => values.get(index).copied().flatten().into(),
            ColumnValues::Float(values) => values.get(index).copied().flatten().into(),
        }
    }
}

fn part<T: Clone>(values: &[T], kept: &std::ops::Range<usize>) -> Vec<T> {
    values.get(kept.clone()).unwrap_or_default().to_vec()
}

impl Run {
    /// The run of an entity that has no samples.
    pub fn nothing(range: TimeRange) -> Run {
        Run {
            range,
            has_before: false,
            has_after: false,
            at: Vec::new(),
            since: Vec::new(),
            interval_ms: Vec::new(),
            clock_offset_ms: Vec::new(),
            columns: Vec::new(),
            polled_before_first: None,
        }
    }

    /// Number of samples, neighbours included.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether there is neither a sample in the range nor a neighbour.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// The run of a range that begins at or after the end of this one's and holds no sample: only its neighbours,
    /// which this run knows.
    #[must_use]
    pub fn beyond(&self, range: TimeRange) -> Run {
        let inside = self.inside();
        let has_before = inside.end > 0;
        let kept = inside.end.saturating_sub(1)..self.len();
        Run {
            range,
            has_before,
            has_after: self.has_after,
            at: part(&self.at, &kept),
            since: part(&self.since, &kept),
            interval_ms: part(&self.interval_ms, &kept),
            clock_offset_ms: part(&self.clock_offset_ms, &kept),
            columns: self.columns.iter().map(|column| column.part(&kept)).collect(),
            polled_before_first: self.polled_before_first.filter(|_| !has_before),
        }
    }

    /// Positions of the samples inside the range.
    pub fn inside(&self) -> std::ops::Range<usize> {
        let from = usize::from(self.has_before);
        from..self.len().saturating_sub(usize::from(self.has_after)).max(from)
    }
}
