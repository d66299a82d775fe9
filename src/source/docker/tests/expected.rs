//! Every recorded reply of the swarm and of podman, as it is understood, beside `expect.txt`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use super::path;
use crate::clock::{Clock, ManualClock};
use crate::model::{Attributes, Column, Observation, TargetName, Timestamp, Value};
use crate::source::docker::kinds::{CONTAINER, CONTAINER_DEVICE, CONTAINER_INTERFACE, ENGINE};
use crate::source::docker::stats::{self, Quirks};
use crate::source::docker::version::{self, ApiVersion, VersionReply};
use crate::source::docker::{Images, Settings, events, info, inspect, list, top};
use crate::source::http::{Canned, CannedReply, Http, Limits};
use crate::source::swarm::Swarm;
use crate::source::{Observed, Source, Visit};

/// What is never asked for, by the part of its path after the version.
const NOT_ASKED_FOR: [&str; 4] = ["/networks", "/volumes", "/swarm", "/nosuch"];

/// A recorded reply.
struct Recorded {
    name: String,
    path: String,
    status: u16,
    body: Vec<u8>,
}

impl Recorded {
    /// The path without its version.
    fn rest(&self) -> &str {
        let versioned =
            self.path.strip_prefix("/v").and_then(|rest| rest.find('/').and_then(|slash| rest.get(slash..)));
        versioned.unwrap_or(&self.path)
    }
}

