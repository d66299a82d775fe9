//! Merging: an entity's rolled-up days of four weeks become one rollup, once none of them is due.
//!
//! Must not know: how days are rolled up.

use rusqlite::{Connection, TransactionBehavior, named_params};

use super::super::queries;
use super::super::read::During;
use super::super::windows::{ENTITIES_END, Windows, block_id, block_start_ms};
use super::format::ROWS_MAX;
use super::stored::{self, Ends, Fresh, Stored};
use super::{DAY_MS, MERGED_MS};
use crate::model::{Hours, Kind, Timestamp};
use crate::store::StoreError;

const OPERATION: &str = "merge rollups";

/// Rollups that are looked at in one step: those of some ten entities' windows, which become some hundred kilobytes.
const ROLLUPS_PER_STEP: i64 = 280;

/// How long after its end a window is merged: its last day is rolled up by then.
const AFTER_MS: i64 = DAY_MS;

/// Rollups that are merged, but not kept yet.
#[derive(Debug, Default)]
pub(in super::super) struct Merge {
    new: Vec<Fresh>,
    /// Rollups that go.
    parts: Vec<i64>,
    /// Rollups that stay as they are.
    left: Vec<i64>,
}

/// Merges a few windows that are ripe; nothing where there is nothing to do.
pub(in super::super) fn plan(
    connection: &Connection,
    kinds: &[&'static Kind],
    windows: &Windows,
    now: Timestamp,
) -> Result<Option<Merge>, StoreError> {
    let ripe_ms = windows.ripe_until(MERGED_MS, now.plus_ms(-AFTER_MS));
    let ripe = ripe(connection, block_id(ripe_ms.saturating_sub(1), ENTITIES_END - 1)).during(OPERATION)?;
    if ripe.is_empty() {
        return Ok(None);
    }
    let mut merge = Merge::default();
    for (id, entity, kind) in ripe {
        if merge.parts.contains(&id) {
            continue;
        }
        match kinds.iter().copied().find(|known| known.name == kind) {
            Some(kind) => merge.window(connection, kind, id, entity)?,
            // A kind that is not recorded any more stays as it was left.
            None => merge.left.push(id),
        }
    }
    Ok(Some(merge))
}

fn ripe(connection: &Connection, id_max: i64) -> rusqlite::Result<Vec<(i64, i64, String)>> {
    let mut statement = connection.prepare_cached(queries::ROLLUPS_UNMERGED)?;
    let rows = statement.query_map(named_params! {":id_max": id_max, ":limit": ROLLUPS_PER_STEP}, |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    rows.collect()
}

impl Merge {
    /// Merges the rollups of the window that one of them lies in.
    fn window(&mut self, connection: &Connection, kind: &'static Kind, id: i64, entity: i64) -> Result<(), StoreError> {
        let (start_ms, end_ms) = Windows::around(block_start_ms(id), MERGED_MS);
        let parts = Stored::of_window(connection, entity, (start_ms, end_ms)).during(OPERATION)?;
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return Ok(()) };
        let mut whole = Hours::default();
        for part in &parts {
            whole.append(part.decode(connection, kind, OPERATION)?);
        }
        if whole.rows.len() > ROWS_MAX {
            self.left.push(id);
            return Ok(());
        }
        let ends = Ends {
            first_ms: first.ends.first_ms,
            last_ms: last.ends.last_ms,
            before_ms: first.ends.before_ms,
            after_ms: last.ends.after_ms,
        };
        self.new.push(Fresh::new(kind, entity, (start_ms, end_ms), end_ms, ends, true, &whole)?);
        self.parts.extend(parts.iter().map(|part| part.id));
        Ok(())
    }

    /// Puts the rollups in the place of those that they were made of. Gives the number of these.
    pub(in super::super) fn commit(&self, connection: &mut Connection) -> Result<u64, StoreError> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).during(OPERATION)?;
        let keep = || {
            self.parts.iter().try_for_each(|id| stored::delete(&transaction, *id))?;
            self.new.iter().try_for_each(|new| new.insert(&transaction))?;
            let mut leave = transaction.prepare_cached(queries::ROLLUP_KEEP_UNMERGED)?;
            self.left.iter().try_for_each(|id| leave.execute(named_params! {":id": id}).map(|_| ()))
        };
        keep().during(OPERATION)?;
        transaction.commit().during(OPERATION)?;
        Ok(u64::try_from(self.parts.len()).unwrap_or(u64::MAX))
    }
}
