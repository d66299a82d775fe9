//! Sealing and merging: rows become blocks, small blocks become large ones, a little at a time.
//!
//! # The plan
//! Whose rows are oldest is looked at first. Once the window that they lie in has settled, its samples are sealed, a few
//! entities a step: read from the rows, put together with what the window's block already holds, encoded, decoded again,
//! compared to the bit, and only then the rows go, all in one transaction. So a late sample needs no care: it is a row
//! like any other, in a window that is ripe. Blocks are merged when their larger window has settled and nothing in it is
//! left to seal. The state is all in the tables: a process that ends in between goes on where it was.
//!
//! Must not know: how samples are found and read; when it is called.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, named_params};

use super::block::{self, Damage, Layout, SAMPLES_MAX, Samples};
use super::queries::{self, KindQueries};
use super::read::During;
use super::samples::take_columns;
use super::sealed::Sealed;
use super::windows::{ENTITIES_END, Windows, block_id, block_start_ms};
use crate::model::{Kind, Timestamp};
use crate::store::StoreError;

/// Rows sealed in one step: the writer waits for some tens of milliseconds. One entity more may go over it.
const ROWS_PER_STEP: usize = 3_000;

/// Samples merged in one step: as [`ROWS_PER_STEP`], but nothing is read row by row.
const MERGED_PER_STEP: usize = 6_000;

/// Entities sealed or merged in one step, where each has few samples.
const ENTITIES_PER_STEP: usize = 100;

/// Seals a little of what is ripe. Gives the number of samples sealed, or nothing where there is nothing to do.
pub(super) fn seal_step(
    connection: &mut Connection,
    kinds: &HashMap<&'static str, KindQueries>,
    windows: &Windows,
    now: Timestamp,
) -> Result<Option<u64>, StoreError> {
    const OPERATION: &str = "seal samples";
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).during(OPERATION)?;
    let sealed = seal(&transaction, kinds, windows, now).during(OPERATION)?;
    transaction.commit().during(OPERATION)?;
    Ok(sealed)
}

/// A poll that has rows in the window.
#[derive(Debug, Clone, Copy)]
struct PollRow {
    id: i64,
    interval_ms: i64,
    clock_offset_ms: i64,
}

