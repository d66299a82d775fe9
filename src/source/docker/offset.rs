//! How far an engine's clock is from ours.
//!
//! Pure. Must not know: where times come from.

use crate::model::Timestamp;

/// How far an engine's time may lie outside of its request before its clock counts as wrong: the accuracy of clocks
/// that are kept by NTP, with room for a busy machine.
const TOLERANCE_MS: i64 = 2_000;

/// An engine's own time in a reply, with ours around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// When the request was sent.
    pub(super) sent: Timestamp,
    /// When its reply was there.
    pub(super) arrived: Timestamp,
    /// What the engine said it was.
    pub(super) theirs: Timestamp,
}

impl Reading {
    fn fits(&self, offset_ms: i64) -> bool {
        let ours = self.theirs.plus_ms(offset_ms.saturating_neg());
        self.sent.plus_ms(-TOLERANCE_MS) <= ours && ours <= self.arrived.plus_ms(TOLERANCE_MS)
    }

    fn measured_ms(&self) -> i64 {
        self.theirs.ms_since(self.arrived)
    }
}

/// The offset (theirs minus ours) after readings of one poll: the one held while the middle reading fits it, else 0
/// if that fits, else what is measured. One odd reading among many so moves nothing.
pub(super) fn settle(held_ms: i64, readings: &mut [Reading]) -> i64 {
    readings.sort_by_key(Reading::measured_ms);
    let Some(middle) = readings.get(readings.len() / 2) else { return held_ms };
    if middle.fits(held_ms) {
        held_ms
    } else if middle.fits(0) {
        0
    } else {
        middle.measured_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(held_ms: i64, theirs: &[i64], expected: i64) {
        // Requests are sent at 100 s and answered at 101 s.
        let at = Timestamp::from_ms;
        let mut readings: Vec<Reading> =
            theirs.iter().map(|ms| Reading { sent: at(100_000), arrived: at(101_000), theirs: at(*ms) }).collect();
        assert_eq!(settle(held_ms, &mut readings), expected, "{held_ms} {theirs:?}");
    }

    #[test]
    fn the_offset_is_zero_within_two_seconds_and_held_otherwise() {
        check(0, &[], 0);
        check(7_000, &[], 7_000);
        check(0, &[100_500], 0);
        check(0, &[98_000], 0); // Two seconds early is still right.
        check(0, &[97_999], -3_001);
        check(0, &[103_001], 2_001);
        check(-3_600_000, &[-3_499_200], -3_600_000); // Held: within tolerance.
        check(-3_600_000, &[-3_496_999], -3_597_999); // Off by more than 2 s: measured anew.
        check(-3_600_000, &[100_700], 0); // Right again.
        check(0, &[100_500, 100_600, 900_000], 0); // One odd reading among three.
    }
}
