//! What plain SQL costs over a recording at rest: rows a second of a kind's table beside the store's own reads, and each
//! report that comes with the program, with its time and memory.
//!
//! `cargo bench --bench sql -- [days] [hosts] [containers a host] [interval in s]`; 3 days of 2 × 50 every 30 s by default, 30
//! 10 50 60 for the month of 500 containers. CPU time is that of this process, whose only thread does the work.

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
use tachograph::clock::Clock;
use tachograph::model::{
    AttributeValue, Attributes, Column, Event, Identity, Key, Kind, KindBatch, Observation, Outcome, Poll, Sample,
    Severity, Snapshot, TargetName, TimeRange, Timestamp, Value,
};
use tachograph::source::{KINDS, kind};
use tachograph::sql::{Bounds, Database, Library, Part, run};
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

/// Resident memory in MiB: now, or the peak since it was last reset.
fn memory_mib(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// The peak counts from here on.
fn reset_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
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
    reports(&database, days);
}

/// A fleet, its hosts, a Mesos cluster, a registry, and what happens to them.
fn record(store: &Store, days: i64, hosts: usize, containers: usize, interval_ms: i64) -> u64 {
    let container: &'static Kind = kind("container").unwrap();
    let mut fleet = fleet::Fleet::new(container, 1, hosts, containers, Timestamp::from_ms(START_MS), interval_ms);
    let mut dice = fleet::Dice::new(7);
    let mut seen = Vec::new();
    let mut samples = 0;
    for round in 0..days * DAY_MS / interval_ms {
        let mut snapshots = fleet.round();
        for snapshot in &mut snapshots {
            for observation in snapshot.batches.iter_mut().flat_map(|batch| &mut batch.observations) {
                if let Some(attributes) = &mut observation.attributes {
                    complete(attributes);
                    seen.push(observation.identity.clone());
                }
            }
            if dice.below(300) == 0 && !snapshot.batches.is_empty() {
                let entity = seen[usize::try_from(dice.below(seen.len() as i64)).unwrap()].clone();
                snapshot.events.push(death(snapshot.poll.started, &snapshot.poll.target, entity, dice.below(3) * 137));
            }
        }
        let at = Timestamp::from_ms(START_MS + round * interval_ms);
        snapshots.extend((0..hosts).map(|host| host_round(host, round, at, interval_ms)));
        if round % 5 == 0 {
            snapshots.push(cluster(hosts, at, interval_ms * 5));
            snapshots.push(registry(round, at, interval_ms * 5));
        }
        samples += store.append(&snapshots).unwrap().samples;
        if round % 60 == 0 {
            while store.upkeep(at, &Limits::default()).unwrap().more {}
        }
    }
    while store.upkeep(Timestamp::from_ms(START_MS + (days + 2) * DAY_MS), &Limits::default()).unwrap().more {}
    samples
}

/// Gives a container what the fleet does not know of: an application, limits, an image.
fn complete(attributes: &mut Attributes) {
    let Some(AttributeValue::Text(name)) = attributes.get("name") else { return };
    let app = name.split('-').nth(1).unwrap_or("0").to_owned();
    attributes.insert("app", format!("/shop/app-{app}").into());
    attributes.insert("image", format!("hub:5000/shop/app-{app}:1").into());
    attributes.insert("image_id", format!("sha256:{app}").into());
    attributes.insert("cpu_limit_cores", 2.0.into());
    attributes.insert("cpu_allocated_cores", 1.0.into());
    attributes.insert("memory_max_bytes", (1_i64 << 30).into());
    attributes.insert("memory_allocated_bytes", (1_i64 << 30).into());
}

fn death(at: Timestamp, target: &TargetName, entity: Identity, exit_code: i64) -> Event {
    Event {
        at,
        severity: Severity::Warning,
        event_type: "container_died",
        kind: Some("container"),
        entity: Some(entity),
        target: target.clone(),
        source_id: at.ms().to_string(),
        message: "died".to_owned(),
        details: [("exit_code".to_owned(), AttributeValue::Integer(exit_code))].into(),
    }
}

fn visit(
    source: &str,
    name: &str,
    at: Timestamp,
    interval_ms: i64,
    kind_name: &str,
    all: Vec<Observation>,
) -> Snapshot {
    Snapshot {
        poll: Poll {
            target: TargetName::new(source, name),
            started: at,
            duration_ms: 20,
            interval_ms,
            bytes: 1000,
            outcome: Outcome::Ok,
            error: None,
            missing: Vec::new(),
            clock_offset_ms: 0,
        },
        batches: vec![KindBatch { kind: kind(kind_name).unwrap(), complete: true, observations: all }],
        events: Vec::new(),
    }
}

