//! The rules of increase and rate, each by name, then properties over any samples and any partition.

use proptest::prelude::*;

use super::*;

/// A sample in shorthand: `7@20/15` is the value 7 at 20 s of a counter that began at 15 s.
#[derive(Debug, Clone, Copy)]
struct Point {
    value: Option<i64>,
    mark: Mark,
}

fn point(text: &str) -> Point {
    let (value, time) = text.split_once('@').unwrap();
    let (at, since) = time.split_once('/').map_or((time, None), |(at, since)| (at, Some(since)));
    let seconds = |text: &str| Timestamp::from_ms(text.parse::<i64>().unwrap() * 1000);
    let mark = Mark { at: seconds(at), since: since.map(seconds), interval_ms: 10_000, clock_offset_ms: 0 };
    Point { value: value.parse().ok(), mark }
}

/// What two samples give: amount, stretch in seconds, and `hole` where it is one.
fn given(previous: Option<&str>, next: &str, polled_before: Option<i64>) -> Option<String> {
    let previous = previous.map(point);
    let next = point(next);
    let polled_before = polled_before.map(|seconds| Timestamp::from_ms(seconds * 1000));
    let stretch = stretch(previous.as_ref().map(|point| &point.mark), &next.mark, polled_before)?;
    let amount = increase(stretch.life, previous.and_then(|point| point.value), next.value)?;
    let hole = if stretch.is_hole { " hole" } else { "" };
    Some(format!("{amount} over {}..{}{hole}", stretch.from.ms() / 1000, stretch.to.ms() / 1000))
}

fn check(previous: &str, next: &str, expected: Option<&str>) {
    assert_eq!(given(Some(previous), next, None).as_deref(), expected, "{previous} -> {next}");
}

fn check_first(next: &str, polled_before: Option<i64>, expected: Option<&str>) {
    assert_eq!(given(None, next, polled_before).as_deref(), expected, "first {next}");
}

#[test]
fn rule_1_time_that_did_not_advance_gives_nothing() {
    check("100@10", "120@10", None);
    check("100@10", "120@9", None);
    check("100@10/5", "120@9/7", None);
}

#[test]
fn rule_2_a_new_life_gives_all_of_next_since_it_began() {
    check("100@10/1", "7@20/15", Some("7 over 15..20"));
    check("100@10/1", "700@20/15", Some("700 over 15..20"));
    // Began after the sample that should show it: the source contradicts itself.
    check("100@10/1", "7@20/20", None);
}

#[test]
fn rule_3_the_same_life_gives_the_difference() {
    check("100@10/1", "130@20/1", Some("30 over 10..20"));
    check("100@10/1", "100@20/1", Some("0 over 10..20"));
    // Changed, but not after the sample before: a corrected constant, not a new life.
    check("100@10/1", "130@20/2", Some("30 over 10..20"));
    check("100@10", "130@20", Some("30 over 10..20"));
    check("100@10", "130@20/10", Some("30 over 10..20"));
}

#[test]
fn rule_3_a_fall_is_a_reset_only_where_nobody_says_when_the_life_began() {
    check("100@10", "7@20", Some("7 over 10..20"));
    check("100@10/1", "7@20/1", None);
    assert!(fell(Life::Same, Some(100), Some(7)));
    assert!(!fell(Life::Unknown, Some(100), Some(7)));
    assert!(!fell(Life::New, Some(100), Some(7)));
}

#[test]
fn rule_4_a_first_sample_counts_only_when_born_under_our_eyes() {
    check_first("7@20/15", Some(10), Some("7 over 15..20"));
    check_first("7@20/15", Some(15), None);
    check_first("7@20/15", Some(16), None);
    check_first("7@20/15", None, None);
    check_first("7@20", Some(10), None);
}

#[test]
fn a_value_that_was_not_reported_gives_nothing() {
    check("100@10/1", "-@20/1", None);
    check("-@10/1", "130@20/1", None);
    // A new life needs only what it counted itself.
    check("-@10/1", "7@20/15", Some("7 over 15..20"));
}

#[test]
fn the_first_moment_of_a_life_has_no_rate() {
    // Docker tells when a container started a little after its processes did.
    let mark = |at_ms: i64, since_ms: i64| Mark {
        at: Timestamp::from_ms(at_ms),
        since: Some(Timestamp::from_ms(since_ms)),
        interval_ms: 10_000,
        clock_offset_ms: 0,
    };
    let is_hole = |previous: &Mark, next: &Mark| stretch(Some(previous), next, None).unwrap().is_hole;
    let before = mark(10_000, 0);
    assert!(is_hole(&before, &mark(20_020, 20_000)));
    assert!(is_hole(&before, &mark(20_999, 20_000)));
    assert!(!is_hole(&before, &mark(21_000, 20_000)));
    // Two samples of one life may be as near as they like: both have counted the same way.
    assert!(!is_hole(&before, &mark(10_020, 0)));
    let born = stretch(None, &mark(20_020, 20_000), Some(Timestamp::from_ms(10_000))).unwrap();
    assert!(born.is_hole && born.life == Life::New);
}

#[test]
fn a_stretch_longer_than_three_intervals_is_a_hole() {
    check("100@10/1", "130@40/1", Some("30 over 10..40"));
    check("100@10/1", "130@41/1", Some("30 over 10..41 hole"));
    check("100@10/1", "7@100/60", Some("7 over 60..100 hole"));
    check("100@10/1", "7@100/95", Some("7 over 95..100"));
}

