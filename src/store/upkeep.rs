//! How long and how much is kept, and what a step of retention or upkeep did.
//!
//! Values only. Must not know: how any of it is done, and when.

use crate::model::Timestamp;

/// From when on each sort of row is kept. None: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cutoffs {
    /// Samples, with their polls.
    pub samples: Option<Timestamp>,
    /// Rolled-up hours, with the entities and attributes that nothing else needs. They need not go before the samples
    /// that they are made of.
    pub rollups: Option<Timestamp>,
    /// Events.
    pub events: Option<Timestamp>,
}

impl Cutoffs {
    /// From when on entities and their attributes are kept: as long as anything that needs them.
    pub(crate) fn needed(&self) -> Option<Timestamp> {
        Some(self.samples?.min(self.rollups?))
    }
}

/// What one step of retention did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retained {
    /// Polls deleted, with their samples.
    pub polls: u64,
    /// Events deleted.
    pub events: u64,
    /// Whether more is left to do: call again.
    pub more: bool,
}

/// What upkeep holds the recording to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// What is older goes.
    pub cutoffs: Cutoffs,
    /// Where the file holds more bytes than this, its oldest samples go too, as the last resort. None: no limit.
    pub file_bytes_max: Option<u64>,
}

/// What one step of upkeep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Upkeep {
    /// Samples that were packed away from rows.
    pub sealed_samples: u64,
    /// Blocks that went into larger ones.
    pub merged_blocks: u64,
    /// Days of an entity whose hours were rolled up.
    pub rolled_days: u64,
    /// For how long already what was sealed could have been: more than a minute or two only after a long downtime, or
    /// where upkeep cannot keep up.
    pub overdue_ms: u64,
    /// The same of what was rolled up.
    pub rollup_overdue_ms: u64,
    /// Polls deleted, with their samples.
    pub polls: u64,
    /// Events deleted.
    pub events: u64,
    /// Whether more is left to do: call again.
    pub more: bool,
}
