//! What one poll saw, as one value: stored whole or not at all.

use super::entity::{Attributes, Identity};
use super::event::Event;
use super::kind::Kind;
use super::poll::Poll;
use super::time::Timestamp;
use super::value::Value;

/// What one poll saw.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The poll itself; always kept, failed or not.
    pub poll: Poll,
    /// What was seen, a batch a kind. Empty for a failed poll.
    pub batches: Vec<KindBatch>,
    /// What happened, as told by the target or noticed by the source.
    pub events: Vec<Event>,
}

impl Snapshot {
    /// Number of samples in all batches.
    pub fn sample_count(&self) -> usize {
        self.batches.iter().flat_map(|batch| &batch.observations).filter(|seen| seen.sample.is_some()).count()
    }
}

/// What a poll saw of one kind.
#[derive(Debug, Clone)]
pub struct KindBatch {
    /// The kind of all observations in it.
    pub kind: &'static Kind,
    /// Whether every living entity of the target is in it: what is not, is gone.
    pub complete: bool,
    /// One for each entity seen, each identity at most once.
    pub observations: Vec<Observation>,
}

/// One entity, as one poll saw it.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Which one.
    pub identity: Identity,
    /// All that is known of it now; None: as before.
    pub attributes: Option<Attributes>,
    /// Since when it has not been running, for things that stay listed after their end.
    pub ended: Option<Timestamp>,
    /// Its numbers; None where it has none (it does not run, or they did not come).
    pub sample: Option<Sample>,
}

/// An entity's numbers at one time, exactly as reported.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The source's own time, less its clock's offset; else when the reply came.
    pub at: Timestamp,
    /// When its counters began, by a constant the source gives; None where unknown.
    pub since: Option<Timestamp>,
    /// One for each of the kind's columns, in order.
    pub values: Box<[Value]>,
}
