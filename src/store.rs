//! The store and its promises. What is written in this comment is tested by one conformance suite over
//! every backend, with [`memory::Memory`] as the oracle.
//!
//! # Promises
//! - `append` keeps each snapshot whole or not at all; what it returned from is there after `kill -9`.
//! - A sample whose entity and time are there already is left out and counted. A sample older than the entity's
//!   last is taken.
//! - `read` gives a run as [`Run`] describes it: the samples of the range in time order, the newest before it
//!   and the oldest at or after its end, however far.
//! - A poll is kept as long as the samples it took, and never shorter.
//! - Hours are rolled up of samples that can no longer change, and again where they did. Whether and when is not to be
//!   seen in any answer, while their samples are kept; after that they say what the samples said.
//! - Nothing read refers to a row: entities are named by kind and identity.
//! - An entity is first seen by the first good poll that lists it and last seen by the last. While it is listed it is
//!   seen as far as its target's good polls reach; a complete batch of its kind without it ends that. Its end is the
//!   source's own word, else the start of that poll. One that comes back is the same entity, with no end.
//! - Attributes that differ open a version, from the poll's start or the sample's time if that is earlier, but never
//!   at or before the newest version. What is learnt first holds from the start, and so do facts that another target
//!   tells later ([`crate::model::Attribute::late`]), no further back than ten minutes.
//! - Polls in order: by start, then by the turn in which they were appended.
//!
//! # Durability
//! The promise after `kill -9` is about the process: what was committed is in the operating system's hands. After a
//! power cut the newest commits may be missing, each whole; the file is never torn.
//!
//! Must not know: Docker, Mesos or any other system (kinds come in as descriptions), the API, async.
//! Every call blocks; the caller keeps it off the async threads.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::model::{
    EntityRecord, Event, Identity, Kind, PollRecord, Run, Severity, Snapshot, TargetName, TimeRange, Timestamp,
};

#[cfg(test)]
mod conformance;
mod fetch;
pub mod figures;
pub mod foreign;
mod learnt;
pub mod memory;
pub mod sqlite;
mod upkeep;

pub use fetch::{Chains, Fetch, FetchAll, HoursFetch, ReadAll, Rolled, Work};
pub use figures::{CheckReport, ColumnStats, Compacted, KindStats, Level, Part, Progress, Stats};
pub use foreign::{ForeignSample, Import, Imported};
pub use upkeep::{Cutoffs, Limits, Retained, Upkeep};

/// The hour of [`VERSIONS_PER_HOUR_MAX`], aligned to 1970.
pub(crate) const HOUR_MS: i64 = 3_600_000;

/// Attribute versions kept of one entity from one hour. A person changes things a few times an hour; an attribute
/// that changes at every poll is a number in disguise, and must not fill the file.
pub(crate) const VERSIONS_PER_HOUR_MAX: usize = 100;

/// The event that says that an entity's attributes change too often; once an hour for each entity.
pub(crate) fn limit_hit(kind: &'static Kind, identity: &Identity, target: &TargetName, at: Timestamp) -> Event {
    Event {
        at,
        severity: Severity::Warning,
        event_type: "limit_hit",
        kind: Some(kind.name),
        entity: Some(identity.clone()),
        target: target.clone(),
        source_id: limit_hit_id(kind, identity),
        message: format!(
            "attributes of {} {} changed more than {VERSIONS_PER_HOUR_MAX} times in an hour; only the newest are kept \
             for the rest of it",
            kind.name,
            identity.parts().join(" "),
        ),
        details: [("limit".to_owned(), "attribute_versions".into())].into(),
    }
}

/// What tells the limit events of entities apart.
pub(crate) fn limit_hit_id(kind: &'static Kind, identity: &Identity) -> String {
    format!("attribute_versions {} {}", kind.name, identity.parts().join(" "))
}

/// Whether an event is one that a query asks for, its cursor aside.
pub(crate) fn wants_event(query: &EventQuery, event: &Event) -> bool {
    query.range.is_none_or(|range| range.contains(event.at))
        && (query.event_types.is_empty() || query.event_types.contains(&event.event_type))
        && query.severity.is_none_or(|least| event.severity >= least)
        && query.kind.is_none_or(|kind| event.kind == Some(kind.name))
}

