//! The API over HTTP: routes, negotiation, problems, streaming, and the accept loop. The only place that names warp.
//!
//! Holds no arithmetic: requests are checked by `query`, answered by `answer`, printed by `render`. Everything that
//! touches the store runs on a blocking thread. Must not know: SQL, sources, how samples are taken.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::model::Kind;
use crate::query::request::kind_named;
use crate::sql::Library;
use crate::store::{Store, StoreError};

mod body;
mod chart;
mod describe;
mod diff;
mod entities;
mod events;
mod freshness;
mod health;
mod kinds;
pub mod live;
mod metrics;
mod negotiate;
mod openapi;
mod pairs;
mod planning;
mod problem;
mod range;
mod reports;
mod routes;
mod samples;
mod schemas;
pub mod server;
mod shapes;
mod snapshot;
mod sum;
mod targets;
#[cfg(test)]
mod tests;
pub mod token;

pub use live::{ConfiguredTarget, Live};
pub use problem::Problem;
pub use routes::routes;
pub use token::Token;

/// Reports that run at once: each may take as much memory as a report may.
const REPORTS_AT_ONCE: usize = 2;

/// Bounds on answering.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Queries that run at once. Each has a thread and reads the store; more would only share the same disk.
    pub queries: usize,
    /// How long a query waits for its turn before it is told to come back.
    pub queue_time: Duration,
    /// From a query's start to the first bytes of its answer: a person has given up by then.
    pub answer_time: Duration,
    /// From a query's start to the end of its answer: a forgotten download must not hold a thread for ever.
    pub download_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            queries: 32,
            queue_time: Duration::from_secs(5),
            answer_time: Duration::from_secs(120),
            download_time: Duration::from_secs(3600),
        }
    }
}

/// What the routes answer from. Filled by whoever starts the server.
#[derive(Debug)]
pub struct Context {
    /// Where samples are kept.
    pub store: Arc<Store>,
    /// Every kind, in the order of documentation.
    pub kinds: &'static [&'static Kind],
    /// What time it is.
    pub clock: Clock,
    /// What the running recorder knows and the store does not.
    pub live: Arc<Live>,
    /// Who may ask; None: everybody who reaches the address.
    pub token: Option<Token>,
    /// Distinguishes this store's content from any other's, so that entity tags of one never match answers of the
    /// other: the name drawn for it, and the time the file was made.
    pub salt: String,
    /// Bounds on answering.
    pub limits: Limits,
    /// The reports that there are.
    pub reports: Library,
    queries: Arc<Semaphore>,
    reports_at_once: Arc<Semaphore>,
}

impl Context {
    /// A context without token and salt, with the default limits.
    pub fn new(store: Arc<Store>, kinds: &'static [&'static Kind], clock: Clock, live: Arc<Live>) -> Self {
        Context {
            store,
            kinds,
            clock,
            live,
            token: None,
            salt: String::new(),
            limits: Limits::default(),
            reports: Library::new(kinds, None),
            queries: semaphore(Limits::default()),
            reports_at_once: Arc::new(Semaphore::new(REPORTS_AT_ONCE)),
        }
    }

    /// The same context, open only to those who send this token.
    #[must_use]
    pub fn with_token(mut self, token: Option<Token>) -> Self {
        self.token = token;
        self
    }

    /// The same context for this store.
    #[must_use]
    pub fn with_salt(mut self, salt: impl Into<String>) -> Self {
        self.salt = salt.into();
        self
    }

    /// The same context with a directory of the user's own reports.
    #[must_use]
    pub fn with_reports(mut self, directory: Option<PathBuf>) -> Self {
        self.reports = Library::new(self.kinds, directory);
        self
    }

    /// The same context under other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.queries = semaphore(limits);
        self
    }

    /// The kind of a name, or the problem that names the nearest.
    fn kind(&self, name: &str) -> Result<&'static Kind, Problem> {
        kind_named(self.kinds, name).map_err(|unknown| Problem::not_found(unknown.to_string(), unknown.nearest))
    }

    /// Reads a little from the store on a blocking thread.
    async fn read<T, F>(self: &Arc<Self>, read: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || read(&store)).await {
            Ok(read) => read.map_err(|error| Problem::of_store(&error)),
            // It panicked, and the panic is in the log.
            Err(_) => Err(Problem::internal()),
        }
    }
}

fn semaphore(limits: Limits) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(limits.queries.min(Semaphore::MAX_PERMITS)))
}
