//! The background task that reads an engine's events, and the inbox in which polls find them.
//!
//! Must not know: what a poll does with an event. The inbox holds at most [`EVENTS_WAITING_MAX`] events and forgets
//! the oldest first; a poll then says so.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::engine::Engine;
use super::events::{self, Happening, Told};
use super::inspect::Inspected;
use super::version;
use crate::model::Timestamp;
use crate::source::http::{Limits, Line};

/// Most events that wait for a poll: a minute of 150 containers created, started and removed every second.
pub(super) const EVENTS_WAITING_MAX: usize = 10_000;

/// Most inspected containers that wait for a poll; beyond it an event's own facts must do.
const FOUND_MAX: usize = 1_000;

/// Events remembered so as to tell a repeated one: engines themselves remember 256.
const SEEN_MAX: usize = 2_048;

/// How far before the newest event a new connection begins: events that an engine sends at once are not in order.
const OVERLAP_NS: i64 = 2_000_000_000;

/// First and longest pause before a new connection.
const RECONNECT_FIRST: Duration = Duration::from_secs(1);
const RECONNECT_LAST: Duration = Duration::from_secs(30);

/// How long the engine may take to begin its answer, and an inspect that an event asks for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const INSPECT_TIMEOUT: Duration = Duration::from_secs(2);

/// What an event and its place in time mean for a poll.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) told: Told,
    /// When it was read.
    pub(super) at: Instant,
}

/// What came since the last poll.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// Events, in the order they came.
    pub(super) events: Vec<Arrived>,
    /// Containers as they were found right after their last event.
    pub(super) found: HashMap<Box<str>, Inspected>,
    /// Events lost because too many waited.
    pub(super) lost: u64,
    /// Lines that could not be read.
    pub(super) unreadable: u64,
}

/// Where the task leaves events for polls.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    mail: Mail,
    waiting: VecDeque<Arrived>,
    seen: HashSet<u64>,
    seen_in_order: VecDeque<u64>,
    hasher: RandomState,
    /// From where the next connection begins, by the engine's clock.
    since_ns: i64,
}

impl Inbox {
    /// An inbox for events from `since` on, by the engine's clock.
    pub(super) fn new(since: Timestamp) -> Inbox {
        Inbox {
            state: Mutex::new(State {
                mail: Mail::default(),
                waiting: VecDeque::new(),
                seen: HashSet::new(),
                seen_in_order: VecDeque::new(),
                hasher: RandomState::new(),
                since_ns: since.ms().saturating_mul(1_000_000),
            }),
        }
    }

    /// Takes out what has come.
    pub(super) fn take(&self) -> Mail {
        let mut state = self.lock();
        let mut mail = std::mem::take(&mut state.mail);
        mail.events = std::mem::take(&mut state.waiting).into();
        mail
    }

    fn since_ns(&self) -> i64 {
        self.lock().since_ns
    }

    /// Takes an event in; false if it is known already.
    fn put(&self, told: Told, at: Instant) -> bool {
        let mut state = self.lock();
        let key = state.hasher.hash_one(told.key());
        if !state.seen.insert(key) {
            return false;
        }
        state.seen_in_order.push_back(key);
        if state.seen_in_order.len() > SEEN_MAX
            && let Some(oldest) = state.seen_in_order.pop_front()
        {
            state.seen.remove(&oldest);
        }
        state.since_ns = state.since_ns.max(told.time_ns.saturating_sub(OVERLAP_NS));
        if state.waiting.len() >= EVENTS_WAITING_MAX {
            state.waiting.pop_front();
            state.mail.lost = state.mail.lost.saturating_add(1);
        }
        state.waiting.push_back(Arrived { told, at });
        true
    }

    fn put_found(&self, id: Box<str>, inspected: Inspected) {
        let mut state = self.lock();
        if state.mail.found.len() < FOUND_MAX || state.mail.found.contains_key(&id) {
            state.mail.found.insert(id, inspected);
        }
    }

    fn note_unreadable(&self) {
        let mut state = self.lock();
        state.mail.unreadable = state.mail.unreadable.saturating_add(1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that ends when this is dropped.
#[derive(Debug)]
pub(super) struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts following an engine's events.
pub(super) fn spawn(engine: Arc<Engine>, inbox: Arc<Inbox>, reply_max_bytes: usize) -> Task {
    Task(tokio::spawn(async move {
        let mut pause = RECONNECT_FIRST;
        loop {
            let came = read(&engine, &inbox, reply_max_bytes).await;
            pause = if came { RECONNECT_FIRST } else { pause.saturating_mul(2).min(RECONNECT_LAST) };
            sleep(jittered(pause)).await;
        }
    }))
}

/// Reads one connection to its end; true if anything came.
async fn read(engine: &Engine, inbox: &Inbox, reply_max_bytes: usize) -> bool {
    let limits = Limits::configured(Instant::now() + ANSWER_TIMEOUT, reply_max_bytes);
    // That events cannot be had shows in polls of the same engine; they fail or say so themselves.
    let Ok(mut lines) = engine.http.lines(&path(engine, inbox.since_ns()), limits).await else { return false };
    let mut came = false;
    while let Ok(Some(line)) = lines.next().await {
        came = true;
        match line {
            Line::TooLong => inbox.note_unreadable(),
            Line::Whole(line) => match events::parse(&line) {
                Ok(Some(told)) => take_in(engine, inbox, told, reply_max_bytes).await,
                Ok(None) => {}
                Err(_) => inbox.note_unreadable(),
            },
        }
    }
    came
}

async fn take_in(engine: &Engine, inbox: &Inbox, told: Told, reply_max_bytes: usize) {
    let id = told.id.clone();
    let may_be_gone_soon = matches!(told.happening, Happening::Created | Happening::Started | Happening::Died { .. });
    if !inbox.put(told, Instant::now()) || !may_be_gone_soon {
        return;
    }
    let limits = Limits::configured(Instant::now() + INSPECT_TIMEOUT, reply_max_bytes);
    if let (_, Ok(Some(inspected))) = engine.inspect(&id, limits).await {
        inbox.put_found(id, inspected);
    }
}

/// The path of events from an instant on. Podman and the oldest engines take whole seconds only.
fn path(engine: &Engine, since_ns: i64) -> String {
    let (seconds, ns) = (since_ns.div_euclid(1_000_000_000), since_ns.rem_euclid(1_000_000_000));
    let has_types = engine.version >= version::EVENT_TYPES_FROM;
    let since = if has_types && !engine.quirks.is_podman { format!("{seconds}.{ns:09}") } else { seconds.to_string() };
    let filters = if has_types { "&filters=%7B%22type%22%3A%5B%22container%22%2C%22image%22%5D%7D" } else { "" };
    engine.path(&format!("/events?since={since}{filters}"))
}

/// A pause between its half and its whole, so that engines that went down together do not all come back at once.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) % 512;
    pause.mul_f64(0.5 + f64::from(u16::try_from(random).unwrap_or(0)) / 1_024.0)
}
