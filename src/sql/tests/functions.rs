//! Helper functions, against values computed by hand.

use super::world::{ask, at, fault, in_memory, seen, visit};
use crate::sql::Database;

fn nothing() -> Database {
    in_memory(&[], at("2026-08-21T04:00:00Z"))
}

#[test]
fn instants_and_their_texts() {
    let check = |expression: &str, expected: &str| {
        assert_eq!(ask(&nothing(), &format!("SELECT {expression}")), [expected], "{expression}");
    };
    check("iso(instant('2026-08'))", "2026-08-01T00:00:00Z");
    check("iso(instant('-6h'))", "2026-08-20T22:00:00Z");
    check("iso(instant('2026-08-21', 'Europe/Berlin'))", "2026-08-20T22:00:00Z");
    check("iso(1787281200007, 'Europe/Berlin')", "2026-08-21T05:00:00.007+02:00");
    check("iso(NULL) IS NULL AND instant(NULL) IS NULL AND bucket(NULL, '1h') IS NULL", "1");
    // Clocks go back at 01:00 UTC on 25 October: that day begins at 22:00 and has 25 hours.
    check(
        "iso(bucket(instant('2026-10-25T22:59:59Z'), '1d', 'Europe/Berlin'), 'Europe/Berlin')",
        "2026-10-25T00:00:00+02:00",
    );
    check(
        "iso(bucket(instant('2026-10-25T23:00:00Z'), '1d', 'Europe/Berlin'), 'Europe/Berlin')",
        "2026-10-26T00:00:00+01:00",
    );
    check("iso(bucket(instant('2026-08-21T03:14:15Z'), '5m'))", "2026-08-21T03:10:00Z");
    check("iso(bucket(instant('2026-08-21'), '1w'))", "2026-08-17T00:00:00Z");
    check("iso(bucket(instant('2026-08-21'), '1mo'))", "2026-08-01T00:00:00Z");
    assert!(fault(&nothing(), "SELECT instant('soon')").contains("instant: `soon` is no time"));
    assert!(fault(&nothing(), "SELECT bucket(0, '2w')").contains("bucket: "));
    assert!(fault(&nothing(), "SELECT iso(0, 'Berlin')").contains("iso: "));
}

#[test]
fn globs_are_those_of_filters() {
    let check = |expression: &str, expected: &str| {
        assert_eq!(ask(&nothing(), &format!("SELECT {expression}")), [expected], "{expression}");
    };
    check("'/shop/web' GLOB '/shop/*'", "1");
    check("'/shop/web' GLOB '!/shop/*,/x'", "0");
    check("glob('a?,b', 'b')", "1");
    check("NULL GLOB ''", "1");
    check("7 GLOB '7'", "1");
    assert!(fault(&nothing(), r"SELECT 'a' GLOB 'a\'").contains("glob: the pattern ends in a lone"));
}

#[test]
fn percentiles_are_linear_between_ranks() {
    let values = "(SELECT value AS v FROM json_each('[4, 1, null, 3, 2]'))";
    for (percent, expected) in [("0", "1"), ("50", "2.5"), ("99", "3.97"), ("100", "4")] {
        assert_eq!(ask(&nothing(), &format!("SELECT percentile(v, {percent}) FROM {values}")), [expected]);
    }
    assert_eq!(ask(&nothing(), "SELECT percentile(1, 50) WHERE false"), [""]);
    assert!(fault(&nothing(), "SELECT percentile(1, 101)").contains("from 0 to 100"));
}

/// Counters from 03:00 every 10 s: 0, 10, 30; then a restart at 03:00:25 whose counter shows 7 at 03:00:30; nothing
/// until 03:02:00, when it shows 107: a hole of 90 s.
#[test]
fn increases_and_rates_follow_the_rules_of_counters() {
    let start = at("2026-08-21T03:00:00Z");
    let lives = [(0, -60, 0), (10, -60, 10), (20, -60, 30), (30, 25, 7), (120, 25, 107)];
    let snapshots: Vec<_> = lives
        .iter()
        .map(|(second, since, value)| {
            let now = start.plus_ms(second * 1000);
            let numbers = [("network_receive_bytes_total", *value), ("cpu_usage_seconds_total", value * 1_000_000_000)];
            let since = Some(start.plus_ms(since * 1000));
            let one = seen("container", &["n", "a"], &[], now, since, &numbers);
            visit(("docker", "n"), now, 10_000, vec![("container", vec![one])], vec![])
        })
        .collect();
    let database = in_memory(&snapshots, start);
    let sql = "SELECT network_receive_bytes_increase, cpu_usage_seconds_increase, stretch_seconds FROM container";
    // The first is a baseline; the new life's seven belong to its own five seconds; the hole has an amount, no time.
    assert_eq!(ask(&database, sql), ["||", "10|10|10", "20|20|10", "7|7|5", "100|100|"]);
    let sums = "SELECT increase(network_receive_bytes_increase), increase(cpu_usage_seconds_increase), \
                rate(network_receive_bytes_increase, stretch_seconds) FROM container";
    // 37 bytes in 25 seconds with a rate.
    assert_eq!(ask(&database, sums), ["137|137|1.48"]);
    assert_eq!(ask(&database, &format!("{sums} WHERE at_ms < {}", start.ms() + 5_000)), ["||"]);
    assert_eq!(ask(&database, "SELECT typeof(increase(network_receive_bytes_increase)) FROM container"), ["integer"]);
}
