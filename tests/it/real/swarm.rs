//! A real swarm of one node: what its services should run, do run, and what became of the rest.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::harness::time::{LATER, now_ms, wait_for};
use crate::harness::{Recorder, machine};

use super::engine::{self, Engine};

/// Some polls on a busy machine, and the starts of some containers.
const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// The newest numbers of a service, by column.
fn service(recorder: &Recorder, name: &str, columns: &[&str]) -> Option<Vec<f64>> {
    let table = recorder.table("samples/swarm_service", &[("name", name), ("start", "-1m"), ("end", LATER)]);
    columns.iter().map(|column| table.numbers(column).last().copied().flatten()).collect()
}

/// Waits until the newest numbers of a service are as wanted.
fn wait_for_service(recorder: &Recorder, name: &str, columns: &[&str], wanted: impl Fn(&[f64]) -> bool) {
    wait_for(&format!("{name}: {columns:?}"), SEEN_WITHIN, || {
        service(recorder, name, columns).filter(|seen| wanted(seen)).map(drop)
    });
}

fn entities(recorder: &Recorder, kind: &str, filter: &str) -> Vec<serde_json::Value> {
    let answer = recorder.json(&format!("/api/v1/entities/{kind}?{filter}&start=-1h&end={LATER}"));
    answer["entities"].as_array().unwrap().clone()
}

#[test]
fn a_swarm_of_one_node_tells_its_services_and_why_tasks_failed() {
    let _together = machine::shared();
    if let Some(reason) = engine::missing() {
        return machine::not_run(reason);
    }
    let engine = Engine::start(|_| {}, &[]);
    engine.docker(&["swarm", "init", "--advertise-addr", "127.0.0.1"]);
    let recorder = Recorder::start(&format!(
        "[source.host]\nenabled = false\n[[source.docker]]\nname = \"manager\"\nurl = {:?}\ninterval = \"3s\"\n\
         timeout = \"2900ms\"\nswarm = true\nswarm_interval = \"3s\"\n",
        engine.url()
    ));
    // Failures are told from the first look on.
    let node = wait_for("the node", SEEN_WITHIN, || entities(&recorder, "swarm_node", "").pop());
    let facts = &node["attributes"];
    assert_eq!(
        (&facts["role"], &facts["state"], &facts["availability"]),
        (&"manager".into(), &"ready".into(), &"active".into())
    );
    assert_eq!(facts["is_leader"], true);
    let id = engine.docker(&["node", "ls", "--format", "{{.ID}}"]);
    assert_eq!(node["identity"]["id"], id.as_str());

    let begun = now_ms();
    let create = |options: &[&str], name: &str, command: &[&str]| {
        let fixed = ["service", "create", "--detach", "--no-resolve-image", "--network", "host", "--name", name];
        engine.docker(&[&fixed[..], options, &["bb:1.0"], command].concat())
    };
    // As a stack's deployment labels both.
    let stack = "com.docker.stack.namespace=shop";
    let web = create(
        &["--replicas", "2", "--label", stack, "--container-label", stack, "--limit-cpu", "0.5"],
        "web",
        &["sleep", "100000"],
    );
    // Two tries each, so that it stays at a number that can be known.
    let failing = create(&["--restart-max-attempts", "2", "--restart-delay", "1s"], "failing", &["sh", "-c", "exit 5"]);
    create(&["--mode", "global"], "everywhere", &["sleep", "100000"]);
    create(&["--reserve-memory", "4TB"], "toobig", &["sleep", "100000"]);

    wait_for_service(&recorder, "web", &["desired", "running"], |seen| seen == [2.0, 2.0]);
    wait_for_service(&recorder, "everywhere", &["desired", "running"], |seen| seen == [1.0, 1.0]);
    wait_for_service(&recorder, "toobig", &["desired", "running", "pending"], |seen| seen == [1.0, 0.0, 1.0]);
    wait_for_service(&recorder, "failing", &["desired", "running", "failed"], |seen| seen == [1.0, 0.0, 3.0]);
    let nodes = recorder.table("samples/swarm_node", &[("start", "-1m"), ("end", LATER)]);
    assert_eq!(nodes.numbers("tasks_running").last(), Some(&Some(3.0)), "{nodes:?}");

    let of_web = entities(&recorder, "swarm_service", "name=web");
    assert_eq!(of_web.len(), 1);
    assert_eq!(of_web[0]["identity"]["id"], web.as_str());
    assert_eq!(of_web[0]["attributes"]["stack"], "shop");
    assert_eq!(of_web[0]["attributes"]["mode"], "replicated");
    assert_eq!(of_web[0]["attributes"]["image"], "bb:1.0");

    // Every failure is told once, with why.
    let answer = recorder.json(&format!("/api/v1/events?type=task_failed&start={begun}&end={LATER}"));
    let events = answer["events"].as_array().unwrap();
    let tasks: BTreeSet<&str> = events.iter().map(|event| event["details"]["task"].as_str().unwrap()).collect();
    assert_eq!((events.len(), tasks.len()), (3, 3), "{answer:#}");
    let listed = engine.docker(&["service", "ps", "--quiet", "--no-trunc", "failing"]);
    assert_eq!(tasks, listed.lines().collect());
    for event in events {
        assert_eq!(event["entity"]["id"], failing.as_str(), "{event:#}");
        assert_eq!((&event["kind"], &event["severity"]), (&"swarm_service".into(), &"warning".into()));
        assert_eq!(event["details"]["service"], "failing", "{event:#}");
        assert_eq!(event["details"]["exit_code"], 5, "{event:#}");
        assert!(event["message"].as_str().unwrap().contains("non-zero exit (5)"), "{event:#}");
    }

    // Its containers say to which service they belong.
    let of_service = |name: &str| entities(&recorder, "container", &format!("service={name}"));
    wait_for("the containers of web", SEEN_WITHIN, || (of_service("web").len() == 2).then_some(()));
    assert_eq!(of_service("everywhere").len(), 1);
    assert_eq!(entities(&recorder, "container", "stack=shop").len(), 2);

    // One is stopped, another goes, then the whole swarm; the engine stays up.
    engine.docker(&["service", "scale", "--detach", "web=1"]);
    engine.docker(&["service", "rm", "toobig"]);
    wait_for_service(&recorder, "web", &["desired", "running"], |seen| seen == [1.0, 1.0]);
    let is_ended = |name: &str| {
        entities(&recorder, "swarm_service", &format!("name={name}")).pop().is_some_and(|it| it["ended"].is_string())
    };
    wait_for("the end of toobig", SEEN_WITHIN, || is_ended("toobig").then_some(()));
    assert!(!is_ended("web"));
    engine.docker(&["swarm", "leave", "--force"]);
    wait_for("the end of web", SEEN_WITHIN, || is_ended("web").then_some(()));
    let targets = recorder.json("/api/v1/targets");
    let swarm = targets["targets"].as_array().unwrap().iter().find(|target| target["target"] == "swarm/manager");
    assert_eq!(swarm.unwrap()["up"], true, "{targets:#}");
}
