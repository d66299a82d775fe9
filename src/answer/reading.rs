//! One after the other from the store: entities page by page, an entity's runs day by day.
//!
//! Pulled, so that whoever asks for row after row stands between two of them without a thread of its own. Must not
//! know: what is made of the runs.

use std::collections::VecDeque;

use super::{AnswerError, ENTITIES_A_PAGE, RUN_MS, Stop};
use crate::model::{EntityRecord, Identity, Kind, Run, TimeRange, Timestamp};
use crate::store::{EntityQuery, FetchAll, Store, Work};

/// Memory for what is read together: the more entities, the more often a piece of the journal serves several.
const TOGETHER_BYTES: usize = 8 * 1024 * 1024;
/// Most entities at once: four pieces of the journal, from where on more save nothing.
const TOGETHER_MAX: usize = 256;
/// The interval that is assumed until samples were seen: the default.
const USUAL_INTERVAL_MS: i64 = 10_000;
/// What a sample holds beside its columns: time, since, interval, offset.
const SAMPLE_VALUES: usize = 4;
/// A value that may be null.
const VALUE_BYTES: usize = size_of::<Option<i64>>();

/// The entities of a kind seen in a range, in identity order.
#[derive(Debug)]
pub struct Entities {
    query: EntityQuery,
    keys: Vec<Option<String>>,
    page: VecDeque<EntityRecord>,
    is_last_page: bool,
}

impl Entities {
    /// Those that come after an identity.
    pub fn after(kind: &'static Kind, seen_in: TimeRange, after: Option<Identity>) -> Entities {
        let query = EntityQuery { kind, seen_in, after, limit: ENTITIES_A_PAGE };
        Entities { query, keys: Vec::new(), page: VecDeque::new(), is_last_page: false }
    }

    /// Only those whose identity has these parts, each in its place, where it is given.
    #[must_use]
    pub fn with(self, keys: Vec<Option<String>>) -> Entities {
        Entities { keys, ..self }
    }

    /// Some at once.
    #[must_use]
    pub(super) fn by(self, limit: usize) -> Entities {
        Entities { query: EntityQuery { limit, ..self.query }, ..self }
    }

    /// The next one.
    pub fn next(&mut self, store: &Store) -> Result<Option<EntityRecord>, AnswerError> {
        if self.page.is_empty() {
            self.page = self.next_page(store)?.into();
        }
        Ok(self.page.pop_front())
    }

    /// The next few; none at the end.
    pub(super) fn next_page(&mut self, store: &Store) -> Result<Vec<EntityRecord>, AnswerError> {
        if self.is_last_page {
            return Ok(Vec::new());
        }
        let page = store.entities_with(&self.query, &self.keys)?;
        self.is_last_page = page.len() < self.query.limit;
        self.query.after = page.last().map(|entity| entity.identity.clone());
        Ok(page)
    }
}

/// Samples of some entities in a range of any length, read together, as runs of at most a day: of each entity in time
/// order, together all of it. A long time without a sample is one run, not read again: the run before it knows its
/// neighbours.
#[derive(Debug)]
pub struct Readings {
    kind: &'static Kind,
    /// With what of the range was not read yet.
    entities: Vec<(Identity, Option<TimeRange>)>,
    work: Work,
}

impl Readings {
    /// The runs of entities in a range.
    pub fn of(kind: &'static Kind, identities: impl IntoIterator<Item = Identity>, range: TimeRange) -> Readings {
        let entities = identities.into_iter().map(|identity| (identity, Some(range).filter(|range| !range.is_empty())));
        Readings { kind, entities: entities.collect(), work: Work::default() }
    }

