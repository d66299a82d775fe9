//! A table row by row, as CSV or as JSON Lines: the same names and cells in either form.
//!
//! Must not know: HTTP, what the tables mean.

use std::io::{self, Write};

use super::csv::{CsvTable, Printed};
use super::json::JsonWriter;
use crate::query::cell::{Cell, Number};
use crate::query::frame::Frame;
use crate::query::request::Zone;

/// The form of the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// CSV with a header line.
    Csv,
    /// CSV with a header line, in which no text begins as a formula of a spreadsheet does.
    NeutralCsv,
    /// An object a line, each with all names.
    Lines,
}

/// A table being written in either form.
#[derive(Debug)]
pub struct Rows<W: Write>(Inner<W>);

#[derive(Debug)]
enum Inner<W: Write> {
    Csv(CsvTable<W>),
    Lines { json: JsonWriter<W>, names: Vec<String>, next: usize },
}

impl<W: Write> Rows<W> {
    /// A table whose times are printed in `zone`, its columns called as `header` says.
    pub fn new<I, S>(out: W, form: Form, zone: Zone, header: I) -> io::Result<Self>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<str>,
    {
        let names: Vec<String> = header.into_iter().map(|name| name.as_ref().to_owned()).collect();
        Ok(Rows(match form {
            Form::Csv => Inner::Csv(CsvTable::new(out, zone, &names)?),
            Form::NeutralCsv => Inner::Csv(CsvTable::new(out, zone, &names)?.neutral()),
            Form::Lines => Inner::Lines { json: JsonWriter::new(out, zone), names, next: 0 },
        }))
    }

    /// Adds a row, which has as many cells as the header.
    pub fn row<'a, I>(&mut self, cells: I) -> io::Result<()>
    where
        I: IntoIterator<Item = Cell<'a>>,
    {
        for cell in cells {
            self.cell(&cell)?;
        }
        self.end_row()
    }

    /// Adds cells to the row that was begun: those kept in `printed`, where the form can keep what it printed.
    pub(super) fn cells<'a>(
        &mut self,
        printed: &mut Option<Printed>,
        mut cells: impl Iterator<Item = Cell<'a>>,
    ) -> io::Result<()> {
        match &mut self.0 {
            Inner::Csv(table) => {
                let printed = printed.get_or_insert_with(|| table.printed(cells));
                table.put(printed);
                Ok(())
            }
            Inner::Lines { .. } => cells.try_for_each(|cell| self.cell(&cell)),
        }
    }

    /// Adds a number to the row that was begun.
    pub(super) fn number(&mut self, number: Number) -> io::Result<()> {
        match &mut self.0 {
            Inner::Csv(table) => {
                table.number(number);
                Ok(())
            }
            Inner::Lines { .. } => self.cell(&number.into()),
        }
    }

    /// Adds a cell to the row that was begun.
    pub fn cell(&mut self, cell: &Cell<'_>) -> io::Result<()> {
        match &mut self.0 {
            Inner::Csv(table) => {
                table.cell(cell);
                Ok(())
            }
            Inner::Lines { json, names, next } => {
                if *next == 0 {
                    json.begin(b'{')?;
                }
                let name = names.get(*next).map_or("", String::as_str);
                *next = next.saturating_add(1);
                json.key(name)?.cell(cell)
            }
        }
    }

    /// Ends the row that was begun.
    pub fn end_row(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Inner::Csv(table) => table.end_row(),
            Inner::Lines { json, next, .. } => {
                json.end(b'}');
                *next = 0;
                json.end_line();
                Ok(())
            }
        }
    }

    /// Hands over what is still buffered.
    pub fn finish(self) -> io::Result<()> {
        match self.0 {
            Inner::Csv(table) => table.finish(),
            Inner::Lines { json, .. } => json.finish_lines(),
        }
    }
}

/// Writes a frame: `time,<labels…>,<fields…>[,coverage]`, a row a bucket and series; series in their order, the
/// buckets of each in time order.
pub fn frame<W: Write>(out: W, form: Form, frame: &Frame) -> io::Result<()> {
    let labels = frame.label_names.iter().map(String::as_str);
    let fields = frame.fields.iter().map(|field| field.key.as_str());
    let has_coverage = frame.series.iter().any(|series| series.coverage.is_some()) || frame.gaps.is_some();
    let header = std::iter::once("time").chain(labels).chain(fields).chain(has_coverage.then_some("coverage"));
    let mut table = Rows::new(out, form, frame.zone, header)?;
    for series in &frame.series {
        for (bucket, &time) in frame.times.iter().enumerate() {
            table.cell(&Cell::Bucket(time))?;
            for (index, _) in frame.label_names.iter().enumerate() {
                table.cell(&series.labels.get(index).and_then(Option::as_deref).map_or(Cell::Null, Cell::Text))?;
            }
            for (index, _) in frame.fields.iter().enumerate() {
                let values = series.values.get(index);
                table.cell(&values.and_then(|values| values.get(bucket)).copied().unwrap_or_default().into())?;
            }
            if has_coverage {
                let covered = series.coverage.as_ref().and_then(|coverage| coverage.get(bucket));
                table.cell(&covered.map_or(Cell::Null, |&part| Cell::Derived(part)))?;
            }
            table.end_row()?;
        }
    }
    table.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AttributeValue, Timestamp};

    fn check(form: Form, cell: &Cell<'_>, expected: &str) {
        let mut out = Vec::new();
        let mut rows = Rows::new(&mut out, form, Zone::Utc, ["a", "b"]).unwrap();
        rows.row([cell.clone(), Cell::Null]).unwrap();
        rows.finish().unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_row_is_a_line_of_either_form() {
        check(Form::Csv, &Cell::Text("x,\"y"), "a,b\r\n\"x,\"\"y\",\r\n");
        check(Form::Lines, &Cell::Text("x,\"y"), "{\"a\":\"x,\\\"y\",\"b\":null}\n");
        check(Form::Lines, &Cell::Bucket(Timestamp::from_ms(0)), "{\"a\":\"1970-01-01T00:00:00Z\",\"b\":null}\n");
        check(Form::Csv, &Cell::Json("{\"k\":1}"), "a,b\r\n\"{\"\"k\"\":1}\",\r\n");
        check(Form::Lines, &Cell::Json("{\"k\":1}"), "{\"a\":{\"k\":1},\"b\":null}\n");
    }

    #[test]
    fn text_that_a_spreadsheet_would_run_is_marked_where_asked() {
        for first in ["=1+1", "+1", "-1", "@x", "\tx"] {
            check(Form::NeutralCsv, &Cell::Text(first), &format!("a,b\r\n'{first},\r\n"));
            check(Form::Csv, &Cell::Text(first), &format!("a,b\r\n{first},\r\n"));
            let fact = AttributeValue::from(first);
            check(Form::NeutralCsv, &Cell::Fact(&fact), &format!("a,b\r\n'{first},\r\n"));
        }
        // A number is a number, and what stands further on harms nobody.
        check(Form::NeutralCsv, &Cell::Derived(-1.5), "a,b\r\n-1.5,\r\n");
        check(Form::NeutralCsv, &Cell::Text("a=1"), "a,b\r\na=1,\r\n");
    }
}
