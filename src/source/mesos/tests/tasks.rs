//! The leader's lists: tasks with their ends, frameworks, agents that come and go.

use std::time::Duration;

use super::fixture::*;
use crate::model::{AttributeValue, Event, Outcome, Severity, Timestamp, Value};
use crate::source::attribution::{Allocated, container_id_in_name};
use crate::source::http::CannedReply;

async fn with_leader(world: &World) -> crate::source::mesos::Masters {
    let mut masters = world.masters(vec![("localhost:5050", recorded("master"))]);
    world.poll(&mut masters).await;
    masters
}

#[tokio::test]
async fn tasks_carry_their_allocation_and_to_what_they_belong() {
    let world = World::new();
    let masters = with_leader(&world).await;
    let mut tasks = world.tasks();
    let observed = world.poll(&mut tasks).await;
    assert_eq!(observed.outcome, Outcome::Ok, "{:?}", observed.error);
    let seen = all(&observed, "mesos_task");
    assert_eq!(seen.iter().filter(|task| task.ended.is_none()).count(), 7);
    // One task of the five that ended has the id of a living one, under another framework.
    assert_eq!(seen.iter().filter(|task| task.ended.is_some()).count(), 5);

    let shop = "shop_api.instance-0b1c2d3e-1111-11ee-a000-0242ac110002._app.1";
    let living = seen.iter().find(|task| task.identity.part(2) == shop && task.ended.is_none()).unwrap();
    let facts = living.attributes.as_ref().unwrap();
    assert_eq!(facts.get("app").cloned(), text("/shop/api"));
    assert_eq!(facts.get("container_id").cloned(), text("3d8d5583-702b-46c1-b6eb-46df523021b0"));
    assert_eq!(facts.get("agent").cloned(), text("e64742f5-5bc4-4011-afc0-70b710eb8c26-S0"));
    assert_eq!(facts.get("host").cloned(), text("localhost"));
    assert_eq!(facts.get("image").cloned(), text("bb:1.0"));
    assert_eq!(facts.get("started_at"), Some(&AttributeValue::Time(Timestamp::from_ms(1_795_209_691_241))));
    let values = &living.sample.as_ref().unwrap().values;
    assert_eq!(values[..3], [Value::Int(100), Value::Int(32 << 20), Value::Null]);
    assert_eq!(value(&observed, "mesos_task", "burner", "cpus_allocated"), Value::Int(300));
    assert_eq!(attributes(&observed, "mesos_task", "burner").get("role").cloned(), text("batch/night"));
    let pod = attributes(&observed, "mesos_task", "pod.a");
    assert_eq!(pod.get("container_parent").cloned(), text("a9c675ba-5c4a-4cf7-ab9f-0d3549b952c5"));

    // The name that Docker shows leads to the same facts, whatever hosts are called.
    let names = json("mesos/docker/containers_json_all.json");
    let known: Vec<_> = names
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["Names"][0].as_str()?.strip_prefix('/'))
        .filter(|name| container_id_in_name(name).is_some())
        .map(|name| world.book.of_name(name).unwrap_or_else(|| panic!("{name}")))
        .collect();
    assert_eq!(known.len(), 4);
    let shop = world.book.of_id("3d8d5583-702b-46c1-b6eb-46df523021b0").unwrap();
    assert_eq!(shop.allocated, Allocated { cpu_milli: Some(100), memory_bytes: Some(32 << 20) });
    // One that has ended keeps what it had, and a pod's executor has what its two tasks have.
    assert!(known.iter().all(|belongs| belongs.allocated.memory_bytes.is_some()));
    let [pod_a, pod_b] = ["pod.a", "pod.b"].map(|id| value(&observed, "mesos_task", id, "memory_allocated_bytes"));
    let executor = world.book.of_id("a9c675ba-5c4a-4cf7-ab9f-0d3549b952c5").unwrap();
    assert_eq!(executor.allocated.memory_bytes, Some(pod_a.int().unwrap() + pod_b.int().unwrap()));
    assert_eq!(known.iter().filter(|belongs| belongs.app.as_deref() == Some("/shop/api")).count(), 2);
    assert!(
        known.iter().all(|belongs| belongs.task.is_some() && belongs.framework.is_some() && belongs.agent.is_some())
    );

    // Never the whole state of a master of 1.x.
    let asked = canned(&masters.processes()[0]).take_requests();
    assert!(asked.iter().all(|path| !path.contains("state")), "{asked:?}");
}