#[test]
fn a_changed_clock_offset_has_no_rate() {
    let before = point("100@10/1").mark;
    let after = Mark { clock_offset_ms: 3000, ..point("130@20/1").mark };
    assert!(stretch(Some(&before), &after, None).unwrap().is_hole);
}

#[test]
fn the_largest_counters_are_shared_without_overflow() {
    let long =
        Stretch { from: Timestamp::from_ms(0), to: Timestamp::from_ms(30_000), life: Life::Same, is_hole: false };
    let ms = |start: i64, end: i64| TimeRange::new(Timestamp::from_ms(start), Timestamp::from_ms(end)).unwrap();
    let first = long.share(i64::MAX, ms(0, 29_999)).unwrap();
    let second = long.share(i64::MAX, ms(29_999, 30_000)).unwrap();
    assert_eq!(first.checked_add(second), Some(i64::MAX));
    assert_eq!(increase(Life::Same, Some(i64::MAX), Some(i64::MIN)), None);
}

/// One step of a life: seconds that pass, what the counter grew by, whether it began anew within the step, and
/// whether the sample came at all.
#[derive(Debug, Clone)]
struct Step {
    passed_ms: i64,
    grown: i64,
    restarts_after_ms: Option<i64>,
    is_missing: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (1i64..60_000, 0i64..1_000_000_000_000, proptest::option::weighted(0.2, 1i64..60_000), any::<u8>());
    let step = step.prop_map(|(passed_ms, grown, restart, missing)| Step {
        passed_ms,
        grown,
        restarts_after_ms: restart.filter(|after| *after < passed_ms),
        is_missing: missing < 20,
    });
    proptest::collection::vec(step, 1..40)
}

/// The samples that a source would report, `since` known or not.
fn samples(steps: &[Step], since_is_known: bool) -> Vec<(Mark, i64)> {
    let mut at_ms = 1_000_000;
    let mut since_ms = at_ms;
    let mut value = 0;
    let mut samples = Vec::new();
    for step in steps {
        match step.restarts_after_ms {
            Some(after) => {
                since_ms = at_ms + after;
                value = step.grown;
            }
            None => value += step.grown,
        }
        at_ms += step.passed_ms;
        if !step.is_missing {
            let since = since_is_known.then(|| Timestamp::from_ms(since_ms));
            let mark = Mark { at: Timestamp::from_ms(at_ms), since, interval_ms: 10_000, clock_offset_ms: 0 };
            samples.push((mark, value));
        }
    }
    samples
}

fn shared(samples: &[(Mark, i64)], range: TimeRange) -> (i64, i64) {
    let mut total = 0;
    let mut covered_ms = 0;
    for pair in samples.windows(2) {
        let Some(stretch) = stretch(Some(&pair[0].0), &pair[1].0, None) else { continue };
        covered_ms += stretch.covered_ms(range);
        if let Some(share) =
            increase(stretch.life, Some(pair[0].1), Some(pair[1].1)).and_then(|amount| stretch.share(amount, range))
        {
            assert!(share >= 0, "a negative share of {stretch:?}");
            total += share;
        }
    }
    (total, covered_ms)
}

proptest! {
    #[test]
    fn increases_add_up_over_any_partition_and_none_is_negative(
        steps in steps(),
        since_is_known: bool,
        cuts in proptest::collection::vec(0i64..2_500_000, 0..12),
    ) {
        let samples = samples(&steps, since_is_known);
        let mut cuts: Vec<i64> = cuts.into_iter().map(|cut| 1_000_000 + cut).chain([0, 4_000_000]).collect();
        cuts.sort_unstable();
        let range = |start: i64, end: i64| TimeRange::new(Timestamp::from_ms(start), Timestamp::from_ms(end)).unwrap();
        let whole = shared(&samples, range(0, 4_000_000));
        let mut parts = (0, 0);
        for cut in cuts.windows(2) {
            let (total, covered) = shared(&samples, range(cut[0], cut[1]));
            parts = (parts.0 + total, parts.1 + covered);
        }
        prop_assert_eq!(parts, whole);
    }

    #[test]
    fn with_known_lives_the_whole_is_what_each_life_counted(steps in steps()) {
        // The oracle looks at lives, not at pairs: each life's last sample, less its first if the life was
        // running already when it was first seen.
        let samples = samples(&steps, true);
        let mut expected = 0;
        let mut lives: Vec<Vec<&(Mark, i64)>> = Vec::new();
        for sample in &samples {
            match lives.last_mut() {
                Some(life) if life[0].0.since == sample.0.since => life.push(sample),
                _ => lives.push(vec![sample]),
            }
        }
        for (index, life) in lives.iter().enumerate() {
            let last = life[life.len() - 1].1;
            expected += if index == 0 { last - life[0].1 } else { last };
        }
        let range = TimeRange::new(Timestamp::from_ms(0), Timestamp::from_ms(4_000_000)).unwrap();
        prop_assert_eq!(shared(&samples, range).0, expected);
    }

    #[test]
    fn float_shares_add_up_within_a_billionth(amount in 0.0f64..1e15, cut in 1i64..29_999) {
        let stretch = Stretch {
            from: Timestamp::from_ms(0), to: Timestamp::from_ms(30_000), life: Life::Same, is_hole: false,
        };
        let range = |start: i64, end: i64| TimeRange::new(Timestamp::from_ms(start), Timestamp::from_ms(end)).unwrap();
        let sum = stretch.share(amount, range(0, cut)).unwrap() + stretch.share(amount, range(cut, 30_000)).unwrap();
        prop_assert!((sum - amount).abs() <= amount * 1e-9);
    }
}
