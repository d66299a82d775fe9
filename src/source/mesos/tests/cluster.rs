//! Masters: who leads, whose numbers count, what a failover looks like.

use serde_json::Value as Json;

use super::fixture::*;
use crate::model::{Outcome, Timestamp, Value};
use crate::source::http::CannedReply;
use crate::source::mesos::kinds::{MESOS_CLUSTER, MESOS_MASTER};
use crate::source::mesos::numbers::{self, CLUSTER_COUNTS, CLUSTER_RESOURCES, MASTER, Scale};

const ELECTED: Timestamp = Timestamp::from_ms(1_795_209_335_569);

#[tokio::test]
async fn the_leaders_numbers_are_the_clusters_and_equal_what_the_reply_says() {
    let world = World::new();
    let mut masters =
        world.masters(vec![("localhost:5050", recorded("master")), ("localhost:5052", recorded("standby"))]);
    let observed = world.poll(&mut masters).await;
    assert_eq!(observed.outcome, Outcome::Ok, "{:?}", observed.missing);
    let reply = json("mesos/master/post_GET_METRICS_5s.json");
    let said = |name: &str| {
        let metrics = reply["get_metrics"]["metrics"].as_array().unwrap();
        metrics.iter().find(|metric| metric["name"] == name).unwrap_or_else(|| panic!("no {name}"))["value"]
            .as_f64()
            .unwrap()
    };
    for (name, stored, scale) in CLUSTER_RESOURCES.iter().chain(CLUSTER_COUNTS) {
        let column = MESOS_CLUSTER.columns.iter().find(|column| column.stored == *stored).unwrap();
        assert_eq!(value(&observed, "mesos_cluster", "c", column.name), scale.apply(said(name)), "{name}");
    }
    // Megabytes became bytes, CPUs thousandths.
    assert_eq!(value(&observed, "mesos_cluster", "c", "memory_capacity_bytes"), Value::Int(4096 << 20));
    assert_eq!(value(&observed, "mesos_cluster", "c", "memory_used_bytes"), Value::Int(336 << 20));
    assert_eq!(value(&observed, "mesos_cluster", "c", "cpus_used"), Value::Int(1_100));
    assert_eq!(value(&observed, "mesos_cluster", "c", "tasks_running"), Value::Int(7));
    assert_eq!(one(&observed, "mesos_cluster", "c").sample.as_ref().unwrap().since, Some(ELECTED));
    for (name, stored, scale) in MASTER {
        let column = MESOS_MASTER.columns.iter().find(|column| column.stored == *stored).unwrap();
        let expected = if name.ends_with("state_store_ms") { Scale::Milliseconds } else { *scale };
        assert_eq!(
            value(&observed, "mesos_master", "localhost:5050", column.name),
            expected.apply(said(name)),
            "{name}"
        );
    }
    let role = |address: &str| attributes(&observed, "mesos_master", address).get("role").cloned();
    assert_eq!((role("localhost:5050"), role("localhost:5052")), (text("leader"), text("standby")));
    let standby = attributes(&observed, "mesos_master", "localhost:5052");
    assert_eq!(standby.get("follows").cloned(), text("localhost:5050"));
    // The standby's own numbers, not the zeros that it shows of the cluster.
    assert_eq!(value(&observed, "mesos_master", "localhost:5052", "elected"), Value::Int(0));
    assert!(matches!(value(&observed, "mesos_master", "localhost:5052", "system_cpus"), Value::Int(1..)));
    assert_eq!(types(&observed), Vec::<&str>::new());
}

