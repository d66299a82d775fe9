//! JSON schemas of what is asked: parameters with their form, and what kinds are made of.
//!
//! A schema never says less than what is taken: whatever it excludes is refused. Must not know: paths, replies.

use serde_json::{Map, Value, json};

use super::describe::{ParameterForm, Table, count_limits};
use crate::model::{AttributeType, Class, Kind};
use crate::query::request::{Agg, field_names};
use crate::sql::ParameterType;

/// A whole duration: `1h30m`.
const DURATION: &str = "([0-9]+(ms|s|m|h|d|w))+";
/// A date with or without its time and offset, the smaller parts left out.
const CIVIL: &str = "[0-9]{4}(-[0-9]{2}(-[0-9]{2}([Tt ][0-9]{2}(:[0-9]{2}(:[0-9]{2}(\\.[0-9]+)?)?)?([Zz]|[-+ ][0-9]{2}(:?[0-9]{2})?)?)?)?)?";

/// A zone's name, and some that there are: of whole, half and quarter hours, with and without changes of the clock.
const ZONE: &str = "^[A-Za-z]+[A-Za-z0-9_/+ -]*$";
const ZONES: [&str; 5] = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"];
const ZONE_HELP: &str = "A name of the IANA time zone database, such as these.";

/// A schema of its own under `components`.
pub(super) fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// An object with one more entry.
pub(super) fn with(mut object: Value, name: &str, value: impl Into<Value>) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value.into());
    }
    object
}

/// The schemas that parameters refer to, and those of each kind.
pub(super) fn components(kinds: &[&'static Kind]) -> Map<String, Value> {
    let aggs = Agg::ALL.map(Agg::name);
    let time = format!("^((now)?[-+ ]{DURATION}|now|[0-9]+(\\.[0-9]+)?|{CIVIL})$");
    let mut all = Map::new();
    let mut add = |name: &str, schema: Value| drop(all.insert(name.to_owned(), schema));
    add("AskedTime", json!({"type": "string", "pattern": time}));
    add("Duration", json!({"type": "string", "pattern": format!("^{DURATION}$")}));
    add("Step", json!({"type": "string", "pattern": format!("^({DURATION}|[0-9]+|1mo|all)$")}));
    add("Memory", json!({"type": "string", "pattern": "^[0-9]+([KMGT]iB|B)?$"}));
    add("Zone", json!({"description": ZONE_HELP, "anyOf": [{"enum": ZONES}, {"type": "string", "pattern": ZONE}]}));
    add("Agg", json!({"enum": aggs}));
    for kind in kinds {
        let fields = field_names(kind);
        let by = format!("^({})(\\.({}))?$", fields.join("|"), aggs.join("|"));
        add(&format!("{}.field", kind.name), json!({"enum": fields}));
        add(&format!("{}.top_by", kind.name), json!({"type": "string", "pattern": by}));
        add(&format!("{}.label", kind.name), label(kind));
    }
    all
}

/// What series of a kind can be grouped by: identity, attributes, entries of maps.
fn label(kind: &Kind) -> Value {
    let is_map = |ty: AttributeType| ty == AttributeType::Map;
    let plain = kind.attributes.iter().filter(|attribute| !is_map(attribute.ty)).map(|attribute| attribute.name);
    let plain: Vec<&str> = kind.identity.iter().map(|key| key.name).chain(plain).collect();
    let maps = kind.attributes.iter().filter(|attribute| is_map(attribute.ty));
    let entries: Vec<&str> = maps.map(|attribute| attribute.name.strip_suffix('s').unwrap_or(attribute.name)).collect();
    if entries.is_empty() {
        return json!({"enum": plain});
    }
    let entry = format!("^({})\\.[^,]+$", entries.join("|"));
    json!({"anyOf": [{"enum": plain}, {"type": "string", "pattern": entry}]})
}

/// A parameter's schema and an example of it, for a table and the kind it is asked of.
pub(super) fn of_parameter(
    table: &Table,
    name: &str,
    form: ParameterForm,
    kind: Option<&'static Kind>,
) -> (Value, Option<Value>) {
    let of_kind =
        |part: &str| kind.map_or_else(|| json!({"type": "string"}), |kind| named(&format!("{}.{part}", kind.name)));
    let list = |items: Value| json!({"type": "array", "items": items, "minItems": 1, "uniqueItems": true});
    let text = |text: &str| Some(Value::from(text));
    match form {
        ParameterForm::Text(example) => (json!({"type": "string"}), text(example)),
        ParameterForm::Cursor => (json!({"type": "string"}), None),
        ParameterForm::Time(example) => (named("AskedTime"), example.map(Value::from)),
        ParameterForm::Duration(example) => (named("Duration"), text(example)),
        ParameterForm::Step(example) => (named("Step"), text(example)),
        ParameterForm::Zone(example) => (named("Zone"), text(example)),
        ParameterForm::Memory(example) => (named("Memory"), text(example)),
        ParameterForm::Amount(max, example) => (
            json!({"type": "number", "exclusiveMinimum": 0, "maximum": max}),
            example.parse::<f64>().ok().map(Value::from),
        ),
        ParameterForm::Count(example) => {
            let (min, max) = count_limits(table.name, name);
            let schema = json!({"type": "integer", "minimum": min});
            let schema = match max {
                Some(max) => with(schema, "maximum", max),
                None => schema,
            };
            (schema, Some(example.into()))
        }
        ParameterForm::Flag => (json!({"enum": ["1", "0", "true", "false"]}), None),
        ParameterForm::OneOf(words) => (json!({"enum": words}), None),
        ParameterForm::Fields => (list(of_kind("field")), kind.and_then(plainest).map(|field| json!([field]))),
        ParameterForm::Field => (of_kind("top_by"), kind.and_then(plainest).map(Value::from)),
        ParameterForm::Aggs => (list(named("Agg")), Some(json!(["last"]))),
        ParameterForm::Labels => {
            let first = kind.map_or(Some("host"), |kind| kind.identity.first().map(|key| key.name));
            (list(of_kind("label")), first.map(|label| json!([label])))
        }
    }
}

/// A field that can be told without an explanation: the first gauge or derived column.
fn plainest(kind: &'static Kind) -> Option<&'static str> {
    let is_gauge = |name: &&str| kind.column(name).is_none_or(|column| column.class != Class::Counter);
    let fields = field_names(kind);
    fields.iter().copied().find(is_gauge).or_else(|| fields.first().copied())
}

/// The schema of a report's parameter, with its default.
pub(super) fn of_report(ty: &ParameterType, default: &str) -> Value {
    let schema = match ty {
        ParameterType::Integer => return json!({"type": "integer", "default": default.parse::<i64>().ok()}),
        ParameterType::Number => return json!({"type": "number", "default": default.parse::<f64>().ok()}),
        ParameterType::Text | ParameterType::Glob => json!({"type": "string"}),
        ParameterType::Time => named("AskedTime"),
        ParameterType::Duration => named("Duration"),
        ParameterType::Step => named("Step"),
        ParameterType::Zone => named("Zone"),
        ParameterType::Column(kind) => {
            let columns = kind.columns.iter().map(|column| column.name);
            let names: Vec<&str> = columns.chain(kind.derived.iter().map(|derived| derived.name)).collect();
            json!({"enum": names})
        }
    };
    with(schema, "default", default)
}
