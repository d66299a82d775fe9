//! Hours from outside: answers keep their bytes while they are rolled up, merged, copied, moved to another file, and
//! when their samples are gone.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tachograph::model::{Kind, Timestamp};
use tachograph::source::{KINDS, kind};
use tachograph::store::sqlite::Sqlite;
use tachograph::store::{Cutoffs, Limits, Store, Upkeep};

use crate::harness::recording::generated::Fleet;
use crate::harness::recording::{Watched, printed};
use crate::harness::time::{now_ms, rfc3339};
use crate::harness::{Served, machine, reaper};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The beginning of four weeks that are merged into one.
const START_MS: i64 = 735 * 28 * DAY_MS;
const DAYS: i64 = 34;
const INTERVAL_MS: i64 = 20 * 60_000;

/// Paths of closed ranges that hours answer, below the base.
fn paths() -> Vec<String> {
    let at = |days: i64| START_MS + days * DAY_MS;
    let range = |from: i64, until: i64| format!("start={}&end={}", at(from), at(until));
    vec![
        format!("range/container.csv?{}&step=1h", range(0, DAYS - 1)),
        format!("range/container.csv?{}&step=1d&tz=Europe/Berlin", range(0, DAYS - 1)),
        format!("range/container.csv?{}&step=1h&coverage=1", range(26, 30)),
        format!("range/container?{}&step=1d&coverage=1&fields=cpu_cores&agg=avg,max,p99", range(1, 29)),
        format!("range/container.csv?{}&step=all&top=2&fields=cpu_usage_seconds_total", range(3, 31)),
        format!("range/container.csv?{}&step=1w&fields=memory_usage_bytes&agg=min,max,last,count", range(2, DAYS - 1)),
    ]
}

/// Bodies of the paths, and their entity tags.
fn ask(served: &Served) -> Vec<(String, String)> {
    let ask = |path: &String| {
        let reply = served.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        (reply.header("etag").unwrap_or_else(|| panic!("{path} is not closed")).to_owned(), reply.text().to_owned())
    };
    paths().iter().map(ask).collect()
}

#[track_caller]
fn assert_same_bodies(expected: &[(String, String)], given: &[(String, String)], about: &str) {
    for ((path, (_, expected)), (_, given)) in paths().iter().zip(expected).zip(given) {
        let differs = expected.lines().zip(given.lines()).find(|(expected, given)| expected != given);
        assert!(expected == given, "{about}: {path}: {differs:?}");
    }
}

