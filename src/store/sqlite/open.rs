//! Opening the file: what is foreign, damaged or from a newer version is refused, with what to do, and left untouched.
//!
//! The first bytes are looked at before SQLite is: opening a database can already change it.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use rusqlite::vtab::array;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::migrations;
use crate::store::StoreError;

/// "tach": marks a database file as a recording of this program.
const APPLICATION_ID: u32 = 0x7461_6368;

/// How long a statement waits for a lock that another process holds: a checkpoint or a backup takes less.
const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Statements kept prepared by a connection: all of `queries/`, and those of the kinds that are read at a time.
const PREPARED_STATEMENTS_MAX: usize = 256;

/// Pages of the write-ahead log at which an append moves them into the file itself, 64 MiB: upkeep does so long before, and
/// where nobody calls it the log must not grow for ever.
const LOG_PAGES_MAX: i64 = 16_384;

/// Bytes that the log keeps once all of it is in the file, as many as it ever has but beside the longest reads: to cut it and
/// let it grow again takes tens of milliseconds for which the writer waits.
const LOG_BYTES_KEPT: i64 = 64 << 20;

const WRITABLE: &str = "it must be writable, and so must its directory";

/// The first bytes of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// What the first hundred bytes of a database file say.
struct Header {
    application_id: u32,
    user_version: u32,
    /// Bytes that the file should have; None where the header does not say.
    bytes: Option<u64>,
}

/// The connection that writes, and what keeps others from writing.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) lock: File,
}

/// Opens the file for writing, made where it is missing, and leads it to the newest schema.
pub(super) fn writer(path: &Path, steps: &[(&str, &str)]) -> Result<Opened, StoreError> {
    if let Some(header) = header(path)? {
        check(path, &header, steps)?;
    }
    let lock = lock(path)?;
    let is_new = header(path)?.is_none();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)
        .and_then(|connection| {
            prepare(&connection)?;
            if is_new {
                // Before the first table, or never.
                connection.pragma_update(None, "page_size", 4096)?;
                connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
                connection.pragma_update(None, "application_id", APPLICATION_ID)?;
            }
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES_MAX)?;
            connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
            Ok(connection)
        })
        .map_err(|cause| failed(path, WRITABLE, cause))?;
    migrations::apply(&mut connection, steps)
        .map_err(|cause| StoreError::Migrate { path: path.to_owned(), cause: Box::new(cause) })?;
    Ok(Opened { connection, lock })
}

/// Keeps other recorders away from the file for as long as the result lives; the system lets go when a process ends.
///
/// On a file of its own: to close the database file other than through SQLite would drop SQLite's locks.
fn lock(path: &Path) -> Result<File, StoreError> {
    let cannot = |error: std::io::Error| {
        refused(path, format!("its lock cannot be taken ({error}); its directory must be there and writable"))
    };
    let file = File::create(companion(path, "-lock")).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let advice = "another recorder writes it; stop that one, or name another file as [store] path";
            Err(refused(path, advice.to_owned()))
        }
        // A file system without locks can keep nobody away; that is no reason not to record.
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(cannot(error)),
    }
}

/// Opens the file once more beside the connection that writes, for what that need not wait for.
pub(super) fn beside_writer(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .and_then(|connection| {
            prepare(&connection)?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            Ok(connection)
        })
        .map_err(|cause| failed(path, WRITABLE, cause))
}

/// Refuses what a reader cannot read: besides what the recorder refuses, a missing file and an older schema.
pub(super) fn check_readable(path: &Path, steps: &[(&str, &str)]) -> Result<(), StoreError> {
    let Some(header) = header(path)? else {
        let advice = "there is no recording; start the recorder, or name its file as [store] path";
        return Err(refused(path, advice.to_owned()));
    };
    let version = check(path, &header, steps)?;
    let known = migrations::version_of(steps);
    if version < known {
        let advice = format!(
            "written by an older tachograph: its schema is version {version}, this program reads {known}; start the \
             recorder once to migrate it"
        );
        return Err(refused(path, advice));
    }
    Ok(())
}

