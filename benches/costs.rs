//! What things cost: parsing a reply, appending a round, answering ranges and downloads. Each figure stands beside
//! one that it is compared with, measured in the same run; nothing is judged here.
//!
//! `cargo bench --bench costs` prints all but `large`; `cargo bench --bench costs -- large` (or `parse`, `append`,
//! `answers`) prints the parts that it names. The answers are measured through the whole program: the built binary on
//! a file that this writes. `large` writes some 1.5 GB into the directory for temporary files.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program for one reader at a terminal"
)]

use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tachograph::clock::Clock;
use tachograph::model::kind::Class;
use tachograph::model::{
    Attributes, Identity, Kind, KindBatch, Observation, Outcome, Poll, Sample, Snapshot, TargetName, Timestamp, Value,
};
use tachograph::source::{KINDS, kind};
use tachograph::store::{Store, memory::Memory, sqlite::Sqlite};

/// Interval of all recorded targets.
const INTERVAL_MS: i64 = 10_000;
/// The simulated fleet of an append.
const ENGINES: usize = 40;
const CONTAINERS: usize = 50;
const DAY_MS: i64 = 86_400_000;
/// Engines of the large file: 500 containers.
const ENGINES_OF_LARGE: usize = 10;

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |part: &str| named.iter().any(|name| name == part) || (named.is_empty() && part != "large");
    let directory = tempfile::tempdir().unwrap();
    if is_wanted("parse") {
        parse();
    }
    if is_wanted("append") {
        append(directory.path());
    }
    if is_wanted("answers") {
        answers(directory.path());
    }
    if is_wanted("large") {
        large(directory.path());
    }
}

/// Microseconds that one of `times` runs took; the best of five series, since disturbance only adds.
fn measured_us(times: u32, mut run: impl FnMut()) -> f64 {
    // The clock counts milliseconds, so that a series must last many of them.
    let series = |run: &mut dyn FnMut()| {
        let start = Clock::System.monotonic_ms();
        for _ in 0..times {
            run();
        }
        (Clock::System.monotonic_ms() - start) as f64 * 1000.0 / f64::from(times)
    };
    (0..5).map(|_| series(&mut run)).fold(f64::INFINITY, f64::min)
}

fn parse() {
    let body = include_bytes!("../tests/fixtures/fleet/stats.json");
    let typed = measured_us(50_000, || {
        black_box(tachograph::source::docker::parse_stats(black_box(body)).unwrap());
    });
    let tree = measured_us(20_000, || {
        black_box(serde_json::from_slice::<serde_json::Value>(black_box(body)).unwrap());
    });
    println!("parse   one stats reply of {} bytes: {typed:.1} us into columns", body.len());
    println!("parse   the same into a JSON tree:  {tree:.1} us, {:.1} times as much", tree / typed);
}

fn append(directory: &Path) {
    let path = directory.join("append.db");
    let sqlite = Store::Sqlite(Sqlite::open(&path, KINDS).unwrap());
    let memory = Store::Memory(Memory::new(KINDS));
    // The first round brings the entities, the others only numbers; ten rounds make a series last long enough.
    let cost_us = |store: &Store| {
        store.append(&fleet_round(0)).unwrap();
        let mut round = 0;
        let mut total_ms = 0;
        for _ in 0..20 {
            round += 1;
            let snapshots = fleet_round(round);
            let start = Clock::System.monotonic_ms();
            let appended = store.append(&snapshots).unwrap();
            total_ms += Clock::System.monotonic_ms() - start;
            assert_eq!(appended.samples, (ENGINES * CONTAINERS) as u64);
        }
        total_ms as f64 * 1000.0 / 20.0
    };
    let (on_disk, in_memory) = (cost_us(&sqlite), cost_us(&memory));
    let samples = (ENGINES * CONTAINERS) as f64;
    println!(
        "append  {samples} containers, one transaction: {:.1} ms, {:.2} us a sample; {:.1} times the memory store's",
        on_disk / 1000.0,
        on_disk / samples,
        on_disk / in_memory
    );
    let bytes = sqlite.size().file_bytes + sqlite.size().wal_bytes;
    println!("append  file and log after 21 rounds: {:.0} bytes a sample", bytes as f64 / samples / 21.0);
}

