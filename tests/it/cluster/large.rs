//! 300 agents of 20 executors each, with a failover: nothing lost, and what it costs.

use std::time::Duration;

use super::servers::{Cluster, counted, ends};
use super::world::{Ends, Version};
use crate::harness::time::{LATER, now_ms, wait_for, wait_until};
use crate::harness::{Recorder, machine};

const AGENTS: usize = 300;
const EXECUTORS: usize = 20;
const INTERVAL_MS: i64 = 10_000;

#[test]
fn three_hundred_agents_of_twenty_executors() {
    run(3, 1);
}

#[test]
#[ignore = "takes eleven minutes; run it by hand"]
fn three_hundred_agents_for_ten_minutes_and_six_failovers() {
    run(60, 6);
}

/// So many ticks that are looked at, and failovers spread over them.
fn run(ticks: i64, failovers: i64) {
    let _alone = machine::alone();
    let cluster = Cluster::start(Version::V1_11, AGENTS);
    {
        let mut state = cluster.world.lock();
        for agent in 0..AGENTS {
            for executor in 0..EXECUTORS {
                state.launch(agent, 0, &format!("app{executor}.{agent:08x}-5647-47e2-9264-b5775128b01d"), 100, 32);
            }
        }
    }
    let begun_ms = now_ms();
    let recorder = Recorder::start(&cluster.source("interval = \"10s\"\ntimeout = \"8s\"\ntasks_interval = \"1m\""));
    wait_for("the first agents", Duration::from_secs(180), || {
        let answer = recorder.table("samples/mesos_agent", &[("start", &begun_ms.to_string()), ("end", LATER)]);
        (answer.rows.len() >= AGENTS).then_some(())
    });
    // The first visit asks every agent who it is; what is measured begins after it, in the middle between two ticks.
    let first_ms = counted(&recorder, begun_ms).last().unwrap().at_ms;
    let start_ms = first_ms + (now_ms() - first_ms) / INTERVAL_MS * INTERVAL_MS + INTERVAL_MS * 3 / 2;
    let end_ms = start_ms + ticks * INTERVAL_MS;
    wait_until(start_ms);
    for turn in 0..failovers {
        let (old, new) = (usize::try_from(turn % 3).unwrap(), usize::try_from((turn + 1) % 3).unwrap());
        let mut state = cluster.world.lock();
        state.count(Ends { finished: 2, failed: 1, lost: 0 });
        state.depose(old);
        state.elect(new);
        state.count(Ends { finished: 7, failed: 0, lost: 1 });
        drop(state);
        wait_until(start_ms + (turn + 1) * ticks / failovers * INTERVAL_MS);
    }
    wait_until(end_ms + 3_000);

    let (start, end) = (start_ms.to_string(), end_ms.to_string());
    let range = [("start", start.as_str()), ("end", &end)];
    let rounds = usize::try_from(ticks).unwrap();
    let count = |kind: &str| {
        recorder.table(
            &format!("range/{kind}"),
            &[&range[..], &[("step", "all"), ("group_by", ""), ("fields", "memory_rss_bytes"), ("agg", "count")]]
                .concat(),
        )
    };
    let executors = count("mesos_executor").numbers("memory_rss_bytes")[0].unwrap_or(0.0);
    // A visit of many agents spreads over some seconds: one at either edge may fall to the neighbour.
    let expected = (AGENTS * EXECUTORS * rounds) as f64;
    assert!((executors - expected).abs() <= expected * 0.02, "{executors} samples of executors, {expected} expected");
    let skipped = recorder
        .json(&format!("/api/v1/events?type=tick_skipped,snapshot_dropped,target_down&start={start}&end={end}"));
    // A list that takes the leader long is asked for more seldom: that is pace, not loss.
    let is_pace = |event: &&serde_json::Value| event["details"]["error"].to_string().contains("burden");
    let lost = skipped["events"].as_array().unwrap().iter().filter(|event| !is_pace(event)).count();
    assert_eq!(lost, 0, "{skipped:#}");

    // What the last leader before a failover counted after its last visit is nobody's; all else is told once.
    let truth = cluster.world.lock().truth;
    let recorded = ends(&recorder, begun_ms - 60_000);
    let unseen = Ends {
        finished: truth.finished - recorded.finished,
        failed: truth.failed - recorded.failed,
        lost: truth.lost - recorded.lost,
    };
    assert!((0..=2 * failovers).contains(&unseen.finished) && (0..=failovers).contains(&unseen.failed), "{unseen:?}");
    assert_eq!(unseen.lost, 0, "{unseen:?}");
    let offices =
        counted(&recorder, begun_ms).iter().map(|sample| sample.since_ms).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(offices.len(), usize::try_from(failovers + 1).unwrap());

    let costs = cluster.costs(start_ms);
    let seconds = (now_ms() - start_ms) as f64 / 1e3;
    let (mut requests, mut bytes) = (0, 0);
    for (what, (count, size)) in &costs {
        machine::say(&format!("large: {what}: {count} requests, {size} bytes in {seconds:.0} s"));
        assert!(!what.contains("/state"), "{what}");
        (requests, bytes) = (requests + count, bytes + size);
    }
    let per_tick = INTERVAL_MS as f64 / 1e3 / seconds;
    machine::say(&format!(
        "large: {:.0} requests and {:.0} bytes a tick for {AGENTS} agents of {EXECUTORS} executors and 3 masters",
        requests as f64 * per_tick,
        bytes as f64 * per_tick
    ));
    // Two of each agent, at most three of each master, and three lists a minute.
    let most = (AGENTS * 2 + 3 * 3 + 3) as f64 * (seconds / (INTERVAL_MS as f64 / 1e3) + 1.0);
    assert!((requests as f64) <= most, "{requests} requests, at most {most}");
    let lists = costs.iter().filter(|(what, _)| what.contains("GET_TASKS")).map(|(_, cost)| cost.0).sum::<usize>();
    assert!(lists as f64 <= seconds / 60.0 + 1.0, "{lists} lists of tasks in {seconds} s");
}
