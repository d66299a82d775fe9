//! The sampler: when to poll, and what is seen into the store.
//!
//! A task a target; a bounded queue; one writer. Targets share nothing but the queue, so that a slow, huge or
//! hostile one never delays another. Every tick leaves a row: polled, failed, skipped or dropped. Must not know:
//! what any source speaks, how any answer looks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use crate::clock::Clock;
use crate::model::{Event, Severity, TargetName, Timestamp};
use crate::source::Source;
use crate::source::recorder::{About, Vitals};
use crate::store::{Store, TargetRecord};

use health::{Health, in_words};
use queue::Queue;
use task::{Order, Task, recorder_event};
use writer::{Append, Writer};

mod counters;
mod health;
mod queue;
mod recall;
mod schedule;
mod task;
mod upkeep;
mod writer;

#[cfg(test)]
mod simulation;

pub use upkeep::Retention;

/// Wall and monotonic clock may disagree so much between two ticks before it counts as a step: more than any
/// slewing does in that time, less than what makes rates wrong.
const CLOCK_STEP_MS: i64 = 2000;

/// Visits under way get so long to end when the recorder stops.
const STOP_VISITS_WITHIN: Duration = Duration::from_secs(5);

/// What has queued gets so long to be written when the recorder stops.
const STOP_WRITER_WITHIN: Duration = Duration::from_secs(10);

/// At most so many events of the recorder itself wait for its next poll; a clock that steps at every tick says
/// nothing new after them.
const ANNOUNCEMENTS_MAX: usize = 1000;

/// Makes a target's source: at its start, when its settings change, and again after it panicked. An error (a
/// certificate that cannot be read) is what each of its polls then fails with.
pub type Build = Arc<dyn Fn() -> Result<Box<dyn Source>, String> + Send + Sync>;

/// One address to poll at one cadence.
#[derive(Clone)]
pub struct Target {
    /// Its name.
    pub name: TargetName,
    /// Where it is, without credentials.
    pub address: String,
    /// From one poll to the next.
    pub interval: Duration,
    /// How long one poll may take; shorter than the interval.
    pub timeout: Duration,
    /// Everything that the source is made from, as text: another one means another source. May hold secrets and
    /// is never shown.
    pub fingerprint: String,
    /// Makes the source.
    pub build: Build,
}

impl Target {
    fn is_same(&self, other: &Target) -> bool {
        self.address == other.address
            && self.interval == other.interval
            && self.timeout == other.timeout
            && self.fingerprint == other.fingerprint
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { name, address, interval, timeout, .. } = self;
        f.debug_struct("Target")
            .field("name", name)
            .field("address", address)
            .field("interval", interval)
            .field("timeout", timeout)
            .finish_non_exhaustive()
    }
}

/// What the sampler works with.
#[derive(Debug)]
pub struct Context {
    /// Where snapshots go.
    pub store: Arc<Store>,
    /// What time it is.
    pub clock: Clock,
    /// What it counts in.
    pub vitals: Arc<Vitals>,
    /// The recorder's own target, which tells the recorder's own events.
    pub recorder: TargetName,
    /// What the store knew of targets at the start.
    pub known: Vec<TargetRecord>,
    /// How long rows are kept.
    pub retention: Retention,
}

/// The running sampler.
#[derive(Debug)]
pub struct Sampler {
    shared: Arc<Shared>,
    running: BTreeMap<TargetName, Running>,
    leaving: Vec<JoinHandle<()>>,
    known_down: BTreeMap<TargetName, Timestamp>,
    writer: JoinHandle<()>,
    upkeep: JoinHandle<()>,
    retention: watch::Sender<Retention>,
}

/// How far what was sampled is stored.
#[derive(Debug, Clone)]
pub struct Progress {
    shared: Arc<Shared>,
}

/// What a change of targets did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// Targets that are new.
    pub added: usize,
    /// Targets that are polled no more.
    pub removed: usize,
    /// Targets that are polled in another way.
    pub changed: usize,
}

#[derive(Debug)]
struct Running {
    target: Target,
    orders: watch::Sender<Order>,
    task: JoinHandle<()>,
}

/// What all tasks share.
#[derive(Debug)]
struct Shared {
    /// Where sources get back what they knew.
    store: Arc<Store>,
    clock: Clock,
    queue: Arc<Queue>,
    vitals: Arc<Vitals>,
    recorder: TargetName,
    /// Events of the recorder itself that its next poll carries.
    announcements: Mutex<Vec<Event>>,
    /// Wall clock minus monotonic clock at the newest tick of any target.
    wall_ahead_ms: Mutex<Option<i64>>,
}

impl Sampler {
    /// Starts the writer and retention, without targets yet.
    pub fn start(context: Context) -> Sampler {
        let append = writer::append_to(Arc::clone(&context.store));
        Sampler::start_with(context, append)
    }

    fn start_with(context: Context, append: Append) -> Sampler {
        let Context { store, clock, vitals, recorder, known, retention } = context;
        let queue = Arc::new(Queue::new(Arc::clone(&vitals)));
        let shared = Arc::new(Shared {
            store: Arc::clone(&store),
            clock: clock.clone(),
            queue: Arc::clone(&queue),
            vitals: Arc::clone(&vitals),
            recorder,
            announcements: Mutex::default(),
            wall_ahead_ms: Mutex::default(),
        });
        let upkeep = upkeep::Upkeeper { store, clock: clock.clone(), vitals: Arc::clone(&vitals) };
        let writer = tokio::spawn(Writer { append, queue, vitals, clock: clock.clone() }.run());
        let (retention, follow_retention) = watch::channel(retention);
        let upkeep = tokio::spawn(upkeep.run(follow_retention));
        let version = env!("CARGO_PKG_VERSION");
        shared.announce(clock.now(), Severity::Info, "recorder_started", format!("recorder {version} started"));
        let known_down = known.iter().filter_map(down_since).collect();
        let (running, leaving) = (BTreeMap::new(), Vec::new());
        Sampler { shared, running, leaving, known_down, writer, upkeep, retention }
    }

