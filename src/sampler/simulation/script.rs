//! Scripted targets: sources that flap, restart, renumber, answer late, hang, lie about time and panic, all drawn
//! from one seed, and that remember what they told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::model::{
    Column, Identity, Key, Kind, KindBatch, Observation, Outcome, Sample, TargetName, Timestamp, Value,
};
use crate::source::{Observed, Source, Visit};

/// What scripted targets consist of.
pub(super) static THING: Kind = Kind {
    name: "thing",
    help: "A scripted thing",
    identity: &[Key { name: "host", help: "Its target" }, Key { name: "id", help: "Its number" }],
    attributes: &[],
    columns: &[
        Column::counter("work_total", "work", "", 0, "Only grows"),
        Column::gauge("level", "level", "", 0, "Goes up and down"),
    ],
    derived: &[],
    display: &["id"],
};

/// SplitMix64: small, seeded, the same everywhere.
#[derive(Debug, Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below.max(1)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A sample as the script told it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) poll: Timestamp,
    pub(super) identity: Identity,
    pub(super) at: Timestamp,
    pub(super) since: Option<Timestamp>,
    pub(super) work: i64,
}

/// One target's script and what it has told so far. Survives its source.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) name: TargetName,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    /// Every sample of a visit that ended well.
    pub(super) told: Vec<Told>,
    /// Starts of visits that ended by themselves, well or not.
    pub(super) ended: Vec<Timestamp>,
    /// Entities whose counters were made to fall, and whose times were made up.
    pub(super) lied: Vec<Identity>,
    random: Random,
    clock: Clock,
    things: Vec<Thing>,
    next_id: u64,
    down_until_ms: i64,
}

#[derive(Debug)]
struct Thing {
    id: u64,
    since: Option<Timestamp>,
    born_ms: i64,
    per_second: i64,
    less: i64,
    last_at: Option<Timestamp>,
}

enum Act {
    Answer(u64),
    Fail(Outcome),
    Hang,
    Panic,
}

impl Script {
    pub(super) fn new(number: u64, things: u64, seed: u64, clock: Clock) -> Self {
        let mut random = Random(seed ^ number.wrapping_mul(0x5851_f42d_4c95_7f2d));
        let interval = Duration::from_secs([2, 5, 10][usize::try_from(random.below(3)).unwrap()]);
        // Some may take longer than their interval: their ticks are skipped.
        let timeout = if random.chance(40) { interval * 3 } else { interval.mul_f64(0.8) };
        let mut script = Script {
            name: TargetName::new("scripted", &format!("t{number}")),
            interval,
            timeout,
            told: Vec::new(),
            ended: Vec::new(),
            lied: Vec::new(),
            random,
            clock,
            things: Vec::new(),
            next_id: 0,
            down_until_ms: 0,
        };
        for _ in 0..things {
            let thing = script.new_thing(30_000);
            script.things.push(thing);
        }
        script
    }

    /// A thing that began at most so long ago.
    fn new_thing(&mut self, age_ms: u64) -> Thing {
        let age_ms = 1 + i64::try_from(self.random.below(age_ms)).unwrap();
        let id = self.next_id;
        self.next_id += 1;
        Thing {
            id,
            // A few never say when their counters began.
            since: (id % 5 != 4).then(|| self.clock.now().plus_ms(-age_ms)),
            born_ms: self.clock.monotonic_ms() - age_ms,
            per_second: i64::try_from(self.random.below(10_000)).unwrap(),
            less: 0,
            last_at: None,
        }
    }

    fn act(&mut self) -> Act {
        let now_ms = self.clock.monotonic_ms();
        let interval_ms = u64::try_from(self.interval.as_millis()).unwrap();
        if now_ms < self.down_until_ms {
            return Act::Fail(Outcome::Refused);
        }
        match self.random.below(100) {
            0..80 => Act::Answer(self.random.below(interval_ms / 2)),
            80..88 => Act::Answer(self.random.below(interval_ms * 4)),
            88..91 => {
                self.down_until_ms = now_ms + i64::try_from(self.random.below(interval_ms * 20)).unwrap();
                Act::Fail(Outcome::Unreachable)
            }
            91..94 => Act::Fail(Outcome::Malformed),
            94..97 => Act::Hang,
            _ => Act::Panic,
        }
    }

