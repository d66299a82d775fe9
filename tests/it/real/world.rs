//! One engine and one recorder for most tests: a container each, side by side, so that minutes are waited once.

use std::sync::OnceLock;
use std::time::Duration;

use crate::harness::time::{LATER, now_ms, rfc3339, wait_for};
use crate::harness::{Recorder, Table, machine};

use super::engine::{self, Engine};
use super::tls;

/// An engine, recorded twice at different intervals.
pub(crate) struct World {
    /// The engine.
    pub(crate) engine: Engine,
    /// Its recorder.
    pub(crate) recorder: Recorder,
}

/// The target that is polled often, and how often.
pub(crate) const FAST: &str = "fast";
/// Real statistics take one second, or two on a busy machine.
pub(crate) const FAST_INTERVAL_MS: i64 = 3_000;
/// The target at the default interval.
pub(crate) const SLOW: &str = "slow";
/// How long a sample may take to be there: some intervals of the slow target.
pub(crate) const SAMPLED_WITHIN: Duration = Duration::from_secs(45);

/// The shared engine and recorder, or nothing where there can be none (the test then says so and ends).
pub(crate) fn world() -> Option<&'static World> {
    static WORLD: OnceLock<World> = OnceLock::new();
    if let Some(reason) = engine::missing() {
        machine::not_run(reason);
        return None;
    }
    Some(WORLD.get_or_init(|| {
        let engine = Engine::start(tls::make_certificates, &tls::ENGINE_OPTIONS);
        let url = engine.url();
        let recorder = Recorder::start(&format!(
            "[[source.docker]]\nname = \"{FAST}\"\nurl = {url:?}\ninterval = \"3s\"\ntimeout = \"2900ms\"\n\n\
             [[source.docker]]\nname = \"{SLOW}\"\nurl = {url:?}\ninterval = \"10s\"\n"
        ));
        let world = World { engine, recorder };
        world.wait_for_poll_after(FAST, now_ms());
        world.wait_for_poll_after(SLOW, now_ms());
        world
    }))
}

impl World {
    /// Waits until a target has been polled after `at_ms`, as the engine's own samples show.
    pub(crate) fn wait_for_poll_after(&self, host: &str, at_ms: i64) {
        wait_for(&format!("a poll of {host} after {}", rfc3339(at_ms)), SAMPLED_WITHIN, || {
            let start = at_ms.to_string();
            let table = self.recorder.table("samples/engine", &[("host", host), ("start", &start), ("end", LATER)]);
            (!table.rows.is_empty()).then_some(())
        });
    }

    /// A container's samples from `start_ms` on.
    pub(crate) fn samples(&self, host: &str, name: &str, start_ms: i64) -> Table {
        let start = start_ms.to_string();
        self.recorder.table("samples/container", &[("host", host), ("name", name), ("start", &start), ("end", LATER)])
    }

    /// Waits for a sample of a container at or after `at_ms`.
    pub(crate) fn wait_for_sample_after(&self, host: &str, name: &str, at_ms: i64) {
        wait_for(&format!("a sample of {name} by {host} after {}", rfc3339(at_ms)), SAMPLED_WITHIN, || {
            (!self.samples(host, name, at_ms).rows.is_empty()).then_some(())
        });
    }

    /// A range answer about one container.
    #[track_caller]
    pub(crate) fn range(&self, host: &str, name: &str, range: (i64, i64), parameters: &[(&str, &str)]) -> Table {
        let (start, end) = (range.0.to_string(), range.1.to_string());
        let about = [("host", host), ("name", name), ("start", &start), ("end", &end)];
        self.recorder.table("range/container", &[&about, parameters].concat())
    }

    /// The entities of a container's name, as the fast target knows them.
    pub(crate) fn entities(&self, host: &str, name: &str) -> Vec<serde_json::Value> {
        let answer =
            self.recorder.json(&format!("/api/v1/entities/container?host={host}&name={name}&start=-1h&end={LATER}"));
        answer["entities"].as_array().expect("a list of entities").clone()
    }

    /// Types and whole events of one container, oldest first.
    pub(crate) fn events(&self, host: &str, id: &str, start_ms: i64) -> Vec<(String, serde_json::Value)> {
        let answer =
            self.recorder.json(&format!("/api/v1/events?kind=container&host={host}&start={start_ms}&end={LATER}"));
        let events = answer["events"].as_array().expect("a list of events").clone();
        let own = events.into_iter().filter(|event| event["entity"]["id"] == id);
        own.map(|event| (event["type"].as_str().unwrap().to_owned(), event)).collect()
    }
}
