//! What the Mesos source records, as data: cluster, master, agent, framework, task, executor.
//!
//! Resources are counted in thousandths, which is how exactly Mesos itself keeps them; memory and disk, megabytes of
//! 2^20 bytes there, are bytes here. Must not know: how the numbers are fetched, nor under which names.

use crate::model::{Attribute, AttributeType, Column, Derived, Formula, Key, Kind};

const CLUSTER: Key = Key { name: "cluster", help: "The cluster's name in the configuration." };

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

const fn total(name: &'static str, stored: &'static str, help: &'static str) -> Column {
    Column::counter(name, stored, "", 0, help)
}

const fn used_ratio(name: &'static str, used: &'static str, whole: &'static str) -> Derived {
    Derived::new(name, "ratio", "Allocated divided by capacity.", Formula::GaugeRatio { part: used, less: None, whole })
}

/// The columns of resources, those given after them.
macro_rules! with_resources {
    ($($more:expr),* $(,)?) => {
        &[
            milli("cpus_capacity", "cpus_capacity_milli", "CPUs offered by agents.").headline(),
            milli("cpus_used", "cpus_used_milli", "CPUs allocated to tasks and executors; not what they really use.")
                .headline(),
            milli("cpus_revocable_capacity", "cpus_revocable_capacity_milli", "Oversubscribed CPUs."),
            milli("cpus_revocable_used", "cpus_revocable_used_milli", "Oversubscribed CPUs that are allocated."),
            bytes("memory_capacity_bytes", "Memory offered by agents.").headline(),
            bytes("memory_used_bytes", "Memory allocated to tasks and executors; not what they really use.").headline(),
            bytes("memory_revocable_capacity_bytes", "Oversubscribed memory."),
            bytes("memory_revocable_used_bytes", "Oversubscribed memory that is allocated."),
            bytes("disk_capacity_bytes", "Disk offered by agents."),
            bytes("disk_used_bytes", "Disk allocated to tasks and executors."),
            bytes("disk_revocable_capacity_bytes", "Oversubscribed disk."),
            bytes("disk_revocable_used_bytes", "Oversubscribed disk that is allocated."),
            milli("gpus_capacity", "gpus_capacity_milli", "GPUs offered by agents."),
            milli("gpus_used", "gpus_used_milli", "GPUs allocated to tasks and executors."),
            milli("gpus_revocable_capacity", "gpus_revocable_capacity_milli", "Oversubscribed GPUs."),
            milli("gpus_revocable_used", "gpus_revocable_used_milli", "Oversubscribed GPUs that are allocated."),
            $($more),*
        ]
    };
}

const USED_RATIOS: &[Derived] = &[
    used_ratio("cpus_used_ratio", "cpus_used", "cpus_capacity").headline(),
    used_ratio("memory_used_ratio", "memory_used_bytes", "memory_capacity_bytes").headline(),
    used_ratio("disk_used_ratio", "disk_used_bytes", "disk_capacity_bytes"),
    used_ratio("gpus_used_ratio", "gpus_used", "gpus_capacity"),
    used_ratio("cpus_revocable_used_ratio", "cpus_revocable_used", "cpus_revocable_capacity"),
    used_ratio("memory_revocable_used_ratio", "memory_revocable_used_bytes", "memory_revocable_capacity_bytes"),
    used_ratio("disk_revocable_used_ratio", "disk_revocable_used_bytes", "disk_revocable_capacity_bytes"),
    used_ratio("gpus_revocable_used_ratio", "gpus_revocable_used", "gpus_revocable_capacity"),
];

