//! Upkeep killed in the middle of its work, by SIGKILL: the file opens and is sound, samples are to the byte what they
//! were, and hours say what samples said.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tachograph::model::{TimeRange, Timestamp};
use tachograph::source::KINDS;
use tachograph::store::Store;
use tachograph::store::sqlite::Sqlite;

use crate::harness::random::Random;
use crate::harness::recording::{Watched, command, printed};
use crate::harness::time::{monotonic_ms, now_ms, wait_for};
use crate::harness::{Recorder, machine, reaper};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What was recorded long ago, all of it: longer than the four weeks that rolled-up days are merged by.
const WATCHED: Watched = Watched { hosts: 2, containers_a_host: 4, interval_ms: 600_000, start_ms: 0, rounds: 0 };
const DAYS: i64 = 44;

/// Questions that hours answer.
const QUESTIONS: [&[&str]; 3] = [
    &["step=1h", "coverage=1"],
    &["step=1d", "fields=cpu_cores,memory_working_set_bytes", "agg=avg,max,p99", "tz=Europe/Berlin"],
    &["step=all", "fields=cpu_usage_seconds_total,network_receive_bytes_total", "top=3"],
];

#[test]
fn ten_kills_while_everything_is_packed_change_nothing() {
    let _together = machine::shared();
    kill_packing(10);
}

#[test]
#[ignore = "takes many minutes; run it by hand"]
fn two_hundred_kills_while_everything_is_packed_change_nothing() {
    let _together = machine::shared();
    kill_packing(200);
}

#[test]
fn three_kills_of_a_recorder_that_keeps_up_lose_nothing_that_is_to_be_kept() {
    let _together = machine::shared();
    kill_keeping_up(3);
}

#[test]
#[ignore = "takes many minutes; run it by hand"]
fn two_hundred_kills_of_a_recorder_that_keeps_up_lose_nothing_that_is_to_be_kept() {
    let _together = machine::shared();
    kill_keeping_up(200);
}

/// A file that nobody has looked after yet, and what it tells.
struct Origin {
    store: PathBuf,
    start_ms: i64,
    end_ms: i64,
    samples: Vec<u8>,
    hours: Vec<String>,
}

impl Origin {
    /// Weeks put in at once, of which nothing is rolled up, and some days after them poll by poll, of which
    /// nothing is sealed.
    fn make(days_in_journal: i64) -> Origin {
        let store = reaper::directory().join("store.db");
        let end_ms = now_ms().div_euclid(DAY_MS) * DAY_MS;
        let (start_ms, journal_ms) = (end_ms - DAYS * DAY_MS, end_ms - days_in_journal * DAY_MS);
        let rounds = |ms: i64| ms / WATCHED.interval_ms;
        Watched { start_ms, rounds: rounds(journal_ms - start_ms), ..WATCHED }.import(&store);
        Watched { start_ms: journal_ms, rounds: rounds(end_ms - journal_ms), ..WATCHED }.record(&store);
        let mut origin = Origin { store, start_ms, end_ms, samples: Vec::new(), hours: Vec::new() };
        origin.samples = origin.samples_of(&origin.store, start_ms);
        origin.hours = origin.hours_of(&origin.store);
        origin
    }

    fn copy(&self) -> PathBuf {
        let store = reaper::directory().join("store.db");
        fs::copy(&self.store, &store).unwrap();
        store
    }

    /// All samples from an instant on, as CSV.
    fn samples_of(&self, store: &Path, start_ms: i64) -> Vec<u8> {
        let range = [format!("start={start_ms}"), format!("end={}", self.end_ms + DAY_MS)];
        let csv = store.with_extension("csv");
        let [store, to] = [store, &csv].map(|path| path.to_str().unwrap());
        printed(&["export", "container", &range[0], &range[1], "attributes=all", "--store", store, "--output", to]);
        fs::read(&csv).unwrap()
    }

