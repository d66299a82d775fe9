//! The kinds of a host: the machine, its block devices, network interfaces and file systems.
//!
//! Stored names are the keys that the parsers fill. Times in /proc come in ticks (kept as hundredths of a
//! second), milliseconds (devices) or microseconds (pressure); sizes are kept in bytes.

use crate::model::{Attribute, AttributeType, Column, Derived, Formula, Key, Kind};

const HOST_KEY: Key = Key { name: "host", help: "The host's name in the configuration." };

const fn attribute(name: &'static str, ty: AttributeType, help: &'static str) -> Attribute {
    Attribute::new(name, ty, help)
}

const fn per_second(
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    of: &'static [&'static str],
) -> Derived {
    Derived::new(name, unit, help, Formula::Rate { counters: of })
}

/// Seconds of something per second of time: a share of time, not to be summed.
const fn time_share(name: &'static str, help: &'static str, of: &'static [&'static str]) -> Derived {
    Derived { additive: false, ..Derived::new(name, "ratio", help, Formula::Rate { counters: of }) }
}

const fn cpu(name: &'static str, stored: &'static str, help: &'static str) -> Column {
    Column::counter(name, stored, "seconds", 2, help)
}

const fn memory(name: &'static str, help: &'static str) -> Column {
    Column::gauge(name, name, "bytes", 0, help)
}

const fn pressure(name: &'static str, stored: &'static str, help: &'static str) -> Column {
    Column::counter(name, stored, "seconds", 6, help).not_additive()
}

const fn count(name: &'static str, stored: &'static str, unit: &'static str, help: &'static str) -> Column {
    Column::counter(name, stored, unit, 0, help)
}

const fn load(name: &'static str, stored: &'static str, help: &'static str) -> Column {
    Column::gauge(name, stored, "", 2, help).not_additive()
}

