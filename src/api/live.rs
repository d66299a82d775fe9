//! What the running recorder tells the API: whether it is ready, how far its writer has come, what it polls.
//!
//! Must not know: the sampler, the store.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::model::time::duration_ms;
use crate::model::{TargetName, Timestamp};

/// A target as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredTarget {
    /// Its name.
    pub target: TargetName,
    /// Where it is, for people; never with a secret in it.
    pub address: String,
    /// How often it is polled.
    pub interval: Duration,
    /// Names of the kinds its polls fill.
    pub kinds: Vec<&'static str>,
}

/// The recorder's state, written by the parts that run and read by the API.
#[derive(Debug)]
pub struct Live {
    is_ready: AtomicBool,
    caught_up_until_ms: AtomicI64,
    targets: RwLock<Arc<[ConfiguredTarget]>>,
}

impl Default for Live {
    /// Not ready, nothing caught up, no targets.
    fn default() -> Self {
        Live {
            is_ready: AtomicBool::new(false),
            caught_up_until_ms: AtomicI64::new(i64::MIN),
            targets: RwLock::new(Arc::from([])),
        }
    }
}

impl Live {
    /// The interval assumed where no configured target fills a kind: that of the default configuration.
    const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);

    /// Says that the store answers, or that it no longer does. Until then every query is a 503.
    pub fn set_ready(&self, is_ready: bool) {
        self.is_ready.store(is_ready, Ordering::Release);
    }

    /// Whether the store answers.
    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }

    /// Says that every snapshot whose poll began before `at` is in the store.
    pub fn set_caught_up_until(&self, at: Timestamp) {
        self.caught_up_until_ms.store(at.ms(), Ordering::Release);
    }

    /// Up to when everything that was polled is in the store.
    pub fn caught_up_until(&self) -> Timestamp {
        Timestamp::from_ms(self.caught_up_until_ms.load(Ordering::Acquire))
    }

    /// Says what is polled from now on.
    pub fn set_targets(&self, targets: Vec<ConfiguredTarget>) {
        *self.targets.write().unwrap_or_else(PoisonError::into_inner) = targets.into();
    }

    /// What is polled.
    pub fn targets(&self) -> Arc<[ConfiguredTarget]> {
        Arc::clone(&self.targets.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The shortest interval at which a kind is polled.
    pub(crate) fn shortest_interval(&self, kind: &str) -> Duration {
        self.intervals(kind).min().unwrap_or(Live::DEFAULT_INTERVAL)
    }

    /// The longest interval at which a kind is polled.
    pub(crate) fn longest_interval_ms(&self, kind: &str) -> i64 {
        duration_ms(self.intervals(kind).max().unwrap_or(Live::DEFAULT_INTERVAL))
    }

    fn intervals(&self, kind: &str) -> impl Iterator<Item = Duration> {
        let targets = self.targets();
        let intervals: Vec<Duration> =
            targets.iter().filter(|target| target.kinds.contains(&kind)).map(|target| target.interval).collect();
        intervals.into_iter()
    }
}
