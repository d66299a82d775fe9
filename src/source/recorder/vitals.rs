//! What the running parts of the recorder count, for kind `recorder` to tell.
//!
//! Must not know: who counts, and who reads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::{TargetName, Timestamp};

/// What the running parts count, shared by all of them. Every counter begins with the process.
#[derive(Debug)]
pub struct Vitals {
    pub(super) started: Timestamp,
    pub(super) polls: AtomicU64,
    pub(super) ticks_skipped: AtomicU64,
    pub(super) snapshots_dropped: AtomicU64,
    pub(super) samples: AtomicU64,
    pub(super) duplicate_samples: AtomicU64,
    pub(super) events: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) commit_ms: AtomicU64,
    pub(super) commit_failures: AtomicU64,
    /// Of the commits since this was last told.
    pub(super) commit_max_ms: AtomicU64,
    pub(super) upkeep_steps: AtomicU64,
    pub(super) upkeep_ms: AtomicU64,
    pub(super) upkeep_overdue_ms: AtomicU64,
    pub(super) sealed_samples: AtomicU64,
    pub(super) merged_blocks: AtomicU64,
    pub(super) rolled_days: AtomicU64,
    pub(super) rollup_overdue_ms: AtomicU64,
    pub(super) deleted_polls: AtomicU64,
    pub(super) queue_length: AtomicU64,
    pub(super) file_bytes: AtomicU64,
    pub(super) wal_bytes: AtomicU64,
    targets: Mutex<BTreeMap<TargetName, TargetVitals>>,
}

/// What is told of a target besides its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Where it is polled, without credentials.
    pub address: String,
    /// Its polling interval.
    pub interval: Duration,
}

/// The numbers of one poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollVitals {
    /// Whether it was good.
    pub up: bool,
    /// How long it took.
    pub duration_ms: i64,
    /// Bytes of reply bodies.
    pub bytes: u64,
    /// Samples it took.
    pub samples: u64,
    /// The target's clock minus ours that was taken off its times.
    pub clock_offset_ms: i64,
}

/// What one commit of the writer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommitVitals {
    /// Samples kept.
    pub samples: u64,
    /// Samples left out as told before.
    pub duplicate_samples: u64,
    /// Events kept.
    pub events: u64,
    /// How long it took.
    pub duration_ms: u64,
}

/// What one step of the store's upkeep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UpkeepVitals {
    /// Whether there was something to do.
    pub did_something: bool,
    /// How long it took.
    pub duration_ms: u64,
    /// For how long already its work could have been done.
    pub overdue_ms: u64,
    /// Samples packed into blocks.
    pub sealed_samples: u64,
    /// Blocks that went into larger ones.
    pub merged_blocks: u64,
    /// Days of an entity whose hours were rolled up.
    pub rolled_days: u64,
    /// For how long already days wait to be rolled up that could be.
    pub rollup_overdue_ms: u64,
    /// Polls deleted.
    pub deleted_polls: u64,
}

#[derive(Debug)]
pub(super) struct TargetVitals {
    pub(super) about: About,
    pub(super) newest: Option<PollVitals>,
}

impl Vitals {
    /// All zero, of a process that started at `started`.
    pub fn new(started: Timestamp) -> Self {
        Vitals {
            started,
            polls: AtomicU64::new(0),
            ticks_skipped: AtomicU64::new(0),
            snapshots_dropped: AtomicU64::new(0),
            samples: AtomicU64::new(0),
            duplicate_samples: AtomicU64::new(0),
            events: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            commit_ms: AtomicU64::new(0),
            commit_failures: AtomicU64::new(0),
            commit_max_ms: AtomicU64::new(0),
            upkeep_steps: AtomicU64::new(0),
            upkeep_ms: AtomicU64::new(0),
            upkeep_overdue_ms: AtomicU64::new(0),
            sealed_samples: AtomicU64::new(0),
            merged_blocks: AtomicU64::new(0),
            rolled_days: AtomicU64::new(0),
            rollup_overdue_ms: AtomicU64::new(0),
            deleted_polls: AtomicU64::new(0),
            queue_length: AtomicU64::new(0),
            file_bytes: AtomicU64::new(0),
            wal_bytes: AtomicU64::new(0),
            targets: Mutex::new(BTreeMap::new()),
        }
    }

