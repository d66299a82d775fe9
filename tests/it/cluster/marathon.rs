//! Marathons of 1.1 and of 1.10 whose applications are deployed anew, renamed, deleted and made again: each keeps its
//! history, and says what happened to it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::servers::{maps, target, told};
use crate::harness::site::{Answer, Request, Site, Sites};
use crate::harness::time::{LATER, now_ms, rfc3339, wait_for};
use crate::harness::{Recorder, machine};

const SOON: Duration = Duration::from_secs(60);

/// An application as a person thinks of it.
#[derive(Debug, Clone)]
struct App {
    id: &'static str,
    instances: i64,
    version_ms: i64,
    image: &'static str,
}

/// One as Marathon 1.1 writes it: one container type, ports on top, no GPUs, no networks.
fn old(app: &App) -> Value {
    json!({
        "id": app.id, "cmd": null, "args": null, "user": null, "env": {"PASSWORD": "hunter2"},
        "instances": app.instances, "cpus": 0.5, "mem": 64, "disk": 0, "executor": "",
        "constraints": [["hostname", "UNIQUE"]], "uris": [], "fetch": [], "storeUrls": [], "ports": [10_000],
        "requirePorts": false, "backoffSeconds": 1, "backoffFactor": 1.15, "maxLaunchDelaySeconds": 3600,
        "container": {"type": "DOCKER", "volumes": [], "docker": {"image": app.image, "network": "BRIDGE",
            "portMappings": [{"containerPort": 80, "hostPort": 0, "servicePort": 10_000, "protocol": "tcp"}],
            "privileged": false, "parameters": [], "forcePullImage": false}},
        "healthChecks": [{"path": "/", "protocol": "HTTP", "portIndex": 0, "gracePeriodSeconds": 300,
            "intervalSeconds": 60, "timeoutSeconds": 20, "maxConsecutiveFailures": 3, "ignoreHttp1xx": false}],
        "dependencies": [], "upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 1},
        "labels": {"team": "a"}, "acceptedResourceRoles": null, "ipAddress": null, "residency": null,
        "version": rfc3339(app.version_ms),
        "versionInfo": {"lastScalingAt": rfc3339(app.version_ms), "lastConfigChangeAt": rfc3339(app.version_ms)},
        "tasksStaged": 0, "tasksRunning": app.instances, "tasksHealthy": app.instances, "tasksUnhealthy": 0,
        "deployments": [], "tasks": [],
    })
}

/// The same as Marathon 1.10 writes it: networks, port mappings of the container, GPUs, strategies, roles.
fn new(app: &App) -> Value {
    json!({
        "id": app.id, "acceptedResourceRoles": ["*"], "backoffFactor": 1.15, "backoffSeconds": 1,
        "container": {"type": "MESOS", "docker": {"image": app.image, "forcePullImage": false}, "volumes": [],
            "portMappings": [{"containerPort": 80, "labels": {}, "name": "web", "protocol": "tcp", "servicePort": 10_000}]},
        "cpus": 0.5, "disk": 0, "env": {"SECRET": {"secret": "s"}}, "executor": "", "gpus": 1,
        "healthChecks": [{"protocol": "MESOS_HTTP", "path": "/", "intervalSeconds": 60, "ipProtocol": "IPv4"}],
        "instances": app.instances, "killSelection": "YOUNGEST_FIRST", "labels": {"team": "a"},
        "maxLaunchDelaySeconds": 300, "mem": 64, "networks": [{"mode": "container/bridge"}], "requirePorts": false,
        "resourceLimits": {"cpus": "unlimited"}, "role": "dev", "secrets": {"s": {"source": "/s"}}, "tty": true,
        "unreachableStrategy": {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0},
        "upgradeStrategy": {"maximumOverCapacity": 1, "minimumHealthCapacity": 1},
        "version": rfc3339(app.version_ms),
        "versionInfo": {"lastScalingAt": rfc3339(app.version_ms), "lastConfigChangeAt": rfc3339(app.version_ms)},
        "tasksStaged": 0, "tasksRunning": app.instances, "tasksHealthy": app.instances, "tasksUnhealthy": 0,
        "deployments": [],
        "tasks": [{"id": format!("{}.instance-00000001-5647-47e2-9264-b5775128b01d._app.1", &app.id[1..]), "appId": app.id,
            "state": "TASK_RUNNING", "host": "rack-0", "ports": [], "localVolumes": []}],
    })
}