/// This machine as a whole.
pub static HOST: Kind = Kind {
    name: "host",
    help: "A machine as a whole.",
    identity: &[HOST_KEY],
    attributes: &[
        attribute("hostname", AttributeType::Text, "The name the machine gives itself."),
        attribute("kernel", AttributeType::Text, "Release of the kernel."),
        attribute("os", AttributeType::Text, "Name and version of the operating system, from os-release."),
        attribute("architecture", AttributeType::Text, "Instruction set, as uname -m has it."),
        attribute("hardware", AttributeType::Text, "Maker and product, as the firmware tells them."),
        attribute("cpu_model", AttributeType::Text, "Model of the first processor."),
        attribute("cpu_physical_cores", AttributeType::Integer, "Physical cores; cpus counts their threads."),
        attribute("boot_time", AttributeType::Time, "When the machine started, as first read of this boot."),
        attribute("boot_id", AttributeType::Text, "The kernel's random name of this boot."),
    ],
    columns: &[
        load("load_1m", "load_1m_hundredths", "Runnable and uninterruptible threads, mean of the last minute.")
            .headline(),
        load("load_5m", "load_5m_hundredths", "The same over five minutes."),
        load("load_15m", "load_15m_hundredths", "The same over fifteen minutes."),
        Column::gauge("cpus", "cpus", "", 0, "Processors (hardware threads) online."),
        cpu("cpu_user_seconds_total", "cpu_user_centiseconds", "Time in user mode; holds that of guests."),
        cpu(
            "cpu_nice_seconds_total",
            "cpu_nice_centiseconds",
            "Time in user mode with low priority; holds that of niced guests.",
        ),
        cpu("cpu_system_seconds_total", "cpu_system_centiseconds", "Time in the kernel."),
        cpu("cpu_idle_seconds_total", "cpu_idle_centiseconds", "Time with nothing to do."),
        cpu(
            "cpu_iowait_seconds_total",
            "cpu_iowait_centiseconds",
            "Time idle while input or output was awaited; the kernel may take some of it back.",
        ),
        cpu("cpu_irq_seconds_total", "cpu_irq_centiseconds", "Time serving interrupts."),
        cpu("cpu_softirq_seconds_total", "cpu_softirq_centiseconds", "Time serving soft interrupts."),
        cpu("cpu_steal_seconds_total", "cpu_steal_centiseconds", "Time the hypervisor gave to others."),
        cpu("cpu_guest_seconds_total", "cpu_guest_centiseconds", "Time running guests; part of user."),
        cpu("cpu_guest_nice_seconds_total", "cpu_guest_nice_centiseconds", "Time running niced guests; part of nice."),
        memory("memory_total_bytes", "Memory the kernel can use."),
        memory("memory_available_bytes", "Memory new programs could get without swapping, by the kernel's estimate."),
        memory("memory_free_bytes", "Memory that is used for nothing at all."),
        memory("memory_buffers_bytes", "Page cache of block devices."),
        memory("memory_cached_bytes", "Page cache of files, shared memory included."),
        memory("memory_swap_total_bytes", "Size of swap."),
        memory("memory_swap_free_bytes", "Swap that is not used."),
        memory("memory_shared_bytes", "Shared memory and tmpfs."),
        memory("memory_anonymous_bytes", "Memory of programs that no file backs."),
        memory("memory_slab_reclaimable_bytes", "Kernel objects that can be given back."),
        memory("memory_slab_unreclaimable_bytes", "Kernel objects that cannot."),
        memory("memory_dirty_bytes", "Page cache that waits to be written."),
        memory("memory_writeback_bytes", "Page cache that is being written."),
        memory("memory_committed_bytes", "Memory promised to programs."),
        memory("memory_commit_limit_bytes", "Memory that could be promised under strict accounting."),
        count("memory_swapped_in_pages_total", "memory_swapped_in_pages", "pages", "Pages read from swap."),
        count("memory_swapped_out_pages_total", "memory_swapped_out_pages", "pages", "Pages written to swap."),
        count("memory_major_faults_total", "memory_major_faults", "", "Page faults that had to read."),
        count("memory_oom_kills_total", "memory_oom_kills", "", "Programs killed for want of memory."),
        pressure("pressure_cpu_some_seconds_total", "pressure_cpu_some_us", "Time some task waited for a processor."),
        pressure("pressure_memory_some_seconds_total", "pressure_memory_some_us", "Time some task waited for memory."),
        pressure("pressure_memory_full_seconds_total", "pressure_memory_full_us", "Time all tasks waited for memory."),
        pressure("pressure_io_some_seconds_total", "pressure_io_some_us", "Time some task waited for input or output."),
        pressure("pressure_io_full_seconds_total", "pressure_io_full_us", "Time all tasks waited for input or output."),
        Column::gauge("processes", "processes", "", 0, "Processes, sleeping ones included."),
        Column::gauge("threads", "threads", "", 0, "Threads of all processes and of the kernel."),
        Column::gauge("processes_running", "processes_running", "", 0, "Threads running or ready to."),
        Column::gauge("processes_blocked", "processes_blocked", "", 0, "Threads that wait for input or output."),
        count("forks_total", "forks", "", "Processes and threads started."),
        count("context_switches_total", "context_switches", "", "Switches from one thread to another."),
        count("interrupts_total", "interrupts", "", "Interrupts served."),
        Column::gauge("files_open", "files_open", "", 0, "Open file handles."),
        Column::gauge("files_max", "files_max", "", 0, "File handles that can be open.").not_additive(),
        Column::gauge("uptime_seconds", "uptime_centiseconds", "seconds", 2, "Time since the machine started.")
            .not_additive(),
    ],
    derived: &[
        // Guests are part of user and nice in /proc/stat: adding them would count them twice.
        Derived::new(
            "cpu_cores",
            "cores",
            "Processors in use: all time but idle and iowait.",
            Formula::Rate {
                counters: &[
                    "cpu_user_seconds_total",
                    "cpu_nice_seconds_total",
                    "cpu_system_seconds_total",
                    "cpu_irq_seconds_total",
                    "cpu_softirq_seconds_total",
                    "cpu_steal_seconds_total",
                ],
            },
        )
        .headline(),
        Derived::new(
            "memory_used_ratio",
            "ratio",
            "Memory that is not available, of all.",
            Formula::GaugeRatio {
                part: "memory_total_bytes",
                less: Some("memory_available_bytes"),
                whole: "memory_total_bytes",
            },
        )
        .headline(),
        Derived::new(
            "memory_used_bytes",
            "bytes",
            "Memory that is not available.",
            Formula::Remainder { of: "memory_total_bytes", less: "memory_available_bytes" },
        ),
        Derived::new(
            "memory_swap_used_ratio",
            "ratio",
            "Swap in use, of all; nothing without swap.",
            Formula::GaugeRatio {
                part: "memory_swap_total_bytes",
                less: Some("memory_swap_free_bytes"),
                whole: "memory_swap_total_bytes",
            },
        ),
        time_share(
            "pressure_cpu_some_ratio",
            "Share of time some task waited for a processor.",
            &["pressure_cpu_some_seconds_total"],
        ),
        time_share(
            "pressure_memory_some_ratio",
            "Share of time some task waited for memory.",
            &["pressure_memory_some_seconds_total"],
        ),
        time_share(
            "pressure_memory_full_ratio",
            "Share of time all tasks waited for memory.",
            &["pressure_memory_full_seconds_total"],
        ),
        time_share(
            "pressure_io_some_ratio",
            "Share of time some task waited for input or output.",
            &["pressure_io_some_seconds_total"],
        ),
        time_share(
            "pressure_io_full_ratio",
            "Share of time all tasks waited for input or output.",
            &["pressure_io_full_seconds_total"],
        ),
    ],
    display: &["host"],
};

