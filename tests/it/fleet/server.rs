//! The sockets of a simulated fleet: HTTP/1.1 with kept connections, and engines that misbehave on request.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::replies::Engine;
use crate::harness::time::now_ms;

/// Sockets a fleet may hold: 40 engines × 50 containers asked at once, and the recorder's ends are not counted.
const OPEN_FILES: u64 = 8192;

/// How far the clock of an engine is ahead that is ahead.
const AHEAD_MS: i64 = 60_000;

/// How long stats take a slow engine: long enough to signal a recorder that waits for them, less than it waits at its end.
const SLOW: Duration = Duration::from_secs(3);

/// What is wrong with an engine's list of containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// It never ends.
    Huge,
    /// It is no JSON.
    NotJson,
    /// It is JSON, but of another shape.
    OtherShape,
    /// The connection closes in its middle.
    Cut,
    /// One byte a second.
    Trickle,
    /// A page of some proxy, with status 200.
    Html,
    /// Status 500 with a message.
    Status,
    /// Brackets within brackets, deeper than any reply.
    Deep,
    /// Nothing but its clock, which is a minute ahead.
    Ahead,
    /// Nothing, but stats take it some seconds.
    Slow,
}

/// What a fleet was asked for.
#[derive(Debug, Default)]
struct Asked {
    lists: AtomicU64,
    stats: AtomicU64,
}

/// Running engines. End when dropped.
pub(crate) struct Fleet {
    addresses: Vec<SocketAddr>,
    asked: Arc<Asked>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Fleet {
    /// Starts engines of so many containers each.
    pub(crate) fn start(engines: usize, containers: usize) -> Fleet {
        Fleet::with_faults(containers, &vec![Fault::None; engines])
    }

    /// Starts one engine for each fault.
    pub(crate) fn with_faults(containers: usize, faults: &[Fault]) -> Fleet {
        raise_open_files();
        let listeners: Vec<_> = faults.iter().map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
        let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        let asked = Arc::new(Asked::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let (born_ms, faults, counter) = (now_ms(), faults.to_vec(), Arc::clone(&asked));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                for (number, (listener, fault)) in listeners.into_iter().zip(faults).enumerate() {
                    listener.set_nonblocking(true).unwrap();
                    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                    let engine = Arc::new(Engine::new(number, containers, born_ms));
                    let counter = Arc::clone(&counter);
                    tokio::spawn(async move {
                        while let Ok((stream, _)) = listener.accept().await {
                            tokio::spawn(serve(stream, Arc::clone(&engine), fault, Arc::clone(&counter)));
                        }
                    });
                }
                let _ = stopped.await;
            });
        });
        Fleet { addresses, asked, stop: Some(stop), thread: Some(thread) }
    }

    /// The configuration of a recorder for one of its engines, with a name and these further lines.
    pub(crate) fn source(&self, number: usize, name: &str, lines: &str) -> String {
        let address = self.addresses[number];
        format!("[[source.docker]]\nname = \"{name}\"\nurl = \"tcp://{address}\"\n{lines}\n\n")
    }

    /// The same for all of them; names are n00, n01, ….
    pub(crate) fn sources(&self, lines: &str) -> String {
        if self.addresses.is_empty() {
            return "[source]\ndocker = []\n\n".to_owned();
        }
        (0..self.addresses.len()).map(|number| self.source(number, &format!("n{number:02}"), lines)).collect()
    }

    /// How many statistics were asked for.
    pub(crate) fn stats_served(&self) -> u64 {
        self.asked.stats.load(Ordering::Relaxed)
    }

    /// How many lists of containers were asked for.
    pub(crate) fn lists_served(&self) -> u64 {
        self.asked.lists.load(Ordering::Relaxed)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).unwrap();
    }
}

