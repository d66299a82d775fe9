//! The command line: one file a command, and how failures are told.
//!
//! Must not know: how anything is sampled, stored or answered.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use thiserror::Error;

use crate::answer::AnswerError;
use crate::app::{AppError, Failures};
use crate::config::ConfigFaults;
use crate::query::request::{ParameterError, UnknownKind};
use crate::sql::SqlError;
use crate::store::StoreError;

mod backup;
mod check;
mod check_config;
mod compact;
mod export;
mod import;
mod instants;
mod logging;
mod output;
mod planning;
mod poll;
mod query;
mod recording;
mod serve;
mod sql;
mod stats;
mod table;
mod watch;

/// The exit code of a failure.
pub const FAILURE: u8 = 1;

/// The exit code of a command that was given what it cannot use; clap's own too.
pub const USAGE: u8 = 2;

const EXAMPLES: &str = "\
Examples:
  tachograph                                    record what the default configuration finds
  tachograph serve --config /etc/tachograph.toml
  tachograph check-config --config new.toml     tell every fault, change nothing
  tachograph poll docker/node-1                 visit one target once, store nothing
  tachograph query container start=-6h step=5m group_by=app fields=cpu_cores
  tachograph query container start=-1d step=all top=10 --format json
  tachograph snapshot at=2026-08-21T03:12 kinds=container host=node-1
  tachograph diff around=2026-08-21T03:12 window=30m
  tachograph capacity of=host resource=memory threshold=0.8
  tachograph headroom cpus=0.5 mem=512 instances=20
  tachograph export host start=2026-08-01 end=2026-09-01 --output august.csv
  tachograph sql 'SELECT host, max(memory_usage_bytes) FROM container GROUP BY host'
  tachograph report right_sizing start=-30d margin=0.3
  tachograph backup /mnt/backup/monday.db       also while the recorder runs
  tachograph check --store /mnt/backup/monday.db
  tachograph import host august.csv --store other.db

Parameters of query and export are those of the HTTP API's /range and /samples; those of snapshot, diff, capacity and
headroom those of the paths of these names.";

/// A flight recorder for container clusters: samples engines and hosts, keeps every snapshot in one file, answers
/// with history.
#[derive(Debug, Parser)]
#[command(name = "tachograph", version, after_help = EXAMPLES)]
pub struct Arguments {
    /// The configuration file; without it the built-in default is used.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Record and serve, until SIGINT or SIGTERM (the default). SIGHUP reads the configuration again.
    Serve,
    /// Check the configuration: print every fault with its key, or what would be polled.
    CheckConfig,
    /// Visit targets once and print what they give; nothing is stored.
    Poll(poll::Arguments),
    /// Numbers over time, as the HTTP API's /range gives them.
    Query(query::Arguments),
    /// Everything as it was at an instant, as the HTTP API's /snapshot gives it.
    Snapshot(instants::Arguments),
    /// What differs between two instants, as the HTTP API's /diff gives it.
    Diff(instants::Arguments),
    /// When hosts, agents, clusters or applications will be full, as the HTTP API's /capacity gives it.
    Capacity(instants::Arguments),
    /// How many more instances of a task fit, as the HTTP API's /headroom gives it.
    Headroom(instants::Arguments),
    /// Samples as recorded, as the HTTP API's /samples gives them.
    Export(export::Arguments),
    /// Plain SQL over the recording: each kind is a table; beside them entity, event and poll.
    Sql(sql::SqlArguments),
    /// A report, as the HTTP API's /reports gives it; without a name the list of reports.
    Report(sql::ReportArguments),
    /// Copy the recording to a new file, also while the recorder runs, and check the copy.
    Backup(backup::Arguments),
    /// Look for anything that is wrong with the recording, also while the recorder runs; exit code 1 where there is.
    Check(Which),
    /// Pack everything that is closed and shrink the file; not while the recorder runs.
    Compact(Which),
    /// Take samples from a CSV as export writes it into the recording; not while the recorder runs.
    Import(import::Arguments),
    /// What everything in the recording weighs.
    Stats(stats::Arguments),
}

