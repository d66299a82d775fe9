//! The sampler against scripted targets, in simulated time: many seeds, each minutes long, each in moments.
//!
//! A failure names its seed; `TACHOGRAPH_SEED=n` runs that one alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::sleep;

use super::schedule::Schedule;
use super::writer::{Append, append_to};
use super::*;
use crate::clock::ManualClock;
use crate::model::time::duration_ms;
use crate::model::{ColumnValues, Identity, Outcome, PollRecord, TimeRange};
use crate::rate::{self, Mark};
use crate::source::recorder::{Recorder, Settings};
use crate::store::memory::Memory;
use crate::store::{EntityQuery, EventQuery, Fetch, StoreError};

use script::{Random, Script, Scripted, THING, Told, locked};

mod script;

/// 2026-08-21T03:00:00Z.
const START: Timestamp = Timestamp::from_ms(1_787_281_200_000);

/// How far a timer of the runtime may be off.
const TIMER_MS: i64 = 2;

#[test]
fn many_seeds_for_ten_minutes_each() {
    run_seeds(50, 10);
}

#[test]
#[ignore = "some minutes long; run by hand after changes to the sampler"]
fn many_more_seeds_for_an_hour_each() {
    run_seeds(300, 60);
}

fn run_seeds(seeds: u64, minutes: u64) {
    let only = std::env::var("TACHOGRAPH_SEED").ok().map(|seed| seed.parse().expect("TACHOGRAPH_SEED: a number"));
    let seeds = only.map_or(0..seeds, |seed: u64| seed..seed + 1);
    let mut seen = Seen::default();
    for seed in seeds {
        let result = std::panic::catch_unwind(|| simulate(seed, minutes));
        let ran = result.unwrap_or_else(|_| panic!("failed at TACHOGRAPH_SEED={seed}; what failed is printed above"));
        seen.add(&ran);
    }
    // A simulation in which nothing happens shows nothing.
    if only.is_none() {
        for what in ["ok", "timeout", "refused", "unreachable", "malformed", "skipped", "dropped"] {
            assert!(seen.outcomes.contains_key(what), "never: {what} in {seen:?}");
        }
        assert!(seen.increases > 0 && seen.steps > 0, "{seen:?}");
    }
}

/// What happened in a run, so that one can see that it was enough.
#[derive(Debug, Default)]
struct Seen {
    outcomes: BTreeMap<&'static str, u64>,
    samples: u64,
    increases: u64,
    steps: u64,
}

impl Seen {
    fn add(&mut self, other: &Seen) {
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        self.samples += other.samples;
        self.increases += other.increases;
        self.steps += other.steps;
    }
}

/// What is drawn from the seed before the start.
struct Plan {
    scripts: Vec<Arc<Mutex<Script>>>,
    /// Whether the wall clock is stepped, by how much, after how many seconds.
    step: Option<(u64, i64)>,
    /// From which second to which the store fails.
    full: Option<(u64, u64)>,
}

fn plan(seed: u64, minutes: u64, clock: &Clock) -> Plan {
    let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let seconds = minutes * 60;
    let step_ms = [-3_600_000, -20_000, 5000, 3_600_000][usize::try_from(random.below(4)).unwrap()];
    let step = random.chance(40).then(|| (60 + random.below(seconds - 120), step_ms));
    let full_from = 30 + random.below(seconds / 4);
    let full = random.chance(10).then(|| (full_from, full_from + seconds / 2));
    let targets = 2 + random.below(5);
    let scripts = (0..targets).map(|number| {
        // Where the store fails, one target is large enough to overflow the queue.
        let things = if full.is_some() && number == 0 { 1200 } else { 1 + random.below(12) };
        Arc::new(Mutex::new(Script::new(number, things, seed, clock.clone())))
    });
    Plan { scripts: scripts.collect(), step, full }
}

fn simulate(seed: u64, minutes: u64) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(run(seed, minutes))
}

