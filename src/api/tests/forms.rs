//! Negotiation, compression, entity tags, the pages beside the base.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use super::seed::*;
use crate::api::{ConfiguredTarget, Context, Live, routes};
use crate::clock::{Clock, ManualClock};
use crate::model::{Kind, Outcome, TargetName};
use crate::store::Cutoffs;

const CLOSED: &str = "/range/container.csv?start=2026-08-21T03:10:00Z&end=2026-08-21T03:11:00Z&step=10s";

#[tokio::test]
async fn csv_by_accept_or_suffix() {
    let check = async |path: &str, accept: &str, expected: &str| {
        let response = get_with(path, &[("accept", accept)]).await;
        assert!(header(&response, "content-type").starts_with(expected), "{path} {accept}");
    };
    check("/kinds", "text/csv", "text/csv").await;
    check("/kinds", "*/*", "application/json").await;
    check("/kinds.json", "text/csv", "application/json").await;
    check("/kinds/container.csv", "application/json", "text/csv").await;
    check("/kinds/cont%61iner.csv", "application/json", "text/csv").await;
}

#[tokio::test]
async fn gzip_on_request() {
    let plain = get(CLOSED).await;
    assert_eq!(header(&plain, "content-encoding"), "");
    let packed = get_with(CLOSED, &[("accept-encoding", "br, gzip")]).await;
    assert_eq!(header(&packed, "content-encoding"), "gzip");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(packed.body().as_ref()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body().as_ref());
    assert_ne!(header(&plain, "etag"), header(&packed, "etag"), "different bytes have different tags");
}

#[tokio::test]
async fn a_closed_range_has_a_strong_tag_and_an_open_one_none() {
    let filter = filter();
    for path in [CLOSED, "/samples/container?start=2026-08-21T03:10:00Z&end=2026-08-21T03:11:00Z"] {
        let path = format!("/api/v1{path}");
        let first = ask(&filter, "GET", &path, &[]).await;
        let tag = header(&first, "etag").to_owned();
        assert!(tag.starts_with('"') && tag.len() > 10, "{tag}");
        assert_eq!(header(&first, "cache-control"), "private, no-cache");
        let again = ask(&filter, "GET", &path, &[("if-none-match", &tag)]).await;
        assert_eq!((again.status().as_u16(), again.body().len()), (304, 0));
        assert_eq!(header(&again, "etag"), tag);
        let other = ask(&filter, "GET", &path, &[("if-none-match", "\"other\"")]).await;
        assert_eq!((other.status().as_u16(), other.body()), (200, first.body()));
    }
    // Ten minutes are not over.
    for path in ["/range/container?start=03:50", "/range/container?end=2026-08-21T04:00:01Z", "/samples/container"] {
        let open = ask(&filter, "GET", &format!("/api/v1{path}"), &[("if-none-match", "*")]).await;
        if open.status() == 200 {
            assert_eq!((header(&open, "etag"), header(&open, "cache-control")), ("", "no-store"));
        }
    }
    let settled = ask(&filter, "GET", "/api/v1/range/container?end=2026-08-21T04:00:00Z", &[]).await;
    assert_ne!(header(&settled, "etag"), "");
}

#[tokio::test]
async fn a_writer_behind_closes_nothing() {
    let context = context();
    context.live.set_caught_up_until(start());
    let filter = routes(Arc::new(context));
    let response = ask(&filter, "GET", &format!("/api/v1{CLOSED}"), &[]).await;
    assert_eq!((response.status().as_u16(), header(&response, "etag")), (200, ""));
}

