//! GET over a socket, and nothing more: tests must not share an HTTP client with what they test.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// The status code.
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Without transfer coding.
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The first header of a name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// GETs a path and reads the whole reply.
pub(crate) fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)], limit: Duration) -> io::Result<Reply> {
    let mut stream = connect(address, limit)?;
    stream.write_all(request(address, path, headers).as_bytes())?;
    read_reply(&mut BufReader::new(stream))
}

/// GETs a path over TLS from a server that says it is `localhost` and was signed by this authority (PEM).
pub(crate) fn get_over_tls(
    address: SocketAddr,
    authority: &[u8],
    path: &str,
    headers: &[(&str, &str)],
    limit: Duration,
) -> io::Result<Reply> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority).map_err(io::Error::other)?).map_err(io::Error::other)?;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let stream = connect(address, limit)?;
    let mut stream = StreamOwned::new(connection, stream);
    stream.write_all(request(address, path, headers).as_bytes())?;
    read_reply(&mut BufReader::new(stream))
}

fn connect(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    Ok(stream)
}

fn request(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> String {
    let extra: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{extra}\r\n")
}

/// HEADs a path: status and headers, and whatever came after them, which must be nothing.
pub(crate) fn head(address: SocketAddr, path: &str, limit: Duration) -> io::Result<Reply> {
    let mut stream = connect(address, limit)?;
    write!(stream, "HEAD {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut from = BufReader::new(stream);
    let (status, headers) = read_head(&mut from)?;
    let mut reply = Reply { status, headers, body: Vec::new() };
    from.read_to_end(&mut reply.body)?;
    Ok(reply)
}

/// Reads one reply to its end.
pub(crate) fn read_reply(from: &mut impl BufRead) -> io::Result<Reply> {
    let (status, headers) = read_head(from)?;
    let mut reply = Reply { status, headers, body: Vec::new() };
    if matches!(status, 204 | 304) {
        return Ok(reply);
    }
    if reply.header("transfer-encoding") == Some("chunked") {
        loop {
            let size = line(from)?;
            let size = u64::from_str_radix(&size, 16).map_err(|_| io::Error::other(format!("chunk size {size:?}")))?;
            let read = from.by_ref().take(size).read_to_end(&mut reply.body)?;
            if u64::try_from(read).ok() != Some(size) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            line(from)?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = reply.header("content-length").and_then(|length| length.parse().ok()) {
        from.by_ref().take(length).read_to_end(&mut reply.body)?;
    } else {
        from.read_to_end(&mut reply.body)?;
    }
    Ok(reply)
}

fn read_head(from: &mut impl BufRead) -> io::Result<(u16, Vec<(String, String)>)> {
    let status_line = line(from)?;
    let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status in {status_line:?}")))?;
    let mut headers = Vec::new();
    loop {
        let text = line(from)?;
        let Some((name, value)) = text.split_once(':') else { return Ok((status, headers)) };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut text = String::new();
    if from.read_line(&mut text)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(text.trim_end().to_owned())
}

/// A query string of these parameters, everything but unreserved characters escaped.
pub(crate) fn query(parameters: &[(&str, &str)]) -> String {
    let pairs: Vec<_> =
        parameters.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    pairs.join("&")
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
