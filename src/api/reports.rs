//! `/reports`: which there are; `/reports/{name}`: what one answers.
//!
//! Must not know: SQL, where reports are kept.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use warp::reply::Response;

use super::Context;
use super::body::{Ending, Failure, Output};
use super::freshness::mark;
use super::negotiate::Format;
use super::problem::{Problem, nearest};
use super::routes::Ask;
use crate::model::time::duration_ms;
use crate::query::cell::Cell;
use crate::query::request::{Zone, parse_none};
use crate::render::json::JsonWriter;
use crate::render::report::{Answer, Head, columns};
use crate::render::rows::{Form, Rows};
use crate::sql::{Bounds, Database, Entry, Fault, Library, Part, Report, Setting, SqlError};

/// Rows of an answer; who needs more asks for samples.
const ROWS_MAX: u64 = 1_000_000;
/// Memory that one report may take: sorts of some hundred thousand rows.
const MEMORY_BYTES_MAX: u64 = 128 << 20;

/// The list of reports; one with a fault says which.
pub(crate) async fn all(ask: &Ask) -> Result<Response, Problem> {
    parse_none(&ask.pairs)?;
    let context = Arc::clone(&ask.context);
    let (format, form) = (ask.format, ask.form());
    let producer = move |out: &mut Output| {
        let entries = context.reports.list().map_err(Problem::from)?;
        match format {
            Format::Json => {
                let mut json = JsonWriter::new(out, Zone::Utc);
                json.object(|json| {
                    json.key("reports")?.array(|json| entries.iter().try_for_each(|entry| describe(json, entry)))
                })?;
                json.finish()?;
            }
            Format::Csv | Format::Lines => list(out, form, &entries)?,
        }
        Ok::<_, Failure>(Ending::default())
    };
    let mut response = ask.table("reports", false, producer).await?;
    mark(&mut response, None);
    Ok(response)
}

fn describe<W: Write>(json: &mut JsonWriter<W>, entry: &Entry) -> io::Result<()> {
    json.object(|json| {
        json.key("name")?.text(&entry.name)?;
        json.key("own")?.cell(&Cell::Fact(&entry.is_own.into()))?;
        let report = entry.report.as_ref().ok();
        json.key("title")?.text_or_null(report.map(|report| report.title.as_str()))?;
        json.key("about")?.text_or_null(report.map(|report| report.about.as_str()))?;
        json.key("parameters")?.array(|json| {
            report.map_or(&[][..], |report| &report.parameters).iter().try_for_each(|parameter| {
                json.object(|json| {
                    json.key("name")?.text(&parameter.name)?;
                    json.key("type")?.text(&parameter.ty.to_string())?;
                    json.key("default")?.text(&parameter.default)?;
                    json.key("help")?.text(&parameter.help)
                })
            })
        })?;
        columns(json.key("columns")?, &columns_of(report))?;
        json.key("fault")?.text_or_null(entry.report.as_ref().err().map(Fault::to_string).as_deref())
    })
}

/// The columns of a report: name, unit, help.
fn columns_of(report: Option<&Report>) -> Vec<[&str; 3]> {
    let columns = report.map_or(&[][..], |report| &report.columns).iter();
    columns.map(|column| [column.name.as_str(), &column.unit, &column.help]).collect()
}

fn list(out: &mut Output, form: Form, entries: &[Entry]) -> Result<(), Failure> {
    let mut table =
        Rows::new(out, form, Zone::Utc, ["name", "own", "title", "about", "parameters", "columns", "fault"])?;
    for entry in entries {
        let report = entry.report.as_ref().ok();
        let parameters = report.map_or(&[][..], |report| &report.parameters).iter();
        let parameters = parameters.map(|one| format!("{}={}", one.name, one.default)).collect::<Vec<_>>().join("&");
        let columns = report.map_or(&[][..], |report| &report.columns).iter();
        let columns = columns.map(|column| column.name.as_str()).collect::<Vec<_>>().join(" ");
        let fault = entry.report.as_ref().err().map(Fault::to_string);
        table.row([
            Cell::Text(&entry.name),
            Cell::Text(if entry.is_own { "true" } else { "false" }),
            Cell::Text(report.map_or("", |report| &report.title)),
            Cell::Text(report.map_or("", |report| &report.about)),
            Cell::Text(&parameters),
            Cell::Text(&columns),
            fault.as_deref().map_or(Cell::Null, Cell::Text),
        ])?;
    }
    Ok(table.finish()?)
}

