//! A year of 100 containers in one file: what it takes to put it there, what it weighs, and how long its readers wait.
//!
//! `cargo bench --bench year -- [days] [hosts] [containers a host] [interval in seconds] [dead containers]`. The fleet is
//! put straight into blocks; its last hour is recorded poll by poll. One container more lives all the time; the dead come
//! once charts were drawn without them. Times are the best of five and include no HTTP, except for the start, which is
//! that of the program itself until it says that it is ready. With `YEAR_FILE=path` the file is kept there, and what of it
//! is there already is taken as it is; with the word `charts` only they are drawn.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program for one reader at a terminal"
)]

use std::collections::HashMap;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tachograph::answer::{self, Stop};
use tachograph::clock::Clock;
use tachograph::model::{
    Attributes, Column, Identity, Key, Kind, KindBatch, Observation, Outcome, Poll, Sample, Snapshot, TargetName,
    Timestamp, Value,
};
use tachograph::query::request::{EntitiesRequest, RangeRequest};
use tachograph::source::{KINDS, kind};
use tachograph::store::{ForeignSample, Import, Limits, Store, sqlite::Sqlite};

#[path = "../src/store/conformance/fleet.rs"]
mod fleet;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Samples that are put into the file at once: most of a day of 100 containers.
const SAMPLES_A_BATCH: usize = 288_000;

fn now_ms() -> i64 {
    Clock::System.monotonic_ms()
}

/// Resident memory at its peak, in MiB.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// CPU time of the process so far, in milliseconds: ticks of a hundredth of a second.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap());
    ticks.sum::<f64>() * 10.0
}

/// Milliseconds of a run, the best of five series; short runs are repeated, as the clock counts milliseconds.
fn best_ms(mut run: impl FnMut()) -> f64 {
    let mut series = |times: i64| {
        let start = now_ms();
        for _ in 0..times {
            run();
        }
        (now_ms() - start) as f64 / times as f64
    };
    let first = series(1);
    let times = if first >= 200.0 { 1 } else { (200.0 / first.max(1.0)) as i64 };
    (0..5).map(|_| series(times)).fold(first, f64::min)
}

/// The fleet on its way into the file.
struct Filling {
    kind: &'static Kind,
    fleet: fleet::Fleet,
    facts: HashMap<Identity, Arc<Attributes>>,
    samples: u64,
}

impl Filling {
    /// A round, with an application for each container.
    fn round(&mut self) -> Vec<Snapshot> {
        let mut snapshots = self.fleet.round();
        let observations = snapshots.iter_mut().flat_map(|snapshot| &mut snapshot.batches);
        for seen in observations.flat_map(|batch| &mut batch.observations) {
            if let Some(attributes) = &mut seen.attributes {
                let name = match attributes.get("name") {
                    Some(tachograph::model::AttributeValue::Text(name)) => name.clone(),
                    _ => String::new(),
                };
                let app = name.rsplit_once('-').map_or(name.as_str(), |(app, _)| app).to_owned();
                attributes.insert("app", app.into());
                self.facts.insert(seen.identity.clone(), Arc::new(attributes.clone()));
            }
        }
        snapshots
    }

    fn import(&mut self, store: &Store, rounds: i64, now: Timestamp, interval_ms: i64) {
        let import = Import { kind: self.kind, attributes: &["name", "app"], interval_ms: Some(interval_ms), now };
        let mut batch: Vec<ForeignSample> = Vec::with_capacity(SAMPLES_A_BATCH + 1000);
        for round in 1..=rounds {
            for seen in
                self.round().into_iter().flat_map(|snapshot| snapshot.batches).flat_map(|batch| batch.observations)
            {
                let attributes = self.facts.get(&seen.identity).cloned().unwrap_or_default();
                batch.push(ForeignSample { identity: seen.identity, attributes, sample: seen.sample.unwrap() });
            }
            if batch.len() >= SAMPLES_A_BATCH || round == rounds {
                let taken = std::mem::replace(&mut batch, Vec::with_capacity(SAMPLES_A_BATCH + 1000));
                self.samples += store.import(&import, taken).unwrap().samples;
            }
        }
        store.end_import(self.kind).unwrap();
    }
}