#[tokio::test]
async fn a_kind_that_is_polled_seldom_settles_after_four_intervals() {
    let context = context();
    context.live.set_targets(vec![ConfiguredTarget {
        target: TargetName::new("docker-images", "node-1"),
        address: "unix:///var/run/docker.sock".to_owned(),
        interval: Duration::from_secs(600),
        kinds: vec!["image"],
    }]);
    let filter = routes(Arc::new(context));
    // It is 04:10.
    for (end, is_closed) in [("03:30:00", true), ("03:30:01", false), ("04:00:00", false)] {
        let path = format!("/api/v1/range/image?start=2026-08-21T03:00:00Z&end=2026-08-21T{end}Z&step=all");
        let response = ask(&filter, "GET", &path, &[]).await;
        assert_eq!(response.status(), 200, "{}", text(&response));
        assert_eq!(!header(&response, "etag").is_empty(), is_closed, "{end}");
    }
}

#[tokio::test]
async fn tags_differ_by_form_request_and_store() {
    let mut tags = std::collections::BTreeSet::new();
    for path in [
        CLOSED.to_owned(),
        CLOSED.replace(".csv", ""),
        format!("{CLOSED}&coverage=1"),
        CLOSED.replace("03:11", "03:12"),
        CLOSED.replace("10s", "30s"),
        CLOSED.replace("range", "samples").replace("&step=10s", ""),
    ] {
        let response = get(&path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert!(tags.insert(header(&response, "etag").to_owned()), "{path}");
    }
    let other = routes(Arc::new(context().with_salt("another")));
    let response = ask(&other, "GET", &format!("/api/v1{CLOSED}"), &[]).await;
    assert!(tags.insert(header(&response, "etag").to_owned()), "another store");
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let filter = filter();
    for path in [&format!("/api/v1{CLOSED}"), "/healthz", "/metrics", "/", "/api/v1/range/contianer", "/api/v1/x"] {
        let get = ask(&filter, "GET", path, &[]).await;
        let head = ask(&filter, "HEAD", path, &[]).await;
        assert_eq!(head.status(), get.status(), "{path}");
        assert!(head.body().is_empty());
        for name in ["content-type", "content-length", "etag", "content-disposition"] {
            assert_eq!(header(&head, name), header(&get, name), "{path} {name}");
        }
    }
}

#[tokio::test]
async fn samples_taken_by_retention_are_gone() {
    let context = context();
    let cutoff = at("2026-08-21T03:10:30Z");
    while context.store.retain(&Cutoffs { samples: Some(cutoff), ..Cutoffs::default() }).unwrap().more {}
    let kept_from = context.store.samples_kept_from().unwrap().unwrap();
    let filter = routes(Arc::new(context));
    let gone = ask(&filter, "GET", "/api/v1/samples/container?start=2026-08-21T03:10:00Z", &[]).await;
    assert_eq!(gone.status(), 410);
    let kept_from = crate::query::civil::format_instant(kept_from, crate::query::request::Zone::Utc);
    assert!(json(&gone)["detail"].as_str().unwrap().contains(&kept_from), "{}", text(&gone));
    let kept = ask(&filter, "GET", &format!("/api/v1/samples/container?start={kept_from}"), &[]).await;
    assert_eq!(kept.status(), 200);
}

#[tokio::test]
async fn metrics_are_openmetrics() {
    // The newest samples: what was seen within three intervals.
    let mut context = context();
    context.clock = Clock::Manual(ManualClock::starting_at(at("2026-08-21T03:11:05Z")));
    let response = ask(&routes(Arc::new(context)), "GET", "/metrics", &[]).await;
    assert_eq!(header(&response, "content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = text(&response);
    assert!(text.ends_with("\n# EOF\n"));
    let expected = [
        "# TYPE tachograph_container_cpu_usage_seconds counter",
        "# UNIT tachograph_container_cpu_usage_seconds seconds",
        "# HELP tachograph_container_cpu_usage_seconds Time on a processor, \\\"all\\\".",
        "tachograph_container_cpu_usage_seconds_total{host=\"node-1\",id=\"bb\",name=\"db\"} 19.999999998 1787281860.05",
        "tachograph_container_cpu_usage_seconds_created{host=\"node-1\",id=\"bb\",name=\"db\"} 1787281740 1787281860.05",
        "# UNIT tachograph_container_memory_usage_bytes bytes",
        "tachograph_configured_target_up{target=\"docker/node-1\"} 1.0",
    ];
    for line in expected {
        let line = line.strip_suffix(".0").unwrap_or(line);
        assert!(text.lines().any(|other| other == line), "{line} is missing in\n{text}");
    }
    assert!(text.contains("name=\"=we\\\"b,\r\\n</b>\\\\ü\""), "label values are escaped");
    let mut families = std::collections::BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        assert!(families.insert(line.split(' ').next().unwrap().to_owned()), "{line} stands there twice");
    }
}

#[tokio::test]
async fn scraped_metrics_are_not_told_again() {
    static METRIC: Kind = Kind { name: "metric", ..CONTAINER };
    static BOTH: &[&Kind] = &[&CONTAINER, &METRIC];
    let store = context().store;
    let mut scraped = snapshots();
    for snapshot in &mut scraped {
        snapshot.batches.iter_mut().for_each(|batch| batch.kind = &METRIC);
        snapshot.events.clear();
    }
    store.append(&scraped).unwrap();
    let clock = Clock::Manual(ManualClock::starting_at(at("2026-08-21T03:11:05Z")));
    let live = Live::default();
    live.set_ready(true);
    let filter = routes(Arc::new(Context::new(store, BOTH, clock, Arc::new(live))));
    let range = "start=2026-08-21T03:10:00Z&end=2026-08-21T03:11:00Z&step=all";
    let series = json(&ask(&filter, "GET", &format!("/api/v1/range/metric?{range}"), &[]).await)["series"].clone();
    assert_eq!(series.as_array().unwrap().len(), 2, "they are there");
    let metrics = ask(&filter, "GET", "/metrics", &[]).await;
    assert!(text(&metrics).contains("\ntachograph_container_"));
    assert!(!text(&metrics).contains("tachograph_metric_"));
}

#[tokio::test]
async fn what_is_stale_is_no_metric() {
    let response = ask(&filter(), "GET", "/metrics", &[]).await;
    assert!(!text(&response).contains("tachograph_container_"));
}

#[tokio::test]
async fn a_failed_poll_shows_in_targets() {
    let context = context();
    let mut failed = snapshots().remove(6);
    failed.poll.started = failed.poll.started.plus_ms(10_000);
    failed.poll.outcome = Outcome::Timeout;
    failed.poll.error = Some("no answer within 8 s".to_owned());
    failed.batches.clear();
    context.store.append(&[failed]).unwrap();
    let filter = routes(Arc::new(context));
    let target = json(&ask(&filter, "GET", "/api/v1/targets?host=node-*", &[]).await)["targets"][0].clone();
    assert_eq!(target["up"], false);
    assert_eq!(target["last_outcome"], "timeout");
    assert_eq!(target["last_error_at"], "2026-08-21T03:11:10.000Z");
    assert_eq!(target["last_error"], "no answer within 8 s");
    assert_eq!(target["last_success"], "2026-08-21T03:11:00.000Z");
}

#[tokio::test]
async fn health_and_the_page() {
    let context = context();
    context.live.set_ready(false);
    let starting = routes(Arc::new(context));
    assert_eq!(ask(&starting, "GET", "/healthz", &[]).await.status(), 200);
    for path in ["/readyz", "/api/v1/range/container", "/api/v1/kinds"] {
        let response = ask(&starting, "GET", path, &[]).await;
        assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (503, "2"), "{path}");
    }
    assert_eq!(ask(&filter(), "GET", "/readyz", &[]).await.status(), 200);
    let page = ask(&filter(), "GET", "/", &[]).await;
    assert!(text(&page).contains("<a href=\"api/v1/kinds/container\">"));
    assert!(text(&page).contains("A container &lt;of&gt; an engine."));
    assert!(!text(&page).contains("{{"));
}
