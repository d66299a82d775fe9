//! When targets were seen, from their polls around a range.
//!
//! Must not know: entities, samples.

use super::{AnswerError, RUN_MS, Stop};
use crate::model::time::settle_ms;
use crate::model::{TargetName, TimeRange};
use crate::query::seen::{Seen, silence_ms};
use crate::store::Store;

/// Longest time whose polls are read at once, after a time without any: 70,000 polls every 10 s.
const POLLS_PIECE_MAX_MS: i64 = 8 * RUN_MS;
/// When a target was seen in a range, and around it, so that a gap that reaches into it has its cause: before it as far
/// as a target may be silent, after it as long as the range takes to settle, so that what comes later changes nothing.
pub(super) fn seen(store: &Store, target: &TargetName, range: TimeRange, stop: &Stop) -> Result<Seen, AnswerError> {
    let mut seen = Seen::new(target.clone());
    let newest =
        store.targets()?.into_iter().find(|record| record.target == *target).and_then(|record| record.last_poll);
    let edge = TimeRange::new(range.start(), range.start()).unwrap_or(range);
    let around = store.polls(target, edge)?;
    let polls = [&around.good_before, &around.good_after, &newest];
    let interval_ms = polls.into_iter().flatten().map(|record| record.poll.interval_ms).max().unwrap_or(0);
    let after_ms = settle_ms(interval_ms);
    let until = newest.map_or(range.start(), |newest| newest.poll.started.plus_ms(after_ms));
    let mut from = range.start().plus_ms(silence_ms(interval_ms).max(after_ms).saturating_neg());
    let until = range.end().plus_ms(after_ms).min(until).max(range.start());
    let (mut is_first, mut piece_ms, mut after) = (true, RUN_MS, None);
    while let Some(piece) = TimeRange::new(from, from.plus_ms(piece_ms).min(until)).filter(|piece| !piece.is_empty()) {
        stop.check()?;
        let polls = store.polls(target, piece)?;
        if is_first {
            polls.good_before.iter().for_each(|poll| seen.fold(poll));
            is_first = false;
        }
        polls.inside.iter().for_each(|poll| seen.fold(poll));
        // Years before the first poll are passed in longer steps.
        piece_ms = if polls.inside.is_empty() { piece_ms.saturating_mul(2).min(POLLS_PIECE_MAX_MS) } else { RUN_MS };
        after = polls.good_after;
        from = piece.end();
    }
    after.iter().for_each(|poll| seen.fold(poll));
    Ok(seen)
}

/// When a recorder ran, in the range and so long before it.
pub(super) fn recorder_ran(
    store: &Store,
    range: TimeRange,
    before_ms: i64,
    stop: &Stop,
) -> Result<Vec<TimeRange>, AnswerError> {
    let Some(wider) = TimeRange::new(range.start().plus_ms(before_ms.saturating_neg()), range.end()) else {
        return Ok(Vec::new());
    };
    let mut ran: Vec<TimeRange> = Vec::new();
    for record in store.targets()?.iter().filter(|record| record.target.is_recorder()) {
        ran.extend(seen(store, &record.target, wider, stop)?.covered());
    }
    // Of several recorders one after the other; a machine that was renamed has two.
    ran.sort_by_key(|span| span.start());
    Ok(ran)
}
