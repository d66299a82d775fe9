//! Reads, folds, hands over: the only place where the store meets the query.
//!
//! Each function takes a checked request and a store, and gives the answer or its rows. All block. Shared by the
//! API and the command line; must not know either, nor rusqlite.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

use crate::model::{Attributes, EntityRecord, Identity, Kind, TargetName, TimeRange, Timestamp};
use crate::query::certificate::Certificate;
use crate::query::evaluate::{self, Evaluation, Gathering, Pass, SeriesKey, TooMany};
use crate::query::explain::Plan;
use crate::query::filter::Filter;
use crate::query::frame::{Frame, Gap, Series};
use crate::query::request::{EntitiesRequest, EventsRequest, RangeRequest, Resolution};
use crate::query::seen::Seen;
use crate::store::{EntityQuery, EventQuery, EventRecord, Store, StoreError, Work};

mod certificate;
mod diff;
mod explain;
mod hour_reading;
mod hours;
mod planning;
mod reading;
mod samples;
mod seen;
mod shares;
mod snapshot;
#[cfg(test)]
mod tests;

pub use diff::diff;
pub use explain::explain;
pub use hour_reading::HourReading;
pub use planning::{capacity, headroom};
pub use reading::{Entities, Reading, Readings};
pub use samples::{SamplesEnd, check_samples, samples};

use reading::Together;
pub use snapshot::AsOf;

/// A run is at most a day, so that one entity's columns fit a few megabytes whatever the range.
const RUN_MS: i64 = 86_400_000;
/// Entities are listed in pages of this many, so that a year of dead containers is never in memory at once.
const ENTITIES_A_PAGE: usize = 500;
/// How far beyond the end of a range a stretch that reaches into it can end: three of the longest polling
/// intervals that the configuration takes.
const STRETCH_REACH_MS: i64 = 86_400_000;
/// How near a range an entity must have been seen for the gaps of its target to matter: who asks about an outage
/// asks within a day of it.
const TARGETS_REACH_MS: i64 = 86_400_000;
/// Bytes that an entity's numbers of one bucket and field take while they are gathered.
const SLOT_BYTES: usize = 128;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AnswerError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The answer would be too large; says what to change.
    #[error("{message}")]
    TooMany {
        /// For the reader.
        message: String,
    },
    /// Retention has taken it; says from when on there is something.
    #[error("samples before {kept_from} are no longer kept")]
    Gone {
        /// From here on samples are whole.
        kept_from: Timestamp,
    },
    /// Retention has taken all samples of the range, and buckets do not meet at whole hours.
    #[error(
        "samples before {kept_from} are no longer kept, and buckets of hours cannot be cut: ask with step=1h or more"
    )]
    HoursOnly {
        /// From here on samples are whole.
        kept_from: Timestamp,
    },
    /// Nobody waits for the answer any more.
    #[error("the answer is no longer wanted")]
    Stopped,
}

impl From<TooMany> for AnswerError {
    fn from(TooMany(message): TooMany) -> Self {
        AnswerError::TooMany { message }
    }
}

/// Tells whether anybody still waits for the answer: asked before each run, so that work for nobody ends soon.
pub struct Stop(Box<dyn Fn() -> bool + Send + Sync>);

impl Stop {
    /// The answer is wanted until its end.
    pub fn never() -> Self {
        Stop(Box::new(|| false))
    }

    /// The answer is wanted until `is_over` says otherwise.
    pub fn when(is_over: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Stop(Box::new(is_over))
    }

    pub(crate) fn check(&self) -> Result<(), AnswerError> {
        if (self.0)() { Err(AnswerError::Stopped) } else { Ok(()) }
    }
}

/// The answer to a range request.
pub fn range(store: &Store, request: &RangeRequest, stop: &Stop) -> Result<Frame, AnswerError> {
    range_with_plan(store, request, stop).map(|(frame, _)| frame)
}

