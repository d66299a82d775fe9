//! HTTP client of every source: live over a Unix socket, TCP or TLS, or canned from recorded replies.
//!
//! Every request has a deadline, every reply a largest size; redirects are never followed, so that credentials
//! go to the configured origin alone. Failures carry the outcome that a poll records and say what to do. Must not
//! know: what any path means.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use tokio::time::Instant;

mod canned;
mod credentials;
mod failure;
mod live;
#[cfg(test)]
mod tests;

pub use canned::{Canned, CannedReply};
pub use credentials::Credentials;
pub use failure::{Failure, SetupError};
use live::{Live, LiveLines};

/// Largest reply where nothing else is configured: the list of 2,000 containers is 2 MB.
pub const REPLY_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Longest line of a streamed reply; an event with a thousand labels stays below.
pub const LINE_MAX_BYTES: usize = 1024 * 1024;

/// How long a connection may take to come about; a loopback or local network needs milliseconds.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections kept open between polls: one for each of an engine's concurrent stats requests.
pub const IDLE_CONNECTIONS_MAX: usize = 256;

/// Certificates of a TLS connection, as PEM text.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// The only authorities trusted; None: those of the system.
    pub ca: Option<Vec<u8>>,
    /// Our certificate, with its chain; needs `key`.
    pub cert: Option<Vec<u8>>,
    /// Our private key.
    pub key: Option<Vec<u8>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let has = |part: &Option<Vec<u8>>| if part.is_some() { "given" } else { "none" };
        write!(f, "Tls {{ ca: {}, cert: {}, key: {} }}", has(&self.ca), has(&self.cert), has(&self.key))
    }
}

/// How long a request may take and how large its reply may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// When to give up.
    pub deadline: Instant,
    /// Largest body, decompressed.
    pub reply_max_bytes: usize,
    /// Whether that is the target's `reply_max` in the configuration, so that a larger reply can be let in there.
    pub is_configured: bool,
}

impl Limits {
    /// With a largest body that the configuration says.
    pub fn configured(deadline: Instant, reply_max_bytes: usize) -> Limits {
        Limits { deadline, reply_max_bytes, is_configured: true }
    }

    /// With a largest body that no real reply reaches.
    pub fn fixed(deadline: Instant, reply_max_bytes: usize) -> Limits {
        Limits { deadline, reply_max_bytes, is_configured: false }
    }

    /// The same for a reply that is smaller by its nature.
    #[must_use]
    pub fn at_most(self, bytes: usize) -> Limits {
        if bytes < self.reply_max_bytes { Limits::fixed(self.deadline, bytes) } else { self }
    }
}

/// A request that needs more than a path.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// What is wanted of it.
    pub method: Method,
    /// Path with its query.
    pub path: &'a str,
    /// The types of reply that are understood, as `Accept` lists them.
    pub accept: Option<&'a str>,
    /// What `Authorization` says; never shown.
    pub authorization: Option<&'a str>,
}

/// What is wanted of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// The whole reply.
    #[default]
    Get,
    /// Its headers only.
    Head,
}

impl Method {
    /// The word of the protocol.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
        }
    }
}

/// A whole reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, decompressed.
    pub body: Bytes,
}

impl Reply {
    /// A header's text, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Where requests go.
#[derive(Debug)]
pub enum Http {
    /// A server.
    Live(Live),
    /// Recorded replies.
    Canned(Canned),
}

impl Http {
    /// A client of `url`: `unix:///path`, `tcp://host:port` (TLS where `tls` is given), `http://…` or `https://…`.
    ///
    /// # Errors
    /// When the URL or a certificate cannot be used; the message says which and why.
    pub fn live(url: &str, tls: Option<&Tls>) -> Result<Http, SetupError> {
        Live::new(url, tls, HeaderMap::new()).map(Http::Live)
    }

    /// A client of `url` that asks for JSON and shows `credentials`: to this origin alone, for no redirect is followed.
    ///
    /// # Errors
    /// As [`Http::live`], and when the credentials hold what no header can.
    pub fn live_json(url: &str, tls: Option<&Tls>, credentials: Option<&Credentials>) -> Result<Http, SetupError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(credentials) = credentials {
            headers.insert(AUTHORIZATION, credentials.header()?);
        }
        Live::new(url, tls, headers).map(Http::Live)
    }

    /// A server whose replies are the files of a directory; see [`Canned::from_directory`].
    ///
    /// # Errors
    /// When the directory or one of its `.meta` files cannot be read.
    pub fn canned(directory: &Path) -> std::io::Result<Http> {
        Canned::from_directory(directory).map(Http::Canned)
    }

    /// Gets a path (with its query) and returns the whole reply, whatever its status.
    ///
    /// # Errors
    /// When no whole reply comes within the limits.
    pub async fn get(&self, path: &str, limits: Limits) -> Result<Reply, Failure> {
        match self {
            Http::Live(live) => live.get(path, limits).await,
            Http::Canned(canned) => canned.get(path, limits).await,
        }
    }

    /// Sends a request and returns the whole reply, whatever its status.
    ///
    /// # Errors
    /// When no whole reply comes within the limits.
    pub async fn send(&self, request: &Request<'_>, limits: Limits) -> Result<Reply, Failure> {
        match self {
            Http::Live(live) => live.send(request, limits).await,
            Http::Canned(canned) => canned.send(request, limits).await,
        }
    }

