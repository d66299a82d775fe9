//! What a simulated engine says: recorded replies of one container, cut where another container or a later
//! time says something else.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat};

/// A label that no careless CSV writer or spreadsheet survives.
pub(crate) const AWKWARD_LABEL: &str = "say \"hi\", twice;\r\n=1+1 \u{e9}\u{2713}";

/// How long the simulated containers had been running when the fleet started.
const UPTIME_MS: i64 = 3_600_000;

/// A recorded text in pieces; between two pieces stands what differs.
struct Template(Vec<String>);

impl Template {
    /// Cuts out the value behind the first occurrence of each key after the one before.
    fn new(text: &str, keys: &[&str]) -> Template {
        let mut rest = text.trim_end();
        let mut pieces = Vec::new();
        for key in keys {
            let begin = rest.find(key).unwrap_or_else(|| panic!("the recorded reply has no {key}")) + key.len();
            let end = begin + value_length(&rest[begin..]);
            pieces.push(rest[..begin].to_owned());
            rest = &rest[end..];
        }
        pieces.push(rest.to_owned());
        Template(pieces)
    }

    fn fill(&self, into: &mut String, values: &[&dyn std::fmt::Display]) {
        assert_eq!(values.len() + 1, self.0.len());
        for (piece, value) in self.0.iter().zip(values) {
            into.push_str(piece);
            write!(into, "{value}").unwrap();
        }
        into.push_str(self.0.last().unwrap());
    }
}

/// Bytes of the JSON value that a text begins with.
fn value_length(text: &str) -> usize {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    values.next().unwrap().unwrap();
    // A number ends where something else begins, a text or an object with its own last character.
    values.byte_offset()
}

/// One simulated engine.
pub(crate) struct Engine {
    number: usize,
    containers: usize,
    started_ms: i64,
    stats: Template,
    inspect: Template,
    list: String,
}

impl Engine {
    /// An engine with containers that have run for a while at `now_ms`.
    pub(crate) fn new(number: usize, containers: usize, now_ms: i64) -> Engine {
        let stats = Template::new(
            include_str!("../../fixtures/fleet/stats.json"),
            &[
                "\"read\":",
                "\"op\":\"Write\",\"value\":",
                "\"total_usage\":",
                "\"usage_in_kernelmode\":",
                "\"usage_in_usermode\":",
                "\"system_cpu_usage\":",
                "\"memory_stats\":{\"usage\":",
                "\"name\":",
                "\"id\":",
                "\"rx_bytes\":",
                "\"tx_bytes\":",
            ],
        );
        let inspect = Template::new(
            include_str!("../../fixtures/fleet/inspect.json"),
            &["\"Id\":", "\"StartedAt\":", "\"Name\":", "\"Labels\":"],
        );
        let mut engine =
            Engine { number, containers, started_ms: now_ms - UPTIME_MS, stats, inspect, list: String::new() };
        engine.list = engine.render_list();
        engine
    }

    /// The name of a container.
    pub(crate) fn name(&self, container: usize) -> String {
        format!("c{:02}-{container:02}", self.number)
    }

    fn id(&self, container: usize) -> String {
        format!("{:032x}{container:032x}", self.number + 1)
    }

    fn container_of(&self, id: &str) -> Option<usize> {
        (0..self.containers).find(|container| self.id(*container) == id || self.name(*container) == id)
    }

    fn labels() -> serde_json::Value {
        serde_json::json!({ "app": "/shop/front", "note": AWKWARD_LABEL })
    }

    fn render_list(&self) -> String {
        let listed = Template::new(
            include_str!("../../fixtures/fleet/listed.json"),
            &["\"Id\":", "\"Names\":", "\"Created\":", "\"Labels\":"],
        );
        let mut text = String::from("[");
        for container in 0..self.containers {
            if container > 0 {
                text.push(',');
            }
            let (id, name) = (self.id(container), self.name(container));
            let created_s = self.started_ms / 1000;
            listed.fill(&mut text, &[&format!("\"{id}\""), &format!("[\"/{name}\"]"), &created_s, &Engine::labels()]);
        }
        text.push(']');
        text
    }