    /// Polls exactly these from now on. What did not change goes on without losing a tick, what changed is polled
    /// anew from its next tick on, what is no longer there stops after a visit under way.
    pub fn apply(&mut self, targets: Vec<Target>) -> Applied {
        let mut applied = Applied::default();
        let mut gone = std::mem::take(&mut self.running);
        for target in targets {
            let about = About { address: target.address.clone(), interval: target.interval };
            self.shared.vitals.target_added(&target.name, about);
            let name = target.name.clone();
            let running = match gone.remove(&name) {
                Some(running) if running.target.is_same(&target) => running,
                Some(running) => {
                    applied.changed += 1;
                    running.orders.send_replace(Order::Serve(target.clone()));
                    Running { target, ..running }
                }
                None => {
                    applied.added += 1;
                    self.spawn(target)
                }
            };
            self.running.insert(name, running);
        }
        self.leaving.retain(|task| !task.is_finished());
        for (name, running) in gone {
            applied.removed += 1;
            self.shared.vitals.target_removed(&name);
            running.orders.send_replace(Order::Leave);
            self.leaving.push(running.task);
        }
        applied
    }

    /// Keeps rows so long from now on.
    pub fn set_retention(&self, retention: Retention) {
        self.retention.send_replace(retention);
    }

    /// How far what was sampled is stored, for those who answer from the store.
    pub fn progress(&self) -> Progress {
        Progress { shared: Arc::clone(&self.shared) }
    }

    /// Ends visits and writes what has queued, each within a bound. Gives the number of snapshots that could not
    /// be written.
    pub async fn stop(mut self, reason: &str) -> usize {
        self.upkeep.abort();
        let now = self.shared.clock.now();
        self.shared.announce(now, Severity::Info, "recorder_stopped", format!("recorder stopped: {reason}"));
        let own = self.running.remove(&self.shared.recorder);
        let deadline = Instant::now() + STOP_VISITS_WITHIN;
        let mut tasks = std::mem::take(&mut self.leaving);
        for (_, running) in std::mem::take(&mut self.running) {
            running.orders.send_replace(Order::Leave);
            tasks.push(running.task);
        }
        for task in tasks {
            end_by(deadline, task).await;
        }
        if let Some(own) = own {
            own.orders.send_replace(Order::LastVisit(own.target));
            end_by(Instant::now() + STOP_VISITS_WITHIN, own.task).await;
        }
        self.shared.queue.close();
        end_by(Instant::now() + STOP_WRITER_WITHIN, self.writer).await;
        let left = self.shared.queue.open();
        if left > 0 {
            warn!(snapshots = left, "the store did not take everything in time: the newest snapshots are lost");
        }
        left
    }

    fn spawn(&mut self, target: Target) -> Running {
        let health = self.known_down.remove(&target.name).map_or_else(Health::default, Health::down_since);
        let (orders, follow) = watch::channel(Order::Serve(target.clone()));
        let task = tokio::spawn(Task::new(Arc::clone(&self.shared), follow, health).run());
        Running { target, orders, task }
    }
}

impl Progress {
    /// Every snapshot whose poll started before this instant is committed.
    pub fn caught_up_until(&self) -> Timestamp {
        self.shared.queue.caught_up_until(self.shared.clock.now())
    }

    /// Snapshots that wait for the writer.
    pub fn queue_length(&self) -> usize {
        self.shared.queue.len()
    }
}

impl Shared {
    fn announce(&self, at: Timestamp, severity: Severity, event_type: &'static str, message: String) {
        let event = recorder_event(self, at, severity, event_type, message);
        let mut announcements = self.announcements();
        if announcements.len() < ANNOUNCEMENTS_MAX {
            announcements.push(event);
        }
    }

    fn announcements(&self) -> MutexGuard<'_, Vec<Event>> {
        self.announcements.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compares the clocks at a tick with those of the tick before, of whatever target.
    fn watch_clock(&self, wall: Timestamp) {
        let ahead_ms = wall.ms().saturating_sub(self.clock.monotonic_ms());
        let before_ms = self.wall_ahead_ms.lock().unwrap_or_else(PoisonError::into_inner).replace(ahead_ms);
        let step_ms = before_ms.map_or(0, |before_ms| ahead_ms.saturating_sub(before_ms));
        if step_ms.saturating_abs() > CLOCK_STEP_MS {
            let direction = if step_ms > 0 { "forward" } else { "back" };
            let message =
                format!("the recorder's clock was stepped {direction} by {}", in_words(step_ms.saturating_abs()));
            warn!(step_ms, "the recorder's clock was stepped {direction}");
            self.announce(wall, Severity::Warning, "clock_stepped", message);
        }
    }
}

/// Since when a target was down when the recorder last ran; nothing where it was up.
fn down_since(known: &TargetRecord) -> Option<(TargetName, Timestamp)> {
    let failed = known.last_failed.as_ref()?.poll.started;
    let good = known.last_good.as_ref().map(|good| good.poll.started);
    good.is_none_or(|good| good < failed).then(|| (known.target.clone(), good.unwrap_or(failed)))
}

/// Waits for a task to end, and ends it where it does not.
async fn end_by(deadline: Instant, mut task: JoinHandle<()>) {
    if timeout_at(deadline, &mut task).await.is_err() {
        info!("a task did not end in time and was stopped");
        task.abort();
    }
}
