//! Servers that misbehave, one at a time, and what is said of them.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::{Failure, Http, Limits, Line, Reply, Tls};
use crate::model::Outcome;

const MAX_BYTES: usize = 64 * 1024;

fn limits(timeout: Duration) -> Limits {
    Limits::fixed(Instant::now() + timeout, MAX_BYTES)
}

/// A server on loopback that reads a request and then does what it is told.
async fn serve<F, G>(answer: F) -> String
where
    F: Fn(TcpStream) -> G + Send + 'static,
    G: Future<Output = io::Result<()>> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = answer(stream).await;
        }
    });
    format!("127.0.0.1:{}", address.port())
}

async fn bytes(bytes: &'static [u8]) -> String {
    serve(move |mut stream| async move { stream.write_all(bytes).await }).await
}

async fn get(url: &str) -> Result<Reply, Failure> {
    Http::live(url, None).unwrap().get_ok("/containers/json", limits(Duration::from_secs(2))).await
}

async fn check(url: &str, outcome: Outcome, says: &str) {
    let failure = get(url).await.unwrap_err();
    assert_eq!(failure.outcome, outcome, "{failure}");
    assert!(failure.message.contains(says), "{failure}");
    assert!(failure.message.starts_with("GET "), "{failure}");
    assert!(!failure.message.contains("s3cret"), "{failure}");
}

#[tokio::test]
async fn a_good_reply_comes_with_its_headers() {
    let address = bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nApi-Version: 1.41\r\n\r\nOK").await;
    let reply = get(&format!("tcp://{address}")).await.unwrap();
    assert_eq!((reply.status, &reply.body[..], reply.header("api-version")), (200, &b"OK"[..], Some("1.41")));
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    check(&format!("http://alice:s3cret@{address}"), Outcome::Refused, "start the service or correct `url`").await;
    check("unix:///nonexistent/docker.sock", Outcome::Unreachable, "no such socket").await;
    check("http://no-such-host.invalid:1", Outcome::Unreachable, "no-such-host.invalid").await;
}

#[tokio::test]
async fn a_status_says_what_to_do() {
    let redirect = bytes(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n").await;
    check(&format!("http://{redirect}"), Outcome::Status, "redirects are not followed").await;
    let broken = bytes(b"HTTP/1.1 500 X\r\nContent-Length: 21\r\n\r\n{\"message\":\"no disk\"}").await;
    check(&format!("http://{broken}"), Outcome::Status, "status 500 (no disk)").await;
    let locked = bytes(b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n").await;
    check(&format!("http://alice:s3cret@{locked}"), Outcome::Unauthorized, "credentials").await;
    let tls = bytes(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n").await;
    check(&format!("tcp://{tls}"), Outcome::Tls, "use https://").await;
}

#[tokio::test]
async fn a_reply_that_is_too_large_is_given_up() {
    let announced = bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n").await;
    check(&format!("http://{announced}"), Outcome::TooLarge, "larger than 65536 bytes").await;
    let endless = serve(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        loop {
            stream.write_all(&[b' '; 1024]).await?;
        }
    })
    .await;
    check(&format!("http://{endless}"), Outcome::TooLarge, "larger than 65536 bytes").await;
}

#[tokio::test]
async fn what_is_compressed_counts_as_what_it_becomes() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    io::Write::write_all(&mut encoder, &vec![b' '; MAX_BYTES + 1]).unwrap();
    let body: &'static [u8] = encoder.finish().unwrap().leak();
    let address = serve(move |mut stream| async move {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await
    })
    .await;
    assert!(body.len() < 1_000);
    check(&format!("http://{address}"), Outcome::TooLarge, "larger than 65536 bytes").await;
}

#[tokio::test]
async fn a_reply_cut_in_the_middle() {
    let counted = bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{\"Id\":").await;
    check(&format!("http://{counted}"), Outcome::Unreachable, "before the reply was whole").await;
    let chunked = bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{\"Id").await;
    check(&format!("http://{chunked}"), Outcome::Unreachable, "before the reply was whole").await;
    let silent = bytes(b"").await;
    check(&format!("http://{silent}"), Outcome::Unreachable, "before the reply was whole").await;
}

#[tokio::test]
async fn one_byte_a_second_is_too_slow() {
    let address = serve(|mut stream| async move {
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK".iter().cycle() {
            stream.write_all(&[*byte]).await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    })
    .await;
    check(&format!("http://{address}"), Outcome::Timeout, "raise `timeout`").await;
}

#[tokio::test]
async fn what_is_not_http_or_not_tls() {
    let ssh = bytes(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    check(&format!("http://{ssh}"), Outcome::Malformed, "not HTTP").await;
    check(&format!("https://{ssh}"), Outcome::Tls, "not TLS").await;
}

#[tokio::test]
async fn lines_come_one_by_one_and_long_ones_are_left_out() {
    let address = serve(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"a\"").await?;
        stream.write_all(b":1}\n\r\nsecond\r\n").await?;
        stream.write_all(&vec![b'x'; super::LINE_MAX_BYTES + 2]).await?;
        stream.write_all(b"\nlast").await
    })
    .await;
    let http = Http::live(&format!("http://{address}"), None).unwrap();
    let mut lines = http.lines("/events", limits(Duration::from_secs(5))).await.unwrap();
    let mut seen = Vec::new();
    while let Some(line) = lines.next().await.unwrap() {
        seen.push(match line {
            Line::Whole(line) => String::from_utf8(line).unwrap(),
            Line::TooLong => "too long".to_owned(),
        });
    }
    assert_eq!(seen, ["{\"a\":1}", "", "second", "too long", "last"]);
    let refused = bytes(b"HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\nbusy").await;
    let http = Http::live(&format!("http://{refused}"), None).unwrap();
    let failure = http.lines("/events", limits(Duration::from_secs(5))).await.unwrap_err();
    assert_eq!((failure.outcome, failure.status), (Outcome::Status, Some(503)));
}