/// Which recording a command is about.
#[derive(Debug, Args)]
struct Which {
    /// This recording instead of the configuration's store.path.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

/// What query and export are asked.
#[derive(Debug, Args)]
struct Question {
    /// The kind, such as container or host.
    kind: String,
    /// Parameters and filters: start=-6h, step=5m, host=node-1, label.env=prod, …
    #[arg(value_name = "NAME=VALUE", value_parser = parse_pair)]
    parameters: Vec<(String, String)>,
    /// Read this recording instead of the configuration's store.path; a running recorder is not disturbed.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Write to this file, which appears when it is whole; without it to standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    if name.is_empty() {
        return Err("the name before = is missing".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Why a command failed.
#[derive(Debug, Error)]
pub enum CliError {
    /// The configuration has faults.
    #[error("the configuration cannot be used:\n{0}")]
    Config(ConfigFaults),
    /// The recorder cannot run.
    #[error(transparent)]
    App(#[from] AppError),
    /// The log's settings cannot be used.
    #[error("TACHOGRAPH_LOG: {message}; write a level such as info, or tachograph=debug,warn")]
    Log {
        /// What is wrong.
        message: String,
    },
    /// The address cannot be listened on.
    #[error("listen on {address}: stop what listens there, or set server.listen to another address")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// The operating system refused what the program needs to run.
    #[error("{operation}")]
    System {
        /// What was being done.
        operation: &'static str,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// There is no such target.
    #[error("there is no target {name}; targets are {known}")]
    UnknownTarget {
        /// As it was asked for.
        name: String,
        /// All there are.
        known: String,
    },
    /// Targets did not answer well; each was told on its own.
    #[error("{failed} of {polled} targets failed")]
    Polls {
        /// How many failed.
        failed: usize,
        /// How many were polled.
        polled: usize,
    },
    /// There is no such kind.
    #[error("{0}")]
    UnknownKind(#[from] UnknownKind),
    /// A parameter cannot be used.
    #[error("{0}")]
    Parameter(#[from] ParameterError),
    /// There is no recording.
    #[error("there is no recording at {}: name one with --store, or record one with `tachograph serve`", path.display())]
    NoRecording {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The recording cannot be read.
    #[error("read the recording")]
    Store(#[source] Box<StoreError>),
    /// A work on the recording's file failed.
    #[error(transparent)]
    Work(Box<StoreError>),
    /// The recording is not sound; each fault was told on its own.
    #[error("{} has {faults} {}; restore it from a backup, or keep it as it is and export what can be read",
        path.display(), if *faults == 1 { "fault" } else { "faults" })]
    Unsound {
        /// The file.
        path: PathBuf,
        /// How many faults.
        faults: u64,
    },
    /// The question cannot be answered.
    #[error("{0}")]
    Answer(AnswerError),
    /// A statement or a report gives no answer.
    #[error(transparent)]
    Sql(Box<SqlError>),
    /// A file to be imported cannot be read; what came before is kept.
    #[error("read {}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// A file to be imported does not begin as it must.
    #[error("{}: {message}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Lines of an imported file cannot be read; the others were taken.
    #[error("{}: {bad_lines} {} not imported; mend and import the file again: what is there is left out",
        path.display(), if *bad_lines == 1 { "line was" } else { "lines were" })]
    BadLines {
        /// The file.
        path: PathBuf,
        /// How many.
        bad_lines: u64,
    },
    /// The output cannot be written.
    #[error("write {}: nothing was left behind", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// Standard output cannot be written.
    #[error("write to standard output")]
    Write(#[from] io::Error),
}

impl From<AnswerError> for CliError {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Store(cause) => cause.into(),
            other => CliError::Answer(other),
        }
    }
}

impl From<StoreError> for CliError {
    fn from(cause: StoreError) -> Self {
        CliError::Store(Box::new(cause))
    }
}

impl From<SqlError> for CliError {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Parameter(fault) => fault.into(),
            SqlError::Store(cause) => CliError::Store(cause),
            other => CliError::Sql(Box::new(other)),
        }
    }
}

impl CliError {
    /// The failure of a work on the recording's file.
    fn of_work(cause: StoreError) -> CliError {
        CliError::Work(Box::new(cause))
    }

