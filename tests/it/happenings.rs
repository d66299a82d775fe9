//! What the recorder itself notices, seen through the API: counters that fall, skipped ticks, dropped snapshots,
//! attributes that change too often, a clock that is stepped.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tachograph::clock::{Clock, ManualClock};
use tachograph::model::{KindBatch, Outcome, TargetName};
use tachograph::sampler::{Context, Retention, Sampler, Target};
use tachograph::source::docker::kinds::CONTAINER;
use tachograph::source::recorder::Vitals;
use tachograph::source::{Observed, Source, Visit};
use tachograph::store::Store;

use crate::contract::world::{Seen, many_ids, poll, saw};
use crate::harness::Served;
use crate::harness::seeded::{stores, t};
use crate::harness::time::{now_ms, parse_ms};

/// What a made-up source does at each visit, told the number of the visit and its time.
type Behaviour = fn(i64, i64) -> (Duration, Vec<Seen>);

struct MadeUp {
    target: TargetName,
    visits: Arc<AtomicI64>,
    behaviour: Behaviour,
}

impl Source for MadeUp {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn poll<'a>(&'a mut self, visit: Visit) -> BoxFuture<'a, Observed> {
        let number = self.visits.fetch_add(1, Ordering::Relaxed);
        let (takes, seen) = (self.behaviour)(number, visit.started.ms());
        async move {
            tokio::time::sleep(takes).await;
            let observations = seen.into_iter().map(Seen::observation).collect();
            let batch = KindBatch { kind: &CONTAINER, complete: true, observations };
            Observed {
                outcome: Outcome::Ok,
                error: None,
                missing: Vec::new(),
                bytes: 0,
                clock_offset_ms: 0,
                batches: vec![batch],
                events: Vec::new(),
            }
        }
        .boxed()
    }
}

/// Samples made-up sources, each every second, for so long; gives what was stored, served.
fn sampled(store: Store, sources: &[(&str, Behaviour)], runs: Duration) -> Served {
    sampled_by(&Clock::System, store, sources, runs, || {})
}

/// The same by another clock, with something that happens half-way. The first target tells the recorder's own events.
fn sampled_by(
    clock: &Clock,
    store: Store,
    sources: &[(&str, Behaviour)],
    runs: Duration,
    half_way: impl FnOnce(),
) -> Served {
    let store = Arc::new(store);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut sampler = Sampler::start(Context {
            store: Arc::clone(&store),
            clock: clock.clone(),
            vitals: Arc::new(Vitals::new(clock.now())),
            recorder: TargetName::from_full(sources[0].0),
            known: Vec::new(),
            retention: Retention::default(),
        });
        let target = |(name, behaviour): &(&str, Behaviour)| {
            let (name, behaviour) = (TargetName::from_full(name), *behaviour);
            // A source that is built anew goes on counting.
            let (target, visits) = (name.clone(), Arc::new(AtomicI64::new(0)));
            Target {
                name,
                address: "nowhere".to_owned(),
                interval: Duration::from_secs(1),
                timeout: Duration::from_millis(900),
                fingerprint: String::new(),
                build: Arc::new(move || {
                    let (target, visits) = (target.clone(), Arc::clone(&visits));
                    Ok(Box::new(MadeUp { target, visits, behaviour }) as Box<dyn Source>)
                }),
            }
        };
        sampler.apply(sources.iter().map(target).collect());
        tokio::time::sleep(runs / 2).await;
        half_way();
        tokio::time::sleep(runs / 2).await;
        sampler.stop("the test is over").await;
    });
    Served::over(store, &[("docker/a", &["container"])], now_ms())
}

fn events(served: &Served, event_type: &str) -> Vec<serde_json::Value> {
    served.json(&format!("events?start=-1h&end=2100-01-01&type={event_type}"))["events"].as_array().unwrap().clone()
}

/// The same life throughout, but at its third visit the counter stands lower than at its second.
fn falling(number: i64, at: i64) -> (Duration, Vec<Seen>) {
    let value =
        [10, 20, 5, 15, 25, 35, 45].get(usize::try_from(number).unwrap()).copied().unwrap_or(50) * 1_000_000_000;
    let since = 1_700_000_000_000;
    let seen = Seen::new("a", "x", at, since, 0).with("name", "fallen").value("cpu_usage_seconds_total", value);
    (Duration::ZERO, vec![seen])
}

#[test]
fn a_counter_that_fell_within_a_life_is_an_event_and_no_increase() {
    for (_, store) in stores() {
        let served = sampled(store, &[("docker/a", falling)], Duration::from_secs(5));
        let told = events(&served, "counter_fell");
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0]["entity"], serde_json::json!({"host": "a", "id": "x"}));
        assert_eq!(told[0]["details"]["columns"], serde_json::json!(["cpu_usage_seconds_total"]));
        let table = served.table("samples/container?start=-1h&end=2100-01-01&id=x");
        assert_eq!(table.column("cpu_usage_seconds_total")[..4], ["10", "20", "5", "15"], "kept as reported");
        assert_eq!(table.column("cpu_cores")[..3].iter().filter(|cell| !cell.is_empty()).count(), 1, "{table:?}");
        let whole = served.table(
            "range/container?start=-1h&end=2100-01-01&step=all&id=x&fields=cpu_usage_seconds_total&agg=increase,last",
        );
        // All that it grew by but the fall: never a spike, never negative.
        let last: i64 = whole.only("cpu_usage_seconds_total.last").parse().unwrap();
        assert_eq!(whole.only("cpu_usage_seconds_total.increase"), (10 + last - 5).to_string());
    }
}

