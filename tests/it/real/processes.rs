//! A container that grows until the kernel kills a process of it: the minute before shows who grew.

use std::time::Duration;

use crate::harness::time::{LATER, parse_ms, wait_for};
use crate::harness::{Recorder, machine};

use super::engine::{self, Engine};

/// The grower takes a quarter of a minute, and more on a busy machine.
const KILLED_WITHIN: Duration = Duration::from_secs(120);
/// Two rounds, and as many that a busy machine may skip.
const SEEN_WITHIN: Duration = Duration::from_secs(60);

const MIB: f64 = 1024.0 * 1024.0;

/// One process that grows by some megabytes a second beside two that do not; what is first goes on after its end.
const SCRIPT: &str = "sleep 1000 & sh -c 'b=; a=$(head -c 1000000 /dev/zero | tr \"\\\\0\" x); while :; do b=$b$a; sleep 1; done' \
                      grower --password=hunter2; sleep 1000";

#[test]
fn the_minute_before_an_oom_kill_shows_who_grew() {
    let _together = machine::shared();
    if let Some(reason) = engine::missing() {
        return machine::not_run(reason);
    }
    if !machine::has("ps") {
        return machine::not_run("ps is not installed");
    }
    let engine = Engine::start(|_| {}, &["--bridge", "none", "--iptables=false"]);
    let recorder = Recorder::start(&format!(
        "[source.host]\nenabled = false\n[[source.docker]]\nname = \"node\"\nurl = {:?}\ninterval = \"10s\"\n\
         processes = [\"leak*\"]\nprocesses_interval = \"2s\"\nprocesses_top = 2\nprocesses_command_max = 120\n",
        engine.url()
    ));
    engine.container("quiet", &["--network", "none"], "sleep 1000");
    let id = engine.container("leaky", &["--network", "none", "--memory", "64m", "--memory-swap", "64m"], SCRIPT);

    let oom_ms = wait_for("the kernel to kill the grower", KILLED_WITHIN, || {
        let path = format!("/api/v1/events?type=container_oom&start=-10m&end={LATER}");
        let events = recorder.json(&path);
        let own = events["events"].as_array().unwrap().iter().find(|event| event["entity"]["id"] == id)?;
        Some(parse_ms(own["time"].as_str().unwrap()))
    });
    let (start, end) = ((oom_ms - 60_000).to_string(), (oom_ms + 1_000).to_string());
    let about = [("host", "node"), ("start", start.as_str()), ("end", end.as_str())];
    let asked = [("step", "all"), ("fields", "memory_rss_bytes"), ("agg", "min,max,count")];
    let table = recorder.table("range/container_process", &[&about[..], &asked[..]].concat());
    assert!(table.column("name").iter().all(|name| *name == "leaky"), "only what was asked for: {table:?}");

    let grown = |column: &str| table.numbers(column).into_iter().map(Option::unwrap_or_default).collect::<Vec<f64>>();
    let (least, most, looks) =
        (grown("memory_rss_bytes.min"), grown("memory_rss_bytes.max"), grown("memory_rss_bytes.count"));
    let growth: Vec<f64> = least.iter().zip(&most).map(|(least, most)| most - least).collect();
    let grower = (0..growth.len()).max_by(|a, b| growth[*a].total_cmp(&growth[*b])).expect("processes");
    assert!(growth[grower] > 8.0 * MIB && looks[grower] > 2.5, "{growth:?} in {looks:?} looks: {table:?}");
    for (index, growth) in growth.iter().enumerate().filter(|(index, _)| *index != grower) {
        assert!(*growth < MIB, "process {index} grew too: {table:?}");
    }
    let command = table.column("command")[grower];
    assert!(command.starts_with("sh -c") && command.contains("while :; do b=$b$a"), "{command}");
    assert!(!command.contains("hunter2"), "{command}");

    // It is told as gone, the others as living.
    let pid = table.column("pid")[grower];
    wait_for("the grower's end to be noticed", SEEN_WITHIN, || {
        let path = format!("/api/v1/entities/container_process?host=node&start=-10m&end={LATER}&pid={pid}");
        recorder.json(&path)["entities"][0]["ended"].as_str().map(parse_ms).filter(|ended| *ended >= oom_ms - 1_000)
    });
    let living = recorder.json(&format!("/api/v1/entities/container_process?start=-15s&end={LATER}"));
    assert!(!living["entities"].as_array().unwrap().is_empty(), "{living:#}");
}
