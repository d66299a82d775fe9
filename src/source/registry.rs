//! Image registries: repositories, tags, what each tag leads to, and how much all of it takes.
//!
//! Registry HTTP API v2. A visit reads the whole catalogue (`visit`), then as much as its budget of requests allows,
//! so that a large registry is taken in over many visits without a burst; what changes is told as events. What is
//! known (`known`) is taken back from the store after a restart. Must not know: the store, the sampler, SQL.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::http::{Credentials, Http, Limits, REPLY_MAX_BYTES, SetupError, Tls};
use super::{Observed, Source, Visit};
use crate::clock::Clock;
use crate::model::{EntityRecord, Kind, TargetName};

pub mod kinds;

mod auth;
mod client;
mod known;
mod manifest;
mod names;
mod observe;
mod sizes;
#[cfg(test)]
mod tests;
mod visit;

/// The first part of a registry's target name.
pub const SOURCE: &str = "registry";

/// Requests of one visit: at five minutes, three a second; a registry answers one in a millisecond or two.
pub const REQUESTS_PER_POLL: u32 = 1000;

/// Requests in flight at one registry: enough to hide a slow network, too few for it to notice.
pub const CONCURRENCY: usize = 4;

/// What the configuration says of a registry, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The `registry` label, and the target's name after `registry/`.
    pub name: String,
    /// `http://…` or `https://…`, what comes before `/v2/`.
    pub url: String,
    /// Certificates; None: the system's authorities for `https://`.
    pub tls: Option<Tls>,
    /// Who asks.
    pub credentials: Option<Credentials>,
    /// Where tokens may be asked for besides the registry's own origin.
    pub realm: Option<String>,
    /// Repositories to look at; empty: those of the catalogue.
    pub repositories: Vec<String>,
    /// Requests of one visit, the catalogue's aside.
    pub requests_per_poll: u32,
    /// Requests in flight.
    pub concurrency: usize,
    /// Largest reply.
    pub reply_max_bytes: usize,
}

impl Settings {
    /// The defaults for a registry at an address.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Settings {
        Settings {
            name: name.into(),
            url: url.into(),
            tls: None,
            credentials: None,
            realm: None,
            repositories: Vec::new(),
            requests_per_poll: REQUESTS_PER_POLL,
            concurrency: CONCURRENCY,
            reply_max_bytes: REPLY_MAX_BYTES,
        }
    }
}

/// One registry: target `registry/<name>`.
#[derive(Debug)]
pub struct Registry {
    target: TargetName,
    settings: Settings,
    clock: Clock,
    client: client::Client,
    /// The API's version; None until it answered, and again after a failed visit.
    api: Option<String>,
    known: known::Known,
    /// Lists that were told to be too long.
    told_cuts: BTreeSet<String>,
}

impl Registry {
    /// A source of the registry at the configured address.
    ///
    /// # Errors
    /// When the address or a certificate cannot be used.
    pub fn new(settings: Settings, clock: Clock) -> Result<Registry, SetupError> {
        let client = client::Client::new(&settings, clock.clone())?;
        Ok(Registry::over(settings, clock, client))
    }

    /// The same over clients that are there already, of the registry and of its realm.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn with_http(
        settings: Settings,
        clock: Clock,
        http: Http,
        realm_http: Option<Http>,
    ) -> Result<Registry, SetupError> {
        let client = client::Client::with_http(&settings, clock.clone(), http, realm_http)?;
        Ok(Registry::over(settings, clock, client))
    }

    fn over(settings: Settings, clock: Clock, client: client::Client) -> Registry {
        Registry {
            target: TargetName::new(SOURCE, &settings.name),
            settings,
            clock,
            client,
            api: None,
            known: known::Known::default(),
            told_cuts: BTreeSet::new(),
        }
    }

    async fn visit(&mut self, visit: Visit) -> Observed {
        // What is left of the timeout is for handing over what has come.
        let deadline = Instant::now() + visit.timeout.saturating_mul(9) / 10;
        let limits = Limits::fixed(deadline, self.settings.reply_max_bytes);
        match visit::visit(self, limits).await {
            Ok(visited) => observe::observe(self, visited),
            Err(failure) => {
                // Whatever answers next may be another registry.
                self.api = None;
                let bytes = self.client.bytes();
                Observed { bytes, ..Observed::failed(failure.outcome, failure.message) }
            }
        }
    }
}

impl Source for Registry {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn recalls(&self) -> &'static [&'static Kind] {
        static KINDS: [&Kind; 4] = [&kinds::REGISTRY, &kinds::REPOSITORY, &kinds::TAG, &kinds::MANIFEST];
        &KINDS
    }

    fn recall(&mut self, kind: &'static Kind, entity: &EntityRecord) {
        let newest = entity.versions.last().map(|version| std::sync::Arc::clone(&version.attributes));
        self.known.recall(kind.name, &entity.identity, &newest.unwrap_or_default());
    }

    fn poll<'a>(&'a mut self, visit: Visit) -> BoxFuture<'a, Observed> {
        Box::pin(self.visit(visit))
    }
}
