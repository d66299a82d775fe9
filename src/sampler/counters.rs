//! The newest counters of every entity of one target, kept to notice when one fell although its life went on.
//!
//! Must not know: how polls are made, where snapshots go.

use std::collections::{BTreeMap, HashMap};

use crate::model::{
    AttributeValue, Class, Event, Identity, Kind, KindBatch, Observation, Poll, Sample, Severity, Value,
};
use crate::rate::{self, Mark};

/// An entity that no longer comes and was not told to be gone is forgotten after so many polls.
const ROUNDS_UNSEEN_MAX: u64 = 360;

/// A source whose counters all fell tells it so many times a poll; the rest would say nothing new.
const EVENTS_A_POLL_MAX: usize = 100;

/// The newest counters of every entity of one target.
#[derive(Debug, Default)]
pub(super) struct Counters {
    entities: HashMap<(&'static str, Identity), Last>,
    round: u64,
}

#[derive(Debug)]
struct Last {
    mark: Mark,
    /// The values of the kind's counters, in order.
    counters: Box<[Value]>,
    round: u64,
}

impl Counters {
    /// Takes in what a poll saw and gives an event for each entity of which counters fell.
    pub(super) fn observe(&mut self, poll: &Poll, batches: &[KindBatch]) -> Vec<Event> {
        if !poll.outcome.is_good() {
            return Vec::new();
        }
        self.round = self.round.wrapping_add(1);
        let mut events = Vec::new();
        for batch in batches {
            for seen in &batch.observations {
                let fallen = self.observe_one(poll, batch.kind, seen);
                if !fallen.is_empty() && events.len() < EVENTS_A_POLL_MAX {
                    events.push(event(poll, batch.kind, seen, &fallen));
                }
            }
        }
        let round = self.round;
        let is_complete = |kind: &str| batches.iter().any(|batch| batch.complete && batch.kind.name == kind);
        self.entities.retain(|(kind, _), last| {
            last.round == round || (!is_complete(kind) && round.wrapping_sub(last.round) < ROUNDS_UNSEEN_MAX)
        });
        events
    }

    fn observe_one(&mut self, poll: &Poll, kind: &'static Kind, seen: &Observation) -> Vec<&'static str> {
        let key = (kind.name, seen.identity.clone());
        let Some(sample) = &seen.sample else {
            if let Some(last) = self.entities.get_mut(&key) {
                last.round = self.round;
            }
            return Vec::new();
        };
        let mark = Mark {
            at: sample.at,
            since: sample.since,
            interval_ms: poll.interval_ms,
            clock_offset_ms: poll.clock_offset_ms,
        };
        let counters: Box<[Value]> = counters_of(kind, sample).map(|(_, value)| value).collect();
        if counters.is_empty() {
            return Vec::new();
        }
        let last = self.entities.insert(key, Last { mark, counters, round: self.round });
        last.map(|last| fallen(&last, &mark, kind, sample)).unwrap_or_default()
    }
}

fn counters_of<'a>(kind: &'static Kind, sample: &'a Sample) -> impl Iterator<Item = (&'static str, Value)> + 'a {
    let values = kind.columns.iter().zip(sample.values.iter());
    values.filter(|(column, _)| column.class == Class::Counter).map(|(column, value)| (column.name, *value))
}

/// Names of the counters that fell within one life.
fn fallen(last: &Last, mark: &Mark, kind: &'static Kind, sample: &Sample) -> Vec<&'static str> {
    let Some(stretch) = rate::stretch(Some(&last.mark), mark, None) else { return Vec::new() };
    let pairs = last.counters.iter().zip(counters_of(kind, sample));
    let fell = |previous: Value, next: Value| match (previous, next) {
        (Value::Int(previous), Value::Int(next)) => rate::fell(stretch.life, Some(previous), Some(next)),
        (Value::Float(previous), Value::Float(next)) => rate::fell(stretch.life, Some(previous), Some(next)),
        _ => false,
    };
    pairs.filter(|(previous, (_, next))| fell(**previous, *next)).map(|(_, (name, _))| name).collect()
}

fn event(poll: &Poll, kind: &'static Kind, seen: &Observation, fallen: &[&'static str]) -> Event {
    let names: Vec<String> = fallen.iter().map(|name| (*name).to_owned()).collect();
    let at = seen.sample.as_ref().map_or(poll.started, |sample| sample.at);
    Event {
        at,
        severity: Severity::Warning,
        event_type: "counter_fell",
        kind: Some(kind.name),
        entity: Some(seen.identity.clone()),
        target: poll.target.clone(),
        source_id: format!("{}/{}", kind.name, seen.identity.parts().join("/")),
        message: format!("{} of {} {} fell", names.join(", "), kind.name, seen.identity.parts().join("/")),
        details: BTreeMap::from([("columns".to_owned(), AttributeValue::from(names))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Column, Key, Outcome, TargetName, Timestamp};

    static THING: Kind = Kind {
        name: "thing",
        help: "A thing",
        identity: &[Key { name: "name", help: "Name" }],
        attributes: &[],
        columns: &[
            Column::gauge("level", "level", "", 0, "Goes up and down"),
            Column::counter("work_total", "work", "", 0, "Only grows"),
        ],
        derived: &[],
        display: &["name"],
    };

    fn poll(at: i64, counters: &mut Counters, things: &[(&str, Option<i64>, i64)]) -> Vec<String> {
        let poll = Poll {
            target: TargetName::new("test", "a"),
            started: Timestamp::from_ms(at),
            duration_ms: 1,
            interval_ms: 10,
            bytes: 0,
            outcome: Outcome::Ok,
            error: None,
            missing: Vec::new(),
            clock_offset_ms: 0,
        };
        let observations = things.iter().map(|(name, since, work)| Observation {
            identity: Identity::new([*name]),
            attributes: None,
            ended: None,
            sample: Some(Sample {
                at: Timestamp::from_ms(at),
                since: since.map(Timestamp::from_ms),
                values: Box::new([Value::Int(-at), Value::Int(*work)]),
            }),
        });
        let batch = KindBatch { kind: &THING, complete: true, observations: observations.collect() };
        counters.observe(&poll, &[batch]).into_iter().map(|event| event.message).collect()
    }

    #[test]
    fn a_fall_within_a_life_is_told_and_a_new_life_is_none() {
        let mut counters = Counters::default();
        let none: [&str; 0] = [];
        assert_eq!(poll(10, &mut counters, &[("a", Some(1), 100), ("b", None, 100)]), none);
        assert_eq!(poll(20, &mut counters, &[("a", Some(1), 120), ("b", None, 50)]), none, "since unknown: a reset");
        assert_eq!(poll(30, &mut counters, &[("a", Some(25), 3), ("b", None, 60)]), none, "restarted at 25");
        assert_eq!(poll(40, &mut counters, &[("a", Some(25), 2)]), ["work_total of thing a fell"]);
        assert_eq!(poll(50, &mut counters, &[("a", Some(25), 4)]), none, "told once");
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let mut counters = Counters::default();
        poll(10, &mut counters, &[("a", Some(1), 100), ("b", Some(1), 100)]);
        poll(20, &mut counters, &[("a", Some(1), 100)]);
        assert_eq!(counters.entities.len(), 1);
    }
}
