//! Every statement is a file that says what it answers, prepares on today's schema, and scans only where it says so.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;

use super::*;
use crate::store::conformance::KINDS as TEST_KINDS;
use crate::store::sqlite::migrations;

/// A database of today's schema, with tables for the kinds of tests.
fn database() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrations::apply(&mut connection, migrations::STEPS).unwrap();
    for kind in TEST_KINDS {
        connection.execute_batch(&table_definition(kind)).unwrap();
    }
    connection
}

/// A statement filled for every kind, or as it is where it has no holes.
fn filled(text: &str) -> Vec<String> {
    if !text.contains('{') {
        return vec![text.to_owned()];
    }
    let kinds = TEST_KINDS.iter().chain(crate::source::KINDS);
    kinds.map(|kind| fill(text, kind, &(0..kind.columns.len()).collect::<Vec<_>>())).collect()
}

#[test]
fn the_directory_equals_the_list() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = files.filter(|name| name.ends_with(".sql")).collect();
    let listed: BTreeSet<String> = ALL.iter().map(|(name, _)| format!("{name}.sql")).collect();
    assert_eq!(files, listed);
}

#[test]
fn every_statement_begins_with_a_sentence() {
    for (name, text) in ALL {
        let comment: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("-- ")).collect();
        let sentence = comment.first().unwrap_or_else(|| panic!("{name}: no comment"));
        assert!(sentence.starts_with(char::is_uppercase), "{name}: {sentence}");
        let prose: Vec<&&str> = comment.iter().filter(|line| !line.starts_with("plan: ")).collect();
        assert!(prose.last().unwrap().ends_with('.'), "{name}: {prose:?}");
        assert!(text.ends_with(";\n"), "{name}: no end");
    }
}

#[test]
fn every_statement_prepares_for_every_kind() {
    let database = database();
    for (name, text) in ALL {
        for sql in filled(text) {
            assert!(!sql.contains('{'), "{name}: a hole is left: {sql}");
            if let Err(error) = database.prepare(&sql) {
                panic!("{name}: {error}\n{sql}");
            }
        }
    }
}

#[test]
fn a_statement_scans_exactly_where_it_says_so() {
    let database = database();
    for (name, text) in ALL.iter().filter(|(_, text)| !text.contains("PRAGMA")) {
        let is_meant = text.lines().any(|line| line.starts_with("-- plan: scan ("));
        for sql in filled(text) {
            let mut plan = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            // Parameters stay unbound: the plan does not depend on them.
            let mut rows = plan.raw_query();
            let mut steps = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                steps.push(row.get::<_, String>(3).unwrap());
            }
            let scans = steps.iter().any(|step| step.starts_with("SCAN"));
            assert_eq!(scans, is_meant, "{name}: {steps:#?}");
        }
    }
}
