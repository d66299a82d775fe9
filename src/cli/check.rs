//! `check`: whether a recording is sound, with everything that is wrong where it is not.
//!
//! Must not know: how anything is checked.

use std::io::{self, Write};
use std::path::Path;

use super::recording::{open_store, path_of};
use super::watch::Watch;
use super::{CliError, Which};
use crate::store::CheckReport;

pub(super) fn run(config: Option<&Path>, which: &Which) -> Result<(), CliError> {
    let path = path_of(config, which.store.as_deref())?;
    let store = open_store(config, Some(&path))?;
    let mut watch = Watch::start()?;
    let report = store.check(&mut |progress| watch.on(progress)).map_err(CliError::of_work)?;
    drop(watch);
    let mut out = io::stdout().lock();
    writeln!(out, "{}", path.display())?;
    tell(&mut out, &path, &report)
}

/// Prints what was looked at and the verdict.
pub(super) fn tell(out: &mut dyn Write, path: &Path, report: &CheckReport) -> Result<(), CliError> {
    let lines = [
        ("pages", format!("{} bytes", report.bytes)),
        ("polls", report.polls.to_string()),
        ("entities", format!("{} with {} attribute versions", report.entities, report.versions)),
        ("events", report.events.to_string()),
        ("journal", format!("{} samples", report.journal_samples)),
        (
            "blocks",
            format!("{} of {} samples, {} values decoded", report.blocks, report.block_samples, report.block_values),
        ),
        ("rollups", format!("{} of {} hours", report.rollups, report.rollup_hours)),
    ];
    for (name, text) in lines {
        writeln!(out, "  {name:<10}{text}")?;
    }
    for fault in &report.faults {
        writeln!(out, "  FAULT     {fault}")?;
    }
    if report.more_faults > 0 {
        writeln!(out, "  FAULT     and {} more", report.more_faults)?;
    }
    let told = u64::try_from(report.faults.len()).unwrap_or(u64::MAX);
    if !report.is_sound() {
        out.flush()?;
        return Err(CliError::Unsound { path: path.to_owned(), faults: told.saturating_add(report.more_faults) });
    }
    writeln!(out, "sound")?;
    Ok(())
}
