//! The bounded queue between targets and the store's writer, and the book of what is still on its way.
//!
//! When it is full the oldest snapshot loses its samples: its poll stays, as `dropped`, so that the time is
//! explained for ever. Must not know: what writes, and where to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tracing::{info, warn};

use super::health::of_target;
use crate::model::{AttributeValue, Outcome, Severity, Snapshot, Timestamp};
use crate::source::recorder::Vitals;

/// What may wait at once, counted in entities seen, events and polls. At the default interval this is more than
/// a minute of 2,000 containers with their devices and interfaces, in some tens of MiB; past it the oldest is
/// dropped.
const QUEUED_ITEMS_MAX: usize = 60_000;

/// Rows of polls alone, without samples, that may wait: an hour of 50 targets through a full disk, in a few MiB.
const QUEUED_POLLS_MAX: usize = 20_000;

/// The queue, shared by every target's task and the writer.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Notify,
    vitals: Arc<Vitals>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Queued>,
    /// Sum of the weights of what waits.
    weight: usize,
    /// Everything before this position has no samples left to drop.
    thinned: usize,
    /// Visits under way and snapshots not yet committed, by start.
    open: BTreeSet<Ticket>,
    next_number: u64,
    is_dropping: bool,
    is_closed: bool,
}

/// One visit's place in the book of what is still on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    started: Timestamp,
    number: u64,
}

/// A snapshot that waits, or is being written.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) snapshot: Snapshot,
    ticket: Ticket,
}

/// A visit under way. Dropped without a snapshot, it leaves the book.
#[derive(Debug)]
pub(super) struct Visiting {
    queue: Arc<Queue>,
    ticket: Option<Ticket>,
}

impl Queue {
    pub(super) fn new(vitals: Arc<Vitals>) -> Self {
        Queue { state: Mutex::default(), filled: Notify::new(), vitals }
    }

    /// A visit begins.
    pub(super) fn visiting(self: &Arc<Self>, started: Timestamp) -> Visiting {
        let mut state = self.state();
        let ticket = Ticket { started, number: state.next_number };
        state.next_number = state.next_number.wrapping_add(1);
        state.open.insert(ticket);
        Visiting { queue: Arc::clone(self), ticket: Some(ticket) }
    }

    /// The oldest snapshots, up to so many items of weight and at least one; waits until there is one. None: the
    /// queue is closed and empty.
    pub(super) async fn take(&self, weight_max: usize) -> Option<Vec<Queued>> {
        loop {
            let filled = self.filled.notified();
            {
                let mut state = self.state();
                if !state.waiting.is_empty() {
                    let taken = state.take(weight_max);
                    self.vitals.set_queue_length(state.waiting.len());
                    return Some(taken);
                }
                if state.is_closed {
                    return None;
                }
            }
            filled.await;
        }
    }

    /// These are committed (or given up): they are on their way no more.
    pub(super) fn done(&self, tickets: &[Ticket]) {
        let mut state = self.state();
        for ticket in tickets {
            state.open.remove(ticket);
        }
    }

    /// Every snapshot whose visit started before this instant is committed.
    pub(super) fn caught_up_until(&self, now: Timestamp) -> Timestamp {
        self.state().open.first().map_or(now, |oldest| oldest.started.min(now))
    }

    /// Nothing more will come: the writer ends when all is written.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.filled.notify_waiters();
        self.filled.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// Visits under way and snapshots not yet committed.
    pub(super) fn open(&self) -> usize {
        self.state().open.len()
    }

    /// Snapshots that wait.
    pub(super) fn len(&self) -> usize {
        self.state().waiting.len()
    }

    #[cfg(test)]
    pub(super) fn weight(&self) -> usize {
        self.state().weight
    }

