//! What rollups cost: bytes and time for each value of a fleet of real containers' habits.

use crate::clock::Clock;
use crate::model::{Kind, TimeRange, Timestamp};
use crate::store::conformance::fleet::Fleet;
use crate::store::sqlite::Sqlite;
use crate::store::{EntityQuery, Limits, Store};

use super::{DAY_MS, START_MS};

fn container() -> &'static Kind {
    crate::source::KINDS.iter().find(|kind| kind.name == "container").unwrap()
}

/// Printed by `cargo test --release -- --ignored --nocapture rollups_cost`; the shape is held in any build.
#[test]
#[ignore = "a measurement: minutes without optimisation"]
fn rollups_cost_little() {
    measure(20, 30_000, 2);
}

#[test]
fn a_days_hours_take_a_fraction_of_its_samples() {
    let bytes_a_value = measure(3, 120_000, 2);
    // A quarter of the samples of the usual interval, so that an hour weighs four times as much for each value.
    assert!(bytes_a_value < 0.4, "{bytes_a_value} bytes a value");
}

/// Bytes of rollups a value, of so many containers recorded for days.
fn measure(containers: usize, interval_ms: i64, days: i64) -> f64 {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cost.db");
    let kinds = crate::source::KINDS;
    let store = Store::Sqlite(Sqlite::open(&path, kinds).unwrap());
    let mut fleet = Fleet::new(container(), 3, 2, containers / 2 + 1, Timestamp::from_ms(START_MS), interval_ms);
    let mut values = 0_u64;
    let mut rolled_ms = 0;
    let clock = Clock::System;
    for day in 0..=days {
        let rounds = if day < days { DAY_MS / interval_ms } else { 3 };
        for _ in 0..rounds {
            let round = fleet.round();
            for sample in round.iter().flat_map(|one| &one.batches).flat_map(|batch| &batch.observations) {
                let given = sample.sample.iter().flat_map(|sample| sample.values.iter());
                values += given.filter(|value| !value.is_null()).count() as u64;
            }
            store.append(&round).unwrap();
        }
        let now = Timestamp::from_ms(START_MS + (day + 1) * DAY_MS + 600_000);
        loop {
            let began = clock.monotonic_ms();
            let done = store.upkeep(now, &Limits::default()).unwrap();
            if done.rolled_days > 0 {
                rolled_ms += clock.monotonic_ms() - began;
            }
            if !done.more {
                break;
            }
        }
    }
    let query = EntityQuery { kind: container(), seen_in: TimeRange::ALL, after: None, limit: 10_000 };
    assert!(!store.entities(&query).unwrap().is_empty());
    let connection = rusqlite::Connection::open(&path).unwrap();
    let bytes = |table: &str| -> f64 {
        let sql = format!("SELECT coalesce(sum(length(body)), 0) FROM {table}");
        connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap() as f64
    };
    let (rollups, blocks) = (bytes("rollup"), bytes("block"));
    println!(
        "rollups {:.4} bytes a value, blocks {:.4}; {:.4} CPU s a million values; {values} values",
        rollups / values as f64,
        blocks / values as f64,
        rolled_ms as f64 / 1000.0 / (values as f64 / 1e6),
    );
    rollups / values as f64
}