async fn run(seed: u64, minutes: u64) -> Seen {
    let manual = ManualClock::starting_at(START);
    let clock = Clock::Manual(manual.clone());
    let plan = plan(seed, minutes, &clock);
    let store = Arc::new(Store::Memory(Memory::default()));
    let vitals = Arc::new(Vitals::new(START));
    let settings = Settings { host: "here".to_owned() };
    let recorder = settings.target();

    let is_full = Arc::new(AtomicBool::new(false));
    let committed = Arc::new(Mutex::new(BTreeSet::new()));
    let append = failing_append(&store, &is_full, &committed);
    let context = Context {
        store: Arc::clone(&store),
        clock: clock.clone(),
        vitals: Arc::clone(&vitals),
        recorder: recorder.clone(),
        known: Vec::new(),
        retention: Retention::default(),
    };
    let mut sampler = Sampler::start_with(context, append);
    let mut targets: Vec<Target> = plan.scripts.iter().map(scripted_target).collect();
    let (own_vitals, own_clock) = (Arc::clone(&vitals), clock.clone());
    targets.push(Target {
        name: recorder.clone(),
        address: String::new(),
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(8),
        fingerprint: String::new(),
        build: Arc::new(move || {
            Ok(Box::new(Recorder::new(settings.clone(), Arc::clone(&own_vitals), own_clock.clone())))
        }),
    });
    assert_eq!(sampler.apply(targets.clone()), Applied { added: targets.len(), ..Applied::default() });

    let progress = sampler.progress();
    for second in 0..minutes * 60 {
        if let Some((_, ms)) = plan.step.filter(|(when, _)| *when == second) {
            manual.step_ms(ms);
        }
        if second == minutes * 30 {
            // The configuration is read again: one target is built anew, the others go on, and no tick is lost.
            targets[0].fingerprint = "changed".to_owned();
            assert_eq!(sampler.apply(targets.clone()), Applied { changed: 1, ..Applied::default() });
        }
        is_full.store(plan.full.is_some_and(|(from, until)| (from..until).contains(&second)), Ordering::Relaxed);
        sleep(Duration::from_secs(1)).await;
        check_caught_up(&progress, &plan, &committed);
        assert!(progress.shared.queue.weight() <= 60_000 + 2 * 1300, "the queue is bounded");
    }
    let stopped_at = clock.now();
    assert_eq!(sampler.stop("the simulation is over").await, 0, "all was written");
    assert_eq!(progress.queue_length(), 0);

    let mut seen = Seen { steps: u64::from(plan.step.is_some()), ..Seen::default() };
    for script in &plan.scripts {
        let script = locked(script);
        check_ticks(&store, &script, &plan, stopped_at, &mut seen);
        // After a step back, samples lie between older ones: stored as told, but their order is not that of the work.
        let has_order = plan.step.is_none_or(|(_, ms)| ms > 0);
        check_samples(&store, &script, has_order, &mut seen);
    }
    for record in store.polls(&recorder, all_time()).unwrap().inside {
        *seen.outcomes.entry(record.poll.outcome.name()).or_default() += 1;
    }
    check_events(&store, &recorder, &plan);
    assert_eq!(vitals.snapshots_dropped(), seen.outcomes.get("dropped").copied().unwrap_or(0));
    assert_eq!(vitals.ticks_skipped(), seen.outcomes.get("skipped").copied().unwrap_or(0));
    seen
}

fn scripted_target(script: &Arc<Mutex<Script>>) -> Target {
    let (name, interval, timeout) = {
        let script = locked(script);
        (script.name.clone(), script.interval, script.timeout)
    };
    let script = Arc::clone(script);
    let build: Build = Arc::new(move || Ok(Box::new(Scripted::new(&script))));
    Target { name, address: "nowhere".to_owned(), interval, timeout, fingerprint: String::new(), build }
}

type Committed = BTreeSet<(TargetName, Timestamp)>;

