//! Upkeep: what a recording needs besides appending, a small step at a time.
//!
//! Sealing comes first, then merging, then rolling up, then retention: so that the oldest is smallest before it is judged
//! by its size, and nothing goes that is not rolled up. What takes time is done beside the writer, which waits for short
//! transactions only; and the log goes into the file on a connection of its own, so that no append stops for it. Must not
//! know: how each is done, who calls and how often.

use rusqlite::Connection;

use super::read::During;
use super::windows::Windows;
use super::write::Writer;
use super::{Sqlite, merge, open, queries, retention, rollup, seal};
use crate::model::Timestamp;
use crate::store::{Cutoffs, Limits, StoreError, Upkeep};

/// Pages of the log that are worth moving, 4 MiB: most of them were written many times by then, and go once.
const LOG_PAGES: i64 = 1_024;

/// What steps keep from one to the next: held by the one that runs.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// Moves the log into the file.
    checkpoints: Option<Connection>,
}

impl Steps {
    /// See [`crate::store::Store::upkeep`].
    pub(super) fn run(&mut self, store: &Sqlite, now: Timestamp, limits: &Limits) -> Result<Upkeep, StoreError> {
        let done = step(store, now, limits)?;
        self.checkpoint(store)?;
        Ok(done)
    }

    fn checkpoint(&mut self, store: &Sqlite) -> Result<(), StoreError> {
        let connection = match &mut self.checkpoints {
            Some(connection) => connection,
            none => none.insert(open::beside_writer(&store.path)?),
        };
        let pages = |sql| connection.prepare_cached(sql)?.query_row([], |row| Ok((row.get(1)?, row.get(2)?)));
        let checkpoint = || {
            let (in_log, in_file): (i64, i64) = pages(queries::WAL_STATE)?;
            if in_log - in_file >= LOG_PAGES {
                pages(queries::WAL_CHECKPOINT)?;
            }
            Ok(())
        };
        checkpoint().during("move the write-ahead log into the file")
    }
}

fn step(store: &Sqlite, now: Timestamp, limits: &Limits) -> Result<Upkeep, StoreError> {
    let (kinds, windows) = (&store.layouts, &store.windows);
    if let Some(seal) = store.reading("seal samples", |connection| seal::plan(connection, kinds, windows, now))? {
        let sealed_samples = seal.commit(&mut store.writer()?.connection)?;
        let overdue_ms = seal.overdue_ms(windows, now);
        return Ok(Upkeep { sealed_samples, overdue_ms, more: true, ..Upkeep::default() });
    }
    if let Some(merge) = store.reading("merge blocks", |connection| merge::plan(connection, kinds, windows, now))? {
        let merged_blocks = merge.commit(&mut store.writer()?.connection)?;
        return Ok(Upkeep { merged_blocks, more: true, ..Upkeep::default() });
    }
    let mut writer = store.writer()?;
    if let Some(rolled_days) = roll(&mut writer, store, now, None)? {
        return Ok(Upkeep { rolled_days, more: true, ..Upkeep::default() });
    }
    if let Some(merged_blocks) = rollup::merge_step(&mut writer.connection, store.kinds, windows, now)? {
        return Ok(Upkeep { merged_blocks, more: true, ..Upkeep::default() });
    }
    let mut cutoffs = limits.cutoffs;
    if limits.file_bytes_max.is_some() {
        // What an earlier step began because of the size is brought to its end.
        let begun = retention::samples_kept_from(&writer.connection).during("read since when samples are kept")?;
        cutoffs.samples = cutoffs.samples.max(begun);
    }
    if let Some(rolled_days) = roll(&mut writer, store, now, cutoffs.samples)? {
        return Ok(Upkeep { rolled_days, more: true, ..Upkeep::default() });
    }
    let mut retained = retention::step(&mut writer, &cutoffs)?;
    if !retained.more
        && let Some(samples) = cutoff_by_size(&writer.connection, windows, now, limits)?
    {
        if let Some(rolled_days) = roll(&mut writer, store, now, Some(samples))? {
            return Ok(Upkeep { rolled_days, more: true, ..Upkeep::default() });
        }
        let cutoffs = Cutoffs { samples: Some(samples), rollups: limits.cutoffs.rollups, events: None };
        retained = retention::step(&mut writer, &cutoffs)?;
    }
    Ok(Upkeep { polls: retained.polls, events: retained.events, more: retained.more, ..Upkeep::default() })
}

/// A step of rolling up hours, or of making chains of polls; of what is ripe, or of all that begins before a cutoff.
fn roll(
    writer: &mut Writer,
    store: &Sqlite,
    now: Timestamp,
    before: Option<Timestamp>,
) -> Result<Option<u64>, StoreError> {
    match rollup::roll_step(&mut writer.connection, store.kinds, &store.windows, now, before)? {
        Some(days) => Ok(Some(days)),
        None => Ok(rollup::chain_step(&mut writer.connection, &store.windows, now, before)?.map(|_| 0)),
    }
}

/// From when on to keep samples so that the file gets smaller, if it is too large: all but the oldest window. What is
/// not settled yet stays, however large the file is.
fn cutoff_by_size(
    connection: &Connection,
    windows: &Windows,
    now: Timestamp,
    limits: &Limits,
) -> Result<Option<Timestamp>, StoreError> {
    const OPERATION: &str = "find what makes the file too large";
    let Some(file_bytes_max) = limits.file_bytes_max else { return Ok(None) };
    let used: i64 = connection
        .prepare_cached(queries::BYTES_USED)
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .during(OPERATION)?;
    if u64::try_from(used).unwrap_or(0) <= file_bytes_max {
        return Ok(None);
    }
    let oldest: Option<i64> = connection
        .prepare_cached(queries::POLL_OLDEST)
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .during(OPERATION)?;
    let Some(oldest_ms) = oldest else { return Ok(None) };
    let (_, end_ms) = Windows::around(oldest_ms, windows.seal_ms);
    Ok(windows.is_ripe(end_ms, now).then(|| Timestamp::from_ms(end_ms)))
}
