//! Reads pages of the Prometheus text format (0.0.4) and of OpenMetrics (1.0), line by line. Pure.
//!
//! A line that is malformed is named and left out, the rest is read all the same. ARCHITECTURE.md says why no parser of
//! others is used.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::model::Timestamp;

/// What a family of series was said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Type {
    Counter,
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    Info,
    StateSet,
    #[default]
    Unknown,
}

impl Type {
    fn parse(word: &str) -> Option<Type> {
        Some(match word {
            "counter" => Type::Counter,
            "gauge" => Type::Gauge,
            "histogram" => Type::Histogram,
            "gaugehistogram" => Type::GaugeHistogram,
            "summary" => Type::Summary,
            "info" => Type::Info,
            "stateset" => Type::StateSet,
            "untyped" | "unknown" => Type::Unknown,
            _ => return None,
        })
    }

    /// The word outside.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
            Type::GaugeHistogram => "gaugehistogram",
            Type::Summary => "summary",
            Type::Info => "info",
            Type::StateSet => "stateset",
            Type::Unknown => "unknown",
        }
    }

    /// Endings of the series of a family.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Type::Counter => &["_total", "_created"],
            Type::Histogram => &["_bucket", "_sum", "_count", "_created"],
            Type::GaugeHistogram => &["_bucket", "_gsum", "_gcount"],
            Type::Summary => &["_sum", "_count", "_created"],
            Type::Info => &["_info"],
            Type::Gauge | Type::StateSet | Type::Unknown => &[],
        }
    }
}

/// What a page says of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Family<'a> {
    pub(crate) ty: Type,
    /// As it stands there, escapes included.
    pub(crate) help: Option<&'a str>,
    pub(crate) unit: Option<&'a str>,
}

/// One series with its number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series<'a> {
    pub(crate) name: Cow<'a, str>,
    /// In the order of the page.
    pub(crate) labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(crate) value: f64,
    /// When it was taken, where the page says so.
    pub(crate) at: Option<Timestamp>,
    pub(crate) family_name: &'a str,
    pub(crate) family: Family<'a>,
}

impl Series<'_> {
    /// The value of a label.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_ref())
    }

    /// What the name adds to that of the family: `_bucket`, or nothing.
    pub(crate) fn ending(&self) -> &str {
        self.name.strip_prefix(self.family_name).unwrap_or_default()
    }

    /// Whether it only grows. Where nobody said what it is, a name in `_total` says so.
    pub(crate) fn is_counter(&self) -> bool {
        match (self.family.ty, self.ending()) {
            (Type::Counter, ending) => ending != "_created",
            (Type::Histogram, ending) => matches!(ending, "_bucket" | "_sum" | "_count"),
            (Type::Summary, ending) => matches!(ending, "_sum" | "_count"),
            (Type::Unknown, _) => self.name.ends_with("_total"),
            _ => false,
        }
    }
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Its number, from 1.
    pub(crate) line: usize,
    pub(crate) why: &'static str,
}

/// The dialect of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Text format 0.0.4.
    Text,
    /// OpenMetrics.
    OpenMetrics,
}

impl Format {
    /// The dialect that a `Content-Type` names.
    pub(crate) fn of(content_type: &str) -> Format {
        if content_type.trim_start().starts_with("application/openmetrics-text") {
            Format::OpenMetrics
        } else {
            Format::Text
        }
    }
}

/// Gives the series of a page one after the other.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    rest: &'a str,
    format: Format,
    line: usize,
    families: HashMap<&'a str, Family<'a>>,
    /// Whether an OpenMetrics page has come to its end.
    has_ended: bool,
}

