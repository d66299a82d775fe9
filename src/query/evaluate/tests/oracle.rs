//! The fold against a brute-force oracle, over any life of a counter.

use proptest::prelude::*;

use super::*;

/// (milliseconds passed, counter growth, whether a new life began half way)
fn life() -> impl Strategy<Value = Vec<(i64, i64, bool)>> {
    proptest::collection::vec((1i64..40, 0i64..1_000_000_000_000, prop::bool::weighted(0.15)), 2..40)
}

fn lived(steps: &[(i64, i64, bool)]) -> Worker {
    let (mut second, mut since, mut value) = (100, 90, 0);
    let mut samples = Vec::new();
    for (passed, grown, restarted) in steps {
        if *restarted && *passed > 1 {
            since = second + passed / 2;
            value = *grown;
        } else {
            value += grown;
        }
        second += passed;
        samples.push((second, Some(since), value, value % 1000));
    }
    Worker::new("a", "x", &samples)
}

/// What the rules give for one bucket, straight from the samples: increase, and rate.
#[expect(clippy::cast_precision_loss, reason = "an oracle in floats")]
fn oracle(worker: &Worker, start: i64, end: i64) -> (Option<f64>, Option<f64>) {
    let (mut amount, mut spread, mut covered) = (None::<f64>, 0.0, 0.0);
    for pair in worker.samples.windows(2) {
        let (previous, next) = (pair[0], pair[1]);
        let is_new = next.1 > Some(previous.0);
        let from = if is_new { next.1.unwrap() } else { previous.0 };
        let grown = if is_new { next.2 } else { next.2 - previous.2 } as f64 / 1e9;
        if from >= next.0 {
            continue;
        }
        if next.0 - from > 30 {
            if start <= next.0 && next.0 < end {
                *amount.get_or_insert(0.0) += grown;
            }
            continue;
        }
        let overlap = (next.0.min(end) - from.max(start)).max(0) as f64;
        if overlap > 0.0 {
            let share = grown * overlap / (next.0 - from) as f64;
            *amount.get_or_insert(0.0) += share;
            spread += share;
            covered += overlap;
        }
    }
    (amount, (covered > 0.0).then(|| spread / covered))
}

proptest! {
    #[test]
    fn rates_and_increases_equal_a_brute_force_oracle(steps in life(), start in 60i64..400, length in 1i64..900, step in 1i64..120) {
        let worker = lived(&steps);
        let question = asked(start, start + length, step, &[("cpu_seconds_total", Agg::Increase), ("cpu_cores", Agg::Avg)]);
        let edges = request(&question).edges;
        let series = evaluate(&question, std::slice::from_ref(&worker), &polled(0, 10), 86_400_000);
        for (bucket, edge) in edges.windows(2).enumerate() {
            let (increase, rate) = oracle(&worker, edge[0].ms() / 1000, edge[1].ms() / 1000);
            let (given_increase, given_rate) = match series.first() {
                Some(series) => (series.values[0][bucket].as_f64(), series.values[1][bucket].as_f64()),
                None => (None, None),
            };
            prop_assert_eq!(given_increase.is_some(), increase.is_some());
            prop_assert_eq!(given_rate.is_some(), rate.is_some());
            for (given, expected) in [(given_increase, increase), (given_rate, rate)] {
                let (given, expected) = (given.unwrap_or(0.0), expected.unwrap_or(0.0));
                prop_assert!((given - expected).abs() <= 1e-7 + expected.abs() * 1e-9, "{given} {expected}");
            }
        }
    }

    #[test]
    fn increases_of_adjoining_ranges_add_up_exactly(steps in life(), cuts in proptest::collection::vec(101i64..1900, 0..6), piece_ms in 500i64..100_000) {
        let worker = [lived(&steps)];
        let total = |start: i64, end: i64, piece_ms: i64| -> i64 {
            let question = asked(start, end, 5000, &[("cpu_seconds_total", Agg::Increase)]);
            let series = evaluate(&question, &worker, &polled(0, 10), piece_ms);
            series.iter().flat_map(|series| &series.values[0]).map(|number| match number {
                Number::Scaled { value, .. } => *value,
                _ => 0,
            }).sum()
        };
        let mut cuts: Vec<i64> = cuts.into_iter().chain([100, 2000]).collect();
        cuts.sort_unstable();
        let parts: i64 = cuts.windows(2).filter(|cut| cut[0] < cut[1]).map(|cut| total(cut[0], cut[1], piece_ms)).sum();
        prop_assert_eq!(parts, total(100, 2000, 86_400_000));
    }
}
