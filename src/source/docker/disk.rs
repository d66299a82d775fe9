//! `/system/df`, asked for seldom and beside the polls: it walks every volume and may take minutes.
//!
//! Must not know: what a poll does meanwhile.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::engine::Engine;
use super::info::{self, Disk};
use super::version;
use crate::source::http::{Failure, Limits};

/// How long it may take; engines with many volumes need minutes.
const TIMEOUT: Duration = Duration::from_secs(300);

/// What is known of an engine's disk, and the request under way.
#[derive(Debug)]
pub(super) struct DiskUsage {
    interval: Duration,
    /// As of the last answer; empty after a failed request.
    known: Disk,
    asked: Option<Instant>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running(JoinHandle<Result<(Disk, usize), Failure>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl DiskUsage {
    pub(super) fn new(interval: Duration) -> DiskUsage {
        DiskUsage { interval, known: Disk::default(), asked: None, running: None }
    }

    /// Takes in an answer if one is there, and asks if that is due. Never waits. Gives the bytes that came.
    ///
    /// # Errors
    /// Once for each request that failed.
    pub(super) fn refresh(&mut self, engine: &Arc<Engine>, reply_max_bytes: usize) -> Result<usize, Failure> {
        let mut outcome = Ok(0);
        if let Some(answer) = self.running.as_mut().and_then(|running| (&mut running.0).now_or_never()) {
            self.running = None;
            match answer {
                Ok(Ok((disk, bytes))) => {
                    self.known = disk;
                    outcome = Ok(bytes);
                }
                Ok(Err(failure)) => {
                    self.known = Disk::default();
                    outcome = Err(failure);
                }
                // Only this type ends the task early, and then nobody asks for its answer.
                Err(_) => self.known = Disk::default(),
            }
        }
        let is_due = self.asked.is_none_or(|asked| asked.elapsed() >= self.interval);
        if is_due && self.running.is_none() && engine.version >= version::DF_FROM {
            self.asked = Some(Instant::now());
            let engine = Arc::clone(engine);
            self.running = Some(Running(tokio::spawn(async move {
                let limits = Limits::configured(Instant::now() + TIMEOUT, reply_max_bytes);
                engine.get("/system/df", limits, info::parse_disk).await
            })));
        }
        outcome
    }

    /// Disk in use as of the last answer.
    pub(super) fn known(&self) -> Disk {
        self.known
    }
}
