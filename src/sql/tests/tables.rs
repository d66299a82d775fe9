//! The tables: every sample, as /samples has it, from any backend; what a statement asks for and no more.

use std::ops::ControlFlow;
use std::sync::Arc;

use proptest::prelude::*;

use super::world::{MIB, ask, at, everywhere, fault, happened, in_memory, missed, seen, visit};
use crate::answer::{self, Stop};
use crate::model::{AttributeValue, Outcome, Snapshot, Timestamp};
use crate::query::civil::format_instant;
use crate::query::request::{SamplesRequest, Zone};
use crate::source::{KINDS, kind};
use crate::sql::Shared;
use crate::sql::kind::{KindTable, columns};
use crate::sql::module::{Asked, Condition, Op, Provider};
use crate::sql::watch::Watch;

fn start() -> Timestamp {
    at("2026-08-21T03:00:00Z")
}

/// Two containers for a minute: `a` uses a tenth of a core and changes its application at 03:00:35; `b` half a core.
fn minute() -> Vec<Snapshot> {
    (0..7).map(round).collect()
}

fn round(tick: i64) -> Snapshot {
    let now = start().plus_ms(tick * 10_000);
    let app = if tick < 4 { "/old" } else { "/new" };
    let labels = AttributeValue::Map([("env".to_owned(), "prod".to_owned())].into());
    let facts = [("name", "a".into()), ("app", app.into()), ("cpu_limit_cores", 0.5.into()), ("labels", labels)];
    let since = Some(start().plus_ms(-60_000));
    let a = [
        ("cpu_usage_seconds_total", tick * 1_000_000_000),
        ("memory_usage_bytes", MIB + tick),
        ("network_receive_bytes_total", 100 * tick),
    ];
    let b = [("cpu_usage_seconds_total", tick * 5_000_000_000), ("memory_usage_bytes", 2 * MIB)];
    let observations = vec![
        seen("container", &["node-1", "a"], &facts, now, since, &a),
        seen("container", &["node-1", "b"], &[("name", "b".into()), ("oom_killed", true.into())], now, since, &b),
    ];
    let events = if tick == 5 { vec![happened(now, "container_died", ("node-1", "b"), Some(137))] } else { Vec::new() };
    visit(("docker", "node-1"), now, 10_000, vec![("container", observations)], events)
}

#[test]
fn a_kind_is_a_table() {
    everywhere(&minute(), at("2026-08-21T04:00:00Z"), |database| {
        assert_eq!(
            ask(database, "SELECT count(*), min(time), max(at_ms) FROM container"),
            [format!("14|2026-08-21T03:00:00.000Z|{}", start().ms() + 60_000)]
        );
        let sql = "SELECT time, host, id, name, app, since, oom_killed, cpu_limit_cores, labels ->> 'env', \
                   cpu_usage_seconds_total, memory_usage_bytes, pids, cpu_cores, cpu_limit_ratio \
                   FROM container WHERE id = 'a' AND at_ms >= instant('2026-08-21T03:00:30Z') LIMIT 2";
        let row = "2026-08-21T02:59:00.000Z||0.5|prod";
        assert_eq!(
            ask(database, sql),
            [
                format!("2026-08-21T03:00:30.000Z|node-1|a|a|/old|{row}|3|{}||0.1|0.2", MIB + 3),
                format!("2026-08-21T03:00:40.000Z|node-1|a|a|/new|{row}|4|{}||0.1|0.2", MIB + 4),
            ]
        );
        // What the first sample grew by was not seen; the first of a range knows the one before it.
        let sql = "SELECT network_receive_bytes_increase, stretch_seconds, since_ms FROM container WHERE id = 'a'";
        assert_eq!(
            ask(database, &format!("{sql} AND at_ms < instant('2026-08-21T03:00:20Z')")),
            [format!("||{}", start().ms() - 60_000), format!("100|10|{}", start().ms() - 60_000)]
        );
        assert_eq!(
            ask(database, &format!("{sql} AND at_ms = instant('2026-08-21T03:00:20Z')")),
            [format!("100|10|{}", start().ms() - 60_000)]
        );
        // Hidden columns are there when they are asked for.
        let header = super::world::try_ask(database, "SELECT * FROM container LIMIT 0", &[]).unwrap();
        assert!(
            header[0].starts_with("time|at_ms|host|id|since|name|image|") && !header[0].contains("_increase"),
            "{header:?}"
        );
    });
}