/// The answer to a range request, and what was read for it.
pub fn range_with_plan(store: &Store, request: &RangeRequest, stop: &Stop) -> Result<(Frame, Plan), AnswerError> {
    let kept_from = store.samples_kept_from()?;
    let request = &request.clone().kept_from(kept_from);
    if let Some(kept_from) = kept_from.filter(|kept_from| request.range.end() <= *kept_from)
        && request.resolution == Resolution::Samples
    {
        return Err(AnswerError::HoursOnly { kept_from });
    }
    let reader = RangeReader { store, stop, request, kept_from, seen: Mutex::default() };
    let mut plan = Plan::default();
    let Some(top) = &request.top else {
        let evaluation = Evaluation::new(request, None);
        let mut gathering = Gathering::new(&evaluation);
        reader.fold_all(&mut gathering, &mut plan, &mut |_, _| {})?;
        let gaps = reader.gaps()?;
        return Ok((evaluate::frame(request, gathering.finish(None), gaps), plan));
    };
    let whole = [request.range.start(), request.range.end()];
    let ranking = Evaluation::ranking(request, &top.by, &whole);
    let mut gathering = Gathering::new(&ranking);
    let mut identities: HashMap<SeriesKey, Vec<Identity>> = HashMap::new();
    reader.fold_all(&mut gathering, &mut plan, &mut |key, entity: &EntityRecord| {
        identities.entry(key).or_default().push(entity.identity.clone());
    })?;
    let ranked = gathering.finish(None);
    let keep = evaluate::largest(&ranked, top.count);
    // One bucket of the field that ranks is there already.
    let series = if request.edges == whole && request.fields == [top.by.clone()] {
        let mut ranked: HashMap<SeriesKey, Series> = ranked.into_iter().collect();
        keep.iter().filter_map(|key| ranked.remove_entry(key)).collect()
    } else {
        let members: BTreeSet<&Identity> = keep.iter().filter_map(|key| identities.get(key)).flatten().collect();
        let evaluation = Evaluation::new(request, Some(&keep));
        let mut gathering = Gathering::new(&evaluation);
        reader.fold_those(&mut gathering, members, &mut plan)?;
        gathering.finish(Some(&keep))
    };
    let gaps = reader.gaps()?;
    Ok((evaluate::frame(request, series, gaps), plan))
}

/// Reads what a range request needs, some entities at a time, for as many threads as ask.
struct RangeReader<'a> {
    store: &'a Store,
    stop: &'a Stop,
    request: &'a RangeRequest,
    kept_from: Option<Timestamp>,
    seen: Mutex<HashMap<TargetName, Arc<Seen>>>,
}

