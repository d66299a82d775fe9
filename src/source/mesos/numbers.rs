//! From the numbers of a reply to columns: which name fills which column, in which unit.
//!
//! What fills no column is left over and goes to kind `metric`, so that nothing of a reply is dropped. Pure.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::model::{Kind, Value};

/// Bytes of one megabyte as Mesos counts.
const MB: f64 = 1_048_576.0;

/// How a number of a reply becomes the whole number of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// As it is: counts, bytes, flags.
    Whole,
    /// Thousandths: CPUs, GPUs, load; seconds to milliseconds.
    Milli,
    /// Megabytes to bytes.
    Megabytes,
    /// Seconds to nanoseconds.
    Seconds,
    /// Milliseconds to nanoseconds.
    Milliseconds,
}

impl Scale {
    /// The whole number in the column's unit; null where there is none.
    pub(super) fn apply(self, number: f64) -> Value {
        let factor = match self {
            Scale::Whole => 1.0,
            Scale::Milli => 1e3,
            Scale::Megabytes => MB,
            Scale::Seconds => 1e9,
            Scale::Milliseconds => 1e6,
        };
        whole(number * factor)
    }
}

/// The nearest whole number; null where none fits.
fn whole(number: f64) -> Value {
    /// 2^63, the first that does not fit.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let rounded = number.round();
    if rounded.is_nan() || !(-LIMIT..LIMIT).contains(&rounded) {
        return Value::Null;
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked to be within i64 just above")]
    let fits = rounded as i64;
    Value::Int(fits)
}

/// A column that a number fills: the number's name, the column's stored name, the unit between them.
pub(super) type Fills = (&'static str, &'static str, Scale);

/// Numbers of one reply by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Numbers {
    by_name: BTreeMap<Box<str>, f64>,
    /// Names that the reply gave more than once; the first number holds.
    pub(super) repeated: Vec<String>,
}

impl Numbers {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// The number of a name.
    pub(super) fn get(&self, name: &str) -> Option<f64> {
        self.by_name.get(name).copied()
    }

    /// Adds a number; the first of a name holds.
    pub(super) fn add(&mut self, name: impl Into<Box<str>>, number: f64) {
        match self.by_name.entry(name.into()) {
            Entry::Vacant(place) => {
                place.insert(number);
            }
            Entry::Occupied(known) => self.repeated.push(known.key().to_string()),
        }
    }

    /// The values of a kind's sample, taken out of these numbers.
    pub(super) fn take(&mut self, kind: &Kind, fills: &[Fills]) -> Box<[Value]> {
        let mut by_column: HashMap<&str, Value> = HashMap::with_capacity(fills.len());
        for (name, column, scale) in fills {
            if let Some(number) = self.by_name.remove(*name) {
                by_column.insert(column, scale.apply(number));
            }
        }
        kind.columns.iter().map(|column| by_column.get(column.stored).copied().unwrap_or_default()).collect()
    }

    /// How many of the names that fill columns are there.
    pub(super) fn known(&self, fills: &[Fills]) -> usize {
        fills.iter().filter(|(name, ..)| self.by_name.contains_key(*name)).count()
    }

    /// What is left, by name.
    pub(super) fn rest(self) -> Vec<(Box<str>, f64)> {
        self.by_name.into_iter().collect()
    }
}

impl<'de> Deserialize<'de> for Numbers {
    /// An object of numbers; a name may be repeated, a value that is no number is a fault.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Numbers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Numbers, A::Error> {
                let mut numbers = Numbers::default();
                while let Some((name, number)) = map.next_entry::<Box<str>, f64>()? {
                    numbers.add(name, number);
                }
                Ok(numbers)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Reads `/metrics/snapshot`.
pub(super) fn parse_snapshot(body: &[u8]) -> Result<Numbers, serde_json::Error> {
    serde_json::from_slice(body)
}

/// Reads the reply to GET_METRICS.
pub(super) fn parse_metrics(body: &[u8]) -> Result<Numbers, serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        get_metrics: Body,
    }
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        metrics: Vec<Metric>,
    }
    #[derive(Deserialize)]
    struct Metric {
        name: Box<str>,
        // A metric that was not ready in time comes without its value.
        value: Option<f64>,
    }
    let reply: Reply = serde_json::from_slice(body)?;
    let mut numbers = Numbers::default();
    for metric in reply.get_metrics.metrics {
        if let Some(value) = metric.value {
            numbers.add(metric.name, value);
        }
    }
    Ok(numbers)
}

