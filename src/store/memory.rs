//! The reference store: plain collections.

use super::{Appended, Cutoffs, EntityQuery, EventQuery, EventRecord, Fetch, Polls, Retained, TargetRecord};
use crate::model::{EntityRecord, Identity, Kind, Run, Snapshot, TargetName, TimeRange, Timestamp};

/// The reference store.
#[derive(Debug, Default)]
pub struct Memory {}
