//! Events: what a line means, and what polls make of a stream that ends and begins again.

use std::sync::Arc;
use std::time::Duration;

use super::fixture;
use crate::clock::{Clock, ManualClock};
use crate::model::{Observation, Severity, TargetName, Timestamp};
use crate::source::docker::events::{self, Told};
use crate::source::docker::follow::EVENTS_WAITING_MAX;
use crate::source::docker::{Docker, Settings};
use crate::source::http::{Canned, CannedReply, Http};
use crate::source::{Observed, Source, Visit};

const START_S: i64 = 1_795_204_800;
const FILTERS: &str = "&filters=%7B%22type%22%3A%5B%22container%22%2C%22image%22%5D%7D";

fn told(name: &str) -> Vec<Told> {
    fixture(name).split(|byte| *byte == b'\n').filter_map(|line| events::parse(line).unwrap()).collect()
}

#[test]
fn every_recorded_event_has_its_meaning_and_exec_has_none() {
    let target = TargetName::new("docker", "node-1");
    let events: Vec<_> = told("docker-quirks/events.ndjson").iter().filter_map(|told| told.event(&target, 0)).collect();
    let count = |event_type: &str| events.iter().filter(|event| event.event_type == event_type).count();
    for (event_type, expected) in [
        ("container_created", 4),
        ("container_started", 5),
        ("container_died", 5),
        ("container_oom", 1),
        ("container_killed", 4),
        ("container_health_changed", 2),
        ("container_renamed", 1),
        ("container_removed", 4),
        ("image_tagged", 1),
        ("image_untagged", 1),
    ] {
        assert_eq!(count(event_type), expected, "{event_type}");
    }
    assert_eq!(events.len(), 28);
    assert!(events.iter().all(|event| crate::model::event::EVENT_TYPES.contains(&event.event_type)));
    let find = |event_type: &str, name: &str| {
        let wanted = Some(&name.into());
        events.iter().find(|event| event.event_type == event_type && event.details.get("name") == wanted).unwrap()
    };
    let died = find("container_died", "ev1");
    assert_eq!(died.at, Timestamp::from_ms(1_795_206_561_989));
    assert_eq!(died.message, "container ev1 died with exit code 3");
    assert_eq!(died.severity, Severity::Warning);
    assert_eq!(died.details.get("exit_code"), Some(&3.into()));
    assert_eq!(died.entity.as_ref().unwrap().part(0), "node-1");
    assert!(died.source_id.starts_with("1795206561989036836/54d9928780c4"));
    assert_eq!(find("container_killed", "ev3").details.get("signal"), Some(&"9".into()));
    assert_eq!(find("container_renamed", "ev3b").details.get("old_name"), Some(&"ev3".into()));
    assert_eq!(find("container_health_changed", "ev4").kind, Some("container"));
    let mut ids: Vec<_> = events.iter().map(|event| &event.source_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), events.len());
}

#[test]
fn podmans_events_have_other_words() {
    let target = TargetName::new("docker", "pod-1");
    let events: Vec<_> =
        told("podman-4.3/v1.41/events_since_only.ndjson").iter().filter_map(|told| told.event(&target, 0)).collect();
    let count = |event_type: &str| events.iter().filter(|event| event.event_type == event_type).count();
    assert_eq!(count("container_removed"), 2, "the third is of a pod");
    assert_eq!(count("container_died"), 2);
    assert_eq!(count("image_tagged"), 0, "podman tells of a pull at each start");
    // An exit code stands in every event of podman's; only that of an end counts.
    let started = events.iter().find(|event| event.event_type == "container_started").unwrap();
    assert!(!started.details.contains_key("exit_code"));
}

