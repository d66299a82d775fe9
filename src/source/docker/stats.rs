//! One reply of `containers/{id}/stats`: from JSON to the columns of a container, its interfaces and devices.
//!
//! Pure. Must not know: how the reply was fetched, nor what was seen of the container before. What the reply does
//! not say is null; what it says in another place (cgroup v2, podman) is taken from there.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::wire::{Count, Instant};
use crate::model::{Timestamp, Value};

/// Positions of columns that are changed after parsing, in [`super::kinds::CONTAINER`].
const CPU_HOST: usize = 3;
/// First of the network columns; they run to [`BLOCK_FROM`].
const NETWORK_FROM: usize = 20;
const BLOCK_FROM: usize = 28;

/// What of a reply depends on who sent it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Quirks {
    /// Podman: system_cpu_usage counts something else, throttling and packets are never filled, one sum of all
    /// interfaces is called `network`, major and minor are swapped.
    pub(super) is_podman: bool,
    /// Podman below 4.4: bytes received and sent are swapped.
    pub(super) swaps_network: bool,
}

/// What a reply says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stats {
    /// The engine's time; None where it gave none that can be believed.
    pub(super) read: Option<Timestamp>,
    /// The container's columns, in order.
    pub(super) values: Box<[Value]>,
    /// Columns of each interface, in order of names.
    pub(super) interfaces: Vec<(Box<str>, Box<[Value]>)>,
    /// Columns of each device, in order of numbers.
    pub(super) devices: Vec<(Box<str>, Box<[Value]>)>,
    /// CPUs of the machine.
    pub(super) cpu_online: Option<i64>,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    read: Instant,
    #[serde(default)]
    pids_stats: Option<Pids>,
    #[serde(default)]
    blkio_stats: Option<Blkio>,
    cpu_stats: Cpu,
    #[serde(default)]
    memory_stats: Option<Memory>,
    #[serde(default)]
    networks: Option<BTreeMap<Box<str>, Network>>,
}

#[derive(Deserialize)]
struct Pids {
    #[serde(default)]
    current: Count,
}

#[derive(Deserialize)]
struct Blkio {
    #[serde(default)]
    io_service_bytes_recursive: Option<Vec<Io>>,
    #[serde(default)]
    io_serviced_recursive: Option<Vec<Io>>,
}

#[derive(Deserialize)]
struct Io {
    #[serde(default)]
    major: u64,
    #[serde(default)]
    minor: u64,
    #[serde(default)]
    op: Op,
    #[serde(default)]
    value: Count,
}

/// The only operations that add up to what was transferred: Sync, Async, Discard and Total count it again.
#[derive(Default, Clone, Copy, PartialEq)]
enum Op {
    Read,
    Write,
    #[default]
    Other,
}

impl<'de> Deserialize<'de> for Op {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Op;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an operation's name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Op, E> {
                Ok(if name.eq_ignore_ascii_case("read") {
                    Op::Read
                } else if name.eq_ignore_ascii_case("write") {
                    Op::Write
                } else {
                    Op::Other
                })
            }
        }
        deserializer.deserialize_str(Name)
    }
}

#[derive(Deserialize)]
struct Cpu {
    #[serde(default)]
    cpu_usage: CpuUsage,
    #[serde(default)]
    system_cpu_usage: Count,
    #[serde(default)]
    online_cpus: Count,
    #[serde(default)]
    throttling_data: Throttling,
}

#[derive(Deserialize, Default)]
struct CpuUsage {
    #[serde(default)]
    total_usage: Count,
    #[serde(default, deserialize_with = "length")]
    percpu_usage: Option<i64>,
    #[serde(default)]
    usage_in_kernelmode: Count,
    #[serde(default)]
    usage_in_usermode: Count,
}

#[derive(Deserialize, Default)]
struct Throttling {
    #[serde(default)]
    periods: Count,
    #[serde(default)]
    throttled_periods: Count,
    #[serde(default)]
    throttled_time: Count,
}

#[derive(Deserialize, Default)]
struct Memory {
    #[serde(default)]
    usage: Count,
    #[serde(default)]
    max_usage: Count,
    #[serde(default)]
    failcnt: Count,
    #[serde(default)]
    limit: Count,
    #[serde(default)]
    stats: Option<MemoryStat>,
}

