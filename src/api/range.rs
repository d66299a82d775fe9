//! `/range/{kind}`: buckets of numbers over a range.
//!
//! Must not know: how buckets are filled.

use std::sync::Arc;

use warp::reply::Response;

use super::body::{Ending, Failure, Output};
use super::freshness::{Asked, Begun, mark};
use super::negotiate::Format;
use super::problem::Problem;
use super::routes::{Ask, file_name};
use crate::answer;
use crate::model::Kind;
use crate::model::time::duration_ms;
use crate::query::request::{Label, RangeRequest};
use crate::render::{explain, json, rows};

/// Answers a range request.
pub(crate) async fn range(ask: &Ask, kind: &'static Kind) -> Result<Response, Problem> {
    let context = &ask.context;
    let interval_ms = duration_ms(context.live.shortest_interval(kind.name));
    let request = RangeRequest::parse(kind, &ask.pairs, context.clock.now(), interval_ms)?;
    let asked = Asked {
        route: "range",
        kind,
        range: request.range,
        step: Some(request.step.label()),
        is_of_samples: false,
        // How long it took is never the same twice.
        may_be_kept: !request.explain,
    };
    let etag = match asked.begin(ask).await? {
        Begun::Known(response) => return Ok(response),
        Begun::New(etag) => etag,
    };
    let name = file_name(kind.name, request.range);
    let filters: Vec<(String, String)> =
        ask.pairs.iter().filter(|(name, _)| Label::find(kind, name).is_some()).cloned().collect();
    let (context, format, form) = (Arc::clone(context), ask.format, ask.form());
    let producer = move |out: &mut Output| -> Result<Ending, Failure> {
        let began_ms = context.clock.monotonic_ms();
        let (frame, plan) = answer::range_with_plan(&context.store, &request, &out.stop()).map_err(Problem::from)?;
        let took_ms = context.clock.monotonic_ms().saturating_sub(began_ms);
        match format {
            Format::Json if request.explain => {
                let explained = answer::explain(&context.store, &request, &frame).map_err(Problem::from)?;
                json::frame_with(out, &frame, &request, &filters, |json| {
                    explain::json(json.key("explain")?, frame.resolution, plan, took_ms, explained.as_ref())
                })?;
            }
            Format::Json => json::frame(out, &frame, &request, &filters)?,
            Format::Csv | Format::Lines => rows::frame(out, form, &frame)?,
        }
        Ok(Ending::default())
    };
    let mut response = ask.table(&name, false, producer).await?;
    mark(&mut response, etag.as_deref());
    Ok(response)
}
