//! What went wrong, for the client: RFC 9457 problem documents that say what to do.
//!
//! Must not know: which route failed, the store's inner errors beyond their text.

use warp::http::StatusCode;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use warp::reply::Response;

use crate::answer::AnswerError;
use crate::query::civil::format_instant;
use crate::query::request::{ParameterError, Zone};
use crate::render::json::JsonWriter;
use crate::sql::Fault;
use crate::store::StoreError;

/// A refused or failed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// Last part of the problem's type, for programs.
    pub slug: &'static str,
    /// The sort of problem, for people.
    pub title: &'static str,
    /// What is wrong with this request and what would be right.
    pub detail: Box<str>,
    /// The parameter at fault.
    pub parameter: Option<Box<str>>,
    /// The nearest name that is known, where a name is not.
    pub nearest: Option<Box<str>>,
    /// A header that belongs to the status.
    pub header: Option<(&'static str, &'static str)>,
}

impl Problem {
    fn new(status: StatusCode, slug: &'static str, title: &'static str, detail: impl Into<Box<str>>) -> Self {
        Problem { status, slug, title, detail: detail.into(), parameter: None, nearest: None, header: None }
    }

    /// 400: a parameter is unknown or its value is not understood.
    pub fn parameter(name: impl Into<Box<str>>, detail: impl Into<Box<str>>) -> Self {
        let problem = Problem::new(StatusCode::BAD_REQUEST, "bad-parameter", "Bad parameter", detail);
        Problem { parameter: Some(name.into()), ..problem }
    }

    /// 400: the request as a whole cannot be read or answered.
    pub fn bad_request(detail: impl Into<Box<str>>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "bad-request", "Bad request", detail)
    }

    /// 401: no token, or another one.
    pub fn unauthorized() -> Self {
        let problem = Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Token needed",
            "send the recorder's token as `Authorization: Bearer <token>`",
        );
        Problem { header: Some(("www-authenticate", "Bearer realm=\"tachograph\"")), ..problem }
    }

    /// 404: nothing of that name.
    pub fn not_found(detail: impl Into<Box<str>>, nearest: Option<&str>) -> Self {
        let problem = Problem::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail);
        Problem { nearest: nearest.map(Into::into), ..problem }
    }

    /// 405: everything here is read.
    pub fn method_not_allowed(method: &str) -> Self {
        let detail = format!("{method} is not possible here: use GET or HEAD");
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", detail);
        Problem { header: Some(("allow", "GET, HEAD")), ..problem }
    }

    /// 410: retention has taken it.
    pub fn gone(detail: impl Into<Box<str>>) -> Self {
        Problem::new(StatusCode::GONE, "gone", "No longer kept", detail)
    }

    /// 414: the URL is too long.
    pub fn url_too_long(bytes: usize, max: usize) -> Self {
        let detail = format!("the URL has {bytes} bytes, {max} are read: ask for fewer fields or filter with globs");
        Problem::new(StatusCode::URI_TOO_LONG, "url-too-long", "URL too long", detail)
    }

    /// 400: the answer would be too large, or take too much; says what to change.
    pub(crate) fn too_many(detail: impl Into<Box<str>>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "too-many", "Too large an answer", detail)
    }

    /// 422: a report asks for what there is not.
    pub(crate) fn unprocessable(detail: impl Into<Box<str>>) -> Self {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "report-fault", "The report has a fault", detail)
    }

    /// 500: the fault is on this side; the cause is in the log.
    pub fn internal() -> Self {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The recorder failed",
            "the recorder could not read its store; its log says why",
        )
    }

    /// 500, with the whole chain of causes in the log: this is where a failed read is handled.
    pub(crate) fn of_store(error: &StoreError) -> Self {
        let mut chain = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            chain = format!("{chain}: {inner}");
            cause = inner.source();
        }
        tracing::error!(error = chain, "a request could not be answered from the store");
        Problem::internal()
    }

    /// 503: try again soon.
    pub fn unavailable(detail: impl Into<Box<str>>) -> Self {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not now", detail);
        Problem { header: Some(("retry-after", "2")), ..problem }
    }

    /// The document.
    fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut json = JsonWriter::new(&mut out, Zone::Utc);
        // Writing into memory cannot fail.
        let _ = json.object(|json| {
            json.key("type")?.text(&format!("urn:tachograph:problem:{}", self.slug))?;
            json.key("title")?.text(self.title)?;
            json.key("status")?.integer(i64::from(self.status.as_u16()))?;
            json.key("detail")?.text(&self.detail)?;
            if let Some(parameter) = &self.parameter {
                json.key("parameter")?.text(parameter)?;
            }
            if let Some(nearest) = &self.nearest {
                json.key("nearest")?.text(nearest)?;
            }
            Ok(())
        });
        let _ = json.finish();
        out
    }

    /// The reply.
    pub fn into_response(self) -> Response {
        let mut response = Response::new(self.to_json().into());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = self.header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl From<ParameterError> for Problem {
    fn from(error: ParameterError) -> Self {
        let detail = error.to_string();
        Problem::parameter(error.parameter, detail)
    }
}

/// 422: the question is well formed, but the report's file is not.
impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Problem::unprocessable(fault.to_string())
    }
}

impl From<AnswerError> for Problem {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Store(error) => Problem::of_store(&error),
            AnswerError::TooMany { message } => Problem::too_many(message),
            AnswerError::Gone { kept_from } => Problem::gone(format!(
                "samples before {0} are no longer kept: ask with start={0} or later, or for hours with /range and step=1h",
                format_instant(kept_from, Zone::Utc)
            )),
            AnswerError::HoursOnly { kept_from } => Problem::gone(format!(
                "of the time before {0} only hours are kept: ask with step=1h or more, or with start={0} or later",
                format_instant(kept_from, Zone::Utc)
            )),
            AnswerError::Stopped => Problem::unavailable("nobody waited for the answer any more"),
        }
    }
}

/// The known name nearest to one that is not, if any is near.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Jaro-Winkler similarity from which a name is worth proposing.
    const NEAR: f64 = 0.7;
    let name = name.to_ascii_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
