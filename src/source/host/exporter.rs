//! A machine whose node_exporter is asked: the same kinds as the machine's own /proc.
//!
//! node_exporter tells in seconds and bytes what /proc tells in ticks and sectors; its numbers are turned back into
//! the stored ones. Names of versions before 0.16 are understood where their units are the same. Must not know: the
//! store, the sampler, SQL.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::Settings;
use super::filter::is_excluded;
use super::kinds::{HOST, HOST_DEVICE, HOST_FILESYSTEM, HOST_INTERFACE};
use super::mounts::{Mount, select};
use super::observe::is_partition_name;
use super::parse::{Readings, SECTOR_BYTES, sample};
use crate::clock::Clock;
use crate::model::{Attributes, Identity, KindBatch, Observation, Outcome, TargetName, Timestamp, Value};
use crate::source::http::{Credentials, Failure, Http, Limits, REPLY_MAX_BYTES, SetupError, Tls};
use crate::source::prometheus::text::{Format, Page, Series, seconds};
use crate::source::prometheus::{origin_and_path, page};
use crate::source::{Observed, Source, Visit};

/// How far the boot time may move within one boot: the kernel computes it from its clock, which is adjusted.
const BOOT_TIME_TOLERANCE_MS: i64 = 60_000;

/// Devices, interfaces and file systems that are read; a machine with more has them for other programs.
const PARTS_MAX: usize = 4096;

/// Lines of a page that are named when they make no sense; the rest are counted.
const MALFORMED_NAMED_MAX: usize = 5;

/// Where a node_exporter is, and what to take from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExporterSettings {
    /// Name and filters; its root does not matter.
    pub host: Settings,
    /// `http://node-1:9100/metrics`.
    pub url: String,
    /// Certificates; None: the system's authorities for `https://`.
    pub tls: Option<Tls>,
    /// Who asks.
    pub credentials: Option<Credentials>,
}

/// A machine as its node_exporter tells it: target `host/<name>`.
#[derive(Debug)]
pub struct Exporter {
    settings: ExporterSettings,
    target: TargetName,
    clock: Clock,
    http: Http,
    path: String,
    boot_time: Option<Timestamp>,
}

impl Exporter {
    /// A source of the machine whose node_exporter is at the configured address.
    ///
    /// # Errors
    /// When the address or a certificate cannot be used.
    pub fn new(settings: ExporterSettings, clock: Clock) -> Result<Exporter, SetupError> {
        let (origin, _) = origin_and_path(&settings.url)?;
        let http = Http::live(&origin, settings.tls.as_ref())?;
        Exporter::with_http(settings, clock, http)
    }

    /// The same over a client that is there already.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn with_http(settings: ExporterSettings, clock: Clock, http: Http) -> Result<Exporter, SetupError> {
        let (_, path) = origin_and_path(&settings.url)?;
        // An address alone means the page that node_exporter has.
        let path = if path == "/" { "/metrics".to_owned() } else { path };
        let target = TargetName::new("host", &settings.host.name);
        Ok(Exporter { settings, target, clock, http, path, boot_time: None })
    }

    async fn visit(&mut self, visit: Visit) -> Result<Observed, Failure> {
        let deadline = Instant::now() + visit.timeout.saturating_mul(9) / 10;
        let limits = Limits::fixed(deadline, REPLY_MAX_BYTES);
        let (body, format) = page(&self.http, &self.path, self.settings.credentials.as_ref(), limits).await?;
        let at = self.clock.now();
        let machine = Machine::read(&String::from_utf8_lossy(&body), format);
        if machine.cpus.is_empty() {
            return Err(self.http.unusable(&self.path, "no node_exporter: it tells nothing of a processor"));
        }
        let told = machine.boot_time.filter(|time| *time >= Timestamp::CREDIBLE_FROM && *time <= at);
        let is_same = |known: &Timestamp| {
            told.is_none_or(|told| told.ms_since(*known).saturating_abs() <= BOOT_TIME_TOLERANCE_MS)
        };
        self.boot_time = self.boot_time.filter(is_same).or(told);
        let missing = machine.missing.clone();
        Ok(Observed {
            outcome: if missing.is_empty() { Outcome::Ok } else { Outcome::Partial },
            error: missing.first().map(|first| format!("did not come: {first}")),
            missing,
            bytes: u64::try_from(body.len()).unwrap_or(u64::MAX),
            clock_offset_ms: 0,
            batches: machine.batches(&self.settings.host, at, self.boot_time),
            events: Vec::new(),
        })
    }
}

