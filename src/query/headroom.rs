//! How many more instances of a task fit, agent by agent: now, and at the worst hour of a time.
//!
//! Pure: a frame of what each agent has and gave away by the hour in, what fits out. Must not know: the store, printing.

use super::cell::Number;
use super::frame::{Frame, Series};
use super::request::HeadroomRequest;
use crate::model::Timestamp;

/// What fits on all agents, and on each.
#[derive(Debug, Clone, PartialEq)]
pub struct Headroom {
    /// Instances that fit now.
    pub fits_now: u64,
    /// Instances that fit at the worst hour; None where no hour was seen whole.
    pub fits_at_worst: Option<u64>,
    /// The start of that hour, the first of several.
    pub worst_hour: Option<Timestamp>,
    /// Whether as many as were asked for fit now.
    pub is_enough_now: bool,
    /// Whether they would have fitted at the worst hour too.
    pub is_enough_at_worst: Option<bool>,
    /// Each agent that is there now, by its labels.
    pub agents: Vec<Room>,
}

/// What fits on one agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Room {
    /// Its labels.
    pub labels: Vec<(String, Option<String>)>,
    /// Cores that nobody has.
    pub cpus_free: f64,
    /// Bytes of memory that nobody has.
    pub memory_free_bytes: f64,
    /// Instances that fit now.
    pub fits_now: u64,
    /// Instances that fitted at its own worst hour.
    pub fits_at_worst: u64,
    /// The start of that hour, the first of several.
    pub worst_hour: Timestamp,
    /// The part of the time in which it was seen.
    pub coverage: f64,
}

/// Where the numbers of an agent stand in the frame: each field by its largest and its last.
const CPUS: [usize; 4] = [0, 1, 2, 3];
const MEMORY: [usize; 4] = [4, 5, 6, 7];

/// What fits, by the frame that the request's question gave.
pub fn headroom(request: &HeadroomRequest, frame: &Frame) -> Headroom {
    // An agent is there now if the newest hour that any was seen in has it.
    let newest = frame.series.iter().filter_map(|series| last_hour(frame, series)).max();
    let present = frame.series.iter().filter(|series| newest.is_some() && last_hour(frame, series) == newest);
    let mut agents = Vec::new();
    let mut hours: Vec<Option<u64>> = vec![Some(0); frame.times.len()];
    let mut has_any = vec![false; frame.times.len()];
    for series in present {
        let fits: Vec<Option<u64>> = (0..frame.times.len()).map(|hour| fits(request, series, hour)).collect();
        let first = fits.iter().position(Option::is_some).unwrap_or(0);
        for (hour, fits) in fits.iter().enumerate().skip(first) {
            // An hour in which an agent was not seen tells nothing of all of them.
            if let (Some(total), Some(any)) = (hours.get_mut(hour), has_any.get_mut(hour)) {
                *total = total.zip(*fits).map(|(total, fits)| total.saturating_add(fits));
                *any = true;
            }
        }
        agents.extend(room(request, frame, series, &fits, newest));
    }
    let seen = hours.iter().zip(&has_any).map(|(total, any)| total.filter(|_| *any)).collect::<Vec<_>>();
    let worst = least(frame, &seen);
    let fits_now = agents.iter().map(|room| room.fits_now).fold(0, u64::saturating_add);
    Headroom {
        fits_now,
        fits_at_worst: worst.map(|(fits, _)| fits),
        worst_hour: worst.map(|(_, hour)| hour),
        is_enough_now: fits_now >= request.instances,
        is_enough_at_worst: worst.map(|(fits, _)| fits >= request.instances),
        agents,
    }
}

fn room(
    request: &HeadroomRequest,
    frame: &Frame,
    series: &Series,
    fits: &[Option<u64>],
    newest: Option<usize>,
) -> Option<Room> {
    let now = newest?;
    let free =
        |[_, whole, _, used]: [usize; 4]| Some((number(series, whole, now)? - number(series, used, now)?).max(0.0));
    let (cpus_free, memory_free_bytes) = (free(CPUS)?, free(MEMORY)?);
    let (fits_at_worst, worst_hour) = least(frame, fits)?;
    let coverage = series.coverage.as_deref().unwrap_or_default();
    Some(Room {
        labels: frame.label_names.iter().cloned().zip(series.labels.iter().cloned()).collect(),
        cpus_free,
        memory_free_bytes,
        fits_now: into(request, cpus_free, memory_free_bytes),
        fits_at_worst,
        worst_hour,
        coverage: mean(coverage),
    })
}

