//! The kind of processes in containers. The order of `columns` is the order in which `processes` fills samples.

use super::{AGENT, APP, CONTAINER_ID, FRAMEWORK, HOST, IMAGE, NAME, SERVICE, STACK, TASK, fact};
use crate::model::{AttributeType, Column, Derived, Formula, Key, Kind};

/// One process of a container, as long as it is among those that use most.
pub static CONTAINER_PROCESS: Kind = Kind {
    name: "container_process",
    help: "A process in a container. Sampled while it is among those of its container that use most CPU or memory, and only \
           where the configuration asks for it.",
    identity: &[
        HOST,
        CONTAINER_ID,
        Key { name: "pid", help: "Its number: on the engine's machine, or with podman inside the container." },
        Key {
            name: "started",
            help: "When it started, by the engine's own clock and as exactly as ps tells it; after ~ when it was first \
                   seen, where ps does not tell.",
        },
    ],
    attributes: &[
        NAME,
        IMAGE,
        APP,
        TASK,
        FRAMEWORK,
        AGENT,
        SERVICE,
        STACK,
        fact("user", AttributeType::Text, "The user it runs as."),
        fact("command", AttributeType::Text, "Its command line, cut, and with *** for what the configuration hides."),
    ],
    columns: &[
        Column::gauge(
            "cpu_percent",
            "cpu_percent_tenths",
            "percent",
            1,
            "CPU time over its whole life as a share of one core, as ps tells it; cpu_cores is that of late.",
        ),
        Column::gauge("memory_rss_bytes", "memory_rss_bytes", "bytes", 0, "Resident memory (RSS).").headline(),
        Column::gauge("memory_virtual_bytes", "memory_virtual_bytes", "bytes", 0, "Address space (VSZ)."),
        Column::counter("cpu_seconds_total", "cpu_ms", "seconds", 3, "CPU time used; ps tells whole seconds."),
    ],
    derived: &[Derived::new(
        "cpu_cores",
        "cores",
        "Cores in use: increase of cpu_seconds_total / time.",
        Formula::Rate { counters: &["cpu_seconds_total"] },
    )
    .headline()],
    display: &["host", "name", "command", "pid", "started", "id"],
};
