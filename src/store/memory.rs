//! The reference store: plain collections, every promise in its most direct form.
//!
//! The oracle of the conformance suite, and what tests and simulations keep snapshots in. Must not know: SQL,
//! files, nor how any other backend finds what is plain to see here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::learnt::backdated;
use super::{
    Appended, Cutoffs, EntityQuery, EventQuery, EventRecord, FetchAll, HOUR_MS, Polls, ReadAll, Retained, TargetRecord,
    VERSIONS_PER_HOUR_MAX, Work, drawn_id, has_keys, limit_hit, wants_event,
};
use crate::model::{
    Attributes, Column, ColumnValues, EntityRecord, Event, Identity, Kind, Observation, Outcome, Poll, PollRecord,
    Repr, Run, Snapshot, TargetName, TimeRange, Timestamp, Value, Version,
};

/// The reference store.
#[derive(Debug, Default)]
pub struct Memory {
    kept: Mutex<Kept>,
}

/// Everything that is kept.
#[derive(Debug, Default)]
struct Kept {
    targets: BTreeMap<TargetName, Target>,
    kinds: BTreeMap<&'static str, BTreeMap<Identity, Entity>>,
    events: BTreeMap<(Timestamp, u64), Event>,
    event_keys: BTreeSet<(TargetName, Timestamp, String, &'static str)>,
    polls_appended: u64,
    events_appended: u64,
    samples_kept_from: Option<Timestamp>,
    machine_name: Option<String>,
    file_id: Option<String>,
}

/// A poll's place: its start, and its turn among all polls appended.
type PollKey = (Timestamp, u64);

#[derive(Debug, Default)]
struct Target {
    polls: BTreeMap<PollKey, KeptPoll>,
    /// How far its good polls reach, deleted ones included; None: there was none.
    good: Option<Reach>,
}

/// How far good polls reach: the latest start, and the latest time anything was seen.
#[derive(Debug, Clone, Copy)]
struct Reach {
    started: Timestamp,
    seen_until: Timestamp,
}

#[derive(Debug)]
struct KeptPoll {
    record: PollRecord,
    newest_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Entity {
    sightings: Vec<Sighting>,
    ended: Option<Timestamp>,
    versions: Vec<Version>,
    samples: BTreeMap<Timestamp, KeptSample>,
    /// Turn of the poll that took the newest sample.
    sampled_by: u64,
    limits_hit: BTreeSet<i64>,
}

/// What one target saw of an entity.
#[derive(Debug)]
struct Sighting {
    target: TargetName,
    first_seen: Timestamp,
    /// `first_seen`, or the time of a sample that is older.
    seen_from: Timestamp,
    /// Set when a complete list came without it; None while it is listed.
    unlisted: Option<Reach>,
    /// Turn of the last poll that listed it.
    listed_by: u64,
}

#[derive(Debug)]
struct KeptSample {
    target: TargetName,
    poll: PollKey,
    since: Option<Timestamp>,
    values: Box<[Value]>,
    interval_ms: i64,
    clock_offset_ms: i64,
}

impl Memory {
    /// An empty store. Takes the kinds as every backend does, and any other kind as well.
    pub fn new(_kinds: &'static [&'static Kind]) -> Self {
        Memory::default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`super::Store::append`].
    pub fn append(&self, snapshots: &[Snapshot]) -> Appended {
        let mut kept = self.kept();
        let mut appended = Appended::default();
        for snapshot in snapshots {
            kept.append(snapshot, &mut appended);
        }
        appended
    }

    /// See [`super::Store::targets`].
    pub fn targets(&self) -> Vec<TargetRecord> {
        let kept = self.kept();
        let newest = |target: &Target, wanted: fn(Outcome) -> bool| {
            let mut newest_first = target.polls.values().rev().map(|poll| &poll.record);
            newest_first.find(|record| wanted(record.poll.outcome)).cloned()
        };
        let with_polls = kept.targets.iter().filter(|(_, target)| !target.polls.is_empty());
        with_polls
            .map(|(name, target)| TargetRecord {
                target: name.clone(),
                last_tick: newest(target, |_| true).map_or(Timestamp::MIN, |record| record.poll.started),
                last_poll: newest(target, was_visited),
                last_good: newest(target, Outcome::is_good),
                last_failed: newest(target, |outcome| was_visited(outcome) && !outcome.is_good()),
            })
            .collect()
    }