    fn change_things(&mut self) {
        for position in 0..self.things.len() {
            if self.random.chance(3) {
                // Restarted some time ago: same identity, a new life.
                let last_at = self.things[position].last_at;
                let longest = last_at.map_or(1000, |last| self.clock.now().ms_since(last).clamp(1, 20_000));
                let age_ms = i64::try_from(self.random.below(u64::try_from(longest).unwrap())).unwrap();
                let (now, now_ms) = (self.clock.now(), self.clock.monotonic_ms());
                let thing = &mut self.things[position];
                thing.since = thing.since.map(|_| now.plus_ms(-age_ms));
                (thing.born_ms, thing.less) = (now_ms - age_ms, 0);
            } else if self.random.chance(2) {
                // Replaced: a new identity.
                self.things[position] = self.new_thing(2000);
            } else if self.random.chance(1) && self.things[position].since.is_some() {
                // Its counter falls although its life goes on.
                let worked = self.work(&self.things[position]);
                self.things[position].less += worked / 2;
                self.lied.push(self.identity(&self.things[position]));
            }
        }
        let turn = usize::try_from(self.random.below(7)).unwrap().min(self.things.len());
        self.things.rotate_left(turn);
    }

    fn identity(&self, thing: &Thing) -> Identity {
        Identity::new([self.name.name().to_owned(), thing.id.to_string()])
    }

    fn work(&self, thing: &Thing) -> i64 {
        ((self.clock.monotonic_ms() - thing.born_ms) * thing.per_second / 1000 - thing.less).max(0)
    }

    fn answer(&mut self, visit: Visit) -> Observed {
        self.change_things();
        let mut observations = Vec::new();
        for position in 0..self.things.len() {
            let mut at = self.clock.now();
            if self.random.chance(2) {
                // Its clock stands still or went back: told twice at one time, or out of order.
                let back_ms = i64::try_from(self.random.below(2)).unwrap() * 3000;
                at = self.things[position].last_at.unwrap_or(at).plus_ms(-back_ms);
                self.lied.push(self.identity(&self.things[position]));
            }
            let thing = &self.things[position];
            let (identity, since, work) = (self.identity(thing), thing.since, self.work(thing));
            let values = Box::new([Value::Int(work), Value::Int(work % 100)]);
            self.told.push(Told { poll: visit.started, identity: identity.clone(), at, since, work });
            observations.push(Observation {
                identity,
                attributes: None,
                ended: None,
                sample: Some(Sample { at, since, values }),
            });
            self.things[position].last_at = Some(at);
        }
        Observed {
            outcome: Outcome::Ok,
            error: None,
            missing: Vec::new(),
            bytes: 1000,
            clock_offset_ms: 0,
            batches: vec![KindBatch { kind: &THING, complete: true, observations }],
            events: Vec::new(),
        }
    }
}

/// A source that follows a script.
#[derive(Debug)]
pub(super) struct Scripted {
    name: TargetName,
    script: Arc<Mutex<Script>>,
}

impl Scripted {
    pub(super) fn new(script: &Arc<Mutex<Script>>) -> Self {
        let name = locked(script).name.clone();
        Scripted { name, script: Arc::clone(script) }
    }
}

impl Source for Scripted {
    fn target(&self) -> &TargetName {
        &self.name
    }

    fn poll<'a>(&'a mut self, visit: Visit) -> BoxFuture<'a, Observed> {
        let act = locked(&self.script).act();
        Box::pin(async move {
            let observed = match act {
                Act::Answer(after_ms) => {
                    sleep(Duration::from_millis(after_ms)).await;
                    locked(&self.script).answer(visit)
                }
                Act::Fail(outcome) => Observed::failed(outcome, "as the script says"),
                Act::Hang => std::future::pending().await,
                Act::Panic => {
                    sleep(Duration::from_millis(3)).await;
                    // Not a panic!: its message would be printed thousands of times.
                    std::panic::resume_unwind(Box::new("as the script says"))
                }
            };
            locked(&self.script).ended.push(visit.started);
            observed
        })
    }
}

pub(super) fn locked<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
