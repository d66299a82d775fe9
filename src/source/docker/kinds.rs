//! What the Docker source records, as data: container, its interfaces and devices; in `engine` the engine and images.
//!
//! Must not know: how the numbers are fetched. The order of `columns` is the order in which `stats`, `info` and
//! `images` fill [`crate::model::Sample::values`].

mod engine;

pub use engine::{ENGINE, IMAGE_KIND};
pub mod process;

use crate::model::{Attribute, AttributeType, Column, Derived, Formula, Key, Kind};

const HOST: Key = Key { name: "host", help: "The engine's name in the configuration." };
const CONTAINER_ID: Key = Key { name: "id", help: "The container's id, 64 hexadecimal digits." };

/// Attribute of `container`: the digest of its image.
pub(super) const IMAGE_DIGEST: &str = "image_digest";
/// Attribute of `container`: all digests of its image.
pub(super) const IMAGE_DIGESTS: &str = "image_digests";

const fn fact(name: &'static str, ty: AttributeType, help: &'static str) -> Attribute {
    Attribute::new(name, ty, help)
}

const NAME: Attribute = fact("name", AttributeType::Text, "The container's name, without the leading slash.");
const IMAGE: Attribute = fact("image", AttributeType::Text, "The image as it was named when the container was made.");
const APP: Attribute = fact("app", AttributeType::Text, "The Marathon application the container belongs to.").late();
const TASK: Attribute = fact("task", AttributeType::Text, "The Mesos or swarm task that the container is.").late();
const FRAMEWORK: Attribute =
    fact("framework", AttributeType::Text, "The Mesos framework that started the task.").late();
const AGENT: Attribute = fact("agent", AttributeType::Text, "The Mesos agent that runs the task.").late();
const SERVICE: Attribute =
    fact("service", AttributeType::Text, "The swarm service, or Compose project and service, of the container.");

const STACK: Attribute =
    fact("stack", AttributeType::Text, "The swarm stack, or Compose project, that the container is a part of.");