impl Source for Exporter {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn poll<'a>(&'a mut self, visit: Visit) -> BoxFuture<'a, Observed> {
        Box::pin(async move { self.visit(visit).await.unwrap_or_else(Observed::from) })
    }
}

/// A number's name on the page, its stored name, and how many stored units make one.
type Number = (&'static str, &'static str, f64);

const HOST_NUMBERS: &[Number] = &[
    ("node_load1", "load_1m_hundredths", 100.0),
    ("node_load5", "load_5m_hundredths", 100.0),
    ("node_load15", "load_15m_hundredths", 100.0),
    ("node_memory_MemTotal_bytes", "memory_total_bytes", 1.0),
    ("node_memory_MemAvailable_bytes", "memory_available_bytes", 1.0),
    ("node_memory_MemFree_bytes", "memory_free_bytes", 1.0),
    ("node_memory_Buffers_bytes", "memory_buffers_bytes", 1.0),
    ("node_memory_Cached_bytes", "memory_cached_bytes", 1.0),
    ("node_memory_SwapTotal_bytes", "memory_swap_total_bytes", 1.0),
    ("node_memory_SwapFree_bytes", "memory_swap_free_bytes", 1.0),
    ("node_memory_Shmem_bytes", "memory_shared_bytes", 1.0),
    ("node_memory_AnonPages_bytes", "memory_anonymous_bytes", 1.0),
    ("node_memory_SReclaimable_bytes", "memory_slab_reclaimable_bytes", 1.0),
    ("node_memory_SUnreclaim_bytes", "memory_slab_unreclaimable_bytes", 1.0),
    ("node_memory_Dirty_bytes", "memory_dirty_bytes", 1.0),
    ("node_memory_Writeback_bytes", "memory_writeback_bytes", 1.0),
    ("node_memory_Committed_AS_bytes", "memory_committed_bytes", 1.0),
    ("node_memory_CommitLimit_bytes", "memory_commit_limit_bytes", 1.0),
    ("node_vmstat_pswpin", "memory_swapped_in_pages", 1.0),
    ("node_vmstat_pswpout", "memory_swapped_out_pages", 1.0),
    ("node_vmstat_pgmajfault", "memory_major_faults", 1.0),
    ("node_vmstat_oom_kill", "memory_oom_kills", 1.0),
    ("node_pressure_cpu_waiting_seconds_total", "pressure_cpu_some_us", 1e6),
    ("node_pressure_memory_waiting_seconds_total", "pressure_memory_some_us", 1e6),
    ("node_pressure_memory_stalled_seconds_total", "pressure_memory_full_us", 1e6),
    ("node_pressure_io_waiting_seconds_total", "pressure_io_some_us", 1e6),
    ("node_pressure_io_stalled_seconds_total", "pressure_io_full_us", 1e6),
    ("node_processes_pids", "processes", 1.0),
    ("node_processes_threads", "threads", 1.0),
    ("node_procs_running", "processes_running", 1.0),
    ("node_procs_blocked", "processes_blocked", 1.0),
    ("node_forks_total", "forks", 1.0),
    ("node_context_switches_total", "context_switches", 1.0),
    ("node_intr_total", "interrupts", 1.0),
    ("node_filefd_allocated", "files_open", 1.0),
    ("node_filefd_maximum", "files_max", 1.0),
];

#[expect(clippy::cast_precision_loss, reason = "512 is exact")]
const SECTOR: f64 = SECTOR_BYTES as f64;

const DEVICE_NUMBERS: &[Number] = &[
    ("node_disk_read_bytes_total", "read_bytes", 1.0),
    ("node_disk_written_bytes_total", "write_bytes", 1.0),
    ("node_disk_reads_completed_total", "read_ops", 1.0),
    ("node_disk_writes_completed_total", "write_ops", 1.0),
    ("node_disk_io_time_seconds_total", "busy_ms", 1e3),
    ("node_disk_reads_merged_total", "read_merged_ops", 1.0),
    ("node_disk_writes_merged_total", "write_merged_ops", 1.0),
    ("node_disk_read_time_seconds_total", "read_ms", 1e3),
    ("node_disk_write_time_seconds_total", "write_ms", 1e3),
    ("node_disk_io_time_weighted_seconds_total", "queue_ms", 1e3),
    ("node_disk_io_now", "ops_in_flight", 1.0),
    ("node_disk_discarded_sectors_total", "discard_bytes", SECTOR),
    ("node_disk_discards_completed_total", "discard_ops", 1.0),
    ("node_disk_flush_requests_total", "flush_ops", 1.0),
];

