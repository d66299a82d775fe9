//! Replies of masters and agents as values, of the operator API and of the endpoints before it alike.
//!
//! Pure. Must not know: how replies are fetched, nor what becomes of the values.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use super::numbers::{Numbers, Scale};
use crate::model::{Timestamp, Value};

/// `{"value": …}`, as the operator API writes ids.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Id {
    value: String,
}

/// An id as an object or as plain text.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum AnyId {
    Object(Id),
    Text(String),
}

impl AnyId {
    fn text(self) -> Option<String> {
        let text = match self {
            AnyId::Object(id) => id.value,
            AnyId::Text(text) => text,
        };
        Some(text).filter(|text| !text.is_empty())
    }
}

/// A time as seconds with a fraction, or as `{"nanoseconds": …}`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum AnyTime {
    Seconds(f64),
    Object { nanoseconds: i64 },
}

impl AnyTime {
    fn at(self) -> Option<Timestamp> {
        let at = match self {
            AnyTime::Seconds(seconds) => timestamp(seconds)?,
            AnyTime::Object { nanoseconds } => Timestamp::from_ms(nanoseconds.div_euclid(1_000_000)),
        };
        Some(at).filter(|at| *at >= Timestamp::CREDIBLE_FROM)
    }
}

/// The instant that a number of seconds since 1970 means.
pub(super) fn timestamp(seconds: f64) -> Option<Timestamp> {
    Scale::Milli.apply(seconds).int().map(Timestamp::from_ms).filter(|at| *at >= Timestamp::CREDIBLE_FROM)
}

/// What `/version` says.
pub(super) fn parse_version(body: &[u8]) -> Result<String, serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        version: String,
    }
    serde_json::from_slice::<Reply>(body).map(|reply| reply.version)
}

/// What a master says of its time in office.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Office {
    /// When it was elected; masters of the first 1.x do not tell.
    pub(super) elected: Option<Timestamp>,
    /// Its own id.
    pub(super) id: Option<String>,
}

/// Reads the reply to GET_MASTER.
pub(super) fn parse_master(body: &[u8]) -> Result<Office, serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        get_master: Body,
    }
    #[derive(Deserialize)]
    struct Body {
        master_info: Info,
        elected_time: Option<f64>,
    }
    #[derive(Deserialize)]
    struct Info {
        id: Option<String>,
    }
    let body = serde_json::from_slice::<Reply>(body)?.get_master;
    Ok(Office { elected: body.elected_time.and_then(timestamp), id: body.master_info.id })
}

/// Resources as a list of typed ones, or as an object of numbers and ranges.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Resources {
    List(Vec<Resource>),
    Object(BTreeMap<String, Json>),
}

