//! The running recorder: opens the store, starts a task a target, serves, reloads, drains.
//!
//! Puts the parts together and holds no logic of its own. Must not know: signals, arguments, the terminal.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use crate::api::server::{ServerLimits, serve};
use crate::api::{Context as ApiContext, Limits, Live, Token};
use crate::clock::Clock;
use crate::config::{Config, ConfigFaults, Environment};
use crate::sampler::{Context, Progress, Retention, Sampler};
use crate::source::KINDS;
use crate::source::recorder::{Settings, Vitals};
use crate::store::sqlite::Sqlite;
use crate::store::{Store, StoreError};

use targets::{Planned, Planner};

pub mod targets;
mod tls;

/// How often the API is told how far the writer has come: once a commit.
const TELL_PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Most time for a whole reply's download is the configuration's; to its first bytes a person waits no longer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(120);

/// What a running recorder is told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Read the configuration again.
    Reload,
    /// End, for this reason.
    Stop(&'static str),
}

/// Why a recorder does not run.
#[derive(Debug, Error)]
pub enum AppError {
    /// The configuration has faults.
    #[error("the configuration cannot be used:\n{0}")]
    Config(ConfigFaults),
    /// The store failed.
    #[error("use the store {}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: Box<StoreError>,
    },
    /// The server's certificate or key cannot be used.
    #[error("use server.tls_cert and server.tls_key")]
    Tls {
        /// The cause.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A part of the recorder panicked.
    #[error("a part of the recorder panicked; its last words are in the log")]
    Panicked,
}

/// Displays an error with all its causes, once each.
#[derive(Debug)]
pub struct Failures<'a>(pub &'a dyn std::error::Error);

impl std::fmt::Display for Failures<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let causes = std::iter::successors(Some(self.0), |error| error.source());
        let mut last = String::new();
        for cause in causes {
            let text = cause.to_string();
            // Some errors repeat their cause in their own words.
            if !last.contains(&text) {
                let separator = if last.is_empty() { "" } else { ": " };
                write!(f, "{separator}{text}")?;
                last = text;
            }
        }
        Ok(())
    }
}

/// A recorder that has its configuration and its store, and does not run yet.
#[derive(Debug)]
pub struct Opened {
    config_path: Option<PathBuf>,
    config: Config,
    clock: Clock,
    machine_name: String,
    /// Tells this recording from any other that this address may have served.
    salt: String,
    store: Arc<Store>,
}

/// The machine's own name for itself, the recorder's until its store keeps one.
pub fn hostname() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// The configuration as this machine reads it.
pub fn load_config(path: Option<&Path>, machine_name: &str) -> Result<Config, ConfigFaults> {
    Config::load(path, &Environment::of_process(machine_name))
}

/// The configuration, with the name that the store it names has kept for this machine, if there is one. Reads only.
pub fn load_config_with_kept_name(path: Option<&Path>) -> Result<(Config, String), ConfigFaults> {
    let hostname = hostname();
    let config = load_config(path, &hostname)?;
    if !config.store_path.exists() {
        return Ok((config, hostname));
    }
    // A store that cannot be read has no name to give; whoever needs the store says why.
    let kept = Sqlite::open_read_only(&config.store_path, KINDS).and_then(|store| store.machine_name(&hostname));
    match kept {
        Ok(kept) if kept != hostname => Ok((load_config(path, &kept)?, kept)),
        _ => Ok((config, hostname)),
    }
}

