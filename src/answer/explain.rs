//! What is behind one cell of an answer, read again.
//!
//! Must not know: how it is put into words.

use std::ops::ControlFlow;

use super::{AnswerError, RUN_MS, STRETCH_REACH_MS, for_each_entity};
use crate::model::TimeRange;
use crate::query::explain::Explained;
use crate::query::frame::Frame;
use crate::query::request::RangeRequest;
use crate::store::{Fetch, Store};

/// Explains the first series' first field in the last bucket; None where there is no series.
pub fn explain(store: &Store, request: &RangeRequest, frame: &Frame) -> Result<Option<Explained>, AnswerError> {
    let Some(mut explained) = Explained::new(request, frame) else { return Ok(None) };
    // A run is at most a day: of a longer bucket its last day is shown.
    let bucket = explained.bucket;
    let last = TimeRange::new(bucket.end().plus_ms(-RUN_MS).max(bucket.start()), bucket.end()).unwrap_or(bucket);
    let reach = TimeRange::new(last.start(), last.end().plus_ms(STRETCH_REACH_MS)).unwrap_or(last);
    for_each_entity(store, request.kind, &request.filter, reach, None, |entity| {
        if explained.is_member(request, entity) {
            let fetch =
                Fetch { kind: request.kind, identity: &entity.identity, range: last, columns: explained.wanted() };
            let run = store.read(&fetch)?;
            explained.take(entity, &run);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Some(explained))
}
