//! `[server]`: where the API listens and what it asks of those who come.

use std::net::SocketAddr;
use std::time::Duration;

use super::environment::Environment;
use super::seconds;
use super::secret::Secret;
use super::section::Section;
use super::tls::{CertificateAndKey, load_pair, read};

/// The variable that holds the token where no file does.
const TOKEN_VARIABLE: &str = "TACHOGRAPH_TOKEN";
/// A shorter one can be guessed over the network.
const TOKEN_BYTES_MIN: usize = 16;
/// Longer ones do not fit the head of a request.
const TOKEN_BYTES_MAX: usize = 1024;
/// Some dashboards and scripts; each idle connection costs a few KiB.
const CONNECTIONS_DEFAULT: u32 = 256;
/// A head that takes longer comes from nobody who wants an answer.
const HEAD_TIMEOUT_DEFAULT: Duration = seconds(10);
/// A year of samples over a slow line.
const RESPONSE_TIMEOUT_DEFAULT: Duration = seconds(600);
/// Each answer in the making holds a thread and a read transaction.
const ANSWERS_DEFAULT: u32 = 8;

/// The API's listener and its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Address and port.
    pub listen: SocketAddr,
    /// What a client must show, if anything.
    pub token: Option<Secret>,
    /// Certificate of the listener; None: without TLS.
    pub tls: Option<CertificateAndKey>,
    /// Connections open at once.
    pub connections_max: usize,
    /// How long a request's head may take to come.
    pub head_timeout: Duration,
    /// How long a whole answer may take to go.
    pub response_timeout: Duration,
    /// Answers being made at once; further ones wait.
    pub answers_max: usize,
}

pub(super) fn read_server(mut section: Section<'_>, environment: &Environment) -> Server {
    let before = section.faults().count();
    let listen = read_listen(&mut section);
    let token = read_token(&mut section, environment);
    let tls = read_tls(&mut section, environment);
    let insecure_allowed = section.boolean("allow_insecure_listen", false);
    // Only where the parts are right in themselves: a token file that cannot be read is one fault, not two.
    if section.faults().count() == before && !listen.ip().is_loopback() && !insecure_allowed {
        let missing = match (&token, &tls) {
            (None, None) => Some("a token (token_file) and TLS (tls_cert, tls_key)"),
            (None, Some(_)) => Some("a token (token_file)"),
            (Some(_), None) => Some("TLS (tls_cert, tls_key)"),
            (Some(_), Some(_)) => None,
        };
        if let Some(missing) = missing {
            let rest = "or listen on 127.0.0.1, or set allow_insecure_listen = true";
            section.fault("listen", format!("{listen} can be reached from elsewhere: give it {missing}, {rest}"));
        }
    }
    let connections_max = section.integer("connections_max", CONNECTIONS_DEFAULT, 1..=65_536);
    let head_timeout = section.duration("head_timeout", seconds(1)..=seconds(300)).unwrap_or(HEAD_TIMEOUT_DEFAULT);
    let response_timeout =
        section.duration("response_timeout", seconds(1)..=seconds(86_400)).unwrap_or(RESPONSE_TIMEOUT_DEFAULT);
    let answers_max = section.integer("answers_max", ANSWERS_DEFAULT, 1..=256);
    section.finish();
    Server {
        listen,
        token,
        tls,
        connections_max: usize::try_from(connections_max).unwrap_or(usize::MAX),
        head_timeout,
        response_timeout,
        answers_max: usize::try_from(answers_max).unwrap_or(usize::MAX),
    }
}

fn read_listen(section: &mut Section<'_>) -> SocketAddr {
    let default = SocketAddr::from(([127, 0, 0, 1], 8700));
    let Some(text) = section.text("listen") else { return default };
    let address = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}").parse(),
        None => text.parse(),
    };
    address.unwrap_or_else(|_| {
        section.fault("listen", format!("{text:?} is no address and port; write \"127.0.0.1:8700\" or \"[::1]:8700\""));
        default
    })
}

/// The token of the file, else of the variable.
fn read_token(section: &mut Section<'_>, environment: &Environment) -> Option<Secret> {
    let path = section.path("token_file");
    let (place, bytes) = match path {
        Some(path) => {
            let place = section.path_of("token_file");
            let bytes = read(&path, environment, &place, section.faults())?;
            (place, bytes)
        }
        None => (TOKEN_VARIABLE.to_owned(), environment.variable(TOKEN_VARIABLE)?.into_bytes()),
    };
    let token = bytes.trim_ascii();
    let fault = if !(TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len()) {
        format!("a token has {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} characters; this one has {}", token.len())
    } else if !token.iter().all(u8::is_ascii_graphic) {
        "a token is one line of printable ASCII without spaces".to_owned()
    } else {
        return Some(Secret::new(token));
    };
    section.faults().add(place, fault);
    None
}

fn read_tls(section: &mut Section<'_>, environment: &Environment) -> Option<CertificateAndKey> {
    match (section.path("tls_cert"), section.path("tls_key")) {
        (None, None) => None,
        (Some(_), None) => {
            section.fault("tls_key", "needed beside tls_cert: the certificate's private key");
            None
        }
        (None, Some(_)) => {
            section.fault("tls_cert", "needed beside tls_key: the key's certificate");
            None
        }
        (Some(cert), Some(key)) => {
            let places = [section.path_of("tls_cert"), section.path_of("tls_key")];
            load_pair(&cert, &key, environment, [&places[0], &places[1]], section.faults())
        }
    }
}
