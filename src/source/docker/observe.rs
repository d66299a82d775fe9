//! From the answers of a visit to what was observed.
//!
//! No waiting here. Must not know: how answers are fetched.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Docker;
use super::digests::Digests;
use super::engine::{Engine, Fetched};
use super::follow::EVENTS_WAITING_MAX;
use super::gone::Observing;
use super::inspect::{Kept, attributes_of_listed};
use super::kinds::{CONTAINER, CONTAINER_DEVICE, CONTAINER_INTERFACE, ENGINE};
use super::known::{Known, Network};
use super::list::{Listed, State};
use super::offset::{self, Reading};
use super::poll::{Answers, Facts, Seen};
use super::stats::Stats;
use crate::model::{
    AttributeValue, Attributes, Event, Identity, Kind, KindBatch, Observation, Outcome, Sample, Severity, Timestamp,
    Value,
};
use crate::source::attribution::{Belongs, Book};
use crate::source::{Observed, Visit};

/// What a visit adds up to while containers are gone through.
struct Building<'a> {
    host: &'a str,
    kept: Kept<'a>,
    offset_ms: i64,
    names: HashMap<Box<str>, String>,
    is_podman: bool,
    book: Option<&'a Book>,
    digests: &'a Digests,
    containers: Vec<Observation>,
    interfaces: Vec<Observation>,
    devices: Vec<Observation>,
    missing: Vec<String>,
    error: Option<String>,
    /// Whether every container that runs gave its numbers.
    has_all_stats: bool,
}

/// Takes a visit's answers over: remembers what the next visit needs and gives what was observed.
pub(super) fn observe(docker: &mut Docker, engine: &Arc<Engine>, visit: Visit, answers: Answers) -> Observed {
    let mut bytes = answers.bytes;
    settle_clock(docker, &answers, visit);
    let mut digests = std::mem::take(&mut docker.digests);
    digests.retain(answers.seen.iter().filter_map(|seen| seen.listed.image_id.as_deref()));
    let mut building = Building {
        host: &docker.settings.name,
        kept: Kept { environment: &docker.settings.environment, redact: &docker.settings.redact },
        offset_ms: docker.clock_offset_ms,
        names: names(&answers.seen),
        is_podman: engine.quirks.is_podman,
        book: docker.book.as_deref(),
        digests: &digests,
        containers: Vec::with_capacity(answers.seen.len()),
        interfaces: Vec::new(),
        devices: Vec::new(),
        missing: Vec::new(),
        error: None,
        has_all_stats: true,
    };

    let mut before = std::mem::take(&mut docker.known);
    let mut now = HashMap::with_capacity(answers.seen.len());
    for seen in answers.seen {
        let id = seen.listed.id.clone();
        let known = building.container(seen, before.remove(&id));
        now.insert(id, known);
    }
    docker.known = now;
    for (what, failure) in answers.missed {
        building.miss(what, Some(failure.message));
    }
    let ended = docker.gone.settle(
        answers.listed_at,
        |id| docker.known.contains_key(id),
        |id| before.contains_key(id),
        Observing {
            host: building.host,
            clock_offset_ms: building.offset_ms,
            kept: building.kept,
            digests: building.digests,
        },
    );
    building.containers.extend(ended);

    match docker.disk.refresh(engine, docker.settings.reply_max_bytes) {
        Ok(more) => bytes = bytes.saturating_add(u64::try_from(more).unwrap_or(u64::MAX)),
        Err(failure) => building.miss("disk usage".to_owned(), Some(failure.message)),
    }
    let mut engines = Vec::new();
    match answers.info.result {
        Ok(info) => {
            let ours = |at: Timestamp| at.plus_ms(building.offset_ms.saturating_neg());
            engines.push(Observation {
                identity: Identity::new([building.host]),
                attributes: Some(info.attributes(&engine.said, engine.version, engine.quirks.is_podman)),
                ended: None,
                sample: Some(Sample {
                    at: info.system_time().map_or(answers.info.arrived, ours),
                    since: None,
                    values: info.values(docker.disk.known()),
                }),
            });
        }
        Err(failure) => building.miss("engine info".to_owned(), Some(failure.message)),
    }
    if docker.unreadable_events > 0 {
        let count = std::mem::take(&mut docker.unreadable_events);
        building.miss(format!("{count} unreadable events"), None);
    }

    let Building { containers, interfaces, devices, missing, error, has_all_stats, .. } = building;
    docker.digests = digests;
    let batch = |kind: &'static Kind, complete, observations| KindBatch { kind, complete, observations };
    let has_engine = !engines.is_empty();
    Observed {
        outcome: if missing.is_empty() { Outcome::Ok } else { Outcome::Partial },
        error,
        missing,
        bytes,
        clock_offset_ms: docker.clock_offset_ms,
        batches: vec![
            batch(&CONTAINER, true, containers),
            batch(&CONTAINER_INTERFACE, has_all_stats, interfaces),
            batch(&CONTAINER_DEVICE, has_all_stats, devices),
            batch(&ENGINE, has_engine, engines),
        ],
        events: take_events(docker, visit),
    }
}

