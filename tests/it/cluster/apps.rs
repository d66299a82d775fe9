//! Containers that Mesos started, by application: on engines that are called otherwise than their agents, learnt after
//! they started, replaced, long gone. Used stands against limit and allocated.

use std::time::Duration;

use super::engine::{Container, Engine};
use super::servers::{Cluster, maps};
use super::world::Version;
use crate::harness::site::Answer;
use crate::harness::time::{LATER, now_ms, wait_for, wait_until};
use crate::harness::{Recorder, machine};

const SOON: Duration = Duration::from_secs(60);

/// What each instance is allocated, may use and uses.
const ALLOCATED_MILLI: i64 = 250;
const LIMIT_MILLI: i64 = 500;
const USED_MILLI: i64 = 200;
const MEMORY: i64 = 48 << 20;

fn task(instance: u8) -> String {
    format!("shop_web.instance-1111111{instance}-5647-47e2-9264-b5775128b01d._app.1")
}

/// An instance of /shop/web on an agent, in a container of an engine.
fn launch(cluster: &Cluster, engine: &Engine, agent: usize, instance: u8) -> String {
    let mesos_id = cluster.world.lock().launch(agent, 0, &task(instance), ALLOCATED_MILLI, 64);
    let id = format!("{instance:064x}");
    engine.containers().push(Container {
        id: id.clone(),
        // As agents from 1.0 on name them, and as those before.
        name: match instance % 2 {
            0 => format!("mesos-{mesos_id}"),
            _ => format!("mesos-{}.{mesos_id}", cluster.world.lock().agents[agent].id),
        },
        started_ms: now_ms(),
        uses_milli: USED_MILLI,
        limit_milli: LIMIT_MILLI,
        memory_bytes: MEMORY,
    });
    id
}

