//! The picture of an instant, what differs between two, certificates of deaths: against numbers computed by hand.

use serde_json::{Value, json};

use super::seed::{json as parsed, rows, text};
use super::world::{MIB, asking_of, get};
use crate::source::KINDS;
use crate::store::Store;
use crate::store::sqlite::Sqlite;

async fn ask(path: &str) -> Value {
    let response = get(path).await;
    assert_eq!(response.status(), 200, "{path}: {}", text(&response));
    parsed(&response)
}

async fn fault(path: &str) -> String {
    let response = get(path).await;
    assert_eq!(response.status(), 400, "{path}: {}", text(&response));
    parsed(&response)["detail"].as_str().unwrap().to_owned()
}

fn ids(picture: &Value) -> Vec<&str> {
    let entities = picture["kinds"][0]["entities"].as_array().unwrap();
    entities.iter().map(|entity| entity["identity"]["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_picture_of_an_instant() {
    // 03:06:35.5: the last round was at 03:06:30; db has died and is still in that list.
    let picture = ask("/snapshot?at=2026-08-21T03:06:35.500Z&kinds=container").await;
    assert_eq!(picture["at"], "2026-08-21T03:06:35.500Z");
    assert_eq!(ids(&picture), ["a", "b", "m2"]);
    let web = &picture["kinds"][0]["entities"][0];
    assert_eq!(web["attributes"]["health"], "unhealthy");
    assert_eq!((&web["sample_time"], &web["sample_age_seconds"]), (&json!("2026-08-21T03:06:30.000Z"), &json!(5.5)));
    assert_eq!((&web["values"]["cpu_cores"], &web["values"]["memory_usage_bytes"]), (&json!(0.3), &json!(101 * MIB)));
    // 39 ticks of 1 s, and 9 of 2 s more.
    assert_eq!(web["values"]["cpu_usage_seconds_total"], 57);
    assert_eq!(web["values"]["pids"], Value::Null);
    assert_eq!(picture["kinds"][0]["entities"][1]["values"]["memory_working_set_bytes"], 399 * MIB);
    let target = json!({"target": "docker/node-1", "up": true, "outcome": "ok",
        "last_success": "2026-08-21T03:06:30.000Z", "age_seconds": 5.5});
    assert_eq!(picture["targets"][0], target);

    // Earlier, and by filter; what is of no interest is left out, and kinds without the name too.
    assert_eq!(ids(&ask("/snapshot/container?at=2026-08-21T03:01:00Z").await), ["a", "b", "m1"]);
    let earlier = ask("/snapshot?at=2026-08-21T03:01:00Z&app=/web").await;
    assert_eq!(
        (ids(&earlier), &earlier["kinds"][0]["entities"][0]["attributes"]["health"]),
        (vec!["a"], &json!("healthy"))
    );
    // Before anything was recorded there was nothing, as far as is known.
    assert!(ids(&ask("/snapshot/container?at=2026-08-21T02:59:59Z").await).is_empty());
    // Nobody has asked node-1 for 50 minutes: the picture is that old, and says so.
    let old = ask("/snapshot?kinds=container&at=2026-08-21T04:00:00Z").await;
    assert_eq!(ids(&old), ["a", "c", "m2"]);
    assert_eq!(old["kinds"][0]["entities"][0]["sample_age_seconds"], 3000);
    assert_eq!((&old["targets"][0]["up"], &old["targets"][0]["age_seconds"]), (&Value::Null, &json!(3000)));
    // A day later nothing of it is a picture of that day.
    assert!(ids(&ask("/snapshot/container?at=2026-08-22T04:00:00Z").await).is_empty());
}

#[tokio::test]
async fn a_picture_as_rows() {
    let response = get("/snapshot/container.csv?at=2026-08-21T03:06:35.500Z&host=node-1").await;
    let table = rows(response.body());
    let cell = |row: usize, name: &str| table[row][table[0].iter().position(|header| header == name).unwrap()].as_str();
    assert_eq!(table.len(), 3);
    assert_eq!(
        [cell(1, "id"), cell(1, "app"), cell(1, "sample_age_seconds"), cell(1, "cpu_cores")],
        ["a", "/web", "5.5", "0.3"]
    );
    assert_eq!([cell(2, "id"), cell(2, "ended"), cell(2, "pids")], ["b", "", ""]);
    // The same by kinds=, and as lines.
    let same = get("/snapshot.csv?at=2026-08-21T03:06:35.500Z&host=node-1&kinds=container").await;
    assert_eq!(same.body(), response.body());
    let lines = get("/snapshot/container.jsonl?at=2026-08-21T03:06:35.500Z&host=node-1").await;
    let lines: Vec<Value> = text(&lines).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[1]["id"], &lines[0]["cpu_cores"]), (2, &json!("b"), &json!(0.3)));
    assert!(fault("/snapshot.csv").await.contains("kinds=container"));
    assert!(fault("/snapshot?at=yesterdayish").await.starts_with("at: "));
    assert!(fault("/snapshot?kind=container").await.contains("kinds"));
}

