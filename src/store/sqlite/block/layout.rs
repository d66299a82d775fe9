//! Layouts of blocks: columns are found by name. The names stand in a [`Layout`] beside the blocks, once for all blocks
//! that share it: in each of them they would be a tenth of its bytes. A column that a later version adds makes a new
//! layout; a reader takes the columns it knows and passes over the others, and what a block does not have is null.
//!
//! Must not know: how columns are packed.

use flate2::Crc;

use super::{Damage, damage};
use crate::model::{Kind, Repr};

/// What a column of a layout holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Holds {
    /// Whole numbers.
    Ints,
    /// Floating-point numbers.
    Floats,
}

/// Names and sorts of a block's columns, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Layout {
    columns: Vec<(String, Holds)>,
    text: String,
}

impl Layout {
    /// The layout of a kind's columns as they are today, by their stored names.
    pub(in super::super) fn of(kind: &Kind) -> Layout {
        let holds = |repr| if matches!(repr, Repr::Float) { Holds::Floats } else { Holds::Ints };
        Layout::new(kind.columns.iter().map(|column| (column.stored.to_owned(), holds(column.repr))).collect())
    }

    fn new(columns: Vec<(String, Holds)>) -> Layout {
        let line = |(name, holds): &(String, Holds)| match holds {
            Holds::Ints => format!("i {name}\n"),
            Holds::Floats => format!("f {name}\n"),
        };
        let text = columns.iter().map(line).collect();
        Layout { columns, text }
    }

    /// As it is kept: a line a column, `i` for whole numbers or `f` for floats, a space, the stored name.
    pub(in super::super) fn text(&self) -> &str {
        &self.text
    }

    /// The layout of such a text.
    pub(in super::super) fn parse(text: &str) -> Result<Layout, Damage> {
        let column = |line: &str| match line.split_once(' ') {
            Some(("i", name)) => Ok((name.to_owned(), Holds::Ints)),
            Some(("f", name)) => Ok((name.to_owned(), Holds::Floats)),
            _ => damage(format!("{line:?} is not a column of a layout")),
        };
        Ok(Layout::new(text.lines().map(column).collect::<Result<_, _>>()?))
    }

    /// Names and sorts, in order.
    pub(in super::super) fn columns(&self) -> &[(String, Holds)] {
        &self.columns
    }

    /// CRC-32 of the layout's text and of bytes that are laid out so.
    pub(in super::super) fn checksum(&self, bytes: &[u8]) -> u32 {
        let mut crc = Crc::new();
        crc.update(self.text.as_bytes());
        crc.update(bytes);
        crc.sum()
    }

    /// Where columns of a kind are, in the order asked.
    pub(in super::super) fn places(&self, kind: &Kind, columns: &[usize]) -> Vec<Place> {
        let place = |stored: &str, repr: Repr| {
            let position = self.position(stored);
            let holds = position.and_then(|position| self.columns.get(position)).map(|(_, holds)| *holds);
            match (position, repr, holds) {
                (Some(position), Repr::Integer { .. }, Some(Holds::Ints)) => Place::Ints(position),
                (Some(position), Repr::Float, Some(Holds::Floats)) => Place::Floats(position),
                // A name keeps its sort; one that changed it is another column.
                _ => Place::Nowhere,
            }
        };
        let wanted = columns.iter().filter_map(|index| kind.columns.get(*index));
        wanted.map(|column| place(column.stored, column.repr)).collect()
    }

    /// Where a column is, by its stored name.
    pub(in super::super) fn position(&self, stored: &str) -> Option<usize> {
        self.columns.iter().position(|(name, _)| name == stored)
    }
}

/// Where a column is in a layout.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Place {
    Ints(usize),
    Floats(usize),
    /// Such a column was not recorded then.
    Nowhere,
}
