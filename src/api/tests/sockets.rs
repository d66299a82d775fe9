//! The accept loop, over real sockets on loopback.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use warp::Filter;
use warp::filters::BoxedFilter;

use super::seed::context;
use crate::api::body::{Delivery, Ending, Failure, Output, produce};
use crate::api::negotiate::Encoding;
use crate::api::problem::Problem;
use crate::api::routes;
use crate::api::server::{ServerLimits, serve_filter};

struct Server {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

async fn server(limits: ServerLimits) -> Server {
    server_of(routes(Arc::new(context())), limits, None).await
}

async fn server_of(
    filter: BoxedFilter<(warp::reply::Response,)>,
    limits: ServerLimits,
    tls: Option<Arc<ServerConfig>>,
) -> Server {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async {
        let _ = stopped.await;
    };
    let ended = tokio::spawn(serve_filter(vec![listener], filter, limits, tls, shutdown));
    Server { address, stop, ended }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn send(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap();
    }
}

const GET: &str = "GET /api/v1/kinds HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn requests_over_a_socket() {
    let server = server(ServerLimits::default()).await;
    let answer = server.send(GET.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-length: "), "{answer}");
    let head = server.send(GET.replace("GET", "HEAD").as_bytes()).await;
    assert!(head.contains("content-length: ") && head.ends_with("\r\n\r\n"), "{head}");
    let two = GET.replace("Connection: close\r\n", "") + GET;
    assert_eq!(server.send(two.as_bytes()).await.matches("HTTP/1.1 200 OK").count(), 2, "one connection, two answers");
    server.end().await;
}

#[tokio::test]
async fn malformed_and_oversized_heads() {
    let server = server(ServerLimits::default()).await;
    let check = async |request: String, status: &str| {
        let answer = server.send(request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {answer}");
    };
    check("NONSENSE\r\n\r\n".to_owned(), "400").await;
    check(format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(40_000)), "431").await;
    check(format!("GET /?{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "a".repeat(20_000)), "414").await;
    check("GET /api/v1/kinds?x=%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(), "400").await;
    server.end().await;
}

#[tokio::test]
async fn slow_heads_and_idle_connections_are_ended() {
    let limits = ServerLimits { head_time: Duration::from_millis(100), ..ServerLimits::default() };
    let server = server(limits).await;
    assert!(!server.send(b"GET / HTTP/1.1\r\nHost:").await.starts_with("HTTP/1.1 200"), "half a head");
    assert_eq!(server.send(b"").await, "", "nothing at all");
    let answer = server.send(GET.replace("Connection: close\r\n", "").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "answered, then ended while idle");
    server.end().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let limits = ServerLimits { connections: 1, head_time: Duration::from_millis(300), ..ServerLimits::default() };
    let server = server(limits).await;
    let idle = server.connect().await;
    tokio::task::yield_now().await;
    // The first holds the only place until it is ended for being idle.
    let answer = server.send(GET.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(idle);
    server.end().await;
}

#[tokio::test]
async fn the_end_waits_for_answers_but_not_for_idle_clients() {
    let server = server(ServerLimits::default()).await;
    let idle = server.connect().await;
    tokio::task::yield_now().await;
    let ended = tokio::time::timeout(Duration::from_secs(5), server.end()).await;
    assert!(ended.is_ok(), "an idle connection does not hold up the end");
    drop(idle);
}

/// A server whose every answer is made by `producer`.
async fn server_that(
    producer: impl Fn(&mut Output) -> Result<Ending, Failure> + Clone + Send + Sync + 'static,
) -> Server {
    let context = Arc::new(context());
    let filter = warp::any().then(move || {
        let (context, producer) = (Arc::clone(&context), producer.clone());
        async move {
            let delivery = Delivery { encoding: Encoding::Identity, is_held: false };
            produce(&context, delivery, producer).await.unwrap_or_else(Problem::into_response)
        }
    });
    server_of(filter.boxed(), ServerLimits::default(), None).await
}

#[tokio::test]
async fn an_answer_that_breaks_off_resets_the_connection() {
    let rows = |out: &mut Output| {
        use std::io::Write;
        (0..200).try_for_each(|_| out.write_all(&b"row\r\n".repeat(10_000)))
    };
    for version in ["1.0", "1.1"] {
        let request = format!("GET / HTTP/{version}\r\nHost: x\r\nConnection: close\r\n\r\n");
        let whole = server_that(move |out| {
            rows(out)?;
            Ok(Ending::default())
        });
        let whole = whole.await;
        let answer = whole.send(request.as_bytes()).await;
        assert!(answer.matches("row").count() == 2_000_000, "HTTP/{version}");
        whole.end().await;

        let cut = server_that(move |out| {
            rows(out)?;
            Err(Problem::internal().into())
        });
        let cut = cut.await;
        let mut stream = cut.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let error = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "HTTP/{version}: never a clean end");
        cut.end().await;
    }
}

#[tokio::test]
async fn the_end_waits_for_an_answer_under_way() {
    let (begun, begins) = std::sync::mpsc::sync_channel::<()>(1);
    let (go_on, wait) = std::sync::mpsc::sync_channel::<()>(0);
    let wait = Arc::new(std::sync::Mutex::new(wait));
    let server = server_that(move |out| {
        use std::io::Write;
        begun.send(()).unwrap();
        wait.lock().unwrap().recv().unwrap();
        out.write_all(b"whole")?;
        Ok(Ending::default())
    });
    let server = server.await;
    let mut stream = server.connect().await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    tokio::task::spawn_blocking(move || begins.recv().unwrap()).await.unwrap();
    let end = tokio::spawn(server.end());
    tokio::task::yield_now().await;
    tokio::task::spawn_blocking(move || go_on.send(()).unwrap()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("whole"), "{answer}");
    end.await.unwrap();
}

#[tokio::test]
async fn bodies_without_content_have_no_false_length() {
    let server = server(ServerLimits::default()).await;
    let path = "/api/v1/range/container?start=2026-08-21T03:10:00Z&end=2026-08-21T03:11:00Z";
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIf-None-Match: *\r\n\r\n");
    let unchanged = server.send(request.as_bytes()).await;
    assert!(unchanged.starts_with("HTTP/1.1 304") && unchanged.ends_with("\r\n\r\n"), "{unchanged}");
    assert!(!unchanged.contains("content-length"), "{unchanged}");
    server.end().await;
}

#[tokio::test]
async fn tls_and_those_who_do_not_speak_it() {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../../../tests/fixtures/tls/cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../../tests/fixtures/tls/key.pem")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key);
    let server = server_of(routes(Arc::new(context())), ServerLimits::default(), Some(Arc::new(config.unwrap()))).await;
    assert!(!server.send(GET.as_bytes()).await.contains("200 OK"), "plain HTTP gets nothing");

    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, server.connect().await).await.unwrap();
    stream.write_all(GET.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    server.end().await;
}