#[tokio::test]
async fn what_differs_around_an_instant() {
    let diff = ask("/diff?around=2026-08-21T03:05:00Z&window=5m&kinds=container").await;
    assert_eq!((&diff["from"], &diff["to"]), (&json!("2026-08-21T03:05:00Z"), &json!("2026-08-21T03:10:00Z")));
    assert_eq!(diff["before"], json!({"start": "2026-08-21T03:00:00Z", "end": "2026-08-21T03:05:00Z"}));
    assert_eq!(diff["after"], json!({"start": "2026-08-21T03:05:00Z", "end": "2026-08-21T03:10:00Z"}));
    let lives = |name: &str| {
        let all = diff[name].as_array().unwrap().iter();
        all.map(|life| format!("{} {}", life["labels"]["name"], life["time"])).collect::<Vec<_>>()
    };
    assert_eq!(lives("come"), [r#""=new" "2026-08-21T03:07:30.000Z""#]);
    // The first list without it says that it is gone.
    assert_eq!(lives("gone"), [r#""db" "2026-08-21T03:06:40.000Z""#]);
    let moved = diff["moved"].as_array().unwrap();
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0]["from"]["identity"], json!({"host": "node-1", "id": "m1"}));
    assert_eq!(moved[0]["to"]["identity"], json!({"host": "node-2", "id": "m2"}));
    assert_eq!(moved[0]["to"]["time"], "2026-08-21T03:06:00.000Z");
    let changed = json!([{"time": "2026-08-21T03:05:00.000Z", "kind": "container",
        "identity": {"host": "node-1", "id": "a"}, "labels": {"host": "node-1", "name": "web-1", "id": "a"},
        "attribute": "health", "old": "healthy", "new": "unhealthy"}]);
    assert_eq!(diff["changed"], changed);

    let numbers = diff["numbers"].as_array().unwrap();
    let web =
        numbers.iter().find(|number| number["labels"]["app"] == "/web" && number["field"] == "cpu_cores").unwrap();
    // 30 values of 0.1 and 30 of 0.3 do not deviate: 5 % of the larger mean is 0.015, and 0.2 are 13.3 of them.
    let expected = json!({"kind": "container", "labels": {"app": "/web", "host": "node-1"}, "field": "cpu_cores",
        "unit": "cores", "before": {"mean": 0.1, "values": 30, "coverage": 1},
        "after": {"mean": 0.3, "values": 30, "coverage": 1}, "ratio": 3, "score": 13.3333333});
    assert_eq!(*web, expected);
    assert_eq!(numbers[0], *web, "nothing moved more");
    let scores: Vec<f64> = numbers.iter().map(|number| number["score"].as_f64().unwrap().abs()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let still = |number: &&Value| number["labels"]["app"] == "/web" && number["field"] == "memory_working_set_bytes";
    assert_eq!(numbers.iter().find(still).unwrap()["score"], 0);
    // What began within the window has nothing to be held against.
    assert!(numbers.iter().all(|number| number["labels"]["app"] != "/new"));
}

#[tokio::test]
async fn what_differs_between_two_instants() {
    // The windows: 60 s before 03:04, and 60 s before 03:09, six values each.
    let range = "from=2026-08-21T03:04:00Z&to=2026-08-21T03:09:00Z&window=1m";
    let diff = ask(&format!("/diff?{range}&app=/web&top=1")).await;
    assert_eq!(diff["numbers"][0]["before"], json!({"mean": 0.1, "values": 6, "coverage": 1}));
    assert_eq!(diff["numbers"].as_array().unwrap().len(), 1);
    assert_eq!((diff["come"].as_array().unwrap().len(), diff["changed"].as_array().unwrap().len()), (0, 1));
    // By host, by application, by both; and by what an entity is where a kind has not both.
    for (group_by, labels) in [
        ("app", json!({"app": "/web"})),
        ("host", json!({"host": "node-1"})),
        ("app,host", json!({"app": "/web", "host": "node-1"})),
        ("", json!({})),
    ] {
        let grouped = ask(&format!("/diff?{range}&app=/web&group_by={group_by}&top=1")).await;
        assert_eq!((&grouped["numbers"][0]["labels"], &grouped["numbers"][0]["ratio"]), (&labels, &json!(3)));
    }
    // Five values are enough, four too few.
    let five = ask("/diff?from=2026-08-21T03:04:00Z&to=2026-08-21T03:09:00Z&window=50s&app=/web&top=1").await;
    assert_eq!(five["numbers"][0]["after"], json!({"mean": 0.3, "values": 5, "coverage": 1}));
    let short = ask("/diff?from=2026-08-21T03:04:00Z&to=2026-08-21T03:09:00Z&window=40s&kinds=container").await;
    assert_eq!(short["numbers"], json!([]));
    // Nothing has come when nobody had looked before.
    let first = ask("/diff?from=2026-08-21T02:00:00Z&to=2026-08-21T03:00:30Z&kinds=container").await;
    assert_eq!((&first["come"], &first["gone"]), (&json!([]), &json!([])));
    // By container, and as rows.
    let by_name = ask(&format!("/diff?{range}&kinds=container&group_by=name&top=1")).await;
    assert_eq!(by_name["numbers"][0]["labels"], json!({"name": "web-1"}));
    let response = get(&format!("/diff.csv?{range}&kinds=container&top=1")).await;
    let table = rows(response.body());
    let words: Vec<&str> = table.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(words, ["change", "come", "gone", "moved_from", "moved_to", "changed", "number"]);
    assert_eq!(table[5][4..7], ["health", "healthy", "unhealthy"]);
    assert_eq!(table[6][4..10], ["cpu_cores", "0.1", "0.3", "cores", "3", "13.3333333"]);
    assert!(fault("/diff").await.starts_with("from: is missing"));
    assert!(fault(&format!("/diff?{range}&hots=1")).await.contains("host"));
}

#[tokio::test]
async fn a_death_has_a_certificate() {
    let events = ask("/events?start=2026-08-21T03:06:00Z&end=2026-08-21T03:07:00Z&certificates=1").await;
    let events = events["events"].as_array().unwrap();
    let death = events.iter().find(|event| event["type"] == "container_died").unwrap();
    let expected = json!({
        "started": "2026-08-21T02:58:20.000Z",
        "lifetime_seconds": 495,
        "exit_code": 137,
        "oom_killed": true,
        "last_sample": "2026-08-21T03:06:30.000Z",
        "memory_peak_bytes": 399 * MIB,
        "memory_last_bytes": 399 * MIB,
        "memory_limit_bytes": 512 * MIB,
        "memory_peak_ratio": 0.779296875,
        "cpu_last_cores": 0.2,
        "restarts_before": 2,
        "deaths_in_day_before": 1,
        "events_before": [
            {"time": "2026-08-21T03:06:20.000Z", "severity": "warning", "type": "container_killed",
             "message": "a container_killed"},
            {"time": "2026-08-21T03:06:34.000Z", "severity": "warning", "type": "container_oom",
             "message": "b container_oom"},
        ],
    });
    assert_eq!(death["certificate"], expected);
    let other = events.iter().find(|event| event["type"] == "container_oom").unwrap();
    assert_eq!(other["certificate"], Value::Null);
    // Only where it is asked for; in a row it is one cell.
    let plain = ask("/events?start=2026-08-21T03:06:00Z&end=2026-08-21T03:07:00Z").await;
    assert!(plain["events"][0].get("certificate").is_none());
    let table =
        get("/events.csv?start=2026-08-21T03:06:00Z&end=2026-08-21T03:07:00Z&certificates=1&type=container_died").await;
    let table = rows(table.body());
    assert_eq!(table[0].last().unwrap(), "certificate");
    let cell: Value = serde_json::from_str(table[1].last().unwrap()).unwrap();
    assert_eq!(cell, expected);
    // Of the earlier death nothing is known but its time in a life: no sample had memory worth a peak.
    let first = ask("/events?start=2026-08-21T03:00:00Z&end=2026-08-21T03:01:00Z&certificates=1").await;
    let first = &first["events"][0]["certificate"];
    assert_eq!((&first["lifetime_seconds"], &first["oom_killed"]), (&json!(105), &Value::Null));
    assert_eq!((&first["memory_peak_bytes"], &first["deaths_in_day_before"]), (&json!(9 * MIB), &json!(0)));
}

#[tokio::test]
async fn a_number_is_explained() {
    let range = "start=2026-08-21T03:06:00Z&end=2026-08-21T03:07:00Z&explain=1";
    let answer = ask(&format!("/range/container?{range}&step=20s&fields=cpu_cores&app=/db")).await;
    let explain = &answer["explain"];
    // Four were there then or soon after; one passes, and its run goes from 03:05:50 to 03:06:30.
    assert_eq!([&explain["entities"], &explain["runs"], &explain["samples"]], [4, 1, 5], "{explain}");
    let cell = &explain["cell"];
    assert_eq!((&cell["start"], &cell["value"]), (&json!("2026-08-21T03:06:40Z"), &Value::Null));
    assert_eq!(cell["why_null"], "nothing of this series was sampled in the bucket");
    let answer = ask(&format!("/range/container?{range}&step=all&fields=cpu_cores&app=/db")).await;
    let cell = &answer["explain"]["cell"];
    assert_eq!((&cell["value"], &cell["why_null"]), (&json!(0.2), &Value::Null));
    assert_eq!(cell["formula"], "avg of increase of (cpu_usage_seconds_total) / seconds covered");
    assert_eq!(cell["columns"][0]["conversion"], "cpu_usage_ns / 10^9");
    assert_eq!((&cell["members_total"], &cell["members"][0]["target"]), (&json!(1), &json!("docker/node-1")));
    let samples = cell["members"][0]["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 5);
    let first = json!({"time": "2026-08-21T03:05:50.000Z", "since": "2026-08-21T02:58:20.000Z", "stretch": null,
        "cpu_usage_ns": 70_000_000_000i64});
    assert_eq!(samples[0], first);
    assert_eq!((&samples[4]["stretch"], &samples[4]["cpu_usage_ns"]), (&json!("rate"), &json!(78_000_000_000i64)));
    let unreported = ask(&format!("/range/container?{range}&step=all&fields=pids&app=/db")).await;
    let why = &unreported["explain"]["cell"]["why_null"];
    assert_eq!(*why, "the source did not report what it is computed from");
    // How long it took is never the same: no entity tag.
    let path = "/range/container?start=2026-08-21T03:06:00Z&end=2026-08-21T03:07:00Z";
    assert!(
        get(path).await.headers().contains_key("etag")
            && !get(&format!("{path}&explain=1")).await.headers().contains_key("etag")
    );
}

#[tokio::test]
async fn a_file_answers_as_memory_does() {
    let paths = [
        "/snapshot/container?at=2026-08-21T03:06:35.500Z",
        "/snapshot?at=2026-08-21T03:01:00Z",
        "/snapshot/container.csv?at=2026-08-21T03:59:00Z",
        "/diff?around=2026-08-21T03:05:00Z&window=5m",
        "/diff?from=2026-08-21T02:00:00Z&to=2026-08-21T03:00:30Z",
        "/events?start=2026-08-21T03:00:00Z&end=2026-08-21T03:10:00Z&certificates=1",
        "/samples/container.csv.sum?start=2026-08-21T03:00:00Z&end=2026-08-21T03:10:00Z",
    ];
    for path in paths {
        let directory = tempfile::tempdir().unwrap();
        let file = Store::Sqlite(Sqlite::open(&directory.path().join("world.db"), KINDS).unwrap());
        let answer = asking_of(file, &format!("/api/v1{path}")).await;
        assert_eq!(text(&answer), text(&get(path).await), "{path}");
    }
}
