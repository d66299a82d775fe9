//! `/openapi.json`: the interface as OpenAPI 3.1, made from what the routes are found by and the kinds that there are.
//!
//! Must not know: how anything is answered.

use serde_json::{Map, Value, json};
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use warp::reply::Response;

use super::describe::{CHART_SUFFIX, CHARTS, Filters, PARAMETERS, REPORT, SUM_SUFFIX, SUMS, TABLES, Table};
use super::routes::BASE;
use super::schemas::{named, with};
use super::{Context, schemas, shapes};
use crate::model::{AttributeType, Kind};
use crate::sql::{Library, Report};

const JSON: &str = "application/json";
/// The form of a picture.
pub(crate) const SVG: &str = "image/svg+xml";
/// Where examples of whole questions stand in an operation.
pub(crate) const EXAMPLE: &str = "x-example-query";

/// The document.
pub(crate) fn openapi(context: &Context) -> Response {
    let mut response = Response::new(document(context.kinds, context.token.is_some()).to_string().into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The document for these kinds.
pub(crate) fn document(kinds: &'static [&'static Kind], needs_token: bool) -> Value {
    let mut paths = Map::new();
    for table in &TABLES {
        if table.name == REPORT {
            let reports = Library::new(kinds, None).shipped().into_iter().filter_map(|entry| entry.report.ok());
            for report in reports {
                paths.insert(format!("{BASE}/reports/{}", report.name), report_item(table, &report));
            }
            continue;
        }
        if !table.is_of_kind {
            paths.insert(format!("{BASE}/{}", table.name), path_item(table, None));
            continue;
        }
        for kind in kinds {
            let path = match table.name {
                SUMS => format!("{BASE}/samples/{}{SUM_SUFFIX}", kind.name),
                CHARTS => format!("{BASE}/{CHARTS}/{}{CHART_SUFFIX}", kind.name),
                name => format!("{BASE}/{name}/{}", kind.name),
            };
            paths.insert(path, path_item(table, Some(kind)));
        }
    }
    let beside = [
        ("/healthz", "200 while the process lives.", "text/plain"),
        ("/readyz", "200 while the store answers.", "text/plain"),
        ("/metrics", "The newest samples and the recorder itself, as OpenMetrics.", "application/openmetrics-text"),
        ("/openapi.json", "This document.", "application/json"),
        ("/", "A page that links to all of this.", "text/html"),
    ];
    for (path, summary, media) in beside {
        let mut responses = Map::new();
        responses.insert("200".to_owned(), json!({"description": "The answer.", "content": {media: {}}}));
        problems(&mut responses, &["401", "405", "414", "500", "503"]);
        paths.insert(path.to_owned(), json!({"get": {"summary": summary, "responses": responses, EXAMPLE: ""}}));
    }
    let mut schemas = schemas::components(kinds);
    schemas.extend(shapes::components(kinds));
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "tachograph",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The flight recorder for container clusters. Every table is JSON by default, CSV or JSON Lines \
                by Accept or by the suffix .csv or .jsonl of its path.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    });
    if let (true, Some(document)) = (needs_token, document.as_object_mut()) {
        document.insert("security".to_owned(), json!([{"token": []}]));
    }
    document
}

/// A report that comes with the program; those of one's own are listed by /reports.
fn report_item(table: &'static Table, report: &Report) -> Value {
    let parameters = report.parameters.iter().map(|parameter| {
        let schema = schemas::of_report(&parameter.ty, &parameter.default);
        query_parameter(&parameter.name, &parameter.help, &schema, None, false)
    });
    let parameters: Vec<Value> = parameters.chain([parameter(table, "formulas", None)]).collect();
    let mut item = operation(table, &format!("report_{}", report.name), &parameters, &shapes::of_report(report));
    if let Some(get) = item.get_mut("get") {
        get["summary"] = format!("{}. {}", report.title, report.about).into();
        get["tags"] = json!(["reports"]);
    }
    item
}

