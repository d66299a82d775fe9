//! The recorder as a source: kind `recorder` is what this process costs and does, kind `target` how the newest
//! poll of each target went.
//!
//! The sampler and the writer count in [`Vitals`]; a visit reads them and this process's `/proc` files. Must not
//! know: how sampling and storing work.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{Observed, Source, Visit};
use crate::clock::Clock;
use crate::model::time::duration_ms;
use crate::model::{
    Attribute, AttributeType, AttributeValue, Attributes, Column, Derived, Formula, Identity, Key, Kind, KindBatch,
    Observation, Outcome, Sample, TargetName, Timestamp, Value,
};

/// The first part of the recorder's target name.
pub const SOURCE: &str = "recorder";

/// What this process costs and does; its counters begin when it starts.
pub static RECORDER: Kind = Kind {
    name: "recorder",
    help: "A recorder process: what it costs and what it has done since it started.",
    identity: &[Key { name: "host", help: "Name of the machine the recorder runs on, as first stored." }],
    attributes: &[Attribute::new("version", AttributeType::Text, "Version of the recorder's program.")],
    columns: &[
        Column::counter(
            "cpu_seconds_total",
            "cpu_ms",
            "seconds",
            3,
            "CPU time of the process, user and system, from /proc/self/stat.",
        ),
        Column::gauge("memory_rss_bytes", "memory_rss_bytes", "bytes", 0, "Resident memory, from /proc/self/statm.")
            .headline(),
        Column::gauge(
            "memory_max_rss_bytes",
            "memory_max_rss_bytes",
            "bytes",
            0,
            "Most resident memory since the start, VmHWM of /proc/self/status.",
        )
        .high_water(),
        Column::gauge("open_files", "open_files", "", 0, "Open file descriptors, from /proc/self/fd."),
        Column::gauge("targets", "targets", "", 0, "Targets that are configured."),
        Column::gauge("targets_up", "targets_up", "", 0, "Targets whose newest poll was good."),
        Column::gauge("queue_length", "queue_length", "", 0, "Snapshots that wait for the store's writer.").headline(),
        Column::counter("polls_total", "polls", "", 0, "Visits to targets, failed ones included."),
        Column::counter(
            "ticks_skipped_total",
            "ticks_skipped",
            "",
            0,
            "Ticks without a visit because the one before still ran.",
        ),
        Column::counter(
            "snapshots_dropped_total",
            "snapshots_dropped",
            "",
            0,
            "Snapshots dropped because the store could not keep up.",
        ),
        Column::counter("samples_total", "samples", "", 0, "Samples stored."),
        Column::counter(
            "duplicate_samples_total",
            "duplicate_samples",
            "",
            0,
            "Samples left out because their entity and time were stored already.",
        ),
        Column::counter("events_total", "events", "", 0, "Events stored."),
        Column::counter("commits_total", "commits", "", 0, "Transactions of the store's writer."),
        Column::counter("commit_seconds_total", "commit_ms", "seconds", 3, "Time the store's writer spent in them."),
        Column::counter(
            "commit_failures_total",
            "commit_failures",
            "",
            0,
            "Transactions that failed; what was in them is tried again.",
        ),
        Column::gauge("file_bytes", "file_bytes", "bytes", 0, "Size of the database file.").headline(),
        Column::gauge("wal_bytes", "wal_bytes", "bytes", 0, "Size of the database's write-ahead log."),
    ],
    derived: &[
        Derived::new(
            "cpu_cores",
            "cores",
            "CPU time used per second.",
            Formula::Rate { counters: &["cpu_seconds_total"] },
        )
        .headline(),
        Derived::new(
            "samples_per_second",
            "samples_per_second",
            "Samples stored per second.",
            Formula::Rate { counters: &["samples_total"] },
        )
        .headline(),
    ],
    display: &["host"],
};

/// How the newest poll of each target went.
pub static TARGET: Kind = Kind {
    name: "target",
    help: "An address that is polled at one interval, and how its newest poll went.",
    identity: &[Key { name: "target", help: "Name of the target, source/name." }],
    attributes: &[
        Attribute::new("source", AttributeType::Text, "The source that polls it."),
        Attribute::new("host", AttributeType::Text, "Its name in the configuration."),
        Attribute::new("address", AttributeType::Text, "Where it is polled, without credentials."),
        Attribute::new("interval_seconds", AttributeType::Number, "Time from one poll to the next."),
    ],
    columns: &[
        Column::gauge("up", "up", "", 0, "1 when the newest poll was good, else 0.").headline(),
        Column::gauge("duration_seconds", "duration_ms", "seconds", 3, "How long the newest poll took.")
            .headline()
            .not_additive(),
        Column::gauge("bytes", "bytes", "bytes", 0, "Bytes of reply bodies in the newest poll.").headline(),
        Column::gauge("samples", "samples", "", 0, "Samples that the newest poll took.").headline(),
        Column::gauge(
            "clock_offset_seconds",
            "clock_offset_ms",
            "seconds",
            3,
            "The target's clock minus the recorder's, as taken off its times; 0 while they agree.",
        )
        .not_additive(),
    ],
    derived: &[],
    display: &["target"],
};

