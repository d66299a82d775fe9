//! What everything in a file weighs: pages by table, blocks by kind, level and column.
//!
//! Every page of the file is in exactly one part, so the parts add up to it. Must not know: how it is printed.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use rusqlite::{Connection, Row};

use super::block::{self, Damage, Holds, Layout};
use super::piece;
use super::queries;
use super::read::During;
use super::rollup;
use crate::model::Kind;
use crate::store::{ColumnStats, KindStats, Level, Part, Progress, Stats, StoreError};

const OPERATION: &str = "weigh the file";

/// Blocks between two looks at the progress.
const BLOCKS_A_STEP: u64 = 50;

/// Tables that are parts of their own, by what they are called outside.
const TABLES: [(&str, &str); 15] = [
    ("poll", "polls"),
    ("entity", "entities"),
    ("sighting", "entities"),
    ("attribute_set", "attributes"),
    ("entity_version", "attributes"),
    ("event", "events"),
    ("target", "settings"),
    ("meta", "settings"),
    ("block_layout", "settings"),
    ("poll_chain", "polls, rolled up"),
    ("poll_due", "settings"),
    ("rollup_due", "settings"),
    ("rollup_layout", "settings"),
    ("sqlite_schema", "settings"),
    ("sqlite_sequence", "settings"),
];

/// Weighs everything that a connection's transaction sees.
pub(super) fn run(
    connection: &Connection,
    kinds: &'static [&'static Kind],
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Stats, StoreError> {
    let mut step = |step, done, whole| match progress(Progress { step, done, whole }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(StoreError::Stopped),
    };
    step("pages", 0, 0)?;
    let mut weights = pages(connection).during(OPERATION)?;
    let number = |row: &Row<'_>, index: usize| Ok(u64::try_from(row.get::<_, i64>(index)?).unwrap_or(0));
    let (page_count, free, page_bytes) = connection
        .query_row(queries::STATS_FILE, [], |row| Ok((number(row, 0)?, number(row, 1)?, number(row, 2)?)))
        .during(OPERATION)?;
    let file_bytes = page_count.saturating_mul(page_bytes);
    let in_tables: u64 = weights.values().sum();

    let mut of_kinds: BTreeMap<&'static str, KindStats> = BTreeMap::new();
    for kind in kinds {
        of_kinds.insert(kind.name, KindStats::none(kind));
    }
    let mut blocks = Blocks::open(connection).during(OPERATION)?;
    let in_pieces = blocks.add_journal(connection, &mut of_kinds).during(OPERATION)?;
    let mut in_bodies = 0_u64;
    let whole = connection.query_row(queries::CHECK_COUNTS, [], |row| number(row, 4)).during(OPERATION)?;
    let mut done = 0_u64;
    let mut statement = connection.prepare(queries::CHECK_BLOCKS).during(OPERATION)?;
    let mut found = statement.query([]).during(OPERATION)?;
    while let Some(row) = found.next().during(OPERATION)? {
        in_bodies = in_bodies.saturating_add(blocks.add(row, &mut of_kinds).during(OPERATION)?);
        done = done.saturating_add(1);
        if done.is_multiple_of(BLOCKS_A_STEP) {
            step("blocks", done, whole)?;
        }
    }

    let in_rollups = rollup::weigh(connection, &mut of_kinds).during(OPERATION)?;

    let mut parts: BTreeMap<String, u64> = BTreeMap::new();
    let mut add = |name: &str, bytes: u64| {
        if bytes > 0 {
            let part = parts.entry(name.to_owned()).or_default();
            *part = part.saturating_add(bytes);
        }
    };
    add("journal", in_pieces);
    add("journal: keys and unused room", weights.remove("journal").unwrap_or(0).saturating_sub(in_pieces));
    add("blocks", in_bodies);
    // What the tables of blocks weigh beside the blocks themselves: their rows' other columns, indexes, pages not full.
    add("blocks: keys and unused room", weights.remove("block").unwrap_or(0).saturating_sub(in_bodies));
    add("rollups", in_rollups);
    add("rollups: keys and unused room", weights.remove("rollup").unwrap_or(0).saturating_sub(in_rollups));
    for (table, name) in TABLES {
        add(name, weights.remove(table).unwrap_or(0));
    }
    for (table, bytes) in weights {
        add(&table, bytes);
    }
    add("free pages", free.saturating_mul(page_bytes));
    // What lists the pages' owners, so that free ones can be given back.
    add("page map", file_bytes.saturating_sub(in_tables).saturating_sub(free.saturating_mul(page_bytes)));
    let has_any = |stats: &KindStats| {
        [stats.journal, stats.small_blocks, stats.merged_blocks, stats.rollups].iter().any(|level| level.samples > 0)
    };
    let mut parts: Vec<Part> = parts.into_iter().map(|(name, bytes)| Part { name, bytes }).collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
    Ok(Stats { file_bytes, wal_bytes: 0, parts, kinds: of_kinds.into_values().filter(has_any).collect() })
}

/// Bytes of each table, its indexes included.
fn pages(connection: &Connection) -> rusqlite::Result<HashMap<String, u64>> {
    let mut indexes = connection.prepare(queries::STATS_INDEXES)?;
    let indexes: HashMap<String, String> =
        indexes.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let mut weights: HashMap<String, u64> = HashMap::new();
    let mut statement = connection.prepare(queries::STATS_PAGES)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let bytes = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
        let table = indexes.get(&name).cloned().unwrap_or(name);
        let weight = weights.entry(table).or_default();
        *weight = weight.saturating_add(bytes);
    }
    Ok(weights)
}