fn main() {
    let numbers: Vec<i64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let number = |index: usize, usual: i64| numbers.get(index).copied().unwrap_or(usual);
    let (days, hosts, containers) = (number(0, 365), number(1, 4) as usize, number(2, 25) as usize);
    let (interval_ms, dead) = (number(3, 30) * 1000, number(4, 50_000));
    let directory = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("YEAR_FILE").map(std::path::PathBuf::from);
    let path = kept.unwrap_or_else(|| directory.path().join("year.db"));
    let is_there = path.exists();
    let container = kind("container").unwrap();
    let now_ms_wall = Clock::System.now().ms();
    let end_ms = now_ms_wall.div_euclid(DAY_MS) * DAY_MS;
    let (start, end, now) =
        (Timestamp::from_ms(end_ms - days * DAY_MS), Timestamp::from_ms(end_ms), Timestamp::from_ms(now_ms_wall));

    let store = Store::Sqlite(Sqlite::open(&path, KINDS).unwrap());
    let mut filling = Filling {
        kind: container,
        fleet: fleet::Fleet::new(container, 1, hosts, containers, start, interval_ms),
        facts: HashMap::new(),
        samples: 0,
    };
    if !is_there {
        fill(&store, &mut filling, (days, interval_ms), now);
    }
    let is_known =
        |identity: &Identity| store.entity(container, identity, tachograph::model::TimeRange::ALL).unwrap().is_some();
    if !is_known(&steady()) {
        live(&store, container, (start, end, now), interval_ms);
    }
    keep_up(&store, now);
    let are_dead = is_known(&dead_one(0));
    charts(&store, container, start, end);
    if dead > 0 && !are_dead {
        die(&store, container, dead, start, end, now);
        keep_up(&store, now);
        println!("with {dead} containers more, all dead:");
        charts(&store, container, start, end);
    }
    if std::env::args().any(|argument| argument == "charts") {
        return;
    }
    let stats = store.stats(&mut |_| ControlFlow::Continue(())).unwrap();
    let values: u64 =
        stats.kinds.iter().map(|kind| kind.journal.values + kind.small_blocks.values + kind.merged_blocks.values).sum();
    println!(
        "weight   {:.0} MiB, {:.3} bytes a value of the whole file",
        stats.file_bytes as f64 / 1_048_576.0,
        stats.file_bytes as f64 / values as f64
    );
    for part in &stats.parts {
        println!("weight   {:>12} {}", part.bytes, part.name);
    }

    pages(&store, container, start, end, now);
    works(&store, directory.path(), &mut filling);
    drop(store);
    starts(directory.path(), &path);
}

/// Does all that waits to be done.
fn keep_up(store: &Store, now: Timestamp) {
    let begun = now_ms();
    let mut steps = 0_u64;
    while store.upkeep(now, &Limits::default()).unwrap().more {
        steps += 1;
    }
    println!("upkeep   {steps} steps in {:.1} s (rollups, where there are any)", (now_ms() - begun) as f64 / 1000.0);
}

/// Puts the fleet into the file.
fn fill(store: &Store, filling: &mut Filling, (days, interval_ms): (i64, i64), now: Timestamp) {
    let begun = now_ms();
    let rounds_an_hour = HOUR_MS / interval_ms;
    filling.import(store, days * 24 * rounds_an_hour - rounds_an_hour, now, interval_ms);
    for _ in 0..rounds_an_hour {
        let round = filling.round();
        filling.samples += store.append(&round).unwrap().samples;
    }
    let seconds = (now_ms() - begun) as f64 / 1000.0;
    println!(
        "fill     {days} days of containers that were {} in all, every {} s: {} samples in {seconds:.0} s (made up included), {:.0} MiB at \
         the peak",
        filling.facts.len(),
        interval_ms / 1000,
        filling.samples,
        peak_mib()
    );
}

