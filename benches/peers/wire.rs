//! The fleet as the peers take it: VictoriaMetrics its JSON import, Prometheus remote write.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use tachograph::model::{AttributeValue, Snapshot};
use tachograph::source::kind;

/// A series of the peers: one column of one container.
pub(crate) type Series = (usize, String, String);

/// What the fleet did in an hour, as the peers see it.
#[derive(Default)]
pub(crate) struct Hour {
    pub(crate) series: BTreeMap<Series, Vec<(i64, f64)>>,
    pub(crate) rounds: Vec<Vec<(Series, i64, f64)>>,
    pub(crate) values: u64,
}

pub(crate) fn hour_of(rounds: &[Vec<Snapshot>], names: &mut HashMap<String, (String, String)>) -> Hour {
    let mut hour = Hour::default();
    for round in rounds {
        let mut of_round = Vec::new();
        for seen in round.iter().flat_map(|snapshot| &snapshot.batches).flat_map(|batch| &batch.observations) {
            let parts = seen.identity.parts();
            let (host, id) = (parts[0].to_string(), parts[1].to_string());
            if let Some(attributes) = &seen.attributes {
                let text = |name: &str| match attributes.get(name) {
                    Some(AttributeValue::Text(text)) => text.to_string(),
                    _ => String::new(),
                };
                names.insert(id.clone(), (text("name"), text("app")));
            }
            let sample = seen.sample.as_ref().unwrap();
            for (column, value) in sample.values.iter().enumerate() {
                let Some(value) = value.int() else { continue };
                of_round.push(((column, host.clone(), id.clone()), sample.at.ms(), value as f64));
            }
        }
        hour.values += of_round.len() as u64;
        for (series, at_ms, value) in &of_round {
            hour.series.entry(series.clone()).or_default().push((*at_ms, *value));
        }
        hour.rounds.push(of_round);
    }
    hour
}

pub(crate) fn metric(column: usize) -> String {
    format!("container_{}", kind("container").unwrap().columns[column].stored)
}

fn labels(series: &Series, names: &HashMap<String, (String, String)>) -> [(&'static str, String); 5] {
    let (name, app) = names.get(&series.2).cloned().unwrap_or_default();
    let (host, id) = (series.1.clone(), series.2.clone());
    [("__name__", metric(series.0)), ("app", app), ("host", host), ("id", id), ("name", name)]
}

/// VictoriaMetrics' import lines of an hour.
pub(crate) fn import_lines(hour: &Hour, names: &HashMap<String, (String, String)>) -> Vec<u8> {
    let mut lines = String::new();
    for (series, samples) in &hour.series {
        let metric: BTreeMap<&str, String> = labels(series, names).into();
        let values: Vec<f64> = samples.iter().map(|(_, value)| *value).collect();
        let times: Vec<i64> = samples.iter().map(|(at_ms, _)| *at_ms).collect();
        let line = serde_json::json!({"metric": metric, "values": values, "timestamps": times});
        let _ = writeln!(lines, "{line}");
    }
    lines.into_bytes()
}

fn put_varint(into: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        into.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

fn put_bytes(into: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    into.push(field << 3 | 2);
    put_varint(into, bytes.len() as u64);
    into.extend_from_slice(bytes);
}

/// A remote write request: a protobuf `WriteRequest`, in snappy's block format, as literals.
pub(crate) fn write_request(round: &[(Series, i64, f64)], names: &HashMap<String, (String, String)>) -> Vec<u8> {
    let mut request = Vec::new();
    for (series, at_ms, value) in round {
        let mut of_series = Vec::new();
        for (name, value) in labels(series, names) {
            let mut label = Vec::new();
            put_bytes(&mut label, 1, name.as_bytes());
            put_bytes(&mut label, 2, value.as_bytes());
            put_bytes(&mut of_series, 1, &label);
        }
        let mut sample = vec![1 << 3 | 1];
        sample.extend_from_slice(&value.to_le_bytes());
        sample.push(2 << 3);
        put_varint(&mut sample, *at_ms as u64);
        put_bytes(&mut of_series, 2, &sample);
        put_bytes(&mut request, 1, &of_series);
    }
    let mut framed = Vec::new();
    put_varint(&mut framed, request.len() as u64);
    for literal in request.chunks(1 << 16) {
        framed.push(61 << 2);
        framed.extend_from_slice(&((literal.len() - 1) as u16).to_le_bytes());
        framed.extend_from_slice(literal);
    }
    framed
}
