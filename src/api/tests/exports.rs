//! What a script can check a download by: sums, lines, neutral text.

use serde_json::{Value, json};

use super::seed::{header, json as parsed, rows, text};
use super::world::get;
use crate::render::sum::Sum;

const CLOSED: &str = "start=2026-08-21T03:00:00Z&end=2026-08-21T03:10:00Z";

#[tokio::test]
async fn a_sum_is_that_of_the_download() {
    for query in ["", "&host=node-1&id=b", "&formulas=neutral", "&tz=Asia/Tokyo&limit=7", "&host=nowhere"] {
        let table = get(&format!("/samples/container.csv?{CLOSED}{query}")).await;
        let response = get(&format!("/samples/container.csv.sum?{CLOSED}{query}")).await;
        assert_eq!(response.status(), 200, "{}", text(&response));
        let answer = parsed(&response);
        let mut sum = Sum::default();
        std::io::Write::write_all(&mut sum, table.body()).unwrap();
        assert_eq!(answer["sha256"], sum.sha256(), "{query}");
        assert_eq!(answer["bytes"], table.body().len(), "{query}");
        assert_eq!(answer["rows"], rows(table.body()).len() - 1, "{query}");
    }
    let answer = parsed(&get(&format!("/samples/container.csv.sum?{CLOSED}&id=b")).await);
    assert_eq!((&answer["kind"], &answer["rows"]), (&json!("container"), &json!(40)));
    assert_eq!(answer["file"], "container_samples_2026-08-21T030000Z_2026-08-21T031000Z.csv");
    // An open range has no sum yet, and an unknown kind none at all.
    let open = get("/samples/container.csv.sum").await;
    assert_eq!((open.status().as_u16(), &parsed(&open)["parameter"]), (400, &json!("end")));
    assert_eq!(get("/samples/contaner.csv.sum").await.status(), 404);
    assert_eq!(get("/range/container.csv.sum").await.status(), 404);
}

#[tokio::test]
async fn lines_hold_what_csv_holds() {
    let paths = [
        format!("/samples/container?{CLOSED}&id=b"),
        format!("/range/container?{CLOSED}&step=1m&group_by=app,host&coverage=1"),
        format!("/entities/container?{CLOSED}"),
        format!("/events?{CLOSED}"),
        "/kinds".to_owned(),
        "/kinds/container".to_owned(),
        "/targets".to_owned(),
        "/diff?around=2026-08-21T03:05:00Z&window=5m".to_owned(),
        "/snapshot/container?at=2026-08-21T03:05:00Z".to_owned(),
    ];
    for path in paths {
        let (before, after) = path.split_once('?').map_or((path.as_str(), ""), |(before, after)| (before, after));
        let lines = get(&format!("{before}.jsonl?{after}")).await;
        assert_eq!(lines.status(), 200, "{path}: {}", text(&lines));
        assert_eq!(header(&lines, "content-type"), "application/jsonl");
        assert!(header(&lines, "content-disposition").ends_with(".jsonl\""));
        let table = rows(get(&format!("{before}.csv?{after}")).await.body());
        let lines: Vec<Value> = text(&lines).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), table.len() - 1, "{path}");
        assert!(!lines.is_empty(), "{path}");
        for (row, line) in table[1..].iter().zip(&lines) {
            for (name, field) in table[0].iter().zip(row) {
                // The clock goes on between two questions.
                if name == "age_seconds" {
                    continue;
                }
                let expected = match &line[name] {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other if other.is_number() || other.is_boolean() => other.to_string(),
                    // Lists and maps are JSON in a cell.
                    other => {
                        assert_eq!(serde_json::from_str::<Value>(field).unwrap(), *other, "{path}: {name}");
                        continue;
                    }
                };
                assert_eq!(*field, expected, "{path}: {name}");
            }
        }
    }
}

#[tokio::test]
async fn text_like_a_formula_is_neutralised_on_request() {
    let path = "/range/container.csv?start=2026-08-21T03:08:00Z&end=2026-08-21T03:09:00Z&step=1m&id=c";
    let name = async |path: &str| rows(get(path).await.body())[1][2].clone();
    assert_eq!(name(path).await, "=new");
    assert_eq!(name(&format!("{path}&formulas=neutral")).await, "'=new");
    assert_eq!(name(&format!("{path}&formulas=keep")).await, "=new");
    let tag = async |path: &str| header(&get(path).await, "etag").to_owned();
    assert_ne!(tag(path).await, tag(&format!("{path}&formulas=neutral")).await, "other bytes, another tag");
    let fault = get(&format!("{path}&formulas=no")).await;
    assert_eq!((fault.status().as_u16(), &parsed(&fault)["parameter"]), (400, &json!("formulas")));
    assert_eq!(get(&format!("{path}&formulas=keep&formulas=keep")).await.status(), 400);
    // The next page is of the same form.
    let page = get(&format!("/samples/container.csv?{CLOSED}&limit=3&formulas=neutral")).await;
    assert!(header(&page, "link").contains("formulas=neutral"), "{}", header(&page, "link"));
}