#[tokio::test]
async fn nothing_of_a_reply_is_dropped() {
    let world = World::new();
    let mut masters =
        world.masters(vec![("localhost:5050", recorded("master")), ("localhost:5052", recorded("standby"))]);
    let observed = world.poll(&mut masters).await;
    let metrics = world.poll(&mut world.metrics()).await;
    let filled = |kind: &str, last: &str| {
        one(&observed, kind, last).sample.as_ref().unwrap().values.iter().filter(|value| !value.is_null()).count()
    };
    let left = |address: &str| {
        let labels = format!("master=\"{address}\"");
        all(&metrics, "metric").iter().filter(|seen| seen.identity.part(2) == labels).count()
    };
    let said = json("mesos/master/post_GET_METRICS_5s.json")["get_metrics"]["metrics"].as_array().unwrap().len();
    assert_eq!(said, 929);
    let of_columns = filled("mesos_cluster", "c") + filled("mesos_master", "localhost:5050");
    assert_eq!(of_columns + left("localhost:5050"), said);
    assert_eq!(of_columns, CLUSTER_RESOURCES.len() + CLUSTER_COUNTS.len() + MASTER.len());
    let said = json("mesos/standby/get_metrics_snapshot.json").as_object().unwrap().len();
    assert_eq!(filled("mesos_master", "localhost:5052") + left("localhost:5052"), said);
    // Handed over once.
    assert_eq!(world.poll(&mut world.metrics()).await.outcome, Outcome::Unreachable);
}

#[test]
fn both_apis_give_the_same_names() {
    let snapshot = numbers::parse_snapshot(&read("mesos/master/get_metrics_snapshot_timeout_5secs.json")).unwrap();
    let metrics = numbers::parse_metrics(&read("mesos/master/post_GET_METRICS_5s.json")).unwrap();
    assert!(snapshot.len() > 800 && metrics.len() > 800);
    for fills in [CLUSTER_RESOURCES, CLUSTER_COUNTS, MASTER] {
        assert_eq!(snapshot.known(fills), fills.len());
        assert_eq!(metrics.known(fills), fills.len());
    }
}

#[tokio::test]
async fn a_failover_second_by_second() {
    let world = World::new();
    let mut masters =
        world.masters(vec![("localhost:5050", recorded("master")), ("localhost:5052", recorded("standby"))]);
    let before = world.poll(&mut masters).await;
    let last = one(&before, "mesos_cluster", "c").sample.clone().unwrap();

    // The leader is stopped; for the session's time the standby still leads clients to it.
    canned(&masters.processes()[0]).set_down(true);
    world.manual.step_ms(10_000);
    let during = world.poll(&mut masters).await;
    assert_eq!(during.outcome, Outcome::Partial);
    assert_eq!(types(&during), ["leader_changed"]);
    assert!(during.events[0].message.contains("localhost:5050 does not answer"), "{}", during.events[0].message);
    assert_eq!(one(&during, "mesos_cluster", "c").sample, None, "a standby's zeros are not the cluster's numbers");
    assert_eq!(attributes(&during, "mesos_master", "localhost:5050").get("role").cloned(), text("down"));
    assert!(during.batches[0].complete, "the cluster has not ended");
    world.manual.step_ms(1_000);
    assert_eq!(types(&world.poll(&mut masters).await), Vec::<&str>::new(), "told once");

    // The standby is elected.
    let new = canned(&masters.processes()[1]);
    new.set(SNAPSHOT, CannedReply::ok(read("mesos/failover/after_get_metrics_snapshot.json")));
    new.set(&call("GET_MASTER"), CannedReply::ok(read("mesos/failover/after_post_GET_MASTER.json")));
    new.set(METRICS, CannedReply::ok(read("mesos/master/post_GET_METRICS_5s.json")));
    let elected: Json = json("mesos/failover/after_post_GET_MASTER.json");
    let elected_ms = Scale::Milli.apply(elected["get_master"]["elected_time"].as_f64().unwrap()).int().unwrap();
    world.manual.step_ms(elected_ms - world.clock.now().ms() + 5_000);
    let after = world.poll(&mut masters).await;
    assert_eq!(types(&after), ["leader_changed"]);
    assert_eq!(after.events[0].at, Timestamp::from_ms(elected_ms), "by the source's own time");
    assert_eq!(after.events[0].details["leader"], "localhost:5052".into());
    let sample = one(&after, "mesos_cluster", "c").sample.clone().unwrap();
    assert_eq!(sample.since, Some(Timestamp::from_ms(elected_ms)));
    assert!(sample.since > Some(last.at), "the counters of the new leader are a new life");
    assert_eq!(after.missing.len(), 1, "only the old leader is missing: {:?}", after.missing);

    // The same leader at the next visit, now by the operator API: the same life.
    world.manual.step_ms(10_000);
    let next = world.poll(&mut masters).await;
    assert_eq!(one(&next, "mesos_cluster", "c").sample.as_ref().unwrap().since, sample.since);
    assert_eq!(types(&next), Vec::<&str>::new());
}

