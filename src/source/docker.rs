//! Docker engines, podman included: containers with their interfaces and devices, the engine, its images, events.
//!
//! A poll lists all containers, asks for the stats of all that run at once, inspects those that are new or changed
//! (before their numbers are handed over: a restart shows only there), and takes in what the event stream told
//! meanwhile. Must not know: the store, the sampler.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::attribution::Book;
use super::http::{Failure, Http, Limits, REPLY_MAX_BYTES, SetupError, Tls};
use super::{Observed, Source, Visit};
use crate::clock::Clock;
use crate::model::{AttributeValue, EntityRecord, Event, Kind, TargetName, Value};

pub mod kinds;

mod attribution;
mod digests;
mod disk;
mod engine;
mod events;
mod follow;
mod gone;
mod images;
mod info;
mod inspect;
mod known;
mod list;
mod observe;
mod offset;
mod poll;
mod processes;
mod redact;
mod stats;
#[cfg(test)]
mod tests;
mod top;
mod version;
mod wire;

pub use images::Images;
pub use processes::{PROCESSES_INTERVAL, ProcessSettings, Processes};

/// Stats requests in flight at one engine: its one loop serves all that wait, so that more at once cost no more.
pub const CONCURRENCY: usize = 256;

/// The same over all engines, so that a fleet does not open more files than a process may.
pub const CONCURRENCY_IN_ALL: usize = 512;

/// Pause between polls of images, and of `/system/df`, which walks every volume.
pub const SELDOM: Duration = Duration::from_secs(600);

/// What is hidden in command lines unless the configuration says otherwise.
pub const REDACTED: [&str; 4] = ["*password*", "*passwd*", "*secret*", "*token*"];

/// What the configuration says of an engine, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The `host` label, and the target's name after `docker/`.
    pub name: String,
    /// `unix:///path`, `tcp://host:port`, `http://…` or `https://…`.
    pub url: String,
    /// Certificates; None: no TLS for `tcp://`, the system's authorities for `https://`.
    pub tls: Option<Tls>,
    /// Pause between polls.
    pub interval: Duration,
    /// Pause between polls of images.
    pub images_interval: Duration,
    /// Pause between requests for `/system/df`.
    pub df_interval: Duration,
    /// Requests in flight at this engine.
    pub concurrency: usize,
    /// Largest reply.
    pub reply_max_bytes: usize,
    /// Names of environment variables to keep beside `MESOS_*` and `MARATHON_*`.
    pub environment: Vec<String>,
    /// What is hidden in command lines: names of arguments and variables, with `*` and `?`.
    pub redact: Vec<String>,
    /// Whose processes are looked at, and how.
    pub processes: ProcessSettings,
}

impl Settings {
    /// The defaults for an engine at an address.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Settings {
        Settings {
            name: name.into(),
            url: url.into(),
            tls: None,
            interval: Duration::from_secs(10),
            images_interval: SELDOM,
            df_interval: SELDOM,
            concurrency: CONCURRENCY,
            reply_max_bytes: REPLY_MAX_BYTES,
            environment: Vec::new(),
            redact: REDACTED.iter().map(|&pattern| pattern.to_owned()).collect(),
            processes: ProcessSettings::default(),
        }
    }

    fn http(&self) -> Result<Http, SetupError> {
        Http::live(&self.url, self.tls.as_ref())
    }
}

/// One engine, visited for its containers and itself: target `docker/<name>`.
#[derive(Debug)]
pub struct Docker {
    target: TargetName,
    settings: Settings,
    clock: Clock,
    http: Arc<Http>,
    bounds: engine::Bounds,
    /// None until it answered, and again after a failed list: then it is asked anew who it is.
    engine: Option<Arc<engine::Engine>>,
    /// What is remembered of the containers of the last list, by id.
    known: HashMap<Box<str>, known::Known>,
    /// Containers of which events told, until a good poll says what became of them.
    gone: gone::Gone,
    /// By what registries know the images of those containers.
    digests: digests::Digests,
    disk: disk::DiskUsage,
    inbox: Option<Arc<follow::Inbox>>,
    /// Follows events of the engine of a version; kept only to end with this.
    follower: Option<(version::ApiVersion, follow::Task)>,
    /// What other sources know of containers.
    book: Option<Arc<Book>>,
    clock_offset_ms: i64,
    /// Events that wait to be handed over: the engine's, and ours about it.
    events: VecDeque<events::Told>,
    own_events: Vec<Event>,
    lost_events: u64,
    unreadable_events: u64,
}

