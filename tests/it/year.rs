//! A long recording of many containers, put into a file in bulk: it is all there, and nobody waits for its length.
//!
//! A week here; `benches/year.rs` does the same with a year, and prints how long each takes.

use std::sync::Arc;

use tachograph::model::{Attributes, Identity, Sample, Timestamp, Value};
use tachograph::source::{KINDS, kind};
use tachograph::store::sqlite::Sqlite;
use tachograph::store::{ForeignSample, Import, Store};

use crate::harness::recording::{Watched, printed};
use crate::harness::time::{monotonic_ms, now_ms};
use crate::harness::{Recorder, Table, machine, reaper};

const DAY_MS: i64 = 86_400_000;
const DAYS: i64 = 7;
const DEAD: i64 = 3_000;

#[test]
fn a_week_of_100_containers_is_charted_listed_and_started_on() {
    let _together = machine::shared();
    let directory = reaper::directory();
    let store = directory.join("store.db");
    let end_ms = now_ms() / DAY_MS * DAY_MS;
    let start_ms = end_ms - DAYS * DAY_MS;
    let watched = Watched { hosts: 4, containers_a_host: 25, interval_ms: 600_000, start_ms, rounds: DAYS * 144 };
    let begun = monotonic_ms();
    let samples = watched.import(&store);
    die(&store, start_ms, end_ms);
    let filled_ms = monotonic_ms() - begun;
    // A host's poll fails now and then, and nothing else is missing.
    assert!((99_000..=100_800).contains(&samples), "{samples}");
    let checked = printed(&["check", "--store", store.to_str().unwrap()]);
    assert!(checked.ends_with("sound\n"), "{checked}");

    let begun = monotonic_ms();
    let recorder = Recorder::start_in(&directory, "[source.host]\nenabled = false\n", None);
    let started_ms = monotonic_ms() - begun;
    let (start, end) = (start_ms.to_string(), end_ms.to_string());
    let ask = |path: &str, parameters: &[(&str, &str)]| -> (Table, i64) {
        let begun = monotonic_ms();
        let table = recorder.table(path, &[&[("start", start.as_str()), ("end", &end)], parameters].concat());
        (table, monotonic_ms() - begun)
    };
    let chart = [("step", "1d"), ("fields", "cpu_cores,memory_usage_bytes")];
    let (all, all_ms) = ask("range/container", &[&chart[..], &[("group_by", "host")]].concat());
    assert_eq!(all.rows.len(), usize::try_from(4 * DAYS).unwrap());
    assert!(all.numbers("cpu_cores").iter().all(|cores| cores.is_some_and(|cores| cores > 0.0)), "{all:?}");
    // One that lived all week.
    let (ids, _) = ask("range/container", &[("step", "all"), ("fields", "cpu_usage_seconds_total"), ("top", "1")]);
    let id = ids.column("id")[0].to_owned();
    let (one, one_ms) = ask("range/container", &[&chart[..], &[("id", &id)]].concat());
    assert_eq!(one.rows.len(), usize::try_from(DAYS).unwrap());

    // Page after page, each entity once.
    let (mut cursor, mut identities, mut longest_ms) = (None::<String>, Vec::new(), 0);
    loop {
        let mut parameters = vec![("start", start.clone()), ("end", end.clone()), ("limit", "500".to_owned())];
        parameters.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let pairs: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let begun = monotonic_ms();
        let page = recorder.json(&format!("/api/v1/entities/container?{}", crate::harness::http::query(&pairs)));
        longest_ms = longest_ms.max(monotonic_ms() - begun);
        let entities = page["entities"].as_array().unwrap();
        identities.extend(entities.iter().map(|entity| entity["identity"]["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    let count = identities.len();
    identities.sort();
    identities.dedup();
    assert_eq!(identities.len(), count, "one is listed twice");
    assert!(count >= usize::try_from(DEAD).unwrap() + 100, "{count} entities");
    machine::say(&format!(
        "week: {samples} samples and {DEAD} dead containers filled in {filled_ms} ms, started on in {started_ms} ms; charts: \
         one {one_ms} ms, all by host {all_ms} ms; the longest page of entities {longest_ms} ms ({})",
        if cfg!(debug_assertions) { "debug build" } else { "release build" }
    ));
}

/// Containers that were seen once each.
fn die(store: &std::path::Path, start_ms: i64, end_ms: i64) {
    let kind = kind("container").unwrap();
    let store = Store::Sqlite(Sqlite::open(store, KINDS).unwrap());
    let import = Import { kind, attributes: &["name"], interval_ms: Some(600_000), now: Timestamp::from_ms(now_ms()) };
    let samples = (0..DEAD).map(|number| {
        let at = Timestamp::from_ms(start_ms + number * ((end_ms - start_ms) / DEAD));
        ForeignSample {
            identity: Identity::new([format!("node-{}", number % 4), format!("dead-{number}")]),
            attributes: Arc::new(Attributes::from([("name", format!("job-{number}").into())])),
            sample: Sample {
                at,
                since: Some(at.plus_ms(-500)),
                values: vec![Value::Int(1); kind.columns.len()].into(),
            },
        }
    });
    let imported = store.import(&import, samples.collect()).unwrap();
    assert_eq!(imported.samples, u64::try_from(DEAD).unwrap());
    store.end_import(kind).unwrap();
}