fn fleet_round(round: i64) -> Vec<Snapshot> {
    (0..ENGINES).map(|engine| snapshot(engine, Timestamp::from_ms(round * INTERVAL_MS + DAY_MS), round == 0)).collect()
}

/// What one poll of an engine saw.
fn snapshot(engine: usize, at: Timestamp, is_first: bool) -> Snapshot {
    let kind: &'static Kind = kind("container").unwrap();
    let observe = |container: usize| Observation {
        identity: Identity::new([format!("n{engine:02}"), format!("{engine:032x}{container:032x}")]),
        attributes: is_first.then(|| Attributes::from([("name", format!("c{engine:02}-{container:02}").into())])),
        ended: None,
        sample: Some(Sample {
            at: at.plus_ms(i64::try_from(container).unwrap()),
            since: Some(Timestamp::from_ms(0)),
            values: values(kind, container, at),
        }),
    };
    Snapshot {
        poll: Poll {
            target: TargetName::new("docker", &format!("n{engine:02}")),
            started: at,
            duration_ms: 100,
            interval_ms: INTERVAL_MS,
            bytes: 100_000,
            outcome: Outcome::Ok,
            error: None,
            missing: Vec::new(),
            clock_offset_ms: 0,
        },
        batches: vec![KindBatch { kind, complete: true, observations: (0..CONTAINERS).map(observe).collect() }],
        events: Vec::new(),
    }
}

fn values(kind: &'static Kind, container: usize, at: Timestamp) -> Box<[Value]> {
    let number = |(index, column): (usize, &tachograph::model::Column)| {
        let (speed, slot) = (i64::try_from(container + 1).unwrap(), i64::try_from(index + 1).unwrap());
        match column.class {
            Class::Counter => Value::Int(at.ms() * speed * slot),
            Class::Gauge => Value::Int(1_000_000 * slot + (at.ms() / 1000 * speed) % 4096),
        }
    };
    kind.columns.iter().enumerate().map(number).collect()
}

/// Writes a past day of so many engines, whole: what is read must not depend on when this runs. Gives its start.
fn write_day(path: &Path, engines: usize) -> i64 {
    let store = Store::Sqlite(Sqlite::open(path, KINDS).unwrap());
    let start_ms = Clock::System.now().ms() / DAY_MS * DAY_MS - 2 * DAY_MS;
    let rounds: Vec<i64> = (0..DAY_MS / INTERVAL_MS).collect();
    let begun_ms = Clock::System.monotonic_ms();
    for chunk in rounds.chunks(60) {
        let at = |round: &i64| Timestamp::from_ms(start_ms + round * INTERVAL_MS);
        let round =
            |round: &i64| (0..engines).map(|engine| snapshot(engine, at(round), *round == 0)).collect::<Vec<_>>();
        store.append(&chunk.iter().flat_map(round).collect::<Vec<_>>()).unwrap();
    }
    let seconds = (Clock::System.monotonic_ms() - begun_ms) as f64 / 1000.0;
    let (containers, size) = (engines * CONTAINERS, store.size());
    let samples = rounds.len() * containers;
    println!(
        "file    a day of {containers} containers: {samples} samples in {seconds:.1} s, {} MiB, {:.0} bytes a sample",
        size.file_bytes >> 20,
        size.file_bytes as f64 / samples as f64
    );
    start_ms
}

fn answers(directory: &Path) {
    let path = directory.join("day.db");
    let start_ms = write_day(&path, 1);
    let server = Server::start(directory, &path);
    let day = format!("start={start_ms}&end={}", start_ms + DAY_MS);
    let one = server.seconds(&format!("/api/v1/range/container?{day}&step=5m&name=c00-07"));
    let all = server.seconds(&format!("/api/v1/range/container?{day}&step=5m"));
    println!("answer  /range of 1 container over 24 h at 5 m: {:.0} ms", one * 1000.0);
    println!("answer  /range of {CONTAINERS}: {:.0} ms, {:.1} times as much", all * 1000.0, all / one);
    let grouped = server.seconds(&format!("/api/v1/range/container?{day}&step=5m&group_by=host"));
    println!("answer  the same as one group: {:.0} ms, {:.1} times the single series", grouped * 1000.0, grouped / all);
    let rows = CONTAINERS * usize::try_from(DAY_MS / INTERVAL_MS).unwrap();
    let csv = server.seconds(&format!("/api/v1/samples/container.csv?{day}"));
    println!("answer  a day's /samples CSV: {:.1} s, {:.0} rows/s", csv, rows as f64 / csv);
}

