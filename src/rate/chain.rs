//! When ticks of a target follow each other without a break: good ones cover the time between, failed ones are one gap.
//!
//! Must not know: where polls come from, what is made of chains.

use crate::model::{Outcome, PollChain, PollLink, PollRecord};

use super::HOLE_INTERVALS;

/// Failed polls are repeated at least this often (a minute, or six intervals if longer); a longer silence means that
/// nobody polled.
const SILENCE_MS: i64 = 90_000;
const SILENCE_INTERVALS: i64 = 9;

/// A good poll tells of its target up to its newest sample: not less than up to its own start, and not further after that
/// than this, or than is covered between two of them if that is longer, whatever the clocks of samples say. So what is
/// known of a range never depends on polls long before it or after it.
const AHEAD_MS: i64 = 30_000;

/// The longest time between two good polls of this interval, that is covered by them.
pub fn reach_ms(interval_ms: i64) -> i64 {
    interval_ms.saturating_mul(HOLE_INTERVALS)
}

/// The longest time before a tick of this interval in which somebody polled.
pub fn silence_ms(interval_ms: i64) -> i64 {
    SILENCE_MS.max(interval_ms.saturating_mul(SILENCE_INTERVALS))
}

/// The longest time after its start that a poll of this interval tells of.
pub fn ahead_ms(interval_ms: i64) -> i64 {
    reach_ms(interval_ms).max(AHEAD_MS)
}

/// What matters of a tick.
pub fn link(tick: &PollRecord) -> PollLink {
    let (started, interval_ms) = (tick.poll.started, tick.poll.interval_ms);
    let seen_until = tick.seen_until.max(started).min(started.plus_ms(ahead_ms(interval_ms)));
    PollLink { started, seen_until, interval_ms }
}

/// Makes chains of ticks in their order.
pub fn chains<'a>(ticks: impl Iterator<Item = &'a PollRecord>) -> Vec<PollChain> {
    let mut chains: Vec<PollChain> = Vec::new();
    for tick in ticks {
        let link = link(tick);
        match chains.last_mut() {
            Some(chain) if goes_on(chain, tick.poll.outcome, link) => {
                chain.last = PollLink { seen_until: chain.last.seen_until.max(link.seen_until), ..link };
            }
            _ => chains.push(PollChain { outcome: tick.poll.outcome, first: link, last: link }),
        }
    }
    chains
}

fn goes_on(chain: &PollChain, outcome: Outcome, link: PollLink) -> bool {
    if chain.outcome.is_good() {
        outcome.is_good() && link.seen_until.ms_since(chain.last.seen_until) <= reach_ms(link.interval_ms)
    } else {
        // The gap that the first of them ends may be a silence, so that a second begins another.
        outcome == chain.outcome && link.started.ms_since(chain.last.started) <= silence_ms(link.interval_ms)
    }
}
