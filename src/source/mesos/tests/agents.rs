//! Agents and their executors, held against what the kernel counted.

use std::sync::Arc;
use std::time::Duration;

use super::fixture::*;
use crate::model::{Outcome, Value};
use crate::source::host_names::HostNames;
use crate::source::http::{Canned, CannedReply};
use crate::source::mesos::Settings;
use crate::source::mesos::kinds::MESOS_AGENT;
use crate::source::mesos::numbers::{AGENT_COUNTS, AGENT_RESOURCES};
use crate::source::mesos::wire;

const AGENT: &str = "e64742f5-5bc4-4011-afc0-70b710eb8c26-S0";

#[tokio::test]
async fn a_listed_agent_says_itself_who_it_is() {
    let world = World::new();
    let mut agents = world.agents(vec![("127.0.0.1:5051", recorded("agent"))]);
    let observed = world.poll(&mut agents).await;
    assert_eq!(observed.outcome, Outcome::Ok, "{:?}", observed.missing);
    let reply = json("mesos/agent/post_GET_METRICS_5s.json");
    let metrics = reply["get_metrics"]["metrics"].as_array().unwrap();
    for (name, stored, scale) in AGENT_RESOURCES.iter().chain(AGENT_COUNTS) {
        let said = metrics.iter().find(|metric| metric["name"] == *name).unwrap_or_else(|| panic!("no {name}"));
        let column = MESOS_AGENT.columns.iter().find(|column| column.stored == *stored).unwrap();
        let expected = scale.apply(said["value"].as_f64().unwrap());
        assert_eq!(value(&observed, "mesos_agent", AGENT, column.name), expected, "{name}");
    }
    let facts = attributes(&observed, "mesos_agent", AGENT);
    assert_eq!(facts.get("hostname").cloned(), text("localhost"));
    assert_eq!(facts.get("address").cloned(), text("127.0.0.1:5051"));
    assert!(format!("{:?}", facts.get("agent_attributes")).contains("rack"));
}

#[tokio::test]
async fn machines_are_called_what_the_configuration_says() {
    let named = |given: &str| {
        let hosts = HostNames::new([(given.to_owned(), "node-1".to_owned())]);
        let world = World::new();
        World { settings: Arc::new(Settings { hosts, ..(*world.settings).clone() }), ..world }
    };
    // By the hostname that an agent registered with, or by the address that it listens on.
    for given in ["LOCALHOST", "127.0.0.1"] {
        let world = named(given);
        let observed = world.poll(&mut world.agents(vec![("127.0.0.1:5051", recorded("agent"))])).await;
        let facts = attributes(&observed, "mesos_agent", AGENT);
        assert_eq!(facts.get("host").cloned(), text("node-1"), "{given}");
        assert_eq!(facts.get("hostname").cloned(), text("localhost"), "as it was told");
        assert_eq!(attributes(&observed, "mesos_executor", "burner").get("host").cloned(), text("node-1"), "{given}");

        world.poll(&mut world.masters(vec![("localhost:5050", recorded("master"))])).await;
        let observed = world.poll(&mut world.tasks()).await;
        assert_eq!(attributes(&observed, "mesos_task", "burner").get("host").cloned(), text("node-1"), "{given}");
    }
    let world = named("10.0.0.5");
    let observed = world.poll(&mut world.agents(vec![("127.0.0.1:5051", recorded("agent"))])).await;
    assert_eq!(attributes(&observed, "mesos_agent", AGENT).get("host").cloned(), text("localhost"), "not named");
}

#[tokio::test]
async fn executors_are_read_and_nothing_of_them_is_dropped() {
    let world = World::new();
    let mut agents = world.agents(vec![("127.0.0.1:5051", recorded("agent"))]);
    let observed = world.poll(&mut agents).await;
    let executors = all(&observed, "mesos_executor");
    assert_eq!(executors.len(), 6);
    assert_eq!(value(&observed, "mesos_executor", "burner", "cpu_limit_cores"), Value::Int(400));
    assert_eq!(value(&observed, "mesos_executor", "burner", "cpu_user_seconds_total"), Value::Int(114_090_000_000));
    assert_eq!(value(&observed, "mesos_executor", "burner", "cpu_throttled_periods_total"), Value::Int(2738));
    assert_eq!(value(&observed, "mesos_executor", "default-executor", "disk_used_bytes"), Value::Int(32_768));
    // A Docker task has but two numbers of memory.
    let docker = "web_front.instance-docker-burn";
    assert_eq!(value(&observed, "mesos_executor", docker, "memory_rss_bytes"), Value::Int(57_344));
    assert_eq!(value(&observed, "mesos_executor", docker, "memory_cache_bytes"), Value::Null);
    assert_eq!(attributes(&observed, "mesos_executor", docker).get("task").cloned(), text(docker));
    let shop = "shop_api.instance-0b1c2d3e-1111-11ee-a000-0242ac110002._app.1";
    assert_eq!(attributes(&observed, "mesos_executor", shop).get("app").cloned(), text("/shop/api"));
    let belongs = world.book.of_name("mesos-6a779788-a48b-4c00-a34b-8e5351abae0b").unwrap();
    assert_eq!((belongs.task.as_deref(), belongs.agent.as_deref()), (Some(docker), Some(AGENT)));

    let metrics = world.poll(&mut world.metrics()).await;
    let filled: usize = executors
        .iter()
        .flat_map(|seen| &seen.sample)
        .map(|sample| sample.values.iter().filter(|value| !value.is_null()).count())
        .sum();
    let left = all(&metrics, "metric").iter().filter(|seen| seen.identity.part(2).contains("executor=")).count();
    let said: usize = wire::parse_containers(&read("mesos/agent/post_GET_CONTAINERS.json"))
        .unwrap()
        .iter()
        .map(|executor| executor.numbers.as_ref().unwrap().len())
        .sum();
    assert_eq!(filled + left, said);
    assert!(left > 0);
}

