//! OpenMetrics 1.0 text: the newest samples, so that any Prometheus-compatible server can scrape the recorder.
//!
//! A column is the family `tachograph_<kind>_<column>`; the prefix keeps it from clashing with the same numbers scraped
//! elsewhere. Counters lose `_total` in the family's name and get it back in the sample's, with a `_created` beside
//! it where the start of the count is known. Must not know: HTTP, the store.

use std::io::{self, Write};

use super::cell::{push_reported, push_text};
use crate::model::{Class, Column, Identity, Kind, Timestamp, Value};
use crate::query::cell::{Cell, Number};
use crate::query::request::Zone;

/// The media type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bytes gathered before they are handed on.
const BUFFER_BYTES: usize = 16 * 1024;

/// An entity's newest sample.
#[derive(Debug, Clone)]
pub struct Newest {
    /// Which entity.
    pub identity: Identity,
    /// Labels beside the identity, in order: names and values.
    pub labels: Vec<(&'static str, String)>,
    /// When it was taken.
    pub at: Timestamp,
    /// When its counters began.
    pub since: Option<Timestamp>,
    /// One for each column of the kind.
    pub values: Vec<Value>,
}

/// One number of the recorder's own, outside any kind.
#[derive(Debug, Clone)]
pub struct Gauge<'a> {
    /// The family's name, complete.
    pub name: &'a str,
    /// One sentence.
    pub help: &'a str,
    /// Labels and values, one line each.
    pub values: Vec<(Vec<(&'a str, &'a str)>, f64)>,
}

/// The name of a column's family.
pub fn family_name(kind: &Kind, column: &Column) -> String {
    let name = match column.class {
        Class::Counter => column.name.strip_suffix("_total").unwrap_or(column.name),
        Class::Gauge => column.name,
    };
    format!("tachograph_{}_{name}", kind.name)
}

/// Writes families one after the other; [`OpenMetrics::finish`] ends the text with `# EOF`.
#[derive(Debug)]
pub struct OpenMetrics<W: Write> {
    out: W,
    buffer: Vec<u8>,
}

impl<W: Write> OpenMetrics<W> {
    /// A writer.
    pub fn new(out: W) -> Self {
        OpenMetrics { out, buffer: Vec::with_capacity(BUFFER_BYTES) }
    }

    /// All columns of a kind; a column that no sample reports is left out.
    pub fn kind(&mut self, kind: &Kind, samples: &[Newest]) -> io::Result<()> {
        let labels: Vec<Vec<u8>> = samples.iter().map(|sample| label_set(kind, sample)).collect();
        for (index, column) in kind.columns.iter().enumerate() {
            let value_of = |sample: &Newest| sample.values.get(index).copied().unwrap_or_default();
            if samples.iter().all(|sample| value_of(sample).is_null()) {
                continue;
            }
            let family = family_name(kind, column);
            let ty = match column.class {
                Class::Counter => "counter",
                Class::Gauge => "gauge",
            };
            self.describe(&family, ty, column.unit, column.help)?;
            for (sample, labels) in samples.iter().zip(&labels) {
                let value = value_of(sample);
                if value.is_null() {
                    continue;
                }
                let suffix = if column.class == Class::Counter { "_total" } else { "" };
                write!(self.buffer, "{family}{suffix}")?;
                self.buffer.extend_from_slice(labels);
                self.buffer.push(b' ');
                push_text(&mut self.buffer, &Number::of_column(column, value).into(), Zone::Utc);
                self.buffer.push(b' ');
                self.seconds(sample.at);
                self.buffer.push(b'\n');
                if let (Class::Counter, Some(since)) = (column.class, sample.since) {
                    write!(self.buffer, "{family}_created")?;
                    self.buffer.extend_from_slice(labels);
                    self.buffer.push(b' ');
                    self.seconds(since);
                    self.buffer.push(b' ');
                    self.seconds(sample.at);
                    self.buffer.push(b'\n');
                }
                self.hand_on()?;
            }
        }
        Ok(())
    }

    /// One gauge of the recorder's own.
    pub fn gauge(&mut self, gauge: &Gauge<'_>) -> io::Result<()> {
        let unit = ["seconds", "bytes"].into_iter().find(|unit| gauge.name.ends_with(unit)).unwrap_or_default();
        self.describe(gauge.name, "gauge", unit, gauge.help)?;
        for (labels, value) in &gauge.values {
            self.buffer.extend_from_slice(gauge.name.as_bytes());
            push_labels(&mut self.buffer, labels.iter().copied());
            self.buffer.push(b' ');
            push_reported(&mut self.buffer, *value);
            self.buffer.push(b'\n');
            self.hand_on()?;
        }
        Ok(())
    }

    /// Ends the text.
    pub fn finish(mut self) -> io::Result<()> {
        self.buffer.extend_from_slice(b"# EOF\n");
        self.out.write_all(&self.buffer)?;
        self.out.flush()
    }

    fn describe(&mut self, family: &str, ty: &str, unit: &str, help: &str) -> io::Result<()> {
        writeln!(self.buffer, "# TYPE {family} {ty}")?;
        let is_suffix = family.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
        if !unit.is_empty() && is_suffix {
            writeln!(self.buffer, "# UNIT {family} {unit}")?;
        }
        write!(self.buffer, "# HELP {family} ")?;
        push_escaped(&mut self.buffer, help);
        self.buffer.push(b'\n');
        self.hand_on()
    }

    fn seconds(&mut self, at: Timestamp) {
        push_text(&mut self.buffer, &Cell::Scaled { value: at.ms(), decimals: 3 }, Zone::Utc);
    }

    fn hand_on(&mut self) -> io::Result<()> {
        if self.buffer.len() >= BUFFER_BYTES {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// The identity, then the other labels that the identity does not hold already.
fn label_set(kind: &Kind, sample: &Newest) -> Vec<u8> {
    let identity = kind.identity.iter().enumerate().map(|(index, key)| (key.name, sample.identity.part(index)));
    let others = sample.labels.iter().filter(|(name, _)| kind.key_index(name).is_none());
    let mut out = Vec::new();
    push_labels(&mut out, identity.chain(others.map(|(name, value)| (*name, value.as_str()))));
    out
}

fn push_labels<'a>(out: &mut Vec<u8>, labels: impl Iterator<Item = (&'a str, &'a str)>) {
    let mut is_first = true;
    for (name, value) in labels {
        out.push(if is_first { b'{' } else { b',' });
        is_first = false;
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=\"");
        push_escaped(out, value);
        out.push(b'"');
    }
    if !is_first {
        out.push(b'}');
    }
}

fn push_escaped(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'"' => out.extend_from_slice(b"\\\""),
            b'\n' => out.extend_from_slice(b"\\n"),
            byte => out.push(byte),
        }
    }
}
