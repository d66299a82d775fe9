//! `query KIND [name=value …]`: numbers over time, straight from the file.
//!
//! Must not know: how they are computed.

use std::io::Write;
use std::path::Path;

use clap::Args;

use super::output::{Format, write_to};
use super::recording::Recording;
use super::table::Table;
use super::{CliError, Question};
use crate::answer::{self, Stop};
use crate::clock::Clock;
use crate::query::cell::Cell;
use crate::query::frame::{Frame, Series};
use crate::query::request::{Label, RangeRequest};
use crate::render::{csv, json};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) question: Question,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let question = &arguments.question;
    let recording = Recording::open(config, question)?;
    let kind = recording.kind;
    let request = RangeRequest::parse(kind, &question.parameters, Clock::System.now(), recording.interval_ms())?;
    let frame = answer::range(&recording.store, &request, &Stop::never())?;
    let is_filter = |(name, _): &&(String, String)| Label::find(kind, name).is_some();
    let filters: Vec<(String, String)> = question.parameters.iter().filter(is_filter).cloned().collect();
    write_to(question.output.as_deref(), |out| match arguments.format {
        Format::Csv => Ok(csv::frame(out, &frame)?),
        Format::Json => Ok(json::frame(out, &frame, &request, &filters)?),
        Format::Table => table(out, &frame),
    })
}

/// A row a bucket and series, as in CSV.
fn table(out: &mut dyn Write, frame: &Frame) -> Result<(), CliError> {
    let labels = frame.label_names.iter().map(String::as_str);
    let fields = frame.fields.iter().map(|field| field.key.as_str());
    let has_coverage = frame.gaps.is_some();
    let header = std::iter::once("time").chain(labels).chain(fields).chain(has_coverage.then_some("coverage"));
    let mut table = Table::new(out, frame.zone, header);
    for series in &frame.series {
        for (bucket, &time) in frame.times.iter().enumerate() {
            let coverage = has_coverage.then(|| coverage(series, bucket));
            let labels = series.labels.iter().map(|label| label.as_deref().map_or(Cell::Null, Cell::Text));
            let numbers = series.values.iter().map(|values| values.get(bucket).copied().unwrap_or_default().into());
            table.row(std::iter::once(Cell::Bucket(time)).chain(labels).chain(numbers).chain(coverage))?;
        }
    }
    Ok(table.finish()?)
}

fn coverage(series: &Series, bucket: usize) -> Cell<'static> {
    let covered = series.coverage.as_ref().and_then(|coverage| coverage.get(bucket));
    covered.map_or(Cell::Null, |&covered| Cell::Derived(covered))
}
