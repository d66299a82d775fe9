//! A small world of two engines for ten minutes, small enough to compute its answers by hand.
//!
//! From 03:00:00, every 10 s, 61 times. On node-1: `web-1` of /web, which goes from 0.1 to 0.3 cores and becomes
//! unhealthy at 03:05; `db` of /db, whose memory grows until it dies at 03:06:35. `mover` ends on node-1 and begins
//! on node-2 at 03:06. `new` of /new begins on node-2 at 03:07:30.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use warp::http::Response;

use crate::api::{Context, Live, routes};
use crate::clock::{Clock, ManualClock};
use crate::model::{
    AttributeValue, Attributes, Event, Identity, KindBatch, Observation, Outcome, Poll, Sample, Severity, Snapshot,
    TargetName, Timestamp, Value,
};
use crate::source::{KINDS, kind};
use crate::store::Store;
use crate::store::memory::Memory;

use super::seed::{ask, at};

pub(super) const MIB: i64 = 1_048_576;

/// So many seconds after 03:00:00.
pub(super) fn second(seconds: i64) -> Timestamp {
    at("2026-08-21T03:00:00Z").plus_ms(seconds * 1000)
}

/// `tenths` is CPU since the start in tenths of seconds of CPU.
fn container(
    host: &str,
    id: &str,
    facts: &[(&'static str, AttributeValue)],
    tick: i64,
    cpu: i64,
    memory: i64,
) -> Observation {
    let kind = kind("container").unwrap();
    let mut values = vec![Value::Null; kind.columns.len()];
    let mut put = |name: &str, value: i64| values[kind.column_index(name).unwrap()] = Value::Int(value);
    put("cpu_usage_seconds_total", cpu * 1_000_000_000);
    put("memory_usage_bytes", memory);
    put("memory_inactive_file_bytes", MIB);
    put("memory_limit_bytes", 512 * MIB);
    let mut attributes: Attributes = facts.iter().cloned().collect();
    attributes.insert("started_at", second(-100).into());
    Observation {
        identity: Identity::new([host, id]),
        attributes: Some(attributes),
        ended: None,
        sample: Some(Sample { at: second(tick * 10), since: Some(second(-100)), values: values.into() }),
    }
}

fn event(seconds: i64, host: &str, id: &str, event_type: &'static str, exit_code: Option<i64>) -> Event {
    let details = exit_code.map(|code| ("exit_code".to_owned(), AttributeValue::Integer(code)));
    Event {
        at: second(seconds),
        severity: Severity::Warning,
        event_type,
        kind: Some("container"),
        entity: Some(Identity::new([host, id])),
        target: TargetName::new("docker", host),
        source_id: format!("{seconds}/{id}/{event_type}"),
        message: format!("{id} {event_type}"),
        details: details.into_iter().collect::<BTreeMap<_, _>>(),
    }
}

fn poll(host: &str, tick: i64, observations: Vec<Observation>, events: Vec<Event>) -> Snapshot {
    Snapshot {
        poll: Poll {
            target: TargetName::new("docker", host),
            started: second(tick * 10),
            duration_ms: 0,
            interval_ms: 10_000,
            bytes: 1,
            outcome: Outcome::Ok,
            error: None,
            missing: Vec::new(),
            clock_offset_ms: 0,
        },
        batches: vec![KindBatch { kind: kind("container").unwrap(), complete: true, observations }],
        events,
    }
}

pub(super) fn snapshots() -> Vec<Snapshot> {
    (0..=60).flat_map(tick).collect()
}

fn tick(tick: i64) -> [Snapshot; 2] {
    let text = |name: &'static str, value: &str| (name, AttributeValue::from(value));
    let health = if tick < 30 { "healthy" } else { "unhealthy" };
    let web = [text("name", "web-1"), text("app", "/web"), text("health", health)];
    let db = [text("name", "db"), text("app", "/db"), ("restart_count", 2.into())];
    let mover = [text("name", "mover"), text("task", "move.1")];
    let new = [text("name", "=new"), text("app", "/new")];
    // 1 s of CPU a tick, then 3.
    let web_cpu = tick + 2 * (tick - 30).max(0);
    let mut one = vec![container("node-1", "a", &web, tick, web_cpu, 101 * MIB)];
    let mut two = Vec::new();
    if tick < 40 {
        one.push(container("node-1", "b", &db, tick, 2 * tick, 10 * (tick + 1) * MIB));
    }
    let place = if tick < 36 { (&mut one, "node-1", "m1") } else { (&mut two, "node-2", "m2") };
    place.0.push(container(place.1, place.2, &mover, tick, tick, 51 * MIB));
    if tick >= 45 {
        two.push(container("node-2", "c", &new, tick, tick, 51 * MIB));
    }
    let events = match tick {
        1 => vec![event(5, "node-1", "b", "container_died", Some(1))],
        40 => vec![
            event(300, "node-1", "a", "container_health_changed", None),
            event(380, "node-1", "a", "container_killed", None),
            event(394, "node-1", "b", "container_oom", None),
            event(395, "node-1", "b", "container_died", Some(137)),
        ],
        _ => Vec::new(),
    };
    let others = if tick == 40 { vec![event(390, "node-2", "m2", "container_killed", None)] } else { Vec::new() };
    [poll("node-1", tick, one, events), poll("node-2", tick, two, others)]
}

/// A GET of a path below the base, an hour after the start.
pub(super) async fn get(path: &str) -> Response<Bytes> {
    asking(&format!("/api/v1{path}")).await
}

/// A GET of a whole path, an hour after the start.
pub(super) async fn asking(path: &str) -> Response<Bytes> {
    asking_of(Store::Memory(Memory::new(KINDS)), path).await
}

/// The same of a store that has nothing else in it.
pub(super) async fn asking_of(store: Store, path: &str) -> Response<Bytes> {
    store.append(&snapshots()).unwrap();
    let live = Live::default();
    live.set_ready(true);
    live.set_caught_up_until(second(3_600));
    let clock = Clock::Manual(ManualClock::starting_at(second(3_600)));
    let context = Context::new(Arc::new(store), KINDS, clock, Arc::new(live));
    ask(&routes(Arc::new(context)), "GET", path, &[]).await
}