fn large(directory: &Path) {
    let path = directory.join("large.db");
    let start_ms = write_day(&path, ENGINES_OF_LARGE);
    let empty = {
        let directory = tempfile::tempdir().unwrap();
        Server::start(directory.path(), &directory.path().join("empty.db")).ready_ms
    };
    let server = Server::start(directory, &path);
    println!("large   ready after {} ms, {empty} ms on an empty file", server.ready_ms);

    let before = server.memory_bytes("VmRSS:");
    let day = format!("start={start_ms}&end={}", start_ms + DAY_MS);
    let begun_ms = Clock::System.monotonic_ms();
    let bytes = server.get(&format!("/api/v1/samples/container.csv?{day}")).unwrap();
    let seconds = (Clock::System.monotonic_ms() - begun_ms) as f64 / 1000.0;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "large   the day's /samples CSV: {:.0} MiB in {seconds:.1} s; memory {:.1} MiB before, {:.1} MiB at most",
        mib(bytes),
        mib(before),
        mib(server.memory_bytes("VmHWM:"))
    );
    drop(server);

    let store = Store::Sqlite(Sqlite::open(&path, KINDS).unwrap());
    let append_ms = |round: i64| {
        let at = Timestamp::from_ms(start_ms + DAY_MS + round * INTERVAL_MS);
        let snapshots: Vec<_> = (0..ENGINES_OF_LARGE).map(|engine| snapshot(engine, at, false)).collect();
        let begun_ms = Clock::System.monotonic_ms();
        store.append(&snapshots).unwrap();
        Clock::System.monotonic_ms() - begun_ms
    };
    println!("large   the first append after a start takes {} ms, the next {} ms", append_ms(0), append_ms(1));
}

/// The built binary on a file, with nothing to poll.
struct Server {
    child: Child,
    address: SocketAddr,
    /// How long it took to be ready.
    ready_ms: i64,
}

impl Server {
    fn start(directory: &Path, store: &Path) -> Server {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let config = directory.join("config.toml");
        let text = format!(
            "[server]\nlisten = \"{address}\"\n[store]\npath = {store:?}\n[source]\ndocker = []\n[source.host]\nenabled = false\n"
        );
        std::fs::write(&config, text).unwrap();
        let log = File::create(directory.join("log")).unwrap();
        let begun_ms = Clock::System.monotonic_ms();
        let child = Command::new(env!("CARGO_BIN_EXE_tachograph"))
            .args(["serve", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Server { child, address, ready_ms: 0 };
        for _ in 0..3000 {
            if server.get("/readyz").is_some() {
                server.ready_ms = Clock::System.monotonic_ms() - begun_ms;
                return server;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let log = std::fs::read_to_string(directory.join("log")).unwrap_or_default();
        println!("the server did not start:\n{log}");
        std::process::exit(1)
    }

    /// Reads a whole reply and keeps nothing of it; gives its bytes where its status is 200.
    fn get(&self, path: &str) -> Option<u64> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut buffer = vec![0; 1 << 16];
        let mut bytes = stream.read(&mut buffer).ok()?;
        let is_good = buffer[..bytes].starts_with(b"HTTP/1.1 200 ");
        let mut total = 0;
        while bytes > 0 {
            total += bytes as u64;
            bytes = stream.read(&mut buffer).ok()?;
        }
        is_good.then_some(total)
    }

    /// A line of the process's status, which counts in KiB.
    fn memory_bytes(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let found = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
        found.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// How long an answer takes; the best of three.
    fn seconds(&self, path: &str) -> f64 {
        let once = || {
            let start = Clock::System.monotonic_ms();
            black_box(self.get(path).unwrap());
            (Clock::System.monotonic_ms() - start) as f64 / 1000.0
        };
        (0..3).map(|_| once()).fold(f64::INFINITY, f64::min)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
