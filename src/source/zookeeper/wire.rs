//! Replies of servers as values: `mntr` and `srvr` of the four-letter words, `monitor` of the AdminServer.
//!
//! Pure. Must not know: how replies are fetched.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::kinds::ZOOKEEPER;
use crate::model::Value;
use crate::source::labelled::{Labelled, parse_line, parse_number};

/// What a server said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Said {
    /// leader, follower, observer, standalone, read-only or not serving.
    pub(super) role: String,
    pub(super) version: Option<String>,
    /// Milliseconds since its start; servers before 3.5 do not tell.
    pub(super) uptime_ms: Option<f64>,
    /// In the order of the kind's columns.
    pub(super) values: Box<[Value]>,
    /// Numbers that fill no column.
    pub(super) rest: Vec<Labelled>,
}

/// Why a reply is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The word is not allowed or not known.
    NotAllowed,
    /// This is no reply of a server.
    Malformed(String),
}

/// The number's name, the column's stored name, the factor between them.
type Fills = (&'static str, &'static str, f64);

/// Milliseconds to nanoseconds.
const MS: f64 = 1e6;

const COLUMNS: &[Fills] = &[
    ("avg_latency", "latency_avg_ns", MS),
    ("min_latency", "latency_min_ns", MS),
    ("max_latency", "latency_max_ns", MS),
    ("num_alive_connections", "connections", 1.0),
    ("outstanding_requests", "outstanding_requests", 1.0),
    ("znode_count", "znodes", 1.0),
    ("watch_count", "watches", 1.0),
    ("ephemerals_count", "ephemerals", 1.0),
    ("followers", "followers", 1.0),
    // Since 3.6 so; before, and in 3.6 under this name too, without learners.
    ("synced_followers", "followers_synced", 1.0),
    ("approximate_data_size", "data_bytes", 1.0),
    ("open_file_descriptor_count", "file_descriptors", 1.0),
    ("max_file_descriptor_count", "file_descriptors_max", 1.0),
    ("packets_received", "packets_received", 1.0),
    ("packets_sent", "packets_sent", 1.0),
];

/// What a server answers while it has no quorum.
const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests";

fn not_serving() -> Said {
    let values = ZOOKEEPER.columns.iter().map(|_| Value::Null).collect();
    Said { role: "not serving".to_owned(), values, ..Said::default() }
}

/// Reads the reply to `mntr`.
pub(super) fn parse_mntr(text: &str) -> Result<Said, Refusal> {
    if text.starts_with(NOT_SERVING) {
        return Ok(not_serving());
    }
    if text.is_empty() || text.contains("is not executed because it is not in the whitelist") {
        return Err(Refusal::NotAllowed);
    }
    let mut said = Said::default();
    let mut numbers = Vec::new();
    for line in text.lines() {
        let Some((name, value)) = line.split_once('\t') else { continue };
        match name.strip_prefix("zk_").unwrap_or(name) {
            "server_state" => said.role = value.trim().to_owned(),
            "version" => said.version = Some(version(value)),
            _ => numbers.extend(parse_line(line.strip_prefix("zk_").unwrap_or(line))),
        }
    }
    if said.role.is_empty() {
        return Err(Refusal::Malformed(begun(text)));
    }
    Ok(filled(said, numbers))
}

/// Reads the reply to the AdminServer's `monitor`, whose faults come with status 200, too.
pub(super) fn parse_monitor(body: &[u8]) -> Result<Said, Refusal> {
    let malformed = || Refusal::Malformed(begun(&String::from_utf8_lossy(body)));
    let Ok(Json::Object(object)) = serde_json::from_slice(body) else { return Err(malformed()) };
    if let Some(error) = object.get("error").and_then(Json::as_str) {
        if error.contains("not currently serving") || error.contains("not initialized") {
            return Ok(not_serving());
        }
        return if error.contains("nknown command") {
            Err(Refusal::NotAllowed)
        } else {
            Err(Refusal::Malformed(error.to_owned()))
        };
    }
    let mut said = Said {
        role: object.get("server_state").and_then(Json::as_str).unwrap_or_default().to_owned(),
        version: object.get("version").and_then(Json::as_str).map(version),
        ..Said::default()
    };
    if said.role.is_empty() {
        return Err(malformed());
    }
    let mut numbers = Vec::new();
    for (name, value) in &object {
        collect(name, value, &mut numbers);
    }
    said = filled(said, numbers);
    Ok(said)
}