#[test]
fn what_beside_kinds_is_there() {
    let mut snapshots = minute();
    snapshots.push(missed(("docker", "node-1"), start().plus_ms(70_000), 10_000, Outcome::Timeout));
    everywhere(&snapshots, at("2026-08-21T04:00:00Z"), |database| {
        let sql =
            "SELECT kind, identity, target, first_seen, attributes ->> 'app', attributes ->> 'oom_killed' FROM entity";
        let both = [
            r#"container|{"host":"node-1","id":"a"}|docker/node-1|2026-08-21T03:00:00.000Z|/new|"#,
            r#"container|{"host":"node-1","id":"b"}|docker/node-1|2026-08-21T03:00:00.000Z||1"#,
        ];
        assert_eq!(ask(database, sql), both);
        assert_eq!(
            ask(database, &format!("{sql} WHERE kind = 'container' AND last_seen_ms >= instant('2026-08-21')")),
            both
        );
        assert!(ask(database, &format!("{sql} WHERE kind = 'host'")).is_empty());
        assert!(ask(database, &format!("{sql} WHERE kind = 'nothing'")).is_empty());
        let event = r#"2026-08-21T03:00:50.000Z|warning|container_died|{"host":"node-1","id":"b"}|137"#;
        let sql = "SELECT time, severity, type, entity, details ->> 'exit_code' FROM event";
        for condition in [
            "",
            "WHERE type = 'container_died'",
            "WHERE type IN ('container_oom', 'container_died')",
            "WHERE at_ms > 0",
            "WHERE at_ms > 0 OR type = 'container_died'",
            "WHERE kind = 'container'",
        ] {
            assert_eq!(ask(database, &format!("{sql} {condition}")), [event], "{condition}");
        }
        for condition in
            ["WHERE type = 'container_oom'", "WHERE type = 'nothing'", "WHERE at_ms < 0", "WHERE kind = 'host'"]
        {
            assert!(ask(database, &format!("{sql} {condition}")).is_empty(), "{condition}");
        }
        let sql = "SELECT target, outcome, count(*), sum(samples), max(duration_seconds), max(error) FROM poll";
        let polls = ["docker/node-1|ok|7|14|0.12|", "docker/node-1|timeout|1|0|0.12|nobody there"];
        assert_eq!(ask(database, &format!("{sql} GROUP BY target, outcome")), polls);
        assert_eq!(ask(database, &format!("{sql} WHERE target = 'docker/node-1' AND outcome = 'timeout'")), polls[1..]);
        assert_eq!(ask(database, "SELECT count(*) FROM poll WHERE at_ms < instant('2026-08-21T03:00:20Z')"), ["2"]);
        assert_eq!(ask(database, "SELECT count(*) FROM poll WHERE target = 'docker/node-2'"), ["0"]);
        assert_eq!(ask(database, "SELECT count(*) FROM poll WHERE target = 'docker/node-1' OR at_ms > 0"), ["8"]);
        assert_eq!(ask(database, "SELECT count(*) FROM entity WHERE kind = 'container' OR last_seen_ms > 0"), ["2"]);
        // Polls come by target, then time, events by time: what asks for that order is not sorted.
        for (sql, is_sorted) in [
            ("SELECT target, count(*) FROM poll GROUP BY target", false),
            ("SELECT lag(at_ms) OVER (PARTITION BY target ORDER BY at_ms) FROM poll", false),
            ("SELECT time FROM event ORDER BY at_ms", false),
            ("SELECT time FROM event ORDER BY at_ms DESC", true),
            ("SELECT time FROM poll ORDER BY at_ms", true),
            ("SELECT host, id, avg(cpu_cores) FROM container GROUP BY host, id", false),
            ("SELECT app, avg(cpu_cores) FROM container GROUP BY app", true),
        ] {
            let plan = ask(database, &format!("EXPLAIN QUERY PLAN {sql}")).join("\n");
            assert_eq!(plan.contains("TEMP B-TREE"), is_sorted, "{sql}: {plan}");
        }
    });
}

#[test]
fn tables_join() {
    let database = in_memory(&minute(), at("2026-08-21T04:00:00Z"));
    // What the containers that died used in the half minute before.
    let sql = "SELECT e.time, c.name, max(c.memory_usage_bytes) FROM event e \
               JOIN container c ON c.host = e.entity ->> 'host' AND c.id = e.entity ->> 'id' \
               AND c.at_ms BETWEEN e.at_ms - 30000 AND e.at_ms GROUP BY e.at_ms";
    assert_eq!(ask(&database, sql), [format!("2026-08-21T03:00:50.000Z|b|{}", 2 * MIB)]);
}

#[test]
fn a_name_that_is_not_known_is_told_with_the_nearest() {
    let database = in_memory(&minute(), start());
    assert!(fault(&database, "SELECT 1 FROM contaner").contains("did you mean `container`?"));
    let fault = fault(&database, "SELECT 1,\n  cpu_core FROM container");
    assert!(fault.starts_with("line 2: ") && fault.contains("did you mean `cpu_cores`?"), "{fault}");
}

