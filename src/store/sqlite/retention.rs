//! Retention: what is older than its cutoff goes, in small transactions, and its pages go back to the file system.

use rusqlite::{Connection, TransactionBehavior, named_params};

use super::living::delete_unused_set;
use super::queries;
use super::read::{self, During};
use super::rollup;
use super::windows::{ENTITIES_END, block_id};
use super::write::Writer;
use crate::model::Timestamp;
use crate::store::{Cutoffs, Retained, StoreError};

const OPERATION: &str = "delete what is too old";

/// Samples deleted in one step: some ten milliseconds in which the writer waits. One poll more may go over it.
const SAMPLES_PER_STEP: u64 = 5_000;

/// Polls, entities, versions and events deleted in one step, each: as [`SAMPLES_PER_STEP`].
const ROWS_PER_STEP: i64 = 500;

/// Where the cutoff of samples is kept.
pub(super) const SAMPLES_KEPT_FROM: &str = "samples_kept_from_ms";

/// Where the highest number of a deleted poll is kept.
pub(super) const POLL_DELETED_NEWEST: &str = "poll_deleted_newest";

/// Blocks deleted in one step: some megabytes.
const BLOCKS_PER_STEP: i64 = 100;

/// See [`crate::store::Store::retain`].
pub(super) fn step(writer: &mut Writer, cutoffs: &Cutoffs) -> Result<Retained, StoreError> {
    let connection = &mut writer.connection;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).during(OPERATION)?;
    let mut retained = Retained::default();
    if let Some(cutoff) = cutoffs.samples {
        retained.polls = delete_polls(&transaction, cutoff).during(OPERATION)?;
        retained.more = retained.polls > 0;
        // What only old samples needed goes after the last of them.
        if !retained.more {
            retained.more = delete_blocks(&transaction, cutoff).during(OPERATION)?;
        }
    }
    if let Some(cutoff) = cutoffs.needed().filter(|_| !retained.more) {
        retained.more = rollup::delete_old(&transaction, cutoff, BLOCKS_PER_STEP).during(OPERATION)?
            | delete_entities(&transaction, cutoff).during(OPERATION)?
            | delete_versions(&transaction, cutoff).during(OPERATION)?;
        rollup::delete_old_chains(&transaction, cutoff).during(OPERATION)?;
    }
    if let Some(cutoff) = cutoffs.events {
        let deleted = transaction
            .prepare_cached(queries::EVENTS_DELETE_OLD)
            .and_then(|mut delete| delete.execute(named_params! {":cutoff_ms": cutoff.ms(), ":limit": ROWS_PER_STEP}))
            .during(OPERATION)?;
        retained.events = u64::try_from(deleted).unwrap_or(u64::MAX);
        retained.more |= retained.events > 0;
    }
    transaction.commit().during(OPERATION)?;
    give_pages_back(connection).during("give pages back to the file system")?;
    Ok(retained)
}