/// Whether an identity has these parts, where they are given.
fn has_keys(identity: &Identity, keys: &[Option<String>]) -> bool {
    keys.iter().enumerate().all(|(index, key)| key.as_deref().is_none_or(|key| identity.part(index) == key))
}

/// 128 bits that nobody else draws, as hexadecimal digits.
pub(crate) fn drawn_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    // Every state is seeded anew from what the system gives at random.
    let half = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", half(), half())
}

/// Where snapshots are kept.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in a process")]
pub enum Store {
    /// In memory: the reference, and what tests and simulations use.
    Memory(memory::Memory),
    /// One SQLite file.
    Sqlite(sqlite::Sqlite),
}

/// Which entities to list.
#[derive(Debug, Clone)]
pub struct EntityQuery {
    /// Of this kind.
    pub kind: &'static Kind,
    /// Seen at any time of this range: listed by a good poll, or sampled.
    pub seen_in: TimeRange,
    /// After this identity, in identity order.
    pub after: Option<Identity>,
    /// At most so many.
    pub limit: usize,
}

/// Which events to list.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// In this range.
    pub range: Option<TimeRange>,
    /// Of these types; empty: of all.
    pub event_types: Vec<&'static str>,
    /// At least this grave.
    pub severity: Option<Severity>,
    /// Of an entity of this kind.
    pub kind: Option<&'static Kind>,
    /// After this one in (time, sequence) order, as [`EventRecord::sequence`] gave it.
    pub after: Option<(Timestamp, u64)>,
    /// At most so many.
    pub limit: usize,
}

/// An event with its place among those of the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRecord {
    /// The event.
    pub event: Event,
    /// Rises in the order events were kept.
    pub sequence: u64,
}

/// The polls of one target around a range.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Polls {
    /// The newest good poll that started before the range.
    pub good_before: Option<PollRecord>,
    /// All that started in the range, oldest first.
    pub inside: Vec<PollRecord>,
    /// The oldest good poll that started at or after the range's end.
    pub good_after: Option<PollRecord>,
}

/// A target, as far as the store has seen it.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetRecord {
    /// Its name.
    pub target: TargetName,
    /// When its newest tick was, skipped and dropped ones not left aside.
    pub last_tick: Timestamp,
    /// Its newest poll (skipped and dropped ticks left aside).
    pub last_poll: Option<PollRecord>,
    /// Its newest good poll.
    pub last_good: Option<PollRecord>,
    /// Its newest poll that was neither good, skipped nor dropped.
    pub last_failed: Option<PollRecord>,
}

/// What one `append` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Appended {
    /// Samples kept.
    pub samples: u64,
    /// Samples left out because their entity and time were there already.
    pub duplicate_samples: u64,
    /// Events kept (those told before are not).
    pub events: u64,
}

/// Sizes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Bytes of the database file.
    pub file_bytes: u64,
    /// Bytes of its write-ahead log.
    pub wal_bytes: u64,
}

/// Told now and then how far a long work is; stops it by breaking.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// What can go wrong in the store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file cannot be opened.
    #[error("open {}: {advice}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        advice: String,
        /// The cause, where there is one.
        #[source]
        cause: Option<rusqlite::Error>,
    },
    /// A migration failed.
    #[error("migrate {}", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something that only a file can do was asked of a store in memory.
    #[error("{operation}: this store is in memory; record into a file")]
    InMemory {
        /// What was asked.
        operation: &'static str,
    },
    /// A copy cannot be made.
    #[error("back up to {}: {advice}", path.display())]
    Copy {
        /// Where to.
        path: PathBuf,
        /// What is wrong and what to do.
        advice: String,
        /// The cause, where there is one.
        #[source]
        cause: Option<std::io::Error>,
    },
    /// Told to stop; what was done until then is whole.
    #[error("told to stop")]
    Stopped,
    /// A statement failed.
    #[error("{operation}")]
    Statement {
        /// What was being done.
        operation: &'static str,
        /// The cause.
        #[source]
        cause: rusqlite::Error,
    },
    /// The file holds what it should not.
    #[error("{operation}: stored data is damaged: {detail}")]
    Damaged {
        /// What was being done.
        operation: &'static str,
        /// What was found.
        detail: String,
    },
}

