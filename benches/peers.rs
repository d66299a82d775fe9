//! Side by side with VictoriaMetrics and Prometheus, as Debian packages them: the same fleet told to all three, then the
//! same five questions over HTTP. Size, CPU of ingest, CPU of the server a question, ratios, and whether answers agree, value by
//! value.
//!
//! `cargo bench --bench peers -- [days] [hosts] [containers a host]`, by hand; a peer that is not installed is left out.
//! CPU of a server is what the kernel says of its process; ours appends in this process, whose thread is measured. The
//! peers get what they take cheapest and have in common: VictoriaMetrics its JSON import, an hour at a time, Prometheus
//! remote write, a round at a time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a program for one reader at a terminal"
)]

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use tachograph::model::{
    Attributes, Column, Identity, Key, Kind, KindBatch, Observation, Outcome, Poll, Sample, Snapshot, TargetName,
    Timestamp, Value,
};
use tachograph::source::{KINDS, kind};
use tachograph::store::{Limits, Store, sqlite::Sqlite};

use server::{prometheus, recorder, victoria};
use wire::{hour_of, import_lines, write_request};

#[path = "../src/store/conformance/fleet.rs"]
mod fleet;
#[path = "peers/questions.rs"]
mod questions;
#[path = "peers/raw.rs"]
mod raw;
#[path = "peers/server.rs"]
mod server;
#[path = "peers/wire.rs"]
mod wire;

const DAY_MS: i64 = 86_400_000;
const INTERVAL_MS: i64 = 30_000;
const START_MS: i64 = 19_700 * DAY_MS;

/// CPU seconds that this thread has used.
fn cpu_seconds() -> f64 {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    schedule.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn bytes_under(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return path.metadata().map_or(0, |metadata| metadata.len()) };
    entries.map(|entry| bytes_under(&entry.unwrap().path())).sum()
}

/// What one of the three took.
struct Took {
    name: &'static str,
    cpu_s: f64,
    bytes: u64,
    /// CPU milliseconds a question.
    questions: Vec<f64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let days = numbers.first().copied().unwrap_or(1) as i64;
    let hosts = numbers.get(1).copied().unwrap_or(2);
    let containers = numbers.get(2).copied().unwrap_or(50);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    let prometheus = prometheus(directory.path()).await;
    let victoria = victoria(directory.path()).await;

    let container: &'static Kind = kind("container").unwrap();
    let mut fleet = fleet::Fleet::new(container, 1, hosts, containers, Timestamp::from_ms(START_MS), INTERVAL_MS);
    let mut names = HashMap::new();
    let mut values = 0;
    let mut ours = Took { name: "tachograph", cpu_s: 0.0, bytes: 0, questions: Vec::new() };
    {
        let store = Store::Sqlite(Sqlite::open(&path, KINDS).unwrap());
        for hour in 0..days * 24 {
            let rounds: Vec<_> = (0..3_600_000 / INTERVAL_MS).map(|_| fleet.round()).collect();
            let before = cpu_seconds();
            for round in &rounds {
                store.append(round).unwrap();
            }
            upkeep(&store, START_MS + (hour + 1) * 3_600_000);
            ours.cpu_s += cpu_seconds() - before;
            let hour = hour_of(&rounds, &mut names);
            values += hour.values;
            if let Some(victoria) = &victoria {
                victoria.post("/api/v1/import", &[], import_lines(&hour, &names)).await;
            }
            if let Some(prometheus) = &prometheus {
                let headers = [
                    ("Content-Encoding", "snappy"),
                    ("Content-Type", "application/x-protobuf"),
                    ("X-Prometheus-Remote-Write-Version", "0.1.0"),
                ];
                for round in &hour.rounds {
                    prometheus.post("/api/v1/write", &headers, write_request(round, &names)).await;
                }
            }
        }
        let before = cpu_seconds();
        upkeep(&store, START_MS + (days + 1) * DAY_MS);
        ours.cpu_s += cpu_seconds() - before;
    }
    ours.bytes = bytes_under(&path);
    println!("fleet: {} containers of {hosts} hosts, {days} days every 30 s: {values} values", names.len());

    let mut all = vec![ours];
    let mut peers = Vec::new();
    if let Some(victoria) = victoria {
        victoria.get("/internal/force_flush", &[]).await;
        let cpu_s = victoria.cpu_seconds();
        victoria.get("/internal/force_merge", &[]).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let bytes = bytes_under(&directory.path().join("victoria"));
        all.push(Took { name: victoria.name, cpu_s, bytes, questions: Vec::new() });
        peers.push(victoria);
    }
    if let Some(prometheus) = prometheus {
        let cpu_s = prometheus.cpu_seconds();
        prometheus.post("/api/v1/admin/tsdb/snapshot", &[], Vec::new()).await;
        let bytes = bytes_under(&directory.path().join("prometheus/snapshots"));
        all.push(Took { name: prometheus.name, cpu_s, bytes, questions: Vec::new() });
        peers.push(prometheus);
    }
    let own = recorder(directory.path(), &path).await;
    let are_good = questions::ask(&own, &peers, &mut all, &names, days).await;
    print(&all, values);
    assert!(are_good, "answers differ: see above");
}

fn upkeep(store: &Store, now_ms: i64) {
    while store.upkeep(Timestamp::from_ms(now_ms), &Limits::default()).unwrap().more {}
}

fn print(all: &[Took], values: u64) {
    let million = values as f64 / 1e6;
    println!("\n| | bytes a value | ingest CPU s a million values | q1 ms | q2 ms | q3 ms | q4 ms | q5 ms |");
    println!("|---|---|---|---|---|---|---|---|");
    let row = |name: &str, figures: Vec<f64>| {
        let cells: Vec<String> = figures.iter().map(|figure| format!("{figure:.3}")).collect();
        println!("| {name} | {} |", cells.join(" | "));
    };
    let figures = |took: &Took| -> Vec<f64> {
        [took.bytes as f64 / values as f64, took.cpu_s / million].into_iter().chain(took.questions.clone()).collect()
    };
    all.iter().for_each(|took| row(took.name, figures(took)));
    let peers: Vec<Vec<f64>> = all[1..].iter().map(figures).collect();
    let better = |index: usize| peers.iter().map(|peer| peer[index]).fold(f64::INFINITY, f64::min);
    row("against the better", figures(&all[0]).iter().enumerate().map(|(index, own)| own / better(index)).collect());
}