/// One container, from its creation to its removal.
pub static CONTAINER: Kind = Kind {
    name: "container",
    help: "A container of a Docker engine (or podman), running or stopped.",
    identity: &[HOST, CONTAINER_ID],
    attributes: &[
        NAME,
        IMAGE,
        fact("image_id", AttributeType::Text, "The image's content id."),
        fact(
            IMAGE_DIGEST,
            AttributeType::Text,
            "The digest by which the registry of `image` knows the image; kept when the image is untagged or deleted.",
        )
        .late(),
        fact(
            IMAGE_DIGESTS,
            AttributeType::List,
            "All digests by which registries know the image, as repository@digest.",
        )
        .late(),
        fact(
            "state",
            AttributeType::Text,
            "created, running, paused, restarting, exited, removing or dead, as the engine says.",
        ),
        fact("health", AttributeType::Text, "starting, healthy or unhealthy; absent without a health check."),
        fact("created", AttributeType::Time, "When it was created."),
        fact("started_at", AttributeType::Time, "When its present life began; all its counters count from here."),
        fact("finished_at", AttributeType::Time, "When its last finished life ended."),
        fact("exit_code", AttributeType::Integer, "Exit code; absent while it runs and before its first end."),
        fact("oom_killed", AttributeType::Boolean, "Whether the kernel killed it for want of memory."),
        fact("restart_count", AttributeType::Integer, "How often the engine restarted it by its restart policy."),
        APP,
        TASK,
        FRAMEWORK,
        AGENT,
        SERVICE,
        STACK,
        fact("labels", AttributeType::Map, "Labels, its own and its image's."),
        fact(
            "env",
            AttributeType::Map,
            "MESOS_* and MARATHON_* of its environment, and the names that the configuration allows.",
        ),
        fact("networks", AttributeType::Map, "Addresses by network, empty where it has none."),
        fact("network_mode", AttributeType::Text, "bridge or default, host, none, a network, or container:<id>."),
        fact("network_of", AttributeType::Text, "The container whose network namespace it shares."),
        fact("ports", AttributeType::List, "Published and exposed ports, as 127.0.0.1:8080->80/tcp."),
        fact("mounts", AttributeType::List, "Mounts, as source:destination:rw."),
        fact("command", AttributeType::Text, "Program and arguments, cut after 4096 bytes."),
        fact("hostname", AttributeType::Text, "The hostname seen inside."),
        fact("restart_policy", AttributeType::Text, "no, always, unless-stopped or on-failure."),
        fact("privileged", AttributeType::Boolean, "Whether it runs with all privileges."),
        fact("cpuset_cpus", AttributeType::Text, "The CPUs it may run on; absent where all."),
        fact("cpu_limit_cores", AttributeType::Number, "NanoCpus, or quota / period; absent without a limit."),
        fact(
            "cpu_allocated_cores",
            AttributeType::Number,
            "CPUs that Mesos allocated to its task; absent where it is none's.",
        )
        .late(),
        fact("cpu_reserved_cores", AttributeType::Number, "CpuShares / 1024; absent where not set."),
        fact("memory_max_bytes", AttributeType::Integer, "Memory limit as configured; absent without one."),
        fact("memory_allocated_bytes", AttributeType::Integer, "Memory that Mesos allocated to its task.").late(),
        fact("memory_reserved_bytes", AttributeType::Integer, "Soft memory limit; absent without one."),
        fact("swap_max_bytes", AttributeType::Integer, "MemorySwap - Memory; absent without a limit."),
        fact("pids_limit", AttributeType::Integer, "Most processes; absent without a limit."),
    ],
    columns: &[
        Column::counter("cpu_usage_seconds_total", "cpu_usage_ns", "seconds", 9, "CPU time used (total_usage)."),
        Column::counter("cpu_user_seconds_total", "cpu_user_ns", "seconds", 9, "CPU time in user mode."),
        Column::counter("cpu_system_seconds_total", "cpu_system_ns", "seconds", 9, "CPU time in kernel mode."),
        Column::counter(
            "cpu_host_seconds_total",
            "cpu_host_ns",
            "seconds",
            9,
            "CPU time of the whole machine, user to softirq without steal (system_cpu_usage). Null in the first \
             sample of each life, because it does not count from the container's start. Podman reports something \
             else there: for it, the time since the container's start times cpu_online.",
        )
        .not_additive(),
        Column::gauge("cpu_online", "cpu_online", "", 0, "CPUs of the machine (online_cpus).").not_additive(),
        Column::counter("cpu_periods_total", "cpu_periods", "", 0, "CFS periods that ran under a CPU limit."),
        Column::counter(
            "cpu_throttled_periods_total",
            "cpu_throttled_periods",
            "",
            0,
            "CFS periods in which the container was throttled.",
        ),
        Column::counter(
            "cpu_throttled_seconds_total",
            "cpu_throttled_ns",
            "seconds",
            9,
            "Time for which its threads were throttled.",
        ),
        Column::gauge("memory_usage_bytes", "memory_usage_bytes", "bytes", 0, "Memory used, page cache included."),
        Column::gauge(
            "memory_limit_bytes",
            "memory_limit_bytes",
            "bytes",
            0,
            "Memory limit in force; the machine's memory where none is set.",
        ),
        Column::gauge(
            "memory_max_usage_bytes",
            "memory_max_usage_bytes",
            "bytes",
            0,
            "Most memory ever used in this life (cgroup v1 only).",
        )
        .high_water(),
        Column::gauge("memory_rss_bytes", "memory_rss_bytes", "bytes", 0, "Anonymous memory (v1 total_rss, v2 anon)."),
        Column::gauge("memory_cache_bytes", "memory_cache_bytes", "bytes", 0, "Page cache (v1 total_cache, v2 file)."),
        Column::gauge(
            "memory_inactive_file_bytes",
            "memory_inactive_file_bytes",
            "bytes",
            0,
            "Page cache that can be dropped first (v1 total_inactive_file, v2 inactive_file).",
        )
        .untold_is_none(),
        Column::gauge("memory_swap_bytes", "memory_swap_bytes", "bytes", 0, "Swap used (v1 total_swap)."),
        Column::gauge(
            "memory_mapped_file_bytes",
            "memory_mapped_file_bytes",
            "bytes",
            0,
            "Mapped files (v1 total_mapped_file, v2 file_mapped).",
        ),
        Column::counter("memory_faults_total", "memory_faults", "", 0, "Page faults."),
        Column::counter(
            "memory_major_faults_total",
            "memory_major_faults",
            "",
            0,
            "Page faults that had to read from a device.",
        ),
        Column::counter(
            "memory_limit_hits_total",
            "memory_limit_hits",
            "",
            0,
            "How often the memory limit was hit (failcnt, cgroup v1 only).",
        ),
        Column::gauge("pids", "pids", "", 0, "Processes and threads."),
        Column::counter(
            "network_receive_bytes_total",
            "network_receive_bytes",
            "bytes",
            0,
            "Bytes received, all interfaces; null where it shares another container's network.",
        ),
        Column::counter(
            "network_receive_packets_total",
            "network_receive_packets",
            "",
            0,
            "Packets received, all interfaces.",
        ),
        Column::counter(
            "network_receive_errors_total",
            "network_receive_errors",
            "",
            0,
            "Receive errors, all interfaces.",
        ),
        Column::counter(
            "network_receive_dropped_total",
            "network_receive_dropped",
            "",
            0,
            "Received packets dropped, all interfaces.",
        ),
        Column::counter(
            "network_transmit_bytes_total",
            "network_transmit_bytes",
            "bytes",
            0,
            "Bytes sent, all interfaces; null where it shares another container's network.",
        ),
        Column::counter(
            "network_transmit_packets_total",
            "network_transmit_packets",
            "",
            0,
            "Packets sent, all interfaces.",
        ),
        Column::counter(
            "network_transmit_errors_total",
            "network_transmit_errors",
            "",
            0,
            "Transmit errors, all interfaces.",
        ),
        Column::counter(
            "network_transmit_dropped_total",
            "network_transmit_dropped",
            "",
            0,
            "Packets to send dropped, all interfaces.",
        ),
        Column::counter(
            "block_read_bytes_total",
            "block_read_bytes",
            "bytes",
            0,
            "Bytes read from devices; null until the first I/O.",
        ),
        Column::counter("block_read_ops_total", "block_read_ops", "", 0, "Reads from devices."),
        Column::counter(
            "block_write_bytes_total",
            "block_write_bytes",
            "bytes",
            0,
            "Bytes written to devices; null until the first I/O.",
        ),
        Column::counter("block_write_ops_total", "block_write_ops", "", 0, "Writes to devices."),
    ],
    derived: &[
        Derived::new(
            "cpu_cores",
            "cores",
            "Cores in use: increase of cpu_usage / time.",
            Formula::Rate { counters: &["cpu_usage_seconds_total"] },
        )
        .headline(),
        Derived::new(
            "memory_working_set_bytes",
            "bytes",
            "Memory in use without page cache that can be dropped: usage - inactive_file, at least 0; usage where no \
             inactive_file is told (podman), as docker stats has it.",
            Formula::Remainder { of: "memory_usage_bytes", less: "memory_inactive_file_bytes" },
        )
        .headline(),
        Derived::new(
            "network_receive_bytes_per_second",
            "bytes_per_second",
            "Bytes received a second.",
            Formula::Rate { counters: &["network_receive_bytes_total"] },
        )
        .headline(),
        Derived::new(
            "network_transmit_bytes_per_second",
            "bytes_per_second",
            "Bytes sent a second.",
            Formula::Rate { counters: &["network_transmit_bytes_total"] },
        )
        .headline(),
        Derived::new(
            "block_read_bytes_per_second",
            "bytes_per_second",
            "Bytes read from devices a second.",
            Formula::Rate { counters: &["block_read_bytes_total"] },
        )
        .headline(),
        Derived::new(
            "block_write_bytes_per_second",
            "bytes_per_second",
            "Bytes written to devices a second.",
            Formula::Rate { counters: &["block_write_bytes_total"] },
        )
        .headline(),
        per_second(
            "network_receive_packets_per_second",
            "Packets received a second.",
            &["network_receive_packets_total"],
        ),
        per_second("network_receive_errors_per_second", "Receive errors a second.", &["network_receive_errors_total"]),
        per_second(
            "network_receive_dropped_per_second",
            "Received packets dropped a second.",
            &["network_receive_dropped_total"],
        ),
        per_second(
            "network_transmit_packets_per_second",
            "Packets sent a second.",
            &["network_transmit_packets_total"],
        ),
        per_second(
            "network_transmit_errors_per_second",
            "Transmit errors a second.",
            &["network_transmit_errors_total"],
        ),
        per_second(
            "network_transmit_dropped_per_second",
            "Packets to send dropped a second.",
            &["network_transmit_dropped_total"],
        ),
        per_second("block_read_ops_per_second", "Reads from devices a second.", &["block_read_ops_total"]),
        per_second("block_write_ops_per_second", "Writes to devices a second.", &["block_write_ops_total"]),
        Derived::new(
            "cpu_percent",
            "percent",
            "What docker stats shows: increase of cpu_usage / increase of cpu_host x cpu_online x 100.",
            Formula::IncreaseRatio {
                part: "cpu_usage_seconds_total",
                whole: "cpu_host_seconds_total",
                times: Some("cpu_online"),
                factor: 100.0,
            },
        ),
        Derived::new(
            "cpu_limit_ratio",
            "ratio",
            "cpu_cores / cpu_limit_cores in force.",
            Formula::RateToAttribute { counter: "cpu_usage_seconds_total", attribute: "cpu_limit_cores" },
        ),
        Derived::new(
            "cpu_throttled_ratio",
            "ratio",
            "Share of periods in which the container was throttled.",
            Formula::IncreaseRatio {
                part: "cpu_throttled_periods_total",
                whole: "cpu_periods_total",
                times: None,
                factor: 1.0,
            },
        ),
        Derived::new(
            "memory_usage_ratio",
            "ratio",
            "memory_usage_bytes / memory_limit_bytes.",
            Formula::GaugeRatio { part: "memory_usage_bytes", less: None, whole: "memory_limit_bytes" },
        ),
        Derived::new(
            "memory_limit_ratio",
            "ratio",
            "memory_working_set_bytes / memory_limit_bytes.",
            Formula::GaugeRatio {
                part: "memory_usage_bytes",
                less: Some("memory_inactive_file_bytes"),
                whole: "memory_limit_bytes",
            },
        ),
    ],
    display: &["host", "name", "id"],
};

