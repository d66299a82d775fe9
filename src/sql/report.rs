//! A report: a statement whose comment header says what it answers, what it is asked with and what comes of it.
//!
//! ```text
//! -- title: Memory by application
//! -- about: What each application used at most.
//! --   A line that is indented goes on with the one before.
//! -- parameter start time = -7d: from here on
//! -- parameter app glob = *: applications
//! -- column app: the application
//! -- column memory_max_bytes [bytes]: the most that its containers used together
//! SELECT …
//! ```
//!
//! In the statement a parameter is bound as `:name`; one of type `column(KIND)` stands as `{name}`, and becomes the
//! name of a column that the kind has. Must not know: where reports are kept, how answers are printed.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;

use thiserror::Error;

use super::{Argument, Bounds, Database, Part, SqlError, Take, run};
use crate::model::{Kind, Timestamp};
use crate::query::civil::format_bucket_time;
use crate::query::filter::Pattern;
use crate::query::request::{ParameterError, Step, Zone, parse_duration, parse_time, parse_zone, shown, suggestion};

/// Lines of a header: some columns and parameters, with their help.
const HEADER_LINES_MAX: usize = 200;

/// What is wrong with the file of a report, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{place}:{line}: {message}")]
pub struct Fault {
    /// The file.
    pub place: String,
    /// The line, from 1 on.
    pub line: usize,
    /// What is wrong, what would be right.
    pub message: String,
}

/// A report, ready to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Its name: that of its file without ending.
    pub name: String,
    /// A few words.
    pub title: String,
    /// What it answers.
    pub about: String,
    /// What it is asked with.
    pub parameters: Vec<Parameter>,
    /// What comes of it; empty where the header does not say.
    pub columns: Vec<ReportColumn>,
    /// Its file, for messages.
    pub place: String,
    text: String,
}

/// Something that a report is asked with.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// As in the query string and, with a colon before it, in the statement.
    pub name: String,
    /// What values look like.
    pub ty: ParameterType,
    /// The value where none is given.
    pub default: String,
    /// What it means.
    pub help: String,
    /// Where it stands in the file.
    line: usize,
}

/// What the values of a parameter look like, and what they become in the statement.
#[derive(Debug, Clone, Copy)]
pub enum ParameterType {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A time as the API reads it; milliseconds in the statement.
    Time,
    /// A duration such as 5m; milliseconds in the statement.
    Duration,
    /// A width of buckets such as 1d, for `bucket()`.
    Step,
    /// A zone such as Europe/Berlin, for `bucket()` and `iso()`.
    Zone,
    /// A pattern as in filters, for `GLOB`.
    Glob,
    /// A column of a kind, as `{name}`.
    Column(&'static Kind),
}

impl PartialEq for ParameterType {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl fmt::Display for ParameterType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ParameterType::Text => "text",
            ParameterType::Integer => "integer",
            ParameterType::Number => "number",
            ParameterType::Time => "time",
            ParameterType::Duration => "duration",
            ParameterType::Step => "step",
            ParameterType::Zone => "zone",
            ParameterType::Glob => "glob",
            ParameterType::Column(kind) => return write!(f, "column({})", kind.name),
        })
    }
}

/// A column of a report's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportColumn {
    /// Its name.
    pub name: String,
    /// Its unit; empty for texts and plain numbers.
    pub unit: String,
    /// What it says.
    pub help: String,
}

/// A parameter with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The parameter's name.
    pub name: String,
    /// The value, resolved, as it is echoed.
    pub shown: String,
    /// The value in the statement.
    argument: Argument,
    /// Whether it stands for a name.
    is_hole: bool,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// Rows given.
    pub rows: u64,
}