impl Store {
    /// Keeps snapshots, each whole, all in one transaction, in the order given.
    pub fn append(&self, snapshots: &[Snapshot]) -> Result<Appended, StoreError> {
        match self {
            Store::Memory(store) => Ok(store.append(snapshots)),
            Store::Sqlite(store) => store.append(snapshots),
        }
    }

    /// Every target that was ever polled and whose polls are kept, by name.
    pub fn targets(&self) -> Result<Vec<TargetRecord>, StoreError> {
        match self {
            Store::Memory(store) => Ok(store.targets()),
            Store::Sqlite(store) => store.targets(),
        }
    }

    /// A page of entities, in identity order. Versions: all that hold at any time of the range, and at least one.
    pub fn entities(&self, query: &EntityQuery) -> Result<Vec<EntityRecord>, StoreError> {
        self.entities_with(query, &[])
    }

    /// A page of those entities whose identity has these parts, each in its place; None lets any pass. Of the others nothing
    /// more is read than who they are.
    pub fn entities_with(&self, query: &EntityQuery, keys: &[Option<String>]) -> Result<Vec<EntityRecord>, StoreError> {
        match self {
            Store::Memory(store) => Ok(store.entities_with(query, keys)),
            Store::Sqlite(store) => store.entities_with(query, keys),
        }
    }

    /// One entity by identity, with all versions that hold at any time of the range, or nothing.
    pub fn entity(
        &self,
        kind: &'static Kind,
        identity: &Identity,
        range: TimeRange,
    ) -> Result<Option<EntityRecord>, StoreError> {
        match self {
            Store::Memory(store) => Ok(store.entity(kind, identity, range)),
            Store::Sqlite(store) => store.entity(kind, identity, range),
        }
    }

    /// One entity's samples in a range and its neighbours; empty where the entity is unknown.
    pub fn read(&self, fetch: &Fetch<'_>) -> Result<Run, StoreError> {
        let Fetch { kind, identity, range, columns } = *fetch;
        let all = self.read_all(&FetchAll { kind, identities: &[identity], range, columns })?;
        Ok(all.runs.into_iter().next().unwrap_or_else(|| Run::nothing(range)))
    }

    /// The samples of some entities in a range and their neighbours, all of one state of the store. What they share is
    /// read once: ask for many that are of one target together, as far as their runs may be in memory together.
    pub fn read_all(&self, fetch: &FetchAll<'_>) -> Result<ReadAll, StoreError> {
        match self {
            Store::Memory(store) => Ok(store.read_all(fetch)),
            Store::Sqlite(store) => store.read_all(fetch),
        }
    }

    /// Some entities' hours in a range, as far as they are rolled up: of each, in their order, in the order of time. Between
    /// and around what is given samples tell, and where both are there they tell the same.
    pub fn hours(&self, fetch: &HoursFetch<'_>) -> Result<Vec<Vec<Rolled>>, StoreError> {
        match self {
            Store::Memory(_) => Ok(vec![Vec::new(); fetch.identities.len()]),
            Store::Sqlite(store) => store.hours(fetch),
        }
    }

    /// How many threads of one question may read at once: more only wait for each other.
    pub fn readers_at_once(&self) -> usize {
        match self {
            Store::Memory(_) => 1,
            Store::Sqlite(store) => store.readers_at_once(),
        }
    }

    /// A target's ticks in a range of whole days, as far as they are chains.
    pub fn poll_chains(&self, target: &TargetName, range: TimeRange) -> Result<Chains, StoreError> {
        match self {
            Store::Memory(_) => Ok(Chains::default()),
            Store::Sqlite(store) => store.poll_chains(target, range),
        }
    }

    /// The polls of one target around a range.
    pub fn polls(&self, target: &TargetName, range: TimeRange) -> Result<Polls, StoreError> {
        match self {
            Store::Memory(store) => Ok(store.polls(target, range)),
            Store::Sqlite(store) => store.polls(target, range),
        }
    }

    /// A page of events, oldest first.
    pub fn events(&self, query: &EventQuery) -> Result<Vec<EventRecord>, StoreError> {
        match self {
            Store::Memory(store) => Ok(store.events(query)),
            Store::Sqlite(store) => store.events(query),
        }
    }

    /// One small step of retention; call again while `more`.
    pub fn retain(&self, cutoffs: &Cutoffs) -> Result<Retained, StoreError> {
        match self {
            Store::Memory(store) => Ok(store.retain(cutoffs)),
            Store::Sqlite(store) => store.retain(cutoffs),
        }
    }