/// One core, in a life that began a minute ago.
fn steady(number: i64, at: i64) -> (Duration, Vec<Seen>) {
    let seen = Seen::new("a", "x", at, 1_700_000_000_000, 0).value("cpu_usage_seconds_total", number * 1_000_000_000);
    (Duration::ZERO, vec![seen])
}

#[test]
fn a_clock_stepped_back_is_an_event_and_samples_go_in_at_the_stepped_time() {
    for (_, store) in stores() {
        let begun = now_ms();
        let manual = ManualClock::starting_at(Clock::System.now());
        let clock = Clock::Manual(manual.clone());
        let step = || manual.step_ms(-600_000);
        let served = sampled_by(&clock, store, &[("docker/a", steady)], Duration::from_secs(8), step);
        let told = events(&served, "clock_stepped");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0]["message"].as_str().unwrap().contains("back by 10 min"), "{}", told[0]);
        let table = served.table("samples/container?start=-1h&end=2100-01-01&id=x");
        let stepped = table.column("time").iter().filter(|time| parse_ms(time) < begun - 300_000).count();
        assert!(stepped >= 2 && table.rows.len() - stepped >= 2, "{table:?}");
        // In the order of their times the counter falls where the stepped ones end: never a negative increase.
        let increases =
            served.table("range/container?start=-1h&end=2100-01-01&step=1mo&id=x&fields=cpu_usage_seconds_total");
        assert!(increases.numbers("cpu_usage_seconds_total").into_iter().flatten().all(|amount| amount >= 0.0));
    }
}

/// Takes longer than its interval, and does not care for its timeout.
fn slow(_: i64, at: i64) -> (Duration, Vec<Seen>) {
    (Duration::from_millis(1_200), vec![Seen::new("a", "x", at, at - 1_000, 1)])
}

#[test]
fn a_tick_that_finds_its_target_still_polled_is_skipped_and_recorded() {
    let [_, (_, store)] = stores();
    let served = sampled(store, &[("docker/a", slow)], Duration::from_secs(5));
    let told = events(&served, "tick_skipped");
    assert_eq!(told.len(), 1, "the first of a stretch is told: {told:?}");
    assert_eq!((&told[0]["target"], &told[0]["severity"]), (&"docker/a".into(), &"warning".into()));
}

/// More samples at once than half of the queue holds.
fn huge(_: i64, at: i64) -> (Duration, Vec<Seen>) {
    (Duration::ZERO, many_ids().iter().map(|id| Seen::new("a", id, at, at - 1_000, 1)).collect())
}

#[test]
fn a_snapshot_that_the_queue_cannot_hold_is_dropped_and_recorded() {
    let [(_, store), _] = stores();
    let served = sampled(
        store,
        &[("docker/a", huge), ("docker/b", huge), ("docker/c", huge), ("docker/d", huge)],
        Duration::from_secs(4),
    );
    let told = events(&served, "snapshot_dropped");
    assert!(!told.is_empty(), "nothing was dropped");
    assert_eq!(told[0]["severity"], "error", "{}", told[0]);
}

#[test]
fn attributes_that_change_too_often_are_an_event_and_only_the_newest_is_kept() {
    for (_, store) in stores() {
        let begin = t("03:00:00");
        let recorded: Vec<_> = (0..150)
            .map(|tick| {
                let at = begin + tick * 10_000;
                let seen = Seen::new("a", "x", at, begin, 1).with("name", format!("name-{tick}"));
                saw(poll("docker/a", at, Outcome::Ok), vec![seen])
            })
            .collect();
        let served = Served::start(store, &recorded, &[("docker/a", &["container"])], t("04:00:00"));
        let answer = served.json("events?start=2026-08-21T03&end=2026-08-21T04&type=limit_hit");
        assert_eq!(answer["events"].as_array().unwrap().len(), 1, "{answer}");
        let told = &answer["events"][0];
        assert_eq!(told["entity"], serde_json::json!({"host": "a", "id": "x"}));
        assert!(told["message"].as_str().unwrap().contains("100 times in an hour"), "{told}");
        let entity = served.json("entities/container?start=2026-08-21T03&end=2026-08-21T04&id=x");
        assert_eq!(entity["entities"][0]["attributes"]["name"], "name-149");
        let table = served.table("samples/container?start=2026-08-21T03:01:00Z&end=2026-08-21T03:01:10Z&id=x");
        assert_eq!(table.only("name"), "name-6");
    }
}
