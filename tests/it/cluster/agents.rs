//! What the agents of a simulated cluster answer: recorded replies, cut where the simulation says something else.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::masters::{date, old_task, seconds};
use super::world::{Agent, Executor, State, Version, World};
use crate::harness::site::{Answer, Request};
use crate::harness::time::now_ms;

static NUMBERS: LazyLock<BTreeMap<String, f64>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../fixtures/mesos/agent/get_metrics_snapshot.json")).unwrap()
});
static AGENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../fixtures/mesos/agent/post_GET_AGENT.json")).unwrap());
static CONTAINERS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../fixtures/mesos/agent/post_GET_CONTAINERS.json")).unwrap()
});
static STATE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../fixtures/mesos/agent/get_state.json")).unwrap());

/// The answers of one agent, by its own clock.
pub(super) fn answer(world: &World, index: usize, request: &Request) -> Answer {
    let state = world.lock();
    let agent = &state.agents[index];
    let now = now_ms() + agent.clock_ms;
    let old = state.version == Version::V0_28;
    let answer = match (request.method.as_str(), request.bare_path()) {
        ("GET", "/version") => Answer::json(json!({"version": state.version.text()}).to_string()),
        ("GET", "/metrics/snapshot") => Answer::json(json!(metrics(agent)).to_string()),
        ("GET", "/monitor/statistics.json") if old => {
            let list: Vec<Value> = agent.executors.iter().map(|one| statistics(one, now)).collect();
            Answer::json(Value::from(list).to_string())
        }
        ("GET", "/state.json") if old => Answer::json(whole_state(&state, agent).to_string()),
        ("POST", "/api/v1") if !old => operator(agent, now, &request.body),
        _ => Answer::status(404, "text/plain", ""),
    };
    answer.with("Date", date(now))
}

fn operator(agent: &Agent, now: i64, body: &str) -> Answer {
    let call: Value = serde_json::from_str(body).unwrap();
    let reply = match call["type"].as_str().unwrap() {
        "GET_METRICS" => {
            let metrics = metrics(agent);
            let list: Vec<_> = metrics.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
            json!({"type": "GET_METRICS", "get_metrics": {"metrics": list}})
        }
        "GET_CONTAINERS" => {
            let list: Vec<Value> = agent.executors.iter().map(|one| container(one, now)).collect();
            json!({"type": "GET_CONTAINERS", "get_containers": {"containers": list}})
        }
        "GET_AGENT" => {
            let mut reply = AGENT.clone();
            let info = &mut reply["get_agent"]["agent_info"];
            info["id"]["value"] = json!(agent.id);
            info["hostname"] = json!(agent.hostname);
            reply
        }
        other => panic!("{other} was never recorded"),
    };
    Answer::json(reply.to_string())
}

fn metrics(agent: &Agent) -> BTreeMap<String, f64> {
    let mut numbers = NUMBERS.clone();
    let said = [
        ("uptime_secs", seconds(now_ms() - agent.started_ms)),
        ("tasks_finished", agent.ends.finished as f64),
        ("tasks_failed", agent.ends.failed as f64),
        ("tasks_lost", agent.ends.lost as f64),
        ("executors_running", agent.executors.len() as f64),
        ("tasks_running", agent.executors.len() as f64),
        ("cpus_total", agent.cpus as f64),
    ];
    numbers.extend(said.map(|(name, value)| (format!("slave/{name}"), value)));
    numbers
}

/// What an executor has used, in steps of 10 ms as Mesos counts.
fn used(executor: &Executor, now: i64) -> (f64, f64) {
    let used_ms = (now - executor.started_ms) * executor.uses_milli / 1000;
    let half = used_ms / 20 * 10;
    (seconds(half), seconds(used_ms / 10 * 10 - half))
}

fn container(executor: &Executor, now: i64) -> Value {
    let mut one = CONTAINERS["get_containers"]["containers"][4].clone();
    one["framework_id"]["value"] = json!(executor.framework);
    one["executor_id"]["value"] = json!(executor.id);
    one["executor_name"] = json!(name(executor));
    one["container_id"]["value"] = json!(executor.container);
    one["container_status"]["container_id"]["value"] = json!(executor.container);
    fill(&mut one["resource_statistics"], executor, now);
    one
}

fn name(executor: &Executor) -> String {
    format!("Command Executor (Task: {}) (Command: sh -c 'while :; do ...')", executor.id)
}

fn fill(statistics: &mut Value, executor: &Executor, now: i64) {
    let (user, system) = used(executor, now);
    statistics["timestamp"] = json!(seconds(now));
    statistics["cpus_user_time_secs"] = json!(user);
    statistics["cpus_system_time_secs"] = json!(system);
}

fn statistics(executor: &Executor, now: i64) -> Value {
    let mut numbers = CONTAINERS["get_containers"]["containers"][4]["resource_statistics"].clone();
    fill(&mut numbers, executor, now);
    json!({
        "executor_id": executor.id, "executor_name": name(executor), "framework_id": executor.framework,
        "source": executor.id, "statistics": numbers,
    })
}

/// What an agent before 1.0 says of itself and of what it runs.
fn whole_state(state: &State, agent: &Agent) -> Value {
    let mut whole = STATE.clone();
    whole["id"] = json!(agent.id);
    whole["hostname"] = json!(agent.hostname);
    whole["version"] = json!(state.version.text());
    let of_framework = whole["frameworks"][0].clone();
    let frameworks = state.frameworks.iter().map(|framework| {
        let mut one = of_framework.clone();
        one["id"] = json!(framework.id);
        let of_executor = of_framework["executors"][0].clone();
        let executors = agent.executors.iter().filter(|executor| executor.framework == framework.id).map(|executor| {
            let mut one = of_executor.clone();
            one["id"] = json!(executor.id);
            one["name"] = json!(name(executor));
            one["container"] = json!(executor.container);
            let tasks = state.tasks.iter().filter(|task| task.id == executor.id);
            one["tasks"] = tasks.map(|task| old_task(task, None)).collect();
            one
        });
        one["executors"] = executors.collect();
        one
    });
    whole["frameworks"] = frameworks.collect();
    whole
}