    /// See [`super::Store::entities_with`].
    pub fn entities_with(&self, query: &EntityQuery, keys: &[Option<String>]) -> Vec<EntityRecord> {
        let kept = self.kept();
        let Some(entities) = kept.kinds.get(query.kind.name) else { return Vec::new() };
        let after = entities.iter().filter(|(identity, _)| query.after.as_ref().is_none_or(|after| *identity > after));
        let seen = after.filter(|(_, entity)| kept.is_seen_in(entity, query.seen_in));
        let wanted = seen.filter(|(identity, _)| has_keys(identity, keys));
        wanted.take(query.limit).map(|(identity, entity)| kept.record(identity, entity, query.seen_in)).collect()
    }

    /// See [`super::Store::entity`].
    pub fn entity(&self, kind: &'static Kind, identity: &Identity, range: TimeRange) -> Option<EntityRecord> {
        let kept = self.kept();
        let entity = kept.kinds.get(kind.name)?.get(identity)?;
        Some(kept.record(identity, entity, range))
    }

    /// See [`super::Store::read_all`].
    pub fn read_all(&self, fetch: &FetchAll<'_>) -> ReadAll {
        let kept = self.kept();
        let runs = fetch.identities.iter().map(|identity| kept.run(identity, fetch)).collect();
        ReadAll { runs, work: Work::default() }
    }

    /// See [`super::Store::polls`].
    pub fn polls(&self, target: &TargetName, range: TimeRange) -> Polls {
        let kept = self.kept();
        let Some(target) = kept.targets.get(target) else { return Polls::default() };
        let is_good = |poll: &&KeptPoll| poll.record.poll.outcome.is_good();
        let (start, end) = ((range.start(), 0), (range.end(), 0));
        let mut earlier = target.polls.range(..start).rev().map(|(_, poll)| poll);
        let mut later = target.polls.range(end..).map(|(_, poll)| poll);
        Polls {
            good_before: earlier.find(is_good).map(|poll| poll.record.clone()),
            inside: target.polls.range(start..end).map(|(_, poll)| poll.record.clone()).collect(),
            good_after: later.find(is_good).map(|poll| poll.record.clone()),
        }
    }

    /// See [`super::Store::events`].
    pub fn events(&self, query: &EventQuery) -> Vec<EventRecord> {
        let kept = self.kept();
        let after = kept.events.iter().filter(|(key, _)| query.after.is_none_or(|after| **key > after));
        let wanted = after.filter(|(_, event)| wants_event(query, event));
        wanted
            .take(query.limit)
            .map(|((_, sequence), event)| EventRecord { event: event.clone(), sequence: *sequence })
            .collect()
    }

    /// See [`super::Store::retain`]. Takes all there is to take in one step.
    pub fn retain(&self, cutoffs: &Cutoffs) -> Retained {
        let mut kept = self.kept();
        let mut retained = Retained::default();
        if let Some(cutoff) = cutoffs.samples {
            retained.polls = kept.retain_samples(cutoff);
        }
        if let Some(cutoff) = cutoffs.needed() {
            kept.retain_entities(cutoff);
        }
        if let Some(cutoff) = cutoffs.events {
            let before = kept.events.len();
            kept.events.retain(|(at, _), _| *at >= cutoff);
            kept.event_keys.retain(|(_, at, _, _)| *at >= cutoff);
            retained.events = u64::try_from(before - kept.events.len()).unwrap_or(u64::MAX);
        }
        retained
    }

    /// See [`super::Store::samples_kept_from`].
    pub fn samples_kept_from(&self) -> Option<Timestamp> {
        self.kept().samples_kept_from
    }

    /// See [`super::Store::machine_name`].
    pub fn machine_name(&self, first: &str) -> String {
        self.kept().machine_name.get_or_insert_with(|| first.to_owned()).clone()
    }