impl Docker {
    /// A source of the engine at the configured address.
    ///
    /// # Errors
    /// When the address or a certificate cannot be used.
    pub fn new(settings: Settings, clock: Clock) -> Result<Docker, SetupError> {
        let http = settings.http()?;
        Ok(Docker::with_http(settings, clock, http))
    }

    /// The same over a client that is there already, such as recorded replies.
    pub fn with_http(settings: Settings, clock: Clock, http: Http) -> Docker {
        Docker {
            target: TargetName::new("docker", &settings.name),
            bounds: engine::Bounds { concurrency: settings.concurrency, shared: None },
            disk: disk::DiskUsage::new(settings.df_interval),
            settings,
            clock,
            http: Arc::new(http),
            engine: None,
            known: HashMap::new(),
            gone: gone::Gone::default(),
            digests: digests::Digests::default(),
            inbox: None,
            follower: None,
            book: None,
            clock_offset_ms: 0,
            events: VecDeque::new(),
            own_events: Vec::new(),
            lost_events: 0,
            unreadable_events: 0,
        }
    }

    /// Takes from `book` to what containers belong that tell it neither by their environment nor by their name.
    #[must_use]
    pub fn attributed_by(mut self, book: Arc<Book>) -> Docker {
        self.book = Some(book);
        self
    }

    /// Takes a permit of `requests` for every request for stats or facts of a container.
    #[must_use]
    pub fn sharing(mut self, requests: Arc<Semaphore>) -> Docker {
        self.bounds.shared = Some(requests);
        self
    }

    fn limits(&self, deadline: Instant) -> Limits {
        Limits::configured(deadline, self.settings.reply_max_bytes)
    }
}

impl Source for Docker {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn recalls(&self) -> &'static [&'static Kind] {
        static KINDS: [&Kind; 1] = [&kinds::CONTAINER];
        &KINDS
    }

    fn recalls_only_listed(&self) -> bool {
        true
    }

    fn recall(&mut self, _kind: &'static Kind, entity: &EntityRecord) {
        // An image may be gone by now: then nobody else knows its digests.
        let Some(newest) = entity.versions.last() else { return };
        if let (Some(AttributeValue::Text(id)), Some(AttributeValue::List(names))) =
            (newest.attributes.get("image_id"), newest.attributes.get(kinds::IMAGE_DIGESTS))
        {
            self.digests.note(id, names.iter().map(String::as_str));
        }
    }

    fn poll(&mut self, visit: Visit) -> BoxFuture<'_, Observed> {
        Box::pin(poll::poll(self, visit))
    }
}

/// The columns of kind `container` in one reply to `/containers/{id}/stats`; nothing for one that does not run. What
/// parsing costs is measured by this.
///
/// # Errors
/// When the body is no such reply.
pub fn parse_stats(body: &[u8]) -> Result<Option<Box<[Value]>>, serde_json::Error> {
    Ok(stats::parse(body, stats::Quirks::default())?.map(|stats| stats.values))
}

/// When a visit must have its answers: a little before its timeout, which is the caller's.
fn deadline(visit: Visit) -> Instant {
    /// What is left for taking the answer over.
    const MARGIN: Duration = Duration::from_millis(200);
    Instant::now() + visit.timeout.saturating_sub(MARGIN.min(visit.timeout / 10))
}

fn failed(failure: &Failure) -> Observed {
    Observed::failed(failure.outcome, failure.message.clone())
}