/// The cluster, as its leading master counts it.
pub static MESOS_CLUSTER: Kind = Kind {
    name: "mesos_cluster",
    help: "A Mesos cluster, by the numbers of its leading master; its counters count since that master's election.",
    identity: &[CLUSTER],
    attributes: &[
        fact("leader", AttributeType::Text, "Address of the leading master."),
        fact("elected_at", AttributeType::Time, "When it was elected."),
        fact("version", AttributeType::Text, "Its version of Mesos."),
    ],
    columns: with_resources![
        count("agents_active", "Agents whose resources are offered.").headline(),
        count("agents_inactive", "Registered agents that get no offers."),
        count("agents_connected", "Agents with an open connection."),
        count("agents_disconnected", "Registered agents without a connection."),
        count("agents_unreachable", "Agents that are marked unreachable.").headline(),
        count("tasks_staging", "Tasks accepted and not yet started."),
        count("tasks_starting", "Tasks that their executors start."),
        count("tasks_running", "Tasks that run.").headline(),
        count("tasks_killing", "Tasks that are being killed."),
        count("tasks_unreachable", "Tasks of unreachable agents."),
        total("tasks_finished_total", "tasks_finished", "Tasks that ended with success."),
        total("tasks_failed_total", "tasks_failed", "Tasks that ended with failure.").headline(),
        total("tasks_killed_total", "tasks_killed", "Tasks that were killed."),
        total("tasks_lost_total", "tasks_lost", "Tasks that were lost with their agent or executor.").headline(),
        total("tasks_error_total", "tasks_error", "Tasks that were rejected as invalid."),
        total("tasks_gone_total", "tasks_gone", "Tasks known to be gone with their executor or agent."),
        total("tasks_dropped_total", "tasks_dropped", "Tasks that could not be launched."),
        count("frameworks_active", "Frameworks that may get offers."),
        count("frameworks_inactive", "Frameworks that are deactivated."),
        count("frameworks_connected", "Frameworks with an open connection."),
        count("frameworks_disconnected", "Frameworks whose scheduler is gone, within their failover time."),
        count("offers_outstanding", "Offers neither accepted nor declined yet."),
        total("agent_registrations_total", "agent_registrations", "Agents that registered."),
        total("agent_reregistrations_total", "agent_reregistrations", "Agents that registered again."),
        total("agent_removals_total", "agent_removals", "Agents that were removed."),
    ],
    derived: USED_RATIOS,
    display: &["cluster"],
};

/// One master process.
pub static MESOS_MASTER: Kind = Kind {
    name: "mesos_master",
    help: "One Mesos master, leading or not, and the machine it runs on.",
    identity: &[CLUSTER, Key { name: "address", help: "Host and port of the master." }],
    attributes: &[
        fact("role", AttributeType::Text, "leader, standby, recovering (elected, not yet ready) or down."),
        fact("version", AttributeType::Text, "Its version of Mesos."),
        fact("follows", AttributeType::Text, "The leader it leads its clients to."),
    ],
    columns: &[
        Column::gauge("elected", "elected", "", 0, "1 while it leads.").headline(),
        Column::gauge("uptime_seconds", "uptime_ms", "seconds", 3, "How long its process has been running.")
            .headline()
            .not_additive(),
        count("registrar_queued_operations", "Registry updates that wait to be written.").headline(),
        bytes("registrar_size_bytes", "Size of the registry."),
        Column::gauge("registrar_state_store_seconds", "registrar_state_store_ns", "seconds", 9, "Last write of it.")
            .not_additive(),
        Column::gauge("registrar_log_recovered", "registrar_log_recovered", "", 0, "1 when its log has caught up."),
        count("event_queue_messages", "Messages that wait for the master."),
        count("event_queue_dispatches", "Internal calls that wait for the master."),
        count("event_queue_http_requests", "HTTP requests that wait for the master."),
        total("messages_dropped_total", "messages_dropped", "Messages that the master ignored."),
        count("system_cpus", "CPUs of its machine."),
        Column::gauge("system_load_1m", "system_load_1m_milli", "", 3, "Load of its machine over 1 min.")
            .not_additive(),
        Column::gauge("system_load_5m", "system_load_5m_milli", "", 3, "Load of its machine over 5 min.")
            .not_additive(),
        Column::gauge("system_load_15m", "system_load_15m_milli", "", 3, "Load of its machine over 15 min.")
            .not_additive(),
        bytes("system_memory_total_bytes", "Memory of its machine."),
        bytes("system_memory_free_bytes", "Free memory of its machine, page cache not counted as free."),
    ],
    derived: &[],
    display: &["cluster", "address"],
};