#[test]
fn old_engines_say_no_type_and_no_nanoseconds() {
    let target = TargetName::new("docker", "old");
    let event = |line: &str| events::parse(line.as_bytes()).unwrap().and_then(|told| told.event(&target, 0));
    let died = event(r#"{"status":"die","id":"a1","from":"bb","time":1449200000}"#).unwrap();
    assert_eq!((died.event_type, died.at), ("container_died", Timestamp::from_ms(1_449_200_000_000)));
    assert_eq!(event(r#"{"status":"pull","id":"bb:1","time":1449200000}"#).unwrap().event_type, "image_tagged");
    assert_eq!(event(r#"{"status":"exec_start: x","id":"a1","time":1449200000}"#), None);
    assert_eq!(event(r#"{"Type":"network","Action":"connect","timeNano":1}"#), None);
    assert!(events::parse(b"<html>").is_err());
}

/// An engine with no containers and a stream of events that goes on with what a test puts there.
struct Engine {
    docker: Docker,
    clock: Clock,
}

fn line(action: &str, id: &str, ns: i64) -> String {
    let ns = START_S * 1_000_000_000 + ns;
    format!(
        r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"{id}","Attributes":{{"name":"job","image":"bb","team":"blue","exitCode":"4"}}}},"timeNano":{ns}}}"#
    ) + "\n"
}

fn since(ns: i64) -> String {
    format!(
        "/v1.41/events?since={}.{:09}{FILTERS}",
        START_S + ns.div_euclid(1_000_000_000),
        ns.rem_euclid(1_000_000_000)
    )
}

const S: i64 = 1_000_000_000;

impl Engine {
    fn new() -> Engine {
        let canned = Canned::new();
        canned.set("/_ping", CannedReply::ok("OK"));
        canned.set("/version", CannedReply::ok(r#"{"ApiVersion":"1.41"}"#));
        canned.set("/v1.41/containers/json?all=1", CannedReply::ok("[]"));
        canned.set("/v1.41/info", CannedReply::ok("{}"));
        canned.set("/v1.41/system/df", CannedReply::ok("{}"));
        canned.set_streams_stay_open(true);
        let clock = Clock::Manual(ManualClock::starting_at(Timestamp::from_ms(START_S * 1_000)));
        let docker = Docker::with_http(Settings::new("node-1", "unix:///x"), clock.clone(), Http::Canned(canned));
        Engine { docker, clock }
    }

    fn canned(&self) -> &Canned {
        match &*self.docker.http {
            Http::Canned(canned) => canned,
            Http::Live(_) => panic!("not canned"),
        }
    }

    async fn poll(&mut self) -> Observed {
        self.docker.poll(Visit { started: self.clock.now(), timeout: Duration::from_secs(8) }).await
    }

    async fn poll_later(&mut self) -> Observed {
        tokio::time::sleep(Duration::from_secs(10)).await;
        self.poll().await
    }
}

fn types(observed: &Observed) -> Vec<&'static str> {
    observed.events.iter().map(|event| event.event_type).collect()
}

fn containers(observed: &Observed) -> &[Observation] {
    &observed.batches.iter().find(|batch| batch.kind.name == "container").unwrap().observations
}

#[tokio::test(start_paused = true)]
async fn a_container_that_lives_and_dies_between_two_polls_is_known_by_its_events() {
    let mut engine = Engine::new();
    let lines =
        [line("create", "a1", S), line("start", "a1", 2 * S), line("die", "a1", 3 * S), line("destroy", "a1", 4 * S)];
    engine.canned().set(&since(0), CannedReply::ok(lines.concat()).after(Duration::from_secs(1)));
    let first = engine.poll().await;
    assert!(first.events.is_empty() && containers(&first).is_empty());
    let second = engine.poll_later().await;
    assert_eq!(types(&second), ["container_created", "container_started", "container_died", "container_removed"]);
    let [seen] = containers(&second) else { panic!("{:?}", containers(&second)) };
    assert_eq!(seen.identity.parts(), ["node-1".into(), "a1".into()]);
    assert_eq!(seen.ended, Some(Timestamp::from_ms((START_S + 3) * 1_000)));
    assert_eq!(seen.sample, None);
    let facts = seen.attributes.as_ref().unwrap();
    assert_eq!(facts.get("name"), Some(&"job".into()));
    assert_eq!(facts.get("exit_code"), Some(&4.into()));
    assert_eq!(facts.get("state"), Some(&"exited".into()));
    assert_eq!(
        facts.get("labels"),
        Some(&std::collections::BTreeMap::from([("team".to_owned(), "blue".to_owned())]).into())
    );
    // Once is enough.
    let third = engine.poll_later().await;
    assert!(third.events.is_empty() && containers(&third).is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_that_is_still_there_when_its_event_comes_is_inspected() {
    let mut engine = Engine::new();
    let lines = [line("start", "a1", S), line("die", "a1", 2 * S)];
    engine.canned().set(&since(0), CannedReply::ok(lines.concat()));
    let inspect = r#"{"Name":"/job","Args":["-v"],"Path":"run","State":{"Status":"running"}}"#;
    engine.canned().set("/v1.41/containers/a1/json", CannedReply::ok(inspect));
    engine.poll().await;
    let second = engine.poll_later().await;
    let facts = containers(&second)[0].attributes.as_ref().unwrap();
    assert_eq!(facts.get("command"), Some(&"run -v".into()));
    assert_eq!(facts.get("state"), Some(&"exited".into()));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_or_doubled_across_a_connection_that_ends() {
    let mut engine = Engine::new();
    engine.canned().set_streams_stay_open(false);
    let (a, b, c) = (line("start", "a1", 5 * S), line("kill", "a1", 5 * S), line("die", "a1", 6 * S));
    engine.canned().set(&since(0), CannedReply::ok([a.clone(), b.clone()].concat()));
    // The next connection begins a little before the newest event, and tells it again.
    engine.canned().set(&since(3 * S), CannedReply::ok([a, b, c.clone()].concat()));
    engine.canned().set(&since(4 * S), CannedReply::ok(c));
    engine.poll().await;
    let mut all = types(&engine.poll_later().await);
    all.extend(types(&engine.poll_later().await));
    assert_eq!(all, ["container_started", "container_killed", "container_died"]);
}

#[tokio::test(start_paused = true)]
async fn events_that_came_before_a_failed_poll_are_delivered_and_their_containers_later() {
    let mut engine = Engine::new();
    engine.canned().set(&since(0), CannedReply::ok(line("die", "a1", S)));
    engine.poll().await;
    engine.canned().set("/v1.41/containers/json?all=1", CannedReply::with_status(500, "{}"));
    let failed = engine.poll_later().await;
    assert_eq!(types(&failed), ["container_died"]);
    assert!(failed.batches.is_empty());
    engine.canned().set("/v1.41/containers/json?all=1", CannedReply::ok("[]"));
    let good = engine.poll_later().await;
    assert!(good.events.is_empty());
    assert_eq!(containers(&good).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn too_many_events_drop_the_oldest_and_say_so() {
    let mut engine = Engine::new();
    let many = i64::try_from(EVENTS_WAITING_MAX).unwrap() + 3;
    let lines: String = (0..many).map(|n| line("pause", "a1", n)).collect();
    engine.canned().set(&since(0), CannedReply::ok(lines));
    engine.poll().await;
    let second = engine.poll_later().await;
    let told = second.events.iter().find(|event| event.event_type == "limit_hit").unwrap();
    assert_eq!(told.details.get("lost"), Some(&3.into()));
}

#[tokio::test(start_paused = true)]
async fn lines_that_cannot_be_read_are_counted_and_the_others_kept() {
    let mut engine = Engine::new();
    let long = format!("\"{}\"\n", "x".repeat(2 * 1024 * 1024));
    engine.canned().set(&since(0), CannedReply::ok(["<html>\n", &long, &line("oom", "a1", S)].concat()));
    engine.poll().await;
    let second = engine.poll_later().await;
    assert_eq!(types(&second), ["container_oom"]);
    assert_eq!(second.missing, ["2 unreadable events"]);
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_its_source() {
    let mut engine = Engine::new();
    engine.poll().await;
    let http = Arc::downgrade(&engine.docker.http);
    drop(engine);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(http.upgrade().is_none());
}
