//! Frameworks, as their master tells of them.
//!
//! Pure.

use serde::Deserialize;

use super::{AnyTime, Id, Resources, check_call};
use crate::model::Timestamp;

/// A framework as the master knows it.
#[derive(Debug, Clone, Default)]
pub(in crate::source::mesos) struct Framework {
    pub(in crate::source::mesos) id: String,
    pub(in crate::source::mesos) name: String,
    pub(in crate::source::mesos) roles: Vec<String>,
    pub(in crate::source::mesos) user: Option<String>,
    pub(in crate::source::mesos) principal: Option<String>,
    pub(in crate::source::mesos) hostname: Option<String>,
    pub(in crate::source::mesos) webui_url: Option<String>,
    pub(in crate::source::mesos) active: Option<bool>,
    pub(in crate::source::mesos) connected: Option<bool>,
    pub(in crate::source::mesos) registered: Option<Timestamp>,
    pub(in crate::source::mesos) reregistered: Option<Timestamp>,
    pub(in crate::source::mesos) unregistered: Option<Timestamp>,
    pub(in crate::source::mesos) checkpoint: Option<bool>,
    pub(in crate::source::mesos) failover_timeout: Option<f64>,
    pub(in crate::source::mesos) capabilities: Vec<String>,
    pub(in crate::source::mesos) allocated: Resources,
    pub(in crate::source::mesos) offered: Resources,
    pub(in crate::source::mesos) is_completed: bool,
}

/// Reads the reply to GET_FRAMEWORKS.
pub(in crate::source::mesos) fn parse_frameworks(body: &[u8]) -> Result<Vec<Framework>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        #[serde(rename = "type")]
        call: String,
        // Left out where everything in it is empty.
        #[serde(default)]
        get_frameworks: Body,
    }
    #[derive(Default, Deserialize)]
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
    let reply: Reply = serde_json::from_slice(body)?;
    check_call(&reply.call, "GET_FRAMEWORKS")?;
    let body = reply.get_frameworks;
    let living = body.frameworks.into_iter().map(|listed| framework(listed, false));
    let mut frameworks: Vec<Framework> = living.collect();
    frameworks.extend(body.completed_frameworks.into_iter().map(|listed| framework(listed, true)));
    Ok(frameworks)
}
