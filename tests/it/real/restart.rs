//! A container restarted under load: nothing negative, nothing invented, nothing lost but what nobody saw.

use std::collections::BTreeMap;
use std::time::Duration;

use tachograph::rate::BEGINNING_MS_MIN;

use crate::harness::machine;
use crate::harness::table::billionths;
use crate::harness::time::{now_ms, parse_ms, wait_for};

use super::world::{FAST, FAST_INTERVAL_MS, SAMPLED_WITHIN, world};

const COUNTERS: [&str; 4] = [
    "cpu_usage_seconds_total",
    "cpu_system_seconds_total",
    "cpu_throttled_periods_total",
    "network_receive_bytes_total",
];

#[test]
fn increases_over_restarts_are_the_sum_of_each_lifes_last_sample() {
    let _together = machine::shared();
    let Some(world) = world() else { return };
    let before = now_ms();
    let load = "while :; do dd if=/dev/zero of=/dev/null bs=64k count=1000 2>/dev/null; done";
    world.engine.container("again", &["--cpus", "0.5"], load);
    for _ in 0..2 {
        // Some samples of each life, and an end between two of them.
        std::thread::sleep(Duration::from_millis(10_500));
        world.engine.docker(&["restart", "--time", "0", "again"]);
    }
    std::thread::sleep(Duration::from_millis(10_500));
    world.engine.docker(&["kill", "again"]);
    wait_for("the end of the last life", SAMPLED_WITHIN, || {
        world.entities(FAST, "again").pop().is_some_and(|entity| entity["ended"].is_string()).then_some(())
    });
    let end = now_ms();

    let samples = world.samples(FAST, "again", before);
    let fields = COUNTERS.join(",");
    let whole = world.range(FAST, "again", (before, end), &[("step", "all"), ("fields", &fields), ("coverage", "1")]);

    // Every life's last sample, by when the life began.
    let sinces = samples.column("since");
    let mut last_row = BTreeMap::new();
    for (row, since) in sinces.iter().enumerate() {
        assert!(!since.is_empty(), "a container's counters have a beginning: {samples:?}");
        last_row.insert(parse_ms(since), row);
    }
    assert_eq!(last_row.len(), 3, "three lives: {last_row:?}");
    for name in COUNTERS {
        let cells = samples.column(name);
        let expected: i128 = last_row.values().map(|row| billionths(cells[*row])).sum();
        assert_eq!(billionths(whole.only(name)), expected, "{name}: {samples:?}");
        assert!(expected > 0 || name == "cpu_throttled_periods_total", "{name} counted nothing");
    }

    // Known is each life from its beginning to its last sample, but for a first moment that has no rate; not known what
    // came after that.
    let times = samples.column("time");
    let first_ms = |since: i64| {
        let first = times.iter().zip(&sinces).find(|(_, began)| parse_ms(began) == since).unwrap();
        parse_ms(first.0)
    };
    let begun_ms = |since: i64| if first_ms(since) - since < BEGINNING_MS_MIN { first_ms(since) } else { since };
    let known_ms: i64 = last_row.iter().map(|(since, row)| parse_ms(times[*row]) - begun_ms(*since)).sum();
    let coverage: f64 = whole.only("coverage").parse().unwrap();
    let expected = known_ms as f64 / (end - before) as f64;
    assert!((coverage - expected).abs() < 0.001, "coverage {coverage}, expected {expected}");
    assert!(coverage < 0.999, "the ends of the first two lives were not seen");

    // Buckets of any width add up to the whole, and no rate goes below nothing or above what the machine has.
    for step in ["10s", "1m"] {
        let buckets = world.range(FAST, "again", (before, end), &[("step", step), ("fields", &fields)]);
        for name in COUNTERS {
            let parts: Vec<_> =
                buckets.column(name).into_iter().filter(|cell| !cell.is_empty()).map(billionths).collect();
            assert!(parts.iter().all(|part| *part >= 0), "{name} by {step}: {parts:?}");
            assert_eq!(parts.iter().sum::<i128>(), billionths(whole.only(name)), "{name} by {step}");
        }
    }
    let cpus = std::thread::available_parallelism().unwrap().get() as f64;
    let asked = [("step", "10s"), ("fields", "cpu_cores,network_receive_bytes_per_second"), ("agg", "avg,max,min")];
    let rates = world.range(FAST, "again", (before, end), &asked);
    let cores = rates.numbers("cpu_cores.max");
    assert!(cores.iter().flatten().all(|cores| (0.0..=cpus * 1.05).contains(cores)), "{cores:?}");
    assert!(rates.numbers("cpu_cores.min").iter().flatten().all(|cores| *cores >= 0.0));
    assert!(rates.numbers("network_receive_bytes_per_second.min").iter().flatten().all(|rate| *rate >= 0.0));
    let derived = samples.numbers("cpu_cores");
    assert!(derived.iter().flatten().all(|cores| (0.0..=cpus * 1.05).contains(cores)), "{derived:?}");
    assert!(derived.iter().flatten().count() >= 6, "{derived:?}");
    assert!(end - before > 10 * FAST_INTERVAL_MS);
}
