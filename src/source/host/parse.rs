//! Reads the texts of /proc: each function takes one file's text and says what stands in it. Pure.
//!
//! A number that is not there is left out, never zero. A line that is not what the kernel writes is counted
//! as malformed, by its number, and the rest is read all the same.

use std::collections::BTreeMap;

use crate::model::{Kind, Sample, Timestamp, Value};

/// Numbers by the stored name of their column.
pub(super) type Readings = BTreeMap<&'static str, Value>;

/// What a text said, and the numbers (from 1) of its lines that made no sense.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parsed<T> {
    pub(super) value: T,
    pub(super) malformed: Vec<usize>,
}

/// A sample of a kind: its columns from readings, what is missing null.
pub(super) fn sample(kind: &Kind, readings: &Readings, at: Timestamp, since: Option<Timestamp>) -> Sample {
    let values = kind.columns.iter().map(|column| readings.get(column.stored).copied().unwrap_or_default()).collect();
    Sample { at, since, values }
}

/// /proc/stat without what is asked of no host: processor times, boot, switches.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Stat {
    pub(super) readings: Readings,
    /// When the machine started, to the second; moves by one as the clock is adjusted.
    pub(super) boot_time: Option<Timestamp>,
}

/// Fields of a `cpu` line in their order. `guest` and `guest_nice` are parts of `user` and `nice`.
const CPU_FIELDS: [&str; 10] = [
    "cpu_user_centiseconds",
    "cpu_nice_centiseconds",
    "cpu_system_centiseconds",
    "cpu_idle_centiseconds",
    "cpu_iowait_centiseconds",
    "cpu_irq_centiseconds",
    "cpu_softirq_centiseconds",
    "cpu_steal_centiseconds",
    "cpu_guest_centiseconds",
    "cpu_guest_nice_centiseconds",
];

/// /proc/stat; `ticks_per_second` is the kernel's USER_HZ.
pub(super) fn stat(text: &str, ticks_per_second: u64) -> Parsed<Stat> {
    let mut cpus = 0;
    let parsed = lines(text, Stat::default(), |stat, line| {
        let (key, rest) = line.split_once(' ')?;
        let stored = match key {
            "cpu" => return cpu_times(rest, ticks_per_second, &mut stat.readings),
            "btime" => {
                stat.boot_time = Some(Timestamp::from_ms(rest.trim().parse::<i64>().ok()?.checked_mul(1_000)?));
                return Some(());
            }
            "intr" => "interrupts",
            "ctxt" => "context_switches",
            "processes" => "forks",
            "procs_running" => "processes_running",
            "procs_blocked" => "processes_blocked",
            _ if key.starts_with("cpu") => {
                cpus += 1;
                return Some(());
            }
            // Newer kernels may tell more.
            _ => return Some(()),
        };
        stat.readings.insert(stored, number(rest.split_whitespace().next()?)?);
        Some(())
    });
    let mut parsed = parsed;
    if cpus > 0 {
        parsed.value.readings.insert("cpus", Value::Int(cpus));
    }
    parsed
}

fn cpu_times(rest: &str, ticks_per_second: u64, readings: &mut Readings) -> Option<()> {
    for (stored, field) in CPU_FIELDS.into_iter().zip(rest.split_whitespace()) {
        let ticks: u64 = field.parse().ok()?;
        // USER_HZ is 100 on nearly every machine, where this changes nothing.
        let centiseconds = u128::from(ticks) * 100 / u128::from(ticks_per_second.max(1));
        readings.insert(stored, u64::try_from(centiseconds).ok().into());
    }
    readings.contains_key("cpu_idle_centiseconds").then_some(())
}

/// Keys of /proc/meminfo and the columns they fill.
const MEMORY_FIELDS: [(&str, &str); 15] = [
    ("MemTotal", "memory_total_bytes"),
    ("MemAvailable", "memory_available_bytes"),
    ("MemFree", "memory_free_bytes"),
    ("Buffers", "memory_buffers_bytes"),
    ("Cached", "memory_cached_bytes"),
    ("SwapTotal", "memory_swap_total_bytes"),
    ("SwapFree", "memory_swap_free_bytes"),
    ("Shmem", "memory_shared_bytes"),
    ("AnonPages", "memory_anonymous_bytes"),
    ("SReclaimable", "memory_slab_reclaimable_bytes"),
    ("SUnreclaim", "memory_slab_unreclaimable_bytes"),
    ("Dirty", "memory_dirty_bytes"),
    ("Writeback", "memory_writeback_bytes"),
    ("Committed_AS", "memory_committed_bytes"),
    ("CommitLimit", "memory_commit_limit_bytes"),
];

