//! When a target was seen: covered time between good polls, and the gaps with their causes.
//!
//! Must not know: entities, samples, the store; polls come in as values, in time order.

use crate::model::{Outcome, PollChain, PollLink, PollRecord, TargetName, TimeRange, Timestamp};
use crate::rate::chain::{reach_ms, silence_ms};

use super::frame::Gap;

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
        let link = PollLink {
            started: tick.poll.started,
            seen_until: tick.seen_until,
            interval_ms: tick.poll.interval_ms,
        };
        self.fold_link(tick.poll.outcome, link);
    }

    /// Takes the next ticks, which are a chain: the same as taking each of them.
    pub fn fold_chain(&mut self, chain: &PollChain) {
        self.fold_link(chain.outcome, chain.first);
        if chain.last == chain.first {
            return;
        }
        let last = chain.last;
        if chain.outcome.is_good() {
            let from = self.last_good.unwrap_or(chain.first.seen_until);
            if let Some(span) = TimeRange::new(from, last.seen_until) {
                self.cover(span);
            }
            self.end_good(last);
        } else {
            let from = self.last_known().unwrap_or(chain.first.started);
            self.extend_pending(from, last.started, Some(chain.outcome));
            self.last_tick = Some((last.started, chain.outcome));
        }
        self.interval_ms = last.interval_ms;
    }

    fn fold_link(&mut self, outcome: Outcome, tick: PollLink) {
        self.interval_ms = tick.interval_ms;
        if !outcome.is_good() {
            self.extend_gap(tick.started, Some(outcome), tick.interval_ms);
            self.last_tick = Some((tick.started, outcome));
            return;
        }
        if let Some(before) = self.last_good {
            if tick.seen_until.ms_since(before) <= reach_ms(tick.interval_ms) {
                if let Some(span) = TimeRange::new(before, tick.seen_until) {
                    self.cover(span);
                }
            } else {
                let cause = self.last_tick.map(|(_, outcome)| outcome);
                self.extend_gap(tick.seen_until, cause, tick.interval_ms);
                self.gaps.append(&mut self.pending);
            }
        } else {
            self.gaps.append(&mut self.pending);
        }
        self.end_good(tick);
    }

    fn end_good(&mut self, tick: PollLink) {
        self.pending.clear();
        self.last_tick = None;
        self.last_good = Some(self.last_good.map_or(tick.seen_until, |before| before.max(tick.seen_until)));
        self.last_good_started = Some(tick.started);
    }

    fn last_known(&self) -> Option<Timestamp> {
        self.last_tick.map(|(at, _)| at).into_iter().chain(self.last_good).max()
    }

    /// Adds the silence before `until` to the gap that is open, told apart from time in which polls failed.
    fn extend_gap(&mut self, until: Timestamp, cause: Option<Outcome>, interval_ms: i64) {
        let Some(from) = self.last_known() else {
            return;
        };
        let cause = cause.filter(|_| until.ms_since(from) <= silence_ms(interval_ms));
        self.extend_pending(from, until, cause);
    }

    fn extend_pending(&mut self, from: Timestamp, until: Timestamp, cause: Option<Outcome>) {
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
        let longest_ms = reach_ms(self.interval_ms);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Poll;

    /// Ticks in shorthand: `10 20! 30` are good polls at 10 s and 30 s and a refused one at 20 s; `20s` was skipped.
    fn seen(ticks: &str) -> Seen {
        let mut seen = Seen::new(TargetName::new("docker", "a"));
        for tick in ticks.split_whitespace() {
            let digits: String = tick.chars().filter(char::is_ascii_digit).collect();
            let outcome = match tick.trim_start_matches(|c: char| c.is_ascii_digit()) {
                "!" => Outcome::Refused,
                "t" => Outcome::Timeout,
                "s" => Outcome::Skipped,
                _ => Outcome::Ok,
            };
            let started = Timestamp::from_ms(digits.parse::<i64>().unwrap() * 1000);
            let poll = Poll {
                target: TargetName::new("docker", "a"),
                started,
                duration_ms: 0,
                interval_ms: 10_000,
                bytes: 0,
                outcome,
                error: None,
                missing: Vec::new(),
                clock_offset_ms: 0,
            };
            seen.fold(&PollRecord { poll, seen_until: started, samples: 0 });
        }
        seen
    }

    fn range(start: i64, end: i64) -> TimeRange {
        TimeRange::new(Timestamp::from_ms(start * 1000), Timestamp::from_ms(end * 1000)).unwrap()
    }

    fn check_gaps(ticks: &str, (start, end): (i64, i64), expected: &str) {
        let gaps = seen(ticks).gaps(range(start, end));
        let text: Vec<String> = gaps
            .iter()
            .map(|gap| format!("{}..{} {}", gap.start.ms() / 1000, gap.end.ms() / 1000, gap.cause_name()))
            .collect();
        assert_eq!(text.join(", "), expected, "{ticks}");
    }

    #[test]
    fn good_polls_up_to_three_intervals_apart_cover_the_time_between() {
        let seen = seen("0 10 20! 30! 40 80 90");
        assert_eq!(seen.covered(), [range(0, 40), range(80, 90)]);
        assert_eq!(seen.covered_ms(range(35, 85)), 10_000);
        assert_eq!(seen.covered_until(range(0, 60)), Some(Timestamp::from_ms(40_000)));
        assert_eq!(seen.covered_until(range(50, 60)), None);
    }

    #[test]
    fn gaps_have_the_cause_of_their_ticks() {
        check_gaps("0 10 20! 30! 40! 50! 60", (0, 60), "10..60 refused");
        check_gaps("0 10 20! 30! 40t 50t 60", (0, 60), "10..30 refused, 30..60 timeout");
        check_gaps("0 10 20s 30s 40s 50s 60", (0, 60), "10..60 skipped");
        check_gaps("0 10 20! 30", (0, 30), "");
    }

    #[test]
    fn silence_means_that_nobody_polled() {
        check_gaps("0 10 500 510", (0, 510), "10..500 not_running");
        check_gaps("0 10 20! 30! 500 510", (0, 510), "10..30 refused, 30..500 not_running");
    }

    #[test]
    fn time_before_the_first_tick_and_after_the_last_is_a_gap() {
        check_gaps("50 60 70", (0, 120), "0..50 not_running, 70..120 not_running");
        check_gaps("", (0, 60), "0..60 not_running");
        check_gaps("0 10 20 30 40", (10, 30), "");
        check_gaps("0 10! 20! 30! 40! 50! 60!", (20, 60), "20..60 refused");
    }
}
