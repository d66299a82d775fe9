//! When a target was seen: covered time between good polls, and the gaps with their causes.
//!
//! Must not know: entities, samples, the store; polls come in as values, in time order.

use crate::model::{Outcome, PollChain, PollLink, PollRecord, TargetName, TimeRange, Timestamp};
use crate::rate::chain::{self, reach_ms, silence_ms};

use super::frame::{Cause, Gap};

/// When one target was seen, built by folding its polls in time order.
#[derive(Debug, Clone)]
pub struct Seen {
    target: TargetName,
    covered: Vec<TimeRange>,
    gaps: Vec<Unseen>,
    last_good: Option<Timestamp>,
    last_good_started: Option<Timestamp>,
    last_tick: Option<(Timestamp, Outcome)>,
    pending: Vec<Unseen>,
    interval_ms: i64,
}

/// A stretch in which a target was not seen.
#[derive(Debug, Clone, Copy)]
struct Unseen {
    start: Timestamp,
    end: Timestamp,
    /// How its ticks ended; None where it had none.
    outcome: Option<Outcome>,
    /// A target that is polled has a tick within this time.
    patience_ms: i64,
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
        self.fold_link(tick.poll.outcome, chain::link(tick));
    }

    /// Takes the next ticks, which are a chain: the same as taking each of them.
    pub fn fold_chain(&mut self, chain: &PollChain) {
        self.fold_link(chain.outcome, chain.first);
        let last = chain.last;
        if last == chain.first {
            return;
        }
        if chain.outcome.is_good() {
            let from = self.last_good.unwrap_or(chain.first.seen_until);
            if let Some(span) = TimeRange::new(from, last.seen_until) {
                self.cover(span);
            }
            self.end_good(last);
        } else {
            let start = self.last_known().unwrap_or(chain.first.started);
            self.extend_pending(start, last.started, Some(chain.outcome), silence_ms(last.interval_ms));
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
    fn extend_gap(&mut self, until: Timestamp, outcome: Option<Outcome>, interval_ms: i64) {
        let Some(start) = self.last_known() else {
            return;
        };
        let silence_ms = silence_ms(interval_ms);
        let outcome = outcome.filter(|_| until.ms_since(start) <= silence_ms);
        let patience_ms = if self.last_tick.is_some() { silence_ms } else { reach_ms(interval_ms) };
        self.extend_pending(start, until, outcome, patience_ms);
    }

    fn extend_pending(&mut self, start: Timestamp, until: Timestamp, outcome: Option<Outcome>, patience_ms: i64) {
        match self.pending.last_mut() {
            Some(gap) if gap.outcome == outcome => gap.end = until,
            _ => self.pending.push(Unseen { start, end: until, outcome, patience_ms }),
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
    /// longer than a hole. `ran`: when the recorder itself was seen; without it nothing tells a target that was not
    /// configured from a recorder that did not run.
    pub fn gaps(&self, range: TimeRange, ran: &[TimeRange]) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for unseen in self.unseen(range) {
            match unseen.outcome {
                Some(outcome) => gaps.push((unseen.start, unseen.end, Cause::Polls(outcome))),
                None => unseen.split(ran, &mut gaps),
            }
        }
        let cut = |(start, end, cause)| {
            let cut = TimeRange::new(start, end).and_then(|gap| gap.intersect(range))?;
            Some(Gap { target: self.target.clone(), start: cut.start(), end: cut.end(), cause })
        };
        gaps.into_iter().filter_map(cut).collect()
    }

    /// How long it may be without a tick at its interval.
    pub fn silence_ms(&self) -> i64 {
        silence_ms(self.interval_ms)
    }

    /// Whether a range has time without any tick, so that it matters whether the recorder ran.
    pub fn has_silence(&self, range: TimeRange) -> bool {
        let is_silent = |unseen: &Unseen| unseen.outcome.is_none();
        self.unseen(range).iter().any(is_silent)
    }

    /// Everything unseen that reaches into a range.
    fn unseen(&self, range: TimeRange) -> Vec<Unseen> {
        let mut unseen: Vec<Unseen> = self.gaps.iter().chain(&self.pending).copied().collect();
        let ticks = self.last_good.into_iter().chain(self.last_tick.map(|(at, _)| at));
        let starts = unseen.iter().map(|gap| gap.start).chain(self.covered.iter().map(|span| span.start()));
        let first_known = starts.chain(ticks.clone()).min();
        let ends = unseen.iter().map(|gap| gap.end).chain(self.covered.iter().map(|span| span.end()));
        let last_known = ends.chain(ticks).max();
        let hole_ms = reach_ms(self.interval_ms);
        let silent = |start, end, patience_ms| Unseen { start, end, outcome: None, patience_ms };
        match (first_known, last_known) {
            (Some(first), Some(last)) => {
                if first > range.start() {
                    unseen.insert(0, silent(range.start(), first, hole_ms));
                }
                if range.end().ms_since(last) > hole_ms {
                    let is_down = self.last_tick.is_some();
                    let patience_ms = if is_down { silence_ms(self.interval_ms) } else { hole_ms };
                    unseen.push(silent(last, range.end(), patience_ms));
                }
            }
            _ => unseen.push(silent(range.start(), range.end(), hole_ms)),
        }
        unseen.retain(|gap| gap.start < range.end() && gap.end > range.start());
        unseen
    }
}

impl Unseen {
    /// Tells time in which the recorder did not run from time in which it ran and had nothing to do with the target: for
    /// longer than a target that it polls can be without a tick.
    fn split(self, ran: &[TimeRange], gaps: &mut Vec<(Timestamp, Timestamp, Cause)>) {
        let Some(silence) = TimeRange::new(self.start, self.end) else { return };
        let within = ran.iter().filter_map(|span| span.intersect(silence));
        let mut from = self.start;
        for idle in within.filter(|idle| idle.ms() > self.patience_ms) {
            if idle.start() > from {
                gaps.push((from, idle.start(), Cause::NotRunning));
            }
            // The recorder's own newest visit lies a little back.
            let is_last = self.end.ms_since(idle.end()) <= self.patience_ms;
            from = if is_last { self.end } else { idle.end() };
            gaps.push((idle.start(), from, Cause::NotConfigured));
        }
        if from < self.end {
            gaps.push((from, self.end, Cause::NotRunning));
        }
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
        check_gaps_beside(&[], ticks, (start, end), expected);
    }

    /// The same beside a recorder that ran at these times.
    fn check_gaps_beside(ran: &[TimeRange], ticks: &str, (start, end): (i64, i64), expected: &str) {
        let gaps = seen(ticks).gaps(range(start, end), ran);
        let text: Vec<String> = gaps
            .iter()
            .map(|gap| format!("{}..{} {}", gap.start.ms() / 1000, gap.end.ms() / 1000, gap.cause.name()))
            .collect();
        assert_eq!(text.join(", "), expected, "{ticks}");
    }

    #[test]
    fn silence_beside_a_recorder_that_ran_means_that_the_target_was_not_configured() {
        let always = [range(0, 10_000)];
        // Removed at 20 s; added at 500 s; both.
        check_gaps_beside(&always, "0 10 20", (100, 400), "100..400 not_configured");
        check_gaps_beside(&always, "500 510 520", (100, 520), "100..500 not_configured");
        check_gaps_beside(&always, "0 10 20 500 510", (0, 510), "20..500 not_configured");
        check_gaps_beside(&always, "", (100, 400), "100..400 not_configured");
        // The recorder was away from 100 s to 300 s; the target was removed before and never came back.
        let away = [range(0, 100), range(300, 10_000)];
        check_gaps_beside(
            &away,
            "0 10 20",
            (0, 500),
            "20..100 not_configured, 100..300 not_running, 300..500 not_configured",
        );
        // Both were away, and neither stops or starts at the same instant.
        let both = [range(0, 23), range(301, 510)];
        check_gaps_beside(&both, "0 10 20 310 320", (0, 320), "20..310 not_running");
        // Down, it has ticks at least each 90 s; the recorder's own newest visit is some seconds old.
        check_gaps_beside(&always, "0 10 20! 30! 110! 200! 290!", (0, 290), "10..290 refused");
        check_gaps_beside(&[range(0, 195)], "0 10 20", (0, 200), "20..200 not_configured");
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