impl Default for Resources {
    fn default() -> Self {
        Resources::List(Vec::new())
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Resource {
    name: String,
    scalar: Option<Scalar>,
    role: Option<String>,
    allocation_info: Option<Allocation>,
    #[serde(default)]
    reservations: Vec<Reservation>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Scalar {
    value: f64,
}

#[derive(Debug, Clone, Deserialize)]
struct Allocation {
    role: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Reservation {
    role: Option<String>,
}

impl Resource {
    /// The role it is reserved for; None where for none.
    fn reserved_for(&self) -> Option<&str> {
        let refined = self.reservations.last().and_then(|reservation| reservation.role.as_deref());
        refined.or(self.role.as_deref()).filter(|role| *role != "*")
    }
}

impl Resources {
    /// CPUs, memory, disk and GPUs in the units of columns; null where there are none of a sort.
    pub(super) fn amounts(&self) -> [Value; 4] {
        [("cpus", Scale::Milli), ("mem", Scale::Megabytes), ("disk", Scale::Megabytes), ("gpus", Scale::Milli)]
            .map(|(name, scale)| self.sum(name).map_or(Value::Null, |sum| scale.apply(sum)))
    }

    fn sum(&self, name: &str) -> Option<f64> {
        match self {
            Resources::List(list) => {
                let mut scalars =
                    list.iter().filter(|one| one.name == name).filter_map(|one| one.scalar).map(|scalar| scalar.value);
                let first = scalars.next()?;
                Some(scalars.fold(first, |sum, value| sum + value))
            }
            Resources::Object(object) => object.get(name).and_then(Json::as_f64),
        }
    }

    /// The role that they are allocated to, where it is said.
    fn role(&self) -> Option<String> {
        match self {
            Resources::List(list) => list.iter().find_map(|one| one.allocation_info.as_ref()?.role.clone()),
            Resources::Object(_) => None,
        }
    }

    /// What is reserved, by role, as `cpus:1;mem:512`.
    fn reservations(&self) -> BTreeMap<String, String> {
        let mut amounts: BTreeMap<(String, String), f64> = BTreeMap::new();
        if let Resources::List(list) = self {
            for one in list {
                if let (Some(role), Some(scalar)) = (one.reserved_for(), one.scalar) {
                    *amounts.entry((role.to_owned(), one.name.clone())).or_default() += scalar.value;
                }
            }
        }
        by_role(amounts)
    }
}

fn by_role(amounts: BTreeMap<(String, String), f64>) -> BTreeMap<String, String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for ((role, name), amount) in amounts {
        let text = texts.entry(role).or_default();
        if !text.is_empty() {
            text.push(';');
        }
        text.push_str(&format!("{name}:{amount}"));
    }
    texts
}

/// A task, of either API.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Task {
    #[serde(default)]
    pub(super) name: String,
    #[serde(alias = "id")]
    task_id: AnyId,
    framework_id: AnyId,
    executor_id: Option<AnyId>,
    #[serde(alias = "slave_id")]
    agent_id: Option<AnyId>,
    pub(super) state: String,
    #[serde(default)]
    pub(super) resources: Resources,
    role: Option<String>,
    #[serde(default)]
    pub(super) statuses: Vec<Status>,
    labels: Option<Labels>,
    container: Option<Container>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Labels {
    Object { labels: Vec<Label> },
    List(Vec<Label>),
}

#[derive(Debug, Clone, Deserialize)]
struct Label {
    key: String,
    value: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Container {
    docker: Option<Image>,
    mesos: Option<MesosContainer>,
}

#[derive(Debug, Clone, Deserialize)]
struct MesosContainer {
    image: Option<MesosImage>,
}

#[derive(Debug, Clone, Deserialize)]
struct MesosImage {
    docker: Option<Named>,
}

#[derive(Debug, Clone, Deserialize)]
struct Named {
    name: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Image {
    image: Option<String>,
}

/// One change of a task's state.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Status {
    pub(super) state: String,
    timestamp: Option<f64>,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
    pub(super) source: Option<String>,
    pub(super) healthy: Option<bool>,
    container_status: Option<ContainerStatus>,
}

#[derive(Debug, Clone, Deserialize)]
struct ContainerStatus {
    container_id: Option<ContainerId>,
}

#[derive(Debug, Clone, Deserialize)]
struct ContainerId {
    value: String,
    parent: Option<Box<ContainerId>>,
}

impl Status {
    /// When it was, by its source's clock.
    pub(super) fn at(&self) -> Option<Timestamp> {
        self.timestamp.and_then(timestamp)
    }
}

/// Whether a task in a state runs no more.
pub(super) fn is_terminal(state: &str) -> bool {
    matches!(
        state,
        "TASK_FINISHED"
            | "TASK_FAILED"
            | "TASK_KILLED"
            | "TASK_LOST"
            | "TASK_ERROR"
            | "TASK_DROPPED"
            | "TASK_GONE"
            | "TASK_GONE_BY_OPERATOR"
    )
}

impl Task {
    pub(super) fn id(&self) -> String {
        self.task_id.clone().text().unwrap_or_default()
    }

    pub(super) fn framework(&self) -> String {
        self.framework_id.clone().text().unwrap_or_default()
    }

    pub(super) fn agent(&self) -> Option<String> {
        self.agent_id.clone().and_then(AnyId::text)
    }

    /// Its executor; a command task's has the task's own id.
    pub(super) fn executor(&self) -> String {
        self.executor_id.clone().and_then(AnyId::text).unwrap_or_else(|| self.id())
    }

    /// Its container and the container that one is nested in.
    pub(super) fn container(&self) -> (Option<String>, Option<String>) {
        let ids = self.statuses.iter().rev().find_map(|status| status.container_status.as_ref()?.container_id.as_ref());
        match ids {
            Some(id) => (Some(id.value.clone()), id.parent.as_ref().map(|parent| parent.value.clone())),
            None => (None, None),
        }
    }

    /// The status that ended it: the first terminal one of its state. A later one may only say that its framework went.
    pub(super) fn end(&self) -> Option<&Status> {
        let same = self.statuses.iter().find(|status| status.state == self.state && is_terminal(&status.state));
        same.or_else(|| self.statuses.iter().find(|status| is_terminal(&status.state)))
    }

    pub(super) fn role(&self) -> Option<String> {
        self.resources.role().or_else(|| self.role.clone()).filter(|role| !role.is_empty())
    }

    pub(super) fn image(&self) -> Option<String> {
        let container = self.container.as_ref()?;
        let docker = container.docker.as_ref().and_then(|docker| docker.image.clone());
        docker.or_else(|| container.mesos.as_ref()?.image.as_ref()?.docker.as_ref()?.name.clone())
    }

    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let list = match &self.labels {
            None => return BTreeMap::new(),
            Some(Labels::Object { labels } | Labels::List(labels)) => labels,
        };
        list.iter().map(|label| (label.key.clone(), label.value.clone().unwrap_or_default())).collect()
    }
}

/// An agent as its master knows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Agent {
    pub(super) id: String,
    pub(super) hostname: String,
    /// Host and port it listens on.
    pub(super) address: Option<String>,
    pub(super) version: Option<String>,
    pub(super) active: Option<bool>,
    pub(super) draining: Option<String>,
    pub(super) registered: Option<Timestamp>,
    pub(super) region: Option<String>,
    pub(super) zone: Option<String>,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) reservations: BTreeMap<String, String>,
}

/// A framework as the master knows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Framework {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) roles: Vec<String>,
    pub(super) user: Option<String>,
    pub(super) principal: Option<String>,
    pub(super) hostname: Option<String>,
    pub(super) webui_url: Option<String>,
    pub(super) active: Option<bool>,
    pub(super) connected: Option<bool>,
    pub(super) registered: Option<Timestamp>,
    pub(super) reregistered: Option<Timestamp>,
    pub(super) unregistered: Option<Timestamp>,
    pub(super) checkpoint: Option<bool>,
    pub(super) failover_timeout: Option<f64>,
    pub(super) capabilities: Vec<String>,
    pub(super) allocated: Resources,
    pub(super) offered: Resources,
    pub(super) is_completed: bool,
}