fn one(kind_name: &str, identity: &[&str], facts: Attributes, at: Timestamp, numbers: &[(&str, i64)]) -> Observation {
    let kind = kind(kind_name).unwrap();
    let mut values = vec![Value::Null; kind.columns.len()];
    for (name, value) in numbers {
        values[kind.column_index(name).unwrap()] = Value::Int(*value);
    }
    let since = Some(Timestamp::from_ms(START_MS - DAY_MS));
    let sample = Some(Sample { at, since, values: values.into() });
    Observation { identity: Identity::new(identity.iter().copied()), attributes: Some(facts), ended: None, sample }
}

fn host_round(host: usize, round: i64, at: Timestamp, interval_ms: i64) -> Snapshot {
    let name = format!("host-{host}");
    let busy = round * interval_ms / 10 * (1 + host as i64 % 3);
    let mut numbers =
        vec![("cpu_user_seconds_total", busy), ("cpus", 8), ("pressure_cpu_some_seconds_total", busy * 100)];
    numbers.extend(
        ["cpu_nice", "cpu_system", "cpu_irq", "cpu_softirq", "cpu_steal"]
            .map(|part| kind("host").unwrap().column(&format!("{part}_seconds_total")).unwrap().name)
            .map(|name| (name, round)),
    );
    numbers.extend([("memory_total_bytes", 64 << 30), ("memory_available_bytes", (20 << 30) + round % 1000)]);
    let host = one("host", &[&name], Attributes::new(), at, &numbers);
    visit("host", &name, at, interval_ms, "host", vec![host])
}

fn cluster(hosts: usize, at: Timestamp, interval_ms: i64) -> Snapshot {
    let agents = (0..hosts).map(|host| {
        let facts = Attributes::from([("hostname", format!("host-{host}").into())]);
        let used = 1000 * (host as i64 % 8);
        let numbers = [
            ("cpus_capacity", 8000),
            ("cpus_used", used),
            ("memory_capacity_bytes", 64 << 30),
            ("memory_used_bytes", used << 20),
        ];
        one("mesos_agent", &["c", &format!("S{host}")], facts, at, &numbers)
    });
    visit("mesos-tasks", "c", at, interval_ms, "mesos_agent", agents.collect())
}

fn registry(round: i64, at: Timestamp, interval_ms: i64) -> Snapshot {
    let whole = one(
        "registry",
        &["hub"],
        Attributes::new(),
        at,
        &[("repositories", 40), ("tags", 400), ("bytes", round << 20)],
    );
    let mut snapshot = visit("registry", "hub", at, interval_ms, "registry", vec![whole]);
    // Tags change seldom: one look in some hours.
    if round % 300 == 0 {
        let tags = (0..400).map(|tag| {
            let facts = Attributes::from([("digest", format!("sha256:d{tag}").into())]);
            let identity = ["hub".to_owned(), format!("shop/app-{}", tag / 10), (tag % 10).to_string()];
            one("tag", &identity.each_ref().map(String::as_str), facts, at, &[("size_bytes", 1 << 20)])
        });
        snapshot.batches.push(KindBatch { kind: kind("tag").unwrap(), complete: true, observations: tags.collect() });
    }
    snapshot
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

fn reports(database: &Database, days: i64) {
    let library = Library::new(KINDS, None);
    for entry in library.shipped() {
        let report = entry.report.unwrap();
        let start = report.parameters.iter().any(|parameter| parameter.name == "start");
        let given = if start { vec![("start".to_owned(), format!("-{days}d"))] } else { Vec::new() };
        let settings = report.settings(&given, database.now).unwrap();
        reset_peak();
        let (idle, before, clock) = (memory_mib("VmRSS:"), cpu_seconds(), Clock::System.monotonic_ms());
        let answered = report.answer(database, &settings, bounds(), &mut |part| {
            black_box(part);
            ControlFlow::Continue(())
        });
        let rows = answered.map_or_else(|error| error.chain(), |answered| format!("{} rows", answered.rows));
        println!(
            "report  {:22} {:7.2} s CPU, {:7.2} s, {:5.0} MiB above {idle:.0} idle, {rows}",
            report.name,
            cpu_seconds() - before,
            (Clock::System.monotonic_ms() - clock) as f64 / 1000.0,
            memory_mib("VmHWM:") - idle,
        );
    }
}