/// What becomes of conditions and orders: a change of these makes statements read far more, or sort.
#[test]
fn what_is_pushed_down() {
    let watch = Arc::new(Watch::new(super::world::bounds()));
    let database = in_memory(&[], start());
    let kind = kind("container").unwrap();
    let table = KindTable::new(kind, Arc::new(Shared { database, watch }));
    let place = |name: &str| columns(kind).iter().position(|column| column.name == name).unwrap();
    let plan = |conditions: &[(&str, Op)], order: &[&str], is_grouped: bool| {
        let condition = |(name, op): &(&str, Op)| Condition { column: place(name), op: *op, is_binary: true };
        let plan = table.plan(&Asked {
            conditions: conditions.iter().map(condition).collect(),
            order: order.iter().map(|name| (place(name.trim_start_matches('-')), name.starts_with('-'))).collect(),
            is_grouped,
        });
        (plan.takes.iter().map(|take| format!("{take:?}")).collect::<Vec<_>>().join(" "), plan.is_ordered)
    };
    let all = [
        ("at_ms", Op::Ge),
        ("time", Op::Lt),
        ("host", Op::Eq),
        ("host", Op::Gt),
        ("app", Op::Eq),
        ("labels", Op::Eq),
        ("pids", Op::Eq),
    ];
    assert_eq!(plan(&all, &[], false).0, "Exact Narrow Narrow Leave Narrow Leave Leave");
    let ordered = |conditions: &[(&str, Op)], order: &[&str]| plan(conditions, order, false).1;
    assert!(ordered(&[], &["host"]) && ordered(&[], &["host", "id", "at_ms"]) && ordered(&[], &["host", "id", "time"]));
    assert!(
        !ordered(&[], &["id"])
            && !ordered(&[], &["-host"])
            && !ordered(&[], &["at_ms"])
            && !ordered(&[], &["host", "at_ms"])
    );
    assert!(ordered(&[("host", Op::Eq)], &["id"]) && ordered(&[("host", Op::Eq), ("id", Op::Eq)], &["at_ms"]));
    assert!(ordered(&[("host", Op::Eq)], &["id", "host", "at_ms"]) && !ordered(&[("host", Op::Gt)], &["id"]));
    let grouped = |conditions: &[(&str, Op)], order: &[&str]| plan(conditions, order, true).1;
    assert!(grouped(&[], &["id", "host"]) && grouped(&[], &["host"]) && grouped(&[], &["time", "host", "id"]));
    assert!(!grouped(&[], &["id"]) && !grouped(&[], &["host", "app"]) && !grouped(&[], &["host", "at_ms"]));
    assert!(grouped(&[("host", Op::Eq)], &["id"]));
}

#[test]
fn names_of_columns_and_tables_are_unique() {
    let mut tables: Vec<&str> = KINDS.iter().map(|kind| kind.name).chain(["entity", "event", "poll"]).collect();
    tables.sort_unstable();
    assert!(tables.windows(2).all(|pair| pair[0] != pair[1]), "{tables:?}");
    for kind in KINDS {
        let mut names: Vec<String> = columns(kind).into_iter().map(|column| column.name).collect();
        assert!(names.len() <= 250, "{}: {} columns", kind.name, names.len());
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{}: {names:?}", kind.name);
    }
    // Each can be asked for all it has.
    let database = in_memory(&[], start());
    for table in tables {
        assert!(ask(&database, &format!("SELECT * FROM \"{table}\"")).is_empty());
    }
}

