//! `/targets`: each target, whether it answers, since when not, and why.
//!
//! Must not know: how targets are polled.

use std::collections::BTreeMap;

use warp::reply::Response;

use super::body::{Ending, Output};
use super::freshness::mark;
use super::live::ConfiguredTarget;
use super::negotiate::Format;
use super::problem::Problem;
use super::routes::Ask;
use crate::model::time::duration_ms;
use crate::model::{AttributeValue, Outcome, Poll, PollRecord, TargetName, Timestamp};
use crate::query::cell::Cell;
use crate::query::request::TargetsRequest;
use crate::render::json::{self, JsonWriter};
use crate::render::rows::Rows;
use crate::store::TargetRecord;

/// Names of the cells of [`Row::cells`].
const NAMES: [&str; 16] = [
    "target",
    "source",
    "name",
    "address",
    "configured",
    "interval_seconds",
    "up",
    "last_success",
    "age_seconds",
    "last_poll",
    "last_outcome",
    "last_duration_seconds",
    "last_samples",
    "last_error_at",
    "last_error_outcome",
    "last_error",
];

/// What is configured and what was ever polled, by name.
pub(crate) async fn targets(ask: &Ask) -> Result<Response, Problem> {
    let request = TargetsRequest::parse(&ask.pairs)?;
    let (context, format, form) = (ask.context.clone(), ask.format, ask.form());
    let producer = move |out: &mut Output| {
        let mut rows: BTreeMap<TargetName, Row> = BTreeMap::new();
        for record in context.store.targets().map_err(|error| Problem::of_store(&error))? {
            let target = record.target.clone();
            rows.entry(target).or_default().record = Some(record);
        }
        for configured in context.live.targets().iter() {
            rows.entry(configured.target.clone()).or_default().configured = Some(configured.clone());
        }
        rows.retain(|target, _| request.matches(target));
        let now = context.clock.now();
        match format {
            Format::Json => {
                let mut json = JsonWriter::new(out, request.zone);
                json.object(|json| {
                    json.key("targets")?.array(|json| {
                        rows.iter().try_for_each(|(target, row)| json::row(json, &NAMES, row.cells(target, now)))
                    })
                })?;
                json.finish()?;
            }
            Format::Csv | Format::Lines => {
                let mut table = Rows::new(out, form, request.zone, NAMES)?;
                for (target, row) in &rows {
                    table.row(row.cells(target, now))?;
                }
                table.finish()?;
            }
        }
        Ok(Ending::default())
    };
    let mut response = ask.table("targets", false, producer).await?;
    mark(&mut response, None);
    Ok(response)
}

/// A target by what is known of it.
#[derive(Debug, Default)]
struct Row {
    configured: Option<ConfiguredTarget>,
    record: Option<TargetRecord>,
}

impl Row {
    fn cells<'a>(&'a self, target: &'a TargetName, now: Timestamp) -> [Cell<'a>; NAMES.len()] {
        let of = |poll: fn(&TargetRecord) -> &Option<PollRecord>| self.record.as_ref().and_then(|r| poll(r).as_ref());
        let last = of(|record| &record.last_poll);
        let success = of(|record| &record.last_good);
        // What did not come with the last poll is the newest trouble, even if the rest came.
        let partial = last.filter(|last| last.poll.outcome == Outcome::Partial);
        let failure = partial.or_else(|| of(|record| &record.last_failed));
        let said = |poll: &'a Poll| poll.error.as_deref().or_else(|| poll.missing.first().map(String::as_str));
        let configured = self.configured.as_ref();
        let interval_ms = configured.map(|configured| duration_ms(configured.interval));
        let interval_ms = interval_ms.or_else(|| last.map(|last| last.poll.interval_ms));
        [
            Cell::Text(target.as_str()),
            Cell::Text(target.source()),
            Cell::Text(target.name()),
            or_null(configured, |configured| Cell::Text(&configured.address)),
            yes_or_no(configured.is_some()),
            or_null(interval_ms, seconds),
            or_null(last, |last| yes_or_no(last.poll.outcome.is_good())),
            or_null(success, |success| Cell::Time(success.poll.started)),
            or_null(success, |success| seconds(now.ms_since(success.poll.started))),
            or_null(last, |last| Cell::Time(last.poll.started)),
            or_null(last, |last| Cell::Text(last.poll.outcome.name())),
            or_null(last, |last| seconds(last.poll.duration_ms)),
            or_null(last, |last| whole(last.samples)),
            or_null(failure, |failure| Cell::Time(failure.poll.started)),
            or_null(failure, |failure| Cell::Text(failure.poll.outcome.name())),
            or_null(failure.and_then(|failure| said(&failure.poll)), Cell::Text),
        ]
    }
}

fn or_null<'a, T>(value: Option<T>, cell: impl FnOnce(T) -> Cell<'a>) -> Cell<'a> {
    value.map_or(Cell::Null, cell)
}

fn yes_or_no(yes: bool) -> Cell<'static> {
    static YES: AttributeValue = AttributeValue::Boolean(true);
    static NO: AttributeValue = AttributeValue::Boolean(false);
    Cell::Fact(if yes { &YES } else { &NO })
}

fn seconds(ms: i64) -> Cell<'static> {
    Cell::Scaled { value: ms, decimals: 3 }
}

fn whole(value: u64) -> Cell<'static> {
    Cell::Scaled { value: i64::try_from(value).unwrap_or(i64::MAX), decimals: 0 }
}