/// What a recorder needs to know of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its host: the machine's name as first stored.
    pub host: String,
}

impl Settings {
    /// The name of the target that this recorder is.
    pub fn target(&self) -> TargetName {
        TargetName::new(SOURCE, &self.host)
    }
}

/// What the running parts count, shared by all of them. Every counter begins with the process.
#[derive(Debug)]
pub struct Vitals {
    started: Timestamp,
    polls: AtomicU64,
    ticks_skipped: AtomicU64,
    snapshots_dropped: AtomicU64,
    samples: AtomicU64,
    duplicate_samples: AtomicU64,
    events: AtomicU64,
    commits: AtomicU64,
    commit_ms: AtomicU64,
    commit_failures: AtomicU64,
    queue_length: AtomicU64,
    file_bytes: AtomicU64,
    wal_bytes: AtomicU64,
    targets: Mutex<BTreeMap<TargetName, TargetVitals>>,
}

/// What is told of a target besides its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Where it is polled, without credentials.
    pub address: String,
    /// Its polling interval.
    pub interval: Duration,
}

/// The numbers of one poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollVitals {
    /// Whether it was good.
    pub up: bool,
    /// How long it took.
    pub duration_ms: i64,
    /// Bytes of reply bodies.
    pub bytes: u64,
    /// Samples it took.
    pub samples: u64,
    /// The target's clock minus ours that was taken off its times.
    pub clock_offset_ms: i64,
}

/// What one commit of the writer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommitVitals {
    /// Samples kept.
    pub samples: u64,
    /// Samples left out as told before.
    pub duplicate_samples: u64,
    /// Events kept.
    pub events: u64,
    /// How long it took.
    pub duration_ms: u64,
}

#[derive(Debug)]
struct TargetVitals {
    about: About,
    newest: Option<PollVitals>,
}

impl Vitals {
    /// All zero, of a process that started at `started`.
    pub fn new(started: Timestamp) -> Self {
        Vitals {
            started,
            polls: AtomicU64::new(0),
            ticks_skipped: AtomicU64::new(0),
            snapshots_dropped: AtomicU64::new(0),
            samples: AtomicU64::new(0),
            duplicate_samples: AtomicU64::new(0),
            events: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            commit_ms: AtomicU64::new(0),
            commit_failures: AtomicU64::new(0),
            queue_length: AtomicU64::new(0),
            file_bytes: AtomicU64::new(0),
            wal_bytes: AtomicU64::new(0),
            targets: Mutex::new(BTreeMap::new()),
        }
    }

    /// A target is polled from now on, or is known better.
    pub fn target_added(&self, target: &TargetName, about: About) {
        let mut targets = self.targets();
        let newest = targets.get(target).and_then(|known| known.newest);
        targets.insert(target.clone(), TargetVitals { about, newest });
    }

    /// A target is polled no more.
    pub fn target_removed(&self, target: &TargetName) {
        self.targets().remove(target);
    }

    /// A visit ended.
    pub fn polled(&self, target: &TargetName, poll: PollVitals) {
        self.polls.fetch_add(1, Ordering::Relaxed);
        if let Some(known) = self.targets().get_mut(target) {
            known.newest = Some(poll);
        }
    }

    /// A tick found the visit before still running.
    pub fn tick_skipped(&self) {
        self.ticks_skipped.fetch_add(1, Ordering::Relaxed);
    }

    /// A snapshot was dropped.
    pub fn snapshot_dropped(&self) {
        self.snapshots_dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// The writer committed.
    pub fn committed(&self, commit: CommitVitals) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.commit_ms.fetch_add(commit.duration_ms, Ordering::Relaxed);
        self.samples.fetch_add(commit.samples, Ordering::Relaxed);
        self.duplicate_samples.fetch_add(commit.duplicate_samples, Ordering::Relaxed);
        self.events.fetch_add(commit.events, Ordering::Relaxed);
    }

    /// A commit failed after so long.
    pub fn commit_failed(&self, duration_ms: u64) {
        self.commit_failures.fetch_add(1, Ordering::Relaxed);
        self.commit_ms.fetch_add(duration_ms, Ordering::Relaxed);
    }

