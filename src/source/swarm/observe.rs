//! From a swarm's lists to observations of its nodes and services.
//!
//! Pure. Must not know: how the lists are fetched.

use std::collections::HashMap;

use super::kinds::{STARTING, STATES};
use super::wire::{Node, Service, Task};
use crate::model::{Attributes, Identity, Observation, Sample, Timestamp, Value};
use crate::source::host_names::HostNames;

/// The machines, each with the tasks that run on it.
pub(super) fn nodes(host: &str, hosts: &HostNames, nodes: &[Node], tasks: &[Task], at: Timestamp) -> Vec<Observation> {
    let mut running: HashMap<&str, usize> = HashMap::new();
    for node in tasks.iter().filter(|task| task.status.state == "running").filter_map(|task| task.node.as_deref()) {
        *running.entry(node).or_default() += 1;
    }
    let running = |node: &Node| running.get(node.id.as_str()).copied().unwrap_or(0);
    nodes.iter().map(|node| of_node(host, hosts, node, running(node), at)).collect()
}

/// The services, each with what became of its tasks.
pub(super) fn services(
    host: &str,
    services: &[Service],
    nodes: &[Node],
    tasks: &[Task],
    at: Timestamp,
) -> Vec<Observation> {
    let active = nodes.iter().filter(|node| node.spec.availability.as_deref() == Some("active")).count();
    let mut own: HashMap<&str, Vec<&Task>> = HashMap::new();
    for task in tasks {
        own.entry(task.service.as_str()).or_default().push(task);
    }
    let own = |service: &Service| own.get(service.id.as_str()).map_or(&[][..], Vec::as_slice);
    services.iter().map(|service| of_service(host, service, own(service), active, at)).collect()
}

fn count(number: usize) -> Value {
    Value::from(u64::try_from(number).ok())
}

fn insert(attributes: &mut Attributes, name: &'static str, text: Option<&String>) {
    attributes.extend(text.filter(|text| !text.is_empty()).map(|text| (name, text.as_str().into())));
}

fn of_node(host: &str, hosts: &HostNames, node: &Node, running: usize, at: Timestamp) -> Observation {
    let mut attributes = Attributes::new();
    let hostname = node.description.hostname.as_ref();
    let name = hostname.map(|hostname| hosts.name_at(hostname, node.status.addr.as_deref()).to_owned());
    insert(&mut attributes, "name", name.as_ref());
    insert(&mut attributes, "hostname", hostname);
    insert(&mut attributes, "role", node.spec.role.as_ref());
    insert(&mut attributes, "state", node.status.state.as_ref());
    insert(&mut attributes, "availability", node.spec.availability.as_ref());
    insert(&mut attributes, "address", node.status.addr.as_ref());
    insert(&mut attributes, "version", node.description.engine.engine_version.as_ref());
    attributes.insert("is_leader", node.manager_status.as_ref().is_some_and(|status| status.leader).into());
    attributes.insert("labels", node.spec.labels.clone().unwrap_or_default().into());
    let resources = &node.description.resources;
    let values = [count(running), resources.nano_cpus.into(), resources.memory_bytes.into()];
    Observation {
        identity: Identity::new([host, node.id.as_str()]),
        attributes: Some(attributes),
        ended: None,
        sample: Some(Sample { at, since: None, values: Box::new(values) }),
    }
}

/// `own`: its tasks; `active`: nodes that take tasks, for services that run on each.
fn of_service(host: &str, service: &Service, own: &[&Task], active: usize, at: Timestamp) -> Observation {
    let spec = &service.spec;
    let labels = spec.labels.clone().unwrap_or_default();
    let (mode, replicas) = match spec.mode.iter().next() {
        Some((name, mode)) => (Some(name.as_str()), mode.replicas.or(mode.max_concurrent)),
        None => (None, None),
    };
    let mut attributes = Attributes::new();
    insert(&mut attributes, "name", Some(&spec.name));
    insert(&mut attributes, "stack", labels.get("com.docker.stack.namespace"));
    insert(&mut attributes, "image", spec.task_template.container_spec.image.as_ref());
    let words = [
        ("Replicated", "replicated"),
        ("Global", "global"),
        ("ReplicatedJob", "replicated-job"),
        ("GlobalJob", "global-job"),
    ];
    if let Some((_, word)) = words.iter().find(|(name, _)| Some(*name) == mode) {
        attributes.insert("mode", (*word).into());
    }
    attributes.insert("labels", labels.into());
    let desired = match mode {
        Some("Replicated" | "ReplicatedJob") => Value::from(replicas),
        // As many as should run now: a node that was drained takes none.
        Some("Global") => {
            let wanted = own.iter().filter(|task| task.desired_state == "running").count();
            count(if wanted == 0 { active } else { wanted })
        }
        _ => Value::Null,
    };
    // One that is new waits for a node as one that is pending does.
    let state = |task: &Task| match task.status.state.as_str() {
        "new" => "pending",
        state => STATES.into_iter().find(|known| *known == state).unwrap_or(STARTING),
    };
    let in_state = |wanted: &str| count(own.iter().filter(|task| state(task) == wanted).count());
    let states = STATES.into_iter().chain([STARTING]).map(in_state);
    let values: Vec<Value> = std::iter::once(desired).chain(states).collect();
    Observation {
        identity: Identity::new([host, service.id.as_str()]),
        attributes: Some(attributes),
        ended: None,
        sample: Some(Sample { at, since: None, values: values.into() }),
    }
}