#[tokio::test]
async fn an_end_is_the_tasks_own_and_told_once() {
    let world = World::new();
    let _masters = with_leader(&world).await;
    let mut tasks = world.tasks();
    let observed = world.poll(&mut tasks).await;
    let failer = one(&observed, "mesos_task", "failer");
    let facts = failer.attributes.as_ref().unwrap();
    // The master adds later that the framework went; the task had failed before.
    assert_eq!(facts.get("state").cloned(), text("TASK_FAILED"));
    assert_eq!(facts.get("exit_status"), Some(&AttributeValue::Integer(3)));
    let oomed = attributes(&observed, "mesos_task", "oomed");
    assert_eq!(oomed.get("exit").cloned(), text("REASON_CONTAINER_LIMITATION_MEMORY"));
    let ended = failer.ended.unwrap();
    assert!(ended < Timestamp::from_ms(1_795_209_407_104), "before its framework was removed: {ended}");
    assert_eq!(failer.sample, None);
    let failures: Vec<_> = observed.events.iter().filter(|event| event.event_type == "task_failed").collect();
    let of_failer = failures.iter().find(|event| event.entity.as_ref().unwrap().part(2) == "failer").unwrap();
    assert_eq!(of_failer.at, ended);
    assert_eq!(of_failer.details["exit_status"], AttributeValue::Integer(3));
    assert!(failures.iter().any(|event| event.entity.as_ref().unwrap().part(2) == "oomed"));
    let of_task = |id: &str| {
        let is_of = |event: &&Event| event.entity.as_ref().is_some_and(|entity| entity.part(2) == id);
        observed.events.iter().filter(is_of).map(|event| event.details["state"].clone()).collect::<Vec<_>>()
    };
    // Not what the master says of it after its end.
    assert_eq!(of_task("failer"), ["TASK_STARTING".into(), "TASK_RUNNING".into(), "TASK_FAILED".into()]);
    assert_eq!(of_task("killed").len(), 4);
    assert!(observed.events.iter().all(|event| !event.message.contains('\n')), "one sentence each");

    let count = observed.events.len();
    assert!(count >= 14 + 5, "{count}");
    world.manual.step_ms(60_000);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let again = world.poll(&mut tasks).await;
    if again.outcome == Outcome::Ok {
        assert_eq!(types(&again), Vec::<&str>::new());
        assert_eq!(all(&again, "mesos_task").len(), 7);
    } else {
        assert_eq!(again.outcome, Outcome::Skipped);
    }
}

#[tokio::test]
async fn a_state_that_is_no_failure_is_told_with_its_own_time() {
    let world = World::new();
    let _masters = with_leader(&world).await;
    let observed = world.poll(&mut world.tasks()).await;
    let told = |id: &str| -> Vec<(i64, &str, Severity, String)> {
        let is_of = |event: &&Event| event.entity.as_ref().is_some_and(|entity| entity.part(2) == id);
        let of_task = observed.events.iter().filter(is_of);
        of_task.map(|event| (event.at.ms(), event.event_type, event.severity, event.message.clone())).collect()
    };
    let state = |ms: i64, message: &str| (ms, "task_state", Severity::Info, message.to_owned());
    assert_eq!(
        told("finisher"),
        [
            state(1_795_209_405_585, "finisher: TASK_STARTING"),
            state(1_795_209_405_651, "finisher: TASK_RUNNING"),
            state(1_795_209_408_172, "finisher: TASK_FINISHED (Command exited with status 0)"),
        ]
    );
    let failer = told("failer");
    assert_eq!(
        failer[..2],
        [state(1_795_209_405_476, "failer: TASK_STARTING"), state(1_795_209_405_521, "failer: TASK_RUNNING")]
    );
    assert_eq!((failer[2].1, failer[2].2), ("task_failed", Severity::Error));
    assert!(
        told("killed").iter().all(|(_, event_type, ..)| *event_type == "task_state"),
        "who is killed has not failed"
    );
    let finished = observed.events.iter().find(|event| event.message.starts_with("finisher: TASK_FINISHED")).unwrap();
    assert_eq!(finished.kind, Some("mesos_task"));
    assert_eq!(finished.details["exit_status"], AttributeValue::Integer(0));
    assert_eq!(finished.details["terminal"], AttributeValue::Boolean(true));
}

#[tokio::test]
async fn frameworks_are_told_with_what_they_were_allocated() {
    let world = World::new();
    let _masters = with_leader(&world).await;
    let observed = world.poll(&mut world.tasks()).await;
    assert_eq!(all(&observed, "mesos_framework").len(), 6 + 5);
    let id = "e64742f5-5bc4-4011-afc0-70b710eb8c26-0008";
    assert_eq!(value(&observed, "mesos_framework", id, "cpus_allocated"), Value::Int(300));
    assert_eq!(value(&observed, "mesos_framework", id, "memory_allocated_bytes"), Value::Int(96 << 20));
    assert_eq!(value(&observed, "mesos_framework", id, "disk_allocated_bytes"), Value::Int(32 << 20));
    let gone = one(&observed, "mesos_framework", "e64742f5-5bc4-4011-afc0-70b710eb8c26-0000");
    assert_eq!(gone.ended, Some(Timestamp::from_ms(1_795_209_407_104)));
}

