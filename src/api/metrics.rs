//! `/metrics`: the newest samples and the recorder itself, for whoever scrapes.
//!
//! Must not know: any kind by name but `metric`, whose entities are themselves scraped and are left to their own
//! addresses.

use std::sync::Arc;

use warp::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY};
use warp::reply::Response;

use super::Context;
use super::body::{Delivery, Ending, Failure, Output, produce};
use super::negotiate::Encoding;
use super::problem::Problem;
use crate::model::{EntityRecord, Identity, Kind, TimeRange, Timestamp};
use crate::query::request::{Label, label_value};
use crate::render::openmetrics::{CONTENT_TYPE as OPENMETRICS, Gauge, Newest, OpenMetrics};
use crate::store::{EntityQuery, FetchAll, StoreError};

/// The kind whose entities are metrics already.
const KIND_LEFT_OUT: &str = "metric";

/// What was not sampled for so many intervals is no longer the newest of anything.
const STALE_INTERVALS: i64 = 3;

/// How far ahead of this machine's clock a sample may lie, as far as sources' clocks are believed.
const AHEAD_MS: i64 = 2_000;

/// Entities read from the store at once.
const ENTITIES_PER_PAGE: usize = 1_000;

/// Entities of a kind in one scrape: more would be more lines than a scraper takes.
const ENTITIES_MAX: usize = 10_000;

/// All families.
pub(crate) async fn metrics(context: &Arc<Context>, encoding: Encoding) -> Result<Response, Problem> {
    let producer = {
        let context = Arc::clone(context);
        move |out: &mut Output| {
            let mut text = OpenMetrics::new(out);
            let failed = |error: StoreError| Failure::from(Problem::of_store(&error));
            itself(&context, &mut text)?;
            for kind in context.kinds.iter().filter(|kind| kind.name != KIND_LEFT_OUT) {
                text.kind(kind, &newest(&context, kind).map_err(failed)?)?;
            }
            text.finish()?;
            Ok(Ending::default())
        }
    };
    let mut response = produce(context, Delivery { encoding, is_held: false }, producer).await?;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if encoding == Encoding::Gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// The newest sample of every entity of a kind that still lives.
fn newest(context: &Context, kind: &'static Kind) -> Result<Vec<Newest>, StoreError> {
    let now = context.clock.now();
    let stale_ms = context.live.longest_interval_ms(kind.name).saturating_mul(STALE_INTERVALS);
    let Some(range) = TimeRange::new(now.plus_ms(-stale_ms), now.plus_ms(AHEAD_MS)) else { return Ok(Vec::new()) };
    let labels: Vec<(&'static str, Label)> =
        kind.display.iter().filter_map(|name| Some((*name, Label::find(kind, name)?))).collect();
    let columns: Vec<usize> = (0..kind.columns.len()).collect();
    let mut found = Vec::new();
    let mut after = None;
    while found.len() < ENTITIES_MAX {
        let query = EntityQuery { kind, seen_in: range, after: after.take(), limit: ENTITIES_PER_PAGE };
        let page = context.store.entities(&query)?;
        let is_last = page.len() < ENTITIES_PER_PAGE;
        after = page.last().map(|record| record.identity.clone());
        let living: Vec<EntityRecord> = page.into_iter().filter(|record| record.ended.is_none()).collect();
        let identities: Vec<&Identity> = living.iter().map(|record| &record.identity).collect();
        let read = context.store.read_all(&FetchAll { kind, identities: &identities, range, columns: &columns })?;
        for (record, run) in living.iter().zip(read.runs) {
            let Some(index) = run.inside().next_back() else { continue };
            let at = run.at.get(index).copied().unwrap_or(range.start());
            let attributes = record.attributes_at(at);
            let label = |(name, label): &(&'static str, Label)| {
                Some((*name, label_value(kind, &record.identity, &attributes, label)?))
            };
            found.push(Newest {
                labels: labels.iter().filter_map(label).collect(),
                at,
                since: run.since.get(index).copied().flatten(),
                values: run.columns.iter().map(|column| column.get(index)).collect(),
                identity: record.identity.clone(),
            });
        }
        if is_last {
            break;
        }
    }
    Ok(found)
}

/// The recorder's own state, beside what its own kind samples.
fn itself(context: &Context, text: &mut OpenMetrics<&mut Output>) -> Result<(), Failure> {
    let one = |value: f64| vec![(Vec::new(), value)];
    let running = context.limits.queries.saturating_sub(context.queries.available_permits());
    let size = context.store.size();
    text.gauge(&Gauge {
        name: "tachograph_build_info",
        help: "The version that runs.",
        values: vec![(vec![("version", env!("CARGO_PKG_VERSION"))], 1.0)],
    })?;
    text.gauge(&Gauge {
        name: "tachograph_ready",
        help: "1 while the store answers.",
        values: one(f64::from(u8::from(context.live.is_ready()))),
    })?;
    text.gauge(&Gauge {
        name: "tachograph_http_queries",
        help: "Queries that run, this one included.",
        values: one(f64::from(u32::try_from(running).unwrap_or(u32::MAX))),
    })?;
    let caught_up = context.live.caught_up_until();
    if caught_up > Timestamp::CREDIBLE_FROM {
        text.gauge(&Gauge {
            name: "tachograph_caught_up_timestamp_seconds",
            help: "Everything polled before this time is in the store.",
            values: one(seconds(caught_up)),
        })?;
    }
    for (name, help, bytes) in [
        ("tachograph_file_bytes", "Size of the database file.", size.file_bytes),
        ("tachograph_wal_bytes", "Size of the database's write-ahead log.", size.wal_bytes),
    ] {
        text.gauge(&Gauge { name, help, values: one(float(bytes)) })?;
    }
    let targets = context.store.targets().map_err(|error| Problem::of_store(&error))?;
    let up = targets.iter().filter_map(|record| {
        let last = record.last_poll.as_ref()?;
        Some((vec![("target", record.target.as_str())], f64::from(u8::from(last.poll.outcome.is_good()))))
    });
    text.gauge(&Gauge {
        name: "tachograph_configured_target_up",
        help: "1 where the newest poll of the target was good.",
        values: up.collect(),
    })?;
    let good = targets.iter().filter_map(|record| {
        let good = record.last_good.as_ref()?;
        Some((vec![("target", record.target.as_str())], seconds(good.poll.started)))
    });
    text.gauge(&Gauge {
        name: "tachograph_configured_target_last_success_timestamp_seconds",
        help: "When the newest good poll of the target began.",
        values: good.collect(),
    })?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "sizes and times need no more than 53 bits")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}

#[expect(clippy::cast_precision_loss, reason = "sizes and times need no more than 53 bits")]
fn seconds(at: Timestamp) -> f64 {
    at.ms() as f64 / 1000.0
}
