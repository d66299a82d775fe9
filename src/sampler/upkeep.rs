//! Upkeep: old samples are packed and go when their time is over, in small steps with pauses, so that the writer and
//! readers never wait for it.
//!
//! Must not know: sources, how the store packs and deletes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, error, info};

use super::writer::chain;
use crate::clock::Clock;
use crate::model::Timestamp;
use crate::source::recorder::{UpkeepVitals, Vitals};
use crate::store::{Cutoffs, Limits, Store, Upkeep};

/// How long after the start upkeep begins: the first polls come before it, and one that is restarted often is kept up too.
const FIRST: Duration = Duration::from_secs(2);

/// How often upkeep looks for what has grown old.
const EVERY: Duration = Duration::from_secs(60);

/// The pause between two steps, for writers and readers that wait.
const PAUSE: Duration = Duration::from_millis(100);

/// The most steps in one go; what is left comes a minute later.
const STEPS_MAX: usize = 400;

/// How long and how much is kept. None: for ever, and all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Samples, and the polls that took them.
    pub samples: Option<Duration>,
    /// Rolled-up hours.
    pub rollups: Option<Duration>,
    /// Events.
    pub events: Option<Duration>,
    /// Bytes of the file.
    pub max_size_bytes: Option<u64>,
}

impl Retention {
    fn limits(self, now: Timestamp) -> Limits {
        let before = |age: Option<Duration>| age.map(|age| now.minus(age));
        let cutoffs =
            Cutoffs { samples: before(self.samples), rollups: before(self.rollups), events: before(self.events) };
        Limits { cutoffs, file_bytes_max: self.max_size_bytes }
    }
}

/// Who looks after the store.
pub(super) struct Upkeeper {
    pub(super) store: Arc<Store>,
    pub(super) clock: Clock,
    pub(super) vitals: Arc<Vitals>,
}

impl Upkeeper {
    /// Looks after the store for ever.
    pub(super) async fn run(self, retention: watch::Receiver<Retention>) {
        let mut is_failing = false;
        let mut pause = FIRST;
        loop {
            sleep(pause).await;
            pause = EVERY;
            let now = self.clock.now();
            let limits = retention.borrow().limits(now);
            match self.steps(now, limits).await {
                Ok(done) => {
                    is_failing = false;
                    if done.sealed_samples > 0 || done.merged_blocks > 0 || done.rolled_days > 0 {
                        debug!(done.sealed_samples, done.merged_blocks, done.rolled_days, "old samples packed");
                    }
                    if done.polls > 0 || done.events > 0 {
                        info!(done.polls, done.events, "retention deleted what is too old");
                    }
                }
                Err(failure) => {
                    if !is_failing {
                        error!(error = failure, "upkeep of the store failed: trying again every minute");
                    }
                    is_failing = true;
                }
            }
        }
    }

    /// What all steps of one go did together.
    async fn steps(&self, now: Timestamp, limits: Limits) -> Result<Upkeep, String> {
        let mut all = Upkeep::default();
        for _ in 0..STEPS_MAX {
            let begun_ms = self.clock.monotonic_ms();
            let store = Arc::clone(&self.store);
            let step = tokio::task::spawn_blocking(move || store.upkeep(now, &limits)).await;
            let step = step.map_err(|panicked| panicked.to_string())?.map_err(|error| chain(&error))?;
            self.vitals.kept_up(UpkeepVitals {
                did_something: step.more || step.polls > 0 || step.events > 0,
                duration_ms: u64::try_from(self.clock.monotonic_ms().saturating_sub(begun_ms)).unwrap_or(0),
                overdue_ms: step.overdue_ms,
                sealed_samples: step.sealed_samples,
                merged_blocks: step.merged_blocks,
                rolled_days: step.rolled_days,
                rollup_overdue_ms: step.rollup_overdue_ms,
                deleted_polls: step.polls,
            });
            all.sealed_samples = all.sealed_samples.saturating_add(step.sealed_samples);
            all.merged_blocks = all.merged_blocks.saturating_add(step.merged_blocks);
            all.rolled_days = all.rolled_days.saturating_add(step.rolled_days);
            all.polls = all.polls.saturating_add(step.polls);
            all.events = all.events.saturating_add(step.events);
            if !step.more {
                break;
            }
            sleep(PAUSE).await;
        }
        Ok(all)
    }
}
