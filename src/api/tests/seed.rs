//! A small recorded world: two containers on one host for a minute, one of them with hostile texts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use warp::filters::BoxedFilter;
use warp::http::Response;

use crate::api::{ConfiguredTarget, Context, Live, routes};
use crate::clock::{Clock, ManualClock};
use crate::model::{
    Attribute, AttributeType, AttributeValue, Attributes, Column, Derived, Event, Formula, Identity, Key, Kind,
    KindBatch, Observation, Outcome, Poll, Sample, Severity, Snapshot, TargetName, Timestamp, Value,
};
use crate::query::request::parse_rfc3339;
use crate::store::Store;
use crate::store::memory::Memory;

const fn attribute(name: &'static str, ty: AttributeType) -> Attribute {
    Attribute::new(name, ty, "A fact.")
}

pub(super) static CONTAINER: Kind = Kind {
    name: "container",
    help: "A container <of> an engine.",
    identity: &[Key { name: "host", help: "Where." }, Key { name: "id", help: "Which." }],
    attributes: &[
        attribute("name", AttributeType::Text),
        attribute("app", AttributeType::Text),
        attribute("exit_code", AttributeType::Integer),
        attribute("cpu_limit_cores", AttributeType::Number),
        attribute("oom_killed", AttributeType::Boolean),
        attribute("started_at", AttributeType::Time),
        attribute("ports", AttributeType::List),
        attribute("labels", AttributeType::Map),
    ],
    columns: &[
        Column::counter("cpu_usage_seconds_total", "cpu_usage_ns", "seconds", 9, "Time on a processor, \"all\"."),
        Column::gauge("memory_usage_bytes", "memory_usage_bytes", "bytes", 0, "Memory in use.").headline(),
        Column {
            repr: crate::model::Repr::Float,
            ..Column::gauge("load_ratio", "load_ratio", "ratio", 0, "As the source sends it.").not_additive()
        },
    ],
    derived: &[
        Derived::new("cpu_cores", "cores", "Cores in use.", Formula::Rate { counters: &["cpu_usage_seconds_total"] })
            .headline(),
        Derived::new(
            "cpu_limit_ratio",
            "ratio",
            "Part of the limit.",
            Formula::RateToAttribute { counter: "cpu_usage_seconds_total", attribute: "cpu_limit_cores" },
        ),
    ],
    display: &["host", "name", "id"],
};

pub(super) static EMPTY: Kind = Kind {
    name: "image",
    help: "A kind of which nothing was seen.",
    identity: &[Key { name: "id", help: "Which." }],
    attributes: &[],
    columns: &[Column::gauge("size_bytes", "size_bytes", "bytes", 0, "Size.")],
    derived: &[],
    display: &["id"],
};

static KINDS: &[&Kind] = &[&CONTAINER, &EMPTY];

/// Text that breaks naive CSV, JSON, HTML and OpenMetrics.
pub(super) const HOSTILE: &str = "=we\"b,\r\n</b>\\ü";

pub(super) fn at(text: &str) -> Timestamp {
    parse_rfc3339(text).unwrap()
}

/// When the recording starts.
pub(super) fn start() -> Timestamp {
    at("2026-08-21T03:10:00Z")
}

/// One sample of each container each 10 s, seven times: `web` uses 0.25 cores, `db` a third.
pub(super) fn snapshots() -> Vec<Snapshot> {
    (0..7).map(snapshot).collect()
}

fn snapshot(tick: i64) -> Snapshot {
    let started = start().plus_ms(tick * 10_000);
    let poll = Poll {
        target: TargetName::new("docker", "node-1"),
        started,
        duration_ms: 120,
        interval_ms: 10_000,
        bytes: 4_096,
        outcome: Outcome::Ok,
        error: None,
        missing: Vec::new(),
        clock_offset_ms: 0,
    };
    let sampled = started.plus_ms(50);
    let sample =
        |values: [Value; 3]| Some(Sample { at: sampled, since: Some(start().plus_ms(-60_000)), values: values.into() });
    let web: Attributes = [
        ("name", AttributeValue::from(HOSTILE)),
        ("app", "/shop/web".into()),
        ("cpu_limit_cores", 0.5.into()),
        ("oom_killed", false.into()),
        ("started_at", start().plus_ms(-60_000).into()),
        ("ports", vec!["80/tcp".to_owned(), "443/tcp".to_owned()].into()),
        ("labels", BTreeMap::from([("env".to_owned(), "pr,o\"d".to_owned())]).into()),
    ]
    .into();
    let db: Attributes = [("name", AttributeValue::from("db")), ("exit_code", AttributeValue::Integer(-1))].into();
    let load = if tick == 3 { f64::NAN } else { 0.1 + 0.2 };
    Snapshot {
        poll,
        batches: vec![KindBatch {
            kind: &CONTAINER,
            complete: true,
            observations: vec![
                Observation {
                    identity: Identity::new(["node-1", "aa"]),
                    attributes: Some(web),
                    ended: None,
                    sample: sample([Value::Int(2_500_000_000 * tick), Value::Int(1_000 + tick), Value::Float(load)]),
                },
                Observation {
                    identity: Identity::new(["node-1", "bb"]),
                    attributes: Some(db),
                    ended: None,
                    sample: sample([Value::Int(3_333_333_333 * tick), Value::Null, Value::Null]),
                },
            ],
        }],
        events: if tick == 2 { vec![event(sampled)] } else { Vec::new() },
    }
}

fn event(at: Timestamp) -> Event {
    Event {
        at,
        severity: Severity::Warning,
        event_type: "container_oom",
        kind: Some("container"),
        entity: Some(Identity::new(["node-1", "aa"])),
        target: TargetName::new("docker", "node-1"),
        source_id: "1".to_owned(),
        message: HOSTILE.to_owned(),
        details: BTreeMap::from([("exit_code".to_owned(), AttributeValue::Integer(137))]),
    }
}

/// A context over the seeded store, an hour later, ready and caught up.
pub(super) fn context() -> Context {
    let store = Store::Memory(Memory::default());
    store.append(&snapshots()).unwrap();
    let now = at("2026-08-21T04:10:00Z");
    let live = Live::default();
    live.set_ready(true);
    live.set_caught_up_until(now);
    live.set_targets(vec![ConfiguredTarget {
        target: TargetName::new("docker", "node-1"),
        address: "unix:///var/run/docker.sock".to_owned(),
        interval: Duration::from_secs(10),
        kinds: vec!["container"],
    }]);
    Context::new(Arc::new(store), KINDS, Clock::Manual(ManualClock::starting_at(now)), Arc::new(live)).with_salt("seed")
}

pub(super) fn filter() -> BoxedFilter<(warp::reply::Response,)> {
    routes(Arc::new(context()))
}

/// A GET of a path below the base.
pub(super) async fn get(path: &str) -> Response<Bytes> {
    get_with(path, &[]).await
}

pub(super) async fn get_with(path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
    ask(&filter(), "GET", &format!("/api/v1{path}"), headers).await
}

pub(super) async fn ask(
    filter: &BoxedFilter<(warp::reply::Response,)>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Response<Bytes> {
    let mut request = warp::test::request().method(method).path(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.reply(filter).await
}

pub(super) fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

pub(super) fn json(response: &Response<Bytes>) -> serde_json::Value {
    serde_json::from_slice(response.body()).unwrap()
}

pub(super) fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// Rows of a CSV, the header first.
pub(super) fn rows(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// A JSON value as its CSV field should read.
pub(super) fn as_field(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
