//! The accept loop, over real sockets on loopback.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::seed::context;
use crate::api::server::{ServerLimits, serve};

struct Server {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

async fn server(limits: ServerLimits) -> Server {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async {
        let _ = stopped.await;
    };
    let ended = tokio::spawn(serve(vec![listener], Arc::new(context()), limits, None, shutdown));
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
