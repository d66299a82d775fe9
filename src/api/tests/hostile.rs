//! Requests that are wrong, and what is said about them.

use std::sync::Arc;
use std::time::Duration;

use super::seed::*;
use crate::api::{Limits, Token, routes};

/// A path below the base, its status, the parameter at fault, and part of what is said.
async fn check(path: &str, status: u16, parameter: Option<&str>, said: &str) {
    let response = get(path).await;
    assert_eq!(response.status(), status, "{path}: {}", text(&response));
    assert_eq!(header(&response, "content-type"), "application/problem+json", "{path}");
    assert_eq!(header(&response, "cache-control"), "no-store", "{path}");
    let problem = json(&response);
    assert_eq!(problem["status"], status);
    assert!(problem["type"].as_str().unwrap().starts_with("urn:tachograph:problem:"));
    assert!(!problem["title"].as_str().unwrap().is_empty());
    assert_eq!(problem["parameter"].as_str(), parameter, "{path}: {problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(said), "{path}: {detail:?} does not say {said:?}");
}

#[tokio::test]
async fn parameters_that_are_wrong_are_named() {
    check("/range/container?stpe=5m", 400, Some("stpe"), "step").await;
    check("/range/container?step=0", 400, Some("step"), "step").await;
    check("/range/container?step=1s&start=-30d", 400, Some("step"), "buckets").await;
    check("/range/container?start=2026-08-22&end=2026-08-21", 400, Some("start"), "before end").await;
    check("/range/container?start=yesterdayish", 400, Some("start"), "yesterdayish").await;
    check("/range/container?fields=cpu_coers", 400, Some("fields"), "cpu_cores").await;
    check("/range/container?fields=cpu_cores&agg=increase", 400, Some("agg"), "avg").await;
    check("/range/container?host=%zz", 400, Some("host"), "%25").await;
    check("/range/container?host=%ff", 400, Some("host"), "UTF-8").await;
    check("/range/container?app=a\\", 400, Some("app"), "").await;
    check("/range/container?tz=Mars/Phobos", 400, Some("tz"), "Mars").await;
    check("/samples/container?limit=0", 400, Some("limit"), "0").await;
    check("/samples/container?cursor=x", 400, Some("cursor"), "host,id,time").await;
    check("/entities/container?limit=999999999", 400, Some("limit"), "10").await;
    check("/events?type=container_dead", 400, Some("type"), "container_died").await;
    check("/kinds?x=1", 400, Some("x"), "x").await;
    check("/kinds/container?x=1", 400, Some("x"), "x").await;
    check("/targets?x=1", 400, Some("x"), "x").await;
    check("/kinds?=1", 400, None, "name=value").await;
}

#[tokio::test]
async fn names_that_are_not_there_get_the_nearest() {
    check("/range/contianer", 404, None, "contianer").await;
    assert_eq!(json(&get("/range/contianer.csv").await)["nearest"], "container");
    check("/rnage/container", 404, None, "/range/{kind}").await;
    assert_eq!(json(&get("/rnage/container").await)["nearest"], "/api/v1/range");
    check("/range", 404, None, "/range/{kind}").await;
    check("/events/container", 404, None, "/events").await;
    check("/range/container/x", 404, None, "nothing is at").await;
    check("/range/%ff", 400, None, "UTF-8").await;
    check("/range/..%2f..%2fetc%2fpasswd", 404, None, "").await;
    check("", 404, None, "/api/v1").await;
    let outside = ask(&filter(), "GET", "/heathz", &[]).await;
    assert_eq!(json(&outside)["nearest"], "/healthz");
}

#[tokio::test]
async fn only_reading_is_possible() {
    let filter = filter();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        for path in ["/api/v1/range/container", "/healthz", "/metrics", "/", "/readyz"] {
            let response = ask(&filter, method, path, &[]).await;
            assert_eq!((response.status().as_u16(), header(&response, "allow")), (405, "GET, HEAD"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn long_urls_are_refused() {
    let response = get(&format!("/range/container?app={}", "a".repeat(20_000))).await;
    assert_eq!(response.status(), 414);
}

#[tokio::test]
async fn a_token_opens_everything_but_health() {
    let filter = routes(Arc::new(context().with_token(Some(Token::new("s3cret")))));
    for path in ["/", "/metrics", "/readyz", "/api/v1/kinds", "/api/v1/nothing"] {
        for headers in [&[][..], &[("authorization", "Bearer wrong")]] {
            let response = ask(&filter, "GET", path, headers).await;
            assert_eq!(response.status(), 401, "{path}");
            assert_eq!(header(&response, "www-authenticate"), "Bearer realm=\"tachograph\"");
            assert!(!text(&response).contains("s3cret"));
        }
    }
    assert_eq!(ask(&filter, "GET", "/healthz", &[]).await.status(), 200);
    let open = ask(&filter, "GET", "/api/v1/kinds", &[("authorization", "bearer s3cret")]).await;
    assert_eq!(open.status(), 200);
}

#[tokio::test]
async fn too_many_queries_are_told_to_come_back() {
    let limits = Limits { queries: 0, queue_time: Duration::from_millis(1), ..Limits::default() };
    let filter = routes(Arc::new(context().with_limits(limits)));
    let response = ask(&filter, "GET", "/api/v1/range/container", &[]).await;
    assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (503, "2"));
    assert_eq!(ask(&filter, "GET", "/healthz", &[]).await.status(), 200);
}