/// One agent.
pub static MESOS_AGENT: Kind = Kind {
    name: "mesos_agent",
    help: "One Mesos agent: what it offers, what of it is allocated, what it runs.",
    identity: &[CLUSTER, Key { name: "id", help: "The agent's id; a replaced agent has another one." }],
    attributes: &[
        fact("host", AttributeType::Text, "The machine's name: what `[hosts]` makes of its hostname or address."),
        fact("hostname", AttributeType::Text, "The hostname it registered with."),
        fact("address", AttributeType::Text, "Where it listens."),
        fact("version", AttributeType::Text, "Its version of Mesos."),
        fact("active", AttributeType::Boolean, "Whether its resources are offered."),
        fact("draining", AttributeType::Text, "How far it is drained, where it is."),
        fact("registered_at", AttributeType::Time, "When it first registered with the present leader or one before."),
        fact("region", AttributeType::Text, "Its region."),
        fact("zone", AttributeType::Text, "Its zone."),
        fact("agent_attributes", AttributeType::Map, "Attributes it was started with."),
        fact("reservations", AttributeType::Map, "Reserved resources by role, as cpus:1;mem:512."),
    ],
    columns: with_resources![
        count("registered", "1 while it is registered with a master."),
        Column::gauge("uptime_seconds", "uptime_ms", "seconds", 3, "How long its process has been running.")
            .not_additive(),
        count("frameworks_active", "Frameworks that run something here."),
        count("tasks_staging", "Tasks accepted and not yet started."),
        count("tasks_starting", "Tasks that their executors start."),
        count("tasks_running", "Tasks that run.").headline(),
        count("tasks_killing", "Tasks that are being killed."),
        total("tasks_finished_total", "tasks_finished", "Tasks that ended with success."),
        total("tasks_failed_total", "tasks_failed", "Tasks that ended with failure.").headline(),
        total("tasks_killed_total", "tasks_killed", "Tasks that were killed."),
        total("tasks_lost_total", "tasks_lost", "Tasks that were lost."),
        total("tasks_gone_total", "tasks_gone", "Tasks known to be gone with their executor."),
        count("executors_running", "Executors that run.").headline(),
        count("executors_registering", "Executors started and not yet registered."),
        count("executors_terminating", "Executors that are being shut down."),
        total("executors_terminated_total", "executors_terminated", "Executors that ended."),
        total("executors_preempted_total", "executors_preempted", "Executors ended to free revocable resources."),
        total("container_launch_errors_total", "container_launch_errors", "Containers that could not be launched."),
        count("system_cpus", "CPUs of its machine."),
        Column::gauge("system_load_1m", "system_load_1m_milli", "", 3, "Load of its machine over 1 min.")
            .not_additive(),
        Column::gauge("system_load_5m", "system_load_5m_milli", "", 3, "Load of its machine over 5 min.")
            .not_additive(),
        Column::gauge("system_load_15m", "system_load_15m_milli", "", 3, "Load of its machine over 15 min.")
            .not_additive(),
        bytes("system_memory_total_bytes", "Memory of its machine."),
        bytes("system_memory_free_bytes", "Free memory of its machine, page cache not counted as free."),
    ],
    derived: USED_RATIOS,
    display: &["cluster", "host", "id"],
};