macro_rules! resources {
    ($prefix:literal) => {
        [
            (concat!($prefix, "cpus_total"), "cpus_capacity_milli", Scale::Milli),
            (concat!($prefix, "cpus_used"), "cpus_used_milli", Scale::Milli),
            (concat!($prefix, "cpus_revocable_total"), "cpus_revocable_capacity_milli", Scale::Milli),
            (concat!($prefix, "cpus_revocable_used"), "cpus_revocable_used_milli", Scale::Milli),
            (concat!($prefix, "mem_total"), "memory_capacity_bytes", Scale::Megabytes),
            (concat!($prefix, "mem_used"), "memory_used_bytes", Scale::Megabytes),
            (concat!($prefix, "mem_revocable_total"), "memory_revocable_capacity_bytes", Scale::Megabytes),
            (concat!($prefix, "mem_revocable_used"), "memory_revocable_used_bytes", Scale::Megabytes),
            (concat!($prefix, "disk_total"), "disk_capacity_bytes", Scale::Megabytes),
            (concat!($prefix, "disk_used"), "disk_used_bytes", Scale::Megabytes),
            (concat!($prefix, "disk_revocable_total"), "disk_revocable_capacity_bytes", Scale::Megabytes),
            (concat!($prefix, "disk_revocable_used"), "disk_revocable_used_bytes", Scale::Megabytes),
            (concat!($prefix, "gpus_total"), "gpus_capacity_milli", Scale::Milli),
            (concat!($prefix, "gpus_used"), "gpus_used_milli", Scale::Milli),
            (concat!($prefix, "gpus_revocable_total"), "gpus_revocable_capacity_milli", Scale::Milli),
            (concat!($prefix, "gpus_revocable_used"), "gpus_revocable_used_milli", Scale::Milli),
        ]
    };
}

/// Resources of the cluster, by the leader.
pub(super) const CLUSTER_RESOURCES: &[Fills] = &resources!("master/");

/// What else the leader counts of its cluster.
pub(super) const CLUSTER_COUNTS: &[Fills] = &[
    ("master/slaves_active", "agents_active", Scale::Whole),
    ("master/slaves_inactive", "agents_inactive", Scale::Whole),
    ("master/slaves_connected", "agents_connected", Scale::Whole),
    ("master/slaves_disconnected", "agents_disconnected", Scale::Whole),
    ("master/slaves_unreachable", "agents_unreachable", Scale::Whole),
    ("master/tasks_staging", "tasks_staging", Scale::Whole),
    ("master/tasks_starting", "tasks_starting", Scale::Whole),
    ("master/tasks_running", "tasks_running", Scale::Whole),
    ("master/tasks_killing", "tasks_killing", Scale::Whole),
    ("master/tasks_unreachable", "tasks_unreachable", Scale::Whole),
    ("master/tasks_finished", "tasks_finished", Scale::Whole),
    ("master/tasks_failed", "tasks_failed", Scale::Whole),
    ("master/tasks_killed", "tasks_killed", Scale::Whole),
    ("master/tasks_lost", "tasks_lost", Scale::Whole),
    ("master/tasks_error", "tasks_error", Scale::Whole),
    ("master/tasks_gone", "tasks_gone", Scale::Whole),
    ("master/tasks_dropped", "tasks_dropped", Scale::Whole),
    ("master/frameworks_active", "frameworks_active", Scale::Whole),
    ("master/frameworks_inactive", "frameworks_inactive", Scale::Whole),
    ("master/frameworks_connected", "frameworks_connected", Scale::Whole),
    ("master/frameworks_disconnected", "frameworks_disconnected", Scale::Whole),
    ("master/outstanding_offers", "offers_outstanding", Scale::Whole),
    ("master/slave_registrations", "agent_registrations", Scale::Whole),
    ("master/slave_reregistrations", "agent_reregistrations", Scale::Whole),
    ("master/slave_removals", "agent_removals", Scale::Whole),
];

