//! Merging: an entity's rolled-up days of four weeks become one rollup, once none of them is due.
//!
//! Must not know: how days are rolled up.

use rusqlite::{Connection, TransactionBehavior, named_params};

use super::super::queries;
use super::super::read::During;
use super::super::windows::{ENTITIES_END, Windows, block_id, block_start_ms};
use super::format::ROWS_MAX;
use super::stored::{Ends, Stored};
use super::{DAY_MS, MERGED_MS};
use crate::model::{Hours, Kind, Timestamp};
use crate::rollup::fields_count;
use crate::store::StoreError;

const OPERATION: &str = "merge rollups";

/// Windows merged in one step: each has some ten thousand cells, which take some ten milliseconds.
const WINDOWS_PER_STEP: i64 = 1;

/// How long after its end a window is merged: its last day is rolled up by then.
const AFTER_MS: i64 = DAY_MS;

/// Merges a few windows that are ripe. Gives the number of rollups that went into others, or nothing where there is
/// nothing to do.
pub(in super::super) fn merge_step(
    connection: &mut Connection,
    kinds: &[&'static Kind],
    windows: &Windows,
    now: Timestamp,
) -> Result<Option<u64>, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).during(OPERATION)?;
    let ripe_ms = windows.ripe_until(MERGED_MS, now.plus_ms(-AFTER_MS));
    let ripe = ripe(&transaction, block_id(ripe_ms.saturating_sub(1), ENTITIES_END - 1)).during(OPERATION)?;
    let mut merged = None;
    for (id, entity, kind) in ripe {
        let count = match kinds.iter().copied().find(|known| known.name == kind) {
            Some(kind) => merge(&transaction, kind, id, entity)?,
            // A kind that is not recorded any more stays as it was left.
            None => keep_as_it_is(&transaction, id)?,
        };
        merged = Some(merged.unwrap_or(0) + count);
    }
    transaction.commit().during(OPERATION)?;
    Ok(merged)
}

fn ripe(connection: &Connection, id_max: i64) -> rusqlite::Result<Vec<(i64, i64, String)>> {
    let mut statement = connection.prepare_cached(queries::ROLLUPS_UNMERGED)?;
    let rows = statement.query_map(named_params! {":id_max": id_max, ":limit": WINDOWS_PER_STEP}, |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    rows.collect()
}

fn keep_as_it_is(connection: &Connection, id: i64) -> Result<u64, StoreError> {
    connection
        .prepare_cached(queries::ROLLUP_KEEP_UNMERGED)
        .and_then(|mut keep| keep.execute(named_params! {":id": id}))
        .during(OPERATION)?;
    Ok(0)
}

/// Merges the rollups of the window that one of them lies in. Gives their number.
fn merge(connection: &Connection, kind: &'static Kind, id: i64, entity: i64) -> Result<u64, StoreError> {
    let (start_ms, end_ms) = Windows::around(block_start_ms(id), MERGED_MS);
    let parts = Stored::of_window(connection, entity, (start_ms, end_ms)).during(OPERATION)?;
    // Merged together with another in this step.
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return Ok(0) };
    if !parts.iter().any(|part| part.id == id) {
        return Ok(0);
    }
    let all: Vec<usize> = (0..fields_count(kind)).collect();
    let mut whole = Hours::default();
    for part in &parts {
        whole.append(part.decode(connection, kind, &all, true, OPERATION)?);
    }
    if whole.rows.len() > ROWS_MAX {
        return keep_as_it_is(connection, id);
    }
    let ends = Ends {
        first_ms: first.ends.first_ms,
        last_ms: last.ends.last_ms,
        before_ms: first.ends.before_ms,
        after_ms: last.ends.after_ms,
    };
    for part in &parts {
        part.delete(connection).during(OPERATION)?;
    }
    let merged = Stored::new(entity, (start_ms, end_ms), end_ms, ends, true)?;
    merged.insert(connection, kind, &whole).during(OPERATION)?;
    Ok(u64::try_from(parts.len()).unwrap_or(u64::MAX))
}
