//! Requests of the capacity planner: when something will be full, and what still fits.
//!
//! Which fields of which kind are used and whole stands here, as data. Both are answered from ordinary range requests.

use crate::model::{Kind, TimeRange, Timestamp};
use crate::query::civil::{DAY_MS, SECOND_MS, format_instant};

use super::known::{ParameterError, shown, suggestion};
use super::parse::Parameters;
use super::several::split;
use super::time::parse_duration;
use super::{CAPACITY_PARAMETERS, HEADROOM_PARAMETERS, RangeRequest, Zone};

/// How far back both look where no start is asked for: a month holds four of each day of the week.
const RANGE_DEFAULT_MS: i64 = 30 * DAY_MS;
/// An hour is what the busiest of a day is sought among.
const HOUR_MS: i64 = 3_600 * SECOND_MS;
/// Longest range: as many hours as a range request has buckets.
const RANGE_MS_MAX: i64 = 11_000 * HOUR_MS;
/// How full is full, where nothing is asked for.
const THRESHOLD_DEFAULT: f64 = 0.9;
/// How far ahead a date is sought where nothing is asked for.
const HORIZON_DEFAULT_MS: i64 = 180 * DAY_MS;
/// Farthest horizon: five years.
const HORIZON_MS_MAX: i64 = 5 * 366 * DAY_MS;
/// Bytes of what a scheduler calls MB.
const MIB: i64 = 1 << 20;
/// Most that one instance may ask for: more cores than any machine has.
pub(crate) const CPUS_MAX: f64 = 100_000.0;
/// Fullest that full may be: schedulers hand out more than there is, but not ten times as much.
pub(crate) const THRESHOLD_MAX: f64 = 10.0;
/// Most instances that may be wanted: more than any cluster runs, and far from where sums of them end.
pub(crate) const INSTANCES_MAX: u64 = 1_000_000;

/// Whose capacity it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A machine.
    Host,
    /// A Mesos agent: what is allocated of it.
    Agent,
    /// A Mesos cluster: what is allocated of it.
    Cluster,
    /// An application: what its containers use of their limits.
    App,
}

impl Subject {
    const ALL: [Subject; 4] = [Subject::Host, Subject::Agent, Subject::Cluster, Subject::App];

    /// The word outside.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Host => "host",
            Subject::Agent => "agent",
            Subject::Cluster => "cluster",
            Subject::App => "app",
        }
    }
}

/// What may run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Cores.
    Cpu,
    /// Bytes of memory.
    Memory,
    /// Bytes of disk.
    Disk,
}

impl Resource {
    const ALL: [Resource; 3] = [Resource::Cpu, Resource::Memory, Resource::Disk];

    /// The word outside.
    pub fn name(self) -> &'static str {
        match self {
            Resource::Cpu => "cpu",
            Resource::Memory => "memory",
            Resource::Disk => "disk",
        }
    }
}

/// Where a resource of a subject is read from.
#[derive(Debug)]
pub struct Measure {
    /// Whose.
    pub subject: Subject,
    /// What.
    pub resource: Resource,
    /// Name of the kind.
    pub kind: &'static str,
    /// Field of what is used.
    pub used: &'static str,
    /// Field of what there is.
    pub whole: &'static str,
    /// Labels that tell subjects apart.
    pub labels: &'static [&'static str],
}

const fn measure(
    subject: Subject,
    resource: Resource,
    kind: &'static str,
    used: &'static str,
    whole: &'static str,
    labels: &'static [&'static str],
) -> Measure {
    Measure { subject, resource, kind, used, whole, labels }
}

/// All there are.
static MEASURES: [Measure; 11] = [
    measure(Subject::Host, Resource::Cpu, "host", "cpu_cores", "cpus", &["host"]),
    measure(Subject::Host, Resource::Memory, "host", "memory_used_bytes", "memory_total_bytes", &["host"]),
    measure(Subject::Host, Resource::Disk, "host_filesystem", "used_bytes", "size_bytes", &["host", "mountpoint"]),
    measure(Subject::Agent, Resource::Cpu, AGENT, "cpus_used", "cpus_capacity", AGENT_LABELS),
    measure(Subject::Agent, Resource::Memory, AGENT, "memory_used_bytes", "memory_capacity_bytes", AGENT_LABELS),
    measure(Subject::Agent, Resource::Disk, AGENT, "disk_used_bytes", "disk_capacity_bytes", AGENT_LABELS),
    measure(Subject::Cluster, Resource::Cpu, CLUSTER, "cpus_used", "cpus_capacity", &["cluster"]),
    measure(Subject::Cluster, Resource::Memory, CLUSTER, "memory_used_bytes", "memory_capacity_bytes", &["cluster"]),
    measure(Subject::Cluster, Resource::Disk, CLUSTER, "disk_used_bytes", "disk_capacity_bytes", &["cluster"]),
    measure(Subject::App, Resource::Cpu, "container", "cpu_cores", "cpu_limit_cores", &["app"]),
    measure(Subject::App, Resource::Memory, "container", "memory_working_set_bytes", "memory_limit_bytes", &["app"]),
];

