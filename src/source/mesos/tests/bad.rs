//! Answers that are none: clear outcomes, nothing recorded of them.

use super::fixture::*;
use crate::model::Outcome;
use crate::source::http::{Canned, CannedReply};
use crate::source::mesos::numbers::{Numbers, is_counter, parse_metrics, parse_snapshot};

async fn poll_snapshot(body: &str) -> crate::source::Observed {
    let world = World::new();
    let canned = Canned::new();
    canned.set("/version", CannedReply::ok(r#"{"version":"0.28.0"}"#));
    canned.set(SNAPSHOT, CannedReply::ok(body.to_owned()));
    let mut masters = world.masters(vec![("m:5050", canned)]);
    world.poll(&mut masters).await
}

#[tokio::test]
async fn a_reply_that_is_no_metrics_is_malformed() {
    for body in ["<html><body>proxy</body></html>", "{\"a\":NaN}", "{\"a\":1e400}", "{\"a\":\"1\"}", "[1]", ""] {
        let observed = poll_snapshot(body).await;
        assert_eq!(observed.outcome, Outcome::Malformed, "{body}");
        assert!(observed.batches.is_empty());
        let error = observed.error.unwrap();
        assert!(error.contains("/metrics/snapshot"), "{error}");
    }
}

#[tokio::test]
async fn a_name_given_twice_is_told_and_the_first_holds() {
    let observed =
        poll_snapshot(r#"{"master/elected":1.0,"master/tasks_running":3.0,"master/tasks_running":4.0}"#).await;
    assert_eq!(observed.outcome, Outcome::Partial);
    assert_eq!(observed.missing, ["master/tasks_running of m:5050, which it gives twice"]);
    assert_eq!(value(&observed, "mesos_cluster", "c", "tasks_running"), crate::model::Value::Int(3));
}

#[tokio::test]
async fn credentials_that_are_wanted_or_wrong_are_said_to_be() {
    let world = World::new();
    for which in ["none", "bad"] {
        let canned = Canned::new();
        canned.set("/version", CannedReply::ok(read(&format!("mesos/auth/get_version_{which}.json"))));
        canned.set(METRICS, CannedReply::with_status(401, read(&format!("mesos/auth/post_GET_METRICS_{which}.txt"))));
        let mut masters = world.masters(vec![("m:5053", canned)]);
        let observed = world.poll(&mut masters).await;
        assert_eq!(observed.outcome, Outcome::Unauthorized);
        assert!(observed.error.unwrap().contains("credentials"));
    }
    let canned = Canned::new();
    canned.set("/version", CannedReply::ok(read("mesos/auth/get_version_good.json")));
    canned.set(METRICS, CannedReply::ok(read("mesos/auth/post_GET_METRICS_good.json")));
    canned.set(&call("GET_MASTER"), CannedReply::ok(read("mesos/master/post_GET_MASTER.json")));
    let mut masters = world.masters(vec![("m:5053", canned)]);
    assert_eq!(world.poll(&mut masters).await.outcome, Outcome::Ok);
}

#[tokio::test]
async fn a_redirect_loop_ends_at_once() {
    let world = World::new();
    let looping = |to: &str| {
        let canned = Canned::new();
        canned.set("/version", CannedReply::ok(r#"{"version":"1.3.0"}"#));
        canned.set(METRICS, redirect(&format!("//{to}/master/api/v1")));
        canned.set(SNAPSHOT, redirect(&format!("//{to}/metrics/snapshot")));
        canned
    };
    let mut masters = world.masters(vec![("a:1", looping("b:1")), ("b:1", looping("a:1"))]);
    let observed = world.poll(&mut masters).await;
    assert_eq!(observed.outcome, Outcome::Status);
    for process in masters.processes() {
        assert_eq!(canned(process).take_requests().len(), 3, "nothing was followed");
    }
}

#[tokio::test]
async fn a_state_that_is_too_large_is_refused_and_harms_nobody() {
    let world = World::new();
    let server = recorded("master");
    let mut masters = world.masters(vec![("localhost:5050", server)]);
    world.poll(&mut masters).await;
    let large = vec![b' '; world.settings.reply_max_bytes + 1];
    canned(&masters.processes()[0]).set(&call("GET_TASKS"), CannedReply::ok(large));
    let observed = world.poll(&mut world.tasks()).await;
    assert_eq!(observed.outcome, Outcome::TooLarge);
    assert_eq!(world.poll(&mut masters).await.outcome, Outcome::Ok);
}

#[test]
fn odd_numbers_of_metrics_are_kept_apart() {
    let numbers = parse_metrics(
        br#"{"get_metrics":{"metrics":[{"name":"a","value":1.0},{"name":"late"},{"name":"a","value":2}]}}"#,
    );
    let numbers = numbers.unwrap();
    assert_eq!((numbers.len(), numbers.get("a"), numbers.get("late")), (1, Some(1.0), None));
    assert_eq!(numbers.repeated, ["a"]);
    assert_eq!(parse_snapshot(b"{}").unwrap(), Numbers::default());
    assert!(parse_metrics(&read("mesos/master/post_GET_METRICS_no_get_metrics.txt")).is_err());
}

#[test]
fn counters_are_told_from_gauges_by_their_names() {
    for name in [
        "master/messages_register_framework",
        "master/task_failed/source_slave/reason_container_limitation_memory",
        "master/frameworks/a%2Fb/0010/calls/accept",
        "slave/valid_status_updates",
        "containerizer/mesos/container_destroy_errors",
        "allocator/mesos/allocation_runs",
    ] {
        assert!(is_counter(name), "{name}");
    }
    for name in [
        "allocator/mesos/allocation_run_ms/count",
        "allocator/mesos/roles/a/b/shares/dominant",
        "gc/path_removals_pending",
        "master/cpus_percent",
        "registrar/state_store_ms/p99",
        "allocator/mesos/offer_filters/roles/web/active",
    ] {
        assert!(!is_counter(name), "{name}");
    }
}
