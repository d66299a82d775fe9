//! Increase, rate and holes: the only counter arithmetic in the program.
//!
//! Two neighbouring samples of one entity span a [`Stretch`]; what a counter grew by over it is an amount
//! ([`increase`]); an amount belongs to its stretch evenly, cut into integers that add up exactly
//! ([`Stretch::share`]). Must not know where samples come from, nor what is asked of them.

use crate::model::{TimeRange, Timestamp};

pub mod chain;

/// A stretch longer than this many polling intervals is a hole: nobody knows when in it the amount came.
pub const HOLE_INTERVALS: i64 = 3;

/// A stretch from the beginning of counters to a sample that is shorter than this is a hole, too: engines note when a
/// container started some tenths of a second after its processes did (Docker asks the clock once its runtime has answered),
/// so that what they used before that would be a spike: 11 cores on a machine of two, over the first 20 ms.
pub const BEGINNING_MS_MIN: i64 = 1_000;

/// What the arithmetic needs to know of a sample besides its counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The sample's time.
    pub at: Timestamp,
    /// When its counters began; None where unknown.
    pub since: Option<Timestamp>,
    /// The polling interval it was taken at.
    pub interval_ms: i64,
    /// The clock offset taken off its time.
    pub clock_offset_ms: i64,
}

/// What lies between two neighbouring samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// The counters began after the sample before (or under our eyes): all of the later value is increase.
    New,
    /// The counters went on: the difference is increase, and they cannot have fallen.
    Same,
    /// Nobody says when the counters began: the difference is increase; after a fall, all of the later value.
    Unknown,
}

/// The time (from, to] that an increase belongs to. `from < to` always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// After this instant.
    pub from: Timestamp,
    /// Up to and with this instant: the later sample's time.
    pub to: Timestamp,
    /// Whether the counters began anew in it.
    pub life: Life,
    /// Whether it is too long, crosses a change of the target's clock, or is the first moment of a life: no rate, no
    /// coverage, and its amount belongs whole to the instant `to`.
    pub is_hole: bool,
}

/// A counter's values that can be subtracted: `i64` exactly, `f64` as it is.
pub trait Amount: Copy + PartialOrd {
    /// Nothing grown.
    const ZERO: Self;
    /// `self - less`, or nothing where that is not a number of this type.
    fn minus(self, less: Self) -> Option<Self>;
    /// The part of `self` for `passed` of `whole` milliseconds, 0 < passed < whole.
    fn part(self, passed: i64, whole: i64) -> Self;
}

impl Amount for i64 {
    const ZERO: Self = 0;

    fn minus(self, less: Self) -> Option<Self> {
        self.checked_sub(less)
    }

    fn part(self, passed: i64, whole: i64) -> Self {
        let part = (i128::from(self) * i128::from(passed)).div_euclid(i128::from(whole));
        i64::try_from(part).unwrap_or(self)
    }
}

impl Amount for f64 {
    const ZERO: Self = 0.0;

    fn minus(self, less: Self) -> Option<Self> {
        let difference = self - less;
        difference.is_finite().then_some(difference)
    }

    #[expect(clippy::cast_precision_loss, reason = "a share of a float is a float; exact below 2^53 ms")]
    fn part(self, passed: i64, whole: i64) -> Self {
        self * (passed as f64 / whole as f64)
    }
}

/// The stretch that ends at `next`, or nothing: rule 1 (time did not advance) and rule 4 (a baseline).
///
/// `polled_before` is the start of the target's last good poll before the one that took `next`; it matters
/// only without a previous sample.
pub fn stretch(previous: Option<&Mark>, next: &Mark, polled_before: Option<Timestamp>) -> Option<Stretch> {
    let Some(previous) = previous else {
        let since = next.since?;
        let born_under_our_eyes = polled_before.is_some_and(|polled| polled < since);
        return (born_under_our_eyes && since < next.at).then(|| spanned(since, next, Life::New, false));
    };
    if next.at <= previous.at {
        return None;
    }
    let clock_changed = previous.clock_offset_ms != next.clock_offset_ms;
    match next.since {
        // A life that began at or after the sample itself is a contradiction: the sample shows nothing of it.
        Some(since) if since > previous.at => (since < next.at).then(|| spanned(since, next, Life::New, clock_changed)),
        Some(_) => Some(spanned(previous.at, next, Life::Same, clock_changed)),
        None => Some(spanned(previous.at, next, Life::Unknown, clock_changed)),
    }
}

fn spanned(from: Timestamp, next: &Mark, life: Life, clock_changed: bool) -> Stretch {
    let longest_ms = next.interval_ms.saturating_mul(HOLE_INTERVALS);
    let ms = next.at.ms_since(from);
    let is_first_moment = life == Life::New && ms < BEGINNING_MS_MIN;
    Stretch { from, to: next.at, life, is_hole: clock_changed || ms > longest_ms || is_first_moment }
}

/// What a counter grew by over a stretch, or nothing: not reported at one end it needs, or fallen within one
/// life ([`fell`]). Never negative.
pub fn increase<A: Amount>(life: Life, previous: Option<A>, next: Option<A>) -> Option<A> {
    let next = next.filter(|next| *next >= A::ZERO)?;
    match life {
        Life::New => Some(next),
        Life::Unknown if previous.is_some_and(|previous| next < previous) => Some(next),
        Life::Same | Life::Unknown => next.minus(previous?).filter(|grown| *grown >= A::ZERO),
    }
}

/// Whether a counter fell although its life went on: a source's fault or an interface that left a sum.
pub fn fell<A: Amount>(life: Life, previous: Option<A>, next: Option<A>) -> bool {
    life == Life::Same && matches!((previous, next), (Some(previous), Some(next)) if next < previous)
}

impl Stretch {
    /// Milliseconds of the stretch.
    pub fn ms(&self) -> i64 {
        self.to.ms_since(self.from)
    }

    /// The part of `amount` that belongs to [start, end). A hole's amount belongs whole to the instant `to`,
    /// any other is spread evenly over (from, to], rounded so that parts of any partition add up to it.
    ///
    /// An instant t of (from, to] counts as lying just before t, so that a sample taken exactly at the start
    /// of a bucket leaves its stretch to the buckets before. A hole's instant `to` lies in the bucket that
    /// holds it.
    pub fn share<A: Amount>(&self, amount: A, range: TimeRange) -> Option<A> {
        if self.is_hole {
            return range.contains(self.to).then_some(amount);
        }
        if range.end() <= self.from || range.start() >= self.to {
            return None;
        }
        self.before(amount, range.end()).minus(self.before(amount, range.start()))
    }

    /// Milliseconds of the stretch within [start, end) that have a rate; 0 for a hole.
    pub fn covered_ms(&self, range: TimeRange) -> i64 {
        if self.is_hole {
            return 0;
        }
        self.to.min(range.end()).ms_since(self.from.max(range.start())).max(0)
    }

    /// Whether the stretch ends in [start, end): where its minimum, maximum and percentiles count. A
    /// spread stretch ends just before `to`, a hole at `to`.
    pub fn ends_in(&self, range: TimeRange) -> bool {
        if self.is_hole { range.contains(self.to) } else { range.start() < self.to && self.to <= range.end() }
    }

    fn before<A: Amount>(&self, amount: A, at: Timestamp) -> A {
        if at <= self.from {
            A::ZERO
        } else if at >= self.to {
            amount
        } else {
            amount.part(at.ms_since(self.from), self.ms())
        }
    }
}

#[cfg(test)]
mod tests;
