//! The store in one SQLite file: WAL, one connection that writes, a few that read.
//!
//! WAL with `synchronous=NORMAL`: a commit is in the operating system's hands when `append` returns, which is what
//! outlives `kill -9`; only a power cut can take the newest commits. Must not know: async. Every call blocks.

use std::collections::HashMap;
use std::fs::File;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use rusqlite::{Connection, named_params};

use self::layouts::KindLayout;
use self::read::During;
use self::upkeep::Steps;
use self::windows::Windows;
use self::write::Writer;
use super::{
    Appended, Chains, CheckReport, Compacted, Cutoffs, EntityQuery, EventQuery, EventRecord, FetchAll, ForeignSample,
    HoursFetch, Import, Imported, Limits, OnProgress, Polls, ReadAll, Retained, Rolled, Size, Stats, StoreError,
    TargetRecord, Upkeep, drawn_id,
};
use crate::model::{EntityRecord, Identity, Kind, Snapshot, TargetName, TimeRange, Timestamp};

mod archive;
mod backup;
mod block;
mod check;
mod codec;
mod compact;
mod import;
mod journal;
mod layouts;
mod living;
mod merge;
mod migrations;
mod open;
mod packed;
mod piece;
mod queries;
mod read;
mod retention;
mod rollup;
mod runs;
mod samples;
mod seal;
mod sealed;
mod several;
mod stats;
mod upkeep;
mod windows;
mod write;

/// Connections that read at the same time: more than the cores of a small machine only wait for each other.
const READERS_MAX: usize = 4;

/// Where the machine's name is kept.
const MACHINE_NAME: &str = "machine_name";

/// Where the recording's drawn name is kept.
const FILE_ID: &str = "file_id";

/// A recording in one SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    kinds: &'static [&'static Kind],
    layouts: HashMap<&'static str, KindLayout>,
    /// None: opened for reading only.
    writer: Option<Mutex<Writer>>,
    readers: Readers,
    /// How many of them one question uses: as many as there are cores for.
    readers_at_once: usize,
    windows: Windows,
    /// One step of upkeep at a time: what one has read nobody changes, but that appends may add.
    steps: Mutex<Steps>,
    /// All that can be sealed and merged is, after each append.
    #[cfg(test)]
    is_eager: bool,
    /// Held until the connections above are closed: keeps other recorders away.
    _lock: Option<File>,
}

