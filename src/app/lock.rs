//! One recorder a file: a lock beside the store, held as long as the process lives, whatever ends it.
//!
//! A file of its own, because closing any handle of the database would let go of SQLite's locks on it. Must not
//! know: what the store keeps.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::AppError;

/// A process id, as text, is shorter.
const HOLDER_BYTES_MAX: u64 = 32;

/// The lock of a store's file.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock of the store at `path`, or says who has it.
    pub(super) fn take(path: &Path) -> Result<FileLock, AppError> {
        let lock_path = lock_path(path);
        let of_lock = |cause| AppError::Lock { path: lock_path.clone(), cause };
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&lock_path).map_err(of_lock)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(AppError::InUse { path: path.to_owned(), holder: holder(&mut file) });
            }
            Err(errno) => return Err(of_lock(errno.into())),
        }
        // Who has it is only told to people; the lock itself is the kernel's.
        let told = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        told.map_err(of_lock)?;
        Ok(FileLock { _file: file })
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".lock");
    name.into()
}

fn holder(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.take(HOLDER_BYTES_MAX).read_to_string(&mut text).ok()?;
    let pid = text.trim();
    (!pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit())).then(|| pid.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_recorder_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let first = FileLock::take(&path).unwrap();
        let refused = FileLock::take(&path).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(refused.contains("a.db is in use by another recorder"), "{refused}");
        assert!(refused.contains(&format!("(process {pid})")), "{refused}");
        drop(first);
        FileLock::take(&path).unwrap();
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let refused = FileLock::take(&directory.path().join("none/a.db")).unwrap_err().to_string();
        assert!(refused.contains("none/a.db.lock: its directory must exist"), "{refused}");
    }
}
