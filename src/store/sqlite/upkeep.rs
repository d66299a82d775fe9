//! Upkeep: what a recording needs besides appending, a small step at a time.
//!
//! Sealing comes first, then merging, then rolling up, then retention: so that the oldest is smallest before it is judged
//! by its size, and nothing goes that is not rolled up.
//! Must not know: how each is done, who calls and how often.

use std::collections::HashMap;

use rusqlite::Connection;

use super::queries::{self, KindQueries};
use super::read::During;
use super::windows::Windows;
use super::write::Writer;
use super::{retention, rollup, seal};
use crate::model::{Kind, Timestamp};
use crate::store::{Cutoffs, Limits, StoreError, Upkeep};

/// See [`crate::store::Store::upkeep`].
pub(super) fn step(
    writer: &mut Writer,
    kinds: &HashMap<&'static str, KindQueries>,
    known: &[&'static Kind],
    windows: &Windows,
    now: Timestamp,
    limits: &Limits,
) -> Result<Upkeep, StoreError> {
    if let Some(sealed_samples) = seal::seal_step(&mut writer.connection, kinds, windows, now)? {
        return Ok(Upkeep { sealed_samples, more: true, ..Upkeep::default() });
    }
    if let Some(merged_blocks) = seal::merge_step(&mut writer.connection, kinds, windows, now)? {
        return Ok(Upkeep { merged_blocks, more: true, ..Upkeep::default() });
    }
    if let Some(rolled_days) = roll(writer, kinds, windows, now, None)? {
        return Ok(Upkeep { rolled_days, more: true, ..Upkeep::default() });
    }
    if let Some(merged_blocks) = rollup::merge_step(&mut writer.connection, known, windows, now)? {
        return Ok(Upkeep { merged_blocks, more: true, ..Upkeep::default() });
    }
    let mut cutoffs = limits.cutoffs;
    if limits.file_bytes_max.is_some() {
        // What an earlier step began because of the size is brought to its end.
        let begun = retention::samples_kept_from(&writer.connection).during("read since when samples are kept")?;
        cutoffs.samples = cutoffs.samples.max(begun);
    }
    if let Some(rolled_days) = roll(writer, kinds, windows, now, cutoffs.samples)? {
        return Ok(Upkeep { rolled_days, more: true, ..Upkeep::default() });
    }
    let mut retained = retention::step(writer, kinds, &cutoffs)?;
    if !retained.more
        && let Some(samples) = cutoff_by_size(&writer.connection, windows, now, limits)?
    {
        if let Some(rolled_days) = roll(writer, kinds, windows, now, Some(samples))? {
            return Ok(Upkeep { rolled_days, more: true, ..Upkeep::default() });
        }
        let cutoffs = Cutoffs { samples: Some(samples), rollups: limits.cutoffs.rollups, events: None };
        retained = retention::step(writer, kinds, &cutoffs)?;
    }
    Ok(Upkeep { polls: retained.polls, events: retained.events, more: retained.more, ..Upkeep::default() })
}

/// A step of rolling up hours, or of making chains of polls; of what is ripe, or of all that begins before a cutoff.
fn roll(
    writer: &mut Writer,
    kinds: &HashMap<&'static str, KindQueries>,
    windows: &Windows,
    now: Timestamp,
    before: Option<Timestamp>,
) -> Result<Option<u64>, StoreError> {
    match rollup::roll_step(&mut writer.connection, kinds, windows, now, before)? {
        Some(days) => Ok(Some(days)),
        None => Ok(rollup::chain_step(&mut writer.connection, windows, now, before)?.map(|_| 0)),
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
