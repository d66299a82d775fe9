//! Whether a statement may go on: wanted still, in time, within its memory.
//!
//! Asked every few hundred steps of SQLite's machine and before each read of the store. The store's own statements are
//! never held up: SQLite's limit on its heap would fail them too, so the heap is watched instead, and whoever made it
//! grow is ended. Must not know: what is asked.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::module::heap_bytes;
use super::{Bounds, SqlError};
use crate::answer::{AnswerError, Stop};

/// Why a statement was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Ended {
    NotYet,
    Stopped,
    Late,
    Large,
}

/// Watches one statement.
pub(super) struct Watch {
    end: Mutex<End>,
    /// For messages.
    time_seconds: u64,
    memory_bytes: u64,
    /// SQLite's heap when the statement began.
    heap_before: u64,
    /// Bytes that functions of ours hold beside SQLite's heap.
    held: AtomicU64,
    ended: AtomicU8,
    failure: Mutex<Option<SqlError>>,
}

struct End {
    stop: Stop,
    is_late: Box<dyn Fn() -> bool + Send>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("memory_bytes", &self.memory_bytes).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    pub(super) fn new(bounds: Bounds) -> Watch {
        Watch {
            end: Mutex::new(End { stop: bounds.stop, is_late: bounds.is_late }),
            time_seconds: bounds.time_seconds,
            memory_bytes: bounds.memory_bytes,
            heap_before: heap_bytes(),
            held: AtomicU64::new(0),
            ended: AtomicU8::new(Ended::NotYet as u8),
            failure: Mutex::new(None),
        }
    }

    /// Whether the statement has to end.
    pub(super) fn is_over(&self) -> bool {
        let ended = {
            let end = locked(&self.end);
            if end.stop.check().is_err() {
                Ended::Stopped
            } else if (end.is_late)() {
                Ended::Late
            } else if self.memory_used() > self.memory_bytes {
                Ended::Large
            } else {
                return self.ended.load(Ordering::Relaxed) != Ended::NotYet as u8;
            }
        };
        // The first reason is the one that is told.
        let first = (Ended::NotYet as u8, ended as u8);
        let _ = self.ended.compare_exchange(first.0, first.1, Ordering::Relaxed, Ordering::Relaxed);
        true
    }

    fn memory_used(&self) -> u64 {
        heap_bytes().saturating_sub(self.heap_before).saturating_add(self.held.load(Ordering::Relaxed))
    }

    /// Ends the caller's work where the statement has to end.
    pub(super) fn check(&self) -> rusqlite::Result<()> {
        if self.is_over() { Err(interrupted()) } else { Ok(()) }
    }

    /// Takes memory beside SQLite's heap into account.
    pub(super) fn hold(&self, bytes: u64) -> rusqlite::Result<()> {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        self.check()
    }

    /// Gives it back.
    pub(super) fn release(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Keeps a failure of the store, which SQLite can hand on as a text only.
    pub(super) fn fail(&self, error: AnswerError) -> rusqlite::Error {
        locked(&self.failure).get_or_insert(SqlError::from(error));
        interrupted()
    }

    /// Keeps why a statement is refused, which SQLite would not say.
    pub(super) fn refuse(&self, what: String) {
        locked(&self.failure).get_or_insert(SqlError::Refused { what });
    }

    /// Why the statement failed, where that is better known here than to SQLite.
    pub(super) fn reason(&self) -> Option<SqlError> {
        if let Some(failure) = locked(&self.failure).take() {
            return Some(failure);
        }
        let ended = self.ended.load(Ordering::Relaxed);
        if ended == Ended::Stopped as u8 {
            return Some(SqlError::Stopped);
        }
        if ended == Ended::Late as u8 {
            return Some(SqlError::Late { seconds: self.time_seconds });
        }
        (ended == Ended::Large as u8).then_some(SqlError::Large { bytes: self.memory_bytes })
    }
}

fn interrupted() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT), None)
}
