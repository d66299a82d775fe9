//! What the configuration asks of the machine: variables, files, its name. Handed in, so that tests need neither.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest file that is read: configurations, tokens and certificates are far below; a device or a log is not.
const FILE_BYTES_MAX: u64 = 4 << 20;

type Variable = dyn Fn(&str) -> Option<String> + Send + Sync;
type ReadFile = dyn Fn(&Path) -> io::Result<Vec<u8>> + Send + Sync;
type Exists = dyn Fn(&Path) -> bool + Send + Sync;

/// Variables, files and the name of the machine that the configuration is for.
pub struct Environment {
    machine_name: String,
    variable: Box<Variable>,
    read: Box<ReadFile>,
    exists: Box<Exists>,
}

impl Environment {
    /// This process's variables and files. `machine_name` names the engine behind a Unix socket and the host
    /// itself; the caller keeps it, so that a later change of the hostname changes no history.
    pub fn of_process(machine_name: &str) -> Self {
        Environment {
            machine_name: machine_name.to_owned(),
            variable: Box::new(|name| std::env::var(name).ok()),
            read: Box::new(read_file),
            exists: Box::new(Path::exists),
        }
    }

    /// Exactly these variables and files.
    pub fn fixed(machine_name: &str, variables: BTreeMap<String, String>, files: BTreeMap<PathBuf, Vec<u8>>) -> Self {
        let names: Vec<PathBuf> = files.keys().cloned().collect();
        Environment {
            machine_name: machine_name.to_owned(),
            variable: Box::new(move |name| variables.get(name).cloned()),
            read: Box::new(move |path| files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())),
            exists: Box::new(move |path| names.iter().any(|name| name.starts_with(path))),
        }
    }

    /// The machine's name.
    pub(super) fn machine_name(&self) -> &str {
        &self.machine_name
    }

    /// A variable; an empty one counts as not set, as the docker client has it.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// The bytes of a file.
    pub(super) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        (self.read)(path)
    }

    /// Whether there is anything at a path.
    pub(super) fn exists(&self, path: &Path) -> bool {
        (self.exists)(path)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("machine_name", &self.machine_name).finish_non_exhaustive()
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 4 MiB"));
    }
    Ok(bytes)
}