/// memory.stat, of which v1 names the sums over the container's own cgroups `total_*`.
#[derive(Deserialize, Default)]
struct MemoryStat {
    #[serde(default)]
    hierarchical_memory_limit: Count,
    #[serde(default)]
    total_rss: Count,
    #[serde(default)]
    anon: Count,
    #[serde(default)]
    total_cache: Count,
    #[serde(default)]
    file: Count,
    #[serde(default)]
    total_inactive_file: Count,
    #[serde(default)]
    inactive_file: Count,
    #[serde(default)]
    total_swap: Count,
    #[serde(default)]
    total_mapped_file: Count,
    #[serde(default)]
    file_mapped: Count,
    #[serde(default)]
    total_pgfault: Count,
    #[serde(default)]
    pgfault: Count,
    #[serde(default)]
    total_pgmajfault: Count,
    #[serde(default)]
    pgmajfault: Count,
}

#[derive(Deserialize)]
struct Network {
    #[serde(default)]
    rx_bytes: Count,
    #[serde(default)]
    rx_packets: Count,
    #[serde(default)]
    rx_errors: Count,
    #[serde(default)]
    rx_dropped: Count,
    #[serde(default)]
    tx_bytes: Count,
    #[serde(default)]
    tx_packets: Count,
    #[serde(default)]
    tx_errors: Count,
    #[serde(default)]
    tx_dropped: Count,
}

/// How many elements a list has; None for null.
fn length<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    struct Length;
    impl<'de> Visitor<'de> for Length {
        type Value = Option<i64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_unit<E>(self) -> Result<Option<i64>, E> {
            Ok(None)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<i64>, A::Error> {
            let mut length = 0_i64;
            while list.next_element::<IgnoredAny>()?.is_some() {
                length = length.saturating_add(1);
            }
            Ok((length > 0).then_some(length))
        }
    }
    deserializer.deserialize_any(Length)
}

/// Reads a reply. `Ok(None)` is a container that has no numbers: an empty body (removed while it was asked, or
/// podman's way to say that it does not run), or the zeros of one that does not run.
pub(super) fn parse(body: &[u8], quirks: Quirks) -> Result<Option<Stats>, serde_json::Error> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let wire: Wire = serde_json::from_slice(body)?;
    let read = wire.read.credible();
    if read.is_none() && wire.cpu_stats.cpu_usage.total_usage.0.unwrap_or(0) == 0 {
        return Ok(None);
    }
    Ok(Some(columns(wire, read, quirks)))
}

fn columns(wire: Wire, read: Option<Timestamp>, quirks: Quirks) -> Stats {
    let cpu = &wire.cpu_stats;
    let cpu_online = cpu.online_cpus.0.filter(|cpus| *cpus > 0).or(cpu.cpu_usage.percpu_usage);
    // Podman leaves the throttling counters at 0 whatever the cgroup counts.
    let throttling = |count: Count| if quirks.is_podman { None } else { count.0 };
    let memory = wire.memory_stats.unwrap_or_default();
    let stat = memory.stats.unwrap_or_default();
    // cgroup v1 leaves counts of 0 out; v2 does not know them.
    let is_v1 = stat.hierarchical_memory_limit.0.is_some();
    let zero_on_v1 = |count: Count| count.0.or(is_v1.then_some(0));

    let interfaces = interfaces(wire.networks.unwrap_or_default(), quirks);
    let devices = devices(wire.blkio_stats, quirks);

    let mut values = Vec::with_capacity(super::kinds::CONTAINER.columns.len());
    values.extend(
        [
            cpu.cpu_usage.total_usage.0,
            cpu.cpu_usage.usage_in_usermode.0,
            cpu.cpu_usage.usage_in_kernelmode.0,
            if quirks.is_podman { None } else { cpu.system_cpu_usage.0 },
            cpu_online,
            throttling(cpu.throttling_data.periods),
            throttling(cpu.throttling_data.throttled_periods),
            throttling(cpu.throttling_data.throttled_time),
            memory.usage.0,
            memory.limit.0,
            zero_on_v1(memory.max_usage),
            stat.total_rss.0.or(stat.anon.0),
            stat.total_cache.0.or(stat.file.0),
            stat.total_inactive_file.0.or(stat.inactive_file.0),
            stat.total_swap.0,
            stat.total_mapped_file.0.or(stat.file_mapped.0),
            stat.total_pgfault.0.or(stat.pgfault.0),
            stat.total_pgmajfault.0.or(stat.pgmajfault.0),
            zero_on_v1(memory.failcnt),
            wire.pids_stats.and_then(|pids| pids.current.0),
        ]
        .map(Value::from),
    );
    values.extend(sums(&interfaces, BLOCK_FROM - NETWORK_FROM));
    values.extend(sums(&devices, super::kinds::CONTAINER_DEVICE.columns.len()));
    Stats { read, values: values.into(), interfaces, devices, cpu_online }
}

