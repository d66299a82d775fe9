//! The real server over a store that a test has filled by hand: every answer can be known beforehand.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tachograph::api::server::{ServerLimits, serve};
use tachograph::api::{ConfiguredTarget, Context, Live};
use tachograph::clock::{Clock, ManualClock};
use tachograph::model::{Snapshot, TargetName, Timestamp};
use tachograph::source::KINDS;
use tachograph::store::Store;
use tachograph::store::memory::Memory;
use tachograph::store::sqlite::Sqlite;
use tokio::sync::oneshot;

use super::http::{self, Reply};
use super::time::parse_ms;
use super::{Table, reaper};

const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// A server on loopback. Ends when dropped.
pub(crate) struct Served {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// An empty store of each sort, with its name.
pub(crate) fn stores() -> [(&'static str, Store); 2] {
    let path = reaper::directory().join("store.db");
    [("memory", Store::Memory(Memory::new(KINDS))), ("sqlite", Store::Sqlite(Sqlite::open(&path, KINDS).unwrap()))]
}

/// Milliseconds of `HH:MM:SS` on the day that seeded worlds live in.
#[track_caller]
pub(crate) fn t(time: &str) -> i64 {
    parse_ms(&format!("2026-08-21T{time}Z"))
}

impl Served {
    /// Serves what was recorded, at `now`, with everything before that in the store.
    pub(crate) fn start(store: Store, recorded: &[Snapshot], targets: &[(&str, &[&'static str])], now: i64) -> Served {
        store.append(recorded).unwrap();
        Served::over(Arc::new(store), targets, now)
    }

    /// Serves a store as it is.
    pub(crate) fn over(store: Arc<Store>, targets: &[(&str, &[&'static str])], now: i64) -> Served {
        let live = Live::default();
        live.set_ready(true);
        live.set_caught_up_until(Timestamp::from_ms(now));
        let configured = |(name, kinds): &(&str, &[&'static str])| ConfiguredTarget {
            target: TargetName::from_full(name),
            address: "tcp://10.0.0.5:2375".to_owned(),
            interval: Duration::from_secs(10),
            kinds: kinds.to_vec(),
        };
        live.set_targets(targets.iter().map(configured).collect());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let clock = Clock::Manual(ManualClock::starting_at(Timestamp::from_ms(now)));
                let salt = store.file_id().unwrap();
                let context = Context::new(store, KINDS, clock, Arc::new(live)).with_salt(salt);
                let stopped = async {
                    let _ = stopped.await;
                };
                serve(vec![listener], Arc::new(context), ServerLimits::default(), None, stopped).await;
            });
        });
        Served { address, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// GETs a path with request headers.
    #[track_caller]
    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        http::get(self.address, path, headers, ANSWER_WITHIN).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// GETs a path below the base, whatever the status.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.get_with(&format!("/api/v1/{path}"), &[])
    }

    /// GETs JSON below the base; any other status than 200 fails.
    #[track_caller]
    pub(crate) fn json(&self, path: &str) -> serde_json::Value {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "GET {path}: {}", reply.text());
        reply.json()
    }

    /// GETs a CSV table below the base: `range/container?step=1m` asks `/api/v1/range/container.csv?step=1m`.
    #[track_caller]
    pub(crate) fn table(&self, path: &str) -> Table {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let reply = self.get(&format!("{path}.csv?{query}"));
        assert_eq!(reply.status, 200, "GET {path}?{query}: {}", reply.text());
        Table::read(&reply.body)
    }

    /// The problem that a path below the base is refused with.
    #[track_caller]
    pub(crate) fn problem(&self, path: &str) -> serde_json::Value {
        let reply = self.get(path);
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "GET {path}: {}", reply.text());
        let problem = reply.json();
        assert_eq!(problem["status"], reply.status, "{path}: {problem}");
        problem
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
