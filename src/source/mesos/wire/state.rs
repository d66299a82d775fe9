//! All of a cluster at once: for masters without the operator API, in one reply.
//!
//! Pure.

use serde::Deserialize;

use super::agents::OldAgent;
use super::{Agent, AnyTime, Framework, Resources, Task, timestamp};
use crate::model::Timestamp;

/// All that the leader was asked for.
#[derive(Debug, Clone, Default)]
pub(in crate::source::mesos) struct State {
    pub(in crate::source::mesos) agents: Vec<Agent>,
    /// Agents of the registry that have not come back to this leader yet.
    pub(in crate::source::mesos) recovered: Vec<Agent>,
    pub(in crate::source::mesos) frameworks: Vec<Framework>,
    pub(in crate::source::mesos) tasks: Vec<Task>,
    /// Told only by the whole state.
    pub(in crate::source::mesos) elected: Option<Timestamp>,
}

/// Reads the whole state of a master, for those that have no operator API.
pub(in crate::source::mesos) fn parse_state(body: &[u8]) -> Result<State, serde_json::Error> {
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