impl<'a> Page<'a> {
    pub(crate) fn new(text: &'a str, format: Format) -> Page<'a> {
        Page { rest: text, format, line: 0, families: HashMap::new(), has_ended: false }
    }

    /// Whether the page was read to its end and has no more than that: OpenMetrics says so in its last line.
    pub(crate) fn is_whole(&self) -> bool {
        self.rest.is_empty() && (self.format == Format::Text || self.has_ended)
    }

    fn read_line(&mut self, line: &'a str) -> Result<Option<Series<'a>>, &'static str> {
        let line = match self.format {
            Format::Text => line.trim_matches([' ', '\t', '\r']),
            Format::OpenMetrics => line,
        };
        if line.is_empty() {
            return Ok(None);
        }
        if self.has_ended {
            return Err("it stands after # EOF");
        }
        match line.strip_prefix('#') {
            Some(comment) => self.read_comment(comment).map(|()| None),
            None => self.read_series(line).map(Some),
        }
    }

    fn read_comment(&mut self, comment: &'a str) -> Result<(), &'static str> {
        let mut words = comment.trim_start().splitn(3, [' ', '\t']);
        let (keyword, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let rest = words.next().unwrap_or_default();
        match keyword {
            "EOF" if self.format == Format::OpenMetrics => self.has_ended = true,
            "TYPE" | "HELP" | "UNIT" if name.is_empty() => return Err("it names no metric"),
            "TYPE" => {
                let ty = Type::parse(rest.trim()).ok_or("its type is none of the format")?;
                self.families.entry(unquoted(name)).or_default().ty = ty;
            }
            "HELP" => {
                self.families.entry(unquoted(name)).or_default().help = Some(rest).filter(|help| !help.is_empty());
            }
            "UNIT" => {
                self.families.entry(unquoted(name)).or_default().unit = Some(rest).filter(|unit| !unit.is_empty());
            }
            _ => {}
        }
        Ok(())
    }

    fn read_series(&self, line: &'a str) -> Result<Series<'a>, &'static str> {
        let end = line.find(['{', ' ', '\t']).ok_or("it has no value")?;
        let (name, mut rest) = line.split_at(end);
        let mut name = Cow::Borrowed(name);
        let mut labels = Vec::new();
        if let Some(inner) = rest.trim_start().strip_prefix('{') {
            rest = read_labels(inner, &mut name, &mut labels)?;
        }
        if !is_name(&name, true) {
            return Err("its name is not one");
        }
        if self.format == Format::OpenMetrics
            && let Some((before, _)) = rest.split_once(" # ")
        {
            // An exemplar.
            rest = before;
        }
        let mut words = rest.split_ascii_whitespace();
        let value = read_value(words.next().ok_or("it has no value")?).ok_or("its value is no number")?;
        let at = words.next().map(|word| self.read_time(word).ok_or("its time is no number")).transpose()?;
        if words.next().is_some() {
            return Err("something follows its time");
        }
        let (family_name, family) = self.family_of(&name, line);
        Ok(Series { name, labels, value, at, family_name, family })
    }

    fn read_time(&self, word: &str) -> Option<Timestamp> {
        match self.format {
            Format::Text => word.parse::<i64>().ok().map(Timestamp::from_ms),
            Format::OpenMetrics => seconds(word.parse::<f64>().ok()?),
        }
    }

    /// The family that a series belongs to; its own name where it belongs to none.
    fn family_of(&self, name: &str, line: &'a str) -> (&'a str, Family<'a>) {
        if let Some((family_name, family)) = self.families.get_key_value(name) {
            return (family_name, *family);
        }
        for (end, _) in name.rmatch_indices('_') {
            let (base, ending) = name.split_at(end);
            if let Some((family_name, family)) = self.families.get_key_value(base)
                && family.ty.endings().contains(&ending)
            {
                return (family_name, *family);
            }
        }
        // A plain name begins its line; a quoted one is its own family without a name.
        (line.get(..name.len()).filter(|begin| *begin == name).unwrap_or_default(), Family::default())
    }
}

impl<'a> Iterator for Page<'a> {
    type Item = Result<Series<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            self.line += 1;
            let (line, rest, is_whole) = match self.rest.split_once('\n') {
                Some((line, rest)) => (line, rest, true),
                None => (self.rest, "", false),
            };
            self.rest = rest;
            let read = self.read_line(line);
            // A number whose line has no end may be cut short. # EOF needs none.
            let read = match read {
                Ok(Some(_)) if !is_whole => Err("it is cut short: the page ends within it"),
                read => read,
            };
            match read {
                Ok(Some(series)) => return Some(Ok(series)),
                Ok(None) => {}
                Err(why) => return Some(Err(Malformed { line: self.line, why })),
            }
        }
        None
    }
}

/// A time in seconds.
pub(crate) fn seconds(seconds: f64) -> Option<Timestamp> {
    /// The end of the year 9999.
    const MAX: f64 = 253_402_300_799.0;
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (0.0..=MAX).contains(&seconds).then(|| Timestamp::from_ms((seconds * 1000.0).round() as i64))
}

fn unquoted(name: &str) -> &str {
    name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name)
}

