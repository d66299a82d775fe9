//! The certificate of a death: how long it lived, how it ended, and what led to it.
//!
//! Computed when read, from the entity, its last run and the events before. Pure. Must not know: the store, how
//! certificates are printed.

use std::sync::Arc;

use crate::model::{AttributeValue, Attributes, EntityRecord, Event, Kind, Run, Timestamp};
use crate::rate;

use super::cell::Number;
use super::evaluate::mark;
use super::operand::{ColumnSet, Operand};

/// The event that has a certificate.
pub const DEATH: &str = "container_died";
/// The event that begins a life.
pub const START: &str = "container_started";
/// The event that says that memory ran out.
pub const OOM: &str = "container_oom";
/// What memory in use is, the best first.
const MEMORY: [&str; 2] = ["memory_working_set_bytes", "memory_usage_bytes"];
/// What memory is limited to: as sampled, and as configured.
const MEMORY_LIMIT: &str = "memory_limit_bytes";
const MEMORY_LIMIT_CONFIGURED: &str = "memory_max_bytes";
/// CPU in use.
const CPU: &str = "cpu_cores";
/// How long after a death its facts (exit code, memory) are still facts of this death.
const LEARNT_WITHIN_MS: i64 = 60_000;
/// How far the engine's word for the end may lie from the event's.
const SAME_END_MS: i64 = 2_000;

/// How something lived and died.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Certificate {
    /// When its last life began: as the engine or an event said, else its counters.
    pub started: Option<Timestamp>,
    /// How long that was.
    pub lifetime_ms: Option<i64>,
    /// Its exit code.
    pub exit_code: Option<i64>,
    /// Whether memory ran out: by an event of its life, else as the engine said afterwards.
    pub oom_killed: Option<bool>,
    /// When it was sampled last.
    pub last_sample: Option<Timestamp>,
    /// Most memory of the samples that were looked at: those of its life, at most of its last day.
    pub memory_peak_bytes: Number,
    /// Memory in its last sample.
    pub memory_last_bytes: Number,
    /// Its limit, as sampled last, else as configured.
    pub memory_limit_bytes: Number,
    /// Peak memory / limit.
    pub memory_peak_ratio: Option<f64>,
    /// CPU over the stretch that its last sample ends.
    pub cpu_last_cores: Number,
    /// How often the engine had restarted it.
    pub restarts_before: Option<i64>,
    /// How often it had died within the day before.
    pub deaths_in_day_before: u64,
    /// What happened on its host in the minute before, oldest first.
    pub events_before: Vec<Event>,
}

/// The columns a certificate is made of.
#[derive(Debug)]
pub struct Reader {
    columns: ColumnSet,
    memory: Vec<Operand>,
    limit: Option<Operand>,
    cpu: Option<Operand>,
}

impl Reader {
    /// A reader of a kind; what the kind has no column for stays unknown.
    pub fn new(kind: &'static Kind) -> Self {
        let mut columns = ColumnSet::default();
        let memory = MEMORY.iter().filter_map(|name| Operand::resolve(kind, name, &mut columns)).collect();
        let limit = Operand::resolve(kind, MEMORY_LIMIT, &mut columns);
        let cpu = Operand::resolve(kind, CPU, &mut columns);
        Reader { columns, memory, limit, cpu }
    }

    /// Positions in the kind's columns that the run must bring, in this order.
    pub fn columns(&self) -> &[usize] {
        self.columns.wanted()
    }

    /// The certificate of a death. `run` is the entity's up to the death; `of_life` are its own events of the day
    /// before, oldest first, `of_minute` those of its host of the minute before, both without the death itself.
    pub fn certificate(
        &self,
        death: &Event,
        entity: Option<&EntityRecord>,
        run: &Run,
        of_life: &[&Event],
        of_minute: Vec<Event>,
    ) -> Certificate {
        let alive = entity.map(|entity| entity.attributes_at(death.at.plus_ms(-1))).unwrap_or_default();
        // A life too short for a poll is known by its events alone.
        let told = of_life.iter().rev().find(|event| event.event_type == START && event.at <= death.at);
        let started = time(&alive, "started_at").filter(|started| *started < death.at);
        let started = started.max(told.map(|event| event.at));
        let last = run.inside().rev().find(|index| run.at.get(*index).is_some_and(|at| *at <= death.at));
        let since = last.and_then(|last| run.since.get(last).copied().flatten());
        let started = started.or(since.filter(|since| *since < death.at));
        let learnt = entity.and_then(|entity| learnt(entity, death.at));
        let ran_out = of_life.iter().any(|event| {
            event.event_type == OOM && started.is_none_or(|started| event.at >= started) && event.at <= death.at
        });
        let mut certificate = Certificate {
            started,
            lifetime_ms: started.map(|started| death.at.ms_since(started)),
            exit_code: integer(death.details.get("exit_code"))
                .or_else(|| learnt.as_ref().and_then(|facts| integer(facts.get("exit_code")))),
            oom_killed: match learnt.as_ref().and_then(|facts| facts.get("oom_killed")) {
                _ if ran_out => Some(true),
                Some(AttributeValue::Boolean(killed)) => Some(*killed),
                _ => None,
            },
            restarts_before: integer(alive.get("restart_count")),
            deaths_in_day_before: of_life.iter().filter(|event| event.event_type == DEATH).fold(0, |sum, _| sum + 1),
            events_before: of_minute,
            ..Certificate::default()
        };
        self.take_samples(&mut certificate, run, last, &alive);
        certificate
    }