/// All that the leader was asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) agents: Vec<Agent>,
    /// Agents of the registry that have not come back to this leader yet.
    pub(super) recovered: Vec<Agent>,
    pub(super) frameworks: Vec<Framework>,
    pub(super) tasks: Vec<Task>,
    /// Told only by the whole state.
    pub(super) elected: Option<Timestamp>,
}

/// Reads the reply to GET_AGENTS.
pub(super) fn parse_agents(body: &[u8]) -> Result<(Vec<Agent>, Vec<Agent>), serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        get_agents: Body,
    }
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        agents: Vec<Listed>,
        #[serde(default)]
        recovered_agents: Vec<Info>,
    }
    #[derive(Deserialize)]
    struct Listed {
        agent_info: Info,
        active: Option<bool>,
        version: Option<String>,
        pid: Option<String>,
        registered_time: Option<AnyTime>,
        #[serde(default)]
        total_resources: Resources,
        drain_info: Option<Json>,
    }
    let body = serde_json::from_slice::<Reply>(body)?.get_agents;
    let agents = body.agents.into_iter().map(|listed| Agent {
        active: listed.active,
        version: listed.version,
        address: listed.pid.as_deref().and_then(address_in_pid),
        registered: listed.registered_time.and_then(AnyTime::at),
        reservations: listed.total_resources.reservations(),
        draining: listed.drain_info.as_ref().and_then(|info| info.get("state")?.as_str()).map(str::to_owned),
        ..listed.agent_info.agent()
    });
    Ok((agents.collect(), body.recovered_agents.into_iter().map(Info::agent).collect()))
}

/// `agent_info` of the operator API.
#[derive(Deserialize)]
struct Info {
    id: Option<Id>,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    attributes: Vec<Attribute>,
    domain: Option<Domain>,
}

#[derive(Deserialize)]
struct Attribute {
    name: String,
    text: Option<Id>,
    scalar: Option<Scalar>,
    ranges: Option<Json>,
}

