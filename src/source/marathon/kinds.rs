//! What the Marathon source records, as data.
//!
//! Must not know: how the numbers are fetched. The order of `columns` is the order in which `observe` fills values.

use crate::model::{Attribute, AttributeType, Column, Key, Kind};

const CLUSTER: Key = Key { name: "cluster", help: "Marathon's name in the configuration." };

const fn fact(name: &'static str, ty: AttributeType, help: &'static str) -> Attribute {
    Attribute::new(name, ty, help)
}

const fn count(name: &'static str, help: &'static str) -> Column {
    Column::gauge(name, name, "", 0, help)
}

const fn bytes(name: &'static str, help: &'static str) -> Column {
    Column::gauge(name, name, "bytes", 0, help)
}

const fn milli(name: &'static str, stored: &'static str, help: &'static str) -> Column {
    Column::gauge(name, stored, "", 3, help)
}

/// Marathon as a whole.
pub static MARATHON: Kind = Kind {
    name: "marathon",
    help: "A Marathon, all its instances taken as one.",
    identity: &[CLUSTER],
    attributes: &[
        fact("leader", AttributeType::Text, "Address of the leading instance."),
        fact("version", AttributeType::Text, "Its version."),
        fact("framework", AttributeType::Text, "Its framework id in Mesos."),
    ],
    columns: &[
        count("apps", "Applications.").headline(),
        count("deployments", "Deployments in progress.").headline(),
        count("queue_length", "Instances that wait to be launched.").headline(),
        count("queue_apps", "Applications with instances that wait."),
    ],
    derived: &[],
    display: &["cluster"],
};

/// One application.
pub static MARATHON_APP: Kind = Kind {
    name: "marathon_app",
    help: "An application of Marathon, through all its versions.",
    identity: &[CLUSTER, Key { name: "app", help: "The application's id, with its leading slash." }],
    attributes: &[
        fact("image", AttributeType::Text, "The image of its container."),
        fact("version", AttributeType::Text, "The version in force, the time at which it was made."),
        fact("command", AttributeType::Text, "Its command line."),
        fact("constraints", AttributeType::List, "Where it may run, as hostname:UNIQUE."),
        fact("health_checks", AttributeType::List, "Its health checks, as HTTP:/path:20s."),
        fact("labels", AttributeType::Map, "Its labels."),
        fact("user", AttributeType::Text, "The user it runs as."),
        fact("scaled_at", AttributeType::Time, "When its number of instances was last changed."),
        fact("configured_at", AttributeType::Time, "When anything else of it was last changed."),
        fact("deployments", AttributeType::List, "Ids of the deployments that change it now."),
    ],
    columns: &[
        count("instances", "Instances that are wanted.").headline(),
        count("tasks_staged", "Tasks launched and not running yet."),
        count("tasks_running", "Tasks that run.").headline(),
        count("tasks_healthy", "Tasks whose health checks pass."),
        count("tasks_unhealthy", "Tasks whose health checks fail.").headline(),
        milli("cpus_requested", "cpus_requested_milli", "CPUs wanted by all instances.").headline(),
        bytes("memory_requested_bytes", "Memory wanted by all instances.").headline(),
        bytes("disk_requested_bytes", "Disk wanted by all instances."),
        milli("gpus_requested", "gpus_requested_milli", "GPUs wanted by all instances."),
        milli("cpus_per_instance", "cpus_per_instance_milli", "CPUs wanted by one instance.").not_additive(),
        bytes("memory_per_instance_bytes", "Memory wanted by one instance.").not_additive(),
    ],
    derived: &[],
    display: &["cluster", "app"],
};