/// The container that lives all the time.
fn steady() -> Identity {
    Identity::new(["node-0".to_owned(), "f".repeat(64)])
}

/// Puts it into the file: what others leave when they are replaced, it leaves when it restarts.
fn live(store: &Store, kind: &'static Kind, (start, end, now): (Timestamp, Timestamp, Timestamp), interval_ms: i64) {
    let import = Import { kind, attributes: &["name", "app"], interval_ms: Some(interval_ms), now };
    let attributes = Arc::new(Attributes::from([("name", "steady".into()), ("app", "/steady".into())]));
    let mut fleet = fleet::Fleet::new(kind, 7, 1, 1, start, interval_ms);
    let mut rounds = (end.ms_since(start) / interval_ms) as usize;
    while rounds > 0 {
        let mut samples = Vec::new();
        let together = rounds.min(SAMPLES_A_BATCH);
        for _ in 0..together {
            let seen = fleet.round().into_iter().flat_map(|snapshot| snapshot.batches).flat_map(|it| it.observations);
            samples.extend(seen.filter_map(|seen| seen.sample).map(|sample| ForeignSample {
                identity: steady(),
                attributes: Arc::clone(&attributes),
                sample,
            }));
        }
        rounds -= together;
        store.import(&import, samples).unwrap();
    }
    store.end_import(kind).unwrap();
}

/// One of the dead.
fn dead_one(number: i64) -> Identity {
    Identity::new([format!("node-{}", number % 4), format!("{:064x}", number * 7919)])
}

/// Short-lived containers, spread over the whole time: each a sample or two.
fn die(store: &Store, kind: &'static Kind, dead: i64, start: Timestamp, end: Timestamp, now: Timestamp) {
    let import = Import { kind, attributes: &["name", "app"], interval_ms: Some(30_000), now };
    let every_ms = end.ms_since(start) / dead.max(1);
    let values: Box<[Value]> = kind.columns.iter().map(|_| Value::Int(1)).collect();
    for part in (0..dead).collect::<Vec<_>>().chunks(10_000) {
        let samples = part.iter().map(|number| {
            let at = start.plus_ms(number * every_ms);
            let app = format!("job-{}", number % 40);
            ForeignSample {
                identity: dead_one(*number),
                attributes: Arc::new(Attributes::from([
                    ("name", format!("{app}-{number}").into()),
                    ("app", app.into()),
                ])),
                sample: Sample { at, since: Some(at.plus_ms(-500)), values: values.clone() },
            }
        });
        store.import(&import, samples.collect()).unwrap();
    }
    store.end_import(kind).unwrap();
}

fn ask(kind: &'static Kind, range: (Timestamp, Timestamp), parameters: &[(&str, &str)]) -> RangeRequest {
    let (start, end) = (range.0.ms().to_string(), range.1.ms().to_string());
    let range = [("start", start.as_str()), ("end", end.as_str())];
    let pairs = range.iter().chain(parameters).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let pairs: Vec<_> = pairs.collect();
    RangeRequest::parse(kind, &pairs, Clock::System.now(), 30_000).unwrap()
}

/// What is asked, how many milliseconds are aimed at, and the parameters.
type Question<'a> = (&'a str, f64, Vec<(&'a str, &'a str)>);

fn charts(store: &Store, kind: &'static Kind, start: Timestamp, end: Timestamp) {
    let identity = steady();
    let id = identity.part(1);
    let fields = "cpu_cores,memory_working_set_bytes";
    let year = (start, end);
    let questions: [Question<'_>; 4] = [
        ("a year, a day a point, one container", 10.0, vec![("step", "1d"), ("fields", fields), ("id", id)]),
        ("the same with p95 and max", 10.0, vec![("step", "1d"), ("fields", fields), ("agg", "p95,max"), ("id", id)]),
        ("a year, a day a point, all by app", 100.0, vec![("step", "1d"), ("fields", fields), ("group_by", "app")]),
        ("a year, a week a point, all in one", 100.0, vec![("step", "1w"), ("fields", fields), ("group_by", "")]),
    ];
    for (what, aim_ms, parameters) in questions {
        let request = ask(kind, year, &parameters);
        let (cpu_before, mut runs) = (cpu_ms(), 0);
        let ms = best_ms(|| {
            runs += 1;
            black_box(answer::range(store, &request, &Stop::never()).unwrap());
        });
        let cpu_ms = (cpu_ms() - cpu_before) / f64::from(runs);
        let series = answer::range(store, &request, &Stop::never()).unwrap().series.len();
        println!("chart    {ms:8.1} ms (aim {aim_ms:.0}), {cpu_ms:.1} ms of CPU: {what}, {series} series");
    }
}

