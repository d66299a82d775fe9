//! Engines that answer wrongly, hugely or hardly: each is told by name what is wrong with it, and the engine
//! beside them is recorded as if they were not there.

use std::time::Duration;

use crate::fleet::{Fault, Fleet};
use crate::harness::time::{LATER, now_ms, parse_ms, wait_for};
use crate::harness::{Recorder, machine};

/// A fault, the outcome of its poll, and what the message says.
const EXPECTED: [(Fault, &str, &[&str]); 8] = [
    (Fault::Huge, "too_large", &["/containers/json", "larger than 16777216 bytes", "raise `reply_max`"]),
    (Fault::NotJson, "malformed", &["/containers/json"]),
    (Fault::OtherShape, "malformed", &["/containers/json"]),
    (Fault::Cut, "unreachable", &["/containers/json"]),
    (Fault::Trickle, "timeout", &["/containers/json"]),
    (Fault::Html, "malformed", &["html"]),
    (Fault::Status, "status", &["500", "the engine is in pain"]),
    (Fault::Deep, "malformed", &["/containers/json"]),
];

#[test]
fn a_hostile_engine_is_named_and_harms_no_other() {
    let _together = machine::shared();
    let mut faults = vec![Fault::None];
    faults.extend(EXPECTED.iter().map(|(fault, ..)| *fault));
    let fleet = Fleet::with_faults(4, &faults);
    let begun = now_ms();
    let recorder = Recorder::start(&fleet.sources("interval = \"3s\"\ntimeout = \"2s\""));

    let answer = wait_for("every hostile engine to have failed", Duration::from_secs(60), || {
        let answer = recorder.json("/api/v1/targets");
        let failed = |number: usize| {
            let name = format!("docker/n{number:02}");
            let mut targets = answer["targets"].as_array().unwrap().iter();
            targets.any(|target| target["target"] == name.as_str() && target["last_error"].is_string())
        };
        (1..faults.len()).all(failed).then_some(answer)
    });
    let target = |number: usize| {
        let name = format!("docker/n{number:02}");
        answer["targets"].as_array().unwrap().iter().find(|target| target["target"] == name.as_str()).unwrap()
    };
    let mut wrong = Vec::new();
    for (index, (fault, outcome, said)) in EXPECTED.iter().enumerate() {
        let target = target(index + 1);
        let message = target["last_error"].as_str().unwrap();
        let lower = message.to_lowercase();
        let good = target["up"] == false
            && target["last_error_outcome"] == *outcome
            && said.iter().all(|word| lower.contains(&word.to_lowercase()));
        if !good || message.len() > 1_000 {
            wrong.push(format!("{fault:?}: {} {message:?}; expected {outcome} {said:?}", target["last_error_outcome"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // The good one was not held up: a sample of each container each round.
    let healthy_from = now_ms();
    std::thread::sleep(Duration::from_secs(15));
    let end = now_ms();
    let (start, until) = (healthy_from.to_string(), end.to_string());
    let samples = recorder.table("samples/container", &[("host", "n00"), ("start", &start), ("end", &until)]);
    let rounds = (end - healthy_from) / 3_000;
    assert!(samples.rows.len() >= 4 * usize::try_from(rounds - 1).unwrap(), "{} samples", samples.rows.len());
    let path = format!("/api/v1/events?type=tick_skipped,snapshot_dropped&start={begun}&end={end}");
    let events = recorder.json(&path);
    let of_the_good: Vec<_> =
        events["events"].as_array().unwrap().iter().filter(|event| event["target"] == "docker/n00").collect();
    assert!(of_the_good.is_empty(), "{of_the_good:#?}");
    let others =
        recorder.table("samples/container", &[("host", "!n00"), ("start", &begun.to_string()), ("end", &until)]);
    assert!(others.rows.is_empty(), "a failed poll leaves no samples: {others:?}");
}

#[test]
fn an_engine_whose_clock_is_ahead_is_told_and_its_samples_are_of_our_time() {
    let _together = machine::shared();
    let fleet = Fleet::with_faults(2, &[Fault::Ahead]);
    let begun = now_ms();
    let recorder = Recorder::start(&fleet.sources("interval = \"2s\"\ntimeout = \"1s\""));
    let start = begun.to_string();
    let table = wait_for("three rounds", Duration::from_secs(30), || {
        let table = recorder.table("samples/container", &[("start", &start), ("end", LATER)]);
        (table.rows.len() >= 6).then_some(table)
    });
    let until = now_ms();
    for time in table.column("time") {
        let at = parse_ms(time);
        assert!((begun - 2_000..=until + 2_000).contains(&at), "{time} is not of our time");
    }
    let answer = recorder.json(&format!("/api/v1/events?type=clock_offset&start={}&end={LATER}", begun - 2_000));
    let told = answer["events"].as_array().unwrap();
    assert_eq!(told.len(), 1, "once, and then held: {answer}");
    assert_eq!(told[0]["target"], "docker/n00", "{answer}");
    let offset = wait_for("the target's own numbers", Duration::from_secs(30), || {
        let asked = [("name", "docker/n00"), ("start", start.as_str()), ("end", LATER), ("step", "all")];
        let table = recorder
            .table("range/target", &[&asked[1..], &[("fields", "clock_offset_seconds"), ("agg", "max")]].concat());
        let names = table.rows.iter().find(|row| row.iter().any(|cell| cell == asked[0].1))?.clone();
        let offset: f64 = names[table.position("clock_offset_seconds")].parse().ok()?;
        (offset > 1.0).then_some(offset)
    });
    assert!((offset * 1_000.0 - 60_000.0).abs() < 5_000.0, "{offset}");
}
