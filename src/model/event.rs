//! Things that happened, at a time, to an entity or a target.

use std::collections::BTreeMap;

use super::entity::Identity;
use super::poll::TargetName;
use super::time::Timestamp;
use super::value::AttributeValue;

/// Something that happened. Unique by target, `at`, `source_id` and type: the same event told twice is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, by the source's own time.
    pub at: Timestamp,
    /// How much it matters.
    pub severity: Severity,
    /// Type name, such as `container_died`.
    pub event_type: &'static str,
    /// Kind of the entity it happened to, if it happened to one.
    pub kind: Option<&'static str>,
    /// The entity it happened to, by the identity of `kind`.
    pub entity: Option<Identity>,
    /// The target that told it.
    pub target: TargetName,
    /// What distinguishes it from others of its type at the same time: the source's nanoseconds, an id.
    pub source_id: String,
    /// One sentence for a person.
    pub message: String,
    /// Facts about it, by name.
    pub details: BTreeMap<String, AttributeValue>,
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Expected in normal work.
    Info,
    /// Worth a look.
    Warning,
    /// Something was lost or broke.
    Error,
}

impl Severity {
    /// All, mildest first.
    pub const ALL: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Error];

    /// The word outside.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }

    /// The severity a word means.
    pub fn from_name(name: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|severity| severity.name() == name)
    }
}

/// Every event type that is ever recorded, for validation of filters and for documentation.
pub const EVENT_TYPES: &[&str] = &[
    "container_created",
    "container_started",
    "container_died",
    "container_oom",
    "container_killed",
    "container_health_changed",
    "container_renamed",
    "container_removed",
    "image_tagged",
    "image_untagged",
    "image_deleted",
    "target_down",
    "target_up",
    "tick_skipped",
    "snapshot_dropped",
    "clock_stepped",
    "clock_offset",
    "counter_fell",
    "recorder_started",
    "recorder_stopped",
    "limit_hit",
    "repository_added",
    "repository_deleted",
    "tag_added",
    "tag_moved",
    "tag_deleted",
    "leader_changed",
    "agent_added",
    "agent_lost",
    "agent_drained",
    "task_state",
    "task_failed",
    "app_changed",
    "app_health_changed",
    "deployment_started",
    "deployment_ended",
    "role_changed",
    "quorum_lost",
];
