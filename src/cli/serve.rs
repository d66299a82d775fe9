//! `serve`: records and serves until a signal says stop.
//!
//! Must not know: what the recorder does between start and stop.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tracing::warn;

use super::{CliError, FAILURE, logging, runtime};
use crate::app::{self, Control, Opened};
use crate::clock::Clock;

/// Signals that wait while the one before is followed; further ones of the same sort say nothing new.
const CONTROLS_WAITING_MAX: usize = 4;

/// Threads of the store that still work at the end get so long: a retention step or an answer, no commit.
const THREADS_WITHIN: Duration = Duration::from_secs(2);

pub(super) fn run(config: Option<&Path>) -> Result<(), CliError> {
    let log = app::load_config(config, &app::hostname()).map_err(CliError::Config)?.log;
    logging::start(log)?;
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        // Before the store: a migration may take a while, and is ended properly too.
        let signals = Signals::listen()?;
        let opened = Opened::open(config, Clock::System)?;
        let listener = bind(opened.config().server.listen).await?;
        let (controls, told) = mpsc::channel(CONTROLS_WAITING_MAX);
        let follow = tokio::spawn(signals.follow(controls));
        let ended = app::run(opened, vec![listener], told).await;
        follow.abort();
        ended.map_err(CliError::from)
    });
    runtime.shutdown_timeout(THREADS_WITHIN);
    ended
}

async fn bind(address: SocketAddr) -> Result<TcpListener, CliError> {
    TcpListener::bind(address).await.map_err(|cause| CliError::Listen { address, cause })
}

struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Signals, CliError> {
        let of = |kind| signal(kind).map_err(|cause| CliError::System { operation: "listen for signals", cause });
        Ok(Signals {
            hangup: of(SignalKind::hangup())?,
            interrupt: of(SignalKind::interrupt())?,
            terminate: of(SignalKind::terminate())?,
        })
    }

    /// Passes signals on; the second that says stop ends the process at once.
    async fn follow(mut self, controls: mpsc::Sender<Control>) {
        let mut is_stopping = false;
        loop {
            let control = tokio::select! {
                Some(()) = self.hangup.recv() => Control::Reload,
                Some(()) = self.interrupt.recv() => Control::Stop("SIGINT"),
                Some(()) = self.terminate.recv() => Control::Stop("SIGTERM"),
                else => return,
            };
            if is_stopping && control != Control::Reload {
                warn!("told to stop twice: ending at once");
                std::process::exit(i32::from(FAILURE));
            }
            is_stopping |= control != Control::Reload;
            // Full: as many wait already. Closed: it is stopping.
            let _ = controls.try_send(control);
        }
    }
}
