//! Paths to handlers, and what holds for all of them: methods, token, forms, headers.
//!
//! Must not know: what the handlers answer.

use std::sync::Arc;

use hyper::body::Body as _;
use warp::filters::BoxedFilter;
use warp::http::header::{
    CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS,
};
use warp::http::{HeaderMap, Method};
use warp::reply::Response;
use warp::{Filter, path::FullPath};

use crate::model::{TimeRange, Timestamp};
use crate::query::civil::format_bucket_time;
use crate::query::request::{Zone, take_formulas};
use crate::render::rows::Form;

use super::body::{Delivery, Ending, Failure, Output, produce};
use super::describe::{self, CHART_SUFFIX, CHARTS, REPORT, SUM_SUFFIX, SUMS, TABLES};
use super::negotiate::{Encoding, Format};
use super::problem::{Problem, nearest};
use super::{
    Context, chart, diff, entities, events, health, kinds, metrics, openapi, pairs, planning, range, reports, samples,
    snapshot, sum, targets,
};

/// Where the tables are.
pub(crate) const BASE: &str = "/api/v1";

/// Bytes of a path with its query. Far more than any sensible list of filters; what is longer belongs in a glob.
const URL_BYTES_MAX: usize = 16 * 1024;

/// Everything the recorder answers, as one filter.
pub fn routes(context: Arc<Context>) -> BoxedFilter<(Response,)> {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .then(move |method: Method, path: FullPath, query: String, headers: HeaderMap| {
            let context = Arc::clone(&context);
            async move { answer(context, &method, path.as_str(), &query, headers).await }
        })
        .boxed()
}

/// A request for one table, its form settled.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) context: Arc<Context>,
    /// The parameters, but for those of the form.
    pub(crate) pairs: Vec<(String, String)>,
    /// All parameters as they were asked for.
    pub(crate) asked: Vec<(String, String)>,
    /// Whether text that looks like a formula is neutralised.
    pub(crate) is_neutral: bool,
    pub(crate) headers: HeaderMap,
    pub(crate) format: Format,
    pub(crate) encoding: Encoding,
    /// The path as it was asked for, for links to the next page.
    pub(crate) path: String,
}

impl Ask {
    /// What links to further pages are made of.
    pub(crate) fn links(&self) -> Links {
        Links { path: self.path.clone(), pairs: self.asked.clone() }
    }

    /// The form of the rows of a table that is not JSON.
    pub(crate) fn form(&self) -> Form {
        match (self.format, self.is_neutral) {
            (Format::Lines, _) => Form::Lines,
            (_, true) => Form::NeutralCsv,
            (_, false) => Form::Csv,
        }
    }

    /// Runs `producer` and gives its answer the headers of its form. `file_name` is without suffix.
    pub(crate) async fn table<F>(&self, file_name: &str, is_held: bool, producer: F) -> Result<Response, Problem>
    where
        F: FnOnce(&mut Output) -> Result<Ending, Failure> + Send + 'static,
    {
        let disposition = format!("attachment; filename=\"{file_name}.{}\"", self.format.suffix());
        let disposition = (self.format != Format::Json).then_some(disposition);
        self.deliver(self.format.content_type(), disposition, is_held, producer).await
    }

    /// Runs `producer` and gives its answer these headers.
    pub(crate) async fn deliver<F>(
        &self,
        content_type: &'static str,
        disposition: Option<String>,
        is_held: bool,
        producer: F,
    ) -> Result<Response, Problem>
    where
        F: FnOnce(&mut Output) -> Result<Ending, Failure> + Send + 'static,
    {
        let delivery = Delivery { encoding: self.encoding, is_held };
        let mut response = produce(&self.context, delivery, producer).await?;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if self.encoding == Encoding::Gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(disposition) = disposition.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(CONTENT_DISPOSITION, disposition);
        }
        Ok(response)
    }
}

/// The question as it was asked, to ask it again for another page.
#[derive(Debug)]
pub(crate) struct Links {
    path: String,
    pairs: Vec<(String, String)>,
}

impl Links {
    /// A `Link` header to the next page: the same question with these parameters replaced.
    pub(crate) fn next(&self, replaced: &[(&str, &str)]) -> String {
        let kept = self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let kept = kept.filter(|(name, _)| !replaced.iter().any(|(other, _)| other == name));
        let query = pairs::format_query(kept.chain(replaced.iter().copied()));
        format!("<{}?{query}>; rel=\"next\"", self.path)
    }
}

/// A file's name without suffix: what is in it and of which range, with no character that a file system refuses.
pub(crate) fn file_name(what: &str, range: TimeRange) -> String {
    let time = |at: Timestamp| format_bucket_time(at, Zone::Utc).replace(':', "");
    format!("{what}_{}_{}", time(range.start()), time(range.end()))
}