const INTERFACE_NUMBERS: &[Number] = &[
    ("node_network_receive_bytes_total", "receive_bytes", 1.0),
    ("node_network_transmit_bytes_total", "transmit_bytes", 1.0),
    ("node_network_receive_packets_total", "receive_packets", 1.0),
    ("node_network_transmit_packets_total", "transmit_packets", 1.0),
    ("node_network_receive_errs_total", "receive_errors", 1.0),
    ("node_network_transmit_errs_total", "transmit_errors", 1.0),
    ("node_network_receive_drop_total", "receive_dropped", 1.0),
    ("node_network_transmit_drop_total", "transmit_dropped", 1.0),
];

const FILESYSTEM_NUMBERS: &[Number] = &[
    ("node_filesystem_size_bytes", "size_bytes", 1.0),
    ("node_filesystem_avail_bytes", "available_bytes", 1.0),
    ("node_filesystem_free_bytes", "free_bytes", 1.0),
    ("node_filesystem_files", "inodes", 1.0),
    ("node_filesystem_files_free", "inodes_free", 1.0),
];

/// Modes of `node_cpu_seconds_total` and of `node_cpu_guest_seconds_total`.
const CPU_MODES: &[(&str, &str)] = &[
    ("user", "cpu_user_centiseconds"),
    ("nice", "cpu_nice_centiseconds"),
    ("system", "cpu_system_centiseconds"),
    ("idle", "cpu_idle_centiseconds"),
    ("iowait", "cpu_iowait_centiseconds"),
    ("irq", "cpu_irq_centiseconds"),
    ("softirq", "cpu_softirq_centiseconds"),
    ("steal", "cpu_steal_centiseconds"),
];
const GUEST_MODES: &[(&str, &str)] = &[("user", "cpu_guest_centiseconds"), ("nice", "cpu_guest_nice_centiseconds")];

/// Something that the machine has several of.
#[derive(Debug, Default)]
struct Part {
    readings: Readings,
    attributes: Attributes,
}

type Parts<K> = BTreeMap<K, Part>;

/// What a page tells of a machine.
#[derive(Debug, Default)]
struct Machine {
    readings: Readings,
    attributes: Attributes,
    cpus: BTreeSet<String>,
    boot_time: Option<Timestamp>,
    time: Option<Timestamp>,
    devices: Parts<String>,
    interfaces: Parts<String>,
    /// By mount point, device and type.
    filesystems: Parts<(String, String, String)>,
    missing: Vec<String>,
    is_whole: bool,
}

impl Machine {
    fn read(text: &str, format: Format) -> Machine {
        let mut machine = Machine { is_whole: true, ..Machine::default() };
        let mut malformed = 0_usize;
        let mut page = Page::new(text, format);
        for series in &mut page {
            match series {
                Ok(series) => machine.take(&series),
                Err(line) => {
                    malformed += 1;
                    if malformed <= MALFORMED_NAMED_MAX {
                        machine.missing.push(format!("line {}: {}", line.line, line.why));
                    }
                }
            }
        }
        if malformed > MALFORMED_NAMED_MAX {
            machine.missing.push(format!("{} more lines", malformed - MALFORMED_NAMED_MAX));
        }
        machine.is_whole = malformed == 0 && page.is_whole();
        if let (Some(boot), Some(time)) = (machine.boot_time, machine.time) {
            let uptime = time.ms_since(boot) / 10;
            machine.readings.insert("uptime_centiseconds", Value::Int(uptime.max(0)));
        }
        let cpus = u64::try_from(machine.cpus.len()).ok();
        machine.readings.insert("cpus", cpus.into());
        machine
    }

