//! Steps that landed stay as they are, lead every older file to today's schema, and lose nothing on the way.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::store::sqlite::codec;

/// Checksums of the steps that are in the field. A step is changed by another one, never by an edit.
const LANDED: &[(&str, i64)] = &[
    ("0001_create_base", 8847892545404349969),
    ("0002_add_docker_kinds", -3938125469876361298),
    ("0003_add_host_kinds", -2317645689443451357),
    ("0004_add_recorder_kinds", -6583023093047376311),
    ("0005_create_metric", -1344428246914476766),
    ("0006_add_mesos_kinds", 2783377099807334822),
    ("0007_add_marathon_kinds", -2348344348239430084),
    ("0008_add_zookeeper_kinds", -1510780269483142335),
    ("0009_add_registry_kinds", -2901226201818240745),
    ("0010_add_swarm_kinds", -6633939880592654380),
    ("0011_create_blocks", 6564519878136617954),
    ("0012_add_container_process", -4918076807241697823),
    ("0013_create_journal", 7394123499202413922),
    ("0014_create_rollups", -4873698893103331772),
];

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn migrated(steps: &[(&str, &str)]) -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    apply(&mut connection, steps).unwrap();
    connection
}

fn schema(connection: &Connection) -> String {
    let mut statement = connection
        .prepare(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type DESC, name",
        )
        .unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(|sql| sql.unwrap() + ";\n").collect()
}

fn tables(connection: &Connection) -> BTreeSet<String> {
    let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(Result::unwrap).filter(|name| !name.starts_with("sqlite_")).collect()
}

#[test]
fn the_directory_equals_the_list_without_gaps() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = files.collect();
    let listed: Vec<String> = STEPS.iter().map(|(name, _)| format!("{name}.sql")).collect();
    assert_eq!(files, listed.iter().cloned().collect());
    for (number, name) in (1..).zip(&listed) {
        assert!(name.starts_with(&format!("{number:04}_")), "{name} stands at place {number}");
    }
}

#[test]
fn steps_that_landed_are_unchanged() {
    let today: Vec<(&str, i64)> = STEPS.iter().map(|(name, sql)| (*name, codec::hash(sql))).collect();
    assert_eq!(today[..LANDED.len()], *LANDED, "a landed step was edited; add a new one instead");
    assert_eq!(today.len(), LANDED.len(), "a step is not pinned yet: {:?}", &today[LANDED.len()..]);
}

#[test]
fn the_final_schema_is_the_one_on_record() {
    let schema = schema(&migrated(STEPS));
    let golden = fixture("schema.sql");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&golden, &schema).unwrap();
    }
    assert_eq!(schema, std::fs::read_to_string(&golden).unwrap(), "UPDATE=1 rewrites {}", golden.display());
}

#[test]
fn every_column_of_a_kind_is_stored_under_a_name_of_its_own() {
    for kind in crate::source::KINDS {
        let names: BTreeSet<&str> = kind.columns.iter().map(|column| column.stored).collect();
        assert_eq!(names.len(), kind.columns.len(), "two columns of {} are stored under one name", kind.name);
    }
}

/// One row in every base table, in the words of the first step.
const BASE_ROWS: &str = "
    INSERT INTO meta VALUES ('machine_name', 'm');
    INSERT INTO target VALUES (1, 'test/a', 10, 11);
    INSERT INTO poll VALUES (1, 1, 10, 1, 10000, 5, 'ok', NULL, '[]', 0, 11, 0, NULL, NULL);
    INSERT INTO entity VALUES (1, 'container', x'61', NULL);
    INSERT INTO sighting VALUES (1, 1, 0, 10, 10, NULL, NULL, NULL, NULL);
    INSERT INTO attribute_set VALUES (1, 7, '{}');
    INSERT INTO entity_version VALUES (1, 10, 1);
    INSERT INTO event VALUES (1, 1, 10, 'x', 'limit_hit', 'info', NULL, NULL, 'm', '{}');
";