/// Every number within a value under its path.
fn collect(name: &str, value: &Json, into: &mut Vec<Labelled>) {
    match value {
        Json::Number(number) => {
            if let Some(value) = number.as_f64() {
                into.push(Labelled { name: name.to_owned(), labels: BTreeMap::new(), value });
            }
        }
        // Most numbers are in one map of all; some are texts.
        Json::Object(object) => object.iter().for_each(|(part, value)| collect(&format!("{name}/{part}"), value, into)),
        Json::String(text) => {
            if let Some(value) = parse_number(text) {
                into.push(Labelled { name: name.to_owned(), labels: BTreeMap::new(), value });
            }
        }
        Json::Array(_) | Json::Bool(_) | Json::Null => {}
    }
}

/// Reads the reply to `srvr`, the one word that is always allowed.
pub(super) fn parse_srvr(text: &str) -> Result<Said, Refusal> {
    if text.starts_with(NOT_SERVING) {
        return Ok(not_serving());
    }
    let mut said = Said::default();
    let mut numbers = Vec::new();
    let mut add = |name: &str, value: &str| {
        if let Some(value) = parse_number(value.trim()) {
            numbers.push(Labelled { name: name.to_owned(), labels: BTreeMap::new(), value });
        }
    };
    for line in text.lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name {
            "Zookeeper version" => said.version = Some(version(value)),
            "Latency min/avg/max" => {
                for (name, value) in ["min_latency", "avg_latency", "max_latency"].into_iter().zip(value.split('/')) {
                    add(name, value);
                }
            }
            "Received" => add("packets_received", value),
            "Sent" => add("packets_sent", value),
            "Connections" => add("num_alive_connections", value),
            "Outstanding" => add("outstanding_requests", value),
            "Node count" => add("znode_count", value),
            "Mode" => said.role = value.trim().to_owned(),
            _ => {}
        }
    }
    if said.role.is_empty() {
        return Err(Refusal::Malformed(begun(text)));
    }
    Ok(filled(said, numbers))
}

/// The version alone: what follows its first comma or dash is how it was built.
fn version(text: &str) -> String {
    text.split([',', '-']).next().unwrap_or(text).trim().to_owned()
}

fn begun(text: &str) -> String {
    text.trim().chars().take(80).collect()
}

fn filled(mut said: Said, numbers: Vec<Labelled>) -> Said {
    let mut by_column: BTreeMap<&str, Value> = BTreeMap::new();
    for number in numbers {
        if number.labels.is_empty() {
            if number.name == "uptime" {
                said.uptime_ms = Some(number.value);
            }
            let fills = COLUMNS.iter().find(|(name, ..)| *name == number.name);
            if let Some((_, column, factor)) = fills.filter(|(_, column, _)| !by_column.contains_key(column)) {
                by_column.insert(column, whole(number.value * factor));
                continue;
            }
        }
        said.rest.push(number);
    }
    said.values =
        ZOOKEEPER.columns.iter().map(|column| by_column.get(column.stored).copied().unwrap_or_default()).collect();
    said
}

