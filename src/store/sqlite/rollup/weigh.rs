//! What rollups weigh: by kind, and by field.
//!
//! Must not know: how it is told.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::super::block::Damage;
use super::super::queries;
use super::format::{self, Layout};
use crate::model::{Class, Wanted};
use crate::store::KindStats;

/// Adds all rollups to their kinds. Gives their bytes.
pub(in super::super) fn weigh(
    connection: &Connection,
    of_kinds: &mut BTreeMap<&'static str, KindStats>,
) -> rusqlite::Result<u64> {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let mut whole = 0_u64;
    let mut statement = connection.prepare(queries::CHECK_ROLLUPS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(3)?.as_blob()?;
        let bytes = count(body.len());
        whole = whole.saturating_add(bytes);
        let (kind, fields): (Option<String>, Option<String>) = (row.get(1)?, row.get(2)?);
        let Some(stats) = kind.and_then(|kind| of_kinds.get_mut(kind.as_str())) else { continue };
        let layout = Layout::parse(stats.kind, &fields.ok_or_else(|| Damage("a rollup without a layout".to_owned()))?);
        let opened = format::open(&layout, body)?;
        let mut in_fields = 0_u64;
        for (name, bytes) in opened.weigh() {
            in_fields = in_fields.saturating_add(count(bytes));
            let column = stats.column(name);
            column.rollup_bytes = column.rollup_bytes.saturating_add(count(bytes));
        }
        // What stands before the fields: rows, stays, lengths.
        let frame = stats.column("(frame)");
        frame.rollup_bytes = frame.rollup_bytes.saturating_add(bytes.saturating_sub(in_fields));
        let columns: Vec<usize> = (0..stats.kind.columns.len()).collect();
        let hours = opened.hours(stats.kind, &columns, Wanted::SUMS)?;
        let samples = |samples: i64| u64::try_from(samples).unwrap_or(0);
        let level = &mut stats.rollups;
        level.count = level.count.saturating_add(1);
        level.bytes = level.bytes.saturating_add(bytes);
        level.samples += hours.rows.iter().map(|row| samples(row.samples)).sum::<u64>();
        for (column, cells) in stats.kind.columns.iter().zip(&hours.cells) {
            // Counters are told by the stretches between samples: as many as there are samples.
            let values = cells.iter().zip(&hours.rows).map(|(cell, row)| match column.class {
                Class::Gauge => samples(cell.count),
                Class::Counter if cell.sum.is_nothing() && cell.holes.is_nothing() => 0,
                Class::Counter => samples(row.samples),
            });
            level.values += values.sum::<u64>();
        }
    }
    Ok(whole)
}
