//! What the masters of a simulated cluster answer: recorded replies, cut where the simulation says something else.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::world::{Agent, Framework, State, Task, Version, World};
use crate::harness::site::{Answer, Request};
use crate::harness::time::now_ms;

fn numbers(text: &str) -> BTreeMap<String, f64> {
    serde_json::from_str(text).unwrap()
}

fn recorded(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

static LEADING: LazyLock<BTreeMap<String, f64>> =
    LazyLock::new(|| numbers(include_str!("../../fixtures/mesos/master/get_metrics_snapshot_timeout_5secs.json")));
static STANDING_BY: LazyLock<BTreeMap<String, f64>> =
    LazyLock::new(|| numbers(include_str!("../../fixtures/mesos/standby/get_metrics_snapshot.json")));
static AGENTS: LazyLock<Value> =
    LazyLock::new(|| recorded(include_str!("../../fixtures/mesos/master/post_GET_AGENTS.json")));
static FRAMEWORKS: LazyLock<Value> =
    LazyLock::new(|| recorded(include_str!("../../fixtures/mesos/master/post_GET_FRAMEWORKS.json")));
static TASKS: LazyLock<Value> =
    LazyLock::new(|| recorded(include_str!("../../fixtures/mesos/master/post_GET_TASKS.json")));
static MASTER: LazyLock<Value> =
    LazyLock::new(|| recorded(include_str!("../../fixtures/mesos/master/post_GET_MASTER.json")));
static STATE: LazyLock<Value> =
    LazyLock::new(|| recorded(include_str!("../../fixtures/mesos/master/get_master_state.json")));

/// The answers of one master.
pub(super) fn answer(world: &World, index: usize, request: &Request) -> Answer {
    let mut state = world.lock();
    let answer = match (request.method.as_str(), request.bare_path()) {
        ("GET", "/version") => Answer::json(json!({"version": state.version.text()}).to_string()),
        ("GET", "/metrics/snapshot") => Answer::json(json!(metrics(&state, index)).to_string()),
        ("GET", "/master/redirect") => elsewhere(&state, ""),
        ("GET", "/master/state") if state.version == Version::V0_28 => match is_leading(&state, index) {
            true => Answer::json(whole_state(&state).to_string()),
            false => elsewhere(&state, "/master/state"),
        },
        ("POST", "/api/v1") if state.version == Version::V1_11 => operator(&mut state, index, &request.body),
        _ => Answer::status(404, "text/plain", ""),
    };
    answer.with("Date", date(now_ms()))
}

/// A time as `Date` has it.
pub(super) fn date(at_ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(at_ms).unwrap().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn is_leading(state: &State, index: usize) -> bool {
    state.masters[index].office.is_some()
}

/// A redirect to the leader, or the refusal where there is none.
fn elsewhere(state: &State, path: &str) -> Answer {
    match state.leader() {
        Some(leader) => Answer::redirect(format!("//{}{path}", state.masters[leader].address)),
        None => Answer::status(503, "text/plain", "No leader elected"),
    }
}

fn operator(state: &mut State, index: usize, body: &str) -> Answer {
    let call: Value = serde_json::from_str(body).unwrap();
    let Some(office) = state.masters[index].office else { return elsewhere(state, "/master/api/v1") };
    if !office.is_recovered {
        return Answer::status(503, "text/plain", "Master has not finished recovery");
    }
    let reply = match call["type"].as_str().unwrap() {
        "GET_METRICS" => {
            let metrics = metrics(state, index);
            spring(state, index);
            let list: Vec<_> = metrics.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
            json!({"type": "GET_METRICS", "get_metrics": {"metrics": list}})
        }
        "GET_MASTER" => {
            let mut reply = MASTER.clone();
            reply["get_master"]["elected_time"] = json!(seconds(office.elected_ms));
            reply["get_master"]["start_time"] = json!(seconds(state.masters[index].started_ms));
            reply
        }
        "GET_AGENTS" => {
            let agents: Vec<Value> = state.agents.iter().filter(|agent| agent.is_registered).map(agent).collect();
            json!({"type": "GET_AGENTS", "get_agents": {"agents": agents, "recovered_agents": []}})
        }
        "GET_FRAMEWORKS" => {
            let frameworks: Vec<Value> = state.frameworks.iter().map(|one| framework(state, one)).collect();
            json!({"type": "GET_FRAMEWORKS", "get_frameworks": {"frameworks": frameworks}})
        }
        "GET_TASKS" => {
            let of = |ended: bool| state.tasks.iter().filter(move |task| task.has_ended() == ended).map(task);
            let (living, ended): (Vec<_>, Vec<_>) = (of(false).collect(), of(true).collect());
            json!({"type": "GET_TASKS", "get_tasks": {"tasks": living, "completed_tasks": ended}})
        }
        other => panic!("{other} was never recorded"),
    };
    Answer::json(reply.to_string())
}

/// What was to happen right after this leader's answer.
fn spring(state: &mut State, index: usize) {
    if let Some(ambush) = state.ambush.take_if(|ambush| ambush.leader == index) {
        state.count(ambush.unseen);
        state.depose(ambush.leader);
        state.elect(ambush.next);
    }
}

pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}

fn metrics(state: &State, index: usize) -> BTreeMap<String, f64> {
    let master = &state.masters[index];
    let uptime = seconds(now_ms() - master.started_ms);
    let Some(office) = master.office else {
        let mut numbers = STANDING_BY.clone();
        numbers.insert("master/uptime_secs".to_owned(), uptime);
        return numbers;
    };
    let mut numbers = LEADING.clone();
    let registered = || state.agents.iter().filter(|agent| agent.is_registered);
    let living: Vec<&Task> = state.tasks.iter().filter(|task| !task.has_ended()).collect();
    let sum = |of: fn(&Task) -> i64| living.iter().map(|task| of(task)).sum::<i64>() as f64;
    let said = [
        ("elected", 1.0),
        ("uptime_secs", uptime),
        ("slaves_active", registered().count() as f64),
        ("slaves_connected", registered().count() as f64),
        ("tasks_running", living.len() as f64),
        ("tasks_finished", office.ends.finished as f64),
        ("tasks_failed", office.ends.failed as f64),
        ("tasks_lost", office.ends.lost as f64),
        ("cpus_total", registered().map(|agent| agent.cpus).sum::<i64>() as f64),
        ("cpus_used", sum(|task| task.cpus_milli) / 1e3),
        ("mem_used", sum(|task| task.memory_mb)),
    ];
    numbers.extend(said.map(|(name, value)| (format!("master/{name}"), value)));
    numbers
}

fn agent(agent: &Agent) -> Value {
    let mut one = AGENTS["get_agents"]["agents"][0].clone();
    one["agent_info"]["id"]["value"] = json!(agent.id);
    one["agent_info"]["hostname"] = json!(agent.hostname);
    one["pid"] = json!(format!("slave(1)@{}", agent.address));
    one["registered_time"]["nanoseconds"] = json!(agent.registered_ms * 1_000_000);
    one
}

fn framework(state: &State, framework: &Framework) -> Value {
    let mut one = FRAMEWORKS["get_frameworks"]["frameworks"][0].clone();
    let info = &mut one["framework_info"];
    info["id"]["value"] = json!(framework.id);
    info["name"] = json!(framework.name);
    info["hostname"] = json!(framework.hostname);
    info["failover_timeout"] = json!(604_800.0);
    one["registered_time"]["nanoseconds"] = json!(framework.registered_ms * 1_000_000);
    one["reregistered_time"]["nanoseconds"] = json!(framework.reregistered_ms * 1_000_000);
    let (cpus_milli, memory_mb) = allocated(state, framework);
    one["allocated_resources"] = resources(cpus_milli, memory_mb);
    one
}

fn allocated(state: &State, framework: &Framework) -> (i64, i64) {
    let of = state.tasks.iter().filter(|task| task.framework == framework.id && !task.has_ended());
    of.fold((0, 0), |(cpus, memory), task| (cpus + task.cpus_milli, memory + task.memory_mb))
}

fn resources(cpus_milli: i64, memory_mb: i64) -> Value {
    let scalar = |name: &str, value: f64| json!({"name": name, "type": "SCALAR", "scalar": {"value": value}, "allocation_info": {"role": "*"}});
    json!([scalar("cpus", cpus_milli as f64 / 1e3), scalar("mem", memory_mb as f64)])
}

fn task(task: &Task) -> Value {
    let mut one = TASKS["get_tasks"]["tasks"][0].clone();
    let id = json!({"value": task.id});
    one["task_id"] = id.clone();
    one["name"] = json!(task.id);
    one["framework_id"]["value"] = json!(task.framework);
    one["agent_id"]["value"] = json!(task.agent);
    one["state"] = json!(task.state());
    one["status_update_state"] = json!(task.state());
    one["resources"] = resources(task.cpus_milli, task.memory_mb);
    let of_status = one["statuses"][0].clone();
    let statuses = task.states.iter().map(|(state, at_ms, message)| {
        let mut status = of_status.clone();
        status["task_id"] = id.clone();
        status["executor_id"] = id.clone();
        status["agent_id"]["value"] = json!(task.agent);
        status["state"] = json!(state);
        status["timestamp"] = json!(seconds(*at_ms));
        status["container_status"]["container_id"]["value"] = json!(task.container);
        if let Some(message) = message {
            status["message"] = json!(message);
        }
        status
    });
    one["statuses"] = statuses.collect();
    one
}

/// All in one, as masters before 1.0 have it.
fn whole_state(state: &State) -> Value {
    let mut whole = STATE.clone();
    let leader = state.leader().unwrap();
    whole["version"] = json!(state.version.text());
    whole["elected_time"] = json!(seconds(state.masters[leader].office.unwrap().elected_ms));
    whole["leader"] = json!(format!("master@{}", state.masters[leader].address));
    let of_agent = whole["slaves"][0].clone();
    let slaves = state.agents.iter().filter(|agent| agent.is_registered).map(|agent| {
        let mut one = of_agent.clone();
        one["id"] = json!(agent.id);
        one["hostname"] = json!(agent.hostname);
        one["pid"] = json!(format!("slave(1)@{}", agent.address));
        one["registered_time"] = json!(seconds(agent.registered_ms));
        one
    });
    whole["slaves"] = slaves.collect();
    let of_framework = whole["frameworks"][0].clone();
    let frameworks = state.frameworks.iter().map(|framework| {
        let mut one = of_framework.clone();
        let (cpus_milli, memory_mb) = allocated(state, framework);
        one["id"] = json!(framework.id);
        one["name"] = json!(framework.name);
        one["hostname"] = json!(framework.hostname);
        one["used_resources"] = old_resources(cpus_milli, memory_mb);
        one["registered_time"] = json!(seconds(framework.registered_ms));
        let of = |ended: bool| {
            let tasks = state.tasks.iter().filter(|task| task.framework == framework.id);
            tasks.filter(|task| task.has_ended() == ended).map(|task| old_task(task, None)).collect::<Value>()
        };
        one["tasks"] = of(false);
        one["completed_tasks"] = of(true);
        one
    });
    whole["frameworks"] = frameworks.collect();
    whole["completed_frameworks"] = json!([]);
    whole
}

fn old_resources(cpus_milli: i64, memory_mb: i64) -> Value {
    json!({"cpus": cpus_milli as f64 / 1e3, "mem": memory_mb as f64, "disk": 0.0, "ports": "[31500-31500]"})
}

/// A task as endpoints tell of it; 0.28 does not say in which container it runs.
pub(super) fn old_task(task: &Task, executor: Option<&str>) -> Value {
    let mut one = STATE["frameworks"][0]["tasks"][0].clone();
    one["id"] = json!(task.id);
    one["name"] = json!(task.id);
    one["framework_id"] = json!(task.framework);
    one["executor_id"] = json!(executor.unwrap_or_default());
    one["slave_id"] = json!(task.agent);
    one["state"] = json!(task.state());
    one["resources"] = old_resources(task.cpus_milli, task.memory_mb);
    let status = |(state, at_ms, _): &(&str, i64, Option<&str>)| json!({"state": state, "timestamp": seconds(*at_ms), "container_status": {"network_infos": [{"ip_address": "172.17.0.4"}]}});
    one["statuses"] = task.states.iter().map(status).collect();
    one
}
