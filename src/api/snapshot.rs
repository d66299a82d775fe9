//! `/snapshot`: everything as it was at an instant; by rows, one kind of it.
//!
//! Must not know: how the picture is put together.

use std::sync::Arc;

use warp::reply::Response;

use super::body::{Ending, Failure, Output};
use super::freshness::mark;
use super::negotiate::Format;
use super::problem::Problem;
use super::routes::{Ask, file_name};
use crate::answer::AsOf;
use crate::model::{Kind, TimeRange};
use crate::query::request::SnapshotRequest;
use crate::render::snapshot;

/// Answers a snapshot request, of all kinds or of one.
pub(crate) async fn snapshot(ask: &Ask, kind: Option<&'static Kind>) -> Result<Response, Problem> {
    let context = Arc::clone(&ask.context);
    let kinds = kind.as_ref().map_or(context.kinds, std::slice::from_ref);
    let request = SnapshotRequest::parse(kinds, &ask.pairs, context.clock.now())?;
    let what = match (ask.format, request.kinds.as_slice()) {
        (Format::Json, _) => "snapshot".to_owned(),
        (_, [one]) => format!("{}_snapshot", one.kind.name),
        _ => {
            let detail = "kinds: rows are of one kind: ask for /snapshot/container.csv, or for kinds=container";
            return Err(Problem::parameter("kinds", detail));
        }
    };
    let name = file_name(&what, TimeRange::new(request.at, request.at).unwrap_or(TimeRange::ALL));
    let (format, form) = (ask.format, ask.form());
    let producer = move |out: &mut Output| -> Result<Ending, Failure> {
        let picture = AsOf::new(&context.store, &request).map_err(Problem::from)?;
        match (format, request.kinds.first()) {
            (Format::Csv | Format::Lines, Some(selected)) => {
                let parts = picture.parts(selected).map_err(Problem::from)?;
                snapshot::rows(out, form, &request, selected.kind, &parts)?;
            }
            _ => snapshot::json(out, &request, picture.targets(), |selected| {
                picture.parts(selected).map_err(|error| Failure::from(Problem::from(error)))
            })?,
        }
        Ok(Ending::default())
    };
    let mut response = ask.table(&name, false, producer).await?;
    mark(&mut response, None);
    Ok(response)
}
