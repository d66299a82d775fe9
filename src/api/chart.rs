//! `/chart/{kind}.svg`: the buckets of `/range/{kind}`, drawn.
//!
//! Must not know: how buckets are filled, how lines are drawn.

use std::sync::Arc;

use warp::reply::Response;

use super::body::{Ending, Failure, Output};
use super::freshness::{Asked, Begun, mark};
use super::openapi::SVG;
use super::problem::Problem;
use super::routes::{Ask, file_name};
use crate::answer;
use crate::model::Kind;
use crate::model::time::duration_ms;
use crate::query::request::ChartRequest;
use crate::render::chart::{self, ChartError};

/// Answers with a picture.
pub(crate) async fn chart(ask: &Ask, kind: &'static Kind) -> Result<Response, Problem> {
    let context = &ask.context;
    let interval_ms = duration_ms(context.live.shortest_interval(kind.name));
    let request = ChartRequest::parse(kind, &ask.pairs, context.clock.now(), interval_ms)?;
    let asked = Asked {
        route: "chart",
        kind,
        range: request.range.range,
        step: Some(request.range.step.label()),
        is_of_samples: false,
        may_be_kept: true,
    };
    let etag = match asked.begin(ask).await? {
        Begun::Known(response) => return Ok(response),
        Begun::New(etag) => etag,
    };
    let disposition = format!("inline; filename=\"{}.svg\"", file_name(kind.name, request.range.range));
    let context = Arc::clone(context);
    let producer = move |out: &mut Output| -> Result<Ending, Failure> {
        let frame = answer::range(&context.store, &request.range, &out.stop()).map_err(Problem::from)?;
        let document = chart::svg(&frame, request.size).map_err(Problem::from)?;
        std::io::Write::write_all(out, document.as_bytes())?;
        Ok(Ending::default())
    };
    let mut response = ask.deliver(SVG, Some(disposition), false, producer).await?;
    mark(&mut response, etag.as_deref());
    Ok(response)
}

impl From<ChartError> for Problem {
    fn from(error: ChartError) -> Self {
        match error {
            ChartError::TooManySeries(_) => {
                Problem::parameter("top", format!("{error}: ask for top=10, group_by=host or a narrower filter"))
            }
            ChartError::TooManyFields(_) => Problem::parameter("fields", format!("{error}: name those that are meant")),
            ChartError::Draw(cause) => {
                tracing::error!(error = %cause, "a picture could not be drawn");
                Problem::internal()
            }
        }
    }
}
