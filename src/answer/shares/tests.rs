//! Many entities asked by the hour: as one thread answers, whatever the number of shares; and an end, whatever fails.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::answer::tests::{append, container, parameters};
use crate::answer::{AnswerError, Stop, range, range_with_plan};
use crate::model::{Attributes, HOUR_MS, Identity, KindBatch, Observation, Sample, Timestamp, Value};
use crate::query::request::RangeRequest;
use crate::source::KINDS;
use crate::store::memory::Memory;
use crate::store::sqlite::Sqlite;
use crate::store::{Limits, Store, StoreError};

const START_MS: i64 = 1_790_006_400_000;
const HOURS: i64 = 50;
/// Three shares and a part of one.
const CONTAINERS: i64 = 387;

fn at(hour: i64) -> Timestamp {
    Timestamp::from_ms(START_MS + hour * HOUR_MS)
}

/// Containers that each live a day or so, of seven applications; their numbers add up to other floats in another order.
fn seed(store: &Store) {
    let kind = container();
    let column = |name| kind.column_index(name).unwrap();
    let (cpu, memory) = (column("cpu_usage_seconds_total"), column("memory_usage_bytes"));
    for hour in 0..HOURS {
        let lives = |number: &i64| (hour - number % 30 + 10).abs() < 20;
        let observations = (0..CONTAINERS).filter(lives).map(|number| {
            let mut values = vec![Value::Null; kind.columns.len()];
            values[cpu] = Value::Int((hour + 100) * (1 + number).pow(3) * 1_003);
            values[memory] = Value::Int(7 + number * 1_000_003);
            let attributes = Attributes::from([("app", format!("app-{}", number % 7).into())]);
            let sample = Sample { at: at(hour), since: Some(at(-200)), values: values.into() };
            Observation {
                identity: Identity::new(["node-1".to_owned(), format!("{:08x}", number * 40_503 % 65_536)]),
                attributes: Some(attributes),
                ended: None,
                sample: Some(sample),
            }
        });
        let batch = KindBatch { kind, complete: true, observations: observations.collect() };
        append(store, at(hour), HOUR_MS, batch);
    }
}

fn file(path: &Path) -> Store {
    let store = Store::Sqlite(Sqlite::open(path, KINDS).unwrap());
    seed(&store);
    while store.upkeep(at(HOURS + 200), &Limits::default()).unwrap().more {}
    store
}

fn request(more: &str) -> RangeRequest {
    let text = format!("start={} end={} step=6h {more}", START_MS / 1000, at(48).ms() / 1000);
    RangeRequest::parse(container(), &parameters(&text), at(HOURS), 10_000).unwrap()
}

#[test]
fn an_answer_is_the_same_to_the_bit_however_many_threads_fold_it() {
    let directory = tempfile::tempdir().unwrap();
    let memory = Store::Memory(Memory::new(KINDS));
    seed(&memory);
    let file = file(&directory.path().join("a.db"));
    let fields = "fields=cpu_cores,memory_usage_bytes agg=avg,max";
    for asked in ["group_by=app", "group_by=", "group_by=app top=3", "top=40", "id=*0"] {
        let request = request(&format!("{fields} {asked}"));
        let (by_one, _) = range_with_plan(&memory, &request, &Stop::never()).unwrap();
        assert!(
            by_one.series.iter().any(|series| series.values.iter().flatten().any(|value| value.as_f64().is_some()))
        );
        for _ in 0..3 {
            let (by_all, plan) = range_with_plan(&file, &request, &Stop::never()).unwrap();
            assert!(plan.hours > 0, "{plan:?}");
            assert_eq!(format!("{by_one:?}"), format!("{by_all:?}"), "{asked}");
        }
    }
}

#[test]
fn a_fault_in_one_share_is_the_answers_and_ends_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = file(&path);
    let request = request("fields=cpu_cores group_by=app");
    range(&store, &request, &Stop::never()).unwrap();
    let damaged =
        "UPDATE rollup SET body = zeroblob(100) WHERE entity = (SELECT max(id) FROM entity WHERE kind = 'container')";
    assert!(rusqlite::Connection::open(&path).unwrap().execute(damaged, []).unwrap() > 0);
    let answer = range(&store, &request, &Stop::never());
    assert!(matches!(answer, Err(AnswerError::Store(StoreError::Damaged { .. }))), "{answer:?}");
}

#[test]
fn work_ends_in_the_middle_when_nobody_waits() {
    let directory = tempfile::tempdir().unwrap();
    let store = file(&directory.path().join("a.db"));
    let request = request("fields=cpu_cores group_by=app");
    let asked = AtomicUsize::new(0);
    let stop = Stop::when(move || asked.fetch_add(1, Ordering::Relaxed) >= 2);
    let answer = range(&store, &request, &stop);
    assert!(matches!(answer, Err(AnswerError::Stopped)), "{answer:?}");
}