fn seal(
    connection: &Connection,
    kinds: &HashMap<&'static str, KindQueries>,
    windows: &Windows,
    now: Timestamp,
) -> rusqlite::Result<Option<u64>> {
    let Some((target, until_ms)) = oldest_ripe(connection, windows, now)? else { return Ok(None) };
    let polls = connection
        .prepare_cached(queries::POLLS_WITH_ROWS)?
        .query_map(named_params! {":target": target, ":until_ms": until_ms}, |row| {
            Ok(PollRow { id: row.get(0)?, interval_ms: row.get(1)?, clock_offset_ms: row.get(2)? })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    // In an order of its own: that of a map would be another one in each process.
    let kinds: BTreeMap<_, _> = kinds.iter().collect();
    for poll in &polls {
        for queries in kinds.values() {
            let Some(entity_max) = entities_of_step(connection, queries, &polls, poll, until_ms)? else { continue };
            return seal_entities(connection, queries, windows, &polls, entity_max, until_ms).map(Some);
        }
        // None of its samples in the window is a row any more: it leaves the window.
        let mut oldest_ms: Option<i64> = None;
        for queries in kinds.values() {
            let of_kind: Option<i64> = connection
                .prepare_cached(&queries.sample_oldest_of_poll)?
                .query_row(named_params! {":poll": poll.id}, |row| row.get(0))?;
            oldest_ms = [oldest_ms, of_kind].into_iter().flatten().min();
        }
        connection
            .prepare_cached(queries::POLL_ROWS_FROM)?
            .execute(named_params! {":poll": poll.id, ":at_min_ms": oldest_ms})?;
    }
    Ok(Some(0))
}

/// The target whose rows are oldest, and the end of the window they lie in, if that is ripe.
fn oldest_ripe(connection: &Connection, windows: &Windows, now: Timestamp) -> rusqlite::Result<Option<(i64, i64)>> {
    let mut targets = connection.prepare_cached(queries::TARGETS_ALL)?;
    let targets = targets.query_map([], |row| row.get::<_, i64>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut oldest: Option<(i64, i64)> = None;
    for target in targets {
        let at_ms: Option<i64> = connection
            .prepare_cached(queries::POLL_SAMPLED_OLDEST)?
            .query_row(named_params! {":target": target}, |row| row.get(0))
            .optional()?;
        let Some(at_ms) = at_ms else { continue };
        let (_, end_ms) = Windows::around(at_ms, windows.seal_ms);
        if windows.is_ripe(end_ms, now) && oldest.is_none_or(|(_, sooner_ms)| end_ms < sooner_ms) {
            oldest = Some((target, end_ms));
        }
    }
    Ok(oldest)
}

/// Up to which entity a step goes; nothing where the poll has no rows in the window. The polls at the window's middle
/// and end are asked too, as they may list many more.
fn entities_of_step(
    connection: &Connection,
    queries: &KindQueries,
    polls: &[PollRow],
    first: &PollRow,
    until_ms: i64,
) -> rusqlite::Result<Option<i64>> {
    let count = (ROWS_PER_STEP / polls.len().max(1)).clamp(1, ENTITIES_PER_STEP);
    let of_poll = |poll: &PollRow| -> rusqlite::Result<Vec<i64>> {
        let limit = i64::try_from(count).unwrap_or(i64::MAX);
        connection
            .prepare_cached(&queries.samples_entities_of_poll)?
            .query_map(named_params! {":poll": poll.id, ":until_ms": until_ms, ":limit": limit}, |row| row.get(0))?
            .collect()
    };
    let mut entities = of_poll(first)?;
    if entities.is_empty() {
        return Ok(None);
    }
    for poll in polls.get(polls.len() / 2).into_iter().chain(polls.last()) {
        entities.extend(of_poll(poll)?);
    }
    entities.sort_unstable();
    entities.dedup();
    // Fewer than asked for are all that there are.
    Ok(Some(entities.get(count.saturating_sub(1)).copied().unwrap_or(i64::MAX)))
}

/// Seals the rows before an instant of all entities up to one. Gives their number.
fn seal_entities(
    connection: &Connection,
    queries: &KindQueries,
    windows: &Windows,
    polls: &[PollRow],
    entity_max: i64,
    until_ms: i64,
) -> rusqlite::Result<u64> {
    let columns: Vec<usize> = (0..queries.kind.columns.len()).collect();
    let mut entities: BTreeMap<i64, Samples> = BTreeMap::new();
    let mut read = 0;
    let mut statement = connection.prepare_cached(&queries.samples_of_poll_to_entity)?;
    for poll in polls {
        let mut rows =
            statement.query(named_params! {":poll": poll.id, ":entity_max": entity_max, ":until_ms": until_ms})?;
        while let Some(row) = rows.next()? {
            let samples = entities.entry(row.get(0)?).or_insert_with(|| Samples::new(queries.kind, &columns));
            samples.at.push(row.get(1)?);
            samples.since.push(row.get(2)?);
            samples.interval_ms.push(poll.interval_ms);
            samples.clock_offset_ms.push(poll.clock_offset_ms);
            samples.poll.push(poll.id);
            take_columns(&mut samples.columns, row, 3)?;
            read += 1;
        }
    }
    let layout = Layout::of(queries.kind);
    for (entity, samples) in entities {
        let is_known = connection.prepare_cached(queries::ENTITY_EXISTS)?.exists(named_params! {":entity": entity})?;
        // What retention left of an entity that it deleted is sealed for nobody.
        if is_known {
            seal_entity(connection, queries.kind, windows, &layout, entity, samples)?;
        }
    }
    let mut deleted = 0;
    let mut delete = connection.prepare_cached(&queries.samples_delete_to_entity)?;
    for poll in polls {
        deleted +=
            delete.execute(named_params! {":poll": poll.id, ":entity_max": entity_max, ":until_ms": until_ms})?;
    }
    if deleted != read {
        return Err(Damage(format!("{read} rows were sealed, {deleted} deleted")).into());
    }
    Ok(u64::try_from(read).unwrap_or(u64::MAX))
}

/// Puts rows of one entity into the blocks of their windows.
fn seal_entity(
    connection: &Connection,
    kind: &'static Kind,
    windows: &Windows,
    layout: &Layout,
    entity: i64,
    mut samples: Samples,
) -> rusqlite::Result<()> {
    let columns: Vec<usize> = (0..kind.columns.len()).collect();
    let sealed = Sealed::new(connection, kind, entity, &columns)?;
    samples.sort();
    let mut from = 0;
    while let Some(at_ms) = samples.at.get(from).copied() {
        let old = sealed.around(at_ms)?;
        let (start_ms, end_ms) = match &old {
            Some((stored, _)) => (block_start_ms(stored.id), stored.end_ms),
            None => Windows::around(at_ms, windows.seal_ms),
        };
        let until = samples.at.partition_point(|at| super::windows::bounded(*at) < end_ms).max(from + 1);
        let mut whole = samples.part(from..until);
        let mut is_merged = false;
        if let Some((stored, old)) = old {
            whole.append(&mut old.as_ref().clone());
            whole.sort();
            is_merged = end_ms - start_ms > windows.seal_ms;
            connection.prepare_cached(queries::BLOCK_DELETE)?.execute(named_params! {":id": stored.id})?;
        }
        insert(connection, kind, layout, entity, (start_ms, end_ms), is_merged, &whole)?;
        from = until;
    }
    Ok(())
}

/// Keeps samples as a block, if the block gives them back to the bit.
pub(super) fn insert(
    connection: &Connection,
    kind: &'static Kind,
    layout: &Layout,
    entity: i64,
    (start_ms, end_ms): (i64, i64),
    is_merged: bool,
    samples: &Samples,
) -> rusqlite::Result<()> {
    if !(0..ENTITIES_END).contains(&entity) {
        return Err(Damage(format!("entity {entity} is beyond the {ENTITIES_END} that blocks can name")).into());
    }
    let body = block::encode(layout, samples)?;
    let columns: Vec<usize> = (0..kind.columns.len()).collect();
    if !block::open(layout, &body)?.samples(kind, &columns)?.is_same(samples) {
        return Err(
            Damage(format!("the new block of entity {entity} at {start_ms} ms is not what it was made of")).into()
        );
    }
    let known: Option<i64> = connection
        .prepare_cached(queries::BLOCK_LAYOUT_BY_COLUMNS)?
        .query_row(named_params! {":columns": layout.text()}, |row| row.get(0))
        .optional()?;
    let layout = match known {
        Some(id) => id,
        None => connection
            .prepare_cached(queries::BLOCK_LAYOUT_INSERT)?
            .query_row(named_params! {":columns": layout.text()}, |row| row.get::<_, i64>(0))?,
    };
    connection.prepare_cached(queries::BLOCK_INSERT)?.execute(named_params! {
        ":id": block_id(start_ms, entity), ":entity": entity, ":end_ms": end_ms, ":at_min_ms": samples.at.first(),
        ":at_max_ms": samples.at.last(), ":poll_min": samples.poll.iter().min(), ":poll_max": samples.poll.iter().max(),
        ":samples": i64::try_from(samples.len()).unwrap_or(i64::MAX), ":is_merged": is_merged, ":layout": layout,
        ":body": body,
    })?;
    Ok(())
}

/// Merges a few of the blocks that are ripe. Gives the number of blocks that went into others, or nothing where there
/// is nothing to do.
pub(super) fn merge_step(
    connection: &mut Connection,
    kinds: &HashMap<&'static str, KindQueries>,
    windows: &Windows,
    now: Timestamp,
) -> Result<Option<u64>, StoreError> {
    const OPERATION: &str = "merge blocks";
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).during(OPERATION)?;
    let merged = merge(&transaction, kinds, windows, now).during(OPERATION)?;
    transaction.commit().during(OPERATION)?;
    Ok(merged)
}

fn merge(
    connection: &Connection,
    kinds: &HashMap<&'static str, KindQueries>,
    windows: &Windows,
    now: Timestamp,
) -> rusqlite::Result<Option<u64>> {
    let id_max = block_id(windows.ripe_until(windows.merge_ms, now).saturating_sub(1), ENTITIES_END - 1);
    let mut ripe = connection.prepare_cached(queries::BLOCKS_UNMERGED)?;
    let limit = i64::try_from(ENTITIES_PER_STEP).unwrap_or(i64::MAX);
    let ripe = ripe.query_map(named_params! {":id_max": id_max, ":limit": limit}, |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
    })?;
    let ripe = ripe.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut merged = None;
    let mut taken = 0;
    for (id, entity, kind) in ripe {
        let Some(queries) = kinds.get(kind.as_str()) else {
            // A kind that is not recorded any more stays as it was left.
            keep_as_it_is(connection, id)?;
            continue;
        };
        let (samples, blocks) = merge_window(connection, queries.kind, windows, id, entity)?;
        merged = Some(merged.unwrap_or(0) + blocks);
        taken += samples;
        if taken >= MERGED_PER_STEP {
            break;
        }
    }
    Ok(merged)
}

/// Merges an entity's blocks in the window of one of them. Gives the numbers of samples and of blocks.
fn merge_window(
    connection: &Connection,
    kind: &'static Kind,
    windows: &Windows,
    id: i64,
    entity: i64,
) -> rusqlite::Result<(usize, u64)> {
    let columns: Vec<usize> = (0..kind.columns.len()).collect();
    let sealed = Sealed::new(connection, kind, entity, &columns)?;
    let (start_ms, end_ms) = Windows::around(block_start_ms(id), windows.merge_ms);
    let mut whole = Samples::new(kind, &columns);
    let blocks = sealed.window(start_ms, end_ms)?;
    // Merged together with others before it in this step.
    if !blocks.iter().any(|(old, _)| *old == id) {
        return Ok((0, 0));
    }
    if blocks.iter().map(|(_, samples)| samples.len()).sum::<usize>() > SAMPLES_MAX {
        keep_as_it_is(connection, id)?;
        return Ok((0, 0));
    }
    let count = u64::try_from(blocks.len()).unwrap_or(u64::MAX);
    for (old, samples) in blocks {
        whole.append(&mut samples.as_ref().clone());
        connection.prepare_cached(queries::BLOCK_DELETE)?.execute(named_params! {":id": old})?;
    }
    // None is left where retention took all of their samples.
    if whole.len() > 0 {
        insert(connection, kind, &Layout::of(kind), entity, (start_ms, end_ms), true, &whole)?;
    }
    Ok((whole.len(), count))
}

fn keep_as_it_is(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(queries::BLOCK_KEEP_UNMERGED)?.execute(named_params! {":id": id})?;
    Ok(())
}

#[cfg(test)]
mod tests;
