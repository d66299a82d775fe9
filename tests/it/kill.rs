//! The recorder killed in the middle of its work: the file opens, what was there is there, counters go on.

use std::collections::HashSet;
use std::time::Duration;

use crate::fleet::Fleet;
use crate::harness::random::Random;
use crate::harness::table::billionths;
use crate::harness::time::{LATER, now_ms, wait_for};
use crate::harness::{Recorder, Table, machine};

#[test]
fn twenty_kills_lose_nothing_that_was_served() {
    let _together = machine::shared();
    kill_often(20);
}

#[test]
#[ignore = "takes many minutes; run it by hand"]
fn two_hundred_kills_lose_nothing_that_was_served() {
    let _together = machine::shared();
    kill_often(200);
}

fn kill_often(kills: u32) {
    let fleet = Fleet::start(2, 25);
    let begun = now_ms();
    let sources = format!("{}[source.host]\ninterval = \"2s\"\n", fleet.sources("interval = \"2s\"\ntimeout = \"1s\""));
    let mut recorder = Recorder::start(&sources);
    let mut random = Random::new("kill");
    let mut served: HashSet<(String, Vec<String>)> = HashSet::new();
    for kill in 0..kills {
        // Something new is committed in each life; then the end comes at any moment of a round.
        let alive_from = now_ms();
        wait_for("a sample after the start", Duration::from_secs(30), || {
            (!all_samples(&recorder, "container", alive_from).rows.is_empty()).then_some(())
        });
        std::thread::sleep(Duration::from_millis(random.below(2_000)));
        for kind in KINDS {
            served.extend(all_samples(&recorder, kind, begun).rows.into_iter().map(|row| (kind.to_owned(), row)));
        }
        std::thread::sleep(Duration::from_millis(random.below(200)));
        recorder.kill_and_restart();

        let kept: HashSet<_> = KINDS
            .into_iter()
            .flat_map(|kind| all_samples(&recorder, kind, begun).rows.into_iter().map(|row| (kind.to_owned(), row)))
            .collect();
        let lost: Vec<_> = served.difference(&kept).take(3).collect();
        assert!(lost.is_empty(), "kill {kill}: served before, not after: {lost:?}");
    }
    assert!(served.len() > 50 * usize::try_from(kills).unwrap(), "only {} samples in all", served.len());

    // No outage was longer than a hole, and even a hole keeps its amount: first to last, all is there.
    let end = now_ms();
    let (start, until) = (begun.to_string(), end.to_string());
    let samples = recorder.table("samples/container", &[("start", &start), ("end", &until), ("name", "c01-07")]);
    let asked = [("start", start.as_str()), ("end", &until), ("name", "c01-07"), ("step", "all")];
    let fields = [("fields", "cpu_usage_seconds_total,network_receive_bytes_total")];
    let whole = recorder.table("range/container", &[&asked[..], &fields].concat());
    for column in ["cpu_usage_seconds_total", "network_receive_bytes_total"] {
        let cells = samples.column(column);
        let grown = billionths(cells[cells.len() - 1]) - billionths(cells[0]);
        assert!(grown > 0);
        assert_eq!(billionths(whole.only(column)), grown, "{column} over {kills} kills");
    }
    // Each life tells of itself before it tells of anything else.
    let started = recorder.json(&format!("/api/v1/events?type=recorder_started&start={begun}&end={LATER}"));
    let lives = started["events"].as_array().unwrap().len();
    assert_eq!(lives, usize::try_from(kills).unwrap() + 1, "{started:#}");
    assert!(!recorder.log().contains("panicked"), "{}", recorder.log());
}

const KINDS: [&str; 3] = ["container", "engine", "host"];

fn all_samples(recorder: &Recorder, kind: &str, start_ms: i64) -> Table {
    let end = now_ms().max(start_ms + 1).to_string();
    let mut table = recorder.table(&format!("samples/{kind}"), &[("start", &start_ms.to_string()), ("end", &end)]);
    // A restart may tell attributes apart that were one version before; samples are what was committed.
    let (time, identity) = (table.position("time"), table.header.len().min(4));
    let numbers: Vec<_> = (0..table.header.len())
        .filter(|column| *column <= time.max(identity) || table.header[*column].ends_with("_total"))
        .collect();
    for row in &mut table.rows {
        *row = numbers.iter().map(|column| row[*column].clone()).collect();
    }
    table
}
