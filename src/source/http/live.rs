//! Requests to a real server, over a Unix socket, TCP or TLS.
//!
//! Must not know: what any path means, nor what is done with a failure.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Identity, Url};
use tokio::time::timeout_at;

use super::failure::{Failure, SetupError};
use super::{CONNECT_TIMEOUT, IDLE_CONNECTIONS_MAX, Limits, Method, Reply, Request, Tls};
use crate::model::Outcome;

/// The port of `tcp://host` without one, as the docker client takes it.
const DOCKER_PORT: u16 = 2375;
/// The same with TLS.
const DOCKER_TLS_PORT: u16 = 2376;

/// How often an idle stream is probed, so that a peer that vanished is noticed.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A client of one origin.
#[derive(Debug)]
pub struct Live {
    client: Client,
    /// What paths are appended to; credentials included.
    base: String,
    /// The same for people.
    shown: String,
}

impl Live {
    pub(super) fn new(url: &str, tls: Option<&Tls>, headers: HeaderMap) -> Result<Live, SetupError> {
        let mut builder = Client::builder()
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .tcp_keepalive(KEEPALIVE)
            .tcp_nodelay(true)
            .user_agent(concat!("tachograph/", env!("CARGO_PKG_VERSION")));
        let (base, shown) = if let Some(path) = url.strip_prefix("unix://") {
            if !path.starts_with('/') {
                return Err(SetupError::Address(format!("{url}: a socket's path begins with a slash: unix:///path")));
            }
            builder = builder.unix_socket(path);
            ("http://localhost".to_owned(), url.trim_end_matches('/').to_owned())
        } else {
            let parsed = parsed(url, tls)?;
            let mut shown = parsed.clone();
            // Both fail only for addresses without a host, which `parsed` has refused.
            let _ = shown.set_username("");
            let _ = shown.set_password(None);
            (without_slash(&parsed), without_slash(&shown))
        };
        if let Some(tls) = tls {
            builder = with_tls(builder, tls)?;
        } else if base.starts_with("http://") {
            // Nothing here is ever encrypted. The system's authorities would cost each client a quarter of a megabyte,
            // and a machine without any could have no client at all.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| {
            SetupError::Certificate(format!(
                "{shown}: cannot be set up: {}; do `cert` and `key` belong together?",
                chain(&error)
            ))
        })?;
        Ok(Live { client, base, shown })
    }

    pub(super) async fn get(&self, path: &str, limits: Limits) -> Result<Reply, Failure> {
        self.send(&Request { path, ..Request::default() }, limits).await
    }

    pub(super) async fn send(&self, request: &Request<'_>, limits: Limits) -> Result<Reply, Failure> {
        let Request { method, path, accept, authorization } = *request;
        let url = format!("{}{path}", self.base);
        let mut builder = match method {
            Method::Get => self.client.get(url),
            Method::Head => self.client.head(url),
        };
        if let Some(accept) = accept {
            builder = builder.header(ACCEPT, accept);
        }
        if let Some(authorization) = authorization {
            let mut value = HeaderValue::try_from(authorization).map_err(|_| {
                let what = "the user, password or token holds a character that no header can carry";
                Failure::new(Outcome::Unauthorized, format!("{} {}: {what}", method.name(), self.shown(path)))
            })?;
            value.set_sensitive(true);
            builder = builder.header(AUTHORIZATION, value);
        }
        self.limited(method.name(), path, builder, limits).await
    }

    pub(super) async fn post_json(&self, path: &str, body: String, limits: Limits) -> Result<Reply, Failure> {
        // Without a charset: some servers refuse the type with one.
        let request =
            self.client.post(format!("{}{path}", self.base)).header(CONTENT_TYPE, "application/json").body(body);
        self.limited("POST", path, request, limits).await
    }

    async fn limited(
        &self,
        method: &str,
        path: &str,
        request: reqwest::RequestBuilder,
        limits: Limits,
    ) -> Result<Reply, Failure> {
        match timeout_at(limits.deadline, self.whole(method, path, request, limits)).await {
            Ok(reply) => reply,
            Err(_) => Err(Failure::timeout(&self.shown(path))),
        }
    }

    async fn whole(
        &self,
        method: &str,
        path: &str,
        request: reqwest::RequestBuilder,
        limits: Limits,
    ) -> Result<Reply, Failure> {
        let failed = |error: reqwest::Error| Failure::of_client(method, &self.shown(path), &error);
        let mut response = request.send().await.map_err(failed)?;
        let max_bytes = limits.reply_max_bytes;
        let too_large = || Failure::too_large(&self.shown(path), limits);
        // A reply to HEAD announces the length that the body would have.
        let announced = match method {
            "HEAD" => 0,
            _ => response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0),
        };
        if announced > max_bytes {
            return Err(too_large());
        }
        // The announced length is a claim: room is made for what came, not for what is said to come.
        let mut body = Bytes::new();
        let mut more = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.is_empty() && more.is_empty() {
                body = chunk;
            } else {
                more.extend_from_slice(&body);
                body = Bytes::new();
                more.extend_from_slice(&chunk);
            }
            if body.len().max(more.len()) > max_bytes {
                return Err(too_large());
            }
        }
        let body = if more.is_empty() { body } else { more.freeze() };
        Ok(Reply { status: response.status().as_u16(), headers: std::mem::take(response.headers_mut()), body })
    }

    pub(super) async fn lines(&self, path: &str, limits: Limits) -> Result<LiveLines, Failure> {
        let sent = self.client.get(format!("{}{path}", self.base)).send();
        let response = match timeout_at(limits.deadline, sent).await {
            Ok(response) => response.map_err(|error| Failure::of_client("GET", &self.shown(path), &error))?,
            Err(_) => return Err(Failure::timeout(&self.shown(path))),
        };
        if !response.status().is_success() {
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = match timeout_at(limits.deadline, LiveLines { response }.more()).await {
                Ok(Ok(Some(body))) => body,
                _ => Bytes::new(),
            };
            return Err(Failure::of_status(&self.shown(path), &Reply { status, headers, body }));
        }
        Ok(LiveLines { response })
    }

    pub(super) fn shown(&self, path: &str) -> String {
        format!("{}{path}", self.shown)
    }
}

