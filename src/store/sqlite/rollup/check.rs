//! Whether every rollup can be read.
//!
//! Must not know: how faults are told.

use rusqlite::Connection;

use super::super::queries;
use super::format::{self, Layout};
use crate::model::Kind;
use crate::rollup::fields_count;

/// What is wrong with rollups, a line each.
pub(in super::super) fn faults(connection: &Connection, kinds: &[&'static Kind]) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(queries::CHECK_ROLLUPS)?;
    let mut rows = statement.query([])?;
    let mut faults = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let (kind, fields): (Option<String>, Option<String>) = (row.get(1)?, row.get(2)?);
        let (Some(name), Some(fields)) = (kind, fields) else {
            faults.push(format!("rollup {id}: its entity or its layout is not there"));
            continue;
        };
        let Some(kind) = kinds.iter().copied().find(|kind| kind.name == name) else { continue };
        let layout = Layout::parse(&fields);
        let all: Vec<usize> = (0..fields_count(kind)).collect();
        let read = format::open(&layout, row.get_ref(3)?.as_blob()?).and_then(|opened| opened.hours(kind, &all, true));
        if let Err(damage) = read {
            faults.push(format!("rollup {id}: {damage}"));
        }
    }
    Ok(faults)
}
