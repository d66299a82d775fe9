//! Replies of Marathon as values, of 0.10 to 1.10 alike.
//!
//! Pure. Environment variables are not read: they hold secrets. Must not know: how replies are fetched.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::model::Timestamp;
use crate::source::labelled::{Labelled, parse_line};
use crate::source::wire::rfc3339;

/// The instant that a text means, where it can be believed.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    rfc3339(text).filter(|at| *at >= Timestamp::CREDIBLE_FROM)
}

/// An application.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct App {
    pub(super) id: String,
    pub(super) cmd: Option<String>,
    pub(super) user: Option<String>,
    pub(super) instances: Option<i64>,
    pub(super) cpus: Option<f64>,
    pub(super) mem: Option<f64>,
    pub(super) disk: Option<f64>,
    pub(super) gpus: Option<f64>,
    container: Option<Container>,
    constraints: Option<Vec<Vec<String>>>,
    health_checks: Option<Vec<HealthCheck>>,
    labels: Option<BTreeMap<String, String>>,
    pub(super) version: Option<String>,
    version_info: Option<VersionInfo>,
    pub(super) tasks_staged: Option<i64>,
    pub(super) tasks_running: Option<i64>,
    pub(super) tasks_healthy: Option<i64>,
    pub(super) tasks_unhealthy: Option<i64>,
    deployments: Option<Vec<Named>>,
    tasks: Option<Vec<Named>>,
    pub(super) last_task_failure: Option<TaskFailure>,
}

#[derive(Debug, Clone, Deserialize)]
struct Container {
    docker: Option<Docker>,
}

#[derive(Debug, Clone, Deserialize)]
struct Docker {
    image: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HealthCheck {
    protocol: Option<String>,
    path: Option<String>,
    interval_seconds: Option<f64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct VersionInfo {
    last_scaling_at: Option<String>,
    last_config_change_at: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Named {
    id: String,
}

/// The last failure of an application's tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct TaskFailure {
    pub(super) task_id: String,
    pub(super) state: Option<String>,
    pub(super) message: Option<String>,
    pub(super) host: Option<String>,
    pub(super) slave_id: Option<String>,
    pub(super) timestamp: Option<String>,
    pub(super) version: Option<String>,
}

impl App {
    pub(super) fn image(&self) -> Option<String> {
        self.container.as_ref()?.docker.as_ref()?.image.clone()
    }

    pub(super) fn constraints(&self) -> Vec<String> {
        let shown =
            |parts: &Vec<String>| parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(":");
        self.constraints.iter().flatten().map(shown).collect()
    }

    pub(super) fn health_checks(&self) -> Vec<String> {
        let shown = |check: &HealthCheck| {
            let interval = check.interval_seconds.map(|seconds| format!("{seconds}s"));
            [check.protocol.clone(), check.path.clone(), interval].into_iter().flatten().collect::<Vec<_>>().join(":")
        };
        self.health_checks.iter().flatten().map(shown).collect()
    }

    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        self.labels.clone().unwrap_or_default()
    }

    pub(super) fn scaled_at(&self) -> Option<Timestamp> {
        parse_time(self.version_info.as_ref()?.last_scaling_at.as_deref()?)
    }

    pub(super) fn configured_at(&self) -> Option<Timestamp> {
        parse_time(self.version_info.as_ref()?.last_config_change_at.as_deref()?)
    }

    pub(super) fn deployments(&self) -> Vec<String> {
        self.deployments.iter().flatten().map(|deployment| deployment.id.clone()).collect()
    }

    /// Ids of its tasks, where they were embedded.
    pub(super) fn tasks(&self) -> impl Iterator<Item = &str> {
        self.tasks.iter().flatten().map(|task| task.id.as_str())
    }
}

/// Reads `/v2/apps`.
pub(super) fn parse_apps(body: &[u8]) -> Result<Vec<App>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        apps: Vec<App>,
    }
    serde_json::from_slice::<Reply>(body).map(|reply| reply.apps)
}