const AGENT: &str = "mesos_agent";
const CLUSTER: &str = "mesos_cluster";
const AGENT_LABELS: &[&str] = &["cluster", "id", "hostname"];

/// A request for when things will be full.
#[derive(Debug, Clone)]
pub struct CapacityRequest {
    /// What is looked at, in order, with the question for its used and its whole.
    pub questions: Vec<(&'static Measure, RangeRequest)>,
    /// How full is full, as a part of the whole.
    pub threshold: f64,
    /// How far ahead a date is sought.
    pub horizon_ms: i64,
    /// The time looked back on.
    pub range: TimeRange,
    /// The zone of days, and that times are printed in.
    pub zone: Zone,
}

impl CapacityRequest {
    /// Reads `of resource threshold horizon start end tz` and filters of the kinds behind what is asked for.
    pub fn parse(
        kinds: &[&'static Kind],
        parameters: &[(String, String)],
        now: Timestamp,
    ) -> Result<CapacityRequest, ParameterError> {
        let (own, filters) = split(parameters, CAPACITY_PARAMETERS);
        let sorted = Parameters::sort(&own, CAPACITY_PARAMETERS, None)?;
        let zone = sorted.zone()?;
        let of = sorted.read("of", |text| word(text, &Subject::ALL, |subject| subject.name()))?;
        let resource = sorted.read("resource", |text| word(text, &Resource::ALL, |resource| resource.name()))?;
        // Who filters by an application means applications.
        let has = |subject: &&Subject| filters.iter().any(|(name, _)| name == subject.name());
        let of = of.or_else(|| Subject::ALL.iter().rev().find(has).copied()).unwrap_or(Subject::Host);
        let threshold = sorted.read("threshold", |text| {
            let part = text.parse::<f64>().ok().filter(|part| *part > 0.0 && *part <= THRESHOLD_MAX);
            part.ok_or_else(|| format!("`{}` is no part of the whole; give 0.9 for nine tenths", shown(text)))
        })?;
        let horizon = sorted.read("horizon", |text| match parse_duration(text)? {
            ..DAY_MS => Err(format!("`{}` is below a day", shown(text))),
            ms @ ..=HORIZON_MS_MAX => Ok(ms),
            _ => Err(format!("`{}` is above five years, the farthest horizon", shown(text))),
        })?;
        let range = month(&sorted, now, zone)?;
        let asked = |measure: &&Measure| {
            measure.subject == of
                && resource.is_none_or(|resource| measure.resource == resource)
                && kinds.iter().any(|kind| kind.name == measure.kind)
        };
        let mut questions = Vec::new();
        for measure in MEASURES.iter().filter(asked) {
            let Some(kind) = kinds.iter().copied().find(|kind| kind.name == measure.kind) else { continue };
            let fields = [measure.used, measure.whole];
            questions.push((measure, hourly(kind, range, zone, &fields, "avg", measure.labels, &filters)?));
        }
        if questions.is_empty() {
            let asked = resource.map_or("", Resource::name);
            let message =
                format!("{} of {} is not recorded; disk is known of host, agent and cluster", asked, of.name());
            return Err(ParameterError::new("resource", message));
        }
        Ok(CapacityRequest {
            questions,
            threshold: threshold.unwrap_or(THRESHOLD_DEFAULT),
            horizon_ms: horizon.unwrap_or(HORIZON_DEFAULT_MS),
            range,
            zone,
        })
    }
}

/// A request for how many more instances of a task fit.
#[derive(Debug, Clone)]
pub struct HeadroomRequest {
    /// Cores of one instance.
    pub cpus: f64,
    /// Bytes of memory of one instance.
    pub memory_bytes: i64,
    /// How many are wanted.
    pub instances: u64,
    /// The question for each agent's resources, hour by hour.
    pub question: RangeRequest,
    /// The time whose worst hour counts.
    pub range: TimeRange,
    /// The zone that times are printed in.
    pub zone: Zone,
}

impl HeadroomRequest {
    /// Reads `cpus mem instances start end tz` and filters of agents. `mem` is in MiB, as schedulers mean it, or with a
    /// unit.
    pub fn parse(
        kinds: &[&'static Kind],
        parameters: &[(String, String)],
        now: Timestamp,
    ) -> Result<HeadroomRequest, ParameterError> {
        let (own, mut filters) = split(parameters, HEADROOM_PARAMETERS);
        let sorted = Parameters::sort(&own, HEADROOM_PARAMETERS, None)?;
        let zone = sorted.zone()?;
        let missing = |name: &str, example: &str| {
            ParameterError::new(name, format!("is missing: say what one instance needs, such as {name}={example}"))
        };
        let cpus = sorted.read("cpus", |text| {
            let cpus = text.parse::<f64>().ok().filter(|cpus| *cpus > 0.0 && *cpus <= CPUS_MAX);
            cpus.ok_or_else(|| format!("`{}` is no number of cores; give 0.5 for half a core", shown(text)))
        })?;
        let memory_bytes = sorted.read("mem", parse_memory)?;
        let instances = sorted.read("instances", |text| {
            let count = text.parse::<u64>().ok().filter(|count| (1..=INSTANCES_MAX).contains(count));
            count.ok_or_else(|| format!("`{}` is no whole number from 1 to {INSTANCES_MAX}", shown(text)))
        })?;
        let range = month(&sorted, now, zone)?;
        let Some(kind) = kinds.iter().copied().find(|kind| kind.name == AGENT) else {
            return Err(ParameterError::new("cpus", "agents are not recorded"));
        };
        // What an agent that takes no tasks has left is no room.
        for (name, value) in [("active", "!false"), ("draining", "")] {
            if kind.attribute(name).is_some() {
                filters.push((name.to_owned(), value.to_owned()));
            }
        }
        let fields = ["cpus_capacity", "cpus_used", "memory_capacity_bytes", "memory_used_bytes"];
        Ok(HeadroomRequest {
            cpus: cpus.ok_or_else(|| missing("cpus", "0.5"))?,
            memory_bytes: memory_bytes.ok_or_else(|| missing("mem", "512"))?,
            instances: instances.unwrap_or(1),
            question: hourly(kind, range, zone, &fields, "max,last", AGENT_LABELS, &filters)?,
            range,
            zone,
        })
    }
}

/// `512` and `512MiB` are the same; `GiB`, `KiB` and `B` are known too.
fn parse_memory(text: &str) -> Result<i64, String> {
    let units = [("KiB", 1 << 10), ("MiB", MIB), ("GiB", 1 << 30), ("TiB", 1 << 40), ("B", 1)];
    let (number, unit) =
        units.iter().find_map(|(suffix, bytes)| Some((text.strip_suffix(suffix)?, *bytes))).unwrap_or((text, MIB));
    let number = number.parse::<i64>().ok().filter(|number| *number > 0);
    number
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| format!("`{}` is no amount of memory; give 512 (MiB), 512MiB or 2GiB", shown(text)))
}

fn word<T: Copy>(text: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Result<T, String> {
    all.iter().copied().find(|one| name(*one) == text).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|one| name(*one)).collect();
        format!("`{}` is none of them; {}", shown(text), suggestion(text, &names))
    })
}

