//! Agents, as their master or they themselves tell of them.
//!
//! Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use super::{AnyTime, Id, Named, Resources, Scalar, Task, by_role, check_call};
use crate::model::Timestamp;
use crate::source::host_names::HostNames;

/// An agent as its master knows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::source::mesos) struct Agent {
    pub(in crate::source::mesos) id: String,
    pub(in crate::source::mesos) hostname: String,
    /// Host and port it listens on.
    pub(in crate::source::mesos) address: Option<String>,
    pub(in crate::source::mesos) version: Option<String>,
    pub(in crate::source::mesos) active: Option<bool>,
    pub(in crate::source::mesos) draining: Option<String>,
    pub(in crate::source::mesos) registered: Option<Timestamp>,
    pub(in crate::source::mesos) region: Option<String>,
    pub(in crate::source::mesos) zone: Option<String>,
    pub(in crate::source::mesos) attributes: BTreeMap<String, String>,
    pub(in crate::source::mesos) reservations: BTreeMap<String, String>,
}

impl Agent {
    /// What its machine is called here.
    pub(in crate::source::mesos) fn host<'a>(&'a self, hosts: &'a HostNames) -> &'a str {
        hosts.name_at(&self.hostname, self.address.as_deref())
    }
}

/// Reads the reply to GET_AGENTS.
pub(in crate::source::mesos) fn parse_agents(body: &[u8]) -> Result<(Vec<Agent>, Vec<Agent>), serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        #[serde(rename = "type")]
        call: String,
        // Left out where everything in it is empty.
        #[serde(default)]
        get_agents: Body,
    }
    #[derive(Default, Deserialize)]
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
    let reply: Reply = serde_json::from_slice(body)?;
    check_call(&reply.call, "GET_AGENTS")?;
    let body = reply.get_agents;
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
pub(in crate::source::mesos) fn parse_agent(body: &[u8]) -> Result<Agent, serde_json::Error> {
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

/// What an agent says of itself and of what it runs in its `/state`.
#[derive(Debug, Clone, Default)]
pub(in crate::source::mesos) struct AgentState {
    pub(in crate::source::mesos) agent: Agent,
    pub(in crate::source::mesos) executors: Vec<Running>,
}

/// An executor that runs, with its tasks.
#[derive(Debug, Clone, Default)]
pub(in crate::source::mesos) struct Running {
    pub(in crate::source::mesos) framework: String,
    pub(in crate::source::mesos) id: String,
    pub(in crate::source::mesos) container: String,
    pub(in crate::source::mesos) tasks: Vec<Task>,
}

/// Reads what an agent says in its `/state`.
pub(in crate::source::mesos) fn parse_agent_state(body: &[u8]) -> Result<AgentState, serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        #[serde(default)]
        frameworks: Vec<OldFramework>,
        #[serde(flatten)]
        agent: OldAgent,
    }
    #[derive(Deserialize)]
    struct OldFramework {
        id: String,
        #[serde(default)]
        executors: Vec<OldExecutor>,
    }
    #[derive(Deserialize)]
    struct OldExecutor {
        #[serde(default)]
        id: String,
        container: Option<String>,
        #[serde(default)]
        tasks: Vec<Task>,
    }
    let reply: Reply = serde_json::from_slice(body)?;
    let running = |framework: OldFramework| {
        let OldFramework { id: framework, executors } = framework;
        executors.into_iter().filter_map(move |executor| {
            let container = executor.container?;
            Some(Running { framework: framework.clone(), id: executor.id, container, tasks: executor.tasks })
        })
    };
    Ok(AgentState { agent: reply.agent.agent(), executors: reply.frameworks.into_iter().flat_map(running).collect() })
}

/// The host and port in a process id such as `slave(1)@127.0.0.1:5051`.
pub(in crate::source::mesos) fn address_in_pid(pid: &str) -> Option<String> {
    pid.rsplit_once('@').map(|(_, address)| address.to_owned())
}

#[derive(Deserialize)]
pub(super) struct OldAgent {
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
    pub(super) fn agent(self) -> Agent {
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