#[tokio::test(start_paused = true)]
async fn agents_come_and_go_and_a_new_leader_waits_for_them() {
    let world = World::new();
    let masters = with_leader(&world).await;
    let server = canned(&masters.processes()[0]);
    let mut tasks = world.tasks();
    let agents = |text: String| CannedReply::ok(text);
    let both = String::from_utf8(read("mesos/master/post_GET_AGENTS.json")).unwrap();
    let list = &both[both.find("\"agents\":[").unwrap() + 10..both.find("],\"recovered_agents\"").unwrap()];
    let second =
        list.replace("-S0", "-S1").replace("5051", "5061").replace("1795209373803600128", "1795209750000000000");
    let reply =
        |list: &str| format!(r#"{{"type":"GET_AGENTS","get_agents":{{"agents":[{list}],"recovered_agents":[]}}}}"#);
    let poll = async |tasks: &mut crate::source::mesos::Tasks| {
        tokio::time::advance(Duration::from_secs(60)).await;
        world.poll(tasks).await
    };
    let agent_events = |observed: &crate::source::Observed| {
        types(observed).into_iter().filter(|event_type| event_type.starts_with("agent")).collect::<Vec<_>>()
    };

    let observed = poll(&mut tasks).await;
    assert_eq!(agent_events(&observed), Vec::<&str>::new(), "what is there at first is not new");
    server.set(&call("GET_AGENTS"), agents(reply(&format!("{list},{second}"))));
    let observed = poll(&mut tasks).await;
    assert_eq!(agent_events(&observed), ["agent_added"]);
    let added = observed.events.iter().find(|event| event.event_type == "agent_added").unwrap();
    assert_eq!(added.at, Timestamp::from_ms(1_795_209_750_000), "by the master's own time");
    server.set(&call("GET_AGENTS"), agents(reply(list)));
    let observed = poll(&mut tasks).await;
    assert_eq!(agent_events(&observed), ["agent_lost"]);
    let lost = observed.events.iter().find(|event| event.event_type == "agent_lost").unwrap();
    assert_eq!(lost.details["host"], "localhost".into());
    assert!(observed.batches.iter().all(|batch| batch.complete));
    let draining = list.replace(r#""active":true"#, r#""active":true,"drain_info":{"state":"DRAINING"}"#);
    server.set(&call("GET_AGENTS"), agents(reply(&draining)));
    assert_eq!(agent_events(&poll(&mut tasks).await), ["agent_drained"]);

    // A new leader that has not heard of the agent yet: neither it nor its tasks are gone.
    let mut leader = world.shared.leader().unwrap();
    leader.elected = Some(world.clock.now());
    world.shared.set_leader(Some(leader.clone()));
    server.set(&call("GET_AGENTS"), agents(reply("")));
    let observed = poll(&mut tasks).await;
    assert_eq!(agent_events(&observed), Vec::<&str>::new());
    assert!(observed.batches.iter().all(|batch| !batch.complete));
    // Ten minutes later it is.
    tokio::time::advance(Duration::from_secs(600)).await;
    assert_eq!(agent_events(&poll(&mut tasks).await), ["agent_lost"]);
}

#[tokio::test]
async fn without_a_leader_nothing_is_asked() {
    let world = World::new();
    let observed = world.poll(&mut world.tasks()).await;
    assert_eq!(observed.outcome, Outcome::Unreachable);
    assert!(observed.batches.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_list_that_costs_the_leader_much_is_asked_for_less_often() {
    let world = World::new();
    let masters = with_leader(&world).await;
    let server = canned(&masters.processes()[0]);
    let slow = CannedReply::ok(read("mesos/master/post_GET_TASKS.json")).after(Duration::from_secs(5));
    server.set(&call("GET_TASKS"), slow);
    let mut tasks = world.tasks();
    assert_eq!(world.poll(&mut tasks).await.outcome, Outcome::Ok);
    tokio::time::advance(Duration::from_secs(55)).await;
    server.take_requests();
    let observed = world.poll(&mut tasks).await;
    assert_eq!(observed.outcome, Outcome::Skipped);
    assert_eq!(server.take_requests(), Vec::<String>::new());
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(world.poll(&mut tasks).await.outcome, Outcome::Ok);
}
