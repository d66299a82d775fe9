//! The writer's task: what has queued goes into the store, at most one commit a second.
//!
//! A store that fails (a full disk) is tried again for as long as it takes, while the queue holds what it can.
//! Must not know: sources, how the store keeps what it gets.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info};

use super::queue::{Queue, Queued, drop_samples};
use crate::clock::Clock;
use crate::model::Snapshot;
use crate::source::recorder::{CommitVitals, Vitals};
use crate::store::{Appended, Size, Store, StoreError};

/// The least time from one commit to the next: each costs a sync to the disk, whatever is in it.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// The most entities, events and polls in one transaction: some tenths of a second, so that readers of the
/// newest data and the end of the program need not wait longer.
const COMMIT_ITEMS_MAX: usize = 20_000;

/// The pause after the first failed commit; it doubles with each further one.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// The longest pause between tries: a disk that has space again is found soon.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// At every so many failed tries snapshots are tried one by one, so that one which the store refuses does not
/// hold up all others.
const TRY_SINGLY_EVERY: u32 = 5;

/// Keeps snapshots; the store's `append`, or what a test puts in its place.
pub(super) type Append = Arc<dyn Fn(&[Snapshot]) -> Result<(Appended, Size), StoreError> + Send + Sync>;

/// The store's own `append`.
pub(super) fn append_to(store: Arc<Store>) -> Append {
    Arc::new(move |snapshots| store.append(snapshots).map(|appended| (appended, store.size())))
}

/// The writer.
pub(super) struct Writer {
    pub(super) append: Append,
    pub(super) queue: Arc<Queue>,
    pub(super) vitals: Arc<Vitals>,
    pub(super) clock: Clock,
}

impl Writer {
    /// Writes until the queue is closed and empty.
    pub(super) async fn run(self) {
        while let Some(queued) = self.queue.take(COMMIT_ITEMS_MAX).await {
            let begun = Instant::now();
            self.commit(queued).await;
            if !self.queue.is_closed() {
                sleep_until(begun + COMMIT_EVERY).await;
            }
        }
    }

    /// Commits all of these, however long it takes.
    async fn commit(&self, queued: Vec<Queued>) {
        let mut remaining = queued;
        let mut tries = 0u32;
        let mut pause = RETRY_FIRST;
        loop {
            remaining = match self.try_commit(remaining).await {
                Ok(()) => break,
                Err((queued, failure)) => {
                    if tries == 0 {
                        error!(snapshots = queued.len(), error = failure, "cannot write to the store: trying again");
                    }
                    queued
                }
            };
            tries = tries.saturating_add(1);
            if tries.is_multiple_of(TRY_SINGLY_EVERY) {
                remaining = self.commit_singly(remaining).await;
                if remaining.is_empty() {
                    break;
                }
            }
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(RETRY_MAX);
        }
        if tries > 0 {
            info!(tries, "the store takes snapshots again");
        }
    }

    /// Tries each on its own; gives back those that neither went in nor could be recorded as dropped.
    async fn commit_singly(&self, queued: Vec<Queued>) -> Vec<Queued> {
        let mut refused = Vec::new();
        for one in queued {
            if let Err((back, failure)) = self.try_commit(vec![one]).await {
                refused.extend(back.into_iter().map(|one| (one, failure.clone())));
            }
        }
        let mut remaining = Vec::new();
        for (mut one, failure) in refused {
            // A row about it that goes in proves that the store works and the snapshot is at fault.
            let mut whole = one.snapshot.clone();
            drop_samples(&mut one.snapshot);
            one.snapshot.events.retain(|event| event.event_type == "snapshot_dropped");
            match self.try_commit(vec![one]).await {
                Ok(()) => {
                    self.vitals.snapshot_dropped();
                    error!(target = %whole.poll.target, error = failure, "the store refuses a snapshot: dropped");
                }
                Err((back, _)) => remaining.extend(back.into_iter().map(|mut one| {
                    std::mem::swap(&mut one.snapshot, &mut whole);
                    one
                })),
            }
        }
        remaining
    }

    /// One transaction off the async threads. On failure gives everything back, with the reason.
    async fn try_commit(&self, queued: Vec<Queued>) -> Result<(), (Vec<Queued>, String)> {
        let (tickets, snapshots): (Vec<_>, Vec<_>) = queued.into_iter().map(Queued::split).unzip();
        let snapshots = Arc::new(snapshots);
        let begun_ms = self.clock.monotonic_ms();
        let (append, shared) = (Arc::clone(&self.append), Arc::clone(&snapshots));
        let result = tokio::task::spawn_blocking(move || append(&shared)).await;
        let duration_ms = u64::try_from(self.clock.monotonic_ms().saturating_sub(begun_ms)).unwrap_or(0);
        let failure = match result {
            Ok(Ok((appended, size))) => {
                self.vitals.committed(CommitVitals {
                    samples: appended.samples,
                    duplicate_samples: appended.duplicate_samples,
                    events: appended.events,
                    duration_ms,
                });
                self.vitals.set_file_size(size.file_bytes, size.wal_bytes);
                self.queue.done(&tickets);
                return Ok(());
            }
            Ok(Err(error)) => chain(&error),
            Err(panicked) => format!("the store's writer panicked: {panicked}"),
        };
        self.vitals.commit_failed(duration_ms);
        // The blocking closure has ended, so this is the only holder; a clone would do as well.
        let snapshots = Arc::try_unwrap(snapshots).unwrap_or_else(|shared| shared.as_ref().clone());
        Err((tickets.into_iter().zip(snapshots).map(Queued::join).collect(), failure))
    }
}

/// An error with all its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
