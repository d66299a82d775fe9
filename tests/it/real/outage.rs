//! An engine that goes away and comes back: the recorder says so, and knows what it did not see.

use std::time::Duration;

use crate::harness::time::{LATER, now_ms, parse_ms, wait_for};
use crate::harness::{Recorder, machine};

use super::engine::{self, Engine};

const INTERVAL_MS: i64 = 3_000;

#[test]
fn an_engine_stopped_and_started_is_down_and_up_and_leaves_a_gap() {
    let _together = machine::shared();
    if let Some(reason) = engine::missing() {
        return machine::not_run(reason);
    }
    let engine = Engine::start(|_| {}, &["--bridge", "none", "--iptables=false"]);
    let recorder = Recorder::start(&format!(
        "[[source.docker]]\nname = \"node\"\nurl = {:?}\ninterval = \"3s\"\ntimeout = \"2900ms\"\n",
        engine.url()
    ));
    let begun = now_ms();
    engine.container("steady", &[], "sleep 1000");
    let samples = |start: i64| {
        let start = start.to_string();
        recorder.table("samples/container", &[("host", "node"), ("name", "steady"), ("start", &start), ("end", LATER)])
    };
    wait_for("three samples", Duration::from_secs(30), || (samples(begun).rows.len() >= 3).then_some(()));

    let stopping = now_ms();
    engine.halt();
    let stopped = now_ms();
    std::thread::sleep(Duration::from_secs(30));
    let starting = now_ms();
    engine.run();
    engine.docker(&["start", "steady"]);
    let started = now_ms();
    wait_for("samples after the outage", Duration::from_secs(60), || (samples(started).rows.len() >= 3).then_some(()));
    let end = now_ms();

    let answer = recorder.json(&format!("/api/v1/events?type=target_down,target_up&start={stopping}&end={end}"));
    let events: Vec<_> =
        answer["events"].as_array().unwrap().iter().filter(|event| event["target"] == "docker/node").collect();
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["target_down", "target_up"], "{answer:#}");
    let time = |index: usize| parse_ms(events[index]["time"].as_str().unwrap());
    assert!((stopping..stopped + 3 * INTERVAL_MS).contains(&time(0)), "{answer:#}");
    // A target that is down is asked less often, but soon enough.
    assert!((starting..end).contains(&time(1)), "{answer:#}");

    let path = format!(
        "/api/v1/range/container?host=node&name=steady&fields=cpu_cores&coverage=1&step=10s&start={stopping}&end={end}"
    );
    let answer = recorder.json(&path);
    let gaps: Vec<_> =
        answer["gaps"].as_array().expect("gaps").iter().filter(|gap| gap["target"] == "docker/node").collect();
    assert_eq!(gaps.len(), 1, "{answer:#}");
    let bound = |edge: &str| parse_ms(gaps[0][edge].as_str().unwrap());
    assert!((bound("start") - stopping).abs() <= 2 * INTERVAL_MS, "stopped at {stopping}: {:#}", gaps[0]);
    assert!(bound("end") >= starting && bound("end") <= end, "started at {starting}: {:#}", gaps[0]);
    let cause = gaps[0]["cause"].as_str().unwrap();
    assert!(["refused", "unreachable"].contains(&cause), "{:#}", gaps[0]);

    // Whole buckets inside the outage are not known, and say nothing of CPU.
    let series = &answer["series"][0];
    let mut unknown = 0;
    for (bucket, time) in answer["times"].as_array().unwrap().iter().enumerate() {
        let time = parse_ms(time.as_str().unwrap());
        if time >= stopped && time + 10_000 <= starting {
            assert_eq!(series["coverage"][bucket], 0.0, "{answer:#}");
            assert!(series["values"]["cpu_cores"][bucket].is_null(), "{answer:#}");
            unknown += 1;
        }
    }
    assert!(unknown >= 1, "{answer:#}");
    let targets = recorder.json("/api/v1/targets");
    let target = targets["targets"].as_array().unwrap().iter().find(|target| target["target"] == "docker/node");
    assert_eq!(target.expect("the target")["up"], true, "{targets:#}");
}
