//! What is asked of the store's samples, and what comes back.
//!
//! Must not know: how samples are kept.

use crate::model::{Hours, Identity, Kind, PollChain, Run, TimeRange, Wanted};

/// What to read of one entity.
#[derive(Debug, Clone)]
pub struct Fetch<'a> {
    /// Its kind.
    pub kind: &'static Kind,
    /// Which one.
    pub identity: &'a Identity,
    /// The time asked for; the neighbours come along.
    pub range: TimeRange,
    /// Positions in `kind.columns`, in the order wanted.
    pub columns: &'a [usize],
}

/// What to read of some entities of a kind.
#[derive(Debug, Clone)]
pub struct FetchAll<'a> {
    /// Their kind.
    pub kind: &'static Kind,
    /// Which ones.
    pub identities: &'a [&'a Identity],
    /// The time asked for; the neighbours come along.
    pub range: TimeRange,
    /// Positions in `kind.columns`, in the order wanted.
    pub columns: &'a [usize],
}

/// What was read of some entities, and how much had to be decoded for it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadAll {
    /// A run an identity, in their order; empty where an entity is unknown.
    pub runs: Vec<Run>,
    /// What that took.
    pub work: Work,
}

/// What was decoded for an answer; nothing in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Sealed blocks, an entity and a window each.
    pub blocks: u64,
    /// Pieces of the journal, some entities of a poll each.
    pub pieces: u64,
    /// Bytes of both.
    pub bytes: u64,
}

impl Work {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Work) -> Work {
        Work {
            blocks: self.blocks.saturating_add(other.blocks),
            pieces: self.pieces.saturating_add(other.pieces),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    pub(super) fn and_block(self, bytes: usize) -> Work {
        self.and(Work { blocks: 1, pieces: 0, bytes: u64::try_from(bytes).unwrap_or(u64::MAX) })
    }

    pub(super) fn and_piece(self, bytes: usize) -> Work {
        self.and(Work { blocks: 0, pieces: 1, bytes: u64::try_from(bytes).unwrap_or(u64::MAX) })
    }
}

/// What to read of some entities' rolled-up hours.
#[derive(Debug, Clone)]
pub struct HoursFetch<'a> {
    /// Their kind.
    pub kind: &'static Kind,
    /// Which ones.
    pub identities: &'a [&'a Identity],
    /// The time asked for: whole hours.
    pub range: TimeRange,
    /// Fields by their place ([`crate::rollup::fields_count`]), in the order wanted.
    pub fields: &'a [usize],
    /// What of their cells.
    pub wanted: Wanted,
    /// Whether a row may be a whole day (UTC) instead of its hours, where these sums say the same: nothing else may be
    /// wanted of them.
    pub by_days: bool,
    /// Whether the stays up to the first sample after the range are wanted.
    pub with_stays: bool,
}

/// Hours that are as the samples of their range say, or said while these were kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Rolled {
    /// The range: whole hours.
    pub range: TimeRange,
    /// All there is of it.
    pub hours: Hours,
    /// Whether it ends where the range asked for does, and no sample of the entity comes after that.
    pub is_last: bool,
}

/// A target's ticks as chains, as far as they are there as such.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chains {
    /// The newest chain of good ticks before the range.
    pub good_before: Option<PollChain>,
    /// Days of the range, and the chains of each.
    pub days: Vec<(TimeRange, Vec<PollChain>)>,
    /// The oldest chain of good ticks after the range.
    pub good_after: Option<PollChain>,
}
