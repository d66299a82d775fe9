//! A recording made beforehand: the generated fleet in a file, put there in bulk, and the commands that work on files.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use tachograph::model::{
    Attributes, Column, Identity, Key, Kind, KindBatch, Observation, Outcome, Poll, Sample, Snapshot, TargetName,
    Timestamp, Value,
};
use tachograph::source::{KINDS, kind};
use tachograph::store::sqlite::Sqlite;
use tachograph::store::{ForeignSample, Import, Store};

use super::time::now_ms;

#[path = "../../../src/store/conformance/fleet.rs"]
mod generated;

/// Rounds that are put into the file at once.
const ROUNDS_A_BATCH: i64 = 500;

/// A fleet of containers and how long it was watched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    pub(crate) hosts: usize,
    pub(crate) containers_a_host: usize,
    pub(crate) interval_ms: i64,
    pub(crate) start_ms: i64,
    pub(crate) rounds: i64,
}

impl Watched {
    fn fleet(&self) -> generated::Fleet {
        let start = Timestamp::from_ms(self.start_ms);
        let kind = kind("container").unwrap();
        generated::Fleet::new(kind, 11, self.hosts, self.containers_a_host, start, self.interval_ms)
    }

    /// Records it poll by poll.
    pub(crate) fn record(&self, path: &Path) {
        let store = Sqlite::open(path, KINDS).unwrap();
        let mut fleet = self.fleet();
        for _ in 0..self.rounds {
            store.append(&fleet.round()).unwrap();
        }
    }

    /// Puts it into a file in bulk, straight into blocks. Gives the number of samples.
    pub(crate) fn import(&self, path: &Path) -> u64 {
        let kind = kind("container").unwrap();
        let store = Store::Sqlite(Sqlite::open(path, KINDS).unwrap());
        let mut fleet = self.fleet();
        let import = Import {
            kind,
            attributes: &["name"],
            interval_ms: Some(self.interval_ms),
            now: Timestamp::from_ms(now_ms()),
        };
        let (mut samples, mut batch) = (0, Vec::new());
        let mut known = std::collections::HashMap::new();
        for round in 1..=self.rounds {
            for batch_of_kind in fleet.round().into_iter().flat_map(|snapshot| snapshot.batches) {
                for seen in batch_of_kind.observations {
                    if let Some(attributes) = seen.attributes {
                        known.insert(seen.identity.clone(), Arc::new(attributes));
                    }
                    let attributes = known.get(&seen.identity).cloned().unwrap_or_default();
                    let sample = seen.sample.unwrap();
                    batch.push(ForeignSample { identity: seen.identity, attributes, sample });
                }
            }
            if round % ROUNDS_A_BATCH == 0 || round == self.rounds {
                samples += store.import(&import, std::mem::take(&mut batch)).unwrap().samples;
            }
        }
        store.end_import(kind).unwrap();
        samples
    }
}

/// Runs a command of the program on a file.
pub(crate) fn tachograph(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// A command of the program, to be started.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tachograph"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// What a command printed that went well.
#[track_caller]
pub(crate) fn printed(arguments: &[&str]) -> String {
    let done = tachograph(arguments);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{arguments:?}: {}\n{told}", done.status);
    String::from_utf8(done.stdout).unwrap()
}

/// What a command told on standard error that failed with exit code 1.
#[track_caller]
pub(crate) fn refused(arguments: &[&str]) -> String {
    let done = tachograph(arguments);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{arguments:?}: {told}");
    told
}
