//! Aligned columns for a person to read, streamed.
//!
//! Widths are those of the first rows; later, wider cells push their line to the right. Must not know: what is in
//! the cells.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::query::cell::Cell;
use crate::query::request::Zone;
use crate::render::cell::push_text;

/// Rows that are held to find the widths: some screens full.
const HELD_ROWS_MAX: usize = 1000;

/// Wider columns are not padded to their widest cell: a list of labels would push all else off the screen.
const WIDTH_MAX: usize = 60;

/// A table being written.
#[derive(Debug)]
pub(super) struct Table<W: Write> {
    out: W,
    zone: Zone,
    widths: Vec<usize>,
    held: Vec<Vec<Printed>>,
    is_held: bool,
}

#[derive(Debug)]
struct Printed {
    text: String,
    is_number: bool,
}

impl<W: Write> Table<W> {
    /// A table with this header.
    pub(super) fn new<'a>(out: W, zone: Zone, header: impl IntoIterator<Item = &'a str>) -> Self {
        let header = header.into_iter().map(|name| Printed { text: name.to_owned(), is_number: false }).collect();
        Table { out, zone, widths: Vec::new(), held: vec![header], is_held: true }
    }

    /// Adds a row.
    pub(super) fn row<'a>(&mut self, cells: impl IntoIterator<Item = Cell<'a>>) -> io::Result<()> {
        let row: Vec<Printed> = cells.into_iter().map(|cell| printed(&cell, self.zone)).collect();
        if !self.is_held {
            return self.line(&row);
        }
        self.held.push(row);
        if self.held.len() >= HELD_ROWS_MAX { self.let_go() } else { Ok(()) }
    }

    /// Writes what is held.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.let_go()?;
        self.out.flush()
    }

    fn let_go(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.is_held) {
            return Ok(());
        }
        let mut held = std::mem::take(&mut self.held);
        let columns = held.iter().map(Vec::len).max().unwrap_or(0);
        self.widths = (0..columns).map(|column| width(&held, column)).collect();
        // A header stands over its numbers.
        let has_numbers = |n: usize| held.iter().any(|row| row.get(n).is_some_and(|cell| cell.is_number));
        let numbers: Vec<bool> = (0..columns).map(has_numbers).collect();
        if let Some(header) = held.first_mut() {
            header.iter_mut().zip(numbers).for_each(|(cell, is_number)| cell.is_number = is_number);
        }
        held.iter().try_for_each(|row| self.line(row))
    }

    fn line(&mut self, row: &[Printed]) -> io::Result<()> {
        let mut line = String::new();
        for (Printed { text, is_number }, &width) in row.iter().zip(&self.widths) {
            // Writing into memory cannot fail.
            let _ = if *is_number { write!(line, "{text:>width$}  ") } else { write!(line, "{text:<width$}  ") };
        }
        writeln!(self.out, "{}", line.trim_end())
    }
}

fn width(rows: &[Vec<Printed>], column: usize) -> usize {
    let mut widths = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count());
    let header = widths.next().unwrap_or(0);
    widths.max().unwrap_or(0).min(WIDTH_MAX).max(header)
}

fn printed(cell: &Cell<'_>, zone: Zone) -> Printed {
    let mut text = Vec::new();
    push_text(&mut text, cell, zone);
    let is_number = matches!(cell, Cell::Scaled { .. } | Cell::Derived(_) | Cell::Reported(_));
    if matches!(cell, Cell::Null) {
        text.push(b'-');
    }
    // A control character, a line break above all, would break the lines of the table.
    let text = String::from_utf8_lossy(&text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Printed { text, is_number }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &[&str], rows: &[Vec<Cell<'static>>], expected: &str) {
        let mut out = Vec::new();
        let mut table = Table::new(&mut out, Zone::Utc, header.iter().copied());
        rows.iter().for_each(|row| table.row(row.clone()).unwrap());
        table.finish().unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn texts_stand_left_and_numbers_right() {
        let number = |value| Cell::Scaled { value, decimals: 1 };
        let rows = [
            vec![Cell::Text("web"), number(15)],
            vec![Cell::Text("a\nb"), number(12345)],
            vec![Cell::Text("none"), Cell::Null],
        ];
        check(&["name", "cores"], &rows, "name   cores\nweb      1.5\na b   1234.5\nnone  -\n");
        check(&["name"], &[], "name\n");
    }

    #[test]
    fn what_follows_the_held_rows_is_streamed() {
        let mut out = Vec::new();
        let mut table = Table::new(&mut out, Zone::Utc, ["n"]);
        for value in 0..3000 {
            table.row([Cell::Scaled { value, decimals: 0 }]).unwrap();
            assert!(table.held.len() <= HELD_ROWS_MAX);
        }
        table.finish().unwrap();
        assert_eq!(String::from_utf8(out).unwrap().lines().count(), 3001);
    }
}
