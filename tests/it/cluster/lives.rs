//! Agents that begin anew or are replaced, one with a wrong clock, a framework whose scheduler moves: what stays one
//! thing stays one, what is another becomes another.

use std::time::Duration;

use super::servers::{Cluster, maps, told};
use super::world::{Executor, Version};
use crate::harness::time::{LATER, now_ms, parse_ms, wait_for};
use crate::harness::{Recorder, machine};

const SOON: Duration = Duration::from_secs(60);
const TIMING: &str = "interval = \"2s\"\ntimeout = \"1500ms\"\ntasks_interval = \"10s\"";

/// How far the clock of the third agent is ahead: an hour.
const AHEAD_MS: i64 = 3_600_000;

fn id(index: usize) -> String {
    format!("a0000000-0000-4000-8000-000000000000-S{index}")
}

/// What an agent's tasks finished, by `/range` over all.
fn finished(recorder: &Recorder, start: &str, agent: &str) -> Option<f64> {
    let asked = [("start", start), ("end", LATER), ("step", "all"), ("fields", "tasks_finished_total"), ("id", agent)];
    let table = recorder.table("range/mesos_agent", &asked);
    table.numbers("tasks_finished_total").first().copied().flatten()
}

#[test]
fn agents_begin_anew_or_are_replaced_and_a_framework_fails_over() {
    let _together = machine::shared();
    let cluster = Cluster::start(Version::V1_11, 3);
    {
        let mut state = cluster.world.lock();
        state.agents[2].clock_ms = AHEAD_MS;
        for agent in 0..3 {
            state.launch(
                agent,
                0,
                &format!("shop_web.instance-{}._app.1", format_args!("0000000{agent}-5647-47e2-9264-b5775128b01d")),
                400,
                64,
            );
        }
        // The third runs what an hour of its clock has counted already.
        for executor in &mut state.agents[2].executors {
            executor.started_ms += AHEAD_MS - 60_000;
        }
    }
    let begun_ms = now_ms();
    let start = (begun_ms - 60_000).to_string();
    let recorder = Recorder::start(&cluster.source(TIMING));
    let samples = |kind: &str| recorder.table(&format!("samples/{kind}"), &[("start", &start), ("end", LATER)]);
    let wait_for_agents = |what: &str, rounds: usize| {
        let before = samples("mesos_agent").rows.len();
        wait_for(what, SOON, || (samples("mesos_agent").rows.len() >= before + rounds * 3).then_some(()));
    };
    let range = || [("start", start.as_str()), ("end", LATER)];

    // An agent restarts: same id, counters from nothing, what it runs stays and counts on.
    wait_for_agents("agents", 2);
    cluster.world.lock().agents[0].ends.finished = 40;
    wait_for_agents("what the first agent counts", 2);
    let before = finished(&recorder, &start, &id(0));
    assert_eq!(before, Some(40.0));
    cluster.world.lock().restart_agent(0);
    wait_for_agents("the agent after its restart", 2);
    cluster.world.lock().agents[0].ends.finished = 3;
    wait_for_agents("what it counts then", 2);
    assert_eq!(finished(&recorder, &start, &id(0)), Some(43.0), "none lost, none twice");

    // Another agent in the second's place: same name, same address, before the leader's list tells of it.
    {
        let mut state = cluster.world.lock();
        state.agents[1].ends.finished = 9;
    }
    wait_for_agents("what the second agent counts", 2);
    {
        let mut state = cluster.world.lock();
        state.replace_agent(1, &id(7));
        state.agents[1].ends.finished = 2;
        let framework = state.frameworks[0].id.clone();
        let container = state.uuid();
        state.agents[1].executors.push(Executor {
            framework,
            id: "batch".to_owned(),
            container,
            started_ms: now_ms(),
            uses_milli: 100,
        });
    }
    wait_for("the new agent", SOON, || {
        let table = recorder.table("samples/mesos_agent", &[("id", id(7).as_str()), range()[0], range()[1]]);
        (table.rows.len() >= 3).then_some(())
    });
    cluster.world.lock().agents[1].ends.finished = 6;
    wait_for_agents("what the new agent counts", 2);
    assert_eq!(finished(&recorder, &start, &id(1)), Some(9.0), "the old agent's numbers are its own");
    assert_eq!(finished(&recorder, &start, &id(7)), Some(6.0), "born under our eyes");
    let agents = maps(&recorder.table("entities/mesos_agent", &range()));
    let of = |wanted: &str| agents.iter().find(|agent| agent["id"] == wanted).unwrap_or_else(|| panic!("{agents:?}"));
    assert_eq!((of(&id(1))["hostname"].as_str(), of(&id(7))["hostname"].as_str()), ("rack-1", "rack-1"));
    assert!(!of(&id(1))["ended"].is_empty() && of(&id(7))["ended"].is_empty(), "{agents:?}");
    let executors = maps(&recorder.table("entities/mesos_executor", &range()));
    assert!(executors.iter().all(|one| (one["id"] == "batch") == (one["agent"] == id(7))), "{executors:?}");
    let agent_lost = wait_for("the list to tell of it", SOON, || {
        let lost = told(&recorder, "agent_lost", begun_ms - 60_000);
        (!lost.is_empty()).then_some(lost)
    });
    assert!(agent_lost[0].contains(&id(1)), "{agent_lost:?}");
    wait_for("the new one to be told", SOON, || {
        told(&recorder, "agent_added", begun_ms - 60_000).iter().any(|message| message.contains(&id(7))).then_some(())
    });

    // The third agent's clock is an hour ahead: its executors' samples are of our time, and their rate is right.
    let executors =
        maps(&recorder.table("samples/mesos_executor", &[("agent", id(2).as_str()), range()[0], range()[1]]));
    assert!(executors.len() >= 5, "{executors:?}");
    for sample in &executors {
        let at_ms = parse_ms(&sample["time"]);
        assert!((begun_ms - 3_000..=now_ms() + 3_000).contains(&at_ms), "{sample:?}");
    }
    let rates: Vec<f64> = executors.iter().filter_map(|sample| sample["cpu_cores"].parse().ok()).collect();
    assert!(rates.len() >= 4 && rates.iter().all(|cores| (cores - 0.2).abs() < 0.03), "{rates:?}");
    let offsets = told(&recorder, "clock_offset", begun_ms - 60_000);
    assert_eq!(offsets.len(), 1, "once, and then held: {offsets:?}");
    assert!(offsets[0].contains(&cluster.agents[2].address()), "{offsets:?}");

    // The framework's scheduler comes up elsewhere: one framework, two versions of its facts, no task ends.
    let framework = cluster.world.lock().frameworks[0].id.clone();
    {
        let mut state = cluster.world.lock();
        state.frameworks[0].reregistered_ms = now_ms();
        "scheduler-2".clone_into(&mut state.frameworks[0].hostname);
    }
    wait_for("the framework's new host", SOON, || {
        let table = recorder.table("entities/mesos_framework", &[("hostname", "scheduler-2"), range()[0], range()[1]]);
        (!table.rows.is_empty()).then_some(())
    });
    let frameworks = maps(&recorder.table("entities/mesos_framework", &range()));
    assert_eq!(frameworks.len(), 1, "{frameworks:?}");
    assert_eq!((frameworks[0]["id"].as_str(), frameworks[0]["ended"].as_str()), (framework.as_str(), ""));
    let hosts = recorder.table("samples/mesos_framework", &range());
    let mut hosts: Vec<&str> = hosts.column("hostname");
    hosts.dedup();
    assert_eq!(hosts, ["scheduler-1", "scheduler-2"]);
    let tasks = maps(&recorder.table("entities/mesos_task", &range()));
    assert!(tasks.len() == 3 && tasks.iter().all(|task| task["ended"].is_empty()), "{tasks:?}");
}
