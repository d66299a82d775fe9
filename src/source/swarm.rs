//! Docker swarms, as an engine that is a manager tells them: nodes, services, failures of tasks.
//!
//! An engine that is no manager answers 503; it has nothing to tell, which is no failure. Must not know: the store,
//! the sampler, SQL.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::docker::Settings;
use super::http::{Failure, Http, Limits, SetupError};
use super::{Observed, Source, Visit};
use crate::clock::Clock;
use crate::model::{
    Attribute, AttributeType, AttributeValue, Attributes, Column, Event, Identity, Key, Kind, KindBatch, Observation,
    Outcome, Sample, Severity, TargetName, Timestamp, Value,
};

/// The first part of a swarm's target name.
pub const SOURCE: &str = "swarm";

/// Ended tasks that are remembered so that their failures are told once; a swarm keeps five a slot.
const TASKS_KNOWN_MAX: usize = 100_000;

/// States of tasks that count as their own column; the rest are on the way to one of them.
const STATES: [&str; 8] = ["running", "complete", "failed", "rejected", "shutdown", "orphaned", "remove", "pending"];

const HOST_KEY: Key = Key { name: "host", help: "The manager's name in the configuration." };

const fn fact(name: &'static str, ty: AttributeType, help: &'static str) -> Attribute {
    Attribute::new(name, ty, help)
}

const fn number(name: &'static str, help: &'static str) -> Column {
    Column::gauge(name, name, "", 0, help)
}

/// A machine of a swarm.
pub static SWARM_NODE: Kind = Kind {
    name: "swarm_node",
    help: "A machine of a Docker swarm, as a manager tells of it.",
    identity: &[HOST_KEY, Key { name: "id", help: "The node's id." }],
    attributes: &[
        fact("name", AttributeType::Text, "The machine's own name."),
        fact("role", AttributeType::Text, "manager or worker."),
        fact("is_leader", AttributeType::Boolean, "Whether it leads the managers."),
        fact("state", AttributeType::Text, "Whether it answers: ready, down, unknown, disconnected."),
        fact("availability", AttributeType::Text, "Whether it takes tasks: active, pause, drain."),
        fact("address", AttributeType::Text, "Where the swarm reaches it."),
        fact("version", AttributeType::Text, "Version of its engine."),
        fact("labels", AttributeType::Map, "Labels of the node."),
    ],
    columns: &[
        number("tasks_running", "Tasks that run on it.").headline(),
        Column::gauge("cpus_capacity", "cpu_capacity_nano", "", 9, "Processors that it has.").headline(),
        Column::gauge("memory_capacity_bytes", "memory_capacity_bytes", "bytes", 0, "Memory that it has.").headline(),
    ],
    derived: &[],
    display: &["host", "name", "id"],
};

