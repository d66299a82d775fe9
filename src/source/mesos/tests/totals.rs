//! Totals across failovers: three masters that each count from nothing when they are elected, polled through it all.

use serde_json::json;

use super::fixture::*;
use crate::model::Timestamp;
use crate::rate::{self, Mark};
use crate::source::http::{Canned, CannedReply};
use crate::source::mesos::Masters;

const MASTERS: [&str; 3] = ["a:5050", "b:5050", "c:5050"];
const TICK_MS: i64 = 10_000;
/// When all processes started.
const STARTED: Timestamp = Timestamp::from_ms(1_794_000_000_000);

/// What the masters do at each tick: who leads (none between two leaders), and how many tasks finished since the tick
/// before.
const SCRIPT: &[(Option<usize>, i64)] = &[
    (Some(0), 4),
    (Some(0), 3),
    (None, 0),
    (Some(1), 2),
    (Some(1), 5),
    // At once, between two ticks, and with more behind it than the one before had.
    (Some(2), 9),
    (Some(2), 1),
    (None, 0),
    (None, 0),
    (Some(2), 6),
    // Elected anew after a restart.
    (Some(0), 0),
    (Some(0), 7),
];

#[derive(Clone, Copy, PartialEq)]
enum Version {
    /// Tells when it was elected.
    Told,
    /// Has the operator API, but does not tell.
    Untold,
    /// Has no operator API.
    Old,
}

/// Sets what every master answers at a tick.
fn set(masters: &Masters, version: Version, leader: Option<usize>, finished: i64, elected: Timestamp, now: Timestamp) {
    for (index, process) in masters.processes().iter().enumerate() {
        let server: &Canned = canned(process);
        let leads = leader == Some(index);
        let said = match version {
            Version::Told => "1.11.0",
            Version::Untold => "1.3.0",
            Version::Old => "0.28.2",
        };
        server.set("/version", CannedReply::ok(json!({"version": said}).to_string()));
        let numbers = [
            ("master/elected", f64::from(u8::from(leads))),
            // The process is older than its office, and as old as all others.
            ("master/uptime_secs", now.ms_since(STARTED) as f64 / 1e3),
            ("master/tasks_finished", if leads { finished as f64 } else { 0.0 }),
        ];
        let snapshot: serde_json::Map<_, _> =
            numbers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        server.set(SNAPSHOT, CannedReply::ok(serde_json::Value::Object(snapshot).to_string()));
        let metrics: Vec<_> = numbers.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        let to = leader.map_or("a:5050", |leader| MASTERS[leader]);
        if leads && version != Version::Old {
            server.set(METRICS, CannedReply::ok(json!({"get_metrics": {"metrics": metrics}}).to_string()));
            let mut office = json!({"master_info": {"id": "x"}});
            if version == Version::Told {
                office["elected_time"] = json!(elected.ms() as f64 / 1e3);
            }
            server.set(&call("GET_MASTER"), CannedReply::ok(json!({"get_master": office}).to_string()));
        } else {
            server.set(METRICS, redirect(&format!("//{to}/master/api/v1")));
            server.set(&call("GET_MASTER"), redirect(&format!("//{to}/master/api/v1")));
        }
        server.set("/master/redirect", redirect(&format!("//{to}")));
    }
}

#[expect(clippy::print_stdout, reason = "what a tick costs")]
async fn check(version: Version) {
    let world = World::new();
    let mut masters = world.masters(Vec::from(MASTERS.map(|address| (address, Canned::new()))));
    let (mut in_office, mut counter, mut elected) = (None, 0, world.clock.now());
    let (mut previous, mut total, mut expected, mut changes): (Option<(Mark, i64)>, i64, i64, usize) = (None, 0, 0, 0);
    let mut requests = 0;
    for (tick, (leader, finished)) in SCRIPT.iter().enumerate() {
        world.manual.step_ms(TICK_MS);
        if leader.is_some() && *leader != in_office {
            (in_office, counter, elected) = (*leader, 0, world.clock.now().plus_ms(-4_000));
        }
        counter += finished;
        set(&masters, version, *leader, counter, elected, world.clock.now());
        let observed = world.poll(&mut masters).await;
        changes += types(&observed).len();
        requests += masters.processes().iter().map(|process| canned(process).take_requests().len()).sum::<usize>();
        let sample = one(&observed, "mesos_cluster", "c").sample.clone();
        assert_eq!(sample.is_some(), leader.is_some(), "tick {tick}");
        let Some(sample) = sample else { continue };
        let finished_now = value(&observed, "mesos_cluster", "c", "tasks_finished_total").int().unwrap();
        assert_eq!(finished_now, counter, "tick {tick}: another master's number");
        let mark = Mark { at: sample.at, since: sample.since, interval_ms: TICK_MS, clock_offset_ms: 0 };
        if let Some((before, count)) = &previous {
            let stretch = rate::stretch(Some(before), &mark, None).unwrap();
            assert!(!rate::fell(stretch.life, Some(*count), Some(finished_now)), "tick {tick}");
            assert!(stretch.from < stretch.to, "tick {tick}");
            total += rate::increase(stretch.life, Some(*count), Some(finished_now)).unwrap();
            expected += finished;
        }
        previous = Some((mark, finished_now));
    }
    assert_eq!(total, expected, "no number lost, none counted twice");
    // Every change of the leader, and the beginning of every time without one.
    assert_eq!(changes, 3 + 2);
    println!("{requests} requests in {} ticks of three masters", SCRIPT.len());
    assert!(requests <= SCRIPT.len() * 3 * 3 + 9, "{requests}");
}

#[tokio::test]
async fn totals_continue_where_the_election_is_told() {
    check(Version::Told).await;
}

#[tokio::test]
async fn totals_continue_where_it_is_not() {
    check(Version::Untold).await;
    check(Version::Old).await;
}