    /// The answers that hours give, as CSV.
    fn hours_of(&self, store: &Path) -> Vec<String> {
        let range = [format!("start={}", self.start_ms), format!("end={}", self.end_ms)];
        let ask = |question: &[&str]| {
            let store = ["--format", "csv", "--store", store.to_str().unwrap()];
            printed(&[&["query", "container", &range[0], &range[1]], question, &store].concat())
        };
        QUESTIONS.iter().map(|question| ask(question)).collect()
    }

    /// Whether upkeep has come to its end in a file: what is older than an instant is gone, the last thing that it does.
    fn is_kept_up(&self, store: &Path, gone_ms: i64) -> bool {
        let store = Store::Sqlite(Sqlite::open_read_only(store, KINDS).unwrap());
        let gone = TimeRange::new(Timestamp::from_ms(self.start_ms), Timestamp::from_ms(gone_ms)).unwrap();
        let targets = store.targets().unwrap();
        targets.iter().all(|target| store.polls(&target.target, gone).unwrap().inside.is_empty())
    }

    /// A file is sound and tells what this one does, samples from an instant on.
    #[track_caller]
    fn assert_same(&self, store: &Path, start_ms: i64, about: &str) {
        let samples = self.samples_of(store, start_ms);
        let expected = if start_ms == self.start_ms { None } else { Some(self.samples_of(&self.store, start_ms)) };
        assert!(samples == *expected.as_ref().unwrap_or(&self.samples), "{about}: samples differ: {}", store.display());
        for ((question, expected), given) in QUESTIONS.iter().zip(&self.hours).zip(self.hours_of(store)) {
            let at = expected.lines().zip(given.lines()).find(|(expected, given)| expected != given);
            assert!(*expected == given, "{about}: {question:?}: {at:?}: {}", store.display());
        }
    }
}

/// How far upkeep is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    journal_samples: u64,
    small_blocks: u64,
    merged_blocks: u64,
    rollups: u64,
    rollup_hours: u64,
    polls: u64,
}

impl State {
    /// Opens a file and looks at every page and block of it.
    #[track_caller]
    fn of(store: &Path) -> State {
        let opened = Store::Sqlite(Sqlite::open_read_only(store, KINDS).unwrap());
        let report = opened.check(&mut |_| ControlFlow::Continue(())).unwrap();
        assert!(report.is_sound(), "{}: {:#?}", store.display(), report.faults);
        let stats = opened.stats(&mut |_| ControlFlow::Continue(())).unwrap();
        let containers = stats.kinds.iter().find(|kind| kind.kind.name == "container").unwrap();
        State {
            journal_samples: containers.journal.samples,
            small_blocks: containers.small_blocks.count,
            merged_blocks: containers.merged_blocks.count,
            rollups: report.rollups,
            rollup_hours: report.rollup_hours,
            polls: report.polls,
        }
    }

    /// The work that was going on, as far as it can be told from what was done and what was not.
    fn phase(&self, origin: &State, done: &State) -> &'static str {
        match self {
            state if state == origin => "before the first step",
            state if state.journal_samples > 0 => "sealing",
            state if state.small_blocks > done.small_blocks => "merging blocks",
            state if state.rollup_hours < done.rollup_hours => "rolling up",
            state if state.rollups > done.rollups => "merging rollups",
            _ => "after the last step",
        }
    }
}