/// Reads labels after their `{` and gives what follows their `}`. A quoted text without a value is the series' name.
fn read_labels<'a>(
    text: &'a str,
    name: &mut Cow<'a, str>,
    labels: &mut Vec<(Cow<'a, str>, Cow<'a, str>)>,
) -> Result<&'a str, &'static str> {
    const UNENDED: &str = "its labels have no end";
    let mut rest = text.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok(after);
        }
        let label = if let Some(quoted) = rest.strip_prefix('"') {
            let (label, after) = read_quoted(quoted)?;
            rest = after.trim_start();
            label
        } else {
            let end = rest.find(['=', '}', ',', '"']).ok_or(UNENDED)?;
            let (label, after) = rest.split_at(end);
            rest = after;
            let label = label.trim_end();
            if !is_name(label, false) {
                return Err("a label's name is not one");
            }
            Cow::Borrowed(label)
        };
        if let Some(after) = rest.strip_prefix('=') {
            let quoted = after.trim_start().strip_prefix('"').ok_or("a label's value is not quoted")?;
            let (value, after) = read_quoted(quoted)?;
            rest = after.trim_start();
            if labels.iter().any(|(other, _)| *other == label) {
                return Err("a label comes twice");
            }
            labels.push((label, value));
        } else if name.is_empty() && labels.is_empty() {
            *name = label;
        } else {
            return Err("a label has no value");
        }
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.starts_with('}') => {}
            None => return Err(UNENDED),
        }
    }
}

/// Reads a text after its opening quote and gives what follows its closing one.
fn read_quoted(text: &str) -> Result<(Cow<'_, str>, &str), &'static str> {
    const UNENDED: &str = "a quoted text has no end";
    let mut searched = 0;
    let mut has_escapes = false;
    loop {
        let found = text.get(searched..).and_then(|rest| rest.find(['"', '\\'])).ok_or(UNENDED)?;
        let at = searched + found;
        let (before, after) = text.split_at(at);
        if let Some(after) = after.strip_prefix('"') {
            return Ok((if has_escapes { Cow::Owned(unescape(before)) } else { Cow::Borrowed(before) }, after));
        }
        has_escapes = true;
        // The letter after a backslash is never a quote's end.
        let escaped = after.chars().nth(1).ok_or(UNENDED)?;
        searched = at + 1 + escaped.len_utf8();
    }
}

/// Undoes `\\`, `\"` and `\n`; other backslashes stand for themselves.
pub(crate) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => plain.push('\n'),
            Some(letter @ ('\\' | '"')) => plain.push(letter),
            Some(letter) => plain.extend(['\\', letter]),
            None => plain.push('\\'),
        }
    }
    plain
}

fn read_value(word: &str) -> Option<f64> {
    // Rust takes all spellings of the format (NaN, +Inf, -Inf) and a few words more, none of which is a number's
    // beginning in another sense.
    word.parse().ok()
}

/// Whether a text names a metric (`may_have_colons`) or a label. Since names may be quoted, letters of any script are.
fn is_name(name: &str, may_have_colons: bool) -> bool {
    let is_letter = |letter: char| letter.is_alphabetic() || letter == '_' || (may_have_colons && letter == ':');
    let mut letters = name.chars();
    letters.next().is_some_and(is_letter) && {
        let is_more = |letter: char| is_letter(letter) || letter.is_ascii_digit() || matches!(letter, '.' | '-' | '/');
        letters.all(is_more)
    }
}
