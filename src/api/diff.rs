//! `/diff`: what differs between two instants.
//!
//! Must not know: how differences are found.

use std::sync::Arc;

use warp::reply::Response;

use super::body::{Ending, Failure, Output};
use super::freshness::mark;
use super::negotiate::Format;
use super::problem::Problem;
use super::routes::{Ask, file_name};
use crate::answer;
use crate::query::request::DiffRequest;
use crate::render::diff as print;

/// Answers a diff request.
pub(crate) async fn diff(ask: &Ask) -> Result<Response, Problem> {
    let context = Arc::clone(&ask.context);
    let request = DiffRequest::parse(context.kinds, &ask.pairs, context.clock.now())?;
    let name = file_name("diff", request.range);
    let (format, form) = (ask.format, ask.form());
    let producer = move |out: &mut Output| -> Result<Ending, Failure> {
        let diff = answer::diff(&context.store, &request, &out.stop()).map_err(Problem::from)?;
        match format {
            Format::Json => print::json(out, &request, &diff)?,
            Format::Csv | Format::Lines => print::rows(out, form, &request, &diff)?,
        }
        Ok(Ending::default())
    };
    let mut response = ask.table(&name, false, producer).await?;
    mark(&mut response, None);
    Ok(response)
}
