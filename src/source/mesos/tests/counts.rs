//! Nothing of a reply is dropped, every column has an expectation, every number is the counter or gauge that it is said
//! to be: held against each recorded reply of metrics, a table of columns, and a list of all names.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::fixture::*;
use crate::model::{Class, Kind, Outcome, Value};
use crate::source::http::{Canned, CannedReply};
use crate::source::mesos::kinds::*;
use crate::source::mesos::numbers::{
    AGENT_COUNTS, AGENT_RESOURCES, CLUSTER_COUNTS, CLUSTER_RESOURCES, Fills, MASTER, is_counter,
};
use crate::source::mesos::wire;

/// Replies of masters, and how many numbers each must hold at least.
const OF_MASTERS: [(&str, usize); 18] = [
    ("master/post_GET_METRICS_5s.json", 900),
    ("master/post_GET_METRICS_no_timeout.json", 900),
    ("master/post_GET_METRICS_5ns.json", 500),
    ("master/get_metrics_snapshot.json", 900),
    ("master/get_metrics_snapshot_timeout_5secs.json", 900),
    ("master/get_metrics_snapshot_timeout_5ns.json", 500),
    ("rate/master_GET_METRICS_t0.json", 500),
    ("rate/master_GET_METRICS_t3.json", 500),
    ("timeout_5ns_under_load/master_GET_METRICS_5ns_incomplete.json", 100),
    ("timeout_5ns_under_load/master_GET_METRICS_5s_same_minute.json", 500),
    ("auth/post_GET_METRICS_good.json", 100),
    ("fresh/get_metrics_snapshot_leader.json", 100),
    ("fresh/get_metrics_snapshot_standby.json", 100),
    ("standby/get_metrics_snapshot.json", 100),
    ("failover/after_get_metrics_snapshot.json", 100),
    ("leading_not_recovered/get_metrics_snapshot.json", 100),
    ("no_leader/get_metrics_snapshot.json", 100),
    ("auth/get_metrics_snapshot_good.json", 100),
];

/// Replies of agents.
const OF_AGENTS: [(&str, usize); 11] = [
    ("agent/post_GET_METRICS_5s.json", 60),
    ("agent/post_GET_METRICS_5ns.json", 5),
    ("agent/post_GET_METRICS_no_timeout.json", 60),
    ("agent/get_metrics_snapshot.json", 60),
    ("agent-posix/post_GET_METRICS.json", 60),
    ("agent-posix/get_metrics_snapshot.json", 60),
    ("rate/agent_GET_METRICS_t0.json", 60),
    ("timeout_5ns_under_load/agent_GET_METRICS_5ns_incomplete.json", 5),
    ("timeout_5ns_under_load/agent_GET_METRICS_5s_same_minute.json", 60),
    ("fresh/get_agent_metrics_snapshot.json", 60),
    ("failover/after_agent_metrics_snapshot.json", 60),
];

/// Names and numbers of a reply, read without the source's own parser.
fn said(reply: &Json) -> BTreeMap<String, f64> {
    let pair = |metric: &Json| Some((metric["name"].as_str()?.to_owned(), metric["value"].as_f64()?));
    match reply["get_metrics"]["metrics"].as_array() {
        Some(list) => list.iter().filter_map(pair).collect(),
        None => {
            reply.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.as_f64().unwrap())).collect()
        }
    }
}

