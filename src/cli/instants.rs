//! `snapshot [name=value …]` and `diff [name=value …]`: the picture of an instant, and what differs between two,
//! straight from the file.
//!
//! Must not know: how they are found.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::output::{Format, write_to};
use super::recording::open_store;
use super::table::Table;
use super::{CliError, parse_pair};
use crate::answer::{self, AsOf};
use crate::clock::Clock;
use crate::query::cell::Cell;
use crate::query::request::{DiffRequest, ParameterError, SnapshotRequest};
use crate::render::rows::Form;
use crate::render::{diff, snapshot};
use crate::source::KINDS;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Parameters and filters: at=-2h, kinds=container, from=-1d, to=now, host=node-1, …
    #[arg(value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub(super) parameters: Vec<(String, String)>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "table")]
    pub(super) format: Format,
    /// Read this recording instead of the configuration's store.path; a running recorder is not disturbed.
    #[arg(long, value_name = "FILE")]
    pub(super) store: Option<PathBuf>,
    /// Write to this file, which appears when it is whole; without it to standard output.
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// Everything as it was at an instant.
pub(super) fn snapshot(config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let request = SnapshotRequest::parse(KINDS, &arguments.parameters, Clock::System.now())?;
    let store = open_store(config, arguments.store.as_deref())?;
    let picture = AsOf::new(&store, &request)?;
    write_to(arguments.output.as_deref(), |out| match (arguments.format, request.kinds.as_slice()) {
        (Format::Json, _) => snapshot::json(out, &request, picture.targets(), |selected| Ok(picture.parts(selected)?)),
        (Format::Csv, [one]) => Ok(snapshot::rows(out, Form::Csv, &request, one.kind, &picture.parts(one)?)?),
        (Format::Csv, _) => Err(ParameterError::new("kinds", "CSV is of one kind, such as kinds=container").into()),
        (Format::Table, _) => pictured(out, &request, &picture),
    })
}

/// A table a kind that had anything: what is headline, and what it belongs to.
fn pictured(out: &mut dyn Write, request: &SnapshotRequest, picture: &AsOf<'_>) -> Result<(), CliError> {
    for selected in &request.kinds {
        let (kind, parts) = (selected.kind, picture.parts(selected)?);
        if parts.is_empty() {
            continue;
        }
        writeln!(out, "{}", kind.name)?;
        let is_headline = |name: &str| {
            kind.column(name).is_some_and(|column| column.headline)
                || kind.derived(name).is_some_and(|derived| derived.headline)
        };
        let is_shown = |name: &str| {
            kind.display.contains(&name)
                || is_headline(name)
                || ["state", "ended", "sample_age_seconds"].contains(&name)
        };
        let shown: Vec<bool> = snapshot::header(kind).map(is_shown).collect();
        let header = snapshot::header(kind).zip(&shown).filter(|(_, shown)| **shown).map(|(name, _)| name);
        let mut table = Table::new(&mut *out, request.zone, header);
        for part in &parts {
            let cells = snapshot::cells(kind, part, request.at).zip(&shown);
            table.row(cells.filter(|(_, shown)| **shown).map(|(cell, _)| cell))?;
        }
        table.finish()?;
        writeln!(out)?;
    }
    Ok(())
}

/// What differs between two instants.
pub(super) fn diff(config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let request = DiffRequest::parse(KINDS, &arguments.parameters, Clock::System.now())?;
    let store = open_store(config, arguments.store.as_deref())?;
    let found = answer::diff(&store, &request, &answer::Stop::never())?;
    write_to(arguments.output.as_deref(), |out| match arguments.format {
        Format::Json => Ok(diff::json(out, &request, &found)?),
        Format::Csv => Ok(diff::rows(out, Form::Csv, &request, &found)?),
        Format::Table => {
            let mut table = Table::new(out, request.zone, diff::NAMES);
            let mut row = |cells: &[Cell<'_>]| table.row(cells.iter().cloned());
            diff::each_row(&request, &found, &mut row)?;
            Ok(table.finish()?)
        }
    })
}
