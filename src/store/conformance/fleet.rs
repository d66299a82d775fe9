//! A fleet that tests and benches record: made up, but of the habits that real containers have. The same seed gives
//! the same fleet, always.
//!
//! Most containers idle; some serve, with a day's rhythm; some work in bursts; memory stands on plateaus, leaks, and
//! falls. Containers restart (their counters begin anew) and are replaced by others. Polls come a little late, each
//! container's own time a little later, some polls not at all. Numbers have the grain that kernels give them: pages of
//! 4096 bytes, microseconds or clock ticks. Nothing here knows how anything is stored.
//!
//! Included by tests and by benches, so it takes its names from the module above.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "made-up numbers, all far from the edges"
)]

use super::{
    Attributes, Column, Identity, Key, Kind, KindBatch, Observation, Outcome, Poll, Sample, Snapshot, TargetName,
    Timestamp, Value,
};

/// SplitMix64: small, good enough, and the same everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of [0, `below`).
    pub(crate) fn below(&mut self, below: i64) -> i64 {
        (self.next() >> 1) as i64 % below.max(1)
    }

    /// A number of [0, 1).
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal, of mean 0 and deviation 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.fraction()).sum::<f64>() - 6.0
    }

    fn is_one_in(&mut self, times: i64) -> bool {
        self.below(times) == 0
    }
}

/// What a container does with its time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Habit {
    Idle,
    Serving,
    Bursts,
}

const APPS: [&str; 7] = ["/shop/web", "/shop/cart", "/shop/search", "/pay", "/mail", "/batch", "/logs"];

#[derive(Debug)]
struct Container {
    id: String,
    name: String,
    app: &'static str,
    habit: Habit,
    since: Timestamp,
    /// Cores it uses when it works.
    cores: f64,
    /// Time of day at which it works most.
    peak_hour: f64,
    is_in_burst: bool,
    /// 1000 where CPU time comes in microseconds, 10 million where it comes in clock ticks.
    grain_ns: i64,
    has_limit: bool,
    memory_limit: i64,
    rss_pages: i64,
    cache_pages: i64,
    max_pages: i64,
    pids: i64,
    counters: Vec<f64>,
}

#[derive(Debug)]
struct Host {
    name: String,
    cpus: i64,
    memory_bytes: i64,
    phase_ms: i64,
    busy_ns: f64,
    containers: Vec<Container>,
}

/// A fleet of hosts, each polled once a round.
#[derive(Debug)]
pub(crate) struct Fleet {
    kind: &'static Kind,
    dice: Dice,
    start: Timestamp,
    interval_ms: i64,
    rounds: i64,
    hosts: Vec<Host>,
    born: u64,
}

impl Fleet {
    /// A fleet recorded as samples of `kind`: what it does not know of the kind's columns is null.
    pub(crate) fn new(
        kind: &'static Kind,
        seed: u64,
        hosts: usize,
        containers_per_host: usize,
        start: Timestamp,
        interval_ms: i64,
    ) -> Fleet {
        let mut fleet =
            Fleet { kind, dice: Dice::new(seed), start, interval_ms, rounds: 0, hosts: Vec::new(), born: 0 };
        for index in 0..hosts {
            let cpus = 4 << fleet.dice.below(4);
            let phase_ms = fleet.dice.below(interval_ms);
            let mut host = Host {
                name: format!("node-{index}"),
                cpus,
                memory_bytes: cpus * 4 * 1_073_741_824 - 4096 * fleet.dice.below(100_000),
                phase_ms,
                busy_ns: 1e15 * fleet.dice.fraction(),
                containers: Vec::new(),
            };
            for slot in 0..containers_per_host {
                let lived_ms = fleet.dice.below(86_400_000 * 20);
                let container = fleet.container(&host, slot, start.plus_ms(-lived_ms));
                host.containers.push(container);
            }
            fleet.hosts.push(host);
        }
        fleet
    }

    fn container(&mut self, host: &Host, slot: usize, since: Timestamp) -> Container {
        self.born += 1;
        let dice = &mut self.dice;
        let habit = match dice.below(10) {
            0..=4 => Habit::Idle,
            5..=7 => Habit::Serving,
            _ => Habit::Bursts,
        };
        let id: String = (0..4).map(|_| format!("{:016x}", dice.next())).collect();
        let rss_pages = 500 + dice.below(200_000);
        Container {
            id,
            name: format!("app-{}-{slot}", slot % 17),
            app: APPS[slot % APPS.len()],
            habit,
            since,
            cores: 0.05 + 2.0 * dice.fraction().powi(3),
            peak_hour: 24.0 * dice.fraction(),
            is_in_burst: false,
            grain_ns: if host.cpus == 4 { 10_000_000 } else { 1000 },
            has_limit: dice.is_one_in(2),
            memory_limit: if dice.is_one_in(2) { 4096 * (rss_pages * 2 + 1) } else { host.memory_bytes },
            rss_pages,
            cache_pages: dice.below(100_000),
            max_pages: 0,
            pids: 1 + dice.below(60),
            counters: vec![0.0; COUNTERS],
        }
    }