impl RangeReader<'_> {
    /// The time in which an entity must have been seen to have something in the range.
    fn reach(&self) -> TimeRange {
        let range = self.request.range;
        TimeRange::new(range.start(), range.end().plus_ms(STRETCH_REACH_MS)).unwrap_or(range)
    }

    fn fold_all(
        &self,
        gathering: &mut Gathering<'_>,
        plan: &mut Plan,
        note: &mut impl FnMut(SeriesKey, &EntityRecord),
    ) -> Result<(), AnswerError> {
        let (kind, filter) = (self.request.kind, &self.request.filter);
        if gathering.evaluation().is_by_hours() && filter.only_identity(kind).is_none() {
            let entities = Entities::after(kind, self.reach(), None).with(filter.keys(kind)).by(shares::SHARE);
            return self.fold_shares(gathering, shares::Source::Listed(entities), plan, note);
        }
        let mut together = self.together(gathering.evaluation());
        let mut batch = Vec::new();
        for_each_entity(self.store, kind, filter, self.reach(), None, |entity| {
            batch.push(entity.clone());
            if batch.len() >= together.count() {
                self.fold(gathering, std::mem::take(&mut batch), &mut together, plan, note)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        self.fold(gathering, batch, &mut together, plan, note)
    }

    fn fold_those(
        &self,
        gathering: &mut Gathering<'_>,
        identities: BTreeSet<&Identity>,
        plan: &mut Plan,
    ) -> Result<(), AnswerError> {
        if gathering.evaluation().is_by_hours() {
            return self.fold_shares(gathering, shares::Source::Those(identities.into_iter()), plan, &mut |_, _| {});
        }
        let mut together = self.together(gathering.evaluation());
        let mut batch = Vec::new();
        for identity in identities {
            batch.extend(self.store.entity(self.request.kind, identity, self.reach())?);
            if batch.len() >= together.count() {
                self.fold(gathering, std::mem::take(&mut batch), &mut together, plan, &mut |_, _| {})?;
            }
        }
        self.fold(gathering, batch, &mut together, plan, &mut |_, _| {})
    }

    fn together(&self, evaluation: &Evaluation<'_>) -> Together {
        Together::of(self.request.range, evaluation.columns().len(), evaluation.slots().saturating_mul(SLOT_BYTES))
    }

    /// Entities with their passes, as far as they have any.
    fn members(
        &self,
        evaluation: &Evaluation<'_>,
        entities: Vec<EntityRecord>,
        plan: &mut Plan,
    ) -> Result<Vec<Member>, AnswerError> {
        let mut members: Vec<Member> = Vec::with_capacity(entities.len());
        for entity in entities {
            plan.entities = plan.entities.saturating_add(1);
            let passes = evaluation.passes(&entity);
            if passes.is_empty() {
                continue;
            }
            let seen = match self.request.group_by {
                Some(_) => Some(self.seen(&entity.target)?),
                None => None,
            };
            members.push((entity, passes, seen));
        }
        Ok(members)
    }

    fn fold(
        &self,
        gathering: &mut Gathering<'_>,
        entities: Vec<EntityRecord>,
        together: &mut Together,
        plan: &mut Plan,
        note: &mut impl FnMut(SeriesKey, &EntityRecord),
    ) -> Result<(), AnswerError> {
        let evaluation = gathering.evaluation();
        let mut members = self.members(evaluation, entities, plan)?;
        if evaluation.is_by_hours() {
            self.fold_by_hours(evaluation, &mut members, plan)?;
            return end_all(gathering, members, note);
        }
        let identities = members.iter().map(|(entity, ..)| entity.identity.clone());
        let mut readings = Readings::of(self.request.kind, identities, self.request.range);
        loop {
            let runs = readings.next(self.store, evaluation.columns(), self.stop)?;
            if runs.is_empty() {
                break;
            }
            together.learn(runs.iter().map(|(_, run)| run));
            for (place, run) in &runs {
                plan.runs = plan.runs.saturating_add(1);
                plan.samples = plan.samples.saturating_add(u64::try_from(run.len()).unwrap_or(u64::MAX));
                let Some((entity, passes, seen)) = members.get_mut(*place) else { continue };
                passes.iter_mut().for_each(|pass| evaluation.fold(entity, pass, run, seen.as_deref()));
            }
        }
        note_work(plan, readings.work());
        end_all(gathering, members, note)
    }

    fn seen(&self, target: &TargetName) -> Result<Arc<Seen>, AnswerError> {
        // Whoever asks meanwhile waits, mostly for the same.
        let mut known = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = known.get(target) {
            return Ok(Arc::clone(seen));
        }
        let by_hours = self.request.resolution == Resolution::Hours;
        let seen =
            Arc::new(seen::seen(self.store, target, self.request.range, (self.request.now, by_hours), self.stop)?);
        known.insert(target.clone(), Arc::clone(&seen));
        Ok(seen)
    }

    /// The gaps of every target that has something the filter passes, in the range or near it: a range that lies
    /// within a gap has no series to tell why.
    fn gaps(&self) -> Result<Option<Vec<Gap>>, AnswerError> {
        if !self.request.coverage {
            return Ok(None);
        }
        let (kind, range, filter) = (self.request.kind, self.request.range, &self.request.filter);
        let by_hours = self.request.resolution == Resolution::Hours;
        let near = TimeRange::new(range.start().plus_ms(-TARGETS_REACH_MS), range.end().plus_ms(TARGETS_REACH_MS));
        let mut targets = BTreeSet::new();
        for_each_entity(self.store, kind, filter, near.unwrap_or(range), None, |entity| {
            if entity.versions.iter().any(|version| filter.matches(kind, &entity.identity, &version.attributes)) {
                targets.insert(entity.target.clone());
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let seen: Vec<Arc<Seen>> = targets.iter().map(|target| self.seen(target)).collect::<Result<_, _>>()?;
        let silent = seen.iter().filter(|seen| seen.has_silence(range));
        let ran = match silent.map(|seen| seen.silence_ms()).max() {
            Some(silence_ms) => {
                seen::recorder_ran(self.store, range, silence_ms, (self.request.now, by_hours), self.stop)?
            }
            None => Vec::new(),
        };
        Ok(Some(seen.iter().flat_map(|seen| seen.gaps(range, &ran)).collect()))
    }
}

/// An entity with its passes, and when its target was seen.
type Member = (EntityRecord, Vec<Pass>, Option<Arc<Seen>>);

fn note_work(plan: &mut Plan, Work { blocks, pieces, bytes, .. }: Work) {
    plan.add(Plan { blocks, pieces, bytes, ..Plan::default() });
}

fn end_all(
    gathering: &mut Gathering<'_>,
    members: Vec<Member>,
    note: &mut impl FnMut(SeriesKey, &EntityRecord),
) -> Result<(), AnswerError> {
    for (entity, passes, seen) in members {
        for pass in passes {
            if let Some(key) = gathering.end_pass(&entity, pass, seen.as_deref())? {
                note(key, &entity);
            }
        }
    }
    Ok(())
}

/// Calls `each` for every entity seen in a range, in identity order, from `from` on (inclusive); for one alone where the
/// filter names one. What else the filter says is left to the caller: it depends on the time.
fn for_each_entity(
    store: &Store,
    kind: &'static Kind,
    filter: &Filter,
    seen_in: TimeRange,
    from: Option<&Identity>,
    mut each: impl FnMut(&EntityRecord) -> Result<ControlFlow<()>, AnswerError>,
) -> Result<(), AnswerError> {
    if let Some(only) = filter.only_identity(kind) {
        let is_there = from.is_none_or(|from| *from <= only);
        if let Some(entity) =
            store.entity(kind, &only, seen_in)?.filter(|entity| is_there && entity.is_seen_in(seen_in))
        {
            // Nothing follows it, whatever is said.
            let _ = each(&entity)?;
        }
        return Ok(());
    }
    if let Some(first) = from
        && let Some(entity) = store.entity(kind, first, seen_in)?
        && entity.is_seen_in(seen_in)
        && each(&entity)?.is_break()
    {
        return Ok(());
    }
    let mut entities = Entities::after(kind, seen_in, from.cloned()).with(filter.keys(kind));
    while let Some(entity) = entities.next(store)? {
        if each(&entity)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// A page of entities.
#[derive(Debug, Clone)]
pub struct EntitiesPage {
    /// Entities with their attributes as of the range's end.
    pub entities: Vec<(EntityRecord, Arc<Attributes>)>,
    /// The last identity of the page, where more follow.
    pub next: Option<Identity>,
}

/// The entities seen in a range that the filter passes, with their attributes as of its end.
pub fn entities(store: &Store, request: &EntitiesRequest) -> Result<EntitiesPage, AnswerError> {
    let kind = request.kind;
    let mut entities = Vec::new();
    let mut next = None;
    let mut after = request.cursor.clone();
    'pages: loop {
        let query = EntityQuery { kind, seen_in: request.range, after, limit: ENTITIES_A_PAGE };
        let page = store.entities(&query)?;
        let is_last = page.len() < ENTITIES_A_PAGE;
        after = page.last().map(|entity| entity.identity.clone());
        for entity in page {
            let attributes = entity.attributes_at(request.range.end().plus_ms(-1));
            if !request.filter.matches(kind, &entity.identity, &attributes) {
                continue;
            }
            if entities.len() == request.limit {
                next = entities.last().map(|(entity, _): &(EntityRecord, _)| entity.identity.clone());
                break 'pages;
            }
            entities.push((entity, attributes));
        }
        if is_last {
            break;
        }
    }
    Ok(EntitiesPage { entities, next })
}

/// A page of events.
#[derive(Debug, Clone)]
pub struct EventsPage {
    /// Events, oldest first.
    pub events: Vec<EventRecord>,
    /// For each event its certificate, where it is a death; only where certificates were asked for.
    pub certificates: Option<Vec<Option<Certificate>>>,
    /// The last event of the page, where more follow.
    pub next: Option<(Timestamp, u64)>,
}

/// The events of a range that pass, oldest first.
pub fn events(store: &Store, kinds: &[&'static Kind], request: &EventsRequest) -> Result<EventsPage, AnswerError> {
    let mut events: Vec<EventRecord> = Vec::new();
    let mut next = None;
    let mut after = request.cursor;
    let Some(severity) = request.least_severity() else { return Ok(EventsPage { events, certificates: None, next }) };
    if request.types.as_ref().is_some_and(Vec::is_empty) {
        return Ok(EventsPage { events, certificates: None, next });
    }
    'pages: loop {
        let query = EventQuery {
            range: Some(request.range),
            event_types: request.types.clone().unwrap_or_default(),
            severity: Some(severity),
            kind: request.kind,
            after,
            limit: ENTITIES_A_PAGE,
        };
        let page = store.events(&query)?;
        let is_last = page.len() < ENTITIES_A_PAGE;
        after = page.last().map(|record| (record.event.at, record.sequence));
        for record in page {
            if !passes(store, kinds, request, &record)? {
                continue;
            }
            if events.len() == request.limit {
                next = events.last().map(|last| (last.event.at, last.sequence));
                break 'pages;
            }
            events.push(record);
        }
        if is_last {
            break;
        }
    }
    let certificates =
        if request.certificates { Some(certificate::certificates(store, kinds, &events)?) } else { None };
    Ok(EventsPage { events, certificates, next })
}

/// Whether an event is asked for; its entity's attributes are read only where that depends on them.
fn passes(
    store: &Store,
    kinds: &[&'static Kind],
    request: &EventsRequest,
    record: &EventRecord,
) -> Result<bool, AnswerError> {
    let event = &record.event;
    let kind = kinds.iter().copied().find(|kind| Some(kind.name) == event.kind);
    let attributes = match (kind, &event.entity) {
        (Some(kind), Some(identity)) if request.needs_attributes() => {
            let instant = TimeRange::new(event.at, event.at.plus_ms(1)).unwrap_or(TimeRange::ALL);
            store.entity(kind, identity, instant)?.map(|entity| entity.attributes_at(event.at))
        }
        _ => None,
    };
    Ok(request.matches(event, kind, attributes.as_deref()))
}
