//! When targets were seen, from their polls around a range, or from chains of them.
//!
//! Must not know: entities, samples.

use super::{AnswerError, RUN_MS, Stop};
use crate::model::time::settle_ms;
use crate::model::{PollChain, TargetName, TimeRange, Timestamp};
use crate::query::seen::Seen;
use crate::rate::chain::{ahead_ms, silence_ms};
use crate::store::{Chains, Store};

/// Longest time whose polls are read at once, after a time without any: 70,000 polls every 10 s.
const POLLS_PIECE_MAX_MS: i64 = 8 * RUN_MS;
/// A day, which chains of polls are kept by.
const DAY_MS: i64 = RUN_MS;

/// A piece of a target's ticks.
#[derive(Debug)]
enum Ticks {
    /// They are chains.
    Chains(Vec<PollChain>),
    /// They are to be read poll by poll.
    Polls(TimeRange),
}

/// When a target was seen in a range, and around it, so that a gap that reaches into it has its cause: before it as far
/// as a target may be silent after what an older poll tells of, after it as long as the range takes to settle, and no
/// longer, so that what comes later changes nothing. `by_hours`: from chains, as far as there are any.
pub(super) fn seen(
    store: &Store,
    target: &TargetName,
    range: TimeRange,
    (now, by_hours): (Timestamp, bool),
    stop: &Stop,
) -> Result<Seen, AnswerError> {
    let mut seen = Seen::new(target.clone());
    let record = store.targets()?.into_iter().find(|record| record.target == *target);
    let newest_tick = record.as_ref().map(|record| record.last_tick);
    let polled_until = newest_tick.map_or(range.start(), |tick| tick.plus_ms(1));
    // A clock that was put back is earlier than what it said before.
    let now = newest_tick.map_or(now, |tick| tick.max(now));
    let newest = record.and_then(|record| record.last_poll);
    let known = if by_hours { store.poll_chains(target, days(range))? } else { Chains::default() };
    let interval_ms = interval_ms(store, target, range, &known)?.or(newest.map(|newest| newest.poll.interval_ms));
    let interval_ms = interval_ms.unwrap_or(0);
    let after_ms = settle_ms(interval_ms);
    let before_ms = silence_ms(interval_ms).max(after_ms).saturating_add(ahead_ms(interval_ms));
    let from = range.start().plus_ms(before_ms.saturating_neg());
    let Some(around) = TimeRange::new(from, range.end().plus_ms(after_ms)) else { return Ok(seen) };
    let known = if by_hours { store.poll_chains(target, days(around))? } else { known };
    for (index, piece) in pieces(around, known.days).into_iter().enumerate() {
        if index == 0 {
            fold_before(store, target, around.start(), known.good_before, &piece, &mut seen)?;
        }
        match piece {
            Ticks::Chains(mut chains) => {
                chains.retain(|chain| chain.last.started >= around.start() && chain.first.started < around.end());
                chains.iter().for_each(|chain| seen.fold_chain(chain));
            }
            Ticks::Polls(piece) => fold_polls(store, target, piece, polled_until, &mut seen, stop)?,
        }
    }
    seen.end(around.end().min(now.max(range.end())));
    Ok(seen)
}

/// The longest polling interval at the ends of a range, or within it as far as there are chains; where no good tick comes
/// before its end, that of the first one after it.
fn interval_ms(
    store: &Store,
    target: &TargetName,
    range: TimeRange,
    known: &Chains,
) -> Result<Option<i64>, AnswerError> {
    let (start, end) = (store.polls(target, instant(range.start()))?, store.polls(target, instant(range.end()))?);
    let polls = [&start.good_before, &end.good_before].into_iter().flatten().map(|poll| poll.poll.interval_ms);
    let within = known.days.iter().flat_map(|(_, chains)| chains).filter(|chain| chain.first.started < range.end());
    let chains = known.good_before.iter().chain(within).filter(|chain| chain.outcome.is_good());
    let before = polls.chain(chains.flat_map(|chain| [chain.first.interval_ms, chain.last.interval_ms])).max();
    let after = start.good_after.map(|poll| poll.poll.interval_ms);
    Ok(before.or(after).or(known.good_after.map(|chain| chain.first.interval_ms)))
}