/// Answers one request. HEAD is GET without its body, errors included.
async fn answer(context: Arc<Context>, method: &Method, path: &str, query: &str, headers: HeaderMap) -> Response {
    let is_head = method == Method::HEAD;
    let mut response = dispatch(context, method, path, query, headers).await.unwrap_or_else(Problem::into_response);
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Said here, so that HEAD says it too; an empty body may be one that has no length by its status.
    if let Some(length) = response.body().size_hint().exact().filter(|length| *length > 0) {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    if is_head { response.map(|_| Response::new("".into()).into_body()) } else { response }
}

async fn dispatch(
    context: Arc<Context>,
    method: &Method,
    path: &str,
    query: &str,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let url_bytes = path.len().saturating_add(query.len());
    if url_bytes > URL_BYTES_MAX {
        return Err(Problem::url_too_long(url_bytes, URL_BYTES_MAX));
    }
    let is_open = path == "/healthz";
    if !is_open && context.token.as_ref().is_some_and(|token| !token.is_sent(&headers)) {
        return Err(Problem::unauthorized());
    }
    let read_only = || match *method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Problem::method_not_allowed(method.as_str())),
    };
    match path {
        "/healthz" => read_only().map(|()| health::alive()),
        "/readyz" => read_only().and_then(|()| health::ready(&context)),
        "/metrics" => {
            read_only()?;
            metrics::metrics(&context, Encoding::accepted(&headers)).await
        }
        "/openapi.json" => read_only().map(|()| openapi::openapi(&context)),
        "/" => read_only().map(|()| health::page(&context)),
        _ => {
            let table = Table::of_path(path)?;
            read_only()?;
            if !context.live.is_ready() {
                return Err(Problem::unavailable("the store is not open yet: try again soon"));
            }
            let format = table.format.unwrap_or_else(|| Format::accepted(&headers));
            let encoding = Encoding::accepted(&headers);
            let path = path.to_owned();
            let asked = pairs::parse_query(query)?;
            let mut pairs = asked.clone();
            let is_neutral = take_formulas(&mut pairs)?;
            let ask = Ask { pairs, asked, is_neutral, context, headers, format, encoding, path };
            let mut response = table.answer(&ask).await?;
            response.headers_mut().insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
            Ok(response)
        }
    }
}

/// A table by its path.
#[derive(Debug)]
struct Table {
    name: &'static str,
    /// The kind, or the report.
    kind: Option<String>,
    format: Option<Format>,
}

impl Table {
    fn of_path(path: &str) -> Result<Table, Problem> {
        let unknown = |nearest: Option<&str>| {
            let detail = format!(
                "nothing is at {path:?}; below {BASE} are /kinds, /kinds/{{kind}}, /entities/{{kind}}, \
                 /range/{{kind}}, /chart/{{kind}}.svg, /samples/{{kind}}, /snapshot, /diff, /capacity, /headroom, /events, /reports, /reports/{{name}} and /targets, beside it /, /healthz, /readyz, /metrics and /openapi.json"
            );
            Problem::not_found(detail, nearest)
        };
        let Some(below) = path.strip_prefix(BASE).and_then(|below| below.strip_prefix('/')) else {
            return Err(unknown(nearest(path, ["/healthz", "/readyz", "/metrics", "/openapi.json", BASE])));
        };
        let segments: Vec<String> = below.split('/').map(pairs::decode_segment).collect::<Result<_, _>>()?;
        let table = match segments.as_slice() {
            [only] => {
                let (name, format) = Format::split_suffix(only);
                describe::table(name, false).filter(|table| table.name != REPORT).map(|table| Table {
                    name: table.name,
                    kind: None,
                    format,
                })
            }
            [table, kind] if table == "samples" && kind.ends_with(SUM_SUFFIX) => {
                let kind = kind.trim_end_matches(SUM_SUFFIX).to_owned();
                Some(Table { name: SUMS, kind: Some(kind), format: Some(Format::Json) })
            }
            [table, name] if table == "reports" => {
                let (name, format) = Format::split_suffix(name);
                Some(Table { name: REPORT, kind: Some(name.to_owned()), format })
            }
            [table, kind] if table == CHARTS => {
                let kind = kind.strip_suffix(CHART_SUFFIX);
                kind.map(|kind| Table { name: CHARTS, kind: Some(kind.to_owned()), format: Some(Format::Json) })
            }
            [table, kind] => {
                let known = describe::table(table, true).filter(|table| ![SUMS, REPORT].contains(&table.name));
                let (kind, format) = Format::split_suffix(kind);
                known.map(|table| Table { name: table.name, kind: Some(kind.to_owned()), format })
            }
            _ => None,
        };
        let all = || TABLES.iter().map(|table| table.name).filter(|name| ![SUMS, REPORT].contains(name));
        table.ok_or_else(|| {
            let first = segments.first().map(|first| Format::split_suffix(first).0).unwrap_or_default();
            let nearest = nearest(first, all()).map(|name| format!("{BASE}/{name}"));
            unknown(nearest.as_deref())
        })
    }

    async fn answer(&self, ask: &Ask) -> Result<Response, Problem> {
        if let (REPORT, Some(name)) = (self.name, &self.kind) {
            return reports::one(ask, name).await;
        }
        let kind = self.kind.as_deref().map(|name| ask.context.kind(name)).transpose()?;
        match (self.name, kind) {
            ("kinds", None) => kinds::all(ask).await,
            ("kinds", Some(kind)) => kinds::one(ask, kind).await,
            ("entities", Some(kind)) => entities::entities(ask, kind).await,
            ("range", Some(kind)) => range::range(ask, kind).await,
            (CHARTS, Some(kind)) => chart::chart(ask, kind).await,
            (SUMS, Some(kind)) => sum::sum(ask, kind).await,
            ("samples", Some(kind)) => samples::samples(ask, kind).await,
            ("events", None) => events::events(ask).await,
            ("targets", None) => targets::targets(ask).await,
            ("reports", None) => reports::all(ask).await,
            ("diff", None) => diff::diff(ask).await,
            ("capacity", None) => planning::capacity(ask).await,
            ("headroom", None) => planning::headroom(ask).await,
            ("snapshot", kind) => snapshot::snapshot(ask, kind).await,
            _ => Err(Problem::not_found("there is no such table", None)),
        }
    }
}
