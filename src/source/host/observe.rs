//! From the texts of one visit to what it saw: batches of the four kinds. Pure.

use super::Settings;
use super::capture::{Block, Capture, Link};
use super::filter::is_excluded;
use super::kinds::{HOST, HOST_DEVICE, HOST_FILESYSTEM, HOST_INTERFACE};
use super::mounts::{Mount, mountinfo, select};
use super::parse::{self, CpuInfo, Parsed, Readings, SECTOR_BYTES, sample};
use super::space::Space;
use crate::model::{Attributes, Identity, Kind, KindBatch, Observation, Timestamp};

/// Malformed lines of one file that are named; the rest are counted.
const MALFORMED_NAMED_MAX: usize = 5;

/// What does not change while the machine runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Boot {
    /// The kernel's name of this boot, where it has one.
    pub(super) id: Option<String>,
    /// When it began, as first read: the kernel computes it from its clock, so it moves by a second now and then.
    pub(super) time: Option<Timestamp>,
    pub(super) cpu: CpuInfo,
}

/// What the texts of a visit say; file systems are still to be measured.
pub(super) struct Seen {
    pub(super) batches: Vec<KindBatch>,
    /// Mounts to be measured; None where they could not be read.
    pub(super) mounts: Option<Vec<Mount>>,
    pub(super) mounts_complete: bool,
    pub(super) missing: Vec<String>,
}

/// The boot a capture belongs to: the known one while its id is the same, else a new one.
pub(super) fn boot_of(known: Option<&Boot>, capture: &Capture, at: Timestamp, ticks_per_second: u64) -> Boot {
    let told = match capture.texts.get("proc/stat") {
        Some(Ok(text)) => parse::stat(text, ticks_per_second).value.boot_time,
        _ => None,
    };
    // A clock that was never set gives a time that nothing may be held to.
    let told = told.filter(|time| *time >= Timestamp::CREDIBLE_FROM && *time <= at);
    match known.filter(|boot| boot.id == capture.boot_id) {
        Some(boot) => Boot { time: boot.time.filter(|time| *time <= at).or(told), ..boot.clone() },
        None => Boot {
            id: capture.boot_id.clone(),
            time: told,
            cpu: capture.cpuinfo.as_deref().map(parse::cpuinfo).unwrap_or_default(),
        },
    }
}

/// Everything but file systems' sizes.
pub(super) fn observe(
    settings: &Settings,
    capture: &Capture,
    boot: &Boot,
    at: Timestamp,
    ticks_per_second: u64,
) -> Seen {
    let mut reader = Reader { capture, missing: Vec::new() };
    let mut batches = vec![observe_host(settings, &mut reader, boot, at, ticks_per_second)];
    batches.extend(observe_devices(settings, &mut reader, boot, at));
    batches.extend(observe_interfaces(settings, &mut reader, boot, at));
    let mounts = reader.required("proc/self/mountinfo").map(mountinfo);
    let mounts_complete = mounts.as_ref().is_some_and(|mounts| mounts.malformed.is_empty());
    let mounts = mounts.map(|mounts| {
        let mounts = reader.checked("proc/self/mountinfo", mounts);
        select(mounts, &settings.filesystem_types, &settings.filesystems_exclude)
    });
    Seen { batches, mounts, mounts_complete, missing: reader.missing }
}

/// One file system: its facts, and its numbers if it answered.
pub(super) fn filesystem(settings: &Settings, mount: &Mount, space: Option<Space>, at: Timestamp) -> Observation {
    let mut attributes = Attributes::new();
    attributes.insert("device", mount.device.as_str().into());
    attributes.insert("fstype", mount.fstype.as_str().into());
    attributes.insert("read_only", mount.read_only.into());
    attributes.insert("options", mount.options.clone().into());
    Observation {
        identity: Identity::new([settings.name.as_str(), &mount.mountpoint]),
        attributes: Some(attributes),
        ended: None,
        // Gauges only: nothing that began.
        sample: space.map(|space| sample(&HOST_FILESYSTEM, &space.readings(), at, None)),
    }
}

/// The batch of all file systems.
pub(super) fn filesystem_batch(observations: Vec<Observation>, complete: bool) -> KindBatch {
    KindBatch { kind: &HOST_FILESYSTEM, complete, observations }
}

/// Texts of a capture, and what of them did not come.
struct Reader<'a> {
    capture: &'a Capture,
    missing: Vec<String>,
}

