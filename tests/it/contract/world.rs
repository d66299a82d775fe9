//! A recorded world of twenty minutes on three engines, polled every ten seconds from 03:00:00 to 03:20:00.
//!
//! | id | what it does |
//! |---|---|
//! | w1 | `web` of /shop/web on node-1: a quarter of a core, all the time |
//! | d1 | a database with a hostile name on node-1: half a core |
//! | r1 | `job` on node-1: one core, restarted at 03:05:05 |
//! | m1 | on node-1: a tenth of a core; `mover` of /old until 03:10:00, then `moved` of /new |
//! | b1 | on node-1: created at 03:10:05, one core |
//! | w2 | `web` of /shop/web on node-2: a quarter of a core; its engine does not answer from 03:10:00 to 03:14:50 |
//! | i1 | `idle` on node-3, whose ticks were skipped, dropped and left out |

use std::collections::BTreeMap;

use tachograph::model::{
    AttributeValue, Attributes, Event, Identity, KindBatch, Observation, Outcome, Poll, Sample, Severity, Snapshot,
    TargetName, Timestamp, Value,
};
use tachograph::source::docker::kinds::CONTAINER;

use crate::harness::Served;
use crate::harness::seeded::{stores, t};

/// A name that breaks naive CSV, JSON and HTML, and that a spreadsheet would compute.
pub(crate) const HOSTILE: &str = "=1+1,\"ü\"\r\n</b>";

/// The kinds that the targets of the world fill.
pub(crate) const TARGETS: [(&str, &[&str]); 3] =
    [("docker/node-1", &["container"]), ("docker/node-2", &["container"]), ("docker/node-3", &["container"])];

/// Runs a check over each store, served an hour later: everything is closed.
pub(crate) fn both(check: impl Fn(&Served)) {
    static SERVED: std::sync::OnceLock<Vec<Served>> = std::sync::OnceLock::new();
    let served = SERVED.get_or_init(|| {
        let start = |(_, store)| Served::start(store, &world(), &TARGETS, t("04:10:00"));
        stores().into_iter().map(start).collect()
    });
    served.iter().for_each(check);
}

/// A poll of a target.
pub(crate) fn poll(target: &str, at: i64, outcome: Outcome) -> Poll {
    Poll {
        target: TargetName::from_full(target),
        started: Timestamp::from_ms(at),
        duration_ms: 100,
        interval_ms: 10_000,
        bytes: 1_000,
        outcome,
        error: (!outcome.is_good()).then(|| format!("{} on purpose", outcome.name())),
        missing: Vec::new(),
        clock_offset_ms: 0,
    }
}

/// A container at one time, before its numbers are put in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) identity: (&'static str, &'static str),
    pub(crate) attributes: Attributes,
    pub(crate) at: i64,
    pub(crate) since: i64,
    pub(crate) values: BTreeMap<&'static str, i64>,
}

impl Seen {
    /// A container that has used so many thousandths of a core since its counters began.
    pub(crate) fn new(host: &'static str, id: &'static str, at: i64, since: i64, millicores: i64) -> Seen {
        let values = BTreeMap::from([("cpu_usage_seconds_total", (at - since) * millicores * 1_000)]);
        Seen { identity: (host, id), attributes: Attributes::new(), at, since, values }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<AttributeValue>) -> Seen {
        assert!(CONTAINER.attribute(name).is_some(), "{name}");
        self.attributes.insert(name, value.into());
        self
    }

    pub(crate) fn value(mut self, name: &'static str, value: i64) -> Seen {
        assert!(CONTAINER.column(name).is_some(), "{name}");
        self.values.insert(name, value);
        self
    }

    pub(crate) fn observation(self) -> Observation {
        let value = |name: &str| self.values.get(name).map_or(Value::Null, |value| Value::Int(*value));
        let sample = Sample {
            at: Timestamp::from_ms(self.at),
            since: Some(Timestamp::from_ms(self.since)),
            values: CONTAINER.columns.iter().map(|column| value(column.name)).collect(),
        };
        let identity = Identity::new([self.identity.0, self.identity.1]);
        Observation { identity, attributes: Some(self.attributes), ended: None, sample: Some(sample) }
    }
}

/// Forty thousand ids.
pub(crate) fn many_ids() -> &'static [&'static str] {
    static IDS: std::sync::OnceLock<Vec<&'static str>> = std::sync::OnceLock::new();
    IDS.get_or_init(|| (0..40_000).map(|number| &*format!("{number:05}").leak()).collect())
}

/// What a good poll saw.
pub(crate) fn saw(poll: Poll, seen: Vec<Seen>) -> Snapshot {
    let observations = seen.into_iter().map(Seen::observation).collect();
    Snapshot { poll, batches: vec![KindBatch { kind: &CONTAINER, complete: true, observations }], events: Vec::new() }
}

/// Everything, in the order in which it would have come.
pub(crate) fn world() -> Vec<Snapshot> {
    let mut snapshots = Vec::new();
    for (tick, at) in (t("03:00:00")..=t("03:20:00")).step_by(10_000).enumerate() {
        snapshots.push(node_1(i64::try_from(tick).unwrap(), at));
        node_2(at, &mut snapshots);
        node_3(at, &mut snapshots);
    }
    snapshots
}