#[derive(Deserialize)]
struct Domain {
    fault_domain: Option<FaultDomain>,
}

#[derive(Deserialize)]
struct FaultDomain {
    region: Option<Named>,
    zone: Option<Named>,
}

impl Info {
    fn agent(self) -> Agent {
        let domain = self.domain.and_then(|domain| domain.fault_domain);
        let (region, zone) = domain.map_or((None, None), |domain| {
            (domain.region.and_then(|named| named.name), domain.zone.and_then(|named| named.name))
        });
        let value = |attribute: &Attribute| match (&attribute.text, attribute.scalar, &attribute.ranges) {
            (Some(text), ..) => text.value.clone(),
            (None, Some(scalar), _) => scalar.value.to_string(),
            (None, None, Some(ranges)) => ranges.to_string(),
            (None, None, None) => String::new(),
        };
        Agent {
            id: self.id.unwrap_or_default().value,
            hostname: self.hostname,
            attributes: self.attributes.iter().map(|one| (one.name.clone(), value(one))).collect(),
            region,
            zone,
            ..Agent::default()
        }
    }
}

/// Reads what an agent says of itself in reply to GET_AGENT.
pub(super) fn parse_agent(body: &[u8]) -> Result<Agent, serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        get_agent: Body,
    }
    #[derive(Deserialize)]
    struct Body {
        agent_info: Info,
    }
    serde_json::from_slice::<Reply>(body).map(|reply| reply.get_agent.agent_info.agent())
}

/// Reads what an agent says of itself in its `/state`.
pub(super) fn parse_agent_state(body: &[u8]) -> Result<Agent, serde_json::Error> {
    serde_json::from_slice::<OldAgent>(body).map(OldAgent::agent)
}

/// The host and port in a process id such as `slave(1)@127.0.0.1:5051`.
pub(super) fn address_in_pid(pid: &str) -> Option<String> {
    pid.rsplit_once('@').map(|(_, address)| address.to_owned())
}

/// Reads the reply to GET_FRAMEWORKS.
pub(super) fn parse_frameworks(body: &[u8]) -> Result<Vec<Framework>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        get_frameworks: Body,
    }
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        frameworks: Vec<Listed>,
        #[serde(default)]
        completed_frameworks: Vec<Listed>,
    }
    #[derive(Deserialize)]
    struct Listed {
        framework_info: Info,
        active: Option<bool>,
        connected: Option<bool>,
        registered_time: Option<AnyTime>,
        reregistered_time: Option<AnyTime>,
        unregistered_time: Option<AnyTime>,
        #[serde(default)]
        allocated_resources: Resources,
        #[serde(default)]
        offered_resources: Resources,
    }
    #[derive(Deserialize)]
    struct Info {
        id: Option<Id>,
        #[serde(default)]
        name: String,
        user: Option<String>,
        principal: Option<String>,
        hostname: Option<String>,
        webui_url: Option<String>,
        role: Option<String>,
        #[serde(default)]
        roles: Vec<String>,
        checkpoint: Option<bool>,
        failover_timeout: Option<f64>,
        #[serde(default)]
        capabilities: Vec<Capability>,
    }
    #[derive(Deserialize)]
    struct Capability {
        #[serde(rename = "type")]
        name: Option<String>,
    }
    let framework = |listed: Listed, is_completed| {
        let info = listed.framework_info;
        Framework {
            id: info.id.unwrap_or_default().value,
            name: info.name,
            roles: if info.roles.is_empty() { info.role.into_iter().collect() } else { info.roles },
            user: info.user,
            principal: info.principal,
            hostname: info.hostname,
            webui_url: info.webui_url,
            active: listed.active,
            connected: listed.connected,
            registered: listed.registered_time.and_then(AnyTime::at),
            reregistered: listed.reregistered_time.and_then(AnyTime::at),
            unregistered: listed.unregistered_time.and_then(AnyTime::at),
            checkpoint: info.checkpoint,
            failover_timeout: info.failover_timeout,
            capabilities: info.capabilities.into_iter().filter_map(|one| one.name).collect(),
            allocated: listed.allocated_resources,
            offered: listed.offered_resources,
            is_completed,
        }
    };
    let body = serde_json::from_slice::<Reply>(body)?.get_frameworks;
    let living = body.frameworks.into_iter().map(|listed| framework(listed, false));
    let mut frameworks: Vec<Framework> = living.collect();
    frameworks.extend(body.completed_frameworks.into_iter().map(|listed| framework(listed, true)));
    Ok(frameworks)
}