fn kill_packing(kills: u32) {
    let origin = Origin::make(6);
    let begun = State::of(&origin.store);
    let packed = origin.copy();
    let began_ms = monotonic_ms();
    printed(&["compact", "--store", packed.to_str().unwrap()]);
    let whole_ms = u64::try_from(monotonic_ms() - began_ms).unwrap();
    let done = State::of(&packed);
    assert!(begun.journal_samples > 0 && done.journal_samples == 0, "{begun:?} {done:?}");
    assert!(begun.rollups == 0 && done.rollup_hours > 8 * 24 * 40, "{begun:?} {done:?}");
    origin.assert_same(&packed, origin.start_ms, "packed without a kill");

    let mut random = Random::new("kill while everything is packed");
    let mut phases = std::collections::BTreeMap::<&str, u32>::new();
    let mut store = origin.copy();
    for kill in 0..kills {
        let mut child =
            command(&["compact", "--store", store.to_str().unwrap()]).stdout(Stdio::null()).spawn().unwrap();
        reaper::watch(child.id());
        // Every other one early, so that sealing and merging, which are quick, are met too.
        let reach_ms = if kill % 2 == 0 { whole_ms / 8 } else { whole_ms * 2 / 3 };
        std::thread::sleep(Duration::from_millis(random.below(reach_ms)));
        let _ = child.kill();
        let ended = child.wait().unwrap();
        reaper::forget(child.id());
        let state = State::of(&store);
        let phase = if ended.success() { "after the end" } else { state.phase(&begun, &done) };
        *phases.entry(phase).or_default() += 1;
        origin.assert_same(&store, origin.start_ms, &format!("kill {kill}, {phase}"));
        if ended.success() || kill % 4 == 3 {
            // What is done after kills is what is done without.
            finish(&origin, &store, done);
            store = origin.copy();
        }
    }
    finish(&origin, &store, done);
    machine::say(&format!("{kills} kills of a compact that takes {whole_ms} ms alone: {phases:?}"));
    let at_work: u32 = ["sealing", "merging blocks", "rolling up", "merging rollups"]
        .iter()
        .filter_map(|phase| phases.get(phase))
        .sum();
    assert!(at_work * 3 >= kills, "most kills missed the work: {phases:?}");
}

/// What is left is done now, and comes to the same.
#[track_caller]
fn finish(origin: &Origin, store: &Path, done: State) {
    printed(&["compact", "--store", store.to_str().unwrap()]);
    assert_eq!(State::of(store), done, "{}", store.display());
    origin.assert_same(store, origin.start_ms, "finished");
}

/// Days of samples that the recorder is to keep.
const KEPT_DAYS: i64 = 30;

fn kill_keeping_up(kills: u32) {
    let origin = Origin::make(1);
    let begun = State::of(&origin.store);
    // The recorder takes what is older than this; from a day later on all is kept, however long this takes.
    let gone_ms = now_ms() - KEPT_DAYS * DAY_MS;
    let kept_ms = gone_ms + DAY_MS;
    let mut random = Random::new("kill a recorder that keeps up");
    let mut killed = 0;
    let mut states = Vec::new();
    while killed < kills {
        let store = origin.copy();
        let config = format!("[source.host]\nenabled = false\n[retention]\nsamples = \"{KEPT_DAYS}d\"\n");
        let mut recorder = Recorder::start_in(store.parent().unwrap(), &config, None);
        let mut is_done = false;
        while killed < kills && !is_done {
            // Upkeep begins two seconds after the start.
            std::thread::sleep(Duration::from_millis(1_500 + random.below(4_000)));
            recorder.kill();
            killed += 1;
            let state = State::of(&store);
            origin.assert_same(&store, kept_ms, &format!("kill {killed}"));
            is_done = origin.is_kept_up(&store, gone_ms);
            states.push(state);
            recorder = Recorder::start_in(store.parent().unwrap(), &config, None);
        }
        wait_for("upkeep to end", Duration::from_secs(240), || origin.is_kept_up(&store, gone_ms).then_some(()));
        drop(recorder);
        origin.assert_same(&store, kept_ms, "kept up with");
    }
    let changes = states.windows(2).filter(|pair| pair[0] != pair[1]).count();
    machine::say(&format!("{kills} kills of a recorder that keeps up; {changes} lives changed something"));
    assert!(states.iter().any(|state| *state != begun), "no life kept up at all: {states:?}");
}
