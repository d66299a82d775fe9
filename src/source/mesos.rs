//! Mesos clusters: masters, agents, frameworks, tasks, executors, of 0.28 to 1.11.
//!
//! One cluster is four targets, each with a pace of its own: `mesos/<name>` visits every master, `mesos-tasks/<name>`
//! asks the leader for its lists, `mesos-agents/<name>` visits every agent, `mesos-metrics/<name>` hands over the
//! numbers that fill no column. Must not know: the store, the sampler.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::attribution::Book;
use super::host_names::HostNames;
use super::http::{Credentials, Http, SetupError, Tls};
use super::zookeeper::nodes::{Nodes, NodesSettings};
use super::{Source, Visit};
use crate::clock::Clock;

pub mod kinds;

mod agents;
mod events;
mod leader;
mod masters;
mod metrics;
mod numbers;
mod process;
mod shared;
#[cfg(test)]
mod tests;
mod wire;

pub use agents::Agents;
pub use leader::Tasks;
pub use masters::Masters;
pub use metrics::Metrics;
use shared::Shared;

/// Largest reply of metrics or statistics: an agent with a thousand containers stays below.
const METRICS_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Largest list of the leader: the state of a cluster of 50,000 tasks is about 50 MB.
pub const LIST_MAX_BYTES: usize = 64 * 1024 * 1024;

/// Agents asked at once.
pub const IN_FLIGHT: usize = 64;

/// How often the leader is asked for its lists: it takes some milliseconds a thousand tasks for them, in its one thread.
pub const TASKS_INTERVAL: Duration = Duration::from_secs(60);

/// How often numbers without a column are recorded: there are about 300 of a process.
pub const METRICS_INTERVAL: Duration = Duration::from_secs(300);

/// Where the masters are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterSource {
    /// At these addresses, `http://…` or `https://…`.
    Listed(Vec<String>),
    /// Wherever they say in ZooKeeper.
    ZooKeeper(NodesSettings),
}

impl MasterSource {
    fn listed(&self) -> &[String] {
        match self {
            MasterSource::Listed(urls) => urls,
            MasterSource::ZooKeeper(_) => &[],
        }
    }

    fn nodes(&self) -> Option<Nodes> {
        match self {
            MasterSource::Listed(_) => None,
            MasterSource::ZooKeeper(settings) => Some(Nodes::new(settings.clone())),
        }
    }
}

/// What the configuration says of a cluster, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The cluster's name, and the targets' after their slash.
    pub name: String,
    /// Its masters.
    pub masters: MasterSource,
    /// Addresses of its agents; empty: those that the leader knows.
    pub agents: Vec<String>,
    /// Certificates; None: the system's authorities for `https://`.
    pub tls: Option<Tls>,
    /// Shown to masters and agents that the configuration lists.
    pub credentials: Option<Credentials>,
    /// Whether they are shown to masters found in ZooKeeper and to agents that the leader told of, too.
    pub trusts_discovered: bool,
    /// Pause between visits to masters and to agents.
    pub interval: Duration,
    /// Pause between requests for the leader's lists.
    pub tasks_interval: Duration,
    /// Pause between records of numbers without a column.
    pub metrics_interval: Duration,
    /// Agents asked at once.
    pub in_flight_max: usize,
    /// Largest list of the leader.
    pub reply_max_bytes: usize,
    /// What the machines of its agents are called.
    pub hosts: HostNames,
}

/// Whether an address stands in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// It does.
    Configured,
    /// ZooKeeper or the leader told it.
    Discovered,
}

impl Settings {
    /// The defaults for a cluster.
    pub fn new(name: impl Into<String>, masters: MasterSource) -> Settings {
        Settings {
            name: name.into(),
            masters,
            agents: Vec::new(),
            tls: None,
            credentials: None,
            trusts_discovered: false,
            interval: Duration::from_secs(10),
            tasks_interval: TASKS_INTERVAL,
            metrics_interval: METRICS_INTERVAL,
            in_flight_max: IN_FLIGHT,
            reply_max_bytes: LIST_MAX_BYTES,
            hosts: HostNames::default(),
        }
    }

    /// A client of one address: secrets go to those of the configuration, to others only where it says so.
    fn http(&self, url: &str, trust: Trust) -> Result<Http, SetupError> {
        let credentials = self.credentials.as_ref().filter(|_| trust == Trust::Configured || self.trusts_discovered);
        Http::live_json(url, self.tls.as_ref(), credentials)
    }

    /// The URL of an address that was told without a scheme: that of the masters.
    fn url_of(&self, address: &str) -> String {
        let has_tls = match &self.masters {
            MasterSource::Listed(urls) => urls.first().is_some_and(|url| url.starts_with("https://")),
            MasterSource::ZooKeeper(_) => self.tls.is_some(),
        };
        format!("{}://{address}", if has_tls { "https" } else { "http" })
    }
}

/// Host and port of a URL.
fn address_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest).to_owned()
}

/// A cluster, from which its four targets are made. They share what they learn.
#[derive(Debug)]
pub struct Cluster {
    settings: Arc<Settings>,
    clock: Clock,
    book: Arc<Book>,
    shared: Arc<Shared>,
}

/// One of the four targets of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `mesos/<name>`.
    Masters,
    /// `mesos-tasks/<name>`.
    Tasks,
    /// `mesos-agents/<name>`.
    Agents,
    /// `mesos-metrics/<name>`.
    Metrics,
}

impl Cluster {
    /// A cluster that writes down in `book` to what containers belong.
    pub fn new(settings: Settings, clock: Clock, book: Arc<Book>) -> Cluster {
        Cluster { settings: Arc::new(settings), clock, book, shared: Arc::default() }
    }

    /// One of its targets.
    ///
    /// # Errors
    /// When an address, a certificate or the credentials cannot be used.
    pub fn source(&self, part: Part) -> Result<Box<dyn Source>, SetupError> {
        let Cluster { settings, clock, book, shared } = self;
        Ok(match part {
            Part::Masters => Box::new(Masters::new(settings, clock, shared)?),
            Part::Tasks => Box::new(Tasks::new(settings, clock, shared, book)),
            Part::Agents => Box::new(Agents::new(settings, clock, shared, book)?),
            Part::Metrics => Box::new(Metrics::new(settings, shared)),
        })
    }
}

/// When a visit must have its answers: a little before its timeout, which is the caller's.
fn deadline(visit: Visit) -> Instant {
    /// What is left for taking the answer over.
    const MARGIN: Duration = Duration::from_millis(200);
    Instant::now() + visit.timeout.saturating_sub(MARGIN.min(visit.timeout / 10))
}