    fn push(&self, queued: Queued) {
        let mut state = self.state();
        state.weight = state.weight.saturating_add(weight(&queued.snapshot));
        state.waiting.push_back(queued);
        let dropped = state.make_room();
        for _ in 0..dropped {
            self.vitals.snapshot_dropped();
        }
        self.vitals.set_queue_length(state.waiting.len());
        if dropped > 0 && !state.is_dropping {
            state.is_dropping = true;
            warn!("the store cannot keep up: the oldest snapshots are dropped from the queue");
        }
        drop(state);
        self.filled.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked while holding the lock left counts that are off by one snapshot at most.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, weight_max: usize) -> Vec<Queued> {
        let mut taken = Vec::new();
        let mut taken_weight = 0usize;
        while let Some(next) = self.waiting.front() {
            let next_weight = weight(&next.snapshot);
            if !taken.is_empty() && taken_weight.saturating_add(next_weight) > weight_max {
                break;
            }
            taken_weight = taken_weight.saturating_add(next_weight);
            taken.extend(self.waiting.pop_front());
        }
        self.weight = self.weight.saturating_sub(taken_weight);
        self.thinned = self.thinned.saturating_sub(taken.len());
        if self.waiting.is_empty() && self.is_dropping {
            self.is_dropping = false;
            info!("the store keeps up again");
        }
        taken
    }

    /// Drops what is too much, oldest first, but never the newest. Gives the number of snapshots dropped.
    fn make_room(&mut self) -> usize {
        let mut dropped = 0;
        while self.weight > QUEUED_ITEMS_MAX && self.thinned.saturating_add(1) < self.waiting.len() {
            if let Some(oldest) = self.waiting.get_mut(self.thinned)
                && !oldest.snapshot.batches.is_empty()
            {
                let before = weight(&oldest.snapshot);
                drop_samples(&mut oldest.snapshot);
                self.weight = self.weight.saturating_sub(before).saturating_add(weight(&oldest.snapshot));
                dropped += 1;
            }
            self.thinned += 1;
        }
        let too_heavy = |state: &State| state.weight > QUEUED_ITEMS_MAX && state.waiting.len() > 1;
        while self.waiting.len() > QUEUED_POLLS_MAX || too_heavy(self) {
            let Some(oldest) = self.waiting.pop_front() else { break };
            self.weight = self.weight.saturating_sub(weight(&oldest.snapshot));
            self.thinned = self.thinned.saturating_sub(1);
            self.open.remove(&oldest.ticket);
            dropped += usize::from(oldest.snapshot.poll.outcome != Outcome::Dropped);
        }
        dropped
    }
}

impl Queued {
    /// Ticket and snapshot apart.
    pub(super) fn split(self) -> (Ticket, Snapshot) {
        (self.ticket, self.snapshot)
    }

    /// Ticket and snapshot together again.
    pub(super) fn join((ticket, snapshot): (Ticket, Snapshot)) -> Self {
        Queued { snapshot, ticket }
    }
}

impl Visiting {
    /// The visit ended with this.
    pub(super) fn finish(mut self, snapshot: Snapshot) {
        if let Some(ticket) = self.ticket.take() {
            self.queue.push(Queued { snapshot, ticket });
        }
    }
}

impl Drop for Visiting {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.queue.state().open.remove(&ticket);
        }
    }
}

fn weight(snapshot: &Snapshot) -> usize {
    let seen: usize = snapshot.batches.iter().map(|batch| batch.observations.len()).sum();
    1 + seen + snapshot.events.len()
}

