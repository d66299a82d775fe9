//! Samples as recorded, streamed: by identity, then time.
//!
//! Must not know: how rows are printed.

use std::ops::ControlFlow;

use super::reading::Together;
use super::{AnswerError, RUN_MS, Readings, Stop, for_each_entity};
use crate::model::{EntityRecord, Identity, Run, TimeRange, Timestamp};
use crate::query::request::SamplesRequest;
use crate::query::samples::{SampleReader, SampleRow};
use crate::store::Store;

/// How a stream of samples ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamplesEnd {
    /// Rows given.
    pub rows: u64,
    /// The last row given, where the limit cut the stream and more rows follow.
    pub next: Option<(Identity, Timestamp)>,
}

/// Whether a samples request can be answered whole: not where retention has taken part of its range.
pub fn check_samples(store: &Store, request: &SamplesRequest) -> Result<(), AnswerError> {
    match store.samples_kept_from()? {
        Some(kept_from) if request.range.start() < kept_from => Err(AnswerError::Gone { kept_from }),
        _ => Ok(()),
    }
}

/// The samples of a range as recorded, with what is derived from them: rows by identity, then time.
pub fn samples(
    store: &Store,
    request: &SamplesRequest,
    stop: &Stop,
    emit: &mut dyn FnMut(SampleRow<'_>) -> ControlFlow<()>,
) -> Result<SamplesEnd, AnswerError> {
    check_samples(store, request)?;
    let kind = request.kind;
    let reader = SampleReader::new(kind);
    let mut rows = 0u64;
    let mut last: Option<(Identity, Timestamp)> = None;
    let mut is_cut = false;
    let limit = request.limit.map(|limit| u64::try_from(limit).unwrap_or(u64::MAX));
    let mut give = |entity: &EntityRecord, run: &Run, after: Option<Timestamp>| {
        reader.rows(kind, entity, run, &request.filter, after, &mut |row| {
            if limit.is_some_and(|limit| rows >= limit) {
                is_cut = true;
                return ControlFlow::Break(());
            }
            if limit.is_some() {
                last = Some((row.identity.clone(), row.at));
            }
            rows += 1;
            emit(row)
        })
    };
    // Rows are by identity, then time: only what is read at once can be read together.
    let is_one_run = request.range.pieces(RUN_MS).nth(1).is_none();
    let mut together = Together::of(request.range, reader.columns().len(), 0);
    let mut batch = Vec::new();
    let mut give_all =
        |batch: &mut Vec<EntityRecord>, together: &mut Together| -> Result<ControlFlow<()>, AnswerError> {
            let batch = std::mem::take(batch);
            let after = |entity: &EntityRecord| {
                request.cursor.as_ref().filter(|(identity, _)| *identity == entity.identity).map(|(_, at)| *at)
            };
            // Where a page goes on, what it has had already is not read again.
            let from = batch.first().and_then(after).filter(|_| batch.len() == 1);
            let from = from.map_or(request.range.start(), |after| request.range.start().max(after));
            let Some(range) = TimeRange::new(from, request.range.end()) else { return Ok(ControlFlow::Continue(())) };
            let identities = batch.iter().map(|entity| entity.identity.clone());
            let mut readings = Readings::of(kind, identities, range);
            loop {
                let runs = readings.next(store, reader.columns(), stop)?;
                if runs.is_empty() {
                    return Ok(ControlFlow::Continue(()));
                }
                together.learn(runs.iter().map(|(_, run)| run));
                for (place, run) in &runs {
                    let Some(entity) = batch.get(*place) else { continue };
                    if give(entity, run, after(entity)).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        };
    let from = request.cursor.as_ref().map(|(identity, _)| identity);
    let mut is_over = false;
    for_each_entity(store, kind, &request.filter, request.range, from, |entity| {
        let may_pass =
            entity.versions.iter().any(|version| request.filter.matches(kind, &entity.identity, &version.attributes));
        if !may_pass {
            return Ok(ControlFlow::Continue(()));
        }
        batch.push(entity.clone());
        // The first is read alone: of a page that is all, often.
        let count = if is_one_run && together.is_learnt() { together.count() } else { 1 };
        if batch.len() >= count {
            let ended = give_all(&mut batch, &mut together)?;
            is_over = ended.is_break();
            return Ok(ended);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if !is_over {
        let _ = give_all(&mut batch, &mut together)?;
    }
    Ok(SamplesEnd { rows, next: last.filter(|_| is_cut) })
}
