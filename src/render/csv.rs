//! CSV: RFC 4180, CRLF, UTF-8 without a byte order mark, one header line, an empty field for what is not known.
//!
//! Must not know: HTTP, what the tables mean.

use std::io::{self, Write};

use super::cell::push_text;
use crate::model::AttributeValue;
use crate::query::cell::Cell;
use crate::query::frame::Frame;
use crate::query::request::Zone;

/// A table of cells, written row by row.
#[derive(Debug)]
pub struct CsvTable<W: Write> {
    out: csv::Writer<W>,
    zone: Zone,
    field: Vec<u8>,
    is_neutral: bool,
}

impl<W: Write> CsvTable<W> {
    /// A table whose times are printed in `zone`, with its header line.
    pub fn new<I, S>(out: W, zone: Zone, header: I) -> io::Result<Self>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<[u8]>,
    {
        let mut out = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
        out.write_record(header)?;
        Ok(CsvTable { out, zone, field: Vec::new(), is_neutral: false })
    }

    /// The same table, in which text that a spreadsheet would take for a formula begins with an apostrophe.
    #[must_use]
    pub fn neutral(mut self) -> Self {
        self.is_neutral = true;
        self
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

    /// Adds a cell to the row that was begun.
    pub fn cell(&mut self, cell: &Cell<'_>) -> io::Result<()> {
        self.field.clear();
        if self.is_neutral && begins_formula(cell) {
            self.field.push(b'\'');
        }
        push_text(&mut self.field, cell, self.zone);
        Ok(self.out.write_field(&self.field)?)
    }

    /// Ends the row that was begun.
    pub fn end_row(&mut self) -> io::Result<()> {
        Ok(self.out.write_record(None::<&[u8]>)?)
    }

    /// Hands over what is still buffered.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Whether a cell is text that a spreadsheet runs instead of showing it.
fn begins_formula(cell: &Cell<'_>) -> bool {
    let text = match cell {
        Cell::Text(text) => text,
        Cell::Fact(AttributeValue::Text(text)) => text.as_str(),
        _ => return false,
    };
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])
}

/// Writes a frame as [`super::rows::frame`] does.
pub fn frame<W: Write>(out: W, frame: &Frame) -> io::Result<()> {
    super::rows::frame(out, super::rows::Form::Csv, frame)
}