/// /proc/meminfo; its kB are 1024 bytes.
pub(super) fn meminfo(text: &str) -> Parsed<Readings> {
    lines(text, Readings::new(), |readings, line| {
        let (key, rest) = line.split_once(':')?;
        let mut fields = rest.split_whitespace();
        let amount: u64 = fields.next()?.parse().ok()?;
        let Some((_, stored)) = MEMORY_FIELDS.iter().find(|(name, _)| *name == key) else { return Some(()) };
        let bytes = match fields.next() {
            Some("kB") => amount.checked_mul(1024)?,
            _ => return None,
        };
        readings.insert(stored, Some(bytes).into());
        Some(())
    })
}

/// /proc/vmstat.
pub(super) fn vmstat(text: &str) -> Parsed<Readings> {
    lines(text, Readings::new(), |readings, line| {
        let (key, rest) = line.split_once(' ')?;
        let stored = match key {
            "pswpin" => "memory_swapped_in_pages",
            "pswpout" => "memory_swapped_out_pages",
            "pgmajfault" => "memory_major_faults",
            "oom_kill" => "memory_oom_kills",
            _ => return Some(()),
        };
        readings.insert(stored, number(rest)?);
        Some(())
    })
}

/// /proc/loadavg: three loads, threads running/all, the newest process id.
pub(super) fn loadavg(text: &str) -> Parsed<Readings> {
    lines(text, Readings::new(), |readings, line| {
        let mut fields = line.split_whitespace();
        for stored in ["load_1m_hundredths", "load_5m_hundredths", "load_15m_hundredths"] {
            readings.insert(stored, Value::Int(scaled(fields.next()?, 2)?));
        }
        readings.insert("threads", number(fields.next()?.split_once('/')?.1)?);
        Some(())
    })
}

/// /proc/uptime: seconds since boot, seconds idle.
pub(super) fn uptime(text: &str) -> Parsed<Readings> {
    lines(text, Readings::new(), |readings, line| {
        readings.insert("uptime_centiseconds", Value::Int(scaled(line.split_whitespace().next()?, 2)?));
        Some(())
    })
}

/// /proc/sys/fs/file-nr: open, unused, most.
pub(super) fn file_nr(text: &str) -> Parsed<Readings> {
    lines(text, Readings::new(), |readings, line| {
        let mut fields = line.split_whitespace();
        readings.insert("files_open", number(fields.next()?)?);
        readings.insert("files_max", number(fields.nth(1)?)?);
        Some(())
    })
}

/// A file of /proc/pressure; `some` and `full` are the columns of its two lines, where there is one for it.
pub(super) fn pressure(text: &str, some: &'static str, full: Option<&'static str>) -> Parsed<Readings> {
    lines(text, Readings::new(), |readings, line| {
        let (key, rest) = line.split_once(' ')?;
        let stored = match key {
            "some" => Some(some),
            "full" => full,
            _ => return None,
        };
        let total = rest.split_whitespace().find_map(|field| field.strip_prefix("total="))?;
        let total = number(total)?;
        if let Some(stored) = stored {
            readings.insert(stored, total);
        }
        Some(())
    })
}

/// A block device of /proc/diskstats.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Device {
    pub(super) name: String,
    /// Major and minor number: `254:0`.
    pub(super) number: String,
    pub(super) readings: Readings,
}

/// Fields of a line of /proc/diskstats after the name, each with what turns it into its column's unit. Kernels
/// before 4.18 end after eleven, before 5.5 after fifteen.
const DEVICE_FIELDS: [(&str, u64); 17] = [
    ("read_ops", 1),
    ("read_merged_ops", 1),
    ("read_bytes", SECTOR_BYTES),
    ("read_ms", 1),
    ("write_ops", 1),
    ("write_merged_ops", 1),
    ("write_bytes", SECTOR_BYTES),
    ("write_ms", 1),
    ("ops_in_flight", 1),
    ("busy_ms", 1),
    ("queue_ms", 1),
    ("discard_ops", 1),
    ("discard_merged_ops", 1),
    ("discard_bytes", SECTOR_BYTES),
    ("discard_ms", 1),
    ("flush_ops", 1),
    ("flush_ms", 1),
];
/// A sector of /proc/diskstats, whatever the device's own are.
pub(super) const SECTOR_BYTES: u64 = 512;
/// Fields that every kernel since 2.6.25 writes for every device.
const DEVICE_FIELDS_MIN: usize = 11;

/// /proc/diskstats.
pub(super) fn diskstats(text: &str) -> Parsed<Vec<Device>> {
    lines(text, Vec::new(), |devices, line| {
        let mut fields = line.split_whitespace();
        let (major, minor, name) = (fields.next()?, fields.next()?, fields.next()?);
        let number = format!("{}:{}", major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?);
        let mut readings = Readings::new();
        for ((stored, factor), field) in DEVICE_FIELDS.into_iter().zip(fields) {
            readings.insert(stored, field.parse::<u64>().ok()?.checked_mul(factor).into());
        }
        if readings.len() < DEVICE_FIELDS_MIN {
            return None;
        }
        devices.push(Device { name: name.to_owned(), number, readings });
        Some(())
    })
}

