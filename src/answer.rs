//! Reads, folds, hands over: the only place where the store meets the query.
//!
//! Each function takes a checked request and a store, and gives the answer or its rows. All block. Shared by the
//! API and the command line; must not know either, nor rusqlite.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use thiserror::Error;

use crate::model::{Attributes, EntityRecord, Identity, Kind, Run, TargetName, TimeRange, Timestamp};
use crate::query::certificate::Certificate;
use crate::query::evaluate::{self, Evaluation, Pass, SeriesKey, TooMany};
use crate::query::explain::Plan;
use crate::query::filter::Filter;
use crate::query::frame::{Frame, Gap};
use crate::query::request::{EntitiesRequest, EventsRequest, RangeRequest, Resolution, SamplesRequest};
use crate::query::samples::{SampleReader, SampleRow};
use crate::query::seen::Seen;
use crate::store::{EntityQuery, EventQuery, EventRecord, Store, StoreError};

mod certificate;
mod diff;
mod explain;
mod hour_reading;
mod hours;
mod planning;
mod reading;
mod seen;
mod snapshot;
#[cfg(test)]
mod tests;

pub use diff::diff;
pub use explain::explain;
pub use hour_reading::HourReading;
use hours::HourPass;
pub use planning::{capacity, headroom};
pub use reading::{Entities, Reading};
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
pub struct Stop(Box<dyn Fn() -> bool + Send>);

impl Stop {
    /// The answer is wanted until its end.
    pub fn never() -> Self {
        Stop(Box::new(|| false))
    }

    /// The answer is wanted until `is_over` says otherwise.
    pub fn when(is_over: impl Fn() -> bool + Send + 'static) -> Self {
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
    let mut reader = RangeReader { store, stop, request, kept_from, seen: HashMap::new(), plan: Plan::default() };
    let Some(top) = &request.top else {
        let mut evaluation = Evaluation::new(request, None);
        reader.fold_all(&mut evaluation, |_| true, |_, _| {})?;
        let gaps = reader.gaps()?;
        return Ok((evaluate::frame(request, evaluation.finish(None), gaps), reader.plan));
    };
    let whole = [request.range.start(), request.range.end()];
    let mut ranking = Evaluation::ranking(request, &top.by, &whole);
    let mut identities: HashMap<SeriesKey, Vec<Identity>> = HashMap::new();
    reader.fold_all(
        &mut ranking,
        |_| true,
        |key, entity| {
            identities.entry(key).or_default().push(entity.identity.clone());
        },
    )?;
    let keep = evaluate::largest(ranking.finish(None), top.count);
    let entities: HashSet<&Identity> = keep.iter().filter_map(|key| identities.get(key)).flatten().collect();
    let mut evaluation = Evaluation::new(request, Some(&keep));
    reader.fold_all(&mut evaluation, |entity| entities.contains(&entity.identity), |_, _| {})?;
    let gaps = reader.gaps()?;
    Ok((evaluate::frame(request, evaluation.finish(Some(&keep)), gaps), reader.plan))
}

/// Reads what a range request needs, entity by entity.
struct RangeReader<'a> {
    store: &'a Store,
    stop: &'a Stop,
    request: &'a RangeRequest,
    kept_from: Option<Timestamp>,
    seen: HashMap<TargetName, Arc<Seen>>,
    plan: Plan,
}

