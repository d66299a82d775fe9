//! Kinds `swarm_node` and `swarm_service`.
//!
//! Must not know: how a swarm is asked.

use crate::model::{Attribute, AttributeType, Column, Key, Kind};

/// States of tasks that count as their own column, in the columns' order; the rest are on the way to one of them.
pub(super) const STATES: [&str; 8] =
    ["running", "complete", "failed", "rejected", "shutdown", "orphaned", "remove", "pending"];

/// The column of all other states, after those.
pub(super) const STARTING: &str = "starting";

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
        fact("name", AttributeType::Text, "The machine's name: what `[hosts]` makes of its hostname or address."),
        fact("hostname", AttributeType::Text, "The machine's own name."),
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
        number(STARTING, "Tasks on the way: assigned, accepted, preparing, starting."),
    ],
    derived: &[],
    display: &["host", "name", "id"],
};