#[tokio::test]
async fn a_deposed_leader_that_does_not_know_it_is_not_believed() {
    let world = World::new();
    let old = recorded("master");
    let new = recorded("master");
    let office = |elected: &str| {
        let body = String::from_utf8(read("mesos/master/post_GET_MASTER.json")).unwrap();
        CannedReply::ok(body.replace("1795209335.569341", elected))
    };
    new.set(&call("GET_MASTER"), office("1795209600.5"));
    let mut masters = world.masters(vec![("a:5050", old), ("b:5050", new)]);
    let observed = world.poll(&mut masters).await;
    assert_eq!(attributes(&observed, "mesos_cluster", "c").get("leader").cloned(), text("b:5050"));
    assert_eq!(attributes(&observed, "mesos_master", "a:5050").get("role").cloned(), text("deposed"));
    // Cut off from us, the new one leads still.
    canned(&masters.processes()[1]).set_down(true);
    let observed = world.poll(&mut masters).await;
    assert_eq!(one(&observed, "mesos_cluster", "c").sample, None);
    assert_eq!(types(&observed), ["leader_changed"]);
}

#[tokio::test]
async fn no_leader_and_one_that_is_not_ready() {
    let world = World::new();
    let mut masters = world.masters(vec![("localhost:5055", recorded("no_leader"))]);
    let observed = world.poll(&mut masters).await;
    assert_eq!(observed.outcome, Outcome::Partial);
    assert!(observed.missing[0].contains("no master leads"), "{:?}", observed.missing);
    assert_eq!(attributes(&observed, "mesos_master", "localhost:5055").get("role").cloned(), text("standby"));

    let mut masters = world.masters(vec![("localhost:5054", recorded("leading_not_recovered"))]);
    let observed = world.poll(&mut masters).await;
    assert_eq!(observed.outcome, Outcome::Partial);
    assert!(observed.missing[0].contains("not ready"), "{:?}", observed.missing);
    assert_eq!(attributes(&observed, "mesos_master", "localhost:5054").get("role").cloned(), text("recovering"));
    assert_eq!(one(&observed, "mesos_cluster", "c").sample, None, "its zeros are not the cluster's numbers");
}

#[tokio::test]
async fn an_incomplete_answer_is_told_and_what_came_is_kept() {
    let world = World::new();
    let mut masters = world.masters(vec![("localhost:5050", recorded("master"))]);
    assert_eq!(world.poll(&mut masters).await.outcome, Outcome::Ok);
    let server = canned(&masters.processes()[0]);
    let incomplete = read("mesos/timeout_5ns_under_load/master_GET_METRICS_5ns_incomplete.json");
    server.set(METRICS, CannedReply::ok(incomplete.clone()));
    world.manual.step_ms(10_000);
    let observed = world.poll(&mut masters).await;
    let came = numbers::parse_metrics(&incomplete).unwrap();
    let lost: usize =
        [MASTER, CLUSTER_RESOURCES, CLUSTER_COUNTS].iter().map(|fills| fills.len() - came.known(fills)).sum();
    assert!(lost > 0);
    assert_eq!(observed.outcome, Outcome::Partial);
    assert_eq!(observed.missing, [format!("{lost} metrics of master localhost:5050")]);
}

#[tokio::test]
async fn the_leader_is_recognised_by_itself_when_the_redirect_leads_elsewhere() {
    let world = World::new();
    let standby = recorded("standby");
    standby.set("/master/redirect", redirect("//other.example:5050"));
    standby.set(METRICS, redirect("//other.example:5050/master/api/v1"));
    let mut masters = world.masters(vec![("localhost:5052", standby)]);
    let observed = world.poll(&mut masters).await;
    let missing = observed.missing.join(" ");
    assert!(missing.contains("other.example:5050") && missing.contains("add it to `masters`"), "{missing}");
    // No request went anywhere else.
    let asked = canned(&masters.processes()[0]).take_requests();
    assert!(asked.iter().all(|path| !path.contains("other.example")), "{asked:?}");
}