/// What a master counts of itself.
pub(super) const MASTER: &[Fills] = &[
    ("master/elected", "elected", Scale::Whole),
    ("master/uptime_secs", "uptime_ms", Scale::Milli),
    ("registrar/queued_operations", "registrar_queued_operations", Scale::Whole),
    ("registrar/registry_size_bytes", "registrar_size_bytes", Scale::Whole),
    ("registrar/state_store_ms", "registrar_state_store_ns", Scale::Milliseconds),
    ("registrar/log/recovered", "registrar_log_recovered", Scale::Whole),
    ("master/event_queue_messages", "event_queue_messages", Scale::Whole),
    ("master/event_queue_dispatches", "event_queue_dispatches", Scale::Whole),
    ("master/event_queue_http_requests", "event_queue_http_requests", Scale::Whole),
    ("master/dropped_messages", "messages_dropped", Scale::Whole),
    ("system/cpus_total", "system_cpus", Scale::Whole),
    ("system/load_1min", "system_load_1m_milli", Scale::Milli),
    ("system/load_5min", "system_load_5m_milli", Scale::Milli),
    ("system/load_15min", "system_load_15m_milli", Scale::Milli),
    ("system/mem_total_bytes", "system_memory_total_bytes", Scale::Whole),
    ("system/mem_free_bytes", "system_memory_free_bytes", Scale::Whole),
];

/// Resources of an agent.
pub(super) const AGENT_RESOURCES: &[Fills] = &resources!("slave/");

/// What else an agent counts.
pub(super) const AGENT_COUNTS: &[Fills] = &[
    ("slave/registered", "registered", Scale::Whole),
    ("slave/uptime_secs", "uptime_ms", Scale::Milli),
    ("slave/frameworks_active", "frameworks_active", Scale::Whole),
    ("slave/tasks_staging", "tasks_staging", Scale::Whole),
    ("slave/tasks_starting", "tasks_starting", Scale::Whole),
    ("slave/tasks_running", "tasks_running", Scale::Whole),
    ("slave/tasks_killing", "tasks_killing", Scale::Whole),
    ("slave/tasks_finished", "tasks_finished", Scale::Whole),
    ("slave/tasks_failed", "tasks_failed", Scale::Whole),
    ("slave/tasks_killed", "tasks_killed", Scale::Whole),
    ("slave/tasks_lost", "tasks_lost", Scale::Whole),
    ("slave/tasks_gone", "tasks_gone", Scale::Whole),
    ("slave/executors_running", "executors_running", Scale::Whole),
    ("slave/executors_registering", "executors_registering", Scale::Whole),
    ("slave/executors_terminating", "executors_terminating", Scale::Whole),
    ("slave/executors_terminated", "executors_terminated", Scale::Whole),
    ("slave/executors_preempted", "executors_preempted", Scale::Whole),
    ("slave/container_launch_errors", "container_launch_errors", Scale::Whole),
    ("system/cpus_total", "system_cpus", Scale::Whole),
    ("system/load_1min", "system_load_1m_milli", Scale::Milli),
    ("system/load_5min", "system_load_5m_milli", Scale::Milli),
    ("system/load_15min", "system_load_15m_milli", Scale::Milli),
    ("system/mem_total_bytes", "system_memory_total_bytes", Scale::Whole),
    ("system/mem_free_bytes", "system_memory_free_bytes", Scale::Whole),
];

