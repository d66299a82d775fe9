//! Retention: old rows go, in small steps with pauses, so that the writer and readers never wait for it.
//!
//! Must not know: sources, how the store deletes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{error, info};

use super::writer::chain;
use crate::clock::Clock;
use crate::model::Timestamp;
use crate::store::{Cutoffs, Store};

/// How often retention looks for rows that have grown too old.
const EVERY: Duration = Duration::from_secs(60);

/// The pause between two steps, for writers and readers that wait.
const PAUSE: Duration = Duration::from_millis(100);

/// The most steps in one go; what is left comes a minute later.
const STEPS_MAX: usize = 400;

/// How long rows are kept. None: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Samples, and the polls that took them.
    pub samples: Option<Duration>,
    /// Events.
    pub events: Option<Duration>,
}

impl Retention {
    fn cutoffs(self, now: Timestamp) -> Cutoffs {
        Cutoffs { samples: self.samples.map(|age| now.minus(age)), events: self.events.map(|age| now.minus(age)) }
    }
}

/// Retains for ever.
pub(super) async fn run(store: Arc<Store>, clock: Clock, retention: watch::Receiver<Retention>) {
    let mut is_failing = false;
    loop {
        sleep(EVERY).await;
        let cutoffs = retention.borrow().cutoffs(clock.now());
        match retain(&store, cutoffs).await {
            Ok((polls, events)) => {
                is_failing = false;
                if polls > 0 || events > 0 {
                    info!(polls, events, "retention deleted what is too old");
                }
            }
            Err(failure) => {
                if !is_failing {
                    error!(error = failure, "retention failed: trying again every minute");
                }
                is_failing = true;
            }
        }
    }
}

async fn retain(store: &Arc<Store>, cutoffs: Cutoffs) -> Result<(u64, u64), String> {
    let (mut polls, mut events) = (0u64, 0u64);
    for _ in 0..STEPS_MAX {
        let store = Arc::clone(store);
        let step = tokio::task::spawn_blocking(move || store.retain(&cutoffs)).await;
        let step = step.map_err(|panicked| panicked.to_string())?.map_err(|error| chain(&error))?;
        polls = polls.saturating_add(step.polls);
        events = events.saturating_add(step.events);
        if !step.more {
            break;
        }
        sleep(PAUSE).await;
    }
    Ok((polls, events))
}
