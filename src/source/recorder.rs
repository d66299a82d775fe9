//! The recorder as a source: kind `recorder` is what this process costs and does, kind `target` how the newest
//! poll of each target went.
//!
//! The sampler and the writer count in [`Vitals`]; a visit reads them and this process's `/proc` files. Must not
//! know: how sampling and storing work.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;

use super::{Observed, Source, Visit};
use crate::clock::Clock;
use crate::model::{
    AttributeValue, Attributes, Identity, KindBatch, Observation, Outcome, RECORDER_SOURCE, Sample, TargetName,
    Timestamp, Value,
};

mod kinds;
mod process;
mod vitals;

pub use kinds::{RECORDER, TARGET};
use process::Process;
use vitals::TargetVitals;
pub use vitals::{About, CommitVitals, PollVitals, UpkeepVitals, Vitals};

/// What a recorder needs to know of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its host: the machine's name as first stored.
    pub host: String,
}

impl Settings {
    /// The name of the target that this recorder is.
    pub fn target(&self) -> TargetName {
        TargetName::new(RECORDER_SOURCE, &self.host)
    }
}

/// The source that reads [`Vitals`] and this process.
#[derive(Debug)]
pub struct Recorder {
    settings: Settings,
    target: TargetName,
    vitals: Arc<Vitals>,
    clock: Clock,
    proc: PathBuf,
}

impl Recorder {
    /// A source of what `vitals` holds.
    pub fn new(settings: Settings, vitals: Arc<Vitals>, clock: Clock) -> Self {
        Recorder { target: settings.target(), settings, vitals, clock, proc: PathBuf::from("/proc/self") }
    }

    fn observe(&self, at: Timestamp) -> Observed {
        let process = Process::read(&self.proc);
        let targets = self.vitals.targets();
        let observations = targets.iter().map(|(name, target)| observe_target(name, target, at)).collect();
        let up = targets.values().filter(|target| target.newest.is_some_and(|poll| poll.up)).count();
        let counts = TargetCounts { all: targets.len(), up };
        drop(targets);
        let recorder = Observation {
            identity: Identity::new([self.settings.host.as_str()]),
            attributes: Some(Attributes::from([("version", AttributeValue::from(env!("CARGO_PKG_VERSION")))])),
            ended: None,
            sample: Some(self.sample(at, &process, &counts)),
        };
        Observed {
            outcome: Outcome::Ok,
            error: None,
            missing: Vec::new(),
            bytes: 0,
            clock_offset_ms: 0,
            batches: vec![
                KindBatch { kind: &RECORDER, complete: true, observations: vec![recorder] },
                KindBatch { kind: &TARGET, complete: true, observations },
            ],
            events: Vec::new(),
        }
    }

    /// In the order of the kind's columns.
    fn sample(&self, at: Timestamp, process: &Process, targets: &TargetCounts) -> Sample {
        let vitals = &self.vitals;
        let counted = |counter: &AtomicU64| Value::from(Some(counter.load(Ordering::Relaxed)));
        Sample {
            at,
            since: Some(vitals.started),
            values: Box::new([
                process.cpu_ms.into(),
                process.memory_rss_bytes.into(),
                process.memory_max_rss_bytes.into(),
                process.open_files.into(),
                u64::try_from(targets.all).ok().into(),
                u64::try_from(targets.up).ok().into(),
                counted(&vitals.queue_length),
                counted(&vitals.polls),
                counted(&vitals.ticks_skipped),
                counted(&vitals.snapshots_dropped),
                counted(&vitals.samples),
                counted(&vitals.duplicate_samples),
                counted(&vitals.events),
                counted(&vitals.commits),
                counted(&vitals.commit_ms),
                counted(&vitals.commit_failures),
                Value::from(Some(vitals.commit_max_ms.swap(0, Ordering::Relaxed))),
                counted(&vitals.upkeep_steps),
                counted(&vitals.upkeep_ms),
                counted(&vitals.upkeep_overdue_ms),
                counted(&vitals.sealed_samples),
                counted(&vitals.merged_blocks),
                counted(&vitals.rolled_days),
                counted(&vitals.rollup_overdue_ms),
                counted(&vitals.deleted_polls),
                counted(&vitals.file_bytes),
                counted(&vitals.wal_bytes),
            ]),
        }
    }
}

impl Source for Recorder {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn poll<'a>(&'a mut self, _visit: Visit) -> BoxFuture<'a, Observed> {
        Box::pin(async move { self.observe(self.clock.now()) })
    }
}

struct TargetCounts {
    all: usize,
    up: usize,
}