#[test]
fn addresses_that_cannot_be_used_are_refused_with_what_would_do() {
    for (url, says) in [
        ("/var/run/docker.sock", "needs its scheme"),
        ("unix://var/run/docker.sock", "begins with a slash"),
        ("ftp://host", "use unix://, tcp://, http:// or https://"),
        ("http://", "cannot be read"),
        ("http://alice:s3cret@host:99999", "cannot be read"),
        ("http://host/?a=1", "no ? and no #"),
    ] {
        let error = Http::live(url, None).unwrap_err().to_string();
        assert!(error.contains(says), "{url}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn ports_and_schemes_follow_the_docker_client() {
    let shown = |url: &str, tls: Option<&Tls>| Http::live(url, tls).unwrap().url("/x");
    let tls = Tls::default();
    assert_eq!(shown("tcp://host", None), "http://host:2375/x");
    assert_eq!(shown("tcp://host", Some(&tls)), "https://host:2376/x");
    assert_eq!(shown("tcp://host:80", None), "http://host/x");
    assert_eq!(shown("tcp://[::1]", None), "http://[::1]:2375/x");
    assert_eq!(shown("https://alice:s3cret@host:2376/docker/", None), "https://host:2376/docker/x");
    assert_eq!(shown("unix:///var/run/docker.sock", None), "unix:///var/run/docker.sock/x");
}

#[test]
fn certificates_that_cannot_be_used_are_refused() {
    let pem = |text: &str| Some(text.as_bytes().to_vec());
    for (tls, says) in [
        (Tls { ca: pem("x"), ..Tls::default() }, "`ca`"),
        (Tls { cert: pem("x"), ..Tls::default() }, "`cert` needs its `key`"),
        (Tls { key: pem("x"), ..Tls::default() }, "`key` needs its `cert`"),
        (Tls { cert: pem("x"), key: pem("y"), ca: None }, "`cert` and `key`"),
    ] {
        let error = Http::live("https://host", Some(&tls)).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert!(!format!("{tls:?}").contains("[120]"));
    }
}

/// A TLS server on loopback that wants a certificate of `ca`, and answers OK.
async fn tls_server() -> u16 {
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::server::WebPkiClientVerifier;
    use tokio_rustls::rustls::{RootCertStore, ServerConfig};

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem("ca")).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder(roots.into()).build().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(&pem("server")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(&pem("server-key")).unwrap();
    let config = ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK").await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

fn pem(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/tls/{name}.pem", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[tokio::test]
async fn certificates_decide_who_talks_to_whom() {
    let port = tls_server().await;
    let with = |ca: Option<&str>, client: Option<&str>| Tls {
        ca: ca.map(pem),
        cert: client.map(pem),
        key: client.map(|client| pem(&format!("{client}-key"))),
    };
    let ask = async |scheme: &str, host: &str, tls: &Tls| {
        let http = Http::live(&format!("{scheme}://{host}:{port}"), Some(tls)).unwrap();
        http.get_ok("/_ping", limits(Duration::from_secs(5))).await
    };
    let right = with(Some("ca"), Some("client"));
    for (scheme, host) in [("https", "127.0.0.1"), ("tcp", "127.0.0.1"), ("https", "localhost")] {
        assert_eq!(&ask(scheme, host, &right).await.unwrap().body[..], b"OK", "{scheme} {host}");
    }
    for (tls, says) in [
        (with(Some("ca"), None), "it refuses the client certificate or wants one"),
        (with(Some("ca"), Some("stranger")), "it refuses the client certificate or wants one"),
        (with(Some("other-ca"), Some("client")), "the server's certificate is not trusted"),
        (with(None, Some("client")), "the server's certificate is not trusted"),
    ] {
        let failure = ask("https", "127.0.0.1", &tls).await.unwrap_err();
        assert_eq!(failure.outcome, Outcome::Tls, "{failure}");
        assert!(failure.message.contains(says), "{failure}");
    }
    let failure = ask("https", "127.0.0.2", &right).await.unwrap_err();
    assert_ne!(failure.outcome, Outcome::Ok, "{failure}");
    let mismatched = Tls { key: Some(pem("stranger-key")), ..right };
    let error = Http::live("https://localhost", Some(&mismatched)).unwrap_err().to_string();
    assert!(error.contains("do `cert` and `key` belong together?"), "{error}");
}