/// One framework.
pub static MESOS_FRAMEWORK: Kind = Kind {
    name: "mesos_framework",
    help: "One framework: what it was allocated and what it is offered.",
    identity: &[CLUSTER, Key { name: "id", help: "The framework's id; it stays when its scheduler fails over." }],
    attributes: &[
        fact("name", AttributeType::Text, "Its name; not unique."),
        fact("roles", AttributeType::List, "Its roles."),
        fact("user", AttributeType::Text, "The user that its tasks run as."),
        fact("principal", AttributeType::Text, "What it authenticated as."),
        fact("hostname", AttributeType::Text, "Where its scheduler runs."),
        fact("webui_url", AttributeType::Text, "Its page."),
        fact("active", AttributeType::Boolean, "Whether it may get offers."),
        fact("connected", AttributeType::Boolean, "Whether its scheduler is connected."),
        fact("registered_at", AttributeType::Time, "When it registered."),
        fact("reregistered_at", AttributeType::Time, "When its scheduler last registered again."),
        fact("checkpoint", AttributeType::Boolean, "Whether its tasks outlive an agent's restart."),
        fact("failover_timeout_seconds", AttributeType::Number, "How long its tasks wait for its scheduler."),
        fact("capabilities", AttributeType::List, "What it says it can do."),
    ],
    columns: &[
        milli("cpus_allocated", "cpus_allocated_milli", "CPUs allocated to its tasks and executors.").headline(),
        bytes("memory_allocated_bytes", "Memory allocated to its tasks and executors.").headline(),
        bytes("disk_allocated_bytes", "Disk allocated to its tasks and executors."),
        milli("gpus_allocated", "gpus_allocated_milli", "GPUs allocated to its tasks and executors."),
        milli("cpus_offered", "cpus_offered_milli", "CPUs offered to it now."),
        bytes("memory_offered_bytes", "Memory offered to it now."),
        bytes("disk_offered_bytes", "Disk offered to it now."),
        milli("gpus_offered", "gpus_offered_milli", "GPUs offered to it now."),
    ],
    derived: &[],
    display: &["cluster", "name", "id"],
};

/// One task.
pub static MESOS_TASK: Kind = Kind {
    name: "mesos_task",
    help: "One task of a framework, from its launch to its end, and what was allocated to it.",
    identity: &[
        CLUSTER,
        Key { name: "framework", help: "Id of its framework." },
        Key { name: "id", help: "The task's id, unique within the framework." },
    ],
    attributes: &[
        fact("name", AttributeType::Text, "Its name."),
        fact("state", AttributeType::Text, "TASK_STAGING, TASK_RUNNING, TASK_FAILED and so on."),
        fact("agent", AttributeType::Text, "Id of the agent that runs it."),
        fact("host", AttributeType::Text, "The machine's name, as of its agent."),
        fact("executor", AttributeType::Text, "Its executor; a command task's is the task itself."),
        fact("container_id", AttributeType::Text, "Its container; Docker names it `mesos-` and this id."),
        fact("container_parent", AttributeType::Text, "The container that its container is nested in."),
        fact("app", AttributeType::Text, "The Marathon application it belongs to.").late(),
        fact("role", AttributeType::Text, "The role its resources are allocated to."),
        fact("image", AttributeType::Text, "Its image."),
        fact("healthy", AttributeType::Boolean, "What its health check said last."),
        fact("exit", AttributeType::Text, "Why it ended: the reason that was given."),
        fact("exit_status", AttributeType::Integer, "Its exit status, where its end told one."),
        fact("started_at", AttributeType::Time, "When it first ran."),
        fact("labels", AttributeType::Map, "Its labels."),
    ],
    columns: &[
        milli("cpus_allocated", "cpus_allocated_milli", "CPUs allocated to it.").headline(),
        bytes("memory_allocated_bytes", "Memory allocated to it.").headline(),
        bytes("disk_allocated_bytes", "Disk allocated to it."),
        milli("gpus_allocated", "gpus_allocated_milli", "GPUs allocated to it."),
    ],
    derived: &[],
    display: &["cluster", "name", "id"],
};

const fn cpu_seconds(name: &'static str, stored: &'static str, help: &'static str) -> Column {
    Column::counter(name, stored, "seconds", 9, help)
}