#[test]
fn a_closed_range_keeps_its_bytes_when_its_hours_are_rolled_up_and_merged_and_its_samples_go() {
    let _together = machine::shared();
    let store = Sqlite::open(&reaper::directory().join("store.db"), KINDS).unwrap();
    let store = Arc::new(Store::Sqlite(store));
    let container: &'static Kind = kind("container").unwrap();
    let mut fleet = Fleet::new(container, 5, 2, 3, Timestamp::from_ms(START_MS), INTERVAL_MS);
    for _ in 0..DAYS {
        let day: Vec<_> = (0..DAY_MS / INTERVAL_MS).flat_map(|_| fleet.round()).collect();
        store.append(&day).unwrap();
    }
    let now_ms = START_MS + DAYS * DAY_MS;
    let targets: [(&str, &[&'static str]); 2] = [("docker/node-0", &["container"]), ("docker/node-1", &["container"])];
    let served = Served::over(Arc::clone(&store), &targets, now_ms);
    let before = ask(&served);
    assert!(before.iter().all(|(_, body)| body.lines().count() > 2 || body.len() > 300));

    let now = Timestamp::from_ms(now_ms);
    let step = |cutoffs| store.upkeep(now, &Limits { cutoffs, file_bytes_max: None }).unwrap();
    // Asked now and then while each sort of work is going on.
    let mut seen: Vec<(&str, u32)> = vec![("sealed", 0), ("merged", 0), ("rolled", 0), ("retained", 0)];
    let sort_of = |done: &Upkeep| {
        let sorts = [done.sealed_samples, done.merged_blocks, done.rolled_days, done.polls];
        sorts.iter().position(|count| *count > 0)
    };
    let mut work = |cutoffs: Cutoffs, expected: &[(String, String)], are_tags_kept: bool| {
        for turn in 0..20_000 {
            let done = step(cutoffs);
            if let Some(sort) = sort_of(&done) {
                seen[sort].1 += 1;
                if seen[sort].1.is_power_of_two() || !done.more {
                    let given = ask(&served);
                    assert_same_bodies(expected, &given, &format!("turn {turn}: {done:?}"));
                    assert!(!are_tags_kept || given == expected, "turn {turn}: entity tags");
                }
            }
            if !done.more {
                return;
            }
        }
        panic!("upkeep does not end");
    };
    work(Cutoffs::default(), &before, true);
    assert!(ask(&served) == before, "all is packed");
    let kept_from_ms = START_MS + 32 * DAY_MS + 5 * HOUR_MS + 1;
    let samples = Some(Timestamp::from_ms(kept_from_ms));
    work(Cutoffs { samples, ..Cutoffs::default() }, &before, false);
    assert_same_bodies(&before, &ask(&served), "samples are gone");
    assert!(seen.iter().all(|(_, steps)| *steps > 0), "{seen:?}");

    // What only samples could tell says what to ask instead.
    let kept = rfc3339(kept_from_ms);
    for step in ["10s", "5m"] {
        let path = format!("range/container?start={}&end={}&step={step}", START_MS, START_MS + HOUR_MS);
        let problem = served.problem(&path);
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(problem["status"], 410, "{problem}");
        assert!(detail.contains("step=1h") && detail.contains(&format!("start={kept}")), "{problem}");
        let problem = served.problem(&path.replace("range/container?", "chart/container.svg?"));
        assert_eq!(problem["status"], 410, "{problem}");
    }
    let asked = format!("start={}&end={}", START_MS, START_MS + DAY_MS);
    let problem = served.problem(&format!("samples/container.csv?{asked}"));
    assert_eq!(problem["status"], 410, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(&kept) && detail.contains("/range") && detail.contains("step=1h"), "{problem}");
    // A step that nobody asked for is one that hours have, and a part of the range is better than nothing.
    let short = served.json(&format!("range/container?start={}&end={}", START_MS + HOUR_MS, START_MS + 3 * HOUR_MS));
    assert_eq!((&short["resolution"], &short["step_seconds"]), (&"1h".into(), &3_600.into()), "{short}");
    assert_eq!(short["series"].as_array().unwrap().len(), 6, "{short}");
    let part = format!("start={}&end={}", kept_from_ms - HOUR_MS, kept_from_ms + HOUR_MS);
    let part = served.table(&format!("range/container?{part}&step=10m&fields=memory_usage_bytes"));
    let numbers = part.numbers("memory_usage_bytes");
    assert!(numbers[0].is_none() && numbers.iter().any(Option::is_some), "{part:?}");
}

/// Rolled-up rows as SQL tells them, and answers by hours.
fn told(store: &Path, range: &str) -> Vec<String> {
    let store = ["--store", store.to_str().unwrap()];
    let (start, end) = range.split_once(' ').unwrap();
    let query = |question: &[&str]| {
        printed(&[&["query", "container", start, end, "--format", "csv"], question, &store].concat())
    };
    vec![
        query(&["step=1h"]),
        query(&["step=1d", "fields=cpu_cores,memory_usage_bytes", "agg=avg,min,max,p95"]),
        query(&["step=all", "fields=cpu_usage_seconds_total,network_receive_bytes_total"]),
        printed(&[&["sql", "SELECT * FROM container_1h", "--csv", "--rows", "1000000"], &store[..]].concat()),
    ]
}

fn rollups(store: &Path) -> (u64, u64) {
    let store = Store::Sqlite(Sqlite::open_read_only(store, KINDS).unwrap());
    let report = store.check(&mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
    (report.rollups, report.rollup_hours)
}

#[test]
fn hours_are_in_copies_and_are_made_again_of_what_was_exported() {
    let _together = machine::shared();
    let directory = reaper::directory();
    let [store, copy, other] = ["store.db", "copy.db", "other.db"].map(|name| directory.join(name));
    let end_ms = now_ms().div_euclid(DAY_MS) * DAY_MS;
    let start_ms = end_ms - 60 * DAY_MS;
    let watched = Watched {
        hosts: 2,
        containers_a_host: 2,
        interval_ms: INTERVAL_MS,
        start_ms,
        rounds: 59 * DAY_MS / INTERVAL_MS,
    };
    watched.record(&store);
    let range = format!("start={start_ms} end={end_ms}");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let unpacked = told(&store, &range);
    assert!(unpacked.iter().all(|answer| answer.lines().count() > 3));
    printed(&["compact", "--store", &text(&store)]);
    let (count, hours) = rollups(&store);
    assert!(count > 0 && hours > 2 * 2 * 50 * 24, "{count} rollups with {hours} hours");
    let packed = told(&store, &range);
    assert!(packed == unpacked, "as before they were rolled up");

    let said = printed(&["backup", &text(&copy), "--store", &text(&store)]);
    assert!(said.ends_with("sound\n"), "{said}");
    assert_eq!(rollups(&copy), (count, hours));
    assert!(told(&copy, &range) == packed, "in the copy");

    let csv = text(&directory.join("all.csv"));
    let exported = |store: &Path| {
        printed(&["export", "container", "start=-100d", "attributes=all", "--store", &text(store), "--output", &csv]);
        fs::read(&csv).unwrap()
    };
    let whole = exported(&store);
    printed(&["import", "container", &csv, "--interval", "20m", "--store", &text(&other)]);
    assert!(told(&other, &range) == packed, "from samples that were imported");
    printed(&["compact", "--store", &text(&other)]);
    assert_eq!(rollups(&other).1, hours);
    assert!(told(&other, &range) == packed, "rolled up again");
    assert!(exported(&other) == whole);
}
