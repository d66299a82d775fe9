//! The recording that commands are about: opened read-only, beside a running recorder or without one, or to be worked on.
//!
//! Must not know: what is asked of it.

use std::path::{Path, PathBuf};

use super::check_config::planned;
use super::{CliError, Question};
use crate::app::load_config_with_kept_name;
use crate::app::targets::Planned;
use crate::model::Kind;
use crate::model::time::duration_ms;
use crate::query::request::kind_named;
use crate::source::KINDS;
use crate::store::Store;
use crate::store::sqlite::Sqlite;

/// The interval assumed of a kind that the configuration does not poll: the configuration's default.
const INTERVAL_MS: i64 = 10_000;

/// The recording that a question about several kinds is about.
pub(super) fn open_store(config: Option<&Path>, store: Option<&Path>) -> Result<Store, CliError> {
    open(&path_of(config, store)?)
}

/// Where the recording is: the file named, else the configuration's.
pub(super) fn path_of(config: Option<&Path>, store: Option<&Path>) -> Result<PathBuf, CliError> {
    match store {
        Some(path) => Ok(path.to_owned()),
        None => Ok(load_config_with_kept_name(config).map_err(CliError::Config)?.0.store_path),
    }
}

/// Opens a recording to work on its file, as its only user.
pub(super) fn open_to_work(path: &Path) -> Result<Store, CliError> {
    if !path.exists() {
        return Err(CliError::NoRecording { path: path.to_owned() });
    }
    Ok(Store::Sqlite(Sqlite::open(path, KINDS).map_err(CliError::of_work)?))
}

fn open(path: &Path) -> Result<Store, CliError> {
    if !path.exists() {
        return Err(CliError::NoRecording { path: path.to_owned() });
    }
    Ok(Store::Sqlite(Sqlite::open_read_only(path, KINDS)?))
}

/// A recording and the kind that is asked for.
pub(super) struct Recording {
    pub(super) store: Store,
    pub(super) kind: &'static Kind,
    planned: Vec<Planned>,
}

impl Recording {
    /// Opens what the question is about.
    pub(super) fn open(config: Option<&Path>, question: &Question) -> Result<Recording, CliError> {
        let kind = kind_named(KINDS, &question.kind)?;
        let (config, machine_name) = load_config_with_kept_name(config).map_err(CliError::Config)?;
        let store = open(question.store.as_deref().unwrap_or(&config.store_path))?;
        Ok(Recording { store, kind, planned: planned(&config, machine_name) })
    }

    /// The shortest interval at which the kind is polled.
    pub(super) fn interval_ms(&self) -> i64 {
        let fills = |planned: &&Planned| planned.kinds.iter().any(|kind| kind.name == self.kind.name);
        let intervals = self.planned.iter().filter(fills).map(|planned| duration_ms(planned.target.interval));
        intervals.min().unwrap_or(INTERVAL_MS)
    }
}
