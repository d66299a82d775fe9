//! Where reports are kept: those that come with the program, and a directory of the user's own, read anew each time.
//!
//! A report of one's own takes the place of one of the same name that comes with the program. Must not know: what is
//! in reports.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::guard::STATEMENT_BYTES_MAX;
use super::report::{Fault, Report};
use crate::model::Kind;

/// Files looked at in the user's directory: a directory of reports has some dozens.
const FILES_MAX: usize = 1000;

/// The reports that come with the program.
const SHIPPED: [(&str, &str); 12] = [
    ("agent_capacity", include_str!("../../queries/reports/agent_capacity.sql")),
    ("busiest_hour", include_str!("../../queries/reports/busiest_hour.sql")),
    ("coverage", include_str!("../../queries/reports/coverage.sql")),
    ("crash_league", include_str!("../../queries/reports/crash_league.sql")),
    ("growth_by_app", include_str!("../../queries/reports/growth_by_app.sql")),
    ("image_inventory", include_str!("../../queries/reports/image_inventory.sql")),
    ("noisy_neighbours", include_str!("../../queries/reports/noisy_neighbours.sql")),
    ("registry_growth", include_str!("../../queries/reports/registry_growth.sql")),
    ("right_sizing", include_str!("../../queries/reports/right_sizing.sql")),
    ("top_containers", include_str!("../../queries/reports/top_containers.sql")),
    ("unused_tags", include_str!("../../queries/reports/unused_tags.sql")),
    ("used_limit_allocated", include_str!("../../queries/reports/used_limit_allocated.sql")),
];

/// Reports by name.
#[derive(Debug, Clone)]
pub struct Library {
    kinds: &'static [&'static Kind],
    directory: Option<PathBuf>,
}

/// A report, or what is wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Whether it is the user's own.
    pub is_own: bool,
    /// The report, where its file is well formed.
    pub report: Result<Report, Fault>,
}

impl Library {
    /// The reports that come with the program and those of a directory, if there is one.
    pub fn new(kinds: &'static [&'static Kind], directory: Option<PathBuf>) -> Library {
        Library { kinds, directory }
    }

    /// Only those that come with the program.
    pub fn shipped(&self) -> Vec<Entry> {
        let entry = |(name, text): &(&str, &str)| Entry {
            name: (*name).to_owned(),
            is_own: false,
            report: Report::parse(name, &format!("{name}.sql"), text, self.kinds),
        };
        SHIPPED.iter().map(entry).collect()
    }

    /// All there are now, by name. A directory that cannot be read is told as a fault of its own.
    pub fn list(&self) -> Result<Vec<Entry>, Fault> {
        let mut entries = self.shipped();
        for own in self.own()? {
            match entries.iter_mut().find(|entry| entry.name == own.name) {
                Some(shipped) => *shipped = own,
                None => entries.push(own),
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// The report of a name, or all names that there are.
    pub fn find(&self, name: &str) -> Result<Result<Entry, Vec<String>>, Fault> {
        let entries = self.list()?;
        let names = entries.iter().map(|entry| entry.name.clone()).collect();
        Ok(entries.into_iter().find(|entry| entry.name == name).ok_or(names))
    }

    fn own(&self) -> Result<Vec<Entry>, Fault> {
        let Some(directory) = &self.directory else { return Ok(Vec::new()) };
        let fault = |error: std::io::Error| Fault {
            place: directory.display().to_string(),
            line: 0,
            message: format!("the directory of reports cannot be read: {error}"),
        };
        let mut entries = Vec::new();
        for file in fs::read_dir(directory).map_err(fault)?.take(FILES_MAX) {
            let path = file.map_err(fault)?.path();
            let name = path.file_stem().and_then(|name| name.to_str());
            let Some(name) = name.filter(|_| path.extension().is_some_and(|ending| ending == "sql")) else { continue };
            entries.push(Entry { name: name.to_owned(), is_own: true, report: self.read(name, &path) });
        }
        Ok(entries)
    }

    fn read(&self, name: &str, path: &Path) -> Result<Report, Fault> {
        let place = path.display().to_string();
        let fault = |message: String| Fault { place: place.clone(), line: 0, message };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if !name.bytes().all(is_name) {
            return Err(fault("the name of a report's file is of letters, digits, _ and -".to_owned()));
        }
        let bytes_max = u64::try_from(STATEMENT_BYTES_MAX).unwrap_or(0);
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(bytes_max.saturating_add(1)).read_to_string(&mut text));
        read.map_err(|error| fault(format!("cannot be read: {error}")))?;
        if u64::try_from(text.len()).is_ok_and(|length| length > bytes_max) {
            return Err(fault(format!("has more than {bytes_max} bytes, which no report needs")));
        }
        Report::parse(name, &place, &text, self.kinds)
    }
}
