//! Merging: small blocks become large ones, a few at a time.
//!
//! Blocks are merged when their larger window has settled and nothing in it is left to seal. The new ones are made beside
//! the writer; one short transaction puts them in the place of the small ones. Must not know: how samples are found and
//! read; when it is called.

use std::collections::HashMap;

use rusqlite::{Connection, TransactionBehavior, named_params};

use super::block::SAMPLES_MAX;
use super::layouts::KindLayout;
use super::packed::Packed;
use super::queries;
use super::read::During;
use super::sealed::Sealed;
use super::windows::{ENTITIES_END, Windows, block_id, block_start_ms};
use crate::model::Timestamp;
use crate::store::StoreError;

/// Bytes written in one step: a few milliseconds for which the writer waits. One window more may go over it.
const BYTES_PER_STEP: usize = 1 << 20;

/// Blocks that one step looks for: those of a hundred entities' windows, where each has few samples.
const BLOCKS_PER_STEP: i64 = 1_200;

const OPERATION: &str = "merge blocks";

/// Blocks that are merged, and what they were read from: all of one kind, so that they share a layout.
#[derive(Debug)]
pub(super) struct Merge<'a> {
    kind: Option<&'a KindLayout>,
    packed: Packed,
    /// Blocks that stay as they are.
    left: Vec<i64>,
}

/// Merges a few of the blocks that are ripe; nothing where there is nothing to do.
pub(super) fn plan<'a>(
    connection: &Connection,
    kinds: &'a HashMap<&'static str, KindLayout>,
    windows: &Windows,
    now: Timestamp,
) -> Result<Option<Merge<'a>>, StoreError> {
    merge(connection, kinds, windows, now).during(OPERATION)
}

fn merge<'a>(
    connection: &Connection,
    kinds: &'a HashMap<&'static str, KindLayout>,
    windows: &Windows,
    now: Timestamp,
) -> rusqlite::Result<Option<Merge<'a>>> {
    let id_max = block_id(windows.ripe_until(windows.merge_ms, now).saturating_sub(1), ENTITIES_END - 1);
    let mut ripe = connection.prepare_cached(queries::BLOCKS_UNMERGED)?;
    let ripe = ripe.query_map(named_params! {":id_max": id_max, ":limit": BLOCKS_PER_STEP}, |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
    })?;
    let ripe = ripe.collect::<rusqlite::Result<Vec<_>>>()?;
    if ripe.is_empty() {
        return Ok(None);
    }
    let mut merge = Merge { kind: None, packed: Packed::default(), left: Vec::new() };
    for (id, entity, kind) in ripe {
        let Some(kind) = kinds.get(kind.as_str()) else {
            // A kind that is not recorded any more stays as it was left.
            merge.left.push(id);
            continue;
        };
        if merge.packed.replaces(id) || merge.kind.is_some_and(|other| other.kind.name != kind.kind.name) {
            continue;
        }
        merge.kind = Some(kind);
        merge.window(connection, kind, windows, id, entity)?;
        if merge.packed.bytes() >= BYTES_PER_STEP {
            break;
        }
    }
    Ok(Some(merge))
}

impl Merge<'_> {
    /// Merges an entity's blocks in the window of one of them.
    fn window(
        &mut self,
        connection: &Connection,
        kind: &KindLayout,
        windows: &Windows,
        id: i64,
        entity: i64,
    ) -> rusqlite::Result<()> {
        let columns: Vec<usize> = (0..kind.kind.columns.len()).collect();
        let sealed = Sealed::new(connection, kind.kind, entity, &columns)?;
        let (start_ms, end_ms) = Windows::around(block_start_ms(id), windows.merge_ms);
        let (blocks, whole) = sealed.window(start_ms, end_ms)?;
        if whole.len() > SAMPLES_MAX {
            self.left.push(id);
            return Ok(());
        }
        blocks.into_iter().for_each(|old| self.packed.replace(old));
        // None is left where retention took all of their samples.
        if whole.len() > 0 {
            self.packed.put(kind, entity, (start_ms, end_ms), true, &whole)?;
        }
        Ok(())
    }

    /// Puts the blocks in the place of those that they were made of. Gives the number of blocks that went into others.
    pub(super) fn commit(&self, connection: &mut Connection) -> Result<u64, StoreError> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).during(OPERATION)?;
        let keep = || {
            if let Some(kind) = self.kind {
                self.packed.keep(&transaction, &kind.layout)?;
            }
            let mut leave = transaction.prepare_cached(queries::BLOCK_KEEP_UNMERGED)?;
            for id in &self.left {
                leave.execute(named_params! {":id": id})?;
            }
            Ok(())
        };
        keep().during(OPERATION)?;
        transaction.commit().during(OPERATION)?;
        Ok(u64::try_from(self.packed.replaced()).unwrap_or(u64::MAX))
    }
}