/// The range asked for, by default the month before now.
fn month(sorted: &Parameters<'_>, now: Timestamp, zone: Zone) -> Result<TimeRange, ParameterError> {
    let range = sorted.range(now, zone)?;
    let range = match sorted.get("start") {
        Some(_) => range,
        None => {
            TimeRange::new(range.end().plus_ms(-RANGE_DEFAULT_MS).max(Timestamp::MIN), range.end()).unwrap_or(range)
        }
    };
    if range.ms() > RANGE_MS_MAX {
        return Err(ParameterError::new(
            "start",
            "lies more than 458 days before the end: every hour between is looked at",
        ));
    }
    Ok(range)
}

/// The question for some fields hour by hour, with coverage.
fn hourly(
    kind: &'static Kind,
    range: TimeRange,
    zone: Zone,
    fields: &[&str],
    agg: &str,
    labels: &[&str],
    filters: &[(String, String)],
) -> Result<RangeRequest, ParameterError> {
    let pair = |name: &str, value: String| (name.to_owned(), value);
    let mut parameters = vec![
        pair("fields", fields.join(",")),
        pair("agg", agg.to_owned()),
        pair("start", format_instant(range.start(), Zone::Utc)),
        pair("end", format_instant(range.end(), Zone::Utc)),
        pair("step", "1h".to_owned()),
        pair("group_by", labels.join(",")),
        pair("coverage", "1".to_owned()),
    ];
    parameters.extend(filters.iter().cloned());
    let mut request = RangeRequest::parse(kind, &parameters, range.end(), HOUR_MS)?;
    request.range = range;
    request.zone = zone;
    Ok(request)
}