/// What an agent measures of an executor's container.
pub(super) const EXECUTOR: &[Fills] = &[
    ("cpus_user_time_secs", "cpu_user_ns", Scale::Seconds),
    ("cpus_system_time_secs", "cpu_system_ns", Scale::Seconds),
    ("cpus_limit", "cpu_limit_milli", Scale::Milli),
    ("cpus_nr_periods", "cpu_periods", Scale::Whole),
    ("cpus_nr_throttled", "cpu_throttled_periods", Scale::Whole),
    ("cpus_throttled_time_secs", "cpu_throttled_ns", Scale::Seconds),
    ("mem_rss_bytes", "memory_rss_bytes", Scale::Whole),
    ("mem_limit_bytes", "memory_limit_bytes", Scale::Whole),
    ("mem_soft_limit_bytes", "memory_soft_limit_bytes", Scale::Whole),
    ("mem_total_bytes", "memory_total_bytes", Scale::Whole),
    ("mem_cache_bytes", "memory_cache_bytes", Scale::Whole),
    ("mem_mapped_file_bytes", "memory_mapped_file_bytes", Scale::Whole),
    ("mem_swap_bytes", "memory_swap_bytes", Scale::Whole),
    ("disk_used_bytes", "disk_used_bytes", Scale::Whole),
    ("disk_limit_bytes", "disk_limit_bytes", Scale::Whole),
    ("processes", "processes", Scale::Whole),
    ("threads", "threads", Scale::Whole),
    ("net_rx_bytes", "network_receive_bytes", Scale::Whole),
    ("net_rx_packets", "network_receive_packets", Scale::Whole),
    ("net_rx_errors", "network_receive_errors", Scale::Whole),
    ("net_rx_dropped", "network_receive_dropped", Scale::Whole),
    ("net_tx_bytes", "network_transmit_bytes", Scale::Whole),
    ("net_tx_packets", "network_transmit_packets", Scale::Whole),
    ("net_tx_errors", "network_transmit_errors", Scale::Whole),
    ("net_tx_dropped", "network_transmit_dropped", Scale::Whole),
];

/// Whether a number that fills no column only grows, by its name: Mesos does not say it.
pub(super) fn is_counter(name: &str) -> bool {
    const PREFIXES: [&str; 12] = [
        "master/messages_",
        "master/invalid_",
        "master/valid_",
        "master/slave_",
        "master/task_",
        "slave/valid_",
        "slave/invalid_",
        "slave/executors_",
        "containerizer/fetcher/task_fetches_",
        "gc/path_removals_",
        "resource_provider_manager/events/",
        "master/operations/",
    ];
    const SUFFIXES: [&str; 23] = [
        "_errors",
        "/messages_received",
        "/messages_processed",
        "allocation_runs",
        "http_cache_hits",
        "/recovery_slave_removals",
        "/tasks_gone_by_operator",
        "/dropped_messages",
        "/offers/sent",
        "/offers/accepted",
        "/offers/declined",
        "/offers/rescinded",
        "/csi_plugin/container_terminations",
        "/csi_plugin/rpcs_finished",
        "/csi_plugin/rpcs_failed",
        "/csi_plugin/rpcs_cancelled",
        "/slave_removals",
        "mem_low_pressure_counter",
        "mem_medium_pressure_counter",
        "mem_critical_pressure_counter",
        "/finished",
        "/failed",
        "/dropped",
    ];
    // A role's name stands before these, and may hold anything.
    const GAUGES: [&str; 4] = ["/pending", "_pending", "/active", "/suppressed"];
    // States in which operations are now; the others are those in which they ended.
    const OPERATIONS_NOW: [&str; 3] = ["/total", "/recovering", "/unreachable"];
    let is_of_now = name.starts_with("master/operations/") && OPERATIONS_NOW.iter().any(|end| name.ends_with(end));
    if is_of_now || GAUGES.iter().any(|end| name.ends_with(end)) {
        return false;
    }
    let of_framework = name.starts_with("master/frameworks/")
        && ["/calls", "/events", "/operations", "/tasks/terminal/"].iter().any(|part| name.contains(part));
    of_framework
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}
