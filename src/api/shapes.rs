//! JSON schemas of what is answered: each table's JSON, key by key, and the parts of each kind.
//!
//! Must not know: how anything is asked or answered.

use serde_json::{Map, Value, json};

use super::describe::{REPORT, SUMS, Table};
use super::schemas::named;
use crate::model::event::EVENT_TYPES;
use crate::model::{AttributeType, Kind, Severity};
use crate::sql::Report;

/// A time as answers print it.
const TIME: &str = "^-?[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{3})?(Z|[-+][0-9]{2}:[0-9]{2})$";

/// An object of exactly these keys.
fn object(keys: &[(&str, Value)]) -> Value {
    object_with(keys, &[])
}

/// An object of these keys, of which the last may be missing.
fn object_with(keys: &[(&str, Value)], more: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
    let all = keys.iter().chain(more).map(|(name, schema)| ((*name).to_owned(), schema.clone()));
    let properties: Map<String, Value> = all.collect();
    json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
}

fn list(items: &Value) -> Value {
    json!({"type": "array", "items": items})
}

fn or_null(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn text_or_null() -> Value {
    json!({"type": ["string", "null"]})
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

fn flag_or_null() -> Value {
    json!({"type": ["boolean", "null"]})
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn count_or_null() -> Value {
    json!({"type": ["integer", "null"], "minimum": 0})
}

fn part() -> Value {
    json!({"type": "number", "minimum": 0, "maximum": 1})
}

fn number() -> Value {
    named("Number")
}

fn time() -> Value {
    named("Time")
}

fn time_or_null() -> Value {
    or_null(&time())
}

fn anything() -> Value {
    json!({"type": "object"})
}

/// The schemas that replies refer to, and those of each kind.
pub(super) fn components(kinds: &[&'static Kind]) -> Map<String, Value> {
    let mut all = Map::new();
    let mut add = |name: &str, schema: Value| drop(all.insert(name.to_owned(), schema));
    add("Time", json!({"type": "string", "pattern": TIME}));
    add("Number", json!({"anyOf": [{"type": ["number", "null"]}, {"enum": ["NaN", "+Inf", "-Inf"]}]}));
    add("Labels", json!({"type": "object", "additionalProperties": {"type": ["string", "null"]}}));
    add("Problem", problem());
    add("Kind", kind_schema());
    for kind in kinds {
        add(&format!("{}.identity", kind.name), object(&identity(kind)));
        add(&format!("{}.attributes", kind.name), object(&attributes(kind, |_| true)));
        add(&format!("{}.values", kind.name), object(&numbers(kind)));
    }
    all
}

fn problem() -> Value {
    object_with(
        &[("type", text()), ("title", text()), ("status", count()), ("detail", text())],
        &[("parameter", text()), ("nearest", text())],
    )
}

fn kind_schema() -> Value {
    let key = object(&[("name", text()), ("help", text())]);
    let types = json!({"enum": ["text", "integer", "number", "boolean", "time", "list", "map"]});
    let attribute = object(&[("name", text()), ("type", types), ("help", text())]);
    let column = object(&[
        ("name", text()),
        ("type", json!({"enum": ["counter", "gauge", "derived"]})),
        ("unit", text()),
        ("headline", flag()),
        ("additive", flag()),
        ("help", text()),
    ]);
    object(&[
        ("name", text()),
        ("help", text()),
        ("identity", list(&key)),
        ("attributes", list(&attribute)),
        ("columns", list(&column)),
        ("display", list(&text())),
    ])
}

type Keys = Vec<(&'static str, Value)>;

fn identity(kind: &'static Kind) -> Keys {
    kind.identity.iter().map(|key| (key.name, text())).collect()
}

fn attributes(kind: &'static Kind, is_asked: impl Fn(AttributeType) -> bool) -> Keys {
    let asked = kind.attributes.iter().filter(|attribute| is_asked(attribute.ty));
    asked.map(|attribute| (attribute.name, fact(attribute.ty))).collect()
}

fn fact(ty: AttributeType) -> Value {
    match ty {
        AttributeType::Text => text_or_null(),
        AttributeType::Integer => json!({"type": ["integer", "null"]}),
        AttributeType::Number => number(),
        AttributeType::Boolean => flag_or_null(),
        AttributeType::Time => time_or_null(),
        AttributeType::List => or_null(&list(&text())),
        AttributeType::Map => json!({"type": ["object", "null"], "additionalProperties": {"type": "string"}}),
    }
}

fn numbers(kind: &'static Kind) -> Keys {
    let columns = kind.columns.iter().map(|column| column.name);
    columns.chain(kind.derived.iter().map(|derived| derived.name)).map(|name| (name, number())).collect()
}

/// A part of a kind; of any where none is asked for.
fn of_kind(kind: Option<&'static Kind>, part: &str) -> Value {
    kind.map_or_else(anything, |kind| named(&format!("{}.{part}", kind.name)))
}

/// The schema of a table's JSON.
pub(super) fn of_table(table: &Table, kind: Option<&'static Kind>) -> Value {
    let range = [("start", time()), ("end", time()), ("tz", text())];
    let with_range = |keys: &[(&'static str, Value)]| [range.as_slice(), keys].concat();
    match (table.name, kind) {
        ("kinds", None) => object(&[("kinds", list(&named("Kind")))]),
        ("kinds", Some(_)) => named("Kind"),
        ("entities", _) => {
            let entity = object(&[
                ("identity", of_kind(kind, "identity")),
                ("attributes", of_kind(kind, "attributes")),
                ("first_seen", time()),
                ("last_seen", time()),
                ("ended", time_or_null()),
            ]);
            object(&with_range(&[("kind", text()), ("entities", list(&entity)), ("next", text_or_null())]))
        }
        ("range", _) => frame(kind),
        ("samples", Some(kind)) => {
            let head = [("time", time()), ("since", time_or_null())];
            let scalars = attributes(kind, AttributeType::is_scalar);
            let keys: Keys = head.into_iter().chain(identity(kind)).chain(scalars).chain(numbers(kind)).collect();
            let sample = object_with(&keys, &attributes(kind, |ty| !ty.is_scalar()));
            object(&with_range(&[("kind", text()), ("samples", list(&sample)), ("next", text_or_null())]))
        }
        ("snapshot", _) => snapshot(kind),
        ("diff", _) => diff(),
        ("capacity", _) => {
            let keys = [
                ("threshold", json!({"type": "number"})),
                ("horizon_seconds", count()),
                ("outlooks", list(&outlook())),
            ];
            object(&with_range(&keys))
        }
        ("headroom", _) => object(&with_range(&headroom())),
        ("events", _) => object(&with_range(&[("events", list(&event())), ("next", text_or_null())])),
        ("targets", _) => object(&[("targets", list(&target()))]),
        ("reports", _) => object(&[("reports", list(&report()))]),
        (SUMS, _) => {
            let sum = json!({"type": "string", "pattern": "^[0-9a-f]{64}$"});
            let keys = [("kind", text()), ("file", text()), ("rows", count()), ("bytes", count()), ("sha256", sum)];
            object(&with_range(&keys))
        }
        (REPORT, _) => anything(),
        _ => anything(),
    }
}

fn frame(kind: Option<&'static Kind>) -> Value {
    let field = object(&[("name", text()), ("agg", named("Agg")), ("unit", text())]);
    let values = json!({"type": "object", "additionalProperties": {"type": "array", "items": number()}});
    let series = object_with(&[("labels", named("Labels")), ("values", values)], &[("coverage", list(&part()))]);
    let gap = object(&[("target", text()), ("start", time()), ("end", time()), ("cause", text())]);
    let plan = object(&[
        ("resolution", text()),
        ("entities", count()),
        ("runs", count()),
        ("samples", count()),
        ("blocks", count()),
        ("pieces", count()),
        ("bytes", count()),
        ("hours", count()),
        ("took_seconds", json!({"type": "number", "minimum": 0})),
        ("cell", json!({"type": ["object", "null"]})),
    ]);
    object_with(
        &[
            ("kind", kind.map_or_else(text, |kind| json!({"const": kind.name}))),
            ("start", time()),
            ("end", time()),
            ("step_seconds", count_or_null()),
            ("step", named("Step")),
            ("tz", text()),
            ("resolution", json!({"enum": ["samples", "1h"]})),
            ("filters", list(&object(&[("name", text()), ("value", text())]))),
            ("group_by", or_null(&list(&text()))),
            ("across", json!({"enum": ["sum", "avg", "min", "max", null]})),
            ("top", count_or_null()),
            ("top_by", text_or_null()),
            ("coverage", flag()),
            ("fields", list(&field)),
            ("times", list(&time())),
            ("series", list(&series)),
        ],
        &[("gaps", list(&gap)), ("explain", plan)],
    )
}

fn snapshot(kind: Option<&'static Kind>) -> Value {
    let target = object(&[
        ("target", text()),
        ("up", flag_or_null()),
        ("outcome", text_or_null()),
        ("last_success", time_or_null()),
        ("age_seconds", json!({"type": ["number", "null"]})),
    ]);
    let entity = object(&[
        ("identity", of_kind(kind, "identity")),
        ("attributes", of_kind(kind, "attributes")),
        ("first_seen", time()),
        ("ended", time_or_null()),
        ("sample_time", time_or_null()),
        ("sample_age_seconds", json!({"type": ["number", "null"]})),
        ("values", of_kind(kind, "values")),
    ]);
    let of_one = object(&[("kind", text()), ("entities", list(&entity))]);
    object(&[("at", time()), ("tz", text()), ("targets", list(&target)), ("kinds", list(&of_one))])
}

fn diff() -> Value {
    let window = object(&[("start", time()), ("end", time())]);
    let head = [("time", time()), ("kind", text()), ("identity", anything()), ("labels", named("Labels"))];
    let life = object(&head);
    let moved = object(&[("from", life.clone()), ("to", life.clone())]);
    let changed = object(&[head.as_slice(), &[("attribute", text()), ("old", json!({})), ("new", json!({}))]].concat());
    let side = object(&[("mean", number()), ("values", count()), ("coverage", part())]);
    let moved_most = object(&[
        ("kind", text()),
        ("labels", named("Labels")),
        ("field", text()),
        ("unit", text()),
        ("before", side.clone()),
        ("after", side),
        ("ratio", number()),
        ("score", number()),
    ]);
    object(&[
        ("from", time()),
        ("to", time()),
        ("tz", text()),
        ("before", window.clone()),
        ("after", window),
        ("kinds", list(&text())),
        ("group_by", list(&text())),
        ("come", list(&life)),
        ("gone", list(&life)),
        ("moved", list(&moved)),
        ("changed", list(&changed)),
        ("numbers", list(&moved_most)),
    ])
}

fn outlook() -> Value {
    let numbers =
        ["whole", "full", "per_day", "per_day_low", "per_day_high", "at_horizon", "at_horizon_low", "at_horizon_high"];
    let days = ["passes", "passes_earliest", "passes_latest"];
    let keys = [
        ("labels", named("Labels")),
        ("of", text()),
        ("resource", text()),
        ("unit", text()),
        ("used", number()),
        ("days", count()),
        ("coverage", part()),
        ("season", json!({"enum": ["weekly", null]})),
        ("why", text_or_null()),
        ("threshold", json!({"type": "number"})),
    ];
    let numbers = numbers.map(|name| (name, number()));
    let days = days.map(|name| (name, time_or_null()));
    object(&[keys.as_slice(), &numbers, &days].concat())
}

fn headroom() -> Keys {
    let agent = object(&[
        ("labels", named("Labels")),
        ("fits_now", count()),
        ("fits_at_worst", count()),
        ("worst_hour", time()),
        ("cpus_free", json!({"type": "number", "minimum": 0})),
        ("memory_free_bytes", json!({"type": "number", "minimum": 0})),
        ("coverage", part()),
    ]);
    vec![
        ("cpus", json!({"type": "number"})),
        ("memory_bytes", count()),
        ("instances", count()),
        ("fits_now", count()),
        ("is_enough_now", flag()),
        ("fits_at_worst", count_or_null()),
        ("is_enough_at_worst", flag_or_null()),
        ("worst_hour", time_or_null()),
        ("agents", list(&agent)),
    ]
}

fn event() -> Value {
    let before = object(&[("time", time()), ("severity", text()), ("type", text()), ("message", text())]);
    let certificate = object(&[
        ("started", time_or_null()),
        ("lifetime_seconds", json!({"type": ["number", "null"]})),
        ("exit_code", json!({"type": ["integer", "null"]})),
        ("oom_killed", flag_or_null()),
        ("last_sample", time_or_null()),
        ("memory_peak_bytes", number()),
        ("memory_last_bytes", number()),
        ("memory_limit_bytes", number()),
        ("memory_peak_ratio", number()),
        ("cpu_last_cores", number()),
        ("restarts_before", json!({"type": ["integer", "null"]})),
        ("deaths_in_day_before", count_or_null()),
        ("events_before", list(&before)),
    ]);
    object_with(
        &[
            ("time", time()),
            ("severity", json!({"enum": Severity::ALL.map(Severity::name)})),
            ("type", json!({"enum": EVENT_TYPES})),
            ("kind", text_or_null()),
            ("entity", json!({"type": ["object", "null"]})),
            ("target", text()),
            ("message", text()),
            ("details", anything()),
        ],
        &[("certificate", or_null(&certificate))],
    )
}

fn target() -> Value {
    let seconds = || json!({"type": ["number", "null"]});
    object(&[
        ("target", text()),
        ("source", text()),
        ("name", text()),
        ("address", text_or_null()),
        ("configured", flag()),
        ("interval_seconds", seconds()),
        ("up", flag_or_null()),
        ("last_success", time_or_null()),
        ("age_seconds", seconds()),
        ("last_poll", time_or_null()),
        ("last_outcome", text_or_null()),
        ("last_duration_seconds", seconds()),
        ("last_samples", count_or_null()),
        ("last_error_at", time_or_null()),
        ("last_error_outcome", text_or_null()),
        ("last_error", text_or_null()),
    ])
}

fn report_columns() -> Value {
    list(&object(&[("name", text()), ("unit", text()), ("help", text())]))
}

fn report() -> Value {
    let parameter = object(&[("name", text()), ("type", text()), ("default", text()), ("help", text())]);
    object(&[
        ("name", text()),
        ("own", flag()),
        ("title", text_or_null()),
        ("about", text_or_null()),
        ("parameters", list(&parameter)),
        ("columns", report_columns()),
        ("fault", text_or_null()),
    ])
}

/// The schema of what a report answers: its parameters as they were resolved, and rows of its columns.
pub(super) fn of_report(report: &Report) -> Value {
    let parameters: Vec<_> = report.parameters.iter().map(|parameter| (parameter.name.as_str(), text())).collect();
    let cell = json!({"type": ["string", "number", "boolean", "null"]});
    let columns: Vec<_> = report.columns.iter().map(|column| (column.name.as_str(), cell.clone())).collect();
    object(&[
        ("report", json!({"const": report.name})),
        ("title", text()),
        ("parameters", object(&parameters)),
        ("columns", report_columns()),
        ("rows", list(&object(&columns))),
    ])
}
