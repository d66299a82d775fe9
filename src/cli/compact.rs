//! `compact`: everything that is closed packed now, and the file shrunk.
//!
//! Must not know: how.

use std::io::{self, Write};
use std::path::Path;

use super::recording::{open_to_work, path_of};
use super::watch::Watch;
use super::{CliError, Which};
use crate::clock::Clock;

pub(super) fn run(config: Option<&Path>, which: &Which) -> Result<(), CliError> {
    let path = path_of(config, which.store.as_deref())?;
    let store = open_to_work(&path)?;
    let mut watch = Watch::start()?;
    let done = store.compact(Clock::System.now(), &mut |progress| watch.on(progress)).map_err(CliError::of_work)?;
    drop(watch);
    writeln!(
        io::stdout().lock(),
        "{}: {} samples sealed, {} blocks merged, {} bytes before, {} after",
        path.display(),
        done.sealed_samples,
        done.merged_blocks,
        done.bytes_before,
        done.bytes_after
    )?;
    Ok(())
}
