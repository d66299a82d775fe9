//! The picture of an instant: what was there, with the facts in force and the newest sample, each with its age.
//!
//! Pure: entities, polls and runs in, parts out. Must not know: the store, how the picture is printed.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::model::{Attributes, EntityRecord, Identity, Outcome, PollRecord, Run, TargetName, Timestamp};

use super::cell::Number;
use super::filter::Filter;
use super::request::Selected;
use super::samples::SampleReader;

/// How a target stood at an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetState {
    /// The target.
    pub target: TargetName,
    /// How its newest visit ended; None where there was none shortly before.
    pub outcome: Option<Outcome>,
    /// When its newest good visit began: the picture of its entities is of this age.
    pub last_good: Option<Timestamp>,
}

impl TargetState {
    /// How a target stood at `at`, from its newest good poll and the polls shortly before, oldest first.
    pub fn new(target: TargetName, at: Timestamp, good: Option<&PollRecord>, recent: &[PollRecord]) -> Self {
        let visits = recent.iter().rev().map(|record| &record.poll).filter(|poll| poll.started <= at);
        let visit = visits.into_iter().find(|poll| !matches!(poll.outcome, Outcome::Skipped | Outcome::Dropped));
        TargetState {
            target,
            outcome: visit.map(|poll| poll.outcome),
            last_good: good.map(|record| record.poll.started).filter(|started| *started <= at),
        }
    }
}

/// One entity, as it was at an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Which.
    pub identity: Identity,
    /// The facts in force.
    pub attributes: Arc<Attributes>,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// Since when it had ended, of what stays listed after its end.
    pub ended: Option<Timestamp>,
    /// Its newest sample.
    pub sample: Option<NewestSample>,
}

/// The newest sample of an entity.
#[derive(Debug, Clone, PartialEq)]
pub struct NewestSample {
    /// When it was taken.
    pub at: Timestamp,
    /// Stored columns, in the order of the kind's description.
    pub columns: Vec<Number>,
    /// Derived columns, in the order of the kind's description.
    pub derived: Vec<Number>,
}

/// The part that an entity is of the picture, without its sample: nothing where it was not there or is not asked for.
/// It was there if its target's newest good visit, which began at `last_good`, still listed it.
pub fn part(selected: &Selected, entity: &EntityRecord, at: Timestamp, last_good: Timestamp) -> Option<Part> {
    if entity.first_seen > at || entity.last_seen < last_good {
        return None;
    }
    let attributes = entity.attributes_at(at);
    selected.filter.matches(selected.kind, &entity.identity, &attributes).then(|| Part {
        identity: entity.identity.clone(),
        attributes,
        first_seen: entity.first_seen,
        ended: entity.ended.filter(|ended| *ended <= at),
        sample: None,
    })
}

/// The newest sample inside a run.
pub fn newest_sample(
    reader: &SampleReader,
    selected: &Selected,
    entity: &EntityRecord,
    run: &Run,
) -> Option<NewestSample> {
    let mut newest = None;
    let every = Filter::default();
    // Only the last row is wanted, and a derived number needs nothing but the one before it.
    let after = run.inside().end.checked_sub(2).and_then(|index| run.at.get(index)).copied();
    let after = after.filter(|_| run.inside().len() > 1);
    let _ = reader.rows(selected.kind, entity, run, &every, after, &mut |row| {
        newest = Some(NewestSample { at: row.at, columns: row.columns.to_vec(), derived: row.derived.to_vec() });
        ControlFlow::Continue(())
    });
    newest
}
