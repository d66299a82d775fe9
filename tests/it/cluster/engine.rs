//! A simulated Docker engine whose containers Mesos named: recorded replies, cut where the simulation says something
//! else.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::harness::site::{Answer, Request, Site, Sites};
use crate::harness::time::{now_ms, rfc3339};

static STATS: LazyLock<Value> = LazyLock::new(|| recorded(include_str!("../../fixtures/fleet/stats.json")));
static INSPECT: LazyLock<Value> = LazyLock::new(|| recorded(include_str!("../../fixtures/fleet/inspect.json")));
static LISTED: LazyLock<Value> = LazyLock::new(|| recorded(include_str!("../../fixtures/fleet/listed.json")));

fn recorded(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A running container.
#[derive(Debug, Clone)]
pub(super) struct Container {
    /// Docker's.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) started_ms: i64,
    /// Thousandths of a CPU that it uses.
    pub(super) uses_milli: i64,
    /// Thousandths of a CPU that it may use.
    pub(super) limit_milli: i64,
    pub(super) memory_bytes: i64,
}

/// An engine and what runs on it.
pub(super) struct Engine {
    pub(super) site: Site,
    containers: Arc<Mutex<Vec<Container>>>,
}

impl Engine {
    pub(super) fn start(sites: &Sites) -> Engine {
        let containers: Arc<Mutex<Vec<Container>>> = Arc::default();
        let answers = Arc::clone(&containers);
        let site = sites.site(move |request| answer(&answers.lock().unwrap_or_else(PoisonError::into_inner), request));
        Engine { site, containers }
    }

    /// Its section of a configuration; the name is none that Mesos knows.
    pub(super) fn source(&self, name: &str, lines: &str) -> String {
        format!("[[source.docker]]\nname = \"{name}\"\nurl = \"tcp://{}\"\n{lines}\n\n", self.site.address())
    }

    pub(super) fn containers(&self) -> MutexGuard<'_, Vec<Container>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(containers: &[Container], request: &Request) -> Answer {
    let path = request.bare_path();
    let path = path.strip_prefix("/v1.41").unwrap_or(path);
    let fixed = |text: &str| Answer::json(text);
    let answer = match path {
        "/_ping" => fixed("OK"),
        "/version" => fixed(include_str!("../../fixtures/fleet/version.json")),
        "/info" => fixed(include_str!("../../fixtures/fleet/info.json")),
        "/images/json" => fixed("[]"),
        "/system/df" => fixed(include_str!("../../fixtures/fleet/system_df.json")),
        "/containers/json" => Answer::json(containers.iter().map(listed).collect::<Value>().to_string()),
        "/events" if is_over(&request.path) => fixed(""),
        "/events" => Answer::Open,
        _ => {
            let asked = path.strip_prefix("/containers/").and_then(|rest| rest.split_once('/'));
            let found = asked.and_then(|(id, what)| Some((containers.iter().find(|one| one.id == id)?, what)));
            match found {
                Some((container, "json")) => Answer::json(inspected(container).to_string()),
                Some((container, "stats")) => Answer::json(stats(container).to_string()),
                _ => Answer::status(404, "application/json", r#"{"message":"No such container"}"#),
            }
        }
    };
    answer.with("Api-Version", "1.41".to_owned())
}

/// Whether an events request asks for a time that has passed altogether.
fn is_over(target: &str) -> bool {
    let until = target.split(['?', '&']).find_map(|parameter| parameter.strip_prefix("until="));
    let seconds = until.and_then(|until| until.split('.').next()?.parse::<i64>().ok());
    seconds.is_some_and(|seconds| seconds * 1000 <= now_ms())
}

fn listed(container: &Container) -> Value {
    let mut one = LISTED.clone();
    one["Id"] = json!(container.id);
    one["Names"] = json!([format!("/{}", container.name)]);
    one["Created"] = json!(container.started_ms / 1000);
    one["Labels"] = json!({});
    one
}

fn inspected(container: &Container) -> Value {
    let mut one = INSPECT.clone();
    one["Id"] = json!(container.id);
    one["Name"] = json!(format!("/{}", container.name));
    one["Created"] = json!(rfc3339(container.started_ms));
    one["State"]["StartedAt"] = json!(rfc3339(container.started_ms));
    one["Config"]["Labels"] = json!({});
    one["HostConfig"]["NanoCpus"] = json!(container.limit_milli * 1_000_000);
    one
}

fn stats(container: &Container) -> Value {
    let mut one = STATS.clone();
    let now = now_ms();
    let ran_ms = now - container.started_ms;
    one["read"] = json!(rfc3339(now));
    one["id"] = json!(container.id);
    one["name"] = json!(format!("/{}", container.name));
    one["cpu_stats"]["cpu_usage"]["total_usage"] = json!(ran_ms * container.uses_milli * 1_000);
    one["memory_stats"]["usage"] = json!(container.memory_bytes);
    one["memory_stats"]["stats"]["total_inactive_file"] = json!(0);
    one
}