#[test]
fn used_against_limit_against_allocated_of_an_application_with_a_replaced_instance() {
    let _together = machine::shared();
    let cluster = Cluster::start(Version::V1_11, 2);
    let engines = [Engine::start(&cluster.sites), Engine::start(&cluster.sites)];
    let marathon = cluster.sites.site(|request| match request.bare_path() {
        "/v2/apps" => Answer::json(
            r#"{"apps":[{"id":"/shop/web","instances":2,"cpus":0.25,"mem":64,"version":"2026-11-20T20:00:00.000Z",
                "tasks":[],"tasksRunning":2}]}"#,
        ),
        "/v2/info" => Answer::json(r#"{"version":"1.4.0","leader":"m1:8080"}"#),
        "/v2/deployments" => Answer::json("[]"),
        "/v2/queue" => Answer::json(r#"{"queue":[]}"#),
        _ => Answer::json(r#"{"version":"3.0.0","gauges":{"a.gauge":{"value":1.5}}}"#),
    });
    let [first, second] = [launch(&cluster, &engines[0], 0, 2), launch(&cluster, &engines[1], 1, 3)];
    // Beside the container of a task stands one that runs but its executor: no allocation is its.
    let beside = format!("{:064x}", 9);
    {
        let mut containers = engines[0].containers();
        let of_task = containers[0].clone();
        let name = format!("{}.executor", of_task.name);
        containers.push(Container { id: beside.clone(), name, uses_milli: 0, memory_bytes: 0, ..of_task });
    }
    let begun_ms = now_ms();
    let start = (begun_ms - 60_000).to_string();
    let timing = "interval = \"2s\"\ntimeout = \"1500ms\"";
    let sources = format!(
        "[source.host]\nenabled = false\n\n{}{}{}[[source.marathon]]\nname = \"m\"\nurls = [\"http://{}\"]\n{timing}\n",
        engines[0].source("dock-a", timing),
        engines[1].source("dock-b", timing),
        cluster
            .source(&format!("{timing}\ntasks_interval = \"10s\""))
            .replace("[source]\ndocker = []\nhost.enabled = false\n", ""),
        marathon.address()
    );
    let mut recorder = Recorder::start(&sources);
    let of_app = |recorder: &Recorder, id: &str| {
        let containers = maps(&recorder.table("entities/container", &[("start", &start), ("end", LATER)]));
        containers.into_iter().find(|one| one["id"] == id && one["app"] == "/shop/web")
    };
    let learnt = wait_for("both instances to be known", SOON, || {
        Some((of_app(&recorder, &first)?, of_app(&recorder, &second)?))
    });
    let facts = |one: &std::collections::BTreeMap<String, String>| {
        ["host", "task", "agent", "cpu_allocated_cores", "memory_allocated_bytes"]
            .map(|name| one[name].clone())
            .to_vec()
    };
    let agent = |index: usize| cluster.world.lock().agents[index].id.clone();
    assert_eq!(facts(&learnt.0), ["dock-a", &task(2), &agent(0), "0.25", "67108864"]);
    assert_eq!(facts(&learnt.1), ["dock-b", &task(3), &agent(1), "0.25", "67108864"]);
    wait_for("the container beside it to be told whose it is", SOON, || of_app(&recorder, &beside));
    assert_eq!(of_app(&recorder, &beside).unwrap()["cpu_allocated_cores"], "");

    // One request, by application, over ten seconds of two instances.
    let used = |recorder: &Recorder, from_ms: i64, until_ms: i64| {
        let (from, until) = (from_ms.to_string(), until_ms.to_string());
        let fields = "cpu_cores,cpu_limit_cores,cpu_allocated_cores,memory_working_set_bytes,memory_allocated_bytes";
        let asked = [
            ("start", from.as_str()),
            ("end", &until),
            ("step", "all"),
            ("group_by", "app"),
            ("app", "/shop/web"),
            ("name", "!*.executor"),
            ("fields", fields),
        ];
        let table = recorder.table("range/container", &asked);
        assert_eq!(table.only("app"), "/shop/web");
        fields.split(',').map(|field| table.numbers(field)[0].unwrap_or(f64::NAN)).collect::<Vec<f64>>()
    };
    let near = |what: &str, found: &[f64], expected: [f64; 5]| {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= expected * 0.01, "{what}: {found} and {expected}: {found:?}");
        }
    };
    let twice = [0.4, 1.0, 0.5, (2 * MEMORY) as f64, (2 * (64_i64 << 20)) as f64];
    let from = now_ms();
    wait_until(from + 16_000);
    near("two instances", &used(&recorder, from + 2_000, from + 12_000), twice);

    // The second is replaced, on the other engine. Nobody counts it double, and nothing of the old one is lost.
    cluster.world.lock().end(&task(3), "TASK_FAILED", "Container exited with status 137");
    engines[1].containers().clear();
    let third = launch(&cluster, &engines[0], 0, 4);
    wait_for("the new instance to be known", SOON, || of_app(&recorder, &third));
    let from = now_ms();
    wait_until(from + 16_000);
    near("one of two replaced", &used(&recorder, from + 2_000, from + 12_000), twice);

    // Learnt after it started, and all of the time counts as the application's; also after a restart, of one long gone.
    let by_app = |recorder: &Recorder| {
        let asked = [
            ("start", start.as_str()),
            ("end", LATER),
            ("step", "all"),
            ("group_by", "app,id"),
            ("fields", "cpu_usage_seconds_total"),
        ];
        let table = recorder.table("range/container", &asked);
        maps(&table).into_iter().map(|row| (row["id"].clone(), row["app"].clone())).collect::<Vec<_>>()
    };
    let mut expected: Vec<(String, String)> =
        [&first, &second, &third, &beside].map(|id| (id.clone(), "/shop/web".to_owned())).to_vec();
    expected.sort();
    let sorted = |mut rows: Vec<(String, String)>| {
        rows.sort();
        rows
    };
    assert_eq!(sorted(by_app(&recorder)), expected, "each container has been of its application at all times");
    let gone = of_app(&recorder, &second).unwrap();
    assert!(!gone["ended"].is_empty(), "{gone:?}");
    recorder.kill_and_restart();
    wait_for("what was known before to be known again", SOON, || {
        (sorted(by_app(&recorder)) == expected && of_app(&recorder, &third).is_some()).then_some(())
    });
    let states = recorder.json(&format!("/api/v1/events?type=task_state&app=/shop/web&start={start}&end={LATER}"));
    let running =
        states["events"].as_array().unwrap().iter().filter(|event| event["details"]["state"] == "TASK_RUNNING");
    let running: Vec<_> = running.map(|event| (event["entity"]["id"].clone(), event["severity"].clone())).collect();
    assert!(running.contains(&(task(4).into(), "info".into())), "{states}");
    let failures = recorder.json(&format!("/api/v1/events?type=task_failed&start={start}&end={LATER}"));
    let failure = &failures["events"][0];
    assert_eq!(
        (failure["details"]["app"].as_str(), failure["details"]["exit_status"].as_i64()),
        (Some("/shop/web"), Some(137))
    );
}