/// One executor's container.
pub static MESOS_EXECUTOR: Kind = Kind {
    name: "mesos_executor",
    help: "One executor's container as its agent measures it, its tasks' nested containers included.",
    identity: &[
        CLUSTER,
        Key { name: "agent", help: "Id of its agent." },
        Key { name: "framework", help: "Id of its framework." },
        Key { name: "id", help: "The executor's id." },
    ],
    attributes: &[
        fact("name", AttributeType::Text, "Its name."),
        fact("host", AttributeType::Text, "The machine's name, as of its agent."),
        fact("container_id", AttributeType::Text, "Its container.").late(),
        fact("task", AttributeType::Text, "The task it is, where it runs but one.").late(),
        fact("app", AttributeType::Text, "The Marathon application it belongs to.").late(),
        fact("cpu_allocated_cores", AttributeType::Number, "CPUs allocated to its tasks.").late(),
        fact("memory_allocated_bytes", AttributeType::Integer, "Memory allocated to its tasks.").late(),
    ],
    columns: &[
        cpu_seconds("cpu_user_seconds_total", "cpu_user_ns", "CPU time in user mode."),
        cpu_seconds("cpu_system_seconds_total", "cpu_system_ns", "CPU time in kernel mode."),
        Column::gauge(
            "cpu_limit_cores",
            "cpu_limit_milli",
            "cores",
            3,
            "CPUs it may use, its executor's own included.",
        )
        .headline(),
        total("cpu_periods_total", "cpu_periods", "CFS periods that ran under a CPU limit."),
        total("cpu_throttled_periods_total", "cpu_throttled_periods", "CFS periods in which it was throttled."),
        cpu_seconds("cpu_throttled_seconds_total", "cpu_throttled_ns", "Time for which it was throttled."),
        bytes("memory_rss_bytes", "Anonymous memory.").headline(),
        bytes("memory_limit_bytes", "Memory limit in force.").headline(),
        bytes("memory_soft_limit_bytes", "Soft memory limit."),
        bytes("memory_total_bytes", "Memory used, page cache included."),
        bytes("memory_cache_bytes", "Page cache."),
        bytes("memory_mapped_file_bytes", "Mapped files."),
        bytes("memory_swap_bytes", "Swap used."),
        bytes("disk_used_bytes", "Disk used by its sandbox and volumes."),
        bytes("disk_limit_bytes", "Disk it may use."),
        count("processes", "Processes."),
        count("threads", "Threads."),
        Column::counter("network_receive_bytes_total", "network_receive_bytes", "bytes", 0, "Bytes received."),
        total("network_receive_packets_total", "network_receive_packets", "Packets received."),
        total("network_receive_errors_total", "network_receive_errors", "Receive errors."),
        total("network_receive_dropped_total", "network_receive_dropped", "Received packets dropped."),
        Column::counter("network_transmit_bytes_total", "network_transmit_bytes", "bytes", 0, "Bytes sent."),
        total("network_transmit_packets_total", "network_transmit_packets", "Packets sent."),
        total("network_transmit_errors_total", "network_transmit_errors", "Transmit errors."),
        total("network_transmit_dropped_total", "network_transmit_dropped", "Sent packets dropped."),
    ],
    derived: &[
        Derived::new(
            "cpu_cores",
            "cores",
            "CPU used.",
            Formula::Rate { counters: &["cpu_user_seconds_total", "cpu_system_seconds_total"] },
        )
        .headline(),
        Derived::new(
            "cpu_throttled_ratio",
            "ratio",
            "Share of CFS periods in which it was throttled.",
            Formula::IncreaseRatio {
                part: "cpu_throttled_periods_total",
                whole: "cpu_periods_total",
                times: None,
                factor: 1.0,
            },
        ),
        Derived::new(
            "memory_limit_ratio",
            "ratio",
            "Anonymous memory divided by the limit.",
            Formula::GaugeRatio { part: "memory_rss_bytes", less: None, whole: "memory_limit_bytes" },
        ),
        Derived::new(
            "network_receive_bytes_per_second",
            "bytes_per_second",
            "Bytes received.",
            Formula::Rate { counters: &["network_receive_bytes_total"] },
        ),
        Derived::new(
            "network_transmit_bytes_per_second",
            "bytes_per_second",
            "Bytes sent.",
            Formula::Rate { counters: &["network_transmit_bytes_total"] },
        ),
    ],
    display: &["cluster", "name", "id"],
};
