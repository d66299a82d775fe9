//! `/samples/{kind}`: samples as recorded, with what is derived from each and the one before it; streamed, and
//! taken up again where a download broke off.
//!
//! Must not know: how samples are read.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use warp::reply::Response;

use super::Context;
use super::body::{Ending, Failure, Output};
use super::freshness::{Asked, mark, not_modified};
use super::negotiate::Format;
use super::problem::Problem;
use super::routes::{Ask, Links, file_name};
use crate::answer::{self, AnswerError, Stop};
use crate::model::Kind;
use crate::query::civil::format_instant;
use crate::query::request::{SamplesRequest, Zone, samples_cursor};
use crate::query::samples::SampleRow;
use crate::render::json::{self, JsonWriter};
use crate::render::rows::Form;
use crate::render::samples::{SampleColumns, SampleTable};

/// Answers a samples request.
pub(crate) async fn samples(ask: &Ask, kind: &'static Kind) -> Result<Response, Problem> {
    let context = &ask.context;
    let request = SamplesRequest::parse(kind, &ask.pairs, context.clock.now())?;
    let kept_from = context.read(|store| store.samples_kept_from()).await?;
    if let Some(kept_from) = kept_from.filter(|kept_from| request.range.start() < *kept_from) {
        return Err(AnswerError::Gone { kept_from }.into());
    }
    let etag = Asked {
        route: "samples",
        kind,
        range: request.range,
        request: &ask.asked,
        kept_from,
        format: ask.format,
        encoding: ask.encoding,
    }
    .entity_tag(context);
    if let Some(response) = not_modified(&ask.headers, etag.as_deref()) {
        return Ok(response);
    }
    let name = file_name(&format!("{}_samples", kind.name), request.range);
    // A header names the next page, and which that is shows only at the end.
    let is_held = request.limit.is_some();
    let (context, format, form, links) = (Arc::clone(context), ask.format, ask.form(), ask.links());
    let producer = move |out: &mut Output| match format {
        Format::Json => write_json(&context, &request, out, &links),
        Format::Csv | Format::Lines => write_rows(&context, &request, form, out, &links),
    };
    let mut response = ask.table(&name, is_held, producer).await?;
    mark(&mut response, etag.as_deref());
    Ok(response)
}

fn write_rows(
    context: &Context,
    request: &SamplesRequest,
    form: Form,
    out: &mut Output,
    links: &Links,
) -> Result<Ending, Failure> {
    let stop = out.stop();
    let mut table = SampleTable::new(out, form, request)?;
    let next = emit(context, request, &stop, &mut |row| table.row(&row))?;
    table.finish()?;
    Ok(ending(request, links, next.as_deref()))
}

fn write_json(context: &Context, request: &SamplesRequest, out: &mut Output, links: &Links) -> Result<Ending, Failure> {
    let columns = SampleColumns::new(request);
    let names = columns.names();
    let stop = out.stop();
    let mut json = JsonWriter::new(out, request.zone);
    json.begin(b'{')?;
    json.key("kind")?.text(request.kind.name)?;
    json.key("start")?.bucket_time(request.range.start())?;
    json.key("end")?.bucket_time(request.range.end())?;
    json.key("tz")?.text(json::zone_name(request.zone))?;
    json.key("samples")?.begin(b'[')?;
    let next = emit(context, request, &stop, &mut |row| json::row(&mut json, &names, columns.cells(&row)))?;
    json.end(b']');
    json.key("next")?.text_or_null(next.as_deref())?;
    json.end(b'}');
    json.finish()?;
    Ok(ending(request, links, next.as_deref()))
}

/// Gives every row to `write` until it fails; returns the cursor of the next page, if there is one.
fn emit(
    context: &Context,
    request: &SamplesRequest,
    stop: &Stop,
    write: &mut dyn FnMut(SampleRow<'_>) -> io::Result<()>,
) -> Result<Option<String>, Failure> {
    let mut failed = None;
    let end = answer::samples(&context.store, request, stop, &mut |row| match write(row) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })
    .map_err(Problem::from)?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(end.next.map(|(identity, at)| samples_cursor(&identity, at))),
    }
}

fn ending(request: &SamplesRequest, links: &Links, next: Option<&str>) -> Ending {
    // The next page is of the same range, however relative it was asked for.
    let (start, end) = (request.range.start(), request.range.end());
    let (start, end) = (format_instant(start, Zone::Utc), format_instant(end, Zone::Utc));
    Ending { link: next.map(|cursor| links.next(&[("start", &start), ("end", &end), ("cursor", cursor)])) }
}