    /// The next round: a snapshot a host, in the order in which the polls end.
    pub(crate) fn round(&mut self) -> Vec<Snapshot> {
        let is_first = self.rounds == 0;
        let tick = self.start.plus_ms(self.rounds * self.interval_ms);
        self.rounds += 1;
        let mut hosts = std::mem::take(&mut self.hosts);
        let mut snapshots: Vec<Snapshot> =
            hosts.iter_mut().map(|host| self.visit(host, tick.plus_ms(host.phase_ms), is_first)).collect();
        self.hosts = hosts;
        snapshots.sort_by_key(|snapshot| snapshot.poll.finished());
        snapshots
    }

    fn visit(&mut self, host: &mut Host, tick: Timestamp, is_first: bool) -> Snapshot {
        let started = tick.plus_ms(1 + self.dice.below(4) + if self.dice.is_one_in(50) { 200 } else { 0 });
        let is_lost = self.dice.is_one_in(2_000);
        host.busy_ns += self.interval_ms as f64 * 1e6 * host.cpus as f64;
        let mut observations = Vec::new();
        for slot in 0..host.containers.len() {
            // One in two thousand is replaced each hour, one in ten thousand restarts.
            let mut is_new = is_first;
            if self.dice.is_one_in(2_000 * 3_600_000 / self.interval_ms.max(1) / 20) {
                host.containers[slot] = self.container(host, slot, started);
                is_new = true;
            }
            let restarts = self.dice.is_one_in(10_000);
            let container = &mut host.containers[slot];
            if restarts {
                container.since = started;
                container.counters.fill(0.0);
                container.rss_pages /= 2;
                container.max_pages = 0;
            }
            // The engine answers for all at once, each container's own time within the second that it measures.
            let at = started.plus_ms(1_000 + self.dice.below(60));
            container.live(&mut self.dice, at, self.interval_ms);
            let numbers = container.numbers(host.cpus, host.busy_ns);
            let value = |stored: &str| {
                let position = FLEET.columns.iter().position(|column| column.stored == stored);
                position.map_or(Value::Null, |position| numbers[position].map_or(Value::Null, Value::Int))
            };
            observations.push(Observation {
                identity: Identity::new([host.name.clone(), container.id.clone()]),
                attributes: (is_new && self.kind.attribute("name").is_some()).then(|| {
                    Attributes::from([("name", container.name.clone().into()), ("app", container.app.into())])
                }),
                ended: None,
                sample: Some(Sample {
                    at,
                    since: Some(container.since),
                    values: self.kind.columns.iter().map(|column| value(column.stored)).collect(),
                }),
            });
        }
        let outcome = if is_lost { Outcome::Timeout } else { Outcome::Ok };
        let batch = KindBatch { kind: self.kind, complete: true, observations };
        Snapshot {
            poll: Poll {
                target: TargetName::new("docker", &host.name),
                started,
                duration_ms: 1_050 + self.dice.below(80),
                interval_ms: self.interval_ms,
                bytes: 120_000,
                outcome,
                error: is_lost.then(|| "no answer within 5 s".to_owned()),
                missing: Vec::new(),
                clock_offset_ms: 0,
            },
            batches: if is_lost { Vec::new() } else { vec![batch] },
            events: Vec::new(),
        }
    }
}

/// The fleet's kind, where the program's own is not to be known: every number that [`Container::numbers`] gives, by
/// the stored name that the kind `container` has for it.
pub(crate) static FLEET: Kind = Kind {
    name: "test_fleet",
    help: "A container that was made up.",
    identity: &[Key { name: "host", help: "Where." }, Key { name: "id", help: "Which." }],
    attributes: &[],
    columns: &[
        column("cpu_usage_ns"),
        column("cpu_user_ns"),
        column("cpu_system_ns"),
        column("cpu_host_ns"),
        column("cpu_online"),
        column("cpu_periods"),
        column("cpu_throttled_periods"),
        column("cpu_throttled_ns"),
        column("memory_usage_bytes"),
        column("memory_limit_bytes"),
        column("memory_max_usage_bytes"),
        column("memory_rss_bytes"),
        column("memory_cache_bytes"),
        column("memory_inactive_file_bytes"),
        column("memory_swap_bytes"),
        column("memory_major_faults"),
        column("memory_limit_hits"),
        column("pids"),
        column("network_receive_bytes"),
        column("network_receive_packets"),
        column("network_receive_errors"),
        column("network_receive_dropped"),
        column("network_transmit_bytes"),
        column("network_transmit_packets"),
        column("network_transmit_errors"),
        column("network_transmit_dropped"),
        column("block_read_bytes"),
        column("block_read_ops"),
        column("block_write_bytes"),
        column("block_write_ops"),
    ],
    derived: &[],
    display: &["host", "id"],
};

const fn column(stored: &'static str) -> Column {
    Column::gauge(stored, stored, "", 0, "A number that was made up.")
}

/// Counters of a container: user, system, periods, throttled, throttled ns, faults, packets in, bytes in, packets
/// out, bytes out, dropped, reads, read bytes, writes, written bytes.
const COUNTERS: usize = 15;

