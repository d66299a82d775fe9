//! When a target was seen: covered time between good polls, and the gaps with their causes.
//!
//! Must not know: entities, samples, the store; polls come in as values, in time order.

use crate::model::{Outcome, PollRecord, TargetName, TimeRange, Timestamp};
use crate::rate::HOLE_INTERVALS;

use super::frame::Gap;

/// Failed polls are repeated at least this often (a minute, or six intervals if longer); a longer silence
/// means that nobody polled.
const SILENCE_MS: i64 = 90_000;
const SILENCE_INTERVALS: i64 = 9;

/// When one target was seen, built by folding its polls in time order.
#[derive(Debug, Clone)]
pub struct Seen {
    target: TargetName,
    covered: Vec<TimeRange>,
    gaps: Vec<Gap>,
    last_good: Option<Timestamp>,
    last_good_started: Option<Timestamp>,
    last_tick: Option<(Timestamp, Outcome)>,
    pending: Vec<Gap>,
    interval_ms: i64,
}

impl Seen {
    /// A target of which nothing is known yet.
    pub fn new(target: TargetName) -> Self {
        Seen {
            target,
            covered: Vec::new(),
            gaps: Vec::new(),
            last_good: None,
            last_good_started: None,
            last_tick: None,
            pending: Vec::new(),
            interval_ms: 0,
        }
    }

    /// Takes the next tick.
    pub fn fold(&mut self, tick: &PollRecord) {
        let poll = &tick.poll;
        self.interval_ms = poll.interval_ms;
        if !poll.outcome.is_good() {
            self.extend_gap(poll.started, Some(poll.outcome), poll.interval_ms);
            self.last_tick = Some((poll.started, poll.outcome));
            return;
        }
        if let Some(before) = self.last_good {
            let longest_ms = poll.interval_ms.saturating_mul(HOLE_INTERVALS);
            if tick.seen_until.ms_since(before) <= longest_ms {
                if let Some(span) = TimeRange::new(before, tick.seen_until) {
                    self.cover(span);
                }
            } else {
                let cause = self.last_tick.map(|(_, outcome)| outcome);
                self.extend_gap(tick.seen_until, cause, poll.interval_ms);
                self.gaps.append(&mut self.pending);
            }
        } else {
            self.gaps.append(&mut self.pending);
        }
        self.pending.clear();
        self.last_tick = None;
        self.last_good = Some(self.last_good.map_or(tick.seen_until, |before| before.max(tick.seen_until)));
        self.last_good_started = Some(poll.started);
    }

    /// Adds the silence before `until` to the gap that is open, told apart from time in which polls failed.
    fn extend_gap(&mut self, until: Timestamp, cause: Option<Outcome>, interval_ms: i64) {
        let from = self.last_tick.map(|(at, _)| at).into_iter().chain(self.last_good).max();
        let Some(from) = from else {
            return;
        };
        let silence_ms = SILENCE_MS.max(interval_ms.saturating_mul(SILENCE_INTERVALS));
        let cause = cause.filter(|_| until.ms_since(from) <= silence_ms);
        match self.pending.last_mut() {
            Some(gap) if gap.cause == cause => gap.end = until,
            _ => self.pending.push(Gap { target: self.target.clone(), start: from, end: until, cause }),
        }
    }

    fn cover(&mut self, span: TimeRange) {
        match self.covered.last_mut() {
            Some(last) if last.end() == span.start() => {
                if let Some(longer) = TimeRange::new(last.start(), span.end()) {
                    *last = longer;
                }
            }
            _ => self.covered.push(span),
        }
    }

    /// The stretches in which the target was seen, in time order, not touching.
    pub fn covered(&self) -> &[TimeRange] {
        &self.covered
    }

    /// When its newest good poll started.
    pub fn last_good_started(&self) -> Option<Timestamp> {
        self.last_good_started
    }

    /// Milliseconds of `range` in which the target was seen.
    pub fn covered_ms(&self, range: TimeRange) -> i64 {
        let first = self.covered.partition_point(|span| span.end() <= range.start());
        let overlapping = self.covered.iter().skip(first).take_while(|span| span.start() < range.end());
        overlapping.filter_map(|span| span.intersect(range)).map(TimeRange::ms).sum()
    }

    /// The last instant of `range` up to which the target was seen.
    pub fn covered_until(&self, range: TimeRange) -> Option<Timestamp> {
        let after = self.covered.partition_point(|span| span.start() < range.end());
        let last = after.checked_sub(1).and_then(|index| self.covered.get(index))?;
        last.intersect(range).map(TimeRange::end)
    }

    /// The gaps within a range, cut at it. Time before the first tick and after the last is a gap too, once it is
    /// longer than a hole.
    pub fn gaps(&self, range: TimeRange) -> Vec<Gap> {
        let mut gaps = self.gaps.clone();
        gaps.extend(self.pending.iter().cloned());
        let first_known = gaps
            .iter()
            .map(|gap| gap.start)
            .chain(self.covered.iter().map(|span| span.start()))
            .chain(self.last_good)
            .chain(self.last_tick.map(|(at, _)| at))
            .min();
        let last_known = gaps
            .iter()
            .map(|gap| gap.end)
            .chain(self.covered.iter().map(|span| span.end()))
            .chain(self.last_good)
            .chain(self.last_tick.map(|(at, _)| at))
            .max();
        let silent = |start: Timestamp, end: Timestamp, cause| Gap { target: self.target.clone(), start, end, cause };
        let longest_ms = self.interval_ms.saturating_mul(HOLE_INTERVALS);
        match (first_known, last_known) {
            (Some(first), Some(last)) => {
                if first > range.start() {
                    gaps.insert(0, silent(range.start(), first, None));
                }
                if range.end().ms_since(last) > longest_ms {
                    gaps.push(silent(last, range.end(), None));
                }
            }
            _ => gaps.push(silent(range.start(), range.end(), None)),
        }
        gaps.retain_mut(|gap| match TimeRange::new(gap.start, gap.end).and_then(|span| span.intersect(range)) {
            Some(cut) => {
                gap.start = cut.start();
                gap.end = cut.end();
                true
            }
            None => false,
        });
        gaps
    }
}
