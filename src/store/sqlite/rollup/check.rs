//! Whether every rollup can be read, and holds hours of its own window.
//!
//! Must not know: how faults are told.

use rusqlite::Connection;

use super::super::queries;
use super::super::windows::block_start_ms;
use super::format::{self, Layout};
use crate::model::{HOUR_MS, Hours, Kind, Wanted};
use crate::rollup::fields_count;
use crate::store::CheckReport;

/// Adds what is wrong with rollups to a report, and how many there are.
pub(in super::super) fn check(
    connection: &Connection,
    kinds: &[&'static Kind],
    report: &mut CheckReport,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(queries::CHECK_ROLLUPS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        report.rollups = report.rollups.saturating_add(1);
        let (kind, fields): (Option<String>, Option<String>) = (row.get(1)?, row.get(2)?);
        let (Some(name), Some(fields)) = (kind, fields) else {
            report.fault(format!("rollup {id}: its entity or its layout is not there"));
            continue;
        };
        let Some(kind) = kinds.iter().copied().find(|kind| kind.name == name) else { continue };
        let layout = Layout::parse(kind, &fields);
        let all: Vec<usize> = (0..fields_count(kind)).collect();
        let body = row.get_ref(3)?.as_blob()?;
        let read = format::open(&layout, body).and_then(|opened| {
            let hours = opened.hours(kind, &all, Wanted::ALL)?;
            let are_days_right = opened.are_days_of(kind, &hours)?;
            Ok((hours, are_days_right))
        });
        match read {
            Err(damage) => report.fault(format!("rollup {id}: {damage}")),
            Ok((hours, are_days_right)) => {
                report.rollup_hours =
                    report.rollup_hours.saturating_add(u64::try_from(hours.rows.len()).unwrap_or(u64::MAX));
                if !are_of_window(&hours, block_start_ms(id), row.get(4)?) {
                    report.fault(format!("rollup {id}: it holds hours that are not its own"));
                }
                if !are_days_right {
                    report.fault(format!("rollup {id}: its days are not the sums of its hours"));
                }
            }
        }
    }
    Ok(())
}

/// Whether rows are whole hours of a window, each under a version once.
fn are_of_window(hours: &Hours, start_ms: i64, end_ms: i64) -> bool {
    let is_own = |at_ms: i64| at_ms % HOUR_MS == 0 && start_ms <= at_ms && at_ms < end_ms;
    let key = |index: usize| hours.rows.get(index).map(|row| (row.start, row.version));
    hours.rows.iter().all(|row| is_own(row.start.ms()))
        && (1..hours.rows.len()).all(|index| key(index - 1) < key(index))
}