#[tokio::test(start_paused = true)]
async fn cpu_rates_are_those_of_the_kernel() {
    let world = World::new();
    let server = recorded("agent");
    let mut agents = world.agents(vec![("127.0.0.1:5051", server)]);
    let mut seen = Vec::new();
    for turn in 0..4 {
        let server = canned(agents.process("127.0.0.1:5051"));
        let body = read(&format!("mesos/rate/agent_GET_CONTAINERS_t{turn}.json"));
        server.set(&call("GET_CONTAINERS"), CannedReply::ok(body));
        // The recorder's clock is near the agent's at each.
        world.manual.step_ms(1_795_209_708_900 + turn * 10_000 - world.clock.now().ms());
        tokio::time::advance(Duration::from_secs(10)).await;
        world.manual.step_ms(-10_000);
        let observed = world.poll(&mut agents).await;
        let cpu_ns = |id: &str| {
            ["cpu_user_seconds_total", "cpu_system_seconds_total"]
                .map(|column| value(&observed, "mesos_executor", id, column).int().unwrap())
                .iter()
                .sum::<i64>()
        };
        let at_ms = |id: &str| one(&observed, "mesos_executor", id).sample.as_ref().unwrap().at.ms();
        seen.push(
            ["burner", "sleeper", "default-executor", "web_front.instance-docker-burn"]
                .map(|id| (at_ms(id), cpu_ns(id))),
        );
    }
    let truth = json("mesos/rate/cgroup_truth.json");
    let kernel = |turn: usize, path: &str| truth["samples"][turn]["cpuacct_usage_ns"][path].as_f64().unwrap();
    let paths = [
        "/mesos/b07f7efa-caa8-477d-8ecd-0dc35e0aeafa",
        "/mesos/3b2e9266-9719-40ce-8dda-3c2c409c9252",
        "/mesos/a9c675ba-5c4a-4cf7-ab9f-0d3549b952c5",
    ];
    let rate = |index: usize| {
        let ((t0, first), (t3, last)) = (seen[0][index], seen[3][index]);
        (last - first) as f64 / 1e6 / (t3 - t0) as f64
    };
    for (index, path) in paths.iter().enumerate() {
        // Mesos counts in steps of 10 ms, the kernel's reading is up to some milliseconds earlier.
        let of_kernel = (kernel(3, path) - kernel(0, path)) / 30e9;
        assert!((rate(index) - of_kernel).abs() < 0.01, "{path}: {} and {of_kernel}", rate(index));
    }
    assert!((rate(0) - 0.4).abs() < 0.01, "at its quota of 0.4: {}", rate(0));
    assert!((rate(3) - 0.2).abs() < 0.01, "at its quota of 0.2: {}", rate(3));
}

#[tokio::test]
async fn isolation_by_posix_counts_less_and_both_endpoints_agree() {
    let statistics = wire::parse_statistics(&read("mesos/agent-posix/get_monitor_statistics_t0.json")).unwrap();
    let containers = wire::parse_containers(&read("mesos/agent-posix/post_GET_CONTAINERS_t0.json")).unwrap();
    assert_eq!(statistics.len(), 2);
    for executor in &statistics {
        let other = containers.iter().find(|other| other.id == executor.id).unwrap();
        assert_eq!((&other.framework, &other.name), (&executor.framework, &executor.name));
        assert!(other.container_id.is_some() && executor.container_id.is_none());
        let (numbers, others) = (executor.numbers.as_ref().unwrap(), other.numbers.as_ref().unwrap());
        assert_eq!(numbers.len(), others.len());
        assert_eq!(numbers.get("cpus_nr_throttled"), None, "no throttling without CFS");
    }
}

