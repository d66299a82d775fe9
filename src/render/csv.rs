//! CSV: RFC 4180, CRLF, UTF-8 without a byte order mark, one header line, an empty field for what is not known.
//!
//! Must not know: HTTP, what the tables mean.

use std::io::{self, Write};

use super::cell::{push_number, push_text};
use crate::model::AttributeValue;
use crate::query::cell::{Cell, Number};
use crate::query::frame::Frame;
use crate::query::request::Zone;

/// Bytes gathered before they are handed on: fewer, larger writes, that the nearest cache still holds.
const BUFFER_BYTES: usize = 16 * 1024;

/// A table of cells, written row by row.
#[derive(Debug)]
pub struct CsvTable<W: Write> {
    out: W,
    zone: Zone,
    buffer: Vec<u8>,
    /// Where the row under way begins in the buffer, and how many cells it has.
    row_at: usize,
    cells: usize,
    is_neutral: bool,
}

/// Cells of a row as they are printed, to be put into many rows.
#[derive(Debug, Clone, Default)]
pub struct Printed {
    bytes: Vec<u8>,
    cells: usize,
}

impl<W: Write> CsvTable<W> {
    /// A table whose times are printed in `zone`, with its header line.
    pub fn new<I, S>(out: W, zone: Zone, header: I) -> io::Result<Self>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<str>,
    {
        let buffer = Vec::with_capacity(BUFFER_BYTES);
        let mut table = CsvTable { out, zone, buffer, row_at: 0, cells: 0, is_neutral: false };
        header.into_iter().for_each(|name| table.cell(&Cell::Text(name.as_ref())));
        table.end_row()?;
        Ok(table)
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
        cells.into_iter().for_each(|cell| self.cell(&cell));
        self.end_row()
    }

    /// Adds a cell to the row that was begun.
    pub fn cell(&mut self, cell: &Cell<'_>) {
        if self.cells > 0 {
            self.buffer.push(b',');
        }
        self.cells += 1;
        push_field(&mut self.buffer, cell, self.zone, self.is_neutral);
    }

    /// Adds a number to the row that was begun.
    pub fn number(&mut self, number: Number) {
        if self.cells > 0 {
            self.buffer.push(b',');
        }
        self.cells += 1;
        push_number(&mut self.buffer, number);
    }

    /// Cells as they are printed here, for [`CsvTable::put`].
    pub fn printed<'a>(&self, cells: impl IntoIterator<Item = Cell<'a>>) -> Printed {
        let mut printed = Printed::default();
        for cell in cells {
            if printed.cells > 0 {
                printed.bytes.push(b',');
            }
            printed.cells += 1;
            push_field(&mut printed.bytes, &cell, self.zone, self.is_neutral);
        }
        printed
    }

    /// Adds cells that are printed already to the row that was begun.
    pub fn put(&mut self, printed: &Printed) {
        if self.cells > 0 && printed.cells > 0 {
            self.buffer.push(b',');
        }
        self.cells += printed.cells;
        self.buffer.extend_from_slice(&printed.bytes);
    }

    /// Ends the row that was begun.
    pub fn end_row(&mut self) -> io::Result<()> {
        if self.cells == 1 && self.buffer.len() == self.row_at {
            // Else it would be an empty line, which readers pass over.
            self.buffer.extend_from_slice(b"\"\"");
        }
        self.buffer.extend_from_slice(b"\r\n");
        self.cells = 0;
        if self.buffer.len() >= BUFFER_BYTES {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        self.row_at = self.buffer.len();
        Ok(())
    }

    /// Hands over what is still buffered.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.out.flush()
    }
}

/// Appends a cell as a field, in quotes where it needs them: numbers and times never do.
fn push_field(into: &mut Vec<u8>, cell: &Cell<'_>, zone: Zone, is_neutral: bool) {
    let is_text = match cell {
        Cell::Text(_) | Cell::Json(_) => true,
        Cell::Fact(fact) => {
            matches!(fact, AttributeValue::Text(_) | AttributeValue::List(_) | AttributeValue::Map(_))
        }
        _ => false,
    };
    let from = into.len();
    if is_neutral && begins_formula(cell) {
        into.push(b'\'');
    }
    push_text(into, cell, zone);
    if is_text && into.iter().skip(from).any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')) {
        let text = into.split_off(from);
        into.push(b'"');
        for byte in text {
            if byte == b'"' {
                into.push(b'"');
            }
            into.push(byte);
        }
        into.push(b'"');
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_are_what_the_csv_crate_writes(
            rows in proptest::collection::vec(proptest::collection::vec("[a,\"\r\n =;é\t]{0,4}", 1..4), 1..5),
            split in 0..4_usize,
        ) {
            let width = rows[0].len();
            let rows: Vec<&Vec<String>> = rows.iter().filter(|row| row.len() == width).collect();
            let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
            let mut out = Vec::new();
            let mut table = CsvTable::new(&mut out, Zone::Utc, rows[0]).unwrap();
            writer.write_record(rows[0]).unwrap();
            for row in rows {
                writer.write_record(row).unwrap();
                let (first, second) = row.split_at(split.min(row.len()));
                first.iter().for_each(|text| table.cell(&Cell::Text(text)));
                let printed = table.printed(second.iter().map(|text| Cell::Text(text)));
                table.put(&printed);
                table.end_row().unwrap();
            }
            table.finish().unwrap();
            prop_assert_eq!(String::from_utf8(out), String::from_utf8(writer.into_inner().unwrap()));
        }
    }
}