/// Block devices of a host.
pub static HOST_DEVICE: Kind = Kind {
    name: "host_device",
    help: "A block device of a host.",
    identity: &[HOST_KEY, Key { name: "device", help: "The kernel's name of the device, such as sda." }],
    attributes: &[
        attribute("number", AttributeType::Text, "Major and minor number, such as 254:0."),
        attribute("model", AttributeType::Text, "What the device calls itself."),
        attribute("rotational", AttributeType::Boolean, "Whether it is a spinning disk."),
        attribute("capacity_bytes", AttributeType::Integer, "Size of the device."),
    ],
    columns: &[
        count("read_bytes_total", "read_bytes", "bytes", "Bytes read; the kernel counts sectors of 512 bytes."),
        count("write_bytes_total", "write_bytes", "bytes", "Bytes written."),
        count("read_ops_total", "read_ops", "", "Reads completed."),
        count("write_ops_total", "write_ops", "", "Writes completed."),
        Column::counter(
            "busy_seconds_total",
            "busy_ms",
            "seconds",
            3,
            "Time in which at least one request was under way.",
        )
        .not_additive(),
        count("read_merged_ops_total", "read_merged_ops", "", "Reads joined with a neighbour before they were sent."),
        count(
            "write_merged_ops_total",
            "write_merged_ops",
            "",
            "Writes joined with a neighbour before they were sent.",
        ),
        Column::counter("read_seconds_total", "read_ms", "seconds", 3, "Time all reads took together."),
        Column::counter("write_seconds_total", "write_ms", "seconds", 3, "Time all writes took together."),
        Column::counter("queue_seconds_total", "queue_ms", "seconds", 3, "Time of all requests under way together."),
        Column::gauge("ops_in_flight", "ops_in_flight", "", 0, "Requests under way."),
        count("discard_bytes_total", "discard_bytes", "bytes", "Bytes discarded."),
        count("discard_ops_total", "discard_ops", "", "Discards completed."),
        count("flush_ops_total", "flush_ops", "", "Flushes completed."),
    ],
    derived: &[
        per_second("read_bytes_per_second", "bytes_per_second", "Bytes read per second.", &["read_bytes_total"])
            .headline(),
        per_second("write_bytes_per_second", "bytes_per_second", "Bytes written per second.", &["write_bytes_total"])
            .headline(),
        time_share("busy_ratio", "Share of time in which at least one request was under way.", &["busy_seconds_total"])
            .headline(),
        per_second("read_ops_per_second", "per_second", "Reads per second.", &["read_ops_total"]),
        per_second("write_ops_per_second", "per_second", "Writes per second.", &["write_ops_total"]),
        Derived::new(
            "read_latency_seconds",
            "seconds",
            "Mean time of one read.",
            Formula::IncreaseRatio { part: "read_seconds_total", whole: "read_ops_total", times: None, factor: 1.0 },
        ),
        Derived::new(
            "write_latency_seconds",
            "seconds",
            "Mean time of one write.",
            Formula::IncreaseRatio { part: "write_seconds_total", whole: "write_ops_total", times: None, factor: 1.0 },
        ),
        per_second("queue_length", "", "Requests under way, mean over time.", &["queue_seconds_total"]),
    ],
    display: &["host", "device"],
};

