//! Interval and timeout: given for all targets, or by one entry for itself.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::seconds;
use super::section::Section;
use super::units::duration_text;

/// An engine's stats take 1 to 2 s to come: below, polls would only queue.
const INTERVAL_MIN: Duration = seconds(2);
/// Above, a hole is longer than three days.
const INTERVAL_MAX: Duration = seconds(86_400);
/// Below, no real engine answers.
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// Of all targets, unless the file says otherwise.
const INTERVAL_DEFAULT: Duration = seconds(10);
/// Of all targets, unless the file says otherwise or the interval is short.
const TIMEOUT_DEFAULT: Duration = seconds(8);

/// How often, and how long one visit may take: always less than the interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timing {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
}

impl Timing {
    pub(super) const DEFAULT: Timing = Timing { interval: INTERVAL_DEFAULT, timeout: TIMEOUT_DEFAULT };
}

/// `interval` and `timeout` of a section. A timeout that is not given is the inherited one, or four fifths of the
/// interval where that is less.
pub(super) fn read_timing(section: &mut Section<'_>, inherited: Timing) -> Timing {
    let interval = section.duration("interval", range(INTERVAL_MIN)).unwrap_or(inherited.interval);
    let given = section.duration("timeout", range(TIMEOUT_MIN));
    if let Some(timeout) = given.filter(|timeout| *timeout >= interval) {
        let (timeout, interval) = (duration_text(timeout), duration_text(interval));
        let sign = if timeout == interval { "=" } else { ">" };
        section.fault("timeout", format!("must be shorter than interval ({timeout} {sign} {interval})"));
    }
    let timeout = given.unwrap_or_else(|| inherited.timeout.min(interval.saturating_mul(4) / 5));
    Timing { interval, timeout }
}

fn range(min: Duration) -> RangeInclusive<Duration> {
    min..=INTERVAL_MAX
}
