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
    /// What may be a gap: so far only failed ticks came after the last good one.
    pending: Vec<Unseen>,
    /// From when on something is known of it, and the interval of its first tick.
    first: Option<(Timestamp, i64)>,
    last_good: Option<Timestamp>,
    last_good_started: Option<Timestamp>,
    last_tick: Option<(Timestamp, Outcome)>,
    interval_ms: i64,
}

/// A stretch in which a target was not seen.
#[derive(Debug, Clone, Copy)]
struct Unseen {
    start: Timestamp,
    end: Timestamp,
    /// How its ticks ended; None where it had none.
    outcome: Option<Outcome>,
    /// A target that is polled has a tick within this time, even when it is down.
    patience_ms: i64,
}

impl Seen {
    /// A target of which nothing is known yet.
    pub fn new(target: TargetName) -> Self {
        Seen {
            target,
            covered: Vec::new(),
            gaps: Vec::new(),
            pending: Vec::new(),
            first: None,
            last_good: None,
            last_good_started: None,
            last_tick: None,
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
            self.cover_until(last.seen_until);
            self.end_good(last);
        } else {
            // Those within a chain follow each other without a silence.
            if let Some(start) = self.last_known() {
                self.extend_pending(start, last.started, Some(chain.outcome), last.interval_ms);
            }
            self.last_tick = Some((last.started, chain.outcome));
        }
        self.interval_ms = last.interval_ms;
    }

    /// Ends the ticks: up to this instant there were no others.
    pub fn end(&mut self, until: Timestamp) {
        let cause = self.last_tick.map(|(_, outcome)| outcome);
        if self.last_known().is_some_and(|last| until.ms_since(last) > reach_ms(self.interval_ms)) {
            self.extend_gap(until, cause, self.interval_ms);
        }
    }