    fn take(&mut self, series: &Series<'_>) {
        let name = modern(&series.name);
        let name = name.as_str();
        let label = |label: &str| series.label(label).unwrap_or_default().to_owned();
        if let Some(number) = number_of(HOST_NUMBERS, name, series.value) {
            self.readings.insert(number.0, number.1);
        } else if let Some(number) = number_of(DEVICE_NUMBERS, name, series.value) {
            if let Some(part) = part(&mut self.devices, label("device")) {
                part.readings.insert(number.0, number.1);
            }
        } else if let Some(number) = number_of(INTERFACE_NUMBERS, name, series.value) {
            if let Some(part) = part(&mut self.interfaces, label("device")) {
                part.readings.insert(number.0, number.1);
            }
        } else if let Some(number) = number_of(FILESYSTEM_NUMBERS, name, series.value) {
            let key = (label("mountpoint"), label("device"), label("fstype"));
            if let Some(part) = part(&mut self.filesystems, key) {
                part.readings.insert(number.0, number.1);
            }
        } else {
            self.take_fact(name, series);
        }
    }

    fn take_fact(&mut self, name: &str, series: &Series<'_>) {
        let label = |label: &str| series.label(label).filter(|text| !text.is_empty()).map(str::to_owned);
        let device = || label("device").unwrap_or_default();
        let is_set = series.value.abs() > f64::EPSILON;
        match name {
            "node_cpu_seconds_total" => {
                self.cpus.extend(label("cpu"));
                self.add_cpu_time(CPU_MODES, series);
            }
            "node_cpu_guest_seconds_total" => self.add_cpu_time(GUEST_MODES, series),
            "node_boot_time_seconds" => self.boot_time = seconds(series.value),
            "node_time_seconds" => self.time = seconds(series.value),
            "node_uname_info" => {
                for (attribute, of) in [("hostname", "nodename"), ("kernel", "release"), ("architecture", "machine")] {
                    self.attributes.extend(label(of).map(|text| (attribute, text.into())));
                }
            }
            "node_os_info" => self.attributes.extend(label("pretty_name").map(|text| ("os", text.into()))),
            "node_dmi_info" => {
                let words: Vec<String> = ["system_vendor", "product_name"].into_iter().filter_map(label).collect();
                if !words.is_empty() {
                    self.attributes.insert("hardware", words.join(" ").into());
                }
            }
            "node_disk_info" => {
                let Some(part) = part(&mut self.devices, device()) else { return };
                if let (Some(major), Some(minor)) = (label("major"), label("minor")) {
                    part.attributes.insert("number", format!("{major}:{minor}").into());
                }
                part.attributes.extend(label("model").map(|text| ("model", text.into())));
            }
            "node_network_info" => {
                let Some(part) = part(&mut self.interfaces, device()) else { return };
                for (attribute, of) in [("state", "operstate"), ("mac", "address")] {
                    part.attributes.extend(label(of).map(|text| (attribute, text.into())));
                }
            }
            "node_network_mtu_bytes" | "node_network_speed_bytes" => {
                let attribute = if name == "node_network_mtu_bytes" { "mtu_bytes" } else { "speed_bytes_per_second" };
                if let (Value::Int(bytes @ 1..), Some(part)) =
                    (scaled(series.value, 1.0), part(&mut self.interfaces, device()))
                {
                    part.attributes.insert(attribute, bytes.into());
                }
            }
            "node_filesystem_readonly" => {
                let key = (label("mountpoint").unwrap_or_default(), device(), label("fstype").unwrap_or_default());
                if let Some(part) = part(&mut self.filesystems, key) {
                    part.attributes.insert("read_only", is_set.into());
                }
            }
            "node_filesystem_device_error" if is_set => {
                self.missing.push(format!("file system {}", label("mountpoint").unwrap_or_default()));
            }
            _ => {}
        }
    }