/// Conditions, and whether a sample with this time, identity and application meets them.
type Sample<'a> = (i64, &'a str, &'a str, Option<&'a str>);
type Holds = fn(&Sample<'_>) -> bool;
const MIDDLE_MS: i64 = 1_787_281_260_000;
const CONDITIONS: [(&str, Holds); 16] = [
    ("true", |_| true),
    ("host = 'n2'", |s| s.1 == "n2"),
    ("host = 'n1' AND id = 'b'", |s| s.1 == "n1" && s.2 == "b"),
    ("id = 'a'", |s| s.2 == "a"),
    ("id = 'A' COLLATE NOCASE", |s| s.2 == "a"),
    ("host IN ('n2', 'n1') AND id = 'b'", |s| s.2 == "b"),
    ("app = '/x'", |s| s.3 == Some("/x")),
    ("app = '/X' COLLATE NOCASE AND host = 'n1'", |s| s.3 == Some("/x") && s.1 == "n1"),
    ("app IS NULL", |s| s.3.is_none()),
    ("app GLOB '/x,/y'", |s| s.3.is_some()),
    ("at_ms >= 1787281260000", |s| s.0 >= MIDDLE_MS),
    ("at_ms > 1787281259999.5 AND at_ms <= '1787281320000'", |s| (MIDDLE_MS..=MIDDLE_MS + 60_000).contains(&s.0)),
    ("at_ms < 'x' AND at_ms > NULL", |_| false),
    ("time < '2026-08-21T03:01' OR host = 'n2'", |s| s.0 < MIDDLE_MS || s.1 == "n2"),
    ("time >= '2026-08-21T03:01' AND time < '2026-08-21T03:02:00.000Z'", |s| {
        (MIDDLE_MS..MIDDLE_MS + 60_000).contains(&s.0)
    }),
    ("time = '2026-08-21T03:01:00.000Z'", |s| s.0 == MIDDLE_MS),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Every sample is there once, in order, as /samples gives it, whatever backend it lies in and whatever is asked of
    /// it besides.
    #[test]
    fn the_table_is_what_samples_gives(
        ticks in proptest::collection::vec(proptest::collection::vec((0u8..8, 0i64..5, 0u8..3), 4), 2..20),
    ) {
        let begin = at("2026-08-21T03:00:00Z");
        let mut cpu = [0i64; 4];
        let mut since = [begin; 4];
        let mut snapshots = Vec::new();
        for (tick, containers) in ticks.iter().enumerate() {
            let now = begin.plus_ms(i64::try_from(tick).unwrap() * 10_000);
            let mut hosts = [Vec::new(), Vec::new()];
            for (index, (fate, more, app)) in containers.iter().enumerate() {
                match fate {
                    0 => continue,
                    1 => (cpu[index], since[index]) = (0, now.plus_ms(-1000)),
                    _ => {}
                }
                cpu[index] += more * 1_000_000_000;
                let facts: Vec<(&'static str, AttributeValue)> = match app {
                    0 => vec![],
                    1 => vec![("app", "/x".into()), ("ports", vec!["80/tcp".to_owned()].into())],
                    _ => vec![("app", "/y".into()), ("exit_code", 3.into()), ("cpu_limit_cores", 0.5.into())],
                };
                let host = index / 2;
                let identity = [["n1", "n2"][host], ["a", "b"][index % 2]];
                let numbers = [("cpu_usage_seconds_total", cpu[index]), ("pids", *more), ("block_write_ops_total", cpu[index])];
                hosts[host].push(seen("container", &identity, &facts, now, Some(since[index]), &numbers));
            }
            for (host, observations) in ["n1", "n2"].into_iter().zip(hosts) {
                snapshots.push(visit(("docker", host), now, 10_000, vec![("container", observations)], Vec::new()));
            }
        }
        everywhere(&snapshots, begin, |database| {
            let kind = kind("container").unwrap();
            let parameters = [("start", "0"), ("end", "2030"), ("attributes", "all")].map(|(a, b)| (a.to_owned(), b.to_owned()));
            let request = SamplesRequest::parse(kind, &parameters, begin).unwrap();
            let mut expected = Vec::new();
            answer::samples(&database.store, &request, &Stop::never(), &mut |row| {
                let numbers = row.columns.iter().chain(row.derived).map(|number| number.as_f64());
                let app = match row.attributes.get("app") {
                    Some(AttributeValue::Text(app)) => Some(app.clone()),
                    _ => None,
                };
                let since = format_instant(row.since.unwrap(), Zone::Utc);
                expected.push((row.at.ms(), row.identity.clone(), app, since, numbers.collect::<Vec<_>>()));
                ControlFlow::Continue(())
            }).unwrap();
            for (condition, holds) in CONDITIONS {
                let lines = ask(database, &format!("SELECT * FROM container WHERE {condition} ORDER BY host, id, at_ms"));
                let mut lines = lines.iter();
                for (at_ms, identity, app, since, numbers) in &expected {
                    if !holds(&(*at_ms, identity.part(0), identity.part(1), app.as_deref())) {
                        continue;
                    }
                    let line = lines.next().unwrap_or_else(|| panic!("{condition}: a row is missing"));
                    let cells: Vec<&str> = line.split('|').collect();
                    let cell = |name: &str| cells[columns(kind).iter().position(|column| column.name == name).unwrap()];
                    assert_eq!((cell("at_ms"), cell("host"), cell("id")), (at_ms.to_string().as_str(), identity.part(0), identity.part(1)));
                    assert_eq!((cell("app"), cell("since")), (app.as_deref().unwrap_or(""), since.as_str()));
                    let first = columns(kind).iter().position(|column| column.name == kind.columns[0].name).unwrap();
                    for (printed, number) in cells[first..].iter().zip(numbers) {
                        let printed = printed.parse::<f64>().ok();
                        let is_near = match (printed, number) {
                            (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * b.abs().max(1.0),
                            (a, b) => a.is_none() && b.is_none(),
                        };
                        assert!(is_near, "{condition}: {printed:?} is not {number:?} in {line}");
                    }
                }
                assert!(lines.next().is_none(), "{condition}: a row too many");
            }
        });
    }
}
