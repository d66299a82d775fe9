//! Samples from elsewhere: what an import is given, and what it tells.
//!
//! Values only. Must not know: where they come from, how they are kept.

use std::sync::Arc;

use crate::model::{Attributes, Identity, Kind, Sample, Timestamp};

/// How samples from elsewhere are to be taken.
#[derive(Debug, Clone, Copy)]
pub struct Import<'a> {
    /// Of this kind.
    pub kind: &'static Kind,
    /// The attributes that the samples say something about: those not named stay as they are.
    pub attributes: &'a [&'static str],
    /// The polling interval; None: as the samples' distances tell.
    pub interval_ms: Option<i64>,
    /// Windows that have settled by then become blocks at once.
    pub now: Timestamp,
}

/// One sample from elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignSample {
    /// Of which entity.
    pub identity: Identity,
    /// The attributes in force.
    pub attributes: Arc<Attributes>,
    /// The numbers.
    pub sample: Sample,
}

/// What became of samples from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Samples kept.
    pub samples: u64,
    /// Samples left out because their entity and time were there already.
    pub duplicate_samples: u64,
    /// Samples left out because retention has taken everything of their time.
    pub too_old_samples: u64,
    /// Changes of attributes left out because there were too many in an hour.
    pub versions_left_out: u64,
}

impl Imported {
    /// Adds what became of others.
    pub fn add(&mut self, other: Imported) {
        self.samples = self.samples.saturating_add(other.samples);
        self.duplicate_samples = self.duplicate_samples.saturating_add(other.duplicate_samples);
        self.too_old_samples = self.too_old_samples.saturating_add(other.too_old_samples);
        self.versions_left_out = self.versions_left_out.saturating_add(other.versions_left_out);
    }
}
