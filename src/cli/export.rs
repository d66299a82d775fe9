//! `export KIND [name=value …]`: samples as recorded, streamed straight from the file.
//!
//! Must not know: how they are read.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::output::{Format, write_to};
use super::recording::Recording;
use super::table::Table;
use super::{CliError, Question};
use crate::answer::{self, Stop};
use crate::clock::Clock;
use crate::query::request::{SamplesRequest, samples_cursor};
use crate::query::samples::SampleRow;
use crate::render::rows::Form;
use crate::render::samples::{SampleColumns, SampleJson, SampleTable};
use crate::store::Store;

/// Rows between two looks at the progress bar: it must cost nothing.
const ROWS_A_STEP: u64 = 1000;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) question: Question,
    /// How the samples are printed.
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
}

pub(super) fn run(config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let question = &arguments.question;
    let recording = Recording::open(config, question)?;
    let request = SamplesRequest::parse(recording.kind, &question.parameters, Clock::System.now())?;
    answer::check_samples(&recording.store, &request)?;
    let progress = progress(question.output.is_some());
    let written = write_to(question.output.as_deref(), |out| match arguments.format {
        Format::Csv => write_csv(&recording.store, &request, out, &progress),
        Format::Json => write_json(&recording.store, &request, out, &progress),
        Format::Table => write_table(&recording.store, &request, out, &progress),
    });
    progress.finish_and_clear();
    written
}

/// A bar on a terminal, unless the rows themselves go there.
fn progress(is_to_file: bool) -> ProgressBar {
    if !io::stderr().is_terminal() || (!is_to_file && io::stdout().is_terminal()) {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {human_pos} rows, {per_sec}, {elapsed}");
    let bar = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

pub(super) fn write_csv(
    store: &Store,
    request: &SamplesRequest,
    out: &mut dyn Write,
    progress: &ProgressBar,
) -> Result<(), CliError> {
    let mut table = SampleTable::new(out, Form::Csv, request)?;
    emit(store, request, progress, &mut |row| table.row(&row))?;
    Ok(table.finish()?)
}

fn write_table(
    store: &Store,
    request: &SamplesRequest,
    out: &mut dyn Write,
    progress: &ProgressBar,
) -> Result<(), CliError> {
    let columns = SampleColumns::new(request);
    let mut table = Table::new(out, request.zone, columns.names());
    emit(store, request, progress, &mut |row| table.row(columns.cells(&row)))?;
    Ok(table.finish()?)
}

fn write_json(
    store: &Store,
    request: &SamplesRequest,
    out: &mut dyn Write,
    progress: &ProgressBar,
) -> Result<(), CliError> {
    let mut json = SampleJson::new(out, request)?;
    let next = emit(store, request, progress, &mut |row| json.row(&row))?;
    Ok(json.finish(next.as_deref())?)
}

/// Gives every row to `write` until it fails; returns the cursor where a limit cut the rows short.
fn emit(
    store: &Store,
    request: &SamplesRequest,
    progress: &ProgressBar,
    write: &mut dyn FnMut(SampleRow<'_>) -> io::Result<()>,
) -> Result<Option<String>, CliError> {
    let mut rows = 0u64;
    let mut failed = None;
    let end = answer::samples(store, request, &Stop::never(), &mut |row| match write(row) {
        Ok(()) => {
            rows += 1;
            if rows.is_multiple_of(ROWS_A_STEP) {
                progress.set_position(rows);
            }
            ControlFlow::Continue(())
        }
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(end.next.map(|(identity, at)| samples_cursor(&identity, at))),
    }
}