impl Opened {
    /// Reads the configuration and opens the store for recording. Blocks.
    pub fn open(config_path: Option<&Path>, clock: Clock) -> Result<Opened, AppError> {
        let hostname = hostname();
        let mut config = load_config(config_path, &hostname).map_err(AppError::Config)?;
        let path = config.store_path.clone();
        let of_store = |cause| AppError::Store { path: path.clone(), cause: Box::new(cause) };
        let store = Store::Sqlite(Sqlite::open(&path, KINDS).map_err(of_store)?);
        let machine_name = store.machine_name(&hostname).map_err(of_store)?;
        if machine_name != hostname {
            config = load_config(config_path, &machine_name).map_err(AppError::Config)?;
        }
        let config_path = config_path.map(Path::to_owned);
        // Beside the drawn name, because a copy of the file that was put back lacks what came after it was made.
        let created = std::fs::metadata(&path).and_then(|metadata| metadata.created());
        let salt = format!("{} {created:?}", store.file_id().map_err(of_store)?);
        Ok(Opened { config_path, config, clock, machine_name, salt, store: Arc::new(store) })
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// Records and serves until told to stop, then drains.
pub async fn run(
    opened: Opened,
    listeners: Vec<TcpListener>,
    mut control: mpsc::Receiver<Control>,
) -> Result<(), AppError> {
    let Opened { config_path, mut config, clock, machine_name, salt, store } = opened;
    config.notes.iter().for_each(|note| info!("{note}"));
    let vitals = Arc::new(Vitals::new(clock.now()));
    let recorder = Settings { host: machine_name.clone() };
    let planner = Planner::new(clock.clone(), recorder.clone(), Arc::clone(&vitals));
    let live = Arc::new(Live::default());
    let server = Server::start(&config, &store, &clock, salt, Arc::clone(&live), listeners)?;

    let mut sampler = Sampler::start(Context {
        store: Arc::clone(&store),
        clock,
        vitals,
        recorder: recorder.target(),
        known: known_targets(&store, &config.store_path).await?,
        retention: retention(&config),
    });
    apply(&mut sampler, &live, planner.plan(&config));
    live.set_ready(true);
    let progress = sampler.progress();

    let mut every = tokio::time::interval(TELL_PROGRESS_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let reason = loop {
        tokio::select! {
            told = control.recv() => match told {
                Some(Control::Reload) => {
                    if let Some(newer) = reload(config_path.as_deref(), &machine_name, &config).await {
                        sampler.set_retention(retention(&newer));
                        apply(&mut sampler, &live, planner.plan(&newer));
                        config = newer;
                    }
                }
                Some(Control::Stop(reason)) => break reason,
                None => break "nobody is left to control it",
            },
            _ = every.tick() => tell_progress(&live, &progress),
        }
    };
    info!(reason, "stopping");
    let stopping = server.begin_stop();
    sampler.stop(reason).await;
    stopping.ended().await;
    info!("stopped");
    Ok(())
}

async fn known_targets(store: &Arc<Store>, path: &Path) -> Result<Vec<crate::store::TargetRecord>, AppError> {
    let store = Arc::clone(store);
    let known = tokio::task::spawn_blocking(move || store.targets()).await.map_err(|_| AppError::Panicked)?;
    known.map_err(|cause| AppError::Store { path: path.to_owned(), cause: Box::new(cause) })
}

fn retention(config: &Config) -> Retention {
    Retention {
        samples: Some(config.retention.samples),
        rollups: Some(config.retention.rollups),
        events: Some(config.retention.events),
        max_size_bytes: config.retention.max_size_bytes,
    }
}

fn tell_progress(live: &Live, progress: &Progress) {
    live.set_caught_up_until(progress.caught_up_until());
}

fn apply(sampler: &mut Sampler, live: &Live, planned: Vec<Planned>) {
    live.set_targets(planned.iter().map(Planned::configured).collect());
    let applied = sampler.apply(planned.into_iter().map(|planned| planned.target).collect());
    info!(added = applied.added, removed = applied.removed, changed = applied.changed, "targets");
}

/// The configuration read again, where it can be used.
async fn reload(path: Option<&Path>, machine_name: &str, old: &Config) -> Option<Config> {
    let (path, name) = (path.map(Path::to_owned), machine_name.to_owned());
    let loaded = tokio::task::spawn_blocking(move || load_config(path.as_deref(), &name)).await;
    let newer = match loaded {
        Ok(Ok(newer)) => newer,
        Ok(Err(faults)) => {
            let count = faults.faults().len();
            error!(faults = %faults, count, "the new configuration cannot be used: the old one stays in force");
            return None;
        }
        Err(_) => {
            error!("reading the configuration panicked: the old one stays in force");
            return None;
        }
    };
    info!("configuration read again");
    newer.notes.iter().for_each(|note| info!("{note}"));
    for (key, is_same) in [
        ("server", newer.server == old.server),
        ("store.path", newer.store_path == old.store_path),
        ("log", newer.log == old.log),
    ] {
        if !is_same {
            warn!(key, "changed in the configuration, but takes effect only after a restart");
        }
    }
    // Compared again at the next reload: what needs a restart still differs from what runs.
    Some(Config { server: old.server.clone(), store_path: old.store_path.clone(), log: old.log, ..newer })
}

/// The API's server as a task.
struct Server {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    fn start(
        config: &Config,
        store: &Arc<Store>,
        clock: &Clock,
        salt: String,
        live: Arc<Live>,
        listeners: Vec<TcpListener>,
    ) -> Result<Server, AppError> {
        let server = &config.server;
        let token = server.token.as_ref().map(|token| Token::new(&String::from_utf8_lossy(token.expose())));
        let defaults = Limits::default();
        let context = ApiContext::new(Arc::clone(store), KINDS, clock.clone(), live)
            .with_token(token)
            .with_salt(salt)
            .with_reports(config.reports_directory.clone())
            .with_limits(Limits {
                queries: server.answers_max,
                answer_time: server.response_timeout.min(ANSWER_TIME_MAX),
                download_time: server.response_timeout,
                ..defaults
            });
        let limits = ServerLimits {
            connections: server.connections_max,
            head_time: server.head_timeout,
            ..ServerLimits::default()
        };
        let tls = server.tls.as_ref().map(tls::server_config).transpose()?;
        for address in listeners.iter().filter_map(|listener| listener.local_addr().ok()) {
            let scheme = if tls.is_some() { "https" } else { "http" };
            info!("listening on {scheme}://{address}");
        }
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            // An error means that the recorder went without a word: also an end.
            let _ = stopped.await;
        };
        let task = tokio::spawn(serve(listeners, Arc::new(context), limits, tls, stopped));
        Ok(Server { stop, task })
    }

    fn begin_stop(self) -> Stopping {
        // It may have ended already.
        let _ = self.stop.send(());
        Stopping { task: self.task }
    }
}

/// A server that lets answers finish.
struct Stopping {
    task: tokio::task::JoinHandle<()>,
}

impl Stopping {
    async fn ended(self) {
        if self.task.await.is_err() {
            error!("the API's server panicked");
        }
    }
}
