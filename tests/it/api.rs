//! The edges of the HTTP API on a running server: each refused request gets a message that helps.

use std::sync::OnceLock;
use std::time::Duration;

use crate::fleet::Fleet;
use crate::harness::time::{LATER, now_ms, wait_for};
use crate::harness::{Recorder, machine};

/// A recorder of one small engine, shared by the tests of this file.
fn recorder() -> &'static Recorder {
    static SHARED: OnceLock<(Fleet, Recorder)> = OnceLock::new();
    let (_, recorder) = SHARED.get_or_init(|| {
        let fleet = Fleet::start(1, 3);
        let recorder = Recorder::start(&fleet.sources("interval = \"2s\"\ntimeout = \"1s\""));
        let start = now_ms().to_string();
        wait_for("two rounds", Duration::from_secs(30), || {
            let table = recorder.table("samples/container", &[("start", &start), ("end", LATER)]);
            (table.rows.len() >= 6).then_some(())
        });
        (fleet, recorder)
    });
    recorder
}

/// A request below /api/v1, its status, the parameter at fault, and what the message says.
type Refused = (&'static str, u16, Option<&'static str>, &'static [&'static str]);

const REFUSED: [Refused; 26] = [
    ("range/containr", 404, None, &["containr", "container"]),
    ("samples/nothing", 404, None, &["nothing"]),
    ("kinds/hots", 404, None, &["hots", "host"]),
    ("rnage/container", 404, None, &[]),
    ("range/container?start=now&end=-1h", 400, Some("start"), &["before end"]),
    ("range/container?start=2026-08-21&end=2026-08-21", 400, Some("start"), &["before end"]),
    ("range/container?step=0", 400, Some("step"), &["0"]),
    ("range/container?step=0s", 400, Some("step"), &["0s"]),
    ("range/container?step=-5m", 400, Some("step"), &["-5m"]),
    ("range/container?step=36h", 400, Some("step"), &["1d"]),
    ("range/container?start=-30d&step=1s", 400, Some("step"), &["11000", "fits"]),
    ("range/container?start=2000&end=2026&step=10s", 400, Some("step"), &["11000", "1d fits"]),
    ("range/container?name=web%5C", 400, Some("name"), &["\\"]),
    ("range/container?nmae=web", 400, Some("nmae"), &["name"]),
    ("range/container?fields=cpu_core", 400, Some("fields"), &["cpu_core", "cpu_cores"]),
    ("range/container?fields=cpu_cores&agg=increase", 400, None, &["cpu_cores"]),
    ("range/container?fields=cpu_usage_seconds_total&agg=p95", 400, None, &["increase"]),
    ("range/container?agg=mean", 400, Some("agg"), &["mean", "avg"]),
    ("range/container?tz=Europe/Berln", 400, Some("tz"), &["Europe/Berlin"]),
    ("range/container?group_by=ap", 400, Some("group_by"), &["ap", "app"]),
    ("range/container?top=0", 400, Some("top"), &["0"]),
    ("range/container?top=some", 400, Some("top"), &["some"]),
    ("range/container?start=yesterdya", 400, Some("start"), &["yesterdya"]),
    ("events?type=container_dead", 400, Some("type"), &["container_dead", "container_died"]),
    ("events?severity=fatal", 400, Some("severity"), &["fatal", "error"]),
    ("samples/container?cursor=nonsense", 400, Some("cursor"), &["cursor"]),
];

