//! Now, waiting for a condition, and times as text.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use tachograph::clock::Clock;

/// How often a condition is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// An end after everything that is recorded, by whatever clock.
pub(crate) const LATER: &str = "2100-01-01";

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    Clock::System.now().ms()
}

/// Milliseconds of a clock that never steps.
pub(crate) fn monotonic_ms() -> i64 {
    Clock::System.monotonic_ms()
}

/// Waits until `look` gives something, at most `limit`; fails with `what` after that.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let limit_ms = i64::try_from(limit.as_millis()).unwrap();
    let start = monotonic_ms();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(monotonic_ms() - start < limit_ms, "waited {} s in vain: {what}", limit.as_secs());
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Waits until the wall clock reads `at_ms`.
pub(crate) fn wait_until(at_ms: i64) {
    if let Ok(left) = u64::try_from(at_ms - now_ms()) {
        std::thread::sleep(Duration::from_millis(left));
    }
}

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn rfc3339(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Milliseconds since 1970 of an RFC 3339 text.
#[track_caller]
pub(crate) fn parse_ms(text: &str) -> i64 {
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => time.timestamp_millis(),
        Err(error) => panic!("{text:?} is no RFC 3339 time: {error}"),
    }
}