    /// The next runs, with these columns of the kind, each with its entity's place; none at the end.
    pub fn next(&mut self, store: &Store, columns: &[usize], stop: &Stop) -> Result<Vec<(usize, Run)>, AnswerError> {
        let rests = self.entities.iter().filter_map(|(_, rest)| *rest);
        let Some(rest) = rests.min_by_key(|rest| rest.start()) else { return Ok(Vec::new()) };
        let Some(piece) = rest.pieces(RUN_MS).next() else { return Ok(Vec::new()) };
        stop.check()?;
        // Those that have nothing for long wait until the others have come as far.
        let is_due = |of: &Option<TimeRange>| of.is_some_and(|of| of.start() == piece.start());
        let places: Vec<usize> =
            self.entities.iter().enumerate().filter(|(_, (_, of))| is_due(of)).map(|(place, _)| place).collect();
        let identities: Vec<&Identity> =
            self.entities.iter().filter(|(_, of)| is_due(of)).map(|(identity, _)| identity).collect();
        let read = store.read_all(&FetchAll { kind: self.kind, identities: &identities, range: piece, columns })?;
        self.work = self.work.and(read.work);
        let mut runs = Vec::with_capacity(places.len());
        for (place, run) in places.into_iter().zip(read.runs) {
            let next = run.at.last().copied().filter(|at| run.has_after && rest.contains(*at));
            // Days stay days, so that entities come together again.
            let next = next.map_or(rest.end(), |at| Timestamp::from_ms(at.ms().div_euclid(RUN_MS) * RUN_MS));
            let empty = TimeRange::new(piece.end(), next).filter(|empty| !empty.is_empty());
            let beyond = empty.map(|empty| run.beyond(empty));
            runs.push((place, run));
            runs.extend(beyond.map(|beyond| (place, beyond)));
            if let Some((_, rest_of)) = self.entities.get_mut(place) {
                *rest_of = TimeRange::new(next.max(piece.end()), rest.end()).filter(|rest| !rest.is_empty());
            }
        }
        Ok(runs)
    }

    /// What was read so far.
    pub fn work(&self) -> Work {
        self.work
    }
}

/// One entity's samples in a range, run after run.
#[derive(Debug)]
pub struct Reading {
    readings: Readings,
    runs: VecDeque<Run>,
}

impl Reading {
    /// The runs of an entity in a range.
    pub fn of(kind: &'static Kind, identity: Identity, range: TimeRange) -> Reading {
        Reading { readings: Readings::of(kind, [identity], range), runs: VecDeque::new() }
    }

    /// The next run in time order, with these columns of the kind.
    pub fn next(&mut self, store: &Store, columns: &[usize], stop: &Stop) -> Result<Option<Run>, AnswerError> {
        if self.runs.is_empty() {
            self.runs = self.readings.next(store, columns, stop)?.into_iter().map(|(_, run)| run).collect();
        }
        Ok(self.runs.pop_front())
    }

    /// What was read so far.
    pub fn work(&self) -> Work {
        self.readings.work()
    }
}

/// How many entities are read together: as many as a few megabytes hold, by what the entities before took.
#[derive(Debug)]
pub(super) struct Together {
    columns: usize,
    /// Bytes an entity takes beside its samples.
    beside_bytes: usize,
    /// Samples of one run.
    samples: usize,
    is_learnt: bool,
}

impl Together {
    /// For runs of a range with so many columns.
    pub(super) fn of(range: TimeRange, columns: usize, beside_bytes: usize) -> Together {
        let guess = range.ms().clamp(0, RUN_MS) / USUAL_INTERVAL_MS;
        Together { columns, beside_bytes, samples: usize::try_from(guess).unwrap_or(0), is_learnt: false }
    }

    /// Learns from runs that were read.
    pub(super) fn learn<'r>(&mut self, runs: impl Iterator<Item = &'r Run>) {
        self.samples = runs.map(Run::len).max().unwrap_or(self.samples);
        self.is_learnt = true;
    }

    /// Whether runs were seen already.
    pub(super) fn is_learnt(&self) -> bool {
        self.is_learnt
    }

    /// How many at once.
    pub(super) fn count(&self) -> usize {
        let values = self.columns.saturating_add(SAMPLE_VALUES);
        let bytes = self.samples.saturating_mul(values).saturating_mul(VALUE_BYTES).saturating_add(self.beside_bytes);
        (TOGETHER_BYTES / bytes.max(1)).clamp(1, TOGETHER_MAX)
    }
}