    /// One small step of upkeep: old samples are packed together, and what is too old or too much goes. Answers are the
    /// same before, during and after, for what is kept. Call again while `more`.
    pub fn upkeep(&self, now: Timestamp, limits: &Limits) -> Result<Upkeep, StoreError> {
        match self {
            Store::Memory(store) => {
                let retained = store.retain(&limits.cutoffs);
                Ok(Upkeep { polls: retained.polls, events: retained.events, more: retained.more, ..Upkeep::default() })
            }
            Store::Sqlite(store) => store.upkeep(now, limits),
        }
    }

    /// Since when samples are whole: retention has taken what is older. None: nothing was ever taken.
    pub fn samples_kept_from(&self) -> Result<Option<Timestamp>, StoreError> {
        match self {
            Store::Memory(store) => Ok(store.samples_kept_from()),
            Store::Sqlite(store) => store.samples_kept_from(),
        }
    }

    /// This store's name for the machine it was first started on, written once.
    pub fn machine_name(&self, first: &str) -> Result<String, StoreError> {
        match self {
            Store::Memory(store) => Ok(store.machine_name(first)),
            Store::Sqlite(store) => store.machine_name(first),
        }
    }

    /// A name drawn for this recording when it was made, unlike that of any other: a file that was deleted and made
    /// again has another. A file opened for reading only that has none yet gives a new one each time.
    pub fn file_id(&self) -> Result<String, StoreError> {
        match self {
            Store::Memory(store) => Ok(store.file_id()),
            Store::Sqlite(store) => store.file_id(),
        }
    }

    /// Copies the file as it is now to a new one, also while a recorder writes it, and checks the copy, which appears
    /// under its name when it is whole. Refuses to write over a file. Nothing can be copied of a store in memory.
    pub fn back_up(&self, to: &Path, progress: OnProgress<'_>) -> Result<CheckReport, StoreError> {
        match self {
            Store::Memory(_) => Err(StoreError::InMemory { operation: "back up" }),
            Store::Sqlite(store) => store.back_up(to, progress),
        }
    }

    /// Looks for everything that can be wrong with the file, also while a recorder writes it. Nothing can be in memory.
    pub fn check(&self, progress: OnProgress<'_>) -> Result<CheckReport, StoreError> {
        match self {
            Store::Memory(_) => Ok(CheckReport::default()),
            Store::Sqlite(store) => store.check(progress),
        }
    }

    /// What everything in the file weighs; nothing in memory.
    pub fn stats(&self, progress: OnProgress<'_>) -> Result<Stats, StoreError> {
        match self {
            Store::Memory(_) => Ok(Stats::default()),
            Store::Sqlite(store) => store.stats(progress),
        }
    }

    /// Seals and merges everything that is closed, and builds the file anew without unused room. For the only user of
    /// a file: readers wait meanwhile.
    pub fn compact(&self, now: Timestamp, progress: OnProgress<'_>) -> Result<Compacted, StoreError> {
        match self {
            Store::Memory(_) => Ok(Compacted::default()),
            Store::Sqlite(store) => store.compact(now, progress),
        }
    }

    /// Takes samples from elsewhere into a file, all in one transaction, those of windows that have settled straight
    /// into blocks. What polls took them is put together from their times. Call [`Store::end_import`] after the last.
    pub fn import(&self, import: &Import<'_>, samples: Vec<ForeignSample>) -> Result<Imported, StoreError> {
        match self {
            Store::Memory(_) => Err(StoreError::InMemory { operation: "import" }),
            Store::Sqlite(store) => store.import(import, samples),
        }
    }

    /// Finds the ends of what imports brought: the first good poll of its target that it was not seen by.
    pub fn end_import(&self, kind: &'static Kind) -> Result<(), StoreError> {
        match self {
            Store::Memory(_) => Err(StoreError::InMemory { operation: "import" }),
            Store::Sqlite(store) => store.end_import(kind),
        }
    }

    /// Sizes of the file; 0 in memory.
    pub fn size(&self) -> Size {
        match self {
            Store::Memory(_) => Size::default(),
            Store::Sqlite(store) => store.size(),
        }
    }
}