/// What a report answers.
pub(crate) async fn one(ask: &Ask, name: &str) -> Result<Response, Problem> {
    let context = Arc::clone(&ask.context);
    let report = found(&context, name).await?;
    let settings = report.settings(&ask.pairs, context.clock.now())?;
    let permit = turn(&context).await?;
    let (format, form) = (ask.format, ask.form());
    let file_name = format!("report_{name}");
    let producer = move |out: &mut Output| {
        let _permit = permit;
        let bounds = bounds(&context, out);
        let answer = match format {
            Format::Json => Answer::json(out, Some(&head(&report, &settings)))?,
            Format::Csv | Format::Lines => Answer::rows(out, form),
        };
        write(&context, &report, &settings, bounds, answer)?;
        Ok(Ending::default())
    };
    let mut response = ask.table(&file_name, false, producer).await?;
    mark(&mut response, None);
    Ok(response)
}

/// The report of a name, read from its file.
async fn found(context: &Arc<Context>, name: &str) -> Result<Report, Problem> {
    let library: Library = context.reports.clone();
    let wanted = name.to_owned();
    let found = tokio::task::spawn_blocking(move || library.find(&wanted)).await.map_err(|_| Problem::internal())?;
    match found.map_err(Problem::from)? {
        Ok(entry) => entry.report.map_err(Problem::from),
        Err(names) => {
            let detail = format!("there is no report {name:?}; /api/v1/reports lists them");
            Err(Problem::not_found(detail, nearest(name, names.iter().map(String::as_str))))
        }
    }
}

/// Waits until a report may run: each may take memory, so few run at once.
async fn turn(context: &Context) -> Result<OwnedSemaphorePermit, Problem> {
    let waiting = Arc::clone(&context.reports_at_once).acquire_owned();
    match tokio::time::timeout(context.limits.queue_time, waiting).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Problem::unavailable("as many reports run already as the recorder runs at once: try again soon")),
    }
}

fn head<'a>(report: &'a Report, settings: &'a [Setting]) -> Head<'a> {
    Head {
        name: &report.name,
        title: &report.title,
        parameters: settings.iter().map(|setting| (setting.name.as_str(), setting.shown.as_str())).collect(),
        columns: columns_of(Some(report)),
    }
}

/// Asks the report, and hands what comes of it to `answer`.
fn write(
    context: &Context,
    report: &Report,
    settings: &[Setting],
    bounds: Bounds,
    mut answer: Answer<&mut Output>,
) -> Result<(), Failure> {
    let database = Database { store: Arc::clone(&context.store), kinds: context.kinds, now: context.clock.now() };
    let mut failed = None;
    let answered = report.answer(&database, settings, bounds, &mut |part| {
        let written = match part {
            Part::Columns(names) => answer.columns(names),
            Part::Row(cells) => answer.row(cells),
        };
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    answered.map_err(Problem::from)?;
    Ok(answer.finish()?)
}

fn bounds(context: &Context, out: &Output) -> Bounds {
    let clock = context.clock.clone();
    let time = context.limits.answer_time;
    let deadline_ms = clock.monotonic_ms().saturating_add(duration_ms(time));
    Bounds {
        stop: out.stop(),
        is_late: Box::new(move || clock.monotonic_ms() > deadline_ms),
        time_seconds: time.as_secs(),
        memory_bytes: MEMORY_BYTES_MAX,
        rows: ROWS_MAX,
    }
}

impl From<SqlError> for Problem {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Parameter(fault) => fault.into(),
            SqlError::Report(fault) => fault.into(),
            SqlError::Store(error) => Problem::of_store(&error),
            SqlError::Stopped => Problem::unavailable("nobody waited for the answer any more"),
            SqlError::Late { .. } | SqlError::Large { .. } | SqlError::Rows { .. } => {
                Problem::too_many(error.to_string())
            }
            SqlError::Statement { .. } | SqlError::Refused { .. } => Problem::unprocessable(error.to_string()),
            SqlError::Sqlite { .. } => {
                tracing::error!(error = error.chain(), "a report could not be run");
                Problem::internal()
            }
        }
    }
}