fn delete_polls(connection: &Connection, cutoff: Timestamp) -> rusqlite::Result<u64> {
    let mut old: Vec<(i64, u64)> = Vec::new();
    let mut targets = connection.prepare_cached(queries::TARGETS_ALL)?;
    let targets = targets.query_map([], |row| row.get::<_, i64>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    for target in targets {
        let mut polls = connection.prepare_cached(queries::POLLS_OLD)?;
        let parameters = named_params! {":target": target, ":cutoff_ms": cutoff.ms(), ":limit": ROWS_PER_STEP};
        let polls =
            polls.query_map(parameters, |row| Ok((row.get(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0))))?;
        for poll in polls {
            old.push(poll?);
        }
        if !old.is_empty() {
            break;
        }
    }
    let mut deleted = 0;
    let mut samples = 0;
    let mut newest = newest_deleted_poll(connection)?;
    for (poll, taken) in old {
        if samples > 0 && samples + taken > SAMPLES_PER_STEP {
            break;
        }
        connection.prepare_cached(queries::JOURNAL_DELETE_OF_POLL)?.execute(named_params! {":poll": poll})?;
        connection.prepare_cached(queries::POLL_DELETE)?.execute(named_params! {":poll": poll})?;
        samples += taken;
        deleted += 1;
        newest = newest.max(poll);
    }
    if deleted > 0 {
        connection
            .prepare_cached(queries::META_SET)?
            .execute(named_params! {":key": POLL_DELETED_NEWEST, ":value": newest.to_string()})?;
        let kept_from = samples_kept_from(connection)?.max(Some(cutoff)).unwrap_or(cutoff);
        connection
            .prepare_cached(queries::META_SET)?
            .execute(named_params! {":key": SAMPLES_KEPT_FROM, ":value": kept_from.ms().to_string()})?;
    }
    Ok(deleted)
}

/// Deletes blocks none of whose samples is there any more. Says whether there were any.
fn delete_blocks(connection: &Connection, cutoff: Timestamp) -> rusqlite::Result<bool> {
    let deleted = connection.prepare_cached(queries::BLOCKS_DELETE_OLD)?.execute(named_params! {
        ":id_end": block_id(cutoff.ms(), ENTITIES_END - 1), ":cutoff_ms": cutoff.ms(), ":limit": BLOCKS_PER_STEP,
    })?;
    Ok(deleted > 0)
}

/// The highest number of a poll that was ever deleted; 0 where none was. Numbers are never given again: samples in
/// blocks name their polls.
pub(super) fn newest_deleted_poll(connection: &Connection) -> rusqlite::Result<i64> {
    Ok(read::meta(connection, POLL_DELETED_NEWEST)?.and_then(|poll| poll.parse().ok()).unwrap_or(0))
}

/// Deletes entities that are over, with all that is known of them. Says whether there were any.
fn delete_entities(connection: &Connection, cutoff: Timestamp) -> rusqlite::Result<bool> {
    let mut over = connection.prepare_cached(queries::ENTITIES_OVER)?;
    let parameters = named_params! {":cutoff_ms": cutoff.ms(), ":limit": ROWS_PER_STEP};
    let over = over.query_map(parameters, |row| row.get::<_, i64>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    for entity in &over {
        let mut versions = connection.prepare_cached(queries::VERSIONS_OF_ENTITY)?;
        let versions = versions.query_map(named_params! {":entity": entity}, |row| Ok((row.get(0)?, row.get(1)?)))?;
        for version in versions.collect::<rusqlite::Result<Vec<(i64, i64)>>>()? {
            delete_version(connection, *entity, version)?;
        }
        connection.prepare_cached(queries::BLOCKS_DELETE_OF_ENTITY)?.execute(named_params! {":entity": entity})?;
        rollup::delete_entity(connection, *entity)?;
        connection.prepare_cached(queries::SIGHTINGS_DELETE)?.execute(named_params! {":entity": entity})?;
        connection.prepare_cached(queries::ENTITY_DELETE)?.execute(named_params! {":entity": entity})?;
    }
    Ok(!over.is_empty())
}

/// Deletes attribute versions that no kept sample needs; never an entity's newest. Says whether there were any.
fn delete_versions(connection: &Connection, cutoff: Timestamp) -> rusqlite::Result<bool> {
    let mut superseded = connection.prepare_cached(queries::VERSIONS_SUPERSEDED)?;
    let parameters = named_params! {":cutoff_ms": cutoff.ms(), ":limit": ROWS_PER_STEP};
    let superseded = superseded.query_map(parameters, |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    let superseded = superseded.collect::<rusqlite::Result<Vec<(i64, (i64, i64))>>>()?;
    for (entity, version) in &superseded {
        delete_version(connection, *entity, *version)?;
    }
    Ok(!superseded.is_empty())
}

fn delete_version(connection: &Connection, entity: i64, (from_ms, set): (i64, i64)) -> rusqlite::Result<()> {
    connection
        .prepare_cached(queries::VERSION_DELETE)?
        .execute(named_params! {":entity": entity, ":from_ms": from_ms})?;
    delete_unused_set(connection, set)
}

/// Gives some free pages back, but keeps a quarter of what is in use: rows that are sealed make room for those that
/// come, and pages given back would only be moved, and asked for again.
fn give_pages_back(connection: &Connection) -> rusqlite::Result<()> {
    let (used, free): (i64, i64) =
        connection.prepare_cached(queries::PAGES_COUNT)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if free <= used / 4 {
        return Ok(());
    }
    // Each row that the pragma yields is a page given back: it works while it is asked.
    let mut statement = connection.prepare_cached(queries::PAGES_GIVE_BACK)?;
    let mut pages = statement.query([])?;
    while pages.next()?.is_some() {}
    Ok(())
}

/// See [`crate::store::Store::samples_kept_from`].
pub(super) fn samples_kept_from(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let value = read::meta(connection, SAMPLES_KEPT_FROM)?;
    Ok(value.and_then(|ms| ms.parse().ok()).map(Timestamp::from_ms))
}
