//! Layouts as the file keeps them: which columns the bytes of pieces and blocks hold, by number.
//!
//! Must not know: what is laid out so.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::block::Layout;
use super::queries;
use crate::model::Kind;

/// A kind as it is kept today.
#[derive(Debug)]
pub(super) struct KindLayout {
    /// The kind.
    pub(super) kind: &'static Kind,
    /// Its columns.
    pub(super) layout: Layout,
}

impl KindLayout {
    pub(super) fn new(kind: &'static Kind) -> Self {
        KindLayout { kind, layout: Layout::of(kind) }
    }
}

/// The number of a layout, made known where it is new.
pub(super) fn id_of(connection: &Connection, layout: &Layout) -> rusqlite::Result<i64> {
    let known = connection
        .prepare_cached(queries::BLOCK_LAYOUT_BY_COLUMNS)?
        .query_row(named_params! {":columns": layout.text()}, |row| row.get(0))
        .optional()?;
    match known {
        Some(id) => Ok(id),
        None => connection
            .prepare_cached(queries::BLOCK_LAYOUT_INSERT)?
            .query_row(named_params! {":columns": layout.text()}, |row| row.get(0)),
    }
}

/// Layouts that were read, by number: there are few, and everything read names one.
#[derive(Debug, Default)]
pub(super) struct Layouts(RefCell<HashMap<i64, Rc<Layout>>>);

impl Layouts {
    /// The layout of a number.
    pub(super) fn get(&self, connection: &Connection, id: i64) -> rusqlite::Result<Rc<Layout>> {
        if let Some(layout) = self.0.borrow().get(&id) {
            return Ok(Rc::clone(layout));
        }
        let mut statement = connection.prepare_cached(queries::BLOCK_LAYOUT_COLUMNS)?;
        let text: String = statement.query_row(named_params! {":id": id}, |row| row.get(0))?;
        let layout = Rc::new(Layout::parse(&text)?);
        self.0.borrow_mut().insert(id, Rc::clone(&layout));
        Ok(layout)
    }
}