/// Reads the reply to GET_TASKS.
pub(super) fn parse_tasks(body: &[u8]) -> Result<Vec<Task>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        get_tasks: Body,
    }
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        tasks: Vec<Task>,
        #[serde(default)]
        unreachable_tasks: Vec<Task>,
        #[serde(default)]
        orphan_tasks: Vec<Task>,
        #[serde(default)]
        completed_tasks: Vec<Task>,
    }
    let body = serde_json::from_slice::<Reply>(body)?.get_tasks;
    let mut tasks = body.tasks;
    tasks.extend(body.unreachable_tasks);
    tasks.extend(body.orphan_tasks);
    tasks.extend(body.completed_tasks);
    Ok(tasks)
}

#[derive(Deserialize)]
struct OldAgent {
    #[serde(default)]
    id: String,
    #[serde(default)]
    hostname: String,
    pid: Option<String>,
    version: Option<String>,
    active: Option<bool>,
    registered_time: Option<AnyTime>,
    #[serde(default)]
    attributes: BTreeMap<String, Json>,
    #[serde(default)]
    reserved_resources: BTreeMap<String, BTreeMap<String, Json>>,
}

impl OldAgent {
    fn agent(self) -> Agent {
        let text = |value: Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut amounts = BTreeMap::new();
        for (role, resources) in self.reserved_resources {
            for (name, value) in resources {
                if let Some(value) = value.as_f64().filter(|value| *value != 0.0) {
                    amounts.insert((role.clone(), name), value);
                }
            }
        }
        Agent {
            id: self.id,
            hostname: self.hostname,
            address: self.pid.as_deref().and_then(address_in_pid),
            version: self.version,
            active: self.active,
            registered: self.registered_time.and_then(AnyTime::at),
            attributes: self.attributes.into_iter().map(|(name, value)| (name, text(value))).collect(),
            reservations: by_role(amounts),
            ..Agent::default()
        }
    }
}

/// Reads the whole state of a master, for those that have no operator API.
pub(super) fn parse_state(body: &[u8]) -> Result<State, serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        elected_time: Option<f64>,
        #[serde(default)]
        slaves: Vec<OldAgent>,
        #[serde(default)]
        recovered_slaves: Vec<OldAgent>,
        #[serde(default)]
        frameworks: Vec<OldFramework>,
        #[serde(default)]
        completed_frameworks: Vec<OldFramework>,
        #[serde(default)]
        orphan_tasks: Vec<Task>,
    }
    #[derive(Deserialize)]
    struct OldFramework {
        #[serde(default)]
        id: String,
        #[serde(default)]
        name: String,
        role: Option<String>,
        #[serde(default)]
        roles: Vec<String>,
        user: Option<String>,
        principal: Option<String>,
        hostname: Option<String>,
        webui_url: Option<String>,
        active: Option<bool>,
        connected: Option<bool>,
        registered_time: Option<AnyTime>,
        reregistered_time: Option<AnyTime>,
        unregistered_time: Option<AnyTime>,
        checkpoint: Option<bool>,
        failover_timeout: Option<f64>,
        #[serde(default)]
        capabilities: Vec<String>,
        #[serde(default)]
        used_resources: Resources,
        #[serde(default)]
        offered_resources: Resources,
        #[serde(default)]
        tasks: Vec<Task>,
        #[serde(default)]
        unreachable_tasks: Vec<Task>,
        #[serde(default)]
        completed_tasks: Vec<Task>,
    }
    let reply: Reply = serde_json::from_slice(body)?;
    let mut state = State {
        agents: reply.slaves.into_iter().map(OldAgent::agent).collect(),
        recovered: reply.recovered_slaves.into_iter().map(OldAgent::agent).collect(),
        tasks: reply.orphan_tasks,
        elected: reply.elected_time.and_then(timestamp),
        frameworks: Vec::new(),
    };
    let living = reply.frameworks.into_iter().map(|one| (one, false));
    for (old, is_completed) in living.chain(reply.completed_frameworks.into_iter().map(|one| (one, true))) {
        state.tasks.extend(old.tasks);
        state.tasks.extend(old.unreachable_tasks);
        state.tasks.extend(old.completed_tasks);
        state.frameworks.push(Framework {
            id: old.id,
            name: old.name,
            roles: if old.roles.is_empty() { old.role.into_iter().collect() } else { old.roles },
            user: old.user,
            principal: old.principal,
            hostname: old.hostname,
            webui_url: old.webui_url,
            active: old.active,
            connected: old.connected,
            registered: old.registered_time.and_then(AnyTime::at),
            reregistered: old.reregistered_time.and_then(AnyTime::at),
            unregistered: old.unregistered_time.and_then(AnyTime::at),
            checkpoint: old.checkpoint,
            failover_timeout: old.failover_timeout,
            capabilities: old.capabilities,
            allocated: old.used_resources,
            offered: old.offered_resources,
            is_completed,
        });
    }
    Ok(state)
}

