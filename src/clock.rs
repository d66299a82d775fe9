//! The only reader of the system's clocks. Everything else is told the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::model::Timestamp;
use crate::model::time::duration_ms;

/// Wall clock: the machine's, or one that a simulation sets.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clocks.
    System,
    /// Set by hand; its monotonic side is tokio's, which tests can pause.
    Manual(ManualClock),
}

impl Clock {
    /// The wall clock now. May step in both directions.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn now(&self) -> Timestamp {
        match self {
            Clock::System => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(passed) => Timestamp::from_ms(duration_ms(passed)),
                Err(before) => Timestamp::from_ms(-duration_ms(before.duration())),
            },
            Clock::Manual(manual) => manual.now(),
        }
    }

    /// Milliseconds of a clock that never steps, from an arbitrary start.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    pub fn monotonic_ms(&self) -> i64 {
        match self {
            Clock::System => {
                static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
                duration_ms(START.get_or_init(Instant::now).elapsed())
            }
            Clock::Manual(manual) => manual.elapsed_ms(),
        }
    }
}

/// A wall clock that goes with tokio's time and can be stepped.
#[derive(Debug, Clone)]
pub struct ManualClock {
    start: tokio::time::Instant,
    wall_at_start_ms: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that reads `now` and goes on with tokio's (perhaps paused) time.
    pub fn starting_at(now: Timestamp) -> Self {
        ManualClock { start: tokio::time::Instant::now(), wall_at_start_ms: Arc::new(AtomicI64::new(now.ms())) }
    }

    /// Steps the wall clock; the monotonic one goes on.
    pub fn step_ms(&self, ms: i64) {
        self.wall_at_start_ms.fetch_add(ms, Ordering::Relaxed);
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.wall_at_start_ms.load(Ordering::Relaxed)).plus_ms(self.elapsed_ms())
    }

    fn elapsed_ms(&self) -> i64 {
        duration_ms(self.start.elapsed())
    }
}
