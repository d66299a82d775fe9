//! HTTP servers on loopback that a test answers by a function. They can refuse, hang, and come back at the same
//! address; they note every request. Over TLS where a server's certificate is given.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::recorder::free_port;
use super::time::now_ms;

/// Sockets that servers and connections may take: three hundred of each, and what the recorder inherits.
const OPEN_FILES: u64 = 8192;

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// GET, POST and so on.
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    /// The first header of a name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The path without its query.
    pub(crate) fn bare_path(&self) -> &str {
        self.path.split('?').next().unwrap_or(&self.path)
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A whole reply.
    Reply(Reply),
    /// The head of a stream that stays open until the client goes.
    Open,
    /// Nothing, ever.
    Nothing,
}

/// A whole reply.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Arc<[u8]>,
}

impl Answer {
    /// 200 with a body of JSON.
    pub(crate) fn json(body: impl Into<String>) -> Answer {
        Answer::status(200, "application/json", body)
    }

    /// A status with a body of a type.
    pub(crate) fn status(status: u16, content_type: &str, body: impl Into<String>) -> Answer {
        let headers = vec![("Content-Type", content_type.to_owned())];
        Answer::Reply(Reply { status, headers, body: body.into().into_bytes().into() })
    }

    /// 307 to somewhere.
    pub(crate) fn redirect(location: String) -> Answer {
        Answer::Reply(Reply { status: 307, headers: vec![("Location", location)], body: Arc::default() })
    }

    /// The same with one more header.
    pub(crate) fn with(mut self, name: &'static str, value: String) -> Answer {
        if let Answer::Reply(reply) = &mut self {
            reply.headers.push((name, value));
        }
        self
    }
}

/// How a server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It answers.
    Up,
    /// Nobody listens at its address.
    Refuses,
    /// It takes connections and requests and answers none.
    Hangs,
}

/// A request that was answered.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) at_ms: i64,
    pub(crate) request: Request,
    /// Of the reply's body.
    pub(crate) bytes: usize,
}

type Handler = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

/// A thread on which servers run. They end when it is dropped.
pub(crate) struct Sites {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// One server.
pub(crate) struct Site {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    served: Arc<Mutex<Vec<Served>>>,
}

impl Sites {
    /// The thread, without a server yet.
    pub(crate) fn new() -> Sites {
        let limit = getrlimit(Resource::Nofile);
        let wanted = limit.maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
        if limit.current.is_some_and(|current| current < wanted) {
            setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let _ = runtime.block_on(stopped);
        });
        Sites { handle, stop: Some(stop), thread: Some(thread) }
    }

    /// A server on a port of its own.
    pub(crate) fn site(&self, handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Site {
        self.site_at(free_port(), None, handler)
    }

    /// A server over TLS.
    pub(crate) fn tls_site(
        &self,
        tls: Arc<ServerConfig>,
        handler: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Site {
        self.site_at(free_port(), Some(tls), handler)
    }

    /// A server on a port that [`free_port`] gave.
    pub(crate) fn site_at(
        &self,
        port: u16,
        tls: Option<Arc<ServerConfig>>,
        handler: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Site {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (mode, watched) = watch::channel(Mode::Up);
        let served = Arc::default();
        let listener = bind(address).expect("a port that was free a moment ago");
        let serving = Serving { handler: Arc::new(handler), mode: watched, served: Arc::clone(&served) };
        self.handle.spawn(serving.run(address, listener, tls.map(TlsAcceptor::from)));
        Site { address, mode, served }
    }
}

impl Drop for Sites {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Site {
    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Has it behave otherwise from now on.
    pub(crate) fn set_mode(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// What it has answered until now.
    pub(crate) fn served(&self) -> Vec<Served> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[derive(Clone)]
struct Serving {
    handler: Handler,
    mode: watch::Receiver<Mode>,
    served: Arc<Mutex<Vec<Served>>>,
}

impl Serving {
    async fn run(mut self, address: SocketAddr, listener: TcpListener, tls: Option<TlsAcceptor>) {
        let mut listener = Some(tokio::net::TcpListener::from_std(listener).unwrap());
        let mut connections = JoinSet::new();
        loop {
            let mode = *self.mode.borrow_and_update();
            if mode == Mode::Refuses {
                listener = None;
                connections.abort_all();
                if self.mode.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let Some(bound) = &listener else {
                match bind(address) {
                    Ok(bound) => listener = Some(tokio::net::TcpListener::from_std(bound).unwrap()),
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
                continue;
            };
            tokio::select! {
                accepted = bound.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    let _ = stream.set_nodelay(true);
                    let (serving, tls) = (self.clone(), tls.clone());
                    connections.spawn(async move {
                        match tls {
                            None => serving.connection(stream).await,
                            Some(tls) => {
                                if let Ok(stream) = tls.accept(stream).await {
                                    serving.connection(stream).await;
                                }
                            }
                        }
                    });
                }
                changed = self.mode.changed() => if changed.is_err() { return },
            }
            while connections.try_join_next().is_some() {}
        }
    }

    async fn connection(mut self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut pending = Vec::with_capacity(1024);
        while let Some(request) = next_request(&mut stream, &mut pending).await {
            if *self.mode.borrow_and_update() == Mode::Hangs {
                let _ = self.mode.wait_for(|mode| *mode != Mode::Hangs).await;
                return;
            }
            let answer = (self.handler)(&request);
            let bytes = if let Answer::Reply(reply) = &answer { reply.body.len() } else { 0 };
            let is_head = request.method == "HEAD";
            self.served.lock().unwrap_or_else(PoisonError::into_inner).push(Served { at_ms: now_ms(), request, bytes });
            let written = match answer {
                Answer::Reply(reply) => write(&mut stream, &reply, is_head).await,
                Answer::Open => {
                    let head =
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
                    let _ = stream.write_all(head.as_bytes()).await;
                    let _ = stream.flush().await;
                    let _ = stream.read(&mut [0; 1]).await;
                    return;
                }
                Answer::Nothing => {
                    let _ = stream.read(&mut [0; 1]).await;
                    return;
                }
            };
            if written.is_err() {
                return;
            }
        }
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), reply: &Reply, is_head: bool) -> std::io::Result<()> {
    let headers: String = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("HTTP/1.1 {} Said\r\nContent-Length: {}\r\n{headers}\r\n", reply.status, reply.body.len());
    stream.write_all(head.as_bytes()).await?;
    if !is_head {
        stream.write_all(&reply.body).await?;
    }
    stream.flush().await
}

/// The next request; what was read beyond it stays in `pending`.
async fn next_request(stream: &mut (impl AsyncRead + Unpin), pending: &mut Vec<u8>) -> Option<Request> {
    let end = loop {
        if let Some(end) = pending.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(pending).await.ok()? == 0 {
            return None;
        }
    };
    let head: Vec<u8> = pending.drain(..end).collect();
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap_or(0));
    while pending.len() < length {
        if stream.read_buf(pending).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(pending.drain(..length).collect()).ok()?;
    Some(Request { method, path, headers, body })
}