/// A deployment in progress.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Deployment {
    pub(super) id: String,
    pub(super) version: Option<String>,
    pub(super) affected_apps: Vec<String>,
    pub(super) affected_pods: Vec<String>,
    pub(super) total_steps: Option<i64>,
}

/// Reads `/v2/deployments`. Steps are lists in old versions and objects in new ones; they are not read.
pub(super) fn parse_deployments(body: &[u8]) -> Result<Vec<Deployment>, serde_json::Error> {
    serde_json::from_slice(body)
}

/// What waits to be launched: instances, applications.
pub(super) fn parse_queue(body: &[u8]) -> Result<(i64, i64), serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        #[serde(default)]
        queue: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        #[serde(default)]
        count: i64,
    }
    let queue = serde_json::from_slice::<Reply>(body)?.queue;
    let waiting = queue.iter().fold(0_i64, |sum, item| sum.saturating_add(item.count));
    Ok((waiting, i64::try_from(queue.len()).unwrap_or(i64::MAX)))
}

/// What `/v2/info` says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Info {
    pub(super) version: Option<String>,
    pub(super) leader: Option<String>,
    pub(super) framework_id: Option<String>,
    pub(super) elected: Option<bool>,
}

/// Reads `/v2/info`.
pub(super) fn parse_info(body: &[u8]) -> Result<Info, serde_json::Error> {
    serde_json::from_slice(body)
}

/// A number of `/metrics` and whether it only grows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Metric {
    pub(super) number: Labelled,
    pub(super) is_counter: bool,
}

/// Reads `/metrics` as JSON: `{"counters":{name:{"count":1}},"gauges":{name:{"value":2}},…}`. Each number below a name
/// becomes one metric of that name with the label `field`.
pub(super) fn parse_metrics(body: &[u8]) -> Result<Vec<Metric>, serde_json::Error> {
    let groups: BTreeMap<String, Json> = serde_json::from_slice(body)?;
    let mut metrics = Vec::new();
    for (group, names) in &groups {
        let Json::Object(names) = names else { continue };
        for (name, fields) in names {
            numbers("", fields, &mut |field, value| {
                let is_counter = field == "count" || (group == "counters" && field == "value");
                let labels = BTreeMap::from([("field".to_owned(), field.to_owned())]);
                metrics.push(Metric { number: Labelled { name: name.clone(), labels, value }, is_counter });
            });
        }
    }
    Ok(metrics)
}

fn numbers(path: &str, value: &Json, found: &mut impl FnMut(&str, f64)) {
    let below = |part: &str| if path.is_empty() { part.to_owned() } else { format!("{path}/{part}") };
    match value {
        Json::Number(number) => {
            if let Some(number) = number.as_f64() {
                found(if path.is_empty() { "value" } else { path }, number);
            }
        }
        Json::Object(object) => object.iter().for_each(|(part, value)| numbers(&below(part), value, found)),
        Json::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| numbers(&below(&index.to_string()), value, found));
        }
        Json::Bool(_) | Json::Null | Json::String(_) => {}
    }
}

/// Reads metrics in the Prometheus text format: what a line before says is a counter only grows.
pub(super) fn parse_prometheus(body: &[u8]) -> Vec<Metric> {
    let text = String::from_utf8_lossy(body);
    let mut counters = std::collections::BTreeSet::new();
    let mut metrics = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if (words.next(), words.next()) == (Some("#"), Some("TYPE")) {
            if let (Some(name), Some("counter")) = (words.next(), words.next()) {
                counters.insert(name.to_owned());
            }
        } else if let Some(number) = parse_line(line) {
            let is_counter = counters.contains(&number.name)
                || ["_count", "_sum", "_bucket"].iter().any(|ending| number.name.ends_with(ending));
            metrics.push(Metric { number, is_counter });
        }
    }
    metrics
}
