//! A cluster over some days, made up so that its answers are known: what its hosts do by the hour, what its agents give away,
//! who dies how often, which tags nobody runs. Its containers are those of the generated fleet.

use std::collections::BTreeMap;
use std::path::Path;

use tachograph::model::{
    AttributeValue, Attributes, Event, Identity, KindBatch, Observation, Outcome, Poll, Sample, Severity, Snapshot,
    TargetName, Timestamp, Value,
};
use tachograph::source::{KINDS, kind};
use tachograph::store::{Limits, Store, sqlite::Sqlite};

use crate::harness::recording::generated as fleet;

pub(super) const HOUR_MS: i64 = 3_600_000;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;
pub(super) const GIB: i64 = 1 << 30;

/// Rounds that are stored in one go.
const ROUNDS_A_BATCH: i64 = 10;
/// Later after the poll before than any sample of it.
const BEGUN_AFTER_MS: i64 = 1_500;
/// Agents and the registry are looked at every so many rounds, tags every so many of these.
const SLOW_ROUNDS: i64 = 5;
const TAG_ROUNDS: i64 = 50;
/// Repositories of the registry, and tags of each. Applications run the first tag of the repository of their name.
pub(super) const REPOSITORIES: i64 = 40;
pub(super) const TAGS_EACH: i64 = 10;

pub(super) const HOST_CPUS: i64 = 8;
pub(super) const HOST_MEMORY: i64 = 64 * GIB;
/// What a host's memory holds at first.
pub(super) const HOST_MEMORY_USED: i64 = 10 * GIB;
/// Cores that a host uses, and in its busiest hour.
pub(super) const HOST_CORES: i64 = 1;
pub(super) const BUSIEST_CORES: i64 = 5;
/// Thousandths of a CPU of an agent, of those given away, and of those in the worst hour.
pub(super) const AGENT_CPUS: [i64; 3] = [8_000, 4_000, 7_500];
pub(super) const AGENT_MEMORY: [i64; 2] = [64 * GIB, 32 * GIB];
/// What a container may use, and was allocated.
pub(super) const LIMIT_CORES: f64 = 16.0;
pub(super) const ALLOCATED_CORES: f64 = 1.0;

/// How large it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) days: i64,
    pub(super) hosts: usize,
    pub(super) containers_a_host: usize,
    pub(super) interval_ms: i64,
    pub(super) start_ms: i64,
}

/// How often an application failed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Failures {
    pub(super) died: i64,
    pub(super) oom: i64,
}

/// What was made up, to hold answers against.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) samples: u64,
    /// Each container's application.
    pub(super) containers: BTreeMap<Identity, String>,
    pub(super) failures: BTreeMap<String, Failures>,
    /// Deaths, those with exit code 0 included.
    pub(super) deaths: i64,
    /// The last that the registry told in each month, as (month, bytes).
    pub(super) registry: BTreeMap<String, i64>,
}

impl Told {
    /// How many containers each application had.
    pub(super) fn apps(&self) -> BTreeMap<&str, i64> {
        let mut apps = BTreeMap::new();
        self.containers.values().for_each(|app| *apps.entry(app.as_str()).or_default() += 1);
        apps
    }
}

impl Size {
    pub(super) fn end_ms(&self) -> i64 {
        self.start_ms + self.days * DAY_MS
    }

    /// The hour in which a host works most.
    pub(super) fn busiest_ms(&self, host: usize) -> i64 {
        self.start_ms + (self.days / 2) * DAY_MS + (whole(host) % 24) * HOUR_MS
    }

    /// The hour in which the agents have least to give.
    pub(super) fn worst_ms(&self) -> i64 {
        self.start_ms + (self.days / 2) * DAY_MS + 7 * HOUR_MS
    }

    /// By how much a host's memory fills a day.
    pub(super) fn grows(host: usize) -> i64 {
        whole(host) % 4 * GIB / 2
    }

