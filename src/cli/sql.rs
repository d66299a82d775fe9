//! `sql STATEMENT [name=value …]` and `report [NAME [name=value …]]`: plain SQL over the recording, and the reports made
//! of it.
//!
//! Must not know: how statements are run.

use std::io::{self, Read as _, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::output::write_to;
use super::recording::open_store;
use super::table::Table;
use super::{CliError, parse_pair};
use crate::answer::Stop;
use crate::app;
use crate::clock::Clock;
use crate::query::cell::Cell;
use crate::query::request::{ParameterError, Zone};
use crate::render::report::{Answer, Head};
use crate::render::rows::Form;
use crate::source::KINDS;
use crate::sql::{self, Argument, Bounds, Database, Library, Part, Report, SqlError};

/// How long a statement may take, in seconds: at a terminal nobody waits for longer by chance.
const SECONDS: u64 = 600;
/// Memory that it may take, in MiB.
const MEMORY_MIB: u64 = 512;
/// Rows that it may give.
const ROWS: u64 = 10_000_000;

/// How the answer is printed, where the recording is, how far a statement may go.
#[derive(Debug, Args)]
struct Asked {
    /// Print CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Read this recording instead of the configuration's store.path; a running recorder is not disturbed.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Write to this file, which appears when it is whole; without it to standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// End the statement after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = SECONDS)]
    seconds: u64,
    /// End the statement when it needs more memory.
    #[arg(long, value_name = "MIB", default_value_t = MEMORY_MIB)]
    memory: u64,
    /// End the statement when it gives more rows.
    #[arg(long, value_name = "ROWS", default_value_t = ROWS)]
    rows: u64,
}

#[derive(Debug, Args)]
pub(super) struct SqlArguments {
    /// One SELECT, or - to read it from standard input.
    statement: String,
    /// Values of the statement's parameters: start=… for :start. A whole number is one, all else is text.
    #[arg(value_name = "NAME=VALUE", value_parser = parse_pair)]
    parameters: Vec<(String, String)>,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// The report; without it all are listed.
    name: Option<String>,
    /// The report's parameters: start=-30d, app=/shop/*, …
    #[arg(value_name = "NAME=VALUE", value_parser = parse_pair)]
    parameters: Vec<(String, String)>,
    #[command(flatten)]
    asked: Asked,
}

impl Asked {
    fn bounds(&self) -> Bounds {
        let deadline_ms = Clock::System
            .monotonic_ms()
            .saturating_add(i64::try_from(self.seconds).unwrap_or(i64::MAX).saturating_mul(1000));
        Bounds {
            stop: Stop::never(),
            is_late: Box::new(move || Clock::System.monotonic_ms() > deadline_ms),
            time_seconds: self.seconds,
            memory_bytes: self.memory.saturating_mul(1 << 20),
            rows: self.rows,
        }
    }

    fn database(&self, config: Option<&Path>) -> Result<Database, CliError> {
        let store = Arc::new(open_store(config, self.store.as_deref())?);
        Ok(Database { store, kinds: KINDS, now: Clock::System.now() })
    }

    /// Prints what `ask` gives, as it is asked for.
    fn print(
        &self,
        head: Option<&Head<'_>>,
        ask: impl FnOnce(&mut sql::Take<'_>) -> Result<(), SqlError>,
    ) -> Result<(), CliError> {
        write_to(self.output.as_deref(), |out| {
            let mut printer = match (self.csv, self.json) {
                (true, _) => Printer::Answer(Box::new(Answer::rows(out, Form::Csv))),
                (_, true) => Printer::Answer(Box::new(Answer::json(out, head)?)),
                _ => Printer::Table { out: Some(out), table: None },
            };
            let mut failed = None;
            let asked = ask(&mut |part| match printer.take(&part) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            });
            if let Some(error) = failed {
                return Err(error.into());
            }
            asked?;
            Ok(printer.finish()?)
        })
    }
}

enum Printer<'o> {
    Answer(Box<Answer<&'o mut dyn Write>>),
    Table { out: Option<&'o mut dyn Write>, table: Option<Table<&'o mut dyn Write>> },
}

impl Printer<'_> {
    fn take(&mut self, part: &Part<'_>) -> io::Result<()> {
        match (self, part) {
            (Printer::Answer(answer), Part::Columns(names)) => answer.columns(names),
            (Printer::Answer(answer), Part::Row(cells)) => answer.row(cells),
            (Printer::Table { out, table }, Part::Columns(names)) => {
                let names = names.iter().map(String::as_str);
                *table = out.take().map(|out| Table::new(out, Zone::Utc, names));
                Ok(())
            }
            (Printer::Table { table, .. }, Part::Row(cells)) => {
                table.as_mut().map_or(Ok(()), |table| table.row(cells.iter().cloned()))
            }
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Printer::Answer(answer) => answer.finish(),
            Printer::Table { table, .. } => table.map_or(Ok(()), Table::finish),
        }
    }
}

