//! One target's task: waits for its ticks, visits, and queues what it saw.
//!
//! Whatever a source does (hang, fail, panic) ends here, as a poll that says so. Must not know: other targets,
//! the store.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, error, info};

use super::counters::Counters;
use super::health::{Health, event_at};
use super::recall;
use super::schedule::Schedule;
use super::{Shared, Target};
use crate::model::time::duration_ms;
use crate::model::{Event, Outcome, Poll, Severity, Snapshot, Timestamp};
use crate::source::recorder::PollVitals;
use crate::source::{Observed, Source, Visit};

/// A source ends its visit by itself at the timeout, with what has come; one that does not is cut off so much
/// later.
const CUT_OFF_AFTER: Duration = Duration::from_secs(1);

/// The pause before a task that panicked outside of its source begins again.
const RESTART_AFTER: Duration = Duration::from_secs(10);

/// What a target's task is to do.
#[derive(Debug, Clone)]
pub(super) enum Order {
    /// Poll it at its ticks.
    Serve(Target),
    /// Visit once more, at once, and end.
    LastVisit(Target),
    /// End; a visit under way ends first.
    Leave,
}

/// One target's task.
pub(super) struct Task {
    shared: Arc<Shared>,
    orders: watch::Receiver<Order>,
    health: Health,
    counters: Counters,
    is_skipping: bool,
}

impl Task {
    pub(super) fn new(shared: Arc<Shared>, orders: watch::Receiver<Order>, health: Health) -> Self {
        Task { shared, orders, health, counters: Counters::default(), is_skipping: false }
    }

    /// Follows orders until told to leave.
    pub(super) async fn run(mut self) {
        loop {
            match AssertUnwindSafe(self.follow()).catch_unwind().await {
                Ok(()) => return,
                Err(panic) => {
                    error!(error = panic_message(panic.as_ref()), "a target's task panicked: starting it again");
                    sleep(RESTART_AFTER).await;
                }
            }
        }
    }

    async fn follow(&mut self) {
        loop {
            let order = self.orders.borrow_and_update().clone();
            match order {
                Order::Serve(target) => {
                    if !self.serve(&target).await {
                        return;
                    }
                }
                Order::LastVisit(target) => {
                    let mut visited = self.visited(&target).await;
                    let now = self.shared.clock.now();
                    self.visit(&target, &mut visited, now).await;
                    return;
                }
                Order::Leave => return,
            }
        }
    }

    async fn visited(&self, target: &Target) -> Visited {
        let source = recall::built(target, &self.shared.store, self.shared.clock.now()).await;
        Visited { schedule: Schedule::new(&target.name, target.interval), source }
    }

    /// Polls the target until the order changes. Gives false when nobody is left to give orders.
    async fn serve(&mut self, target: &Target) -> bool {
        let mut visited = self.visited(target).await;
        let now = self.shared.clock.now();
        // The recorder tells at once that it runs: a kill may come before its first tick.
        let is_own = target.name == self.shared.recorder;
        let mut tick = if is_own { now } else { visited.schedule.first(now) };
        loop {
            let wait = ms(tick.ms_since(self.shared.clock.now()));
            tokio::select! {
                biased;
                changed = self.orders.changed() => return changed.is_ok(),
                () = sleep(wait) => {}
            }
            tick = self.visit(target, &mut visited, tick).await;
            if !matches!(self.orders.has_changed(), Ok(false)) {
                return true;
            }
        }
    }

    /// Visits at `tick` and gives the next one.
    async fn visit(&mut self, target: &Target, visited: &mut Visited, tick: Timestamp) -> Timestamp {
        let started = self.shared.clock.now();
        self.shared.watch_clock(started);
        let schedule = visited.schedule;
        let mut next = schedule.next(tick, started);
        let begun_ms = self.shared.clock.monotonic_ms();
        let visiting = self.shared.queue.visiting(started);

        let mut has_skipped = false;
        let observed = {
            let mut poll = visited.poll(Visit { started, timeout: target.timeout });
            let mut cut_off = std::pin::pin!(sleep(target.timeout + CUT_OFF_AFTER));
            loop {
                let until_next = ms(next.ms_since(self.shared.clock.now()));
                tokio::select! {
                    biased;
                    observed = &mut poll => break Ok(observed),
                    () = &mut cut_off => break Err(CutOff),
                    () = sleep(until_next) => {
                        self.skip(target, next, !has_skipped && !self.is_skipping);
                        has_skipped = true;
                        next = schedule.next(next, self.shared.clock.now());
                    }
                }
            }
        };
        self.is_skipping = has_skipped;
        let observed = match observed {
            Ok(Ok(observed)) => observed,
            Ok(Err(Panicked(message))) => {
                error!(target = %target.name, error = message, "a source panicked: it is built anew");
                visited.source = recall::built(target, &self.shared.store, self.shared.clock.now()).await;
                Observed::failed(Outcome::Malformed, format!("its source failed on the reply (a bug): {message}"))
            }
            Err(CutOff) => {
                let seconds = target.timeout.as_secs_f64();
                Observed::failed(Outcome::Timeout, format!("no whole answer within {seconds} s"))
            }
        };
        let duration_ms = self.shared.clock.monotonic_ms().saturating_sub(begun_ms);
        let snapshot = self.snapshot(target, started, duration_ms, observed);
        visiting.finish(snapshot);
        let failures = self.health.failures();
        let further_ticks = if failures == 0 { 0 } else { schedule.backoff_ticks(failures) - 1 };
        next.plus_ms(further_ticks.saturating_mul(schedule.interval_ms()))
    }

