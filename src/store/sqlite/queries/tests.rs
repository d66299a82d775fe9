//! Every statement is a file that says what it answers, prepares on today's schema, and scans only where it says so.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;

use super::*;
use crate::store::sqlite::migrations;

/// A database of today's schema.
fn database() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrations::apply(&mut connection, migrations::STEPS).unwrap();
    rusqlite::vtab::array::load_module(&connection).unwrap();
    connection
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
fn every_statement_prepares() {
    let database = database();
    for (name, sql) in ALL {
        if let Err(error) = database.prepare(sql) {
            panic!("{name}: {error}\n{sql}");
        }
    }
}

#[test]
fn a_statement_scans_exactly_where_it_says_so() {
    let database = database();
    for (name, sql) in ALL.iter().filter(|(_, text)| !text.contains("PRAGMA")) {
        let is_meant = sql.lines().any(|line| line.starts_with("-- plan: scan ("));
        let mut plan = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        // Parameters stay unbound: the plan does not depend on them.
        let mut rows = plan.raw_query();
        let mut steps = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get::<_, String>(3).unwrap());
        }
        // An array that is bound is read as a whole.
        let scans = steps.iter().any(|step| step.starts_with("SCAN") && !step.starts_with("SCAN wanted VIRTUAL"));
        assert_eq!(scans, is_meant, "{name}: {steps:#?}");
    }
}