    /// So many snapshots wait for the writer.
    pub fn set_queue_length(&self, length: usize) {
        self.queue_length.store(u64::try_from(length).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The store's file is that large.
    pub fn set_file_size(&self, file_bytes: u64, wal_bytes: u64) {
        self.file_bytes.store(file_bytes, Ordering::Relaxed);
        self.wal_bytes.store(wal_bytes, Ordering::Relaxed);
    }

    /// Snapshots dropped since the start.
    pub fn snapshots_dropped(&self) -> u64 {
        self.snapshots_dropped.load(Ordering::Relaxed)
    }

    /// Ticks skipped since the start.
    pub fn ticks_skipped(&self) -> u64 {
        self.ticks_skipped.load(Ordering::Relaxed)
    }

    /// Snapshots that wait for the writer.
    pub fn queue_length(&self) -> u64 {
        self.queue_length.load(Ordering::Relaxed)
    }

    fn targets(&self) -> MutexGuard<'_, BTreeMap<TargetName, TargetVitals>> {
        // Whoever panicked while holding the lock left a map of plain numbers, whole in every state.
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
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

/// This process as the kernel sees it. What cannot be read stays unknown.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    cpu_ms: Option<u64>,
    memory_rss_bytes: Option<u64>,
    memory_max_rss_bytes: Option<u64>,
    open_files: Option<u64>,
}

impl Process {
    fn read(proc: &Path) -> Self {
        let text = |name: &str| fs::read_to_string(proc.join(name)).ok();
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        let page_bytes = u64::try_from(rustix::param::page_size()).ok();
        Process {
            cpu_ms: text("stat").and_then(|stat| cpu_ms(&stat, ticks_per_second)),
            memory_rss_bytes: text("statm").zip(page_bytes).and_then(|(statm, page)| rss_bytes(&statm, page)),
            memory_max_rss_bytes: text("status").and_then(|status| max_rss_bytes(&status)),
            open_files: fs::read_dir(proc.join("fd")).ok().and_then(|entries| u64::try_from(entries.count()).ok()),
        }
    }
}

/// User and system time: fields 14 and 15 of proc_pid_stat(5). The name in field 2 may hold blanks and brackets.
fn cpu_ms(stat: &str, ticks_per_second: u64) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)?.checked_mul(1000)?.checked_div(ticks_per_second)
}

/// Field 2 of statm, in pages.
fn rss_bytes(statm: &str, page_bytes: u64) -> Option<u64> {
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(page_bytes)
}

fn max_rss_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Milliseconds as a counter takes them.
pub fn counted_ms(duration: Duration) -> u64 {
    u64::try_from(duration_ms(duration)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_files_are_read_as_the_kernel_writes_them() {
        let stat = "4242 (a (odd) name) S 1 4242 4242 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 1000 1 2 3";
        assert_eq!(cpu_ms(stat, 100), Some(3000));
        assert_eq!(cpu_ms("4242 (name) S 1", 100), None);
        assert_eq!(cpu_ms(stat, 0), None);
        assert_eq!(rss_bytes("5000 1200 800 10 0 900 0\n", 4096), Some(4_915_200));
        assert_eq!(rss_bytes("", 4096), None);
        assert_eq!(max_rss_bytes("Name:\tx\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n"), Some(12_641_280));
        assert_eq!(max_rss_bytes("Name:\tx\n"), None);
    }

    #[test]
    fn a_process_that_cannot_be_read_is_unknown_not_zero() {
        let directory = tempfile::tempdir().unwrap();
        let unknown = Process { cpu_ms: None, memory_rss_bytes: None, memory_max_rss_bytes: None, open_files: None };
        assert_eq!(Process::read(directory.path()), unknown);
    }

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
        let (sample, _) = observed(&vitals);
        assert_eq!(sample.since, Some(Timestamp::from_ms(1000)));
        assert_eq!(sample.values.len(), RECORDER.columns.len());
        for (name, expected) in [
            ("samples_total", 14),
            ("duplicate_samples_total", 2),
            ("events_total", 4),
            ("commits_total", 2),
            ("commit_seconds_total", 60),
            ("ticks_skipped_total", 1),
            ("queue_length", 9),
            ("snapshots_dropped_total", 0),
        ] {
            let index = RECORDER.column_index(name).unwrap();
            assert_eq!(sample.values[index], Value::Int(expected), "{name}");
        }
        let rss = RECORDER.column_index("memory_rss_bytes").unwrap();
        assert!(sample.values[rss].int().unwrap() > 0);
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