/// A process that gives this reply, whichever API it is of.
fn giving(reply: &Json, elected: bool) -> Canned {
    let canned = Canned::new();
    let by_operator = reply.get("get_metrics").is_some();
    let version = if by_operator { "1.11.0" } else { "0.28.0" };
    canned.set("/version", CannedReply::ok(format!(r#"{{"version":"{version}"}}"#)));
    canned.set(METRICS, CannedReply::ok(reply.to_string()));
    canned.set(SNAPSHOT, CannedReply::ok(reply.to_string()));
    canned.set(&call("GET_MASTER"), CannedReply::ok(read("mesos/master/post_GET_MASTER.json")));
    if !elected {
        canned.set("/master/redirect", redirect("//127.0.0.1:1"));
    }
    canned
}

/// How many columns were filled, and the numbers that went to kind `metric`, by name.
async fn observed(
    world: &World,
    observed: &crate::source::Observed,
    kinds: &[&str],
    labels: &str,
) -> (usize, BTreeMap<String, f64>) {
    let filled = kinds
        .iter()
        .flat_map(|kind| all(observed, kind))
        .filter_map(|seen| seen.sample.as_ref())
        .map(|sample| sample.values.iter().filter(|value| !value.is_null()).count())
        .sum();
    let metrics = world.poll(&mut world.metrics()).await;
    let rest = all(&metrics, "metric").iter().filter(|seen| seen.identity.part(2) == labels).map(|seen| {
        let Value::Float(value) = seen.sample.as_ref().unwrap().values[0] else { panic!("no number") };
        (seen.identity.part(1).to_owned(), value)
    });
    (filled, rest.collect())
}

fn check_whole(file: &str, said: &BTreeMap<String, f64>, least: usize, filled: usize, rest: &BTreeMap<String, f64>) {
    assert!(said.len() >= least, "{file} holds but {}", said.len());
    assert_eq!(filled + rest.len(), said.len(), "{file}: {filled} in columns, {} in metric", rest.len());
    for (name, value) in rest {
        assert_eq!(said.get(name), Some(value), "{file}: {name}");
    }
}

#[tokio::test]
async fn every_number_of_every_recorded_reply_is_a_column_or_a_metric() {
    for (file, least) in OF_MASTERS {
        let reply = json(&format!("mesos/{file}"));
        let said = said(&reply);
        let world = World::new();
        let elected = said.get("master/elected") == Some(&1.0);
        let mut masters = world.masters(vec![("m:5050", giving(&reply, elected))]);
        let seen = world.poll(&mut masters).await;
        assert!(matches!(seen.outcome, Outcome::Ok | Outcome::Partial), "{file}: {:?}", seen.error);
        let (filled, rest) = observed(&world, &seen, &["mesos_cluster", "mesos_master"], "master=\"m:5050\"").await;
        check_whole(file, &said, least, filled, &rest);
    }
    for (file, least) in OF_AGENTS {
        let reply = json(&format!("mesos/{file}"));
        let said = said(&reply);
        let world = World::new();
        let server = giving(&reply, true);
        server.set(&call("GET_AGENT"), CannedReply::ok(read("mesos/agent/post_GET_AGENT.json")));
        server.set("/state", CannedReply::ok(read("mesos/agent/get_state.json")));
        server.set(&call("GET_CONTAINERS"), CannedReply::ok(r#"{"type":"GET_CONTAINERS"}"#));
        server.set("/monitor/statistics", CannedReply::ok("[]"));
        let mut agents = world.agents(vec![("a:5051", server)]);
        let seen = world.poll(&mut agents).await;
        assert!(matches!(seen.outcome, Outcome::Ok | Outcome::Partial), "{file}: {:?}", seen.error);
        let labels = "agent=\"e64742f5-5bc4-4011-afc0-70b710eb8c26-S0\"";
        let (filled, rest) = observed(&world, &seen, &["mesos_agent"], labels).await;
        check_whole(file, &said, least, filled, &rest);
    }
}

/// Columns that no recording holds a number for, with one made by hand of Mesos' own names.
const BY_HAND: [(&str, &str, &str, &str); 17] = [
    ("mesos_executor", "processes", "processes", "3"),
    ("mesos_executor", "threads", "threads", "7"),
    ("mesos_executor", "network_receive_bytes_total", "net_rx_bytes", "100"),
    ("mesos_executor", "network_receive_packets_total", "net_rx_packets", "10"),
    ("mesos_executor", "network_receive_errors_total", "net_rx_errors", "1"),
    ("mesos_executor", "network_receive_dropped_total", "net_rx_dropped", "2"),
    ("mesos_executor", "network_transmit_bytes_total", "net_tx_bytes", "200"),
    ("mesos_executor", "network_transmit_packets_total", "net_tx_packets", "20"),
    ("mesos_executor", "network_transmit_errors_total", "net_tx_errors", "4"),
    ("mesos_executor", "network_transmit_dropped_total", "net_tx_dropped", "5"),
    ("mesos_framework", "gpus_allocated", "gpus", "1.5"),
    ("mesos_framework", "cpus_offered", "cpus", "0.25"),
    ("mesos_framework", "memory_offered_bytes", "mem", "16777216"),
    ("mesos_framework", "disk_offered_bytes", "disk", "33554432"),
    ("mesos_framework", "gpus_offered", "gpus", "2"),
    ("mesos_task", "disk_allocated_bytes", "disk", "33554432"),
    ("mesos_task", "gpus_allocated", "gpus", "1.5"),
];

/// The replies with those numbers put in.
fn with_numbers_by_hand(world_masters: &Canned, agent: &Canned) {
    let scalar =
        |name: &str, value: f64| serde_json::json!({"name": name, "type": "SCALAR", "scalar": {"value": value}});
    let offered =
        serde_json::json!([scalar("cpus", 0.25), scalar("mem", 16.0), scalar("disk", 32.0), scalar("gpus", 2.0)]);
    let mut frameworks = json("mesos/master/post_GET_FRAMEWORKS.json");
    let framework = &mut frameworks["get_frameworks"]["frameworks"][0];
    framework["allocated_resources"].as_array_mut().unwrap().push(scalar("gpus", 1.5));
    framework["offered_resources"] = offered;
    world_masters.set(&call("GET_FRAMEWORKS"), CannedReply::ok(frameworks.to_string()));
    let mut tasks = json("mesos/master/post_GET_TASKS.json");
    tasks["get_tasks"]["tasks"][0]["resources"]
        .as_array_mut()
        .unwrap()
        .extend([scalar("disk", 32.0), scalar("gpus", 1.5)]);
    world_masters.set(&call("GET_TASKS"), CannedReply::ok(tasks.to_string()));
    let mut containers = json("mesos/agent/post_GET_CONTAINERS.json");
    let statistics = &mut containers["get_containers"]["containers"][0]["resource_statistics"];
    for (_, _, name, value) in BY_HAND.iter().filter(|(kind, ..)| *kind == "mesos_executor") {
        statistics[*name] = value.parse::<u64>().unwrap().into();
    }
    agent.set(&call("GET_CONTAINERS"), CannedReply::ok(containers.to_string()));
}

fn check_value(kind: &Kind, column: &str, found: Value, expected: &str) {
    let unit = 10_f64.powi(i32::from(kind.column(column).unwrap().decimals()));
    let expected: f64 = expected.parse().unwrap();
    let found = found.int().unwrap_or_else(|| panic!("{} {column} is null", kind.name)) as f64;
    assert!((found - expected * unit).abs() <= 0.5, "{} {column}: {found} and {}", kind.name, expected * unit);
}

#[tokio::test]
async fn every_column_has_an_expectation_and_meets_it() {
    let table = String::from_utf8(read("mesos/columns.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    let world = World::new();
    let master = recorded("master");
    let mut masters = world.masters(vec![("localhost:5050", master)]);
    let mut agents = world.agents(vec![("127.0.0.1:5051", recorded("agent"))]);
    let of_masters = world.poll(&mut masters).await;
    let of_tasks = world.poll(&mut world.tasks()).await;
    let of_agents = world.poll(&mut agents).await;
    with_numbers_by_hand(canned(&masters.processes()[0]), canned(agents.process("127.0.0.1:5051")));
    let by_hand = world.poll(&mut world.tasks()).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let executors_by_hand = world.poll(&mut agents).await;
    let shop = "shop_api.instance-0b1c2d3e-1111-11ee-a000-0242ac110002._app.1";
    let framework = "e64742f5-5bc4-4011-afc0-70b710eb8c26-0010";
    let kinds: [(&Kind, _, _, &str); 6] = [
        (&MESOS_CLUSTER, &of_masters, &of_masters, ""),
        (&MESOS_MASTER, &of_masters, &of_masters, ""),
        (&MESOS_AGENT, &of_agents, &of_agents, ""),
        (&MESOS_EXECUTOR, &of_agents, &executors_by_hand, shop),
        (&MESOS_FRAMEWORK, &of_tasks, &by_hand, framework),
        (&MESOS_TASK, &of_tasks, &by_hand, shop),
    ];
    let mut met = 0;
    for (kind, observed, by_hand, entity_by_hand) in kinds {
        for column in kind.columns {
            let row = rows.iter().find(|row| row[0] == kind.name && row[2] == column.name);
            let row = row.unwrap_or_else(|| panic!("no expectation of {} {} in columns.tsv", kind.name, column.name));
            if row[3] == "-" {
                let line = BY_HAND.iter().find(|(of, name, ..)| *of == kind.name && *name == column.name);
                let (.., expected) =
                    line.unwrap_or_else(|| panic!("no number by hand of {} {}", kind.name, column.name));
                let found = by_name(by_hand, kind, entity_by_hand, column.name);
                check_value(kind, column.name, found, expected);
            } else {
                check_value(kind, column.name, by_name(observed, kind, row[1], column.name), row[3]);
            }
            met += 1;
        }
    }
    assert_eq!(met, rows.len(), "columns.tsv names a column that there is not");
}

/// A column's value of the living entity whose identity ends so.
fn by_name(observed: &crate::source::Observed, kind: &Kind, last: &str, column: &str) -> Value {
    let index = kind.column_index(column).unwrap();
    let mut seen = all(observed, kind.name).iter().filter(|seen| seen.ended.is_none());
    let seen = seen.find(|seen| seen.identity.parts().last().is_some_and(|part| &**part == last));
    let seen = seen.unwrap_or_else(|| panic!("no {} {last}", kind.name));
    seen.sample.as_ref().map_or(Value::Null, |sample| sample.values[index])
}

/// Whether a name fits a pattern whose `<parts>` may hold anything.
fn fits(pattern: &str, name: &str) -> bool {
    let mut rest = name;
    let mut pieces = pattern.split('<').enumerate().map(|(index, piece)| match index {
        0 => piece,
        _ => piece.split_once('>').map_or("", |(_, after)| after),
    });
    let Some(first) = pieces.next() else { return false };
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after;
    let pieces: Vec<&str> = pieces.collect();
    for (index, piece) in pieces.iter().enumerate() {
        let is_last = index + 1 == pieces.len();
        let position = if is_last { rest.len().checked_sub(piece.len()) } else { rest.find(piece) };
        let Some(position) = position.filter(|position| rest[*position..].starts_with(piece)) else {
            return false;
        };
        rest = &rest[position + piece.len()..];
    }
    rest.is_empty()
}

#[test]
fn every_recorded_name_is_the_counter_or_gauge_that_it_is_said_to_be() {
    let table = String::from_utf8(read("mesos/metrics.tsv")).unwrap();
    let known: Vec<(&str, &str, &str)> = table
        .lines()
        .skip(1)
        .map(|line| {
            let mut cells = line.split('\t');
            (cells.next().unwrap(), cells.next().unwrap(), cells.next().unwrap())
        })
        .collect();
    let column_class = |tables: &[(&[Fills], &Kind)], name: &str| {
        tables.iter().find_map(|(fills, kind)| {
            let (_, stored, _) = fills.iter().find(|(fills, ..)| *fills == name)?;
            kind.columns.iter().find(|column| column.stored == *stored).map(|column| column.class)
        })
    };
    let masters: [(&[Fills], &Kind); 3] =
        [(CLUSTER_RESOURCES, &MESOS_CLUSTER), (CLUSTER_COUNTS, &MESOS_CLUSTER), (MASTER, &MESOS_MASTER)];
    let agents: [(&[Fills], &Kind); 2] = [(AGENT_RESOURCES, &MESOS_AGENT), (AGENT_COUNTS, &MESOS_AGENT)];
    let counts = |tables: &[(&[Fills], &Kind)], name: &str| match column_class(tables, name) {
        Some(class) => class == Class::Counter,
        None => is_counter(name),
    };
    let tables = |scope: &str| if scope == "agent" { &agents[..] } else { &masters[..] };
    let mut wrong = Vec::new();
    // Of the list itself, also with roles that hold slashes; other names are percent-encoded.
    for (pattern, kind, scope) in &known {
        for part in ["x", "batch/events", "a/offers/b"] {
            let name: String = pattern
                .split(['<', '>'])
                .enumerate()
                .map(|(index, piece)| match (index % 2, piece) {
                    (0, literal) => literal,
                    (_, "role") => part,
                    _ => "x",
                })
                .collect();
            if counts(tables(scope), &name) != (*kind == "counter") {
                wrong.push(format!("{name} is a {kind}"));
            }
        }
    }
    // And of what was recorded.
    let mut recorded_names = 0;
    for (files, scope) in [(&OF_MASTERS[..], "master"), (&OF_AGENTS[..], "agent")] {
        for (file, _) in files {
            for name in said(&json(&format!("mesos/{file}"))).keys() {
                // What a window of time adds up to is no life's count.
                let statistics = ["/count", "/max", "/min", "/p50", "/p90", "/p95", "/p99", "/p999", "/p9999"];
                let base = statistics.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
                let is_window = base != name && base.ends_with("_ms");
                let fitting = known.iter().filter(|(pattern, ..)| fits(pattern, if is_window { base } else { name }));
                let Some((pattern, kind, _)) = fitting.max_by_key(|(pattern, ..)| pattern.len()) else {
                    wrong.push(format!("{file}: {name} is not in the list"));
                    continue;
                };
                recorded_names += 1;
                if counts(tables(scope), name) != (*kind == "counter" && !is_window) {
                    wrong.push(format!("{file}: {name} is a {kind} ({pattern})"));
                }
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(recorded_names > 8_000, "{recorded_names}");
}

#[test]
fn every_number_of_statistics_is_read_from_both_endpoints() {
    for (file, of_list) in [("agent/get_monitor_statistics.json", true), ("agent/post_GET_CONTAINERS.json", false)] {
        let body = read(&format!("mesos/{file}"));
        let executors = if of_list { wire::parse_statistics(&body) } else { wire::parse_containers(&body) }.unwrap();
        let found: usize =
            executors.iter().filter_map(|executor| executor.numbers.as_ref()).map(|numbers| numbers.len()).sum();
        let reply = json(&format!("mesos/{file}"));
        let list = if of_list { &reply } else { &reply["get_containers"]["containers"] };
        let said: usize = list
            .as_array()
            .unwrap()
            .iter()
            .map(|one| leaves(&one[if of_list { "statistics" } else { "resource_statistics" }]))
            .sum();
        // All but the time of measurement, which is the samples' time.
        assert_eq!(found, said - executors.len(), "{file}");
    }
}

/// Numbers and flags within a value.
fn leaves(value: &Json) -> usize {
    match value {
        Json::Number(_) | Json::Bool(_) => 1,
        Json::Object(object) => object.values().map(leaves).sum(),
        Json::Array(list) => list.iter().map(leaves).sum(),
        Json::Null | Json::String(_) => 0,
    }
}
