//! `import KIND FILE`: samples from a CSV as `export` and `/samples` write it, into a recording.
//!
//! Must not know: how a line is read, how samples are kept.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use csv::StringRecord;
use flate2::read::MultiGzDecoder;

use super::recording::path_of;
use super::watch::Watch;
use super::{CliError, Which};
use crate::clock::Clock;
use crate::config::parse_duration;
use crate::model::time::duration_ms;
use crate::model::{Kind, Timestamp};
use crate::query::import::{Line, LineReader};
use crate::query::request::kind_named;
use crate::source::KINDS;
use crate::store::sqlite::Sqlite;
use crate::store::{ForeignSample, Import, Imported, Progress, Store, StoreError};

/// Numbers that are held before they are put into the recording: some 60 MB. More make larger blocks at once, where
/// lines are in the order of their times.
const NUMBERS_A_BATCH: usize = 3_000_000;

/// Bad lines that are told one by one; of more only the number.
const BAD_LINES_TOLD_MAX: u64 = 20;

/// Lines between two looks at the progress.
const LINES_A_STEP: u64 = 1000;

/// The first bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The kind, such as container or host.
    kind: String,
    /// The CSV file, compressed by gzip or not.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The interval at which the samples were polled, such as 30s; without it, what their distances tell.
    #[arg(long, value_name = "DURATION", value_parser = parse_interval)]
    interval: Option<Duration>,
    #[command(flatten)]
    which: Which,
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text).filter(|interval| !interval.is_zero());
    interval.ok_or_else(|| "write a whole number and a unit: 10s, 500ms, 5m".to_owned())
}

pub(super) fn run(config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let kind = kind_named(KINDS, &arguments.kind)?;
    let of_file = |cause| CliError::Input { path: arguments.file.clone(), cause };
    let file = File::open(&arguments.file).map_err(of_file)?;
    let whole = file.metadata().map_err(of_file)?.len();
    let read = Arc::new(AtomicU64::new(0));
    let mut bytes = BufReader::new(Counted { file, read: Arc::clone(&read) });
    let is_gzip = bytes.fill_buf().map_err(of_file)?.starts_with(&GZIP);
    let bytes: Box<dyn Read> = if is_gzip { Box::new(MultiGzDecoder::new(bytes)) } else { Box::new(bytes) };
    let mut lines = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut header = StringRecord::new();
    lines.read_record(&mut header).map_err(|error| of_file(error.into()))?;
    let names = header.iter().enumerate();
    let names = names.map(|(index, name)| if index == 0 { name.trim_start_matches('\u{feff}') } else { name });
    let reader =
        LineReader::new(kind, names).map_err(|message| CliError::Header { path: arguments.file.clone(), message })?;

    let path = path_of(config, arguments.which.store.as_deref())?;
    let store = Store::Sqlite(Sqlite::open(&path, KINDS).map_err(CliError::of_work)?);
    let mut watch = Watch::start()?;
    for name in reader.unknown() {
        watch.tell(&format!("{}: {} has no column {name}: it is passed over", arguments.file.display(), kind.name));
    }
    let now = Clock::System.now();
    let mut taking = Taking {
        store: &store,
        kind,
        interval_ms: arguments.interval.map(duration_ms),
        now,
        numbers_a_batch: NUMBERS_A_BATCH,
        samples: Vec::new(),
        imported: Imported::default(),
        bad_lines: 0,
        reader,
    };
    let ended = taking.take_all(&mut lines, &mut |news| match news {
        News::Line { number, why } => {
            watch.tell(&format!("line {number}: {why}"));
            ControlFlow::Continue(())
        }
        News::Far => {
            let done = read.load(Ordering::Relaxed).min(whole);
            watch.on(Progress { step: "importing", done, whole })
        }
    });
    // What came before a failure is kept, and its ends are found.
    let closed = store.end_import(kind).map_err(CliError::of_work);
    drop(watch);
    let imported = taking.imported;
    let mut out = io::stdout().lock();
    write!(out, "{}: {} samples imported", path.display(), imported.samples)?;
    let others = [
        (imported.duplicate_samples, "were there already"),
        (imported.too_old_samples, "are older than what retention keeps"),
        (imported.versions_left_out, "changes of attributes were too many in an hour"),
        (taking.bad_lines, "lines cannot be read"),
    ];
    for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
        write!(out, ", {count} {what}")?;
    }
    writeln!(out)?;
    ended.map_err(|ended| match ended {
        Ended::Input(cause) => of_file(cause),
        Ended::Store(cause) => CliError::of_work(cause),
    })?;
    closed?;
    if taking.bad_lines > 0 {
        return Err(CliError::BadLines { path: arguments.file.clone(), bad_lines: taking.bad_lines });
    }
    Ok(())
}