/// Adds up blocks, and pieces of the journal.
struct Blocks {
    layouts: HashMap<i64, Layout>,
}

impl Blocks {
    fn open(connection: &Connection) -> rusqlite::Result<Blocks> {
        let mut layouts = HashMap::new();
        let mut statement = connection.prepare(queries::BLOCK_LAYOUTS_ALL)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            layouts.insert(row.get(0)?, Layout::parse(&row.get::<_, String>(1)?)?);
        }
        Ok(Blocks { layouts })
    }

    /// Adds all pieces of the journal to their kinds. Gives their bytes.
    fn add_journal(
        &self,
        connection: &Connection,
        of_kinds: &mut BTreeMap<&'static str, KindStats>,
    ) -> rusqlite::Result<u64> {
        let mut whole = 0_u64;
        let mut statement = connection.prepare(queries::CHECK_JOURNAL)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, kind, layout): (i64, String, i64) = (row.get(0)?, row.get(2)?, row.get(6)?);
            let body = row.get_ref(7)?.as_blob()?;
            let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
            whole = whole.saturating_add(bytes);
            let Some(stats) = of_kinds.get_mut(kind.as_str()) else { continue };
            let layout = self.layouts.get(&layout).ok_or_else(|| Damage(format!("piece {id}: no layout {layout}")))?;
            let piece = piece::open(layout, body)?;
            let mut values = 0_u64;
            for (column, (name, holds)) in layout.columns().iter().enumerate() {
                let is_there = |position: &usize| match holds {
                    Holds::Ints => piece.int(column, *position).is_some(),
                    Holds::Floats => piece.float(column, *position).is_some(),
                };
                let count = u64::try_from((0..piece.len()).filter(is_there).count()).unwrap_or(u64::MAX);
                values = values.saturating_add(count);
                let column = stats.column(name);
                column.journal_values = column.journal_values.saturating_add(count);
            }
            let level = &mut stats.journal;
            level.count = level.count.saturating_add(1);
            level.samples = level.samples.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            level.values = level.values.saturating_add(values);
            level.bytes = level.bytes.saturating_add(bytes);
        }
        Ok(whole)
    }

    /// Adds a block to its kind, if it is one that is known. Gives the bytes of the block.
    fn add(&mut self, row: &Row<'_>, of_kinds: &mut BTreeMap<&'static str, KindStats>) -> rusqlite::Result<u64> {
        let id: i64 = row.get(0)?;
        let is_merged: bool = row.get(8)?;
        let (layout, kind): (i64, Option<String>) = (row.get(9)?, row.get(10)?);
        let body = row.get_ref(11)?.as_blob()?;
        let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let Some(stats) = kind.and_then(|kind| of_kinds.get_mut(kind.as_str())) else { return Ok(bytes) };
        let layout = self.layouts.get(&layout).ok_or_else(|| Damage(format!("block {id}: no layout {layout}")))?;
        let opened = block::open(layout, body)?;
        let weights = opened.weigh()?;
        let mut values = 0_u64;
        let mut in_series = 0_u64;
        for (index, weight) in weights.iter().enumerate() {
            if index >= block::FIXED_SERIES {
                values = values.saturating_add(weight.values);
            }
            in_series = in_series.saturating_add(weight.bytes);
            stats.column(weight.name).add(weight);
        }
        let level = if is_merged { &mut stats.merged_blocks } else { &mut stats.small_blocks };
        level.count = level.count.saturating_add(1);
        level.bytes = level.bytes.saturating_add(bytes);
        level.values = level.values.saturating_add(values);
        level.samples = level.samples.saturating_add(u64::try_from(row.get::<_, i64>(7)?).unwrap_or(0));
        // What stands before and after the series.
        let frame = bytes.saturating_sub(in_series);
        let frame = block::Weight { name: "(frame)", bytes: frame, values: 0 };
        stats.column(frame.name).add(&frame);
        Ok(bytes)
    }
}

impl KindStats {
    /// Nothing yet, with the kind's columns.
    fn none(kind: &'static Kind) -> KindStats {
        let column = |stored: &str| ColumnStats {
            name: stored.to_owned(),
            block_values: 0,
            block_bytes: 0,
            journal_values: 0,
            rollup_bytes: 0,
        };
        KindStats {
            kind,
            journal: Level::default(),
            small_blocks: Level::default(),
            merged_blocks: Level::default(),
            rollups: Level::default(),
            columns: kind.columns.iter().map(|known| column(known.stored)).collect(),
        }
    }

    /// A series by name; what is not a column of the kind stands after these.
    pub(super) fn column(&mut self, name: &str) -> &mut ColumnStats {
        let known = self.columns.iter().position(|column| column.name == name);
        let position = known.unwrap_or_else(|| {
            self.columns.push(ColumnStats {
                name: name.to_owned(),
                block_values: 0,
                block_bytes: 0,
                journal_values: 0,
                rollup_bytes: 0,
            });
            self.columns.len().saturating_sub(1)
        });
        #[expect(clippy::indexing_slicing, reason = "found, or pushed just before")]
        &mut self.columns[position]
    }
}

impl ColumnStats {
    fn add(&mut self, weight: &block::Weight<'_>) {
        self.block_bytes = self.block_bytes.saturating_add(weight.bytes);
        self.block_values = self.block_values.saturating_add(weight.values);
    }
}

#[cfg(test)]
mod tests;
