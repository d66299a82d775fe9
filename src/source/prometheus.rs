//! Any address that exposes metrics as text: Prometheus' format 0.0.4 or OpenMetrics, kind `metric`.
//!
//! A visit gets one page and reads it (`text`, `observe`: pure). A series that is no longer on a page has ended. Must
//! not know: the store, the sampler, SQL, what any name means.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::http::{Credentials, Failure, Http, Limits, REPLY_MAX_BYTES, Request, SetupError, Tls};
use super::metric::METRIC;
use super::{Observed, Source, Visit};
use crate::clock::Clock;
use crate::model::{Event, KindBatch, Outcome, Severity, TargetName, Timestamp};

mod observe;
#[cfg(test)]
mod tests;
pub(crate) mod text;

/// The first part of a target's name.
pub const SOURCE: &str = "prometheus";

/// Series kept of one target: an engine exposes some hundred, a large server some thousand.
pub const SERIES_MAX: usize = 10_000;

/// Labels of one series; twice what the largest exporters use.
pub const LABELS_MAX: usize = 32;

/// Longest name and value of a label: a path fits, a query or a stack trace does not.
pub const LABEL_MAX_BYTES: usize = 512;

/// Longest description that is kept.
const DESCRIPTION_CHARS_MAX: usize = 300;

/// What is understood, the richer first.
pub(crate) const ACCEPT: &str = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// What the configuration says of a target, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The target's name after `prometheus/`.
    pub name: String,
    /// `http://…` or `https://…` with path and query of the page.
    pub url: String,
    /// Certificates; None: the system's authorities for `https://`.
    pub tls: Option<Tls>,
    /// Who asks.
    pub credentials: Option<Credentials>,
    /// Names that are kept, `*` and `?` allowed; empty: all.
    pub allow: Vec<String>,
    /// Names that are not.
    pub deny: Vec<String>,
    /// Most series.
    pub series_max: usize,
    /// Most labels of a series; one with more is left out.
    pub labels_max: usize,
    /// Longest name or value of a label; a series with a longer one is left out.
    pub label_max_bytes: usize,
    /// Largest page, decompressed.
    pub reply_max_bytes: usize,
}

impl Settings {
    /// The defaults for a page at an address.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Settings {
        Settings {
            name: name.into(),
            url: url.into(),
            tls: None,
            credentials: None,
            allow: Vec::new(),
            deny: Vec::new(),
            series_max: SERIES_MAX,
            labels_max: LABELS_MAX,
            label_max_bytes: LABEL_MAX_BYTES,
            reply_max_bytes: REPLY_MAX_BYTES,
        }
    }
}

/// An address of a page: its origin, and path with query.
///
/// # Errors
/// When the address cannot be used; the message says why.
pub(crate) fn origin_and_path(url: &str) -> Result<(String, String), SetupError> {
    let wrong = |what: String| Err(SetupError::Address(what));
    let parsed = match reqwest::Url::parse(url) {
        Ok(parsed) => parsed,
        Err(error) => return wrong(format!("`url` cannot be read: {error}")),
    };
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
        return wrong("`url` must be http://host… or https://host…".to_owned());
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return wrong("`url` must hold no user and no password; give `user` and `password_file`".to_owned());
    }
    let path = match parsed.query() {
        Some(query) => format!("{}?{query}", parsed.path()),
        None => parsed.path().to_owned(),
    };
    Ok((parsed.origin().ascii_serialization(), path))
}

/// One page: target `prometheus/<name>`.
#[derive(Debug)]
pub struct Prometheus {
    target: TargetName,
    settings: Arc<Settings>,
    clock: Clock,
    http: Http,
    path: String,
    known: observe::Known,
    /// Whether the limits are being hit, and it was told.
    is_over_series: bool,
    is_over_labels: bool,
}

impl Prometheus {
    /// A source of the page at the configured address.
    ///
    /// # Errors
    /// When the address or a certificate cannot be used.
    pub fn new(settings: Settings, clock: Clock) -> Result<Prometheus, SetupError> {
        let (origin, _) = origin_and_path(&settings.url)?;
        let http = Http::live(&origin, settings.tls.as_ref())?;
        Prometheus::with_http(settings, clock, http)
    }