/// The store's append while it is not full; what is committed is written down.
fn failing_append(store: &Arc<Store>, is_full: &Arc<AtomicBool>, committed: &Arc<Mutex<Committed>>) -> Append {
    let append = append_to(Arc::clone(store));
    let (is_full, committed) = (Arc::clone(is_full), Arc::clone(committed));
    Arc::new(move |snapshots| {
        if is_full.load(Ordering::Relaxed) {
            return Err(StoreError::Damaged { operation: "append", detail: "no space left".to_owned() });
        }
        let polls = snapshots.iter().map(|snapshot| (snapshot.poll.target.clone(), snapshot.poll.started));
        locked(&committed).extend(polls);
        append(snapshots)
    })
}

/// What ended before the instant that the sampler names is committed.
fn check_caught_up(progress: &Progress, plan: &Plan, committed: &Mutex<Committed>) {
    let until = progress.caught_up_until();
    let committed = locked(committed);
    for script in &plan.scripts {
        let script = locked(script);
        for started in script.ended.iter().filter(|started| **started < until) {
            assert!(committed.contains(&(script.name.clone(), *started)), "{} at {started}", script.name);
        }
    }
}

fn all_time() -> TimeRange {
    TimeRange::new(START.plus_ms(-7_200_000), START.plus_ms(14_400_000)).unwrap()
}

/// Every tick has a row, on time, whatever other targets did.
fn check_ticks(store: &Store, script: &Script, plan: &Plan, stopped_at: Timestamp, seen: &mut Seen) {
    let polls: Vec<PollRecord> = store.polls(&script.name, all_time()).unwrap().inside;
    for record in &polls {
        *seen.outcomes.entry(record.poll.outcome.name()).or_default() += 1;
    }
    for started in &script.ended {
        assert!(polls.iter().any(|record| record.poll.started == *started), "{}: {started} has a row", script.name);
    }
    if plan.step.is_some() {
        return; // The rows before and after a step overlap or lie apart.
    }
    let schedule = Schedule::new(&script.name, script.interval);
    let mut tick = schedule.first(START);
    for record in &polls {
        let started = record.poll.started;
        let late_ms = started.ms_since(schedule.after(started.plus_ms(-TIMER_MS - 1)).min(started));
        assert!(late_ms.abs() <= TIMER_MS, "{}: {started} is a tick", script.name);
        let ahead = started.ms_since(tick) / schedule.interval_ms();
        assert!((0..6).contains(&ahead), "{}: a row for each tick, none at {tick}, next {started}", script.name);
        tick = schedule.next(started, started);
    }
    assert!(stopped_at.ms_since(tick) <= 6 * schedule.interval_ms(), "{}: polled to the end", script.name);
    let mut is_down = false;
    for pair in polls.windows(2) {
        let (outcome, started) = (pair[0].poll.outcome, pair[0].poll.started);
        if outcome != Outcome::Skipped {
            is_down = !outcome.is_good() && outcome != Outcome::Dropped;
        }
        let apart_ms = pair[1].poll.started.ms_since(started);
        let is_next = apart_ms <= schedule.interval_ms() + TIMER_MS;
        // A visit that still ran at the end was cut off by it: that one tick has no row.
        let is_cut_off = stopped_at.ms_since(started) <= duration_ms(script.timeout + script.interval * 2);
        let name = &script.name;
        assert!(is_down || is_next || is_cut_off, "{name}: no row for {apart_ms} ms after {started} though up");
    }
}

/// What was told is stored, nothing else is, and increases are those of the script.
fn check_samples(store: &Store, script: &Script, has_order: bool, seen: &mut Seen) {
    let polls = store.polls(&script.name, all_time()).unwrap().inside;
    let good: BTreeSet<Timestamp> =
        polls.iter().filter(|record| record.poll.outcome.is_good()).map(|record| record.poll.started).collect();
    let mut told: BTreeMap<Identity, BTreeMap<Timestamp, &Told>> = BTreeMap::new();
    for sample in script.told.iter().filter(|sample| good.contains(&sample.poll)) {
        // The first at its time counts; later ones are left out.
        told.entry(sample.identity.clone()).or_default().entry(sample.at).or_insert(sample);
    }
    let query = EntityQuery { kind: &THING, seen_in: all_time(), after: None, limit: usize::MAX };
    let stored = store.entities(&query).unwrap();
    let stored: BTreeSet<Identity> =
        stored.into_iter().filter(|entity| entity.target == script.name).map(|entity| entity.identity).collect();
    assert_eq!(stored, told.keys().cloned().collect(), "{}: entities", script.name);
    for (identity, samples) in &told {
        let samples: Vec<&Told> = samples.values().copied().collect();
        let increases = check_entity(store, identity, &samples, seen);
        if has_order && !script.lied.contains(identity) && samples.iter().all(|told| told.since.is_some()) {
            assert_eq!(increases, true_increase(&samples, &good), "{identity:?}: {samples:?}");
            seen.increases += u64::try_from(increases).unwrap();
        }
    }
}