/// Instances that fitted on an agent in an hour, by the most it had given away of either and the least it had.
fn fits(request: &HeadroomRequest, series: &Series, hour: usize) -> Option<u64> {
    let free =
        |[_, whole, used, _]: [usize; 4]| Some((number(series, whole, hour)? - number(series, used, hour)?).max(0.0));
    Some(into(request, free(CPUS)?, free(MEMORY)?))
}

/// How often one instance goes into what is free. What a scheduler gives away it counts in thousandths of a core.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of instances; free amounts are not negative"
)]
fn into(request: &HeadroomRequest, cpus: f64, memory_bytes: f64) -> u64 {
    let by_cpu = ((cpus * 1000.0).round() / (request.cpus * 1000.0).round().max(1.0)).floor();
    let by_memory = (memory_bytes / request.memory_bytes as f64).floor();
    by_cpu.min(by_memory) as u64
}

fn last_hour(frame: &Frame, series: &Series) -> Option<usize> {
    (0..frame.times.len()).rev().find(|hour| number(series, CPUS[3], *hour).is_some())
}

fn least(frame: &Frame, fits: &[Option<u64>]) -> Option<(u64, Timestamp)> {
    let hours = frame.times.iter().zip(fits).filter_map(|(hour, fits)| Some(((*fits)?, *hour)));
    hours.min()
}

fn number(series: &Series, field: usize, hour: usize) -> Option<f64> {
    series.values.get(field)?.get(hour).copied().and_then(Number::as_f64)
}

