//! Why a request gave no usable reply, as the outcome that a poll records and a sentence that helps.
//!
//! Must not know: which source asked. Messages never hold credentials: they name the address without them and
//! quote of a reply only its beginning.

use std::error::Error as StdError;
use std::io;

use tokio_rustls::rustls;

use super::{Limits, Reply};
use crate::model::Outcome;
use crate::source::Observed;

/// How much of a strange reply is quoted: enough to recognise a proxy's page.
const QUOTED_CHARS: usize = 160;

/// A request that gave no usable reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What a poll that fails for it records.
    pub outcome: Outcome,
    /// The reply's status code, where there was a reply.
    pub status: Option<u16>,
    /// Method, address, what went wrong and what to do.
    pub message: String,
}

/// A client that cannot be made of its settings.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address cannot be used.
    #[error("{0}")]
    Address(String),
    /// A certificate or key cannot be used.
    #[error("{0}")]
    Certificate(String),
}

impl From<Failure> for Observed {
    /// A visit that gave nothing.
    fn from(failure: Failure) -> Observed {
        Observed::failed(failure.outcome, failure.message)
    }
}

impl Failure {
    /// A failure that is not of HTTP itself.
    pub fn new(outcome: Outcome, message: impl Into<String>) -> Failure {
        Failure { outcome, status: None, message: message.into() }
    }

    pub(super) fn timeout(url: &str) -> Failure {
        Failure::new(
            Outcome::Timeout,
            format!("GET {url}: no whole reply in time; raise `timeout` if the service is only slow"),
        )
    }

    pub(super) fn too_large(url: &str, limits: Limits) -> Failure {
        let max_bytes = limits.reply_max_bytes;
        let advice = match limits.is_configured {
            true => "; raise `reply_max` of this source if that is expected",
            false => ", which no such reply should be",
        };
        Failure::new(Outcome::TooLarge, format!("GET {url}: the reply is larger than {max_bytes} bytes{advice}"))
    }

    pub(super) fn malformed(url: &str, body: &[u8], cause: &serde_json::Error) -> Failure {
        Failure::new(
            Outcome::Malformed,
            format!("GET {url}: not the JSON expected ({cause}); the reply begins {}", quoted(body)),
        )
    }

    pub(super) fn of_status(url: &str, reply: &Reply) -> Failure {
        let (outcome, advice) = match reply.status {
            401 | 403 => (Outcome::Unauthorized, "; give the credentials it wants"),
            300..400 => (Outcome::Status, "; redirects are not followed: configure the address it leads to"),
            400 if reply.body.starts_with(b"Client sent an HTTP request to an HTTPS server") => {
                (Outcome::Tls, "; use https:// in `url` and give `ca`, `cert` and `key`")
            }
            _ => (Outcome::Status, ""),
        };
        Failure {
            outcome,
            status: Some(reply.status),
            message: format!("GET {url}: status {}{}{advice}", reply.status, said(&reply.body)),
        }
    }

    pub(super) fn of_client(method: &str, url: &str, error: &reqwest::Error) -> Failure {
        let (outcome, what) = classify(error);
        Failure::new(outcome, format!("{method} {url}: {what}"))
    }
}

/// What a reply with a bad status says: the `message` of its JSON, else its beginning.
fn said(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Said {
        message: String,
    }
    match serde_json::from_slice::<Said>(body) {
        Ok(said) => format!(" ({})", shortened(&said.message)),
        Err(_) if body.is_empty() => String::new(),
        Err(_) => format!(", {}", quoted(body)),
    }
}

fn quoted(body: &[u8]) -> String {
    if body.is_empty() { "with nothing".to_owned() } else { format!("{:?}", shortened(&String::from_utf8_lossy(body))) }
}

fn shortened(text: &str) -> String {
    let text = text.trim();
    let mut short: String = text.chars().take(QUOTED_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The outcome and the sentence of a client's error, by the causes below it.
fn classify(error: &reqwest::Error) -> (Outcome, String) {
    let mut deepest = String::new();
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = cause {
        // An io::Error's `source` is that of the error inside it, so that the inner ones are looked at here.
        let mut inner = error;
        loop {
            if let Some(found) = of_cause(inner) {
                return found;
            }
            deepest = inner.to_string();
            match inner.downcast_ref::<io::Error>().and_then(|io| io.get_ref()) {
                Some(more) => inner = more,
                None => break,
            }
        }
        cause = error.source();
    }
    if error.is_timeout() {
        return (Outcome::Timeout, "no connection in time; is the address right and reachable?".to_owned());
    }
    if error.is_dns() {
        return (Outcome::Unreachable, format!("no such host ({deepest}); check the name in `url`"));
    }
    (
        Outcome::Unreachable,
        format!("the connection failed or broke ({})", if deepest.is_empty() { "no cause given" } else { &deepest }),
    )
}

fn of_cause(error: &(dyn StdError + 'static)) -> Option<(Outcome, String)> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some((Outcome::Tls, of_tls(tls)));
    }
    if let Some(http) = error.downcast_ref::<hyper::Error>() {
        if http.is_parse() {
            return Some((
                Outcome::Malformed,
                format!("the answer is not HTTP ({http}); a TLS service wants https:// in `url`"),
            ));
        }
        if http.is_incomplete_message() {
            return Some((Outcome::Unreachable, "the connection was closed before the reply was whole".to_owned()));
        }
    }
    let io = error.downcast_ref::<io::Error>()?;
    match io.kind() {
        io::ErrorKind::ConnectionRefused => Some((
            Outcome::Refused,
            "connection refused; nothing listens there: start the service or correct `url`".to_owned(),
        )),
        io::ErrorKind::NotFound => {
            Some((Outcome::Unreachable, "no such socket; start the service or correct the path in `url`".to_owned()))
        }
        io::ErrorKind::PermissionDenied => Some((
            Outcome::Unreachable,
            "permission denied; the recorder's user must be allowed to use the socket (group docker)".to_owned(),
        )),
        io::ErrorKind::TimedOut => {
            Some((Outcome::Timeout, "no connection in time; is the address right and reachable?".to_owned()))
        }
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            Some((Outcome::Unreachable, format!("the connection was closed before the reply was whole ({io})")))
        }
        _ => None,
    }
}

fn of_tls(error: &rustls::Error) -> String {
    match error {
        // The server's word on our certificate comes only with the first read.
        rustls::Error::AlertReceived(_) => format!(
            "the server ended the TLS handshake ({error}); it refuses the client certificate or wants one: check `cert` \
             and `key` (their authority, their dates)"
        ),
        rustls::Error::InvalidMessage(_) => {
            format!("the answer is not TLS ({error}); a service without TLS wants http:// in `url`")
        }
        rustls::Error::InvalidCertificate(_) => {
            format!(
                "the server's certificate is not trusted ({error}); check `ca`, and that `url` uses a name the certificate has"
            )
        }
        _ => format!("TLS failed ({error})"),
    }
}
