//! Mesos before 1.0: no operator API, `slave` words, the whole state for every list.

use std::time::Duration;

use super::fixture::*;
use crate::model::{Outcome, Timestamp, Value};
use crate::source::http::{Canned, CannedReply};

/// A master of 0.28, made of what articles print of one and of the state that later ones still give.
fn master(elected: u8) -> Canned {
    let mut metrics = json("articles/mesos_master_metrics_snapshot_excerpt.json");
    metrics["master/elected"] = elected.into();
    metrics["master/uptime_secs"] = 366.482.into();
    metrics["master/tasks_failed"] = 2.into();
    metrics["master/mem_total"] = 15024.into();
    let canned = Canned::new();
    canned.set("/version", CannedReply::ok(r#"{"build_date":"2016-03-17","git_tag":"0.28.0","version":"0.28.0"}"#));
    canned.set(SNAPSHOT, CannedReply::ok(metrics.to_string()));
    canned.set("/master/redirect", redirect("//10.0.0.1:5050"));
    canned.set("/master/state", CannedReply::ok(read("mesos/master/get_master_state.json")));
    canned
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_and_the_state_serve_where_there_is_no_operator_api() {
    let world = World::new();
    let mut masters = world.masters(vec![("10.0.0.1:5050", master(1)), ("10.0.0.2:5050", master(0))]);
    let observed = world.poll(&mut masters).await;
    assert_eq!(observed.outcome, Outcome::Ok, "{:?}", observed.missing);
    assert_eq!(value(&observed, "mesos_cluster", "c", "memory_capacity_bytes"), Value::Int(15_024 << 20));
    assert_eq!(value(&observed, "mesos_cluster", "c", "tasks_failed_total"), Value::Int(2));
    assert_eq!(value(&observed, "mesos_cluster", "c", "tasks_running"), Value::Null, "not told is not none");
    assert_eq!(value(&observed, "mesos_master", "10.0.0.1:5050", "system_load_5m"), Value::Int(370));
    assert_eq!(attributes(&observed, "mesos_cluster", "c").get("version").cloned(), text("0.28.0"));

    let mut tasks = world.tasks();
    let observed = world.poll(&mut tasks).await;
    assert_eq!(observed.outcome, Outcome::Ok, "{:?}", observed.error);
    let seen = all(&observed, "mesos_task");
    assert_eq!(seen.iter().filter(|task| task.ended.is_none()).count(), 7);
    assert_eq!(value(&observed, "mesos_task", "burner", "cpus_allocated"), Value::Int(300));
    let facts = attributes(&observed, "mesos_task", "burner");
    assert_eq!(facts.get("container_id").cloned(), text("b07f7efa-caa8-477d-8ecd-0dc35e0aeafa"));
    assert_eq!(facts.get("executor").cloned(), text("burner"));
    let framework = "e64742f5-5bc4-4011-afc0-70b710eb8c26-0008";
    assert_eq!(value(&observed, "mesos_framework", framework, "memory_allocated_bytes"), Value::Int(96 << 20));
    // The state tells when the leader was elected.
    assert_eq!(world.shared.leader().unwrap().elected, Some(Timestamp::from_ms(1_795_209_335_569)));

    // At most once a minute.
    let server = canned(&masters.processes()[0]);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(world.poll(&mut tasks).await.outcome, Outcome::Skipped);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(world.poll(&mut tasks).await.outcome, Outcome::Ok);
    let asked = server.take_requests();
    assert_eq!(asked.iter().filter(|path| path.contains("state")).count(), 2);
    assert!(asked.iter().all(|path| !path.starts_with("POST")), "{asked:?}");
}

#[tokio::test]
async fn an_old_agent_is_read_by_its_endpoints() {
    let world = World::new();
    let canned_agent = Canned::new();
    canned_agent.set("/version", CannedReply::ok(r#"{"version":"0.28.2"}"#));
    canned_agent.set(SNAPSHOT, CannedReply::ok(read("articles/mesos_agent_metrics_snapshot_excerpt.json")));
    canned_agent.set("/monitor/statistics.json", CannedReply::ok(read("mesos/agent/get_monitor_statistics.json")));
    canned_agent.set("/state.json", CannedReply::ok(read("mesos/agent/get_state.json")));
    let mut agents = world.agents(vec![("10.0.1.1:5051", canned_agent)]);
    let observed = world.poll(&mut agents).await;
    assert_eq!(observed.outcome, Outcome::Ok, "{:?}", observed.missing);
    let id = "e64742f5-5bc4-4011-afc0-70b710eb8c26-S0";
    assert_eq!(value(&observed, "mesos_agent", id, "memory_used_bytes"), Value::Int(42 << 20));
    assert_eq!(value(&observed, "mesos_agent", id, "tasks_failed_total"), Value::Int(6));
    assert_eq!(value(&observed, "mesos_agent", id, "gpus_capacity"), Value::Null, "there were none in 0.28");
    assert_eq!(all(&observed, "mesos_executor").len(), 6);
    assert_eq!(value(&observed, "mesos_executor", "sleeper", "cpu_user_seconds_total"), Value::Int(1_020_000_000));
}

#[tokio::test]
async fn a_master_that_refuses_the_operator_api_is_asked_otherwise() {
    let world = World::new();
    for refusal in ["get_api_v1", "content_type_with_charset"] {
        let server = recorded("master");
        let meta = json(&format!("mesos/errors/master_{refusal}.meta"));
        let status = u16::try_from(meta["status"].as_u64().unwrap()).unwrap();
        server.set(METRICS, CannedReply::with_status(status, read(&format!("mesos/errors/master_{refusal}.txt"))));
        let mut masters = world.masters(vec![("localhost:5050", server)]);
        let observed = world.poll(&mut masters).await;
        assert_eq!(observed.outcome, Outcome::Ok, "{refusal}: {:?}", observed.missing);
        assert_eq!(value(&observed, "mesos_cluster", "c", "tasks_running"), Value::Int(7));
    }
}
