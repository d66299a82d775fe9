//! 40 engines of 50 containers each at ten seconds: no tick skipped, no sample lost, and what that costs.
//!
//! Meaningful figures need a release build: `cargo test --release --test it load -- --nocapture`, and ten
//! minutes of it with `--ignored`. The engines run in this process, so the recorder's own figures are its own.

use std::collections::BTreeMap;
use std::fs;

use crate::fleet::Fleet;
use crate::harness::time::{monotonic_ms, now_ms, wait_until};
use crate::harness::{Recorder, machine};

const ENGINES: usize = 40;
const CONTAINERS: usize = 50;
const INTERVAL_MS: i64 = 10_000;
/// What a release build may hold in memory at this load.
const MEMORY_MAX_BYTES: u64 = 64 << 20;

#[test]
fn two_thousand_containers_for_a_minute() {
    let _alone = machine::alone();
    run(60_000);
}

#[test]
#[ignore = "takes ten minutes; run it by hand, in a release build"]
fn two_thousand_containers_for_ten_minutes() {
    let _alone = machine::alone();
    run(600_000);
}

fn run(duration_ms: i64) {
    let fleet = Fleet::start(ENGINES, CONTAINERS);
    let recorder = Recorder::start(&format!("{}[source.host]\nenabled = false\n", fleet.sources("interval = \"10s\"")));

    // The first round inspects every container; what is measured begins after it. Engines that are visited
    // late in the interval are late in every round, so that any whole number of intervals holds equally many.
    let start = (now_ms() / INTERVAL_MS + 3) * INTERVAL_MS;
    let end = start + duration_ms;
    wait_until(start);
    let before = Usage::of(recorder.pid());
    wait_until(end);
    let after = Usage::of(recorder.pid());
    // The last round is answered and committed a moment after its tick.
    wait_until(end + 5_000);

    let (from, until) = (start.to_string(), end.to_string());
    let rounds = usize::try_from(duration_ms / INTERVAL_MS).unwrap();
    let samples = recorder.table("samples/container", &[("start", &from), ("end", &until)]);
    let mut times_of: BTreeMap<(String, String), usize> = BTreeMap::new();
    let (host, id) = (samples.position("host"), samples.position("id"));
    for row in &samples.rows {
        *times_of.entry((row[host].clone(), row[id].clone())).or_default() += 1;
    }
    assert_eq!(times_of.len(), ENGINES * CONTAINERS);
    let off: Vec<_> = times_of.iter().filter(|(_, samples)| **samples != rounds).take(5).collect();
    assert!(off.is_empty(), "not {rounds} samples each: {off:?}\n{}", recorder.log());
    assert_eq!(samples.rows.len(), ENGINES * CONTAINERS * rounds);

    let path =
        format!("/api/v1/events?type=tick_skipped,snapshot_dropped,target_down,limit_hit&start={from}&end={until}");
    let events = recorder.json(&path);
    assert_eq!(events["events"].as_array().unwrap().len(), 0, "{events:#}");
    assert!(fleet.stats_served() >= u64::try_from(samples.rows.len()).unwrap());

    // What the writer spent in transactions, as the recorder says of itself.
    let own = [("start", from.as_str()), ("end", &until), ("step", "all"), ("fields", "commit_seconds_total")];
    let store_s = recorder.table("range/recorder", &own).numbers("commit_seconds_total")[0].unwrap();
    report(&before, &after, duration_ms, samples.rows.len(), store_s);
    if !cfg!(debug_assertions) {
        assert!(after.memory_peak_bytes <= MEMORY_MAX_BYTES, "peak memory {} bytes", after.memory_peak_bytes);
    }
}

/// What a process has used up to now.
struct Usage {
    cpu_ticks: u64,
    /// Ticks by thread name, threads of the same name added up.
    threads: BTreeMap<String, u64>,
    memory_peak_bytes: u64,
}

impl Usage {
    fn of(pid: u32) -> Usage {
        let mut threads = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
            if let Ok(stat) = fs::read_to_string(task.path().join("stat")) {
                let (name, ticks) = cpu_ticks(&stat);
                *threads.entry(name).or_default() += ticks;
            }
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        Usage {
            cpu_ticks: cpu_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).unwrap()).1,
            threads,
            memory_peak_bytes: peak_kib * 1024,
        }
    }
}

/// Name and utime + stime of a line of /proc/…/stat.
fn cpu_ticks(stat: &str) -> (String, u64) {
    let (begin, end) = (stat.find('(').unwrap(), stat.rfind(')').unwrap());
    let fields: Vec<_> = stat[end + 2..].split(' ').collect();
    // Numbered from 3 after the name: utime is 14, stime 15.
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    (stat[begin + 1..end].to_owned(), ticks)
}

/// Microseconds that parsing one reply takes, in this build.
fn parse_us() -> f64 {
    const TIMES: u32 = 5_000;
    let body = include_bytes!("../fixtures/fleet/stats.json");
    let start = monotonic_ms();
    for _ in 0..TIMES {
        assert!(tachograph::source::docker::parse_stats(std::hint::black_box(body)).unwrap().is_some());
    }
    (monotonic_ms() - start) as f64 * 1000.0 / f64::from(TIMES)
}

fn report(before: &Usage, after: &Usage, duration_ms: i64, samples: usize, store_s: f64) {
    let per_tick_s = 1.0 / rustix::param::clock_ticks_per_second() as f64;
    let seconds = duration_ms as f64 / 1000.0;
    let cpu_s = (after.cpu_ticks - before.cpu_ticks) as f64 * per_tick_s;
    let build = if cfg!(debug_assertions) { "debug build: not what a release costs" } else { "release build" };
    let mut lines = vec![format!(
        "load: {ENGINES} engines x {CONTAINERS} containers for {seconds:.0} s ({build}): {samples} samples, \
         CPU {:.2} % of one core, {:.1} us a sample, peak memory {:.1} MiB",
        100.0 * cpu_s / seconds,
        1e6 * cpu_s / samples as f64,
        after.memory_peak_bytes as f64 / f64::from(1 << 20),
    )];
    let (whole_us, store_us, parse_us) = (1e6 * cpu_s / samples as f64, 1e6 * store_s / samples as f64, parse_us());
    lines.push(format!(
        "load:   of these fetch and all else {:.1} us, parse {parse_us:.1} us, store {store_us:.1} us (time in transactions)",
        whole_us - store_us - parse_us
    ));
    for (name, ticks) in &after.threads {
        let used = ticks.saturating_sub(before.threads.get(name).copied().unwrap_or(0));
        let us = 1e6 * used as f64 * per_tick_s / samples as f64;
        if used > 0 {
            lines.push(format!("load:   {us:6.1} us a sample in threads named {name}"));
        }
    }
    machine::say(&lines.join("\n"));
}
