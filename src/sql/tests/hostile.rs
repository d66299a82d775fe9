//! Statements that mean harm: each refused, or ended within its bounds, and nothing of the recording changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::world::{ask, at, bounds, fault, in_memory, printed, seen, visit};
use crate::answer::Stop;
use crate::sql::module::heap_bytes;
use crate::sql::{Bounds, Database, SqlError, run};

/// One container, 2000 samples.
fn database() -> Database {
    let start = at("2026-08-21T03:00:00Z");
    let round = |tick: i64| {
        let now = start.plus_ms(tick * 10_000);
        let numbers = [("cpu_usage_seconds_total", tick), ("memory_usage_bytes", tick % 7)];
        let one = seen("container", &["n", "a"], &[("name", "a".into())], now, None, &numbers);
        visit(("docker", "n"), now, 10_000, vec![("container", vec![one])], vec![])
    };
    in_memory(&(0..2000).map(round).collect::<Vec<_>>(), start)
}

/// Statements that count to a hundred million.
const ENDLESS: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100000000)";

fn ended(database: &Database, sql: &str, bounds: Bounds) -> SqlError {
    let ended = printed(|take| run(database, sql, &[], bounds, take).map(|_| ()));
    ended.map(|lines| lines.len()).expect_err(sql)
}

#[test]
fn whatever_is_not_reading_is_refused() {
    let database = database();
    for sql in [
        "ATTACH '/tmp/other.db' AS other",
        "ATTACH ':memory:' AS other",
        "DETACH main",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA hard_heap_limit = 1",
        "PRAGMA temp_store_directory = '/'",
        "SELECT * FROM pragma_table_info('container')",
        "SELECT * FROM pragma_database_list",
        "CREATE TABLE t (x)",
        "CREATE TEMP TABLE t AS SELECT * FROM container",
        "CREATE VIRTUAL TABLE t USING fts5(x)",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TRIGGER t AFTER INSERT ON container BEGIN SELECT 1; END",
        "INSERT INTO container (host) VALUES ('x')",
        "UPDATE container SET host = 'x'",
        "DELETE FROM container",
        "DELETE FROM sqlite_schema",
        "DROP TABLE container",
        "ALTER TABLE container ADD COLUMN x",
        "VACUUM INTO '/tmp/copy.db'",
        "VACUUM",
        "REINDEX",
        "ANALYZE",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT s",
        "SELECT load_extension('/tmp/evil.so')",
        "SELECT readfile('/etc/passwd')",
        "SELECT writefile('/tmp/x', 'y')",
        "SELECT edit('x')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT randomblob(1000000000)",
        "SELECT zeroblob(1000000000)",
        "SELECT * FROM sqlite_schema",
        "SELECT * FROM sqlite_temp_schema",
        "SELECT * FROM dbstat",
        "SELECT * FROM fts3tokenize",
        "SELECT * FROM sample_container",
        "EXPLAIN PRAGMA user_version",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE container",
        "",
        "-- nothing",
        ";",
        "SELECT",
        "\0",
        "SELECT \"no such column\"",
        "SELECT ?",
        "SELECT :unknown",
    ] {
        let fault = fault(&database, sql);
        assert!(!fault.is_empty(), "{sql}");
    }
    assert!(
        fault(&database, "ATTACH ':memory:' AS other").contains("to attach or detach a database is not possible here")
    );
    assert!(fault(&database, "PRAGMA user_version").contains("PRAGMA user_version is not possible here"));
    assert!(fault(&database, "SELECT load_extension('x')").contains("load_extension"));
    assert!(fault(&database, "SELECT * FROM sqlite_schema").contains("to read sqlite_"));
    assert_eq!(ask(&database, "SELECT count(*) FROM container"), ["2000"]);
    // A comment after the statement is none.
    assert_eq!(ask(&database, "SELECT 1; -- done\n  ; "), ["1"]);
}

/// A clock that says after so many looks that time is over.
fn late_after(looks: u64) -> Bounds {
    let left = AtomicU64::new(looks);
    let is_late = move || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err();
    Bounds { is_late: Box::new(is_late), time_seconds: 7, ..bounds() }
}

