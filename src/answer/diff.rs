//! What differs between two instants, read kind by kind.
//!
//! Must not know: how differences are ranked or printed.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::{AnswerError, Stop, for_each_entity};
use crate::model::{TargetName, TimeRange, Timestamp};
use crate::query::diff::Diff;
use crate::query::request::{DiffRequest, Selected};
use crate::store::Store;

/// Most things and facts of an answer: it is put together in memory, and nobody reads more.
const DIFFERENCES_MAX: usize = 20_000;
/// The interval of a target whose polls are not kept: the configuration's default.
const INTERVAL_MS: i64 = 10_000;

/// What is known of a target besides its entities.
#[derive(Debug, Clone, Copy)]
struct Polled {
    /// The start of its first good poll, if that lies in or after the range; else the beginning of time.
    known_from: Timestamp,
    /// The interval it was polled at, last before the range's end.
    interval_ms: i64,
}

/// The answer to a diff request.
pub fn diff(store: &Store, request: &DiffRequest, stop: &Stop) -> Result<Diff, AnswerError> {
    let mut diff = Diff::default();
    let mut targets = HashMap::new();
    for selected in &request.kinds {
        let interval_ms = take_entities(store, request, selected, &mut targets, &mut diff)?;
        let Some(interval_ms) = interval_ms else { continue };
        let question = |window| request.numbers(selected, window, interval_ms);
        if let (Some(before), Some(after)) = (question(request.before), question(request.after)) {
            let frames = (super::range(store, &before, stop)?, super::range(store, &after, stop)?);
            diff.compare(&frames.0, &frames.1, (&before.edges, &after.edges));
        }
    }
    diff.finish(request.top);
    Ok(diff)
}

/// Takes every entity of a kind; returns the longest interval that one of them is polled at, if there are any.
fn take_entities(
    store: &Store,
    request: &DiffRequest,
    selected: &Selected,
    targets: &mut HashMap<TargetName, Polled>,
    diff: &mut Diff,
) -> Result<Option<i64>, AnswerError> {
    let range = request.range;
    let whole = TimeRange::new(request.before.start(), range.end()).unwrap_or(range);
    let mut longest_ms = None;
    for_each_entity(store, selected.kind, &selected.filter, whole, None, |entity| {
        let polled = match targets.get(&entity.target) {
            Some(polled) => *polled,
            None => {
                let polled = polled(store, &entity.target, range)?;
                targets.insert(entity.target.clone(), polled);
                polled
            }
        };
        longest_ms = longest_ms.max(Some(polled.interval_ms));
        diff.take(selected, entity, range, polled.known_from);
        if diff.len() > DIFFERENCES_MAX {
            let message = format!(
                "more than {DIFFERENCES_MAX} things came, went or changed: bring from and to closer together, or narrow \
                 them by kinds= or a filter such as host="
            );
            return Err(AnswerError::TooMany { message });
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(longest_ms)
}

fn polled(store: &Store, target: &TargetName, range: TimeRange) -> Result<Polled, AnswerError> {
    let edge = |at: Timestamp| TimeRange::new(at, at).unwrap_or(TimeRange::ALL);
    let at_start = store.polls(target, edge(range.start()))?;
    let at_end = store.polls(target, edge(range.end()))?;
    let first = at_start.good_after.filter(|_| at_start.good_before.is_none());
    Ok(Polled {
        known_from: first.map_or(Timestamp::MIN, |first| first.poll.started),
        interval_ms: at_end.good_before.map_or(INTERVAL_MS, |last| last.poll.interval_ms),
    })
}