/// Names by id, if any container's facts may speak of another.
fn names(seen: &[Seen]) -> HashMap<Box<str>, String> {
    if !seen.iter().any(|seen| matches!(seen.facts, Facts::Are(_))) {
        return HashMap::new();
    }
    seen.iter().map(|seen| (seen.listed.id.clone(), seen.listed.shown().to_owned())).collect()
}

/// The events that are to be handed over now.
pub(super) fn take_events(docker: &mut Docker, visit: Visit) -> Vec<Event> {
    let mut events = std::mem::take(&mut docker.own_events);
    let lost = std::mem::take(&mut docker.lost_events);
    if lost > 0 {
        let message =
            format!("{lost} events were lost: more than {EVENTS_WAITING_MAX} came between two polls; poll more often");
        let lost = i64::try_from(lost).unwrap_or(i64::MAX);
        events.push(own_event(docker, visit, "limit_hit", message, &[("lost", lost)]));
    }
    let told = std::mem::take(&mut docker.events);
    events.extend(told.iter().filter_map(|told| told.event(&docker.target, docker.clock_offset_ms)));
    events
}

fn own_event(
    docker: &Docker,
    visit: Visit,
    event_type: &'static str,
    message: String,
    details: &[(&str, i64)],
) -> Event {
    Event {
        at: visit.started,
        severity: Severity::Warning,
        event_type,
        kind: None,
        entity: None,
        target: docker.target.clone(),
        source_id: visit.started.ms().to_string(),
        message,
        details: details
            .iter()
            .map(|(name, value)| ((*name).to_owned(), AttributeValue::from(*value)))
            .collect::<BTreeMap<_, _>>(),
    }
}

/// Decides how far the engine's clock is off, by its stats or, where there are none, by its info.
fn settle_clock(docker: &mut Docker, answers: &Answers, visit: Visit) {
    let reading = |sent, arrived, theirs: Option<Timestamp>| theirs.map(|theirs| Reading { sent, arrived, theirs });
    let of_stats = |fetched: &Fetched<Option<Stats>>| match &fetched.result {
        Ok(Some(stats)) => reading(fetched.sent, fetched.arrived, stats.read),
        _ => None,
    };
    let mut readings: Vec<Reading> =
        answers.seen.iter().filter_map(|seen| seen.stats.as_ref()).filter_map(of_stats).collect();
    if readings.is_empty()
        && let Ok(info) = &answers.info.result
    {
        readings.extend(reading(answers.info.sent, answers.info.arrived, info.system_time()));
    }
    let offset_ms = offset::settle(docker.clock_offset_ms, &mut readings);
    let before_ms = std::mem::replace(&mut docker.clock_offset_ms, offset_ms);
    if before_ms != offset_ms {
        let message = format!("the engine's clock is {offset_ms} ms ahead of the recorder's (before: {before_ms} ms)");
        let details = [("clock_offset_ms", offset_ms), ("clock_offset_before_ms", before_ms)];
        let event = own_event(docker, visit, "clock_offset", message, &details);
        docker.own_events.push(event);
    }
}

