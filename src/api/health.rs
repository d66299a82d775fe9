//! Whether the recorder lives and answers, and the page that shows where to begin.
//!
//! Must not know: the store.

use warp::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use warp::reply::Response;

use super::Context;
use super::problem::Problem;

/// The page, with a hole for the list of kinds.
const PAGE: &str = include_str!("../../web/index.html");

/// Lengths of time that the page links to pictures of.
const PICTURES: [&str; 4] = ["1h", "1d", "7d", "30d"];

/// The process lives: it says so without touching anything else.
pub(crate) fn alive() -> Response {
    text("ok\n", "text/plain; charset=utf-8")
}

/// The store answers and the recorder records, or 503.
pub(crate) fn ready(context: &Context) -> Result<Response, Problem> {
    if context.live.is_ready() {
        Ok(text("ready\n", "text/plain; charset=utf-8"))
    } else {
        Err(Problem::unavailable("the recorder is starting or ending"))
    }
}

/// The page: what is recorded, with links.
pub(crate) fn page(context: &Context) -> Response {
    let rows: Vec<String> = context
        .kinds
        .iter()
        .map(|kind| {
            let name = kind.name;
            let help = escape(kind.help);
            let picture = |length: &str| {
                format!("<a href=\"api/v1/chart/{name}.svg?start=-{length}&amp;top=10&amp;coverage=1\">{length}</a>")
            };
            let pictures = PICTURES.iter().map(|length| picture(length)).collect::<Vec<_>>().join(" ");
            format!(
                "<tr><th><a href=\"api/v1/kinds/{name}\">{name}</a><td>{help}\
                 <td><a href=\"api/v1/entities/{name}\">entities</a>\
                 <td><a href=\"api/v1/range/{name}\">range</a> <a href=\"api/v1/range/{name}.csv\">csv</a>\
                 <td>pictures: {pictures}\
                 <td><a href=\"api/v1/samples/{name}?limit=1000\">samples</a> <a href=\"api/v1/samples/{name}.csv\">csv</a>"
            )
        })
        .collect();
    let html = PAGE.replace("{{kinds}}", &rows.join("\n")).replace("{{version}}", env!("CARGO_PKG_VERSION"));
    let mut response = text(html, "text/html; charset=utf-8");
    response.headers_mut().insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; img-src 'self'; style-src 'unsafe-inline'"),
    );
    response
}

fn text(body: impl Into<String>, content_type: &'static str) -> Response {
    let mut response = Response::new(body.into().into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