/// A network interface of /proc/net/dev.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) readings: Readings,
}

/// Positions of the columns among the sixteen numbers of a line of /proc/net/dev.
const INTERFACE_FIELDS: [(usize, &str); 8] = [
    (0, "receive_bytes"),
    (1, "receive_packets"),
    (2, "receive_errors"),
    (3, "receive_dropped"),
    (8, "transmit_bytes"),
    (9, "transmit_packets"),
    (10, "transmit_errors"),
    (11, "transmit_dropped"),
];

/// /proc/net/dev, after its two lines of headings.
pub(super) fn net_dev(text: &str) -> Parsed<Vec<Interface>> {
    lines(text, Vec::new(), |interfaces, line| {
        if line.contains('|') {
            return Some(());
        }
        // The last colon: an alias has one in its name.
        let (name, rest) = line.rsplit_once(':')?;
        let fields: Vec<u64> = rest.split_whitespace().map(|field| field.parse().ok()).collect::<Option<_>>()?;
        let mut readings = Readings::new();
        for (position, stored) in INTERFACE_FIELDS {
            readings.insert(stored, Some(*fields.get(position)?).into());
        }
        interfaces.push(Interface { name: name.trim().to_owned(), readings });
        Some(())
    })
}

/// What /proc/cpuinfo tells of the processors.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct CpuInfo {
    pub(super) model: Option<String>,
    /// Pairs of socket and core, where the architecture tells them.
    pub(super) physical_cores: Option<i64>,
}

/// /proc/cpuinfo. Its shape is each architecture's own: nothing in it is malformed.
pub(super) fn cpuinfo(text: &str) -> CpuInfo {
    let mut model = None;
    let mut socket = "";
    let mut cores = std::collections::BTreeSet::new();
    for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match key.trim() {
            "model name" | "Model" | "cpu" if model.is_none() && !value.is_empty() => model = Some(value.to_owned()),
            "physical id" => socket = value,
            "core id" => {
                cores.insert((socket, value));
            }
            _ => {}
        }
    }
    let physical_cores = i64::try_from(cores.len()).ok().filter(|cores| *cores > 0);
    CpuInfo { model, physical_cores }
}

/// PRETTY_NAME of os-release, else NAME with VERSION.
pub(super) fn os_release(text: &str) -> Option<String> {
    let value = |key: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        let bare = found.trim().trim_matches(['"', '\'']);
        (!bare.is_empty()).then(|| bare.replace("\\\"", "\""))
    };
    value("PRETTY_NAME").or_else(|| match (value("NAME")?, value("VERSION")) {
        (name, Some(version)) => Some(format!("{name} {version}")),
        (name, None) => Some(name),
    })
}

/// A decimal text as a whole number of 10^-`decimals`; further digits are cut off.
fn scaled(text: &str, decimals: usize) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.chars().chain(std::iter::repeat('0')).take(decimals);
    whole.chars().chain(digits).collect::<String>().parse().ok()
}

/// A whole number; above `i64::MAX` it is null.
fn number(text: &str) -> Option<Value> {
    text.trim().parse::<u64>().ok().map(|number| Some(number).into())
}