impl Report {
    /// Reads a report from the text of its file.
    pub fn parse(name: &str, place: &str, text: &str, kinds: &[&'static Kind]) -> Result<Report, Fault> {
        let fault = |line: usize, message: String| Fault { place: place.to_owned(), line, message };
        let mut report = Report {
            name: name.to_owned(),
            title: String::new(),
            about: String::new(),
            parameters: Vec::new(),
            columns: Vec::new(),
            place: place.to_owned(),
            text: text.to_owned(),
        };
        for (line, entry) in header(text).map_err(|(line, message)| fault(line, message))? {
            report.read(&entry, line, kinds).map_err(|message| fault(line, message))?;
        }
        if report.title.is_empty() {
            return Err(fault(1, "the header has no title: begin with `-- title: …`".to_owned()));
        }
        let mut names = BTreeSet::new();
        for parameter in &report.parameters {
            if !names.insert(parameter.name.as_str()) {
                return Err(fault(parameter.line, format!("the parameter {} stands there twice", parameter.name)));
            }
        }
        // A default that cannot be used would be told to everybody who asks.
        for parameter in &report.parameters {
            let read = parameter.read(&parameter.default, Timestamp::from_ms(0), Zone::Utc);
            read.map_err(|why| fault(parameter.line, format!("the default of {}: {why}", parameter.name)))?;
        }
        Ok(report)
    }

    fn read(&mut self, entry: &str, line: usize, kinds: &[&'static Kind]) -> Result<(), String> {
        if let Some(title) = entry.strip_prefix("title:") {
            self.title = title.trim().to_owned();
        } else if let Some(about) = entry.strip_prefix("about:") {
            self.about = about.trim().to_owned();
        } else if let Some(parameter) = entry.strip_prefix("parameter ") {
            self.parameters.push(Parameter::parse(parameter, line, kinds)?);
        } else if let Some(column) = entry.strip_prefix("column ") {
            let (head, help) = column.split_once(':').ok_or("write it as `column NAME [UNIT]: what it says`")?;
            let (name, unit) = match head.trim().split_once(' ') {
                None => (head.trim(), ""),
                Some((name, unit)) => {
                    let unit = unit.trim().strip_prefix('[').and_then(|unit| unit.strip_suffix(']'));
                    (name, unit.ok_or("write the unit in brackets: `column NAME [UNIT]: what it says`")?)
                }
            };
            let (name, help) = (checked_name(name)?, help.trim().to_owned());
            self.columns.push(ReportColumn { name, unit: unit.to_owned(), help });
        } else {
            return Err(format!(
                "`{}` is none of `title:`, `about:`, `parameter NAME TYPE = DEFAULT: …`, `column NAME [UNIT]: …`; indent a \
                 line that goes on with the one before by three spaces",
                shown(entry)
            ));
        }
        Ok(())
    }

    /// The values of all parameters, given or by default.
    pub fn settings(&self, given: &[(String, String)], now: Timestamp) -> Result<Vec<Setting>, ParameterError> {
        let names: Vec<&str> = self.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        for (index, (name, _)) in given.iter().enumerate() {
            if !names.contains(&name.as_str()) {
                let advice = match names.is_empty() {
                    true => format!("the report {} has no parameters", self.name),
                    false => suggestion(name, &names),
                };
                return Err(ParameterError::new(
                    name,
                    format!("unknown parameter of the report {}; {advice}", self.name),
                ));
            }
            if given.iter().take(index).any(|(other, _)| other == name) {
                return Err(ParameterError::new(name, "stands there twice; give it once"));
            }
        }
        let value = |parameter: &Parameter| {
            let given = given.iter().find(|(name, _)| *name == parameter.name);
            given.map_or(parameter.default.clone(), |(_, value)| value.clone())
        };
        let zone = self.parameters.iter().find(|parameter| parameter.ty == ParameterType::Zone).map(&value);
        let zone = zone.and_then(|zone| parse_zone(&zone).ok()).unwrap_or(Zone::Utc);
        let settings = self.parameters.iter().map(|parameter| {
            let text = value(parameter);
            let read = parameter.read(&text, now, zone);
            let (argument, shown) = read.map_err(|why| ParameterError::new(&parameter.name, why))?;
            let is_hole = matches!(parameter.ty, ParameterType::Column(_));
            Ok(Setting { name: parameter.name.clone(), shown, argument, is_hole })
        });
        settings.collect()
    }

    /// Asks the report. What is wrong with its statement is told by file and line.
    pub fn answer(
        &self,
        database: &Database,
        settings: &[Setting],
        bounds: Bounds,
        take: &mut Take<'_>,
    ) -> Result<Answered, SqlError> {
        let mut text = self.text.clone();
        for hole in settings.iter().filter(|setting| setting.is_hole) {
            text = text.replace(&format!("{{{}}}", hole.name), &format!("\"{}\"", hole.shown));
        }
        let arguments = settings.iter().filter(|setting| !setting.is_hole);
        let arguments: Vec<(String, Argument)> =
            arguments.map(|setting| (setting.name.clone(), setting.argument.clone())).collect();
        let mut other_columns = None;
        let rows = run(database, &text, &arguments, bounds, &mut |part| {
            if let Part::Columns(names) = part
                && !self.columns.is_empty()
                && !names.iter().eq(self.columns.iter().map(|column| &column.name))
            {
                other_columns = Some(names.join(", "));
                return ControlFlow::Break(());
            }
            take(part)
        });
        let fault = |line: usize, message: String| Fault { place: self.place.clone(), line, message };
        if let Some(names) = other_columns {
            let listed = self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
            let message = format!("the header lists the columns {listed}; the statement gives {names}");
            return Err(fault(1, message).into());
        }
        match rows {
            Ok(rows) => Ok(Answered { rows }),
            Err(SqlError::Statement { line, message }) => Err(fault(line, message).into()),
            Err(refused @ SqlError::Refused { .. }) => Err(fault(1, refused.to_string()).into()),
            Err(other) => Err(other),
        }
    }
}

impl Parameter {
    fn parse(text: &str, line: usize, kinds: &[&'static Kind]) -> Result<Parameter, String> {
        const FORM: &str = "write it as `parameter NAME TYPE = DEFAULT: what it means`";
        let (head, rest) = text.split_once('=').ok_or(FORM)?;
        let (name, ty) = head.trim().split_once(' ').ok_or(FORM)?;
        let (default, help) = rest.split_once(": ").ok_or(FORM)?;
        let ty = match ty.trim() {
            "text" => ParameterType::Text,
            "integer" => ParameterType::Integer,
            "number" => ParameterType::Number,
            "time" => ParameterType::Time,
            "duration" => ParameterType::Duration,
            "step" => ParameterType::Step,
            "zone" => ParameterType::Zone,
            "glob" => ParameterType::Glob,
            other => {
                let kind = other.strip_prefix("column(").and_then(|rest| rest.strip_suffix(')'));
                let kind = kind.and_then(|name| kinds.iter().copied().find(|kind| kind.name == name));
                ParameterType::Column(kind.ok_or_else(|| {
                    format!(
                        "`{}` is no type: types are text, integer, number, time, duration, step, zone, glob and \
                         column(KIND)",
                        shown(other)
                    )
                })?)
            }
        };
        let (default, help) = (default.trim().to_owned(), help.trim().to_owned());
        Ok(Parameter { name: checked_name(name)?, ty, default, help, line })
    }

    /// A value and how it is echoed.
    fn read(&self, text: &str, now: Timestamp, zone: Zone) -> Result<(Argument, String), String> {
        let as_text = |text: &str| (Argument::Text(text.to_owned()), text.to_owned());
        Ok(match self.ty {
            ParameterType::Text => as_text(text),
            ParameterType::Integer => {
                let value = text.parse().map_err(|_| format!("`{}` is no whole number", shown(text)))?;
                (Argument::Integer(value), text.to_owned())
            }
            ParameterType::Number => {
                let value = text.parse().ok().filter(|value: &f64| value.is_finite());
                (Argument::Number(value.ok_or_else(|| format!("`{}` is no number", shown(text)))?), text.to_owned())
            }
            ParameterType::Time => {
                let at = parse_time(text, now, zone)?;
                (Argument::Integer(at.ms()), format_bucket_time(at, zone))
            }
            ParameterType::Duration => (Argument::Integer(parse_duration(text)?), text.to_owned()),
            ParameterType::Step => match Step::parse(text)? {
                Step::All => return Err("`all` is no step here; 1mo is the longest".to_owned()),
                step => as_text(&step.label()),
            },
            ParameterType::Zone => parse_zone(text).map(|_| as_text(text))?,
            ParameterType::Glob => Pattern::parse(text).map(|_| as_text(text))?,
            ParameterType::Column(kind) => {
                let columns = kind.columns.iter().map(|column| column.name);
                let known: Vec<&str> = columns.chain(kind.derived.iter().map(|derived| derived.name)).collect();
                if !known.contains(&text) {
                    let advice = suggestion(text, &known);
                    return Err(format!("`{}` is no column of {}; {advice}", shown(text), kind.name));
                }
                as_text(text)
            }
        })
    }
}

/// The entries of the comment at the beginning, each with the line it begins on.
fn header(text: &str) -> Result<Vec<(usize, String)>, (usize, String)> {
    let mut entries: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index.saturating_add(1);
        let Some(comment) = line.strip_prefix("--") else { break };
        if number > HEADER_LINES_MAX {
            return Err((number, format!("the header has more than {HEADER_LINES_MAX} lines")));
        }
        match (comment.strip_prefix("   "), entries.last_mut()) {
            (Some(more), Some((_, entry))) => {
                entry.push(' ');
                entry.push_str(more.trim());
            }
            _ if comment.trim().is_empty() => {}
            _ => entries.push((number, comment.trim().to_owned())),
        }
    }
    Ok(entries)
}

/// A name that can stand in a query string, a statement and a CSV header as it is.
fn checked_name(name: &str) -> Result<String, String> {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let fits = name.bytes().next().is_some_and(is_letter) && name.bytes().all(|b| is_letter(b) || b.is_ascii_digit());
    // The API's own parameter beside them.
    if !fits || name == "formulas" {
        return Err(format!("`{}` is no name: names are of a-z, 0-9 and _, and not `formulas`", shown(name)));
    }
    Ok(name.to_owned())
}