impl<'a> Reader<'a> {
    /// A text that every machine has.
    fn required(&mut self, path: &'static str) -> Option<&'a str> {
        match self.capture.texts.get(path) {
            Some(Ok(text)) => Some(text),
            Some(Err(error)) => {
                self.missing.push(format!("{path}: {error}"));
                None
            }
            None => None,
        }
    }

    /// A text that a machine may be without.
    fn optional(&self, path: &'static str) -> Option<&'a str> {
        self.capture.texts.get(path)?.as_ref().ok().map(String::as_str)
    }

    /// A short text that a machine may be without.
    fn word(&self, path: &'static str) -> Option<&'a str> {
        self.optional(path).map(str::trim).filter(|text| !text.is_empty())
    }

    /// What was parsed; its malformed lines are named.
    fn checked<T>(&mut self, path: &str, parsed: Parsed<T>) -> T {
        for line in parsed.malformed.iter().take(MALFORMED_NAMED_MAX) {
            self.missing.push(format!("{path} line {line}"));
        }
        if let Some(more @ 1..) = parsed.malformed.len().checked_sub(MALFORMED_NAMED_MAX) {
            self.missing.push(format!("{path}: {more} more lines"));
        }
        parsed.value
    }
}

fn batch(kind: &'static Kind, complete: bool, observations: Vec<Observation>) -> KindBatch {
    KindBatch { kind, complete, observations }
}

fn observe_host(
    settings: &Settings,
    reader: &mut Reader<'_>,
    boot: &Boot,
    at: Timestamp,
    ticks_per_second: u64,
) -> KindBatch {
    let mut readings = Readings::new();
    if let Some(text) = reader.required("proc/stat") {
        readings.extend(reader.checked("proc/stat", parse::stat(text, ticks_per_second)).readings);
    }
    type Parse = fn(&str) -> Parsed<Readings>;
    let plain: [(&'static str, Parse); 5] = [
        ("proc/meminfo", parse::meminfo),
        ("proc/vmstat", parse::vmstat),
        ("proc/loadavg", parse::loadavg),
        ("proc/uptime", parse::uptime),
        ("proc/sys/fs/file-nr", parse::file_nr),
    ];
    for (path, parse) in plain {
        if let Some(text) = reader.required(path) {
            readings.extend(reader.checked(path, parse(text)));
        }
    }
    // The `full` line of the processors is zero by definition for a whole machine.
    let pressures = [
        ("proc/pressure/cpu", "pressure_cpu_some_us", None),
        ("proc/pressure/memory", "pressure_memory_some_us", Some("pressure_memory_full_us")),
        ("proc/pressure/io", "pressure_io_some_us", Some("pressure_io_full_us")),
    ];
    for (path, some, full) in pressures {
        // A kernel without pressure, or with it turned off, has no such files or does not let them be read.
        if let Some(text) = reader.optional(path) {
            readings.extend(reader.checked(path, parse::pressure(text, some, full)));
        }
    }
    if let Some(processes) = reader.capture.processes {
        readings.insert("processes", Some(processes).into());
    }
    let observation = Observation {
        identity: Identity::new([settings.name.as_str()]),
        attributes: Some(host_attributes(reader, boot)),
        ended: None,
        sample: Some(sample(&HOST, &readings, at, boot.time)),
    };
    batch(&HOST, true, vec![observation])
}

fn host_attributes(reader: &Reader<'_>, boot: &Boot) -> Attributes {
    let mut attributes = Attributes::new();
    let words = [
        ("hostname", "proc/sys/kernel/hostname"),
        ("kernel", "proc/sys/kernel/osrelease"),
        ("architecture", "proc/sys/kernel/arch"),
    ];
    for (name, path) in words {
        if let Some(word) = reader.word(path) {
            attributes.insert(name, word.into());
        }
    }
    // The kernel is the same for every root; only since 6.1 it tells its instruction set in /proc.
    let own = || rustix::system::uname().machine().to_string_lossy().into_owned();
    attributes.entry("architecture").or_insert_with(|| own().into());
    let releases = ["etc/os-release", "usr/lib/os-release"];
    if let Some(os) = releases.into_iter().find_map(|path| parse::os_release(reader.optional(path)?)) {
        attributes.insert("os", os.into());
    }
    let hardware = ["sys/class/dmi/id/sys_vendor", "sys/class/dmi/id/product_name"];
    let hardware: Vec<&str> = hardware.into_iter().filter_map(|path| reader.word(path)).collect();
    if !hardware.is_empty() {
        attributes.insert("hardware", hardware.join(" ").into());
    }
    if let Some(model) = &boot.cpu.model {
        attributes.insert("cpu_model", model.as_str().into());
    }
    if let Some(cores) = boot.cpu.physical_cores {
        attributes.insert("cpu_physical_cores", cores.into());
    }
    if let Some(time) = boot.time {
        attributes.insert("boot_time", time.into());
    }
    if let Some(id) = &boot.id {
        attributes.insert("boot_id", id.as_str().into());
    }
    attributes
}

fn observe_devices(settings: &Settings, reader: &mut Reader<'_>, boot: &Boot, at: Timestamp) -> Option<KindBatch> {
    let parsed = parse::diskstats(reader.required("proc/diskstats")?);
    let complete = parsed.malformed.is_empty();
    let devices = reader.checked("proc/diskstats", parsed);
    let blocks = reader.capture.blocks.as_ref().filter(|blocks| !blocks.is_empty());
    let is_whole = |name: &str| match blocks {
        Some(blocks) => blocks.contains_key(name),
        None => !is_partition_name(name),
    };
    let wanted = devices.into_iter().filter(|device| {
        !is_excluded(&device.name, &settings.devices_exclude) && (settings.partitions || is_whole(&device.name))
    });
    let observations = wanted.map(|device| {
        let block = blocks.and_then(|blocks| blocks.get(&device.name));
        let mut attributes = block.map(block_attributes).unwrap_or_default();
        attributes.insert("number", device.number.into());
        Observation {
            identity: Identity::new([settings.name.as_str(), &device.name]),
            attributes: Some(attributes),
            ended: None,
            sample: Some(sample(&HOST_DEVICE, &device.readings, at, boot.time)),
        }
    });
    Some(batch(&HOST_DEVICE, complete, observations.collect()))
}

fn block_attributes(block: &Block) -> Attributes {
    let mut attributes = Attributes::new();
    if let Some(model) = &block.model {
        attributes.insert("model", model.as_str().into());
    }
    match block.rotational.as_deref() {
        Some("0") => drop(attributes.insert("rotational", false.into())),
        Some("1") => drop(attributes.insert("rotational", true.into())),
        _ => {}
    }
    let sectors = block.sectors.as_deref().and_then(|sectors| sectors.parse::<u64>().ok());
    let bytes = sectors.and_then(|sectors| i64::try_from(sectors.checked_mul(SECTOR_BYTES)?).ok());
    if let Some(bytes) = bytes {
        attributes.insert("capacity_bytes", bytes.into());
    }
    attributes
}

/// Whether a name is that of a partition, where /sys does not tell: `sda1`, `nvme0n1p1`, `mmcblk0p1`.
pub(super) fn is_partition_name(name: &str) -> bool {
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let has_number = base.len() < name.len();
    let lettered = ["sd", "hd", "vd", "xvd"].iter().any(|prefix| {
        base.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|c| c.is_ascii_lowercase()))
    });
    let numbered = base.strip_suffix('p').is_some_and(|disk| {
        disk.ends_with(|c: char| c.is_ascii_digit())
            && ["nvme", "mmcblk", "loop", "md", "nbd"].iter().any(|prefix| disk.starts_with(prefix))
    });
    has_number && (lettered || numbered)
}

fn observe_interfaces(settings: &Settings, reader: &mut Reader<'_>, boot: &Boot, at: Timestamp) -> Option<KindBatch> {
    let parsed = parse::net_dev(reader.required("proc/net/dev")?);
    let complete = parsed.malformed.is_empty();
    let interfaces = reader.checked("proc/net/dev", parsed);
    let wanted = interfaces.into_iter().filter(|seen| !is_excluded(&seen.name, &settings.interfaces_exclude));
    let observations = wanted.map(|interface| Observation {
        identity: Identity::new([settings.name.as_str(), &interface.name]),
        attributes: Some(reader.capture.links.get(&interface.name).map(link_attributes).unwrap_or_default()),
        ended: None,
        sample: Some(sample(&HOST_INTERFACE, &interface.readings, at, boot.time)),
    });
    Some(batch(&HOST_INTERFACE, complete, observations.collect()))
}

fn link_attributes(link: &Link) -> Attributes {
    /// A link's Mbit/s in bytes per second.
    const BYTES_PER_MEGABIT: i64 = 125_000;
    let mut attributes = Attributes::new();
    for (name, value) in [("state", &link.state), ("mac", &link.mac)] {
        if let Some(value) = value {
            attributes.insert(name, value.as_str().into());
        }
    }
    let number = |text: &Option<String>| text.as_deref()?.parse::<i64>().ok().filter(|number| *number > 0);
    if let Some(mtu) = number(&link.mtu) {
        attributes.insert("mtu_bytes", mtu.into());
    }
    if let Some(speed) = number(&link.speed).and_then(|speed| speed.checked_mul(BYTES_PER_MEGABIT)) {
        attributes.insert("speed_bytes_per_second", speed.into());
    }
    attributes
}
