//! The OpenAPI document: every route is in it, every parameter explained, every example works.

use serde_json::Value;

use super::seed::{json as parsed, text};
use super::world::{asking, get};
use crate::api::describe::{PARAMETERS, TABLES};
use crate::api::openapi::EXAMPLE;

async fn document() -> Value {
    let response = asking("/openapi.json").await;
    assert_eq!(response.status(), 200);
    parsed(&response)
}

#[tokio::test]
async fn every_example_works_and_gives_what_is_promised() {
    let document = document().await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 50, "{}", paths.len());
    for (path, item) in paths {
        let query = item["get"][EXAMPLE].as_str().unwrap();
        let response = asking(&format!("{path}?{query}")).await;
        assert_eq!(response.status(), 200, "{path}?{query}: {}", text(&response));
        let Some(schema) = item["get"]["responses"]["200"]["content"]["application/json"].get("schema") else {
            continue;
        };
        check(&document, schema, &parsed(&response), path);
    }
}

/// Holds a value against a schema: the words that the document uses, patterns aside.
fn check(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = document.pointer(name.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{name} is nowhere"));
        return check(document, schema, value, at);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = |schema: &&Value| std::panic::catch_unwind(|| check(document, schema, value, at)).is_ok();
        assert!(any.iter().any(|schema| fits(&schema)), "{at} is none of {schema}: {value}");
    }
    if let Some(all) = schema["enum"].as_array() {
        assert!(all.contains(value), "{at}: {value}");
    }
    assert!(schema.get("const").is_none_or(|only| only == value), "{at}: {value}");
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        only => only.as_str().into_iter().collect(),
    };
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        _ => value.is_null(),
    };
    assert!(types.is_empty() || types.iter().any(|name| is(name)), "{at} is none of {types:?}: {value}");
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(required.as_str().unwrap()).is_some() || value.is_null(), "{at} has no {required}");
    }
    for (name, part) in value.as_object().into_iter().flatten() {
        let other = &schema["additionalProperties"];
        let known = schema["properties"].get(name).or_else(|| other.is_object().then_some(other));
        assert!(known.is_some() || *other != false, "{at}.{name} is not documented");
        known.into_iter().for_each(|schema| check(document, schema, part, &format!("{at}.{name}")));
    }
    for part in value.as_array().into_iter().flatten() {
        check(document, &schema["items"], part, &format!("{at}[]"));
    }
}

#[tokio::test]
async fn every_parameter_is_taken_and_explained() {
    let document = document().await;
    for (path, item) in document["paths"].as_object().unwrap() {
        for parameter in item["get"]["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            if parameter["in"] == "header" {
                continue;
            }
            assert!(!parameter["description"].as_str().unwrap().is_empty(), "{path}: {name}");
            if !path.contains("container") && !path.ends_with("diff") && !path.ends_with("events") {
                continue;
            }
            // What is wrong with the value may be told, but not that there is no such parameter.
            let answer = get(&format!("{}?{name}=%00", path.trim_start_matches("/api/v1"))).await;
            assert!(!text(&answer).contains("is no parameter"), "{path}?{name}: {}", text(&answer));
        }
    }
    for table in &TABLES {
        for name in table.parameters {
            assert!(PARAMETERS.iter().any(|parameter| parameter.name == *name), "{}: {name}", table.name);
        }
    }
}