/// Runs a statement.
pub(super) fn sql(config: Option<&Path>, arguments: &SqlArguments) -> Result<(), CliError> {
    let statement = match arguments.statement.as_str() {
        "-" => io::read_to_string(io::stdin().take(STATEMENT_READ_MAX))?,
        given => given.to_owned(),
    };
    let value = |text: &str| text.parse().map_or_else(|_| Argument::Text(text.to_owned()), Argument::Integer);
    let parameters: Vec<(String, Argument)> =
        arguments.parameters.iter().map(|(name, text)| (name.clone(), value(text))).collect();
    let database = arguments.asked.database(config)?;
    arguments
        .asked
        .print(None, |take| sql::run(&database, &statement, &parameters, arguments.asked.bounds(), take).map(|_| ()))
}

/// Bytes read from standard input: more than any statement may have, so that a longer one is refused as such.
const STATEMENT_READ_MAX: u64 = 1 << 20;

/// Runs a report, or lists all.
pub(super) fn report(config: Option<&Path>, arguments: &ReportArguments) -> Result<(), CliError> {
    let (settings, _) = app::load_config_with_kept_name(config).map_err(CliError::Config)?;
    let library = Library::new(KINDS, settings.reports_directory);
    let Some(name) = &arguments.name else { return list(&library, &arguments.asked) };
    let entry = library.find(name).map_err(SqlError::from)?.map_err(|names| {
        let message = format!("there is no such report; there are {}", names.join(", "));
        ParameterError::new(name, message)
    })?;
    let report: Report = entry.report.map_err(SqlError::from)?;
    let settings = report.settings(&arguments.parameters, Clock::System.now())?;
    let database = arguments.asked.database(config)?;
    let head = Head {
        name: &report.name,
        title: &report.title,
        parameters: settings.iter().map(|setting| (setting.name.as_str(), setting.shown.as_str())).collect(),
        columns: report.columns.iter().map(|column| [column.name.as_str(), &column.unit, &column.help]).collect(),
    };
    arguments
        .asked
        .print(Some(&head), |take| report.answer(&database, &settings, arguments.asked.bounds(), take).map(|_| ()))
}

fn list(library: &Library, asked: &Asked) -> Result<(), CliError> {
    let entries = library.list().map_err(SqlError::from)?;
    asked.print(None, |take| {
        let names = ["report", "title", "parameters"].map(str::to_owned);
        if take(Part::Columns(&names)).is_break() {
            return Ok(());
        }
        for entry in &entries {
            let (title, parameters) = match &entry.report {
                Ok(report) => {
                    let parameters = report.parameters.iter().map(|one| format!("{}={}", one.name, one.default));
                    (report.title.clone(), parameters.collect::<Vec<_>>().join(" "))
                }
                Err(fault) => (fault.to_string(), String::new()),
            };
            if take(Part::Row(&[Cell::Text(&entry.name), Cell::Text(&title), Cell::Text(&parameters)])).is_break() {
                break;
            }
        }
        Ok(())
    })
}