fn pages(store: &Store, kind: &'static Kind, start: Timestamp, end: Timestamp, now: Timestamp) {
    for (what, from) in [("of the year", start), ("of the last hour", end.plus_ms(-HOUR_MS))] {
        let (mut cursor, mut pages, mut entities, mut longest_ms) = (None, 0, 0, 0.0_f64);
        loop {
            let pairs = [("start".to_owned(), from.ms().to_string()), ("end".to_owned(), end.ms().to_string())];
            let request =
                EntitiesRequest { cursor: cursor.take(), ..EntitiesRequest::parse(kind, &pairs, now).unwrap() };
            let ms = best_ms(|| {
                black_box(answer::entities(store, &request).unwrap());
            });
            let page = answer::entities(store, &request).unwrap();
            pages += 1;
            entities += page.entities.len();
            longest_ms = longest_ms.max(ms);
            match page.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        println!("entities {longest_ms:8.1} ms (aim 50) the longest of {pages} pages, {entities} entities {what}");
    }
}

/// What is done to the file as a whole, beside a writer.
fn works(store: &Store, directory: &Path, filling: &mut Filling) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (mut longest_ms, mut appends) = (0_i64, 0_u64);
            while !is_over.load(Ordering::Relaxed) {
                let round = filling.round();
                let start = now_ms();
                store.append(&round).unwrap();
                longest_ms = longest_ms.max(now_ms() - start);
                appends += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            (longest_ms, appends)
        });
        let begun = now_ms();
        let report = store.back_up(&directory.join("copy.db"), &mut |_| ControlFlow::Continue(())).unwrap();
        let seconds = (now_ms() - begun) as f64 / 1000.0;
        is_over.store(true, Ordering::Relaxed);
        let (longest_ms, appends) = writer.join().unwrap();
        println!(
            "backup   {seconds:.1} s with its check ({} faults); {appends} appends meanwhile, the longest {longest_ms} ms",
            report.faults.len()
        );
    });
    let begun = now_ms();
    let report = store.check(&mut |_| ControlFlow::Continue(())).unwrap();
    println!("check    {:.1} s, {} values decoded", (now_ms() - begun) as f64 / 1000.0, report.block_values);
}

/// The program's own start on the file, until it says that it is ready.
fn starts(directory: &Path, path: &Path) {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let config = directory.join("config.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[store]\npath = {path:?}\n[retention]\nsamples = \"10y\"\n[source.host]\nenabled = false\n"
    );
    std::fs::write(&config, text).unwrap();
    let start = || {
        let begun = now_ms();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tachograph"))
            .args(["serve", "--config"])
            .arg(&config)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let is_ready = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n")?;
            let mut reply = String::new();
            stream.read_to_string(&mut reply)?;
            Ok(reply.contains(" 200 "))
        };
        while !is_ready().unwrap_or(false) {
            assert!(child.try_wait().unwrap().is_none(), "it ended");
            std::thread::sleep(Duration::from_millis(2));
        }
        let ms = (now_ms() - begun) as f64;
        child.kill().unwrap();
        child.wait().unwrap();
        ms
    };
    let best = (0..5).map(|_| start()).fold(f64::INFINITY, f64::min);
    println!("start    {best:8.1} ms (aim 500) until the program is ready on this file, killed five times");
}