const fn per_second(name: &'static str, help: &'static str, counters: &'static [&'static str]) -> Derived {
    Derived::new(name, "per_second", help, Formula::Rate { counters })
}

/// One network interface of a container.
pub static CONTAINER_INTERFACE: Kind = Kind {
    name: "container_interface",
    help: "A network interface of a running container that has a network of its own.",
    identity: &[HOST, CONTAINER_ID, Key { name: "interface", help: "The interface's name inside, such as eth0." }],
    attributes: &[NAME, IMAGE, APP, TASK, FRAMEWORK, AGENT, SERVICE, STACK],
    columns: &[
        Column::counter("receive_bytes_total", "receive_bytes", "bytes", 0, "Bytes received."),
        Column::counter("receive_packets_total", "receive_packets", "", 0, "Packets received."),
        Column::counter("receive_errors_total", "receive_errors", "", 0, "Receive errors."),
        Column::counter("receive_dropped_total", "receive_dropped", "", 0, "Received packets dropped."),
        Column::counter("transmit_bytes_total", "transmit_bytes", "bytes", 0, "Bytes sent."),
        Column::counter("transmit_packets_total", "transmit_packets", "", 0, "Packets sent."),
        Column::counter("transmit_errors_total", "transmit_errors", "", 0, "Transmit errors."),
        Column::counter("transmit_dropped_total", "transmit_dropped", "", 0, "Packets to send dropped."),
    ],
    derived: &[
        Derived::new(
            "receive_bytes_per_second",
            "bytes_per_second",
            "Bytes received a second.",
            Formula::Rate { counters: &["receive_bytes_total"] },
        )
        .headline(),
        Derived::new(
            "transmit_bytes_per_second",
            "bytes_per_second",
            "Bytes sent a second.",
            Formula::Rate { counters: &["transmit_bytes_total"] },
        )
        .headline(),
        per_second("receive_packets_per_second", "Packets received a second.", &["receive_packets_total"]),
        per_second("receive_errors_per_second", "Receive errors a second.", &["receive_errors_total"]),
        per_second("receive_dropped_per_second", "Received packets dropped a second.", &["receive_dropped_total"]),
        per_second("transmit_packets_per_second", "Packets sent a second.", &["transmit_packets_total"]),
        per_second("transmit_errors_per_second", "Transmit errors a second.", &["transmit_errors_total"]),
        per_second("transmit_dropped_per_second", "Packets to send dropped a second.", &["transmit_dropped_total"]),
    ],
    display: &["host", "name", "interface", "id"],
};