    /// Posts JSON to a path and returns the whole reply, whatever its status.
    ///
    /// # Errors
    /// When no whole reply comes within the limits.
    pub async fn post_json(&self, path: &str, body: String, limits: Limits) -> Result<Reply, Failure> {
        match self {
            Http::Live(live) => live.post_json(path, body, limits).await,
            Http::Canned(canned) => canned.get(&format!("POST {path} {body}"), limits).await,
        }
    }

    /// Gets a path and returns the reply if its status is 200 to 299.
    ///
    /// # Errors
    /// As [`Http::get`], and for any other status: 401 and 403 are unauthorized.
    pub async fn get_ok(&self, path: &str, limits: Limits) -> Result<Reply, Failure> {
        let reply = self.get(path, limits).await?;
        self.check_status(path, &reply)?;
        Ok(reply)
    }

    /// The failure that a reply's status means, if it means one.
    ///
    /// # Errors
    /// For any status but 200 to 299.
    pub fn check_status(&self, path: &str, reply: &Reply) -> Result<(), Failure> {
        if (200..300).contains(&reply.status) { Ok(()) } else { Err(Failure::of_status(&self.url(path), reply)) }
    }

    /// Opens a reply that is read line by line; the deadline of `limits` holds until its headers are there.
    ///
    /// # Errors
    /// As [`Http::get_ok`].
    pub async fn lines(&self, path: &str, limits: Limits) -> Result<Lines, Failure> {
        match self {
            Http::Live(live) => {
                let lines = live.lines(path, limits).await?;
                Ok(Lines { url: self.url(path), from: LinesFrom::Live(Box::new(lines)), buffer: LineBuffer::default() })
            }
            Http::Canned(canned) => {
                let reply = canned.get(path, limits).await?;
                self.check_status(path, &reply)?;
                let mut buffer = LineBuffer::default();
                buffer.push(&reply.body);
                Ok(Lines {
                    url: self.url(path),
                    from: LinesFrom::Canned { stays_open: canned.streams_stay_open() },
                    buffer,
                })
            }
        }
    }

    /// A failure of a path's reply that its text says itself.
    pub fn unusable(&self, path: &str, why: &str) -> Failure {
        Failure::new(crate::model::Outcome::Malformed, format!("GET {}: {why}", self.url(path)))
    }

    /// A reply's failure to be what was expected of it, as a failure of its request.
    pub fn malformed(&self, path: &str, reply: &Reply, cause: &serde_json::Error) -> Failure {
        Failure::malformed(&self.url(path), &reply.body, cause)
    }

    /// The address of a path, for messages: without credentials.
    pub fn url(&self, path: &str) -> String {
        match self {
            Http::Live(live) => live.shown(path),
            Http::Canned(_) => format!("canned:{path}"),
        }
    }
}

/// A reply that is read line by line, without end.
#[derive(Debug)]
pub struct Lines {
    url: String,
    from: LinesFrom,
    buffer: LineBuffer,
}

#[derive(Debug)]
enum LinesFrom {
    Live(Box<LiveLines>),
    Canned { stays_open: bool },
}

/// A piece of a streamed reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A line, without its end.
    Whole(Vec<u8>),
    /// A line longer than [`LINE_MAX_BYTES`], left out.
    TooLong,
}

impl Lines {
    /// The next line; None at the end of the reply. A last line without an end counts.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Line>, Failure> {
        loop {
            if let Some(line) = self.buffer.take_line() {
                return Ok(Some(line));
            }
            let more = match &mut self.from {
                LinesFrom::Live(live) => {
                    live.more().await.map_err(|cause| Failure::of_client("GET", &self.url, &cause))?
                }
                LinesFrom::Canned { stays_open: true } => std::future::pending().await,
                LinesFrom::Canned { stays_open: false } => None,
            };
            match more {
                Some(bytes) => self.buffer.push(&bytes),
                None => return Ok(self.buffer.take_rest()),
            }
        }
    }
}

/// Cuts bytes into lines and forgets the middle of those that are too long.
#[derive(Debug, Default)]
struct LineBuffer {
    bytes: Vec<u8>,
    searched: usize,
    is_skipping: bool,
}

impl LineBuffer {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn take_line(&mut self) -> Option<Line> {
        let found = self.bytes.get(self.searched..)?.iter().position(|byte| *byte == b'\n');
        let Some(found) = found else {
            if self.bytes.len() > LINE_MAX_BYTES {
                self.is_skipping = true;
                self.bytes.clear();
            }
            self.searched = self.bytes.len();
            return None;
        };
        let rest = self.bytes.split_off(self.searched.saturating_add(found).saturating_add(1));
        let mut line = std::mem::replace(&mut self.bytes, rest);
        self.searched = 0;
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let was_skipping = std::mem::take(&mut self.is_skipping);
        Some(if was_skipping || line.len() > LINE_MAX_BYTES { Line::TooLong } else { Line::Whole(line) })
    }

    fn take_rest(&mut self) -> Option<Line> {
        let rest = std::mem::take(&mut self.bytes);
        self.searched = 0;
        if std::mem::take(&mut self.is_skipping) {
            return Some(Line::TooLong);
        }
        (!rest.is_empty()).then_some(Line::Whole(rest))
    }
}
