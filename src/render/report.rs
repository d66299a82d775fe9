//! The answer of a statement or a report: its columns become known first, then its rows come one by one.
//!
//! Must not know: SQL, HTTP.

use std::io::{self, Write};

use super::json::{self, JsonWriter};
use super::rows::{Form, Rows};
use crate::query::cell::Cell;
use crate::query::request::Zone;

/// What is told of a report beside its rows.
#[derive(Debug)]
pub struct Head<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Its parameters with their values.
    pub parameters: Vec<(&'a str, &'a str)>,
    /// Its columns: name, unit, help.
    pub columns: Vec<[&'a str; 3]>,
}

/// An answer being written.
#[derive(Debug)]
pub struct Answer<W: Write>(Inner<W>);

#[derive(Debug)]
enum Inner<W: Write> {
    Json { json: JsonWriter<W>, names: Vec<String>, is_of_report: bool },
    Rows { out: Option<W>, form: Form, rows: Option<Rows<W>> },
}

impl<W: Write> Answer<W> {
    /// As JSON: what is told of the report, if it is one, else the names of the columns, then the rows as objects.
    pub fn json(out: W, head: Option<&Head<'_>>) -> io::Result<Self> {
        let mut json = JsonWriter::new(out, Zone::Utc);
        json.begin(b'{')?;
        if let Some(head) = head {
            json.key("report")?.text(head.name)?;
            json.key("title")?.text(head.title)?;
            json.key("parameters")?
                .object(|json| head.parameters.iter().try_for_each(|(name, value)| json.key(name)?.text(value)))?;
            columns(json.key("columns")?, &head.columns)?;
        }
        Ok(Answer(Inner::Json { json, names: Vec::new(), is_of_report: head.is_some() }))
    }

    /// As rows.
    pub fn rows(out: W, form: Form) -> Self {
        Answer(Inner::Rows { out: Some(out), form, rows: None })
    }

    /// The columns are these; comes once, before any row.
    pub fn columns(&mut self, columns: &[String]) -> io::Result<()> {
        match &mut self.0 {
            Inner::Json { json, names, is_of_report } => {
                *names = columns.to_vec();
                if !*is_of_report {
                    json.key("columns")?.array(|json| columns.iter().try_for_each(|name| json.text(name)))?;
                }
                json.key("rows")?.begin(b'[')
            }
            Inner::Rows { out, form, rows } => {
                if let Some(out) = out.take() {
                    *rows = Some(Rows::new(out, *form, Zone::Utc, columns)?);
                }
                Ok(())
            }
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        match &mut self.0 {
            Inner::Json { json, names, .. } => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                json::row(json, &names, cells.iter().cloned())
            }
            Inner::Rows { rows, .. } => rows.as_mut().map_or(Ok(()), |rows| rows.row(cells.iter().cloned())),
        }
    }

    /// Hands over what is still buffered.
    pub fn finish(self) -> io::Result<()> {
        match self.0 {
            Inner::Json { mut json, .. } => {
                json.end(b']');
                json.end(b'}');
                json.finish()
            }
            Inner::Rows { rows, .. } => rows.map_or(Ok(()), Rows::finish),
        }
    }
}

/// Columns as JSON.
pub fn columns<W: Write>(json: &mut JsonWriter<W>, columns: &[[&str; 3]]) -> io::Result<()> {
    json.array(|json| {
        columns.iter().try_for_each(|[name, unit, help]| {
            json.object(|json| {
                json.key("name")?.text(name)?;
                json.key("unit")?.text(unit)?;
                json.key("help")?.text(help)
            })
        })
    })
}