    fn take_samples(&self, certificate: &mut Certificate, run: &Run, last: Option<usize>, alive: &Attributes) {
        let value = |operand: &Option<Operand>, index| {
            operand.as_ref().map_or(Number::Null, |operand| operand.at_sample(run, index, alive))
        };
        let memory = |index| {
            let numbers = self.memory.iter().map(|operand| operand.at_sample(run, index, alive));
            numbers.into_iter().find(|number| *number != Number::Null).unwrap_or_default()
        };
        // What was sampled before this life began is of another.
        let is_of_life = |index: &usize| {
            let at = run.at.get(*index).copied();
            at.is_some_and(|at| certificate.started.is_none_or(|started| at >= started))
        };
        let last = last.filter(is_of_life);
        if let Some(last) = last {
            let next = mark(run, last);
            let previous = last.checked_sub(1).and_then(|previous| mark(run, previous));
            let stretch = next.and_then(|next| rate::stretch(previous.as_ref(), &next, run.polled_before_first));
            let of_life = run.inside().filter(is_of_life).filter(|index| *index <= last);
            let peak = of_life.map(memory).fold(Number::Null, larger);
            certificate.memory_peak_bytes = peak;
            certificate.memory_last_bytes = memory(last);
            certificate.memory_limit_bytes = value(&self.limit, last);
            certificate.cpu_last_cores =
                self.cpu.as_ref().map_or(Number::Null, |cpu| cpu.at_end(run, last, stretch.as_ref(), alive));
            certificate.last_sample = run.at.get(last).copied();
        }
        if certificate.memory_limit_bytes == Number::Null {
            certificate.memory_limit_bytes = integer(alive.get(MEMORY_LIMIT_CONFIGURED))
                .map_or(Number::Null, |value| Number::Scaled { value, decimals: 0 });
        }
        let limit = certificate.memory_limit_bytes.as_f64().filter(|limit| *limit > 0.0);
        certificate.memory_peak_ratio =
            certificate.memory_peak_bytes.as_f64().zip(limit).map(|(peak, limit)| peak / limit);
    }
}

fn larger(a: Number, b: Number) -> Number {
    match (a.as_f64(), b.as_f64()) {
        (Some(left), Some(right)) if right > left => b,
        (None, _) => b,
        _ => a,
    }
}

/// The facts that were learnt of a death: those in force soon after it, if they are about the same end.
fn learnt(entity: &EntityRecord, died: Timestamp) -> Option<Arc<Attributes>> {
    let is_soon = |from: Timestamp| from <= died.plus_ms(LEARNT_WITHIN_MS);
    let is_of_it =
        |facts: &Attributes| time(facts, "finished_at").is_some_and(|ended| ended.ms_since(died).abs() <= SAME_END_MS);
    let mut versions = entity.versions.iter().rev().filter(|version| is_soon(version.from));
    versions.find(|version| is_of_it(&version.attributes)).map(|version| Arc::clone(&version.attributes))
}

fn time(facts: &Attributes, name: &str) -> Option<Timestamp> {
    match facts.get(name) {
        Some(AttributeValue::Time(at)) => Some(*at),
        _ => None,
    }
}

fn integer(value: Option<&AttributeValue>) -> Option<i64> {
    match value {
        Some(AttributeValue::Integer(value)) => Some(*value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ColumnValues, Identity, Severity, TargetName, TimeRange};
    use crate::query::request::test_kinds::CONTAINER;

    fn event(seconds: i64, event_type: &'static str) -> Event {
        Event {
            at: Timestamp::from_ms(seconds * 1000),
            severity: Severity::Info,
            event_type,
            kind: Some("container"),
            entity: Some(Identity::new(["h", "a"])),
            target: TargetName::new("docker", "h"),
            source_id: String::new(),
            message: String::new(),
            details: [].into(),
        }
    }

    fn run(reader: &Reader) -> Run {
        Run {
            range: TimeRange::new(Timestamp::from_ms(0), Timestamp::from_ms(1_000_001)).unwrap(),
            has_before: false,
            has_after: false,
            at: vec![Timestamp::from_ms(500_000)],
            since: vec![Some(Timestamp::from_ms(100_000))],
            interval_ms: vec![10_000],
            clock_offset_ms: vec![0],
            columns: reader.columns().iter().map(|_| ColumnValues::Int(vec![Some(7)])).collect(),
            polled_before_first: None,
        }
    }

    #[test]
    fn a_life_too_short_for_a_poll_is_known_by_its_events() {
        let reader = Reader::new(&CONTAINER);
        let death = event(1_000, DEATH);
        let check = |of_life: &[Event], lifetime_ms: i64, oom: Option<bool>, memory: Number| {
            let of_life: Vec<&Event> = of_life.iter().collect();
            let certificate = reader.certificate(&death, None, &run(&reader), &of_life, Vec::new());
            assert_eq!(certificate.lifetime_ms, Some(lifetime_ms));
            assert_eq!((certificate.oom_killed, certificate.memory_last_bytes), (oom, memory));
        };
        let seven = Number::Scaled { value: 7, decimals: 0 };
        check(&[], 900_000, None, seven);
        check(&[event(400, OOM)], 900_000, Some(true), seven);
        // The life before ran out of memory and was sampled; this one was neither.
        check(&[event(400, OOM), event(999, START)], 1_000, None, Number::Null);
        check(&[event(400, START), event(450, OOM)], 600_000, Some(true), seven);
    }
}
