//! Everything as it was at an instant, read kind by kind.
//!
//! Must not know: how the picture is printed.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::{AnswerError, for_each_entity};
use crate::model::{EntityRecord, TargetName, TimeRange, Timestamp};
use crate::query::request::{Selected, SnapshotRequest};
use crate::query::samples::SampleReader;
use crate::query::snapshot::{NewestSample, Part, TargetState, newest_sample, part};
use crate::store::{Fetch, Store};

/// What no good visit has seen for this long before the instant is no part of its picture: a target that was taken
/// out of the configuration would stand in it for ever.
const LOOK_BACK_MS: i64 = 86_400_000;
/// How far back a target's newest visit is looked for: three of the longest default intervals.
const RECENT_MS: i64 = 1_800_000;
/// Samples looked through at once for the newest; an older one costs another look.
const NEAR_MS: i64 = 30_000;
/// Most entities of one kind in a picture: it is put together in memory, with all attributes and columns.
const PARTS_MAX: usize = 20_000;

/// The picture of an instant.
#[derive(Debug)]
pub struct AsOf<'a> {
    store: &'a Store,
    at: Timestamp,
    targets: Vec<TargetState>,
    last_good: HashMap<TargetName, Timestamp>,
}

impl<'a> AsOf<'a> {
    /// Finds out how every target stood at the request's instant.
    pub fn new(store: &'a Store, request: &SnapshotRequest) -> Result<AsOf<'a>, AnswerError> {
        let at = request.at;
        let (mut targets, mut last_good) = (Vec::new(), HashMap::new());
        for record in store.targets()? {
            let after = instant(at.plus_ms(1));
            let good = store.polls(&record.target, after)?.good_before;
            let recent = TimeRange::new(at.plus_ms(-RECENT_MS), at.plus_ms(1)).unwrap_or(after);
            let recent = store.polls(&record.target, recent)?.inside;
            let state = TargetState::new(record.target, at, good.as_ref(), &recent);
            let is_near = |good: &Timestamp| at.ms_since(*good) <= LOOK_BACK_MS;
            if let Some(good) = state.last_good.filter(is_near) {
                last_good.insert(state.target.clone(), good);
            } else if state.outcome.is_none() {
                continue;
            }
            targets.push(state);
        }
        Ok(AsOf { store, at, targets, last_good })
    }

    /// How the targets stood, by name.
    pub fn targets(&self) -> &[TargetState] {
        &self.targets
    }

    /// What was there of one kind, in identity order.
    pub fn parts(&self, selected: &Selected) -> Result<Vec<Part>, AnswerError> {
        let reader = SampleReader::new(selected.kind);
        let mut parts = Vec::new();
        let around = TimeRange::new(self.at.plus_ms(-LOOK_BACK_MS), self.at.plus_ms(1)).unwrap_or(instant(self.at));
        for_each_entity(self.store, selected.kind, &selected.filter, around, None, |entity| {
            let Some(&last_good) = self.last_good.get(&entity.target) else { return Ok(ControlFlow::Continue(())) };
            if let Some(mut part) = part(selected, entity, self.at, last_good) {
                if parts.len() == PARTS_MAX {
                    let kind = selected.kind.name;
                    let message = format!(
                        "more than {PARTS_MAX} of kind {kind}: narrow them by a filter such as host=, or ask for other kinds="
                    );
                    return Err(AnswerError::TooMany { message });
                }
                part.sample = self.newest(&reader, selected, entity)?;
                parts.push(part);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(parts)
    }

    fn newest(
        &self,
        reader: &SampleReader,
        selected: &Selected,
        entity: &EntityRecord,
    ) -> Result<Option<NewestSample>, AnswerError> {
        let read = |range| {
            let fetch = Fetch { kind: selected.kind, identity: &entity.identity, range, columns: reader.columns() };
            self.store.read(&fetch)
        };
        let near = TimeRange::new(self.at.plus_ms(-NEAR_MS), self.at.plus_ms(1)).unwrap_or(instant(self.at));
        let run = read(near)?;
        if !run.inside().is_empty() || !run.has_before {
            return Ok(newest_sample(reader, selected, entity, &run));
        }
        let Some(&before) = run.at.first() else { return Ok(None) };
        Ok(newest_sample(reader, selected, entity, &read(instant(before))?))
    }
}

/// The millisecond at an instant.
fn instant(at: Timestamp) -> TimeRange {
    TimeRange::new(at, at.plus_ms(1)).unwrap_or(TimeRange::ALL)
}