#[test]
fn what_takes_for_ever_is_ended() {
    let database = database();
    for sql in [
        format!("{ENDLESS} SELECT count(*) FROM n"),
        format!("{ENDLESS} SELECT sum(x) FROM n, container"),
        "SELECT count(*) FROM container a, container b, container c".to_owned(),
        format!("{ENDLESS} SELECT 1 WHERE 0 IN (SELECT x FROM n)"),
        "SELECT count(*) FROM container a WHERE EXISTS (SELECT 1 FROM container b, container c WHERE b.pids = a.at_ms)"
            .to_owned(),
    ] {
        let error = ended(&database, &sql, late_after(1000));
        assert!(matches!(error, SqlError::Late { seconds: 7 }), "{sql}: {error:?}");
    }
    // A statement that doubles with each line is ended while it is prepared.
    let doubled: String = (1..40).map(|n| format!(", t{n} AS (SELECT * FROM t{0}, t{0})", n - 1)).collect();
    let sql = format!("WITH t0 AS (SELECT 1 AS x){doubled} SELECT count(*) FROM t39");
    ended(&database, &sql, late_after(1000));
}

#[test]
fn what_nobody_waits_for_is_ended() {
    let looks = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&looks);
    let stop = Stop::when(move || counted.fetch_add(1, Ordering::Relaxed) > 100);
    let error = ended(&database(), &format!("{ENDLESS} SELECT count(*) FROM n"), Bounds { stop, ..bounds() });
    assert!(matches!(error, SqlError::Stopped), "{error:?}");
    assert!(looks.load(Ordering::Relaxed) < 1000);
}

#[test]
fn what_needs_too_much_memory_is_ended() {
    let database = database();
    const BYTES: u64 = 32 << 20;
    // Others use SQLite meanwhile: they add to what is measured, far less than these would take.
    let before = heap_bytes();
    for sql in [
        format!("{ENDLESS} SELECT x FROM n ORDER BY -x"),
        format!("{ENDLESS} SELECT DISTINCT x FROM n"),
        format!("{ENDLESS} SELECT x, count(*) FROM n GROUP BY x % 50000000"),
        format!("{ENDLESS} SELECT percentile(x, 50) FROM n"),
        format!("{ENDLESS} SELECT length(json_group_array(x)) FROM n"),
        format!("{ENDLESS} SELECT printf('%500000d', x) AS big FROM n ORDER BY big"),
        format!("{ENDLESS} SELECT sum(x) OVER (ORDER BY x DESC) FROM n"),
        format!("{ENDLESS}, m AS MATERIALIZED (SELECT x, printf('%1000d', x) AS y FROM n) SELECT count(*) FROM m"),
    ] {
        let error = ended(&database, &sql, Bounds { memory_bytes: BYTES, rows: u64::MAX, ..bounds() });
        assert!(matches!(error, SqlError::Large { bytes: BYTES }), "{sql}: {error:?}");
    }
    assert!(heap_bytes().saturating_sub(before) < 256 << 20);
}

#[test]
fn what_grows_too_large_is_refused() {
    let database = database();
    for (sql, expected) in [
        ("SELECT length(group_concat(printf('%500d', a.at_ms))) FROM container a, container b WHERE b.at_ms < 1787281300000".to_owned(), "too big"),
        ("SELECT printf('%1000000000d', 1)".to_owned(), "too big"),
        ("SELECT replace(hex(printf('%100000d', 1)), '20', printf('%1000d', 1))".to_owned(), "too big"),
        (format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000)), "Recursion limit"),
        (format!("SELECT {}", vec!["1"; 1000].join(" + ")), "too large"),
        (format!("SELECT {}", vec!["1"; 1000].join(", ")), "too many columns"),
        (vec!["SELECT 1"; 1000].join(" UNION ALL "), "too many terms"),
        (format!("SELECT max({})", vec!["1"; 120].join(", ")), "too many arguments"),
        (format!("SELECT '{}'", "x".repeat(100_000)), "bytes: shorten it"),
        (format!("SELECT 'a' LIKE '{}'", "%a".repeat(5000)), "pattern too complex"),
        ("SELECT json('".to_owned() + &"[".repeat(3000) + "')", "malformed JSON"),
    ] {
        let fault = fault(&database, &sql);
        assert!(fault.contains(expected), "{}: {fault}", sql.chars().take(80).collect::<String>());
    }
    let error = ended(&database, "SELECT at_ms FROM container", Bounds { rows: 1999, ..bounds() });
    assert!(matches!(error, SqlError::Rows { rows: 1999 }), "{error:?}");
    assert_eq!(
        printed(|take| run(&database, "SELECT at_ms FROM container", &[], Bounds { rows: 2000, ..bounds() }, take)
            .map(|_| ()))
        .unwrap()
        .len(),
        2001
    );
}
