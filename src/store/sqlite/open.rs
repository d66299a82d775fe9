//! Opening the file: what is foreign, damaged or from a newer version is refused, with what to do, and left untouched.
//!
//! The first bytes are looked at before SQLite is: opening a database can already change it.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::migrations;
use crate::store::StoreError;

/// "tach": marks a database file as a recording of this program.
const APPLICATION_ID: u32 = 0x7461_6368;

/// How long a statement waits for a lock that another process holds: a checkpoint or a backup takes less.
const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Statements kept prepared by a connection: all of `queries/`, and those of the kinds that are read at a time.
const PREPARED_STATEMENTS_MAX: usize = 256;

/// The first bytes of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// What the first hundred bytes of a database file say.
struct Header {
    application_id: u32,
    user_version: u32,
    /// Bytes that the file should have; None where the header does not say.
    bytes: Option<u64>,
}

/// Opens the file for writing, made where it is missing, and leads it to the newest schema.
pub(super) fn writer(path: &Path, steps: &[(&str, &str)]) -> Result<Connection, StoreError> {
    check(path, steps)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)
        .and_then(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            // Settings of a new file, before its first table; without effect on one that has tables.
            connection.pragma_update(None, "page_size", 4096)?;
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
            connection.pragma_update(None, "application_id", APPLICATION_ID)?;
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            prepare(&connection)?;
            Ok(connection)
        })
        .map_err(|cause| failed(path, "the file must be writable, and so must its directory", cause))?;
    migrations::apply(&mut connection, steps)
        .map_err(|cause| StoreError::Migrate { path: path.to_owned(), cause: Box::new(cause) })?;
    Ok(connection)
}

/// Opens the file for reading, while a recorder writes it or not.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let advice = "the file and, while the recorder runs, its -wal and -shm companions must be readable";
    let opened = Connection::open_with_flags(path, flags).and_then(usable);
    match opened {
        Ok(connection) => Ok(connection),
        // Without its companions a file can be read where none can be made, as long as nobody writes it: nobody does,
        // for a writer would have made them.
        Err(_) if !companion(path, "-wal").exists() => {
            let uri = format!("file:{}?immutable=1", uri_path(path));
            Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
                .and_then(usable)
                .map_err(|cause| failed(path, advice, cause))
        }
        Err(cause) => Err(failed(path, advice, cause)),
    }
}

fn usable(connection: Connection) -> rusqlite::Result<Connection> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    prepare(&connection)?;
    connection.pragma_query_value(None, "schema_version", |_| Ok(()))?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS_MAX);
    Ok(())
}

/// Refuses what is not a recording of this program, or of a newer version of it.
pub(super) fn check(path: &Path, steps: &[(&str, &str)]) -> Result<(), StoreError> {
    let Some(header) = header(path)? else { return Ok(()) };
    if header.application_id != APPLICATION_ID {
        return Err(refused(
            path,
            "a database of another program; move it away, or name another file as [store] path".to_owned(),
        ));
    }
    let known = migrations::version_of(steps);
    let has_log = companion(path, "-wal").metadata().is_ok_and(|log| log.len() > 0);
    let version = match has_log {
        // The log may hold a newer header.
        true => reader(path)?
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|cause| failed(path, "its schema version cannot be read; restore it from a backup", cause))?,
        false => i64::from(header.user_version),
    };
    if version > known {
        return Err(refused(
            path,
            format!(
                "written by a newer tachograph: its schema is version {version}, this program knows {known}; run the \
                 newer program, or name another file as [store] path"
            ),
        ));
    }
    let length = path.metadata().map(|metadata| metadata.len()).unwrap_or(0);
    if let Some(bytes) = header.bytes.filter(|bytes| !has_log && length < *bytes) {
        return Err(refused(
            path,
            format!(
                "damaged: {length} bytes long where it should have {bytes}; restore it from a backup, or move it away"
            ),
        ));
    }
    Ok(())
}

/// As [`check`], and refuses a file that is not there.
pub(super) fn check_existing(path: &Path, steps: &[(&str, &str)]) -> Result<(), StoreError> {
    if header(path)?.is_none() {
        let advice = "there is no recording; start the recorder, or name its file as [store] path";
        return Err(refused(path, advice.to_owned()));
    }
    check(path, steps)
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

fn uri_path(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

fn refused(path: &Path, advice: String) -> StoreError {
    StoreError::Open { path: path.to_owned(), advice, cause: None }
}

fn failed(path: &Path, advice: &str, cause: rusqlite::Error) -> StoreError {
    StoreError::Open { path: path.to_owned(), advice: advice.to_owned(), cause: Some(cause) }
}
