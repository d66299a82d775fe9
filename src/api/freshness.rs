//! Whether an answer can still change, and what a client may keep of it.
//!
//! Must not know: how answers are made.

use warp::http::header::{CACHE_CONTROL, ETAG, HeaderValue};
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use super::Context;
use super::negotiate::{Encoding, Format, entity_tag, has_already};
use crate::model::time::settle_ms;
use crate::model::{Kind, TimeRange, Timestamp};

/// How far before a range retention can still change its answer: the sample before the range is part of it, and lies
/// at most three polling intervals away, the longest being some hours.
const NEIGHBOUR_MS: i64 = 86_400_000;

/// The answers that one entity tag stands for.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    /// The path without its suffix.
    pub(crate) route: &'a str,
    /// The kind asked for.
    pub(crate) kind: &'static Kind,
    /// The resolved range.
    pub(crate) range: TimeRange,
    /// What else was resolved, and everything as it was asked for.
    pub(crate) request: &'a [(String, String)],
    /// Since when samples are kept.
    pub(crate) kept_from: Option<Timestamp>,
    /// The form.
    pub(crate) format: Format,
    /// The compression.
    pub(crate) encoding: Encoding,
}

impl Asked<'_> {
    /// The strong entity tag of the answer, if its range is closed.
    pub(crate) fn entity_tag(&self, context: &Context) -> Option<String> {
        is_closed(context, self.kind, self.range.end()).then(|| {
            let touches = |kept_from: &Timestamp| kept_from.ms_since(self.range.start()) > -NEIGHBOUR_MS;
            let kept_from = self.kept_from.filter(touches).map(|kept_from| kept_from.ms().to_string());
            let (start, end) = (self.range.start().ms().to_string(), self.range.end().ms().to_string());
            let parts = [
                env!("CARGO_PKG_VERSION"),
                &context.salt,
                self.route,
                self.kind.name,
                &start,
                &end,
                kept_from.as_deref().unwrap_or_default(),
                self.format.suffix(),
                self.encoding.name(),
            ];
            let request = self.request.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
            entity_tag(parts.into_iter().chain(request))
        })
    }
}

/// Whether nothing that belongs before `end` can come any more.
fn is_closed(context: &Context, kind: &Kind, end: Timestamp) -> bool {
    end.plus_ms(settle_ms(context.live.longest_interval_ms(kind.name))) <= context.live.caught_up_until()
}

/// 304 if the client has the answer with this tag.
pub(crate) fn not_modified(headers: &HeaderMap, etag: Option<&str>) -> Option<Response> {
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
