//! A cluster before 1.0, and its upgrade in place: endpoints, `slaves`, the state for every list; then the operator API,
//! with the same agents, tasks and totals.

use std::time::Duration;

use super::servers::{Cluster, ends, maps};
use super::world::{Ends, Version};
use crate::harness::time::{LATER, now_ms, wait_for};
use crate::harness::{Recorder, machine};

const SOON: Duration = Duration::from_secs(100);

#[test]
fn an_old_cluster_is_recorded_and_its_upgrade_changes_but_the_requests() {
    let _together = machine::shared();
    let cluster = Cluster::start(Version::V0_28, 2);
    let containers: Vec<String> = {
        let mut state = cluster.world.lock();
        let mut launch = |agent: usize, name: &str| {
            state.launch(agent, 0, &format!("shop_{name}.0000000{agent}-5647-47e2-9264-b5775128b01d"), 250, 64)
        };
        vec![launch(0, "web"), launch(1, "cart")]
    };
    let begun_ms = now_ms();
    let start = (begun_ms - 60_000).to_string();
    let recorder =
        Recorder::start(&cluster.source("interval = \"2s\"\ntimeout = \"1500ms\"\ntasks_interval = \"10s\""));
    let entities =
        |kind: &str| maps(&recorder.table(&format!("entities/{kind}"), &[("start", &start), ("end", LATER)]));

    // The state of the master tells tasks and agents, that of the agent in which container each runs.
    let executors = wait_for("executors with their containers", SOON, || {
        let executors = entities("mesos_executor");
        let is_known =
            executors.iter().all(|one| !one["container_id"].is_empty() && !one["cpu_allocated_cores"].is_empty());
        (executors.len() == 2 && is_known).then_some(executors)
    });
    for (executor, (container, app)) in executors.iter().zip(containers.iter().zip(["/shop/web", "/shop/cart"])) {
        assert_eq!((&executor["container_id"], executor["app"].as_str()), (container, app), "{executors:?}");
        assert_eq!(
            (executor["cpu_allocated_cores"].as_str(), executor["memory_allocated_bytes"].as_str()),
            ("0.25", "67108864")
        );
    }
    let agents = entities("mesos_agent");
    assert_eq!(agents.len(), 2);
    assert!(agents.iter().all(|agent| agent["hostname"].starts_with("rack-")), "{agents:?}");
    let tasks = entities("mesos_task");
    assert!(tasks.len() == 2 && tasks.iter().all(|task| task["state"] == "TASK_RUNNING"), "{tasks:?}");
    cluster.world.lock().count(Ends { finished: 5, failed: 1, lost: 1 });
    let counted = |wanted: Ends| {
        wait_for("what was counted", SOON, || (ends(&recorder, begun_ms - 60_000) == wanted).then_some(()));
    };
    counted(Ends { finished: 5, failed: 1, lost: 1 });
    let costs = cluster.costs(begun_ms);
    assert!(costs.keys().all(|what| !what.starts_with("POST")), "{costs:?}");
    assert!(costs.keys().any(|what| what.contains("/monitor/statistics")), "{costs:?}");

    // All processes are upgraded: they begin anew, and the leader with them.
    {
        let mut state = cluster.world.lock();
        state.version = Version::V1_11;
        let now = now_ms();
        state.masters.iter_mut().for_each(|master| master.started_ms = now);
        state.agents.iter_mut().for_each(|agent| agent.started_ms = now);
        state.elect(0);
        state.count(Ends { finished: 3, failed: 0, lost: 0 });
    }
    counted(Ends { finished: 8, failed: 1, lost: 1 });
    wait_for("the operator API to be asked", SOON, || {
        let costs = cluster.costs(begun_ms);
        ["GET_METRICS", "GET_CONTAINERS", "GET_TASKS", "GET_AGENTS"]
            .iter()
            .all(|call| costs.keys().any(|what| what.ends_with(call)))
            .then_some(())
    });
    let upgraded = wait_for("the lists by the operator API", SOON, || {
        let agents = entities("mesos_agent");
        agents.iter().all(|agent| agent["version"] == "1.11.0").then_some(agents)
    });
    assert!(upgraded.len() == 2 && upgraded.iter().all(|agent| agent["ended"].is_empty()), "{upgraded:?}");
    let tasks = entities("mesos_task");
    assert!(tasks.len() == 2 && tasks.iter().all(|task| task["ended"].is_empty()), "{tasks:?}");
    assert_eq!(entities("mesos_executor").len(), 2, "executors go on");
    let asked_ms = now_ms();
    std::thread::sleep(Duration::from_secs(5));
    let costs = cluster.costs(asked_ms);
    assert!(costs.keys().all(|what| !what.contains("state")), "{costs:?}");
}
