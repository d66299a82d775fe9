//! The recorded swarm, and engines that are in none.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::model::{AttributeValue, Timestamp, Value};
use crate::source::http::{Canned, CannedReply};

fn fixture(name: &str) -> CannedReply {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/docker-swarm").join(name);
    CannedReply::ok(std::fs::read(path).unwrap())
}

fn swarm(canned: Canned) -> Swarm {
    Swarm::with_http(Settings::new("node-1", "http://node-1"), Clock::System, Http::Canned(canned))
}

async fn poll(swarm: &mut Swarm) -> Observed {
    swarm.poll(Visit { started: Timestamp::from_ms(0), timeout: Duration::from_secs(8) }).await
}

/// Name, desired, running, failed, pending of each service.
fn services(observed: &Observed) -> Vec<(String, Value, Value, Value, Value)> {
    let value = |seen: &Observation, name: &str| {
        seen.sample.as_ref().unwrap().values[SWARM_SERVICE.column_index(name).unwrap()]
    };
    let mut found: Vec<_> = observed.batches[1]
        .observations
        .iter()
        .map(|seen| {
            let name = match &seen.attributes.as_ref().unwrap()["name"] {
                AttributeValue::Text(name) => name.clone(),
                other => panic!("{other:?}"),
            };
            let [desired, running, failed, pending] =
                ["desired", "running", "failed", "pending"].map(|name| value(seen, name));
            (name, desired, running, failed, pending)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[tokio::test]
async fn the_recorded_swarm_has_its_services_and_node() {
    let canned = Canned::new();
    canned.set("/nodes", fixture("nodes.json"));
    canned.set("/services", fixture("services.json"));
    canned.add("/tasks", CannedReply::ok("[]"));
    canned.add("/tasks", fixture("tasks.json"));
    let hosts = HostNames::new([("vm".to_owned(), "node-7".to_owned())]);
    let mut swarm = swarm(canned).naming(hosts);
    let first = poll(&mut swarm).await;
    assert_eq!((first.outcome, first.events.len()), (Outcome::Ok, 0));
    let second = poll(&mut swarm).await;
    let row = |name: &str, numbers: [i64; 4]| {
        let [desired, running, failed, pending] = numbers.map(Value::Int);
        (name.to_owned(), desired, running, failed, pending)
    };
    let seen = services(&second);
    assert!(seen.contains(&row("web", [2, 2, 0, 0])), "{seen:?}");
    assert!(seen.contains(&row("pub", [1, 1, 0, 0])), "{seen:?}");
    assert!(seen.contains(&row("globl", [1, 1, 0, 0])), "{seen:?}");
    assert!(seen.contains(&row("toobig", [1, 0, 0, 1])), "{seen:?}");
    assert_eq!(seen.len(), 6);
    let node = &second.batches[0].observations[0];
    assert_eq!(node.attributes.as_ref().unwrap()["name"], "node-7".into());
    assert_eq!(node.attributes.as_ref().unwrap()["hostname"], "vm".into());
    assert_eq!(node.attributes.as_ref().unwrap()["role"], "manager".into());
    assert_eq!(node.sample.as_ref().unwrap().values[1..], [Value::Int(2_000_000_000), Value::Int(25_276_502_016)]);
    assert!(!second.events.is_empty(), "the failing service's tasks");
    for event in &second.events {
        assert_eq!(event.event_type, "task_failed");
        assert_eq!(event.details["exit_code"], 5.into());
        assert_eq!(event.details["service"], "failing".into());
        assert!(event.message.contains("non-zero exit (5)"), "{}", event.message);
    }
    assert!(poll(&mut swarm).await.events.is_empty(), "told once");
}

#[tokio::test]
async fn an_engine_that_is_no_manager_has_nothing_to_tell() {
    let canned = Canned::new();
    canned.set("/nodes", CannedReply::with_status(503, r#"{"message":"This node is not a swarm manager."}"#));
    let seen = poll(&mut swarm(canned)).await;
    assert_eq!(seen.outcome, Outcome::Ok);
    assert!(seen.batches.iter().all(|batch| batch.complete && batch.observations.is_empty()));
}

#[tokio::test]
async fn a_manager_that_cannot_answer_ends_nothing() {
    let canned = Canned::new();
    let locked = r#"{"message":"Swarm is encrypted and needs to be unlocked before it can be used."}"#;
    canned.set("/nodes", CannedReply::with_status(503, locked));
    let seen = poll(&mut swarm(canned)).await;
    assert_eq!(seen.outcome, Outcome::Status);
    assert!(seen.error.unwrap().contains("needs to be unlocked"));
    assert!(seen.batches.is_empty());
}

#[tokio::test]
async fn lists_are_told_together_or_not_at_all() {
    let canned = Canned::new();
    canned.set("/nodes", fixture("nodes.json"));
    canned.set("/services", fixture("services.json"));
    let no_manager = r#"{"message":"This node is not a swarm manager. Worker nodes can't be used."}"#;
    canned.set("/tasks", CannedReply::with_status(503, no_manager));
    let seen = poll(&mut swarm(canned)).await;
    assert!(
        seen.batches.iter().all(|batch| batch.complete && batch.observations.is_empty()),
        "no service with 0 tasks"
    );
}