fn interfaces(networks: BTreeMap<Box<str>, Network>, quirks: Quirks) -> Vec<(Box<str>, Box<[Value]>)> {
    networks
        .into_iter()
        .map(|(name, network)| {
            let (mut received, mut sent) = (network.rx_bytes.0, network.tx_bytes.0);
            if quirks.swaps_network {
                std::mem::swap(&mut received, &mut sent);
            }
            // Podman below 4.4 sums all interfaces under one name, and only their bytes.
            let other = |count: Count| if quirks.swaps_network { None } else { count.0 };
            let values = [
                received,
                other(network.rx_packets),
                other(network.rx_errors),
                other(network.rx_dropped),
                sent,
                other(network.tx_packets),
                other(network.tx_errors),
                other(network.tx_dropped),
            ];
            (name, values.map(Value::from).into())
        })
        .collect()
}

fn devices(blkio: Option<Blkio>, quirks: Quirks) -> Vec<(Box<str>, Box<[Value]>)> {
    let Some(blkio) = blkio else { return Vec::new() };
    let mut devices: BTreeMap<(u64, u64), [Option<i64>; 4]> = BTreeMap::new();
    let lists = [(blkio.io_service_bytes_recursive, 0), (blkio.io_serviced_recursive, 1)];
    for (list, is_ops) in lists {
        for io in list.unwrap_or_default() {
            let numbers = if quirks.is_podman { (io.minor, io.major) } else { (io.major, io.minor) };
            let position = match io.op {
                Op::Read => is_ops,
                Op::Write => 2 + is_ops,
                Op::Other => continue,
            };
            if let Some(value) = devices.entry(numbers).or_default().get_mut(position) {
                *value = add(*value, io.value.0);
            }
        }
    }
    devices
        .into_iter()
        .map(|((major, minor), values)| (format!("{major}:{minor}").into(), values.map(Value::from).into()))
        .collect()
}

/// Sums over parts, column by column; null where no part has a value.
fn sums(parts: &[(Box<str>, Box<[Value]>)], columns: usize) -> impl Iterator<Item = Value> {
    (0..columns).map(|column| {
        parts
            .iter()
            .filter_map(|(_, values)| values.get(column).copied().and_then(Value::int))
            .fold(None, |sum, value| add(sum, Some(value)))
            .into()
    })
}

/// A sum that is null where it has no number or leaves the range.
fn add(sum: Option<i64>, more: Option<i64>) -> Option<i64> {
    match (sum, more) {
        (Some(sum), Some(more)) => sum.checked_add(more),
        (sum, more) => sum.or(more),
    }
}

impl Stats {
    /// Leaves the network out: it is another container's, or the machine's.
    pub(super) fn forget_network(&mut self) {
        self.interfaces.clear();
        for value in self.values.iter_mut().take(BLOCK_FROM).skip(NETWORK_FROM) {
            *value = Value::Null;
        }
    }

    /// Leaves the machine's CPU time out. It does not count from the container's start: as the first counter of a
    /// life it would count as grown by all the machine ever did.
    pub(super) fn forget_cpu_host(&mut self) {
        if let Some(value) = self.values.get_mut(CPU_HOST) {
            *value = Value::Null;
        }
    }

    /// For podman, puts the time since the container's start, on all CPUs, in the place of the machine's CPU time:
    /// it grows as that does, and begins with the same life as the container's other counters.
    pub(super) fn synthesise_cpu_host(&mut self, started: Option<Timestamp>) {
        let passed_ns = match (self.read, started) {
            (Some(read), Some(started)) if read >= started => read.ms_since(started).checked_mul(1_000_000),
            _ => None,
        };
        let total = passed_ns.zip(self.cpu_online).and_then(|(passed, cpus)| passed.checked_mul(cpus));
        if let Some(value) = self.values.get_mut(CPU_HOST) {
            *value = total.into();
        }
    }
}