impl Building<'_> {
    fn ours(&self, at: Timestamp) -> Timestamp {
        at.plus_ms(self.offset_ms.saturating_neg())
    }

    fn miss(&mut self, what: String, why: Option<String>) {
        self.missing.push(what);
        self.error = self.error.take().or(why);
    }

    fn of_listed(&self, listed: &Listed) -> Attributes {
        let mut attributes = attributes_of_listed(listed);
        self.digests.add_to(&mut attributes);
        attributes
    }

    /// Observes one container and gives what is remembered of it.
    fn container(&mut self, seen: Seen, before: Option<Known>) -> Known {
        let is_new = before.is_none();
        let mut known = before.unwrap_or_default();
        let started_before = known.started;
        let shown = seen.listed.shown().to_owned();
        known.note_listed(&seen.listed);
        let mut state = seen.listed.state();
        let attributes = match seen.facts {
            Facts::AsBefore => None,
            Facts::Are(inspected) => {
                state = inspected.state();
                let name_of = |id: &str| self.names.get(id).cloned();
                let mut attributes = inspected.attributes(self.offset_ms, self.kept, name_of);
                known.belongs = self.book.and_then(|book| book.of_name(seen.listed.name()));
                for (name, value) in known.belongs.iter().flat_map(Belongs::named) {
                    // What the container itself tells goes before what others tell of it.
                    attributes.entry(name).or_insert(value);
                }
                self.digests.add_to(&mut attributes);
                known.digests = self.digests.count(seen.listed.image_id.as_deref());
                known.note_inspected(&inspected, &attributes);
                Some(attributes)
            }
            Facts::Gone => is_new.then(|| self.of_listed(&seen.listed)),
            Facts::Missing(why) => {
                known.is_stale = true;
                self.miss(format!("facts of {shown}"), why);
                is_new.then(|| self.of_listed(&seen.listed))
            }
        };
        if is_new
            && known.shared.is_empty()
            && let Some(attributes) = &attributes
        {
            known.note_attributes(attributes);
        }

        let has_stats = seen.listed.state().has_stats();
        let sample = match seen.stats.map(|fetched| (fetched.arrived, fetched.result)) {
            Some((arrived, Ok(Some(stats)))) => {
                Some(self.sample(&seen.listed.id, &mut known, started_before, stats, arrived))
            }
            Some((_, Ok(None))) => None,
            Some((_, Err(failure))) => {
                self.has_all_stats = false;
                self.miss(format!("stats of {shown}"), Some(failure.message));
                None
            }
            None if has_stats => {
                self.has_all_stats = false;
                self.miss(format!("stats of {shown}"), Some(format!("stats of {shown}: no answer in time")));
                None
            }
            None => None,
        };
        let ended = match state {
            State::Created | State::Running | State::Paused => None,
            // Of a life of milliseconds engines may date the end a little before the start.
            State::Restarting | State::Ended => known.finished.map(|at| self.ours(at.max(known.started.unwrap_or(at)))),
        };
        let identity = Identity::new([self.host, &*seen.listed.id]);
        self.containers.push(Observation { identity, attributes, ended, sample });
        known
    }

    fn sample(
        &mut self,
        id: &str,
        known: &mut Known,
        started_before: Option<Timestamp>,
        mut stats: Stats,
        arrived: Timestamp,
    ) -> Sample {
        if known.network == Network::Shared || (self.is_podman && known.network == Network::NoneOrHost) {
            stats.forget_network();
        }
        let began = began(known, started_before, stats.read);
        let goes_on = known.note_sample(&stats, began);
        if self.is_podman {
            stats.synthesise_cpu_host(began);
        } else if !goes_on {
            stats.forget_cpu_host();
        }
        let at = stats.read.map_or(arrived, |read| self.ours(read));
        let since = began.map(|began| self.ours(began));
        let parts = |parts: Vec<(Box<str>, Box<[Value]>)>, known: &mut Known, host: &str| {
            parts
                .into_iter()
                .map(|(part, values)| Observation {
                    identity: Identity::new([host, id, &*part]),
                    attributes: known.parts.insert(part).then(|| known.shared.clone()),
                    ended: None,
                    sample: Some(Sample { at, since, values }),
                })
                .collect::<Vec<_>>()
        };
        self.interfaces.extend(parts(stats.interfaces, known, self.host));
        self.devices.extend(parts(stats.devices, known, self.host));
        Sample { at, since, values: stats.values }
    }
}

/// Since when the counters of a sample count, by the engine's clock. Facts that could not be had say nothing; a life
/// that began after the sample was taken is not the sample's, so that it still belongs to the life before.
fn began(known: &Known, started_before: Option<Timestamp>, read: Option<Timestamp>) -> Option<Timestamp> {
    let started = known.started.filter(|_| !known.is_stale)?;
    match read {
        Some(read) if started > read => started_before.filter(|before| *before <= read),
        _ => Some(started),
    }
}
