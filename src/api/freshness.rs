//! Whether an answer can still change, and what a client may keep of it.
//!
//! Must not know: how answers are made.

use warp::http::header::{CACHE_CONTROL, ETAG, HeaderValue};
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use super::Context;
use super::negotiate::{entity_tag, has_already};
use super::problem::Problem;
use super::routes::Ask;
use crate::answer::AnswerError;
use crate::model::time::settle_ms;
use crate::model::{Kind, TimeRange, Timestamp};

/// How far before a range retention can still change its answer: the sample before the range is part of it, and lies
/// at most three polling intervals away, the longest being some hours.
const NEIGHBOUR_MS: i64 = 86_400_000;

/// What is asked for, as far as it decides whether the answer is there to be had, and whether the client has it.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The path without its suffix.
    pub(crate) route: &'static str,
    /// The kind asked for.
    pub(crate) kind: &'static Kind,
    /// The resolved range.
    pub(crate) range: TimeRange,
    /// The resolved step, where there are steps: what is a default today may be another tomorrow, with the intervals.
    pub(crate) step: Option<String>,
    /// Whether only samples answer it.
    pub(crate) is_of_samples: bool,
    /// Whether it is the same when it is asked twice.
    pub(crate) may_be_kept: bool,
}

/// How an answer begins.
#[derive(Debug)]
pub(crate) enum Begun {
    /// The client has it: 304.
    Known(Response),
    /// It is to be made; its strong entity tag, if its range is closed.
    New(Option<String>),
}

impl Asked {
    /// Looks whether samples of the range are gone (410 where they are needed) and whether the client has the answer.
    pub(crate) async fn begin(&self, ask: &Ask) -> Result<Begun, Problem> {
        let kept_from = ask.context.read(|store| store.samples_kept_from()).await?;
        if let Some(kept_from) = kept_from.filter(|kept_from| self.is_of_samples && self.range.start() < *kept_from) {
            return Err(AnswerError::Gone { kept_from }.into());
        }
        let etag = self.entity_tag(ask, kept_from);
        Ok(match not_modified(&ask.headers, etag.as_deref()) {
            Some(response) => Begun::Known(response),
            None => Begun::New(etag),
        })
    }

    fn entity_tag(&self, ask: &Ask, kept_from: Option<Timestamp>) -> Option<String> {
        if !self.may_be_kept || !is_closed(&ask.context, self.kind, self.range.end()) {
            return None;
        }
        let touches = |kept_from: &Timestamp| kept_from.ms_since(self.range.start()) > -NEIGHBOUR_MS;
        let kept_from = kept_from.filter(touches).map(|kept_from| kept_from.ms().to_string());
        let (start, end) = (self.range.start().ms().to_string(), self.range.end().ms().to_string());
        let parts = [
            env!("CARGO_PKG_VERSION"),
            &ask.context.salt,
            self.route,
            self.kind.name,
            &start,
            &end,
            kept_from.as_deref().unwrap_or_default(),
            ask.format.suffix(),
            ask.encoding.name(),
        ];
        let asked = ask.asked.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        let step = self.step.iter().flat_map(|step| ["step", step.as_str()]);
        Some(entity_tag(parts.into_iter().chain(asked).chain(step)))
    }
}

/// Whether nothing that belongs before `end` can come any more.
fn is_closed(context: &Context, kind: &Kind, end: Timestamp) -> bool {
    end.plus_ms(settle_ms(context.live.longest_interval_ms(kind.name))) <= context.live.caught_up_until()
}

/// 304 if the client has the answer with this tag.
fn not_modified(headers: &HeaderMap, etag: Option<&str>) -> Option<Response> {
    let etag = etag.filter(|etag| has_already(headers, etag))?;
    let mut response = Response::new("".into());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    mark(&mut response, Some(etag));
    Some(response)
}

/// Says what the client may keep: a closed answer, asking each time whether it still stands; an open one not at all.
pub(crate) fn mark(response: &mut Response, etag: Option<&str>) {
    let headers = response.headers_mut();
    match etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
        Some(etag) => {
            headers.insert(ETAG, etag);
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        }
        None => {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}
