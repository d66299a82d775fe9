//! Copies of a recording, also while a recorder writes it.
//!
//! SQLite's own copying, page by page, from within one read transaction: the copy is the file as it was when that began,
//! and a writer in WAL mode never waits for a reader. (`VACUUM INTO` is as consistent, but builds every table anew for
//! ten times the CPU and cannot tell how far it is.) The copy gets its name when it is whole, on the disk, and checked.
//! Must not know: what is in the file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::read::{self, During};
use super::{FILE_ID, check, open};
use crate::model::Kind;
use crate::store::{CheckReport, Progress, StoreError};

const OPERATION: &str = "copy the recording";

/// Pages between two looks at the progress: 4 MiB.
const PAGES_A_STEP: i32 = 1024;

/// The pause before a step that somebody was in the way of is tried again.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Copies what a connection's transaction sees to a new file. Gives what the check of the copy found; a copy with faults
/// is kept: it is what there is.
pub(super) fn back_up(
    from: &Connection,
    to: &Path,
    kinds: &'static [&'static Kind],
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<CheckReport, StoreError> {
    if to.try_exists().unwrap_or(true) {
        return Err(failed(to, io::Error::from(io::ErrorKind::AlreadyExists)));
    }
    // The transaction has begun once something was read.
    read::meta(from, FILE_ID).during(OPERATION)?;
    let partial = Partial::create(to)?;
    copy(from, &partial.path, progress)?;
    let copied = open::sole_reader(&partial.path)?;
    let report = check::run(&copied, kinds, progress)?;
    copied.close().map_err(|(_, cause)| cause).during(OPERATION)?;
    partial.finish(to).map_err(|cause| failed(to, cause))?;
    Ok(report)
}

fn copy(from: &Connection, to: &Path, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<(), StoreError> {
    let mut copy = Connection::open(to).during(OPERATION)?;
    // Nobody reads it before it is whole, and it is brought to the disk as a whole.
    copy.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(())).during(OPERATION)?;
    copy.pragma_update(None, "synchronous", "OFF").during(OPERATION)?;
    {
        let backup = Backup::new(from, &mut copy).during(OPERATION)?;
        loop {
            let step = backup.step(PAGES_A_STEP).during(OPERATION)?;
            let pages = backup.progress();
            let number = |pages: i32| u64::try_from(pages).unwrap_or(0);
            let whole = number(pages.pagecount);
            let done = whole.saturating_sub(number(pages.remaining));
            if progress(Progress { step: "copying", done, whole }).is_break() {
                return Err(StoreError::Stopped);
            }
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                _ => std::thread::sleep(BUSY_PAUSE),
            }
        }
    }
    copy.close().map_err(|(_, cause)| cause).during(OPERATION)
}

/// The copy while it has no name of its own. Its file goes when this does.
struct Partial {
    path: PathBuf,
    /// Held so that no other run writes into it. None once it was renamed.
    lock: Option<File>,
}

impl Partial {
    /// Takes over what a run that was killed left behind.
    fn create(to: &Path) -> Result<Partial, StoreError> {
        let path = open::companion(to, ".partial");
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|cause| failed(to, cause))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Copy {
                    path: to.to_owned(),
                    advice: "another backup to it is under way; let that one end".to_owned(),
                    cause: None,
                });
            }
            Err(TryLockError::Error(cause)) if cause.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(cause)) => return Err(failed(to, cause)),
        }
        file.set_len(0).map_err(|cause| failed(to, cause))?;
        Ok(Partial { path, lock: Some(file) })
    }

    /// Brings it to the disk and gives it its name, unless somebody else has that by now.
    fn finish(mut self, to: &Path) -> io::Result<()> {
        if let Some(lock) = self.lock.as_ref() {
            lock.sync_all()?;
        }
        match rustix::fs::renameat_with(
            rustix::fs::CWD,
            &self.path,
            rustix::fs::CWD,
            to,
            rustix::fs::RenameFlags::NOREPLACE,
        ) {
            Ok(()) => {}
            // A file system that cannot do both at once.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !to.exists() => fs::rename(&self.path, to)?,
            Err(error) => return Err(error.into()),
        }
        self.lock = None;
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // It may be gone already.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn failed(to: &Path, cause: io::Error) -> StoreError {
    let advice = match cause.kind() {
        io::ErrorKind::AlreadyExists => "it exists, and is not written over; name a new file",
        io::ErrorKind::NotFound => "its directory does not exist; make it, or name another file",
        io::ErrorKind::StorageFull => "the disk is full; free some space, or name a file on another disk",
        _ => "its directory must be writable",
    };
    StoreError::Copy { path: to.to_owned(), advice: advice.to_owned(), cause: Some(cause) }
}

#[cfg(test)]
mod tests;