fn instant(at: Timestamp) -> TimeRange {
    TimeRange::new(at, at).unwrap_or(TimeRange::ALL)
}

/// The whole days that a range touches.
fn days(range: TimeRange) -> TimeRange {
    let day = |at: Timestamp| Timestamp::from_ms(at.ms().div_euclid(DAY_MS).saturating_mul(DAY_MS));
    TimeRange::new(day(range.start()), day(range.end()).plus_ms(DAY_MS)).unwrap_or(range)
}

/// A range of ticks as pieces in the order of time. A day of chains is one whole.
fn pieces(range: TimeRange, days: Vec<(TimeRange, Vec<PollChain>)>) -> Vec<Ticks> {
    let polls = |from: Timestamp, until: Timestamp| {
        TimeRange::new(from, until).filter(|piece| !piece.is_empty()).map(Ticks::Polls)
    };
    let mut pieces = Vec::new();
    let mut from = range.start();
    for (day, chains) in days {
        pieces.extend(polls(from, day.start()));
        pieces.push(Ticks::Chains(chains));
        from = day.end();
    }
    pieces.extend(polls(from, range.end()));
    pieces
}

/// Folds the newest good tick before an instant: of polls, of the chains of days before, or of those of the day it lies in.
fn fold_before(
    store: &Store,
    target: &TargetName,
    from: Timestamp,
    chain_before: Option<PollChain>,
    first: &Ticks,
    seen: &mut Seen,
) -> Result<(), AnswerError> {
    let of_day = match first {
        Ticks::Chains(chains) => chains.as_slice(),
        Ticks::Polls(_) => &[],
    };
    let is_before = |chain: &&PollChain| chain.outcome.is_good() && chain.last.started < from;
    let chain = of_day.iter().filter(is_before).chain(&chain_before).max_by_key(|chain| chain.last.started);
    let poll = store.polls(target, instant(from))?.good_before;
    match (poll, chain) {
        (Some(poll), chain) if chain.is_none_or(|chain| chain.last.started <= poll.poll.started) => seen.fold(&poll),
        (_, Some(chain)) => seen.fold_chain(chain),
        (_, None) => {}
    }
    Ok(())
}

/// Folds the polls of a range, as far as there are any.
fn fold_polls(
    store: &Store,
    target: &TargetName,
    range: TimeRange,
    polled_until: Timestamp,
    seen: &mut Seen,
    stop: &Stop,
) -> Result<(), AnswerError> {
    let until = range.end().min(polled_until);
    let (mut from, mut piece_ms) = (range.start(), RUN_MS);
    while let Some(piece) = TimeRange::new(from, from.plus_ms(piece_ms).min(until)).filter(|piece| !piece.is_empty()) {
        stop.check()?;
        let polls = store.polls(target, piece)?;
        polls.inside.iter().for_each(|poll| seen.fold(poll));
        // Years before the first poll are passed in longer steps.
        piece_ms = if polls.inside.is_empty() { piece_ms.saturating_mul(2).min(POLLS_PIECE_MAX_MS) } else { RUN_MS };
        from = piece.end();
    }
    Ok(())
}

/// When a recorder ran, in the range and so long before it.
pub(super) fn recorder_ran(
    store: &Store,
    range: TimeRange,
    before_ms: i64,
    (now, by_hours): (Timestamp, bool),
    stop: &Stop,
) -> Result<Vec<TimeRange>, AnswerError> {
    let Some(wider) = TimeRange::new(range.start().plus_ms(before_ms.saturating_neg()), range.end()) else {
        return Ok(Vec::new());
    };
    let mut ran: Vec<TimeRange> = Vec::new();
    for target in store.targets()?.into_iter().map(|record| record.target).filter(TargetName::is_recorder) {
        ran.extend(seen(store, &target, wider, (now, by_hours), stop)?.covered());
    }
    // Of several recorders one after the other; a machine that was renamed has two.
    ran.sort_by_key(|span| span.start());
    Ok(ran)
}

#[cfg(test)]
mod tests;