/// Opens the file for reading, while a recorder writes it or not.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let usable = |connection: Connection| {
        prepare(&connection)?;
        connection.pragma_query_value(None, "schema_version", |_| Ok(()))?;
        Ok(connection)
    };
    let has_log = companion(path, "-wal").exists();
    match Connection::open_with_flags(path, flags).and_then(usable) {
        // Where its companions are missing and cannot be made, the file is read as one that nobody writes; and nobody
        // does, for a recorder would have made them.
        Err(_) if !has_log => {
            Connection::open_with_flags(immutable(path), flags | OpenFlags::SQLITE_OPEN_URI).and_then(usable)
        }
        opened => opened,
    }
    .map_err(|cause| failed(path, "it must be readable, and so must its -wal and -shm companions", cause))
}

/// Opens a file that nobody writes, for reading, and makes no companions beside it.
pub(super) fn sole_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(immutable(path), flags);
    let advice = "it must be readable";
    connection
        .and_then(|connection| prepare(&connection).map(|()| connection))
        .map_err(|cause| failed(path, advice, cause))
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    array::load_module(connection)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS_MAX);
    Ok(())
}

/// The file as SQLite names one that nobody changes.
fn immutable(path: &Path) -> String {
    let path = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?immutable=1")
}

/// Refuses what is not a recording of this program, is damaged, or comes from a newer version. Gives the version.
fn check(path: &Path, header: &Header, steps: &[(&str, &str)]) -> Result<i64, StoreError> {
    if header.application_id != APPLICATION_ID {
        let advice = "a database of another program; move it away, or name another file as [store] path";
        return Err(refused(path, advice.to_owned()));
    }
    let has_log = companion(path, "-wal").metadata().is_ok_and(|log| log.len() > 0);
    let length = path.metadata().map_or(0, |metadata| metadata.len());
    if let Some(bytes) = header.bytes.filter(|bytes| !has_log && length < *bytes) {
        let advice = format!(
            "damaged: {length} bytes long where it should have {bytes}; restore it from a backup, or move it away to \
             begin anew"
        );
        return Err(refused(path, advice));
    }
    let known = migrations::version_of(steps);
    let version = if has_log {
        // The log may hold a newer header.
        let version = reader(path)?.pragma_query_value(None, "user_version", |row| row.get(0));
        version.map_err(|cause| failed(path, "its schema version cannot be read", cause))?
    } else {
        i64::from(header.user_version)
    };
    if version > known {
        let advice = format!(
            "written by a newer tachograph: its schema is version {version}, this program knows {known}; run the newer \
             program, or name another file as [store] path"
        );
        return Err(refused(path, advice));
    }
    Ok(version)
}

/// The header of the file; nothing where there is no file yet, or an empty one.
fn header(path: &Path) -> Result<Option<Header>, StoreError> {
    let mut bytes = Vec::with_capacity(100);
    let read = match File::open(path) {
        Ok(file) => file.take(100).read_to_end(&mut bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
    };
    if let Err(error) = read {
        return Err(refused(path, format!("it cannot be read ({error}); check its owner and permissions")));
    }
    if bytes.is_empty() {
        return Ok(None);
    }
    if !bytes.starts_with(MAGIC) || bytes.len() < 100 {
        let advice = "not a SQLite database, or damaged at its beginning; restore it from a backup, or name another \
                      file as [store] path";
        return Err(refused(path, advice.to_owned()));
    }
    let number = |offset: usize| {
        let bytes = bytes.get(offset..).and_then(|rest| rest.first_chunk::<4>());
        bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
    };
    let page_bytes = u64::from(number(16) >> 16);
    // The number of pages holds only if it was written together with the rest.
    let is_counted = number(24) == number(92);
    Ok(Some(Header {
        application_id: number(68),
        user_version: number(60),
        bytes: is_counted.then(|| u64::from(number(28)) * page_bytes.max(512)),
    }))
}

/// A file that SQLite keeps beside the database.
pub(super) fn companion(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn refused(path: &Path, advice: String) -> StoreError {
    StoreError::Open { path: path.to_owned(), advice, cause: None }
}

fn failed(path: &Path, advice: &str, cause: rusqlite::Error) -> StoreError {
    let advice = match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            "damaged; restore it from a backup, or move it away to begin anew"
        }
        _ => advice,
    };
    StoreError::Open { path: path.to_owned(), advice: advice.to_owned(), cause: Some(cause) }
}

#[cfg(test)]
mod tests;
