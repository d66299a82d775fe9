//! What plain SQL costs over a recording at rest: rows a second of a kind's table beside the store's own reads.
//!
//! `cargo bench --bench sql -- [days] [hosts] [containers a host] [interval in s]`; 3 days of 2 × 50 every 30 s by default.
//! CPU time is that of this process, whose only thread does the work.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_possible_wrap,
    reason = "a program for one reader at a terminal"
)]

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;

use tachograph::answer::Stop;
use tachograph::model::{
    Attributes, Column, Identity, Key, Kind, KindBatch, Observation, Outcome, Poll, Sample, Snapshot, TargetName,
    TimeRange, Timestamp, Value,
};
use tachograph::source::{KINDS, kind};
use tachograph::sql::{Bounds, Database, Part, run};
use tachograph::store::{EntityQuery, Fetch, Limits, Store, sqlite::Sqlite};

#[path = "../src/store/conformance/fleet.rs"]
mod fleet;

const DAY_MS: i64 = 86_400_000;
const START_MS: i64 = 20_454 * DAY_MS;
const MIB: u64 = 1 << 20;

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let number = |index: usize, default: usize| numbers.get(index).copied().unwrap_or(default);
    let (days, hosts, containers) = (number(0, 3) as i64, number(1, 2), number(2, 50));
    let interval_ms = number(3, 30) as i64 * 1000;
    let directory = tempfile::tempdir().unwrap();
    let store = Store::Sqlite(Sqlite::open(&directory.path().join("sql.db"), KINDS).unwrap());
    let samples = record(&store, days, hosts, containers, interval_ms);
    println!(
        "recorded {} containers every {} s for {days} days: {samples} samples",
        hosts * containers,
        interval_ms / 1000
    );
    let end = Timestamp::from_ms(START_MS + days * DAY_MS);
    let database = Database { store: Arc::new(store), kinds: KINDS, now: end };
    speed(&database);
}

/// A fleet, its samples sealed as they would be.
fn record(store: &Store, days: i64, hosts: usize, containers: usize, interval_ms: i64) -> u64 {
    let container: &'static Kind = kind("container").unwrap();
    let mut fleet = fleet::Fleet::new(container, 1, hosts, containers, Timestamp::from_ms(START_MS), interval_ms);
    let mut samples = 0;
    for round in 0..days * DAY_MS / interval_ms {
        samples += store.append(&fleet.round()).unwrap().samples;
        if round % 60 == 0 {
            let at = Timestamp::from_ms(START_MS + round * interval_ms);
            while store.upkeep(at, &Limits::default()).unwrap().more {}
        }
    }
    while store.upkeep(Timestamp::from_ms(START_MS + (days + 2) * DAY_MS), &Limits::default()).unwrap().more {}
    samples
}

fn bounds() -> Bounds {
    Bounds {
        stop: Stop::never(),
        is_late: Box::new(|| false),
        time_seconds: 3600,
        memory_bytes: 128 * MIB,
        rows: u64::MAX,
    }
}

fn ask(database: &Database, sql: &str) -> u64 {
    run(database, sql, &[], bounds(), &mut |part| {
        black_box(part);
        ControlFlow::Continue(())
    })
    .unwrap()
}

/// The columns that the fleet fills, 25 of them.
fn filled() -> Vec<&'static str> {
    let container = kind("container").unwrap();
    let known = container
        .columns
        .iter()
        .filter(|column| fleet::FLEET.columns.iter().any(|filled| filled.stored == column.stored));
    known.map(|column| column.name).take(25).collect()
}

fn speed(database: &Database) {
    let container = kind("container").unwrap();
    let rows: i64 = {
        let mut count = 0;
        run(database, "SELECT count(*) FROM container", &[], bounds(), &mut |part| {
            if let Part::Row([tachograph::query::cell::Cell::Scaled { value, .. }]) = part {
                count = *value;
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        count
    };
    let print = |what: &str, work: &mut dyn FnMut()| {
        let best = (0..3).map(|_| {
            let before = cpu_seconds();
            work();
            cpu_seconds() - before
        });
        let seconds = best.fold(f64::INFINITY, f64::min).max(0.001);
        println!("table   {what:48} {:7.2} s CPU, {:6.2} million rows/s", seconds, rows as f64 / seconds / 1e6);
    };
    let columns = filled();
    println!("table   {rows} rows; {} columns that are filled", columns.len());
    for count in [1, columns.len()] {
        let wanted: Vec<usize> = columns[..count].iter().map(|name| container.column_index(name).unwrap()).collect();
        print(&format!("Store::read of {count}, its values added up"), &mut || {
            black_box(read_all(&database.store, container, &wanted));
        });
    }
    let sum = |names: &[&str]| names.iter().map(|name| format!("sum({name})")).collect::<Vec<_>>().join(", ");
    print("SELECT count(*)", &mut || {
        ask(database, "SELECT count(*) FROM container");
    });
    print("SELECT sum(one whole number)", &mut || {
        ask(database, "SELECT sum(memory_usage_bytes) FROM container");
    });
    print("SELECT sum(one decimal number)", &mut || {
        ask(database, "SELECT sum(cpu_usage_seconds_total) FROM container");
    });
    print("SELECT sum(cpu_cores), a derived column", &mut || {
        ask(database, "SELECT sum(cpu_cores) FROM container");
    });
    let all = format!("SELECT {} FROM container", sum(&columns));
    print("SELECT sum(each of 25)", &mut || {
        ask(database, &all);
    });
    let all = format!("SELECT {} FROM container", columns.join(", "));
    print("SELECT 25, each row handed over", &mut || {
        ask(database, &all);
    });
    print("SELECT avg GROUP BY host, id", &mut || {
        ask(database, "SELECT host, id, avg(memory_usage_bytes) FROM container GROUP BY host, id");
    });
}

/// The same rows through the store's own reads.
fn read_all(store: &Store, kind: &'static Kind, columns: &[usize]) -> i64 {
    let mut sum = 0_i64;
    let mut after = None;
    loop {
        let page = store.entities(&EntityQuery { kind, seen_in: TimeRange::ALL, after, limit: 500 }).unwrap();
        let Some(last) = page.last() else { return sum };
        after = Some(last.identity.clone());
        for entity in &page {
            let mut from = entity.first_seen.plus_ms(-DAY_MS);
            let until = entity.last_seen.plus_ms(DAY_MS);
            while from < until {
                let range = TimeRange::new(from, from.plus_ms(DAY_MS)).unwrap();
                let run = store.read(&Fetch { kind, identity: &entity.identity, range, columns }).unwrap();
                for index in run.inside() {
                    for column in &run.columns {
                        sum = sum.wrapping_add(column.get(index).int().unwrap_or(0));
                    }
                }
                from = range.end();
            }
        }
    }
}