fn recorded(directory: &Path) -> Vec<Recorded> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![directory.to_owned()];
    while let Some(place) = open.pop() {
        for entry in std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.strip_prefix(directory).unwrap().display().to_string();
            if entry.is_dir() {
                open.push(entry);
                continue;
            }
            if name == "expect.txt" || name.ends_with(".meta") {
                continue;
            }
            let meta = std::fs::read(directory.join(format!("{name}.meta"))).expect("a .meta beside every reply");
            let meta: Json = serde_json::from_slice(&meta).unwrap();
            found.push(Recorded {
                name,
                path: meta["path"].as_str().unwrap().to_owned(),
                status: u16::try_from(meta["status"].as_u64().unwrap()).unwrap(),
                body: std::fs::read(&entry).unwrap(),
            });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn facts(text: &mut String, attributes: &Attributes) {
    for (name, value) in attributes {
        let _ = writeln!(text, "    {name} {value:?}");
    }
}

/// Columns that are not null.
fn numbers(text: &mut String, columns: &[Column], values: &[Value]) {
    for (column, value) in columns.iter().zip(values).filter(|(_, value)| !value.is_null()) {
        let _ = writeln!(text, "    {}={value:?}", column.name);
    }
}

fn observations(text: &mut String, observed: &Observed) {
    let seen = |text: &mut String, columns: &[Column], seen: &Observation| {
        let _ = writeln!(text, "  {:?}", seen.identity);
        facts(text, seen.attributes.as_ref().unwrap_or(&Attributes::new()));
        numbers(text, columns, seen.sample.as_ref().map_or(&[], |sample| &sample.values));
    };
    for batch in &observed.batches {
        for one in &batch.observations {
            seen(text, batch.kind.columns, one);
        }
    }
    for event in &observed.events {
        let _ = writeln!(text, "  {} {} {}", event.at, event.event_type, event.message);
    }
}

fn stats_of(text: &mut String, body: &[u8], quirks: Quirks) {
    let Some(stats) = stats::parse(body, quirks).unwrap() else {
        let _ = writeln!(text, "  no numbers");
        return;
    };
    let _ = writeln!(text, "  read {:?}", stats.read);
    numbers(text, CONTAINER.columns, &stats.values);
    for (parts, kind) in [(&stats.interfaces, &CONTAINER_INTERFACE), (&stats.devices, &CONTAINER_DEVICE)] {
        for (part, values) in parts {
            let _ = writeln!(text, "   {} {part}", kind.name);
            numbers(text, kind.columns, values);
        }
    }
}

async fn poll(source: &mut impl Source) -> Observed {
    source.poll(Visit { started: Timestamp::from_ms(0), timeout: Duration::from_secs(8) }).await
}

fn clock() -> Clock {
    Clock::Manual(ManualClock::starting_at(Timestamp::from_ms(1_795_207_619_000)))
}

/// What the swarm's source makes of lists that are empty but for one. Failures are told from the second look on, with
/// the names of the services that they are of.
async fn swarm(directory: &Path, reply: &Recorded) -> String {
    let list = reply.rest().split('?').next().unwrap_or_default();
    let canned = Canned::new();
    for other in ["/nodes", "/services", "/tasks"].into_iter().filter(|other| *other != list) {
        let services = directory.join("services.json");
        let body =
            if list == "/tasks" && other == "/services" { std::fs::read(services).unwrap() } else { b"[]".into() };
        canned.set(other, CannedReply::ok(body));
    }
    canned.add(list, CannedReply::ok("[]"));
    canned.add(list, CannedReply::ok(reply.body.clone()));
    let mut source = Swarm::with_http(Settings::new("node-1", "unix:///r"), clock(), Http::Canned(canned));
    poll(&mut source).await;
    let mut text = String::new();
    observations(&mut text, &poll(&mut source).await);
    text
}

/// What the source says of a status that is no success.
async fn refused(reply: &Recorded) -> String {
    let canned = Canned::new();
    canned.set(&reply.path, CannedReply::with_status(reply.status, reply.body.clone()));
    let limits = Limits::fixed(Instant::now() + Duration::from_secs(5), 65_536);
    match Http::Canned(canned).get_ok(&reply.path, limits).await {
        Ok(_) => panic!("{}: no failure", reply.name),
        Err(failure) => format!("  {}: {}\n", failure.outcome.name(), failure.message),
    }
}

/// What is made of a reply.
async fn understood(directory: &Path, reply: &Recorded, quirks: Quirks) -> String {
    let (rest, body) = (reply.rest(), &reply.body[..]);
    let mut text = String::new();
    let is_one_of_many = |list: &str| rest.strip_prefix(list).is_some_and(|rest| rest.starts_with('/'));
    if reply.status != 200 {
        return refused(reply).await;
    }
    if NOT_ASKED_FOR.iter().any(|path| rest.contains(path)) || is_one_of_many("/nodes") || is_one_of_many("/tasks") {
        return "  not asked for\n".to_owned();
    }
    match rest.split('?').next().unwrap_or_default() {
        "/_ping" => text = "  an engine\n".to_owned(),
        "/version" => {
            let said: VersionReply = serde_json::from_slice(body).unwrap();
            let chosen = version::choose(said.api_version.as_deref(), said.min_api_version.as_deref());
            let _ = writeln!(text, "  {:?} asked in {}", said.version, chosen.unwrap());
        }
        "/info" => {
            let info = info::parse(body).unwrap();
            let used = ApiVersion { major: 1, minor: 41 };
            facts(&mut text, &info.attributes(&VersionReply::default(), used, quirks.is_podman));
            numbers(&mut text, ENGINE.columns, &info.values(info::Disk::default()));
        }
        "/system/df" => {
            let _ = writeln!(text, "  {:?}", info::parse_disk(body).unwrap());
        }
        "/images/json" => {
            let canned = Canned::from_directory(directory).unwrap();
            canned.set("/v1.41/images/json", CannedReply::ok(body.to_vec()));
            let mut source = Images::with_http(Settings::new("node-1", "unix:///r"), clock(), Http::Canned(canned));
            observations(&mut text, &poll(&mut source).await);
        }
        "/containers/json" => {
            for listed in list::parse(body).unwrap() {
                let _ = writeln!(text, "  {} {:?} {}", listed.id, listed.state(), listed.name());
                facts(&mut text, &inspect::attributes_of_listed(&listed));
            }
        }
        "/events" => {
            let target = TargetName::new("docker", "node-1");
            for line in body.split(|byte| *byte == b'\n') {
                let told = events::parse(line).unwrap();
                if let Some(event) = told.and_then(|told| told.event(&target, 0)) {
                    let _ = writeln!(text, "  {} {} {}", event.at, event.event_type, event.message);
                }
            }
        }
        "/nodes" | "/services" | "/tasks" => text = swarm(directory, reply).await,
        path if path.ends_with("/stats") => {
            let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let replies: Vec<&[u8]> = if reply.name.ends_with(".ndjson") { lines.collect() } else { vec![body] };
            replies.into_iter().for_each(|one| stats_of(&mut text, one, quirks));
        }
        path if path.ends_with("/top") => {
            for process in top::parse(body).unwrap() {
                let _ = writeln!(text, "  {process:?}");
            }
        }
        path if path.starts_with("/containers/") && path.ends_with("/json") => {
            let inspected = inspect::parse(body).unwrap();
            let _ = writeln!(text, "  {:?} started {:?}", inspected.state(), inspected.started_at());
            let name_of = |id: &str| Some(format!("name of {id}"));
            facts(&mut text, &inspected.attributes(0, inspect::Kept::default(), name_of));
        }
        other => panic!("{}: nobody says what {other} is", reply.name),
    }
    text
}

async fn check(name: &str, quirks: Quirks, at_least: usize) {
    let directory = path(name);
    let replies = recorded(&directory);
    assert!(replies.len() >= at_least, "{name}: {} replies", replies.len());
    let mut text = String::new();
    for reply in &replies {
        let _ = writeln!(text, "{}: {} {}", reply.name, reply.status, reply.path);
        text.push_str(&understood(&directory, reply, quirks).await);
    }
    let expected = directory.join("expect.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&expected, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&expected).unwrap_or_default();
    for (given, expected) in text.lines().zip(expected.lines()) {
        assert_eq!(given, expected, "{name}: UPDATE=1 writes expect.txt anew");
    }
    assert_eq!(text.lines().count(), expected.lines().count(), "{name}: UPDATE=1 writes expect.txt anew");
}

#[tokio::test(start_paused = true)]
async fn every_recorded_reply_of_the_swarm_is_understood_as_expected() {
    check("docker-swarm", Quirks::default(), 22).await;
}

#[tokio::test(start_paused = true)]
async fn every_recorded_reply_of_podman_is_understood_as_expected() {
    check("podman-4.3", Quirks { is_podman: true, swaps_network: true }, 55).await;
}