impl RangeReader<'_> {
    fn fold_all(
        &mut self,
        evaluation: &mut Evaluation<'_>,
        wanted: impl Fn(&EntityRecord) -> bool,
        mut note: impl FnMut(SeriesKey, &EntityRecord),
    ) -> Result<(), AnswerError> {
        let range = self.request.range;
        let reach = TimeRange::new(range.start(), range.end().plus_ms(STRETCH_REACH_MS)).unwrap_or(range);
        for_each_entity(self.store, self.request.kind, &self.request.filter, reach, None, |entity| {
            if !wanted(entity) {
                return Ok(ControlFlow::Continue(()));
            }
            self.plan.entities = self.plan.entities.saturating_add(1);
            for pass in evaluation.passes(entity) {
                if let Some(key) = self.fold_pass(evaluation, entity, &pass)? {
                    note(key, entity);
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    fn fold_pass(
        &mut self,
        evaluation: &mut Evaluation<'_>,
        entity: &EntityRecord,
        pass: &Pass,
    ) -> Result<Option<SeriesKey>, AnswerError> {
        let seen = match self.request.group_by {
            Some(_) => Some(self.seen(&entity.target)?),
            None => None,
        };
        if evaluation.is_by_hours() {
            let needs = evaluation.hour_needs();
            // What hours do not hold is made from samples for as long as there are any.
            let rolled_until = self.kept_from.or(Some(Timestamp::MIN)).filter(|_| !self.request.are_fields_held());
            let roller = needs.roller(self.request.kind);
            self.fold_hours(
                evaluation,
                &HourPass { entity, pass, seen: seen.as_deref(), needs, roller, rolled_until },
            )?;
            return Ok(evaluation.end_pass(entity, pass, seen.as_deref())?);
        }
        let columns = evaluation.columns().to_vec();
        let runs = Runs {
            store: self.store,
            kind: self.request.kind,
            identity: &entity.identity,
            columns: &columns,
            stop: self.stop,
        };
        let plan = &mut self.plan;
        let _whole = runs.each(self.request.range, |run| {
            plan.runs = plan.runs.saturating_add(1);
            plan.samples = plan.samples.saturating_add(u64::try_from(run.len()).unwrap_or(u64::MAX));
            evaluation.fold(entity, pass, run, seen.as_deref());
            ControlFlow::Continue(())
        })?;
        Ok(evaluation.end_pass(entity, pass, seen.as_deref())?)
    }

    fn seen(&mut self, target: &TargetName) -> Result<Arc<Seen>, AnswerError> {
        if let Some(seen) = self.seen.get(target) {
            return Ok(Arc::clone(seen));
        }
        let by_hours = self.request.resolution == Resolution::Hours;
        let seen = Arc::new(seen::seen(self.store, target, self.request.range, by_hours, self.stop)?);
        self.seen.insert(target.clone(), Arc::clone(&seen));
        Ok(seen)
    }

    /// The gaps of every target that has something the filter passes, in the range or near it: a range that lies
    /// within a gap has no series to tell why.
    fn gaps(&mut self) -> Result<Option<Vec<Gap>>, AnswerError> {
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
            Some(silence_ms) => seen::recorder_ran(self.store, range, silence_ms, by_hours, self.stop)?,
            None => Vec::new(),
        };
        Ok(Some(seen.iter().flat_map(|seen| seen.gaps(range, &ran)).collect()))
    }
}

/// One entity's samples in a range of any length, as runs of at most a day.
struct Runs<'a> {
    store: &'a Store,
    kind: &'static Kind,
    identity: &'a Identity,
    columns: &'a [usize],
    stop: &'a Stop,
}

impl Runs<'_> {
    /// Gives the runs of a range in time order, together all of it.
    fn each(
        &self,
        range: TimeRange,
        mut take: impl FnMut(&Run) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, AnswerError> {
        let mut runs = Reading::of(self.kind, self.identity.clone(), range);
        while let Some(run) = runs.next(self.store, self.columns, self.stop)? {
            if take(&run).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
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
    let mut entities = Entities::after(kind, seen_in, from.cloned());
    while let Some(entity) = entities.next(store)? {
        if each(&entity)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// How a stream of samples ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamplesEnd {
    /// Rows given.
    pub rows: u64,
    /// The last row given, where the limit cut the stream and more rows follow.
    pub next: Option<(Identity, Timestamp)>,
}

/// Whether a samples request can be answered whole: not where retention has taken part of its range.
pub fn check_samples(store: &Store, request: &SamplesRequest) -> Result<(), AnswerError> {
    match store.samples_kept_from()? {
        Some(kept_from) if request.range.start() < kept_from => Err(AnswerError::Gone { kept_from }),
        _ => Ok(()),
    }
}

/// The samples of a range as recorded, with what is derived from them: rows by identity, then time.
pub fn samples(
    store: &Store,
    request: &SamplesRequest,
    stop: &Stop,
    emit: &mut dyn FnMut(SampleRow<'_>) -> ControlFlow<()>,
) -> Result<SamplesEnd, AnswerError> {
    check_samples(store, request)?;
    let kind = request.kind;
    let reader = SampleReader::new(kind);
    let mut rows = 0u64;
    let mut last: Option<(Identity, Timestamp)> = None;
    let mut is_cut = false;
    let limit = request.limit.map(|limit| u64::try_from(limit).unwrap_or(u64::MAX));
    let from = request.cursor.as_ref().map(|(identity, _)| identity);
    for_each_entity(store, kind, &request.filter, request.range, from, |entity| {
        let may_pass =
            entity.versions.iter().any(|version| request.filter.matches(kind, &entity.identity, &version.attributes));
        if !may_pass {
            return Ok(ControlFlow::Continue(()));
        }
        let after = request.cursor.as_ref().filter(|(identity, _)| *identity == entity.identity).map(|(_, at)| *at);
        let from = after.map_or(request.range.start(), |after| request.range.start().max(after));
        let Some(range) = TimeRange::new(from, request.range.end()) else { return Ok(ControlFlow::Continue(())) };
        let runs = Runs { store, kind, identity: &entity.identity, columns: reader.columns(), stop };
        runs.each(range, |run| {
            reader.rows(kind, entity, run, &request.filter, after, &mut |row| {
                if limit.is_some_and(|limit| rows >= limit) {
                    is_cut = true;
                    return ControlFlow::Break(());
                }
                if limit.is_some() {
                    last = Some((row.identity.clone(), row.at));
                }
                rows += 1;
                emit(row)
            })
        })
    })?;
    Ok(SamplesEnd { rows, next: last.filter(|_| is_cut) })
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
