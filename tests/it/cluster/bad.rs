//! Masters and agents that answer what is no answer: each is told in words, and no other target suffers.

use std::sync::Arc;
use std::time::Duration;

use super::servers::{Cluster, target, told};
use super::world::Version;
use crate::harness::site::{Answer, Mode, Reply, Request};
use crate::harness::time::{LATER, now_ms, wait_for};
use crate::harness::{Recorder, machine};

const SOON: Duration = Duration::from_secs(90);
const TIMING: &str = "interval = \"3s\"\ntimeout = \"2s\"\ntasks_interval = \"10s\"";

/// What a large state takes to be served, beside the margin of the parser: five times its size.
const STATE_BYTES: usize = 50 << 20;

/// A master of 0.28 with this snapshot.
fn snapshot(body: &'static str) -> impl Fn(&Request) -> Answer {
    move |request| match request.bare_path() {
        "/version" => Answer::json(r#"{"version":"0.28.2"}"#),
        "/metrics/snapshot" => Answer::json(body),
        _ => Answer::status(404, "text/plain", ""),
    }
}

/// The section of a cluster whose only masters are these.
fn section(name: &str, addresses: &[&str]) -> String {
    let urls: Vec<String> = addresses.iter().map(|address| format!("\"http://{address}\"")).collect();
    format!("[[source.mesos]]\nname = \"{name}\"\nmasters = [{}]\n{TIMING}\n\n", urls.join(", "))
}

#[test]
fn what_is_no_answer_is_told_and_harms_no_other_target() {
    let _together = machine::shared();
    let good = Cluster::start(Version::V1_11, 1);
    let sites = &good.sites;
    let html = "<html><body>Please log in</body></html>";
    let page = sites.site(move |_| Answer::status(200, "text/html", html));
    let page_later = sites.site(move |request| match request.bare_path() {
        "/version" => Answer::json(r#"{"version":"1.11.0"}"#),
        _ => Answer::status(200, "text/html", html),
    });
    let refuses = sites.site(|request| match request.bare_path() {
        "/version" => Answer::json(r#"{"version":"1.11.0"}"#),
        _ => Answer::status(503, "text/plain", "Service Unavailable"),
    });
    let recovering = sites.site(|request| match (request.method.as_str(), request.bare_path()) {
        (_, "/version") => Answer::json(r#"{"version":"1.11.0"}"#),
        ("POST", _) => Answer::status(503, "text/plain", "Master has not finished recovery"),
        ("GET", "/metrics/snapshot") => {
            Answer::json(include_str!("../../fixtures/mesos/leading_not_recovered/get_metrics_snapshot.json"))
        }
        _ => Answer::redirect("//127.0.0.1:1".to_owned()),
    });
    let standby = |to: String| {
        move |request: &Request| match (request.method.as_str(), request.bare_path()) {
            (_, "/version") => Answer::json(r#"{"version":"1.11.0"}"#),
            ("POST", _) => Answer::redirect(format!("//{to}/master/api/v1")),
            ("GET", "/metrics/snapshot") => {
                Answer::json(include_str!("../../fixtures/mesos/standby/get_metrics_snapshot.json"))
            }
            _ => Answer::redirect(format!("//{to}")),
        }
    };
    // Nobody listens there, and it is configured: the leader is down.
    let silent = sites.site(|_| Answer::Nothing);
    silent.set_mode(Mode::Refuses);
    let cut_off = sites.site(standby(silent.address()));
    let everywhere = |request: &Request| match request.bare_path() {
        "/version" => Answer::json(r#"{"version":"1.11.0"}"#),
        path => {
            // To itself, whoever it is.
            let host = request.header("host").unwrap_or_default().to_owned();
            Answer::redirect(format!("//{host}{path}"))
        }
    };
    let looping = sites.site(everywhere);
    let nan = sites.site(snapshot("{\"master/elected\":NaN}"));
    let infinite = sites.site(snapshot("{\"master/elected\":1.0,\"master/tasks_running\":1e400}"));
    let twice = sites.site(snapshot(
        "{\"master/elected\":1.0,\"master/uptime_secs\":5.0,\"master/tasks_running\":3.0,\"master/tasks_running\":4.0}",
    ));
    let cases = [
        ("page", page.address(), "malformed", vec!["/version", "html"]),
        ("page-later", page_later.address(), "malformed", vec!["GET_METRICS", "html"]),
        ("refuses", refuses.address(), "status", vec!["/metrics/snapshot", "503"]),
        ("recovering", recovering.address(), "partial", vec!["was elected and is not ready yet"]),
        ("looping", looping.address(), "status", vec!["/metrics/snapshot", "307"]),
        ("nan", nan.address(), "malformed", vec!["/metrics/snapshot"]),
        ("infinite", infinite.address(), "malformed", vec!["/metrics/snapshot"]),
    ];
    let begun_ms = now_ms();
    let mut sources = good.source(TIMING);
    for (name, address, ..) in &cases {
        sources.push_str(&section(name, &[address]));
    }
    sources.push_str(&section("cut-off", &[&cut_off.address(), &silent.address()]));
    sources.push_str(&section("twice", &[&twice.address()]));
    let recorder = Recorder::start(&sources);
    wait_for("every bad target to be told", SOON, || {
        let is_told = |name: &str| target(&recorder, &format!("mesos/{name}"))["last_error"].is_string();
        cases.iter().all(|(name, ..)| is_told(name)).then_some(())
    });
    let mut wrong = Vec::new();
    for (name, _, outcome, said) in &cases {
        let target = target(&recorder, &format!("mesos/{name}"));
        let message = target["last_error"].as_str().unwrap();
        let is_said = said.iter().all(|word| message.to_lowercase().contains(&word.to_lowercase()));
        if target["last_error_outcome"] != *outcome || !is_said || message.len() > 1_000 {
            wrong.push(format!("{name}: {} {message:?}; expected {outcome} {said:?}", target["last_error_outcome"]));
        }
        machine::say(&format!("bad: {name}: {message}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A leader that cannot be reached is named, with what the standby says, and nothing of the standby is the cluster's.
    let cut = wait_for("the unreachable leader to be told", SOON, || {
        let target = target(&recorder, "mesos/cut-off");
        target["last_error"].as_str().map(str::to_owned)
    });
    assert!(cut.contains(&silent.address()), "{cut}");
    let of = |kind: &str, name: &str| {
        let asked = [("cluster", name), ("start", &(begun_ms - 60_000).to_string()), ("end", LATER)];
        recorder.table(&format!("samples/{kind}"), &asked)
    };
    assert!(of("mesos_cluster", "cut-off").rows.is_empty());
    assert!(of("mesos_cluster", "infinite").rows.is_empty() && of("mesos_cluster", "recovering").rows.is_empty());
    // Of a name that comes twice the first holds, and it is told.
    let seen = wait_for("the cluster of repeated names", SOON, || {
        let table = of("mesos_cluster", "twice");
        (!table.rows.is_empty()).then_some(table)
    });
    assert!(seen.column("tasks_running").iter().all(|running| *running == "3"), "{seen:?}");
    // No request went round in a circle.
    let rounds = looping.served().iter().filter(|served| served.request.bare_path() == "/version").count();
    assert!(looping.served().len() <= rounds * 4, "{} requests in {rounds} visits", looping.served().len());

    // The good cluster beside them has missed no tick.
    let healthy_ms = now_ms();
    std::thread::sleep(Duration::from_secs(12));
    let samples = recorder
        .table("samples/mesos_cluster", &[("cluster", "c"), ("start", &healthy_ms.to_string()), ("end", LATER)]);
    assert!(samples.rows.len() >= 3, "{samples:?}");
    assert_eq!(target(&recorder, "mesos/c")["up"], true);
    let events =
        recorder.json(&format!("/api/v1/events?type=tick_skipped,snapshot_dropped&start={begun_ms}&end={LATER}"));
    let events = events["events"].as_array().unwrap();
    assert!(events.iter().all(|event| event["target"] != "mesos/c"), "{events:#?}");
    assert!(told(&recorder, "leader_changed", begun_ms).is_empty());
}

#[test]
fn a_state_of_fifty_megabytes_is_read_or_refused_within_bounded_memory() {
    let _together = machine::shared();
    let state = Arc::<[u8]>::from(large_state().into_bytes());
    assert!(state.len() >= STATE_BYTES);
    let sites = crate::harness::site::Sites::new();
    let serve = || {
        let state = Arc::clone(&state);
        move |request: &Request| match request.bare_path() {
            "/version" => Answer::json(r#"{"version":"0.28.2"}"#),
            "/metrics/snapshot" => {
                Answer::json(r#"{"master/elected":1.0,"master/uptime_secs":50000.0,"master/tasks_running":60000.0}"#)
            }
            "/master/state" => Answer::Reply(Reply { status: 200, headers: Vec::new(), body: Arc::clone(&state) }),
            _ => Answer::status(404, "text/plain", ""),
        }
    };
    let (taken, refused) = (sites.site(serve()), sites.site(serve()));
    let begun_ms = now_ms();
    let section = |name: &str, address: &str, more: &str| {
        let lines = "interval = \"5s\"\ntimeout = \"4s\"\ntasks_interval = \"2m\"";
        format!("[[source.mesos]]\nname = \"{name}\"\nmasters = [\"http://{address}\"]\n{lines}\n{more}\n\n")
    };
    let sources = format!(
        "[source]\ndocker = []\nhost.enabled = false\n\n{}{}",
        section("taken", &taken.address(), "reply_max = \"64MiB\""),
        section("refused", &refused.address(), "reply_max = \"32MiB\"")
    );
    let recorder = Recorder::start(&sources);
    let message = wait_for("the state that is too large to be refused", SOON, || {
        let target = target(&recorder, "mesos-tasks/refused");
        (target["last_error_outcome"] == "too_large").then(|| target["last_error"].as_str().unwrap().to_owned())
    });
    assert!(message.contains("/master/state") && message.contains("larger than"), "{message}");
    let up = || {
        let target = target(&recorder, "mesos-tasks/taken");
        (target["up"] == true).then_some(())
    };
    wait_for("the state within the limit to be taken", Duration::from_secs(240), up);
    let status = std::fs::read_to_string(format!("/proc/{}/status", recorder.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kib: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    machine::say(&format!("bad: a state of {} MiB: peak memory {} MiB", state.len() >> 20, peak_kib >> 10));
    assert!(peak_kib << 10 <= 12 * state.len(), "{peak_kib} KiB");
    // Masters are visited all the while.
    wait_for("masters to be visited", SOON, || {
        let samples = recorder.table("samples/mesos_cluster", &[("start", &begun_ms.to_string()), ("end", LATER)]);
        (samples.rows.len() >= 4).then_some(())
    });
    let events = recorder.json(&format!("/api/v1/events?type=snapshot_dropped&start={begun_ms}&end={LATER}"));
    assert_eq!(events["events"].as_array().unwrap().len(), 0, "{events:#}");
}

/// The recorded state with one task repeated under other ids.
fn large_state() -> String {
    let mut whole: serde_json::Value =
        serde_json::from_str(include_str!("../../fixtures/mesos/master/get_master_state.json")).unwrap();
    let task = whole["frameworks"][0]["tasks"][0].to_string();
    let id = whole["frameworks"][0]["tasks"][0]["id"].as_str().unwrap().to_owned();
    whole["frameworks"][0]["tasks"] = serde_json::json!(["here"]);
    let count = STATE_BYTES / (task.len() - id.len()) + 1;
    let tasks: Vec<String> = (0..count).map(|number| task.replacen(&id, &format!("large.{number}"), 1)).collect();
    whole.to_string().replacen("\"here\"", &tasks.join(","), 1)
}