    fn fold_link(&mut self, outcome: Outcome, tick: PollLink) {
        let at = if outcome.is_good() { tick.seen_until } else { tick.started };
        self.first.get_or_insert((at, tick.interval_ms));
        self.interval_ms = tick.interval_ms;
        if !outcome.is_good() {
            self.extend_gap(tick.started, Some(outcome), tick.interval_ms);
            self.last_tick = Some((tick.started, outcome));
            return;
        }
        let is_near = |before| tick.seen_until.ms_since(before) <= reach_ms(tick.interval_ms);
        if self.last_good.is_some_and(is_near) {
            self.cover_until(tick.seen_until);
        } else {
            let cause = self.last_tick.map(|(_, outcome)| outcome);
            self.extend_gap(tick.seen_until, cause, tick.interval_ms);
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
        let outcome = outcome.filter(|_| until.ms_since(start) <= silence_ms(interval_ms));
        self.extend_pending(start, until, outcome, interval_ms);
    }

    fn extend_pending(&mut self, start: Timestamp, until: Timestamp, outcome: Option<Outcome>, interval_ms: i64) {
        if until <= start {
            return;
        }
        match self.pending.last_mut() {
            Some(gap) if gap.outcome == outcome => gap.end = until,
            _ => self.pending.push(Unseen { start, end: until, outcome, patience_ms: silence_ms(interval_ms) }),
        }
    }

    /// Covers the time from the last good tick on.
    fn cover_until(&mut self, until: Timestamp) {
        let Some(start) = self.last_good else { return };
        let Some(span) = TimeRange::new(start, until).filter(|span| !span.is_empty()) else { return };
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

    /// The gaps within a range, cut at it. Time before the first tick is a gap too, and time after the last up to the
    /// [end](Seen::end), once that is longer than a hole. `ran`: when the recorder itself was seen; without it nothing tells a target that was not
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
        let silent = |start, end, patience_ms| Unseen { start, end, outcome: None, patience_ms };
        match self.first {
            Some((first, interval_ms)) if first > range.start() => {
                unseen.insert(0, silent(range.start(), first, silence_ms(interval_ms)));
            }
            Some(_) => {}
            None => unseen.push(silent(range.start(), range.end(), self.silence_ms())),
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
    use proptest::prelude::*;

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
            let started = digits.parse::<i64>().unwrap() * 1000;
            seen.fold(&polled(started, started, 10_000, outcome));
        }
        seen
    }

    fn polled(started: i64, seen_until: i64, interval_ms: i64, outcome: Outcome) -> PollRecord {
        let poll = Poll {
            target: TargetName::new("docker", "a"),
            started: Timestamp::from_ms(started),
            duration_ms: 0,
            interval_ms,
            bytes: 0,
            outcome,
            error: None,
            missing: Vec::new(),
            clock_offset_ms: 0,
        };
        PollRecord { poll, seen_until: Timestamp::from_ms(seen_until), samples: 0 }
    }

    fn range(start: i64, end: i64) -> TimeRange {
        TimeRange::new(Timestamp::from_ms(start * 1000), Timestamp::from_ms(end * 1000)).unwrap()
    }

    fn check_gaps(ticks: &str, (start, end): (i64, i64), expected: &str) {
        check_gaps_beside(&[], ticks, (start, end), expected);
    }

    /// The same beside a recorder that ran at these times.
    fn check_gaps_beside(ran: &[TimeRange], ticks: &str, (start, end): (i64, i64), expected: &str) {
        let mut seen = seen(ticks);
        seen.end(Timestamp::from_ms(end * 1000));
        let gaps = seen.gaps(range(start, end), ran);
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
        // The recorder was away from 200 s to 300 s; the target was removed before and never came back.
        let away = [range(0, 200), range(300, 10_000)];
        check_gaps_beside(
            &away,
            "0 10 20",
            (0, 500),
            "20..200 not_configured, 200..300 not_running, 300..500 not_configured",
        );
        // Both were away, and neither stops or starts at the same instant.
        let both = [range(0, 23), range(301, 510)];
        check_gaps_beside(&both, "0 10 20 310 320", (0, 320), "20..310 not_running");
        // Down, it has ticks at least each 90 s; the recorder's own newest visit is some seconds old.
        check_gaps_beside(&always, "0 10 20! 30! 110! 200! 290!", (0, 290), "10..290 refused");
        check_gaps_beside(&[range(0, 195)], "0 10 20", (0, 200), "20..200 not_configured");
        // It may have been down when the recorder ended.
        check_gaps_beside(&[range(0, 100)], "0 10 20", (0, 200), "20..200 not_running");
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
    fn what_failed_last_is_down_until_it_would_have_failed_again() {
        check_gaps("0 10 20! 30!", (0, 110), "10..110 refused");
        check_gaps("0 10 20! 30!", (0, 130), "10..30 refused, 30..130 not_running");
        check_gaps("0 10 20! 30!", (0, 50), "10..30 refused");
    }

    #[test]
    fn failed_ticks_before_the_first_good_one_are_a_gap() {
        check_gaps("20! 30", (0, 30), "0..20 not_running, 20..30 refused");
        check_gaps("10! 20! 20! 30t 40", (10, 40), "10..20 refused, 20..40 timeout");
    }

    /// Ticks in the order of their starts, by which they collide, with times that their targets' clocks told.
    fn ticks() -> impl Strategy<Value = Vec<PollRecord>> {
        let passed_ms = prop_oneof![
            6 => Just(10_000), 2 => 0..3_i64, 2 => (0..40_i64).prop_map(|tens| tens * 10_000), 1 => Just(3_600_000),
        ];
        let ahead_ms = prop_oneof![6 => Just(40), 2 => -60_000..60_000_i64, 1 => -10_000_000..10_000_000_i64];
        let outcome = proptest::sample::select(vec![
            Outcome::Ok,
            Outcome::Ok,
            Outcome::Partial,
            Outcome::Refused,
            Outcome::Refused,
            Outcome::Timeout,
        ]);
        let interval_ms = prop_oneof![4 => Just(10_000), 1 => Just(60_000), 1 => Just(1_800_000)];
        proptest::collection::vec((passed_ms, ahead_ms, outcome, interval_ms, 1..4_usize), 0..30).prop_map(|ticks| {
            let mut started = 0;
            let mut told = Vec::new();
            for (passed_ms, ahead_ms, outcome, interval_ms, times) in ticks {
                started += passed_ms;
                told.extend((0..times).map(|_| polled(started, started + ahead_ms, interval_ms, outcome)));
            }
            told
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Whatever ticks there are, and wherever a day ends between them.
        #[test]
        fn chains_tell_what_their_ticks_tell(
            ticks in ticks(),
            ends in proptest::collection::vec(any::<proptest::sample::Index>(), 0..4),
            asked in proptest::collection::vec((-100_000..4_000_000_i64, 0..2_000_000_i64), 1..8),
            ran in proptest::collection::vec((0..500_000_i64, 1..1_000_000_i64), 0..4),
            until in proptest::option::of(0..8_000_000_i64),
        ) {
            let (mut of_ticks, mut of_chains) = (seen(""), seen(""));
            ticks.iter().for_each(|tick| of_ticks.fold(tick));
            let mut ends: Vec<usize> = ends.iter().map(|end| end.index(ticks.len() + 1)).chain([ticks.len()]).collect();
            ends.sort_unstable();
            let mut from = 0;
            for end in ends {
                chain::chains(ticks[from..end].iter()).iter().for_each(|chain| of_chains.fold_chain(chain));
                from = end;
            }
            if let Some(until) = until.map(Timestamp::from_ms) {
                of_ticks.end(until);
                of_chains.end(until);
            }
            prop_assert_eq!(of_ticks.covered(), of_chains.covered());
            prop_assert_eq!(of_ticks.last_good_started(), of_chains.last_good_started());
            prop_assert_eq!(of_ticks.silence_ms(), of_chains.silence_ms());
            let mut at = 0;
            let ran: Vec<TimeRange> = ran.iter().map(|(idle_ms, ran_ms)| {
                let span = TimeRange::new(Timestamp::from_ms(at + idle_ms), Timestamp::from_ms(at + idle_ms + ran_ms));
                at += idle_ms + ran_ms;
                span.unwrap()
            }).collect();
            for (start, ms) in asked {
                let range = TimeRange::new(Timestamp::from_ms(start), Timestamp::from_ms(start + ms)).unwrap();
                let gaps = of_ticks.gaps(range, &ran);
                prop_assert_eq!(&gaps, &of_chains.gaps(range, &ran));
                // No instant is both seen and not.
                let unseen_ms: i64 = gaps.iter().map(|gap| gap.end.ms_since(gap.start)).sum();
                prop_assert!(of_ticks.covered_ms(range) + unseen_ms <= range.ms(), "{:?}", gaps);
                prop_assert!(gaps.iter().all(|gap| gap.start < gap.end), "{:?}", gaps);
                prop_assert!(gaps.is_sorted_by(|one, next| one.end <= next.start), "{:?}", gaps);
            }
        }
    }

    #[test]
    fn time_before_the_first_tick_and_after_the_last_is_a_gap() {
        check_gaps("50 60 70", (0, 120), "0..50 not_running, 70..120 not_running");
        check_gaps("", (0, 60), "0..60 not_running");
        check_gaps("0 10 20 30 40", (10, 30), "");
        check_gaps("0 10! 20! 30! 40! 50! 60!", (20, 60), "20..60 refused");
    }
}
