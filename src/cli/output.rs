//! Where answers are written: standard output, or a file that appears when it is whole.
//!
//! Must not know: what is written.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::CliError;

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// As the HTTP API's CSV.
    Csv,
    /// As the HTTP API's JSON.
    Json,
    /// Aligned columns for a person.
    Table,
}

/// Writes to a file or to standard output. A file is written under another name and renamed when it is whole; on
/// failure nothing is left behind, and what was there before stays.
pub(super) fn write_to<T>(
    path: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let Some(path) = path else {
        let mut out = BufWriter::new(io::stdout().lock());
        let written = write(&mut out)?;
        out.flush()?;
        return Ok(written);
    };
    let partial = partial_path(path);
    let of_file = |cause| CliError::Output { path: path.to_owned(), cause };
    let written = File::create(&partial).map_err(of_file).and_then(|file| {
        let mut out = BufWriter::new(file);
        let written = write(&mut out).map_err(|error| match error {
            CliError::Write(cause) => of_file(cause),
            other => other,
        })?;
        let file = out.into_inner().map_err(|error| of_file(error.into_error()))?;
        file.sync_all().and_then(|()| fs::rename(&partial, path)).map_err(of_file)?;
        Ok(written)
    });
    if written.is_err() {
        // It may never have been made.
        let _ = fs::remove_file(&partial);
    }
    written
}

/// Beside the file, so that renaming stays within one file system; with the process's number, so that two runs do
/// not write into each other's.
fn partial_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".partial-{}", std::process::id()));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.csv");
        let names = || {
            let entries = fs::read_dir(directory.path()).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
        };
        let failed = write_to(Some(&path), |out| -> Result<(), CliError> {
            out.write_all(b"half")?;
            Err(CliError::Write(io::ErrorKind::StorageFull.into()))
        });
        assert!(matches!(failed, Err(CliError::Output { .. })), "{failed:?}");
        assert!(names().is_empty(), "{:?}", names());

        write_to(Some(&path), |out| Ok(out.write_all(b"whole")?)).unwrap();
        assert_eq!((names(), fs::read_to_string(&path).unwrap()), (vec!["out.csv".to_owned()], "whole".to_owned()));

        write_to(Some(&path), |_| -> Result<(), CliError> { Err(CliError::Write(io::ErrorKind::Other.into())) })
            .unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole", "what was there stays");
    }
}