#[test]
fn nested_containers_and_those_without_statistics_are_tolerated() {
    let nested = wire::parse_containers(&read("mesos/agent/post_GET_CONTAINERS_nested.json")).unwrap();
    assert_eq!(nested.len(), 6, "nested ones are left to their executor");
    let without = br#"[{"executor_id":"e","framework_id":"f"},{"executor_id":"g","framework_id":"f","statistics":{"timestamp":1.0}}]"#;
    let executors = wire::parse_statistics(without).unwrap();
    assert!(executors.iter().all(|executor| executor.numbers.is_none()));
    assert_eq!(wire::parse_statistics(&read("mesos/fresh/get_agent_monitor_statistics.json")).unwrap(), []);
    assert_eq!(wire::parse_containers(&read("mesos/fresh/post_agent_GET_CONTAINERS.json")).unwrap(), []);
}

#[tokio::test]
async fn agents_that_fail_are_named_and_the_others_kept() {
    let world = World::new();
    let dead = recorded("agent");
    dead.set_down(true);
    let mut agents = world.agents(vec![("127.0.0.1:5051", recorded("agent")), ("10.9.9.9:5051", dead)]);
    let observed = world.poll(&mut agents).await;
    assert_eq!(observed.outcome, Outcome::Partial);
    assert_eq!(observed.missing.len(), 1);
    assert!(observed.missing[0].starts_with("agent 10.9.9.9:5051"), "{:?}", observed.missing);
    assert_eq!(all(&observed, "mesos_agent").len(), 1);
    assert!(observed.batches.iter().all(|batch| !batch.complete), "what the other one runs is not gone");
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_measured_at_most_once_a_second() {
    let world = World::new();
    let mut agents = world.agents(vec![("127.0.0.1:5051", recorded("agent"))]);
    world.poll(&mut agents).await;
    tokio::time::advance(Duration::from_millis(900)).await;
    let observed = world.poll(&mut agents).await;
    assert_eq!(observed.outcome, Outcome::Partial);
    assert!(!observed.batches[1].complete);
    tokio::time::advance(Duration::from_millis(200)).await;
    world.poll(&mut agents).await;
    let asked = canned(agents.process("127.0.0.1:5051")).take_requests();
    assert_eq!(asked.iter().filter(|path| path.contains("GET_CONTAINERS")).count(), 2);
    assert_eq!(asked.iter().filter(|path| path.contains("GET_METRICS")).count(), 3);
    assert_eq!(asked.iter().filter(|path| *path == "/version").count(), 1);
}

#[tokio::test]
async fn agents_are_learnt_from_the_leader() {
    let world = World::new();
    let observed = world.poll(&mut world.agents(Vec::new())).await;
    assert_eq!(observed.outcome, Outcome::Unreachable, "{:?}", observed.error);
    let mut masters = world.masters(vec![("localhost:5050", recorded("master"))]);
    world.poll(&mut masters).await;
    world.poll(&mut world.tasks()).await;
    let known = world.shared.agents().unwrap();
    assert_eq!(known[AGENT].address.as_deref(), Some("127.0.0.1:5051"));
}

#[tokio::test(start_paused = true)]
async fn three_hundred_agents_of_twenty_executors() {
    let world = World::new();
    let list = json("mesos/agent/post_GET_CONTAINERS.json");
    let addresses: Vec<String> = (0..300).map(|agent| format!("10.0.{}.{}:5051", agent / 250, agent % 250)).collect();
    let one_of = &list["get_containers"]["containers"][4];
    let servers: Vec<(&str, Canned)> = (0..300)
        .map(|agent| {
            let server = recorded("agent");
            let executors: Vec<_> = (0..20)
                .map(|executor| {
                    let mut container = one_of.clone();
                    container["executor_id"]["value"] = format!("e{executor}").into();
                    container["container_id"]["value"] = format!("{agent}-{executor}").into();
                    container
                })
                .collect();
            let body = serde_json::json!({"type": "GET_CONTAINERS", "get_containers": {"containers": executors}});
            server.set(&call("GET_CONTAINERS"), CannedReply::ok(body.to_string()));
            let said = String::from_utf8(read("mesos/agent/post_GET_AGENT.json")).unwrap();
            server.set(&call("GET_AGENT"), CannedReply::ok(said.replace("-S0", &format!("-S{agent}"))));
            (addresses[agent].as_str(), server)
        })
        .collect();
    let mut agents = world.agents(servers);
    world.poll(&mut agents).await;
    for address in &addresses {
        canned(agents.process(address)).take_requests();
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    // The uptime that was recorded stays the same.
    world.manual.step_ms(-10_000);
    let observed = world.poll(&mut agents).await;
    assert_eq!(observed.outcome, Outcome::Ok, "{:?}", observed.missing.first());
    assert_eq!((all(&observed, "mesos_agent").len(), all(&observed, "mesos_executor").len()), (300, 6_000));
    let requests: usize = addresses.iter().map(|address| canned(agents.process(address)).take_requests().len()).sum();
    println!("{requests} requests, {} bytes a tick", observed.bytes);
    assert_eq!(requests, 600);
}
