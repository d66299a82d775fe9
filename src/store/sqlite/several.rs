//! Some entities at once: one statement tells of all of them, by their place.
//!
//! Must not know: what is told of them.

use std::rc::Rc;

use rusqlite::types::Value;
use rusqlite::vtab::array::Array;
use rusqlite::{Connection, Row, ToSql};

use super::{codec, queries};
use crate::model::{Identity, Kind};

/// Entities of the file, each in its place; nothing in the place of one that is not known.
#[derive(Debug)]
pub(super) struct Several {
    ids: Vec<Option<i64>>,
    bound: Array,
}

impl Several {
    /// The entities of a kind that have these identities.
    pub(super) fn of(connection: &Connection, kind: &Kind, identities: &[&Identity]) -> rusqlite::Result<Several> {
        let wanted = identities.iter().map(|identity| Value::Blob(codec::encode_identity(identity)));
        let wanted: Array = Rc::new(wanted.collect());
        let mut ids = vec![None; identities.len()];
        let mut statement = connection.prepare_cached(queries::ENTITIES_BY_IDENTITY)?;
        let mut rows = statement.query(&[(":identities", &wanted as &dyn ToSql), (":kind", &kind.name)])?;
        while let Some(row) = rows.next()? {
            if let Some(id) = ids.get_mut(place(row, 1)?) {
                *id = Some(row.get(0)?);
            }
        }
        Ok(Several::with(ids))
    }

    /// One entity.
    pub(super) fn one(id: i64) -> Several {
        Several::with(vec![Some(id)])
    }

    fn with(ids: Vec<Option<i64>>) -> Several {
        let bound = ids.iter().map(|id| id.map_or(Value::Null, Value::Integer)).collect();
        Several { ids, bound: Rc::new(bound) }
    }

    /// The entity of each place.
    pub(super) fn ids(&self) -> &[Option<i64>] {
        &self.ids
    }

    /// Runs a statement that takes `:entities` and more, and whose rows end with `wanted.rowid`: gives each row, in
    /// any order, to the one of `all` that is in its entity's place.
    pub(super) fn tell<T>(
        &self,
        connection: &Connection,
        sql: &str,
        more: &[(&str, &dyn ToSql)],
        all: &mut [T],
        take: impl Fn(&mut T, &Row<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(sql)?;
        let last = statement.column_count().saturating_sub(1);
        let entities: [(&str, &dyn ToSql); 1] = [(":entities", &self.bound)];
        let parameters: Vec<(&str, &dyn ToSql)> = entities.into_iter().chain(more.iter().copied()).collect();
        let mut rows = statement.query(parameters.as_slice())?;
        while let Some(row) = rows.next()? {
            if let Some(of) = all.get_mut(place(row, last)?) {
                take(of, row)?;
            }
        }
        Ok(())
    }
}

/// The place that a row is of: SQLite counts from 1.
fn place(row: &Row<'_>, column: usize) -> rusqlite::Result<usize> {
    let place: i64 = row.get(column)?;
    Ok(usize::try_from(place.saturating_sub(1)).unwrap_or(usize::MAX))
}
