//! Everything that is closed sealed and merged now, and the file built anew without unused room.
//!
//! The same steps as upkeep takes, without its pauses: for a file that nobody records into. Stopped or killed, the file
//! is whole: each step is a transaction, and so is the building. Must not know: how the steps are done.

use std::ops::ControlFlow;

use super::read::During;
use super::{Sqlite, queries};
use crate::model::Timestamp;
use crate::store::{Compacted, Limits, OnProgress, Progress, StoreError};

const OPERATION: &str = "build the file anew";

pub(super) fn run(store: &Sqlite, now: Timestamp, progress: OnProgress<'_>) -> Result<Compacted, StoreError> {
    let mut step = |step, done| match progress(Progress { step, done, whole: 0 }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(StoreError::Stopped),
    };
    let empty_log = || -> Result<(), StoreError> {
        store.writer()?.connection.query_row(queries::LOG_EMPTY, [], |_| Ok(())).during("empty the log")
    };
    empty_log()?;
    let mut compacted = Compacted { bytes_before: store.size().file_bytes, ..Compacted::default() };
    loop {
        // Nothing is too old and nothing too much: what goes is for the recorder's configuration to say.
        let done = store.upkeep(now, &Limits::default())?;
        compacted.sealed_samples = compacted.sealed_samples.saturating_add(done.sealed_samples);
        compacted.merged_blocks = compacted.merged_blocks.saturating_add(done.merged_blocks);
        if !done.more {
            break;
        }
        if compacted.merged_blocks == 0 {
            step("sealing samples", compacted.sealed_samples)?;
        } else {
            step("merging blocks", compacted.merged_blocks)?;
        }
    }
    step("building the file anew", 0)?;
    store.writer()?.connection.execute_batch(queries::FILE_REBUILD).during(OPERATION)?;
    empty_log()?;
    compacted.bytes_after = store.size().file_bytes;
    Ok(compacted)
}
