//! Replies of `/nodes`, `/services` and `/tasks`, as far as they are read.
//!
//! Pure. Must not know: what is made of them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A machine.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Node {
    #[serde(rename = "ID")]
    pub(super) id: String,
    pub(super) spec: NodeSpec,
    pub(super) description: Description,
    pub(super) status: NodeStatus,
    pub(super) manager_status: Option<ManagerStatus>,
}

/// What an operator said of it.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct NodeSpec {
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) role: Option<String>,
    pub(super) availability: Option<String>,
}

/// What the machine says of itself.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Description {
    pub(super) hostname: Option<String>,
    pub(super) resources: Resources,
    pub(super) engine: EngineDescription,
}

/// What it has.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Resources {
    #[serde(rename = "NanoCPUs")]
    pub(super) nano_cpus: Option<u64>,
    #[serde(rename = "MemoryBytes")]
    pub(super) memory_bytes: Option<u64>,
}

/// Its engine.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct EngineDescription {
    pub(super) engine_version: Option<String>,
}

/// Whether it answers.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct NodeStatus {
    pub(super) state: Option<String>,
    pub(super) addr: Option<String>,
}

/// Its part among the managers; a worker has none.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ManagerStatus {
    pub(super) leader: bool,
}

/// A service.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Service {
    #[serde(rename = "ID")]
    pub(super) id: String,
    pub(super) spec: ServiceSpec,
}

/// What it should be.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ServiceSpec {
    pub(super) name: String,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) task_template: TaskTemplate,
    pub(super) mode: BTreeMap<String, Mode>,
}

/// What its tasks are made from.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct TaskTemplate {
    pub(super) container_spec: ContainerSpec,
}

/// Their containers.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ContainerSpec {
    pub(super) image: Option<String>,
}

/// How many tasks; a global service has one a node and says nothing.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Mode {
    pub(super) replicas: Option<u64>,
    pub(super) max_concurrent: Option<u64>,
}

/// A task of a service.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Task {
    #[serde(rename = "ID")]
    pub(super) id: String,
    #[serde(rename = "ServiceID")]
    pub(super) service: String,
    #[serde(rename = "NodeID")]
    pub(super) node: Option<String>,
    pub(super) slot: Option<u64>,
    pub(super) status: TaskStatus,
    pub(super) desired_state: String,
}

/// What became of it.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct TaskStatus {
    pub(super) timestamp: Option<String>,
    pub(super) state: String,
    pub(super) err: Option<String>,
    pub(super) container_status: Option<ContainerStatus>,
}

/// Its container, once there is one.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ContainerStatus {
    #[serde(rename = "ContainerID")]
    pub(super) id: String,
    #[serde(rename = "ExitCode")]
    pub(super) exit_code: Option<i64>,
}