/// An executor's container as its agent measures it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Executor {
    pub(super) framework: String,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) container_id: Option<String>,
    /// When it was measured, by the agent's clock.
    pub(super) at: Option<Timestamp>,
    /// None: there are no statistics of it.
    pub(super) numbers: Option<Numbers>,
}

/// Reads the reply to GET_CONTAINERS. Nested containers have no executor of their own and are left to their parent.
pub(super) fn parse_containers(body: &[u8]) -> Result<Vec<Executor>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        get_containers: Body,
    }
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        containers: Vec<Listed>,
    }
    #[derive(Deserialize)]
    struct Listed {
        framework_id: Option<Id>,
        executor_id: Option<Id>,
        #[serde(default)]
        executor_name: String,
        container_id: Option<ContainerId>,
        resource_statistics: Option<Json>,
    }
    let body = serde_json::from_slice::<Reply>(body)?.get_containers;
    let is_of_executor = |listed: &Listed| listed.container_id.as_ref().is_none_or(|id| id.parent.is_none());
    let executors = body.containers.into_iter().filter(is_of_executor).filter_map(|listed| {
        let (at, numbers) = statistics(listed.resource_statistics);
        Some(Executor {
            framework: listed.framework_id?.value,
            id: listed.executor_id?.value,
            name: listed.executor_name,
            container_id: listed.container_id.map(|id| id.value),
            at,
            numbers,
        })
    });
    Ok(executors.collect())
}

/// Reads `/monitor/statistics`.
pub(super) fn parse_statistics(body: &[u8]) -> Result<Vec<Executor>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Listed {
        #[serde(default)]
        framework_id: String,
        #[serde(default)]
        executor_id: String,
        #[serde(default)]
        executor_name: String,
        statistics: Option<Json>,
    }
    let executors = serde_json::from_slice::<Vec<Listed>>(body)?.into_iter().map(|listed| {
        let (at, numbers) = statistics(listed.statistics);
        Executor {
            framework: listed.framework_id,
            id: listed.executor_id,
            name: listed.executor_name,
            container_id: None,
            at,
            numbers,
        }
    });
    Ok(executors.collect())
}

/// Time and numbers of statistics; what lies deeper is named by its path (`disk_statistics/0/used_bytes`).
fn statistics(json: Option<Json>) -> (Option<Timestamp>, Option<Numbers>) {
    let Some(Json::Object(object)) = json else { return (None, None) };
    let at = object.get("timestamp").and_then(Json::as_f64).and_then(timestamp);
    let mut numbers = Numbers::default();
    for (name, value) in object.iter().filter(|(name, _)| *name != "timestamp") {
        flatten(name, value, &mut numbers);
    }
    (at, (numbers.len() > 0).then_some(numbers))
}

/// Every number within a value under its path.
pub(super) fn flatten(path: &str, value: &Json, into: &mut Numbers) {
    match value {
        Json::Number(number) => {
            if let Some(number) = number.as_f64() {
                into.add(path, number);
            }
        }
        Json::Object(object) => {
            object.iter().for_each(|(name, value)| flatten(&format!("{path}/{name}"), value, into));
        }
        Json::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| flatten(&format!("{path}/{index}"), value, into));
        }
        Json::Bool(flag) => into.add(path, f64::from(u8::from(*flag))),
        Json::Null | Json::String(_) => {}
    }
}