impl Container {
    /// One interval passes.
    fn live(&mut self, dice: &mut Dice, at: Timestamp, interval_ms: i64) {
        let seconds = interval_ms as f64 / 1000.0 * (1.0 + 0.001 * dice.normal());
        let hour = (at.ms().rem_euclid(86_400_000)) as f64 / 3_600_000.0;
        let load = match self.habit {
            Habit::Idle if dice.is_one_in(4) => 0.002 * dice.fraction(),
            Habit::Idle => 0.0,
            Habit::Serving => {
                let rhythm = 1.0 + 0.7 * ((hour - self.peak_hour) * std::f64::consts::TAU / 24.0).cos();
                (rhythm * (1.0 + 0.2 * dice.normal())).max(0.01)
            }
            Habit::Bursts => {
                if dice.is_one_in(if self.is_in_burst { 20 } else { 200 }) {
                    self.is_in_burst = !self.is_in_burst;
                }
                if self.is_in_burst { 1.0 + 0.05 * dice.normal() } else { 0.003 * dice.fraction() }
            }
        };
        let cpu_ns = load * self.cores * seconds * 1e9;
        let system_share = 0.2 + 0.03 * dice.normal();
        let packets_in = (load * 300.0 * seconds * (1.0 + 0.1 * dice.normal())).max(0.0).floor();
        let packets_out = (packets_in * (0.9 + 0.02 * dice.normal())).floor();
        let writes = if load > 0.01 { (load * 8.0 * seconds * dice.fraction()).floor() } else { 0.0 };
        let reads = if dice.is_one_in(300) { dice.below(500) as f64 } else { 0.0 };
        let periods = if self.has_limit && load > 0.0 { (seconds * 10.0 * load.min(1.0)).floor() } else { 0.0 };
        let throttled = if load > 1.3 { (periods * dice.fraction() * 0.3).floor() } else { 0.0 };
        let grown = [
            cpu_ns * (1.0 - system_share),
            cpu_ns * system_share,
            periods,
            throttled,
            throttled * 40e6 * dice.fraction(),
            if dice.is_one_in(2_000) { dice.below(30) as f64 } else { 0.0 },
            packets_in,
            packets_in * (200.0 + 20.0 * dice.normal()).floor(),
            packets_out,
            packets_out * (900.0 + 60.0 * dice.normal()).floor(),
            if dice.is_one_in(5_000) { 1.0 } else { 0.0 },
            reads,
            reads * 16_384.0,
            writes,
            writes * 4096.0 * (1 + dice.below(4)) as f64,
        ];
        for (counter, grown) in self.counters.iter_mut().zip(grown) {
            *counter += grown.max(0.0);
        }
        // Plateaus: memory stands still, moves a little under load, and seldom jumps.
        if load > 0.05 {
            self.rss_pages += (dice.normal() * 6.0) as i64 + dice.below(3) - 1;
            self.cache_pages += writes as i64 / 4;
        }
        if dice.is_one_in(1_500) {
            self.rss_pages = self.rss_pages * (70 + dice.below(60)) / 100;
        }
        if dice.is_one_in(3_000) {
            self.cache_pages /= 2;
        }
        self.rss_pages = self.rss_pages.max(100);
        self.max_pages = self.max_pages.max(self.rss_pages + self.cache_pages);
        if dice.is_one_in(if self.habit == Habit::Idle { 500 } else { 12 }) {
            self.pids = (self.pids + dice.below(5) - 2).max(1);
        }
    }

    fn numbers(&self, cpus: i64, busy_ns: f64) -> Vec<Option<i64>> {
        let counter = |index: usize| self.counters[index] as i64;
        let grain = |ns: i64, grain_ns: i64| Some(ns / grain_ns * grain_ns);
        let pages = |pages: i64| Some(pages * 4096);
        let limited = |value: i64| Some(if self.has_limit { value } else { 0 });
        vec![
            // In ticks only user and system come; the total comes in nanoseconds.
            grain(counter(0) + counter(1), if self.grain_ns == 1000 { 1000 } else { 1 }),
            grain(counter(0), self.grain_ns),
            grain(counter(1), self.grain_ns),
            grain(busy_ns as i64, 10_000_000),
            Some(cpus),
            limited(counter(2)),
            limited(counter(3)),
            limited(counter(4)),
            pages(self.rss_pages + self.cache_pages + 37),
            Some(self.memory_limit),
            pages(self.max_pages).filter(|_| self.grain_ns != 1000),
            pages(self.rss_pages),
            pages(self.cache_pages),
            pages(self.cache_pages * 3 / 4),
            Some(0),
            Some(counter(5)),
            Some(0),
            Some(self.pids),
            Some(counter(7)),
            Some(counter(6)),
            Some(0),
            Some(counter(10)),
            Some(counter(9)),
            Some(counter(8)),
            Some(0),
            Some(0),
            Some(counter(12)),
            Some(counter(11)),
            Some(counter(14)),
            Some(counter(13)),
        ]
    }
}