    /// See [`super::Store::file_id`].
    pub fn file_id(&self) -> String {
        self.kept().file_id.get_or_insert_with(drawn_id).clone()
    }
}

/// Whether the target was really asked: neither skipped nor dropped.
fn was_visited(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Skipped | Outcome::Dropped)
}

fn column_values<'a>(column: &Column, values: impl Iterator<Item = Option<&'a Value>>) -> ColumnValues {
    let values = values.map(|value| value.copied().unwrap_or_default());
    match column.repr {
        Repr::Integer { .. } => ColumnValues::Int(values.map(Value::int).collect()),
        Repr::Float => ColumnValues::Float(values.map(as_float).collect()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a float column holds floats; a whole number in it is read as one")]
fn as_float(value: Value) -> Option<f64> {
    match value {
        Value::Null => None,
        Value::Int(value) => Some(value as f64),
        Value::Float(value) => Some(value),
    }
}

impl Kept {
    fn run(&self, identity: &Identity, fetch: &FetchAll<'_>) -> Run {
        let range = fetch.range;
        let entity = self.kinds.get(fetch.kind.name).and_then(|entities| entities.get(identity));
        let nothing = BTreeMap::new();
        let samples = entity.map_or(&nothing, |entity| &entity.samples);
        let before = samples.range(..range.start()).next_back();
        let after = samples.range(range.end()..).next();
        let rows: Vec<(&Timestamp, &KeptSample)> =
            before.into_iter().chain(samples.range(range.start()..range.end())).chain(after).collect();
        let polled_before_first = match rows.first() {
            Some((_, first)) if before.is_none() => self.good_before(&first.target, first.poll),
            _ => None,
        };
        Run {
            range,
            has_before: before.is_some(),
            has_after: after.is_some(),
            at: rows.iter().map(|(at, _)| **at).collect(),
            since: rows.iter().map(|(_, sample)| sample.since).collect(),
            interval_ms: rows.iter().map(|(_, sample)| sample.interval_ms).collect(),
            clock_offset_ms: rows.iter().map(|(_, sample)| sample.clock_offset_ms).collect(),
            columns: fetch
                .columns
                .iter()
                .filter_map(|index| fetch.kind.columns.get(*index).map(|column| (*index, column)))
                .map(|(index, column)| column_values(column, rows.iter().map(|(_, sample)| sample.values.get(index))))
                .collect(),
            polled_before_first,
        }
    }

    fn append(&mut self, snapshot: &Snapshot, appended: &mut Appended) {
        let poll = &snapshot.poll;
        self.polls_appended += 1;
        let turn = self.polls_appended;
        let mut samples = 0;
        let mut newest_at = None;
        if poll.outcome.is_good() {
            for batch in &snapshot.batches {
                for observation in &batch.observations {
                    match self.observe(batch.kind, observation, poll, turn, appended) {
                        Some(true) => {
                            samples += 1;
                            newest_at = newest_at.max(observation.sample.as_ref().map(|sample| sample.at));
                        }
                        Some(false) => appended.duplicate_samples += 1,
                        None => {}
                    }
                }
            }
            for batch in snapshot.batches.iter().filter(|batch| batch.complete) {
                self.unlist_absent(batch.kind, poll, turn);
            }
        }
        appended.samples += samples;
        let record = PollRecord { poll: poll.clone(), seen_until: newest_at.unwrap_or(poll.finished()), samples };
        let target = self.targets.entry(poll.target.clone()).or_default();
        if poll.outcome.is_good() {
            let good = target.good.get_or_insert(Reach { started: poll.started, seen_until: record.seen_until });
            good.started = good.started.max(poll.started);
            good.seen_until = good.seen_until.max(record.seen_until);
        }
        target.polls.insert((poll.started, turn), KeptPoll { record, newest_at });
        for event in &snapshot.events {
            self.keep_event(event.clone(), appended);
        }
    }

    /// Takes in one observation. Says whether its sample was kept, or nothing where it has none.
    fn observe(
        &mut self,
        kind: &'static Kind,
        observation: &Observation,
        poll: &Poll,
        turn: u64,
        appended: &mut Appended,
    ) -> Option<bool> {
        let sample = observation.sample.as_ref();
        let from = sample.map_or(poll.started, |sample| sample.at.min(poll.started));
        let entity = self.kinds.entry(kind.name).or_default().entry(observation.identity.clone()).or_default();
        entity.list(poll, from, turn);
        entity.ended = observation.ended;
        let hit = entity.learn(kind, observation.attributes.as_ref(), from);
        let kept = sample.map(|sample| {
            let is_new = entity.sampled_by != turn && !entity.samples.contains_key(&sample.at);
            if is_new {
                entity.sampled_by = turn;
                entity.samples.insert(
                    sample.at,
                    KeptSample {
                        target: poll.target.clone(),
                        poll: (poll.started, turn),
                        since: sample.since,
                        values: sample.values.clone(),
                        interval_ms: poll.interval_ms,
                        clock_offset_ms: poll.clock_offset_ms,
                    },
                );
            }
            is_new
        });
        if let Some(at) = hit {
            self.keep_event(limit_hit(kind, &observation.identity, &poll.target, at), appended);
        }
        kept
    }

    /// Ends the listing of what a complete list did not name.
    fn unlist_absent(&mut self, kind: &'static Kind, poll: &Poll, turn: u64) {
        let Some(reach) = self.targets.get(&poll.target).and_then(|target| target.good) else { return };
        for entity in self.kinds.entry(kind.name).or_default().values_mut() {
            let absent = entity.sightings.iter_mut().find(|sighting| {
                sighting.target == poll.target && sighting.unlisted.is_none() && sighting.listed_by != turn
            });
            let Some(absent) = absent else { continue };
            absent.unlisted = Some(reach);
            if entity.sightings.iter().all(|sighting| sighting.unlisted.is_some()) {
                entity.ended.get_or_insert(poll.started);
            }
        }
    }

    fn keep_event(&mut self, event: Event, appended: &mut Appended) {
        let key = (event.target.clone(), event.at, event.source_id.clone(), event.event_type);
        if self.event_keys.insert(key) {
            self.events_appended += 1;
            appended.events += 1;
            self.events.insert((event.at, self.events_appended), event);
        }
    }

    /// Until when a sighting reaches; for one that is listed, as far as its target's good polls do.
    fn reach(&self, sighting: &Sighting) -> Reach {
        let at_least = Reach { started: sighting.first_seen, seen_until: sighting.seen_from };
        sighting.unlisted.or_else(|| self.targets.get(&sighting.target)?.good).unwrap_or(at_least)
    }

    fn is_seen_in(&self, entity: &Entity, range: TimeRange) -> bool {
        let from = entity.sightings.iter().map(|sighting| sighting.seen_from).min();
        let reaches = entity.sightings.iter().map(|sighting| self.reach(sighting));
        let until = reaches.map(|reach| reach.started.max(reach.seen_until)).max();
        from.is_some_and(|from| from < range.end()) && until.is_some_and(|until| until >= range.start())
    }

    fn record(&self, identity: &Identity, entity: &Entity, range: TimeRange) -> EntityRecord {
        let last_seen = |sighting: &Sighting| self.reach(sighting).started;
        // Of equals the first: `max_by_key` takes the last, so the walk goes backwards.
        let main =
            entity.sightings.iter().rev().max_by_key(|sighting| (sighting.unlisted.is_none(), last_seen(sighting)));
        let newest = entity.versions.partition_point(|version| version.from <= range.start());
        let from = newest.saturating_sub(1);
        let until = entity.versions.partition_point(|version| version.from < range.end()).max(from + 1);
        EntityRecord {
            identity: identity.clone(),
            target: main.map_or_else(|| TargetName::from_full(""), |sighting| sighting.target.clone()),
            first_seen: entity.sightings.iter().map(|sighting| sighting.first_seen).min().unwrap_or_default(),
            last_seen: entity.sightings.iter().map(last_seen).max().unwrap_or_default(),
            ended: entity.ended,
            versions: entity.versions.get(from..until).unwrap_or_default().into(),
        }
    }

    fn good_before(&self, target: &TargetName, poll: PollKey) -> Option<Timestamp> {
        let earlier = self.targets.get(target)?.polls.range(..poll).rev();
        let mut good = earlier.filter(|(_, poll)| poll.record.poll.outcome.is_good());
        good.next().map(|((started, _), _)| *started)
    }

    fn retain_samples(&mut self, cutoff: Timestamp) -> u64 {
        let mut deleted = BTreeSet::new();
        for target in self.targets.values_mut() {
            target.polls.retain(|key, poll| {
                let is_old = key.0 < cutoff && poll.newest_at.is_none_or(|at| at < cutoff);
                if is_old {
                    deleted.insert(*key);
                }
                !is_old
            });
        }
        for entities in self.kinds.values_mut() {
            for entity in entities.values_mut() {
                entity.samples.retain(|_, sample| !deleted.contains(&sample.poll));
            }
        }
        if !deleted.is_empty() {
            self.samples_kept_from = self.samples_kept_from.max(Some(cutoff));
        }
        u64::try_from(deleted.len()).unwrap_or(u64::MAX)
    }

    fn retain_entities(&mut self, cutoff: Timestamp) {
        for entities in self.kinds.values_mut() {
            for entity in entities.values_mut() {
                let newest_needed = entity.versions.partition_point(|version| version.from <= cutoff);
                entity.versions.drain(..newest_needed.saturating_sub(1));
            }
            entities.retain(|_, entity| {
                let is_over = |reach: Reach| reach.started < cutoff && reach.seen_until < cutoff;
                !entity.sightings.iter().all(|sighting| sighting.unlisted.is_some_and(is_over))
            });
        }
    }
}

impl Entity {
    /// A good poll lists it; `from` is the poll's start or the sample's time, whichever is earlier.
    fn list(&mut self, poll: &Poll, from: Timestamp, turn: u64) {
        match self.sightings.iter_mut().find(|sighting| sighting.target == poll.target) {
            Some(sighting) => {
                sighting.first_seen = sighting.first_seen.min(poll.started);
                sighting.seen_from = sighting.seen_from.min(from);
                sighting.unlisted = None;
                sighting.listed_by = turn;
            }
            None => self.sightings.push(Sighting {
                target: poll.target.clone(),
                first_seen: poll.started,
                seen_from: from,
                unlisted: None,
                listed_by: turn,
            }),
        }
    }

    /// Opens a version where attributes changed. Gives the time of the event where that hits the limit.
    fn learn(&mut self, kind: &'static Kind, attributes: Option<&Attributes>, from: Timestamp) -> Option<Timestamp> {
        let Some(newest) = self.versions.last_mut() else {
            self.versions.push(Version { from, attributes: Arc::new(attributes.cloned().unwrap_or_default()) });
            return None;
        };
        let attributes = attributes.filter(|attributes| **attributes != *newest.attributes)?;
        let newest_from = newest.from;
        let attributes = Arc::new(attributes.clone());
        if self.versions.len() == 1 && self.versions.iter().all(|only| only.attributes.is_empty()) {
            self.versions = vec![Version { from: newest_from, attributes }];
            return None;
        }
        if let Some(told) = backdated(kind, &self.versions, &attributes, from) {
            self.versions = told;
            if self.versions.last().is_some_and(|newest| newest.attributes == attributes) {
                return None;
            }
        }
        let newest_from = self.versions.last().map_or(newest_from, |newest| newest.from);
        let from = from.max(newest_from.plus_ms(1));
        let hour = from.ms().div_euclid(HOUR_MS);
        let in_hour = self.versions.iter().filter(|version| version.from.ms().div_euclid(HOUR_MS) == hour).count();
        if in_hour < VERSIONS_PER_HOUR_MAX {
            self.versions.push(Version { from, attributes });
            return None;
        }
        self.versions.pop();
        if self.versions.last().is_none_or(|before| *before.attributes != *attributes) {
            self.versions.push(Version { from: newest_from, attributes });
        }
        self.limits_hit.insert(hour).then_some(from)
    }
}
