//! A server made of recorded replies, for tests and simulations.
//!
//! Must not know: what any path means.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use super::failure::Failure;
use super::{Limits, Method, Reply, Request};

/// One recorded reply.
#[derive(Debug, Clone, Default)]
pub struct CannedReply {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// How long it takes.
    pub delay: Duration,
}

impl CannedReply {
    /// A reply with status 200 and a body.
    pub fn ok(body: impl Into<Bytes>) -> CannedReply {
        CannedReply { status: 200, body: body.into(), ..CannedReply::default() }
    }

    /// A reply with another status.
    pub fn with_status(status: u16, body: impl Into<Bytes>) -> CannedReply {
        CannedReply { status, ..CannedReply::ok(body) }
    }

    /// The same reply after a while.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> CannedReply {
        self.delay = delay;
        self
    }
}

/// Replies by path, those to HEAD by `HEAD <path>` and those to a POST by `POST <path> <body>`. Where a path has
/// several, they are given in turn and the last one again and again; a path that has none is answered with 404.
#[derive(Debug, Default)]
pub struct Canned {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    replies: HashMap<String, VecDeque<CannedReply>>,
    requests: Vec<String>,
    streams_stay_open: bool,
    is_down: bool,
    server: Option<Server>,
}

/// A server as a function; what it has no reply to is looked up among the recorded ones.
type ServerFn = dyn FnMut(&Request<'_>) -> Option<CannedReply> + Send;

struct Server(Box<ServerFn>);

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server(…)")
    }
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    method: String,
    path: String,
    status: Option<u16>,
    #[serde(default)]
    headers: HashMap<String, String>,
}

impl Canned {
    /// A server with no replies.
    pub fn new() -> Canned {
        Canned::default()
    }

    /// The replies of a directory and those below it, in the order of their names: the bodies stand in files,
    /// `FILE.meta` beside one holds JSON with `path`, `status` and `headers`.
    ///
    /// # Errors
    /// When a file cannot be read or a `.meta` is not such JSON.
    pub fn from_directory(directory: &Path) -> io::Result<Canned> {
        let canned = Canned::new();
        canned.add_directory(directory)?;
        Ok(canned)
    }

    fn add_directory(&self, directory: &Path) -> io::Result<()> {
        let mut paths = std::fs::read_dir(directory)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        for path in paths {
            if path.is_dir() {
                self.add_directory(&path)?;
            } else if path.extension().is_some_and(|extension| extension == "meta") {
                let meta: Meta = serde_json::from_slice(&std::fs::read(&path)?).map_err(|error| {
                    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))
                })?;
                let body = std::fs::read(path.with_extension(""))?;
                let headers = meta
                    .headers
                    .iter()
                    .filter_map(|(name, value)| {
                        Some((name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?))
                    })
                    .collect();
                let key = match meta.method.as_str() {
                    "" | "GET" => meta.path,
                    method => format!("{method} {}", meta.path),
                };
                self.add(
                    &key,
                    CannedReply {
                        status: meta.status.unwrap_or(200),
                        headers,
                        body: body.into(),
                        delay: Duration::ZERO,
                    },
                );
            }
        }
        Ok(())
    }

    /// Adds a reply after those that a path has.
    pub fn add(&self, path: &str, reply: CannedReply) {
        self.lock().replies.entry(path.to_owned()).or_default().push_back(reply);
    }

    /// Makes a reply the only one of a path.
    pub fn set(&self, path: &str, reply: CannedReply) {
        self.lock().replies.insert(path.to_owned(), VecDeque::from([reply]));
    }

    /// Asks `server` first for the reply to every request.
    pub fn serve(&self, server: impl FnMut(&Request<'_>) -> Option<CannedReply> + Send + 'static) {
        self.lock().server = Some(Server(Box::new(server)));
    }

    /// Refuses every connection, or stops doing so.
    pub fn set_down(&self, is_down: bool) {
        self.lock().is_down = is_down;
    }

    /// Whether a reply that is read line by line stays open after its last line, as a stream of events does.
    pub fn set_streams_stay_open(&self, stay_open: bool) {
        self.lock().streams_stay_open = stay_open;
    }

    /// Every path asked for until now, in order; they are forgotten by it.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().requests)
    }

    pub(super) fn streams_stay_open(&self) -> bool {
        self.lock().streams_stay_open
    }

    pub(super) async fn get(&self, path: &str, limits: Limits) -> Result<Reply, Failure> {
        self.send(&Request { path, ..Request::default() }, limits).await
    }

    pub(super) async fn send(&self, request: &Request<'_>, limits: Limits) -> Result<Reply, Failure> {
        let url = format!("canned:{}", request.path);
        let Some(reply) = self.next(request) else {
            let method = request.method.name();
            return Err(Failure::new(crate::model::Outcome::Refused, format!("{method} {url}: connection refused")));
        };
        let there = Instant::now() + reply.delay;
        if !reply.delay.is_zero() {
            sleep_until(there.min(limits.deadline)).await;
        }
        if there > limits.deadline {
            return Err(Failure::timeout(&url));
        }
        if reply.body.len() > limits.reply_max_bytes {
            return Err(Failure::too_large(&url, limits));
        }
        Ok(Reply { status: reply.status, headers: reply.headers, body: reply.body })
    }

    fn next(&self, request: &Request<'_>) -> Option<CannedReply> {
        let key = match request.method {
            Method::Get => request.path.to_owned(),
            Method::Head => format!("HEAD {}", request.path),
        };
        let mut state = self.lock();
        state.requests.push(key.clone());
        if state.is_down {
            return None;
        }
        if let Some(reply) = state.server.as_mut().and_then(|server| (server.0)(request)) {
            return Some(reply);
        }
        Some(
            match state.replies.get_mut(&key) {
                Some(replies) if replies.len() > 1 => replies.pop_front(),
                Some(replies) => replies.front().cloned(),
                None => None,
            }
            .unwrap_or_else(|| CannedReply::with_status(404, r#"{"message":"page not found"}"#)),
        )
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
