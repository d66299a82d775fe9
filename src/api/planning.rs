//! `/capacity` and `/headroom`: when something will be full, and what still fits.
//!
//! Must not know: how that is found.

use std::sync::Arc;

use warp::reply::Response;

use super::body::{Ending, Failure, Output};
use super::freshness::mark;
use super::negotiate::Format;
use super::problem::Problem;
use super::routes::{Ask, file_name};
use crate::answer;
use crate::query::request::{CapacityRequest, HeadroomRequest};
use crate::render::planning as print;

/// Answers a capacity request.
pub(crate) async fn capacity(ask: &Ask) -> Result<Response, Problem> {
    let context = Arc::clone(&ask.context);
    let request = CapacityRequest::parse(context.kinds, &ask.pairs, context.clock.now())?;
    let name = file_name("capacity", request.range);
    let (format, form) = (ask.format, ask.form());
    let producer = move |out: &mut Output| -> Result<Ending, Failure> {
        let outlooks = answer::capacity(&context.store, &request, &out.stop()).map_err(Problem::from)?;
        match format {
            Format::Json => print::capacity_json(out, &request, &outlooks)?,
            Format::Csv | Format::Lines => print::capacity_rows(out, form, &request, &outlooks)?,
        }
        Ok(Ending::default())
    };
    let mut response = ask.table(&name, false, producer).await?;
    mark(&mut response, None);
    Ok(response)
}

/// Answers a headroom request.
pub(crate) async fn headroom(ask: &Ask) -> Result<Response, Problem> {
    let context = Arc::clone(&ask.context);
    let request = HeadroomRequest::parse(context.kinds, &ask.pairs, context.clock.now())?;
    let name = file_name("headroom", request.range);
    let (format, form) = (ask.format, ask.form());
    let producer = move |out: &mut Output| -> Result<Ending, Failure> {
        let found = answer::headroom(&context.store, &request, &out.stop()).map_err(Problem::from)?;
        match format {
            Format::Json => print::headroom_json(out, &request, &found)?,
            Format::Csv | Format::Lines => print::headroom_rows(out, form, &request, &found)?,
        }
        Ok(Ending::default())
    };
    let mut response = ask.table(&name, false, producer).await?;
    mark(&mut response, None);
    Ok(response)
}
