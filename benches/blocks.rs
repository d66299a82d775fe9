//! What a recording weighs and costs at rest: a fleet of 200 containers for some days, appended, sealed, merged, read.
//!
//! `cargo bench --bench blocks -- [days] [hosts] [containers a host]`. CPU time is that of the threads that do
//! the work; a value is a number of a sample that is not null.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_possible_wrap,
    reason = "a program for one reader at a terminal"
)]

use std::hint::black_box;
use std::path::Path;

use tachograph::clock::Clock;
use tachograph::model::{
    Attributes, Column, Identity, Key, Kind, KindBatch, Observation, Outcome, Poll, Sample, Snapshot, TargetName,
    TimeRange, Timestamp, Value,
};
use tachograph::source::{KINDS, kind};
use tachograph::store::{EntityQuery, Fetch, Limits, Store, sqlite::Sqlite};

#[path = "../src/store/conformance/fleet.rs"]
mod fleet;

const DAY_MS: i64 = 86_400_000;
const INTERVAL_MS: i64 = 30_000;
const START_MS: i64 = 19_700 * DAY_MS;

/// CPU seconds that this thread has used.
fn cpu_seconds() -> f64 {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    schedule.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// Resident memory now and at its peak, in MiB.
fn memory_mib() -> (f64, f64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// Bytes that this process had written by the system.
fn written_bytes() -> f64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse().unwrap()
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let days = numbers.first().copied().unwrap_or(7) as i64;
    let hosts = numbers.get(1).copied().unwrap_or(4);
    let containers = numbers.get(2).copied().unwrap_or(50);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    let container: &'static Kind = kind("container").unwrap();
    let store = Store::Sqlite(Sqlite::open(&path, KINDS).unwrap());
    let mut fleet = fleet::Fleet::new(container, 1, hosts, containers, Timestamp::from_ms(START_MS), INTERVAL_MS);
    println!(
        "fleet   {} containers, {} columns, every 30 s for {days} days",
        hosts * containers,
        container.columns.len()
    );

    let (mut samples, mut values) = (0_u64, 0_u64);
    let (mut append_cpu, mut upkeep) = (0.0, Work::default());
    // The longest append while nothing else happened, and beside upkeep.
    let mut longest_ms = [0, 0];
    let (idle_mib, _) = memory_mib();
    let written = written_bytes();
    let per_hour = 3_600_000 / INTERVAL_MS;
    // Some hours more than whole days, so that there are blocks of both sizes to weigh.
    for hour in 0..days * 24 + 9 {
        let rounds: Vec<_> = (0..per_hour).map(|_| fleet.round()).collect();
        let seen = rounds.iter().flatten().flat_map(|snapshot| &snapshot.batches).flat_map(|batch| &batch.observations);
        let cells = seen.filter_map(|seen| seen.sample.as_ref()).flat_map(|sample| sample.values.iter());
        values += cells.filter(|value| !value.is_null()).count() as u64;
        // What the hours before left to do is done while this hour is appended, as in a recorder that runs.
        let is_over = std::sync::atomic::AtomicBool::new(false);
        let now = Timestamp::from_ms(START_MS + hour * 3_600_000);
        std::thread::scope(|scope| {
            let beside = scope.spawn(|| {
                let done = all_upkeep(&store, now);
                is_over.store(true, std::sync::atomic::Ordering::Relaxed);
                done
            });
            for round in &rounds {
                let before = cpu_seconds();
                let start_ms = Clock::System.monotonic_ms();
                samples += store.append(round).unwrap().samples;
                let took_ms = Clock::System.monotonic_ms() - start_ms;
                append_cpu += cpu_seconds() - before;
                let is_beside = usize::from(!is_over.load(std::sync::atomic::Ordering::Relaxed));
                longest_ms[is_beside] = longest_ms[is_beside].max(took_ms);
            }
            upkeep.add(&beside.join().unwrap());
        });
    }
    upkeep.add(&all_upkeep(&store, Timestamp::from_ms(START_MS + (days * 24 + 9) * 3_600_000)));
    let million = values as f64 / 1e6;
    println!("ingest  {samples} samples, {million:.1} million values");
    println!(
        "ingest  CPU s a million values: append {:.3}, upkeep {:.3}, together {:.3}",
        append_cpu / million,
        upkeep.cpu / million,
        (append_cpu + upkeep.cpu) / million
    );
    println!(
        "ingest  of upkeep: sealing {:.3}, merging {:.3}, rolling up {:.3}",
        upkeep.seal_cpu / million,
        upkeep.merge_cpu / million,
        upkeep.roll_cpu / million
    );
    println!(
        "ingest  longest append {} ms beside upkeep, {} ms without; {} steps of upkeep, the longest {} ms",
        longest_ms[1], longest_ms[0], upkeep.steps, upkeep.longest_ms
    );
    println!("ingest  {:.1} bytes written a value", (written_bytes() - written) / values as f64);
    let (_, peak_mib) = memory_mib();
    println!(
        "ingest  {peak_mib:.0} MiB at the peak, {:.0} above idle (the hour's replies included)",
        peak_mib - idle_mib
    );
    weigh(&path, values);
    read(&store, container, days);
}

/// What upkeep cost.
#[derive(Debug, Default)]
struct Work {
    cpu: f64,
    seal_cpu: f64,
    merge_cpu: f64,
    roll_cpu: f64,
    steps: u64,
    longest_ms: i64,
}

impl Work {
    fn add(&mut self, other: &Work) {
        self.cpu += other.cpu;
        self.seal_cpu += other.seal_cpu;
        self.merge_cpu += other.merge_cpu;
        self.roll_cpu += other.roll_cpu;
        self.steps += other.steps;
        self.longest_ms = self.longest_ms.max(other.longest_ms);
    }
}

/// All that there is to do.
fn all_upkeep(store: &Store, now: Timestamp) -> Work {
    let mut work = Work::default();
    loop {
        let (before, start_ms) = (cpu_seconds(), Clock::System.monotonic_ms());
        let done = store.upkeep(now, &Limits::default()).unwrap();
        let cpu = cpu_seconds() - before;
        work.longest_ms = work.longest_ms.max(Clock::System.monotonic_ms() - start_ms);
        work.cpu += cpu;
        work.seal_cpu += if done.sealed_samples > 0 { cpu } else { 0.0 };
        work.merge_cpu += if done.merged_blocks > 0 { cpu } else { 0.0 };
        work.roll_cpu += if done.rolled_days > 0 { cpu } else { 0.0 };
        work.steps += 1;
        if !done.more {
            return work;
        }
    }
}

fn weigh(path: &Path, values: u64) {
    let database = rusqlite::Connection::open(path).unwrap();
    let number = |sql: &str| database.query_row(sql, [], |row| row.get::<_, f64>(0)).unwrap();
    let of_sql = |sql: &str| number(&format!("SELECT CAST(coalesce(({sql}), 0) AS REAL)"));
    let rows = of_sql("SELECT coalesce(sum(samples), 0) FROM journal");
    let blocks = of_sql("SELECT count(*) FROM block");
    let sealed = of_sql("SELECT sum(samples) FROM block");
    let body = of_sql("SELECT sum(length(body)) FROM block");
    let merged = of_sql("SELECT sum(length(body)) FROM block WHERE is_merged");
    let merged_samples = of_sql("SELECT sum(samples) FROM block WHERE is_merged");
    let rollups = of_sql("SELECT sum(length(body)) FROM rollup");
    let used = of_sql("SELECT (page_count - freelist_count) * 4096 FROM pragma_page_count, pragma_freelist_count");
    // Values are shared out by samples: rows are the same fleet.
    let values_a_sample = values as f64 / (rows + sealed);
    println!("weight  {blocks} blocks of {sealed} samples, {rows} samples are in the journal still");
    println!("weight  {:.3} bytes a value in all blocks", body / sealed / values_a_sample);
    println!(
        "weight  {:.3} bytes a value in small blocks",
        (body - merged) / (sealed - merged_samples) / values_a_sample
    );
    println!("weight  {:.3} bytes a value in merged blocks", merged / merged_samples / values_a_sample);
    let journal = of_sql("SELECT coalesce(sum(length(body)), 0) FROM journal");
    println!("weight  {:.3} bytes a value in the journal", journal / rows / values_a_sample);
    println!("weight  {:.3} bytes a value in rollups", rollups / values as f64);
    println!("weight  {:.0} MiB in use", used / 1_048_576.0);
    println!("weight  {:.3} bytes a value of the whole file", used / values as f64);
}

/// Milliseconds that one of `times` runs took; the best of five series.
fn measured_ms(times: u32, mut run: impl FnMut()) -> f64 {
    let series = |run: &mut dyn FnMut()| {
        let start = Clock::System.monotonic_ms();
        for _ in 0..times {
            run();
        }
        (Clock::System.monotonic_ms() - start) as f64 / f64::from(times)
    };
    (0..5).map(|_| series(&mut run)).fold(f64::INFINITY, f64::min)
}

fn read(store: &Store, kind: &'static Kind, days: i64) {
    let query = EntityQuery { kind, seen_in: TimeRange::ALL, after: None, limit: 100_000 };
    let entities = store.entities(&query).unwrap();
    let identity = &entities[entities.len() / 2].identity;
    let all: Vec<usize> = (0..kind.columns.len()).collect();
    let run = |identity: &Identity, from: i64, until: i64, columns: &[usize]| {
        let at = |ms| Timestamp::from_ms(START_MS + ms);
        let range = TimeRange::new(at(from), at(until)).unwrap();
        store.read(&Fetch { kind, identity, range, columns }).unwrap().len()
    };
    let day = measured_ms(200, || {
        black_box(run(identity, 0, DAY_MS, &all[..1]));
    });
    println!("read    a day of one container, one column: {day:.2} ms");
    let day_all = measured_ms(50, || {
        black_box(run(identity, 0, DAY_MS, &all));
    });
    println!("read    a day of one container, all columns: {day_all:.2} ms");
    let hour = measured_ms(200, || {
        black_box(run(identity, DAY_MS / 2, DAY_MS / 2 + 3_600_000, &all[..1]));
    });
    println!("read    an hour of it, one column: {hour:.2} ms");
    let whole = measured_ms(5, || {
        for day in 0..days {
            black_box(run(identity, day * DAY_MS, (day + 1) * DAY_MS, &all[..1]));
        }
    });
    println!("read    all {days} days of it, one column, day by day: {whole:.2} ms");
    let fleet = measured_ms(1, || {
        for entity in &entities {
            black_box(run(&entity.identity, 0, DAY_MS, &all));
        }
    });
    println!("read    a day of all {} containers, all columns: {fleet:.0} ms", entities.len());
}