    /// A target is polled from now on, or is known better.
    pub fn target_added(&self, target: &TargetName, about: About) {
        let mut targets = self.targets();
        let newest = targets.get(target).and_then(|known| known.newest);
        targets.insert(target.clone(), TargetVitals { about, newest });
    }

    /// A target is polled no more.
    pub fn target_removed(&self, target: &TargetName) {
        self.targets().remove(target);
    }

    /// A visit ended.
    pub fn polled(&self, target: &TargetName, poll: PollVitals) {
        self.polls.fetch_add(1, Ordering::Relaxed);
        if let Some(known) = self.targets().get_mut(target) {
            known.newest = Some(poll);
        }
    }

    /// A tick found the visit before still running.
    pub fn tick_skipped(&self) {
        self.ticks_skipped.fetch_add(1, Ordering::Relaxed);
    }

    /// A snapshot was dropped.
    pub fn snapshot_dropped(&self) {
        self.snapshots_dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// The writer committed.
    pub fn committed(&self, commit: CommitVitals) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.commit_ms.fetch_add(commit.duration_ms, Ordering::Relaxed);
        self.commit_max_ms.fetch_max(commit.duration_ms, Ordering::Relaxed);
        self.samples.fetch_add(commit.samples, Ordering::Relaxed);
        self.duplicate_samples.fetch_add(commit.duplicate_samples, Ordering::Relaxed);
        self.events.fetch_add(commit.events, Ordering::Relaxed);
    }

    /// A commit failed after so long.
    pub fn commit_failed(&self, duration_ms: u64) {
        self.commit_failures.fetch_add(1, Ordering::Relaxed);
        self.commit_ms.fetch_add(duration_ms, Ordering::Relaxed);
        self.commit_max_ms.fetch_max(duration_ms, Ordering::Relaxed);
    }

    /// A step of the store's upkeep ended, having found something to do or not.
    pub fn kept_up(&self, step: UpkeepVitals) {
        self.upkeep_steps.fetch_add(u64::from(step.did_something), Ordering::Relaxed);
        self.upkeep_ms.fetch_add(step.duration_ms, Ordering::Relaxed);
        self.upkeep_overdue_ms.store(step.overdue_ms, Ordering::Relaxed);
        self.sealed_samples.fetch_add(step.sealed_samples, Ordering::Relaxed);
        self.merged_blocks.fetch_add(step.merged_blocks, Ordering::Relaxed);
        self.rolled_days.fetch_add(step.rolled_days, Ordering::Relaxed);
        self.rollup_overdue_ms.store(step.rollup_overdue_ms, Ordering::Relaxed);
        self.deleted_polls.fetch_add(step.deleted_polls, Ordering::Relaxed);
    }

    /// So many snapshots wait for the writer.
    pub fn set_queue_length(&self, length: usize) {
        self.queue_length.store(u64::try_from(length).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The store's file is that large.
    pub fn set_file_size(&self, file_bytes: u64, wal_bytes: u64) {
        self.file_bytes.store(file_bytes, Ordering::Relaxed);
        self.wal_bytes.store(wal_bytes, Ordering::Relaxed);
    }

    /// Snapshots dropped since the start.
    pub fn snapshots_dropped(&self) -> u64 {
        self.snapshots_dropped.load(Ordering::Relaxed)
    }

    /// Ticks skipped since the start.
    pub fn ticks_skipped(&self) -> u64 {
        self.ticks_skipped.load(Ordering::Relaxed)
    }

    /// Snapshots that wait for the writer.
    pub fn queue_length(&self) -> u64 {
        self.queue_length.load(Ordering::Relaxed)
    }

    pub(super) fn targets(&self) -> MutexGuard<'_, BTreeMap<TargetName, TargetVitals>> {
        // Whoever panicked while holding the lock left a map of plain numbers, whole in every state.
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