/// Network interfaces of a host.
pub static HOST_INTERFACE: Kind = Kind {
    name: "host_interface",
    help: "A network interface of a host.",
    identity: &[HOST_KEY, Key { name: "interface", help: "The interface's name, such as eth0." }],
    attributes: &[
        attribute("state", AttributeType::Text, "Whether it can carry traffic: up, down, unknown."),
        attribute("mac", AttributeType::Text, "Hardware address."),
        attribute("mtu_bytes", AttributeType::Integer, "Largest packet."),
        attribute("speed_bytes_per_second", AttributeType::Integer, "Speed of the link, where it has one."),
    ],
    columns: &[
        count("receive_bytes_total", "receive_bytes", "bytes", "Bytes received."),
        count("transmit_bytes_total", "transmit_bytes", "bytes", "Bytes sent."),
        count("receive_packets_total", "receive_packets", "", "Packets received."),
        count("transmit_packets_total", "transmit_packets", "", "Packets sent."),
        count("receive_errors_total", "receive_errors", "", "Packets received damaged."),
        count("transmit_errors_total", "transmit_errors", "", "Packets that could not be sent."),
        count("receive_dropped_total", "receive_dropped", "", "Packets received and thrown away."),
        count("transmit_dropped_total", "transmit_dropped", "", "Packets thrown away before they were sent."),
    ],
    derived: &[
        per_second(
            "receive_bytes_per_second",
            "bytes_per_second",
            "Bytes received per second.",
            &["receive_bytes_total"],
        )
        .headline(),
        per_second(
            "transmit_bytes_per_second",
            "bytes_per_second",
            "Bytes sent per second.",
            &["transmit_bytes_total"],
        )
        .headline(),
        per_second(
            "receive_packets_per_second",
            "per_second",
            "Packets received per second.",
            &["receive_packets_total"],
        ),
        per_second(
            "transmit_packets_per_second",
            "per_second",
            "Packets sent per second.",
            &["transmit_packets_total"],
        ),
        per_second(
            "receive_errors_per_second",
            "per_second",
            "Packets received damaged, per second.",
            &["receive_errors_total"],
        ),
        per_second(
            "transmit_errors_per_second",
            "per_second",
            "Packets that could not be sent, per second.",
            &["transmit_errors_total"],
        ),
        per_second(
            "receive_dropped_per_second",
            "per_second",
            "Packets received and thrown away, per second.",
            &["receive_dropped_total"],
        ),
        per_second(
            "transmit_dropped_per_second",
            "per_second",
            "Packets thrown away before they were sent, per second.",
            &["transmit_dropped_total"],
        ),
        Derived::new(
            "receive_speed_ratio",
            "ratio",
            "Bytes received per second, of the link's speed.",
            Formula::RateToAttribute { counter: "receive_bytes_total", attribute: "speed_bytes_per_second" },
        ),
        Derived::new(
            "transmit_speed_ratio",
            "ratio",
            "Bytes sent per second, of the link's speed.",
            Formula::RateToAttribute { counter: "transmit_bytes_total", attribute: "speed_bytes_per_second" },
        ),
    ],
    display: &["host", "interface"],
};

/// File systems of a host.
pub static HOST_FILESYSTEM: Kind = Kind {
    name: "host_filesystem",
    help: "A mounted file system of a host that keeps data on a disk or another machine.",
    identity: &[HOST_KEY, Key { name: "mountpoint", help: "Where it is mounted; the shortest place of several." }],
    attributes: &[
        attribute("device", AttributeType::Text, "What is mounted: a block device, a remote path."),
        attribute("fstype", AttributeType::Text, "Type, such as ext4."),
        attribute("read_only", AttributeType::Boolean, "Whether nothing can be written."),
        attribute("options", AttributeType::List, "Options of the mount and of the file system."),
    ],
    columns: &[
        Column::gauge("size_bytes", "size_bytes", "bytes", 0, "Size of the file system.").headline(),
        Column::gauge(
            "available_bytes",
            "available_bytes",
            "bytes",
            0,
            "Space that programs of ordinary users can still take.",
        )
        .headline(),
        Column::gauge("free_bytes", "free_bytes", "bytes", 0, "Space that is not taken, what is reserved included."),
        Column::gauge("inodes", "inodes", "", 0, "Files it can hold; null where the type has no such limit."),
        Column::gauge("inodes_free", "inodes_free", "", 0, "Files it can still hold."),
    ],
    derived: &[
        Derived::new(
            "used_ratio",
            "ratio",
            "Space that is not available, of all: what is reserved counts as used.",
            Formula::GaugeRatio { part: "size_bytes", less: Some("available_bytes"), whole: "size_bytes" },
        )
        .headline(),
        Derived::new(
            "used_bytes",
            "bytes",
            "Space that is taken: size less free.",
            Formula::Remainder { of: "size_bytes", less: "free_bytes" },
        ),
        Derived::new(
            "inodes_used_ratio",
            "ratio",
            "Files it holds, of those it can.",
            Formula::GaugeRatio { part: "inodes", less: Some("inodes_free"), whole: "inodes" },
        ),
    ],
    display: &["host", "mountpoint"],
};