/// Why an import ended early.
#[derive(Debug)]
enum Ended {
    Input(io::Error),
    Store(StoreError),
}

/// What there is to tell while lines are taken.
enum News<'a> {
    /// A line cannot be read.
    Line { number: u64, why: &'a str },
    /// Some more lines were read.
    Far,
}

/// Told while lines are taken; stops the work by breaking.
type OnNews<'a> = &'a mut dyn FnMut(News<'_>) -> ControlFlow<()>;

/// Lines on their way into the recording.
struct Taking<'a> {
    store: &'a Store,
    kind: &'static Kind,
    interval_ms: Option<i64>,
    now: Timestamp,
    numbers_a_batch: usize,
    samples: Vec<ForeignSample>,
    imported: Imported,
    bad_lines: u64,
    reader: LineReader,
}

impl Taking<'_> {
    fn take_all<R: Read>(&mut self, lines: &mut csv::Reader<R>, news: OnNews<'_>) -> Result<(), Ended> {
        let batch = (self.numbers_a_batch / self.kind.columns.len().max(1)).max(1);
        let mut record = StringRecord::new();
        let mut count = 0_u64;
        // Where lines end with CR LF, the reader stops between the two and counts the line with the next one.
        let behind = u64::from(lines.position().line() == 1);
        let number = |position: Option<&csv::Position>| position.map_or(0, |at| at.line().saturating_add(behind));
        let ended = loop {
            match lines.read_record(&mut record) {
                Ok(true) => {
                    let line = number(record.position());
                    match self.reader.read(record.iter()) {
                        Ok(Line { identity, attributes, sample }) => {
                            self.samples.push(ForeignSample { identity, attributes, sample });
                        }
                        Err(why) => self.bad(line, &why, news),
                    }
                }
                Ok(false) => break Ok(()),
                Err(error) => {
                    let line = number(error.position());
                    match error.into_kind() {
                        csv::ErrorKind::Io(cause) => break Err(Ended::Input(cause)),
                        csv::ErrorKind::Utf8 { .. } => self.bad(line, "it is not UTF-8", news),
                        _ => self.bad(line, "it is not CSV", news),
                    }
                }
            }
            count = count.saturating_add(1);
            if self.samples.len() >= batch {
                self.flush().map_err(Ended::Store)?;
            }
            if count.is_multiple_of(LINES_A_STEP) && news(News::Far).is_break() {
                break Err(Ended::Store(StoreError::Stopped));
            }
        };
        self.flush().map_err(Ended::Store)?;
        ended
    }

    fn bad(&mut self, number: u64, why: &str, news: OnNews<'_>) {
        self.bad_lines = self.bad_lines.saturating_add(1);
        if self.bad_lines <= BAD_LINES_TOLD_MAX {
            // The work goes on whatever the line.
            let _ = news(News::Line { number, why });
        }
        if self.bad_lines == BAD_LINES_TOLD_MAX {
            let _ = news(News::Line { number, why: "from here on, lines that cannot be read are counted only" });
        }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let samples = std::mem::take(&mut self.samples);
        if samples.is_empty() {
            return Ok(());
        }
        let import = Import {
            kind: self.kind,
            attributes: self.reader.attributes(),
            interval_ms: self.interval_ms,
            now: self.now,
        };
        self.imported.add(self.store.import(&import, samples)?);
        Ok(())
    }
}

/// A file that tells how far it was read.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