/// One block device, as used by one container.
pub static CONTAINER_DEVICE: Kind = Kind {
    name: "container_device",
    help: "A block device that a running container has used.",
    identity: &[HOST, CONTAINER_ID, Key { name: "device", help: "The device's numbers, major:minor." }],
    attributes: &[NAME, IMAGE, APP, TASK, FRAMEWORK, AGENT, SERVICE, STACK],
    columns: &[
        Column::counter("read_bytes_total", "read_bytes", "bytes", 0, "Bytes read."),
        Column::counter("read_ops_total", "read_ops", "", 0, "Reads."),
        Column::counter("write_bytes_total", "write_bytes", "bytes", 0, "Bytes written."),
        Column::counter("write_ops_total", "write_ops", "", 0, "Writes."),
    ],
    derived: &[
        Derived::new(
            "read_bytes_per_second",
            "bytes_per_second",
            "Bytes read a second.",
            Formula::Rate { counters: &["read_bytes_total"] },
        )
        .headline(),
        Derived::new(
            "write_bytes_per_second",
            "bytes_per_second",
            "Bytes written a second.",
            Formula::Rate { counters: &["write_bytes_total"] },
        )
        .headline(),
        per_second("read_ops_per_second", "Reads a second.", &["read_ops_total"]),
        per_second("write_ops_per_second", "Writes a second.", &["write_ops_total"]),
    ],
    display: &["host", "name", "device", "id"],
};