/// Folds the lines of a text; a line that `read` gives None for is malformed. Empty lines are passed over.
pub(super) fn lines<T>(text: &str, start: T, mut read: impl FnMut(&mut T, &str) -> Option<()>) -> Parsed<T> {
    let mut parsed = Parsed { value: start, malformed: Vec::new() };
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        if read(&mut parsed.value, line).is_none() {
            parsed.malformed.push(index + 1);
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(readings: &Readings, stored: &str) -> Option<i64> {
        readings.get(stored).and_then(|value| value.int())
    }

    #[test]
    fn ticks_become_hundredths_of_a_second_whatever_the_kernel_counts_in() {
        for (ticks_per_second, expected) in [(100, 221_896), (1_000, 22_189), (250, 88_758)] {
            let parsed = stat("cpu  221896 0 0 5 0\n", ticks_per_second);
            assert_eq!(int(&parsed.value.readings, "cpu_user_centiseconds"), Some(expected));
        }
    }

    #[test]
    fn an_old_kernel_tells_fewer_fields_and_the_rest_is_null() {
        let parsed = stat("cpu  1 2 3 4 5 6 7\ncpu0 1 2 3 4 5 6 7\nbtime 1795205531\nfuture 1 2\n", 100);
        assert_eq!(parsed.malformed, [0; 0]);
        assert_eq!(int(&parsed.value.readings, "cpu_softirq_centiseconds"), Some(7));
        assert_eq!(parsed.value.readings.get("cpu_steal_centiseconds"), None);
        assert_eq!(int(&parsed.value.readings, "cpus"), Some(1));
        assert_eq!(parsed.value.boot_time, Some(Timestamp::from_ms(1_795_205_531_000)));
        assert_eq!(meminfo("MemTotal: 8 kB\nMemFree: 2 kB\n").value.get("memory_available_bytes"), None);
    }

    #[test]
    fn lines_that_make_no_sense_are_named_and_the_others_count() {
        let check = |malformed: Vec<usize>, expected: &[usize]| assert_eq!(malformed, expected);
        check(stat("cpu  1 2 x 4\nbtime soon\nctxt 7\nprocesses\n", 100).malformed, &[1, 2, 4]);
        check(
            meminfo("MemTotal: 8 kB\nMemFree: many kB\nBuffers: 3\nCached: 18446744073709551615 kB\nX\n").malformed,
            &[2, 3, 4, 5],
        );
        check(vmstat("pswpin 1\npswpout -1\n").malformed, &[2]);
        check(loadavg("0.1 0.2\n").malformed, &[1]);
        check(loadavg("nan 0.2 0.3 1/2 3\n").malformed, &[1]);
        check(uptime("-1.0 2\n").malformed, &[1]);
        check(file_nr("1\n").malformed, &[1]);
        check(pressure("some avg10=0.00\nmost total=1\n", "a", None).malformed, &[1, 2]);
        check(
            diskstats("8 0 sda 1 2 3\n8 0 sdb 1 2 3 4 5 6 7 8 9 10 11\nx 0 sdc 1 2 3 4 5 6 7 8 9 10 11\n").malformed,
            &[1, 3],
        );
        check(
            net_dev("face |bytes\n eth0: 1 2 3\n eth1 1\n eth2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n").malformed,
            &[2, 3],
        );
    }

    #[test]
    fn devices_of_old_kernels_have_no_discards() {
        let devices = diskstats(" 8  0 sda 1 2 3 4 5 6 7 8 9 10 11\n").value;
        assert_eq!((devices[0].name.as_str(), devices[0].number.as_str()), ("sda", "8:0"));
        assert_eq!(int(&devices[0].readings, "read_bytes"), Some(3 * 512));
        assert_eq!(int(&devices[0].readings, "queue_ms"), Some(11));
        assert_eq!(devices[0].readings.get("discard_ops"), None);
    }

    #[test]
    fn a_full_column_of_network_numbers_touches_the_name() {
        let interfaces = net_dev(
            "eth0:467600308 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n eth0:1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
        )
        .value;
        assert_eq!(interfaces[0].name, "eth0");
        assert_eq!(int(&interfaces[0].readings, "receive_bytes"), Some(467_600_308));
        assert_eq!(int(&interfaces[0].readings, "transmit_dropped"), Some(12));
        assert_eq!(interfaces[1].name, "eth0:1");
    }

    #[test]
    fn decimals_are_kept_exactly() {
        for (text, expected) in [("6.56", Some(656)), ("7", Some(700)), ("0.5", Some(50)), ("2378.409", Some(237_840))]
        {
            assert_eq!(scaled(text, 2), expected, "{text}");
        }
        for text in ["", ".5", "-1", "1e3", "1.x", "99999999999999999999"] {
            assert_eq!(scaled(text, 2), None, "{text}");
        }
    }

    #[test]
    fn a_number_above_what_can_be_kept_is_null() {
        assert_eq!(number("9223372036854775807"), Some(Value::Int(i64::MAX)));
        assert_eq!(number("9223372036854775808"), Some(Value::Null));
        assert_eq!(number("12a"), None);
    }

    #[test]
    fn systems_name_themselves_in_several_ways() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(os_release(text).as_deref(), expected, "{text}");
        check("NAME=\"A\"\nPRETTY_NAME=\"A Linux 1\"\n", Some("A Linux 1"));
        check("NAME=Arch\nVERSION='2 x'\n", Some("Arch 2 x"));
        check("NAME=Arch\n", Some("Arch"));
        check("PRETTY_NAME=\"\"\nID=x\n", None);
        let info = cpuinfo("model name\t: Two Sockets\nphysical id : 0\ncore id : 0\n\nphysical id : 1\ncore id : 0\n");
        assert_eq!(info, CpuInfo { model: Some("Two Sockets".to_owned()), physical_cores: Some(2) });
        assert_eq!(cpuinfo("BogoMIPS : 50\n"), CpuInfo::default());
    }
}