type Apps = Arc<Mutex<Vec<App>>>;

fn marathon(sites: &Sites, apps: &Apps, is_old: bool) -> Site {
    let apps = Arc::clone(apps);
    sites.site(move |request: &Request| {
        let apps = apps.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match request.bare_path() {
            "/v2/apps" => {
                let list: Vec<Value> = apps.iter().map(if is_old { old } else { new }).collect();
                Answer::json(json!({ "apps": list }).to_string())
            }
            "/v2/info" if is_old => Answer::json(
                r#"{"name":"marathon","version":"1.1.1","elected":true,"leader":"m1:8080","frameworkId":"f-0000",
                    "marathon_config":{"master":"zk://zk:2181/mesos"},"zookeeper_config":{},"event_subscriber":null,"http_config":{}}"#,
            ),
            "/v2/info" => Answer::json(
                r#"{"name":"marathon","version":"1.10.26","buildref":"x","elected":true,"leader":"m1:8080",
                    "frameworkId":"f-0000","marathon_config":{"features":["gpu_resources"]},"zookeeper_config":{},"http_config":{}}"#,
            ),
            "/v2/deployments" => Answer::json("[]"),
            "/v2/queue" => Answer::json(r#"{"queue":[]}"#),
            "/metrics" if is_old => Answer::json(
                r#"{"version":"3.0.0","gauges":{"jvm.memory.heap.used":{"value":1.5}},
                    "counters":{"service.mesosphere.marathon.uptime":{"count":7}},"histograms":{},"meters":{},"timers":{}}"#,
            ),
            "/metrics" => Answer::json(
                r#"{"version":"4.0.0","gauges":{"marathon.apps.active.gauge":{"value":2}},
                    "counters":{"marathon.tasks.launched.counter":{"count":7}},"histograms":{},"meters":{},"timers":{}}"#,
            ),
            _ => Answer::status(404, "text/plain", ""),
        }
    })
}

