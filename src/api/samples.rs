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
use super::freshness::{Asked, Begun, mark};
use super::negotiate::Format;
use super::problem::Problem;
use super::routes::{Ask, Links, file_name};
use crate::answer::{self, Stop};
use crate::model::Kind;
use crate::query::civil::format_instant;
use crate::query::request::{SamplesRequest, Zone, samples_cursor};
use crate::query::samples::SampleRow;
use crate::render::rows::Form;
use crate::render::samples::{SampleJson, SampleTable};

/// Answers a samples request.
pub(crate) async fn samples(ask: &Ask, kind: &'static Kind) -> Result<Response, Problem> {
    let context = &ask.context;
    let request = SamplesRequest::parse(kind, &ask.pairs, context.clock.now())?;
    let asked =
        Asked { route: "samples", kind, range: request.range, step: None, is_of_samples: true, may_be_kept: true };
    let etag = match asked.begin(ask).await? {
        Begun::Known(response) => return Ok(response),
        Begun::New(etag) => etag,
    };
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
    let stop = out.stop();
    let mut json = SampleJson::new(out, request)?;
    let next = emit(context, request, &stop, &mut |row| json.row(&row))?;
    json.finish(next.as_deref())?;
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
