//! The accept loop: connections under limits, TLS, an end that lets answers finish.
//!
//! Must not know: what is answered.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use self::socket::{Broken, Socket, StallGuard};
use super::{Context, routes};

mod socket;

/// Bounds on connections.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Connections at once; further ones wait to be accepted. Each costs its buffers, about 128 KiB at worst.
    pub connections: usize,
    /// For the TLS handshake.
    pub handshake_time: Duration,
    /// From the end of an answer, or the start of a connection, to the whole head of the next request: ends idle
    /// connections and those that send a byte now and then.
    pub head_time: Duration,
    /// While an answer is being sent, without the client taking a byte.
    pub stall_time: Duration,
    /// For answers to end after the shutdown was asked for.
    pub drain_time: Duration,
    /// Bytes of a request's head, URL included.
    pub head_bytes: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        ServerLimits {
            connections: 256,
            handshake_time: Duration::from_secs(10),
            head_time: Duration::from_secs(30),
            stall_time: Duration::from_secs(60),
            drain_time: Duration::from_secs(10),
            head_bytes: 32 * 1024,
        }
    }
}

/// Bytes a connection reads ahead and gathers for writing.
const CONNECTION_BUFFER_BYTES: usize = 64 * 1024;

/// Pause after the system refused to accept, most often for want of file descriptors: they come back as
/// connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Answers on every listener until `shutdown` ends, then lets answers finish for at most `drain_time`.
pub async fn serve(
    listeners: Vec<TcpListener>,
    context: Arc<Context>,
    limits: ServerLimits,
    tls: Option<Arc<ServerConfig>>,
    shutdown: impl Future<Output = ()>,
) {
    serve_filter(listeners, routes(context), limits, tls, shutdown).await;
}

/// [`serve`] for any filter.
pub(super) async fn serve_filter(
    listeners: Vec<TcpListener>,
    filter: BoxedFilter<(Response,)>,
    limits: ServerLimits,
    tls: Option<Arc<ServerConfig>>,
    shutdown: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let (stop, stopped) = watch::channel(false);
    let acceptor = tls.map(TlsAcceptor::from);
    let mut loops = JoinSet::new();
    for listener in listeners {
        let (filter, slots, stopped, acceptor) =
            (filter.clone(), Arc::clone(&slots), stopped.clone(), acceptor.clone());
        loops.spawn(accept(listener, filter, limits, slots, acceptor, stopped));
    }
    shutdown.await;
    // The loops hold receivers until they end; if all have ended there is nobody to tell.
    let _ = stop.send(true);
    while loops.join_next().await.is_some() {}
}

/// Accepts until told to stop, then waits for the connections it accepted.
async fn accept(
    listener: TcpListener,
    filter: BoxedFilter<(Response,)>,
    limits: ServerLimits,
    slots: Arc<Semaphore>,
    acceptor: Option<TlsAcceptor>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = until_stopped(&mut stopped) => break,
        };
        // Reaps what has ended, so that the set stays as small as the limit.
        while connections.try_join_next().is_some() {}
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (filter, acceptor, stopped) = (filter.clone(), acceptor.clone(), stopped.clone());
        connections.spawn(async move {
            let _slot = slot;
            // Chunks are large; waiting to fill a packet only delays the last one.
            let _ = stream.set_nodelay(true);
            let (socket, broken) = Socket::new(stream);
            let stream = StallGuard::new(socket, limits.stall_time);
            match acceptor {
                None => connection(stream, filter, limits, stopped, &broken).await,
                Some(acceptor) => {
                    // A handshake that fails is the client's affair.
                    if let Ok(Ok(stream)) = tokio::time::timeout(limits.handshake_time, acceptor.accept(stream)).await {
                        connection(stream, filter, limits, stopped, &broken).await;
                    }
                }
            }
        });
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain_time, drained).await.is_err() {
        tracing::warn!("answers were still being sent at the end of the shutdown and are cut off");
    }
}

/// Ends when the shutdown was asked for, or can no longer be.
async fn until_stopped(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|is_stopped| *is_stopped).await;
}

/// Serves one connection until it ends; told to stop, it ends after the answer it is sending.
async fn connection<I>(
    io: I,
    filter: BoxedFilter<(Response,)>,
    limits: ServerLimits,
    mut stopped: watch::Receiver<bool>,
    broken: &Broken,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(warp::service(filter));
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_time)
            .max_header_size(limits.head_bytes)
            .max_buf_size(CONNECTION_BUFFER_BYTES)
            .serve_connection(TokioIo::new(io), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = until_stopped(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        broken.set();
        // What clients do to their connections is no fault of the recorder's.
        tracing::debug!(%error, "a connection broke off");
    }
}