impl Sqlite {
    /// Opens a file for recording: makes it where it is missing, leads an older one to today's schema. One process
    /// at a time.
    pub fn open(path: &Path, kinds: &'static [&'static Kind]) -> Result<Sqlite, StoreError> {
        Sqlite::open_with(path, kinds, migrations::STEPS)
    }

    /// Opens a file for reading only, while a recorder writes it or not.
    pub fn open_read_only(path: &Path, kinds: &'static [&'static Kind]) -> Result<Sqlite, StoreError> {
        Sqlite::open_read_only_with(path, kinds, migrations::STEPS)
    }

    fn open_with(path: &Path, kinds: &'static [&'static Kind], steps: &[(&str, &str)]) -> Result<Sqlite, StoreError> {
        let open::Opened { connection, lock } = open::writer(path, steps)?;
        let mut store = Sqlite::new(path, kinds, Some(Mutex::new(Writer::new(connection))));
        store._lock = Some(lock);
        Ok(store)
    }

    fn open_read_only_with(
        path: &Path,
        kinds: &'static [&'static Kind],
        steps: &[(&str, &str)],
    ) -> Result<Sqlite, StoreError> {
        open::check_readable(path, steps)?;
        let store = Sqlite::new(path, kinds, None);
        // What cannot be opened is told now, not at the first question.
        drop(store.readers.take(path)?);
        Ok(store)
    }

    /// As [`Sqlite::open`], with windows short enough for scenarios of minutes.
    #[cfg(test)]
    pub(super) fn open_for_tests(path: &Path, kinds: &'static [&'static Kind]) -> Result<Sqlite, StoreError> {
        let mut store = Sqlite::open(path, kinds)?;
        store.windows = Windows { seal_ms: 60_000, merge_ms: 240_000, settle_ms: 0, ..Windows::USUAL };
        Ok(store)
    }

    /// As it is, with steps of upkeep of three samples or so.
    #[cfg(test)]
    pub(super) fn in_small_steps(mut self) -> Sqlite {
        self.windows.cells_per_step = 30;
        self.windows.rolled_per_step = 3;
        self
    }

    /// As it is, with windows of six intervals that are merged by four.
    #[cfg(test)]
    pub(super) fn at_pace(mut self, interval_ms: i64) -> Sqlite {
        self.windows.seal_ms = 6 * interval_ms;
        self.windows.merge_ms = 24 * interval_ms;
        self
    }

    /// As [`Sqlite::open_for_tests`], with everything in merged blocks at all times.
    #[cfg(test)]
    pub(super) fn open_eager_for_tests(path: &Path, kinds: &'static [&'static Kind]) -> Result<Sqlite, StoreError> {
        Ok(Sqlite { is_eager: true, ..Sqlite::open_for_tests(path, kinds)? })
    }

    fn new(path: &Path, kinds: &'static [&'static Kind], writer: Option<Mutex<Writer>>) -> Sqlite {
        Sqlite {
            path: path.to_owned(),
            kinds,
            layouts: kinds.iter().map(|kind| (kind.name, KindLayout::new(kind))).collect(),
            writer,
            readers: Readers::default(),
            readers_at_once: available_parallelism().map_or(1, NonZero::get).min(READERS_MAX),
            windows: Windows::USUAL,
            steps: Mutex::default(),
            #[cfg(test)]
            is_eager: false,
            _lock: None,
        }
    }

    fn writer(&self) -> Result<MutexGuard<'_, Writer>, StoreError> {
        let writer = self.writer.as_ref().ok_or_else(|| StoreError::Open {
            path: self.path.clone(),
            advice: "it was opened for reading only".to_owned(),
            cause: None,
        })?;
        Ok(writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn steps(&self) -> MutexGuard<'_, Steps> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers from one state of the file: one read transaction.
    fn reading<T>(
        &self,
        operation: &'static str,
        answer: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let reader = self.readers.take(&self.path)?;
        let transaction = reader.connection()?.unchecked_transaction().during(operation)?;
        let answer = answer(&transaction)?;
        transaction.finish().during(operation)?;
        Ok(answer)
    }

    /// See [`super::Store::append`].
    pub fn append(&self, snapshots: &[Snapshot]) -> Result<Appended, StoreError> {
        let appended = self.writer()?.append(&self.layouts, snapshots)?;
        #[cfg(test)]
        if self.is_eager {
            let mut steps = 0;
            while self.upkeep(Timestamp::MAX, &Limits::default())?.more {
                steps += 1;
                // More than any test has work for.
                assert!(steps < 10_000, "upkeep has no end");
            }
        }
        Ok(appended)
    }

    /// See [`super::Store::upkeep`].
    pub fn upkeep(&self, now: Timestamp, limits: &Limits) -> Result<Upkeep, StoreError> {
        self.steps().run(self, now, limits)
    }

    /// See [`super::Store::targets`].
    pub fn targets(&self) -> Result<Vec<TargetRecord>, StoreError> {
        self.reading("list targets", read::targets)
    }

    /// See [`super::Store::entities`].
    pub fn entities(&self, query: &EntityQuery) -> Result<Vec<EntityRecord>, StoreError> {
        self.entities_with(query, &[])
    }

    /// See [`super::Store::entities_with`].
    pub fn entities_with(&self, query: &EntityQuery, keys: &[Option<String>]) -> Result<Vec<EntityRecord>, StoreError> {
        self.reading("list entities", |connection| read::entities(connection, query, keys))
    }

    /// See [`super::Store::entity`].
    pub fn entity(
        &self,
        kind: &'static Kind,
        identity: &Identity,
        range: TimeRange,
    ) -> Result<Option<EntityRecord>, StoreError> {
        self.reading("read an entity", |connection| read::entity(connection, kind, identity, range))
    }

    /// See [`super::Store::read_all`].
    pub fn read_all(&self, fetch: &FetchAll<'_>) -> Result<ReadAll, StoreError> {
        const OPERATION: &str = "read samples";
        if !self.layouts.contains_key(fetch.kind.name) {
            let detail = format!("kind {} is not one that the store was opened for", fetch.kind.name);
            return Err(read::damaged(OPERATION, detail));
        }
        self.reading(OPERATION, |connection| runs::read_all(connection, fetch).during(OPERATION))
    }

    /// See [`super::Store::hours`].
    pub fn hours(&self, fetch: &HoursFetch<'_>) -> Result<Vec<Vec<Rolled>>, StoreError> {
        self.reading("read rolled-up hours", |connection| rollup::hours(connection, fetch))
    }

    /// See [`super::Store::readers_at_once`].
    pub fn readers_at_once(&self) -> usize {
        self.readers_at_once
    }

    /// See [`super::Store::poll_chains`].
    pub fn poll_chains(&self, target: &TargetName, range: TimeRange) -> Result<Chains, StoreError> {
        self.reading("read chains of polls", |connection| rollup::poll_chains(connection, target, range))
    }

    /// See [`super::Store::polls`].
    pub fn polls(&self, target: &TargetName, range: TimeRange) -> Result<Polls, StoreError> {
        self.reading("read polls", |connection| read::polls(connection, target, range))
    }

    /// See [`super::Store::events`].
    pub fn events(&self, query: &EventQuery) -> Result<Vec<EventRecord>, StoreError> {
        self.reading("list events", |connection| read::events(connection, self.kinds, query))
    }

    /// See [`super::Store::retain`].
    pub fn retain(&self, cutoffs: &Cutoffs) -> Result<Retained, StoreError> {
        let _alone = self.steps();
        retention::step(&mut *self.writer()?, cutoffs)
    }

    /// See [`super::Store::samples_kept_from`].
    pub fn samples_kept_from(&self) -> Result<Option<Timestamp>, StoreError> {
        const OPERATION: &str = "read since when samples are kept";
        self.reading(OPERATION, |connection| retention::samples_kept_from(connection).during(OPERATION))
    }

    /// See [`super::Store::machine_name`]. A file opened for reading only keeps the name it has.
    pub fn machine_name(&self, first: &str) -> Result<String, StoreError> {
        self.kept_once(MACHINE_NAME, first)
    }

    /// See [`super::Store::file_id`].
    pub fn file_id(&self) -> Result<String, StoreError> {
        self.kept_once(FILE_ID, &drawn_id())
    }

    /// The value kept under a key; `first` becomes it where there is none.
    fn kept_once(&self, key: &'static str, first: &str) -> Result<String, StoreError> {
        const OPERATION: &str = "read a value of the store's own";
        let known = self.reading(OPERATION, |connection| read::meta(connection, key).during(OPERATION))?;
        if let Some(known) = known {
            return Ok(known);
        }
        if self.writer.is_some() {
            self.writer()?
                .connection
                .prepare_cached(queries::META_SET)
                .and_then(|mut set| set.execute(named_params! {":key": key, ":value": first}))
                .during("keep a value of the store's own")?;
        }
        Ok(first.to_owned())
    }

    /// See [`super::Store::back_up`].
    pub fn back_up(&self, to: &Path, progress: OnProgress<'_>) -> Result<CheckReport, StoreError> {
        self.reading("copy the recording", |connection| backup::back_up(connection, to, self.kinds, progress))
    }

    /// See [`super::Store::check`].
    pub fn check(&self, progress: OnProgress<'_>) -> Result<CheckReport, StoreError> {
        self.reading("check the file", |connection| check::run(connection, self.kinds, progress))
    }

    /// See [`super::Store::stats`].
    pub fn stats(&self, progress: OnProgress<'_>) -> Result<Stats, StoreError> {
        let stats = self.reading("weigh the file", |connection| stats::run(connection, self.kinds, progress))?;
        Ok(Stats { wal_bytes: self.size().wal_bytes, ..stats })
    }

    /// See [`super::Store::compact`].
    pub fn compact(&self, now: Timestamp, progress: OnProgress<'_>) -> Result<Compacted, StoreError> {
        compact::run(self, now, progress)
    }

    /// See [`super::Store::import`].
    pub fn import(&self, import: &Import<'_>, samples: Vec<ForeignSample>) -> Result<Imported, StoreError> {
        let _alone = self.steps();
        import::run(&mut *self.writer()?, &self.layouts, &self.windows, import, samples)
    }

    /// See [`super::Store::end_import`].
    pub fn end_import(&self, kind: &'static Kind) -> Result<(), StoreError> {
        let _alone = self.steps();
        import::end(&mut *self.writer()?, kind)
    }

    /// See [`super::Store::size`].
    pub fn size(&self) -> Size {
        let bytes = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
        Size { file_bytes: bytes(&self.path), wal_bytes: bytes(&open::companion(&self.path, "-wal")) }
    }
}

