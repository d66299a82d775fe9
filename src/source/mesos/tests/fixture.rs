//! Recorded replies as servers, and short ways to look at what was observed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::Value as Json;

use crate::clock::{Clock, ManualClock};
use crate::model::{AttributeValue, Attributes, Observation, Timestamp, Value};
use crate::source::attribution::Book;
use crate::source::http::{Canned, CannedReply, Http};
use crate::source::mesos::process::Process;
use crate::source::mesos::shared::Shared;
use crate::source::mesos::{Agents, MasterSource, Masters, Metrics, Settings, Tasks};
use crate::source::{Observed, Source, Visit};

pub(super) const METRICS: &str =
    r#"POST /api/v1 {"type": "GET_METRICS", "get_metrics": {"timeout": {"nanoseconds": 5000000000}}}"#;
pub(super) const SNAPSHOT: &str = "/metrics/snapshot?timeout=5secs";

pub(super) fn call(name: &str) -> String {
    format!(r#"POST /api/v1 {{"type": "{name}"}}"#)
}

pub(super) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub(super) fn read(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(super) fn json(name: &str) -> Json {
    serde_json::from_slice(&read(name)).unwrap()
}

/// A server with the replies of a directory of recordings.
pub(super) fn recorded(directory: &str) -> Canned {
    let canned = Canned::new();
    let mut metas: Vec<PathBuf> = std::fs::read_dir(path(&format!("mesos/{directory}")))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "meta"))
        .collect();
    metas.sort();
    for meta in metas {
        let said: Json = serde_json::from_slice(&std::fs::read(&meta).unwrap()).unwrap();
        let body = said["body_file"].as_str().map(|file| std::fs::read(meta.with_file_name(file)).unwrap());
        let mut headers = HeaderMap::new();
        if let Some(location) = said["location"].as_str() {
            headers.insert("location", HeaderValue::from_str(location).unwrap());
        }
        let reply = CannedReply {
            status: u16::try_from(said["status"].as_u64().unwrap()).unwrap(),
            headers,
            body: Bytes::from(body.unwrap_or_default()),
            delay: Duration::ZERO,
        };
        let asked = said["path"].as_str().unwrap();
        match said["method"].as_str().unwrap() {
            "POST" => canned.set(&format!("POST {asked} {}", said["request_body"].as_str().unwrap_or_default()), reply),
            _ if asked == "/metrics/snapshot" => canned.set(SNAPSHOT, reply),
            _ => canned.set(asked, reply),
        }
    }
    canned
}

pub(super) fn redirect(location: &str) -> CannedReply {
    let mut headers = HeaderMap::new();
    headers.insert("location", HeaderValue::from_str(location).unwrap());
    CannedReply { headers, ..CannedReply::with_status(307, "") }
}

/// A cluster of canned processes.
pub(super) struct World {
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Clock,
    pub(super) manual: ManualClock,
    pub(super) shared: Arc<Shared>,
    pub(super) book: Arc<Book>,
}

impl World {
    pub(super) fn new() -> World {
        // When most of the replies were recorded.
        let manual = ManualClock::starting_at(Timestamp::from_ms(1_795_209_702_000));
        World {
            settings: Arc::new(Settings::new("c", MasterSource::Listed(vec!["http://127.0.0.1:5050".to_owned()]))),
            clock: Clock::Manual(manual.clone()),
            manual,
            shared: Arc::default(),
            book: Book::new(),
        }
    }

    pub(super) fn masters(&self, servers: Vec<(&str, Canned)>) -> Masters {
        Masters::with_processes(&self.settings, &self.clock, &self.shared, processes(servers), None)
    }

    pub(super) fn tasks(&self) -> Tasks {
        Tasks::new(&self.settings, &self.clock, &self.shared, &self.book)
    }

    pub(super) fn agents(&self, servers: Vec<(&str, Canned)>) -> Agents {
        Agents::with_processes(&self.settings, &self.clock, &self.shared, &self.book, processes(servers))
    }

    pub(super) fn metrics(&self) -> Metrics {
        Metrics::new(&self.settings, &self.shared)
    }

    pub(super) async fn poll(&self, source: &mut impl Source) -> Observed {
        source.poll(Visit { started: self.clock.now(), timeout: Duration::from_secs(8) }).await
    }
}

fn processes(servers: Vec<(&str, Canned)>) -> Vec<Process> {
    servers.into_iter().map(|(address, canned)| Process::new(address.to_owned(), Http::Canned(canned))).collect()
}

/// The server behind one of a source's processes.
pub(super) fn canned(process: &Process) -> &Canned {
    match &*process.http {
        Http::Canned(canned) => canned,
        Http::Live(_) => panic!("a live server"),
    }
}

/// All observations of a kind.
pub(super) fn all<'a>(observed: &'a Observed, kind: &str) -> &'a [Observation] {
    &observed.batches.iter().find(|batch| batch.kind.name == kind).unwrap_or_else(|| panic!("no {kind}")).observations
}

/// The observation whose identity ends so.
pub(super) fn one<'a>(observed: &'a Observed, kind: &str, last: &str) -> &'a Observation {
    let ends = |seen: &&Observation| seen.identity.parts().last().is_some_and(|part| &**part == last);
    all(observed, kind).iter().find(ends).unwrap_or_else(|| panic!("no {kind} {last}"))
}

/// A column's value.
pub(super) fn value(observed: &Observed, kind: &str, last: &str, column: &str) -> Value {
    let index = crate::source::kind(kind).unwrap().column_index(column).unwrap_or_else(|| panic!("no column {column}"));
    one(observed, kind, last).sample.as_ref().map_or(Value::Null, |sample| sample.values[index])
}

/// The attributes of an observation.
pub(super) fn attributes<'a>(observed: &'a Observed, kind: &str, last: &str) -> &'a Attributes {
    one(observed, kind, last).attributes.as_ref().unwrap()
}

pub(super) fn text(text: &str) -> Option<AttributeValue> {
    Some(AttributeValue::from(text))
}

/// Types and first details of events, in order.
pub(super) fn types(observed: &Observed) -> Vec<&'static str> {
    observed.events.iter().map(|event| event.event_type).collect()
}