/// The nearest whole number; null where none fits.
fn whole(number: f64) -> Value {
    /// 2^53: far above any count of a server, and exact.
    const MAX: f64 = 9_007_199_254_740_992.0;
    let rounded = number.round();
    if rounded.abs() <= MAX {
        #[expect(clippy::cast_possible_truncation, reason = "checked to be within 2^53 just above")]
        let fits = rounded as i64;
        Value::Int(fits)
    } else {
        Value::Null
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(said: &Said, column: &str) -> Value {
        said.values[ZOOKEEPER.column_index(column).unwrap()]
    }

    #[test]
    fn every_line_of_mntr_is_a_column_or_left_over() {
        let text = include_str!("../../../tests/fixtures/zookeeper-3.8/4lw/mntr.txt");
        let said = parse_mntr(text).unwrap();
        assert_eq!((said.role.as_str(), said.version.as_deref()), ("standalone", Some("3.8.0")));
        assert_eq!(value(&said, "latency_avg_seconds"), Value::Int(13_500_000));
        assert_eq!(value(&said, "latency_max_seconds"), Value::Int(26_000_000));
        assert_eq!(value(&said, "znodes"), Value::Int(8));
        assert_eq!(value(&said, "packets_sent_total"), Value::Int(3));
        assert_eq!(value(&said, "followers"), Value::Null, "a standalone server has none to tell of");
        assert_eq!(said.uptime_ms, Some(4444.0));
        let filled = said.values.iter().filter(|value| !value.is_null()).count();
        let lines = text.lines().filter(|line| parse_line(line).is_some()).count();
        assert!(filled >= 13 && lines > 300, "{filled} of {lines}");
        assert_eq!(filled + said.rest.len(), lines);
        // Two lines are no numbers: the version and the state.
        assert_eq!(text.lines().count(), lines + 2);
    }

    #[test]
    fn the_admin_server_tells_the_same_without_the_prefix() {
        let said = parse_monitor(include_bytes!("../../../tests/fixtures/zookeeper-3.8/admin/monitor.json")).unwrap();
        assert_eq!((said.role.as_str(), said.version.as_deref()), ("standalone", Some("3.8.0")));
        assert_eq!(value(&said, "latency_avg_seconds"), Value::Int(13_500_000));
        assert_eq!(value(&said, "connections"), Value::Int(0));
        let nosuch = include_bytes!("../../../tests/fixtures/zookeeper-3.8/admin/nosuch.json");
        assert_eq!(parse_monitor(nosuch), Err(Refusal::NotAllowed));
        let leader = include_bytes!("../../../tests/fixtures/zookeeper-3.8/admin/leader.json");
        assert_eq!(parse_monitor(leader).unwrap().role, "not serving");
        assert!(matches!(parse_monitor(b"<html>"), Err(Refusal::Malformed(_))));
    }

    #[test]
    fn what_is_not_allowed_is_asked_otherwise() {
        let refused = include_str!("../../../tests/fixtures/zookeeper-3.8/4lw/mntr_not_whitelisted.txt");
        assert_eq!(parse_mntr(refused), Err(Refusal::NotAllowed));
        assert_eq!(parse_mntr(""), Err(Refusal::NotAllowed));
        let said = parse_srvr(include_str!("../../../tests/fixtures/zookeeper-3.8/4lw/srvr.txt")).unwrap();
        assert_eq!(said.role, "standalone");
        assert_eq!(value(&said, "latency_min_seconds"), Value::Int(1_000_000));
        assert_eq!(value(&said, "latency_avg_seconds"), Value::Int(13_500_000));
        assert_eq!(value(&said, "packets_received_total"), Value::Int(5));
        assert_eq!(value(&said, "znodes"), Value::Int(8));
        assert!(matches!(parse_srvr("HTTP/1.1 400 Bad Request"), Err(Refusal::Malformed(_))));
        assert_eq!(parse_srvr(&format!("{NOT_SERVING}\n")).unwrap().role, "not serving");
    }

    #[test]
    fn a_server_of_3_4_is_read_as_well() {
        let text = "zk_version\t3.4.6-1569965, built on 02/20/2014 09:09 GMT\nzk_avg_latency\t0\nzk_max_latency\t12\n\
                    zk_packets_received\t3\nzk_server_state\tleader\nzk_followers\t2\nzk_synced_followers\t1\n\
                    zk_pending_syncs\t0\n";
        let said = parse_mntr(text).unwrap();
        assert_eq!((said.role.as_str(), said.version.as_deref()), ("leader", Some("3.4.6")));
        assert_eq!((value(&said, "followers"), value(&said, "followers_synced")), (Value::Int(2), Value::Int(1)));
        assert_eq!(said.uptime_ms, None);
        assert_eq!(said.rest.len(), 1);
    }
}