/// Connections that read, opened as they are needed and used again.
#[derive(Debug, Default)]
struct Readers {
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Connection>,
    /// Connections that exist, idle or not.
    open: usize,
}

impl Readers {
    /// A connection that nobody else uses; waits while all are in use.
    fn take(&self, path: &Path) -> Result<Reader<'_>, StoreError> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(connection) = pool.idle.pop() {
                return Ok(Reader { readers: self, connection: Some(connection) });
            }
            if pool.open < READERS_MAX {
                pool.open += 1;
                drop(pool);
                // From here on the reader gives its place back, also when it cannot be opened.
                let mut reader = Reader { readers: self, connection: None };
                reader.connection = Some(open::reader(path)?);
                return Ok(reader);
            }
            pool = self.returned.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A connection lent from the pool.
struct Reader<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Reader<'_> {
    fn connection(&self) -> Result<&Connection, StoreError> {
        self.connection.as_ref().ok_or_else(|| read::damaged("read", "a connection was returned while in use"))
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut pool = self.readers.pool.lock().unwrap_or_else(PoisonError::into_inner);
        match self.connection.take() {
            Some(connection) => pool.idle.push(connection),
            None => pool.open -= 1,
        }
        self.readers.returned.notify_one();
    }
}

#[cfg(test)]
mod tests;