fn path_item(table: &'static Table, kind: Option<&'static Kind>) -> Value {
    let mut parameters: Vec<Value> = table.parameters.iter().map(|name| parameter(table, name, kind)).collect();
    if table.filters == Filters::OfKind {
        parameters.extend(kind.into_iter().flat_map(filters));
    }
    if table.filters == Filters::OfAny {
        parameters.extend(["host", "app"].map(|name| parameter(table, name, None)));
    }
    if table.name != CHARTS {
        parameters.push(parameter(table, "formulas", kind));
    }
    let name = match kind {
        Some(kind) => format!("{}_{}", table.name, kind.name),
        None => table.name.to_owned(),
    };
    operation(table, &name, &parameters, &shapes::of_table(table, kind))
}

fn operation(table: &'static Table, name: &str, parameters: &[Value], schema: &Value) -> Value {
    let forms: &[&str] = match table.name {
        SUMS => &[JSON],
        CHARTS => &[SVG],
        _ => &[JSON, "text/csv", "application/jsonl"],
    };
    let content: Map<String, Value> = forms
        .iter()
        .map(|media| {
            let schema = if *media == JSON { schema.clone() } else { json!({"type": "string"}) };
            ((*media).to_owned(), json!({"schema": schema}))
        })
        .collect();
    let mut responses = Map::new();
    let mut answer = json!({"description": "The answer.", "content": content});
    let mut parameters = parameters.to_vec();
    if table.has_tag {
        let tag = json!({"description": "Of a closed range: changes with the bytes.", "schema": {"type": "string"}});
        answer = with(answer, "headers", json!({"ETag": tag}));
        responses
            .insert("304".to_owned(), json!({"description": "The answer with the tag of If-None-Match still stands."}));
        problems(&mut responses, &["410"]);
        let help = "Tags of answers that are there already.";
        parameters
            .push(json!({"name": "If-None-Match", "in": "header", "description": help, "schema": {"type": "string"}}));
    }
    responses.insert("200".to_owned(), answer);
    if [REPORT, "reports"].contains(&table.name) {
        problems(&mut responses, &["422"]);
    }
    problems(&mut responses, &["400", "401", "405", "414", "500", "503"]);
    json!({"get": {
        "operationId": name,
        "summary": table.summary,
        "tags": [table.name],
        "parameters": parameters,
        "responses": responses,
        EXAMPLE: table.example,
    }})
}

fn parameter(table: &'static Table, name: &str, kind: Option<&'static Kind>) -> Value {
    let is_needed = table.needed.contains(&name);
    let Some(known) = PARAMETERS.iter().find(|parameter| parameter.name == name) else {
        return query_parameter(name, "", &json!({"type": "string"}), None, is_needed);
    };
    let (schema, example) = schemas::of_parameter(table, name, known.form, kind);
    query_parameter(name, known.help, &schema, example, is_needed)
}

/// Lists stand between commas: `fields=cpu_cores,pids`.
fn query_parameter(name: &str, help: &str, schema: &Value, example: Option<Value>, is_needed: bool) -> Value {
    let parameter = json!({"name": name, "in": "query", "required": is_needed, "description": help, "schema": schema});
    let parameter = match schema.get("type").and_then(Value::as_str) {
        Some("array") => with(with(parameter, "style", "form"), "explode", false),
        _ => parameter,
    };
    match example {
        Some(example) => with(parameter, "example", example),
        None => parameter,
    }
}

/// Identity and attributes of a kind as filters; entries of maps have names that only the entities know.
fn filters(kind: &'static Kind) -> impl Iterator<Item = Value> {
    let identity = kind.identity.iter().map(|key| (key.name, key.help));
    let attributes = kind.attributes.iter().filter(|attribute| attribute.ty != AttributeType::Map);
    let attributes = attributes.map(|attribute| (attribute.name, attribute.help));
    let text = json!({"type": "string"});
    identity.chain(attributes).map(move |(name, help)| query_parameter(name, help, &text, None, false))
}

fn problems(responses: &mut Map<String, Value>, statuses: &[&str]) {
    for status in statuses {
        let content = json!({"application/problem+json": {"schema": named("Problem")}});
        let response = json!({"description": "What is wrong, and what would be right.", "content": content});
        responses.insert((*status).to_owned(), response);
    }
}