    fn add_cpu_time(&mut self, modes: &[(&str, &'static str)], series: &Series<'_>) {
        let mode = series.label("mode").unwrap_or_default();
        let Some((_, stored)) = modes.iter().find(|(name, _)| *name == mode) else { return };
        if let Value::Int(time) = scaled(series.value, 100.0) {
            let before = self.readings.get(stored).and_then(|value| value.int()).unwrap_or(0);
            self.readings.insert(stored, Value::Int(before.saturating_add(time)));
        }
    }

    fn batches(self, settings: &Settings, at: Timestamp, since: Option<Timestamp>) -> Vec<KindBatch> {
        let name = settings.name.as_str();
        let mut attributes = self.attributes;
        attributes.extend(since.map(|since| ("boot_time", since.into())));
        let complete = self.is_whole;
        let host = Observation {
            identity: Identity::new([name]),
            attributes: Some(attributes),
            ended: None,
            sample: Some(sample(&HOST, &self.readings, at, since)),
        };
        let part = |kind, key: &str, part: Part, since| Observation {
            identity: Identity::new([name, key]),
            attributes: Some(part.attributes),
            ended: None,
            sample: (!part.readings.is_empty()).then(|| sample(kind, &part.readings, at, since)),
        };
        let is_wanted_device = |device: &str| {
            !is_excluded(device, &settings.devices_exclude) && (settings.partitions || !is_partition_name(device))
        };
        let devices = self.devices.into_iter().filter(|(device, _)| is_wanted_device(device));
        let interfaces =
            self.interfaces.into_iter().filter(|(name, _)| !is_excluded(name, &settings.interfaces_exclude));
        let mut filesystems = self.filesystems;
        let mounts = filesystems.iter().map(|((mountpoint, device, fstype), part)| Mount {
            // The page tells no number of the file system; its device stands for it.
            number: format!("{device} {fstype}"),
            directory: "/".to_owned(),
            mountpoint: mountpoint.clone(),
            options: Vec::new(),
            read_only: part.attributes.get("read_only") == Some(&true.into()),
            fstype: fstype.clone(),
            device: device.clone(),
        });
        let mounts = select(mounts.collect(), &settings.filesystem_types, &settings.filesystems_exclude);
        let filesystems = mounts.into_iter().filter_map(|mount| {
            let Mount { mountpoint, device, fstype, .. } = mount;
            let mut found = filesystems.remove(&(mountpoint.clone(), device.clone(), fstype.clone()))?;
            found.attributes.insert("device", device.into());
            found.attributes.insert("fstype", fstype.into());
            Some(part(&HOST_FILESYSTEM, &mountpoint, found, None))
        });
        let filesystems: Vec<Observation> = filesystems.collect();
        vec![
            KindBatch { kind: &HOST, complete: true, observations: vec![host] },
            KindBatch {
                kind: &HOST_DEVICE,
                complete,
                observations: devices.map(|(device, found)| part(&HOST_DEVICE, &device, found, since)).collect(),
            },
            KindBatch {
                kind: &HOST_INTERFACE,
                complete,
                observations: interfaces.map(|(name, found)| part(&HOST_INTERFACE, &name, found, since)).collect(),
            },
            KindBatch { kind: &HOST_FILESYSTEM, complete, observations: filesystems },
        ]
    }
}

fn part<K: Ord>(parts: &mut Parts<K>, key: K) -> Option<&mut Part> {
    if parts.len() >= PARTS_MAX && !parts.contains_key(&key) {
        return None;
    }
    Some(parts.entry(key).or_default())
}

fn number_of(numbers: &[Number], name: &str, value: f64) -> Option<(&'static str, Value)> {
    let (_, stored, units) = numbers.iter().find(|(exposed, ..)| *exposed == name)?;
    Some((stored, scaled(value, *units)))
}

/// A number in stored units; nothing where it is none, or negative.
fn scaled(value: f64, units: f64) -> Value {
    /// 2^63: the first that does not fit.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    let units = (value * units).round();
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    let fits = (0.0..BEYOND).contains(&units).then_some(units as i64);
    fits.into()
}

/// The name that a number has since version 0.16.
fn modern(name: &str) -> String {
    let with = |ending: &str| format!("{name}{ending}");
    match name {
        "node_cpu" => "node_cpu_seconds_total".to_owned(),
        "node_boot_time" | "node_time" => with("_seconds"),
        "node_disk_bytes_read" => "node_disk_read_bytes_total".to_owned(),
        "node_disk_bytes_written" => "node_disk_written_bytes_total".to_owned(),
        "node_forks"
        | "node_context_switches"
        | "node_intr"
        | "node_disk_reads_completed"
        | "node_disk_writes_completed"
        | "node_disk_reads_merged"
        | "node_disk_writes_merged" => with("_total"),
        "node_filesystem_size" | "node_filesystem_avail" | "node_filesystem_free" => with("_bytes"),
        _ if name.starts_with("node_memory_") && !name.ends_with("_bytes") => with("_bytes"),
        _ if (name.starts_with("node_network_receive_") || name.starts_with("node_network_transmit_"))
            && !name.ends_with("_total") =>
        {
            with("_total")
        }
        _ => name.to_owned(),
    }
}