#[test]
fn refused_requests_say_what_would_be_right() {
    let _together = machine::shared();
    let recorder = recorder();
    let mut faults = Vec::new();
    for (path, status, parameter, said) in REFUSED {
        let reply = recorder.get(&format!("/api/v1/{path}"));
        let content_type = reply.header("content-type").unwrap_or_default();
        let problem: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let text = problem.to_string();
        let good = reply.status == status
            && content_type == "application/problem+json"
            && problem["status"] == status
            && problem["title"].is_string()
            && parameter.is_none_or(|parameter| problem["parameter"] == parameter)
            && said
                .iter()
                .all(|word| text.contains(&serde_json::Value::from(*word).to_string().trim_matches('"').to_owned()));
        if !good {
            faults.push(format!(
                "{path}: {} {content_type} {}; expected {status} {parameter:?} {said:?}",
                reply.status,
                reply.text()
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn an_empty_store_answers_with_empty_tables() {
    let _together = machine::shared();
    let fleet = Fleet::start(0, 0);
    let recorder = Recorder::start(&format!("{}[source.host]\nenabled = false\n", fleet.sources("")));
    let range = recorder.json("/api/v1/range/container?start=2026-01-01&end=2026-01-02&step=1h");
    assert_eq!(range["series"], serde_json::json!([]), "{range:#}");
    assert_eq!(range["times"].as_array().unwrap().len(), 24);
    let grouped =
        recorder.json("/api/v1/range/container?start=2026-01-01&end=2026-01-02&step=all&group_by=&coverage=1");
    assert_eq!(grouped["times"].as_array().unwrap().len(), 1, "{grouped:#}");
    for path in ["range/container", "samples/container", "samples/host", "entities/container"] {
        let reply = recorder.get(&format!("/api/v1/{path}.csv?start=2026-01-01&end=2026-01-02"));
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert_eq!(reply.text().matches("\r\n").count(), 1, "{path}: a header alone: {}", reply.text());
    }
    let entities = recorder.json("/api/v1/entities/container?start=2026-01-01&end=2026-01-02");
    assert_eq!(entities["entities"], serde_json::json!([]));
    assert!(entities["next"].is_null());
}

#[test]
fn no_entity_is_an_empty_answer_and_not_an_error() {
    let _together = machine::shared();
    let answer = recorder().json("/api/v1/range/container?name=nobody&start=-5m");
    assert_eq!(answer["series"], serde_json::json!([]), "{answer:#}");
}

#[test]
fn answers_echo_what_they_resolved() {
    let _together = machine::shared();
    let answer = recorder().json("/api/v1/range/container?start=2026-08-21T03&end=2026-08-21T04&name=c00-*");
    assert_eq!(answer["kind"], "container");
    assert_eq!(answer["start"], "2026-08-21T03:00:00Z");
    assert_eq!(answer["end"], "2026-08-21T04:00:00Z");
    assert_eq!(answer["step_seconds"], 30, "the smallest of the usual steps that gives at most 300 buckets");
    assert_eq!(answer["resolution"], "samples");
    assert_eq!(answer["times"].as_array().unwrap().len(), 120);
    let fields: Vec<_> =
        answer["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect();
    assert!(fields.contains(&"cpu_cores") && fields.contains(&"memory_working_set_bytes"), "{fields:?}");
}

#[test]
fn suffix_and_accept_choose_the_same_table() {
    let _together = machine::shared();
    let recorder = recorder();
    let path = "/api/v1/range/container";
    let query = "start=2026-01-01&end=2026-01-02";
    let by_suffix = recorder.get(&format!("{path}.csv?{query}"));
    let by_accept = recorder.get_with(&format!("{path}?{query}"), &[("Accept", "text/csv")]);
    assert_eq!(by_suffix.body, by_accept.body);
    assert_eq!(by_accept.header("content-type"), by_suffix.header("content-type"));
    let zipped = recorder.get_with(&format!("{path}.csv?{query}"), &[("Accept-Encoding", "gzip")]);
    assert_eq!(zipped.header("content-encoding"), Some("gzip"), "{:?}", zipped.headers);
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(zipped.body.as_slice()), &mut text).unwrap();
    assert_eq!(text, by_suffix.body);
}

#[test]
fn a_closed_range_has_a_strong_tag_and_the_same_bytes() {
    let _together = machine::shared();
    let recorder = recorder();
    let closed = "/api/v1/range/container.csv?start=2026-01-01&end=2026-01-02&step=1h";
    let first = recorder.get(closed);
    let tag = first.header("etag").expect("a closed range has an ETag").to_owned();
    assert!(tag.starts_with('"'), "{tag} is not strong");
    let again = recorder.get_with(closed, &[("If-None-Match", &tag)]);
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(recorder.get(closed).body, first.body);
    let open = recorder.get("/api/v1/range/container.csv?start=-5m");
    assert_eq!(open.header("etag"), None);
}

#[test]
fn pages_of_samples_join_to_the_whole() {
    let _together = machine::shared();
    let recorder = recorder();
    let end = now_ms();
    let query = format!("start={}&end={end}", end - 600_000);
    let whole = recorder.get(&format!("/api/v1/samples/container.csv?{query}"));
    let mut next = Some(format!("/api/v1/samples/container.csv?{query}&limit=4"));
    let mut joined = Vec::new();
    while let Some(path) = next {
        let page = recorder.get(&path);
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        let text = page.text();
        let header_end = text.find("\r\n").unwrap() + 2;
        joined.extend_from_slice(if joined.is_empty() { text.as_bytes() } else { &text.as_bytes()[header_end..] });
        next = page.header("link").map(|link| {
            let (target, relation) = link.split_once('>').unwrap();
            assert!(relation.contains("rel=\"next\""), "{link}");
            let target = target.trim_start_matches('<');
            target.find("/api/").map_or_else(|| panic!("{link}"), |at| target[at..].to_owned())
        });
    }
    assert_eq!(String::from_utf8(joined).unwrap(), whole.text());
}

#[test]
fn health_metrics_and_kinds_answer() {
    let _together = machine::shared();
    let recorder = recorder();
    assert_eq!(recorder.get("/healthz").status, 200);
    assert_eq!(recorder.get("/readyz").status, 200);
    let metrics = recorder.get("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.header("content-type").unwrap().contains("openmetrics-text"), "{:?}", metrics.headers);
    assert!(metrics.text().ends_with("# EOF\n"), "{}", metrics.text());
    assert!(metrics.text().contains("c00-01"), "the newest samples are there");
    let kinds = recorder.json("/api/v1/kinds");
    let names: Vec<_> = kinds["kinds"].as_array().unwrap().iter().map(|kind| kind["name"].as_str().unwrap()).collect();
    for name in ["container", "engine", "host", "target", "recorder"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let kind = recorder.json("/api/v1/kinds/container");
    assert!(kind.to_string().contains("memory_working_set_bytes"), "{kind:#}");
}