/// Stored is what was told; gives what its counter grew by.
fn check_entity(store: &Store, identity: &Identity, told: &[&Told], seen: &mut Seen) -> i64 {
    let run = store.read(&Fetch { kind: &THING, identity, range: all_time(), columns: &[0] }).unwrap();
    let ColumnValues::Int(work) = &run.columns[0] else { panic!("a column of whole numbers") };
    let stored: Vec<_> = (0..run.len()).map(|n| (run.at[n], run.since[n], work[n])).collect();
    let expected: Vec<_> = told.iter().map(|told| (told.at, told.since, Some(told.work))).collect();
    assert_eq!(stored, expected, "{identity:?}");
    seen.samples += u64::try_from(stored.len()).unwrap();

    let mark = |n: usize| Mark {
        at: run.at[n],
        since: run.since[n],
        interval_ms: run.interval_ms[n],
        clock_offset_ms: run.clock_offset_ms[n],
    };
    let increase = |n: usize| {
        let previous = n.checked_sub(1);
        let stretch = rate::stretch(previous.map(mark).as_ref(), &mark(n), run.polled_before_first)?;
        rate::increase(stretch.life, previous.and_then(|previous| work[previous]), work[n])
    };
    let increases: Vec<i64> = (0..run.len()).filter_map(increase).collect();
    assert!(increases.iter().all(|increase| *increase >= 0), "{identity:?}: {increases:?}");
    increases.iter().sum()
}

/// What the script's counters grew by under the recorder's eyes: each life's last value, less what the first of
/// all had grown before it was first seen, unless it began between two good polls.
fn true_increase(told: &[&Told], good: &BTreeSet<Timestamp>) -> i64 {
    let mut lives: BTreeMap<Option<Timestamp>, i64> = BTreeMap::new();
    for sample in told {
        let last = lives.entry(sample.since).or_default();
        *last = (*last).max(sample.work);
    }
    let Some(first) = told.first() else { return 0 };
    let polled_before = good.range(..first.poll).next_back();
    let born_seen = polled_before.is_some_and(|polled| Some(*polled) < first.since);
    let before = if born_seen { 0 } else { first.work };
    lives.values().sum::<i64>() - before
}

fn check_events(store: &Store, recorder: &TargetName, plan: &Plan) {
    let query = EventQuery { limit: usize::MAX, ..EventQuery::default() };
    let events: Vec<Event> = store.events(&query).unwrap().into_iter().map(|record| record.event).collect();
    let count = |event_type: &str| events.iter().filter(|event| event.event_type == event_type).count();
    assert_eq!((count("recorder_started"), count("recorder_stopped")), (1, 1));
    assert_eq!(count("clock_stepped"), usize::from(plan.step.is_some()), "clock_stepped");
    assert!(events.iter().filter(|event| event.event_type == "clock_stepped").all(|event| event.target == *recorder));
    for script in &plan.scripts {
        let name = locked(script).name.clone();
        let mut changes: Vec<(Timestamp, &str)> = events
            .iter()
            .filter(|event| event.target == name && event.event_type.starts_with("target_"))
            .map(|event| (event.at, event.event_type))
            .collect();
        if plan.step.is_none() {
            changes.sort();
            let alternate = changes
                .iter()
                .enumerate()
                .all(|(n, (_, event_type))| *event_type == if n % 2 == 0 { "target_down" } else { "target_up" });
            assert!(alternate, "{name}: down and up take turns: {changes:?}");
        }
    }
}
