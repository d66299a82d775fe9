//! Polls of recorded replies: quirks one by one, and whole visits against a canned server.

use std::path::PathBuf;

use crate::model::{Kind, Value};

mod attributed;
mod described;
mod expected;
mod following;
mod quirks;
mod reach;
mod real;
mod recorded;
mod visits;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn column(kind: &Kind, values: &[Value], name: &str) -> Option<i64> {
    values[kind.column_index(name).unwrap_or_else(|| panic!("no column {name}"))].int()
}
