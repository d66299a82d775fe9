//! CSV: RFC 4180, CRLF, UTF-8 without a byte order mark, one header line, an empty field for what is not known.
//!
//! Must not know: HTTP, what the tables mean.

use std::io::{self, Write};

use super::cell::{push_bucket_time, push_text};
use crate::query::cell::Cell;
use crate::query::frame::Frame;
use crate::query::request::Zone;

/// A table of cells, written row by row.
#[derive(Debug)]
pub struct CsvTable<W: Write> {
    out: csv::Writer<W>,
    zone: Zone,
    field: Vec<u8>,
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
        Ok(CsvTable { out, zone, field: Vec::new() })
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
        push_text(&mut self.field, cell, self.zone);
        Ok(self.out.write_field(&self.field)?)
    }

    /// Adds a cell of text to the row that was begun.
    pub fn text(&mut self, text: impl AsRef<[u8]>) -> io::Result<()> {
        Ok(self.out.write_field(text)?)
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

/// Writes a frame: `time,<labels…>,<fields…>[,coverage]`, a row a bucket and series; series in their order, the
/// buckets of each in time order.
pub fn frame<W: Write>(out: W, frame: &Frame) -> io::Result<()> {
    let labels = frame.label_names.iter().map(String::as_str);
    let fields = frame.fields.iter().map(|field| field.key.as_str());
    let has_coverage = frame.series.iter().any(|series| series.coverage.is_some()) || frame.gaps.is_some();
    let header = std::iter::once("time").chain(labels).chain(fields).chain(has_coverage.then_some("coverage"));
    let mut table = CsvTable::new(out, frame.zone, header)?;
    let times: Vec<Vec<u8>> = frame
        .times
        .iter()
        .map(|&at| {
            let mut text = Vec::new();
            push_bucket_time(&mut text, at, frame.zone);
            text
        })
        .collect();
    for series in &frame.series {
        for (bucket, time) in times.iter().enumerate() {
            table.text(time)?;
            for (index, _) in frame.label_names.iter().enumerate() {
                table.text(series.labels.get(index).and_then(Option::as_deref).unwrap_or_default())?;
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