    /// The same over a client that is there already.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn with_http(settings: Settings, clock: Clock, http: Http) -> Result<Prometheus, SetupError> {
        let (_, path) = origin_and_path(&settings.url)?;
        Ok(Prometheus {
            target: TargetName::new(SOURCE, &settings.name),
            settings: Arc::new(settings),
            clock,
            http,
            path,
            known: observe::Known::new(),
            is_over_series: false,
            is_over_labels: false,
        })
    }

    async fn visit(&mut self, visit: Visit) -> Result<Observed, Failure> {
        // What is left of the timeout is for reading the page.
        let deadline = Instant::now() + visit.timeout.saturating_mul(9) / 10;
        let limits = Limits::configured(deadline, self.settings.reply_max_bytes);
        let (body, format) = page(&self.http, &self.path, self.settings.credentials.as_ref(), limits).await?;
        let at = self.clock.now();
        let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let (settings, target) = (Arc::clone(&self.settings), self.target.clone());
        // A page of some megabytes takes long enough to keep others waiting.
        let mut known = std::mem::take(&mut self.known);
        let read = tokio::task::spawn_blocking(move || {
            let text = String::from_utf8_lossy(&body);
            let seen = observe::read(&settings, &target, &text, format, at, &mut known);
            (seen, known)
        });
        let Ok((mut seen, known)) = read.await else {
            return Err(self.http.unusable(&self.path, "reading the page was interrupted"));
        };
        self.known = known;
        if let Some(why) = seen.unusable {
            return Err(self.http.unusable(&self.path, &why));
        }
        let events = self.limits_hit(&seen, at);
        let left_out = [
            (seen.over_series_max, "series beyond the limit `series_max`"),
            (seen.over_labels_max, "series with more or longer labels than `labels_max` and `label_max` allow"),
        ];
        seen.missing
            .extend(left_out.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
        let error = seen.missing.first().map(|first| match seen.missing.len() {
            1 => format!("left out: {first}"),
            all => format!("left out: {first} (and {} more)", all - 1),
        });
        Ok(Observed {
            outcome: if seen.missing.is_empty() { Outcome::Ok } else { Outcome::Partial },
            error,
            missing: seen.missing,
            bytes,
            clock_offset_ms: 0,
            batches: vec![KindBatch { kind: &METRIC, complete: seen.complete, observations: seen.observations }],
            events,
        })
    }

    /// Events of limits that are hit now and were not before.
    fn limits_hit(&mut self, seen: &observe::Seen, at: Timestamp) -> Vec<Event> {
        let hit = |limit: &str, message: String| Event {
            at,
            severity: Severity::Warning,
            event_type: "limit_hit",
            kind: None,
            entity: None,
            target: self.target.clone(),
            source_id: limit.to_owned(),
            message,
            details: [("limit".to_owned(), limit.into())].into(),
        };
        let mut events = Vec::new();
        let (over_series, over_labels) = (seen.over_series_max, seen.over_labels_max);
        if over_series > 0 && !self.is_over_series {
            let max = self.settings.series_max;
            events.push(hit(
                "series_max",
                format!("more than {max} series: {over_series} are left out; deny some names or raise `series_max`"),
            ));
        }
        if over_labels > 0 && !self.is_over_labels {
            events.push(hit(
                "labels_max",
                format!("{over_labels} series have too many or too long labels and are left out; see `labels_max`"),
            ));
        }
        (self.is_over_series, self.is_over_labels) = (over_series > 0, over_labels > 0);
        events
    }
}

/// Gets a page.
pub(crate) async fn page(
    http: &Http,
    path: &str,
    credentials: Option<&Credentials>,
    limits: Limits,
) -> Result<(bytes::Bytes, text::Format), Failure> {
    let authorization = credentials.map(Credentials::authorization);
    let request = Request { path, accept: Some(ACCEPT), authorization: authorization.as_deref(), ..Request::default() };
    let reply = http.send(&request, limits).await?;
    http.check_status(path, &reply)?;
    let format = text::Format::of(reply.header("content-type").unwrap_or_default());
    Ok((reply.body, format))
}

impl Source for Prometheus {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn poll<'a>(&'a mut self, visit: Visit) -> BoxFuture<'a, Observed> {
        Box::pin(async move { self.visit(visit).await.unwrap_or_else(Observed::from) })
    }
}