/// A service of a swarm.
pub static SWARM_SERVICE: Kind = Kind {
    name: "swarm_service",
    help: "A service of a Docker swarm: how many of its tasks should run, and what became of those it had.",
    identity: &[HOST_KEY, Key { name: "id", help: "The service's id." }],
    attributes: &[
        fact("name", AttributeType::Text, "The service's name."),
        fact("stack", AttributeType::Text, "The stack that it belongs to."),
        fact("mode", AttributeType::Text, "replicated, global, replicated-job or global-job."),
        fact("image", AttributeType::Text, "The image that it runs."),
        fact("labels", AttributeType::Map, "Labels of the service."),
    ],
    columns: &[
        number("desired", "Tasks that should run.").headline(),
        number("running", "Tasks that run.").headline(),
        number("complete", "Tasks kept in the list that ended well."),
        number("failed", "Tasks kept in the list that failed.").headline(),
        number("rejected", "Tasks kept in the list that a node could not start."),
        number("shutdown", "Tasks kept in the list that were stopped."),
        number("orphaned", "Tasks kept in the list whose node was lost."),
        number("remove", "Tasks kept in the list that are being removed."),
        number("pending", "Tasks that wait for a node."),
        number("starting", "Tasks on the way: assigned, accepted, preparing, starting."),
    ],
    derived: &[],
    display: &["host", "name", "id"],
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Node {
    #[serde(rename = "ID")]
    id: String,
    spec: NodeSpec,
    description: Description,
    status: NodeStatus,
    manager_status: Option<ManagerStatus>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct NodeSpec {
    labels: Option<BTreeMap<String, String>>,
    role: Option<String>,
    availability: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Description {
    hostname: Option<String>,
    resources: Resources,
    engine: EngineDescription,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Resources {
    #[serde(rename = "NanoCPUs")]
    nano_cpus: Option<u64>,
    #[serde(rename = "MemoryBytes")]
    memory_bytes: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct EngineDescription {
    engine_version: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct NodeStatus {
    state: Option<String>,
    addr: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ManagerStatus {
    leader: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Service {
    #[serde(rename = "ID")]
    id: String,
    spec: ServiceSpec,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ServiceSpec {
    name: String,
    labels: Option<BTreeMap<String, String>>,
    task_template: TaskTemplate,
    mode: BTreeMap<String, Mode>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct TaskTemplate {
    container_spec: ContainerSpec,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ContainerSpec {
    image: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Mode {
    replicas: Option<u64>,
    max_concurrent: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Task {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "ServiceID")]
    service: String,
    #[serde(rename = "NodeID")]
    node: Option<String>,
    slot: Option<u64>,
    status: TaskStatus,
    desired_state: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct TaskStatus {
    timestamp: Option<String>,
    state: String,
    err: Option<String>,
    container_status: Option<ContainerStatus>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ContainerStatus {
    #[serde(rename = "ContainerID")]
    id: String,
    #[serde(rename = "ExitCode")]
    exit_code: Option<i64>,
}

/// A swarm as one of its managers tells it: target `swarm/<name>`.
#[derive(Debug)]
pub struct Swarm {
    target: TargetName,
    settings: Settings,
    clock: Clock,
    http: Http,
    /// Ended tasks that were seen; None: never looked, so that old failures are not told as new.
    ended: Option<HashSet<String>>,
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
        Swarm { target: TargetName::new(SOURCE, &settings.name), settings, clock, http, ended: None }
    }

    async fn visit(&mut self, visit: Visit) -> Result<Observed, Failure> {
        let deadline = Instant::now() + visit.timeout.saturating_mul(9) / 10;
        let limits = Limits { deadline, reply_max_bytes: self.settings.reply_max_bytes };
        let mut bytes = 0_u64;
        let Some(nodes) = self.list::<Node>("/nodes", limits, &mut bytes).await? else {
            // No manager: whatever it told before has ended.
            return Ok(self.observed(bytes, Vec::new(), Vec::new(), Vec::new()));
        };
        let services = self.list::<Service>("/services", limits, &mut bytes).await?.unwrap_or_default();
        let tasks = self.list::<Task>("/tasks", limits, &mut bytes).await?.unwrap_or_default();
        let at = self.clock.now();
        let host = self.settings.name.as_str();
        let nodes_seen = nodes.iter().map(|node| of_node(host, node, &tasks, at)).collect();
        let active = nodes.iter().filter(|node| node.spec.availability.as_deref() == Some("active")).count();
        let services_seen = services.iter().map(|service| of_service(host, service, &tasks, active, at)).collect();
        let events = self.failures(&services, &tasks, at);
        Ok(self.observed(bytes, nodes_seen, services_seen, events))
    }

    fn observed(
        &self,
        bytes: u64,
        nodes: Vec<Observation>,
        services: Vec<Observation>,
        events: Vec<Event>,
    ) -> Observed {
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

    /// A list; None where the engine is no manager. No version is named: all three look the same since API 1.24.
    async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        limits: Limits,
        bytes: &mut u64,
    ) -> Result<Option<Vec<T>>, Failure> {
        let reply = self.http.get(path, limits).await?;
        *bytes = bytes.saturating_add(u64::try_from(reply.body.len()).unwrap_or(u64::MAX));
        // 503: no manager; 404 and 406: an engine without swarm, or one of another make.
        if matches!(reply.status, 404 | 406 | 503) {
            return Ok(None);
        }
        self.http.check_status(path, &reply)?;
        serde_json::from_slice(&reply.body).map(Some).map_err(|cause| self.http.malformed(path, &reply, &cause))
    }

    /// Events of tasks that failed since the visit before.
    fn failures(&mut self, services: &[Service], tasks: &[Task], at: Timestamp) -> Vec<Event> {
        let names: HashMap<&str, &str> =
            services.iter().map(|service| (service.id.as_str(), service.spec.name.as_str())).collect();
        let has_failed = |task: &&Task| matches!(task.status.state.as_str(), "failed" | "rejected" | "orphaned");
        let failed: Vec<&Task> = tasks.iter().filter(has_failed).take(TASKS_KNOWN_MAX).collect();
        let events = match &self.ended {
            None => Vec::new(),
            Some(ended) => failed
                .iter()
                .filter(|task| !ended.contains(&task.id))
                .map(|task| self.failure(task, names.get(task.service.as_str()).copied().unwrap_or_default(), at))
                .collect(),
        };
        self.ended = Some(failed.iter().map(|task| task.id.clone()).collect());
        events
    }

    fn failure(&self, task: &Task, service: &str, at: Timestamp) -> Event {
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
            at: task.status.timestamp.as_deref().and_then(super::docker::wire_time).unwrap_or(at),
            severity: Severity::Warning,
            event_type: "task_failed",
            kind: Some(SWARM_SERVICE.name),
            entity: Some(Identity::new([self.settings.name.as_str(), task.service.as_str()])),
            target: self.target.clone(),
            source_id: task.id.clone(),
            message: format!("a task of service {service} {}: {why}", task.status.state),
            details,
        }
    }
}

impl Source for Swarm {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn poll<'a>(&'a mut self, visit: Visit) -> BoxFuture<'a, Observed> {
        Box::pin(async move {
            match self.visit(visit).await {
                Ok(observed) => observed,
                Err(failure) => Observed::failed(failure.outcome, failure.message),
            }
        })
    }
}

fn count(number: usize) -> Value {
    Value::from(u64::try_from(number).ok())
}

fn insert(attributes: &mut Attributes, name: &'static str, text: Option<&String>) {
    attributes.extend(text.filter(|text| !text.is_empty()).map(|text| (name, text.as_str().into())));
}

fn of_node(host: &str, node: &Node, tasks: &[Task], at: Timestamp) -> Observation {
    let mut attributes = Attributes::new();
    insert(&mut attributes, "name", node.description.hostname.as_ref());
    insert(&mut attributes, "role", node.spec.role.as_ref());
    insert(&mut attributes, "state", node.status.state.as_ref());
    insert(&mut attributes, "availability", node.spec.availability.as_ref());
    insert(&mut attributes, "address", node.status.addr.as_ref());
    insert(&mut attributes, "version", node.description.engine.engine_version.as_ref());
    attributes.insert("is_leader", node.manager_status.as_ref().is_some_and(|status| status.leader).into());
    attributes.insert("labels", node.spec.labels.clone().unwrap_or_default().into());
    let is_here = |task: &&Task| task.node.as_ref() == Some(&node.id) && task.status.state == "running";
    let resources = &node.description.resources;
    let values =
        [count(tasks.iter().filter(is_here).count()), resources.nano_cpus.into(), resources.memory_bytes.into()];
    Observation {
        identity: Identity::new([host, node.id.as_str()]),
        attributes: Some(attributes),
        ended: None,
        sample: Some(Sample { at, since: None, values: Box::new(values) }),
    }
}

/// `active`: nodes that take tasks, for services that run on each.
fn of_service(host: &str, service: &Service, tasks: &[Task], active: usize, at: Timestamp) -> Observation {
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
    let own: Vec<&Task> = tasks.iter().filter(|task| task.service == service.id).collect();
    let desired = match mode {
        Some("Replicated" | "ReplicatedJob") => Value::from(replicas),
        // As many as should run now: a node that was drained takes none.
        Some("Global") => {
            let wanted = own.iter().filter(|task| task.desired_state == "running").count();
            count(if wanted == 0 { active } else { wanted })
        }
        _ => Value::Null,
    };
    let in_state = |state: &str| count(own.iter().filter(|task| task.status.state == state).count());
    let starting =
        own.iter().filter(|task| !STATES.contains(&task.status.state.as_str()) && task.status.state != "new");
    let values: Vec<Value> = std::iter::once(desired)
        .chain(STATES.into_iter().map(in_state))
        .chain(std::iter::once(count(starting.count())))
        .collect();
    Observation {
        identity: Identity::new([host, service.id.as_str()]),
        attributes: Some(attributes),
        ended: None,
        sample: Some(Sample { at, since: None, values: values.into() }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::source::http::{Canned, CannedReply};

    fn fixture(name: &str) -> CannedReply {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/docker-swarm").join(name);
        CannedReply::ok(std::fs::read(path).unwrap())
    }

    fn swarm(canned: Canned) -> Swarm {
        Swarm::with_http(Settings::new("node-1", "http://node-1"), Clock::System, Http::Canned(canned))
    }

    async fn poll(swarm: &mut Swarm) -> Observed {
        swarm.poll(Visit { started: Timestamp::from_ms(0), timeout: Duration::from_secs(8) }).await
    }

    /// Name, desired, running, failed, pending of each service.
    fn services(observed: &Observed) -> Vec<(String, Value, Value, Value, Value)> {
        let value = |seen: &Observation, name: &str| {
            seen.sample.as_ref().unwrap().values[SWARM_SERVICE.column_index(name).unwrap()]
        };
        let mut found: Vec<_> = observed.batches[1]
            .observations
            .iter()
            .map(|seen| {
                let name = match &seen.attributes.as_ref().unwrap()["name"] {
                    AttributeValue::Text(name) => name.clone(),
                    other => panic!("{other:?}"),
                };
                let [desired, running, failed, pending] =
                    ["desired", "running", "failed", "pending"].map(|name| value(seen, name));
                (name, desired, running, failed, pending)
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    #[tokio::test]
    async fn the_recorded_swarm_has_its_services_and_node() {
        let canned = Canned::new();
        canned.set("/nodes", fixture("nodes.json"));
        canned.set("/services", fixture("services.json"));
        canned.add("/tasks", CannedReply::ok("[]"));
        canned.add("/tasks", fixture("tasks.json"));
        let mut swarm = swarm(canned);
        let first = poll(&mut swarm).await;
        assert_eq!((first.outcome, first.events.len()), (Outcome::Ok, 0));
        let second = poll(&mut swarm).await;
        let row = |name: &str, numbers: [i64; 4]| {
            let [desired, running, failed, pending] = numbers.map(Value::Int);
            (name.to_owned(), desired, running, failed, pending)
        };
        let seen = services(&second);
        assert!(seen.contains(&row("web", [2, 2, 0, 0])), "{seen:?}");
        assert!(seen.contains(&row("pub", [1, 1, 0, 0])), "{seen:?}");
        assert!(seen.contains(&row("globl", [1, 1, 0, 0])), "{seen:?}");
        assert!(seen.contains(&row("toobig", [1, 0, 0, 1])), "{seen:?}");
        assert_eq!(seen.len(), 6);
        let node = &second.batches[0].observations[0];
        assert_eq!(node.attributes.as_ref().unwrap()["name"], "vm".into());
        assert_eq!(node.attributes.as_ref().unwrap()["role"], "manager".into());
        assert_eq!(node.sample.as_ref().unwrap().values[1..], [Value::Int(2_000_000_000), Value::Int(25_276_502_016)]);
        assert!(!second.events.is_empty(), "the failing service's tasks");
        for event in &second.events {
            assert_eq!(event.event_type, "task_failed");
            assert_eq!(event.details["exit_code"], 5.into());
            assert_eq!(event.details["service"], "failing".into());
            assert!(event.message.contains("non-zero exit (5)"), "{}", event.message);
        }
        assert!(poll(&mut swarm).await.events.is_empty(), "told once");
    }

    #[tokio::test]
    async fn an_engine_that_is_no_manager_has_nothing_to_tell() {
        let canned = Canned::new();
        canned.set("/nodes", CannedReply::with_status(503, r#"{"message":"This node is not a swarm manager."}"#));
        let seen = poll(&mut swarm(canned)).await;
        assert_eq!(seen.outcome, Outcome::Ok);
        assert!(seen.batches.iter().all(|batch| batch.complete && batch.observations.is_empty()));
    }
}
