//! What is told of a recording's file as a whole: how a check went, what everything weighs, what was copied or shrunk.
//!
//! Values only. Must not know: how any of it is found.

use crate::model::Kind;

/// Faults that are told one by one; of more only the number. Who reads a hundred knows enough.
pub const FAULTS_TOLD_MAX: usize = 100;

/// What a check of a file found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckReport {
    /// Bytes of the pages that were looked at.
    pub bytes: u64,
    /// Polls.
    pub polls: u64,
    /// Entities.
    pub entities: u64,
    /// Attribute versions.
    pub versions: u64,
    /// Events.
    pub events: u64,
    /// Samples in the journal.
    pub journal_samples: u64,
    /// Blocks decoded.
    pub blocks: u64,
    /// Samples in them.
    pub block_samples: u64,
    /// Numbers in them that are not null.
    pub block_values: u64,
    /// Rollups decoded.
    pub rollups: u64,
    /// Hours in them.
    pub rollup_hours: u64,
    /// What is wrong, each in a sentence; at most [`FAULTS_TOLD_MAX`].
    pub faults: Vec<String>,
    /// Faults beyond those told.
    pub more_faults: u64,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// Adds a fault.
    pub fn fault(&mut self, what: impl Into<String>) {
        if self.faults.len() < FAULTS_TOLD_MAX {
            self.faults.push(what.into());
        } else {
            self.more_faults = self.more_faults.saturating_add(1);
        }
    }
}

/// How far a long work on the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: &'static str,
    /// Units done.
    pub done: u64,
    /// Units in all; 0 where that is not known.
    pub whole: u64,
}

/// What everything in a file weighs.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Bytes of the file with its log applied; what follows adds up to it.
    pub file_bytes: u64,
    /// Bytes of the log, beside the file.
    pub wal_bytes: u64,
    /// Every part of the file.
    pub parts: Vec<Part>,
    /// The kinds of which there are samples, in the order of their names.
    pub kinds: Vec<KindStats>,
}

/// A part of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
}

/// What the samples of a kind weigh.
#[derive(Debug, Clone)]
pub struct KindStats {
    /// The kind.
    pub kind: &'static Kind,
    /// Its samples in the journal, not sealed yet.
    pub journal: Level,
    /// Its samples in blocks that are still to be merged.
    pub small_blocks: Level,
    /// Its samples in merged blocks.
    pub merged_blocks: Level,
    /// Its rolled-up hours: the samples and numbers that were rolled up, there still or not.
    pub rollups: Level,
    /// What each of its series weighs in blocks: times and polls first, then the columns.
    pub columns: Vec<ColumnStats>,
}

/// Samples kept in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    /// Pieces, blocks or rollups.
    pub count: u64,
    /// Samples.
    pub samples: u64,
    /// Numbers that are not null.
    pub values: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A series of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnStats {
    /// Its stored name.
    pub name: String,
    /// Its values in blocks that are not null.
    pub block_values: u64,
    /// Its bytes in blocks.
    pub block_bytes: u64,
    /// Its values in the journal that are not null.
    pub journal_values: u64,
    /// Its bytes in rollups.
    pub rollup_bytes: u64,
}

impl Level {
    /// Bytes for each value; None where there is none.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for a reader")]
    pub fn bytes_a_value(&self) -> Option<f64> {
        (self.values > 0).then(|| self.bytes as f64 / self.values as f64)
    }
}

/// What was shrunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compacted {
    /// Samples that were in the journal and are in blocks now.
    pub sealed_samples: u64,
    /// Blocks that went into larger ones.
    pub merged_blocks: u64,
    /// Bytes before.
    pub bytes_before: u64,
    /// Bytes after.
    pub bytes_after: u64,
}
