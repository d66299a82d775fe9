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
        let schema = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        let Some(required) = schema["required"].as_array() else { continue };
        let answer = parsed(&response);
        for key in required {
            assert!(answer.get(key.as_str().unwrap()).is_some(), "{path} has no {key}");
        }
        let documented = |key: &String| schema["properties"].get(key).is_some();
        assert!(answer.as_object().unwrap().keys().all(documented), "{path}: {answer}");
    }
}

#[tokio::test]
async fn every_parameter_is_taken_and_explained() {
    let document = document().await;
    for (path, item) in document["paths"].as_object().unwrap() {
        for parameter in item["get"]["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
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