async fn serve(mut stream: TcpStream, engine: Arc<Engine>, fault: Fault, asked: Arc<Asked>) {
    let _ = stream.set_nodelay(true);
    let mut pending = Vec::with_capacity(1024);
    loop {
        let Some(head) = next_head(&mut stream, &mut pending).await else { return };
        let Some(target) = head.split(' ').nth(1) else { return };
        let path = without_version(target.split('?').next().unwrap_or(target));
        if path == "/events" && !is_over(target) {
            if write_all(&mut stream, EVENTS_HEAD).await.is_err() {
                return;
            }
            // Nothing happens in this fleet; the stream stays open until the client goes.
            let _ = stream.read(&mut [0; 1]).await;
            return;
        }
        if path == "/containers/json" {
            asked.lists.fetch_add(1, Ordering::Relaxed);
        }
        if path == "/containers/json" && !matches!(fault, Fault::None | Fault::Ahead | Fault::Slow) {
            misbehave(&mut stream, fault).await;
            return;
        }
        if path.ends_with("/stats") {
            asked.stats.fetch_add(1, Ordering::Relaxed);
            if fault == Fault::Slow {
                tokio::time::sleep(SLOW).await;
            }
        }
        let (status, body) = match engine.answer(path, now_ms() + if fault == Fault::Ahead { AHEAD_MS } else { 0 }) {
            Some(body) => ("200 OK", body),
            None if path == "/events" => ("200 OK", String::new()),
            None => ("404 Not Found", "{\"message\":\"page not found\"}".to_owned()),
        };
        let body = if head.starts_with("HEAD ") { String::new() } else { body };
        let reply = format!(
            "HTTP/1.1 {status}\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nOstype: linux\r\n\
             Server: Docker/20.10.24 (linux)\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if write_all(&mut stream, &reply).await.is_err() {
            return;
        }
    }
}

const EVENTS_HEAD: &str =
    "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The next request's head; the rest of what was read stays in `pending`.
async fn next_head(stream: &mut TcpStream, pending: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = pending.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = pending.drain(..end + 4).collect();
            return String::from_utf8(head).ok();
        }
        if stream.read_buf(pending).await.ok()? == 0 {
            return None;
        }
    }
}

/// `/v1.41/info` -> `/info`.
fn without_version(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("/v1.") else { return path };
    rest.find('/').map_or(path, |slash| &rest[slash..])
}

/// Whether an events request asks for a time that has passed altogether.
fn is_over(target: &str) -> bool {
    let until = target.split(['?', '&']).find_map(|parameter| parameter.strip_prefix("until="));
    let seconds = until.and_then(|until| until.split('.').next()?.parse::<i64>().ok());
    seconds.is_some_and(|seconds| seconds * 1000 <= now_ms())
}

async fn write_all(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
    stream.write_all(text.as_bytes()).await
}

async fn misbehave(stream: &mut TcpStream, fault: Fault) {
    let head = |status: &str, content_type: &str, length: usize| {
        format!(
            "HTTP/1.1 {status}\r\nApi-Version: 1.41\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let whole = |content_type: &str, body: &str| head("200 OK", content_type, body.len()) + body;
    let reply = match fault {
        Fault::None | Fault::Ahead | Fault::Slow => return,
        Fault::Huge => {
            if write_all(stream, EVENTS_HEAD).await.is_ok() {
                let piece = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
                while write_all(stream, &piece).await.is_ok() {}
            }
            return;
        }
        Fault::Trickle => {
            let _ = write_all(stream, &head("200 OK", "application/json", 1_000_000)).await;
            while write_all(stream, "[").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            return;
        }
        Fault::NotJson => whole("application/json", "[{\"Id\": oops}]"),
        Fault::OtherShape => whole("application/json", "{\"message\":\"this is no list\"}"),
        Fault::Cut => head("200 OK", "application/json", 1_000) + "[{\"Id\":\"0123",
        Fault::Html => whole("text/html", "<html><body>Please log in</body></html>"),
        Fault::Status => {
            let body = "{\"message\":\"the engine is in pain\"}";
            head("500 Internal Server Error", "application/json", body.len()) + body
        }
        Fault::Deep => whole("application/json", &"[".repeat(200_000)),
    };
    let _ = write_all(stream, &reply).await;
}