fn observe_target(name: &TargetName, target: &TargetVitals, at: Timestamp) -> Observation {
    let attributes = Attributes::from([
        ("source", AttributeValue::from(name.source())),
        ("host", AttributeValue::from(name.name())),
        ("address", AttributeValue::from(target.about.address.as_str())),
        ("interval_seconds", AttributeValue::from(target.about.interval.as_secs_f64())),
    ]);
    let sample = target.newest.map(|poll| Sample {
        at,
        since: None,
        values: Box::new([
            Value::Int(i64::from(poll.up)),
            Value::Int(poll.duration_ms),
            Some(poll.bytes).into(),
            Some(poll.samples).into(),
            Value::Int(poll.clock_offset_ms),
        ]),
    });
    Observation { identity: Identity::new([name.as_str()]), attributes: Some(attributes), ended: None, sample }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn observed(vitals: &Arc<Vitals>) -> (Sample, Vec<Observation>) {
        let settings = Settings { host: "here".to_owned() };
        let recorder = Recorder::new(settings, Arc::clone(vitals), Clock::System);
        let mut observed = recorder.observe(Timestamp::from_ms(5000));
        let targets = observed.batches.pop().unwrap();
        let mut own = observed.batches.pop().unwrap();
        assert_eq!((own.kind.name, targets.kind.name), ("recorder", "target"));
        (own.observations.pop().unwrap().sample.unwrap(), targets.observations)
    }

    #[test]
    fn every_column_has_a_value_and_counters_begin_with_the_process() {
        let vitals = Arc::new(Vitals::new(Timestamp::from_ms(1000)));
        let commit = CommitVitals { samples: 7, duplicate_samples: 1, events: 2, duration_ms: 30 };
        vitals.committed(commit);
        vitals.committed(commit);
        vitals.tick_skipped();
        vitals.set_queue_length(9);
        let step = UpkeepVitals {
            did_something: true,
            duration_ms: 40,
            overdue_ms: 5_000,
            sealed_samples: 11,
            merged_blocks: 12,
            rolled_days: 14,
            rollup_overdue_ms: 6_000,
            deleted_polls: 13,
        };
        vitals.kept_up(step);
        vitals.kept_up(UpkeepVitals {
            did_something: false,
            duration_ms: 1,
            overdue_ms: 0,
            rollup_overdue_ms: 0,
            ..step
        });
        let (sample, _) = observed(&vitals);
        assert_eq!(sample.since, Some(Timestamp::from_ms(1000)));
        assert_eq!(sample.values.len(), RECORDER.columns.len());
        for (name, expected) in [
            ("samples_total", 14),
            ("duplicate_samples_total", 2),
            ("events_total", 4),
            ("commits_total", 2),
            ("commit_seconds_total", 60),
            ("commit_max_seconds", 30),
            ("upkeep_steps_total", 1),
            ("upkeep_seconds_total", 41),
            ("upkeep_overdue_seconds", 0),
            ("sealed_samples_total", 22),
            ("merged_blocks_total", 24),
            ("rolled_days_total", 28),
            ("rollup_overdue_seconds", 0),
            ("deleted_polls_total", 26),
            ("ticks_skipped_total", 1),
            ("queue_length", 9),
            ("snapshots_dropped_total", 0),
        ] {
            let index = RECORDER.column_index(name).unwrap();
            assert_eq!(sample.values[index], Value::Int(expected), "{name}");
        }
        let rss = RECORDER.column_index("memory_rss_bytes").unwrap();
        assert!(sample.values[rss].int().unwrap() > 0);
        // The longest commit is that since the sample before.
        let longest = RECORDER.column_index("commit_max_seconds").unwrap();
        assert_eq!(observed(&vitals).0.values[longest], Value::Int(0));
    }

    #[test]
    fn a_target_has_no_sample_before_its_first_poll_and_then_that_of_its_newest() {
        let vitals = Arc::new(Vitals::new(Timestamp::from_ms(1000)));
        let target = TargetName::new("docker", "node-1");
        let about = About { address: "tcp://10.0.0.5:2375".to_owned(), interval: Duration::from_secs(10) };
        vitals.target_added(&target, about.clone());
        let (_, targets) = observed(&vitals);
        assert!(targets[0].sample.is_none());
        assert_eq!(targets[0].attributes.as_ref().unwrap()["host"], AttributeValue::from("node-1"));

        let poll = PollVitals { up: true, duration_ms: 1234, bytes: 5, samples: 6, clock_offset_ms: -7 };
        vitals.polled(&target, poll);
        vitals.target_added(&target, about);
        let (sample, targets) = observed(&vitals);
        let values = targets[0].sample.as_ref().unwrap().values.clone();
        assert_eq!(*values, [1, 1234, 5, 6, -7].map(Value::Int));
        assert_eq!(values.len(), TARGET.columns.len());
        assert_eq!(sample.values[RECORDER.column_index("targets_up").unwrap()], Value::Int(1));

        vitals.target_removed(&target);
        assert!(observed(&vitals).1.is_empty());
    }
}
