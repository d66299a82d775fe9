//! Instants and half-open ranges. All time is milliseconds UTC since 1970; nothing here reads a clock.

use std::fmt;
use std::time::Duration;

/// An instant: milliseconds UTC since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first instant that a source's own time is believed: 2000-01-01T00:00:00Z. Earlier ones are
    /// zero values of the source's language (`0001-01-01T00:00:00Z`) or a clock that was never set.
    pub const CREDIBLE_FROM: Timestamp = Timestamp(946_684_800_000);
    /// The earliest instant that can be asked for or kept: 0000-01-01T00:00:00Z.
    pub const MIN: Timestamp = Timestamp(-62_167_219_200_000);
    /// The end of the latest range that can be asked for: 9999-12-31T00:00:00Z.
    pub const MAX: Timestamp = Timestamp(253_402_214_400_000);

    /// The instant `ms` milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_ms(ms: i64) -> Self {
        Timestamp(ms)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// This instant moved by `ms`, held at the ends of `i64`.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Timestamp(self.0.saturating_add(ms))
    }

    /// This instant moved later by a duration.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        self.plus_ms(duration_ms(duration))
    }

    /// This instant moved earlier by a duration.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        self.plus_ms(duration_ms(duration).saturating_neg())
    }

    /// Milliseconds from `earlier` to this instant; negative when `earlier` is later.
    pub const fn ms_since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// A duration in whole milliseconds, held at `i64::MAX`.
pub fn duration_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What belongs to a range (samples on their way, facts learnt late) may come for so long after its end, or for
/// [`SETTLE_INTERVALS`] of what is polled seldom.
pub const SETTLE_MS: i64 = 10 * 60 * 1000;

/// Polling intervals after which a range has settled, if that is longer.
pub const SETTLE_INTERVALS: i64 = 4;

/// How long after its end a range of what is polled at this interval has settled.
pub fn settle_ms(interval_ms: i64) -> i64 {
    SETTLE_MS.max(interval_ms.saturating_mul(SETTLE_INTERVALS))
}

/// A half-open stretch of time [start, end) that is never inverted; it may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeRange {
    start: Timestamp,
    end: Timestamp,
}

impl TimeRange {
    /// All of time that can be asked for.
    pub const ALL: TimeRange = TimeRange { start: Timestamp::MIN, end: Timestamp::MAX };

    /// The range [start, end), or nothing when `end` lies before `start`.
    pub fn new(start: Timestamp, end: Timestamp) -> Option<Self> {
        (start <= end).then_some(TimeRange { start, end })
    }

    /// The first instant of the range.
    pub const fn start(self) -> Timestamp {
        self.start
    }

    /// The first instant after the range.
    pub const fn end(self) -> Timestamp {
        self.end
    }

    /// The length of the range in milliseconds.
    pub const fn ms(self) -> i64 {
        self.end.ms_since(self.start)
    }

    /// Whether the range holds no instant.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether `at` lies in the range.
    pub fn contains(self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }

    /// What both ranges hold, or nothing where they do not meet.
    pub fn intersect(self, other: TimeRange) -> Option<TimeRange> {
        TimeRange::new(self.start.max(other.start), self.end.min(other.end)).filter(|both| !both.is_empty())
    }

    /// This range as consecutive pieces of at most `piece_ms` each, cut at multiples of `piece_ms`
    /// since 1970, oldest first.
    pub fn pieces(self, piece_ms: i64) -> impl Iterator<Item = TimeRange> {
        let piece_ms = piece_ms.max(1);
        let mut from = self.start;
        std::iter::from_fn(move || {
            if from >= self.end {
                return None;
            }
            let boundary = from.ms().div_euclid(piece_ms).saturating_add(1).saturating_mul(piece_ms);
            let until = Timestamp(boundary).min(self.end);
            let piece = TimeRange { start: from, end: until };
            from = until;
            Some(piece)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: i64, end: i64) -> TimeRange {
        TimeRange::new(Timestamp(start), Timestamp(end)).unwrap()
    }

    #[test]
    fn a_range_is_half_open_and_never_inverted() {
        assert!(TimeRange::new(Timestamp(2), Timestamp(1)).is_none());
        assert!(range(1, 2).contains(Timestamp(1)));
        assert!(!range(1, 2).contains(Timestamp(2)));
        assert_eq!(range(0, 10).intersect(range(10, 20)), None);
        assert_eq!(range(0, 10).intersect(range(5, 20)), Some(range(5, 10)));
    }

    #[test]
    fn pieces_are_aligned_and_leave_nothing_out() {
        let pieces: Vec<_> = range(-5, 25).pieces(10).collect();
        assert_eq!(pieces, [range(-5, 0), range(0, 10), range(10, 20), range(20, 25)]);
        assert_eq!(range(3, 3).pieces(10).count(), 0);
    }
}
