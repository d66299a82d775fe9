//! Docker swarms, as an engine that is a manager tells them: nodes, services, failures of tasks.
//!
//! A visit asks for three lists (`wire`) and says what they come to (`observe`, `failures`: pure). An engine that is no
//! manager answers 503; it has nothing to tell, which is no failure. Must not know: the store, the sampler, SQL.

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::docker::Settings;
use super::host_names::HostNames;
use super::http::{Failure, Http, Limits, SetupError};
use super::{Observed, Source, Visit};
use crate::clock::Clock;
use crate::model::{Event, KindBatch, Observation, Outcome, TargetName};

mod failures;
mod kinds;
mod observe;
#[cfg(test)]
mod tests;
mod wire;

pub use kinds::{SWARM_NODE, SWARM_SERVICE};

use failures::Failures;
use wire::{Node, Service, Task};

/// The first part of a swarm's target name.
pub const SOURCE: &str = "swarm";

/// What an engine says, with status 503, that is no manager. A locked manager says other words with the same status.
const NO_MANAGER: &str = "not a swarm manager";

/// A swarm as one of its managers tells it: target `swarm/<name>`.
#[derive(Debug)]
pub struct Swarm {
    target: TargetName,
    settings: Settings,
    clock: Clock,
    http: Http,
    hosts: HostNames,
    failures: Failures,
}

impl Swarm {
    /// A source of the swarm of the engine at the configured address.
    ///
    /// # Errors
    /// When the address or a certificate cannot be used.
    pub fn new(settings: Settings, clock: Clock) -> Result<Swarm, SetupError> {
        let http = Http::live(&settings.url, settings.tls.as_ref())?;
        Ok(Swarm::with_http(settings, clock, http))
    }

    /// The same over a client that is there already.
    pub fn with_http(settings: Settings, clock: Clock, http: Http) -> Swarm {
        let target = TargetName::new(SOURCE, &settings.name);
        Swarm { target, settings, clock, http, hosts: HostNames::default(), failures: Failures::default() }
    }

    /// With names for the machines of its nodes.
    #[must_use]
    pub fn naming(self, hosts: HostNames) -> Swarm {
        Swarm { hosts, ..self }
    }

    async fn visit(&mut self, visit: Visit) -> Result<Observed, Failure> {
        let deadline = Instant::now() + visit.timeout.saturating_mul(9) / 10;
        let limits = Limits::configured(deadline, self.settings.reply_max_bytes);
        let mut bytes = 0_u64;
        let Some((nodes, services, tasks)) = self.lists(limits, &mut bytes).await? else {
            // No manager: whatever it told before has ended.
            return Ok(observed(bytes, Vec::new(), Vec::new(), Vec::new()));
        };
        let at = self.clock.now();
        let host = self.settings.name.as_str();
        let nodes_seen = observe::nodes(host, &self.hosts, &nodes, &tasks, at);
        let services_seen = observe::services(host, &services, &nodes, &tasks, at);
        let events = self.failures.since_before(&self.target, host, &services, &tasks, at);
        Ok(observed(bytes, nodes_seen, services_seen, events))
    }

    /// Nodes, services and tasks; None where the engine is no manager, or ceases to be one in between.
    async fn lists(
        &self,
        limits: Limits,
        bytes: &mut u64,
    ) -> Result<Option<(Vec<Node>, Vec<Service>, Vec<Task>)>, Failure> {
        let Some(nodes) = self.list("/nodes", limits, bytes).await? else { return Ok(None) };
        let Some(services) = self.list("/services", limits, bytes).await? else { return Ok(None) };
        let Some(tasks) = self.list("/tasks", limits, bytes).await? else { return Ok(None) };
        Ok(Some((nodes, services, tasks)))
    }

    /// A list; None where the engine is no manager. No version is named: all three look the same since API 1.24.
    async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        limits: Limits,
        bytes: &mut u64,
    ) -> Result<Option<Vec<T>>, Failure> {
        let reply = self.http.get(path, limits).await?;
        *bytes = bytes.saturating_add(u64::try_from(reply.body.len()).unwrap_or(u64::MAX));
        // 404 and 406: an engine without swarm, or one of another make.
        let is_no_manager = reply.status == 503 && String::from_utf8_lossy(&reply.body).contains(NO_MANAGER);
        if is_no_manager || matches!(reply.status, 404 | 406) {
            return Ok(None);
        }
        self.http.check_status(path, &reply)?;
        serde_json::from_slice(&reply.body).map(Some).map_err(|cause| self.http.malformed(path, &reply, &cause))
    }
}

fn observed(bytes: u64, nodes: Vec<Observation>, services: Vec<Observation>, events: Vec<Event>) -> Observed {
    Observed {
        outcome: Outcome::Ok,
        error: None,
        missing: Vec::new(),
        bytes,
        clock_offset_ms: 0,
        batches: vec![
            KindBatch { kind: &SWARM_NODE, complete: true, observations: nodes },
            KindBatch { kind: &SWARM_SERVICE, complete: true, observations: services },
        ],
        events,
    }
}

impl Source for Swarm {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn poll<'a>(&'a mut self, visit: Visit) -> BoxFuture<'a, Observed> {
        Box::pin(async move { self.visit(visit).await.unwrap_or_else(Observed::from) })
    }
}
