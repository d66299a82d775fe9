//! A real node_exporter beside the local reader of /proc: one machine, the same columns, the same numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::harness::recorder::free_port;
use crate::harness::time::{LATER, now_ms, wait_for};
use crate::harness::{Recorder, Service, Table, machine, reaper};

const LOCAL: &str = "local";
const REMOTE: &str = "remote";
const KINDS: [&str; 4] = ["host", "host_device", "host_interface", "host_filesystem"];
const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// Facts that both tell.
const FACTS: [&str; 4] = ["hostname", "kernel", "architecture", "os"];

/// Numbers of one instant: what comes and goes in between two readings of a machine at work.
const MOMENTARY: [&str; 8] = [
    "processes",
    "threads",
    "processes_running",
    "processes_blocked",
    "files_open",
    "ops_in_flight",
    "memory_dirty_bytes",
    "memory_writeback_bytes",
];

/// node_exporter sums each CPU's time, the kernel's own sum is of smaller units: a hundredth a CPU and mode.
const ROUNDED_SECONDS: f64 = 0.5;

/// How far a size may lie from those around it, as a part of the whole that it is of.
const APART: f64 = 0.03;

/// The samples of a host by the other identity cells (device, interface, mount point), oldest first.
fn parts(recorder: &Recorder, kind: &str, host: &str, start: i64) -> BTreeMap<String, Table> {
    let start = start.to_string();
    let table = recorder.table(&format!("samples/{kind}"), &[("host", host), ("start", &start), ("end", LATER)]);
    // time, host, then what else names it.
    let key = if kind == "host" { None } else { Some(2) };
    let mut parts: BTreeMap<String, Table> = BTreeMap::new();
    for row in table.rows {
        let name = key.map(|position| row[position].clone()).unwrap_or_default();
        let part = parts.entry(name).or_insert_with(|| Table { header: table.header.clone(), rows: Vec::new() });
        part.rows.push(row);
    }
    parts
}

/// What a column's numbers are parts of: memory, room, inodes; else nothing but themselves.
fn whole_of(column: &str, number: impl Fn(&str) -> Option<f64>) -> Option<f64> {
    let whole = match column {
        _ if column.starts_with("memory_") => "memory_total_bytes",
        "available_bytes" | "free_bytes" => "size_bytes",
        "inodes_free" => "inodes",
        _ => return None,
    };
    number(whole)
}

/// Whether the exporter's number lies between the local ones before and after it.
fn is_between(column: &str, before: f64, told: f64, after: f64, whole: Option<f64>) -> bool {
    let (least, most) = (before.min(after), before.max(after));
    let slack = match column {
        _ if column.ends_with("_seconds_total") => ROUNDED_SECONDS,
        _ if column.ends_with("_total") => 0.0,
        _ if column.starts_with("load_") => 0.5,
        "uptime_seconds" => 5.0,
        _ => APART * whole.unwrap_or(most),
    };
    (least - slack..=most + slack).contains(&told)
}

#[test]
fn a_node_exporter_tells_the_same_of_a_machine_as_its_own_proc() {
    let _together = machine::shared();
    let program = "prometheus-node-exporter";
    if !machine::has(program) {
        return machine::not_run(&format!("{program} is not installed"));
    }
    let directory = reaper::directory();
    let port = free_port();
    let listen = format!("--web.listen-address=127.0.0.1:{port}");
    let service = Service::start(program, &[&listen, "--collector.processes"], &directory, None);
    let recorder = Recorder::start(&format!(
        "[source]\ndocker = []\n[[source.host]]\nname = \"{LOCAL}\"\ninterval = \"2s\"\n\
         [[source.host]]\nname = \"{REMOTE}\"\nurl = \"http://127.0.0.1:{port}\"\ninterval = \"2s\"\n"
    ));
    let begun = now_ms();
    let rounds = |kind: &str, host: &str| -> usize {
        parts(&recorder, kind, host, begun).values().map(|part| part.rows.len()).max().unwrap_or(0)
    };
    wait_for("some rounds of both", SEEN_WITHIN, || {
        let all = KINDS.into_iter().flat_map(|kind| [(kind, LOCAL), (kind, REMOTE)]);
        all.into_iter().all(|(kind, host)| rounds(kind, host) >= 4).then_some(())
    });
    drop(service);

    let facts = |host: &str| {
        let answer = recorder.json(&format!("/api/v1/entities/host?host={host}&start=-1h&end={LATER}"));
        let attributes = &answer["entities"][0]["attributes"];
        FACTS.map(|name| (name, attributes[name].clone()))
    };
    assert_eq!(facts(LOCAL), facts(REMOTE));
    for kind in KINDS {
        let described = recorder.json(&format!("/api/v1/kinds/{kind}"));
        // What is derived from them needs no comparison of its own.
        let is_stored = |column: &&serde_json::Value| matches!(column["type"].as_str(), Some("counter" | "gauge"));
        let columns = described["columns"].as_array().unwrap().iter().filter(is_stored);
        let columns: Vec<&str> = columns.map(|column| column["name"].as_str().unwrap()).collect();
        let local = parts(&recorder, kind, LOCAL, begun);
        let remote = parts(&recorder, kind, REMOTE, begun);
        assert_eq!(local.keys().collect::<Vec<_>>(), remote.keys().collect::<Vec<_>>(), "{kind}");
        for (name, told) in &remote {
            for column in &columns {
                check(kind, name, column, &local[name], told);
            }
        }
    }
}

/// Checks a column of one thing: each of the exporter's numbers against the local ones around it.
#[track_caller]
fn check(kind: &str, name: &str, column: &str, local: &Table, told: &Table) {
    let (own, theirs) = (local.numbers(column), told.numbers(column));
    let is_known = |numbers: &[Option<f64>]| numbers.iter().any(Option::is_some);
    assert_eq!(is_known(&own), is_known(&theirs), "{kind} {name}: only one of the two tells {column}");
    if !is_known(&own) || MOMENTARY.contains(&column) {
        return;
    }
    let times = local.column("time");
    let mut rounds = Vec::new();
    for (row, at) in told.column("time").into_iter().enumerate() {
        // Times are of one clock and one form.
        let after = times.partition_point(|time| *time < at);
        // A page is dated when it arrives, and read a moment earlier: a local sample may lie between.
        let before = after.checked_sub(2);
        let around = before.and_then(|before| own[before]).zip(own.get(after).copied().flatten());
        let (Some(number), Some((before, after))) = (theirs[row], around) else { continue };
        let whole = whole_of(column, |whole| told.numbers(whole)[row]);
        rounds.push((is_between(column, before, number, after, whole), before, number, after));
    }
    // What only grows lies between always. A size that went up and down in between is compared in another round.
    let good = rounds.iter().filter(|(is_good, ..)| *is_good).count();
    let enough = if column.ends_with("_total") { rounds.len() } else { 1 };
    assert!(!rounds.is_empty() && good >= enough, "{kind} {name} {column}: before, told, after: {rounds:?}");
}