#[test]
fn applications_keep_their_history_through_deployment_renaming_and_deletion() {
    let _together = machine::shared();
    let sites = Sites::new();
    let version_ms = now_ms() - 3_600_000;
    let app = |id, instances| App { id, instances, version_ms, image: "shop:1" };
    let apps: Apps = Arc::new(Mutex::new(vec![app("/shop/web", 2), app("/shop/cart", 1), app("/batch", 3)]));
    let servers = [marathon(&sites, &apps, true), marathon(&sites, &apps, false)];
    let section = |(name, site): (&str, &Site)| {
        let address = site.address();
        format!(
            "[[source.marathon]]\nname = \"{name}\"\nurls = [\"http://{address}\"]\ninterval = \"2s\"\ntimeout = \"1500ms\"\n\n"
        )
    };
    let begun_ms = now_ms();
    let start = (begun_ms - 60_000).to_string();
    let sections: String = ["old", "new"].into_iter().zip(&servers).map(section).collect();
    let recorder = Recorder::start(&format!("[source]\ndocker = []\nhost.enabled = false\n\n{sections}"));
    let instances = |cluster: &str, id: &str, agg: &str| {
        let asked = [
            ("start", start.as_str()),
            ("end", LATER),
            ("step", "all"),
            ("cluster", cluster),
            ("app", id),
            ("fields", "instances"),
            ("agg", agg),
        ];
        recorder.table("range/marathon_app", &asked).numbers("instances").first().copied().flatten()
    };
    let entity = |cluster: &str, id: &str| {
        let asked = [("start", start.as_str()), ("end", LATER), ("cluster", cluster), ("app", id)];
        maps(&recorder.table("entities/marathon_app", &asked))
    };
    let wait = |what: &str, is_so: &dyn Fn(&str) -> bool| {
        wait_for(what, SOON, || ["old", "new"].iter().all(|cluster| is_so(cluster)).then_some(()));
    };
    wait("the applications", &|cluster| instances(cluster, "/shop/web", "count").is_some_and(|count| count >= 2.0));

    // Deployed anew with another image and more instances; one renamed, one deleted.
    let deployed_ms = now_ms();
    {
        let mut apps = apps.lock().unwrap_or_else(PoisonError::into_inner);
        apps[0] = App { id: "/shop/web", instances: 4, version_ms: deployed_ms, image: "shop:2" };
        apps[1] = App { version_ms: deployed_ms, ..app("/shop/basket", 1) };
        apps.remove(2);
    }
    wait("the new versions", &|cluster| instances(cluster, "/shop/web", "last") == Some(4.0));
    wait("the new name", &|cluster| instances(cluster, "/shop/basket", "count").is_some_and(|count| count >= 2.0));
    for cluster in ["old", "new"] {
        // One entity through both versions: what it wanted before is still there.
        let web = entity(cluster, "/shop/web");
        assert_eq!(web.len(), 1, "{web:?}");
        assert_eq!((web[0]["image"].as_str(), web[0]["ended"].as_str()), ("shop:2", ""));
        assert_eq!(web[0]["constraints"], if cluster == "old" { r#"["hostname:UNIQUE"]"# } else { "" });
        assert_eq!(
            (instances(cluster, "/shop/web", "min"), instances(cluster, "/shop/web", "max")),
            (Some(2.0), Some(4.0))
        );
        let images = recorder.table(
            "samples/marathon_app",
            &[("start", &start), ("end", LATER), ("cluster", cluster), ("app", "/shop/web")],
        );
        let mut images: Vec<&str> = images.column("image");
        images.dedup();
        assert_eq!(images, ["shop:1", "shop:2"]);
        // What went has its end and its history.
        for (gone, wanted) in [("/shop/cart", 1.0), ("/batch", 3.0)] {
            let entities = entity(cluster, gone);
            assert!(entities.len() == 1 && !entities[0]["ended"].is_empty(), "{entities:?}");
            assert_eq!(instances(cluster, gone, "max"), Some(wanted));
        }
        assert_eq!(target(&recorder, &format!("marathon/{cluster}"))["last_outcome"], "ok");
    }
    let mut messages = told(&recorder, "app_changed", begun_ms - 60_000);
    messages.sort();
    let at = rfc3339(deployed_ms);
    let twice = |text: String| [text.clone(), text];
    let expected = [
        twice("/batch was deleted".to_owned()),
        twice("/shop/basket was created".to_owned()),
        twice("/shop/cart was deleted".to_owned()),
        twice(format!("/shop/web has another version, {at}")),
        twice("/shop/web was scaled from 2 to 4 instances".to_owned()),
    ];
    for message in expected.concat() {
        assert!(messages.contains(&message), "{message}: {messages:?}");
    }

    // Made again under the old name: the same application, with a gap.
    apps.lock().unwrap_or_else(PoisonError::into_inner).push(app("/batch", 5));
    wait("the application that came back", &|cluster| instances(cluster, "/batch", "last") == Some(5.0));
    for cluster in ["old", "new"] {
        let batch = entity(cluster, "/batch");
        assert!(batch.len() == 1 && batch[0]["ended"].is_empty(), "{batch:?}");
        assert_eq!(instances(cluster, "/batch", "min"), Some(3.0));
    }
    // Names of metrics of either version, and no secret of any application.
    for name in ["service.mesosphere.marathon.uptime", "marathon.tasks.launched.counter"] {
        let metrics = recorder.table("entities/metric", &[("name", name), ("start", &start), ("end", LATER)]);
        assert_eq!(metrics.rows.len(), 1, "{name}");
    }
    let all = recorder.get(&format!("/api/v1/samples/marathon_app.csv?attributes=all&start={start}&end={LATER}"));
    assert!(!all.text().contains("hunter2"));
}