    /// The process's exit code; None: whoever reads the output has gone, which is no failure.
    pub fn exit_code(&self) -> Option<u8> {
        match self {
            CliError::Write(cause) if cause.kind() == io::ErrorKind::BrokenPipe => None,
            CliError::UnknownTarget { .. } | CliError::UnknownKind(_) | CliError::Parameter(_) => Some(USAGE),
            _ => Some(FAILURE),
        }
    }

    /// Tells the error with all its causes on standard error.
    pub fn print(&self) {
        // Nowhere is left to tell that this failed.
        let _ = writeln!(io::stderr().lock(), "tachograph: {}", Failures(self));
    }
}

/// Runs what the arguments say.
pub fn run(arguments: &Arguments) -> Result<(), CliError> {
    let config = arguments.config.as_deref();
    match &arguments.command {
        None | Some(Command::Serve) => serve::run(config),
        Some(Command::CheckConfig) => check_config::run(config),
        Some(Command::Poll(arguments)) => poll::run(config, arguments),
        Some(Command::Query(arguments)) => query::run(config, arguments),
        Some(Command::Snapshot(arguments)) => instants::snapshot(config, arguments),
        Some(Command::Diff(arguments)) => instants::diff(config, arguments),
        Some(Command::Capacity(arguments)) => planning::capacity(config, arguments),
        Some(Command::Headroom(arguments)) => planning::headroom(config, arguments),
        Some(Command::Export(arguments)) => export::run(config, arguments),
        Some(Command::Sql(arguments)) => sql::sql(config, arguments),
        Some(Command::Report(arguments)) => sql::report(config, arguments),
        Some(Command::Backup(arguments)) => backup::run(config, arguments),
        Some(Command::Check(which)) => check::run(config, which),
        Some(Command::Compact(which)) => compact::run(config, which),
        Some(Command::Import(arguments)) => import::run(config, arguments),
        Some(Command::Stats(arguments)) => stats::run(config, arguments),
    }
}

/// Threads that poll and serve. Two do for thousands of containers; each further one has buffers and memory of its own
/// and makes idle ones wake.
const ASYNC_THREADS: usize = 2;

/// A runtime for commands that need one.
fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(ASYNC_THREADS).enable_all().build();
    built.map_err(|cause| CliError::System { operation: "start the asynchronous runtime", cause })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default_and_parameters_are_pairs() {
        let parsed = Arguments::try_parse_from(["tachograph"]).unwrap();
        assert!(parsed.command.is_none());
        let line = ["tachograph", "query", "container", "start=-6h", "app=", "label.a=b=c", "--config", "x"];
        let Some(Command::Query(query)) = Arguments::try_parse_from(line).unwrap().command else { panic!("query") };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(query.question.parameters, [pair("start", "-6h"), pair("app", ""), pair("label.a", "b=c")]);
        let line = ["tachograph", "diff", "around=-2h", "--format", "json"];
        let Some(Command::Diff(diff)) = Arguments::try_parse_from(line).unwrap().command else { panic!("diff") };
        assert_eq!(diff.parameters, [pair("around", "-2h")]);
        let refused = Arguments::try_parse_from(["tachograph", "query", "container", "start"]).unwrap_err();
        assert_eq!(refused.exit_code(), i32::from(USAGE));
        assert!(refused.to_string().contains("name=value"), "{refused}");
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        assert_eq!(CliError::Write(io::ErrorKind::BrokenPipe.into()).exit_code(), None);
        assert_eq!(CliError::Write(io::ErrorKind::StorageFull.into()).exit_code(), Some(FAILURE));
    }
}
