//! Tasks and what became of them, of either API.
//!
//! Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{AnyId, ContainerId, Named, Resources, check_call, timestamp};
use crate::model::Timestamp;

/// A task, of either API.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::source::mesos) struct Task {
    #[serde(default)]
    pub(in crate::source::mesos) name: String,
    #[serde(alias = "id")]
    task_id: AnyId,
    framework_id: AnyId,
    executor_id: Option<AnyId>,
    #[serde(alias = "slave_id")]
    agent_id: Option<AnyId>,
    pub(in crate::source::mesos) state: String,
    #[serde(default)]
    pub(in crate::source::mesos) resources: Resources,
    role: Option<String>,
    #[serde(default)]
    pub(in crate::source::mesos) statuses: Vec<Status>,
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
struct Image {
    image: Option<String>,
}

/// One change of a task's state.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::source::mesos) struct Status {
    pub(in crate::source::mesos) state: String,
    timestamp: Option<f64>,
    pub(in crate::source::mesos) reason: Option<String>,
    pub(in crate::source::mesos) message: Option<String>,
    pub(in crate::source::mesos) source: Option<String>,
    pub(in crate::source::mesos) healthy: Option<bool>,
    container_status: Option<ContainerStatus>,
}

#[derive(Debug, Clone, Deserialize)]
struct ContainerStatus {
    container_id: Option<ContainerId>,
}

impl Status {
    /// When it was, by its source's clock.
    pub(in crate::source::mesos) fn at(&self) -> Option<Timestamp> {
        self.timestamp.and_then(timestamp)
    }
}

/// Whether a task in a state runs no more.
pub(in crate::source::mesos) fn is_terminal(state: &str) -> bool {
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
    pub(in crate::source::mesos) fn id(&self) -> String {
        self.task_id.clone().text().unwrap_or_default()
    }

    pub(in crate::source::mesos) fn framework(&self) -> String {
        self.framework_id.clone().text().unwrap_or_default()
    }

    pub(in crate::source::mesos) fn agent(&self) -> Option<String> {
        self.agent_id.clone().and_then(AnyId::text)
    }

    /// Its executor; a command task's has the task's own id.
    pub(in crate::source::mesos) fn executor(&self) -> String {
        self.executor_id.clone().and_then(AnyId::text).unwrap_or_else(|| self.id())
    }

    /// Its container and the container that one is nested in.
    pub(in crate::source::mesos) fn container(&self) -> (Option<String>, Option<String>) {
        let ids = self.statuses.iter().rev().find_map(|status| status.container_status.as_ref()?.container_id.as_ref());
        match ids {
            Some(id) => (Some(id.value.clone()), id.parent.as_ref().map(|parent| parent.value.clone())),
            None => (None, None),
        }
    }

    /// The status that ended it: the first terminal one of its state. A later one may only say that its framework went.
    pub(in crate::source::mesos) fn end(&self) -> Option<&Status> {
        let same = self.statuses.iter().find(|status| status.state == self.state && is_terminal(&status.state));
        same.or_else(|| self.statuses.iter().find(|status| is_terminal(&status.state)))
    }

    pub(in crate::source::mesos) fn role(&self) -> Option<String> {
        self.resources.role().or_else(|| self.role.clone()).filter(|role| !role.is_empty())
    }

    pub(in crate::source::mesos) fn image(&self) -> Option<String> {
        let container = self.container.as_ref()?;
        let docker = container.docker.as_ref().and_then(|docker| docker.image.clone());
        docker.or_else(|| container.mesos.as_ref()?.image.as_ref()?.docker.as_ref()?.name.clone())
    }

    pub(in crate::source::mesos) fn labels(&self) -> BTreeMap<String, String> {
        let list = match &self.labels {
            None => return BTreeMap::new(),
            Some(Labels::Object { labels } | Labels::List(labels)) => labels,
        };
        list.iter().map(|label| (label.key.clone(), label.value.clone().unwrap_or_default())).collect()
    }
}

/// Reads the reply to GET_TASKS.
pub(in crate::source::mesos) fn parse_tasks(body: &[u8]) -> Result<Vec<Task>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        #[serde(rename = "type")]
        call: String,
        // Left out where everything in it is empty.
        #[serde(default)]
        get_tasks: Body,
    }
    #[derive(Default, Deserialize)]
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
    let reply: Reply = serde_json::from_slice(body)?;
    check_call(&reply.call, "GET_TASKS")?;
    let body = reply.get_tasks;
    let mut tasks = body.tasks;
    tasks.extend(body.unreachable_tasks);
    tasks.extend(body.orphan_tasks);
    tasks.extend(body.completed_tasks);
    Ok(tasks)
}