#[expect(clippy::cast_precision_loss, reason = "a count of hours")]
fn mean(parts: &[f64]) -> f64 {
    parts.iter().sum::<f64>() / parts.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attribute, AttributeType, Column, Key, Kind, TimeRange};
    use crate::query::evaluate::frame;
    use crate::query::request::Zone;

    static AGENT: Kind = Kind {
        name: "mesos_agent",
        help: "",
        identity: &[Key { name: "cluster", help: "" }, Key { name: "id", help: "" }],
        attributes: &[Attribute::new("hostname", AttributeType::Text, "")],
        columns: &[
            Column::gauge("cpus_capacity", "cpus_capacity_milli", "cores", 3, ""),
            Column::gauge("cpus_used", "cpus_used_milli", "cores", 3, ""),
            Column::gauge("memory_capacity_bytes", "memory_capacity_bytes", "bytes", 0, ""),
            Column::gauge("memory_used_bytes", "memory_used_bytes", "bytes", 0, ""),
        ],
        derived: &[],
        display: &["cluster", "id"],
    };
    const GIB: i64 = 1 << 30;
    const HOUR_MS: i64 = 3_600_000;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
        text.split_whitespace().map(pair).collect()
    }

    fn parse(text: &str) -> Result<HeadroomRequest, String> {
        let end = 4 * HOUR_MS;
        let text = format!("{text} start=1970-01-01T00:00:00Z");
        HeadroomRequest::parse(&[&AGENT], &pairs(&text), Timestamp::from_ms(end)).map_err(|fault| fault.to_string())
    }

    /// An agent of 8 cores and 16 GiB: for each hour its most and last used cores and GiB; None where it was not seen.
    fn agent(name: &str, hours: &[Option<[i64; 4]>]) -> Series {
        let values = |pick: &dyn Fn(&[i64; 4]) -> Number| {
            hours.iter().map(|hour| hour.as_ref().map_or(Number::Null, pick)).collect::<Vec<_>>()
        };
        let cores = |cores: i64| Number::Scaled { value: cores * 1000, decimals: 3 };
        let gib = |gib: i64| Number::Scaled { value: gib * GIB, decimals: 0 };
        Series {
            labels: vec![Some("main".to_owned()), Some(name.to_owned()), None],
            values: vec![
                values(&|_| cores(8)),
                values(&|_| cores(8)),
                values(&|hour| cores(hour[0])),
                values(&|hour| cores(hour[1])),
                values(&|_| gib(16)),
                values(&|_| gib(16)),
                values(&|hour| gib(hour[2])),
                values(&|hour| gib(hour[3])),
            ],
            coverage: Some(hours.iter().map(|hour| if hour.is_some() { 1.0 } else { 0.0 }).collect()),
        }
    }

    fn of(request: &HeadroomRequest, agents: Vec<Series>) -> Headroom {
        let mut answer = frame(&request.question, Vec::new(), None);
        answer.series = agents;
        assert_eq!(answer.times.len(), 4);
        headroom(request, &answer)
    }

    #[test]
    fn what_fits_is_the_scarcer_of_cores_and_memory_agent_by_agent() {
        let request = parse("cpus=0.5 mem=2GiB instances=12").unwrap();
        let now = |used: [i64; 4]| vec![Some([0, 0, 0, 0]), Some([0, 0, 0, 0]), Some([0, 0, 0, 0]), Some(used)];
        // a: 4 cores free (8 instances), 6 GiB free (3). b: 1 core (2), 16 GiB (8).
        let found = of(&request, vec![agent("a", &now([4, 4, 10, 10])), agent("b", &now([7, 7, 0, 0]))]);
        let fits: Vec<u64> = found.agents.iter().map(|room| room.fits_now).collect();
        assert_eq!((fits, found.fits_now, found.is_enough_now), (vec![3, 2], 5, false));
        assert_eq!((found.agents[0].cpus_free, found.agents[0].memory_free_bytes), (4.0, (6 * GIB) as f64));
        // The last hour is the worst here too.
        assert_eq!((found.fits_at_worst, found.worst_hour), (Some(5), Some(Timestamp::from_ms(3 * HOUR_MS))));
    }

    #[test]
    fn the_worst_hour_is_of_all_agents_together_and_each_has_its_own() {
        let request = parse("cpus=1 mem=1024 instances=5").unwrap();
        let idle = Some([0, 0, 0, 0]);
        // a was full in hour 0, b in hour 1; together hour 1 was worst: 4 + 0.
        let a = agent("a", &[Some([8, 2, 0, 0]), Some([4, 4, 0, 0]), idle, idle]);
        let b = agent("b", &[idle, Some([8, 8, 0, 0]), idle, idle]);
        let found = of(&request, vec![a, b]);
        let hour = |hour: i64| Timestamp::from_ms(hour * HOUR_MS);
        assert_eq!(
            (found.fits_at_worst, found.worst_hour, found.is_enough_at_worst),
            (Some(4), Some(hour(1)), Some(false))
        );
        assert_eq!((found.fits_now, found.is_enough_now), (16, true));
        let own: Vec<_> = found.agents.iter().map(|room| (room.fits_at_worst, room.worst_hour)).collect();
        assert_eq!(own, [(0, hour(0)), (0, hour(1))]);
    }

    #[test]
    fn what_was_not_seen_is_not_guessed() {
        let request = parse("cpus=1 mem=1024").unwrap();
        let idle = Some([0, 0, 0, 0]);
        // b is new in hour 2; a was not seen in hour 1; c is gone.
        let a = agent("a", &[Some([6, 6, 0, 0]), None, Some([1, 1, 0, 0]), idle]);
        let b = agent("b", &[None, None, Some([2, 2, 0, 0]), idle]);
        let c = agent("c", &[Some([8, 8, 0, 0]), None, None, None]);
        let found = of(&request, vec![a, b, c]);
        let agents: Vec<_> =
            found.agents.iter().map(|room| (room.labels[1].1.clone().unwrap(), room.coverage)).collect();
        assert_eq!(agents, [("a".to_owned(), 0.75), ("b".to_owned(), 0.5)]);
        // Hour 0 had a alone.
        assert_eq!((found.fits_at_worst, found.worst_hour), (Some(2), Some(Timestamp::from_ms(0))));
        let nothing = of(&request, Vec::new());
        assert_eq!((nothing.fits_now, nothing.fits_at_worst, nothing.is_enough_at_worst), (0, None, None));
    }

    #[test]
    fn memory_is_in_mib_or_says_its_unit() {
        let bytes = |text: &str| parse(&format!("cpus=1 mem={text}")).map(|request| request.memory_bytes);
        assert_eq!(bytes("512"), Ok(512 << 20));
        assert_eq!(bytes("512MiB"), Ok(512 << 20));
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        assert_eq!(bytes("1048576B"), Ok(1 << 20));
        for wrong in ["0", "-1", "2GB", "x", "9999999999999TiB"] {
            assert!(bytes(wrong).unwrap_err().starts_with("mem: "), "{wrong}");
        }
        assert!(parse("mem=1").unwrap_err().contains("cpus: is missing"));
        assert!(parse("cpus=1").unwrap_err().contains("mem: is missing"));
        assert!(parse("cpus=0 mem=1").unwrap_err().starts_with("cpus: "));
        assert!(parse("cpus=1 mem=1 instances=0").unwrap_err().starts_with("instances: "));
        assert_eq!(parse("cpus=1 mem=1").unwrap().zone, Zone::Utc);
        assert!(TimeRange::new(Timestamp::from_ms(0), Timestamp::from_ms(1)).is_some());
    }
}