/// The rest of a streamed reply.
#[derive(Debug)]
pub(super) struct LiveLines {
    response: reqwest::Response,
}

impl LiveLines {
    pub(super) async fn more(&mut self) -> Result<Option<Bytes>, reqwest::Error> {
        self.response.chunk().await
    }
}

fn parsed(url: &str, tls: Option<&Tls>) -> Result<Url, SetupError> {
    let wrong = |what: String| SetupError::Address(what);
    let (scheme, rest) = url.split_once("://").ok_or_else(|| {
        wrong("an address needs its scheme: unix:///path, tcp://host:port, http://… or https://…".to_owned())
    })?;
    let (http, default_port) = match (scheme, tls) {
        ("http" | "https", _) => (scheme, None),
        ("tcp", None) => ("http", Some(DOCKER_PORT)),
        ("tcp", Some(_)) => ("https", Some(DOCKER_TLS_PORT)),
        _ => return Err(wrong(format!("{scheme}:// is not known; use unix://, tcp://, http:// or https://"))),
    };
    // The text itself may hold a password, so the message names only what is wrong with it.
    let mut parsed = Url::parse(&format!("{http}://{rest}"))
        .map_err(|error| wrong(format!("the {scheme}:// address cannot be read: {error}")))?;
    if let Some(port) = default_port
        && !has_port(rest)
    {
        parsed.set_port(Some(port)).map_err(|()| wrong(format!("the {scheme}:// address has no host")))?;
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(wrong(format!("the {scheme}:// address must end with its path: no ? and no #")));
    }
    Ok(parsed)
}

/// Whether an authority names its port; the parser drops a scheme's usual one.
fn has_port(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn without_slash(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

fn with_tls(mut builder: reqwest::ClientBuilder, tls: &Tls) -> Result<reqwest::ClientBuilder, SetupError> {
    let wrong = |what: &str, error: &reqwest::Error| SetupError::Certificate(format!("`{what}`: {}", chain(error)));
    if let Some(ca) = &tls.ca {
        let certificates = Certificate::from_pem_bundle(ca).map_err(|error| wrong("ca", &error))?;
        if certificates.is_empty() {
            return Err(SetupError::Certificate("`ca`: no certificate in it; it must be PEM text".to_owned()));
        }
        builder = builder.tls_certs_only(certificates);
    }
    match (&tls.cert, &tls.key) {
        (None, None) => {}
        (Some(cert), Some(key)) => {
            let pem = [key.as_slice(), b"\n", cert.as_slice()].concat();
            let identity = Identity::from_pem(&pem).map_err(|error| wrong("cert` and `key", &error))?;
            builder = builder.identity(identity);
        }
        (Some(_), None) => return Err(SetupError::Certificate("`cert` needs its `key`".to_owned())),
        (None, Some(_)) => return Err(SetupError::Certificate("`key` needs its `cert`".to_owned())),
    }
    Ok(builder)
}

/// An error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