    /// What the visit saw, with what its outcome means for the target.
    fn snapshot(&mut self, target: &Target, started: Timestamp, duration_ms: i64, observed: Observed) -> Snapshot {
        let mut events = observed.events;
        let poll = Poll {
            target: target.name.clone(),
            started,
            duration_ms,
            interval_ms: interval_ms(target),
            bytes: observed.bytes,
            outcome: observed.outcome,
            error: observed.error,
            missing: observed.missing,
            clock_offset_ms: observed.clock_offset_ms,
        };
        let batches = if poll.outcome.is_good() { observed.batches } else { Vec::new() };
        events.extend(self.health.observe(&poll));
        events.extend(self.counters.observe(&poll, &batches));
        if target.name == self.shared.recorder {
            events.append(&mut self.shared.announcements());
        }
        let snapshot = Snapshot { poll, batches, events };
        let samples = u64::try_from(snapshot.sample_count()).unwrap_or(u64::MAX);
        let poll = &snapshot.poll;
        debug!(target = %poll.target, outcome = poll.outcome.name(), duration_ms, samples, bytes = poll.bytes, "polled");
        let (up, bytes, clock_offset_ms) = (poll.outcome.is_good(), poll.bytes, poll.clock_offset_ms);
        self.shared.vitals.polled(&poll.target, PollVitals { up, duration_ms, bytes, samples, clock_offset_ms });
        snapshot
    }

    /// Records that the tick found the visit before still running; the first of a stretch is an event too.
    fn skip(&self, target: &Target, tick: Timestamp, is_first: bool) {
        self.shared.vitals.tick_skipped();
        let poll = Poll {
            target: target.name.clone(),
            started: tick,
            duration_ms: 0,
            interval_ms: interval_ms(target),
            bytes: 0,
            outcome: Outcome::Skipped,
            error: Some("the poll before was still running".to_owned()),
            missing: Vec::new(),
            clock_offset_ms: 0,
        };
        let mut events = Vec::new();
        if is_first {
            let message = format!("{} answers slower than its interval: ticks are skipped", target.name);
            info!(target = %target.name, "target answers slower than its interval: ticks are skipped");
            events.push(event_at(tick, &target.name, Severity::Warning, "tick_skipped", message, BTreeMap::new()));
        }
        self.shared.queue.visiting(tick).finish(Snapshot { poll, batches: Vec::new(), events });
    }
}

/// A source and its ticks.
struct Visited {
    schedule: Schedule,
    source: Result<Box<dyn Source>, String>,
}

struct CutOff;

struct Panicked(String);

impl Visited {
    fn poll(&mut self, visit: Visit) -> BoxFuture<'_, Result<Observed, Panicked>> {
        match &mut self.source {
            Ok(source) => {
                // The future is made inside, so that a panic before its first await is caught as well.
                let poll = AssertUnwindSafe(async move { source.poll(visit).await }).catch_unwind();
                Box::pin(poll.map(|ended| ended.map_err(|panic| Panicked(panic_message(panic.as_ref())))))
            }
            Err(reason) => {
                let observed = Observed::failed(Outcome::Unreachable, reason.clone());
                Box::pin(std::future::ready(Ok(observed)))
            }
        }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

fn interval_ms(target: &Target) -> i64 {
    duration_ms(target.interval)
}

/// A wait of so many milliseconds; none where it is past.
fn ms(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// An event of the recorder itself.
pub(super) fn recorder_event(
    shared: &Shared,
    at: Timestamp,
    severity: Severity,
    event_type: &'static str,
    message: String,
) -> Event {
    event_at(at, &shared.recorder, severity, event_type, message, BTreeMap::new())
}
