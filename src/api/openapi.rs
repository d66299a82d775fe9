//! `/openapi.json`: the interface as OpenAPI 3.1, made from what the routes are found by and the kinds that there are.
//!
//! Must not know: how anything is answered.

use serde_json::{Map, Value, json};
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use warp::reply::Response;

use super::Context;
use super::describe::{
    CHART_SUFFIX, CHARTS, Filters, PARAMETERS, ParameterForm, REPORT, SUM_SUFFIX, SUMS, TABLES, Table,
};
use super::routes::BASE;
use crate::model::{AttributeType, Kind};
use crate::sql::{Library, ParameterType, Report};

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
        problems(&mut responses, &["401", "414", "500", "503", "default"]);
        paths.insert(path.to_owned(), json!({"get": {"summary": summary, "responses": responses, EXAMPLE: ""}}));
    }
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
            "schemas": {"Problem": problem()},
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
        let schema = match parameter.ty {
            ParameterType::Integer => json!({"type": "integer", "default": parameter.default.parse::<i64>().ok()}),
            ParameterType::Number => json!({"type": "number", "default": parameter.default.parse::<f64>().ok()}),
            ParameterType::Column(kind) => {
                let columns = kind.columns.iter().map(|column| column.name);
                let names: Vec<&str> = columns.chain(kind.derived.iter().map(|derived| derived.name)).collect();
                json!({"enum": names, "default": parameter.default})
            }
            _ => json!({"type": "string", "default": parameter.default}),
        };
        query_parameter(&parameter.name, &parameter.help, &schema)
    });
    let parameters: Vec<Value> = parameters.chain([parameter("formulas")]).collect();
    let mut item = operation(table, &format!("report_{}", report.name), &parameters);
    if let Some(get) = item.get_mut("get") {
        get["summary"] = format!("{}. {}", report.title, report.about).into();
        get["tags"] = json!(["reports"]);
    }
    item
}

fn path_item(table: &'static Table, kind: Option<&'static Kind>) -> Value {
    let mut parameters: Vec<Value> = table.parameters.iter().map(|name| parameter(name)).collect();
    if table.filters == Filters::OfKind {
        parameters.extend(kind.into_iter().flat_map(filters));
    }
    if table.filters == Filters::OfAny {
        parameters.extend(["host", "app"].map(parameter));
    }
    if table.name != CHARTS {
        parameters.push(parameter("formulas"));
    }
    let name = match kind {
        Some(kind) => format!("{}_{}", table.name, kind.name),
        None => table.name.to_owned(),
    };
    operation(table, &name, &parameters)
}

fn operation(table: &'static Table, name: &str, parameters: &[Value]) -> Value {
    let schema = json!({
        "type": "object",
        "required": table.keys,
        "properties": table.keys.iter().chain(table.more_keys).map(|key| ((*key).to_owned(), json!({}))).collect::<Map<_, _>>(),
    });
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
    responses.insert("200".to_owned(), json!({"description": "The answer.", "content": content}));
    if table.has_tag {
        responses
            .insert("304".to_owned(), json!({"description": "The answer with the tag of If-None-Match still stands."}));
        problems(&mut responses, &["410"]);
    }
    if [REPORT, "reports"].contains(&table.name) {
        problems(&mut responses, &["422"]);
    }
    problems(&mut responses, &["400", "401", "405", "414", "500", "503", "default"]);
    json!({"get": {
        "operationId": name,
        "summary": table.summary,
        "tags": [table.name],
        "parameters": parameters,
        "responses": responses,
        EXAMPLE: table.example,
    }})
}

fn parameter(name: &str) -> Value {
    let Some(known) = PARAMETERS.iter().find(|parameter| parameter.name == name) else {
        return query_parameter(name, "", &json!({"type": "string"}));
    };
    let schema = match known.form {
        ParameterForm::Text(example) => json!({"type": "string", "examples": [example]}),
        ParameterForm::Count => json!({"type": "integer", "minimum": 1}),
        ParameterForm::Flag => json!({"enum": ["1", "0", "true", "false"]}),
        ParameterForm::OneOf(words) => json!({"enum": words}),
    };
    query_parameter(name, known.help, &schema)
}

fn query_parameter(name: &str, help: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "query", "required": false, "description": help, "schema": schema})
}

/// Identity and attributes of a kind as filters; entries of maps have names that only the entities know.
fn filters(kind: &'static Kind) -> impl Iterator<Item = Value> {
    let identity = kind.identity.iter().map(|key| (key.name, key.help));
    let attributes = kind.attributes.iter().filter(|attribute| attribute.ty != AttributeType::Map);
    let attributes = attributes.map(|attribute| (attribute.name, attribute.help));
    identity.chain(attributes).map(|(name, help)| query_parameter(name, help, &json!({"type": "string"})))
}

fn problems(responses: &mut Map<String, Value>, statuses: &[&str]) {
    for status in statuses {
        let content = json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
        let response = json!({"description": "What is wrong, and what would be right.", "content": content});
        responses.insert((*status).to_owned(), response);
    }
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "parameter": {"type": "string"},
            "nearest": {"type": "string"},
        },
    })
}