/// Turns a snapshot into the row that says it was dropped. Events stay: they are few and never come again.
pub(super) fn drop_samples(snapshot: &mut Snapshot) {
    let samples = snapshot.sample_count();
    snapshot.batches = Vec::new();
    snapshot.poll.outcome = Outcome::Dropped;
    snapshot.poll.error = Some("the store could not keep up".to_owned());
    snapshot.poll.missing = Vec::new();
    let message = format!("{} samples of {} were dropped: the store could not keep up", samples, snapshot.poll.target);
    let samples = i64::try_from(samples).unwrap_or(i64::MAX);
    let details = BTreeMap::from([("samples".to_owned(), AttributeValue::from(samples))]);
    let event = of_target(&snapshot.poll, Severity::Error, "snapshot_dropped", message, details);
    snapshot.events.push(event);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Identity, KindBatch, Observation, Poll, TargetName};
    use crate::source::recorder::TARGET;

    fn snapshot(started: i64, entities: usize) -> Snapshot {
        let observation = |n: usize| Observation {
            identity: Identity::new([n.to_string()]),
            attributes: None,
            ended: None,
            sample: None,
        };
        let batch = KindBatch { kind: &TARGET, complete: true, observations: (0..entities).map(observation).collect() };
        Snapshot {
            poll: Poll {
                target: TargetName::new("test", "a"),
                started: Timestamp::from_ms(started),
                duration_ms: 0,
                interval_ms: 1000,
                bytes: 0,
                outcome: Outcome::Ok,
                error: None,
                missing: Vec::new(),
                clock_offset_ms: 0,
            },
            batches: if entities == 0 { Vec::new() } else { vec![batch] },
            events: Vec::new(),
        }
    }

    fn queue() -> Arc<Queue> {
        Arc::new(Queue::new(Arc::new(Vitals::new(Timestamp::from_ms(0)))))
    }

    fn push(queue: &Arc<Queue>, started: i64, entities: usize) {
        queue.visiting(Timestamp::from_ms(started)).finish(snapshot(started, entities));
    }

    fn tickets(taken: Vec<Queued>) -> Vec<Ticket> {
        taken.into_iter().map(|queued| queued.split().0).collect()
    }

    #[tokio::test]
    async fn a_full_queue_drops_the_oldest_samples_and_keeps_every_poll() {
        let queue = queue();
        for started in 0..7 {
            push(&queue, started, QUEUED_ITEMS_MAX / 4);
        }
        assert!(queue.state().weight <= QUEUED_ITEMS_MAX);
        let taken = queue.take(usize::MAX).await.unwrap();
        let outcomes: Vec<&str> = taken.iter().map(|queued| queued.snapshot.poll.outcome.name()).collect();
        assert_eq!(outcomes, ["dropped", "dropped", "dropped", "dropped", "ok", "ok", "ok"]);
        let first = &taken[0].snapshot;
        assert!(first.batches.is_empty());
        assert_eq!(first.events[0].event_type, "snapshot_dropped");
        assert_eq!(queue.vitals.snapshots_dropped(), 4);
        assert_eq!(queue.state().weight, 0);
    }

    #[tokio::test]
    async fn polls_without_samples_are_bounded_too() {
        let queue = queue();
        for started in 0..30_000 {
            push(&queue, started, 0);
        }
        assert_eq!(queue.len(), QUEUED_POLLS_MAX);
        assert_eq!(queue.state().open.len(), QUEUED_POLLS_MAX);
        assert_eq!(queue.vitals.snapshots_dropped(), 10_000);
    }

    #[tokio::test]
    async fn a_snapshot_larger_than_the_queue_goes_through_alone() {
        let queue = queue();
        push(&queue, 0, QUEUED_ITEMS_MAX * 2);
        let taken = queue.take(10).await.unwrap();
        assert_eq!((taken.len(), taken[0].snapshot.poll.outcome), (1, Outcome::Ok));
    }

    #[tokio::test]
    async fn caught_up_is_the_start_of_the_oldest_visit_not_committed() {
        let queue = queue();
        let now = Timestamp::from_ms(100);
        assert_eq!(queue.caught_up_until(now), now);
        let slow = queue.visiting(Timestamp::from_ms(10));
        push(&queue, 20, 1);
        push(&queue, 30, 1);
        let taken = queue.take(2).await.unwrap();
        assert_eq!(taken.len(), 1, "as much as fits");
        assert_eq!(queue.caught_up_until(now), Timestamp::from_ms(10));
        drop(slow);
        assert_eq!(queue.caught_up_until(now), Timestamp::from_ms(20));
        queue.done(&tickets(taken));
        assert_eq!(queue.caught_up_until(now), Timestamp::from_ms(30));
        queue.done(&tickets(queue.take(2).await.unwrap()));
        assert_eq!(queue.caught_up_until(now), now);
    }

    #[tokio::test]
    async fn a_closed_queue_is_emptied_first() {
        let queue = queue();
        push(&queue, 20, 1);
        queue.close();
        assert!(queue.take(10).await.is_some());
        assert!(queue.take(10).await.is_none());
    }
}
