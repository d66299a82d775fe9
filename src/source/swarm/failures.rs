//! Which tasks failed since the list before, as events: each is told once.
//!
//! Pure. Must not know: how the lists are fetched.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::kinds::SWARM_SERVICE;
use super::wire::{Service, Task};
use crate::model::{AttributeValue, Event, Identity, Severity, TargetName, Timestamp};
use crate::source::wire::rfc3339;

/// Failed tasks that are remembered so that each is told once; a swarm keeps five a slot.
const TASKS_KNOWN_MAX: usize = 100_000;

/// The failed tasks of the list before; None: never looked, so that old failures are not told as new.
#[derive(Debug, Default)]
pub(super) struct Failures(Option<HashSet<String>>);

impl Failures {
    /// Events of the tasks that have failed and had not in the list before.
    pub(super) fn since_before(
        &mut self,
        target: &TargetName,
        host: &str,
        services: &[Service],
        tasks: &[Task],
        at: Timestamp,
    ) -> Vec<Event> {
        let names: HashMap<&str, &str> =
            services.iter().map(|service| (service.id.as_str(), service.spec.name.as_str())).collect();
        let has_failed = |task: &&Task| matches!(task.status.state.as_str(), "failed" | "rejected" | "orphaned");
        let failed: Vec<&Task> = tasks.iter().filter(has_failed).take(TASKS_KNOWN_MAX).collect();
        let name = |task: &Task| names.get(task.service.as_str()).copied().unwrap_or_default();
        let events = match &self.0 {
            None => Vec::new(),
            Some(known) => failed
                .iter()
                .filter(|task| !known.contains(&task.id))
                .map(|task| event(target, host, name(task), task, at))
                .collect(),
        };
        self.0 = Some(failed.iter().map(|task| task.id.clone()).collect());
        events
    }
}

fn event(target: &TargetName, host: &str, service: &str, task: &Task, at: Timestamp) -> Event {
    let mut details: BTreeMap<String, AttributeValue> = BTreeMap::new();
    let mut detail = |name: &str, value: AttributeValue| drop(details.insert(name.to_owned(), value));
    detail("task", task.id.as_str().into());
    detail("state", task.status.state.as_str().into());
    detail("service", service.into());
    if let Some(node) = &task.node {
        detail("node", node.as_str().into());
    }
    if let Some(slot) = task.slot.and_then(|slot| i64::try_from(slot).ok()) {
        detail("slot", slot.into());
    }
    let container = task.status.container_status.as_ref();
    if let Some(container) = container.filter(|container| !container.id.is_empty()) {
        detail("container", container.id.as_str().into());
    }
    if let Some(code) = container.and_then(|container| container.exit_code) {
        detail("exit_code", code.into());
    }
    let why = task.status.err.as_deref().unwrap_or("no reason given");
    Event {
        at: task.status.timestamp.as_deref().and_then(rfc3339).unwrap_or(at),
        severity: Severity::Warning,
        event_type: "task_failed",
        kind: Some(SWARM_SERVICE.name),
        entity: Some(Identity::new([host, task.service.as_str()])),
        target: target.clone(),
        source_id: task.id.clone(),
        message: format!("a task of service {service} {}: {why}", task.status.state),
        details,
    }
}