/// Everything in the tables that a database has after the first step.
fn base_rows(connection: &Connection) -> Vec<String> {
    let mut rows = Vec::new();
    for table in tables(&migrated(&STEPS[..1])) {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let width = statement.column_count();
        let mut found = statement.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let cells = (0..width).map(|index| format!("{:?}", row.get_ref(index).unwrap()));
            rows.push(format!("{table}: {}", cells.collect::<Vec<_>>().join(", ")));
        }
    }
    rows
}

#[test]
fn each_step_keeps_what_is_there_and_adds_its_tables() {
    let mut connection = migrated(&STEPS[..1]);
    connection.execute_batch(BASE_ROWS).unwrap();
    let before = base_rows(&connection);
    assert_eq!(before.len(), 8);
    for count in 2..=STEPS.len() {
        let tables_before = tables(&connection);
        apply(&mut connection, &STEPS[..count]).unwrap();
        assert_eq!(base_rows(&connection), before, "{}", STEPS[count - 1].0);
        let added: Vec<String> = tables(&connection).difference(&tables_before).cloned().collect();
        assert!(!added.is_empty());
        for table in added {
            if table == "journal" {
                assert_moved(&connection, &tables_before);
                continue;
            }
            let row = match table.as_str() {
                "block" => {
                    "(id, entity, end_ms, at_min_ms, at_max_ms, poll_min, poll_max, samples, is_merged, layout, body)
                    VALUES (1, 1, 60000, 10, 10, 1, 1, 1, 0, 1, x'00')"
                }
                "block_layout" => "(columns) VALUES ('i a')",
                "rollup" => {
                    "(id, entity, end_ms, until_ms, first_ms, last_ms, is_merged, layout, body)
                    VALUES (1, 1, 60000, 60000, 10, 10, 0, 1, x'00')"
                }
                "rollup_layout" => "(fields) VALUES ('a')",
                "rollup_due" => "VALUES (2, 0, 86400000)",
                "poll_due" => "VALUES (2, 0, 86400000)",
                "poll_chain" => "VALUES (1, 0, 0, 'ok', 10, 11, 10000, 10, 11, 10000)",
                _ => "(poll, entity, at_ms) VALUES (1, 1, 10)",
            };
            connection.execute(&format!("INSERT INTO {table} {row}"), []).unwrap();
        }
    }
}

/// The row that each table of samples had is a piece now, and the table is gone.
fn assert_moved(connection: &Connection, tables_before: &BTreeSet<String>) {
    let kinds: BTreeSet<&str> = tables_before.iter().filter_map(|table| table.strip_prefix("sample_")).collect();
    assert!(kinds.len() > 20, "{kinds:?}");
    assert!(!tables(connection).iter().any(|table| table.starts_with("sample_")));
    let mut statement = connection.prepare("SELECT kind, poll, entity_min, entity_max, samples FROM journal").unwrap();
    let pieces = statement.query_map([], |row| {
        let place = (row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?, row.get::<_, i64>(4)?);
        assert_eq!(place, (1, 1, 1, 1));
        row.get::<_, String>(0)
    });
    let moved: BTreeSet<String> = pieces.unwrap().map(Result::unwrap).collect();
    assert_eq!(moved.iter().map(String::as_str).collect::<BTreeSet<_>>(), kinds);
}

#[test]
fn every_older_version_is_led_to_the_newest() {
    let newest = schema(&migrated(STEPS));
    for count in 0..=STEPS.len() {
        let mut connection = Connection::open_in_memory().unwrap();
        if count > 0 {
            apply(&mut connection, &STEPS[..count]).unwrap();
        }
        apply(&mut connection, STEPS).unwrap();
        assert_eq!(schema(&connection), newest, "from version {count}");
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, version_of(STEPS));
    }
}

#[test]
fn a_step_that_fails_leaves_nothing_behind() {
    let mut steps = STEPS[..1].to_vec();
    steps.push(("0002_break", "CREATE TABLE half (a INTEGER) STRICT; CREATE TABLE target (a INTEGER) STRICT;"));
    let mut connection = Connection::open_in_memory().unwrap();
    assert!(apply(&mut connection, &steps).is_err());
    assert_eq!(tables(&connection), tables(&migrated(&STEPS[..1])));
}