    /// Records it, seals it, and says what it was.
    pub(super) fn record(self, path: &Path) -> Told {
        let store = Store::Sqlite(Sqlite::open(path, KINDS).unwrap());
        let start = Timestamp::from_ms(self.start_ms);
        let container = kind("container").unwrap();
        let mut fleet = fleet::Fleet::new(container, 3, self.hosts, self.containers_a_host, start, self.interval_ms);
        let mut making =
            Making { size: self, dice: fleet::Dice::new(7), told: Told::default(), busy: vec![0; self.hosts] };
        let mut batch = Vec::new();
        let rounds = self.days * DAY_MS / self.interval_ms - 2;
        for round in 0..rounds {
            let at = start.plus_ms(round * self.interval_ms);
            let mut visits = fleet.round();
            visits.iter_mut().for_each(|visit| making.complete(visit));
            visits.extend((0..self.hosts).map(|host| making.host(host, at)));
            if round % SLOW_ROUNDS == 0 {
                visits.push(making.agents(at));
                visits.push(making.registry(round, at));
            }
            batch.append(&mut visits);
            if round % ROUNDS_A_BATCH == 0 || round + 1 == rounds {
                making.told.samples += store.append(&std::mem::take(&mut batch)).unwrap().samples;
            }
            if round % 60 == 0 {
                while store.upkeep(at, &Limits::default()).unwrap().more {}
            }
        }
        let later = Timestamp::from_ms(self.end_ms() + 2 * DAY_MS);
        while store.upkeep(later, &Limits::default()).unwrap().more {}
        making.told
    }
}

struct Making {
    size: Size,
    dice: fleet::Dice,
    told: Told,
    /// Hundredths of a second of CPU that each host has used.
    busy: Vec<i64>,
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap()
}

/// The application of a container of the fleet, by its name.
fn app_of(name: &str) -> String {
    format!("/shop/app-{}", name.split('-').nth(1).unwrap_or("0"))
}

