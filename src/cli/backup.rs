//! `backup FILE`: a copy of the recording, also of one that is being written.
//!
//! Must not know: how it is copied and checked.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::check::tell;
use super::recording::open_store;
use super::watch::Watch;
use super::{CliError, Which};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The new file. It appears when it is whole and checked; one that exists is not written over.
    #[arg(value_name = "FILE")]
    to: PathBuf,
    #[command(flatten)]
    which: Which,
}

pub(super) fn run(config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let store = open_store(config, arguments.which.store.as_deref())?;
    let mut watch = Watch::start()?;
    let report = store.back_up(&arguments.to, &mut |progress| watch.on(progress)).map_err(CliError::of_work)?;
    drop(watch);
    let mut out = io::stdout().lock();
    writeln!(out, "{}", arguments.to.display())?;
    tell(&mut out, &arguments.to, &report)
}
