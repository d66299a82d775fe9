//! `/samples/{kind}.csv.sum`: how many rows and bytes a closed range has as CSV, and its SHA-256.
//!
//! Must not know: how samples are read.

use std::ops::ControlFlow;
use std::sync::Arc;

use warp::reply::Response;

use super::body::{Ending, Failure, Output};
use super::freshness::{Asked, Begun, mark};
use super::problem::Problem;
use super::routes::{Ask, file_name};
use crate::answer;
use crate::model::Kind;
use crate::query::cell::Cell;
use crate::query::request::SamplesRequest;
use crate::render::json::{self, JsonWriter};
use crate::render::samples::SampleTable;
use crate::render::sum::Sum;

/// Answers with the sum of what the same question without `.sum` gives, uncompressed.
pub(crate) async fn sum(ask: &Ask, kind: &'static Kind) -> Result<Response, Problem> {
    let context = &ask.context;
    let request = SamplesRequest::parse(kind, &ask.pairs, context.clock.now())?;
    let asked = Asked { route: "sums", kind, range: request.range, step: None, is_of_samples: true, may_be_kept: true };
    let etag = match asked.begin(ask).await? {
        Begun::Known(response) => return Ok(response),
        Begun::New(etag) => etag,
    };
    if etag.is_none() {
        let detail = "end: the range is not closed yet, and its sum could change: ask for an end ten minutes back, or \
                      four polling intervals if that is longer";
        return Err(Problem::parameter("end", detail));
    }
    let name = file_name(&format!("{}_samples", kind.name), request.range);
    let (context, form, file) = (Arc::clone(context), ask.form(), format!("{name}.csv"));
    let producer = move |out: &mut Output| -> Result<Ending, Failure> {
        let stop = out.stop();
        let mut sum = Sum::default();
        let mut table = SampleTable::new(&mut sum, form, &request)?;
        let mut written = Ok(());
        let end = answer::samples(&context.store, &request, &stop, &mut |row| {
            written = table.row(&row);
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .map_err(Problem::from)?;
        written?;
        table.finish()?;
        let whole = |value: u64| Cell::Scaled { value: i64::try_from(value).unwrap_or(i64::MAX), decimals: 0 };
        let mut json = JsonWriter::new(out, request.zone);
        json.object(|json| {
            json.key("kind")?.text(kind.name)?;
            json.key("start")?.bucket_time(request.range.start())?;
            json.key("end")?.bucket_time(request.range.end())?;
            json.key("tz")?.text(json::zone_name(request.zone))?;
            json.key("file")?.text(&file)?;
            json.key("rows")?.cell(&whole(end.rows))?;
            json.key("bytes")?.cell(&whole(sum.bytes()))?;
            json.key("sha256")?.text(&sum.sha256())
        })?;
        json.finish()?;
        Ok(Ending::default())
    };
    let mut response = ask.table(&name, false, producer).await?;
    mark(&mut response, etag.as_deref());
    Ok(response)
}
