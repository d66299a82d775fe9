//! The source against replies in the documented shapes of 0.10 to 1.10, and every documented example where it is there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use super::*;
use crate::clock::ManualClock;
use crate::model::{AttributeValue, Event};
use crate::source::http::{Canned, CannedReply};

const NOW: Timestamp = Timestamp::from_ms(1_795_209_600_000);

fn app(id: &str, instances: i64, version: &str, more: &str) -> String {
    format!(
        r#"{{"id":"{id}","cmd":null,"instances":{instances},"cpus":0.25,"mem":64,"disk":0,"gpus":0,
            "constraints":[["hostname","UNIQUE",""]],"container":{{"type":"DOCKER","docker":{{"image":"shop:2"}}}},
            "healthChecks":[{{"protocol":"HTTP","path":"/ping","intervalSeconds":20}}],"labels":{{"team":"a"}},
            "env":{{"PASSWORD":"hunter2","SECRET":{{"secret":"s"}}}},
            "version":"{version}","tasksStaged":0,"tasksRunning":{instances},"tasksHealthy":1,"tasksUnhealthy":0
            {more}}}"#
    )
}

fn apps(list: &[String]) -> CannedReply {
    CannedReply::ok(format!(r#"{{"apps":[{}]}}"#, list.join(",")))
}

struct World {
    manual: ManualClock,
    marathon: Marathon,
    book: Arc<Book>,
}

impl World {
    fn new(instances: usize) -> World {
        let manual = ManualClock::starting_at(NOW);
        let book = Book::new();
        let settings = Settings {
            name: "m".to_owned(),
            urls: Vec::new(),
            tls: None,
            credentials: None,
            interval: INTERVAL,
            reply_max_bytes: REPLY_MAX_BYTES,
            hosts: HostNames::new([("10.0.0.9".to_owned(), "node-9".to_owned())]),
        };
        let servers = (0..instances).map(|index| {
            let canned = Canned::new();
            canned
                .set("/v2/info", CannedReply::ok(r#"{"version":"1.10.0","leader":"m1:8080","frameworkId":"f-0000"}"#));
            canned.set("/v2/deployments", CannedReply::ok("[]"));
            canned.set("/v2/queue", CannedReply::ok(r#"{"queue":[]}"#));
            canned.set("/metrics", CannedReply::ok(r#"{"version":"4.0.0","gauges":{"a.gauge":{"value":1.5}}}"#));
            canned.set(APPS, apps(&[]));
            (format!("m{index}:8080"), Http::Canned(canned))
        });
        let servers = servers.collect();
        let marathon = Marathon::with_instances(settings, Clock::Manual(manual.clone()), Arc::clone(&book), servers);
        World { manual, marathon, book }
    }

    fn server(&self, index: usize) -> &Canned {
        match &self.marathon.instances[index].1 {
            Http::Canned(canned) => canned,
            Http::Live(_) => panic!("a live server"),
        }
    }

    async fn poll(&mut self) -> Observed {
        self.manual.step_ms(30_000);
        let started = Clock::Manual(self.manual.clone()).now();
        self.marathon.poll(Visit { started, timeout: Duration::from_secs(8) }).await
    }
}

fn told(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| format!("{}: {}", event.event_type, event.message)).collect()
}

#[tokio::test]
async fn applications_are_told_with_what_they_want() {
    let mut world = World::new(1);
    let task = r#","tasks":[{"id":"shop_cart.x"}],"versionInfo":{"lastScalingAt":"2026-11-20T20:00:00.500Z"}"#;
    world.server(0).set(APPS, apps(&[app("/shop/cart", 3, "2026-11-20T20:00:00.000Z", task)]));
    world.server(0).set("/v2/queue", CannedReply::ok(r#"{"queue":[{"count":2,"app":{"id":"/a"}},{"count":1}]}"#));
    let observed = world.poll().await;
    assert_eq!(observed.outcome, Outcome::Ok, "{:?}", observed.missing);
    let cart = &observed.batches[1].observations[0];
    let value = |column: &str| cart.sample.as_ref().unwrap().values[MARATHON_APP.column_index(column).unwrap()];
    assert_eq!(value("instances"), Value::Int(3));
    assert_eq!(value("cpus_requested"), Value::Int(750));
    assert_eq!(value("memory_requested_bytes"), Value::Int(3 * (64 << 20)));
    assert_eq!(value("memory_per_instance_bytes"), Value::Int(64 << 20));
    let facts = cart.attributes.as_ref().unwrap();
    assert_eq!(facts["image"], "shop:2".into());
    assert_eq!(facts["constraints"], AttributeValue::List(vec!["hostname:UNIQUE".to_owned()]));
    assert_eq!(facts["health_checks"], AttributeValue::List(vec!["HTTP:/ping:20s".to_owned()]));
    assert!(!format!("{observed:?}").contains("hunter2"), "variables are secrets");
    let whole = observed.batches[0].observations[0].sample.as_ref().unwrap();
    assert_eq!(*whole.values, [Value::Int(1), Value::Int(0), Value::Int(3), Value::Int(2)]);
    assert_eq!(world.book.app_of_task("shop_cart.x").as_deref(), Some("/shop/cart"));
}

#[tokio::test]
async fn changes_are_events_with_marathons_own_times() {
    let mut world = World::new(1);
    let (v1, v2, v3) = ("2026-11-20T20:00:00.000Z", "2026-11-20T21:19:00.000Z", "2026-11-20T21:19:30.250Z");
    world.server(0).set(APPS, apps(&[app("/a", 2, v1, ""), app("/b", 1, v1, "")]));
    assert_eq!(told(&world.poll().await.events), Vec::<String>::new(), "what is there at first is no change");

    world.server(0).set(APPS, apps(&[app("/a", 2, v2, ""), app("/c", 1, v2, "")]));
    let deployment = r#"[{"id":"d1","version":"2026-11-20T21:19:00.000Z","affectedApps":["/a"],"steps":[[{"action":"StartApplication","app":"/a"}]],"totalSteps":2}]"#;
    world.server(0).set("/v2/deployments", CannedReply::ok(deployment));
    let observed = world.poll().await;
    assert_eq!(
        told(&observed.events),
        [
            "app_changed: /a has another version, 2026-11-20T21:19:00.000Z",
            "app_changed: /c was created",
            "app_changed: /b was deleted",
            "deployment_started: deployment of /a began",
        ]
    );
    let at = wire::parse_time(v2).unwrap();
    assert_eq!([observed.events[0].at, observed.events[1].at, observed.events[3].at], [at, at, at]);
    assert!(observed.batches[1].complete, "so that /b has its end");

    let failure = r#","tasksUnhealthy":1,"lastTaskFailure":{"appId":"/a","taskId":"a.t1","state":"TASK_FAILED",
        "message":"Command exited with status 1","host":"10.0.0.9","timestamp":"2026-11-20T21:19:40.000Z"}"#;
    let scaled = app("/a", 5, v3, failure).replace(r#""tasksUnhealthy":0"#, r#""was":0"#);
    world.server(0).set(APPS, apps(&[scaled, app("/c", 1, v2, "")]));
    world.server(0).set("/v2/deployments", CannedReply::ok("[]"));
    world.server(0).set("/v2/info", CannedReply::ok(r#"{"version":"1.10.0","leader":"m2:8080"}"#));
    let observed = world.poll().await;
    assert_eq!(
        told(&observed.events),
        [
            "task_failed: /a: task a.t1 is TASK_FAILED (Command exited with status 1)",
            "app_changed: /a was scaled from 2 to 5 instances",
            "app_health_changed: /a: 1 unhealthy tasks, 0 before",
            "deployment_ended: deployment of /a ended",
            "leader_changed: m2:8080 leads Marathon m in place of m1:8080",
        ]
    );
    assert_eq!(observed.events[0].at, wire::parse_time("2026-11-20T21:19:40.000Z").unwrap());
    assert_eq!(observed.events[0].details["host"], "node-9".into(), "as `[hosts]` calls it");
    assert_eq!(told(&world.poll().await.events), Vec::<String>::new(), "told once");
}

#[tokio::test]
async fn another_instance_is_asked_where_one_fails_and_stays_the_first() {
    let mut world = World::new(2);
    world.server(0).set_down(true);
    assert_eq!(world.poll().await.outcome, Outcome::Ok);
    assert!(!world.server(0).take_requests().is_empty());
    assert_eq!(world.poll().await.outcome, Outcome::Ok);
    assert!(world.server(0).take_requests().is_empty());
    world.server(1).set_down(true);
    assert_eq!(world.poll().await.outcome, Outcome::Refused);
}

#[tokio::test]
async fn what_does_not_come_is_named_and_ends_nothing() {
    let mut world = World::new(1);
    let deployment = r#"[{"id":"d1","affectedApps":["/a"]}]"#;
    world.server(0).set("/v2/deployments", CannedReply::ok(deployment));
    world.poll().await;
    for (path, bad) in [("/v2/deployments", "<html>"), ("/v2/queue", "{"), ("/v2/info", "[")] {
        world.server(0).set(path, CannedReply::ok(bad));
    }
    world.server(0).set("/metrics", CannedReply::with_status(503, ""));
    let observed = world.poll().await;
    assert_eq!(observed.outcome, Outcome::Partial);
    assert_eq!(observed.missing, ["info", "deployments", "queue", "metrics"]);
    assert_eq!(told(&observed.events), Vec::<String>::new(), "a list that did not come ends no deployment");
    world.server(0).set(APPS, CannedReply::ok("<html>"));
    assert_eq!(world.poll().await.outcome, Outcome::Malformed);
    world.server(0).set(APPS, CannedReply::with_status(401, "no"));
    assert_eq!(world.poll().await.outcome, Outcome::Unauthorized);
}

#[test]
fn metrics_of_both_shapes_and_both_namings_are_read_whole() {
    let json = br#"{"version":"3.0.0",
        "counters":{"service.mesosphere.marathon.core.task.update.impl.x.publishFuture":{"count":7}},
        "gauges":{"marathon.apps.active.gauge":{"value":12},"text":{"value":"n/a"},"jvm.x":{"value":[1,2]}},
        "histograms":{},"meters":{"m":{"count":3,"m1_rate":0.5,"units":"events/second"}},
        "timers":{"t":{"count":2,"max":0.25,"p99":0.2,"duration_units":"seconds"}}}"#;
    let metrics = wire::parse_metrics(json).unwrap();
    assert_eq!(metrics.len(), 1 + 1 + 2 + 2 + 3);
    let counters: Vec<&str> =
        metrics.iter().filter(|metric| metric.is_counter).map(|metric| metric.number.name.as_str()).collect();
    assert_eq!(counters, ["service.mesosphere.marathon.core.task.update.impl.x.publishFuture", "m", "t"]);
    let text = b"# HELP marathon_apps x\n# TYPE marathon_apps gauge\nmarathon_apps 12.0\n# TYPE marathon_c counter\n\
                 marathon_c{a=\"b\"} 3\nmarathon_t_seconds_count 2\n\n";
    let metrics = wire::parse_prometheus(text);
    let counters: Vec<bool> = metrics.iter().map(|metric| metric.is_counter).collect();
    assert_eq!(counters, [false, true, true]);
}

#[tokio::test]
async fn metrics_in_text_are_taken_where_there_is_no_json() {
    let mut world = World::new(1);
    world.server(0).set("/metrics", CannedReply::with_status(404, ""));
    world.server(0).set("/metrics/prometheus", CannedReply::ok("marathon_apps 12.0\n"));
    let observed = world.poll().await;
    assert_eq!(observed.outcome, Outcome::Ok, "{:?}", observed.missing);
    assert_eq!(observed.batches[2].observations.len(), 1);
    assert_eq!(observed.batches[2].observations[0].identity.part(2), "address=\"m0:8080\"");
}

#[test]
fn applications_of_old_and_new_shapes_are_read() {
    // 1.4 as an article printed it; it comes as one application.
    let article = include_str!("../../../tests/fixtures/articles/marathon_1.4_post_apps_reply_busybox-demo.json");
    let app: App = serde_json::from_str(article).unwrap();
    assert_eq!((app.id.as_str(), app.instances, app.image().as_deref()), ("/busybox-demo", Some(2), Some("busybox")));
    let article = include_str!("../../../tests/fixtures/articles/marathon_0.x_post_apps_reply_basic-0.json");
    let app: App = serde_json::from_str(article).unwrap();
    assert_eq!(app.id, "/basic-0");
    assert!(app.scaled_at().is_none());
}

/// The examples of Marathon's documentation, which stand beside the repository where they stand at all.
fn examples() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["../shared", "../../shared"].iter().map(|up| here.join(up).join("recordings/marathon")).find(|path| path.is_dir())
}

/// Every application within a group, in whatever groups.
fn apps_of_group(group: &Json) -> Vec<App> {
    let list = |name: &str| group[name].as_array().cloned().unwrap_or_default();
    let own = list("apps").into_iter().map(|app| serde_json::from_value(app).unwrap());
    let mut apps: Vec<App> = own.collect();
    list("groups").iter().for_each(|group| apps.extend(apps_of_group(group)));
    apps
}

/// Applications that tasks are of, as they are embedded.
fn apps_of_tasks(tasks: &[Json]) -> Vec<App> {
    let app = |task: &Json| serde_json::json!({"id": task["appId"].as_str().unwrap_or_default(), "tasks": [task]});
    tasks
        .iter()
        .map(|task| serde_json::from_value(app(task)).unwrap_or_else(|error| panic!("{task}: {error}")))
        .collect()
}

/// How much of one documented body was read: applications, tasks, deployments and so on.
fn read_example(name: &str, body: &[u8]) -> usize {
    let json: Json = serde_json::from_slice(body).unwrap_or_else(|error| panic!("{name}: {error}"));
    // One task comes in a list of its own in some of them.
    let listed = |json: &Json| ["tasks", "task"].iter().find_map(|name| json[*name].as_array().cloned());
    let tasks = |json: &Json| listed(json).unwrap_or_else(|| vec![json["task"].clone()]);
    match name {
        "GET_v2_apps_toggle_embed_apps.tasks.json" => {
            let app: App = serde_json::from_value(json["app"].clone()).unwrap();
            assert!(app.last_task_failure.is_some());
            app.tasks().count()
        }
        "app_list.json" | "GET_v2_apps_.json" => {
            let apps = wire::parse_apps(body).unwrap();
            assert!(apps.iter().all(|app| app.id.starts_with('/') && app.instances.is_some()), "{name}");
            apps.len()
        }
        "app.json" => {
            let app: App = serde_json::from_slice(body).unwrap();
            assert!(app.id.starts_with('/') && app.image().is_some(), "{name}");
            app.labels().len().max(1)
        }
        "deployments.json" => {
            let deployments = wire::parse_deployments(body).unwrap();
            assert_eq!(deployments[0].affected_apps, ["/foo"]);
            deployments.len()
        }
        "queue.json" => {
            let (waiting, apps) = wire::parse_queue(body).unwrap();
            assert!(waiting >= apps && apps >= 2, "{name}");
            2
        }
        "info.json" | "GET_v2_info.json" => {
            let info = wire::parse_info(body).unwrap();
            assert!(info.version.is_some() && info.framework_id.is_some(), "{name}");
            1
        }
        "leader.json" | "leader-404.json" | "GET_v2_leader.json" => {
            // `/v2/info` has the leader under the same key.
            let info = wire::parse_info(body).unwrap();
            assert_eq!(info.leader.is_some(), name != "leader-404.json");
            1
        }
        "group.json" | "GET_v2_groups.json" | "GET_v2_groups_test.json" | "group-real-155_100.json" => {
            let apps = apps_of_group(&json);
            assert!(apps.iter().all(|app| !app.id.is_empty()), "{name}");
            assert_eq!(apps.len() == 100, name == "group-real-155_100.json", "{name}: {}", apps.len());
            1
        }
        _ if name.contains("task") && !name.contains("event") && !name.contains("unhealthy") => {
            let apps = apps_of_tasks(&tasks(&json));
            assert!(apps.iter().all(|app| app.tasks().count() == 1), "{name}");
            apps.len()
        }
        "GET_v2_apps_my-app_versions.json" | "GET_v2_eventSubscriptions.json" => {
            // Names of versions and addresses of listeners: nothing that is recorded.
            json.as_object().unwrap().values().next().unwrap().as_array().unwrap().len()
        }
        _ if name.starts_with("GET_v2_apps_my-app_versions_") => {
            let app: App = serde_json::from_slice(body).unwrap();
            assert!(!app.id.is_empty());
            1
        }
        // Events hold applications, deployments and groups in the same shapes.
        _ => {
            assert!(json["eventType"].is_string(), "{name} is of no shape that is known");
            let app = &json["appDefinition"];
            if app.is_object() {
                assert!(!serde_json::from_value::<App>(app.clone()).unwrap().id.is_empty(), "{name}");
            }
            let plan = &json["plan"];
            if plan.is_object() {
                let plans = wire::parse_deployments(format!("[{plan}]").as_bytes()).unwrap();
                assert!(!plans[0].id.is_empty(), "{name}");
                apps_of_group(&plan["original"]);
                apps_of_group(&plan["target"]);
            }
            if json["taskId"].is_string() {
                let failure: wire::TaskFailure = serde_json::from_value(json.clone()).unwrap();
                assert!(!failure.task_id.is_empty(), "{name}");
            }
            1
        }
    }
}

#[test]
fn every_documented_example_is_read() {
    let Some(examples) = examples() else {
        println!("not run: the examples of Marathon's documentation are not there (../shared/recordings/marathon)");
        return;
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(&examples).unwrap().map(|entry| entry.unwrap().path()) {
        match entry.is_dir() {
            true => files.extend(std::fs::read_dir(entry).unwrap().map(|entry| entry.unwrap().path())),
            false => files.push(entry),
        }
    }
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    assert_eq!(files.len(), 9 + 9 + 11 + 27 + 11 + 1 + 1, "{files:#?}");
    let read: usize = files
        .iter()
        .map(|file| read_example(file.file_name().unwrap().to_str().unwrap(), &std::fs::read(file).unwrap()))
        .sum();
    assert!(read > files.len(), "{read}");
    // The stream of events holds one such body a line.
    let stream = std::fs::read_to_string(examples.join("docs-examples-v1.10.26/events.txt")).unwrap();
    let bodies: Vec<&str> = stream.lines().filter_map(|line| line.strip_prefix("data:")).collect();
    assert!(!bodies.is_empty());
    for body in bodies {
        assert!(serde_json::from_str::<Json>(body).unwrap()["eventType"].is_string(), "{body}");
    }
}
