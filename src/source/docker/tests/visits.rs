//! What a visit does about restarts, late answers, failures and clocks, against a server made up for it.

use std::time::Duration;

use super::column;
use crate::clock::{Clock, ManualClock};
use crate::model::{KindBatch, Outcome, Sample, Timestamp};
use crate::source::docker::kinds::CONTAINER;
use crate::source::docker::{Docker, Settings};
use crate::source::http::{Canned, CannedReply, Http};
use crate::source::{Observed, Source, Visit};

/// 2026-11-20T20:00:00Z, the start of every test.
const START_MS: i64 = 1_795_204_800_000;

/// An engine with one container, `web`.
struct Engine {
    docker: Docker,
    clock: Clock,
}

fn time(second: i64) -> String {
    chrono::DateTime::from_timestamp_millis(START_MS + second * 1_000).unwrap().to_rfc3339()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_ms(START_MS + second * 1_000)
}

impl Engine {
    fn new() -> Engine {
        let canned = Canned::new();
        canned.set("/_ping", CannedReply::ok("OK"));
        canned.set("/version", CannedReply::ok(r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12","Version":"20.10"}"#));
        let clock = Clock::Manual(ManualClock::starting_at(at(0)));
        let settings = Settings { df_interval: Duration::from_secs(60), ..Settings::new("node-1", "unix:///made-up") };
        let docker = Docker::with_http(settings, clock.clone(), Http::Canned(canned));
        let engine = Engine { docker, clock };
        engine.canned().set_streams_stay_open(true);
        engine.set("/v1.41/info", r#"{"Containers":1}"#);
        engine.set("/v1.41/system/df", r#"{"LayersSize":5}"#);
        engine.list("running", "Up 5 minutes");
        engine.inspect("running", -300);
        engine.stats(0, 100);
        engine
    }

    fn canned(&self) -> &Canned {
        match &*self.docker.http {
            Http::Canned(canned) => canned,
            Http::Live(_) => panic!("not canned"),
        }
    }

    fn set(&self, path: &str, body: &str) {
        self.canned().set(path, CannedReply::ok(body.to_owned()));
    }

    fn list(&self, state: &str, status: &str) {
        let body = format!(r#"[{{"Id":"a1","Names":["/web"],"State":"{state}","Status":"{status}"}}]"#);
        self.set("/v1.41/containers/json?all=1", &body);
    }

    fn inspect(&self, state: &str, started: i64) {
        let body = format!(
            r#"{{"Id":"a1","Name":"/web","State":{{"Status":"{state}","StartedAt":"{}","FinishedAt":"{}"}}}}"#,
            time(started),
            time(started - 1)
        );
        self.set("/v1.41/containers/a1/json", &body);
    }

    fn stats(&self, read: i64, cpu: i64) {
        let body = format!(
            r#"{{"read":"{}","cpu_stats":{{"system_cpu_usage":7,"cpu_usage":{{"total_usage":{cpu}}}}},"networks":{{"eth0":{{"rx_bytes":1}}}}}}"#,
            time(read)
        );
        self.set("/v1.41/containers/a1/stats?stream=false&one-shot=true", &body);
    }

    async fn poll(&mut self) -> Observed {
        self.docker.poll(Visit { started: self.clock.now(), timeout: Duration::from_secs(8) }).await
    }

    async fn sleep(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    fn inspects(&self) -> usize {
        self.canned().take_requests().iter().filter(|path| path.ends_with("/containers/a1/json")).count()
    }
}

fn batch<'a>(observed: &'a Observed, kind: &str) -> &'a KindBatch {
    observed.batches.iter().find(|batch| batch.kind.name == kind).unwrap()
}

fn sample(observed: &Observed) -> &Sample {
    batch(observed, "container").observations[0].sample.as_ref().expect("a sample")
}

#[tokio::test(start_paused = true)]
async fn a_container_is_inspected_when_it_is_new_and_not_again() {
    let mut engine = Engine::new();
    let first = engine.poll().await;
    assert_eq!(first.outcome, Outcome::Ok, "{:?}", first.error);
    assert_eq!(sample(&first).at, at(0));
    assert_eq!(sample(&first).since, Some(at(-300)));
    assert_eq!(engine.inspects(), 1);
    engine.sleep(10).await;
    engine.stats(10, 200);
    engine.list("running", "Up 6 minutes");
    let second = engine.poll().await;
    assert_eq!(engine.inspects(), 0);
    assert_eq!(batch(&second, "container").observations[0].attributes, None);
    assert_eq!(sample(&second).since, Some(at(-300)));
}

#[tokio::test(start_paused = true)]
async fn an_uptime_that_went_back_is_a_restart() {
    let mut engine = Engine::new();
    engine.poll().await;
    engine.sleep(10).await;
    engine.list("running", "Up 2 seconds");
    engine.inspect("running", 8);
    // More than before, in two seconds: only the text tells.
    engine.stats(10, 5_000);
    let second = engine.poll().await;
    assert_eq!(sample(&second).since, Some(at(8)));
}

#[tokio::test(start_paused = true)]
async fn a_counter_that_fell_is_looked_into_before_it_is_handed_over() {
    let mut engine = Engine::new();
    engine.poll().await;
    engine.inspects();
    engine.sleep(10).await;
    engine.inspect("running", 9);
    engine.stats(10, 50);
    let second = engine.poll().await;
    assert_eq!(engine.inspects(), 1);
    assert_eq!(sample(&second).since, Some(at(9)));
    assert!(batch(&second, "container").observations[0].attributes.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_start_after_the_sample_was_read_is_not_its_own() {
    let mut engine = Engine::new();
    engine.poll().await;
    engine.sleep(10).await;
    engine.list("running", "Up Less than a second");
    engine.inspect("running", 11);
    engine.stats(10, 200);
    assert_eq!(sample(&engine.poll().await).since, Some(at(-300)));
    engine.sleep(10).await;
    engine.stats(20, 60);
    assert_eq!(sample(&engine.poll().await).since, Some(at(11)));
}

#[tokio::test(start_paused = true)]
async fn facts_that_do_not_come_are_named_and_asked_for_again() {
    let mut engine = Engine::new();
    engine.poll().await;
    engine.sleep(10).await;
    engine.stats(10, 50);
    engine.canned().set("/v1.41/containers/a1/json", CannedReply::with_status(500, "{}"));
    let second = engine.poll().await;
    assert_eq!(second.outcome, Outcome::Partial);
    assert_eq!(second.missing, ["facts of web"]);
    // Since when the lower counters count is not known now.
    assert_eq!(sample(&second).since, None);
    engine.sleep(10).await;
    engine.inspect("running", 9);
    engine.stats(20, 60);
    let third = engine.poll().await;
    assert_eq!((third.outcome, sample(&third).since), (Outcome::Ok, Some(at(9))));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ends_while_it_is_asked_is_inspected_at_once() {
    let mut engine = Engine::new();
    engine.poll().await;
    engine.sleep(10).await;
    engine.set("/v1.41/containers/a1/stats?stream=false&one-shot=true", "");
    let ended = format!(
        r#"{{"Name":"/web","State":{{"Status":"exited","StartedAt":"{}","FinishedAt":"{}","ExitCode":3}}}}"#,
        time(-300),
        time(9)
    );
    engine.set("/v1.41/containers/a1/json", &ended);
    let second = engine.poll().await;
    let seen = &batch(&second, "container").observations[0];
    assert_eq!((seen.ended, &seen.sample), (Some(at(9)), &None));
    assert_eq!(seen.attributes.as_ref().unwrap().get("exit_code"), Some(&3.into()));
    assert_eq!(second.outcome, Outcome::Ok);
    // From now on it is listed as ended.
    engine.sleep(10).await;
    engine.list("exited", "Exited (3) 11 seconds ago");
    let third = engine.poll().await;
    assert_eq!(batch(&third, "container").observations[0].ended, Some(at(9)));
}

#[tokio::test(start_paused = true)]
async fn stats_that_do_not_come_in_time_are_missing() {
    let mut engine = Engine::new();
    engine.poll().await;
    let path = "/v1.41/containers/a1/stats?stream=false&one-shot=true";
    engine.canned().set(path, CannedReply::ok("{}").after(Duration::from_secs(100)));
    let begun = engine.clock.now();
    let second = engine.poll().await;
    assert!(engine.clock.now().ms_since(begun) < 8_000);
    assert_eq!(second.outcome, Outcome::Partial);
    assert_eq!(second.missing, ["stats of web"]);
    assert!(batch(&second, "container").complete);
    assert!(!batch(&second, "container_interface").complete);
    assert_eq!(batch(&second, "container").observations[0].sample, None);
    for bad in ["<html>", r#"{"cpu_stats":"#, "[]"] {
        engine.set(path, bad);
        let observed = engine.poll().await;
        assert_eq!(observed.missing, ["stats of web"], "{bad}");
        assert!(observed.error.unwrap().contains("not the JSON expected"), "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_list_nothing_is_observed_and_the_engine_is_asked_anew_who_it_is() {
    let mut engine = Engine::new();
    engine.poll().await;
    let list = "/v1.41/containers/json?all=1";
    for (reply, outcome, says) in [
        (CannedReply::with_status(500, r#"{"message":"no space"}"#), Outcome::Status, "status 500 (no space)"),
        (CannedReply::with_status(401, ""), Outcome::Unauthorized, "credentials"),
        (CannedReply::with_status(302, ""), Outcome::Status, "redirects are not followed"),
        (CannedReply::ok("<html>proxy</html>"), Outcome::Malformed, "<html>proxy</html>"),
        (CannedReply::ok(r#"[{"Id":"#), Outcome::Malformed, "EOF"),
        (CannedReply::ok("[".repeat(1_000)), Outcome::Malformed, "not the JSON expected"),
        (
            CannedReply::ok(" ".repeat(17 * 1024 * 1024)),
            Outcome::TooLarge,
            "larger than 16777216 bytes; raise `reply_max`",
        ),
        (CannedReply::ok("[]").after(Duration::from_secs(60)), Outcome::Timeout, "no whole reply in time"),
    ] {
        engine.canned().set(list, reply);
        let observed = engine.poll().await;
        assert_eq!(observed.outcome, outcome);
        assert!(observed.batches.is_empty());
        let error = observed.error.unwrap();
        assert!(error.contains(says) && error.contains(list), "{error}");
    }
    engine.canned().set_down(true);
    assert_eq!(engine.poll().await.outcome, Outcome::Refused);
    engine.canned().set_down(false);
    engine.canned().take_requests();
    engine.list("running", "Up 6 minutes");
    assert_eq!(engine.poll().await.outcome, Outcome::Ok);
    assert_eq!(engine.canned().take_requests()[..2], ["/_ping", "/version"]);
}

#[tokio::test(start_paused = true)]
async fn an_old_engine_is_refused_with_the_version_it_needs() {
    let mut engine = Engine::new();
    engine.set("/version", r#"{"ApiVersion":"1.20"}"#);
    let observed = engine.poll().await;
    assert_eq!(observed.outcome, Outcome::Malformed);
    assert!(observed.error.unwrap().ends_with("its API version is 1.20; 1.21 (Docker 1.9) or newer is needed"));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off_is_measured_held_and_told() {
    let mut engine = Engine::new();
    engine.stats(3_600, 100);
    engine.inspect("running", 3_300);
    let first = engine.poll().await;
    assert_eq!(first.clock_offset_ms, 3_600_000);
    assert_eq!((sample(&first).at, sample(&first).since), (at(0), Some(at(-300))));
    let told: Vec<_> = first.events.iter().map(|event| event.event_type).collect();
    assert_eq!(told, ["clock_offset"]);
    engine.sleep(10).await;
    engine.stats(3_611, 200);
    let second = engine.poll().await;
    assert_eq!((second.clock_offset_ms, sample(&second).at), (3_600_000, at(11)));
    assert!(second.events.is_empty());
    engine.sleep(10).await;
    engine.stats(20, 300);
    let third = engine.poll().await;
    assert_eq!((third.clock_offset_ms, sample(&third).at), (0, at(20)));
    assert_eq!(third.events.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unbelievable_time_is_that_of_the_arrival() {
    let mut engine = Engine::new();
    let body = r#"{"read":"0001-01-01T00:00:00Z","cpu_stats":{"cpu_usage":{"total_usage":7}}}"#;
    engine.set("/v1.41/containers/a1/stats?stream=false&one-shot=true", body);
    let observed = engine.poll().await;
    assert_eq!(sample(&observed).at, at(0));
    assert_eq!(column(&CONTAINER, &sample(&observed).values, "cpu_usage_seconds_total"), Some(7));
}

#[tokio::test(start_paused = true)]
async fn disk_usage_never_delays_and_its_failure_is_named_once() {
    let mut engine = Engine::new();
    let disk = |observed: &Observed| {
        let batch = batch(observed, "engine");
        column(batch.kind, &batch.observations[0].sample.as_ref().unwrap().values, "disk_images_bytes")
    };
    engine.canned().set("/v1.41/system/df", CannedReply::ok(r#"{"LayersSize":5}"#).after(Duration::from_secs(25)));
    let mut seen = Vec::new();
    for _ in 0..4 {
        let begun = engine.clock.now();
        seen.push(disk(&engine.poll().await));
        assert_eq!(engine.clock.now(), begun);
        engine.sleep(10).await;
    }
    assert_eq!(seen, [None, None, None, Some(5)]);
    engine.canned().set("/v1.41/system/df", CannedReply::with_status(500, "{}"));
    engine.sleep(30).await;
    engine.poll().await;
    engine.sleep(10).await;
    let failed = engine.poll().await;
    assert_eq!((disk(&failed), failed.outcome), (None, Outcome::Partial));
    assert_eq!(failed.missing, ["disk usage"]);
    assert_eq!(engine.poll().await.outcome, Outcome::Ok);
}

#[tokio::test(start_paused = true)]
async fn info_that_does_not_come_is_named() {
    let mut engine = Engine::new();
    engine.canned().set("/v1.41/info", CannedReply::with_status(500, "{}"));
    let observed = engine.poll().await;
    assert_eq!(observed.missing, ["engine info"]);
    assert!(!batch(&observed, "engine").complete);
}

#[tokio::test(start_paused = true)]
async fn requests_are_bounded_for_one_engine_and_for_all() {
    for (concurrency, shared, expected_ms) in [(256, None, 1_000), (2, None, 2_000), (256, Some(1), 4_000)] {
        let mut engine = Engine::new();
        let ids = ["a1", "b2", "c3", "d4"];
        let lines = ids.map(|id| format!(r#"{{"Id":"{id}","State":"running"}}"#));
        engine.set("/v1.41/containers/json?all=1", &format!("[{}]", lines.join(",")));
        for id in ids {
            engine.set(&format!("/v1.41/containers/{id}/json"), r#"{"State":{"Status":"running"}}"#);
            let body = format!(r#"{{"read":"{}","cpu_stats":{{"cpu_usage":{{"total_usage":1}}}}}}"#, time(1));
            let reply = CannedReply::ok(body).after(Duration::from_secs(1));
            engine.canned().set(&format!("/v1.41/containers/{id}/stats?stream=false&one-shot=true"), reply);
        }
        engine.docker.bounds.concurrency = concurrency;
        engine.docker.bounds.shared = shared.map(|permits| std::sync::Arc::new(tokio::sync::Semaphore::new(permits)));
        let begun = engine.clock.now();
        let observed = engine.poll().await;
        assert_eq!(observed.outcome, Outcome::Ok, "{:?}", observed.missing);
        assert_eq!(engine.clock.now().ms_since(begun), expected_ms, "{concurrency} {shared:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_older_engine_is_asked_in_its_own_words() {
    for (version, stats, events, has_disk) in [
        ("1.21", "stats?stream=false", "/v1.21/events?since=1795204800", false),
        (
            "1.24",
            "stats?stream=false",
            "/v1.24/events?since=1795204800.000000000&filters=%7B%22type%22%3A%5B%22container%22%2C%22image%22%5D%7D",
            false,
        ),
        (
            "1.44",
            "stats?stream=false&one-shot=true",
            "/v1.44/events?since=1795204800.000000000&filters=%7B%22type%22%3A%5B%22container%22%2C%22image%22%5D%7D",
            true,
        ),
    ] {
        let mut engine = Engine::new();
        // Old engines tell their version in the body only, and the state in a text.
        engine.set("/version", &format!(r#"{{"ApiVersion":"{version}"}}"#));
        engine.set(
            &format!("/v{version}/containers/json?all=1"),
            r#"[{"Id":"a1","Names":["/web"],"Status":"Up 5 minutes"}]"#,
        );
        engine.set(&format!("/v{version}/containers/a1/json"), r#"{"State":{"Running":true}}"#);
        engine.set(&format!("/v{version}/info"), "{}");
        engine.poll().await;
        engine.sleep(1).await;
        let requests = engine.canned().take_requests();
        let asked = |path: String| requests.contains(&path);
        assert!(asked(format!("/v{version}/containers/a1/{stats}")), "{requests:?}");
        assert!(asked(events.to_owned()), "{requests:?}");
        assert_eq!(asked(format!("/v{version}/system/df")), has_disk, "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_without_end_is_refused() {
    let mut engine = Engine::new();
    let lines = vec![r#"{"Id":"a"}"#; 10_001].join(",");
    engine.set("/v1.41/containers/json?all=1", &format!("[{lines}]"));
    assert_eq!(engine.poll().await.outcome, Outcome::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn the_machines_cpu_time_is_left_out_of_the_first_sample_of_a_life() {
    let mut engine = Engine::new();
    let mut seen = Vec::new();
    for (second, cpu, started) in [(0, 100, -300), (10, 200, -300), (20, 50, 15), (30, 60, 15)] {
        engine.stats(second, cpu);
        engine.inspect("running", started);
        let observed = engine.poll().await;
        assert_eq!(sample(&observed).since, Some(at(started)));
        seen.push(column(&CONTAINER, &sample(&observed).values, "cpu_host_seconds_total"));
        engine.sleep(10).await;
    }
    assert_eq!(seen, [None, Some(7), None, Some(7)]);
}
