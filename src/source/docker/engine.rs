//! Requests to one engine, in the API version agreed with it.
//!
//! Must not know: when which request is due, nor what is made of a reply.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::digests::ImageReply;
use super::inspect::{self, Inspected};
use super::list::{self, Listed};
use super::stats::{self, Quirks, Stats};
use super::version::{self, ApiVersion, VersionReply};
use crate::clock::Clock;
use crate::model::{Outcome, Timestamp};
use crate::source::http::{Failure, Http, Limits, Reply};

/// An engine that has said who it is.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) http: Arc<Http>,
    /// `/v1.41`.
    prefix: String,
    pub(super) version: ApiVersion,
    /// What `/version` said.
    pub(super) said: VersionReply,
    pub(super) quirks: Quirks,
    /// Its clock minus ours as `/_ping` showed it, in whole seconds; 0 within the tolerance.
    pub(super) clock_hint_ms: i64,
}

/// Most containers of one engine: ten times what one machine runs.
const CONTAINERS_MAX: usize = 10_000;

/// Largest reply with one container's stats; usual ones have 2 kB, and 30 bytes more for each CPU.
const STATS_MAX_BYTES: usize = 1024 * 1024;

/// Stats requests in flight at an engine that answers each at once, within milliseconds. Without one-shot each waits for
/// the engine's loop, so that all must be asked together; here more would bring nothing but connections, which are
/// kept and cost some 25 kB each. Enough that a few containers that hang hold nobody up.
const ONE_SHOT_CONCURRENCY: usize = 8;

/// Inspects in flight at an engine: each takes it milliseconds, and only a first poll asks for many.
const INSPECT_CONCURRENCY: usize = 4;

/// How many requests may be open at once: of this engine, and of all that share the semaphore.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    pub(super) concurrency: usize,
    pub(super) shared: Option<Arc<Semaphore>>,
}

impl Bounds {
    /// The same with no more than so many of this engine.
    fn at_most(&self, concurrency: usize) -> Bounds {
        Bounds { concurrency: self.concurrency.min(concurrency), shared: self.shared.clone() }
    }
}

/// A reply to one of many requests.
#[derive(Debug)]
pub(super) struct Fetched<T> {
    /// Position in what was asked for.
    pub(super) index: usize,
    /// When the request was sent.
    pub(super) sent: Timestamp,
    /// When its reply was there.
    pub(super) arrived: Timestamp,
    /// Bytes of its body.
    pub(super) bytes: usize,
    /// What came of it.
    pub(super) result: Result<T, Failure>,
}

impl Engine {
    /// Asks an engine who it is and agrees on a version.
    ///
    /// # Errors
    /// When it does not answer, or serves only versions that are not understood.
    pub(super) async fn connect(http: Arc<Http>, clock: &Clock, limits: Limits) -> Result<Engine, Failure> {
        let sent = clock.now();
        let ping = http.get_ok("/_ping", limits).await?;
        let arrived = clock.now();
        let reply = http.get_ok("/version", limits).await?;
        let said: VersionReply = json(&http, "/version", &reply)?;
        let newest = ping.header("api-version").map(str::to_owned).or_else(|| said.api_version.clone());
        let version = version::choose(newest.as_deref(), said.min_api_version.as_deref())
            .map_err(|why| Failure::new(Outcome::Malformed, format!("GET {}: {why}", http.url("/version"))))?;
        let quirks = quirks(&ping, &said);
        let clock_hint_ms = clock_hint_ms(&ping, sent, arrived);
        Ok(Engine { http, prefix: format!("/v{version}"), version, said, quirks, clock_hint_ms })
    }

    pub(super) fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    pub(super) async fn list(&self, limits: Limits) -> Result<(Vec<Listed>, usize), Failure> {
        let path = self.path("/containers/json?all=1");
        let reply = self.http.get_ok(&path, limits).await?;
        let listed = list::parse(&reply.body).map_err(|error| self.http.malformed(&path, &reply, &error))?;
        if listed.len() > CONTAINERS_MAX {
            let (url, count) = (self.http.url(&path), listed.len());
            let message =
                format!("GET {url}: {count} containers, more than the {CONTAINERS_MAX} that one engine may have");
            return Err(Failure::new(Outcome::TooLarge, message));
        }
        Ok((listed, reply.body.len()))
    }