    /// The body for a path without version prefix and query, or nothing where there is none.
    pub(crate) fn answer(&self, path: &str, now_ms: i64) -> Option<String> {
        let fixed = |text: &str| Some(text.to_owned());
        match path {
            "/_ping" => return fixed("OK"),
            "/version" => return fixed(include_str!("../../fixtures/fleet/version.json")),
            "/info" => return fixed(include_str!("../../fixtures/fleet/info.json")),
            "/images/json" => return fixed(include_str!("../../fixtures/fleet/images.json")),
            "/system/df" => return fixed(include_str!("../../fixtures/fleet/system_df.json")),
            "/containers/json" => return Some(self.list.clone()),
            _ => {}
        }
        let (id, what) = path.strip_prefix("/containers/")?.split_once('/')?;
        let container = self.container_of(id)?;
        match what {
            "stats" => Some(self.stats_of(container, now_ms)),
            "json" => Some(self.inspect_of(container)),
            _ => None,
        }
    }

    fn stats_of(&self, container: usize, now_ms: i64) -> String {
        let ran_ms = now_ms - self.started_ms;
        let share = i64::try_from(container + 1).unwrap();
        // The n-th container uses n thousandths of a core, writes n and receives 10 n bytes a millisecond.
        let cpu_ns = ran_ms * share * 1_000;
        let mut text = String::with_capacity(2_500);
        self.stats.fill(
            &mut text,
            &[
                &format!("\"{}\"", nanoseconds(now_ms)),
                &(ran_ms * share),
                &cpu_ns,
                &(cpu_ns / 4),
                &(cpu_ns / 4 * 3),
                &(ran_ms * 2_000_000),
                &(share * 1_048_576 + ran_ms % 4096),
                &format!("\"/{}\"", self.name(container)),
                &format!("\"{}\"", self.id(container)),
                &(ran_ms * share * 10),
                &(ran_ms * share),
            ],
        );
        text
    }

    fn inspect_of(&self, container: usize) -> String {
        let mut text = String::with_capacity(8_000);
        self.inspect.fill(
            &mut text,
            &[
                &format!("\"{}\"", self.id(container)),
                &format!("\"{}\"", nanoseconds(self.started_ms)),
                &format!("\"/{}\"", self.name(container)),
                &Engine::labels(),
            ],
        );
        text
    }
}

fn nanoseconds(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap().to_rfc3339_opts(SecondsFormat::Nanos, true)
}

#[test]
fn simulated_replies_are_json_and_differ_where_they_must() {
    let engine = Engine::new(3, 5, 1_800_000_000_000);
    let read = |path: &str, now_ms: i64| -> serde_json::Value {
        serde_json::from_str(&engine.answer(path, now_ms).unwrap()).unwrap()
    };
    let list = read("/containers/json", 0);
    assert_eq!(list.as_array().unwrap().len(), 5);
    assert_eq!(list[4]["Names"][0], "/c03-04");
    let id = list[4]["Id"].as_str().unwrap();
    let early = read(&format!("/containers/{id}/stats"), 1_800_000_000_000);
    let late = read(&format!("/containers/{id}/stats"), 1_800_000_010_000);
    assert_eq!((&early["id"], &early["name"]), (&list[4]["Id"], &"/c03-04".into()));
    let cpu = |stats: &serde_json::Value| stats["cpu_stats"]["cpu_usage"]["total_usage"].as_i64().unwrap();
    // The fifth container: 5 thousandths of a core for ten seconds.
    assert_eq!(cpu(&late) - cpu(&early), 50_000_000);
    let received = |stats: &serde_json::Value| stats["networks"]["eth0"]["rx_bytes"].as_i64().unwrap();
    assert_eq!(received(&late) - received(&early), 500_000);
    let inspected = read(&format!("/containers/{id}/json"), 0);
    assert_eq!(inspected["Config"]["Labels"]["note"], AWKWARD_LABEL);
    assert_eq!(inspected["State"]["StartedAt"], "2027-01-15T07:00:00.000000000Z");
    assert!(engine.answer("/containers/unknown/json", 0).is_none());
}
