//! Executors' containers, as their agent measures them.
//!
//! Pure.

use serde::Deserialize;
use serde_json::Value as Json;

use super::{ContainerId, Id, check_call, timestamp};
use crate::model::Timestamp;
use crate::source::mesos::numbers::Numbers;

/// An executor's container as its agent measures it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::source::mesos) struct Executor {
    pub(in crate::source::mesos) framework: String,
    pub(in crate::source::mesos) id: String,
    pub(in crate::source::mesos) name: String,
    pub(in crate::source::mesos) container_id: Option<String>,
    /// When it was measured, by the agent's clock.
    pub(in crate::source::mesos) at: Option<Timestamp>,
    /// None: there are no statistics of it.
    pub(in crate::source::mesos) numbers: Option<Numbers>,
}

/// Reads the reply to GET_CONTAINERS. Nested containers have no executor of their own and are left to their parent.
pub(in crate::source::mesos) fn parse_containers(body: &[u8]) -> Result<Vec<Executor>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        #[serde(rename = "type")]
        call: String,
        // Left out where everything in it is empty.
        #[serde(default)]
        get_containers: Body,
    }
    #[derive(Default, Deserialize)]
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
    let reply: Reply = serde_json::from_slice(body)?;
    check_call(&reply.call, "GET_CONTAINERS")?;
    let body = reply.get_containers;
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
pub(in crate::source::mesos) fn parse_statistics(body: &[u8]) -> Result<Vec<Executor>, serde_json::Error> {
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
pub(in crate::source::mesos) fn flatten(path: &str, value: &Json, into: &mut Numbers) {
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