impl Making {
    /// Gives containers what the fleet does not know of, and one now and then a death.
    fn complete(&mut self, visit: &mut Snapshot) {
        let mut seen = Vec::new();
        for observation in visit.batches.iter_mut().flat_map(|batch| &mut batch.observations) {
            let identity = &observation.identity;
            // Who began in a poll that was lost is told of in the next.
            if !self.told.containers.contains_key(identity) && observation.attributes.is_none() {
                observation.attributes = Some(Attributes::from([("name", "app-0-late".into())]));
            }
            if let Some(attributes) = &mut observation.attributes {
                let Some(AttributeValue::Text(name)) = attributes.get("name").cloned() else { continue };
                let app = app_of(&name);
                let number = app.rsplit('-').next().unwrap_or_default().to_owned();
                attributes.insert("image", format!("hub:5000{app}:0").into());
                attributes.insert("image_id", format!("sha256:{number}").into());
                attributes.insert("cpu_limit_cores", LIMIT_CORES.into());
                attributes.insert("cpu_allocated_cores", ALLOCATED_CORES.into());
                attributes.insert("memory_max_bytes", (4 * GIB).into());
                attributes.insert("memory_allocated_bytes", (2 * GIB).into());
                attributes.insert("app", app.as_str().into());
                self.told.containers.insert(identity.clone(), app);
            }
            seen.push(identity.clone());
            // The fleet gives who has just begun a whole interval's work, so it began an interval ago.
            let begun = observation.sample.as_mut().filter(|sample| sample.since == Some(visit.poll.started));
            if let Some(sample) = begun {
                sample.since = Some(visit.poll.started.plus_ms(BEGUN_AFTER_MS - self.size.interval_ms));
            }
        }
        if seen.is_empty() || self.dice.below(150) > 0 {
            return;
        }
        let dies = seen[usize::try_from(self.dice.below(whole(seen.len()))).unwrap()].clone();
        let exit_code = [137, 1, 0][usize::try_from(self.dice.below(3)).unwrap()];
        let app = self.told.containers[&dies].clone();
        let failures = self.told.failures.entry(app).or_default();
        let at = visit.poll.started;
        let mut happens = |after_ms: i64, event_type: &'static str, exit_code: Option<i64>| {
            let details = exit_code.map(|code| ("exit_code".to_owned(), AttributeValue::Integer(code)));
            visit.events.push(Event {
                at: at.plus_ms(after_ms),
                severity: Severity::Warning,
                event_type,
                kind: Some("container"),
                entity: Some(dies.clone()),
                target: visit.poll.target.clone(),
                source_id: format!("{at} {event_type}"),
                message: format!("{event_type} {}", dies.part(1)),
                details: details.into_iter().collect(),
            });
        };
        if exit_code == 137 {
            failures.oom += 1;
            happens(0, "container_oom", None);
        }
        failures.died += i64::from(exit_code != 0);
        self.told.deaths += 1;
        happens(1, "container_died", Some(exit_code));
        happens(2, "container_started", None);
    }

    /// A host: its hours are alike but for one, its memory fills by the same each day.
    fn host(&mut self, host: usize, at: Timestamp) -> Snapshot {
        let size = self.size;
        let is_busy = (0..HOUR_MS).contains(&(at.ms() - 1 - size.busiest_ms(host)));
        let cores = if is_busy { BUSIEST_CORES } else { HOST_CORES };
        self.busy[host] += cores * size.interval_ms / 10;
        let used = HOST_MEMORY_USED + Size::grows(host) * (at.ms() - size.start_ms) / DAY_MS;
        let mut numbers = vec![
            ("cpu_user_seconds_total", self.busy[host]),
            ("cpus", HOST_CPUS),
            ("pressure_cpu_some_seconds_total", self.busy[host] * 1_000),
            ("memory_total_bytes", HOST_MEMORY),
            ("memory_available_bytes", HOST_MEMORY - used),
        ];
        let others = ["nice", "system", "irq", "softirq", "steal"].map(|part| format!("cpu_{part}_seconds_total"));
        numbers.extend(others.each_ref().map(|name| (name.as_str(), 0)));
        let name = host_name(host);
        let one = self.one("host", &[&name], Attributes::new(), at, &numbers);
        self.visit("host", &name, at, size.interval_ms, vec![("host", vec![one])])
    }

    fn agents(&self, at: Timestamp) -> Snapshot {
        let is_worst = (0..HOUR_MS).contains(&(at.ms() - self.size.worst_ms()));
        let agents = (0..self.size.hosts).map(|host| {
            let facts = Attributes::from([("hostname", host_name(host).into())]);
            let numbers = [
                ("cpus_capacity", AGENT_CPUS[0]),
                ("cpus_used", AGENT_CPUS[if is_worst { 2 } else { 1 }]),
                ("memory_capacity_bytes", AGENT_MEMORY[0]),
                ("memory_used_bytes", AGENT_MEMORY[1]),
            ];
            self.one("mesos_agent", &["c", &format!("S{host}")], facts, at, &numbers)
        });
        let agents = agents.collect();
        self.visit("mesos-tasks", "c", at, self.size.interval_ms * SLOW_ROUNDS, vec![("mesos_agent", agents)])
    }

    fn registry(&mut self, round: i64, at: Timestamp) -> Snapshot {
        let bytes = round << 20;
        self.told.registry.insert(crate::harness::time::rfc3339(at.ms())[..7].to_owned(), bytes);
        let numbers = [("repositories", REPOSITORIES), ("tags", REPOSITORIES * TAGS_EACH), ("bytes", bytes)];
        let whole = self.one("registry", &["hub"], Attributes::new(), at, &numbers);
        let mut batches = vec![("registry", vec![whole])];
        if round % (SLOW_ROUNDS * TAG_ROUNDS) == 0 {
            let tags = (0..REPOSITORIES * TAGS_EACH).map(|tag| {
                let (repository, tag) = (tag / TAGS_EACH, tag % TAGS_EACH);
                let facts = Attributes::from([("digest", format!("sha256:d{repository}-{tag}").into())]);
                let identity = ["hub".to_owned(), format!("shop/app-{repository}"), tag.to_string()];
                self.one("tag", &identity.each_ref().map(String::as_str), facts, at, &[("size_bytes", 1 << 20)])
            });
            batches.push(("tag", tags.collect()));
        }
        self.visit("registry", "hub", at, self.size.interval_ms * SLOW_ROUNDS, batches)
    }

    fn one(
        &self,
        kind_name: &str,
        identity: &[&str],
        facts: Attributes,
        at: Timestamp,
        numbers: &[(&str, i64)],
    ) -> Observation {
        let kind = kind(kind_name).unwrap();
        let mut values = vec![Value::Null; kind.columns.len()];
        for (name, value) in numbers {
            values[kind.column_index(name).unwrap()] = Value::Int(*value);
        }
        let since = Some(Timestamp::from_ms(self.size.start_ms - DAY_MS));
        let sample = Some(Sample { at, since, values: values.into() });
        Observation { identity: Identity::new(identity.iter().copied()), attributes: Some(facts), ended: None, sample }
    }

    fn visit(
        &self,
        source: &str,
        name: &str,
        at: Timestamp,
        interval_ms: i64,
        batches: Vec<(&str, Vec<Observation>)>,
    ) -> Snapshot {
        let batches = batches.into_iter().map(|(name, observations)| KindBatch {
            kind: kind(name).unwrap(),
            complete: true,
            observations,
        });
        Snapshot {
            poll: Poll {
                target: TargetName::new(source, name),
                started: at,
                duration_ms: 20,
                interval_ms,
                bytes: 1_000,
                outcome: Outcome::Ok,
                error: None,
                missing: Vec::new(),
                clock_offset_ms: 0,
            },
            batches: batches.collect(),
            events: Vec::new(),
        }
    }
}

/// The name of a host, here and in the fleet.
pub(super) fn host_name(host: usize) -> String {
    format!("node-{host}")
}
