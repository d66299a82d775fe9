//! The tables of hours: what /range says of each hour, from any backend, rolled up or not.

use super::world::{MIB, ask, at, everywhere, seen, visit};
use crate::model::{Class, Snapshot, Timestamp};
use crate::query::request::Agg;
use crate::rollup::{fields_count, kept};
use crate::source::KINDS;
use crate::sql::kind::{Of, hour_columns};

fn start() -> Timestamp {
    at("2026-08-21T00:00:00Z")
}

/// Two containers for two days, every ten minutes: `a` uses a tenth of a core and changes its application at 03:25; `b`
/// half a core, and is not there in the second night.
fn days() -> Vec<Snapshot> {
    (0..=2 * 144).map(round).collect()
}

fn round(tick: i64) -> Snapshot {
    let now = start().plus_ms(tick * 600_000);
    let app = if now < at("2026-08-21T03:25:00Z") { "/old" } else { "/new" };
    let facts = [("name", "a".into()), ("app", app.into()), ("cpu_limit_cores", 0.5.into())];
    let since = Some(start().plus_ms(-60_000));
    let a = [
        ("cpu_usage_seconds_total", tick * 60_000_000_000),
        ("memory_usage_bytes", MIB * (1 + tick % 6)),
        ("memory_inactive_file_bytes", MIB / 2),
        ("network_receive_bytes_total", 100 * tick),
    ];
    let b = [("cpu_usage_seconds_total", tick * 300_000_000_000), ("memory_usage_bytes", 2 * MIB)];
    let mut observations = vec![seen("container", &["node-1", "a"], &facts, now, since, &a)];
    if !(150..180).contains(&tick) {
        observations.push(seen("container", &["node-1", "b"], &[("name", "b".into())], now, since, &b));
    }
    visit(("docker", "node-1"), now, 600_000, vec![("container", observations)], Vec::new())
}

#[test]
fn the_hours_of_a_kind_are_a_table() {
    everywhere(&days(), at("2026-08-24T00:00:00Z"), |database| {
        let sql = "SELECT time, host, id, app, hour_samples, covered_seconds, cpu_usage_seconds_increase, cpu_cores_avg, \
                   cpu_cores_max, cpu_limit_ratio_avg, memory_usage_bytes_avg, memory_usage_bytes_min, \
                   memory_usage_bytes_max, memory_usage_bytes_last, memory_usage_bytes_count \
                   FROM container_1h WHERE id = 'a' AND at_ms >= instant('2026-08-21T02:00:00Z') LIMIT 3";
        let usage = |avg: f64, min: i64, max: i64, last: i64, count: i64| {
            format!("{}|{}|{}|{}|{count}", MIB as f64 * avg, MIB * min, MIB * max, MIB * last)
        };
        // The stretch across the change belongs to what was found at its end.
        assert_eq!(
            ask(database, sql),
            [
                format!("2026-08-21T02:00:00.000Z|node-1|a|/old|6|3600|360|0.1|0.1|0.2|{}", usage(3.5, 1, 6, 6, 6)),
                format!("2026-08-21T03:00:00.000Z|node-1|a|/old|3|1200|120|0.1|0.1|0.2|{}", usage(2.0, 1, 3, 3, 3)),
                format!("2026-08-21T03:00:00.000Z|node-1|a|/new|3|2400|240|0.1|0.1|0.2|{}", usage(5.0, 4, 6, 6, 3)),
            ]
        );
        // As the samples say, over any grouping; percentiles within a hundredth.
        let by_hour = "SELECT bucket(at_ms, '1h') AS hour, sum(memory_usage_bytes), max(memory_usage_bytes) FROM container \
                       WHERE id = 'b' GROUP BY hour ORDER BY hour";
        let hours = "SELECT at_ms AS hour, memory_usage_bytes_avg * memory_usage_bytes_count, memory_usage_bytes_max \
                     FROM container_1h WHERE id = 'b' AND hour_samples > 0 ORDER BY hour";
        let numbers = |line: &String| -> Vec<f64> { line.split('|').map(|cell| cell.parse().unwrap()).collect() };
        let (left, right) = (ask(database, by_hour), ask(database, hours));
        assert_eq!(left.len(), 44);
        assert_eq!(left.iter().map(numbers).collect::<Vec<_>>(), right.iter().map(numbers).collect::<Vec<_>>());
        let whole = "SELECT id, round(sum(cpu_usage_seconds_increase)) FROM container_1h GROUP BY id";
        assert_eq!(ask(database, whole), ["a|17280", "b|86400"]);
        let percentile = "SELECT max(abs(memory_working_set_bytes_p50 / :half - 1) < 0.01), \
                          min(memory_working_set_bytes_p99 / :half > 1.8) FROM container_1h \
                          WHERE app = '/new' AND hour_samples = 6"
            .replace(":half", &(MIB * 3).to_string());
        assert_eq!(ask(database, &percentile), ["1|1"]);
        // Conditions on time leave whole hours; what is asked for late is read late.
        assert_eq!(ask(database, "SELECT count(*) FROM container_1h WHERE time = '2026-08-21T05:00:00.000Z'"), ["2"]);
        assert_eq!(
            ask(
                database,
                "SELECT count(*) FROM container_1h WHERE at_ms > instant('2026-08-21T05:00:00Z') AND id = 'a'"
            ),
            ["43"]
        );
        let versions = "SELECT count(DISTINCT version_ms), min(app), max(app) FROM container_1h WHERE id = 'a'";
        assert_eq!(ask(database, versions), ["2|/new|/old"]);
        let two = "SELECT count(*) FROM container_1h WHERE app = '/old' OR id = 'a'";
        assert_eq!(ask(database, two), ["50"]);
    });
}

/// Every field that hours keep has its columns, under names that nothing else has.
#[test]
fn hours_have_a_column_for_all_they_keep() {
    for kind in KINDS {
        let columns = hour_columns(kind);
        let mut names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{}: two columns of one name", kind.name);
        for field in 0..fields_count(kind) {
            let name =
                kind.columns.get(field).map_or_else(|| kind.derived[field - kind.columns.len()].name, |it| it.name);
            let has = |agg: Agg| {
                columns.iter().any(|column| matches!(column.of, Of::Hour(of, by) if of == name && by == agg))
            };
            let is_counter = kind.columns.get(field).is_some_and(|column| column.class == Class::Counter);
            assert_eq!(has(Agg::Increase), is_counter, "{name}");
            assert_eq!(has(Agg::Max), kept(kind, field).extremes, "{name}");
            assert_eq!(has(Agg::Percentile(99)), kept(kind, field).bins, "{name}");
        }
    }
}
