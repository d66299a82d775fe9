//! New blocks: samples of one entity as they are to be kept for good, and the blocks that they take the place of.
//!
//! A block is made first, which takes its time and needs no lock, and kept later, which is short. Must not know: where
//! the samples come from, when that is.

use rusqlite::{Connection, named_params};

use super::block::{self, Damage, Layout, Samples};
use super::layouts::{self, KindLayout};
use super::queries;
use super::sealed::Sealed;
use super::windows::{ENTITIES_END, Windows, block_id, block_start_ms, bounded};

/// Blocks that are made but not kept yet.
#[derive(Debug, Default)]
pub(super) struct Packed {
    blocks: Vec<NewBlock>,
    /// The ids of the blocks whose samples are in the new ones.
    replaced: Vec<i64>,
}

#[derive(Debug)]
struct NewBlock {
    id: i64,
    entity: i64,
    end_ms: i64,
    at_min_ms: Option<i64>,
    at_max_ms: Option<i64>,
    poll_min: Option<i64>,
    poll_max: Option<i64>,
    samples: usize,
    is_merged: bool,
    body: Vec<u8>,
}

impl Packed {
    /// Bytes of all new blocks.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.body.len()).sum()
    }

    /// How many blocks go.
    pub(super) fn replaced(&self) -> usize {
        self.replaced.len()
    }

    /// Whether a block goes already.
    pub(super) fn replaces(&self, id: i64) -> bool {
        self.replaced.contains(&id)
    }

    /// Packs samples of one entity, in any order, into blocks of their windows, together with those that are there.
    pub(super) fn add(
        &mut self,
        connection: &Connection,
        kind: &KindLayout,
        windows: &Windows,
        entity: i64,
        mut samples: Samples,
    ) -> rusqlite::Result<()> {
        let columns: Vec<usize> = (0..kind.kind.columns.len()).collect();
        let sealed = Sealed::new(connection, kind.kind, entity, &columns)?;
        samples.sort();
        let mut from = 0;
        while let Some(at_ms) = samples.at.get(from).copied() {
            let old = sealed.around(at_ms)?;
            let (start_ms, end_ms) = match &old {
                Some((stored, _)) => (block_start_ms(stored.id), stored.end_ms),
                None => Windows::around(at_ms, windows.seal_ms),
            };
            let until = samples.at.partition_point(|at| bounded(*at) < end_ms).max(from + 1);
            let mut whole = if from == 0 && until == samples.len() {
                std::mem::take(&mut samples)
            } else {
                samples.part(from..until)
            };
            let mut is_merged = false;
            if let Some((stored, old)) = old {
                whole.append(&mut old.as_ref().clone());
                whole.sort();
                is_merged = end_ms - start_ms > windows.seal_ms;
                self.replace(stored.id);
            }
            self.put(kind, entity, (start_ms, end_ms), is_merged, &whole)?;
            from = until;
        }
        Ok(())
    }

    /// A block goes, for its samples are in a new one.
    pub(super) fn replace(&mut self, id: i64) {
        self.replaced.push(id);
    }

    /// Packs samples in the order of their times as one block, if the block gives them back to the bit.
    pub(super) fn put(
        &mut self,
        kind: &KindLayout,
        entity: i64,
        (start_ms, end_ms): (i64, i64),
        is_merged: bool,
        samples: &Samples,
    ) -> Result<(), Damage> {
        if !(0..ENTITIES_END).contains(&entity) {
            return block::damage(format!("entity {entity} is beyond the {ENTITIES_END} that blocks can name"));
        }
        let body = block::encode(&kind.layout, samples)?;
        if !block::open(&kind.layout, &body)?.holds(samples)? {
            return block::damage(format!(
                "the new block of entity {entity} at {start_ms} ms is not what it was made of"
            ));
        }
        self.blocks.push(NewBlock {
            id: block_id(start_ms, entity),
            entity,
            end_ms,
            at_min_ms: samples.at.first().copied(),
            at_max_ms: samples.at.last().copied(),
            poll_min: samples.poll.iter().min().copied(),
            poll_max: samples.poll.iter().max().copied(),
            samples: samples.len(),
            is_merged,
            body,
        });
        Ok(())
    }

    /// Keeps the blocks, in the place of those that go.
    pub(super) fn keep(&self, connection: &Connection, layout: &Layout) -> rusqlite::Result<()> {
        let mut delete = connection.prepare_cached(queries::BLOCK_DELETE)?;
        for id in &self.replaced {
            if delete.execute(named_params! {":id": id})? != 1 {
                return Err(Damage(format!("block {id} went while its samples were packed anew")).into());
            }
        }
        let layout = layouts::id_of(connection, layout)?;
        let mut insert = connection.prepare_cached(queries::BLOCK_INSERT)?;
        for block in &self.blocks {
            insert.execute(named_params! {
                ":id": block.id, ":entity": block.entity, ":end_ms": block.end_ms, ":at_min_ms": block.at_min_ms,
                ":at_max_ms": block.at_max_ms, ":poll_min": block.poll_min, ":poll_max": block.poll_max,
                ":samples": i64::try_from(block.samples).unwrap_or(i64::MAX), ":is_merged": block.is_merged,
                ":layout": layout, ":body": block.body,
            })?;
        }
        Ok(())
    }
}