fn node_1(tick: i64, at: i64) -> Snapshot {
    // Periods come by hundreds and three hundreds; only the hundreds are throttled, half of the time.
    let (odd, pairs) = (tick % 2, tick / 2);
    let labels: BTreeMap<String, String> = [("env".to_owned(), "prod".to_owned())].into();
    let mut seen = vec![
        Seen::new("node-1", "w1", at, t("02:00:00"), 250)
            .with("name", "web")
            .with("app", "/shop/web")
            .with("oom_killed", false)
            .with("restart_count", 0)
            .with("cpu_limit_cores", 0.5)
            .with("started_at", Timestamp::from_ms(t("02:00:00")))
            .with("labels", labels)
            .with("ports", vec!["80/tcp".to_owned(), "443/tcp".to_owned()])
            .value("memory_usage_bytes", 1_000 + tick)
            .value("memory_inactive_file_bytes", 200)
            .value("memory_limit_bytes", 2_000 + 2_000 * odd)
            .value("cpu_periods_total", 400 * pairs + 100 * odd)
            .value("cpu_throttled_periods_total", 50 * pairs + 50 * odd)
            .value("network_receive_bytes_total", 7 * tick),
        Seen::new("node-1", "d1", at, t("02:00:00"), 500)
            .with("name", HOSTILE)
            .value("memory_usage_bytes", 5_000)
            .value("memory_limit_bytes", 10_000),
    ];
    let restarted = if at > t("03:05:05") { t("03:05:05") } else { t("02:00:00") };
    seen.push(
        Seen::new("node-1", "r1", at, restarted, 1_000)
            .with("name", "job")
            .with("app", "/shop/job")
            .value("memory_usage_bytes", 3_000)
            .value("memory_limit_bytes", 4_000),
    );
    let (name, app) = if at < t("03:10:00") { ("mover", "/old") } else { ("moved", "/new") };
    seen.push(
        Seen::new("node-1", "m1", at, t("02:00:00"), 100)
            .with("name", name)
            .with("app", app)
            .value("memory_usage_bytes", 4_000)
            .value("memory_limit_bytes", 4_000),
    );
    if at > t("03:10:05") {
        seen.push(Seen::new("node-1", "b1", at, t("03:10:05"), 1_000).with("name", "born").with("app", "/born"));
    }
    let mut snapshot = saw(poll("docker/node-1", at, Outcome::Ok), seen);
    if at == t("03:10:10") {
        // Told again by the next poll, as after a new connection to the engine.
        snapshot.events = vec![event("container_started", Severity::Info, t("03:10:05"), "b1", "born started")];
    }
    if at == t("03:10:20") {
        snapshot.events = vec![
            event("container_started", Severity::Info, t("03:10:05"), "b1", "born started"),
            event("container_oom", Severity::Error, t("03:10:12"), "w1", HOSTILE),
        ];
    }
    snapshot
}

fn event(event_type: &'static str, severity: Severity, at: i64, id: &str, message: &str) -> Event {
    Event {
        at: Timestamp::from_ms(at),
        severity,
        event_type,
        kind: Some("container"),
        entity: Some(Identity::new(["node-1", id])),
        target: TargetName::from_full("docker/node-1"),
        source_id: id.to_owned(),
        message: message.to_owned(),
        details: BTreeMap::from([("exit_code".to_owned(), AttributeValue::Integer(137))]),
    }
}

fn node_2(at: i64, snapshots: &mut Vec<Snapshot>) {
    if at < t("03:10:00") || at >= t("03:15:00") {
        let web = Seen::new("node-2", "w2", at, t("02:00:00"), 250).with("name", "web").with("app", "/shop/web");
        snapshots.push(saw(poll("docker/node-2", at, Outcome::Ok), vec![web]));
    } else if at % 60_000 == 0 {
        let failed = poll("docker/node-2", at, Outcome::Timeout);
        snapshots.push(Snapshot { poll: failed, batches: Vec::new(), events: Vec::new() });
    }
}

fn node_3(at: i64, snapshots: &mut Vec<Snapshot>) {
    let outcome = match at {
        at if at <= t("03:02:00") => Outcome::Ok,
        at if at < t("03:04:00") => Outcome::Skipped,
        at if at <= t("03:05:00") => Outcome::Ok,
        at if at < t("03:07:00") => Outcome::Dropped,
        at if at <= t("03:08:00") || (t("03:12:00")..=t("03:13:00")).contains(&at) => Outcome::Ok,
        _ => return,
    };
    let visited = poll("docker/node-3", at, outcome);
    let idle = Seen::new("node-3", "i1", at, t("02:00:00"), 1).with("name", "idle");
    let nothing = |poll| Snapshot { poll, batches: Vec::new(), events: Vec::new() };
    snapshots.push(if outcome.is_good() { saw(visited, vec![idle]) } else { nothing(visited) });
}
