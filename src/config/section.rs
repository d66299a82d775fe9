//! Reads the tables of the file key by key: types, ranges, unknown keys. Every fault is gathered with its key
//! path, none stops the reading.
//!
//! Must not know: what any key means.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::{Table, Value};

use super::fault::Faults;
use super::units::{duration_text, parse_duration, parse_size, size_text};

/// How alike (0 to 1) a known key must be to be proposed for an unknown one.
const ALIKE_MIN: f64 = 0.75;

/// One table of the file. Reading a key makes it known; [`Section::finish`] reports the rest.
pub(super) struct Section<'a> {
    path: String,
    table: Option<&'a Table>,
    faults: &'a Faults,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(table: &'a Table, faults: &'a Faults) -> Self {
        Section { path: String::new(), table: Some(table), faults, known: Vec::new() }
    }

    /// The path of a key in this table.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Adds a fault at a key.
    pub(super) fn fault(&self, key: &str, message: impl Into<String>) {
        self.faults.add(self.path_of(key), message);
    }

    /// Where faults are gathered.
    pub(super) fn faults(&self) -> &'a Faults {
        self.faults
    }

    /// Whether the file has the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Whether the file has a list under the key.
    pub(super) fn is_list(&self, key: &str) -> bool {
        self.table.and_then(|table| table.get(key)).is_some_and(Value::is_array)
    }

    /// The table under a key; an empty one where there is none.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'a> {
        let table = self.value(key, "a table", Value::as_table);
        Section { path: self.path_of(key), table, faults: self.faults, known: Vec::new() }
    }

    /// The tables of a list (`[[key]]`); None where the key is not given at all.
    pub(super) fn sections(&mut self, key: &'static str) -> Option<Vec<Section<'a>>> {
        let list = self.value(key, &format!("a list of tables: [[{}]]", self.path_of(key)), Value::as_array)?;
        let mut sections = Vec::new();
        for (index, item) in list.iter().enumerate() {
            let path = format!("{}[{index}]", self.path_of(key));
            match item.as_table() {
                Some(table) => {
                    sections.push(Section { path, table: Some(table), faults: self.faults, known: Vec::new() });
                }
                None => self.faults.add(path, format!("must be a table, not {}", type_name(item))),
            }
        }
        Some(sections)
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str) -> Option<&'a str> {
        let text = self.value(key, "a text", Value::as_str)?;
        if text.is_empty() {
            self.fault(key, "must not be empty; leave the key out instead");
            return None;
        }
        Some(text)
    }

    /// A path.
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    /// Yes or no.
    pub(super) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        self.value(key, "true or false", Value::as_bool).unwrap_or(default)
    }

    /// A whole number within a range.
    pub(super) fn integer(&mut self, key: &'static str, default: u32, range: RangeInclusive<u32>) -> u32 {
        let Some(given) = self.value(key, "a whole number", Value::as_integer) else { return default };
        match u32::try_from(given).ok().filter(|number| range.contains(number)) {
            Some(number) => number,
            None => {
                self.out_of_range(key, given, range.start(), range.end());
                default
            }
        }
    }

    /// A duration within a range.
    pub(super) fn duration(&mut self, key: &'static str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let text = self.value(key, "a text such as \"10s\"", Value::as_str)?;
        let Some(duration) = parse_duration(text) else {
            self.fault(
                key,
                format!("{text:?} is no duration; write a whole number and ms, s, m, h, d, w or y: \"10s\""),
            );
            return None;
        };
        if !range.contains(&duration) {
            self.out_of_range(key, text, duration_text(*range.start()), duration_text(*range.end()));
            return None;
        }
        Some(duration)
    }

    /// A number of bytes within a range.
    pub(super) fn size(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let text = self.value(key, "a text such as \"5GiB\"", Value::as_str)?;
        let Some(bytes) = parse_size(text) else {
            self.fault(key, format!("{text:?} is no size; write a whole number and B, KiB, MiB, GiB or TiB: \"5GiB\""));
            return None;
        };
        if !range.contains(&bytes) {
            self.out_of_range(key, text, size_text(*range.start()), size_text(*range.end()));
            return None;
        }
        Some(bytes)
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let list = self.value(key, "a list of texts: [\"a\", \"b\"]", Value::as_array)?;
        let mut texts = Vec::new();
        for (index, item) in list.iter().enumerate() {
            match item.as_str() {
                Some("") => self.fault(&format!("{key}[{index}]"), "must not be empty"),
                Some(text) => texts.push(text.to_owned()),
                None => self.fault(&format!("{key}[{index}]"), format!("must be a text, not {}", type_name(item))),
            }
        }
        Some(texts)
    }

    /// One of a few words, by name; the first is the default.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)], default: T) -> T {
        let Some(text) = self.text(key) else { return default };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return *value;
        }
        let known: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        self.fault(key, format!("must be one of {}, not {text:?}", known.join(", ")));
        default
    }

    /// Every key and its value, for a table whose keys are not known beforehand.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.table.into_iter().flatten().map(|(key, value)| (key.as_str(), value))
    }

    /// Adds a fault at such a key, which is quoted as the file has it.
    pub(super) fn fault_of_entry(&self, key: &str, message: impl Into<String>) {
        self.fault(&format!("{key:?}"), message);
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(self) {
        let Some(table) = self.table else { return };
        for key in table.keys().filter(|key| !self.known.contains(&key.as_str())) {
            let nearest = self
                .known
                .iter()
                .map(|known| (strsim::jaro_winkler(key, known), known))
                .filter(|(alike, _)| *alike >= ALIKE_MIN)
                .max_by(|(a, _), (b, _)| a.total_cmp(b));
            let message = match nearest {
                Some((_, known)) => format!("unknown key; did you mean {known:?}?"),
                None => format!("unknown key; known here are {}", self.known.join(", ")),
            };
            self.fault(key, message);
        }
    }

    fn value<T>(&mut self, key: &'static str, wanted: &str, take: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let value = self.table?.get(key)?;
        let taken = take(value);
        if taken.is_none() {
            self.fault(key, format!("must be {wanted}, not {}", type_name(value)));
        }
        taken
    }

    fn out_of_range(&self, key: &str, given: impl Display, min: impl Display, max: impl Display) {
        self.fault(key, format!("must be {min} to {max}, not {given}"));
    }
}

/// A value's type as a person would call it.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a time",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}
