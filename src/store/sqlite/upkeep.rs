//! Upkeep: what a recording needs besides appending, a small step at a time.
//!
//! Sealing comes first, then merging, then rolling up, then retention: so that the oldest is smallest before it is judged
//! by its size, and nothing goes that is not rolled up. What takes time is done beside the writer, which waits for short
//! transactions only; and the log goes into the file on a connection of its own, so that no append stops for it. Must not
//! know: how each is done, who calls and how often.

use rusqlite::Connection;

use super::read::During;
use super::windows::Windows;
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
    if let Some(done) = roll(store, now, None)? {
        return Ok(done);
    }
    if let Some(merge) =
        store.reading("merge rollups", |connection| rollup::plan_merge(connection, store.kinds, windows, now))?
    {
        let merged_blocks = merge.commit(&mut store.writer()?.connection)?;
        return Ok(Upkeep { merged_blocks, more: true, ..Upkeep::default() });
    }
    let mut cutoffs = limits.cutoffs;
    if limits.file_bytes_max.is_some() {
        // What an earlier step began because of the size is brought to its end.
        cutoffs.samples = cutoffs.samples.max(store.samples_kept_from()?);
    }
    if let Some(done) = roll(store, now, cutoffs.samples)? {
        return Ok(done);
    }
    let mut retained = retention::step(&mut *store.writer()?, &cutoffs)?;
    if !retained.more
        && let Some(samples) = store.reading(SIZE, |connection| cutoff_by_size(connection, windows, now, limits))?
    {
        if let Some(done) = roll(store, now, Some(samples))? {
            return Ok(done);
        }
        let cutoffs = Cutoffs { samples: Some(samples), rollups: limits.cutoffs.rollups, events: None };
        retained = retention::step(&mut *store.writer()?, &cutoffs)?;
    }
    Ok(Upkeep { polls: retained.polls, events: retained.events, more: retained.more, ..Upkeep::default() })
}

/// A step of rolling up hours, or of making chains of polls; of what is ripe, or of all that begins before a cutoff.
fn roll(store: &Sqlite, now: Timestamp, before: Option<Timestamp>) -> Result<Option<Upkeep>, StoreError> {
    let windows = &store.windows;
    let mut done = Upkeep { more: true, ..Upkeep::default() };
    let plan =
        store.reading("roll up hours", |connection| rollup::plan(connection, store.kinds, windows, now, before))?;
    if let Some(roll) = plan {
        done.rollup_overdue_ms = roll.overdue_ms(now);
        done.rolled_days = roll.commit(&mut store.writer()?.connection)?;
        return Ok(Some(done));
    }
    let chains = store.reading("chain polls", |connection| rollup::plan_chains(connection, windows, now, before))?;
    let Some(chains) = chains else { return Ok(None) };
    chains.commit(&mut store.writer()?.connection)?;
    Ok(Some(done))
}

const SIZE: &str = "find what makes the file too large";

/// From when on to keep samples so that the file gets smaller, if it is too large: all but the oldest window. What is
/// not settled yet stays, however large the file is.
fn cutoff_by_size(
    connection: &Connection,
    windows: &Windows,
    now: Timestamp,
    limits: &Limits,
) -> Result<Option<Timestamp>, StoreError> {
    let Some(file_bytes_max) = limits.file_bytes_max else { return Ok(None) };
    let used: i64 = connection
        .prepare_cached(queries::BYTES_USED)
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .during(SIZE)?;
    if u64::try_from(used).unwrap_or(0) <= file_bytes_max {
        return Ok(None);
    }
    let oldest: Option<i64> = connection
        .prepare_cached(queries::POLL_OLDEST)
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .during(SIZE)?;
    let Some(oldest_ms) = oldest else { return Ok(None) };
    let (_, end_ms) = Windows::around(oldest_ms, windows.seal_ms);
    Ok(windows.is_ripe(end_ms, now).then(|| Timestamp::from_ms(end_ms)))
}