    /// Gets a path of the API as JSON of a shape, with the size of its body.
    pub(super) async fn get<T>(
        &self,
        rest: &str,
        limits: Limits,
        parse: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<(T, usize), Failure> {
        let path = self.path(rest);
        let reply = self.http.get_ok(&path, limits).await?;
        let value = parse(&reply.body).map_err(|error| self.http.malformed(&path, &reply, &error))?;
        Ok((value, reply.body.len()))
    }

    /// Stats of many containers, all asked for at once under the bounds; what is not there at the deadline is not
    /// in the answer. `Ok(None)` is a container that has no numbers or is gone.
    pub(super) async fn stats(
        &self,
        ids: &[&str],
        bounds: &Bounds,
        clock: &Clock,
        limits: Limits,
    ) -> Vec<Fetched<Option<Stats>>> {
        let limits = limits.at_most(STATS_MAX_BYTES);
        // Podman ignores it, and engines before it would take the argument for nothing as well.
        let has_one_shot = self.version >= version::ONE_SHOT_FROM && !self.quirks.is_podman;
        let (one_shot, concurrency) =
            if has_one_shot { ("&one-shot=true", ONE_SHOT_CONCURRENCY) } else { ("", bounds.concurrency) };
        let one = |id: &str| {
            let path = self.path(&format!("/containers/{id}/stats?stream=false{one_shot}"));
            async move { self.one(&path, limits, |body| stats::parse(body, self.quirks)).await }
        };
        many(ids, &bounds.at_most(concurrency), clock, limits.deadline, one).await
    }

    /// Inspects one container; None if it is gone.
    pub(super) async fn inspect(&self, id: &str, limits: Limits) -> (usize, Result<Option<Inspected>, Failure>) {
        let path = self.path(&format!("/containers/{id}/json"));
        self.one(&path, limits, |body| inspect::parse(body).map(Some)).await
    }

    /// By what registries know many images, asked for at once under the bounds; None of one that is gone.
    pub(super) async fn image_digests(
        &self,
        ids: &[&str],
        bounds: &Bounds,
        clock: &Clock,
        limits: Limits,
    ) -> Vec<Fetched<Option<ImageReply>>> {
        let one = |id: &str| {
            let path = self.path(&format!("/images/{id}/json"));
            async move { self.one(&path, limits, |body| serde_json::from_slice(body).map(Some)).await }
        };
        many(ids, &bounds.at_most(INSPECT_CONCURRENCY), clock, limits.deadline, one).await
    }

    /// Inspects many containers at once under the bounds, as [`Engine::stats`].
    pub(super) async fn inspect_all(
        &self,
        ids: &[&str],
        bounds: &Bounds,
        clock: &Clock,
        limits: Limits,
    ) -> Vec<Fetched<Option<Inspected>>> {
        let one = |id: &str| {
            let id = id.to_owned();
            async move { self.inspect(&id, limits).await }
        };
        many(ids, &bounds.at_most(INSPECT_CONCURRENCY), clock, limits.deadline, one).await
    }

    /// What the engine tells of one thing, and how many bytes that took; None if it is gone.
    async fn one<T>(
        &self,
        path: &str,
        limits: Limits,
        parse: impl FnOnce(&[u8]) -> Result<Option<T>, serde_json::Error>,
    ) -> (usize, Result<Option<T>, Failure>) {
        let reply = match self.http.get(path, limits).await {
            Ok(reply) if reply.status == 404 => return (0, Ok(None)),
            Ok(reply) => reply,
            Err(failure) => return (0, Err(failure)),
        };
        let result = self
            .http
            .check_status(path, &reply)
            .and_then(|()| parse(&reply.body).map_err(|error| self.http.malformed(path, &reply, &error)));
        (reply.body.len(), result)
    }
}

/// Runs one request for each id, at most so many at once, until the deadline.
async fn many<'a, T, F>(
    ids: &'a [&'a str],
    bounds: &'a Bounds,
    clock: &'a Clock,
    deadline: Instant,
    one: impl Fn(&'a str) -> F,
) -> Vec<Fetched<T>>
where
    F: Future<Output = (usize, Result<T, Failure>)>,
{
    // Collected first: a lazy iterator's closure in the stream's type would keep this future from being Send.
    let requests: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(index, id)| {
            let request = one(id);
            async move {
                let permit = match &bounds.shared {
                    Some(shared) => shared.acquire().await.ok(),
                    None => None,
                };
                let sent = clock.now();
                let (bytes, result) = request.await;
                drop(permit);
                Fetched { index, sent, arrived: clock.now(), bytes, result }
            }
        })
        .collect();
    let mut running = stream::iter(requests).buffer_unordered(bounds.concurrency.max(1));
    let mut done = Vec::with_capacity(ids.len());
    while let Ok(Some(fetched)) = timeout_at(deadline, running.next()).await {
        done.push(fetched);
    }
    done
}

fn json<T: DeserializeOwned>(http: &Http, path: &str, reply: &Reply) -> Result<T, Failure> {
    serde_json::from_slice(&reply.body).map_err(|error| http.malformed(path, reply, &error))
}

/// What is peculiar about an engine that says this.
fn quirks(ping: &Reply, said: &VersionReply) -> Quirks {
    let component = said.components.iter().flatten().find(|component| component.name.starts_with("Podman"));
    let is_podman = component.is_some() || ping.header("libpod-api-version").is_some();
    let version = component.map(|component| component.version.as_str()).or(said.version.as_deref()).unwrap_or_default();
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let below_4_4 = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (4, 4);
    Quirks { is_podman, swaps_network: is_podman && below_4_4 }
}

/// The engine's clock minus ours by the reply's `Date`, if that lies more than its own second off.
fn clock_hint_ms(ping: &Reply, sent: Timestamp, arrived: Timestamp) -> i64 {
    /// A date has whole seconds, and so much may pass between it and either end of the request.
    const DATE_TOLERANCE_MS: i64 = 2_000;
    let date = ping.header("date").and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok());
    let Some(theirs) = date.map(|date| Timestamp::from_ms(date.timestamp_millis())) else { return 0 };
    let fits = sent.plus_ms(-DATE_TOLERANCE_MS) <= theirs && theirs <= arrived.plus_ms(DATE_TOLERANCE_MS);
    if fits { 0 } else { theirs.ms_since(arrived) }
}
