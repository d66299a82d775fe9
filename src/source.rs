//! Sources: one file a system. A source visits its target and says what it saw, as values.
//!
//! Adding a system: one file here with its kinds and its [`Source`], one line in [`KINDS`], one migration, its
//! recorded replies. Must not know: the store, the sampler, SQL, the API.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::model::{EntityRecord, Event, Kind, KindBatch, Outcome, TargetName, Timestamp};

pub mod attribution;
pub mod docker;
pub mod host;
pub mod host_names;
pub mod http;
pub mod labelled;
pub mod marathon;
pub mod mesos;
pub mod metric;
pub mod prometheus;
pub mod recorder;
pub mod registry;
pub mod swarm;
mod wire;
pub mod zookeeper;

/// Every kind that is recorded, in the order of documentation.
pub static KINDS: &[&Kind] = &[
    &docker::kinds::CONTAINER,
    &docker::kinds::CONTAINER_INTERFACE,
    &docker::kinds::CONTAINER_DEVICE,
    &docker::kinds::process::CONTAINER_PROCESS,
    &docker::kinds::ENGINE,
    &docker::kinds::IMAGE_KIND,
    &host::HOST,
    &host::HOST_DEVICE,
    &host::HOST_INTERFACE,
    &host::HOST_FILESYSTEM,
    &registry::kinds::REGISTRY,
    &registry::kinds::REPOSITORY,
    &registry::kinds::TAG,
    &registry::kinds::MANIFEST,
    &swarm::SWARM_NODE,
    &swarm::SWARM_SERVICE,
    &mesos::kinds::MESOS_CLUSTER,
    &mesos::kinds::MESOS_MASTER,
    &mesos::kinds::MESOS_AGENT,
    &mesos::kinds::MESOS_FRAMEWORK,
    &mesos::kinds::MESOS_TASK,
    &mesos::kinds::MESOS_EXECUTOR,
    &marathon::kinds::MARATHON,
    &marathon::kinds::MARATHON_APP,
    &zookeeper::kinds::ZOOKEEPER,
    &metric::METRIC,
    &recorder::TARGET,
    &recorder::RECORDER,
];

/// The kind of a name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|kind| kind.name == name)
}

/// Something that can be visited. One visit at a time.
pub trait Source: Send {
    /// The target's name: `<source>/<configured name>`.
    fn target(&self) -> &TargetName;

    /// Kinds whose living entities it wants back from the store before the first visit. A manifest of a registry never
    /// changes, so it is kept there and asked for once.
    fn recalls(&self) -> &'static [&'static Kind] {
        &[]
    }

    /// Whether of those it wants only what its newest good poll listed, and nothing that lived but was not looked at.
    fn recalls_only_listed(&self) -> bool {
        false
    }

    /// Takes back what was stored of a living entity of one of those kinds, by polls of the same target.
    fn recall(&mut self, _kind: &'static Kind, _entity: &EntityRecord) {}

    /// Visits the target once. Returns by itself before `visit.deadline`, with what has come until then; the
    /// caller drops the future soon after that, and calls again.
    fn poll<'a>(&'a mut self, visit: Visit) -> BoxFuture<'a, Observed>;
}

/// When a visit begins and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Visit {
    /// The recorder's wall clock at its start.
    pub started: Timestamp,
    /// How long it may take.
    pub timeout: Duration,
}

/// What a visit saw.
#[derive(Debug, Clone)]
pub struct Observed {
    /// How it ended.
    pub outcome: Outcome,
    /// For a person: what went wrong, with the address but never a secret.
    pub error: Option<String>,
    /// What did not come although the list did, by name.
    pub missing: Vec<String>,
    /// Bytes of reply bodies.
    pub bytes: u64,
    /// The target's clock minus ours that was taken off its times.
    pub clock_offset_ms: i64,
    /// What was seen, a batch a kind; empty unless the outcome is good.
    pub batches: Vec<KindBatch>,
    /// What happened; kept also when the visit failed.
    pub events: Vec<Event>,
}

impl Observed {
    /// A failed visit.
    pub fn failed(outcome: Outcome, error: impl Into<String>) -> Self {
        Observed {
            outcome,
            error: Some(error.into()),
            missing: Vec::new(),
            bytes: 0,
            clock_offset_ms: 0,
            batches: Vec::new(),
            events: Vec::new(),
        }
    }
}
